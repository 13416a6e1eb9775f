//! What the meters and features of accounts count, by the day.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::amounts::{Amounts, Series};
use super::beside::{NAMES_MAX, OTHER};
use super::cut::{Parts, Unreadable};
use super::index::Index;
use super::names::Names;
use super::pages::{Ref, Slab};
use super::traits::Latest;
use crate::model::Day;

/// Days that a meter looks back on: nine blocks of seven days, and the open ones.
const METER_DAYS: i32 = 72;
/// Days that a count of features looks back on, and the open ones.
const FEATURE_DAYS: i32 = 31;

/// The meters and features of all accounts.
#[derive(Debug)]
pub(super) struct Counted {
    amounts: Amounts,
    meters: Slab<Meter>,
    /// The latest readings of gauges.
    gauges: Slab<Option<Latest<i128>>>,
    features: Slab<Feature>,
    features_by_name: Index,
    names: Names,
}

/// A meter of an account, in the list of its meters. Amounts are in thousandths.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Meter {
    series: Series,
    gauge: Ref,
    next: Ref,
    /// Its place in the rules.
    place: u16,
}

/// A feature of an account, in the list of its features.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Feature {
    series: Series,
    name: Ref,
    account: u32,
    next: Ref,
}

fn hash_of(account: u32, name: Ref) -> u64 {
    xxh3_64(&(u64::from(account) << 32 | u64::from(name.number())).to_le_bytes())
}

impl Counted {
    pub(super) fn new() -> Counted {
        Counted {
            amounts: Amounts::new(),
            meters: Slab::new(),
            gauges: Slab::new(),
            features: Slab::new(),
            features_by_name: Index::new(),
            names: Names::new(),
        }
    }

    fn meters(&self, list: Ref) -> impl Iterator<Item = (Ref, &Meter)> {
        let mut next = list;
        std::iter::from_fn(move || {
            let (at, meter) = (next, self.meters.get(next)?);
            next = meter.next;
            Some((at, meter))
        })
    }

    fn meter(&self, list: Ref, place: usize) -> Option<&Meter> {
        self.meters(list).find(|(_, meter)| usize::from(meter.place) == place).map(|(_, meter)| meter)
    }

    fn meter_mut(&mut self, list: &mut Ref, place: usize) -> &mut Meter {
        let known = self.meters(*list).find(|(_, meter)| usize::from(meter.place) == place).map(|(at, _)| at);
        let mut at = known.unwrap_or_else(|| {
            let meter = Meter { next: *list, place: place as u16, ..Meter::default() };
            *list = self.meters.insert(meter);
            *list
        });
        self.meters.get_or_new(&mut at)
    }

    /// Adds an amount to a meter.
    pub(super) fn add(&mut self, list: &mut Ref, meter: usize, day: Day, amount: i128) {
        let mut series = self.meter_mut(list, meter).series;
        self.amounts.add(&mut series, day.0, amount, day.0 - METER_DAYS);
        self.meter_mut(list, meter).series = series;
    }

    /// The latest reading of a gauge.
    pub(super) fn gauge(&mut self, list: &mut Ref, meter: usize) -> &mut Option<Latest<i128>> {
        let mut gauge = self.meter_mut(list, meter).gauge;
        self.gauges.get_or_new(&mut gauge);
        self.meter_mut(list, meter).gauge = gauge;
        self.gauges.get_or_new(&mut gauge)
    }

    /// What a meter counted on the days `from` to `to`.
    pub(super) fn volume(&self, list: Ref, meter: usize, from: Day, to: Day) -> i128 {
        self.meter(list, meter).map_or(0, |meter| self.amounts.sum(meter.series, from.0, to.0))
    }

    /// Whether a meter, or with none any, counted something on the days `from` to `to`.
    pub(super) fn has_any(&self, list: Ref, meter: Option<usize>, from: Day, to: Day) -> bool {
        let mut meters = self.meters(list).filter(|(_, it)| meter.is_none_or(|meter| usize::from(it.place) == meter));
        meters.any(|(_, meter)| self.amounts.has_any(meter.series, from.0, to.0))
    }

