//! Loads for benchmarks: many accounts and users, most of whom do little, as in the log of a real product.
//!
//! Accounts have Zipf sizes. Users join over the days and have one of three habits: they are active on a few days, on
//! one day in seven, or on most days. The stream is a pure function of the load, the seed and its first day: reading
//! fewer events cuts the same stream. It is in the order of time.

use super::draw::{hash, mix, pick};
use crate::model::{self, DAY_MS, Day, EventKind, EventTime, Fields};
use crate::wire;

/// What users do. Reports and files that are shared, exports, invitations, API calls and integrations have roles in the
/// default rules.
#[rustfmt::skip]
const NAMES: [&str; 16] = [
    "Feature Used", "Report Exported", "Project Created", "Comment Added", "File Uploaded", "Search Performed",
    "Dashboard Viewed", "Task Completed", "Integration Added", "Invite Sent", "API Called", "Settings Changed",
    "File Shared", "Template Applied", "Message Sent", "Workflow Run",
];
const SOURCES: [&str; 4] = ["web", "ios", "server", "android"];
const PLANS: [&str; 4] = ["free", "trial", "team", "business"];
/// The number of events is random, so more events than needed are planned and the rest is cut off.
const MARGIN: f64 = 1.005;
/// Spreads the ranks of accounts over their names, so that no partition gets all of the large ones. It is a prime.
const SPREAD: u64 = 61_681;

/// A load: how much of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Its name.
    pub name: &'static str,
    /// Events in all.
    pub events: u64,
    /// Accounts, up to a million.
    pub accounts: u32,
    /// Users, at least as many as accounts, up to 90 million.
    pub users: u32,
    /// Days that it lasts, at least 7.
    pub days: u32,
    /// The exponent of the law of Zipf that account sizes follow, in hundredths.
    pub skew: u32,
    /// Bytes of text that each event has besides its other properties.
    pub payload: u32,
}

impl Load {
    /// About two events a day on which a user is active: nearly half of the events come on a day that is new to their
    /// user.
    pub const SPARSE: Load = Load {
        name: "sparse",
        events: 10_000_000,
        accounts: 100_000,
        users: 1_000_000,
        days: 60,
        skew: 80,
        payload: 0,
    };
    /// About twenty events a day on which a user is active: nearly all events change nothing.
    pub const BUSY: Load = Load { name: "busy", accounts: 10_000, users: 100_000, ..Load::SPARSE };
    /// Every load.
    pub const ALL: [Load; 2] = [Load::SPARSE, Load::BUSY];

    /// The load with one in `by` of its events, accounts and users.
    pub fn divided(self, by: u32) -> Load {
        Load { events: self.events / u64::from(by), accounts: self.accounts / by, users: self.users / by, ..self }
    }

    /// Its events, from the start of this day (UTC).
    pub fn play(self, seed: u64, first: Day) -> Stream {
        Stream::new(self, seed, first)
    }
}

/// The events of a load, in order.
pub struct Stream {
    load: Load,
    seed: u64,
    draws: Draws,
    people: Vec<Person>,
    /// The chance that an active user causes one more event today.
    more: u64,
    first_ms: i64,
    /// The day that is planned next, from 0.
    day: u32,
    /// The events of the present day: milliseconds in the day and the user, packed so that they sort.
    planned: Vec<u64>,
    /// How many of them were given out, and how many of all.
    given_today: usize,
    given: u64,
}

/// A user, by what decides when they are active.
#[derive(Clone, Copy)]
struct Person {
    account: u32,
    /// The day on which they join.
    joins: u32,
    /// The chance to be active on a later day, of 2³².
    habit: u32,
}

/// Where the user ends in a planned event.
const USER_BITS: u32 = 36;

impl Stream {
    fn new(load: Load, seed: u64, first: Day) -> Stream {
        let mut draws = Draws { key: mix(seed), drawn: 0 };
        let people = people(&load, &mut draws);
        // Whoever joins is active on that day.
        let days = |it: &Person| 1.0 + f64::from(it.habit) / CERTAIN * f64::from(load.days - 1 - it.joins);
        let active_days: f64 = people.iter().map(days).sum();
        let events_a_day = (load.events as f64 * MARGIN / active_days).max(1.0);
        let more = chance(1.0 - 1.0 / events_a_day);
        let first_ms = model::Calendar::UTC.start(first).0;
        let (planned, given_today, given, day) = (Vec::new(), 0, 0, 0);
        Stream { load, seed, draws, people, more, first_ms, day, planned, given_today, given }
    }

