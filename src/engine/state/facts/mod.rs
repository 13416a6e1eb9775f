//! The facts of signals: what events prove, kept while it counts, and only as much as the highest rung needs.
//!
//! All of it is rows of a fixed size in pages. What is kept for a signal of a user or account is a row; the rows of one
//! subject are linked, and what a row has no room for is in nodes to which it links. Most signals of most users have one
//! fact and need one row.

mod evidence;
mod items;

use serde::{Deserialize, Serialize};

use super::cut::{Parts, Unreadable};
use super::names::Names;
use super::pages::{Ref, Slab};
use crate::model::{EventTime, Evidence};
use evidence::{Newest, add_mark, evidence};

pub(in crate::engine) use evidence::{Mark, Occurrences};

/// What is kept for the signals of users and accounts.
#[derive(Debug)]
pub(in crate::engine) struct Facts {
    rows: Slab<Row>,
    laters: Slab<Later>,
    nodes: Slab<Node>,
    names: Names,
}

/// The signals of one user or account for which something is kept: their rows, by slot.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(in crate::engine) struct Head(Ref);

/// What is kept for one signal of a user or account.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Row {
    head: Packed,
    /// The first fact since the signal was last off.
    first: Option<Mark>,
    /// A [`Later`] if there are more facts, else the items.
    beyond: Ref,
    /// The row of the subject's next signal.
    next: Ref,
}

const _: () = assert!(size_of::<Row>() == 32);

/// The instant of the row's timer (50 bits, as instants need), the slot of the signal (8 bits), and two flags.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Packed(i64);

/// The events after the first that something rests on: the newest three, and the number of all (semantics E23).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Later {
    newest: Newest,
    count: u32,
    /// Instants, values or sessions, as the kind of the signal has them.
    items: Ref,
}

const _: () = assert!(size_of::<Later>() == 56);

/// Up to three instants; a value and its instant; or the first and the last instant of a session.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Node {
    words: [i64; 3],
    next: Ref,
    /// How many of the words are instants.
    used: u32,
}

const _: () = assert!(size_of::<Node>() == 32);

impl Packed {
    const AT: u32 = 14;
    const SLOT: u32 = 6;
    /// The row links to a [`Later`].
    const LATER: i64 = 1;
    /// The items are values with names.
    const NAMES: i64 = 2;

    fn at(self) -> EventTime {
        EventTime(self.0 >> Packed::AT)
    }

    fn set_at(&mut self, at: EventTime) {
        self.0 = at.0 << Packed::AT | self.0 & ((1 << Packed::AT) - 1);
    }

    #[inline]
    fn slot(self) -> u8 {
        (self.0 >> Packed::SLOT) as u8
    }

    fn set_slot(&mut self, slot: u8) {
        self.0 = self.0 & !(0xff << Packed::SLOT) | i64::from(slot) << Packed::SLOT;
    }

    #[inline]
    fn has(self, what: i64) -> bool {
        self.0 & what != 0
    }

    fn set(&mut self, what: i64, has: bool) {
        self.0 = self.0 & !what | if has { what } else { 0 };
    }
}

impl Default for Row {
    fn default() -> Row {
        let mut head = Packed(0);
        head.set_at(EventTime::MAX);
        Row { head, first: None, beyond: Ref::NONE, next: Ref::NONE }
    }
}

/// A row of the facts of a subject, to change.
pub(in crate::engine) struct KeptMut<'a> {
    facts: &'a mut Facts,
    row: Ref,
}

/// A row of the facts of a subject, to read.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Kept<'a> {
    facts: &'a Facts,
    row: &'a Row,
}

impl Facts {
    pub(super) fn new() -> Facts {
        Facts { rows: Slab::new(), laters: Slab::new(), nodes: Slab::new(), names: Names::new() }
    }

    fn rows(&self, head: Head) -> impl Iterator<Item = (Ref, &Row)> {
        let mut next = head.0;
        std::iter::from_fn(move || {
            let (at, row) = (next, self.rows.get(next)?);
            next = row.next;
            Some((at, row))
        })
    }

    /// What is kept for each signal, by slot.
    pub(super) fn of(&self, head: Head) -> impl Iterator<Item = (usize, Kept<'_>)> {
        self.rows(head).map(|(_, row)| (usize::from(row.head.slot()), Kept { facts: self, row }))
    }

