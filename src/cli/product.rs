//! A simulated product: the events that `upswell demo` and `upswell generate` play.
//!
//! The stream is a pure function of (seed, users, events, end). Nothing of an account or a user is kept: their
//! nature is derived again from a hash wherever it is asked for, so memory grows only with the events of one slot
//! of four hours. All arithmetic is on integers, so that the same arguments give the same events on every machine.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours planned at a time.
const SLOT_HOURS: u32 = 4;
const SLOT_MS: i64 = SLOT_HOURS as i64 * HOUR_MS;
const SLOTS_A_DAY: u32 = 24 / SLOT_HOURS;

/// Events a user and week, by which the length of the history is chosen.
const WEEKLY_EVENTS: u64 = 4;
/// Shortest and longest history, in days: growth needs weeks to show, and nobody looks back beyond a year.
const HISTORY_DAYS: (u64, u64) = (35, 364);
/// Users of the largest account.
const LARGEST: u64 = 500;
/// Accounts by which the whole product's rhythm is measured; a product of fewer is measured exactly.
const SAMPLE: u32 = 4096;
/// Longest visit. Its events lie closer together than the silence that ends a session.
const VISIT_MS: i64 = 40 * MINUTE_MS;
/// One event in this many arrives late, by less than `LATE_MS`.
const LATE_ONE_IN: u64 = 64;
const LATE_MS: u64 = 20 * MINUTE_MS as u64;
/// Days over which a user compares prices.
const INTEREST_DAYS: i32 = 28;
/// Days between two waves of new users of one account.
const CALM_DAYS: i32 = 56;

/// Hours, in local time, at which visits start.
#[rustfmt::skip]
const LOCAL_HOURS: [u32; 32] = [
    7, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 12, 13,
    13, 13, 14, 14, 14, 14, 15, 15, 15, 16, 16, 16, 17, 17, 19, 21,
];
/// Hours to add to an account's local time for UTC: the Americas, Europe, Asia, Australia.
const TO_UTC: [u32; 16] = [8, 8, 6, 5, 5, 5, 3, 0, 0, 23, 23, 23, 22, 19, 16, 14];

#[rustfmt::skip]
const FEATURES: [&str; 12] = [
    "editor", "dashboards", "search", "comments", "boards", "reports",
    "automations", "templates", "forms", "timeline", "files", "api",
];
const WISHES: [&str; 4] = ["SSO", "SAML", "SCIM", "audit logs"];
#[rustfmt::skip]
const TITLES: [&str; 8] = [
    "Engineer", "Designer", "Product Manager", "Analyst",
    "Engineering Manager", "Director of Operations", "Head of Data", "VP Engineering",
];
#[rustfmt::skip]
const INDUSTRIES: [&str; 8] = [
    "software", "finance", "health care", "retail", "media", "education", "logistics", "manufacturing",
];
#[rustfmt::skip]
const FIRST_WORDS: [&str; 32] = [
    "amber", "birch", "blue", "bold", "bright", "calm", "cedar", "clear", "copper", "coral", "delta",
    "east", "ember", "fair", "fern", "gold", "granite", "green", "high", "iron", "lake", "lunar",
    "maple", "north", "oak", "pine", "quick", "river", "silver", "stone", "summit", "west",
];
#[rustfmt::skip]
const SECOND_WORDS: [&str; 32] = [
    "bank", "base", "bay", "bridge", "craft", "dale", "field", "flow", "forge", "fox", "gate", "grid",
    "grove", "harbor", "hill", "labs", "leaf", "light", "line", "loop", "mark", "mill", "path", "peak",
    "point", "port", "sail", "spring", "store", "wave", "works", "yard",
];

/// One event of the simulated product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within the stream: 16 hexadecimal digits.
    pub message_id: String,
    /// The account, such as `brightforge-3f2a`.
    pub account_id: String,
    /// The user, such as `u_8f3a1c2b`; never the same in two accounts.
    pub user_id: String,
    /// What kind of call this is.
    pub kind: Kind,
    /// The name of the thing done or of the page seen; empty for identify and group.
    pub name: &'static str,
    /// When it happened: milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: i64,
    /// Properties of the event; the traits, in identify and group.
    pub properties: Vec<(&'static str, PropertyValue)>,
}