    /// Plans the next day.
    fn plan_day(&mut self) {
        let Stream { draws, people, planned, day, more, .. } = self;
        planned.clear();
        for (user, person) in (0_u64..).zip(people.iter()) {
            let is_active = match person.joins.cmp(day) {
                std::cmp::Ordering::Less => (draws.next() >> 32) < u64::from(person.habit),
                order => order.is_eq(),
            };
            if !is_active {
                continue;
            }
            loop {
                planned.push(draws.time_of_day() << USER_BITS | user);
                if draws.next() >= *more {
                    break;
                }
            }
        }
        planned.sort_unstable();
        self.given_today = 0;
        self.day += 1;
    }
}

impl Iterator for Stream {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.given == self.load.events {
            return None;
        }
        while self.given_today == self.planned.len() {
            if self.day == self.load.days {
                return None;
            }
            self.plan_day();
        }
        let planned = self.planned[self.given_today];
        let user = planned & ((1 << USER_BITS) - 1);
        let time = self.first_ms + i64::from(self.day - 1) * DAY_MS + (planned >> USER_BITS) as i64;
        let number = self.given;
        self.given_today += 1;
        self.given += 1;
        Some(Event {
            number,
            user,
            account: u64::from(self.people[user as usize].account) * SPREAD % u64::from(self.load.accounts),
            time: EventTime(time),
            draw: hash(self.seed, number),
            payload: self.load.payload,
        })
    }
}

/// The users in the order of their accounts, the largest account first.
fn people(load: &Load, draws: &mut Draws) -> Vec<Person> {
    let zipf = f64::from(load.skew) / 100.0;
    let weight = |account: u32| libm::pow(f64::from(account + 1), -zipf);
    let whole: f64 = (0..load.accounts).map(weight).sum();
    // Every account has one user; the others are dealt out by size.
    let others = f64::from(load.users - load.accounts);
    let mut people = Vec::with_capacity(load.users as usize);
    let mut share = 0.0;
    for account in 0..load.accounts {
        share += weight(account) / whole * others;
        let end = match account + 1 == load.accounts {
            true => load.users as usize,
            false => (share.round() as usize + account as usize + 1).min(load.users as usize),
        };
        // Three in five accounts are there from the beginning.
        let founded = if draws.unit() < 0.6 { draws.below(3) } else { draws.below(load.days * 4 / 5) };
        let kind = Kind::of(draws.unit());
        let first = people.len();
        while people.len() < end {
            let with_the_account = people.len() == first || draws.unit() < 0.15;
            let joins = if with_the_account { founded } else { founded + draws.below(load.days - founded) };
            let habit = chance(kind.habit(draws)) >> 32;
            people.push(Person { account, joins, habit: habit as u32 });
        }
    }
    people
}

/// How an account's users use the product.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Quiet,
    Active,
    Intense,
}

impl Kind {
    fn of(unit: f64) -> Kind {
        match unit {
            ..0.06 => Kind::Intense,
            ..0.3 => Kind::Active,
            _ => Kind::Quiet,
        }
    }

    /// The share of days on which a user is active.
    fn habit(self, draws: &mut Draws) -> f64 {
        match (self, draws.unit()) {
            (Kind::Intense, _) => 0.55 + 0.4 * draws.unit(),
            (_, ..0.7) => 0.03,
            (Kind::Quiet, ..0.94) => 0.12,
            (_, ..0.94) => 0.15,
            _ => 0.6,
        }
    }
}

/// 2³² as a number: a chance that is certain.
const CERTAIN: f64 = 4_294_967_296.0;

/// A chance, of 2⁶⁴.
fn chance(share: f64) -> u64 {
    ((share * CERTAIN) as u64).min(u64::from(u32::MAX)) << 32
}

/// A sequence of draws.
struct Draws {
    key: u64,
    drawn: u64,
}

impl Draws {
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        hash(self.key, self.drawn)
    }

    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// A whole number below `end`.
    fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// Milliseconds since midnight: more around noon, UTC, than at night.
    fn time_of_day(&mut self) -> u64 {
        let bits = self.next();
        // Four fifths follow a triangle, one fifth is even: three draws of 21 bits.
        let [a, b, c] = [bits & 0x1f_ffff, bits >> 21 & 0x1f_ffff, bits >> 42 & 0x1f_ffff];
        (a * 4 + b * 4 + c * 2) * DAY_MS as u64 / (10 << 21)
    }
}

/// One event of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the stream, from 0.
    pub number: u64,
    /// The number of its user.
    pub user: u64,
    /// The number of its account.
    pub account: u64,
    /// When it happened.
    pub time: EventTime,
    /// Decides its other fields.
    draw: u64,
    /// The length of its text.
    payload: u32,
}

