//! A naive model of what the engine computes, written from the definitions and the decided edges alone.
//!
//! It keeps every applied event and, for each account, the set of days on which each user was active, and it
//! computes everything anew from those whenever something is due. The only memory beside them is what the
//! definitions themselves call memory: the rung a signal was last published on, what a trigger has fired, and how
//! far the watermark has come. Speed is no aim. "edges C21" and the like in comments name the rule a function
//! follows. Times are integer milliseconds of event time, UTC; days are days since 1970-01-01.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The last days that may still be corrected, before the first open day (edges A11).
const CORRECTABLE_DAYS: i64 = 56;
/// The days of warm-up of an account that was in mid-life when the log began (edges B17).
const WARM_UP_DAYS: i64 = 28;
/// Silence that ends a session of pricing views (edges E6).
const SESSION_GAP: i64 = 30 * MINUTE;
const PRICING_TTL: i64 = 30 * DAY;
const ENTERPRISE_TTL: i64 = 90 * DAY;
/// A pulse older than this fires nothing (edges A17).
const PULSE_MAX_AGE: i64 = 7 * DAY;
/// The rest of rail 4 after a medium or low handoff (edges D9).
const PACING: i64 = 3 * DAY;
/// The day closes on which `five-new-users` must be false before it arms again (edges D24).
const FALSE_CLOSES_TO_REARM: u32 = 7;

const STICKINESS: &str = "velocity.stickiness";
const GROWTH: &str = "velocity.growth";
const FREQUENCY: &str = "velocity.frequency";
const USER_ADDS: &str = "velocity.user_adds";
const PRICING: &str = "intent.pricing";
const ENTERPRISE: &str = "intent.enterprise";
const INACTIVE: &str = "negative.inactive";
const DECLINING: &str = "negative.declining";

/// The signals in the order of the rules file.
const SIGNALS: [&str; 8] = [STICKINESS, GROWTH, FREQUENCY, USER_ADDS, PRICING, ENTERPRISE, INACTIVE, DECLINING];

/// One event of the log, in its place.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// The partition of the log.
    pub(crate) partition: i32,
    /// The offset of the record in the partition.
    pub(crate) offset: i64,
    /// The index of the event in the record.
    pub(crate) index: u32,
    /// The record's own time in milliseconds, where it has one.
    pub(crate) record_ms: Option<i64>,
    /// The event, or what is malformed about it.
    pub(crate) event: Result<Event, String>,
}

/// A decoded event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Identifies the event within its source; empty: never a duplicate.
    pub(crate) message_id: String,
    /// The producer.
    pub(crate) source: String,
    /// The kind of call.
    pub(crate) kind: Kind,
    /// The name of what was done, or of the page or screen.
    pub(crate) name: String,
    /// The user; empty if there is none.
    pub(crate) user: String,
    /// The account; empty only in control events.
    pub(crate) account: String,
    /// Event time, milliseconds.
    pub(crate) ms: i64,
    /// What is known of the event.
    pub(crate) properties: Map<String, Value>,
    /// What is known of the user or the account.
    pub(crate) traits: Map<String, Value>,
    /// Topic, partition and offset the event was brought from.
    pub(crate) provenance: Option<(String, i32, i64)>,
}

/// The kinds of call, with the two kinds of control event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Track,
    Identify,
    Group,
    Page,
    Screen,
    Alias,
    Tick,
    RulesActivation,
}

/// What may be configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How far the watermark stays behind the highest accepted event time, milliseconds.
    pub(crate) allowed_lateness_ms: i64,
    /// How far an event may be ahead of its record's time, milliseconds.
    pub(crate) max_skew_ms: i64,
    /// How long an id is remembered, milliseconds of event time.
    pub(crate) dedupe_window_ms: i64,
    /// How many ids are remembered.
    pub(crate) dedupe_ids: usize,
    /// After how many days of absence a new life starts.
    pub(crate) forget_after_days: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allowed_lateness_ms: HOUR,
            max_skew_ms: 5 * MINUTE,
            dedupe_window_ms: HOUR,
            dedupe_ids: 1_000_000,
            forget_after_days: 400,
        }
    }
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Duplicate,
    Replayed,
    TooLate,
    FromTheFuture,
    Malformed,
    Refused,
}

/// Everything that follows from a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    /// Day and week rows, by (close instant, day before week, account) (edges C19).
    pub(crate) metrics: Vec<Value>,
    /// Handoffs as canonical JSON, without `why`, `facts` and `rulesVersion`, by causing input.
    pub(crate) handoffs: Vec<Value>,
    /// The signals feed as canonical JSON, without `facts`, by causing input.
    pub(crate) signals: Vec<Value>,
    /// One outcome per input.
    pub(crate) outcomes: Vec<Outcome>,
}

/// Computes everything that follows from a log.
pub(crate) fn run(input: &[Input], settings: &Settings) -> Output {
    let mut partitions: BTreeMap<i32, Partition> = BTreeMap::new();
    let mut output = Output::default();
    let mut rows = Vec::new();
    for event in input {
        let partition = partitions.entry(event.partition).or_insert_with(|| Partition::new(*settings));
        output.outcomes.push(partition.take(event));
        for account in partition.accounts.values_mut() {
            output.handoffs.append(&mut account.handoffs);
            output.signals.append(&mut account.feed);
            rows.append(&mut account.rows);
        }
    }
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    output.metrics = rows.into_iter().map(|row| row.value).collect();
    output
}

/// The roles an event of this scope may play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    PricingViewed,
    EnterpriseRequested,
    ContactSales,
    SignedUp,
    SubscriptionChanged,
}

impl Event {
    fn role(&self) -> Option<Role> {
        let named = |name: &str| self.name.eq_ignore_ascii_case(name);
        match self.kind {
            Kind::Track | Kind::Page | Kind::Screen if named("Pricing Viewed") => Some(Role::PricingViewed),
            Kind::Page if named("Pricing") => Some(Role::PricingViewed),
            Kind::Track if named("Enterprise Feature Requested") => Some(Role::EnterpriseRequested),
            Kind::Track if named("Contact Sales") => Some(Role::ContactSales),
            Kind::Track if named("Signed Up") => Some(Role::SignedUp),
            Kind::Track if named("Subscription Changed") => Some(Role::SubscriptionChanged),
            _ => None,
        }
    }

    /// A track event with a user whose role is not passive (edges B1).
    fn is_activity(&self) -> bool {
        let passive = matches!(self.role(), Some(Role::PricingViewed | Role::SubscriptionChanged));
        self.kind == Kind::Track && !self.user.is_empty() && !passive
    }

    /// Traits, control and subscriptions are always taken (edges A12).
    fn may_be_too_late(&self) -> bool {
        matches!(self.kind, Kind::Track | Kind::Page | Kind::Screen | Kind::Alias)
            && self.role() != Some(Role::SubscriptionChanged)
    }

    fn is_control(&self) -> bool {
        matches!(self.kind, Kind::Tick | Kind::RulesActivation)
    }

    fn day(&self) -> i64 {
        self.ms.div_euclid(DAY)
    }
}

/// One partition of the log.
struct Partition {
    settings: Settings,
    /// The highest accepted event time.
    highest: Option<i64>,
    /// The day of the first accepted record (edges B17).
    first_day: i64,
    /// Source, id and the highest accepted event time when it was applied, in log order (edges A20).
    applied_ids: Vec<(String, String, i64)>,
    /// The highest offset seen of each source partition.
    seen: BTreeMap<(String, i32), i64>,
    accounts: BTreeMap<String, Account>,
}