/// The kinds of call of the Segment spec that the product makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user did something.
    Track,
    /// A page was viewed.
    Page,
    /// Traits of a user.
    Identify,
    /// Traits of an account.
    Group,
}

/// The value of a property or trait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// The stream of events, in order of arrival: a few in a hundred come up to 20 minutes late.
pub struct Product {
    population: Population,
    /// Weight of the visits expected from each slot to the end of the history.
    expected: Vec<u64>,
    /// The next slot to plan.
    slot: usize,
    /// Events not planned yet.
    unplanned: u64,
    /// Events given out.
    given: u64,
    /// Events not given yet.
    left: u64,
    visits: Vec<Visit>,
    /// Planned events, the next one last.
    planned: Vec<Planned>,
}

impl Product {
    /// A product of `users` users (at least one) whose history of exactly `events` events ends before `end_ms`,
    /// in milliseconds since 1970-01-01T00:00:00Z. It lasts 5 to 52 weeks, by the events there are for each user.
    pub fn new(seed: u64, users: u64, events: u64, end_ms: i64) -> Self {
        let users = users.clamp(1, u64::from(u32::MAX));
        let days = (events / (users * WEEKLY_EVENTS) * 7).clamp(HISTORY_DAYS.0, HISTORY_DAYS.1);
        let population = Population::new(mix(seed), users as u32, days as i32, end_ms);
        Self {
            expected: population.expected(),
            population,
            slot: 0,
            unplanned: events,
            given: 0,
            left: events,
            visits: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// Plans the events of the next slot: its share of what is left, by the weight of its visits.
    fn plan_slot(&mut self) {
        let start_ms = self.population.start_ms + self.slot as i64 * SLOT_MS;
        let day = (self.slot as u32 / SLOTS_A_DAY) as i32;
        let hour = self.slot as u32 % SLOTS_A_DAY * SLOT_HOURS;
        self.visits.clear();
        self.population.visits(u32::MAX, day, hour..hour + SLOT_HOURS, |visit| self.visits.push(visit));

        let last = self.slot + 1 == self.expected.len();
        if last && self.visits.is_empty() {
            self.visits.push(Visit::of_the_first_user(start_ms));
        }
        let weight: u64 = self.visits.iter().map(Visit::weight).sum();
        let quota = match last {
            true => self.unplanned,
            false => portion(self.unplanned, weight, self.expected[self.slot].max(weight)),
        };
        self.unplanned -= quota;
        self.plan_visits(quota, weight);
        self.planned.sort_unstable_by_key(|&event| Reverse(event));
        self.slot += 1;
    }

    /// Deals `quota` events to the visits: one each while there are enough, the rest by weight.
    fn plan_visits(&mut self, quota: u64, weight: u64) {
        let each = u64::from(quota >= self.visits.len() as u64);
        let rest = quota - each * self.visits.len() as u64;
        let mut before = 0;
        for visit in &self.visits {
            let after = before + visit.weight();
            let events = each + portion(rest, after, weight) - portion(rest, before, weight);
            visit.plan(events, self.population.end_ms, &mut self.planned);
            before = after;
        }
    }

    /// Every event that arrives before this time is planned.
    fn planned_until_ms(&self) -> i64 {
        match self.slot < self.expected.len() {
            true => self.population.start_ms + self.slot as i64 * SLOT_MS,
            false => i64::MAX,
        }
    }
}

impl Iterator for Product {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.left == 0 {
            return None;
        }
        while self.planned.last().is_none_or(|event| event.arrival_ms >= self.planned_until_ms()) {
            self.plan_slot();
        }
        let planned = self.planned.pop()?;
        let event = self.population.event(&planned, self.given);
        self.given += 1;
        self.left -= 1;
        Some(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::try_from(self.left).unwrap_or(usize::MAX), usize::try_from(self.left).ok())
    }
}

/// All accounts and users. Days count from the first day of the history.
struct Population {
    seed: u64,
    users: u32,
    accounts: u32,
    largest: u32,
    days: i32,
    first_day: i64,
    start_ms: i64,
    end_ms: i64,
}

impl Population {
    fn new(seed: u64, users: u32, days: i32, end_ms: i64) -> Self {
        let first_day = (end_ms - 1).div_euclid(DAY_MS) - i64::from(days) + 1;
        let largest = (u64::from(users) / 6).clamp(1, LARGEST) as u32;
        let start_ms = first_day * DAY_MS;
        let mut population = Self { seed, users, accounts: 0, largest, days, first_day, start_ms, end_ms };
        let mut left = users;
        while left > 0 {
            left = left.saturating_sub(population.account(population.accounts).size);
            population.accounts += 1;
        }
        population
    }

