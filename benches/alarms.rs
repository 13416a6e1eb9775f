//! Measures how often the growth signals raise false alarms, and how much growth they detect: simulated accounts, for
//! which the truth is known, are folded with the default rules. `docs/alarms.md` explains the results.
//!
//! `cargo bench --bench alarms` prints tables and a hash of all counts: the same rules give the same hash on any
//! machine. It fails if a signal raises more alarms, or detects less growth, than the limits allow. `--test` only
//! checks that it runs.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use indicatif::{ProgressBar, ProgressStyle};
use rand::Rng as _;
use rand_pcg::Pcg64;
use upswell::engine::{Partition, Record};
use upswell::model::{
    Calendar, DAY_MS, Day, Effects, Event, EventKind, EventTime, Fields, Handoff, Outcome, SignalChange, SignalChanges,
    SignalKind, Wanted, Week,
};
use upswell::rules::{self, Plan, Ready};
use upswell::wire::Decoded;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The share of weeks in which a user is present, in percent.
const PRESENCES: [u32; 9] = [20, 30, 35, 40, 50, 60, 70, 80, 90];
/// The presences at which other thresholds are tested.
const SOME_PRESENCES: [u32; 3] = [20, 50, 80];
/// New users in two weeks of an account that grows steadily.
const ADDITIONS: [u32; 3] = [1, 2, 6];

/// `significance` of growing and declining: `above`, `each`, `below` and `share`; without them the bare streak.
type Significance = Option<[u32; 4]>;
const DEFAULT: Significance = Some([32, 10, 12, 60]);
const SIGNIFICANCES: [Significance; 6] =
    [None, Some([16, 5, 6, 60]), DEFAULT, Some([50, 16, 20, 60]), Some([32, 4, 12, 80]), Some([20, 10, 12, 40])];

/// The least share of doubling accounts of independent users whose growth must be detected, by presence; both in
/// percent.
const POWER_MIN: [(u32, f64); 5] = [(20, 10.0), (35, 35.0), (50, 60.0), (70, 90.0), (90, 98.0)];

/// The founding day is a Sunday, so that the first complete week begins with the Monday after it, 2024-01-01.
const FIRST_WEEK: Week = Week(2_818);
/// Weeks before the users of a doubling account begin to rise, and weeks in which they do.
const FLAT_WEEKS: u32 = 12;
const RISING_WEEKS: u32 = 8;
/// Days after the founding one at whose close new users can first be compared with two blocks (semantics C24).
const SPIKE_KNOWN_AFTER: i32 = 21;
/// A simulation's accounts share a partition.
const BATCH: u32 = 250;

fn main() -> ExitCode {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let size = if is_test {
        Size { accounts: 92, beside: 46, weeks: 16 }
    } else {
        Size { accounts: 2_000, beside: 1_000, weeks: 104 }
    };
    let study = Study::run(size);
    study.print_alarms();
    study.print_thresholds();
    study.print_additions();
    println!("\nhash {:016x}", study.hash);
    let missed = study.missed();
    if is_test || missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    missed.iter().for_each(|missed| eprintln!("MISSED: {missed}"));
    ExitCode::FAILURE
}

/// How many accounts are simulated, how many if there is no limit, and for how many weeks.
#[derive(Clone, Copy)]
struct Size {
    accounts: u32,
    beside: u32,
    weeks: u32,
}

/// When the users of an account are present, each in a share of the weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// Each user is present in a week by chance, independent of other weeks and users.
    Independent,
    /// From week to week a user stays present or absent with probability 0.8, and is drawn again otherwise.
    Persistent,
    /// Independent, and in each week a user leaves for good with probability 0.04 and is replaced by a new one.
    Turnover,
    /// Independent, with common holidays: two weeks at the end of the year at 0.3 of the presence, six in summer at
    /// 0.7.
    Holidays,
}

const HABITS: [Habit; 4] = [Habit::Independent, Habit::Persistent, Habit::Turnover, Habit::Holidays];

