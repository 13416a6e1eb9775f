//! Tests of the commands without Kafka: runs the program and checks its output, its messages and its exit code (0
//! success, 1 failure, 2 invalid arguments, configuration or rules).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use upswell::cli::config;

const COMMANDS: [&str; 13] = [
    "demo", "init", "run", "replay", "explain", "send", "generate", "reshard", "topics", "tail", "check", "rules",
    "bench",
];
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/upswell.example.yaml");
const RULES: &str = include_str!("../src/rules/default.yaml");

/// A temporary directory in which commands run.
struct Workdir(TempDir);

impl Workdir {
    fn new() -> Workdir {
        Workdir(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn lines(&self, name: &str) -> Vec<String> {
        String::from_utf8(self.read(name)).unwrap().lines().map(str::to_owned).collect()
    }

    /// The entries of the signals feed.
    fn entries(&self) -> Vec<Value> {
        let messages = self.json("signals");
        messages.iter().flat_map(|message| message["entries"].as_array().cloned().unwrap_or_default()).collect()
    }

    fn json(&self, name: &str) -> Vec<Value> {
        self.lines(name).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upswell"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("UPSWELL_")) {
            command.env_remove(key);
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(arguments, &self.command(arguments).output().unwrap())
    }

    fn run_with(&self, key: &str, value: &str, arguments: &[&str]) -> Ended {
        Ended::of(arguments, &self.command(arguments).env(key, value).output().unwrap())
    }

    /// Runs a command with `input` as standard input.
    fn run_on(&self, input: &[u8], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ended::of(arguments, &child.wait_with_output().unwrap())
    }

    /// Writes the history that most tests replay: 300 users in some 60 accounts, over 16 weeks.
    fn generate(&self, out: &str) {
        self.run(&[&GENERATE[..], &["--out", out]].concat()).ok();
    }

    /// Replays to the end of the generated history, with every output in a file. Returns the outputs.
    fn replay(&self, arguments: &[&str]) -> [Vec<u8>; 7] {
        self.run(&[&["replay"], arguments, &TO_THE_END[..]].concat()).ok();
        self.outputs()
    }

    fn outputs(&self) -> [Vec<u8>; 7] {
        ["metrics", "handoffs", "signals", "letters", "onboarding", "accounts", "users"].map(|name| self.read(name))
    }
}

const GENERATE: [&str; 9] = ["generate", "--seed", "1", "--users", "300", "--events", "20000", "--end", "2026-08-01"];
const OUTPUTS: [&str; 8] =
    ["--metrics", "metrics", "--handoffs", "handoffs", "--signals", "signals", "--dead-letters", "letters"];
const TO_THE_END: [&str; 16] = [
    "--metrics",
    "metrics",
    "--handoffs",
    "handoffs",
    "--signals",
    "signals",
    "--dead-letters",
    "letters",
    "--onboarding",
    "onboarding",
    "--accounts",
    "accounts",
    "--users",
    "users",
    "--until",
    "2026-08-01",
];

/// The exit code of a command, and what it printed.
#[derive(Debug)]
struct Ended {
    what: String,
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn of(arguments: &[&str], output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ended {
            what: arguments.join(" "),
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    #[track_caller]
    fn ok(self) -> Ended {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Asserts that the command ended with this code, and that standard error contains all of `parts`.
    #[track_caller]
    fn fails(self, code: i32, parts: &[&str]) -> Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        for part in parts {
            assert!(self.err.contains(part), "`{}` does not print {part:?}: {}", self.what, self.err);
        }
        self
    }
}

/// A track event as a line of JSON.
fn track(id: &str, name: &str, user: &str, account: &str, at: &str) -> String {
    format!(
        r#"{{"messageId":"{id}","type":"track","event":"{name}","userId":"{user}","context":{{"groupId":"{account}"}},"timestamp":"{at}"}}"#
    )
}

fn page(id: &str, name: &str, user: &str, account: &str, at: &str) -> String {
    track(id, name, user, account, at).replace(r#""track","event""#, r#""page","name""#)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn sorted(bytes: &[u8]) -> Vec<&str> {
    let mut lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn every_command_has_help_with_examples() {
    let dir = Workdir::new();
    let help = dir.run(&["--help"]).ok().out;
    for command in COMMANDS {
        assert!(help.contains(&format!("  {command} ")), "{help}");
        let own = dir.run(&[command, "--help"]).ok().out;
        assert!(own.contains("Examples:") && own.contains(&format!("\n  upswell {command}")), "{own}");
        assert!(own.lines().all(|line| line.chars().count() <= 120), "{own}");
    }
    let version = dir.run(&["--version"]).ok().out;
    assert_eq!(version.trim_end(), concat!("upswell ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn invalid_arguments_end_with_exit_code_2_and_a_message() {
    let dir = Workdir::new();
    dir.write("events.ndjson", "");
    dir.write("notes.txt", "mine");
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["Usage:"]),
        (&["fly"], &["unrecognized subcommand 'fly'"]),
        (&["replay"], &["required", "FILE"]),
        (&["replay", "notes.txt"], &["notes.txt", ".ndjson", "--from"]),
        (&["replay", "events.ndjson", "--from", "amplitud"], &["amplitud", "did you mean `amplitude`?"]),
        (&["replay", "events.ndjson", "--account", "a..b"], &["--account", "context.groupId"]),
        (&["replay", "events.ndjson", "--user", "email domain"], &["--user", "no user"]),
        (&["replay", "events.ndjson", "--topic", "log"], &["cannot be used with"]),
        (&["replay", "-", "-"], &["standard input", "once"]),
        (&["replay", "events.ndjson", "--handoffs", "-", "--signals", "-"], &["standard output"]),
        (&["replay", "events.ndjson", "--handoffs", "out", "--signals", "out"], &["out"]),
        (&["replay", "events.ndjson", "--handoffs", "events.ndjson"], &["events.ndjson"]),
        (&["replay", "events.ndjson", "--until", "soon"], &["--until"]),
        (&["replay", "events.ndjson", "--until", "9999-12-31"], &["--until"]),
        (&["replay", "events.ndjson", "--partitions", "0"], &["--partitions"]),
        (&["replay", "events.ndjson", "--rules", "missing.yaml"], &["missing.yaml"]),
        (&["explain"], &["ACCOUNT", "--on"]),
        (&["explain", "acme"], &["--on"]),
        (&["explain", "acme", "--on", "notes.txt"], &["notes.txt", "--from"]),
        (&["explain", "acme", "--on", "events.ndjson", "--rules", "missing.yaml"], &["missing.yaml"]),
        (&["generate", "--out", "events.ndjson"], &["--end"]),
        (&["generate", "--end", "2026-08-01"], &["--out"]),
        (&["generate", "--end", "2026-08-01", "--users", "10000001", "--out", "e.ndjson"], &["10000000"]),
        (&["generate", "--end", "2026-08-01", "--events", "1000000001", "--out", "e.ndjson"], &["1000000000"]),
        (&["generate", "--end", "2026-08-01", "--events", "10", "--out", "notes.txt"], &["notes.txt", ".ndjson"]),
        (&["generate", "--end", "2026-08-01", "--load", "dense", "--out", "e.pb"], &["sparse", "busy"]),
        (&["generate", "--end", "2026-08-01", "--load", "busy", "--users", "9", "--out", "e.pb"], &["--users"]),
        (
            &["generate", "--end", "2026-08-01", "--load", "busy", "--events", "10000001", "--out", "e.pb"],
            &["busy", "10,000,000", "--events"],
        ),
        (&["generate", "--end", "2026-08-01", "--events", "10", "--out", "e.ndjson", "--pack", "5"], &["--pack"]),
        (&["demo", "--for", "long"], &["--for"]),
        (&["demo", "--users", "0"], &["--users"]),
        (&["send"], &["FILE"]),
        (&["tail", "--level", "top"], &["high", "medium", "low"]),
        (
            &["tail", "everything"],
            &["handoffs", "holdout", "signals", "onboarding", "accounts", "users", "dead-letters"],
        ),
        (&["check", "--config", "missing.yaml"], &["missing.yaml"]),
        (&["rules", "diff", "default", "default"], &["--on"]),
        (&["bench", "--load", "dense"], &["sparse", "busy"]),
        (&["bench", "--events", "10000001"], &["10,000,000", "10,000,001", "--users", "--days"]),
        (&["bench", "--events", "9000000", "--rate", "100000"], &["12,000,000", "--rate"]),
        (&["bench", "--users", "100", "--accounts", "101"], &["--accounts", "101"]),
        (&["bench", "--skew", "much"], &["--skew", "0.8"]),
        (&["bench", "--days", "6"], &["--days"]),
        (&["bench", "--outputs", "none"], &["all", "peers"]),
        (&["bench", "--close"], &["--rate"]),
        (&["bench", "--rules", "missing.yaml"], &["missing.yaml"]),
    ];
    for (arguments, says) in table {
        dir.run(arguments).fails(2, says);
    }
    assert_eq!(dir.read("notes.txt"), b"mine", "what is refused is not overwritten");
}

#[test]
fn a_load_is_cut_after_events_and_replays_alike_in_every_format() {
    let dir = Workdir::new();
    let load = |events: &str, out: &str| {
        let flags = ["generate", "--load", "busy", "--events", events, "--end", "2026-08-01", "--out", out];
        dir.run(&flags).ok();
    };
    load("20000", "whole.pb");
    load("500", "cut.pb");
    load("500", "cut.ndjson.gz");
    assert!(dir.read("whole.pb").starts_with(&dir.read("cut.pb")));
    let cut = dir.read("cut.pb").len() as f64 / 500.0;
    assert!((139.0..143.0).contains(&cut), "139 bytes an event, and two of their length: {cut}");
    let replayed = ["cut.pb", "cut.ndjson.gz"].map(|file| dir.replay(&[file]));
    assert_eq!(replayed[0], replayed[1]);
    let ended = dir.run(&["replay", "cut.pb", "--stats"]).ok();
    assert!(ended.err.contains("s of CPU, ") && ended.err.contains("µs an event"), "{}", ended.err);
    let first = String::from_utf8(replayed[0][0].clone()).unwrap();
    assert!(first.starts_with("{") && first.contains("2026-06-02"), "60 days before the end: {first:.200}");
}

#[test]
fn a_missing_file_ends_with_exit_code_1_and_its_name() {
    let dir = Workdir::new();
    dir.run(&["replay", "missing.ndjson"]).fails(1, &["missing.ndjson"]);
    dir.write("events.ndjson", "");
    dir.run(&["replay", "events.ndjson", "--handoffs", "nowhere/out"]).fails(1, &["nowhere/out"]);
    dir.run(&["generate", "--end", "2026-08-01", "--events", "9", "--out", "nowhere/e.pb"]).fails(1, &["nowhere/e.pb"]);
    fs::create_dir(dir.path("empty")).unwrap();
    dir.run(&["replay", "empty"]).fails(1, &["empty has no files"]);
}

#[test]
fn replay_gives_the_same_result_for_every_format() {
    let dir = Workdir::new();
    dir.generate("plain.ndjson");
    dir.generate("plain.pb");
    let (json, proto) = (dir.read("plain.ndjson"), dir.read("plain.pb"));
    let expected = dir.replay(&["plain.ndjson"]);
    assert!(expected[..3].iter().all(|output| output.len() > 1_000), "the product makes something of each");

    let middle = json.iter().enumerate().skip(json.len() / 2).find(|(_, byte)| **byte == b'\n').unwrap().0 + 1;
    let (first, second) = json.split_at(middle);
    let windows = String::from_utf8(json.clone()).unwrap().replace('\n', "\r\n\r\n \r\n");
    dir.write("j.ndjson.gz", gzip(&json));
    dir.write("j.jsonl.zst", zstd(&json));
    dir.write("p.pb.gz", gzip(&proto));
    dir.write("p.binpb.zst", zstd(&proto));
    dir.write("two-members.json.gz", [gzip(first), gzip(second)].concat());
    dir.write("two-frames.json.zst", [zstd(first), zstd(second)].concat());
    dir.write("gzip-inside.ndjson", gzip(&json));
    dir.write("plain-inside.ndjson.gz", &json);
    dir.write("json-inside.pb", zstd(&json));
    dir.write("no-extension", &proto);
    dir.write("first.ndjson", first);
    dir.write("second.ndjson.zst", zstd(second));
    dir.write("windows.ndjson", windows.trim_end());
    let table: &[&[&str]] = &[
        &["plain.pb"],
        &["j.ndjson.gz"],
        &["j.jsonl.zst"],
        &["p.pb.gz"],
        &["p.binpb.zst"],
        &["two-members.json.gz"],
        &["two-frames.json.zst"],
        &["gzip-inside.ndjson"],
        &["plain-inside.ndjson.gz"],
        &["json-inside.pb", "--from", "segment"],
        &["json-inside.pb", "--format", "ndjson"],
        &["no-extension", "--from", "protobuf"],
        &["first.ndjson", "second.ndjson.zst"],
        &["windows.ndjson"],
    ];
    for arguments in table {
        assert!(dir.replay(arguments) == expected, "{arguments:?} gives other results");
    }
    let inputs: [(&[u8], &[&str]); 3] = [
        (&json, &["replay", "-"]),
        (&zstd(&json), &["replay", "-"]),
        (&gzip(&proto), &["replay", "-", "--format", "protobuf"]),
    ];
    for (input, arguments) in inputs {
        dir.run_on(input, &[arguments, &TO_THE_END[..]].concat()).ok();
        assert!(dir.outputs() == expected, "standard input, {arguments:?}, gives other results");
    }
}

#[test]
fn unreadable_lines_are_dead_lettered_and_the_others_are_applied() {
    let dir = Workdir::new();
    let good = |id: &str| track(id, "Contact Sales", "ann", "acme", "2026-03-02T10:00:00Z");
    dir.write("first.ndjson", [good("m1"), "{ not JSON".into(), String::new()].join("\n"));
    let number = good("m2").replace(r#""acme""#, "7.5");
    dir.write("second.ndjson", [b"\xff\xfe\n", number.as_bytes(), b"\r\n", good("m3").as_bytes()].concat());
    let ended = dir.run(&[&["replay", "first.ndjson", "second.ndjson"], &OUTPUTS[..]].concat()).ok();
    assert!(ended.out.is_empty() && ended.err.contains("2 applied") && ended.err.contains("3 malformed"), "{ended:?}");

    let letters = dir.json("letters");
    let expected: [(&str, Option<&str>, &[u8], &str); 3] = [
        // In the merge, a line without a time comes first if no line with a time precedes it in its file.
        ("second.ndjson", None, b"\xff\xfe", "not a JSON event"),
        ("second.ndjson", Some("1"), number.as_bytes(), "context.groupId is not an id"),
        ("first.ndjson", Some("3"), b"{ not JSON", "not a JSON event"),
    ];
    assert_eq!(letters.len(), expected.len());
    for (letter, (file, offset, bytes, detail)) in letters.iter().zip(expected) {
        assert_eq!(letter["reason"], "DEAD_LETTER_REASON_MALFORMED");
        assert_eq!((letter["topic"].as_str(), letter["offset"].as_str()), (Some(file), offset));
        assert_eq!(from_base64(letter["payload"].as_str().unwrap()), bytes);
        assert!(letter["detail"].as_str().unwrap().contains(detail), "{letter}");
    }
    assert_eq!(dir.entries().iter().filter(|signal| signal["kind"] == "KIND_OCCURRED").count(), 2);
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let bits: Vec<u8> = digits.flat_map(|digit| (0..6).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[test]
fn a_truncated_file_is_an_error_with_its_place() {
    let dir = Workdir::new();
    dir.generate("whole.pb");
    let whole = dir.read("whole.pb");
    dir.write("cut.pb", &whole[..whole.len() - 1]);
    let cut = dir.run(&["replay", "cut.pb", "--signals", "-"]).fails(1, &["cut.pb", "record 19999", "cut off"]);
    // The records before the truncated one were processed.
    let (mut last, mut next) = (0, 0);
    while next < whole.len() {
        let (length, bytes) = match whole[next..] {
            [low, high, ..] if low >= 0x80 => (usize::from(high) << 7 | usize::from(low & 0x7f), 2),
            [length, ..] => (usize::from(length), 1),
            [] => unreachable!(),
        };
        (last, next) = (next, next + bytes + length);
    }
    dir.write("shorter.pb", &whole[..last]);
    let shorter = dir.run(&["replay", "shorter.pb", "--signals", "-"]).ok();
    assert!(shorter.err.contains("19,999"), "{}", shorter.err);
    assert_eq!(cut.out, shorter.out);
    let zipped = gzip(&whole);
    dir.write("cut.pb.gz", &zipped[..zipped.len() / 2]);
    dir.run(&["replay", "cut.pb.gz"]).fails(1, &["cut.pb.gz"]);
    let zipped = zstd(&whole);
    dir.write("cut.pb.zst", &zipped[..zipped.len() / 2]);
    dir.run(&["replay", "cut.pb.zst"]).fails(1, &["cut.pb.zst"]);
    dir.write("huge.pb", [0xff, 0xff, 0xff, 0xff, 0x7f, 0]);
    dir.run(&["replay", "huge.pb"]).fails(1, &["huge.pb", "record 0", "not length-delimited protobuf"]);
}

#[test]
fn one_output_can_go_to_standard_output() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    dir.replay(&["events.ndjson"]);
    for output in ["metrics", "handoffs", "signals", "onboarding", "accounts", "users"] {
        let (flag, file) = (&*format!("--{output}"), output);
        let out = dir.run(&["replay", "events.ndjson", "--until", "2026-08-01", flag, "-"]).ok().out;
        assert!(out.as_bytes() == dir.read(file), "{flag}");
    }
    let generated = dir.run(&[&GENERATE[..], &["--out", "-"]].concat()).ok().out;
    assert!(generated.as_bytes() == dir.read("events.ndjson"));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    let generate = [&GENERATE[..], &["--out", "-"]].concat();
    let table: [&[&str]; 4] =
        [&["replay", "events.ndjson", "--signals", "-"], &generate, &["check"], &["check", "--config", EXAMPLE]];
    for arguments in table {
        let mut child = dir.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        Ended::of(arguments, &child.wait_with_output().unwrap()).ok();
    }
}

#[test]
fn replay_writes_one_profile_per_key_in_order() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    for partitions in ["1", "4"] {
        dir.replay(&["events.ndjson", "--partitions", partitions]);
        let id = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let accounts: Vec<String> = dir.json("accounts").iter().map(|row| id(row, "account")).collect();
        let users: Vec<_> = dir.json("users").iter().map(|row| (id(row, "account"), id(row, "user"))).collect();
        assert!(accounts.len() > 20 && accounts.is_sorted_by(|a, b| a < b), "{accounts:?}");
        assert!(users.len() > 200 && users.is_sorted_by(|a, b| a < b), "{users:?}");
        assert!(users.iter().all(|(account, _)| accounts.contains(account)), "a user of no account");
    }
}

#[test]
fn open_days_close_only_with_until() {
    let dir = Workdir::new();
    let lines = ["2026-03-02T10:00:00Z", "2026-03-03T10:00:00Z"].map(|at| track(at, "Feature Used", "ann", "acme", at));
    dir.write("events.ndjson", lines.join("\n"));
    let days = |until: &[&str]| -> Vec<String> {
        dir.run(&[&["replay", "events.ndjson"], &OUTPUTS[..], until].concat()).ok();
        let rows = dir.json("metrics");
        rows.iter().filter(|row| row["kind"] == "day").map(|row| row["day"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(days(&[]), ["2026-03-02"], "the second day is open");
    assert_eq!(days(&["--until", "2026-03-03"]), ["2026-03-02"], "a tick to the start of a day does not close it");
    assert_eq!(days(&["--until", "2026-03-04"]), ["2026-03-02", "2026-03-03"]);
    assert_eq!(days(&["--until", "1999-01-01"]), ["2026-03-02"], "time does not go back");
    assert_eq!(days(&["--until", "2026-05-01"]).len(), 29, "rows end with the last day of MAU > 0");
}

#[test]
fn days_begin_at_midnight_of_the_utc_offset() {
    let dir = Workdir::new();
    let lines = (5..9).flat_map(|day| [10, 17].map(|hour| (day, hour))).map(|(day, hour)| {
        track(&format!("m{day}-{hour}"), "Feature Used", "ann", "acme", &format!("2026-10-0{day}T{hour}:30:00-07:00"))
    });
    dir.write("evenings.ndjson", lines.collect::<Vec<_>>().join("\n"));
    dir.write("pacific.yaml", RULES.replace("# utc_offset: \"-08:00\"", "utc_offset: -07:00"));
    let active_days = |rules: &str, until: &str| -> Vec<String> {
        let arguments = ["replay", "evenings.ndjson", "--rules", rules, "--metrics", "m", "--accounts", "a"];
        dir.run(&[&arguments[..], &["--until", until]].concat()).ok();
        let rows = dir.json("m").into_iter().filter(|row| row["dau"].as_u64() > Some(0));
        rows.map(|row| row["day"].as_str().unwrap()[8..].to_owned()).collect()
    };
    assert_eq!(active_days("default", "2026-10-10"), ["05", "06", "07", "08", "09"]);
    assert_eq!(active_days("pacific.yaml", "2026-10-10"), ["05", "06", "07", "08"]);
    // With this --until, the day before it closes at its end in UTC-07:00, and the next day stays open.
    assert_eq!(active_days("pacific.yaml", "2026-10-08"), ["05", "06", "07"]);
    assert_eq!(active_days("pacific.yaml", "2026-10-09"), ["05", "06", "07", "08"]);
    let account = &dir.json("a")[0];
    assert_eq!((&account["foundedDay"], &account["lastActiveDay"]), (&20_731.into(), &20_734.into()), "{account}");
    let page = dir.run(&["explain", "acme", "--on", "evenings.ndjson", "--rules", "pacific.yaml"]).ok().out;
    assert!(page.contains("first active 2026-10-05, last 2026-10-08"), "{page}");
    assert!(page.contains("midnight of UTC-07:00"), "{page}");
    let said = dir.run(&["rules", "diff", "default", "pacific.yaml", "--on", "evenings.ndjson"]).ok().out;
    assert!(said.contains("handoffs"), "{said}");
    // `time` of the rules cannot change within a log.
    let change = serde_json::json!({"type": "control", "control": "rules", "timestamp": "2026-10-05T09:00:00Z",
        "rules": String::from_utf8(dir.read("pacific.yaml")).unwrap()});
    dir.write("log.ndjson", change.to_string());
    dir.run(&["replay", "log.ndjson", "--control", "--dead-letters", "d"]).ok();
    let letters = dir.json("d");
    assert!(letters[0]["detail"].as_str().unwrap().contains("`time` of the rules cannot change"), "{letters:?}");
}

#[test]
fn the_number_of_partitions_does_not_change_results_for_ordered_events() {
    let dir = Workdir::new();
    dir.generate("generated.ndjson");
    let mut lines = dir.lines("generated.ndjson");
    lines.sort_by_cached_key(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    });
    dir.write("events.ndjson", lines.join("\n"));
    let one = dir.replay(&["events.ndjson"]);
    for partitions in ["2", "4", "64"] {
        let many = dir.replay(&["events.ndjson", "--partitions", partitions]);
        assert!(one[0] == many[0], "metrics have one order, {partitions} partitions");
        assert!(sorted(&one[1]) == sorted(&many[1]), "handoffs, {partitions} partitions");
        assert!(sorted(&one[2]) == sorted(&many[2]), "signals, {partitions} partitions");
        in_order_within_each_account(&dir.json("signals"));
        in_order_within_each_account(&dir.json("handoffs"));
    }
}

fn in_order_within_each_account(messages: &[Value]) {
    let mut last = std::collections::BTreeMap::new();
    for message in messages {
        let at: i64 = message["atMs"].as_str().unwrap().parse().unwrap();
        let before = last.insert(message["account"].as_str().unwrap(), at);
        assert!(before.is_none_or(|before| before <= at), "time goes back: {message}");
    }
}

#[test]
fn metrics_are_written_in_the_order_of_closes() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    dir.replay(&["events.ndjson", "--partitions", "3"]);
    let keys: Vec<(jiff::civil::Date, bool, Vec<u8>)> = dir
        .json("metrics")
        .iter()
        .map(|row| {
            let account = row["account"].as_str().unwrap().as_bytes().to_vec();
            match row["kind"].as_str().unwrap() {
                "day" => (row["day"].as_str().unwrap().parse().unwrap(), false, account),
                "week" => (sunday_of(row["week"].as_str().unwrap()), true, account),
                other => panic!("a row of kind {other}"),
            }
        })
        .collect();
    assert!(keys.iter().any(|key| key.1) && keys.is_sorted_by(|a, b| a < b));
}

fn sunday_of(week: &str) -> jiff::civil::Date {
    let (year, week) = week.split_once("-W").unwrap();
    let sunday = jiff::civil::Weekday::Sunday;
    jiff::civil::ISOWeekDate::new(year.parse().unwrap(), week.parse().unwrap(), sunday).unwrap().date()
}

#[test]
fn a_rules_file_replaces_the_default_rules() {
    let dir = Workdir::new();
    let events = [
        track("m1", "Feature Used", "ann", "acme", "2026-03-02T10:00:00Z"),
        page("m2", "Pricing", "ann", "acme", "2026-03-04T10:00:00Z"),
        page("m3", "Pricing", "ann", "acme", "2026-03-04T12:00:00Z"),
    ];
    dir.write("events.ndjson", events.join("\n"));
    dir.run(&[&["replay", "events.ndjson"], &OUTPUTS[..]].concat()).ok();
    assert_eq!(dir.json("handoffs"), Vec::<Value>::new(), "two visits to the prices are not three");

    let own = RULES.replace("rungs: [1, 3]", "rungs: [1, 2]");
    assert_ne!(own, RULES);
    dir.write("own.yaml", &own);
    dir.run(&[&["replay", "events.ndjson", "--rules", "own.yaml"], &OUTPUTS[..]].concat()).ok();
    let handoffs = dir.json("handoffs");
    assert_eq!(handoffs.len(), 1);
    assert_eq!((&handoffs[0]["trigger"], &handoffs[0]["level"]), (&"pricing-sessions".into(), &"LEVEL_MEDIUM".into()));
    assert_eq!(handoffs[0]["userIds"], serde_json::json!(["ann"]));

    let line = RULES.lines().position(|line| line.contains("at_least: 5")).unwrap() + 1;
    dir.write("broken.yaml", RULES.replace("at_least: 5", "at_leest: 5"));
    let place = format!("broken.yaml:{line}:");
    for command in [&["replay", "events.ndjson", "--rules", "broken.yaml"][..], &["check", "--rules", "broken.yaml"]] {
        dir.run(command).fails(2, &[&place, "at_leest", "did you mean `at_least`?"]);
    }
}

#[test]
fn invalid_activations_are_refused_and_unknown_presets_stop_the_replay() {
    let dir = Workdir::new();
    let log = |said: &str, instead: &str| {
        let text = RULES.replacen(said, instead, 1);
        assert_ne!(text, RULES);
        let at = upswell::model::EventTime(1_772_445_600_000);
        let activation = upswell::wire::encode_activation(upswell::wire::Format::Json, &text, at);
        let event = |id: &str| track(id, "Contact Sales", "ann", id, "2026-03-02T10:00:00Z");
        dir.write("log.ndjson", [event("m1"), String::from_utf8(activation).unwrap(), event("m2")].join("\n"));
    };
    let replay = ["replay", "log.ndjson", "--control", "--handoffs", "handoffs", "--dead-letters", "letters"];
    log("\nsignals:", "\nsignls:");
    dir.run(&replay).ok();
    assert_eq!(dir.json("handoffs").len(), 2);
    let letters = dir.json("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["reason"], "DEAD_LETTER_REASON_REFUSED");
    assert!(letters[0]["detail"].as_str().unwrap().contains("signls"), "{letters:?}");

    log("\npresets: [segment]", "\npresets: [segmint]");
    let named =
        ["log.ndjson:2: the activated rules:", "unknown preset `segmint`", "a version of Upswell that knows it"];
    dir.run(&replay).fails(2, &named);
    // The event before the activation was applied, and none after it.
    let accounts: Vec<Value> = dir.json("handoffs").iter().map(|handoff| handoff["account"].clone()).collect();
    assert_eq!(accounts, ["m1"]);
    dir.run(&["explain", "m1", "--on", "log.ndjson", "--control"]).fails(2, &named);
    // A command that ignores activations does not need the preset.
    dir.run(&["rules", "diff", "default", "default", "--on", "log.ndjson", "--control"]).ok();
    dir.run(&["check", "--events", "log.ndjson"]).ok();

    // Earlier versions wrote records that name presets.
    log("\npresets: [segment]", "\npresets: [segment, stripe]");
    dir.run(&replay).ok();
    assert_eq!((dir.json("handoffs").len(), dir.json("letters").len()), (2, 0));
}

/// Semantics F22.
#[test]
fn a_handoff_lists_100_users_and_counts_the_others() {
    let dir = Workdir::new();
    let away = "\ntriggers:\n  - { id: away, level: low, cooldown: 1d, when: user.negative.inactive >= 1 }\n";
    dir.write("own.yaml", RULES.replacen("\ntriggers:\n", away, 1));
    let event = |user: usize, day: u32| {
        let at = format!("2026-03-{day:02}T10:00:00Z");
        track(&format!("m{user}-{day}"), "Feature Used", &format!("u{user:03}"), "acme", &at)
    };
    let mut events: Vec<String> = (0..130).map(|user| event(user, 2)).collect();
    events.extend((3..12).map(|day| event(0, day)));
    dir.write("events.ndjson", events.join("\n"));
    let replay = ["replay", "events.ndjson", "--rules", "own.yaml", "--handoffs", "handoffs", "--until", "2026-03-12"];
    dir.run(&replay).ok();
    let handoffs = dir.json("handoffs");
    let away: Vec<&Value> = handoffs.iter().filter(|handoff| handoff["trigger"] == "away").collect();
    assert_eq!(away.len(), 1, "{handoffs:?}");
    let users = away[0]["userIds"].as_array().unwrap();
    assert_eq!((users.len(), &users[0], &away[0]["userIdsLeftOut"]), (100, &"u001".into(), &29.into()));
}

#[test]
fn received_at_limits_times_in_the_future() {
    let dir = Workdir::new();
    let received = |id: &str, at: &str| {
        let line = track(id, "Contact Sales", "ann", "acme", at);
        line.replace(r#","timestamp""#, r#","receivedAt":"2026-03-02T10:00:00Z","timestamp""#)
    };
    let ahead = received("m2", "2026-03-02T10:05:00.001Z");
    let events = [
        received("m1", "2026-03-02T10:05:00Z"),
        ahead.clone(),
        track("m3", "Contact Sales", "ann", "acme", "2046-03-02T10:00:00Z"),
    ];
    dir.write("events.ndjson", events.join("\n"));
    let ended = dir.run(&[&["replay", "events.ndjson"], &OUTPUTS[..]].concat()).ok();
    assert!(ended.err.contains("2 applied") && ended.err.contains("1 from-the-future"), "{ended:?}");
    let letters = dir.json("letters");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["reason"], "DEAD_LETTER_REASON_FROM_THE_FUTURE");
    assert_eq!(letters[0]["offset"], "1");
    assert_eq!(from_base64(letters[0]["payload"].as_str().unwrap()), ahead.as_bytes());
}

#[test]
fn the_same_flags_generate_the_same_bytes() {
    let dir = Workdir::new();
    for (extension, unpack) in
        [("ndjson", 0), ("ndjson.gz", 1), ("ndjson.zst", 2), ("pb", 0), ("pb.gz", 1), ("pb.zst", 2)]
    {
        let [a, b] = ["a", "b"].map(|name| format!("{name}.{extension}"));
        dir.generate(&a);
        dir.generate(&b);
        assert!(dir.read(&a) == dir.read(&b), "{extension}");
        let mut plain = Vec::new();
        match unpack {
            0 => plain = dir.read(&a),
            1 => drop(flate2::read::GzDecoder::new(&*dir.read(&a)).read_to_end(&mut plain).unwrap()),
            _ => plain = zstd::decode_all(&*dir.read(&a)).unwrap(),
        }
        let uncompressed = format!("a.{}", extension.split('.').next().unwrap());
        assert!(plain == dir.read(&uncompressed), "{extension} holds what {uncompressed} holds");
    }
    let other = [&GENERATE[..1], &["--seed", "2"], &GENERATE[3..], &["--out", "other.ndjson"]].concat();
    dir.run(&other).ok();
    assert!(dir.read("other.ndjson") != dir.read("a.ndjson"), "another seed is another product");

    let lines = dir.lines("a.ndjson");
    let ids: BTreeSet<String> = dir.json("a.ndjson").iter().map(|event| event["messageId"].to_string()).collect();
    assert_eq!((lines.len(), ids.len()), (20_000, 20_000));
    assert!(lines.iter().all(|line| line.contains(r#""timestamp":"2026-0"#)), "it ends before --end");
    assert!(dir.json("a.ndjson").iter().all(|event| event["timestamp"].as_str().unwrap() < "2026-08-01"));
}

/// Writes a history and returns the account with the most handoffs.
fn history_of_an_account(dir: &Workdir) -> String {
    dir.generate("events.ndjson");
    dir.replay(&["events.ndjson"]);
    let mut handoffs: BTreeMap<String, usize> = BTreeMap::new();
    for handoff in dir.json("handoffs") {
        *handoffs.entry(handoff["account"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    handoffs.into_iter().max_by_key(|(_, number)| *number).unwrap().0
}

#[test]
fn explain_agrees_with_replay() {
    let dir = Workdir::new();
    let account = history_of_an_account(&dir);
    let arguments = ["explain", &account, "--on", "events.ndjson", "--until", "2026-08-01", "--json"];
    let mut said: Value = serde_json::from_str(&dir.run(&arguments).ok().out).unwrap();
    let of_account = |name: &str| -> Vec<Value> {
        dir.json(name).into_iter().filter(|message| message["account"] == *account).collect()
    };
    // `explain` and `replay` may take a profile at different times.
    let timeless = |mut messages: Vec<Value>| {
        messages.iter_mut().filter_map(Value::as_object_mut).for_each(|message| drop(message.remove("atMs")));
        messages
    };
    let users = timeless(serde_json::from_value(said["users"].take()).unwrap());
    assert_eq!(users, timeless(of_account("users")));
    for name in ["handoffs", "signals", "onboarding"] {
        let expected = of_account(name);
        assert!(!expected.is_empty(), "{name} of {account}");
        assert_eq!(said[name], Value::from(expected), "{name} of {account}");
    }
    assert_eq!(vec![said["profile"].clone()], of_account("accounts"));
    let points: i64 = said["points"].as_array().unwrap().iter().filter_map(|it| it["points"].as_i64()).sum();
    assert_eq!(Some(points), said["profile"]["score"].as_i64().or(Some(0)), "{}", said["points"]);

    let metrics = of_account("metrics");
    let (weeks, days): (Vec<&Value>, Vec<&Value>) = metrics.iter().partition(|row| row["kind"] == "week");
    let new_users =
        |rows: &mut dyn Iterator<Item = &Value>| rows.filter_map(|row| row["new_users"].as_u64()).sum::<u64>();
    let mut rows = said["weeks"].as_array().unwrap().clone();
    assert!(new_users(&mut rows.iter()) > 0 && new_users(&mut rows.iter()) <= new_users(&mut days.into_iter()));
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("new_users").unwrap();
    }
    assert_eq!((&rows[0]["wau"], &rows[1]["wau"]), (&Value::Null, &weeks[0]["wau"]), "the first week is incomplete");
    let (same, others): (Vec<&Value>, Vec<&Value>) = rows.iter().partition(|row| weeks.contains(row));
    assert_eq!(same, weeks);
    assert!(others.iter().all(|row| row["growth"].is_null() && row["wau"].as_u64().unwrap_or(0) == 0), "{others:?}");
}

#[test]
fn explain_prints_a_page_of_100_columns() {
    let dir = Workdir::new();
    let account = history_of_an_account(&dir);
    let explain = ["explain", &account, "--on", "events.ndjson", "--until", "2026-08-01"];
    let page = dir.run(&explain).ok().out;
    for line in page.lines() {
        assert!(line.chars().count() <= 100 && !line.chars().any(char::is_control), "{line:?}");
    }
    let handoffs: Vec<Value> = dir.json("handoffs").into_iter().filter(|it| it["account"] == *account).collect();
    for handoff in &handoffs {
        assert!(page.contains(handoff["trigger"].as_str().unwrap()), "{handoff}\n{page}");
    }
    for part in
        [&*account, "Users", "active ", "highest: ", "Score: ", "Top users", "Handoffs", "Signals", "What to say"]
    {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let is_part = |line: &str| line.starts_with("           ") && line.ends_with(" users");
    assert!(page.lines().any(is_part), "the points of users are shown by signal\n{page}");
    assert!(!page.contains("--all"), "nothing of a short history is left out\n{page}");
    let whole = dir.run(&[&explain[..], &["--all"]].concat()).ok().out;
    assert!(whole.lines().count() >= page.lines().count() && !whole.contains("earlier ones"), "{whole}");
}

#[test]
fn explain_shows_held_handoffs_and_unknown_accounts() {
    let dir = Workdir::new();
    // Accounts that existed when the log began have unknown new users for four weeks, so acme comes later.
    let mut lines = vec![track("other", "Feature Used", "u0", r"\u001b[31macme", "2025-11-01T10:00:00Z")];
    lines.push(track("founder", "Feature Used", "ann", "acme", "2026-01-04T10:00:00Z"));
    for user in 0..5 {
        lines.push(track(&format!("a{user}"), "Feature Used", &format!("u{user}"), "acme", "2026-01-05T10:00:00Z"));
    }
    for session in 0..3 {
        lines.push(page(
            &format!("p{session}"),
            "Pricing",
            "u0",
            "acme",
            &format!("2026-01-05T1{}:30:00Z", 2 + session * 2),
        ));
    }
    lines.push(track("late", "Feature Used", "u0", "acme", "2026-01-09T10:00:00Z"));
    dir.write("events.ndjson", lines.join("\n"));
    let page = dir.run(&["explain", "acme", "--on", "events.ndjson"]).ok().out;
    for part in [
        "five-new-users",
        "held    pricing-sessions",
        "2026-01-08 10:00  MEDIUM  pricing-sessions",
        "u0: pacing: another handoff was just sent;",
        "p2",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    dir.run(&["explain", "acmee", "--on", "events.ndjson"])
        .fails(1, &["\"acmee\"", "2 accounts", "similar: \"acme\", "]);
    dir.write("none.ndjson", "");
    dir.run(&["explain", "acme", "--on", "none.ndjson"]).fails(1, &["\"acme\"", "empty"]);
    let page = dir.run(&["explain", "\u{1b}[31macme", "--on", "events.ndjson"]).ok().out;
    assert!(!page.contains('\u{1b}'), "{page}");
    let page =
        dir.run_on(&dir.read("events.ndjson"), &["explain", "acme", "--on", "-", "--until", "2026-03-01"]).ok().out;
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("another handoff was just sent; fired 2026-01-08 10:00"), "{page}");
}

#[test]
fn explain_shows_the_users_of_a_hold_and_when_it_fired() {
    let dir = Workdir::new();
    let mut lines = vec![track("other", "Feature Used", "zoe", "globex", "2025-11-01T10:00:00Z")];
    let visits = |user: &str, at: &str| -> Vec<String> {
        let view = |number: usize| page(&format!("{user}{at}{number}"), "Pricing", user, "acme", at);
        let views = (0..3).map(|number| view(number).replace("T00", &format!("T{:02}", 8 + 2 * number)));
        views.collect()
    };
    lines.push(track("f", "Feature Used", "ann", "acme", "2026-01-05T07:00:00Z"));
    lines.extend(visits("ann", "2026-01-05T00:00:00Z"));
    // The condition becomes true for all of them at one instant, so they are held together.
    for user in 0..5 {
        lines.extend(visits(&format!("u{user}"), "2026-01-06T00:00:00Z"));
    }
    lines.push(track("sleep", "Feature Used", "zoe", "globex", "2026-05-04T10:00:00Z"));
    lines.push(track("back", "Feature Used", "ann", "acme", "2026-05-05T07:00:00Z"));
    lines.extend(visits("ann", "2026-05-05T00:00:00Z"));
    lines.sort_by_key(|line| line.rsplit_once("timestamp").unwrap().1.to_owned());
    dir.write("events.ndjson", lines.join("\n"));
    let explain = |rules: &str, more: &[&str]| -> String {
        dir.write("own.yaml", rules);
        let arguments = ["explain", "acme", "--on", "events.ndjson", "--rules", "own.yaml", "--until", "2026-05-11"];
        let page = dir.run(&[&arguments[..], more].concat()).ok().out;
        page.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let held = "held pricing-sessions u0, u1, u2 and 2 more: pacing: another handoff was just sent;";
    let cooldown = "id: pricing-sessions, level: medium, cooldown: ";
    let rules = RULES.replacen(&format!("{cooldown}7d"), &format!("{cooldown}1h"), 1);
    let page = explain(&rules, &[]);
    assert!(page.contains(&format!("{held} fired 2026-01-08 12:00")), "{page}");
    assert!(explain(&rules, &["--all"]).contains("held pricing-sessions u0, u1, u2, u3, u4: pacing"), "{page}");
    // The trigger fires again after the pacing, but for another user.
    let slow = rules.replacen("pacing: 3d", "pacing: 100d", 1);
    let page = explain(&slow, &[]);
    assert!(page.contains(&format!("{held} not fired yet")) && page.contains("2026-05-05 12:00 MEDIUM"), "{page}");
    let live = RULES.replacen("  # live_from: 2026-01-01T00:00:00Z", "  live_from: 2026-02-01T00:00:00Z", 1);
    let page = explain(&live, &[]);
    assert!(page.contains("ann: warm_up: before live_from of the rules; it never fires"), "{page}");

    let json = dir.run(&["explain", "acme", "--on", "events.ndjson", "--until", "2026-05-11", "--json"]).ok().out;
    let weeks = serde_json::from_str::<Value>(&json).unwrap()["weeks"].as_array().unwrap().clone();
    let rows: Vec<_> = weeks.iter().map(|row| (row["week"].as_str().unwrap(), row["wau"].as_u64())).collect();
    let expected = (2..=19).map(|week| format!("2026-W{week:02}")).collect::<Vec<_>>();
    assert_eq!(rows.iter().map(|(week, _)| *week).collect::<Vec<_>>(), expected, "weeks without activity have rows");
    assert_eq!((rows[0].1, rows[1].1, rows[10].1, rows[17].1), (Some(1), Some(0), Some(0), Some(1)), "{rows:?}");
}

#[test]
fn the_example_has_every_key_with_its_default() {
    let dir = Workdir::new();
    dir.run(&["check", "--config", EXAMPLE]).ok();
    let defaults = serde_json::to_value(config::Config::default()).unwrap();
    let loaded = config::load(Some(EXAMPLE.as_ref())).unwrap();
    assert_eq!(serde_json::to_value(loaded).unwrap(), defaults);
    let example: Value = serde_saphyr::from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    assert_eq!(keys("", &example), keys("", &defaults));
}

fn keys(path: &str, value: &Value) -> BTreeSet<String> {
    let Some(object) = value.as_object().filter(|object| !object.is_empty()) else {
        return [path.to_owned()].into();
    };
    object.iter().flat_map(|(key, value)| keys(&format!("{path}.{key}"), value)).collect()
}

#[test]
fn check_reports_configuration_errors() {
    let dir = Workdir::new();
    let table: &[(&str, &[&str])] = &[
        ("kafka:\n  broker: x", &["c.yaml:2:3", "broker", "did you mean `brokers`?"]),
        ("# none\nkafkaa: {}", &["c.yaml:2:1", "kafkaa", "did you mean `kafka`?"]),
        ("input:\n  format: jsom", &["c.yaml:2:11", "jsom", "did you mean `json`?"]),
        ("outputs:\n  format: xml", &["c.yaml:2:11", "xml", "json"]),
        ("outputs:\n  signals: 3", &["c.yaml:2:3", "a list of ids of signals and triggers"]),
        ("outputs: {signals: [velocity.user_ads]}", &["outputs.signals", "did you mean `velocity.user_adds`?"]),
        ("topics: {log: upswell.users}", &["upswell.users", "read its own messages"]),
        ("input:\n  idle_after: 5 parsecs", &["c.yaml:2:15", "5 parsecs", "500ms"]),
        ("worker:\n  threads: many", &["c.yaml:2:12"]),
        ("http: {listen: here}", &["c.yaml:1:16"]),
        ("kafka: {brokers: ''}", &["c.yaml", "kafka.brokers", "must not be empty"]),
        ("kafka: {properties: {isolation.level: read_uncommitted}}", &["isolation.level", "read_committed"]),
        ("kafka: {properties: {enable.auto.commit: true}}", &["enable.auto.commit", "same transaction"]),
        ("kafka: {properties: {group.id: mine}}", &["group.id", "use kafka.group"]),
        ("kafka: {properties: {session.timeout.mz: 3}}", &["session.timeout.mz", "did you mean `session.timeout.ms`?"]),
        ("kafka: {properties: {linger.ms: soon}}", &["linger.ms"]),
        ("worker: {threads: 1}\nworker: {threads: 2}", &["c.yaml:2:1", "worker"]),
        ("rules: {file: missing.yaml}", &["missing.yaml"]),
    ];
    for (text, says) in table {
        dir.write("c.yaml", text);
        dir.run(&["check", "--config", "c.yaml"]).fails(2, says);
    }
    if !cfg!(feature = "tls") {
        dir.write("c.yaml", "kafka: {properties: {security.protocol: SSL}}");
        dir.run(&["check", "--config", "c.yaml"]).fails(2, &["security.protocol: SSL", "--features tls", "image"]);
    }
    dir.write("c.yaml", "outputs: {signals: [velocity.user_adds, five-new-users, score.band]}");
    dir.run(&["check", "--config", "c.yaml"]).ok();
    dir.write("c.yaml", "");
    let said = dir.run(&["check", "--config", "c.yaml"]).ok().out;
    assert!(said.contains("upswell.log") && said.contains("default@"), "{said}");
}

#[test]
fn commands_need_no_configuration_file_and_name_brokers_that_do_not_answer() {
    let dir = Workdir::new();
    // This port is free now, so nothing answers there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("127.0.0.1:{port}");
    let key = "UPSWELL_KAFKA__BROKERS";
    dir.write("events.ndjson", "");
    dir.write("c.yaml", format!("kafka: {{brokers: '{nowhere}'}}"));
    let said = dir.run(&["check"]).ok().out;
    assert!(said.contains("localhost:9092 (the default of kafka.brokers)"), "{said}");
    let said = dir.run_with(key, &nowhere, &["check"]).ok().out;
    assert!(said.contains(&format!("{nowhere} (from {key})")), "{said}");

    let starts: [(&[&str], &str); 8] = [
        (&["topics"], key),
        (&["tail"], key),
        (&["send", "events.ndjson"], key),
        (&["rules", "activate", "default"], key),
        (&["replay", "--topic", "log", "--handoffs", "h"], key),
        (&["topics", "--brokers", &nowhere], "--brokers"),
        (&["topics", "--config", "c.yaml"], "kafka.brokers in c.yaml"),
        (&["send", "events.ndjson", "--brokers", "nowhere.invalid:9092"], "nowhere.invalid:9092 (from --brokers)"),
    ];
    std::thread::scope(|scope| {
        for (arguments, from) in starts {
            let (dir, nowhere) = (&dir, &nowhere);
            scope.spawn(move || {
                let mut command = dir.command(arguments);
                if from == key {
                    command.env(key, nowhere);
                }
                let ended = Ended::of(arguments, &command.output().unwrap());
                let place = if from.contains("invalid") { from } else { nowhere.as_str() };
                let ended = ended.fails(1, &["nothing answers at", place, from, "--config", key]);
                let error = ended.err.lines().find(|line| line.starts_with("error: ")).unwrap();
                assert_eq!(error.matches("(Local: ").count(), 1, "the cause is printed once: {error}");
            });
        }
    });

    // The service tries for longer, and logs a warning meanwhile.
    let mut command = dir.command(&["run"]);
    command.envs([(key, nowhere.as_str()), ("UPSWELL_HTTP__LISTEN", "127.0.0.1:0")]).stderr(Stdio::piped());
    let mut run = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(run.stderr.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("started") && first.contains(&nowhere), "{first}");
    let shows = |line: &str| line.contains(&nowhere) && line.contains("check that the brokers run");
    assert!(lines.any(|line| shows(&line.unwrap())));
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn the_environment_overrides_the_file() {
    let dir = Workdir::new();
    dir.write("c.yaml", "kafka: {brokers: 'file:1', group: mine}");
    let check = ["check", "--config", "c.yaml"];
    let said = dir.run_with("UPSWELL_KAFKA__BROKERS", "kafka.example:9092", &check).ok().out;
    assert!(said.contains("kafka.example:9092") && said.contains("mine"), "{said}");
    dir.run_with("UPSWELL_KAFKA__BROKER", "x", &check).fails(2, &["UPSWELL_KAFKA__BROKER", "did you mean `brokers`?"]);
    dir.run_with("UPSWELL_WORKER__THREADS", "many", &check).fails(2, &["UPSWELL_WORKER__THREADS", "many"]);
    dir.run_with("UPSWELL_INPUT__IDLE_AFTER", "x", &check).fails(2, &["UPSWELL_INPUT__IDLE_AFTER", "500ms"]);
    dir.run_with("UPSWELL_OUTPUTS__FORMAT", "json", &check).ok();
    dir.run_with("UPSWELL_OUTPUTS__FORMAT", "xml", &check).fails(2, &["UPSWELL_OUTPUTS__FORMAT", "xml"]);
    dir.run_with("RUST_LOG", "upswell=debug,warn", &check).ok();
    dir.run_with("RUST_LOG", "upswell=loud", &check).fails(2, &["RUST_LOG", "upswell=loud", "warn,upswell=debug"]);
    // Kubernetes sets such a variable in every pod for each service.
    dir.run_with("UPSWELL_SERVICE_HOST", "10.0.0.1", &check).ok();
}

#[test]
fn two_demos_at_a_time_print_handoffs_of_every_level() {
    let dir = Workdir::new();
    let arguments = ["demo", "--users", "300", "--events", "60000", "--rate", "0"];
    let start = || {
        let mut command = dir.command(&arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for demo in [start(), start()] {
        let ended = Ended::of(&arguments, &demo.wait_with_output().unwrap()).ok();
        let of = |level: &str| ended.out.lines().filter(|line| line.contains(&format!("  {level} "))).count();
        assert!(of("HIGH") > 0 && of("MEDIUM") > 0 && of("LOW") > 0, "{ended:?}");
        assert_eq!(of("HIGH") + of("MEDIUM") + of("LOW"), ended.out.lines().count(), "{ended:?}");
        let totals = ended.err.lines().last().unwrap();
        let numbers = [("high", of("HIGH")), ("medium", of("MEDIUM")), ("low", of("LOW"))];
        assert!(totals.contains("60,000 events"), "it ends with its history: {totals}");
        assert!(numbers.iter().all(|(level, number)| totals.contains(&format!("{number} {level}"))), "{totals}");
        assert!(ended.err.contains("embedded broker"), "{ended:?}");
    }
    let short = ["demo", "--for", "1s", "--events", "100000000", "--rate", "1000"];
    dir.run(&short).ok();
}

/// Ids with control characters, escape sequences, and marks that change the direction of writing.
const STRANGE: &str = concat!(
    r#"{"messageId":"m-1","type":"track","event":"Contact Sales","userId":"u\u0000x","context":{"groupId":"ac\u0000me"},"timestamp":"2026-10-06T10:01:00Z"}"#,
    "\n",
    r#"{"messageId":"m-2","type":"track","event":"Contact Sales","userId":"u-😀","context":{"groupId":"\u202eevil\u202c"},"timestamp":"2026-10-06T10:02:00Z"}"#,
    "\n",
    r#"{"messageId":"m-3","type":"track","event":"Contact Sales","userId":"u\u009b2J","context":{"groupId":"line1\nline2\u001b[31mred"},"timestamp":"2026-10-06T10:03:00Z"}"#,
    "\n",
);

/// Whether the text has no control characters but line breaks, and no marks of direction.
fn is_plain(text: &str) -> bool {
    let obeyed = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    text.lines().all(|line| !line.chars().any(obeyed))
}

#[test]
fn tail_prints_no_control_characters() {
    use upswell::kafka::{Config, Embedded, LogWriter, Output, Topics};
    use upswell::rules::Ready;
    use upswell::wire::{self, Format, ToWire};
    let names = Topics::default();
    let topics: Vec<(String, i32)> = names.outputs().map(|row| (names.of(row.output), 1)).collect();
    let broker = Embedded::start(topics.iter().map(|(topic, partitions)| (topic.as_str(), *partitions))).unwrap();
    let config = Config { brokers: broker.brokers(), ..Config::default() };

    let mut partition = upswell::engine::Partition::new(upswell::rules::default_plan());
    let mut effects = upswell::model::Effects::new(upswell::model::Wanted::ALL);
    let not_an_event = "\u{1b}]0;title\u{7}";
    for (offset, line) in (0..).zip(STRANGE.lines().chain([not_an_event])) {
        let record = upswell::engine::Record { offset, time: None };
        let events: Vec<_> = wire::decode(Format::Json, line.as_bytes()).collect();
        let _ = partition.apply(record, events.iter().flat_map(Ready::new), &mut effects);
    }
    // Whatever is published of them.
    partition.all_profiles(&mut effects);
    let mut published: Vec<(String, Vec<u8>)> = Vec::new();
    let mut publish = |output: Output, message: &dyn ToWire| {
        published.push((names.of(output), message.to_payload(Format::Protobuf)));
    };
    effects.handoffs.iter().for_each(|it| publish(Output::High, it));
    effects.signals.iter().for_each(|it| publish(Output::Signals, it));
    effects.onboarding.iter().for_each(|it| publish(Output::Onboarding, it));
    effects.dead_letters.iter().for_each(|it| {
        publish(Output::DeadLetters, &wire::dead_letter(it, "log\u{1b}[2J", 0, wire::Headers::NONE));
    });
    effects.accounts.iter().for_each(|it| publish(Output::Accounts, it));
    effects.users.iter().for_each(|it| publish(Output::Users, it));
    published.push((names.of(Output::High), b"\x1b[31mno handoff".to_vec()));
    published.push((names.of(Output::Users), Vec::new()));
    let handoffs = effects.handoffs.len();
    assert!(handoffs == 3 && published.len() > 12, "{handoffs} of {}", published.len());

    let dir = Workdir::new();
    for json in [false, true] {
        let brokers = broker.brokers();
        let mut arguments = vec!["tail", "--brokers", &brokers];
        arguments.extend(["handoffs", "signals", "onboarding", "accounts", "users", "dead-letters"]);
        arguments.extend(json.then_some("--json"));
        let mut tail = dir.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = std::io::BufReader::new(tail.stderr.take().unwrap());
        let mut following = String::new();
        std::io::BufRead::read_line(&mut said, &mut following).unwrap();
        assert!(following.contains("following"), "{following}");
        for (topic, payload) in &published {
            let mut writer = LogWriter::connect(&config, topic).unwrap();
            writer.send(Some(0), Some(b"acc\x1b[31m\0user"), payload).unwrap();
            writer.flush().unwrap();
        }
        let lines = std::io::BufRead::lines(std::io::BufReader::new(tail.stdout.take().unwrap()));
        let shown: Vec<String> = lines.take(published.len()).map(Result::unwrap).collect();
        tail.kill().unwrap();
        tail.wait().unwrap();
        assert!(shown.iter().all(|line| is_plain(line)), "{shown:?}");
        let is_handoff = |line: &&String| if json { line.contains("handoffId") } else { line.contains("  HIGH ") };
        assert_eq!(shown.iter().filter(is_handoff).count(), handoffs, "{shown:?}");
        assert!(shown.iter().any(|line| line.contains("line1") && line.contains("line2")), "{shown:?}");
    }
}

#[test]
fn no_command_prints_control_characters() {
    let dir = Workdir::new();
    dir.write("strange.ndjson", [STRANGE, "\u{1b}[31mjunk\n"].concat());
    dir.write("none.yaml", RULES.replace("contact-sales", "contact-sale"));
    for command in [
        &["replay", "strange.ndjson", "--until", "2026-10-08"][..],
        &["check", "--events", "strange.ndjson"],
        &["explain", "line1\nline2\u{1b}[31mred", "--on", "strange.ndjson"],
        &["explain", "line1\nline2\u{1b}[31mred", "--json", "--on", "strange.ndjson"],
        &["explain", "\u{202e}evil\u{202c}", "--json", "--on", "strange.ndjson"],
        &["rules", "diff", "default", "none.yaml", "--on", "strange.ndjson"],
        &["rules", "diff", "default", "none.yaml", "--json", "--on", "strange.ndjson"],
    ] {
        let ended = dir.run(command).ok();
        assert!(is_plain(&ended.out) && is_plain(&ended.err), "{command:?}: {ended:?}");
    }
    let ended = dir.run(&["explain", "\u{202e}nobody\u{1b}", "--on", "strange.ndjson"]);
    assert!(ended.code == Some(1) && is_plain(&ended.err), "{ended:?}");
}

#[test]
fn control_events_of_files_need_the_control_flag() {
    let dir = Workdir::new();
    let product = |id: &str, at: &str| track(id, "Contact Sales", "ann", "acme", at);
    let tick = r#"{"type":"control","control":"tick","timestamp":"2026-03-09T10:00:00Z"}"#;
    let rules = serde_json::json!({
        "type": "control", "control": "rules", "timestamp": "2026-03-02T10:00:00Z",
        "rules": RULES.replace("contact-sales", "another-name"),
    });
    let lines =
        [product("1", "2026-03-02T10:00:00Z"), rules.to_string(), product("2", "2026-03-02T11:00:00Z"), tick.into()];
    dir.write("log.ndjson", lines.join("\n"));
    let fired = |arguments: &[&str]| -> Vec<String> {
        dir.run(
            &[&["replay", "log.ndjson", "--handoffs", "h", "--dead-letters", "d", "--metrics", "m"], arguments]
                .concat(),
        )
        .ok();
        dir.json("h").iter().map(|it| it["trigger"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fired(&[]), ["contact-sales"], "one, and the second in its cooldown");
    assert!(dir.json("m").is_empty(), "no tick closes a day");
    let letters = dir.json("d");
    assert_eq!(letters.len(), 2);
    assert!(letters[0]["detail"].as_str().unwrap().contains("upswell-control"), "{letters:?}");
    assert_eq!(fired(&["--control"]), ["contact-sales", "another-name"]);
    assert!(dir.json("d").is_empty() && !dir.json("m").is_empty());
    let summary = dir.run(&["replay", "log.ndjson"]).ok().err;
    assert!(summary.contains("log.ndjson:2: a control event") && summary.contains("--control"), "{summary}");
}

#[test]
fn unreadable_events_are_reported_with_line_and_reason() {
    let dir = Workdir::new();
    let good = track("m1", "Contact Sales", "ann", "acme", "2026-03-02T10:00:00Z");
    dir.write("junk.ndjson", "\n{ not JSON\n\n\u{1b}[31m\n7\n[]\n");
    let first = ["none of 4 events can be read", "junk.ndjson:2: not a JSON event"];
    for command in [
        &["check", "--events", "junk.ndjson"][..],
        &["explain", "acme", "--on", "junk.ndjson"],
        &["rules", "diff", "default", "default", "--on", "junk.ndjson"],
    ] {
        let ended = dir.run(command).fails(1, &first);
        assert!(!ended.err.contains("empty") && !ended.err.contains('\u{1b}'), "{ended:?}");
    }
    dir.write("some.ndjson", format!("{good}\n{}", String::from_utf8(dir.read("junk.ndjson")).unwrap()));
    let said = dir.run(&["check", "--events", "some.ndjson"]).ok().out;
    for part in [
        "5: 1 are user activity",
        "4 cannot be read",
        "\n  some.ndjson:3: not a JSON event",
        "some.ndjson:5: ",
        "and 1 more",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("some.ndjson:7") && !said.contains('\u{1b}'), "only the first: {said}");
    let summary = dir.run(&["replay", "some.ndjson"]).ok().err;
    assert!(summary.contains("cannot be read: some.ndjson:3: "), "{summary}");
    let ended = dir.run(&["explain", "acme", "--on", "some.ndjson"]).ok();
    assert!(ended.err.contains("4 of 5 events cannot be read, the first: some.ndjson:3"), "{ended:?}");
    dir.write("junk.pb", [1, 0xff, 1, 0xff]);
    dir.run(&["check", "--events", "junk.pb"]).fails(1, &["none of 2 events", "junk.pb, record 0: "]);
    dir.write(
        "ticks.ndjson",
        r#"{"messageId":"t","type":"track","event":"A","userId":"u","timestamp":"2026-03-02T10:00:00Z"}"#,
    );
    let ended = dir.run(&["explain", "acme", "--on", "ticks.ndjson"]);
    assert!(ended.code == Some(1) && !ended.err.contains("is empty"), "{ended:?}");
}

#[test]
fn a_file_of_another_format_is_reported_once_with_a_remedy() {
    let dir = Workdir::new();
    let good = track("m1", "Contact Sales", "ann", "acme", "2026-03-02T10:00:00Z");
    let wide: Vec<u8> = format!("\u{feff}{good}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
    dir.write("wide.ndjson", wide);
    dir.write("pretty.json", "{\n  \"object\": \"list\"\n}\n");
    dir.write("cut.json", "{\n  \"object\": \"list\"\n");
    dir.write("table.ndjson", "event,user_id\nContact Sales,u-1\n");
    dir.write("table.csv", "event,user_id\nContact Sales,u-1\n");
    dir.write("raw.zip", b"PK\x03\x04");
    dir.write("renamed.ndjson", b"PK\x03\x04");
    dir.write("posthog.ndjson", "{\"uuid\":\"1\",\"event\":\"$pageview\",\"distinct_id\":\"u\"}\n");
    let posthog = "{\"uuid\":\"1\",\"event\":\"x\",\"distinct_id\":\"u\"}\n".repeat(99);
    dir.write("late.ndjson", "{\"type\":\"track\"}\n".repeat(20) + &posthog);
    for (file, says) in [
        ("wide.ndjson", "iconv -f UTF-16"),
        ("pretty.json", "pretty.json:1: no type"),
        ("cut.json", "cut.json:1: not a JSON event: EOF"),
        ("table.ndjson", "is csv"),
        ("table.csv", "is csv"),
        ("raw.zip", "reading raw.zip: invalid Zip archive"),
        ("renamed.ndjson", "reading renamed.ndjson: invalid Zip archive"),
        ("posthog.ndjson", "no account: it was looked for in properties.$groups.company"),
        ("late.ndjson", "has events in the format posthog: read it with --from posthog"),
    ] {
        for command in [
            &["replay", file][..],
            &["check", "--events", file],
            &["explain", "acme", "--on", file],
            &["rules", "diff", "default", "default", "--on", file],
        ] {
            let ended = dir.run(command).fails(1, &[file, says]);
            assert_eq!(ended.err.matches("error: ").count(), 1, "{ended:?}");
        }
    }
}

#[test]
fn input_out_of_time_order_is_reported() {
    let dir = Workdir::new();
    let far = track("m1", "Contact Sales", "ann", "acme", "2041-01-01T00:00:00Z");
    let near = track("m2", "Contact Sales", "ann", "globex", "2026-10-06T10:01:00Z");
    dir.write("far.ndjson", format!("{far}\n{near}\n"));
    let said = dir.run(&["replay", "far.ndjson"]).ok().err;
    for part in
        ["1 events are older", "1 came too late to count", "far.ndjson:1 moved time forward to 2041-01-01 00:00"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    for command in [
        &["explain", "globex", "--on", "far.ndjson"][..],
        &["rules", "diff", "default", "default", "--on", "far.ndjson"],
        &["check", "--events", "far.ndjson"],
    ] {
        let ended = dir.run(command).ok();
        let said = [ended.out, ended.err].concat();
        assert!(said.contains("far.ndjson:1 moved time forward to 2041-01-01 00:00"), "{command:?}: {said}");
        assert!(said.contains("1 events are older"), "{command:?}: {said}");
    }
    dir.write("near.ndjson", format!("{near}\n{far}\n"));
    assert!(!dir.run(&["replay", "near.ndjson"]).ok().err.contains("order "));
}

#[test]
fn exports_of_tools_that_are_not_read_are_reported_once() {
    let dir = Workdir::new();
    let at = "2026-10-06T10:01:00Z";
    let good = track("m", "Contact Sales", "u", "acme", at);
    let ga4 = r#"{"event_name":"x","event_timestamp":"1","user_pseudo_id":"1.2"}"#;
    dir.write("ga4.ndjson", [ga4; 3].join("\n"));
    for command in [
        &["replay", "ga4.ndjson"][..],
        &["check", "--events", "ga4.ndjson"],
        &["explain", "acme", "--on", "ga4.ndjson"],
    ] {
        let ended = dir.run(command).fails(1, &["ga4.ndjson", "a GA4 export", "docs/input.md"]);
        assert_eq!(ended.err.lines().count(), 1, "one clear message: {ended:?}");
    }
    // If only a few lines are in another format, they are reported as lines that cannot be read.
    dir.write("few.ndjson", [ga4, &good, &good].join("\n"));
    dir.run(&["replay", "few.ndjson"]).ok();
}

#[test]
fn several_files_are_merged_by_event_time() {
    let dir = Workdir::new();
    let line = |day: u32, user: &str| {
        track(&format!("{day}{user}"), "Contact Sales", user, "acme", &format!("2026-03-{day:02}T10:00:00Z"))
    };
    let web: Vec<String> = (1..28).step_by(2).map(|day| line(day, "ann")).collect();
    let mut server: Vec<String> = (2..28).step_by(2).map(|day| line(day, "bob")).collect();
    server.insert(3, "no event".into());
    dir.write("web.ndjson", web.join("\n"));
    dir.write("server.ndjson.gz", gzip(server.join("\n").as_bytes()));
    dir.write("more.ndjson", line(29, "cyd"));
    let mut whole: Vec<String> = (1..28).map(|day| line(day, if day % 2 == 1 { "ann" } else { "bob" })).collect();
    whole.insert(6, "no event".into());
    whole.push(line(29, "cyd"));
    dir.write("whole.ndjson", whole.join("\n"));
    let replay = |files: &[&str]| {
        let outputs = ["--handoffs", "h", "--metrics", "m", "--dead-letters", "d", "--until", "2026-03-30"];
        let said = dir.run(&[&["replay"], files, &outputs].concat()).ok().err;
        assert!(!said.contains("order "), "{said}");
        assert!(said.contains("28 applied · 1 malformed"), "{said}");
        ["h", "m"].map(|output| dir.read(output))
    };
    let [handoffs, metrics] = replay(&["whole.ndjson"]);
    assert!(!handoffs.is_empty() && !metrics.is_empty());
    for files in [["web.ndjson", "server.ndjson.gz", "more.ndjson"], ["more.ndjson", "server.ndjson.gz", "web.ndjson"]]
    {
        assert!(replay(&files) == [handoffs.clone(), metrics.clone()], "{files:?}");
    }
    let said = dir.run(&["replay", "server.ndjson.gz", "web.ndjson"]).ok().err;
    assert!(said.contains("server.ndjson.gz:4: not a JSON event"), "{said}");
    // Disorder within one of several files is reported too.
    dir.write("mixed.ndjson", [line(20, "dee"), line(3, "dee")].join("\n"));
    let said = dir.run(&["replay", "mixed.ndjson", "web.ndjson"]).ok().err;
    assert!(said.contains("mixed.ndjson:1 moved time forward to 2026-03-20 10:00"), "{said}");
}

#[test]
fn max_jump_limits_jumps_of_time() {
    let dir = Workdir::new();
    let line = |id: &str, account: &str, at: &str| track(id, "Contact Sales", "ann", account, at);
    let far = line("1", "acme", "2041-01-01T00:00:00Z");
    let today = line("2", "globex", "2026-10-06T10:01:00Z");
    let tomorrow = line("3", "initech", "2026-10-07T10:01:00Z");
    dir.write("first.ndjson", [&*far, &today].join("\n"));
    dir.write("amid.ndjson", [&*today, &far, &tomorrow].join("\n"));
    dir.write("late.ndjson", &*tomorrow);
    let fired = |arguments: &[&str]| -> (Vec<String>, String) {
        let said = dir.run(&[&["replay", "--handoffs", "h"], arguments].concat()).ok().err;
        (dir.json("h").iter().map(|it| it["account"].as_str().unwrap().to_owned()).collect(), said)
    };
    let (accounts, said) = fired(&["first.ndjson"]);
    assert_eq!(accounts, ["acme"]);
    for part in
        ["1 too-late", "1 events are older", "first.ndjson:1 moved time forward to 2041-01-01 00:00", "--max-jump"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (accounts, said) = fired(&["first.ndjson", "--max-jump", "30d"]);
    assert_eq!(accounts, ["globex"]);
    assert!(said.contains("first.ndjson:1: its time, 2041-01-01 00:00, is 5200 days ahead"), "{said}");
    assert_eq!(fired(&["amid.ndjson", "--max-jump", "30d"]).0, ["globex", "initech"]);
    assert_eq!(fired(&["amid.ndjson", "late.ndjson", "--max-jump", "1d"]).0, ["globex", "initech"]);
    assert_eq!(fired(&["amid.ndjson", "--max-jump", "6000d"]).0, ["globex", "acme"]);
    dir.run(&["replay", "first.ndjson", "--max-jump", "far"]).fails(2, &["--max-jump", "30m, 24h or 7d"]);
}

#[test]
fn forbidden_ids_and_similar_account_ids_are_reported() {
    let dir = Workdir::new();
    let line = |id: u32, user: &str, account: &str| {
        track(&format!("m{id}"), "Contact Sales", user, account, "2026-10-05T09:00:00Z")
    };
    let lines = [
        line(1, "ann", "Northwind"),
        line(2, "bob", "northwind"),
        line(3, "cyd", "northwind "),
        line(4, "undefined", "acme"),
        line(5, "dee", "[object Object]"),
        line(6, "eve", "NULL"),
    ];
    dir.write("events.ndjson", lines.join("\n"));
    let said = dir.run(&["check", "--events", "events.ndjson"]).ok().out;
    for part in [
        "\n  2 events have an account id that `ids` of the rules does not allow",
        "\n  1 events have a user, anonymous or message id that ids.forbidden of the rules lists",
        "ids.fold: true",
        r#""Northwind", "northwind", "northwind ""#,
        r#"events.ndjson:5: account id "[object Object]" is listed in `ids.forbidden`"#,
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let handoffs = |rules: &str| -> Vec<(String, Value)> {
        let said = dir.run(&["replay", "events.ndjson", "--handoffs", "h", "--rules", rules]).ok().err;
        assert!(said.contains("4 applied · 2 malformed"), "{said}");
        dir.json("h").iter().map(|it| (it["account"].as_str().unwrap().to_owned(), it["userIds"].clone())).collect()
    };
    let accounts: Vec<String> = handoffs("default").into_iter().map(|(account, _)| account).collect();
    assert_eq!(accounts, ["Northwind", "northwind", "northwind ", "acme"]);
    dir.write("fold.yaml", RULES.replace("fold: false", "fold: true"));
    let folded = handoffs("fold.yaml");
    assert_eq!(folded.iter().map(|(account, _)| &**account).collect::<Vec<_>>(), ["northwind", "acme"]);
    assert_eq!(folded[1].1, Value::Null, "nobody is known by the name undefined");
    let said = dir.run(&["check", "--rules", "fold.yaml", "--events", "events.ndjson"]).ok().out;
    assert!(!said.contains("differ by case"), "{said}");
    let page = dir.run(&["explain", "NorthWind", "--on", "events.ndjson", "--rules", "fold.yaml"]).ok().out;
    assert!(page.contains("northwind") && page.contains("3 applied"), "{page}");
    dir.write("own.yaml", RULES.replace("forbidden: [undefined,", "forbidden: [acme,"));
    let said = dir.run(&["replay", "events.ndjson", "--rules", "own.yaml"]).ok().err;
    assert!(said.contains("account id \"acme\" is listed"), "{said}");
    // `ids` of the rules cannot change within a log.
    let change = serde_json::json!({"type": "control", "control": "rules", "timestamp": "2026-10-05T09:00:00Z",
        "rules": String::from_utf8(dir.read("fold.yaml")).unwrap()});
    dir.write("log.ndjson", [&*lines[0], &change.to_string()].join("\n"));
    dir.run(&["replay", "log.ndjson", "--control", "--dead-letters", "d"]).ok();
    let letters = dir.json("d");
    assert!(letters[0]["detail"].as_str().unwrap().contains("`ids` of the rules cannot change"), "{letters:?}");
}

#[test]
fn events_with_fields_of_unexpected_types_are_applied() {
    let dir = Workdir::new();
    let line = |rest: &str| format!(r#"{{"type":"track","event":"Contact Sales",{rest}}}"#) + "\n";
    let lines = [
        line(r#""messageId":"1","userId":1001,"context":{"groupId":77},"timestamp":"2026-10-05T09:05:00""#),
        line(
            r#""messageId":"2","userId":"u","context":{"groupId":"half"},"timestamp":1791190800,"properties":{"note":"great \ud83d"}"#,
        ),
        line(
            r#""messageId":"3","userId":"u","context":{"groupId":"over"},"timestamp":"2026-10-05 09:05:00 UTC","properties":{"ratio":1e400}"#,
        ),
        line(
            r#""messageId":"4","userId":"u","source":7,"context":{"groupId":"loose"},"timestamp":"2026-10-05T09:05:00Z","traits":[]"#,
        ),
    ];
    dir.write("field.ndjson", lines.concat());
    let said = dir.run(&["replay", "field.ndjson", "--handoffs", "handoffs"]).ok().err;
    let accounts: BTreeSet<String> =
        dir.json("handoffs").iter().map(|it| it["account"].as_str().unwrap().to_owned()).collect();
    assert_eq!(accounts, ["77", "half", "loose", "over"].map(str::to_owned).into());
    assert!(said.contains("1 events have a time without a zone"), "{said}");
    assert!(said.contains("1 events have a field of an unexpected type"), "{said}");
}

#[test]
fn a_byte_order_mark_is_ignored() {
    let dir = Workdir::new();
    let good = track("m1", "Contact Sales", "ann", "acme", "2026-03-02T10:00:00Z");
    dir.write("bom.ndjson", format!("\u{feff}{good}\r\n"));
    dir.run(&["replay", "bom.ndjson", "--handoffs", "handoffs"]).ok();
    assert_eq!(dir.json("handoffs").len(), 1);
    dir.write("bom.ndjson.gz", gzip(format!("\u{feff}\n{good}").as_bytes()));
    dir.run(&["replay", "bom.ndjson.gz", "--handoffs", "handoffs"]).ok();
    assert_eq!(dir.json("handoffs").len(), 1, "it stands alone on its line");
}

#[test]
fn a_failed_write_names_the_output() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    let replay = |output: &str, to: &str| dir.run(&["replay", "events.ndjson", "--until", "2026-08-01", output, to]);
    for output in ["--handoffs", "--signals", "--metrics", "--accounts", "--dead-letters"] {
        let ended = replay(output, "/dev/full");
        // A few dead letters fit into the buffer, and are written only at the end.
        if output != "--dead-letters" {
            let ended = ended.fails(1, &["writing /dev/full: No space left"]);
            assert!(!ended.err.contains("events.ndjson"), "{ended:?}");
        }
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let arguments = ["replay", "events.ndjson", "--handoffs", "-"];
    let output = dir.command(&arguments).stdout(full).output().unwrap();
    Ended::of(&arguments, &output).fails(1, &["writing standard output: No space left"]);
}

#[test]
fn on_takes_files_before_and_after_other_arguments() {
    let dir = Workdir::new();
    let line = |id: &str| track(id, "Contact Sales", "ann", "acme", "2026-03-02T10:00:00Z");
    dir.write("a.ndjson", line("m1"));
    dir.write("b.ndjson", line("m2"));
    let table: &[(&[&str], &str)] = &[
        (&["--on", "a.ndjson", "acme"], "1 applied"),
        (&["acme", "--on", "a.ndjson"], "1 applied"),
        (&["acme", "--on", "a.ndjson", "b.ndjson"], "2 applied"),
        (&["--on", "a.ndjson", "--on", "b.ndjson", "acme"], "2 applied"),
        (&["acme", "--on", "a.ndjson", "b.ndjson", "--all"], "2 applied"),
    ];
    for (arguments, says) in table {
        let page = dir.run(&[&["explain"], *arguments].concat()).ok().out;
        assert!(page.contains(says), "{arguments:?}: {page}");
    }
    let table: &[&[&str]] = &[
        &["--on", "a.ndjson", "default", "default"],
        &["default", "--on", "a.ndjson", "default"],
        &["default", "default", "--on", "a.ndjson", "b.ndjson"],
        &["--on", "a.ndjson", "--on", "b.ndjson", "default", "default"],
    ];
    for arguments in table {
        let shown = dir.run(&[&["rules", "diff"], *arguments].concat()).ok().out;
        assert!(shown.contains("contact-sales"), "{arguments:?}: {shown}");
    }
    for arguments in [
        &["explain", "acme", "--on", "a.ndjson", "--on", "b.ndjson", "a.ndjson"][..],
        &["explain", "acme", "--on", "-", "--on", "-"],
    ] {
        dir.run(arguments).fails(2, &[]);
    }
    for until in ["2026-08-01T00:00:00Z", "soon", "2026-02-30"] {
        let ended = dir.run(&["replay", "a.ndjson", "--until", until]).fails(2, &["expected a day such as 2026-08-01"]);
        assert!(!ended.err.contains("jiff"), "{ended:?}");
    }
}

#[test]
fn unreadable_rules_are_refused_with_a_message() {
    let dir = Workdir::new();
    let hot = r#"when: user.band == "hot""#;
    let quotes = "write the condition after `when:` in quotes";
    let table = [
        ("\nmoney:", "\ncolum: 1\nmoney:", "templates\n"),
        ("\nmoney:", "\nlin: 1\nmoney:", "templates\n"),
        ("\nmoney:", "\nmony:", "did you mean `money`?"),
        ("pacing: 3d", "pacing: 3d\n  pacing: 4d", "the key `pacing` is used twice\n"),
        ("\nmoney:", "\n---\nmoney:", "expected one document\n"),
        (
            "points: [10, 20]",
            "points: '5'",
            "points: expected a whole number, or a list of one for each rung, found the text `5`\n",
        ),
        ("dedupe_ids: 1000000", "dedupe_ids: -1", "dedupe_ids: expected a whole number from 0, found `-1`\n"),
        ("share: 0,", "share: all,", "share: expected a number, found `all`\n"),
        ("scopes: [user]", "scopes: user", "scopes: expected a list, for example [a, b], found `user`\n"),
        (hot, "when: !paid", quotes),
        (hot, "when: !paid && target", quotes),
        (hot, "when: weekly_users[0] > 3", quotes),
        (hot, "when: \"hot\" == user.band", quotes),
        ("    when: velocity.user_adds", "    when: !velocity.user_adds", quotes),
        ("  # arms: [{", "  arms: [{ above: !paid,", "after `above:` in quotes"),
    ];
    for (said, instead, says) in table {
        assert!(RULES.contains(said), "{said}");
        dir.write("own.yaml", RULES.replacen(said, instead, 1));
        let ended = dir.run(&["check", "--rules", "own.yaml"]).fails(2, &["own.yaml:", says]);
        for jargon in [" at line ", "Options", "untagged", "u32", "from_str", "`column`", "`line`"] {
            assert!(!ended.err.contains(jargon), "{jargon}: {}", ended.err);
        }
    }
    let fine = RULES.replacen(hot, "when: '!paid && target'", 1);
    dir.write("own.yaml", format!("# when: !paid\n{fine}"));
    dir.run(&["check", "--rules", "own.yaml"]).ok();
}

#[test]
fn rules_diff_shows_held_out_and_changed_handoffs() {
    let dir = Workdir::new();
    dir.generate("events.ndjson");
    let held = RULES.replacen("holdout: { share: 0,", "holdout: { share: 0.5,", 1);
    let moved = RULES.replacen("{ id: user-hot, level: medium", "{ id: user-hot, level: high", 1);
    let diff = |rules: &[&str; 2]| -> (Value, String) {
        let arguments = [&["rules", "diff"], &rules[..], &["--on", "events.ndjson", "--until", "2026-08-01"]].concat();
        let json = dir.run(&[&arguments[..], &["--json"]].concat()).ok().out;
        (serde_json::from_str(&json).unwrap(), dir.run(&arguments).ok().out)
    };
    let number = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_u64).unwrap();
    for (name, text) in [("held.yaml", held), ("moved.yaml", moved)] {
        assert_ne!(text, RULES, "{name}");
        dir.write(name, text);
        for rules in [["default", name], [name, "default"]] {
            let (json, _) = diff(&rules);
            for row in ["byTrigger", "byTier", "byAccount"].iter().flat_map(|list| json[list].as_array().unwrap()) {
                let [a, b, vanished, appeared] =
                    ["a", "b", "vanished", "appeared"].map(|it| number(row, &format!("/counts/{it}")));
                assert_eq!(a + appeared, b + vanished, "{rules:?}: {row}");
            }
        }
    }
    let (json, shown) = diff(&["default", "held.yaml"]);
    let of = |json: &Value, change: &str| -> Vec<Value> {
        json["handoffs"].as_array().unwrap().iter().filter(|it| it["change"] == change).cloned().collect()
    };
    let changed = of(&json, "changed");
    assert!(changed.len() > 10 && changed.iter().all(|it| it["holdout"] == true && it["before"]["holdout"] == false));
    assert_eq!(number(&json, "/changes/heldOut"), changed.len() as u64);
    assert!(shown.contains(&format!("changed: {} sent with A and held out with B", changed.len())), "{shown}");
    assert!(shown.contains("medium  user-hot, held out"), "{shown}");
    let (_, shown) = diff(&["held.yaml", "default"]);
    assert!(shown.contains(&format!("changed: {} held out with A and sent with B", changed.len())), "{shown}");

    let (json, shown) = diff(&["default", "moved.yaml"]);
    let changed = of(&json, "changed");
    let risen = changed.iter().filter(|it| it["level"] == "high" && it["before"]["level"] == "medium").count() as u64;
    assert!(risen > 0 && risen == number(&json, "/changes/level"), "{shown}");
    assert!(shown.contains(&format!("{risen} with another level")), "{shown}");
    let row = |level: &str| {
        let rows = json["byTrigger"].as_array().unwrap();
        rows.iter().find(|row| row["trigger"] == "user-hot" && row["level"] == level).cloned().unwrap()
    };
    assert_eq!(number(&row("medium"), "/counts/vanished"), number(&row("medium"), "/counts/a"));
    assert_eq!(number(&row("high"), "/counts/appeared"), number(&row("high"), "/counts/b"));
}

#[test]
fn an_activation_prints_all_differences() {
    let dir = Workdir::new();
    let changes = [
        ("share: 0,", "share: 0.5,", "rails: holdout.share 0 → 0.5"),
        ("pacing: 3d", "pacing: 5d", "pacing 3d → 5d"),
        ("hot: 80", "hot: 60", "scores: bands.hot 80 → 60"),
        (
            "{ id: user-hot, level: medium, cooldown: 7d",
            "{ id: user-hot, level: high, cooldown: 1d",
            "trigger user-hot: cooldown 7d → 1d, level medium → high",
        ),
        (
            "when: icp && departments >= 2",
            "when: icp && departments >= 3",
            "trigger icp-departments: when icp && departments >= 2 → icp && departments >= 3",
        ),
        ("track: [Feature Used]", "track: [Feature Use]", "roles: differs"),
        ("ttl: 30d, rungs: [1, 3]", "ttl: 30d, rungs: [1, 4]", "signal intent.pricing of a user loses its state"),
        ("id: fit.icp,", "id: fit.ideal,", "signal fit.icp of an account is removed"),
    ];
    let text = changes.iter().fold(RULES.to_owned(), |text, (said, instead, _)| {
        assert!(text.contains(said), "{said}");
        text.replacen(said, instead, 1)
    });
    dir.write("own.yaml", text);
    let said = dir.run(&["rules", "activate", "own.yaml", "--dry-run"]).ok().out;
    for (_, _, says) in changes {
        assert!(said.contains(says), "{says}: {said}");
    }
    assert!(!said.contains("of a account") && !said.contains("trigger at-risk"), "{said}");
    let same = dir.run(&["rules", "activate", "default", "--dry-run"]).ok().out;
    assert_eq!(same.lines().count(), 1, "{same}");
    dir.run(&["rules", "explain", "account.volume"]).fails(2, &["signal account.volume is turned off"]);
    dir.run(&["rules", "explain", "account.volum"]).fails(2, &["the rules have no account.volum"]);
}

/// The rows of `check --events` below the title that begins with `title`, by id.
fn never(said: &str, title: &str) -> BTreeMap<String, String> {
    let (_, rows) = said.split_once(&format!("\n{title}")).unwrap_or_default();
    let rows = rows.lines().skip(1).take_while(|line| !line.is_empty());
    let words = |row: &str| row.split_whitespace().collect::<Vec<_>>().join(" ");
    rows.filter_map(|row| words(row).split_once(' ').map(|(id, why)| (id.to_owned(), why.to_owned()))).collect()
}

#[test]
fn check_reports_every_trigger_that_can_never_fire() {
    let dir = Workdir::new();
    dir.write("e.ndjson", track("m", "Feature Used", "ann", "acme", "2026-03-02T10:00:00Z"));
    let said = dir.run(&["check", "--all", "--events", "e.ndjson"]).ok().out;
    let triggers = never(&said, "triggers that can never fire");
    for (id, why) in [
        ("contact-sales", "needs contact_sales or subscription_changed or firmographics"),
        ("near-limit", "needs usage_reported or limit_hit: usage_ratio stays unknown, feature.limit_hit stays off"),
        ("pricing-sessions", "needs pricing_viewed: user.intent.pricing stays off"),
        ("icp-departments", "needs firmographics and profile: icp stays unknown, departments stays 0"),
        ("lead-score", "needs firmographics: lead_score stays unknown"),
        ("self-serve-ceiling", "needs subscription_changed: paid stays false, yearly_spend stays unknown"),
        ("at-risk", "needs subscription_changed: paid stays false"),
        ("target-engaged", "needs firmographics: target stays false"),
        ("target-first-user", "needs firmographics: target stays false"),
    ] {
        assert_eq!(triggers.get(id).map(String::as_str), Some(why), "{id}: {said}");
    }
    assert!(triggers["user-hot"].starts_with("needs more points than the "), "{said}");
    for id in ["five-new-users", "steady-growth"] {
        assert!(!triggers.contains_key(id), "{id}: {said}");
    }
    // Nothing that fires or turns on in a generated history may be reported. That history has all roles but a few.
    dir.generate("events.ndjson");
    dir.replay(&["events.ndjson"]);
    let said = dir.run(&["check", "--all", "--events", "events.ndjson"]).ok().out;
    let triggers = never(&said, "triggers that can never fire");
    let signals = never(&said, "signals that can never be on");
    for handoff in dir.json("handoffs") {
        assert!(!triggers.contains_key(handoff["trigger"].as_str().unwrap()), "{said}");
    }
    for signal in dir.entries() {
        let scope = if signal["user"].is_string() { "(user)" } else { "(account)" };
        let why = signal["signal"].as_str().and_then(|id| signals.get(id));
        assert!(why.is_none_or(|why| !why.starts_with(scope)), "{signal}: {said}");
    }
}

#[test]
fn check_reports_currencies_without_a_rate() {
    let dir = Workdir::new();
    let with = |id: u32, name: &str, properties: &str| {
        let line = track(&format!("m{id}"), name, "ann", "acme", "2026-10-05T09:00:00Z");
        format!("{},\"properties\":{properties}}}", line.strip_suffix('}').unwrap())
    };
    let lines = [
        with(1, "Subscription Changed", r#"{"paid":true,"mrr":100,"currency":"eur"}"#),
        with(2, "Subscription Changed", r#"{"paid":true,"mrr":100,"currency":" EUR "}"#),
        with(3, "Subscription Changed", r#"{"paid":true,"mrr":100,"currency":"usd"}"#),
        with(4, "Subscription Changed", r#"{"paid":true,"mrr":100}"#),
        with(5, "Subscription Changed", r#"{"paid":true,"currency":"CHF"}"#),
        with(6, "Deal Won", r#"{"value":9000,"currency":"GBP"}"#),
        with(7, "Feature Used", r#"{"currency":"SEK"}"#),
    ];
    dir.write("events.ndjson", lines.join("\n"));
    let said = dir.run(&["check", "--events", "events.ndjson"]).ok().out;
    let rows = |code: &str| {
        said.lines()
            .find(|line| line.trim().starts_with(code))
            .map(|line| line.split_whitespace().last().unwrap().to_owned())
    };
    assert!(said.contains("currencies without a rate"), "{said}");
    assert_eq!([rows("EUR"), rows("GBP")], [Some("2".to_owned()), Some("1".to_owned())], "{said}");
    assert!(["USD", "CHF", "SEK"].iter().all(|code| rows(code).is_none()), "{said}");
    dir.write("rated.yaml", RULES.replace("rates: {}", "rates: { EUR: 1.1, GBP: 1.3 }"));
    let said = dir.run(&["check", "--events", "events.ndjson", "--rules", "rated.yaml"]).ok().out;
    assert!(!said.contains("currencies"), "{said}");
}

/// An event whose account stands where no format has it, and whose name is like a mapped one.
fn of_tenant(id: u32, name: &str, user: &str) -> String {
    let at = format!("2026-10-{:02}T09:00:00Z", 1 + id / 4);
    format!(
        r#"{{"type":"track","event":"{name}","messageId":"m{id}","userId":"{user}","properties":{{"tenant":{{"org_id":"o-{}"}}}},"timestamp":"{at}"}}"#,
        id % 3
    )
}

#[test]
fn check_shows_on_a_screen_what_the_data_can_do() {
    let dir = Workdir::new();
    let mut lines = Vec::from_iter((0..40).map(|id| of_tenant(id, "Feature Used", &format!("u{}", id % 7))));
    lines.extend((40..52).map(|id| of_tenant(id, "invited_teammate", "u1")));
    lines.extend((0..5).map(|id| of_tenant(id, "Feature Used", "")));
    lines.extend((60..80).map(|id| of_tenant(id, &format!("own name {id}"), "u2")));
    dir.write("events.ndjson", lines.join("\n"));
    let guess = "77 of them have properties.tenant.org_id: a guess is --account properties.tenant.org_id";
    dir.run(&["check", "--events", "events.ndjson"]).fails(1, &["none of 77 events can be read", guess]);
    let check = ["check", "--events", "events.ndjson", "--account", "properties.tenant.org_id"];
    let said = dir.run(&check).ok().out;
    for part in [
        "accounts       3: every event has one",
        "users          21: 5 of 77 events have none",
        "times          2026-10-01 09:00 to 2026-10-20 09:00 (UTC)",
        "message ids    5 repeat one",
        "\n  track Feature Used                          45  feature_used",
        "\n  track invited_teammate                      12  activity only",
        "\n  - { role: user_invited, track: [\"invited_teammate\"] }  # 12 events\n",
        "\n  - { role: contact_sales, track: [NAME] }  # contact-sales\n",
        "more: --all",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.lines().count() < 60, "it is one screen: {said}");
    assert!(!said.contains("mappings that matched no event"), "{said}");
    let all = dir.run(&[&check[..], &["--all"]].concat()).ok().out;
    assert!(all.contains("mappings that matched no event") && !all.contains("more: --all"), "{all}");
    // Each line is one of a rules file that lets its triggers fire.
    let lines = all.lines().filter(|line| line.starts_with("  - {")).map(|line| line.replace("NAME", "own name 60"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    dir.write("rules.yaml", RULES.replacen("\nroles:\n", &format!("\nroles:\n{lines}\n"), 1));
    let with = dir.run(&[&check[..], &["--rules", "rules.yaml"]].concat()).ok().out;
    assert!(!with.contains("  - {") && !with.contains("\n  contact-sales "), "{with}");
}

#[test]
fn init_writes_a_configuration_and_rules_with_its_guesses_marked() {
    let dir = Workdir::new();
    let mut lines = Vec::from_iter((0..40).map(|id| of_tenant(id, "Feature Used", &format!("u{}", id % 7))));
    lines.extend((40..52).map(|id| of_tenant(id, "talked: Contact Sales form", "u1")));
    dir.write("events.ndjson", lines.join("\n"));
    let said = dir.run(&["init", "events.ndjson", "--out", "made"]).ok().out;
    assert!(said.contains("a guess: the account is in properties.tenant.org_id"), "{said}");
    let [config, rules] =
        ["made/upswell.yaml", "made/rules.yaml"].map(|name| fs::read_to_string(dir.path(name)).unwrap());
    assert!(config.contains(r#"account: ["properties.tenant.org_id"] # a guess"#), "{config}");
    let mapped = r#"- { role: contact_sales, track: ["talked: Contact Sales form"] } # a guess"#;
    assert!(rules.contains(mapped) && rules.contains("\nname: mine\n"), "{rules}");
    // What it says to try next works, and its guesses make a handoff.
    let next: Vec<&str> = said.lines().filter_map(|line| line.trim().strip_prefix("upswell ")).collect();
    assert_eq!(next.len(), 2, "{said}");
    for command in next {
        let (command, _) = command.split_once(" #").unwrap();
        let ended = dir.run(&command.split_whitespace().collect::<Vec<_>>()).ok();
        assert!(command.starts_with("check") || ended.out.contains("contact-sales"), "{command}: {ended:?}");
    }
    let said = dir.run(&["init", "events.ndjson", "--from", "segment", "--user", "userId", "--out", "again"]).ok().out;
    assert!(said.contains("upswell check --events events.ndjson --from segment --config again/upswell.yaml"), "{said}");
    assert!(fs::read_to_string(dir.path("again/upswell.yaml")).unwrap().contains("\n  user: [\"userId\"]\n"));
    let is_there = "rules.yaml is there already";
    fs::remove_file(dir.path("made/upswell.yaml")).unwrap();
    dir.run(&["init", "events.ndjson", "--out", "made"]).fails(2, &[is_there]);
    assert!(!dir.path("made/upswell.yaml").exists());
}

#[test]
fn check_counts_alias_calls() {
    let dir = Workdir::new();
    let used = |id: &str, user: &str| track(id, "Feature Used", user, "acme", "2026-10-05T09:00:00Z");
    let alias = r#"{"type":"alias","messageId":"a","previousId":"ann@acme.com","userId":"u-1","context":{"groupId":"acme"},"timestamp":"2026-10-05T09:00:00Z"}"#;
    dir.write("events.ndjson", [&used("m1", "ann@acme.com"), alias, &used("m2", "u-1")].join("\n"));
    let said = dir.run(&["check", "--events", "events.ndjson"]).ok().out;
    let row = said.lines().skip_while(|line| !line.starts_with("alias calls have no effect yet")).nth(1);
    assert_eq!(row.map(|row| row.split_whitespace().collect::<Vec<_>>()), Some(vec!["alias", "1"]), "{said}");
    dir.write("events.ndjson", used("m1", "ann@acme.com"));
    assert!(!dir.run(&["check", "--events", "events.ndjson"]).ok().out.contains("alias"));
}

#[test]
fn check_reports_fields_that_no_event_has() {
    let dir = Workdir::new();
    let event = |id: &str, name: &str, properties: &str| {
        let line = track(id, name, "ann", "acme", "2026-03-02T10:00:00Z");
        line.replace(r#","userId""#, &format!(r#","properties":{{{properties}}},"userId""#))
    };
    let call = |kind: &str, traits: &str| {
        format!(
            r#"{{"messageId":"{kind}","type":"{kind}","userId":"ann","context":{{"groupId":"acme"}},"traits":{{{traits}}},"timestamp":"2026-03-02T10:00:00Z"}}"#
        )
    };
    let rules = RULES.replacen(
        "\nroles:\n",
        "\nroles:\n  - { role: support_contacted, track: [Help] }\n  - { role: usage_reported, track: [Use] }\n  - { role: firmographics, group: true }\n  - { role: profile, identify: true }\n  - { role: workspace_created, track: [Space] }\n  - { role: feature_used, track: [Did] }\n  - { role: subscription_changed, track: [Paid] }\n",
        1,
    );
    dir.write("own.yaml", rules);
    let check = |bare: bool| -> (BTreeMap<String, String>, BTreeMap<String, String>, String) {
        let or = |full: &'static str| if bare { "" } else { full };
        let lines = [
            event("1", "Did", or(r#""feature":"x""#)),
            event("2", "Help", if bare { r#""topic":"weather""# } else { r#""topic":"Billing""# }),
            event("3", "Use", if bare { r#""used":5"# } else { r#""used":5,"quota":10"# }),
            event("4", "Space", ""),
            event("5", "Paid", or(r#""paid":true,"mrr":1000"#)),
            call("group", or(r#""employees":"51-200","icp":true,"lead_score":3"#)),
            call(
                "identify",
                if bare { r#""email":"a@gmail.com""# } else { r#""email":"a@acme.com","department":"Ops""# },
            ),
        ];
        dir.write("e.ndjson", lines.join("\n"));
        let said = dir.run(&["check", "--all", "--rules", "own.yaml", "--events", "e.ndjson"]).ok().out;
        (never(&said, "signals that can never be on"), never(&said, "triggers that can never fire"), said)
    };
    let (signals, triggers, said) = check(true);
    for (id, why) in [
        ("feature.breadth", "(user) needs feature_used with feature"),
        ("collab.domain", "(account) needs profile with email of a company"),
        ("collab.departments", "(account) needs profile with department"),
        ("fit.icp", "(account) needs firmographics with icp"),
        ("fit.size", "(account) needs firmographics with employees or profile with company_size"),
    ] {
        assert_eq!(signals.get(id).map(String::as_str), Some(why), "{said}");
    }
    assert!(signals["intent.billing_support"].contains("support_contacted with topic "), "{said}");
    assert!(!signals.contains_key("collab.workspaces"), "ids of messages stand in for workspaces: {said}");
    for (id, why) in [
        ("near-limit", "needs usage_reported with quota or limit_hit: "),
        ("lead-score", "needs firmographics with lead_score: "),
        ("at-risk", "needs subscription_changed with paid: "),
        ("contact-sales", "needs contact_sales or subscription_changed with plan enterprise or firmographics"),
    ] {
        assert!(triggers[id].starts_with(why), "{id}: {said}");
    }
    let (signals, triggers, said) = check(false);
    for id in
        ["feature.breadth", "collab.domain", "collab.departments", "fit.icp", "fit.size", "intent.billing_support"]
    {
        assert!(!signals.contains_key(id), "{id}: {said}");
    }
    for id in ["near-limit", "lead-score", "at-risk", "icp-departments", "self-serve-ceiling"] {
        assert!(!triggers.contains_key(id), "{id}: {said}");
    }
}