    /// The weight of the visits from each slot to the end, measured on the first accounts.
    fn expected(&self) -> Vec<u64> {
        let slots = (self.end_ms - self.start_ms).unsigned_abs().div_ceil(SLOT_MS as u64);
        let mut weights = vec![0; slots as usize];
        let mut measured = 0;
        for day in 0..self.days {
            measured = self.visits(SAMPLE, day, 0..24, |visit| {
                weights[((visit.start_ms - self.start_ms) / SLOT_MS) as usize] += visit.weight();
            });
        }
        let mut total = 0;
        for weight in weights.iter_mut().rev() {
            total += portion(*weight, u64::from(self.users), u64::from(measured));
            *weight = total;
        }
        weights
    }

    /// Shows every visit of the first `accounts` accounts that starts on a day within `hours`, and returns how
    /// many users these accounts have.
    fn visits(&self, accounts: u32, day: i32, hours: Range<u32>, mut show: impl FnMut(Visit)) -> u32 {
        let mut first_user = 0;
        for index in 0..accounts.min(self.accounts) {
            let mut account = self.account(index);
            account.size = account.size.min(self.users - first_user);
            let members = if day < account.founded { 0 } else { account.size };
            for member in 0..members {
                let draw = account.draw(member, day);
                let hour = account.hour(draw);
                if hours.contains(&hour)
                    && let Some(opening) = self.opening(&account, member, day, draw)
                {
                    let start_ms = self.start_ms
                        + i64::from(day) * DAY_MS
                        + i64::from(hour) * HOUR_MS
                        + (draw >> 16 & 0xffff) as i64 * HOUR_MS / 0x10000;
                    if start_ms < self.end_ms {
                        let (account, user) = (index, first_user + member);
                        show(Visit { start_ms, account, member, user, opening, draw });
                    }
                }
            }
            first_user += account.size;
        }
        first_user
    }

    /// How the member's visit on a day begins; none if there is no visit.
    fn opening(&self, account: &Account, member: u32, day: i32, draw: u64) -> Option<What> {
        let nature = account.nature(member);
        let joined = self.weekday_from(account.joined(member, nature, self.days));
        if day <= joined {
            return (day == joined).then_some(What::SignedUp);
        }
        let mut presence = account.presence(nature);
        if self.is_weekend(day) {
            presence /= 6;
        }
        let comes = draw & 1023 < presence && day < account.leaves(member, nature, joined);
        comes.then(|| account.intent(member, nature, day, joined, self.days, draw))
    }

    fn is_weekend(&self, day: i32) -> bool {
        // Day 0 of the epoch was a Thursday.
        (self.first_day + i64::from(day) + 3).rem_euclid(7) >= 5
    }

    /// The day itself, or the Monday after it.
    fn weekday_from(&self, day: i32) -> i32 {
        (day..).find(|&day| !self.is_weekend(day)).unwrap_or(day)
    }

    fn account(&self, index: u32) -> Account {
        let key = hash(self.seed, u64::from(index));
        let story = Story::of(hash(key, 1));
        let size = story.size(hash(key, 2), self.largest);
        let founded = story.founded(hash(key, 3), self.days);
        let (onset, span) = story.turn(hash(key, 4), founded, self.days);
        Account { key, story, size, founded, onset, span }
    }

