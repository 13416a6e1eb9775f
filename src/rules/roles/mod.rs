//! The chapter `roles`: maps event names to roles. The mappings of the rules file and of its presets are compiled to
//! one lookup per event.

mod bits;
mod mapping;
mod pattern;
mod presets;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use hashbrown::HashTable;
use serde_saphyr::{Location, Spanned};

use self::bits::{OUTCOMES, TIMELESS, bit};
use self::mapping::{Binding, Meaning, meaning};
use self::pattern::is_pattern;
use super::bill::{self, Bill};
use crate::model::{Event, EventKind, Field, Role};
use crate::wire::fields::{self, Scalar};

pub(super) use self::bits::RoleBits;
pub use self::mapping::word;
pub(super) use self::mapping::{Allowed, Expected, Literal, Mapping, expected};
pub(super) use self::pattern::matches;
pub(super) use self::presets::Preset;

/// The roles of one event, and the mappings that matched.
#[derive(Clone, Debug, Default)]
pub struct RoleSet {
    /// The roles, one bit each.
    roles: u64,
    /// The candidates of `entry` that match, one bit each.
    matched: u128,
    /// The entry of the table that was asked.
    entry: u32,
    active: bool,
    premium: bool,
}

impl RoleSet {
    /// Whether the event has `role`.
    pub fn has(&self, role: Role) -> bool {
        self.roles & bit(role) != 0
    }

    /// Whether the event has any of some roles.
    pub fn has_any(&self, roles: RoleBits) -> bool {
        self.roles & roles.0 != 0
    }

    /// Whether the event has no role.
    pub fn is_empty(&self) -> bool {
        self.roles == 0
    }

    /// The role of an outcome of a handoff, if the event has one.
    pub fn outcome(&self) -> Option<Role> {
        let first = (self.roles & OUTCOMES).trailing_zeros() as usize;
        Role::ALL.get(first).copied()
    }

    /// Whether the event has a role that counts however old the event is: traits, leads and outcomes (semantics A12).
    pub fn is_timeless(&self) -> bool {
        self.roles & TIMELESS != 0
    }

    /// Whether some mapping is for the event, with a role or without.
    pub fn is_mapped(&self) -> bool {
        self.matched != 0
    }

    /// Whether the event, which has these roles, is activity only because no mapping is for its name (semantics §4): what
    /// is reported as unmapped.
    pub fn is_unmapped(&self, event: &Event<'_>) -> bool {
        event.kind == EventKind::Track && !event.name.is_empty() && !self.is_mapped()
    }

    /// Whether the event is activity of its user: no mapping is for it, or one that is not passive. That only track
    /// events of a user are activity is decided elsewhere.
    pub fn is_activity(&self) -> bool {
        self.matched == 0 || self.active
    }

    /// Whether a mapping marks the features of the event as premium.
    pub fn is_premium(&self) -> bool {
        self.premium
    }
}

/// The places of the bits that are set.
fn bits(mut left: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (left != 0).then(|| left.trailing_zeros() as usize)?;
        left &= left - 1;
        Some(place)
    })
}

/// The compiled mappings.
#[derive(Debug)]
pub struct Roles {
    mappings: Vec<Meaning>,
    entries: Vec<Entry>,
    /// Names in lower case that are written out in some mapping, and the entry of each by its kind of call.
    by_name: HashTable<Name>,
    /// Whether some mapping marks premium features.
    maps_premium: bool,
    /// The fields that some mapping to a role binds, one bit each, by role: most are not.
    bound: Vec<u64>,
    /// The entries for all other names, by kind of call.
    others: [u32; CALLS.len()],
}

/// The kinds of call that have roles.
const CALLS: [EventKind; 5] =
    [EventKind::Track, EventKind::Page, EventKind::Screen, EventKind::Identify, EventKind::Group];
/// Longest name that a mapping may write out, in bytes.
const NAME_MAX: usize = 128;
/// The most mappings for one name: one bit of a word for each.
const CANDIDATES_MAX: usize = u128::BITS as usize;

