//! A simulated product: the events of `upswell demo` and `upswell generate`.
//!
//! The stream is a pure function of (seed, users, events, end). No state of an account or a user is stored: it is
//! computed from a hash when needed, so memory grows only with the events of one slot of four hours. All arithmetic
//! uses integers, so that the same arguments give the same events on every machine.

use std::cmp::Reverse;

use super::draw::{mix, portion};
use super::population::{Population, SLOT_HOURS, SLOT_MS};
use super::visit::{Planned, Visit};

pub use super::visit::{Event, Kind, PropertyValue};

const SLOTS_A_DAY: u32 = 24 / SLOT_HOURS;

/// Events a user and week, by which the length of the history is chosen.
const WEEKLY_EVENTS: u64 = 4;
/// Shortest and longest history, in days: growth needs weeks to show, and nobody looks back beyond a year.
const HISTORY_DAYS: (u64, u64) = (35, 364);

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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::draw::hash;
    use super::*;
    use crate::model::{DAY_MS, HOUR_MS};

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