impl Habit {
    /// The most growing and declining alarms per 100 account-years, at a presence in percent.
    fn bars(self, presence: u32) -> Option<[f64; 2]> {
        match self {
            Habit::Independent | Habit::Holidays => Some([1.0, 3.0]),
            Habit::Persistent if presence >= 50 => Some([10.0, 10.0]),
            Habit::Persistent => Some([25.0, 25.0]),
            Habit::Turnover => None,
        }
    }

    /// Whether its alarms or its power have a limit.
    fn has_bars(self) -> bool {
        self.bars(50).is_some()
    }
}

/// How an account develops. It has no new users after the founding day unless stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// It stays as it is: habit, and share of weeks in percent.
    Flat(Habit, u32),
    /// The same; after 12 weeks the users rise linearly to the double within eight.
    Doubling(Habit, u32),
    /// A founder, and a number of new users in two weeks, evenly distributed; each is active once.
    Additions(u32),
}

impl Scenario {
    /// How many weeks it lasts, if a scenario without changes lasts `weeks`.
    fn weeks(self, weeks: u32) -> u32 {
        if matches!(self, Scenario::Doubling(..)) { FLAT_WEEKS + RISING_WEEKS } else { weeks }
    }

    /// Users on the founding day of an account: 5 to 50, each size as often.
    fn founders(self, account: u32) -> u32 {
        if matches!(self, Scenario::Additions(_)) { 1 } else { 5 + account % 46 }
    }

    /// Users who can be present in a week.
    fn users(self, account: u32, week: u32) -> u32 {
        let founders = self.founders(account);
        match self {
            Scenario::Doubling(..) => {
                let risen = (week + 1).saturating_sub(FLAT_WEEKS);
                founders + (2 * founders * risen + RISING_WEEKS) / (2 * RISING_WEEKS)
            }
            _ => founders,
        }
    }
}

/// The results of the simulated accounts of one scenario.
#[derive(Clone, Default)]
struct Findings {
    accounts: u32,
    weeks: u64,
    /// How often growing and declining turned on.
    growing: u32,
    declining: u32,
    /// Accounts whose growth was on at the close of a rising week.
    seen: u32,
    /// How often new users became a spike.
    spikes: u32,
    /// How often the trigger fired: before spikes were known, and since.
    fires_young: u32,
    fires: u32,
    hash: Xxh3,
}

impl Findings {
    fn add(&mut self, other: &Findings) {
        self.accounts += other.accounts;
        self.weeks += other.weeks;
        self.growing += other.growing;
        self.declining += other.declining;
        self.seen += other.seen;
        self.spikes += other.spikes;
        self.fires_young += other.fires_young;
        self.fires += other.fires;
        self.hash.update(&other.hash.digest().to_le_bytes());
    }

    /// A number per 100 account-years.
    fn rate(&self, number: u32) -> f64 {
        f64::from(number) * 100.0 * 365.25 / (self.weeks as f64 * 7.0)
    }

    /// The share of accounts whose growth was seen, in percent.
    fn power(&self) -> f64 {
        f64::from(self.seen) * 100.0 / f64::from(self.accounts)
    }
}

/// A batch of accounts on its way through a partition of its own.
struct Simulation {
    scenario: Scenario,
    random: Pcg64,
    feed: Feed,
    lateness_ms: i64,
    accounts: Vec<Account>,
    findings: Findings,
}

/// The partition, and its messages since the last call.
struct Feed {
    partition: Partition,
    effects: Effects,
    events: i64,
}

impl Feed {
    fn apply(&mut self, event: Event<'_>) {
        let record = Record { offset: self.events, time: Some(event.time) };
        let decoded = Decoded::event(&[], event);
        let ready = Ready::new(&decoded).expect("no rules");
        let outcome = self.partition.apply_one(record, 0, &ready, &mut self.effects).outcome;
        assert_eq!(outcome, Outcome::Applied, "{:?}", self.effects.dead_letters);
        self.events += 1;
    }
}

/// An account, and its last state on the feed.
struct Account {
    id: String,
    number: u32,
    users: Vec<User>,
    /// How many users there have ever been.
    ever: u32,
    growing: bool,
    seen: bool,
}

