//! Generates random products for the simulation: users sign up, work, invite, ask for sales, leave and come back;
//! traits of companies become known and change; handoffs are answered. Events have every fault that docs/semantics.md
//! names.

#[cfg(test)]
mod laws;
pub(crate) mod packs;
pub(crate) mod seen;
pub(crate) mod shrink;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

use crate::reference::pack::Pack;
use crate::reference::{self, Event, Input, Kind, Settings};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A log with the settings that it is read by.
#[derive(Clone)]
pub(crate) struct Product {
    pub(crate) log: Vec<Input>,
    pub(crate) settings: Settings,
}

/// Seeds from here on have random rules packs, the others the default one.
pub(crate) const PACKS: u64 = 1_000_000;

/// From here on the random rules are replaced by others within the log.
pub(crate) const CHANGES: u64 = 2_000_000;

/// The product of a seed. The outcomes that sales reports depend on the handoffs, so the model runs once before.
pub(crate) fn product(seed: u64) -> Product {
    let mut rng = SmallRng::seed_from_u64(seed);
    let first_day = if seed.is_multiple_of(10) { -90 } else { rng.random_range(19_000..20_000) };
    let settings = Settings {
        holdout_share: if seed % 4 == 1 { 0.5 } else { 0.0 },
        exclude: seed % 5 == 3,
        live_from_ms: (seed % 6 == 2).then_some((first_day + 60) * DAY),
        fold_ids: seed % 3 == 1,
        utc_offset_ms: utc_offset(seed),
        ..Settings::default()
    };
    let settings = match seed {
        // Settings are copied everywhere, so the few packs of a test are leaked.
        PACKS.. => Settings { pack: Box::leak(Box::new(packs::pack(&mut rng))), ..settings },
        _ => settings,
    };
    let mut arrivals = Vec::new();
    for account in 0..rng.random_range(1..if seed < PACKS { 4 } else { 3 }) {
        let mut account = Account::new(&mut rng, format!("a{account}"), first_day);
        account.live(&mut rng);
        if seed >= PACKS {
            account.move_about(&mut rng);
        }
        arrivals.append(&mut account.arrivals);
    }
    let unanswered = log(&mut SmallRng::seed_from_u64(seed ^ 0x106), arrivals.clone());
    let handoffs = reference::run(&unanswered, &settings).handoffs;
    answer(&mut rng, &handoffs, &mut arrivals);
    let mut log = log(&mut SmallRng::seed_from_u64(seed ^ 0x106), arrivals);
    if seed >= CHANGES {
        change_rules(&mut SmallRng::seed_from_u64(seed ^ 0xac7), settings.pack, &mut log);
    }
    if seed % 7 == 4 {
        mark_history(&mut SmallRng::seed_from_u64(seed ^ 0xbac), &mut log);
    }
    if seed % 7 == 6 {
        forget(&mut SmallRng::seed_from_u64(seed ^ 0xf06), &mut log);
    }
    Product { log, settings }
}

/// Where days begin: at midnight UTC, at the most extreme offsets, or somewhere between, in steps of 15 minutes.
fn utc_offset(seed: u64) -> i64 {
    let steps = match seed % 4 {
        0 => SmallRng::seed_from_u64(seed ^ 0x0ff).random_range(-56..=56),
        3 if seed % 8 == 3 => 56,
        3 => -56,
        _ => 0,
    };
    steps * 15 * MINUTE
}

/// When an event arrives, and the event.
type Arrivals = Vec<(i64, Event)>;

/// Activates other rules at random places of the log, and the first ones again.
fn change_rules(rng: &mut SmallRng, first: &'static Pack, log: &mut Vec<Input>) {
    let mut places: Vec<usize> =
        (0..rng.random_range(1..4)).map(|_| rng.random_range(log.len() / 8..log.len())).collect();
    places.sort_unstable();
    let mut applies = first;
    for (nth, place) in places.into_iter().enumerate() {
        let is_back = nth > 0 && rng.random_bool(0.4);
        let rules = if is_back { packs::after(rng, applies, first.clone()) } else { packs::other(rng, applies) };
        applies = Box::leak(Box::new(rules));
        // The time of an activation does not move the watermark.
        let near = log[place].event.as_ref().map_or(0, |event| event.ms) + rng.random_range(-DAY..DAY);
        let activation = Event { kind: Kind::RulesActivation, rules: Some(applies), ..event("", "", "", near) };
        log.insert(place + nth, Input { record_ms: None, event: Ok(activation), ..log[place].clone() });
    }
    for (offset, input) in (0..).zip(log) {
        input.offset = offset;
    }
}