impl Partition {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            highest: None,
            first_day: 0,
            applied_ids: Vec::new(),
            seen: BTreeMap::new(),
            accounts: BTreeMap::new(),
        }
    }

    fn watermark(&self) -> Option<i64> {
        self.highest.map(|highest| highest - self.settings.allowed_lateness_ms)
    }

    /// Decide, raise the watermark, run what is due, apply, evaluate (edges A14).
    fn take(&mut self, input: &Input) -> Outcome {
        let Ok(event) = &input.event else {
            return Outcome::Malformed;
        };
        let outcome = self.decide(event, input.record_ms);
        self.note_provenance(event);
        if outcome != Outcome::Applied {
            return outcome;
        }
        self.raise(event);
        if !event.message_id.is_empty() {
            let highest = self.highest.unwrap_or(event.ms);
            self.applied_ids.push((event.source.clone(), event.message_id.clone(), highest));
        }
        if event.kind != Kind::Tick {
            self.apply(event, (input.offset, input.index));
        }
        outcome
    }

    /// The order of the tests on an event (edges A13).
    fn decide(&self, event: &Event, record_ms: Option<i64>) -> Outcome {
        if event.account.is_empty() && !event.is_control() {
            Outcome::Malformed
        } else if record_ms.is_some_and(|record_ms| event.ms > record_ms + self.settings.max_skew_ms) {
            Outcome::FromTheFuture
        } else if self.is_replayed(event) {
            Outcome::Replayed
        } else if self.is_duplicate(event) {
            Outcome::Duplicate
        } else if self.is_too_late(event) {
            Outcome::TooLate
        } else if event.kind == Kind::RulesActivation {
            Outcome::Refused
        } else {
            Outcome::Applied
        }
    }

    fn is_replayed(&self, event: &Event) -> bool {
        event.provenance.as_ref().is_some_and(|(topic, partition, offset)| {
            self.seen.get(&(topic.clone(), *partition)).is_some_and(|highest| offset <= highest)
        })
    }

    fn note_provenance(&mut self, event: &Event) {
        if let Some((topic, partition, offset)) = &event.provenance {
            let highest = self.seen.entry((topic.clone(), *partition)).or_insert(*offset);
            *highest = (*highest).max(*offset);
        }
    }

    /// Remembered while the window has not passed and fewer than `dedupe_ids` newer ids came (edges A20, A21).
    fn is_duplicate(&self, event: &Event) -> bool {
        let Some(highest) = self.highest else {
            return false;
        };
        let newest = self.applied_ids.iter().rev().take(self.settings.dedupe_ids);
        !event.message_id.is_empty()
            && newest
                .filter(|(source, id, _)| *source == event.source && *id == event.message_id)
                .any(|(_, _, at)| highest - self.settings.dedupe_window_ms <= *at)
    }

    /// Too late iff `day < O − 56` (edges A11, A12).
    fn is_too_late(&self, event: &Event) -> bool {
        let Some(watermark) = self.watermark() else {
            return false;
        };
        event.may_be_too_late() && event.day() < watermark.div_euclid(DAY) - CORRECTABLE_DAYS
    }

    /// Raises the watermark and runs what is due: for every account when it rose, for the event's own always.
    fn raise(&mut self, event: &Event) {
        if self.highest.is_none() {
            self.first_day = event.day();
        }
        let rose = self.highest.is_none_or(|highest| event.ms > highest);
        if rose {
            self.highest = Some(event.ms);
        }
        let watermark = self.watermark().unwrap_or(event.ms);
        for account in self.accounts.values_mut().filter(|account| rose || account.name == event.account) {
            account.run_due(watermark);
        }
    }

    fn apply(&mut self, event: &Event, place: (i64, u32)) {
        let clock = self.watermark().unwrap_or(event.ms);
        let (settings, first_day) = (self.settings, self.first_day);
        let account = self
            .accounts
            .entry(event.account.clone())
            .or_insert_with(|| Account::new(&event.account, settings, first_day, clock));
        account.apply(event, place);
    }
}

/// Days on which somebody was active.
type Days = BTreeSet<i64>;

/// First and last active day of one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Life {
    first: i64,
    last: i64,
}

/// The lives of a set of active days: a gap of more than `forget_after` days starts a new one (edges B9).
fn lives(days: &Days, forget_after: i64) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for &day in days {
        match lives.last_mut() {
            Some(life) if day - life.last <= forget_after => life.last = day,
            _ => lives.push(Life { first: day, last: day }),
        }
    }
    lives
}

/// How many of the days `from ..= to` are in the set; none if the window is empty.
fn days_within(days: &Days, from: i64, to: i64) -> i64 {
    if from > to { 0 } else { days.range(from..=to).count() as i64 }
}

/// `week = ⌊(day + 3) / 7⌋` (edges A1).
fn week_of(day: i64) -> i64 {
    (day + 3).div_euclid(7)
}

fn monday(week: i64) -> i64 {
    week * 7 - 3
}

fn sunday(week: i64) -> i64 {
    monday(week) + 6
}

/// The first complete week of somebody whose first day this is: its Monday is not before it (edges C10).
fn first_complete_week(first_day: i64) -> i64 {
    let week = week_of(first_day);
    if monday(week) >= first_day { week } else { week + 1 }
}

/// The last week with Sunday ≤ day.
fn last_closed_week(day: i64) -> i64 {
    let week = week_of(day);
    if sunday(week) <= day { week } else { week - 1 }
}

/// The values of the complete weeks of an account or a user, oldest first, and the slope of the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trend {
    weeks: Vec<i64>,
    slope: Option<Slope>,
}