    /// What is kept for a signal.
    pub(super) fn find(&self, head: Head, slot: usize) -> Option<Kept<'_>> {
        let (_, row) = self.rows(head).find(|(_, row)| usize::from(row.head.slot()) >= slot)?;
        (usize::from(row.head.slot()) == slot).then_some(Kept { facts: self, row })
    }

    /// The same, to change.
    pub(super) fn find_mut(&mut self, head: Head, slot: usize) -> Option<KeptMut<'_>> {
        let (row, _) = self.rows(head).find(|(_, row)| usize::from(row.head.slot()) == slot)?;
        Some(KeptMut { facts: self, row })
    }

    /// The same; there is nothing in it where nothing was kept.
    pub(super) fn find_or_new(&mut self, head: &mut Head, slot: usize) -> KeptMut<'_> {
        let known = self.rows(*head).find(|(_, row)| usize::from(row.head.slot()) == slot).map(|(row, _)| row);
        let row = known.unwrap_or_else(|| {
            let row = self.rows.insert(Row::default());
            self.link(head, row, slot as u8);
            row
        });
        KeptMut { facts: self, row }
    }

    /// Keeps nothing for a signal any more.
    pub(super) fn remove(&mut self, head: &mut Head, slot: usize) {
        self.rename(head, |known| (usize::from(known) != slot).then_some(known));
    }

    /// Keeps nothing for a subject any more.
    pub(super) fn clear(&mut self, head: &mut Head) {
        self.rename(head, |_| None);
    }

    /// Signals have other slots, or none any more.
    pub(super) fn rename(&mut self, head: &mut Head, slot_of: impl Fn(u8) -> Option<u8>) {
        let mut next = std::mem::take(&mut head.0);
        while let Some(row) = self.rows.get(next).copied() {
            let mut at = next;
            next = row.next;
            match slot_of(row.head.slot()) {
                Some(slot) => self.link(head, at, slot),
                None => {
                    KeptMut { facts: self, row: at }.empty();
                    self.rows.remove(&mut at);
                }
            }
        }
    }

    /// Links a row of a slot, which none has, into a list.
    fn link(&mut self, head: &mut Head, at: Ref, slot: u8) {
        let before = self.rows(*head).take_while(|(_, row)| row.head.slot() < slot).last().map(|(at, _)| at);
        let link = match before.and_then(|before| self.rows.get_mut(before)) {
            Some(before) => &mut before.next,
            None => &mut head.0,
        };
        let next = std::mem::replace(link, at);
        if let Some(row) = self.rows.get_mut(at) {
            row.head.set_slot(slot);
            row.next = next;
        }
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Facts { rows, laters, nodes, names } = self;
        rows.parts(parts)?;
        laters.parts(parts)?;
        nodes.parts(parts)?;
        names.parts(parts)
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> usize {
        self.rows.bytes() + self.laters.bytes() + self.nodes.bytes() + self.names.bytes()
    }

    /// What there is beyond the first fact of a row.
    fn later(&self, row: &Row) -> Option<&Later> {
        if row.head.has(Packed::LATER) { self.laters.get(row.beyond) } else { None }
    }

    /// The items of a row.
    fn items(&self, row: &Row) -> Ref {
        self.later(row).map_or(row.beyond, |later| later.items)
    }

    fn nodes(&self, first: Ref) -> impl Iterator<Item = &Node> {
        let mut next = first;
        std::iter::from_fn(move || {
            let node = self.nodes.get(next)?;
            next = node.next;
            Some(node)
        })
    }
}

impl Head {
    /// Whether nothing is kept.
    pub(in crate::engine) fn is_empty(self) -> bool {
        self.0.is_none()
    }
}