/// Makes a backfill of the beginning of the log, or of another part, with marks that are refused.
fn mark_history(rng: &mut SmallRng, log: &mut Vec<Input>) {
    let mut mark = |place: usize, kind: Kind| {
        // The time of a mark does not move the watermark.
        let near = log[place].event.as_ref().map_or(0, |event| event.ms) + rng.random_range(-DAY..DAY);
        let mark = Event { kind, ..event("", "", "", near) };
        log.insert(place, Input { record_ms: None, event: Ok(mark), ..log[place].clone() });
        rng.random_range(log.len() / 8..log.len())
    };
    let mut other = mark(0, Kind::BackfillBegin);
    for kind in [Kind::BackfillEnd, Kind::BackfillBegin, Kind::BackfillEnd] {
        other = mark(other, kind);
    }
    for (offset, input) in (0..).zip(log) {
        input.offset = offset;
    }
}

/// Inserts forget records: for users of the log, in one account or in all, and some without a user.
fn forget(rng: &mut SmallRng, log: &mut Vec<Input>) {
    for _ in 0..rng.random_range(2..8) {
        let place = rng.random_range(log.len() / 8..log.len());
        let Ok(near) = log[rng.random_range(0..=place)].event.clone() else { continue };
        let account = if rng.random_bool(0.5) { near.account.as_str() } else { "" };
        let forget = Event { kind: Kind::Forget, ..event("", &near.user, account, near.ms) };
        log.insert(place, Input { record_ms: None, event: Ok(forget), ..log[place].clone() });
    }
    for (offset, input) in (0..).zip(log) {
        input.offset = offset;
    }
}

/// The rules of a product: those that apply first, and those that are activated in its log.
pub(crate) fn packs_of(product: &Product) -> Vec<&'static Pack> {
    let activated = product.log.iter().filter_map(|input| input.event.as_ref().ok()?.rules);
    std::iter::once(product.settings.pack).chain(activated).collect()
}

/// Outcomes that sales report for some of the handoffs: some at once, some late, some without the handoff id.
fn answer(rng: &mut SmallRng, handoffs: &[Value], arrivals: &mut Arrivals) {
    const WORDS: [&str; 9] = [
        "Outreach Sent",
        "Call Made",
        "Replied",
        "Meeting Booked",
        "Handoff Accepted",
        "Handoff Rejected",
        "Opportunity Created",
        "Deal Won",
        "Deal Lost",
    ];
    for handoff in handoffs.iter().filter(|_| rng.random_bool(0.4)).collect::<Vec<_>>() {
        let at: i64 = handoff["atMs"].as_str().and_then(|at| at.parse().ok()).unwrap_or(0);
        let after = [0, HOUR, DAY, 3 * DAY + HOUR, 5 * DAY, 7 * DAY, 20 * DAY][rng.random_range(0..7)];
        let account = handoff["account"].as_str().unwrap_or_default();
        let mut outcome = event(account, "", WORDS[rng.random_range(0..9)], at + after);
        if rng.random_bool(0.7) {
            outcome.properties.insert("handoff_id".into(), handoff["handoffId"].clone());
        }
        arrive(rng, outcome, arrivals);
    }
}