    /// Moves meters to other places; one that has none there counts nothing any more.
    pub(super) fn rename_meters(&mut self, list: &mut Ref, place_of: impl Fn(usize) -> Option<usize>) {
        let mut next = std::mem::take(list);
        while let Some(meter) = self.meters.get(next).copied() {
            let mut at = next;
            next = meter.next;
            let Meter { mut series, mut gauge, .. } = meter;
            match (place_of(meter.place.into()), self.meters.get_mut(at)) {
                (Some(place), Some(meter)) => {
                    (meter.place, meter.next) = (place as u16, *list);
                    *list = at;
                }
                _ => {
                    self.amounts.clear(&mut series);
                    self.gauges.remove(&mut gauge);
                    self.meters.remove(&mut at);
                }
            }
        }
    }

    fn features(&self, list: Ref) -> impl Iterator<Item = (Ref, &Feature)> {
        let mut next = list;
        std::iter::from_fn(move || {
            let (at, feature) = (next, self.features.get(next)?);
            next = feature.next;
            Some((at, feature))
        })
    }

    /// How often each feature was used on the days `from` to `to`.
    pub(super) fn uses(&self, list: Ref, from: Day, to: Day) -> impl Iterator<Item = (&str, u64)> {
        let uses = move |feature: &Feature| self.amounts.sum(feature.series, from.0, to.0) as u64;
        self.features(list).map(move |(_, feature)| (self.names.get(feature.name), uses(feature)))
    }

    fn find_feature(&self, account: u32, name: &str) -> Option<Ref> {
        let name = Ref::of(self.names.find(name)?);
        let is_it = |at| self.features.get(Ref::of(at)).is_some_and(|it| (it.account, it.name) == (account, name));
        self.features_by_name.find(hash_of(account, name), is_it).map(Ref::of)
    }

    /// A feature was used on a day.
    pub(super) fn use_feature(&mut self, list: &mut Ref, account: u32, name: &str, day: Day) {
        let known = self.find_feature(account, name);
        let at = known.unwrap_or_else(|| self.add_feature(list, account, name, day));
        let Some(feature) = self.features.get_mut(at) else { return };
        self.amounts.add(&mut feature.series, day.0, 1, day.0 - FEATURE_DAYS);
    }

    /// A feature that was not known of the account; beyond a bound one that stands for all further ones.
    fn add_feature(&mut self, list: &mut Ref, account: u32, name: &str, day: Day) -> Ref {
        let is_full = |it: &Counted, list| it.features(list).nth(NAMES_MAX - 1).is_some();
        if is_full(self, *list) {
            let is_used = |it: &Counted, feature: &Feature| {
                it.amounts.has_any(feature.series, day.0 - FEATURE_DAYS + 1, i32::MAX)
            };
            self.retain_features(list, is_used);
        }
        let name = if is_full(self, *list) { OTHER } else { name };
        if let Some(known) = self.find_feature(account, name) {
            return known;
        }
        let name = self.names.take(name);
        *list = self.features.insert(Feature { series: Series::default(), name, account, next: *list });
        let features = &self.features;
        let hash_at = |at| features.get(Ref::of(at)).map_or(0, |it| hash_of(it.account, it.name));
        self.features_by_name.make_room(hash_at);
        self.features_by_name.insert(hash_of(account, name), list.number());
        *list
    }

    fn retain_features(&mut self, list: &mut Ref, stays: impl Fn(&Counted, &Feature) -> bool) {
        let mut next = std::mem::take(list);
        while let Some(feature) = self.features.get(next).copied() {
            let mut at = next;
            next = feature.next;
            if stays(self, &feature) {
                self.features.get_or_new(&mut at).next = *list;
                *list = at;
                continue;
            }
            let Feature { mut series, name, account, .. } = feature;
            self.features_by_name.remove(hash_of(account, name), at.number());
            self.amounts.clear(&mut series);
            self.names.give_back(name);
            self.features.remove(&mut at);
        }
    }

    /// Copies the meters and features that others have of an account, for one that is at another place here.
    pub(super) fn adopt(&mut self, from: &Counted, meters: Ref, features: Ref, account: u32) -> (Ref, Ref) {
        let Counted { amounts, meters: own_meters, gauges, features: own_features, features_by_name, names } = self;
        let meters = own_meters.adopt_list(
            &from.meters,
            meters,
            |meter| &mut meter.next,
            |meter| {
                meter.series = amounts.adopt(&from.amounts, meter.series);
                meter.gauge = gauges.adopt(&from.gauges, meter.gauge);
                true
            },
        );
        let features = own_features.adopt_list(
            &from.features,
            features,
            |feature| &mut feature.next,
            |feature| {
                feature.series = amounts.adopt(&from.amounts, feature.series);
                feature.name = names.take(from.names.get(feature.name));
                feature.account = account;
                true
            },
        );
        let hash_at = |at| own_features.get(Ref::of(at)).map_or(0, |it| hash_of(it.account, it.name));
        let mut next = features;
        while let Some(feature) = own_features.get(next) {
            features_by_name.make_room(hash_at);
            features_by_name.insert(hash_of(account, feature.name), next.number());
            next = feature.next;
        }
        (meters, features)
    }