#[derive(Clone, Copy)]
struct User {
    number: u32,
    /// Whether it was present in the last week.
    present: bool,
}

impl Account {
    fn newcomer(&mut self, present: bool) -> User {
        self.ever += 1;
        User { number: self.ever - 1, present }
    }
}

impl Simulation {
    fn new(plan: Arc<Plan>, scenario: Scenario, numbers: std::ops::Range<u32>) -> Simulation {
        // The seed does not depend on the rules, so all rules are tested on the same accounts.
        let seed = xxh3_128(format!("{scenario:?} {numbers:?}").as_bytes());
        let account = |number: u32| Account {
            id: format!("a{number}"),
            number,
            users: Vec::new(),
            ever: 0,
            growing: false,
            seen: false,
        };
        Simulation {
            scenario,
            random: Pcg64::new(seed, 0x0a02_bdbf_7bb3_c0a7_ac28_fa16_a64a_bf96),
            lateness_ms: plan.time.allowed_lateness_ms,
            feed: Feed {
                partition: Partition::new(plan),
                effects: Effects::new(Wanted { signals: true.into(), ..Wanted::LEAST }),
                events: 0,
            },
            findings: Findings { accounts: numbers.len() as u32, ..Findings::default() },
            accounts: numbers.map(account).collect(),
        }
    }

    fn run(mut self, weeks: u32) -> Findings {
        self.found();
        for week in 0..weeks {
            for (day, active) in (0..).zip(self.draw_week(week)) {
                active.iter().for_each(|(index, user)| self.act(*index, *user, FIRST_WEEK.plus(week as i32), day));
            }
            self.close_week(week);
        }
        self.findings.weeks = u64::from(weeks) * u64::from(self.findings.accounts);
        self.findings.seen = self.accounts.iter().filter(|account| account.seen).count() as u32;
        self.findings
    }

    /// The founding day: all users of an account are there, so that none is new later.
    fn found(&mut self) {
        for index in 0..self.accounts.len() {
            for user in 0..self.scenario.founders(self.accounts[index].number) {
                self.join(index);
                self.act(index, user, FIRST_WEEK.plus(-1), 6);
            }
        }
    }

    /// One more user of an account.
    fn join(&mut self, index: usize) {
        let present = match self.scenario {
            Scenario::Flat(Habit::Persistent, percent) | Scenario::Doubling(Habit::Persistent, percent) => {
                self.chance(share(percent))
            }
            _ => true,
        };
        let account = &mut self.accounts[index];
        let user = account.newcomer(present);
        account.users.push(user);
    }

    /// Who is active on which day of the week: accounts by index, and numbers of users.
    fn draw_week(&mut self, week: u32) -> [Vec<(usize, u32)>; 7] {
        let mut days: [Vec<(usize, u32)>; 7] = Default::default();
        for index in 0..self.accounts.len() {
            let (Scenario::Flat(habit, percent) | Scenario::Doubling(habit, percent)) = self.scenario else {
                self.draw_additions(index, &mut days);
                continue;
            };
            let users = self.scenario.users(self.accounts[index].number, week) as usize;
            while self.accounts[index].users.len() < users {
                self.join(index);
            }
            for place in 0..users {
                if self.is_present(index, place, week, habit, share(percent)) {
                    let user = self.accounts[index].users[place].number;
                    days[(self.random.next_u64() % 7) as usize].push((index, user));
                }
            }
        }
        days
    }

    fn draw_additions(&mut self, index: usize, days: &mut [Vec<(usize, u32)>; 7]) {
        let Scenario::Additions(in_two_weeks) = self.scenario else { return };
        for hour in 0..168 {
            if self.chance(f64::from(in_two_weeks) / 336.0) {
                days[hour / 24].push((index, self.accounts[index].newcomer(true).number));
            }
        }
    }