/// The arrivals as a log of one partition, with ids, record times, repeats, broken records and ticks.
fn log(rng: &mut SmallRng, mut arrivals: Arrivals) -> Vec<Input> {
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let mut careless = SmallRng::seed_from_u64(rng.clone().random());
    let has_record_times = rng.random_bool(0.5);
    let mut log: Vec<Input> = Vec::new();
    for (sent, (arrival, mut event)) in arrivals.into_iter().enumerate() {
        let counts_by_id = matches!(event.name.as_str(), "User Invited" | "Workspace Created");
        if event.message_id.is_empty() && (counts_by_id || rng.random_bool(0.9)) {
            event.message_id = format!("m{sent}");
        }
        if rng.random_bool(0.01) {
            event.provenance = Some(("source".into(), rng.random_range(0..2), rng.random_range(0..40)));
        }
        let record_ms = has_record_times.then_some(match rng.random_range(0..60) {
            0 => event.ms - 5 * MINUTE,
            1 => event.ms - 5 * MINUTE - 1,
            _ => arrival.max(event.ms - 5 * MINUTE),
        });
        if careless.random_bool(0.02) {
            misname(&mut careless, &mut event, counts_by_id);
        }
        let copies = if rng.random_bool(0.03) { 2 } else { 1 };
        for _ in 0..copies {
            push(&mut log, record_ms, Ok(event.clone()));
        }
        if rng.random_bool(0.005) {
            push(&mut log, record_ms, Err("broken".into()));
        }
        if rng.random_bool(0.01) {
            let again = rng.random_range(0..log.len());
            if let Ok(old) = log[again].event.clone() {
                push(&mut log, record_ms, Ok(old));
            }
        }
        if rng.random_bool(0.01) {
            let ahead = rng.random_range(0..3 * DAY);
            push(&mut log, record_ms.map(|ms| ms + ahead), Ok(tick(arrival + ahead)));
        }
    }
    let last = log.iter().filter_map(|input| Some(input.event.as_ref().ok()?.ms)).max().unwrap_or(0);
    let after = [0, 3 * DAY, 40 * DAY, 470 * DAY][rng.random_range(0..4)];
    push(&mut log, None, Ok(tick(last + after)));
    log
}

/// An id as careless producers write it: the text of a value that is missing, or in another case.
fn misname(rng: &mut SmallRng, event: &mut Event, counts_by_id: bool) {
    const NONE: [&str; 8] = ["undefined", "NULL", " None ", "[object Object]", "0", "-1", "Guest", " "];
    let none = one_of(rng, &NONE).to_owned();
    match rng.random_range(0..4) {
        0 => event.account = none,
        1 => event.account = one_of(rng, &[event.account.to_uppercase(), format!("{} ", event.account)]),
        2 if !event.user.is_empty() => event.user = none,
        3 if !counts_by_id => event.message_id = none,
        _ => {}
    }
}

fn push(log: &mut Vec<Input>, record_ms: Option<i64>, event: Result<Event, String>) {
    let offset = log.len() as i64;
    log.push(Input { partition: 0, offset, index: 0, record_ms, event });
}

fn tick(ms: i64) -> Event {
    Event { kind: Kind::Tick, ..event("", "", "", ms) }
}

fn event(account: &str, user: &str, name: &str, ms: i64) -> Event {
    Event {
        message_id: String::new(),
        source: "app".into(),
        kind: Kind::Track,
        name: name.into(),
        user: user.into(),
        account: account.into(),
        ms,
        properties: Map::new(),
        traits: Map::new(),
        provenance: None,
        rules: None,
    }
}

/// Most events arrive at once, some within the lateness, a few long after.
fn arrive(rng: &mut SmallRng, event: Event, arrivals: &mut Arrivals) {
    let late = match rng.random_range(0..100) {
        0..60 => 0,
        60..97 => rng.random_range(0..HOUR),
        97..99 => rng.random_range(0..10 * DAY),
        _ => rng.random_range(40 * DAY..62 * DAY),
    };
    arrivals.push((event.ms + late, event));
}

fn one_of<T: Clone>(rng: &mut SmallRng, values: &[T]) -> T {
    values[rng.random_range(0..values.len())].clone()
}

/// The fields of an event as a map.
fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// How the users of an account behave for a while.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Steady,
    Growing,
    Fading,
    Joining,
    Silent,
    Passive,
}

const MOODS: [Mood; 6] = [Mood::Steady, Mood::Growing, Mood::Fading, Mood::Joining, Mood::Silent, Mood::Passive];

/// The character of an account, which does not change.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// A bit of everything.
    Mixed,
    /// One user without invitations.
    Alone,
    /// A team without new users.
    Closed,
    /// A company that uses and wants everything.
    Keen,
}