    fn event(&self, planned: &Planned, number: u64) -> Event {
        let account = self.account(planned.account);
        let account_id = self.account_id(planned.account, account.key);
        let user_id = format!("u_{:08x}", scatter(planned.user ^ self.seed as u32));
        let (kind, name) = planned.what.call();
        Event {
            // The hash of different numbers is different: `mix` is a bijection.
            message_id: format!("{:016x}", hash(!self.seed, number)),
            properties: self.properties(planned, &account, &account_id, &user_id),
            account_id,
            user_id,
            kind,
            name,
            timestamp_ms: planned.ms,
        }
    }

    /// Two words and a number that no two accounts share.
    fn account_id(&self, index: u32, key: u64) -> String {
        let bits = (u32::BITS - self.accounts.leading_zeros()).next_multiple_of(4).max(16);
        // An odd factor permutes the numbers of that many bits.
        let mask = u32::MAX >> (u32::BITS - bits);
        let number = index.wrapping_mul(0x9e37_79b1).wrapping_add(self.seed as u32) & mask;
        let digits = bits as usize / 4;
        format!("{}{}-{number:0digits$x}", pick(&FIRST_WORDS, key), pick(&SECOND_WORDS, key >> 8))
    }

    fn properties(
        &self,
        planned: &Planned,
        account: &Account,
        account_id: &str,
        user_id: &str,
    ) -> Vec<(&'static str, PropertyValue)> {
        let draw = u64::from(planned.draw);
        match planned.what {
            What::SignedUp | What::Pricing | What::ContactSales => Vec::new(),
            What::Feature => vec![("feature", text(account.feature(draw)))],
            What::Enterprise => vec![("feature", text(pick(&WISHES, draw)))],
            What::Paid => {
                let day = ((planned.ms - self.start_ms) / DAY_MS) as i32;
                vec![("plan", text(account.plan(day))), ("paid", PropertyValue::Flag(true))]
            }
            What::Cancelled => {
                vec![("plan", text("free")), ("paid", PropertyValue::Flag(false))]
            }
            What::Identify => {
                let title = pick(&TITLES, hash(u64::from(planned.user), 5));
                let email = format!("{user_id}@{account_id}.example");
                vec![("title", text(title)), ("email", PropertyValue::Text(email.into()))]
            }
            What::Group => {
                let employees = i64::from(account.size) * (2 + (account.key >> 16 & 31) as i64);
                vec![
                    ("industry", text(pick(&INDUSTRIES, account.key >> 24))),
                    ("employees", PropertyValue::Number(employees)),
                ]
            }
        }
    }
}

/// What becomes of an account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Story {
    /// One user.
    Single,
    /// A team that hardly changes.
    Steady,
    /// More new users every week, for two to three months.
    TakingOff,
    /// Users leave one after another.
    Fading,
    /// Months of calm, then many new users within a week.
    Bursts,
}

impl Story {
    fn of(draw: u64) -> Self {
        match draw % 100 {
            0..28 => Self::Single,
            28..67 => Self::Steady,
            67..80 => Self::TakingOff,
            80..90 => Self::Fading,
            _ => Self::Bursts,
        }
    }

    fn grows(self) -> bool {
        matches!(self, Self::TakingOff | Self::Bursts)
    }

    /// Users in the end: a Pareto law of exponent 1 up to eight times the least size, and of exponent 2 above.
    fn size(self, draw: u64, largest: u32) -> u32 {
        let least = match self {
            Self::Single => return 1,
            Self::Steady => 2,
            Self::Fading => 4,
            Self::TakingOff => 6,
            Self::Bursts => 8,
        };
        let rank = (draw & 0xffff).max((draw >> 16 & 0xffff) / 8);
        ((least << 16) / (rank + 1)).min(u64::from(largest)) as u32
    }