impl Event {
    /// The id of its account.
    pub fn account_id(&self) -> String {
        ascii(&Texts::new(self).account).to_owned()
    }

    /// The number of the event with this message id; none if no load has made it.
    pub fn number_of(message_id: &str) -> Option<u64> {
        u64::from_str_radix(message_id.get(16..24)?, 16).ok()
    }

    /// Appends the event as an encoded `ProductEvent`.
    pub fn append(&self, out: &mut Vec<u8>) {
        let texts = Texts::new(self);
        let (properties, length) = texts.properties(self.draw);
        wire::append(&texts.event(self, Fields::None), &properties[..length], out);
    }

    /// Calls `then` with the event as a type of the model.
    pub fn with<T>(&self, then: impl FnOnce(&model::Event<'_>) -> T) -> T {
        let texts = Texts::new(self);
        let (properties, length) = texts.properties(self.draw);
        let object: serde_json::Map<String, serde_json::Value> =
            properties[..length].iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        let object = serde_json::Value::Object(object).to_string();
        then(&texts.event(self, Fields::Json(&object)))
    }
}

/// The texts of an event that are not the same in many.
struct Texts {
    message_id: [u8; 24],
    user: [u8; 13],
    account: [u8; 10],
    session: [u8; 5],
    path: [u8; 19],
    text: String,
}

impl Texts {
    fn new(event: &Event) -> Texts {
        let Event { number, user, account, draw, .. } = *event;
        let draw = mix(draw);
        let mut texts = Texts {
            message_id: [0; 24],
            user: *b"user-........",
            account: *b"acc-......",
            session: [0; 5],
            path: *b"/app/projects/.....",
            text: String::new(),
        };
        digits(&mut texts.message_id[..16], event.draw, 16);
        digits(&mut texts.message_id[16..], number, 16);
        digits(&mut texts.user[5..], 10_000_000 + user, 10);
        digits(&mut texts.account[4..], account, 10);
        digits(&mut texts.session, draw >> 16 & 0xff_ffff, 36);
        digits(&mut texts.path[14..], draw & 0xffff, 10);
        while texts.text.len() < event.payload as usize {
            let mut word = [0; 12];
            digits(&mut word, hash(draw, texts.text.len() as u64), 36);
            let length = word.len().min(event.payload as usize - texts.text.len());
            texts.text.push_str(ascii(&word[..length]));
        }
        texts
    }

    /// The properties of the event, in the order of their names, and their number: every other event has a path, and
    /// those of a load with a payload have a text.
    fn properties(&self, draw: u64) -> ([(&'static str, &str); 4], usize) {
        let [plan, session] = [("plan", pick(&PLANS, draw >> 6)), ("session", ascii(&self.session))];
        let text = ("text", &*self.text);
        let has_text = usize::from(!self.text.is_empty());
        match draw >> 40 & 1 {
            0 => ([plan, session, text, ("", "")], 2 + has_text),
            _ => ([("path", ascii(&self.path)), plan, session, text], 3 + has_text),
        }
    }

    fn event<'a>(&'a self, event: &Event, properties: Fields<'a>) -> model::Event<'a> {
        model::Event {
            message_id: ascii(&self.message_id).into(),
            source: pick(&SOURCES, event.draw).into(),
            kind: EventKind::Track,
            name: pick(&NAMES, event.draw >> 2).into(),
            user: ascii(&self.user).into(),
            anonymous_id: "".into(),
            account: ascii(&self.account).into(),
            time: event.time,
            received: None,
            properties,
            traits: Fields::None,
            context: Fields::None,
            provenance: None,
        }
    }
}

/// Writes the last digits of a number, as many as there is room for, to a base up to 36.
fn digits(room: &mut [u8], mut number: u64, base: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % base) as usize];
        number /= base;
    }
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("digits and letters")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::Calendar;

    /// Monday.
    fn first() -> Day {
        Day::from(jiff::civil::date(2025, 1, 6))
    }

    fn play(load: Load) -> Stream {
        load.play(7, first())
    }

    /// A tenth of a load, up to where a tenth of its first three million events are: how many users and accounts are in
    /// them, how many events of a hundred come on a day that is new to their user, and their mean length in bytes.
    fn counts(load: Load) -> (usize, usize, f64, f64) {
        let (mut days, mut accounts, mut bytes) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        let (mut new, mut newest) = (0, EventTime::MIN);
        for event in play(load.divided(10)).take(300_000) {
            assert!(event.time >= newest, "{event:?}");
            newest = event.time;
            let day = event.time.0.div_euclid(DAY_MS);
            new += u32::from(days.insert(event.user, day) != Some(day));
            accounts.insert(event.account);
            event.append(&mut bytes);
        }
        (days.len(), accounts.len(), f64::from(new) / 3_000.0, bytes.len() as f64 / 300_000.0)
    }