/// An account and its present state.
struct Account {
    name: String,
    style: Style,
    /// Has premium features.
    has_premium: bool,
    /// The currency of all its amounts, if they carry one.
    currency: Option<&'static str>,
    users: usize,
    mood: Mood,
    /// The day since which the mood lasts.
    since: i64,
    day: i64,
    last_day: i64,
    /// The days of a burst of calls of the API.
    burst: i64,
    arrivals: Arrivals,
}

impl Account {
    fn new(rng: &mut SmallRng, name: String, first_day: i64) -> Self {
        let style = one_of(rng, &[Style::Mixed, Style::Mixed, Style::Mixed, Style::Alone, Style::Closed, Style::Keen]);
        let users = match style {
            Style::Mixed => rng.random_range(1..6),
            Style::Alone => 1,
            Style::Closed => rng.random_range(5..8),
            Style::Keen => rng.random_range(4..14),
        };
        let day = first_day + rng.random_range(0..50);
        let last_day = day + rng.random_range(30..170);
        Self {
            name,
            style,
            has_premium: rng.random_bool(0.7),
            currency: one_of(rng, &[None, None, Some("USD"), Some("EUR")]),
            users,
            mood: if style == Style::Closed { Mood::Steady } else { one_of(rng, &MOODS) },
            since: day,
            day,
            last_day,
            burst: day + rng.random_range(60..130),
            arrivals: Vec::new(),
        }
    }

    fn live(&mut self, rng: &mut SmallRng) {
        self.become_known(rng);
        for user in 0..self.users {
            self.join(rng, user);
        }
        while self.day < self.last_day {
            self.change_mood(rng);
            let joiners = match (self.style, self.mood) {
                (Style::Alone | Style::Closed, _) => 0,
                (_, Mood::Joining) if rng.random_bool(0.5) => rng.random_range(1..4),
                _ => usize::from(rng.random_bool(0.02)),
            };
            for user in self.users..self.users + joiners {
                self.join(rng, user);
            }
            self.users = (self.users + joiners).min(if self.style == Style::Keen { 30 } else { 24 });
            let share = self.share();
            for user in 0..self.users {
                if rng.random_bool(share) {
                    self.work(rng, user);
                }
            }
            self.view_pricing(rng);
            for _ in 0..if self.style == Style::Keen { 2 } else { 1 } {
                self.ask(rng);
                self.pay(rng);
                self.grow(rng);
            }
            self.day += match rng.random_range(0..900) {
                0 => 400,
                1 => 401,
                2 => rng.random_range(57..66),
                3 => 460,
                4 => 30,
                _ => 1,
            };
        }
    }

    fn change_mood(&mut self, rng: &mut SmallRng) {
        let lasts = if self.style == Style::Closed { 90..120 } else { 14..70 };
        if self.day - self.since > rng.random_range(lasts) {
            (self.mood, self.since) = (one_of(rng, &MOODS), self.day);
        }
        if self.mood == Mood::Growing && self.users < 10 && self.style != Style::Alone {
            self.users = 10;
        }
    }

    /// How probably a user is active on a day.
    fn share(&self) -> f64 {
        let weeks = ((self.day - self.since) / 7) as f64;
        let share = match self.mood {
            Mood::Steady => 0.6,
            Mood::Growing => 0.1 + 0.12 * weeks,
            Mood::Fading => 0.9 - 0.12 * weeks,
            Mood::Joining => 0.3,
            Mood::Silent | Mood::Passive => 0.01,
        };
        share.clamp(0.0, 1.0)
    }

    /// Some instant of the present day.
    fn now(&self, rng: &mut SmallRng) -> i64 {
        self.day * DAY + rng.random_range(0..DAY)
    }

    fn someone(&self, rng: &mut SmallRng) -> String {
        if rng.random_bool(0.1) { String::new() } else { format!("u{}", rng.random_range(0..self.users)) }
    }

    fn send(&mut self, rng: &mut SmallRng, event: Event) {
        arrive(rng, event, &mut self.arrivals);
    }

    fn track(&mut self, rng: &mut SmallRng, user: &str, name: &str, ms: i64, properties: Value) {
        let mut properties = fields(properties);
        if rng.random_bool(0.01) {
            properties.insert("is_test".into(), json!(true));
        }
        let event = Event { properties, ..event(&self.name, user, name, ms) };
        self.send(rng, event);
    }

