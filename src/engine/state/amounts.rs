//! Amounts by the day, of the meters and features of accounts.

use serde::{Deserialize, Serialize};

use super::cut::{Parts, Unreadable};
use super::pages::{Ref, Slab};

/// The amounts of all series.
#[derive(Debug)]
pub(super) struct Amounts {
    nodes: Slab<Node>,
    /// Amounts for which a node has no room.
    wide: Slab<i128>,
}

/// Amounts of some days: a list of nodes, of which the first has the newest day.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Series(Ref);

/// The amounts of a few days, in no order: a cache line.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[repr(align(64))]
struct Node {
    amounts: [i64; DAYS],
    days: [i32; DAYS],
    next: Ref,
}

const DAYS: usize = 5;
/// The day of a place that is free.
const FREE: i32 = i32::MIN;
/// A number below this is the place of a wide amount, counted from the least number.
const NARROW: i64 = i64::MIN + (1 << 32);

const _: () = assert!(size_of::<Node>() == 64);

impl Default for Node {
    fn default() -> Node {
        Node { amounts: [0; DAYS], days: [FREE; DAYS], next: Ref::NONE }
    }
}

impl Node {
    fn place_of(&self, day: i32) -> Option<usize> {
        self.days.iter().position(|known| *known == day)
    }

    fn newest(&self) -> i32 {
        self.days.into_iter().max().unwrap_or(FREE)
    }
}

fn wide_at(amount: i64) -> Option<Ref> {
    (amount < NARROW).then(|| Ref::of((amount - i64::MIN) as u32))
}

impl Amounts {
    pub(super) fn new() -> Amounts {
        Amounts { nodes: Slab::new(), wide: Slab::new() }
    }

    fn nodes(&self, Series(first): Series) -> impl Iterator<Item = (Ref, &Node)> {
        let mut next = first;
        std::iter::from_fn(move || {
            let (at, node) = (next, self.nodes.get(next)?);
            next = node.next;
            Some((at, node))
        })
    }

    /// The amounts of the days `from` to `to`, in no order.
    fn between(&self, series: Series, from: i32, to: i32) -> impl Iterator<Item = i64> {
        let days = self.nodes(series).flat_map(|(_, node)| node.days.iter().zip(&node.amounts));
        days.filter(move |(day, _)| **day != FREE && (from..=to).contains(*day)).map(|(_, amount)| *amount)
    }

    fn get(&self, amount: i64) -> i128 {
        wide_at(amount).map_or(amount.into(), |at| self.wide.get(at).copied().unwrap_or_default())
    }

    /// The sum of the days `from` to `to`.
    pub(super) fn sum(&self, series: Series, from: i32, to: i32) -> i128 {
        self.between(series, from, to).map(|amount| self.get(amount)).sum()
    }

    /// Whether anything was added on the days `from` to `to`.
    pub(super) fn has_any(&self, series: Series, from: i32, to: i32) -> bool {
        self.between(series, from, to).next().is_some()
    }

    /// Copies a series of others.
    pub(super) fn adopt(&mut self, from: &Amounts, Series(list): Series) -> Series {
        let Amounts { nodes, wide } = self;
        Series(nodes.adopt_list(
            &from.nodes,
            list,
            |node| &mut node.next,
            |node| {
                for amount in &mut node.amounts {
                    if let Some(at) = wide_at(*amount) {
                        *amount = i64::MIN + i64::from(wide.adopt(&from.wide, at).number());
                    }
                }
                true
            },
        ))
    }