/// A name that is written out in some mapping.
#[derive(Debug)]
struct Name {
    kind: EventKind,
    /// In lower case.
    lower: Box<[u8]>,
    entry: u32,
}

/// A hash of a name that does not depend on the case of its letters: it sets the bit of the case in every byte, eight
/// bytes at a time.
fn hash_name(kind: EventKind, name: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        product as u64 ^ (product >> 64) as u64
    };
    let start = (name.len() as u64) << 8 | kind as u64;
    let (words, tail) = name.as_chunks::<8>();
    let hash = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word) | CASE));
    // The rest is read with bytes before it, where there are any.
    mix(
        hash,
        match name.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last) | CASE,
            None => tail.iter().fold(0, |word, byte| word << 8 | u64::from(byte | 0x20)),
        },
    )
}

/// The mappings that may be for an event with a certain name, or with any name that is not written out.
#[derive(Debug, Default)]
struct Entry {
    candidates: Vec<Candidate>,
    /// The candidates of which a pattern may match a name that starts with this byte (in lower case), one bit each:
    /// most names are done with here.
    by_first_byte: Vec<u128>,
    /// What holds for every such event, where no candidate depends on a property or on the name.
    settled: Option<RoleSet>,
}

#[derive(Debug)]
struct Candidate {
    mapping: usize,
    /// In lower case. One of them must match; none: the name is known to match.
    patterns: Vec<Box<[u8]>>,
}

impl Roles {
    /// Compiles the mappings of a file, and after them those of the presets that it names.
    ///
    /// # Errors
    /// The place of a mapping, and what in it is not allowed.
    pub(super) fn compile(mappings: &[Spanned<Mapping>], presets: &[Preset]) -> Result<Roles, (Location, String)> {
        let mut table = Table::default();
        for mapping in mappings {
            table.add(&mapping.value, None).map_err(|what| (mapping.referenced, what))?;
        }
        for preset in presets {
            for mapping in preset.mappings() {
                let of_preset = |what| (Location::UNKNOWN, format!("preset {}: {what}", preset.word()));
                table.add(&mapping.value, Some(*preset)).map_err(of_preset)?;
            }
        }
        table
            .finish()
            .map_err(|(mapping, what)| (mappings.get(mapping).map_or(Location::UNKNOWN, |at| at.referenced), what))
    }

    /// What an event means. Allocates nothing, but for properties that a `where` asks for and that must be decoded.
    pub fn of(&self, event: &Event<'_>) -> RoleSet {
        let Some(call) = CALLS.iter().position(|call| *call == event.kind) else { return RoleSet::default() };
        let name = if event.kind.has_name() { event.name.as_bytes() } else { b"" };
        let number = self.exact(event.kind, name).unwrap_or(self.others[call]);
        let entry = &self.entries[number as usize];
        if let Some(settled) = &entry.settled {
            return settled.clone();
        }
        let holds = |index: &usize| {
            let candidate = &entry.candidates[*index];
            (candidate.patterns.is_empty() || candidate.patterns.iter().any(|pattern| matches(pattern, name)))
                && self.mappings[candidate.mapping].holds(event)
        };
        let matched = bits(entry.candidates_for(name)).filter(holds).fold(0, |matched, index| matched | 1 << index);
        settle(&self.mappings, number, entry, matched)
    }

    /// The entry of a name that is written out.
    fn exact(&self, kind: EventKind, name: &[u8]) -> Option<u32> {
        let is = |it: &Name| it.kind == kind && it.lower.eq_ignore_ascii_case(name);
        self.by_name.find(hash_name(kind, name), is).map(|it| it.entry)
    }

    /// Whether an event is activity only because no mapping is for its name.
    pub fn is_unmapped(&self, event: &Event<'_>) -> bool {
        self.of(event).is_unmapped(event)
    }

    /// The roles of a set in the order in which they are applied: that of the file, presets last.
    pub fn in_order(&self, set: &RoleSet) -> impl Iterator<Item = Role> {
        let mut given = 0;
        self.matched(set).filter_map(|mapping| self.mappings[mapping].role).filter(move |role| {
            let first = given & bit(*role) == 0;
            given |= bit(*role);
            first
        })
    }

