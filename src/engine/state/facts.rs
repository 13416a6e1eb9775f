//! The facts of signals: what events prove, kept while it counts, and only as much as the highest rung needs.

use std::iter::Sum;
use std::ops::AddAssign;

use crate::model::{EventTime, Fact as PublishedFact, Place};

/// What is kept for one signal of a user or account.
#[derive(Debug)]
pub(in crate::engine) struct Fact {
    /// The slot of the signal.
    pub(in crate::engine) slot: u8,
    /// When the timer that was set last looks at it again.
    pub(in crate::engine) armed: EventTime,
    pub(in crate::engine) state: State,
}

/// By kind of signal.
#[derive(Debug)]
pub(in crate::engine) enum State {
    /// It was seen, and counts until this instant.
    Seen(EventTime, Evidence),
    /// The newest instants, rising.
    Count(Vec<EventTime>, Evidence),
    /// The newest values (those without a time to live: the earliest), by value.
    Distinct(Vec<Observation>),
    /// Sessions by time, disjoint: first and last event.
    Sessions(Vec<(EventTime, EventTime)>, Evidence),
    /// The earliest instants of what should follow.
    Within(Vec<EventTime>, Evidence),
    /// The latest start.
    Abandoned(EventTime, Evidence),
}

/// A value and the event that counts for it.
#[derive(Debug)]
pub(in crate::engine) struct Observation {
    pub(in crate::engine) value: String,
    pub(in crate::engine) time: EventTime,
    place: Place,
    message_id: String,
}

/// Where an event stands, for evidence.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Mark<'a> {
    pub(in crate::engine) time: EventTime,
    pub(in crate::engine) place: Place,
    pub(in crate::engine) message_id: &'a str,
}

impl Fact {
    /// The events that it rests on, by (time, place).
    pub(in crate::engine) fn facts(&self) -> Vec<PublishedFact> {
        let one = |at: EventTime, message_id: &str| PublishedFact { message_id: message_id.into(), at, number: 1.0 };
        match &self.state {
            State::Distinct(values) => {
                let mut by_time: Vec<&Observation> = values.iter().collect();
                by_time.sort_by_key(|value| (value.time, value.place));
                by_time.into_iter().map(|value| one(value.time, &value.message_id)).collect()
            }
            State::Seen(_, evidence)
            | State::Count(_, evidence)
            | State::Sessions(_, evidence)
            | State::Within(_, evidence)
            | State::Abandoned(_, evidence) => evidence.facts().collect(),
        }
    }
}

/// The events that something rests on: the first and the newest three, by (time, place) (semantics E23).
#[derive(Debug, Default)]
pub(in crate::engine) struct Evidence(Vec<(EventTime, Place, String)>);

impl Evidence {
    const NEWEST: usize = 3;

    /// Adds an event. Once there are four, the memory of the one that goes is used again.
    pub(in crate::engine) fn add(&mut self, mark: Mark<'_>) {
        let at = self.0.partition_point(|known| (known.0, known.1) < (mark.time, mark.place));
        if self.0.len() <= Self::NEWEST {
            // Most of what is kept rests on one event, and room for four would be most of its memory.
            self.0.reserve_exact(1);
            self.0.insert(at, (mark.time, mark.place, mark.message_id.to_owned()));
            return;
        }
        if at == 1 {
            return;
        }
        // The oldest but one goes; a new first makes the old first the oldest but one.
        let goes = if at == 0 { 0 } else { 1 };
        let (from, to) = if at == 0 { (0, 0) } else { (goes, at - 1) };
        let (time, place, id) = &mut self.0[goes];
        (*time, *place) = (mark.time, mark.place);
        id.clear();
        id.push_str(mark.message_id);
        self.0[from..=to].rotate_left(1);
    }

    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::engine) fn facts(&self) -> impl Iterator<Item = PublishedFact> {
        self.0.iter().map(|(at, _, message_id)| PublishedFact {
            message_id: message_id.as_str().into(),
            at: *at,
            number: 1.0,
        })
    }
}