    /// Adds an amount to a day. When a node is added, those go whose days all lie before `keep_from`.
    pub(super) fn add(&mut self, series: &mut Series, day: i32, amount: i128, keep_from: i32) {
        let known = self.nodes(*series).find_map(|(at, node)| Some((at, node.place_of(day)?)));
        let (at, place) = known.unwrap_or_else(|| self.place_of_new(series, day, keep_from));
        let Some(node) = self.nodes.get_mut(at) else { return };
        let known = node.amounts[place];
        let mut wide = wide_at(known).unwrap_or_default();
        let sum = amount + self.wide.get(wide).copied().unwrap_or(known.into());
        node.amounts[place] = match i64::try_from(sum).ok().filter(|sum| *sum >= NARROW) {
            Some(sum) => {
                self.wide.remove(&mut wide);
                sum
            }
            None => {
                *self.wide.get_or_new(&mut wide) = sum;
                i64::MIN + i64::from(wide.number())
            }
        };
    }

    /// A place for a day that has none: in the first node, or else in a new one.
    fn place_of_new(&mut self, series: &mut Series, day: i32, keep_from: i32) -> (Ref, usize) {
        let free = self.nodes.get(series.0).and_then(|node| Some((series.0, node.place_of(FREE)?)));
        let (at, place) = free.unwrap_or_else(|| {
            self.retain(series, |node| node.newest() >= keep_from);
            series.0 = self.nodes.insert(Node { next: series.0, ..Node::default() });
            (series.0, 0)
        });
        if let Some(node) = self.nodes.get_mut(at) {
            (node.days[place], node.amounts[place]) = (day, 0);
        }
        (at, place)
    }

    /// Gives back the memory of a series.
    pub(super) fn clear(&mut self, series: &mut Series) {
        self.retain(series, |_| false);
    }

    fn retain(&mut self, series: &mut Series, stays: impl Fn(&Node) -> bool) {
        let (mut before, mut next) = (Ref::NONE, series.0);
        while let Some(node) = self.nodes.get(next).copied() {
            let mut at = next;
            next = node.next;
            if stays(&node) {
                before = at;
                continue;
            }
            match self.nodes.get_mut(before) {
                Some(before) => before.next = next,
                None => series.0 = next,
            }
            node.amounts.into_iter().filter_map(wide_at).for_each(|mut at| self.wide.remove(&mut at));
            self.nodes.remove(&mut at);
        }
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Amounts { nodes, wide } = self;
        nodes.parts(parts)?;
        wide.parts(parts)
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.wide.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Amounts of every size, such that sums of them pass from one representation to the other.
    fn amount() -> impl Strategy<Value = i128> {
        prop_oneof![4 => 1_i128..9, 1 => Just(i128::from(i64::MAX)), 1 => Just(-i128::from(i64::MAX)), 1 => Just(1 << 90)]
    }

    proptest! {
        #[test]
        fn days_sum_up_as_a_list_would(steps in proptest::collection::vec((-5_i32..9, amount()), 0..120)) {
            let (mut amounts, mut series) = (Amounts::new(), Series::default());
            let (mut list, mut newest) = (Vec::new(), 0);
            for (step, amount) in steps {
                newest = newest.max(newest + step);
                let day = newest + step.min(0);
                amounts.add(&mut series, day, amount, newest - 30);
                list.push((day, amount));
                for (from, to) in [(newest - 27, newest - 1), (newest - 5, newest)] {
                    let within: Vec<i128> =
                        list.iter().filter(|it| (from..=to).contains(&it.0)).map(|it| it.1).collect();
                    prop_assert_eq!(amounts.sum(series, from, to), within.iter().sum::<i128>());
                    prop_assert_eq!(amounts.has_any(series, from, to), !within.is_empty());
                }
            }
            prop_assert!(amounts.nodes(series).count() <= 36);
            amounts.clear(&mut series);
            prop_assert_eq!((amounts.nodes.used(), amounts.wide.used()), (0, 0));
        }
    }

    #[test]
    fn days_that_are_over_take_no_memory() {
        let (mut amounts, mut series) = (Amounts::new(), Series::default());
        for day in 0..1_000 {
            amounts.add(&mut series, day, 1 << 80, day - 30);
            assert_eq!(amounts.sum(series, day - 30, day), (1 << 80) * i128::from(day.min(30) + 1));
        }
        assert!(amounts.nodes.len() <= 8 && amounts.wide.len() <= 40);
    }
}
