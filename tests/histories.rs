//! Compares the metrics of two real histories with SQL.
//!
//! The statements below are written from the definitions, not from the engine: they see the whole history at once, keep
//! no state, and count sets of days. `upswell replay --metrics` must give the same rows in the same order, and the same
//! bytes if the history is shuffled within the allowed lateness or has each line twice. The histories are beside the
//! project, in `../shared/data`. Without them the tests print `SKIPPED` and pass, but fail if `CI=true`.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Row};
use serde_json::value::RawValue;

/// The day whose start ends the replay: the last closed day is the one before it.
const UNTIL: &str = "2026-08-01";

/// The default allowed lateness, in milliseconds.
const LATENESS_MS: i64 = 3_600_000;

/// One row per line: who, when, and the checks of what the later statements rely on.
const EVENTS: &str = "
CREATE TABLE event AS
SELECT rowid AS place,
       body ->> '$.type' AS type,
       body ->> '$.event' AS name,
       body ->> '$.context.groupId' AS account,
       body ->> '$.userId' AS user,
       body ->> '$.timestamp' AS timestamp,
       CAST(round(1000 * unixepoch(body ->> '$.timestamp', 'subsec')) AS INTEGER) AS ms
FROM line;
";

/// Counts events that are not as the statements assume: named activity of users in accounts, sorted by time, after 1970
/// (so that integer division rounds down) and before the end.
const MISFITS: &str = "
SELECT count(*)
FROM (SELECT *, lag(ms, 1, 0) OVER (ORDER BY place) AS before FROM event)
WHERE type IS NOT 'track' OR name IS NOT 'Feature Used'
   OR account IS NULL OR typeof(account) <> 'text' OR account = ''
   OR user IS NULL OR typeof(user) <> 'text' OR user = ''
   OR timestamp NOT GLOB '????-??-??T??:??:??.???Z'
   OR ms IS NULL OR ms < before OR ms >= 1000 * unixepoch(:until);
";

/// Days are counted from 1970-01-01, weeks are ISO weeks: week k is the days 7k − 3 … 7k + 3.
/// A user who was absent for more than 400 days starts a new life.
const LIVES: &str = "
CREATE TABLE active (account, day, user, PRIMARY KEY (account, day, user)) WITHOUT ROWID;
INSERT INTO active SELECT DISTINCT account, ms / 86400000, user FROM event;

CREATE TABLE life (account, founded, ends, PRIMARY KEY (account, founded)) WITHOUT ROWID;
INSERT INTO life
SELECT account, day, lead(day, 1, 1e9) OVER (PARTITION BY account ORDER BY day)
FROM (SELECT account, day, lag(day, 1, -1e9) OVER (PARTITION BY account ORDER BY day) AS before
      FROM (SELECT DISTINCT account, day FROM active))
WHERE day - before > 400;

-- First active days of users; whoever came on the founding day is a founder and never new.
CREATE TABLE newcomer (account, day, user, PRIMARY KEY (account, day, user)) WITHOUT ROWID;
INSERT INTO newcomer
SELECT account, day, user
FROM (SELECT *, lag(day, 1, -1e9) OVER (PARTITION BY account, user ORDER BY day) AS before
      FROM active)
WHERE day - before > 400 AND (account, day) NOT IN (SELECT account, founded FROM life);

-- The weeks in which users were active, with the week in which this life of the user began, founders
-- included.
CREATE TABLE attended (account, week, user, since, PRIMARY KEY (account, week, user)) WITHOUT ROWID;
INSERT INTO attended
SELECT account, (day + 3) / 7, user, max(since)
FROM (SELECT account, day, user,
             max(CASE WHEN day - before > 400 THEN (day + 3) / 7 END)
               OVER (PARTITION BY account, user ORDER BY day) AS since
      FROM (SELECT *, lag(day, 1, -1e9) OVER (PARTITION BY account, user ORDER BY day) AS before
            FROM active))
GROUP BY 1, 2, 3;
";