    /// The founding day: three in five were there before the history begins.
    fn founded(self, draw: u64, days: i32) -> i32 {
        let draw = draw >> 8;
        match (draw % 5, self) {
            (0..3, _) => -between(draw >> 8, 30, 400),
            (_, Self::Single | Self::Steady) => between(draw >> 8, 0, days - 7),
            _ => between(draw >> 8, 0, days / 3),
        }
    }

    /// The day on which the account's story turns, and how many days the turn takes.
    fn turn(self, draw: u64, founded: i32, days: i32) -> (i32, i32) {
        // Days before the turn, days that must be left after it, and its shortest and longest span.
        let (lead, rest, shortest, longest) = match self {
            Self::Single | Self::Steady => return (days, 0),
            Self::TakingOff => (14, 42, 56, 98),
            Self::Fading => (28, 28, 28, 70),
            Self::Bursts => (42, 10, 56, 112),
        };
        let start = founded.max(0);
        let earliest = (start + lead).min(days - rest).max(start);
        let onset = between(draw, earliest, days - rest);
        (onset, between(draw >> 32, shortest, longest).min(days - onset).max(1))
    }
}

/// One account, as its hash tells it.
struct Account {
    key: u64,
    story: Story,
    /// Users that ever join.
    size: u32,
    /// Founding day, negative before the history.
    founded: i32,
    /// First day of the turn, and its length in days.
    onset: i32,
    span: i32,
}

impl Account {
    /// Decides whether and when the member comes on a day, and what for.
    fn draw(&self, member: u32, day: i32) -> u64 {
        hash(self.key, (u64::from(member) + 1) << 32 | u64::from(day as u32))
    }

    /// Decides what the member is like.
    fn nature(&self, member: u32) -> u64 {
        hash(!self.key, u64::from(member))
    }

    /// The hour of the day, UTC.
    fn hour(&self, draw: u64) -> u32 {
        (pick(&LOCAL_HOURS, draw >> 10) + pick(&TO_UTC, self.key >> 40)) % 24
    }

    /// The day on which a member signs up.
    fn joined(&self, member: u32, nature: u64, days: i32) -> i32 {
        let founders = match self.story {
            Story::Single | Story::Fading => self.size,
            Story::Steady => self.size.div_ceil(2),
            Story::TakingOff => (self.size / 5).max(2),
            Story::Bursts => (self.size / 4).max(2),
        };
        if member == 0 {
            return self.founded;
        }
        if member < founders {
            return self.founded + between(nature, 0, 14);
        }
        let (place, others) = (member - founders, self.size - founders);
        match self.story {
            // The root of the rank makes new users come at a rate that rises steadily.
            Story::TakingOff => {
                let rank = (u64::from(place + 1) << 16) / u64::from(others);
                self.onset + self.span * rank.isqrt() as i32 / 256
            }
            Story::Bursts => {
                let fitting = 1 + (days - 10 - self.onset).max(0) / CALM_DAYS;
                let waves = (others as i32 / 6).clamp(1, fitting.min(3));
                self.onset + place as i32 % waves * CALM_DAYS + between(nature, 0, 5)
            }
            _ => between(nature, self.founded + 14, days),
        }
    }

    /// The first day on which a member comes no more; the first member stays.
    fn leaves(&self, member: u32, nature: u64, joined: i32) -> i32 {
        let draw = nature >> 16;
        let one_in = if self.story.grows() { 8 } else { 4 };
        match self.story {
            Story::Fading if !member.is_multiple_of(8) => self.onset + between(draw, 0, self.span),
            _ if member > 0 && draw.is_multiple_of(one_in) => joined.max(0) + between(draw >> 8, 30, 330),
            _ => i32::MAX,
        }
    }

    /// The chance that a member comes on a working day, of 1024.
    fn presence(&self, nature: u64) -> u64 {
        let draw = nature >> 48;
        match self.story {
            Story::Single | Story::Steady => 100 + draw % 420,
            Story::TakingOff | Story::Bursts => 250 + draw % 400,
            Story::Fading => 300 + draw % 350,
        }
    }