    #[test]
    fn a_sparse_load_has_two_events_a_user_and_day() {
        let (users, accounts, new, bytes) = counts(Load::SPARSE);
        assert!((46_000..48_500).contains(&users), "{users}");
        assert!((8_200..8_600).contains(&accounts), "{accounts}");
        assert!((47.0..49.0).contains(&new), "{new}");
        assert!((138.5..139.5).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_busy_load_has_twenty_events_a_user_and_day() {
        let (users, accounts, new, bytes) = counts(Load::BUSY);
        assert!((4_600..4_850).contains(&users), "{users}");
        assert!((800..860).contains(&accounts), "{accounts}");
        assert!((4.5..5.2).contains(&new), "{new}");
        assert!((138.5..139.5).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_load_has_all_of_its_events_in_its_days() {
        for load in Load::ALL.map(|load| load.divided(100)) {
            let events: Vec<Event> = play(load).collect();
            assert!(events.len() as u64 > load.events * 98 / 100, "{}", events.len());
            let end = Calendar::UTC.start(first().plus(load.days as i32));
            assert!(events.iter().all(|event| event.time < end));
            let start = events[0].time.0 - Calendar::UTC.start(first()).0;
            assert!((0..DAY_MS / 8).contains(&start), "{start}");
            let names: BTreeSet<&str> = events
                .iter()
                .map(|event| event.with(|event| NAMES.iter().find(|it| event.name == **it)).unwrap())
                .copied()
                .collect();
            assert_eq!(names.len(), NAMES.len());
        }
    }

    #[test]
    fn account_sizes_follow_zipf_and_users_have_three_habits() {
        let load = Load::SPARSE.divided(10);
        let people = people(&load, &mut Draws { key: 1, drawn: 0 });
        assert_eq!(people.len(), load.users as usize);
        let size = |account| people.iter().filter(|it| it.account == account).count() as f64;
        // Of ranks that are 10 and 100 times as large: one in 10^0.8 and 100^0.8, besides the user that everybody has.
        let ratios = [(size(9) - 1.0) / (size(0) - 1.0), (size(99) - 1.0) / (size(0) - 1.0)];
        assert!((0.15..0.17).contains(&ratios[0]) && (0.023..0.027).contains(&ratios[1]), "{ratios:?}");
        let share = |from: f64, to: f64| {
            let habits = people.iter().map(|it| f64::from(it.habit) / CERTAIN);
            habits.filter(|habit| (from..to).contains(habit)).count() as f64 / people.len() as f64
        };
        assert!((0.55..0.75).contains(&share(0.029, 0.031)), "few days");
        assert!((0.15..0.30).contains(&share(0.119, 0.151)), "one day in seven");
        assert!((0.05..0.20).contains(&share(0.54, 0.96)), "most days");
        let joins: BTreeSet<u32> = people.iter().map(|it| it.joins).collect();
        assert!(joins.len() > 55, "they join over the days");
    }

    #[test]
    fn the_same_load_is_the_same_on_every_machine_wherever_it_is_cut() {
        let bytes = |load: Load, events: usize| {
            let mut bytes = Vec::new();
            play(load).take(events).for_each(|event| event.append(&mut bytes));
            bytes
        };
        let load = Load::SPARSE.divided(100);
        let (whole, cut) = (bytes(load, 20_000), bytes(load, 5_000));
        assert!(whole.starts_with(&cut));
        assert_eq!(xxhash_rust::xxh3::xxh3_64(&whole), 2_033_986_822_039_972_582);
        assert_ne!(load.play(8, first()).next(), play(load).next());
    }

    #[test]
    fn an_event_says_the_same_in_both_formats() {
        let with_text = Load { payload: 100, ..Load::SPARSE };
        for event in [Load::SPARSE, with_text].map(|load| play(load.divided(1_000)).take(500)).into_iter().flatten() {
            let mut payload = Vec::new();
            event.append(&mut payload);
            assert_eq!(event.with(wire::encode), payload);
            assert_eq!(event.with(|it| Event::number_of(&it.message_id)), Some(event.number));
            assert_eq!(event.with(|it| it.account.to_string()), event.account_id());
            assert_eq!(payload.len() > 200, event.payload == 100, "{}", payload.len());
        }
    }
}
