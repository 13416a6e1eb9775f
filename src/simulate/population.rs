//! The accounts and users of the simulated product: how they develop, and when users visit.

use std::ops::Range;

use super::draw::{between, hash, pick, portion, scatter};
use super::visit::{Event, Planned, PropertyValue, Visit, What, text};
use crate::model::{DAY_MS, HOUR_MS};

/// Hours planned at a time.
pub(super) const SLOT_HOURS: u32 = 4;
pub(super) const SLOT_MS: i64 = SLOT_HOURS as i64 * HOUR_MS;
/// Users of the largest account.
const LARGEST: u64 = 500;
/// Accounts by which the whole product's rhythm is measured; a product of fewer is measured exactly.
const SAMPLE: u32 = 4096;
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

/// All accounts and users. Days count from the first day of the history.
pub(super) struct Population {
    pub(super) seed: u64,
    pub(super) users: u32,
    pub(super) accounts: u32,
    pub(super) largest: u32,
    pub(super) days: i32,
    pub(super) first_day: i64,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

impl Population {
    pub(super) fn new(seed: u64, users: u32, days: i32, end_ms: i64) -> Self {
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
    pub(super) fn expected(&self) -> Vec<u64> {
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
    pub(super) fn visits(&self, accounts: u32, day: i32, hours: Range<u32>, mut show: impl FnMut(Visit)) -> u32 {
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
    pub(super) fn opening(&self, account: &Account, member: u32, day: i32, draw: u64) -> Option<What> {
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

    pub(super) fn is_weekend(&self, day: i32) -> bool {
        // Day 0 of the epoch was a Thursday.
        (self.first_day + i64::from(day) + 3).rem_euclid(7) >= 5
    }

    /// The day itself, or the Monday after it.
    pub(super) fn weekday_from(&self, day: i32) -> i32 {
        (day..).find(|&day| !self.is_weekend(day)).unwrap_or(day)
    }

    pub(super) fn account(&self, index: u32) -> Account {
        let key = hash(self.seed, u64::from(index));
        let story = Story::of(hash(key, 1));
        let size = story.size(hash(key, 2), self.largest);
        let founded = story.founded(hash(key, 3), self.days);
        let (onset, span) = story.turn(hash(key, 4), founded, self.days);
        Account { key, story, size, founded, onset, span }
    }

    pub(super) fn event(&self, planned: &Planned, number: u64) -> Event {
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
    pub(super) fn account_id(&self, index: u32, key: u64) -> String {
        let bits = (u32::BITS - self.accounts.leading_zeros()).next_multiple_of(4).max(16);
        // An odd factor permutes the numbers of that many bits.
        let mask = u32::MAX >> (u32::BITS - bits);
        let number = index.wrapping_mul(0x9e37_79b1).wrapping_add(self.seed as u32) & mask;
        let digits = bits as usize / 4;
        format!("{}{}-{number:0digits$x}", pick(&FIRST_WORDS, key), pick(&SECOND_WORDS, key >> 8))
    }

    pub(super) fn properties(
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

/// How an account develops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
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
    pub(super) fn of(draw: u64) -> Self {
        match draw % 100 {
            0..28 => Self::Single,
            28..67 => Self::Steady,
            67..80 => Self::TakingOff,
            80..90 => Self::Fading,
            _ => Self::Bursts,
        }
    }

    pub(super) fn grows(self) -> bool {
        matches!(self, Self::TakingOff | Self::Bursts)
    }

    /// Users in the end: a Pareto law of exponent 1 up to eight times the least size, and of exponent 2 above.
    pub(super) fn size(self, draw: u64, largest: u32) -> u32 {
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
    pub(super) fn founded(self, draw: u64, days: i32) -> i32 {
        let draw = draw >> 8;
        match (draw % 5, self) {
            (0..3, _) => -between(draw >> 8, 30, 400),
            (_, Self::Single | Self::Steady) => between(draw >> 8, 0, days - 7),
            _ => between(draw >> 8, 0, days / 3),
        }
    }

    /// The day on which the account's story turns, and how many days the turn takes.
    pub(super) fn turn(self, draw: u64, founded: i32, days: i32) -> (i32, i32) {
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

/// One account, derived from its hash.
pub(super) struct Account {
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
    pub(super) fn draw(&self, member: u32, day: i32) -> u64 {
        hash(self.key, (u64::from(member) + 1) << 32 | u64::from(day as u32))
    }

    /// Decides what the member is like.
    pub(super) fn nature(&self, member: u32) -> u64 {
        hash(!self.key, u64::from(member))
    }

    /// The hour of the day, UTC.
    pub(super) fn hour(&self, draw: u64) -> u32 {
        (pick(&LOCAL_HOURS, draw >> 10) + pick(&TO_UTC, self.key >> 40)) % 24
    }

    /// The day on which a member signs up.
    pub(super) fn joined(&self, member: u32, nature: u64, days: i32) -> i32 {
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
    pub(super) fn leaves(&self, member: u32, nature: u64, joined: i32) -> i32 {
        let draw = nature >> 16;
        let one_in = if self.story.grows() { 8 } else { 4 };
        match self.story {
            Story::Fading if !member.is_multiple_of(8) => self.onset + between(draw, 0, self.span),
            _ if member > 0 && draw.is_multiple_of(one_in) => joined.max(0) + between(draw >> 8, 30, 330),
            _ => i32::MAX,
        }
    }

    /// The chance that a member comes on a working day, of 1024.
    pub(super) fn presence(&self, nature: u64) -> u64 {
        let draw = nature >> 48;
        match self.story {
            Story::Single | Story::Steady => 100 + draw % 420,
            Story::TakingOff | Story::Bursts => 250 + draw % 400,
            Story::Fading => 300 + draw % 350,
        }
    }

    /// What a visit of a member begins with.
    pub(super) fn intent(&self, member: u32, nature: u64, day: i32, joined: i32, days: i32, draw: u64) -> What {
        let permille = portion(1000, draw >> 32 & 0xffff, 0x10000);
        let turning = (self.onset..self.onset + self.span + 14).contains(&day);
        let rising = self.story.grows() && turning;
        // Only the first three members ask for sales; the first one pays.
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

    pub(super) fn pays(&self) -> bool {
        self.key >> 48 & 3 == 0
    }

    /// The larger the account has become, the larger its plan.
    pub(super) fn plan(&self, day: i32) -> &'static str {
        match day - self.onset {
            ..28 => "team",
            28..63 => "business",
            _ if self.key >> 50 & 1 == 0 => "enterprise",
            _ => "business",
        }
    }

    pub(super) fn compares_prices(&self, member: u32, nature: u64, day: i32, joined: i32, days: i32) -> bool {
        let draw = nature >> 24;
        let (one_in, from) = match self.story.grows() {
            true if member < 3 => (3, between(draw >> 8, self.onset, self.onset + self.span)),
            true => (20, between(draw >> 8, self.onset, self.onset + self.span)),
            false => (40, between(draw >> 8, joined.max(0), days)),
        };
        draw.is_multiple_of(one_in) && (from..from + INTEREST_DAYS).contains(&day)
    }

    /// Each account likes some features best: the smaller of two draws, in an order of its own.
    pub(super) fn feature(&self, draw: u64) -> &'static str {
        let count = FEATURES.len() as u64;
        let rank = (draw % count).min((draw >> 8) % count);
        // Steps that share no factor with 12 walk through all features.
        let step = pick(&[1, 5, 7, 11], self.key >> 52);
        FEATURES[((self.key >> 54) + rank * step) as usize % FEATURES.len()]
    }
}
