//! What facts consist of beyond the evidence: instants, sessions, and values, each in nodes.

use xxhash_rust::xxh3::xxh3_128;

use super::{Facts, Head, KeptMut, Later, Mark, Node, Packed};
use crate::engine::state::pages::Ref;
use crate::model::EventTime;

impl Node {
    pub(super) fn instants(&self) -> &[i64] {
        &self.words[..self.used as usize]
    }

    pub(super) fn time(&self) -> EventTime {
        EventTime(self.words[2])
    }

    pub(super) fn key(&self) -> u128 {
        u128::from(self.words[0] as u64) << 64 | u128::from(self.words[1] as u64)
    }

    pub(super) fn name(&self) -> Ref {
        Ref::of(self.words[0] as u32)
    }

    pub(super) fn session(&self) -> (EventTime, EventTime) {
        (EventTime(self.words[0]), EventTime(self.words[1]))
    }
}

impl Facts {
    /// Copies what others keep for a subject.
    pub(in crate::engine::state) fn adopt(&mut self, from: &Facts, Head(list): Head) -> Head {
        let Facts { rows, laters, nodes, names } = self;
        Head(rows.adopt_list(
            &from.rows,
            list,
            |row| &mut row.next,
            |row| {
                let has_names = row.head.has(Packed::NAMES);
                let mut adopt_items = |items| {
                    nodes.adopt_list(
                        &from.nodes,
                        items,
                        |node| &mut node.next,
                        |node| {
                            if has_names {
                                node.words[0] = names.take(from.names.get(node.name())).number().into();
                            }
                            true
                        },
                    )
                };
                match from.later(row).copied() {
                    Some(later) => row.beyond = laters.insert(Later { items: adopt_items(later.items), ..later }),
                    None => row.beyond = adopt_items(row.beyond),
                }
                true
            },
        ))
    }
}