    /// The number that an event of this set has in a field of one of its roles.
    pub fn number(&self, set: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> Option<f64> {
        let Some(binding) = self.binding(set, role, field)? else {
            return fields::value(event.payload(), field.word())?.number();
        };
        if let Some(key) = &binding.bill {
            let bill = read_bill(key, event)?;
            return if field == Field::Mrr { bill.mrr } else { Some(bill.price) };
        }
        match (first(&binding.keys, event, Scalar::number), &binding.value) {
            (Some(number), _) => {
                let other = |key: &Option<Box<str>>| match key {
                    Some(key) => fields::value(event.payload(), key).and_then(Scalar::number),
                    None => Some(1.0),
                };
                let (times, per) = (other(&binding.times)?, other(&binding.per)?);
                Some(number * times * binding.scale.0 / (binding.scale.1 * per))
            }
            (None, Some(Literal::Number(number))) => Some(*number),
            (None, _) => None,
        }
    }

    /// The text that an event of this set has in a field of one of its roles; a number is converted to text.
    pub fn text<'a>(&'a self, set: &RoleSet, role: Role, field: Field, event: &'a Event<'_>) -> Option<Cow<'a, str>> {
        self.read_text(set, role, field, event, Scalar::text)
    }

    /// The same; a list or struct is converted to text too.
    pub fn words<'a>(&'a self, set: &RoleSet, role: Role, field: Field, event: &'a Event<'_>) -> Option<Cow<'a, str>> {
        self.read_text(set, role, field, event, Scalar::words)
    }

    fn read_text<'a>(
        &'a self,
        set: &RoleSet,
        role: Role,
        field: Field,
        event: &'a Event<'_>,
        read: fn(Scalar<'a>) -> Option<Cow<'a, str>>,
    ) -> Option<Cow<'a, str>> {
        let Some(binding) = self.binding(set, role, field)? else {
            return read(fields::value(event.payload(), field.word())?);
        };
        first(&binding.keys, event, read).or(match &binding.value {
            Some(Literal::Text(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        })
    }

    /// The boolean that an event of this set has in a field of one of its roles.
    pub fn boolean(&self, set: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> Option<bool> {
        let Some(binding) = self.binding(set, role, field)? else {
            return fields::value(event.payload(), field.word())?.boolean();
        };
        if let Some(key) = &binding.bill {
            // If the cost is unknown, it may not be 0.
            return Some(read_bill(key, event).is_none_or(|bill| bill.list > 0.0));
        }
        first(&binding.keys, event, Scalar::boolean).or(match binding.value {
            Some(Literal::Boolean(boolean)) => Some(boolean),
            _ => None,
        })
    }

    /// Whether a field of one of the roles of an event of this set is null.
    pub fn is_null(&self, set: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> bool {
        match self.binding(set, role, field) {
            Some(None) => fields::value(event.payload(), field.word()) == Some(Scalar::Null),
            Some(Some(binding)) => {
                // A value that cannot be computed from a bill is unknown, not that of an earlier bill (semantics D30).
                if binding.bill.is_some() && matches!(field, Field::Mrr | Field::Price) {
                    return self.number(set, role, field, event).is_none();
                }
                let mut said = binding.keys.iter().filter_map(|key| fields::value(event.payload(), key)).peekable();
                said.peek().is_some() && said.all(|value| value == Scalar::Null)
            }
            None => false,
        }
    }

    /// Whether the mapping that gave an event this role binds the field explicitly.
    pub fn binds(&self, set: &RoleSet, role: Role, field: Field) -> bool {
        matches!(self.binding(set, role, field), Some(Some(_)))
    }

    /// The binding of a field in the mapping that gave an event this role; inner none: the field's own name.
    fn binding(&self, set: &RoleSet, role: Role, field: Field) -> Option<Option<&Binding>> {
        if !set.has(role) {
            return None;
        }
        if self.bound[role as usize] >> field as u32 & 1 == 0 {
            return Some(None);
        }
        let mapping = self.matched(set).map(|mapping| &self.mappings[mapping]).find(|it| it.role == Some(role))?;
        Some(mapping.binding(field))
    }

    /// Whether any mapping gives this role.
    pub fn covers(&self, role: Role) -> bool {
        self.mappings.iter().any(|mapping| mapping.role == Some(role))
    }

    /// Whether any mapping marks premium features, by `premium: true` or by binding the field.
    pub fn maps_premium(&self) -> bool {
        self.maps_premium
    }

    /// All mappings in their order: a description, and the role.
    pub fn mappings(&self) -> impl Iterator<Item = (&str, Option<Role>)> {
        self.mappings.iter().map(|mapping| (&*mapping.description, mapping.role))
    }

    /// The mappings that an event of this set matched, by their place in [`Roles::mappings`].
    pub fn matched(&self, set: &RoleSet) -> impl Iterator<Item = usize> {
        let candidates = self.entries.get(set.entry as usize).map_or(&[][..], |entry| &entry.candidates);
        bits(set.matched).filter_map(|index| candidates.get(index)).map(|candidate| candidate.mapping)
    }
}

/// The value of the first property that is there and of the type asked for.
fn first<'a, T>(keys: &[Box<str>], event: &'a Event<'_>, read: impl Fn(Scalar<'a>) -> Option<T>) -> Option<T> {
    keys.iter().find_map(|key| fields::value(event.payload(), key).and_then(&read))
}