    fn call(&mut self, rng: &mut SmallRng, kind: Kind, user: &str, ms: i64, traits: Value) {
        let event = Event { kind, traits: fields(traits), ..event(&self.name, user, "", ms) };
        self.send(rng, event);
    }

    /// What is known of the company from the beginning.
    fn become_known(&mut self, rng: &mut SmallRng) {
        let at = self.now(rng);
        if rng.random_bool(0.3) {
            let created = self.day * DAY + rng.random_range(-30..30) * HOUR;
            let created = if rng.random_bool(0.5) { created } else { created / 1_000 };
            self.call(rng, Kind::Group, "", at, json!({"createdAt": created}));
        }
        if rng.random_bool(if self.style == Style::Keen { 0.9 } else { 0.5 }) {
            let company = json!({
                "employees": one_of(rng, &[json!(3), json!(49), json!(50), json!("51-200"), json!(499), json!(500), json!("1000-5000")]),
                "industry": one_of(rng, &["Software", " software ", "Retail"]),
                "icp": rng.random_bool(0.7),
                "target": rng.random_bool(0.6),
                "country": one_of(rng, &["DE", "US"]),
            });
            self.call(rng, Kind::Group, "", at, company);
        }
    }

    /// The region of the company, in a trait that only custom rules use.
    fn move_about(&mut self, rng: &mut SmallRng) {
        for _ in 0..rng.random_range(0..4) {
            let at = self.now(rng) - rng.random_range(0..60) * DAY;
            let region = one_of(rng, &[json!("emea"), json!("apac"), Value::Null]);
            self.call(rng, Kind::Group, "", at, json!({"region": region}));
        }
    }

    /// A user signs up, may be activated, and fills in a profile.
    fn join(&mut self, rng: &mut SmallRng, user: usize) {
        let (id, at) = (format!("u{user}"), self.now(rng));
        let name = one_of(rng, &["Signed Up", "Signed Up", "Feature Used"]);
        self.track(rng, &id, name, at, json!({}));
        if rng.random_bool(0.4) {
            let after = one_of(rng, &[MINUTE, HOUR - 1, HOUR, 5 * HOUR, -MINUTE]);
            self.track(rng, &id, "Activated", at + after, json!({}));
        }
        if rng.random_bool(0.7) {
            self.introduce(rng, &id, at);
        }
    }

    fn introduce(&mut self, rng: &mut SmallRng, user: &str, at: i64) {
        let department = match self.style {
            Style::Closed => "Sales",
            _ => one_of(rng, &["Sales", " sales", "Engineering", "Finance", ""]),
        };
        let host = one_of(
            rng,
            &["acme.com", "acme.com", "Acme.com ", "gmail.com", "Yahoo.co.uk", "other.org", "Vendor.example"],
        );
        let title =
            one_of(rng, &["", "", "Engineer", "VP Sales", "Director of IT", "Head of Data", "CTO", "Vice President"]);
        let mut traits = fields(json!({"department": department, "email": format!("{user}@{host}"), "title": title}));
        if rng.random_bool(0.1) {
            traits.insert("role".into(), json!(one_of(rng, &["Owner", "member", "billing admin"])));
        }
        if rng.random_bool(0.2) {
            traits.insert("seniority".into(), json!(one_of(rng, &["director", "junior"])));
        }
        if rng.random_bool(0.1) {
            traits.insert("company_size".into(), one_of(rng, &[json!("11-50"), json!("51-200"), json!(700)]));
        }
        if rng.random_bool(0.1) {
            let gone = one_of(rng, &["department", "title", "email"]);
            traits.insert(gone.into(), Value::Null);
        }
        self.call(rng, Kind::Identify, user, at, Value::Object(traits));
    }