impl Kept<'_> {
    pub(in crate::engine) fn armed(&self) -> EventTime {
        self.row.head.at()
    }

    /// What it rests on, since the signal was last off.
    pub(in crate::engine) fn evidence(&self) -> Evidence {
        match self.facts.later(self.row) {
            Some(later) => evidence(self.row.first, later.newest, later.count),
            None => evidence(self.row.first, Newest::default(), self.row.first.is_some().into()),
        }
    }

    /// The instant of the newest fact.
    pub(in crate::engine) fn newest(&self) -> Option<EventTime> {
        let newest = self.facts.later(self.row).and_then(|later| later.newest[0]);
        newest.or(self.row.first).map(|mark| mark.time)
    }

    fn nodes(&self) -> impl Iterator<Item = &Node> + use<'_> {
        self.facts.nodes(self.facts.items(self.row))
    }

    /// The instants that are kept, in no order.
    pub(in crate::engine) fn instants(&self) -> impl Iterator<Item = EventTime> + use<'_> {
        self.nodes().flat_map(|node| node.instants().iter().map(|ms| EventTime(*ms)))
    }

    /// The instants at which the values count that are kept, in no order.
    pub(in crate::engine) fn values(&self) -> impl Iterator<Item = EventTime> + use<'_> {
        self.nodes().map(Node::time)
    }

    /// The names of the values, where they have names.
    pub(in crate::engine) fn names(&self) -> impl Iterator<Item = &str> + use<'_> {
        let nodes = self.row.head.has(Packed::NAMES).then(|| self.nodes());
        nodes.into_iter().flatten().map(|node| self.facts.names.get(node.name()))
    }

    /// The first and the last instants of the sessions, in no order.
    pub(in crate::engine) fn sessions(&self) -> impl Iterator<Item = (EventTime, EventTime)> + use<'_> {
        self.nodes().map(Node::session)
    }
}