/// One row per account and closed day D with MAU > 0, that is, with activity in the last 28 days.
const DAYS: &str = "
CREATE TABLE day_row AS
WITH RECURSIVE
  ahead (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM ahead WHERE n < 27),
  kept AS (
    SELECT DISTINCT account, day + n AS day
    FROM active, ahead
    WHERE day + n < unixepoch(:until) / 86400
  ),
  windowed AS (
    SELECT k.account, k.day, founded,
           min(28, k.day - founded + 1) AS n,
           min(8, (k.day - 7 - founded) / 7) AS m,
           (SELECT count(DISTINCT user) FROM active a
            WHERE a.account = k.account AND a.day = k.day) AS dau,
           (SELECT count(DISTINCT user) FROM active a
            WHERE a.account = k.account AND a.day BETWEEN k.day - 6 AND k.day) AS wau,
           (SELECT count(DISTINCT user) FROM active a
            WHERE a.account = k.account AND a.day BETWEEN k.day - 27 AND k.day) AS mau,
           (SELECT count(*) FROM newcomer c
            WHERE c.account = k.account AND c.day = k.day) AS new_users,
           (SELECT count(*) FROM newcomer c
            WHERE c.account = k.account AND c.day BETWEEN k.day - 6 AND k.day) AS new_users_7d
    FROM kept k JOIN life l ON l.account = k.account AND k.day >= founded AND k.day < ends
  )
SELECT *,
       -- The sum of DAU over n days is the number of (user, day) pairs in them.
       CASE WHEN n >= 7 THEN
         CAST((SELECT count(*) FROM active a
               WHERE a.account = w.account AND a.day BETWEEN w.day - n + 1 AND w.day) AS REAL)
         / (n * mau)
       END AS stickiness,
       CASE WHEN m >= 2 THEN
         nb_tail(new_users_7d, m,
                 (SELECT count(*) FROM newcomer c
                  WHERE c.account = w.account
                    AND c.day BETWEEN w.day - 7 - 7 * m + 1 AND w.day - 7))
       END AS spike_p
FROM windowed w;
";

/// One row per account and complete week whose Sunday has a day row. Streak, slope and base level look
/// back over all complete weeks of the life, also those without activity, so the series is filled first.
const WEEKS: &str = "
CREATE TABLE week_shown (account, founded, week, PRIMARY KEY (account, week)) WITHOUT ROWID;
INSERT INTO week_shown
SELECT account, founded, (day + 3) / 7
FROM day_row
WHERE (day + 3) % 7 = 6 AND day - 6 >= founded;

CREATE TABLE week (account, founded, week, known, wau, PRIMARY KEY (account, week)) WITHOUT ROWID;
INSERT INTO week
WITH RECURSIVE series (account, founded, week, known, last) AS (
  SELECT account, founded, (founded + 9) / 7, 1, max(week)
  FROM week_shown GROUP BY account, founded
  UNION ALL
  SELECT account, founded, week + 1, known + 1, last FROM series WHERE week < last
)
SELECT account, founded, week, known,
       (SELECT count(DISTINCT user) FROM active a
        WHERE a.account = s.account AND a.day BETWEEN 7 * week - 3 AND 7 * week + 3)
FROM series s;

CREATE TABLE week_row AS
WITH
  compared AS (
    SELECT *, min(8, known) AS n, lag(wau) OVER life AS before, lag(wau, 3) OVER life AS third,
           max(wau) OVER (life ROWS 3 PRECEDING) AS most
    FROM week WINDOW life AS (PARTITION BY account, founded ORDER BY week)
  ),
  -- The week that last failed to rise is where a streak begins; the first known week never rises.
  streaks AS (
    SELECT *, max(week) FILTER (WHERE before IS NULL OR wau <= before)
                OVER (PARTITION BY account, founded ORDER BY week) AS fell
    FROM compared
  ),
  -- s2 = 2·S in integers; q = sum over users of k(n − k), k of the n weeks active.
  sums AS (
    SELECT *,
           (SELECT sum((2 * (p.week - (s.week - n + 1)) - n + 1) * p.wau) FROM week p
            WHERE p.account = s.account AND p.week BETWEEN s.week - n + 1 AND s.week) AS s2,
           (SELECT sum(k * (n - k))
            FROM (SELECT count(DISTINCT (a.day + 3) / 7) AS k FROM active a
                  WHERE a.account = s.account
                    AND a.day BETWEEN 7 * (s.week - n + 1) - 3 AND 7 * s.week + 3
                  GROUP BY a.user)) AS q
    FROM streaks s JOIN week_shown USING (account, founded, week)
  ),
  -- The base level: of the b known weeks k - 3 - b to k - 4 the (1 + b / 4)-th largest, if b >= 3; and
  -- the users of the last eight weeks, all and those who began by week k - 8, or k - 4 while fewer
  -- than 13 weeks are known.
  levels AS (
    SELECT *, min(12, week - fell) AS streak,
           CASE WHEN known >= 7 THEN
             (SELECT wau
              FROM (SELECT p.wau, row_number() OVER (ORDER BY p.wau DESC) AS place FROM week p
                    WHERE p.account = s.account
                      AND p.week BETWEEN s.week - 3 - min(9, s.known - 4) AND s.week - 4)
              WHERE place = 1 + min(9, s.known - 4) / 4)
           END AS base,
           (SELECT count(DISTINCT user) FROM attended a
            WHERE a.account = s.account AND a.week BETWEEN s.week - 7 AND s.week) AS users,
           (SELECT count(DISTINCT user) FROM attended a
            WHERE a.account = s.account AND a.week BETWEEN s.week - 7 AND s.week
              AND a.since <= s.week - CASE WHEN s.known < 13 THEN 4 ELSE 8 END) AS settled
    FROM sums s
  ),
  -- u of growing and of declining, then v of each.
  crowds AS (SELECT *, max(base, 1, settled) AS u, max(base, 1, users) AS u_all FROM levels),
  spreads AS (
    SELECT *, base * (u - base) + u AS v, base * (u_all - base) + u_all AS v_all,
           wau + before - 2 * base AS rise, 2 * min(wau, before) - 2 * base AS least,
           base - most AS fall
    FROM crowds
  )