    fn is_present(&mut self, index: usize, place: usize, week: u32, habit: Habit, share: f64) -> bool {
        match habit {
            Habit::Independent => self.chance(share),
            Habit::Persistent => {
                if !self.chance(0.8) {
                    self.accounts[index].users[place].present = self.chance(share);
                }
                self.accounts[index].users[place].present
            }
            Habit::Turnover => {
                if self.chance(0.04) {
                    self.accounts[index].users[place] = self.accounts[index].newcomer(true);
                }
                self.chance(share)
            }
            Habit::Holidays => {
                let usual = match week % 52 {
                    27..33 => 0.7,
                    50..52 => 0.3,
                    _ => 1.0,
                };
                self.chance(share * usual)
            }
        }
    }

    /// True with this probability. It is written here because the stream of the generator never changes, while the
    /// distributions of a library may.
    fn chance(&mut self, probability: f64) -> bool {
        const STEPS: f64 = (1_u64 << 53) as f64;
        ((self.random.next_u64() >> 11) as f64) < probability * STEPS
    }

    /// A user does something at noon of a day of the week, Monday being 0. The first of all signs up, so that the
    /// account is known to be born in the log (semantics B17).
    fn act(&mut self, index: usize, user: u32, week: Week, day: i32) {
        let name = if week < FIRST_WEEK && user == 0 { "Signed Up" } else { "Feature Used" };
        let noon = Calendar::UTC.start(week.monday().plus(day)).plus(DAY_MS / 2);
        self.feed.apply(event(EventKind::Track, name, &self.accounts[index].id, &format!("u{user}"), noon));
    }

    /// Closes the week, and reads the messages since the last one.
    fn close_week(&mut self, week: u32) {
        let end = Calendar::UTC.end(FIRST_WEEK.plus(week as i32).sunday());
        self.feed.apply(event(EventKind::Tick, "", "", "", end.plus(self.lateness_ms)));
        let mut effects = std::mem::replace(&mut self.feed.effects, Effects::new(Wanted::LEAST));
        effects.signals.iter().for_each(|message| self.read_signals(message));
        effects.handoffs.iter().for_each(|handoff| self.read_handoff(handoff));
        effects.clear();
        self.feed.effects = effects;
        if matches!(self.scenario, Scenario::Doubling(..)) && week >= FLAT_WEEKS {
            self.accounts.iter_mut().for_each(|account| account.seen |= account.growing);
        }
    }

    fn read_signals(&mut self, message: &SignalChanges) {
        for entry in message.entries.iter().filter(|entry| entry.user.is_empty()) {
            if let SignalKind::Changed(change) = &entry.kind {
                self.read_change(message, change);
            }
        }
    }

    fn read_change(&mut self, message: &SignalChanges, change: &SignalChange) {
        let findings = &mut self.findings;
        let turned_on = u32::from(change.before == 0 && change.after > 0);
        match &*change.signal {
            "velocity.growth" => {
                findings.growing += turned_on;
                if let Some(account) = self.accounts.iter_mut().find(|account| account.id == message.account) {
                    account.growing = change.after > 0;
                }
            }
            "negative.declining" => findings.declining += turned_on,
            "velocity.user_adds" => findings.spikes += u32::from(change.before < 2 && change.after == 2),
            _ => return,
        }
        let line = format!("{} {} {} {}\n", message.account, change.signal, change.after, message.at.0);
        findings.hash.update(line.as_bytes());
    }

    fn read_handoff(&mut self, handoff: &Handoff) {
        if &*handoff.trigger != "five-new-users" {
            return;
        }
        let spike_known = Calendar::UTC.end(founding_day().plus(SPIKE_KNOWN_AFTER));
        let fires = if handoff.at < spike_known { &mut self.findings.fires_young } else { &mut self.findings.fires };
        *fires += 1;
        let line = format!("{} {} {}\n", handoff.account, handoff.trigger, handoff.at.0);
        self.findings.hash.update(line.as_bytes());
    }
}

fn founding_day() -> Day {
    FIRST_WEEK.plus(-1).sunday()
}

fn share(percent: u32) -> f64 {
    f64::from(percent) / 100.0
}

fn event<'a>(kind: EventKind, name: &'a str, account: &'a str, user: &'a str, time: EventTime) -> Event<'a> {
    Event {
        message_id: "".into(),
        source: "alarms".into(),
        kind,
        name: name.into(),
        user: user.into(),
        anonymous_id: "".into(),
        account: account.into(),
        time,
        received: None,
        properties: Fields::None,
        traits: Fields::None,
        context: Fields::None,
        provenance: None,
    }
}