    /// What a visit of a member begins with.
    fn intent(&self, member: u32, nature: u64, day: i32, joined: i32, days: i32, draw: u64) -> What {
        let permille = portion(1000, draw >> 32 & 0xffff, 0x10000);
        let turning = (self.onset..self.onset + self.span + 14).contains(&day);
        let rising = self.story.grows() && turning;
        // The first three members speak for the account; the first one pays.
        match permille {
            0..20 if member < 3 && rising => What::Enterprise,
            0..2 if member < 3 && self.size >= 10 => What::Enterprise,
            20..28 if member < 3 && rising => What::ContactSales,
            30..90 if member == 0 && rising && self.pays() => What::Paid,
            30..130 if member == 0 && turning && self.story == Story::Fading => What::Cancelled,
            100..700 if self.compares_prices(member, nature, day, joined, days) => What::Pricing,
            700..706 => What::Pricing,
            710..725 => What::Identify,
            730..745 if member == 0 => What::Group,
            _ => What::Feature,
        }
    }

    fn pays(&self) -> bool {
        self.key >> 48 & 3 == 0
    }

    /// The larger the account has become, the larger its plan.
    fn plan(&self, day: i32) -> &'static str {
        match day - self.onset {
            ..28 => "team",
            28..63 => "business",
            _ if self.key >> 50 & 1 == 0 => "enterprise",
            _ => "business",
        }
    }

    fn compares_prices(&self, member: u32, nature: u64, day: i32, joined: i32, days: i32) -> bool {
        let draw = nature >> 24;
        let (one_in, from) = match self.story.grows() {
            true if member < 3 => (3, between(draw >> 8, self.onset, self.onset + self.span)),
            true => (20, between(draw >> 8, self.onset, self.onset + self.span)),
            false => (40, between(draw >> 8, joined.max(0), days)),
        };
        draw.is_multiple_of(one_in) && (from..from + INTEREST_DAYS).contains(&day)
    }

    /// Each account likes some features best: the smaller of two draws, in an order of its own.
    fn feature(&self, draw: u64) -> &'static str {
        let count = FEATURES.len() as u64;
        let rank = (draw % count).min((draw >> 8) % count);
        // Steps that share no factor with 12 walk through all features.
        let step = pick(&[1, 5, 7, 11], self.key >> 52);
        FEATURES[((self.key >> 54) + rank * step) as usize % FEATURES.len()]
    }
}

/// A user at work for up to 40 minutes.
struct Visit {
    start_ms: i64,
    account: u32,
    member: u32,
    user: u32,
    opening: What,
    draw: u64,
}

impl Visit {
    /// Takes the last events of a history in whose last hours nobody came.
    fn of_the_first_user(start_ms: i64) -> Self {
        Self { start_ms, account: 0, member: 0, user: 0, opening: What::Feature, draw: 0 }
    }

    /// Its share in the events of its slot.
    fn weight(&self) -> u64 {
        if self.opening == What::SignedUp { 8 } else { 2 + (self.draw >> 48) % 6 }
    }

    fn plan(&self, events: u64, end_ms: i64, planned: &mut Vec<Planned>) {
        let pace_ms = 20_000 + (self.draw >> 20 & 0xffff) as i64;
        let length_ms = VISIT_MS.min(pace_ms.saturating_mul(events as i64)).min(end_ms - self.start_ms) as u64;
        for index in 0..events {
            let draw = hash(self.draw, index);
            let wait_ms = (draw >> 32) % (length_ms / events).max(1);
            let ms = self.start_ms + (portion(length_ms, index, events) + wait_ms) as i64;
            let late_ms = match (draw >> 48).is_multiple_of(LATE_ONE_IN) {
                true => hash(draw, 0) % LATE_MS,
                false => 0,
            };
            planned.push(Planned {
                arrival_ms: ms + late_ms as i64,
                ms,
                account: self.account,
                user: self.user,
                what: self.what(index),
                draw: draw as u32,
            });
        }
    }

    fn what(&self, index: u64) -> What {
        match (self.opening, index) {
            (opening, 0) => opening,
            (What::SignedUp, 1) => What::Identify,
            (What::SignedUp, 2) if self.member == 0 => What::Group,
            (What::Pricing, 3) => What::Pricing,
            _ => What::Feature,
        }
    }
}