SELECT account, week, wau,
       CASE WHEN known >= 2 AND before > 0 THEN CAST(wau - before AS REAL) / before END AS growth,
       CASE WHEN known >= 2 THEN streak END AS streak,
       CASE WHEN n >= 4 AND q > 0 THEN s2 / sqrt((n + 1) * q / 3.0) END AS slope_z,
       base,
       CASE
         WHEN known < 4 THEN NULL
         WHEN base IS NULL THEN
           -- z >= 3.0 and z >= 3.5, squared.
           coalesce(q, 0) > 0 AND s2 > 0
           AND (streak >= 3 AND s2 * s2 >= 3 * (n + 1) * q
                OR streak >= 1 AND 12 * s2 * s2 >= 49 * (n + 1) * q)
           AND wau >= third + 2 AND 5 * wau >= 6 * third
         ELSE rise > 0 AND rise * rise * u >= 32 * v AND least > 0 AND least * least * u >= 10 * v
       END AS growing,
       CASE WHEN known >= 10 THEN
         fall > 0 AND 100 * most <= 60 * base AND fall * fall * u_all >= 12 * v_all
       END AS declining
FROM spreads;
";

/// All rows by close instant, days before weeks, then the bytes of the account.
const METRICS: &str = "
SELECT 'day', account, strftime('%Y-%m-%d', day * 86400, 'unixepoch'),
       dau, wau, mau, stickiness, new_users, new_users_7d, spike_p, day AS closes
FROM day_row
UNION ALL
SELECT 'week', account, strftime('%G-W%V', week * 7 * 86400, 'unixepoch'),
       wau, growth, streak, slope_z, base, growing, declining, 7 * week + 3
FROM week_row
ORDER BY closes, 1, 2;
";

/// How a printed number is compared with the one of SQL.
#[derive(Clone, Copy)]
enum Precision {
    /// An integer, digit by digit.
    Whole,
    /// One IEEE division: the same bits.
    Exact,
    /// A result of several roundings: within 1e-9 of its size, or 1e-12.
    Close,
    /// True or false, which SQL writes 1 and 0.
    Truth,
}
use Precision::{Close, Exact, Truth, Whole};

/// The columns of day rows, in the order of [`METRICS`].
const DAY_COLUMNS: &[(&str, Precision)] = &[
    ("dau", Whole),
    ("wau", Whole),
    ("mau", Whole),
    ("stickiness", Exact),
    ("new_users", Whole),
    ("new_users_7d", Whole),
    ("spike_p", Close),
];

/// The columns of week rows, in the order of [`METRICS`].
const WEEK_COLUMNS: &[(&str, Precision)] = &[
    ("wau", Whole),
    ("growth", Exact),
    ("streak", Whole),
    ("slope_z", Close),
    ("base", Whole),
    ("growing", Truth),
    ("declining", Truth),
];

/// What a row is about: kind, account, day or week.
type Key = [String; 3];

/// A row as SQL computes it; `None` is undefined.
struct Expected {
    key: Key,
    cells: Vec<Option<f64>>,
}

/// A printed row by column; the text of each value is kept, for `serde_json` may round a float.
type Printed = BTreeMap<String, Box<RawValue>>;

#[test]
fn oss_commits() {
    check("oss-commits", 53_793, 4_255);
}

#[test]
fn oss_folders() {
    check("oss-folders", 59_244, 107);
}