/// `significance` of growing and of declining in a rules file.
fn words(significance: Significance) -> [String; 2] {
    let Some([above, each, below, share]) = significance else { return ["none", "none"].map(str::to_owned) };
    let slope = "[{ streak: 3, z: 3.0 }, { streak: 1, z: 3.5 }]";
    [format!("{{ above: {above}, each: {each}, slope: {slope} }}"), format!("{{ below: {below}, share: {share} }}")]
}

/// The default rules with another `significance` of growing and declining.
fn plan(significance: Significance) -> Arc<Plan> {
    let mut text = rules::DEFAULT.to_owned();
    for (default, other) in words(DEFAULT).iter().zip(words(significance)) {
        let default = format!("significance: {default}");
        assert!(text.contains(&default), "the default rules have another significance than {default}");
        text = text.replace(&default, &format!("significance: {other}"));
    }
    Arc::new(rules::parse("alarms", &text).expect("only the significance is another"))
}

/// A scenario with some rules, and its results.
struct Case {
    significance: Significance,
    scenario: Scenario,
    accounts: u32,
    findings: Findings,
}

/// Everything that the tables show.
fn cases(size: Size) -> Vec<Case> {
    let case =
        |significance, scenario, accounts| Case { significance, scenario, accounts, findings: Findings::default() };
    let both = |habit, presence| [Scenario::Flat(habit, presence), Scenario::Doubling(habit, presence)];
    let mut cases = Vec::new();
    for habit in HABITS {
        let accounts = if habit.has_bars() { size.accounts } else { size.beside };
        let scenarios = PRESENCES.into_iter().flat_map(|presence| both(habit, presence));
        cases.extend(scenarios.map(|scenario| case(DEFAULT, scenario, accounts)));
    }
    for significance in SIGNIFICANCES.into_iter().filter(|it| *it != DEFAULT) {
        let scenarios = SOME_PRESENCES.into_iter().flat_map(|presence| both(Habit::Independent, presence));
        cases.extend(scenarios.map(|scenario| case(significance, scenario, size.beside)));
    }
    cases.extend(ADDITIONS.map(|number| case(DEFAULT, Scenario::Additions(number), size.beside)));
    cases
}

impl Case {
    /// The results of the batch of accounts that begins with this one.
    fn simulate(&self, first: u32, weeks: u32) -> Findings {
        let numbers = first..self.accounts.min(first + BATCH);
        Simulation::new(plan(self.significance), self.scenario, numbers).run(self.scenario.weeks(weeks))
    }
}

/// All cases, simulated.
struct Study {
    cases: Vec<Case>,
    hash: u64,
}