fn read_bill(key: &str, event: &Event<'_>) -> Option<Bill> {
    match fields::value(event.payload(), key)? {
        Scalar::Nested(subscription) => bill::read(&subscription.json()?, event.time),
        _ => None,
    }
}

/// The set of an entry's candidates that matched. Of several mappings with one role, the first determines whether it is
/// passive and where its fields are; it is premium if any of them is.
fn settle(mappings: &[Meaning], number: u32, entry: &Entry, matched: u128) -> RoleSet {
    let mut set = RoleSet { matched, entry: number, ..RoleSet::default() };
    for index in bits(matched) {
        let mapping = &mappings[entry.candidates[index].mapping];
        let role = mapping.role.map_or(0, bit);
        set.active |= !mapping.passive && (role == 0 || set.roles & role == 0);
        set.roles |= role;
        set.premium |= mapping.premium;
    }
    set
}

impl Entry {
    /// All candidates.
    fn all(&self) -> u128 {
        u128::MAX.checked_shr((CANDIDATES_MAX - self.candidates.len()) as u32).unwrap_or(0)
    }

    /// The candidates of which a pattern may match this name: of one that is written out, all.
    fn candidates_for(&self, name: &[u8]) -> u128 {
        let first = name.first().map(|first| usize::from(first.to_ascii_lowercase()));
        first.and_then(|first| self.by_first_byte.get(first)).copied().unwrap_or_else(|| self.all())
    }
}

/// Mappings on their way to the table.
#[derive(Default)]
struct Table {
    mappings: Vec<Meaning>,
    /// By kind of call: each mapping that is for it, with its names and patterns in lower case.
    by_call: [Vec<(usize, Vec<String>)>; CALLS.len()],
}

impl Table {
    fn add(&mut self, written: &Mapping, preset: Option<Preset>) -> Result<(), String> {
        let about = written.role.map_or("a mapping without a role".into(), |role| format!("role {}", word(role)));
        let wrong = |what: String| format!("{about}: {what}");
        let meaning = meaning(written, preset.map(Preset::word)).map_err(wrong)?;
        let any = |asked: bool| if asked { vec![String::new()] } else { Vec::new() };
        let lists = [
            written.track.clone(),
            written.page.clone(),
            written.screen.clone(),
            any(written.identify),
            any(written.group),
        ];
        if lists.iter().all(Vec::is_empty) {
            return Err(wrong(
                "matches no event: expected at least one of track, page, screen, identify and group".into(),
            ));
        }
        for (call, mut names) in lists.into_iter().enumerate() {
            if let Some(name) = names.iter().find(|name| name.len() > NAME_MAX) {
                return Err(wrong(format!("the name {name:?} has more than {NAME_MAX} bytes")));
            }
            if call < 3 && names.iter().any(String::is_empty) {
                return Err(wrong("a name is empty: `*` matches all names".into()));
            }
            names.iter_mut().for_each(|name| name.make_ascii_lowercase());
            if !names.is_empty() {
                self.by_call[call].push((self.mappings.len(), names));
            }
        }
        self.mappings.push(meaning);
        Ok(())
    }