/// An event to come. The order of the fields is the order of the stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    arrival_ms: i64,
    ms: i64,
    account: u32,
    user: u32,
    what: What,
    draw: u32,
}

/// What an event says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    SignedUp,
    Identify,
    Group,
    Feature,
    Pricing,
    Enterprise,
    ContactSales,
    Paid,
    Cancelled,
}

impl What {
    fn call(self) -> (Kind, &'static str) {
        match self {
            Self::SignedUp => (Kind::Track, "Signed Up"),
            Self::Identify => (Kind::Identify, ""),
            Self::Group => (Kind::Group, ""),
            Self::Feature => (Kind::Track, "Feature Used"),
            Self::Pricing => (Kind::Page, "Pricing"),
            Self::Enterprise => (Kind::Track, "Enterprise Feature Requested"),
            Self::ContactSales => (Kind::Track, "Contact Sales"),
            Self::Paid | Self::Cancelled => (Kind::Track, "Subscription Changed"),
        }
    }
}

fn text(text: &'static str) -> PropertyValue {
    PropertyValue::Text(Cow::Borrowed(text))
}

/// The bijective finalizer of SplitMix64 (Steele, Lea, Flood 2014, constants of Stafford's variant 13).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// The bijective finalizer of MurmurHash3 for 32 bits.
fn scatter(mut bits: u32) -> u32 {
    bits = (bits ^ bits >> 16).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
    bits ^ bits >> 16
}