impl Study {
    /// Simulates on all cores. The distribution of work does not change the results.
    fn run(size: Size) -> Study {
        let mut cases = cases(size);
        let firsts = |case: &Case| (0..case.accounts).step_by(BATCH as usize);
        let jobs: Vec<(usize, u32)> =
            (0..).zip(&cases).flat_map(|(case, it)| firsts(it).map(move |first| (case, first))).collect();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![Findings::default(); jobs.len()]));
        let bar = progress(jobs.len());
        let work = || {
            loop {
                let job = next.fetch_add(1, Ordering::Relaxed);
                let Some((case, first)) = jobs.get(job) else { return };
                let findings = cases[*case].simulate(*first, size.weeks);
                done.lock().expect("no thread panics with it")[job] = findings;
                bar.inc(1);
            }
        };
        std::thread::scope(|scope| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            (0..cores).for_each(|_| drop(scope.spawn(work)));
        });
        bar.finish_and_clear();
        let mut hash = Xxh3::new();
        for ((case, _), findings) in jobs.iter().zip(done.into_inner().expect("no thread panicked")) {
            hash.update(&findings.hash.digest().to_le_bytes());
            cases[*case].findings.add(&findings);
        }
        Study { cases, hash: hash.digest() }
    }

    fn of(&self, significance: Significance, scenario: Scenario) -> &Findings {
        let case = self.cases.iter().find(|case| case.significance == significance && case.scenario == scenario);
        &case.expect("every case that is printed is simulated").findings
    }

    /// With the default rules: presence, how often growing and declining alarm of accounts that stay as they are, and
    /// how many accounts that double are seen.
    fn alarms(&self, habit: Habit) -> impl Iterator<Item = (u32, [f64; 2], f64)> {
        PRESENCES.into_iter().map(move |presence| {
            let flat = self.of(DEFAULT, Scenario::Flat(habit, presence));
            let doubling = self.of(DEFAULT, Scenario::Doubling(habit, presence));
            (presence, [flat.growing, flat.declining].map(|alarms| flat.rate(alarms)), doubling.power())
        })
    }

    /// Every exceeded limit, in words.
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for habit in HABITS {
            for (presence, rates, _) in self.alarms(habit) {
                let bars = habit.bars(presence).unwrap_or([f64::INFINITY; 2]);
                for ((signal, rate), most) in ["growing", "declining"].into_iter().zip(rates).zip(bars) {
                    if rate > most {
                        let at = format!("{habit:?} at presence {}", share(presence));
                        missed.push(format!("{at}: {rate:.2} {signal} alarms per 100 account-years, at most {most}"));
                    }
                }
            }
        }
        for (presence, _, power) in self.alarms(Habit::Independent) {
            for (_, least) in POWER_MIN.into_iter().filter(|bar| bar.0 == presence && power < bar.1) {
                missed.push(format!("a power of {power:.1} % at presence {}, at least {least} %", share(presence)));
            }
        }
        missed
    }

    fn print_alarms(&self) {
        for habit in HABITS {
            println!("\n{habit:?}\n\n| presence | growing | declining | power |\n|--:|--:|--:|--:|");
            for (presence, [growing, declining], power) in self.alarms(habit) {
                println!("| {} | {growing:.2} | {declining:.2} | {power:.1} % |", share(presence));
            }
        }
    }

    fn print_thresholds(&self) {
        let at = SOME_PRESENCES.map(|presence| share(presence).to_string()).join(", ");
        println!("\n| `above` | `each` | growing at {at} | power | `below` | `share` | declining |");
        println!("|--:|--:|--:|--:|--:|--:|--:|");
        for significance in SIGNIFICANCES {
            let [above, each, below, most] =
                significance.map_or(["none", "", "none", ""].map(str::to_owned), |it| it.map(|it| it.to_string()));
            let flat = SOME_PRESENCES.map(|at| self.of(significance, Scenario::Flat(Habit::Independent, at)));
            let growing = list(flat.map(|it| it.rate(it.growing)), 1);
            let declining = list(flat.map(|it| it.rate(it.declining)), 1);
            let doubling = SOME_PRESENCES.map(|at| self.of(significance, Scenario::Doubling(Habit::Independent, at)));
            let power = list(doubling.map(Findings::power), 0);
            println!("| {above} | {each} | {growing} | {power} % | {below} | {most} | {declining} |");
        }
    }

    fn print_additions(&self) {
        println!("\n| new users a week | spikes | `five-new-users` fired | of these, before the spike was known |");
        println!("|--:|--:|--:|--:|");
        for in_two_weeks in ADDITIONS {
            let it = self.of(DEFAULT, Scenario::Additions(in_two_weeks));
            let [spikes, fires, young] =
                [it.spikes, it.fires + it.fires_young, it.fires_young].map(|number| it.rate(number));
            println!("| {} | {spikes:.1} | {fires:.1} | {young:.1} |", f64::from(in_two_weeks) / 2.0);
        }
    }
}

fn list(numbers: [f64; 3], digits: usize) -> String {
    numbers.map(|number| format!("{number:.digits$}")).join(" · ")
}

/// A progress bar over simulations, only on a terminal.
fn progress(simulations: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{elapsed_precise} {wide_bar:.cyan/dim} {pos} of {len} simulations · {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(simulations as u64).with_style(style.progress_chars("━╸ "))
}