    fn finish(self) -> Result<Roles, (usize, String)> {
        let maps_premium = |mapping: &Meaning| mapping.premium || mapping.binding(Field::Premium).is_some();
        let mut bound = vec![0; Role::ALL.len()];
        for mapping in &self.mappings {
            let Some(role) = mapping.role else { continue };
            mapping.bind.iter().for_each(|(field, _)| bound[role as usize] |= 1 << *field as u32);
        }
        let mut roles = Roles {
            maps_premium: self.mappings.iter().any(maps_premium),
            bound,
            mappings: self.mappings,
            entries: Vec::new(),
            by_name: HashTable::new(),
            others: [0; CALLS.len()],
        };
        for (call, mappings) in self.by_call.into_iter().enumerate() {
            let written_out = || mappings.iter().flat_map(|(_, names)| names).filter(|name| !is_pattern(name));
            for name in written_out() {
                let (kind, lower) = (CALLS[call], name.as_bytes());
                if roles.exact(kind, lower).is_none() {
                    let entry = roles.enter(exact_entry(&mappings, lower))?;
                    let name = Name { kind, lower: lower.into(), entry };
                    roles.by_name.insert_unique(hash_name(kind, lower), name, |it| hash_name(it.kind, &it.lower));
                }
            }
            roles.others[call] = roles.enter(entry_of_others(&mappings))?;
        }
        Ok(roles)
    }
}

impl Roles {
    /// Adds an entry; it is settled here if nothing in it depends on the event.
    fn enter(&mut self, mut entry: Entry) -> Result<u32, (usize, String)> {
        let number = self.entries.len() as u32;
        if let Some(last) = entry.candidates.get(CANDIDATES_MAX) {
            return Err((last.mapping, format!("more than {CANDIDATES_MAX} mappings for one name or with patterns")));
        }
        let fixed = |candidate: &Candidate| {
            candidate.patterns.is_empty() && self.mappings[candidate.mapping].conditions.is_empty()
        };
        if entry.candidates.iter().all(fixed) {
            entry.settled = Some(settle(&self.mappings, number, &entry, entry.all()));
        }
        self.entries.push(entry);
        Ok(number)
    }
}

/// The mappings for a name that is written out: those that write it, and those with a pattern for it.
fn exact_entry(mappings: &[(usize, Vec<String>)], name: &[u8]) -> Entry {
    let covers = |written: &String| {
        if is_pattern(written) { matches(written.as_bytes(), name) } else { written.as_bytes() == name }
    };
    let of_name = mappings.iter().filter(|(_, names)| names.iter().any(covers));
    let candidates = of_name.map(|(mapping, _)| Candidate { mapping: *mapping, patterns: Vec::new() }).collect();
    Entry { candidates, ..Entry::default() }
}

/// The mappings with patterns, for names that no mapping writes out.
fn entry_of_others(mappings: &[(usize, Vec<String>)]) -> Entry {
    let patterns = |names: &[String]| -> Vec<Box<[u8]>> {
        names.iter().filter(|name| is_pattern(name)).map(|name| name.as_bytes().into()).collect()
    };
    let candidates: Vec<Candidate> = mappings
        .iter()
        .map(|(mapping, names)| Candidate { mapping: *mapping, patterns: patterns(names) })
        .filter(|candidate| !candidate.patterns.is_empty())
        .collect();
    let mut by_first_byte = vec![0; 256];
    for (index, candidate) in candidates.iter().enumerate().take(CANDIDATES_MAX) {
        for pattern in &candidate.patterns {
            match pattern.first() {
                Some(b'*' | b'?') | None => by_first_byte.iter_mut().for_each(|bits| *bits |= 1 << index),
                Some(first) => by_first_byte[usize::from(*first)] |= 1 << index,
            }
        }
    }
    Entry { candidates, by_first_byte, settled: None }
}