/// The `number`-th draw of a key, as SplitMix64 draws it; different for different numbers.
fn hash(key: u64, number: u64) -> u64 {
    mix(key.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// A number of `from..to`, or `from` if that is empty.
fn between(draw: u64, from: i32, to: i32) -> i32 {
    from + (draw % (i64::from(to) - i64::from(from)).max(1) as u64) as i32
}

fn pick<T: Copy>(choices: &[T], draw: u64) -> T {
    choices[(draw % choices.len() as u64) as usize]
}

/// ⌊total · part ÷ whole⌋, and 0 of nothing.
fn portion(total: u64, part: u64, whole: u64) -> u64 {
    match total.checked_mul(part) {
        Some(product) => product.checked_div(whole).unwrap_or(0),
        None => (u128::from(total) * u128::from(part) / u128::from(whole.max(1))) as u64,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Friday, 2026-07-31T13:00:00Z.
    const END_MS: i64 = 1_785_502_800_000;

    fn demo() -> Product {
        Product::new(1, 3_000, 300_000, END_MS)
    }

    fn fingerprint(events: impl Iterator<Item = Event>) -> u64 {
        events.fold(0, |sum, event| format!("{event:?}").bytes().fold(sum, |sum, byte| hash(sum, byte.into())))
    }

    fn day(event: &Event) -> i64 {
        event.timestamp_ms.div_euclid(DAY_MS)
    }

    #[test]
    fn the_same_arguments_give_the_same_events_on_every_machine() {
        assert_eq!(fingerprint(Product::new(7, 300, 20_000, END_MS)), 12_438_950_442_926_088_977);
        assert_ne!(fingerprint(Product::new(7, 300, 100, END_MS)), fingerprint(Product::new(8, 300, 100, END_MS)),);
    }

    #[test]
    fn counts_are_exact_and_ids_unique_and_nothing_lies_beyond_the_end() {
        let sizes = [(0, 0), (0, 3), (1, 1), (1, 5_000), (3, 7), (1_000, 10), (300, 20_000), (40_000, 50_000)];
        for (users, events) in sizes {
            for end_ms in [END_MS, END_MS / DAY_MS * DAY_MS, END_MS / DAY_MS * DAY_MS + 1] {
                let product = Product::new(users + events, users, events, end_ms);
                assert_eq!(product.size_hint(), (events as usize, Some(events as usize)));
                let (mut ids, mut accounts) = (BTreeSet::new(), BTreeMap::new());
                for event in product {
                    assert!(event.timestamp_ms < end_ms, "{event:?}");
                    let account = accounts.entry(event.user_id).or_insert(event.account_id.clone());
                    assert_eq!(*account, event.account_id, "a user of two accounts");
                    ids.insert(event.message_id);
                }
                assert_eq!(ids.len() as u64, events);
            }
        }
    }

    #[test]
    fn a_few_events_arrive_late_but_within_the_allowed_lateness() {
        let (mut newest_ms, mut late) = (i64::MIN, 0);
        for event in demo() {
            assert!(newest_ms.saturating_sub(event.timestamp_ms) < HOUR_MS);
            late += i32::from(event.timestamp_ms < newest_ms);
            newest_ms = newest_ms.max(event.timestamp_ms);
        }
        assert!((1_000..10_000).contains(&late), "{late}");
        assert!(END_MS - newest_ms < HOUR_MS);
    }

    #[test]
    fn weekends_and_nights_are_quiet() {
        let (mut days, mut hours) = ([0; 7], [0; 24]);
        for event in demo() {
            days[(day(&event) + 3).rem_euclid(7) as usize] += 1;
            hours[(event.timestamp_ms / HOUR_MS % 24) as usize] += 1;
        }
        let working_day = days[..5].iter().min();
        assert!(days[5..].iter().all(|weekend| Some(&(weekend * 4)) < working_day), "{days:?}");
        assert!(hours.iter().max() > hours.iter().min().map(|least| least * 2).as_ref(), "{hours:?}");
    }

    #[test]
    fn every_user_who_comes_later_signs_up_first() {
        let mut first = BTreeMap::new();
        for event in demo() {
            let seen = first.entry(event.user_id.clone()).or_insert_with(|| event.clone());
            if event.timestamp_ms < seen.timestamp_ms {
                *seen = event;
            }
        }
        let start = first.values().map(day).min().unwrap_or(0);
        let later = first.values().filter(|event| day(event) > start + 60);
        assert!(later.clone().count() > 500);
        assert!(later.into_iter().all(|event| event.name == "Signed Up"));
        assert!(first.len() > 2_900);
    }

    #[test]
    fn the_demo_is_lively() {
        let (mut names, mut accounts) = (BTreeMap::new(), BTreeMap::<_, BTreeSet<_>>::new());
        let mut prices = BTreeMap::<_, BTreeSet<_>>::new();
        let (mut waves, mut start) = (BTreeMap::<_, i32>::new(), i64::MAX);
        for event in demo() {
            start = start.min(day(&event));
            let week = (day(&event) - start) / 7;
            *names.entry(event.name).or_insert(0) += 1;
            match event.name {
                "Pricing" => _ = prices.entry(event.user_id.clone()).or_default().insert(day(&event)),
                "Signed Up" => *waves.entry((event.account_id.clone(), week)).or_default() += 1,
                _ => (),
            }
            accounts.entry(event.account_id).or_default().insert(event.user_id);
        }
        let weeks = (END_MS / DAY_MS - start) / 7;
        assert!(weeks >= 120 / 7, "{weeks}");
        assert!((200..500).contains(&accounts.len()), "{}", accounts.len());
        assert!(accounts.values().any(|users| users.len() > 100));
        assert!(accounts.values().filter(|users| users.len() == 1).count() > 30);
        let asked = names["Enterprise Feature Requested"] + names["Contact Sales"];
        assert!((2 * weeks..20 * weeks).contains(&asked), "{asked}");
        assert!(waves.values().filter(|&&users| users >= 5).count() > 60);
        assert!(prices.values().filter(|days| days.len() >= 3).count() > 60);
        assert!(names["Feature Used"] > 270_000 && names["Subscription Changed"] > 20);
    }

    #[test]
    fn ten_million_users_take_no_memory_of_their_own() {
        let mut product = Product::new(1, 10_000_000, 1_000_000_000, END_MS);
        assert_eq!(product.by_ref().take(100_000).count(), 100_000);
        assert!(product.expected.len() < 2_500);
        assert!(product.visits.len() + product.planned.len() < 2_000_000);
    }
}