/// Takes a value in: its latest observation (`latest`) or its earliest counts. At most `most` values are kept, those
/// that count longest: a value that goes could only count again by an observation that brings it back. Returns whether
/// other values are kept now.
pub(in crate::engine) fn add_value(
    values: &mut Vec<Observation>,
    value: &str,
    mark: Mark<'_>,
    latest: bool,
    most: usize,
) -> bool {
    let better = |a: (EventTime, Place), b: (EventTime, Place)| if latest { a > b } else { a < b };
    let new = (mark.time, mark.place);
    let set = |known: &mut Observation| {
        (known.time, known.place) = new;
        known.message_id.clear();
        known.message_id.push_str(mark.message_id);
    };
    if let Some(known) = values.iter_mut().find(|known| known.value == value) {
        if better(new, (known.time, known.place)) {
            set(known);
        }
        return false;
    }
    if values.len() < most {
        let (time, place) = new;
        values.reserve_exact(1);
        values.push(Observation { value: value.to_owned(), time, place, message_id: mark.message_id.to_owned() });
        return true;
    }
    let worst = values.iter_mut().reduce(|a, b| if better((a.time, a.place), (b.time, b.place)) { b } else { a });
    let Some(worst) = worst.filter(|worst| better(new, (worst.time, worst.place))) else { return false };
    worst.value.clear();
    worst.value.push_str(value);
    set(worst);
    true
}

/// Takes an instant in, of which the newest `most` are kept.
pub(in crate::engine) fn add_instant(instants: &mut Vec<EventTime>, time: EventTime, most: usize) {
    let at = instants.partition_point(|known| *known < time);
    if instants.len() < most {
        instants.insert(at, time);
    } else if at > 0 {
        instants[..at].rotate_left(1);
        instants[at - 1] = time;
    }
}

/// Takes an instant in, of which only counts whether some lie in a span of time that is not yet known, `span_ms` long.
/// Of any three so near to each other, wherever the span begins, the middle one lies in it only if another does.
pub(in crate::engine) fn add_follower(instants: &mut Vec<EventTime>, time: EventTime, span_ms: i64, most: usize) {
    let is_needless = |three: &[EventTime]| three[2].0 - three[0].0 <= span_ms;
    add_instant(instants, time, most);
    while let Some(before) = instants.windows(3).position(is_needless) {
        instants.remove(before + 1);
    }
}

/// Takes an event into the sessions, which it may join; returns whether it joined none (semantics E6).
pub(in crate::engine) fn add_to_sessions(
    sessions: &mut Vec<(EventTime, EventTime)>,
    time: EventTime,
    gap_ms: i64,
) -> bool {
    let near = |session: &(EventTime, EventTime)| time.0 - session.1.0 < gap_ms && session.0.0 - time.0 < gap_ms;
    let at = sessions.partition_point(|session| session.1 < time && !near(session));
    let joined = sessions[at..].iter().take_while(|session| near(session)).count();
    let whole = sessions[at..at + joined]
        .iter()
        .fold((time, time), |whole, session| (whole.0.min(session.0), whole.1.max(session.1)));
    sessions.splice(at..at + joined, [whole]);
    joined == 0
}

/// Amounts of the last `DAYS` days, in time order; days without any are left out.
#[derive(Debug)]
pub(in crate::engine) struct Daily<const DAYS: i32, Amount>(Vec<(i32, Amount)>);

impl<const DAYS: i32, Amount> Default for Daily<DAYS, Amount> {
    fn default() -> Self {
        Daily(Vec::new())
    }
}

impl<const DAYS: i32, Amount: Copy + AddAssign + Sum> Daily<DAYS, Amount> {
    /// Adds an amount to a day.
    pub(in crate::engine) fn add(&mut self, day: i32, amount: Amount) {
        match self.0.last_mut() {
            Some(last) if last.0 == day => last.1 += amount,
            Some(last) if last.0 > day => match self.0.binary_search_by_key(&day, |entry| entry.0) {
                Ok(at) => self.0[at].1 += amount,
                Err(at) => self.0.insert(at, (day, amount)),
            },
            _ => {
                // What has left every window goes before the list grows.
                if self.0.len() == self.0.capacity() {
                    self.0.retain(|entry| entry.0 > day - DAYS);
                }
                self.0.push((day, amount));
            }
        }
    }

    /// The sum of the days `from` to `to`.
    pub(in crate::engine) fn sum(&self, from: i32, to: i32) -> Amount {
        self.0.iter().rev().skip_while(|entry| entry.0 > to).take_while(|entry| entry.0 >= from).map(|it| it.1).sum()
    }