impl KeptMut<'_> {
    fn row(&mut self) -> &mut Row {
        self.facts.rows.get_mut(self.row).expect("a row of the list")
    }

    fn items(&self) -> Ref {
        self.facts.rows.get(self.row).map_or(Ref::NONE, |row| self.facts.items(row))
    }

    fn set_items(&mut self, items: Ref) {
        let Some(row) = self.facts.rows.get_mut(self.row) else { return };
        match self.facts.laters.get_mut(row.beyond).filter(|_| row.head.has(Packed::LATER)) {
            Some(later) => later.items = items,
            None => row.beyond = items,
        }
    }

    pub(in crate::engine) fn arm(&mut self, at: EventTime) {
        self.row().head.set_at(at);
    }

    /// An event is a fact.
    pub(in crate::engine) fn add_fact(&mut self, mark: Mark) {
        let Facts { rows, laters, .. } = &mut *self.facts;
        let row = rows.get_mut(self.row).expect("a row of the list");
        if row.first.is_none() {
            row.first = Some(mark);
            return;
        }
        if !row.head.has(Packed::LATER) {
            row.beyond = laters.insert(Later { newest: Newest::default(), count: 1, items: row.beyond });
            row.head.set(Packed::LATER, true);
        }
        if let Some(later) = laters.get_mut(row.beyond) {
            later.count = later.count.saturating_add(1);
            add_mark(&mut row.first, &mut later.newest, mark);
        }
    }

    /// The signal is off: what it rests on begins anew.
    pub(in crate::engine) fn begin_anew(&mut self) {
        let items = self.items();
        let row = self.row();
        row.first = None;
        if row.head.has(Packed::LATER) {
            row.head.set(Packed::LATER, false);
            let mut later = std::mem::replace(&mut row.beyond, items);
            self.facts.laters.remove(&mut later);
        }
    }

    /// Keeps nothing.
    fn empty(&mut self) {
        self.begin_anew();
        self.retain(|_| false);
    }

    fn push(&mut self, words: [i64; 3], used: u32) {
        let next = self.items();
        let first = self.facts.nodes.insert(Node { words, next, used });
        self.set_items(first);
    }

    /// Gives back the nodes that something does not hold of.
    fn retain(&mut self, mut is: impl FnMut(&Node) -> bool) {
        let has_names = self.row().head.has(Packed::NAMES);
        let (mut before, mut next) = (Ref::NONE, self.items());
        while let Some(node) = self.facts.nodes.get(next).copied() {
            let mut at = next;
            next = node.next;
            if is(&node) {
                before = at;
                continue;
            }
            match self.facts.nodes.get_mut(before) {
                Some(before) => before.next = next,
                None => self.set_items(next),
            }
            if has_names {
                self.facts.names.give_back(node.name());
            }
            self.facts.nodes.remove(&mut at);
        }
    }

    /// The node that is the least by some measure.
    fn least<K: Ord>(&mut self, of: impl Fn(&Node) -> Option<K>) -> Option<(K, &mut Node)> {
        let mut next = self.items();
        let mut least: Option<(K, Ref)> = None;
        while let Some(node) = self.facts.nodes.get(next) {
            if let Some(key) = of(node)
                && least.as_ref().is_none_or(|(known, _)| key < *known)
            {
                least = Some((key, next));
            }
            next = node.next;
        }
        let (key, at) = least?;
        Some((key, self.facts.nodes.get_mut(at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;
    use proptest::prelude::*;

    pub(super) fn mark(time: i64, place: i64) -> Mark {
        Mark { time: EventTime(time), place: Place { offset: place, index: 0 }.into() }
    }

    /// Facts in which one signal of one subject has a row.
    pub(super) fn one() -> (Facts, Head) {
        let (mut facts, mut head) = (Facts::new(), Head::default());
        facts.find_or_new(&mut head, 3);
        (facts, head)
    }

    proptest! {
        #[test]
        fn evidence_is_the_first_the_newest_three_and_their_number(times in proptest::collection::vec(0_i64..50, 0..40)) {
            let (mut facts, head) = one();
            let (mut all, mut occurrences) = (Vec::new(), Occurrences::default());
            for (place, time) in (0..).zip(times) {
                facts.find_mut(head, 3).unwrap().add_fact(mark(time, place));
                occurrences.add(mark(time, place));
                all.push((time, place << 20));
                all.sort_unstable();
                let mut expected = all.clone();
                if expected.len() > 4 {
                    expected.drain(1..all.len() - 3);
                }
                let found = facts.find(head, 3).unwrap();
                prop_assert_eq!(found.newest().map(|it| it.0), all.last().map(|it| it.0));
                for found in [found.evidence(), occurrences.evidence()] {
                    prop_assert_eq!(found.facts.len() + found.left_out as usize, all.len());
                    let found: Vec<(i64, i64)> = found.facts.iter().map(|it| (it.at.0, it.place.unwrap().get())).collect();
                    prop_assert_eq!(&found, &expected);
                }
            }
            facts.find_mut(head, 3).unwrap().begin_anew();
            prop_assert_eq!(facts.find(head, 3).unwrap().evidence(), Evidence::default());
        }

        #[test]
        fn rows_are_those_of_a_map(steps in proptest::collection::vec((0_u8..12, 0_u8..4, 0_i64..9), 0..80)) {
            let (mut facts, mut heads) = (Facts::new(), [Head::default(); 3]);
            let mut maps = [const { std::collections::BTreeMap::<u8, u32>::new() }; 3];
            for (place, (slot, what, time)) in (0..).zip(steps) {
                let which = usize::from(slot % 3);
                let (head, map) = (&mut heads[which], &mut maps[which]);
                match what {
                    0 => {
                        facts.remove(head, slot.into());
                        map.remove(&slot);
                    }
                    1 if time == 0 => {
                        facts.rename(head, |slot| slot.checked_sub(4).map(|it| 8 - it));
                        *map = std::mem::take(map).into_iter().filter_map(|(it, n)| Some((8 - it.checked_sub(4)?, n))).collect();
                    }
                    _ => {
                        facts.find_or_new(head, slot.into()).add_fact(mark(time, place));
                        *map.entry(slot).or_default() += 1;
                    }
                }
                for (head, map) in heads.iter().zip(&maps) {
                    let number = |kept: Kept<'_>| { let it = kept.evidence(); it.facts.len() as u32 + it.left_out };
                    let found: Vec<(usize, u32)> = facts.of(*head).map(|(slot, kept)| (slot, number(kept))).collect();
                    let expected: Vec<(usize, u32)> = map.iter().map(|(slot, count)| (usize::from(*slot), *count)).collect();
                    prop_assert_eq!(found, expected);
                    for slot in 0..12 {
                        prop_assert_eq!(facts.find(*head, slot).map(number), map.get(&(slot as u8)).copied());
                    }
                }
            }
        }
    }

    #[test]
    fn what_comes_and_goes_takes_no_more_memory() {
        let mut facts = Facts::new();
        for round in 0..1_000 {
            let mut head = Head::default();
            for slot in 0..4 {
                let mut kept = facts.find_or_new(&mut head, slot);
                for place in 0..6 {
                    kept.add_fact(mark(place, place));
                    kept.add_value(&format!("{round} {place}"), slot % 2 == 0, mark(place, place), true, 5);
                }
            }
            facts.clear(&mut head);
        }
        assert_eq!((facts.rows.len(), facts.laters.len(), facts.nodes.len()), (4, 4, 20));
        assert!(facts.names.is_empty());
    }
}