/// Compares SQL with `replay` over one history, as it is, shuffled and doubled.
fn check(name: &str, events: i64, accounts: i64) {
    let Some(history) = find(name) else { return };
    let sql = load(&history);
    let (lines, members, misfits): (i64, i64, i64) = (
        ask(&sql, "SELECT count(*) FROM event"),
        ask(&sql, "SELECT count(DISTINCT account) FROM event"),
        ask(&sql, &MISFITS.replace(":until", &format!("'{UNTIL}'"))),
    );
    assert_eq!((lines, members, misfits), (events, accounts, 0), "{name}");
    let expected = compute(&sql);

    let folder = tempfile::tempdir().expect("a temporary folder");
    let metrics = replay(&history, folder.path());
    compare(name, &expected, &metrics);
    for (variant, lines) in [("shuffled", shuffled(&sql)), ("doubled", doubled(&sql))] {
        let file = folder.path().join(format!("{name}.{variant}.ndjson"));
        fs::write(&file, lines).expect("a file of events");
        let again = replay(&file, folder.path());
        let other = metrics.lines().zip(again.lines()).find(|(a, b)| a != b);
        assert!(again == metrics, "{name} {variant}: other metrics than in order: {other:?}");
    }
}

/// The file of a history, or `None` after printing that it does not exist.
fn find(name: &str) -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let file = data.join(format!("{name}.ndjson.zst"));
    if file.exists() {
        return Some(file);
    }
    let missing = file.display();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "no history at {missing}");
    // Written past the test harness, which shows `eprintln!` of failed tests only.
    writeln!(io::stderr(), "SKIPPED: {name}: no history at {missing}").expect("standard error");
    None
}

/// A database in memory with the lines of a history and its events.
fn load(history: &Path) -> Connection {
    let packed = File::open(history).expect("the history");
    let text = zstd::decode_all(packed).expect("a zstd file");
    let text = String::from_utf8(text).expect("UTF-8");
    let sql = Connection::open_in_memory().expect("SQLite");
    sql.execute_batch("CREATE TABLE line (body TEXT); BEGIN;").expect("a table of lines");
    let mut insert = sql.prepare("INSERT INTO line VALUES (?1)").expect("insert");
    for line in text.lines() {
        insert.execute([line]).expect("one more line");
    }
    drop(insert);
    sql.execute_batch("COMMIT;").expect("all lines");
    sql.execute_batch(EVENTS).expect("lines are JSON");
    sql
}

/// The one number a query gives.
fn ask(sql: &Connection, query: &str) -> i64 {
    sql.query_row(query, [], |row| row.get(0)).expect(query)
}

/// All metrics rows of the loaded history, in order.
fn compute(sql: &Connection) -> Vec<Expected> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    sql.create_scalar_function("sqrt", 1, flags, |args| Ok(args.get::<f64>(0)?.sqrt())).expect("a function of SQL");
    sql.create_scalar_function("nb_tail", 3, flags, |args| Ok(nb_tail(args.get(0)?, args.get(1)?, args.get(2)?)))
        .expect("a function of SQL");
    for step in [LIVES, DAYS, WEEKS] {
        let step = step.replace(":until", &format!("'{UNTIL}'"));
        sql.execute_batch(&step).expect("SQL of the metrics");
    }
    let mut query = sql.prepare(METRICS).expect("SQL of the rows");
    let rows = query.query_map([], expected).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows as described")
}

/// P(X ≥ x), X ~ NB(r = ½ + new, success probability (1 + blocks) / (2 + blocks)): the terms of the
/// upper tail, each from the one before it, so that a small tail is not a difference of large sums.
fn nb_tail(x: i64, blocks: i64, new: i64) -> f64 {
    if x == 0 {
        return 1.0;
    }
    let r = 0.5 + new as f64;
    let success = (1.0 + blocks as f64) / (2.0 + blocks as f64);
    let failure = 1.0 / (2.0 + blocks as f64);
    let ratio = |k: i64| (k as f64 + r) / (k as f64 + 1.0) * failure;
    // Logarithms, for the first terms of a large r are below the smallest float.
    let log_first = r * success.ln() + (0..x).map(|k| ratio(k).ln()).sum::<f64>();
    let (mut k, mut term, mut sum) = (x, log_first.exp(), 0.0);
    while ratio(k) >= 1.0 || term > sum * 1e-18 {
        sum += term;
        term *= ratio(k);
        k += 1;
    }
    sum
}

/// One row of [`METRICS`].
fn expected(row: &Row) -> rusqlite::Result<Expected> {
    let key: Key = [row.get(0)?, row.get(1)?, row.get(2)?];
    let cells = (0..columns(&key).len()).map(|at| row.get(3 + at));
    let cells = cells.collect::<Result<_, _>>()?;
    Ok(Expected { key, cells })
}