/// z = S₂ / √(variance.0 / variance.1), where S₂ is twice S and the fraction is four times V (edges C13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slope {
    twice_s: i64,
    variance: (i64, i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Trend {
    /// The trend of an account: `V = (n + 1)/12 · Q` with `Q = Σ k_u (n − k_u)` (edges C13).
    fn of_account(weeks: Vec<i64>, weeks_of_users: &[Vec<bool>]) -> Self {
        let n = weeks.len().min(8) as i64;
        let q: i64 = weeks_of_users
            .iter()
            .map(|user| {
                let k = user.iter().rev().take(8).filter(|&&active| active).count() as i64;
                k * (n - k)
            })
            .sum();
        let slope = (n >= 4 && q > 0).then(|| Slope { twice_s: twice_s(&weeks), variance: ((n + 1) * q, 3) });
        Self { weeks, slope }
    }

    /// The trend of a user over days: `V = 7n(n² − 1)/12 · k(N − k)/(N(N − 1))`, `N = 7n` (domain §3, edges C14).
    fn of_user(weeks: Vec<i64>) -> Self {
        let n = weeks.len().min(8) as i64;
        let (all, k) = (7 * n, weeks.iter().rev().take(8).sum::<i64>());
        let above = 7 * n * (n * n - 1) * k * (all - k);
        let slope =
            (n >= 4 && above > 0).then(|| Slope { twice_s: twice_s(&weeks), variance: (above, 3 * all * (all - 1)) });
        Self { weeks, slope }
    }

    fn last(&self, back: usize) -> Option<i64> {
        self.weeks.iter().rev().nth(back).copied()
    }

    /// Strict steps that end with the last week, at most 12; unknown with fewer than two weeks (edges C12).
    fn streak(&self, direction: Direction) -> Option<i64> {
        if self.weeks.len() < 2 {
            return None;
        }
        let steps = self.weeks.windows(2).rev().take(12);
        let runs = steps.take_while(|pair| match direction {
            Direction::Up => pair[1] > pair[0],
            Direction::Down => pair[1] < pair[0],
        });
        Some(runs.count() as i64)
    }

    /// Growing, or declining as its mirror, in three values (domain §3, edges D11).
    fn moves(&self, direction: Direction) -> Option<bool> {
        let streak = self.streak(direction)?;
        if streak == 0 {
            return Some(false);
        }
        let slope = self.slope?;
        Some((streak >= 3 && slope.reaches(direction, (9, 1))) || slope.reaches(direction, (49, 4)))
    }

    /// Printed z (edges C13).
    fn z(&self) -> Option<f64> {
        self.slope.map(|slope| slope.twice_s as f64 / (slope.variance.0 as f64 / slope.variance.1 as f64).sqrt())
    }
}

impl Slope {
    /// Whether |z| ≥ √bound in the direction, in integers (edges C13).
    fn reaches(self, direction: Direction, bound: (i64, i64)) -> bool {
        let toward = match direction {
            Direction::Up => self.twice_s > 0,
            Direction::Down => self.twice_s < 0,
        };
        let square = i128::from(self.twice_s).pow(2) * i128::from(self.variance.1) * i128::from(bound.1);
        toward && square >= i128::from(bound.0) * i128::from(self.variance.0)
    }
}

/// S₂ = Σ (2t − n + 1)·W(t) over the last n = min(8, known) weeks (edges C13).
fn twice_s(weeks: &[i64]) -> i64 {
    let n = weeks.len().min(8);
    let last = &weeks[weeks.len() - n..];
    last.iter().enumerate().map(|(t, w)| (2 * t as i64 - n as i64 + 1) * w).sum()
}

/// P(X ≥ x), X ~ NB(r = ½ + S, success probability (1 + m)/(2 + m)) (edges C22, C23).
fn spike_p(x: i64, s: i64, m: i64) -> f64 {
    if x <= 0 {
        return 1.0;
    }
    let r = 0.5 + s as f64;
    let success = (1 + m) as f64 / (2 + m) as f64;
    let failure = 1.0 / (2 + m) as f64;
    let mut log_mass = r * libm::log(success);
    let mut tail = 0.0;
    for j in 0.. {
        let mass = libm::exp(log_mass);
        if j >= x {
            tail += mass;
            // Past the mean the masses fall at least geometrically.
            if j as f64 > r && mass < tail * 1e-18 {
                break;
            }
        }
        log_mass += libm::log((r + j as f64) / (j + 1) as f64 * failure);
    }
    tail
}

/// The whole 7-day blocks that end on D − 7 and start after F; below 2 the spike is unknown (edges C21).
fn spike_blocks(day: i64, founded: i64) -> i64 {
    (day - 7 - founded).div_euclid(7).min(8)
}

/// A metrics row and its place in the order of edges C19: close instant, day before week, account.
struct Row {
    key: (i64, u8, String),
    value: Value,
}

/// An applied event, in its place of the log.
struct Applied {
    event: Event,
    place: (i64, u32),
    /// The watermark when it was applied.
    watermark: i64,
    role: Option<Role>,
}

impl Applied {
    /// When the event stops counting for the signal of its role.
    fn ttl_end(&self) -> Option<i64> {
        match self.role {
            Some(Role::PricingViewed) => Some(self.event.ms + PRICING_TTL),
            Some(Role::EnterpriseRequested) => Some(self.event.ms + ENTERPRISE_TTL),
            _ => None,
        }
    }
}

/// What a trigger, or a trigger and a user, remembers of its edge.
struct Edge {
    armed: bool,
    /// Blocked once already: from then on the watermark decides, not the edge's own time (edges D4).
    waited: bool,
    /// The rails whose hold was published.
    held: BTreeSet<&'static str>,
    /// Consecutive day closes with the condition false.
    false_closes: u32,
}

impl Default for Edge {
    fn default() -> Self {
        Self { armed: true, waited: false, held: BTreeSet::new(), false_closes: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    High,
    Medium,
    Low,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    EnterpriseRequest,
    ContactSales,
    FiveNewUsers,
    PricingSessions,
    SteadyGrowth,
}

impl Trigger {
    /// The state triggers, high before medium before low, then in the order of the rules file (edges D10).
    const STATES: [Self; 3] = [Self::FiveNewUsers, Self::PricingSessions, Self::SteadyGrowth];

    fn id(self) -> &'static str {
        match self {
            Self::EnterpriseRequest => "enterprise-request",
            Self::ContactSales => "contact-sales",
            Self::FiveNewUsers => "five-new-users",
            Self::PricingSessions => "pricing-sessions",
            Self::SteadyGrowth => "steady-growth",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::EnterpriseRequest | Self::ContactSales => Level::High,
            Self::FiveNewUsers | Self::PricingSessions => Level::Medium,
            Self::SteadyGrowth => Level::Low,
        }
    }

    fn cooldown(self) -> i64 {
        match self.level() {
            Level::High => DAY,
            Level::Medium => 7 * DAY,
            Level::Low => 14 * DAY,
        }
    }
}

/// An occurrence of a pulse trigger, or of a pricing view that opens a session.
struct Pulse {
    trigger: Option<Trigger>,
    signal: &'static str,
}

/// What runs when triggers are evaluated.
#[derive(Clone, Copy)]
struct Moment {
    /// The event's time or the due instant: the cause of effects.
    cause: i64,
    /// What a waited edge is compared with: the due instant while due work runs, else the watermark (edges D4).
    now: i64,
    closes_day: bool,
}

/// One account.
struct Account {
    name: String,
    settings: Settings,
    /// The first day of the partition's log.
    first_day: i64,
    /// Every instant up to here has run: the watermark as this account sees it.
    clock: i64,
    events: Vec<Applied>,
    /// The active days of every user ever seen; empty for those who were never active.
    users: BTreeMap<String, Days>,
    /// The days on which anybody was active.
    days: Days,
    /// How many of the events had been applied when the user was forgotten: those are no facts any more (edges B12).
    forgotten: BTreeMap<String, usize>,
    /// What the feed last said, by user (empty: the account) and signal.
    rungs: BTreeMap<(String, &'static str), u32>,
    /// Growing and W(k) > W(k − 4), as of the last week close.
    steady: Option<bool>,
    edges: BTreeMap<(&'static str, String), Edge>,
    fired: BTreeMap<&'static str, i64>,
    last_medium: Option<i64>,
    last_low: Option<i64>,
    /// Ends of rests that an edge waits for.
    waits: BTreeSet<i64>,
    /// `at` of the last published effect (edges A17).
    last_at: Option<i64>,
    handoffs: Vec<Value>,
    feed: Vec<Value>,
    rows: Vec<Row>,
}

impl Account {
    fn new(name: &str, settings: Settings, first_day: i64, clock: i64) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            first_day,
            clock,
            events: Vec::new(),
            users: BTreeMap::new(),
            days: Days::new(),
            forgotten: BTreeMap::new(),
            rungs: BTreeMap::new(),
            steady: None,
            edges: BTreeMap::new(),
            fired: BTreeMap::new(),
            last_medium: None,
            last_low: None,
            waits: BTreeSet::new(),
            last_at: None,
            handoffs: Vec::new(),
            feed: Vec::new(),
            rows: Vec::new(),
        }
    }
}

/// The course of things: what is due, and what an event does.
impl Account {
    /// Runs everything due up to the watermark, instant by instant (edges A15, A18).
    fn run_due(&mut self, watermark: i64) {
        while let Some(t) = self.next_due(watermark) {
            // A wait may have ended before it began, by a late event: nothing else is due then.
            let is_new = t > self.clock;
            self.clock = self.clock.max(t);
            self.waits.remove(&t);
            let closes_day = is_new && t.rem_euclid(DAY) == 0;
            if is_new {
                self.lapse(t);
            }
            if closes_day {
                self.forget(t);
                self.close_day(t);
                self.close_week(t);
            }
            self.evaluate_triggers(Moment { cause: t, now: t, closes_day }, None);
        }
        self.clock = self.clock.max(watermark);
    }

    /// The earliest instant up to the watermark at which something may be due: a wait, a day close, a TTL end.
    fn next_due(&self, watermark: i64) -> Option<i64> {
        let close = (self.clock.div_euclid(DAY) + 1) * DAY;
        let ends = self.events.iter().filter_map(Applied::ttl_end);
        let fresh = ends.chain([close]).filter(|&t| t > self.clock);
        fresh.chain(self.waits.iter().copied()).filter(|&t| t <= watermark).min()
    }

    /// The ends of the user's facts, by signal: each session by its last view (edges E1, E3).
    fn ttl_ends(&self, user: &str) -> Vec<(&'static str, i64)> {
        let sessions = self.sessions(user).into_iter().filter_map(|session| session.last().copied());
        let pricing = sessions.map(|last| (PRICING, last + PRICING_TTL));
        let enterprise = self.sightings(user, Role::EnterpriseRequested, ENTERPRISE_TTL);
        pricing.chain(enterprise.into_iter().map(|seen| (ENTERPRISE, seen + ENTERPRISE_TTL))).collect()
    }

    /// TTL ends at `t`: the rung falls to what is still seen (edges E1).
    fn lapse(&mut self, t: i64) {
        for user in self.user_ids() {
            let ended: Vec<&str> =
                self.ttl_ends(&user).into_iter().filter(|(_, end)| *end == t).map(|(signal, _)| signal).collect();
            for signal in [PRICING, ENTERPRISE].into_iter().filter(|signal| ended.contains(signal)) {
                let rung = if signal == PRICING { self.pricing_rung(&user) } else { self.enterprise_rung(&user) };
                self.publish_rung(&user, signal, rung, t, "REASON_LAPSED");
            }
        }
    }

    /// Forgets whoever was last active 401 days ago, unless a later day is known (edges B12).
    fn forget(&mut self, t: i64) {
        let last_kept = t.div_euclid(DAY) - self.settings.forget_after_days - 1;
        for user in self.user_ids() {
            if self.users[&user].last() == Some(&last_kept) {
                self.forgotten.insert(user.clone(), self.events.len());
                self.switch_off(&user, t);
            }
        }
        if self.days.last() == Some(&last_kept) {
            self.steady = None;
            self.switch_off("", t);
        }
    }

    fn switch_off(&mut self, user: &str, t: i64) {
        for signal in SIGNALS {
            self.publish_rung(user, signal, 0, t, "REASON_FORGOTTEN");
        }
    }

    /// The close of the day that ends at `t`: its row, then the users by id bytes, then the account (edges A15).
    fn close_day(&mut self, t: i64) {
        let day = t.div_euclid(DAY) - 1;
        self.push_day_row(day, t);
        let (mau, newest) = (self.active_users(day - 27, day), self.newest_day());
        for user in self.user_ids() {
            let rungs = [
                (STICKINESS, self.user_stickiness_rung(&user, day)),
                (FREQUENCY, self.frequency_rung(&user, newest)),
                (PRICING, self.pricing_rung(&user)),
                (ENTERPRISE, self.enterprise_rung(&user)),
                (INACTIVE, self.inactive_rung(&user, day, mau)),
                (DECLINING, self.user_declining_rung(&user, day)),
            ];
            for (signal, rung) in rungs {
                self.publish_rung(&user, signal, rung, t, "REASON_CLOSED");
            }
        }
        let rungs = [
            (STICKINESS, self.stickiness_rung(day)),
            (USER_ADDS, self.user_adds_rung(day)),
            (DECLINING, self.declining_rung(day)),
        ];
        for (signal, rung) in rungs {
            self.publish_rung("", signal, rung, t, "REASON_CLOSED");
        }
    }

    /// The close of the week whose Sunday ends at `t`, if one does (edges C15).
    fn close_week(&mut self, t: i64) {
        let day = t.div_euclid(DAY) - 1;
        let week = week_of(day);
        if sunday(week) != day {
            return;
        }
        self.push_week_row(week, t);
        for user in self.user_ids() {
            let growing = self.user_trend(&user, week).and_then(|trend| trend.moves(Direction::Up));
            self.publish_rung(&user, GROWTH, u32::from(growing == Some(true)), t, "REASON_CLOSED");
        }
        let trend = self.trend(week);
        let growing = trend.as_ref().and_then(|trend| trend.moves(Direction::Up));
        self.publish_rung("", GROWTH, u32::from(growing == Some(true)), t, "REASON_CLOSED");
        let above = trend.as_ref().and_then(|trend| Some(trend.last(0)? > trend.last(4)?));
        self.steady = and(growing, above);
    }

    /// Applies an event and evaluates what a single event can prove (edges A14, C3).
    fn apply(&mut self, event: &Event, place: (i64, u32)) {
        let mut pulses = self.role_pulses(event);
        let plan_before = self.is_enterprise_plan();
        self.events.push(Applied { event: event.clone(), place, watermark: self.clock, role: event.role() });
        if !plan_before && self.is_enterprise_plan() {
            pulses.push(Pulse { trigger: Some(Trigger::ContactSales), signal: "" });
        }
        if !event.user.is_empty() {
            let days = self.users.entry(event.user.clone()).or_default();
            if event.is_activity() {
                days.insert(event.day());
                self.days.insert(event.day());
            }
        }
        for pulse in &pulses {
            self.publish_pulse(pulse, &event.user, event.ms);
        }
        self.cross(event);
        let moment = Moment { cause: event.ms, now: self.clock, closes_day: false };
        self.evaluate_triggers(moment, Some((&pulses, &event.user)));
    }

    /// At once and upward only, for the window that ends at T; inactivity ends at once (edges C3, C4, E10). Only the
    /// event's own user can rise: a window that moves on without an event of a user loses days of the user, or none.
    fn cross(&mut self, event: &Event) {
        let newest = self.newest_day();
        if !event.user.is_empty() {
            let user = &event.user;
            self.raise_rung(user, FREQUENCY, self.frequency_rung(user, newest), event.ms);
            self.raise_rung(user, PRICING, self.pricing_rung(user), event.ms);
            self.raise_rung(user, ENTERPRISE, self.enterprise_rung(user), event.ms);
            if event.is_activity() && event.day() >= newest - 6 {
                self.publish_rung(user, INACTIVE, 0, event.ms, "REASON_CROSSED");
            }
        }
        let five = u32::from(self.counted_new_users(newest) >= 5);
        self.raise_rung("", USER_ADDS, five, event.ms);
    }

    /// The pulses that an event is by its role, before it is applied (edges D2, D26, E6).
    fn role_pulses(&self, event: &Event) -> Vec<Pulse> {
        let pulse = match event.role() {
            Some(Role::EnterpriseRequested) => {
                Some(Pulse { trigger: Some(Trigger::EnterpriseRequest), signal: ENTERPRISE })
            }
            Some(Role::ContactSales) => Some(Pulse { trigger: Some(Trigger::ContactSales), signal: "" }),
            Some(Role::PricingViewed) if self.opens_session(event) => Some(Pulse { trigger: None, signal: PRICING }),
            _ => None,
        };
        pulse.into_iter().collect()
    }

    /// A view of a user, its TTL not over, that joins no session still known (edges E6).
    fn opens_session(&self, event: &Event) -> bool {
        let known = self.known_sessions(&event.user);
        let joins = known.iter().flatten().any(|view| (event.ms - view).abs() < SESSION_GAP);
        !event.user.is_empty() && event.ms + PRICING_TTL > self.clock && !joins
    }
}

/// Facts: what the applied events say.
impl Account {
    fn user_ids(&self) -> Vec<String> {
        self.users.keys().cloned().collect()
    }

    /// O, the first open day.
    fn open_day(&self) -> i64 {
        self.clock.div_euclid(DAY)
    }

    /// T = max(O, day of the newest applied event).
    fn newest_day(&self) -> i64 {
        let newest = self.events.iter().map(|applied| applied.event.day()).max();
        newest.map_or(self.open_day(), |day| day.max(self.open_day()))
    }

    /// The events of a user that count as facts, in one role or in any: those since the user was last forgotten
    /// (edges B12).
    fn facts(&self, user: &str, role: Option<Role>) -> impl Iterator<Item = &Applied> {
        let erased = self.forgotten.get(user).copied().unwrap_or(0);
        let facts = self.events[erased..].iter().filter(move |a| role.is_none() || a.role == role);
        facts.filter(move |applied| applied.event.user == user)
    }

    /// When the user was seen in the role, by event time; a sighting whose TTL was over does nothing (edges E2).
    fn sightings(&self, user: &str, role: Role, ttl: i64) -> Vec<i64> {
        let seen = self.facts(user, Some(role)).filter(|a| a.event.ms + ttl > a.watermark);
        let mut seen: Vec<i64> = seen.map(|applied| applied.event.ms).collect();
        seen.sort_unstable();
        seen
    }

    /// The user's sessions of pricing views: 30 minutes of silence end one (edges E6).
    fn sessions(&self, user: &str) -> Vec<Vec<i64>> {
        let mut sessions: Vec<Vec<i64>> = Vec::new();
        for view in self.sightings(user, Role::PricingViewed, PRICING_TTL) {
            match sessions.last_mut() {
                Some(session) if session.last().is_some_and(|last| view - last < SESSION_GAP) => session.push(view),
                _ => sessions.push(vec![view]),
            }
        }
        sessions
    }

    /// The sessions whose last view is within its TTL (edges E3).
    fn known_sessions(&self, user: &str) -> Vec<Vec<i64>> {
        let known = |session: &Vec<i64>| session.last().is_some_and(|last| last + PRICING_TTL > self.clock);
        self.sessions(user).into_iter().filter(known).collect()
    }

    /// The latest value of a property of `Subscription Changed` that `read` understands (edges A22, D19).
    fn latest_subscription<T>(&self, read: impl Fn(&Map<String, Value>) -> Option<T>) -> Option<T> {
        let changes = self.events.iter().filter(|a| a.role == Some(Role::SubscriptionChanged));
        let values = changes.filter_map(|a| Some(((a.event.ms, a.place), read(&a.event.properties)?)));
        values.max_by_key(|(order, _)| *order).map(|(_, value)| value)
    }

    fn is_paid(&self) -> bool {
        self.latest_subscription(|properties| properties.get("paid")?.as_bool()).unwrap_or(false)
    }

    /// Edges D27.
    fn is_enterprise_plan(&self) -> bool {
        self.latest_subscription(|properties| {
            Some(properties.get("plan")?.as_str()?.eq_ignore_ascii_case("enterprise"))
        })
        .unwrap_or(false)
    }

    /// The account's created-at trait in milliseconds (edges A22, B17).
    fn created_at(&self) -> Option<i64> {
        let groups = self.events.iter().filter(|a| a.event.kind == Kind::Group);
        let values = groups.filter_map(|a| Some(((a.event.ms, a.place), a.event.traits.get("createdAt")?)));
        values.max_by_key(|(order, _)| *order).and_then(|(_, value)| instant(value))
    }

    fn meaningful(&self) -> impl Iterator<Item = i64> {
        self.events.iter().filter(|applied| applied.event.is_activity()).map(|applied| applied.event.ms)
    }

    /// The instant of the first meaningful event of the founding day.
    fn founded_ms(&self, founded: i64) -> Option<i64> {
        self.meaningful().filter(|ms| ms.div_euclid(DAY) == founded).min()
    }

    /// Whether the account began within the log, not before it (edges B17).
    fn is_born_in_the_log(&self, founded: i64) -> bool {
        let Some(first) = self.founded_ms(founded) else {
            return false;
        };
        let sign_ups = self.events.iter().filter(|a| a.role == Some(Role::SignedUp)).map(|a| a.event.ms);
        founded > self.first_day + WARM_UP_DAYS || sign_ups.chain(self.created_at()).any(|ms| (first - ms).abs() < DAY)
    }

    /// The user's life as of a day: the last one that had begun, while it is kept (edges B9, B12).
    fn user_life(&self, user: &str, day: i64) -> Option<Life> {
        self.life_of(&self.users[user], day)
    }

    /// The account's life as of a day.
    fn life(&self, day: i64) -> Option<Life> {
        self.life_of(&self.days, day)
    }

    fn life_of(&self, days: &Days, day: i64) -> Option<Life> {
        let forget_after = self.settings.forget_after_days;
        let begun = lives(days, forget_after).into_iter().rfind(|life| life.first <= day)?;
        (self.open_day() - begun.last <= forget_after).then_some(begun)
    }

    /// When the user signed up in this life, else the user's first event (edges D13).
    fn signed_up_ms(&self, user: &str) -> Option<i64> {
        let born = lives(&self.users[user], self.settings.forget_after_days).last().map_or(i64::MIN, |life| life.first);
        let sign_ups = self.facts(user, Some(Role::SignedUp)).filter(|a| a.event.day() >= born);
        let first = self.facts(user, None).map(|a| a.event.ms).min();
        sign_ups.map(|a| a.event.ms).min().or(first)
    }
}

/// Windows and velocity: the metrics of domain §3.
impl Account {
    /// Distinct users active on `from ..= to`.
    fn active_users(&self, from: i64, to: i64) -> i64 {
        self.users.values().filter(|days| days_within(days, from, to) > 0).count() as i64
    }

    /// Users whose life begins on a day of `from ..= to`: first meaningful event, never again while it lasts (B9, C9).
    fn first_seen(&self, from: i64, to: i64) -> i64 {
        let forget_after = self.settings.forget_after_days;
        let births = self.users.values().flat_map(|days| lives(days, forget_after)).map(|life| life.first);
        births.filter(|day| (from..=to).contains(day)).count() as i64
    }

    /// New users of `from ..= to`; whoever is first active on F never counts (edges C9).
    fn new_users(&self, from: i64, to: i64, founded: i64) -> i64 {
        self.first_seen(from.max(founded + 1), to)
    }

    /// Σ DAU over the last n days, n, and MAU, of the close of a day (edges C5).
    fn stickiness(&self, day: i64) -> Option<(i64, i64, i64)> {
        let n = (day - self.life(day)?.first + 1).min(28);
        let sum = (day - n + 1..=day).map(|d| self.active_users(d, d)).sum();
        let mau = self.active_users(day - 27, day);
        (n >= 7 && mau > 0).then_some((sum, n, mau))
    }

    /// W(k) of the complete weeks up to `week`, as known now (edges C10, C17); 13 decide even the longest streak.
    fn trend(&self, week: i64) -> Option<Trend> {
        let first = first_complete_week(self.life(sunday(week))?.first).max(week - 12);
        let weeks = (first..=week).map(|k| self.active_users(monday(k), sunday(k))).collect();
        let of_user = |days: &Days| (first..=week).map(|k| days_within(days, monday(k), sunday(k)) > 0).collect();
        let of_users: Vec<Vec<bool>> = self.users.values().map(of_user).collect();
        Some(Trend::of_account(weeks, &of_users))
    }

    /// The user's active days of each week that is complete since the user's first day (edges C14).
    fn user_trend(&self, user: &str, week: i64) -> Option<Trend> {
        let first = first_complete_week(self.user_life(user, sunday(week))?.first).max(week - 12);
        let days = &self.users[user];
        Some(Trend::of_user((first..=week).map(|k| days_within(days, monday(k), sunday(k))).collect()))
    }

    /// One row per closed day with MAU > 0 (issue 3, item 5).
    fn push_day_row(&mut self, day: i64, close: i64) {
        let mau = self.active_users(day - 27, day);
        let Some(life) = self.life(day).filter(|_| mau > 0) else {
            return;
        };
        let week_new = self.new_users(day - 6, day, life.first);
        let blocks = spike_blocks(day, life.first);
        let before = self.new_users(day - 6 - 7 * blocks, day - 7, life.first);
        let value = json!({
            "kind": "day",
            "account": self.name,
            "day": date(day),
            "dau": self.active_users(day, day),
            "wau": self.active_users(day - 6, day),
            "mau": mau,
            "stickiness": self.stickiness(day).map(|(sum, n, mau)| sum as f64 / (n * mau) as f64),
            "new_users": self.new_users(day, day, life.first),
            "new_users_7d": week_new,
            "spike_p": (blocks >= 2).then(|| spike_p(week_new, before, blocks)),
        });
        self.rows.push(Row { key: (close, 0, self.name.clone()), value });
    }

    /// One row per closed complete week with MAU(Sunday) > 0 (edges C18).
    fn push_week_row(&mut self, week: i64, close: i64) {
        if self.active_users(sunday(week) - 27, sunday(week)) == 0 {
            return;
        }
        let Some(trend) = self.trend(week) else {
            return;
        };
        let Some(wau) = trend.last(0) else { return };
        let growth = trend.last(1).filter(|&before| before > 0).map(|before| (wau - before) as f64 / before as f64);
        let value = json!({
            "kind": "week",
            "account": self.name,
            "week": iso_week(week),
            "wau": wau,
            "growth": growth,
            "streak": trend.streak(Direction::Up),
            "slope_z": trend.z(),
        });
        self.rows.push(Row { key: (close, 1, self.name.clone()), value });
    }
}

/// Signals: the rung that each deserves. Unknown is rung 0 (edges D26).
impl Account {
    /// Above 0.3 or above 0.5, in integers (edges C7).
    fn stickiness_rung(&self, day: i64) -> u32 {
        self.stickiness(day).map_or(0, |(sum, n, mau)| share_rung(sum, n * mau))
    }

    /// Active days in the last n ÷ n, n from the user's own first day (edges C6).
    fn user_stickiness_rung(&self, user: &str, day: i64) -> u32 {
        let Some(life) = self.user_life(user, day) else {
            return 0;
        };
        let n = (day - life.first + 1).min(28);
        let active = days_within(&self.users[user], day - n + 1, day);
        if n < 7 { 0 } else { share_rung(active, n) }
    }

    /// Active on 5+ of T − 6 … T (edges E9).
    fn frequency_rung(&self, user: &str, newest: i64) -> u32 {
        u32::from(days_within(&self.users[user], newest - 6, newest) >= 5)
    }

    /// 1+ / 3+ sessions within 30 days (edges E3, E6).
    fn pricing_rung(&self, user: &str) -> u32 {
        match self.known_sessions(user).len() {
            0 => 0,
            1 | 2 => 1,
            _ => 2,
        }
    }

    /// Requested within 90 days (edges E1).
    fn enterprise_rung(&self, user: &str) -> u32 {
        let seen = self.sightings(user, Role::EnterpriseRequested, ENTERPRISE_TTL);
        u32::from(seen.iter().any(|seen| seen + ENTERPRISE_TTL > self.clock))
    }

    /// The first day whose new users count toward the signal (edges B17).
    fn first_counted_day(&self, founded: i64) -> i64 {
        if self.is_born_in_the_log(founded) { founded + 1 } else { founded + WARM_UP_DAYS }
    }

    /// New users that count, over the seven days that end with `day` (edges B17, C20).
    fn counted_new_users(&self, day: i64) -> i64 {
        let Some(life) = self.life(day) else { return 0 };
        self.first_seen((day - 6).max(self.first_counted_day(life.first)), day)
    }

    /// x ≥ 5 and P(X ≥ x) < 0.005 (edges C21–C24).
    fn is_spike(&self, day: i64) -> bool {
        let Some(life) = self.life(day) else {
            return false;
        };
        let blocks = spike_blocks(day, life.first);
        let x = self.counted_new_users(day);
        let before = self.new_users(day - 6 - 7 * blocks, day - 7, life.first);
        blocks >= 2 && x >= 5 && spike_p(x, before, blocks) < 0.005
    }

    /// At the close of D: the spike of D, else 5+ over the seven days that end at T (edges C3, C25).
    fn user_adds_rung(&self, day: i64) -> u32 {
        if self.is_spike(day) { 2 } else { u32::from(self.counted_new_users(self.newest_day()) >= 5) }
    }

    /// Active before, not on D − 6 … D, and on no later day known yet (edges E10).
    fn is_inactive(&self, user: &str, day: i64) -> bool {
        let days = &self.users[user];
        let absent = days_within(days, day - 6, day) == 0 && days.last().is_some_and(|last| *last <= day);
        absent && self.user_life(user, day).is_some()
    }

    /// The feed leaves out who turns inactive while the account's MAU is 0 (edges E10).
    fn inactive_rung(&self, user: &str, day: i64, mau: i64) -> u32 {
        let published = self.rung(user, INACTIVE);
        match self.is_inactive(user, day) {
            true if mau == 0 => published,
            inactive => u32::from(inactive),
        }
    }

    /// The mirror of growing on the last week with Sunday ≤ D; off while inactive (edges C15, C16).
    fn user_declining_rung(&self, user: &str, day: i64) -> u32 {
        let trend = self.user_life(user, day).and_then(|_| self.user_trend(user, last_closed_week(day)));
        let declining = trend.and_then(|trend| trend.moves(Direction::Down)) == Some(true);
        u32::from(declining && !self.is_inactive(user, day))
    }

    /// The same for the account, which is inactive while WAU is 0 (edges C16).
    fn declining_rung(&self, day: i64) -> u32 {
        let trend = self.life(day).and_then(|_| self.trend(last_closed_week(day)));
        let declining = trend.and_then(|trend| trend.moves(Direction::Down)) == Some(true);
        u32::from(declining && self.active_users(day - 6, day) > 0)
    }
}

/// Triggers and rails.
impl Account {
    /// Evaluates every trigger once: high, medium, low, each in the order of the rules file (edges A15, D10).
    fn evaluate_triggers(&mut self, moment: Moment, pulses: Option<(&[Pulse], &str)>) {
        let at = self.at(moment.cause);
        if let Some((pulses, user)) = pulses {
            for trigger in [Trigger::EnterpriseRequest, Trigger::ContactSales] {
                if pulses.iter().any(|pulse| pulse.trigger == Some(trigger)) {
                    self.fire_pulse(trigger, user, moment.cause, at);
                }
            }
        }
        let mut sent = Vec::new();
        let mut paced = Vec::new();
        for trigger in Trigger::STATES {
            let pending = self.pending(trigger, moment);
            let (fires, is_paced) = self.pass_rails(trigger, &pending, moment, at);
            if is_paced {
                paced.push(trigger);
            }
            if !fires.is_empty() {
                sent.push((trigger, self.fire_state(trigger, &fires, at)));
            }
        }
        self.send(sent, &paced);
    }

    /// A pulse fires unless it is old or its trigger rests; nothing of it stays pending (edges A17, D2, D3).
    fn fire_pulse(&mut self, trigger: Trigger, user: &str, ms: i64, at: i64) {
        let rests = self.fired.get(trigger.id()).is_some_and(|fired| at < fired + trigger.cooldown());
        if ms < self.clock - PULSE_MAX_AGE || rests {
            return;
        }
        let users: Vec<String> = [user.to_owned()].into_iter().filter(|user| !user.is_empty()).collect();
        let handoff = self.handoff(trigger, &users, at, at);
        self.fired.insert(trigger.id(), at);
        self.last_at = Some(at);
        self.handoffs.push(handoff);
    }

    /// The edges of a state trigger that are armed and true, after its conditions were looked at (edges D1, D11).
    fn pending(&mut self, trigger: Trigger, moment: Moment) -> Vec<String> {
        let mut pending = Vec::new();
        for (user, condition) in self.conditions(trigger) {
            let edge = self.edges.entry((trigger.id(), user.clone())).or_default();
            edge.observe(condition, moment.closes_day, trigger == Trigger::FiveNewUsers);
            if edge.armed && condition == Some(true) {
                pending.push(user);
            }
        }
        pending
    }

    /// The condition of a state trigger: per user for user edges, else under the empty id.
    fn conditions(&self, trigger: Trigger) -> Vec<(String, Option<bool>)> {
        match trigger {
            Trigger::FiveNewUsers => vec![(String::new(), self.five_new_users())],
            Trigger::SteadyGrowth => vec![(String::new(), self.steady)],
            Trigger::PricingSessions => {
                let paid = self.is_paid();
                let of_user = |user: &String| (user.clone(), Some(self.rung(user, PRICING) == 2 && !paid));
                self.users.keys().map(of_user).collect()
            }
            Trigger::EnterpriseRequest | Trigger::ContactSales => Vec::new(),
        }
    }

    /// 5+ while there are fewer than two weeks to compare with, then only the spike (edges B17, D24).
    fn five_new_users(&self) -> Option<bool> {
        let Some(life) = self.life(self.newest_day()) else {
            return Some(false);
        };
        if self.newest_day() < life.first + WARM_UP_DAYS && !self.is_born_in_the_log(life.first) {
            return None;
        }
        let rung = self.rung("", USER_ADDS);
        Some(if spike_blocks(self.open_day() - 1, life.first) < 2 { rung >= 1 } else { rung == 2 })
    }

    /// The edges that pass cooldown, rail 2 and rail 4, and whether rail 4 held any (edges D3, D4, D8, D9).
    fn pass_rails(&mut self, trigger: Trigger, pending: &[String], moment: Moment, at: i64) -> (Vec<String>, bool) {
        let mut fires = Vec::new();
        let mut is_paced = false;
        for user in pending {
            let time = if self.edge(trigger, user).waited { moment.now } else { at };
            let cooldown_end = self.fired.get(trigger.id()).map(|fired| fired + trigger.cooldown());
            let pacing_end = self.pacing_end(trigger.level());
            if let Some(end) = cooldown_end.filter(|&end| time < end) {
                self.wait(trigger, user, Some(end));
            } else if !self.has_usage() {
                self.wait(trigger, user, None);
                self.publish_held(trigger, user, "usage", at);
            } else if let Some(end) = pacing_end.filter(|&end| time < end) {
                self.wait(trigger, user, Some(end));
                self.publish_held(trigger, user, "pacing", at);
                is_paced = true;
            } else {
                fires.push(user.clone());
            }
        }
        (fires, is_paced)
    }

    fn edge(&mut self, trigger: Trigger, user: &str) -> &mut Edge {
        self.edges.entry((trigger.id(), user.to_owned())).or_default()
    }

    fn wait(&mut self, trigger: Trigger, user: &str, end: Option<i64>) {
        self.edge(trigger, user).waited = true;
        self.waits.extend(end);
    }

    /// At least one meaningful event in T − 27 … T (edges D16).
    fn has_usage(&self) -> bool {
        let newest = self.newest_day();
        self.active_users(newest - 27, newest) > 0
    }

    /// The end of the rest that holds this level: medium passes a rest that a low one started (edges D9).
    fn pacing_end(&self, level: Level) -> Option<i64> {
        let started = match level {
            Level::High => None,
            Level::Medium => self.last_medium,
            Level::Low => self.last_medium.max(self.last_low),
        };
        started.map(|at| at + PACING)
    }

    fn fire_state(&mut self, trigger: Trigger, edges: &[String], at: i64) -> Value {
        for user in edges {
            let edge = self.edge(trigger, user);
            *edge = Edge { armed: false, ..Edge::default() };
        }
        self.fired.insert(trigger.id(), at);
        match trigger.level() {
            Level::High => {}
            Level::Medium => self.last_medium = Some(at),
            Level::Low => self.last_low = Some(at),
        }
        self.last_at = Some(at);
        let users: Vec<String> = edges.iter().filter(|user| !user.is_empty()).cloned().collect();
        self.handoff(trigger, &users, at, self.not_before(&users, at))
    }

    /// Rail 1: a day after the sign-up (edges D13, D15).
    fn not_before(&self, users: &[String], at: i64) -> i64 {
        let founded = || lives(&self.days, self.settings.forget_after_days).last().map(|life| life.first);
        let sign_up = if users.is_empty() {
            founded().and_then(|founded| self.founded_ms(founded))
        } else {
            users.iter().filter_map(|user| self.signed_up_ms(user)).max()
        };
        sign_up.map_or(at, |sign_up| at.max(sign_up + DAY))
    }

    /// Sends the state handoffs of one evaluation; the first names what rail 4 held beside it (edges D10).
    fn send(&mut self, sent: Vec<(Trigger, Value)>, paced: &[Trigger]) {
        for (place, (trigger, mut handoff)) in sent.into_iter().enumerate() {
            let also: Vec<&str> = paced.iter().filter(|held| **held != trigger).map(|held| held.id()).collect();
            if place == 0 && !also.is_empty() {
                handoff["also"] = json!(also);
            }
            self.handoffs.push(handoff);
        }
    }
}

impl Edge {
    /// Only *false* re-arms; unknown drops a pending edge (edges D11). With `slowly`, it takes 7 closes (edges D24).
    fn observe(&mut self, condition: Option<bool>, closes_day: bool, slowly: bool) {
        if condition == Some(true) {
            self.false_closes = 0;
            return;
        }
        self.waited = false;
        self.held.clear();
        if condition.is_none() {
            self.false_closes = 0;
            return;
        }
        self.false_closes += u32::from(closes_day);
        if !slowly || self.false_closes >= FALSE_CLOSES_TO_REARM {
            self.armed = true;
        }
    }
}

/// What is published.
impl Account {
    /// Never backwards within an account (edges A17).
    fn at(&self, cause: i64) -> i64 {
        self.last_at.map_or(cause, |last| last.max(cause))
    }

    fn rung(&self, user: &str, signal: &'static str) -> u32 {
        self.rungs.get(&(user.to_owned(), signal)).copied().unwrap_or(0)
    }

    /// Publishes a change by an event, upward only.
    fn raise_rung(&mut self, user: &str, signal: &'static str, rung: u32, ms: i64) {
        if rung > self.rung(user, signal) {
            self.publish_rung(user, signal, rung, ms, "REASON_CROSSED");
        }
    }

    /// Publishes the change from the last rung to this one, if it is one (edges C25, E5).
    fn publish_rung(&mut self, user: &str, signal: &'static str, rung: u32, cause: i64, reason: &str) {
        let before = self.rung(user, signal);
        if before == rung {
            return;
        }
        self.rungs.insert((user.to_owned(), signal), rung);
        let message = json!({
            "user": user,
            "signal": signal,
            "kind": "KIND_CHANGED",
            "rungBefore": before,
            "rungAfter": rung,
            "reason": reason,
        });
        self.publish(message, cause);
    }

    fn publish_pulse(&mut self, pulse: &Pulse, user: &str, cause: i64) {
        let trigger = pulse.trigger.map_or("", Trigger::id);
        self.publish(json!({"user": user, "signal": pulse.signal, "kind": "KIND_PULSE", "trigger": trigger}), cause);
    }

    /// Once per edge and rail (edges D8, D26).
    fn publish_held(&mut self, trigger: Trigger, user: &str, rail: &'static str, cause: i64) {
        if self.edge(trigger, user).held.insert(rail) {
            self.publish(json!({"user": user, "kind": "KIND_HELD", "rail": rail, "trigger": trigger.id()}), cause);
        }
    }

    fn publish(&mut self, mut message: Value, cause: i64) {
        let at = self.at(cause);
        self.last_at = Some(at);
        message["account"] = json!(self.name);
        message["atMs"] = json!(at.to_string());
        self.feed.push(without_defaults(message));
    }

    /// A handoff with its times (edges D15) and its id (edges D7).
    fn handoff(&self, trigger: Trigger, users: &[String], at: i64, not_before: i64) -> Value {
        let (level, due_from, due) = match trigger.level() {
            Level::High => ("LEVEL_HIGH", 0, at.max(not_before)),
            Level::Medium => ("LEVEL_MEDIUM", not_before.max(at) + DAY, not_before.max(at) + 2 * DAY),
            Level::Low => ("LEVEL_LOW", 0, 0),
        };
        without_defaults(json!({
            "handoffId": handoff_id(&self.name, trigger.id(), at),
            "account": self.name,
            "trigger": trigger.id(),
            "level": level,
            "atMs": at.to_string(),
            "dueFromMs": due_from.to_string(),
            "dueMs": due.to_string(),
            "notBeforeMs": not_before.to_string(),
            "userIds": users,
        }))
    }
}

/// Three-valued and (edges D11).
fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// Above 0.3 is rung 1, above 0.5 is rung 2 (edges C7).
fn share_rung(part: i64, whole: i64) -> u32 {
    if 2 * part > whole { 2 } else { u32::from(10 * part > 3 * whole) }
}

/// Canonical proto3 JSON leaves default values out.
fn without_defaults(message: Value) -> Value {
    let Value::Object(fields) = message else {
        return message;
    };
    let is_default = |value: &Value| {
        *value == json!("") || *value == json!("0") || *value == json!(0) || value.as_array().is_some_and(Vec::is_empty)
    };
    Value::Object(fields.into_iter().filter(|(_, value)| !is_default(value)).collect())
}

/// The first 16 bytes of SHA-256 over the fields, each preceded by its length in 4 bytes (edges D7).
fn handoff_id(account: &str, trigger: &str, at: i64) -> String {
    let mut bytes = Vec::new();
    for field in [account, trigger, &at.to_string()] {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(field.as_bytes());
    }
    Sha256::digest(&bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Year, month and day of the proleptic Gregorian calendar, counted from 1970-01-01 year by year.
fn calendar(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(366).min(day.div_euclid(365));
    while first_day_of(year + 1, 1) <= day {
        year += 1;
    }
    let month = (1..=12).rfind(|&month| first_day_of(year, month) <= day).unwrap_or(1);
    (year, month, day - first_day_of(year, month) + 1)
}

/// The day on which a month begins.
fn first_day_of(year: i64, month: i64) -> i64 {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) - 477;
    (year - 1970) * 365 + leap_days + lengths[..month as usize - 1].iter().sum::<i64>()
}

/// `2026-02-14`.
fn date(day: i64) -> String {
    let (year, month, day) = calendar(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-W07`: the year of the week's Thursday, and how many Thursdays of it have come.
fn iso_week(week: i64) -> String {
    let thursday = monday(week) + 3;
    let year = calendar(thursday).0;
    format!("{year:04}-W{:02}", (thursday - first_day_of(year, 1)) / 7 + 1)
}

/// An instant in milliseconds from RFC 3339 text or Unix time: in seconds, or in milliseconds from 10¹¹ on.
fn instant(value: &Value) -> Option<i64> {
    if let Some(text) = value.as_str() {
        return rfc3339(text);
    }
    let unix = value.as_f64()?;
    Some(if unix.abs() >= 1e11 { unix.floor() } else { (unix * 1000.0).floor() } as i64)
}

fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let digits: String = rest[..zone_at].trim_start_matches('.').chars().chain("000".chars()).take(3).collect();
    let zone = &rest[zone_at..];
    let offset = if zone.eq_ignore_ascii_case("z") {
        0
    } else {
        let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
        if zone.starts_with('-') { -minutes } else { minutes }
    };
    let days = first_day_of(year, (1..=12).contains(&month).then_some(month)?) + day - 1;
    Some(days * DAY + seconds * 1000 + digits.parse::<i64>().ok()? - offset * MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday 2026-01-05, the first day of the histories below.
    const START: i64 = 20_458;

    /// A day and hour of a history, in milliseconds.
    fn at(day: i64, hour: i64) -> i64 {
        (START + day) * DAY + hour * HOUR
    }

    fn event(ms: i64, kind: Kind, user: &str, name: &str) -> Event {
        Event {
            message_id: String::new(),
            source: String::new(),
            kind,
            name: name.to_owned(),
            user: user.to_owned(),
            account: if kind == Kind::Tick { String::new() } else { "acme".to_owned() },
            ms,
            properties: Map::new(),
            traits: Map::new(),
            provenance: None,
        }
    }

    fn track(ms: i64, user: &str) -> Event {
        event(ms, Kind::Track, user, "Report Created")
    }

    fn sign_up(ms: i64, user: &str) -> Event {
        event(ms, Kind::Track, user, "Signed Up")
    }

    fn pricing(ms: i64, user: &str) -> Event {
        event(ms, Kind::Page, user, "Pricing")
    }

    /// A tick that brings the watermark to `ms`.
    fn until(ms: i64) -> Event {
        event(ms + HOUR, Kind::Tick, "", "")
    }

    fn run_events(events: Vec<Event>) -> Output {
        let in_place = |(offset, event)| Input {
            partition: 0,
            offset: offset as i64,
            index: 0,
            record_ms: None,
            event: Ok(event),
        };
        let input: Vec<Input> = events.into_iter().enumerate().map(in_place).collect();
        run(&input, &Settings::default())
    }

    /// The messages of a feed about a signal or a trigger, each as `user before>after reason|rail|pulse at`.
    fn about(feed: &[Value], id: &str) -> Vec<String> {
        let text = |message: &Value, field: &str| message[field].as_str().unwrap_or("").to_owned();
        let number = |message: &Value, field: &str| message[field].as_u64().unwrap_or(0);
        feed.iter()
            .filter(|message| message["signal"] == id || message["trigger"] == id)
            .map(|message| {
                let what = match message["kind"].as_str() {
                    Some("KIND_CHANGED") => format!(
                        "{}>{} {}",
                        number(message, "rungBefore"),
                        number(message, "rungAfter"),
                        text(message, "reason")
                    ),
                    Some("KIND_HELD") => format!("held {}", text(message, "rail")),
                    _ => "pulse".to_owned(),
                };
                format!("{}: {what} {}", text(message, "user"), text(message, "atMs"))
            })
            .collect()
    }

    fn row<'a>(output: &'a Output, key: &str, value: &str) -> &'a Value {
        output.metrics.iter().find(|row| row[key] == value).unwrap_or(&Value::Null)
    }

    #[test]
    fn ids_and_dates_are_those_of_the_vectors() {
        assert_eq!(handoff_id("acme", "five-new-users", 1_767_312_000_000), "62a46d8bb59a01314c33e295628b87f2");
        assert_eq!(date(START), "2026-01-05");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(first_day_of(2000, 3) - 1), "2000-02-29");
        assert_eq!(iso_week(week_of(first_day_of(2026, 2) + 13)), "2026-W07");
        assert_eq!(iso_week(week_of(first_day_of(2027, 1))), "2026-W53");
        assert_eq!(instant(&json!("2026-01-05T01:00:00.25+01:00")), Some(at(0, 0) + 250));
        assert_eq!(instant(&json!(1_767_571_200)), Some(at(0, 0)));
    }

    #[test]
    fn roles_go_by_kind_and_name() {
        let role = |kind, name| event(0, kind, "ann", name).role();
        assert_eq!(role(Kind::Screen, "pricing viewed"), Some(Role::PricingViewed));
        assert_eq!(role(Kind::Page, "PRICING"), Some(Role::PricingViewed));
        assert_eq!(role(Kind::Screen, "Pricing"), None);
        assert_eq!(role(Kind::Track, "Pricing"), None);
        assert_eq!(role(Kind::Page, "Contact Sales"), None);
        assert!(event(0, Kind::Track, "ann", "").is_activity());
        assert!(!event(0, Kind::Track, "ann", "Subscription Changed").is_activity());
        assert!(!event(0, Kind::Track, "", "Report Created").is_activity());
        assert!(!event(0, Kind::Alias, "ann", "").is_activity());
    }

    #[test]
    fn spike_probability_is_the_upper_tail() {
        // r = ½, p = ¾: the masses are √¾ · (1, 1/8, 3/128, 5/1024, 35/32768).
        let below = 0.75_f64.sqrt() * (1.0 + 1.0 / 8.0 + 3.0 / 128.0 + 5.0 / 1024.0 + 35.0 / 32_768.0);
        assert!((spike_p(5, 0, 2) - (1.0 - below)).abs() < 1e-12);
        assert_eq!(spike_p(0, 7, 8), 1.0);
    }

    #[test]
    fn five_new_users_after_two_quiet_weeks_are_a_spike() {
        let mut events = vec![sign_up(at(0, 9), "founder")];
        events.extend((1..22).map(|day| track(at(day, 9), "founder")));
        events.extend((22..27).map(|day| track(at(day, 9), &format!("new{day}"))));
        events.push(until(at(27, 0)));
        let output = run_events(events);
        assert_eq!(
            about(&output.signals, USER_ADDS),
            [format!(": 0>1 REASON_CROSSED {}", at(26, 9)), format!(": 1>2 REASON_CLOSED {}", at(27, 0)),]
        );
        assert_eq!(output.handoffs.len(), 1);
        let handoff = &output.handoffs[0];
        assert_eq!(handoff["trigger"], "five-new-users");
        assert_eq!(handoff["atMs"], at(27, 0).to_string());
        assert_eq!(handoff["dueFromMs"], at(28, 0).to_string());
        assert_eq!(handoff["dueMs"], at(29, 0).to_string());
        let day = row(&output, "day", &date(START + 26));
        assert_eq!((&day["new_users"], &day["new_users_7d"]), (&json!(1), &json!(5)));
        assert!(day["spike_p"].as_f64().is_some_and(|p| p > 0.00027 && p < 0.000271));
    }

    #[test]
    fn four_rising_weeks_have_a_streak_and_a_slope() {
        let mut events = Vec::new();
        for week in 0..4 {
            events.extend((0..=week).map(|user| track(at(7 * week, user), &format!("u{user}"))));
        }
        events.push(until(at(28, 0)));
        let output = run_events(events);
        let week = row(&output, "week", "2026-W05");
        assert_eq!(week["wau"], 4);
        assert_eq!(week["streak"], 3);
        assert_eq!(week["growth"], 1.0 / 3.0);
        // S₂ = −3·1 − 1·2 + 1·3 + 3·4 = 10, Q = 0 + 3 + 4 + 3 = 10.
        assert_eq!(week["slope_z"], 10.0 / (50.0_f64 / 3.0).sqrt());
        assert_eq!(row(&output, "week", "2026-W02")["growth"], Value::Null);
    }

    #[test]
    fn four_weeks_of_six_new_weekly_users_each_are_growing() {
        // W = 1, 7, 13, 19: S₂ = 60, Q = 6·3 + 6·4 + 6·3 = 60, z = 60/√100 = 6.
        let mut events = Vec::new();
        for week in 0..4 {
            events.extend((0..=6 * week).map(|user| track(at(7 * week, 0) + user * MINUTE, &format!("u{user:02}"))));
        }
        events.push(until(at(28, 0)));
        let output = run_events(events);
        assert_eq!(row(&output, "week", "2026-W05")["slope_z"], 6.0);
        assert_eq!(about(&output.signals, GROWTH), [format!(": 0>1 REASON_CLOSED {}", at(28, 0))]);
    }

    #[test]
    fn a_pricing_view_counts_until_its_ttl_ends() {
        let view = at(0, 12);
        let seen = run_events(vec![pricing(view, "ann"), until(view + PRICING_TTL - 1)]);
        assert_eq!(
            about(&seen.signals, PRICING),
            [format!("ann: pulse {view}"), format!("ann: 0>1 REASON_CROSSED {view}")]
        );
        let over = run_events(vec![pricing(view, "ann"), until(view + PRICING_TTL)]);
        assert_eq!(about(&over.signals, PRICING)[2..], [format!("ann: 1>0 REASON_LAPSED {}", view + PRICING_TTL)]);
    }

    #[test]
    fn pacing_holds_the_second_medium_handoff_for_three_days() {
        let mut events = vec![sign_up(at(0, 9), "founder")];
        events.extend((0..5).map(|user| track(at(1, 10 + user), &format!("new{user}"))));
        events.extend((1..4).map(|hour| pricing(at(2, hour), "founder")));
        events.push(until(at(5, 0)));
        let output = run_events(events);
        let (first, rest_end) = (at(1, 14), at(4, 14));
        let fired: Vec<(&Value, &Value)> = output.handoffs.iter().map(|h| (&h["trigger"], &h["atMs"])).collect();
        assert_eq!(
            fired,
            [
                (&json!("five-new-users"), &json!(first.to_string())),
                (&json!("pricing-sessions"), &json!(rest_end.to_string())),
            ]
        );
        assert_eq!(output.handoffs[1]["userIds"], json!(["founder"]));
        assert_eq!(about(&output.signals, "pricing-sessions"), [format!("founder: held pacing {}", at(2, 3))]);
    }

    #[test]
    fn the_one_sent_names_what_pacing_held_beside_it() {
        // W = 1, 1, 1, 1, 8: S₂ = 28, Q = 28, z = 28/√56 ≥ 3.5; and 7 new users after 3 blocks without any.
        let mut events = vec![sign_up(at(0, 9), "founder")];
        events.extend((1..5).map(|week| track(at(7 * week, 9), "founder")));
        events.extend((0..7).map(|user| track(at(34, user), &format!("new{user}"))));
        events.push(until(at(38, 0)));
        let output = run_events(events);
        let sent: Vec<[&Value; 3]> = output.handoffs.iter().map(|h| [&h["trigger"], &h["atMs"], &h["also"]]).collect();
        let (first, second) = (json!(at(35, 0).to_string()), json!(at(38, 0).to_string()));
        assert_eq!(
            sent,
            [
                [&json!("five-new-users"), &first, &json!(["steady-growth"])],
                [&json!("steady-growth"), &second, &Value::Null],
            ]
        );
        assert_eq!(about(&output.signals, "steady-growth"), [format!(": held pacing {}", at(35, 0))]);
    }

    #[test]
    fn raised_hands_pass_every_rail_and_rest_a_day() {
        let ask = |ms| event(ms, Kind::Track, "ann", "enterprise feature requested");
        let output = run_events(vec![ask(at(0, 1)), ask(at(0, 5)), ask(at(1, 1))]);
        let fired: Vec<&Value> = output.handoffs.iter().map(|handoff| &handoff["notBeforeMs"]).collect();
        assert_eq!(fired, [&json!(at(0, 1).to_string()), &json!(at(1, 1).to_string())]);
        assert_eq!(about(&output.signals, "enterprise-request").len(), 3);
    }

    #[test]
    fn pricing_without_usage_is_held_until_somebody_is_active() {
        let mut events: Vec<Event> = (1..4).map(|hour| pricing(at(0, hour), "ann")).collect();
        events.push(track(at(1, 0), "bob"));
        let output = run_events(events);
        assert_eq!(about(&output.signals, "pricing-sessions"), [format!("ann: held usage {}", at(0, 3))]);
        assert_eq!(output.handoffs.len(), 1);
        assert_eq!(output.handoffs[0]["atMs"], at(1, 0).to_string());
        assert_eq!(output.handoffs[0]["notBeforeMs"], (at(0, 1) + DAY).max(at(1, 0)).to_string());
    }

    #[test]
    fn a_late_day_joins_two_lives() {
        let two: Days = [0, 401].into();
        assert_eq!(lives(&two, 400), [Life { first: 0, last: 0 }, Life { first: 401, last: 401 }]);
        let one: Days = [0, 350, 401].into();
        assert_eq!(lives(&one, 400), [Life { first: 0, last: 401 }]);
        // Ann comes back 401 days later as a new user of an account that bob kept alive, until a late day joins.
        let mut events = vec![track(at(0, 1), "bob"), track(at(1, 1), "ann"), track(at(300, 1), "bob")];
        events.push(track(at(402, 1), "ann"));
        let apart = run_events([events.clone(), vec![until(at(403, 0))]].concat());
        assert_eq!(row(&apart, "day", &date(START + 402))["new_users"], 1);
        let joined = run_events([events, vec![track(at(350, 1), "ann"), until(at(403, 0))]].concat());
        assert_eq!(row(&joined, "day", &date(START + 402))["new_users"], 0);
        assert!(joined.outcomes.iter().all(|outcome| *outcome == Outcome::Applied));
    }

    #[test]
    fn who_stays_away_is_inactive_once_and_then_forgotten() {
        let output = run_events(vec![track(at(0, 1), "ann"), until(at(402, 0))]);
        let expected =
            [format!("ann: 0>1 REASON_CLOSED {}", at(8, 0)), format!("ann: 1>0 REASON_FORGOTTEN {}", at(401, 0))];
        assert_eq!(about(&output.signals, INACTIVE), expected);
    }

    #[test]
    fn every_event_has_one_outcome() {
        let named = |ms, id: &str| Event { message_id: id.to_owned(), ..track(ms, "ann") };
        let brought = |offset| Event { provenance: Some(("app".to_owned(), 0, offset)), ..track(at(60, 0), "ann") };
        let take = |offset, record_ms, event| Input { partition: 0, offset, index: 0, record_ms, event };
        let ahead = at(60, 0) + 5 * MINUTE;
        let input = [
            take(0, None, Err("no account".to_owned())),
            take(1, None, Ok(named(at(60, 0), "a"))),
            take(2, None, Ok(named(at(60, 0), "a"))),
            take(3, Some(at(60, 0)), Ok(track(ahead + 1, "ann"))),
            take(4, None, Ok(brought(7))),
            take(5, None, Ok(brought(7))),
            // The watermark is 59 days and 23 hours in: day 3 is eight weeks before the first open day.
            take(6, None, Ok(track(at(3, 0), "ann"))),
            take(7, None, Ok(track(at(2, 23), "ann"))),
            take(8, None, Ok(event(at(2, 23), Kind::Identify, "ann", ""))),
            take(9, None, Ok(event(at(60, 0), Kind::RulesActivation, "", ""))),
            take(10, Some(at(60, 0)), Ok(track(ahead, "ann"))),
        ];
        use Outcome::*;
        let expected = [
            Malformed,
            Applied,
            Duplicate,
            FromTheFuture,
            Applied,
            Replayed,
            Applied,
            TooLate,
            Applied,
            Refused,
            Applied,
        ];
        assert_eq!(run(&input, &Settings::default()).outcomes, expected);
    }
}