    /// Whether anything was added on the days `from` to `to`.
    pub(in crate::engine) fn has_any(&self, from: i32, to: i32) -> bool {
        self.0.iter().rev().skip_while(|entry| entry.0 > to).take_while(|entry| entry.0 >= from).next().is_some()
    }

    /// Whether no window of `day` or later sees anything.
    pub(in crate::engine) fn is_over(&self, day: i32) -> bool {
        self.0.last().is_none_or(|last| last.0 <= day - DAYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(time: i64, place: i64) -> Mark<'static> {
        Mark { time: EventTime(time), place: Place { offset: place, index: 0 }, message_id: "m" }
    }

    proptest! {
        #[test]
        fn evidence_is_the_first_and_the_newest_three(times in proptest::collection::vec(0_i64..50, 0..40)) {
            let mut evidence = Evidence::default();
            let mut all: Vec<(i64, i64)> = Vec::new();
            for (place, time) in (0..).zip(times) {
                evidence.add(mark(time, place));
                all.push((time, place));
                all.sort_unstable();
                let mut expected = all.clone();
                if expected.len() > 4 {
                    expected.drain(1..all.len() - 3);
                }
                let found: Vec<(i64, i64)> = evidence.0.iter().map(|it| (it.0.0, it.1.offset)).collect();
                prop_assert_eq!(&found, &expected);
            }
        }

        #[test]
        fn as_many_values_count_as_if_all_were_kept(steps in proptest::collection::vec((0_u8..9, 0_i64..100), 0..60)) {
            for latest in [true, false] {
                let (mut kept, mut all) = (Vec::new(), std::collections::BTreeMap::<u8, i64>::new());
                for (place, (value, time)) in (0..).zip(&steps) {
                    let _ = add_value(&mut kept, &value.to_string(), mark(*time, place), latest, 3);
                    let known = all.entry(*value).or_insert(*time);
                    *known = if latest { (*known).max(*time) } else { (*known).min(*time) };
                    for bound in 0..100 {
                        let counts = |time: i64| if latest { time > bound } else { time < bound };
                        let expected = all.values().filter(|time| counts(**time)).count().min(3);
                        prop_assert_eq!(kept.iter().filter(|it| counts(it.time.0)).count(), expected);
                    }
                }
            }
        }

        #[test]
        fn instants_are_the_newest(times in proptest::collection::vec(0_i64..50, 0..30)) {
            let (mut kept, mut all) = (Vec::new(), Vec::new());
            for time in &times {
                add_instant(&mut kept, EventTime(*time), 4);
                all.push(*time);
                all.sort_unstable();
                let newest: Vec<EventTime> = all[all.len().saturating_sub(4)..].iter().map(|ms| EventTime(*ms)).collect();
                prop_assert_eq!(&kept, &newest);
            }
        }

        #[test]
        fn followers_answer_as_if_all_were_kept(times in proptest::collection::vec(0_i64..60, 0..40)) {
            const SPAN: i64 = 7;
            let (mut kept, mut all) = (Vec::new(), Vec::new());
            for time in times {
                // No three lie within the span: of 60 instants at most 18 are left.
                add_follower(&mut kept, EventTime(time), SPAN, 18);
                all.push(EventTime(time));
                for from in -SPAN..=60 {
                    let within = |list: &[EventTime]| list.iter().any(|then| (0..SPAN).contains(&(then.0 - from)));
                    prop_assert_eq!(within(&kept), within(&all));
                }
            }
        }

        #[test]
        fn days_sum_up_as_a_list_would(steps in proptest::collection::vec((-5_i32..9, 1_i64..9), 0..120)) {
            let (mut daily, mut list, mut newest) = (Daily::<31, i64>::default(), Vec::new(), 0);
            for (step, amount) in steps {
                newest = newest.max(newest + step);
                let day = newest + step.min(0);
                daily.add(day, amount);
                list.push((day, amount));
                let expected: i64 = list.iter().filter(|it| (newest - 27..=newest - 1).contains(&it.0)).map(|it| it.1).sum();
                prop_assert_eq!(daily.sum(newest - 27, newest - 1), expected);
            }
        }
    }
}