    /// A user at work on a day.
    fn work(&mut self, rng: &mut SmallRng, user: usize) {
        let (id, at) = (format!("u{user}"), self.now(rng));
        let is_keen = self.style == Style::Keen || user == 0;
        let (name, properties) = match rng.random_range(0..if is_keen { 60 } else { 200 }) {
            0..4 => ("API Called", json!({})),
            4 => ("Integration Connected", json!({"integration": "crm"})),
            5 => ("Data Exported", json!({})),
            6..8 => ("Content Shared", json!({"external": rng.random_bool(0.6)})),
            8..12 if self.style != Style::Alone => match rng.random_range(0..10) {
                0 => ("User Invited", json!({})),
                invitee => ("User Invited", json!({"invitee": format!("i{invitee}")})),
            },
            12 => ("Report Created", json!({})),
            13..40 => {
                let feature = format!("f{}", rng.random_range(0..7));
                let is_premium = self.has_premium && rng.random_bool(0.3);
                let premium = if self.has_premium { json!(is_premium) } else { Value::Null };
                ("feature used", json!({"feature": feature, "premium": premium}))
            }
            40..42 if self.has_premium => ("Feature Used", json!({"premium": true})),
            _ => ("Feature Used", json!({})),
        };
        self.track(rng, &id, name, at, properties);
        if (self.burst..self.burst + 5).contains(&self.day) {
            for call in 0..rng.random_range(0..5) {
                let caller = if rng.random_bool(0.2) { "" } else { &id };
                self.track(rng, caller, "API Called", at + call * MINUTE, json!({}));
            }
        }
    }

    fn view_pricing(&mut self, rng: &mut SmallRng) {
        if !rng.random_bool(if self.mood == Mood::Passive { 0.5 } else { 0.12 }) {
            return;
        }
        let (user, at) = (self.someone(rng), self.now(rng));
        let gap = one_of(rng, &[0, MINUTE, 29 * MINUTE, 30 * MINUTE, 2 * HOUR]);
        for view in 0..rng.random_range(1..4) {
            let (kind, name) = [
                (Kind::Page, "pricing"),
                (Kind::Track, "Pricing Viewed"),
                (Kind::Screen, "Pricing"),
                (Kind::Page, "Home"),
            ][if view == 0 { 0 } else { rng.random_range(0..4) }];
            let viewed = Event { kind, ..event(&self.name, &user, name, at + view * gap) };
            self.send(rng, viewed);
        }
    }

    /// What people of the account ask for, or are shown to want.
    fn ask(&mut self, rng: &mut SmallRng) {
        let is_quiet = matches!(self.mood, Mood::Silent | Mood::Passive);
        let user = if is_quiet { String::new() } else { self.someone(rng) };
        let at = self.now(rng);
        match rng.random_range(0..220) {
            0..3 => self.track(rng, &user, "Enterprise Feature Requested", at, json!({"feature": "sso"})),
            3..5 => self.track(rng, &user, "contact sales", at, json!({})),
            5..11 => {
                let topic =
                    one_of(rng, &["billing", " Invoices ", "annual terms", "Volume Pricing", "custom pricing", "bug"]);
                self.track(rng, &user, "Support Contacted", at, json!({"topic": topic}));
            }
            11..13 => self.track(rng, &user, "Consolidation Requested", at, json!({})),
            13..16 => self.track(rng, &user, "Terms Viewed", at, json!({})),
            16 => {
                let seen = Event { kind: Kind::Page, ..event(&self.name, &user, "Privacy", at) };
                self.send(rng, seen);
            }
            17..23 => {
                self.track(rng, &user, "Upgrade Started", at, json!({"plan": "team"}));
                let after = one_of(rng, &[HOUR, DAY - 1, DAY, 3 * DAY, 20 * DAY, 50 * DAY, -HOUR]);
                if rng.random_bool(0.6) {
                    let by = self.someone(rng);
                    self.track(rng, &by, "Upgrade Completed", at + after, json!({}));
                }
                if rng.random_bool(0.3) {
                    let after = one_of(rng, &[HOUR, 2 * DAY, 30 * DAY]);
                    self.track(rng, &user, "Upgrade Started", at + after, json!({}));
                }
            }
            23 => self.track(rng, &user, "Trial Started", at, json!({})),
            24 => self.track(rng, &user, "Trial Ended", at, json!({})),
            25..29 => self.track(rng, &user, "Lead Created", at, json!({})),
            29..31 => self.call(rng, Kind::Identify, &user, at, json!({})),
            31..33 => self.call(rng, Kind::Alias, &user, at, json!({})),
            _ => {}
        }
    }