impl KeptMut<'_> {
    /// Takes an instant in, of which the newest `most` are kept.
    pub(in crate::engine) fn add_instant(&mut self, time: EventTime, most: usize) {
        let items = self.items();
        let known: usize = self.facts.nodes(items).map(|node| node.used as usize).sum();
        if known < most {
            match self.facts.nodes.get_mut(items).filter(|node| (node.used as usize) < node.words.len()) {
                Some(node) => {
                    node.words[node.used as usize] = time.0;
                    node.used += 1;
                }
                None => self.push([time.0, 0, 0], 1),
            }
        } else if let Some((oldest, node)) = self.least(|node| node.instants().iter().min().copied())
            && oldest <= time.0
            && let Some(word) = node.words.iter_mut().find(|word| **word == oldest)
        {
            *word = time.0;
        }
    }

    /// Takes an instant in, of which only counts whether some before `until` lie in a span of time that is not yet known,
    /// `span_ms` long. Of any three so near to each other, wherever the span begins, the middle one lies in it only if
    /// another does. At most the newest 16 are kept.
    pub(in crate::engine) fn add_follower(&mut self, time: EventTime, span_ms: i64, until: EventTime) {
        const MOST: usize = 16;
        let mut sorted = [0; MOST + 1];
        let mut count = 0;
        let items = self.items();
        let known = self.facts.nodes(items).flat_map(Node::instants).copied().filter(|known| *known < until.0);
        for instant in known.chain([time.0]) {
            sorted[count] = instant;
            count += 1;
        }
        sorted[..count].sort_unstable();
        let mut kept = &mut sorted[count.saturating_sub(MOST)..count];
        let is_needless = |three: &[i64]| three[2] - three[0] <= span_ms;
        while let Some(before) = kept.windows(3).position(is_needless) {
            kept[before + 1..].rotate_left(1);
            let last = kept.len() - 1;
            kept = &mut kept[..last];
        }
        self.retain(|_| false);
        for some in kept.chunks(3) {
            let mut words = [0; 3];
            words[..some.len()].copy_from_slice(some);
            self.push(words, some.len() as u32);
        }
    }

    /// Takes an event into the sessions, which it may join; returns whether it joined none (semantics E6). Those that
    /// ended before `known_from` are not known any more.
    pub(in crate::engine) fn add_to_sessions(&mut self, time: EventTime, gap_ms: i64, known_from: EventTime) -> bool {
        let near = |(first, last): (EventTime, EventTime)| time.0 - last.0 < gap_ms && first.0 - time.0 < gap_ms;
        let (mut whole, mut joined) = ((time, time), false);
        self.retain(|node| {
            let session = node.session();
            if session.1 > known_from && near(session) {
                whole = (whole.0.min(session.0), whole.1.max(session.1));
                joined = true;
                return false;
            }
            session.1 > known_from
        });
        self.push([whole.0.0, whole.1.0, 0], 0);
        !joined
    }

    /// Takes a value in: its latest observation (`latest`) or its earliest counts. At most `most` values are kept, those
    /// that count longest: a value that goes could only count again by an observation that brings it back. Values are
    /// compared by their names, if those are kept (`named`), else by a hash of 128 bits. Returns whether this observation
    /// counts now; if not, it proves no more than what is kept.
    pub(in crate::engine) fn add_value(
        &mut self,
        value: &str,
        named: bool,
        mark: Mark,
        latest: bool,
        most: usize,
    ) -> bool {
        let key = if named { self.facts.names.find(value).map(u128::from) } else { Some(xxh3_128(value.as_bytes())) };
        // An event of the same instant changes nothing.
        let new = mark.time;
        let is_it = |node: &Node| {
            let known = if named { u128::from(node.name().number()) } else { node.key() };
            (Some(known) == key).then_some(())
        };
        let better = |new, known| if latest { new > known } else { new < known };
        if let Some((_, known)) = self.least(is_it) {
            if !better(new, known.time()) {
                return false;
            }
            known.words[2] = mark.time.0;
            return true;
        }
        let items = self.items();
        if self.facts.nodes(items).take(most).count() == most {
            let worst = match latest {
                true => self.facts.nodes(items).map(Node::time).min(),
                false => self.facts.nodes(items).map(Node::time).max(),
            };
            let Some(worst) = worst.filter(|worst| better(new, *worst)) else { return false };
            let mut gone = false;
            self.retain(|node| {
                let goes = !gone && node.time() == worst;
                gone |= goes;
                !goes
            });
        }
        self.row().head.set(Packed::NAMES, named);
        let words = match named {
            true => [self.facts.names.take(value).number().into(), 0, mark.time.0],
            false => {
                let key = key.unwrap_or_default();
                [(key >> 64) as i64, key as i64, mark.time.0]
            }
        };
        self.push(words, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{mark, one};
    use super::*;
    use proptest::prelude::*;

    fn sorted(times: impl Iterator<Item = EventTime>) -> Vec<i64> {
        let mut times: Vec<i64> = times.map(|time| time.0).collect();
        times.sort_unstable();
        times
    }

    proptest! {
        #[test]
        fn as_many_values_count_as_if_all_were_kept(
            steps in proptest::collection::vec((0_u8..9, 0_i64..100), 0..60),
            named in any::<bool>(),
        ) {
            for latest in [true, false] {
                let ((mut facts, mut head), mut all) = (one(), std::collections::BTreeMap::<u8, i64>::new());
                for (place, (value, time)) in (0..).zip(&steps) {
                    let mut kept = facts.find_mut(head, 3).unwrap();
                    kept.add_value(&value.to_string(), named, mark(*time, place), latest, 3);
                    let known = all.entry(*value).or_insert(*time);
                    *known = if latest { (*known).max(*time) } else { (*known).min(*time) };
                    let kept = facts.find(head, 3).unwrap();
                    for bound in 0..100 {
                        let counts = |time: i64| if latest { time > bound } else { time < bound };
                        let expected = all.values().filter(|time| counts(**time)).count().min(3);
                        prop_assert_eq!(kept.values().filter(|it| counts(it.0)).count(), expected);
                    }
                    let names: std::collections::BTreeSet<&str> = kept.names().collect();
                    prop_assert_eq!(names.len(), if named { kept.values().count() } else { 0 });
                }
                facts.clear(&mut head);
                prop_assert!(head.is_empty() && facts.names.is_empty());
            }
        }

        #[test]
        fn instants_are_the_newest(times in proptest::collection::vec(0_i64..50, 0..30)) {
            let ((mut facts, head), mut all) = (one(), Vec::new());
            for time in times {
                facts.find_mut(head, 3).unwrap().add_instant(EventTime(time), 4);
                all.push(time);
                all.sort_unstable();
                prop_assert_eq!(&sorted(facts.find(head, 3).unwrap().instants())[..], &all[all.len().saturating_sub(4)..]);
            }
        }

        #[test]
        fn followers_answer_as_if_all_were_kept(times in proptest::collection::vec(0_i64..60, 0..40)) {
            const SPAN: i64 = 7;
            let ((mut facts, head), mut all) = (one(), Vec::new());
            for time in times {
                // No three lie within the span: of 60 instants at most 16 are left.
                facts.find_mut(head, 3).unwrap().add_follower(EventTime(time), SPAN, EventTime::MAX);
                all.push(EventTime(time));
                let kept: Vec<EventTime> = facts.find(head, 3).unwrap().instants().collect();
                for from in -SPAN..=60 {
                    let within = |list: &[EventTime]| list.iter().any(|then| (0..SPAN).contains(&(then.0 - from)));
                    prop_assert_eq!(within(&kept), within(&all));
                }
            }
        }
    }
}