    /// Gives back the memory of an account's meters and features.
    pub(super) fn clear(&mut self, meters: &mut Ref, features: &mut Ref) {
        self.rename_meters(meters, |_| None);
        self.retain_features(features, |_, _| false);
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Counted { amounts, meters, gauges, features, features_by_name, names } = self;
        amounts.parts(parts)?;
        meters.parts(parts)?;
        gauges.parts(parts)?;
        features.parts(parts)?;
        names.parts(parts)?;
        if parts.are_restored() {
            let hash_at = |at| features.get(Ref::of(at)).map_or(0, |it| hash_of(it.account, it.name));
            *features_by_name = Index::of(features.places().map(Ref::number), hash_at);
        }
        Ok(())
    }

    /// Bytes of its pages, of meters and of features.
    pub(super) fn bytes(&self) -> [(&'static str, usize); 3] {
        let features = self.features.bytes() + self.features_by_name.bytes() + self.names.bytes();
        [
            ("meters", self.meters.bytes() + self.gauges.bytes()),
            ("features", features),
            ("amounts by day", self.amounts.bytes()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventTime, Place};

    #[test]
    fn features_beyond_a_bound_are_counted_together() {
        let (mut counted, mut lists) = (Counted::new(), [Ref::NONE; 2]);
        for (account, list) in (0..).zip(&mut lists) {
            for number in 0..NAMES_MAX + 5 {
                counted.use_feature(list, account, &format!("f{number}"), Day(number as i32 / 600));
            }
        }
        let uses = |counted: &Counted, list| {
            let mut uses: Vec<(String, u64)> =
                counted.uses(list, Day(0), Day(40)).map(|(name, uses)| (name.to_owned(), uses)).collect();
            uses.sort();
            uses
        };
        for list in lists {
            let uses = uses(&counted, list);
            assert_eq!((uses.len(), &uses[0]), (NAMES_MAX + 1, &(OTHER.to_owned(), 5)));
        }
        // Those of the first day are over, so that there is room again.
        counted.use_feature(&mut lists[0], 0, "new", Day(31));
        let uses = uses(&counted, lists[0]);
        assert_eq!(uses.len(), NAMES_MAX + 1 - 600 + 1);
        assert!(uses.contains(&("new".to_owned(), 1)) && !uses.iter().any(|(name, _)| name == "f0"));
        lists.iter_mut().for_each(|list| counted.clear(&mut Ref::NONE.clone(), list));
        assert_eq!((counted.features.used(), counted.names.is_empty()), (0, true));
    }

    #[test]
    fn meters_keep_what_they_counted_at_other_places() {
        let (mut counted, mut list) = (Counted::new(), Ref::NONE);
        let stated = (EventTime(1), Place { offset: 1, index: 0 });
        for meter in 0..3 {
            counted.add(&mut list, meter, Day(5), 10 + meter as i128);
        }
        *counted.gauge(&mut list, 1) = Some(Latest::new(7, stated));
        counted.rename_meters(&mut list, |place| [Some(4), Some(0), None][place]);
        let volume = |counted: &Counted, list, meter| counted.volume(list, meter, Day(5), Day(5));
        assert_eq!((0..5).map(|meter| volume(&counted, list, meter)).collect::<Vec<_>>(), [11, 0, 0, 0, 10]);
        assert_eq!(counted.gauge(&mut list, 0).as_ref().map(|latest| latest.value), Some(7));
        assert!(counted.has_any(list, None, Day(5), Day(6)) && !counted.has_any(list, Some(4), Day(6), Day(7)));
        counted.clear(&mut list, &mut Ref::NONE.clone());
        assert_eq!((counted.meters.used(), counted.gauges.used(), list), (0, 0, Ref::NONE));
    }
}