    /// Limits, plans and bills.
    fn pay(&mut self, rng: &mut SmallRng) {
        let (user, at) = (self.someone(rng), self.now(rng));
        match rng.random_range(0..160) {
            0..2 => self.track(rng, &user, "Limit Hit", at, json!({"meter": "seats"})),
            2..6 => {
                let report = json!({
                    "meter": one_of(rng, &["seats", "storage"]),
                    "used": one_of(rng, &[10, 79, 80, 81, 99]),
                    "quota": one_of(rng, &[0, 100, 100]),
                });
                self.track(rng, &user, "Usage Reported", at, report);
            }
            6..11 => {
                let mut changed = Map::new();
                if let id @ 1.. = rng.random_range(0..4) {
                    changed.insert("subscription_id".into(), json!(format!("s{id}")));
                }
                if rng.random_bool(0.8) {
                    changed.insert("plan".into(), json!(one_of(rng, &["team", "Enterprise", "free"])));
                }
                if rng.random_bool(0.8) {
                    changed.insert("paid".into(), json!(rng.random_bool(0.7)));
                }
                if rng.random_bool(0.6) {
                    let mrr = one_of(rng, &[json!(100), json!(833), json!(834), json!(5000), Value::Null]);
                    changed.insert("mrr".into(), mrr);
                    changed.insert("seats".into(), json!(rng.random_range(1..200)));
                    changed.insert("price".into(), json!(one_of(rng, &[12, 49])));
                    changed.extend(self.currency.map(|currency| ("currency".to_owned(), json!(currency))));
                }
                self.track(rng, &user, "Subscription Changed", at, Value::Object(changed));
            }
            11..15 => {
                let amount = one_of(rng, &[json!(499.99), json!(500), json!(2000), json!("many")]);
                let mut bill = fields(json!({"amount": amount}));
                if rng.random_bool(0.2) {
                    bill.insert("currency".into(), json!(one_of(rng, &["USD", "EUR"])));
                }
                self.track(rng, &user, "Billing Forecast", at, Value::Object(bill));
            }
            _ => {}
        }
    }

    /// Workspaces, admins, members, and what becomes known of the company and its people.
    fn grow(&mut self, rng: &mut SmallRng) {
        let (user, at) = (self.someone(rng), self.now(rng));
        match rng.random_range(0..200) {
            0..2 => {
                let workspace = match rng.random_range(0..4) {
                    0 => json!({}),
                    id => json!({"workspace": format!("w{id}")}),
                };
                self.track(rng, &user, "Workspace Created", at, workspace);
            }
            2..4 => self.track(rng, &user, "Admin Transferred", at, json!({"admin": user})),
            4..8 => {
                let member = match rng.random_range(0..3) {
                    0 => json!({}),
                    _ => json!({"member": self.someone(rng)}),
                };
                self.track(rng, &user, "Member Removed", at, member);
            }
            8..10 => self.track(rng, &user, "Member Added", at, json!({})),
            10..14 if !user.is_empty() => self.introduce(rng, &user, at),
            14..23 => {
                let (key, value) = match rng.random_range(0..10) {
                    0 => ("employees", one_of(rng, &[json!(10), json!(80), json!(900), Value::Null])),
                    1 => ("icp", one_of(rng, &[json!(true), json!(false), Value::Null])),
                    2 => ("target", one_of(rng, &[json!(true), json!(true), json!(false), Value::Null])),
                    3 => ("lead_score", one_of(rng, &[json!(19.5), json!(20), json!(35), Value::Null])),
                    4 => ("do_not_contact", json!(rng.random_bool(0.4))),
                    5 => ("open_opportunity", json!(rng.random_bool(0.4))),
                    6 => ("contract_owner", one_of(rng, &[json!("anna"), json!(""), Value::Null])),
                    7 => ("plan", one_of(rng, &[json!("team"), json!("Enterprise"), Value::Null])),
                    8 => ("industry", one_of(rng, &[json!("software"), json!("media"), Value::Null])),
                    _ => ("lead_score", json!(25)),
                };
                let mut traits = Map::new();
                traits.insert(key.into(), value);
                self.call(rng, Kind::Group, "", at, Value::Object(traits));
            }
            _ => {}
        }
    }
}