/// The columns of a row of this kind.
fn columns(key: &Key) -> &'static [(&'static str, Precision)] {
    match key[0].as_str() {
        "day" => DAY_COLUMNS,
        _ => WEEK_COLUMNS,
    }
}

/// The history in another order: no event comes after one that is later by more than the lateness.
fn shuffled(sql: &Connection) -> String {
    let mut random = Pcg64::seed_from_u64(20_260_801);
    let mut lines = lines(sql);
    lines.sort_by_cached_key(|(ms, _)| ms + random.random_range(0..=LATENESS_MS));
    lines.iter().map(|(_, line)| format!("{line}\n")).collect()
}

/// The history with each line twice.
fn doubled(sql: &Connection) -> String {
    let lines = lines(sql);
    lines.iter().map(|(_, line)| format!("{line}\n{line}\n")).collect()
}

/// Event time in milliseconds and text of each line, in the order of the file.
fn lines(sql: &Connection) -> Vec<(i64, String)> {
    let mut query =
        sql.prepare("SELECT ms, body FROM event JOIN line ON line.rowid = place ORDER BY place").expect("a query");
    let lines = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    lines.expect("lines").collect::<Result<_, _>>().expect("lines")
}

/// What `upswell replay --metrics` prints for a file of events.
fn replay(events: &Path, folder: &Path) -> String {
    let out = folder.join("metrics.ndjson");
    let run = Command::new(env!("CARGO_BIN_EXE_upswell"))
        .arg("replay")
        .arg(events)
        .args(["--until", UNTIL, "--metrics"])
        .arg(&out)
        .output()
        .expect("the binary runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "replay of {}: {said}", events.display());
    fs::read_to_string(&out).expect("metrics")
}

/// Fails with the first difference in the order of the rows, and how many there are.
fn compare(name: &str, expected: &[Expected], metrics: &str) {
    let printed: Vec<(Key, Printed)> = metrics.lines().map(parse).collect();
    let by_key: HashMap<&Key, &Printed> = printed.iter().map(|(key, row)| (key, row)).collect();
    let differences: Vec<String> = expected
        .iter()
        .filter_map(|row| match by_key.get(&row.key) {
            None => Some(format!("{}: SQL has this row, replay has not", row.key.join(" "))),
            Some(printed) => difference(row, printed),
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{name}: {} of {} rows differ; the first: {}",
        differences.len(),
        expected.len(),
        differences[0]
    );
    for (at, (key, _)) in printed.iter().enumerate() {
        assert_eq!(
            Some(key),
            expected.get(at).map(|row| &row.key),
            "{name}: row {} of {} of replay (left) is not that row of {} of SQL (right)",
            at + 1,
            printed.len(),
            expected.len()
        );
    }
}

/// One line of the metrics, and what it is about.
fn parse(line: &str) -> (Key, Printed) {
    let row: Printed = serde_json::from_str(line).expect(line);
    let text = |name: &str| -> String { serde_json::from_str(row[name].get()).expect(line) };
    let kind = text("kind");
    let key = [kind.clone(), text("account"), text(&kind)];
    (key, row)
}

/// The first column in which two rows about the same thing differ.
fn difference(row: &Expected, printed: &Printed) -> Option<String> {
    let about = row.key.join(" ");
    let columns = columns(&row.key);
    if printed.len() != 3 + columns.len() {
        let names: Vec<_> = printed.keys().collect();
        return Some(format!("{about}: replay has the columns {names:?}"));
    }
    columns.iter().zip(&row.cells).find_map(|(&(name, precision), &cell)| {
        let text = printed.get(name).map_or("nothing", |value| value.get());
        let shown = cell.map_or("null".into(), |number| number.to_string());
        (!agrees(cell, text, precision)).then(|| format!("{about}: {name}: SQL {shown}, replay {text}"))
    })
}

/// Whether a printed value is the one SQL computed.
fn agrees(cell: Option<f64>, text: &str, precision: Precision) -> bool {
    let text = match (precision, text) {
        (Truth, "false") => "0",
        (Truth, "true") => "1",
        (Truth, "0" | "1") => "a number",
        _ => text,
    };
    let (Some(number), Ok(printed)) = (cell, text.parse::<f64>()) else {
        return cell.is_none() && text == "null";
    };
    match precision {
        Whole | Truth => text == number.to_string(),
        Exact => printed.to_bits() == number.to_bits(),
        Close => (printed - number).abs() <= (1e-9 * number.abs()).max(1e-12),
    }
}
