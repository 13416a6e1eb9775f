//! Roles: what raw event names mean. The mappings of the rules file and of the presets that it names, compiled to one
//! look-up per event.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::HashTable;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::bill::{self, Bill};
use crate::model::{Event, EventKind, Field, Role};
use crate::wire::fields::{self, Scalar};

/// A mapping as it is written: which events it is for, what they mean, and where their fields stand.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// What the events mean; without it they are known to mean nothing, and are not reported as unmapped.
    role: Option<Role>,
    /// Names of track events, or patterns for them: `*` stands for any text, `?` for one character. Names are
    /// compared without regard to the case of ASCII letters.
    #[serde(default)]
    track: Vec<String>,
    /// The same for pages.
    #[serde(default)]
    page: Vec<String>,
    /// The same for screens.
    #[serde(default)]
    screen: Vec<String>,
    /// All identify calls.
    #[serde(default)]
    identify: bool,
    /// All group calls.
    #[serde(default)]
    group: bool,
    /// Properties (traits, in identify and group calls) that all must have one of the values given; texts may be
    /// patterns, as names are.
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, Allowed>,
    /// Where the role's fields stand, if not in a property with the field's own name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Field"}))]
    bind: BTreeMap<Field, Source>,
    /// Not activity of its user; default: as is usual for the role.
    passive: Option<bool>,
    /// The features used are premium ones.
    #[serde(default)]
    premium: bool,
}

/// What a property may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, a number, a boolean, or a list of them")]
pub(super) enum Allowed {
    /// This.
    One(Literal),
    /// One of these.
    AnyOf(Vec<Literal>),
}

/// A value of a property.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, a number or a boolean")]
pub(super) enum Literal {
    /// A truth.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text; in a condition it may be a pattern.
    Text(String),
}

/// Where a field stands: a property, the first of several that is there, or more about it. A property that no key is
/// named for may be a path: `$set.email`, `items.data.0.price`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a property, a list of properties, or {property: …, scale: …, times: …, per: …, bill: …, value: …}"
)]
enum Source {
    /// A property.
    Property(String),
    /// The first of these properties that is there.
    FirstOf(Vec<String>),
    /// More about it.
    Read(Read),
}

/// How a field is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Read {
    /// The property, or the first of several that is there.
    property: Option<Properties>,
    /// What the number is multiplied with, such as 1/100 for cents.
    scale: Option<Scale>,
    /// Another property that the number is multiplied with, such as the quantity.
    times: Option<String>,
    /// Another property that the number is divided by, such as how many months it is for.
    per: Option<String>,
    /// A property that holds a subscription of Stripe, from which `mrr`, `price` or `paid` is computed: all items by the
    /// month, for `mrr` less the discounts that last; `paid` is false where the items cost nothing.
    bill: Option<String>,
    /// What the field is where no property says it.
    value: Option<Literal>,
}

/// One property or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a property or a list of properties")]
enum Properties {
    /// A property.
    One(String),
    /// The first of these that is there.
    FirstOf(Vec<String>),
}

/// A factor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a number, or a fraction such as 1/100")]
enum Scale {
    /// A positive number.
    Number(f64),
    /// A fraction such as 1/100.
    Fraction(String),
}

/// Mappings that ship with Upswell. They are asked after the file's own, in the order in which the file names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    /// The events of Segment's spec for B2B SaaS.
    Segment,
    /// What PostHog captures by itself, and names its users give.
    Posthog,
    /// What Amplitude captures by itself, and names its users give.
    Amplitude,
    /// What Mixpanel captures by itself, and names its users give.
    Mixpanel,
    /// Stripe's webhook events.
    Stripe,
}

impl Preset {
    pub(super) const ALL: [Preset; 5] =
        [Preset::Segment, Preset::Posthog, Preset::Amplitude, Preset::Mixpanel, Preset::Stripe];

    pub(super) fn word(self) -> &'static str {
        match self {
            Preset::Segment => "segment",
            Preset::Posthog => "posthog",
            Preset::Amplitude => "amplitude",
            Preset::Mixpanel => "mixpanel",
            Preset::Stripe => "stripe",
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Preset::Segment => include_str!("presets/segment.yaml"),
            Preset::Posthog => include_str!("presets/posthog.yaml"),
            Preset::Amplitude => include_str!("presets/amplitude.yaml"),
            Preset::Mixpanel => include_str!("presets/mixpanel.yaml"),
            Preset::Stripe => include_str!("presets/stripe.yaml"),
        }
    }

    pub(super) fn mappings(self) -> Vec<Spanned<Mapping>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            roles: Vec<Spanned<Mapping>>,
        }
        super::read_yaml::<File>(self.word(), self.text()).expect("the embedded presets are tested").roles
    }
}

/// What one event means: its roles, and which mappings say so.
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

    /// The role that says what became of a handoff, if the event has one.
    pub fn outcome(&self) -> Option<Role> {
        let first = (self.roles & OUTCOMES).trailing_zeros() as usize;
        Role::ALL.get(first).copied()
    }

    /// Whether the event tells something that counts however old it is: traits, leads and outcomes (semantics A12).
    pub fn is_timeless(&self) -> bool {
        self.roles & TIMELESS != 0
    }

    /// Whether some mapping is for the event, with a role or without.
    pub fn is_mapped(&self) -> bool {
        self.matched != 0
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

/// Roles, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoleBits(u64);

impl FromIterator<Role> for RoleBits {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> RoleBits {
        RoleBits(roles.into_iter().fold(0, |bits, role| bits | bit(role)))
    }
}

/// The roles that say what became of a handoff, and with them those that tell something for long: traits, and a lead of
/// marketing, which counts for half a year.
const OUTCOMES: u64 = !(bit(Role::OutreachSent) - 1);
const TIMELESS: u64 =
    OUTCOMES | bit(Role::SubscriptionChanged) | bit(Role::Firmographics) | bit(Role::Profile) | bit(Role::MqlCreated);

const fn bit(role: Role) -> u64 {
    1 << role as u32
}

/// The compiled mappings.
#[derive(Debug)]
pub struct Roles {
    mappings: Vec<Meaning>,
    entries: Vec<Entry>,
    /// Names in lower case that are written out in some mapping, and the entry of each by its kind of call.
    by_name: HashTable<Name>,
    /// Whether some mapping says which features are premium.
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
/// Mappings that may be for one name: what the bits of a word can tell apart.
const CANDIDATES_MAX: usize = u128::BITS as usize;

/// A name that is written out in some mapping.
#[derive(Debug)]
struct Name {
    kind: EventKind,
    /// In lower case.
    lower: Box<[u8]>,
    entry: u32,
}

/// A hash of a name that does not depend on the case of its letters: the bit that tells it is set in every byte, of eight
/// at a time.
fn hash_name(kind: EventKind, name: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * 0x9e37_79b9_7f4a_7c15;
        product as u64 ^ (product >> 64) as u64
    };
    let start = (name.len() as u64) << 8 | kind as u64;
    let (words, tail) = name.as_chunks::<8>();
    let hash = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word) | CASE));
    mix(hash, tail.iter().fold(0, |word, byte| word << 8 | u64::from(byte | 0x20)))
}

/// What the events of a mapping mean.
#[derive(Debug)]
struct Meaning {
    role: Option<Role>,
    passive: bool,
    premium: bool,
    conditions: Vec<(Box<str>, Vec<Expected>)>,
    bind: Vec<(Field, Binding)>,
    /// In words, for people.
    description: Box<str>,
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

/// A value that a condition allows.
#[derive(Debug)]
pub(super) enum Expected {
    Text(Box<str>),
    /// In lower case.
    Pattern(Box<[u8]>),
    Number(f64),
    Boolean(bool),
}

impl Expected {
    pub(super) fn is(&self, value: &Scalar<'_>) -> bool {
        match (self, value) {
            (Expected::Text(expected), Scalar::Text(text)) => expected.eq_ignore_ascii_case(text),
            (Expected::Pattern(pattern), Scalar::Text(text)) => matches(pattern, text.as_bytes()),
            (Expected::Number(expected), value) => value.clone().number() == Some(*expected),
            (Expected::Boolean(expected), Scalar::Boolean(boolean)) => expected == boolean,
            _ => false,
        }
    }
}

/// Where a field's value comes from.
#[derive(Debug)]
struct Binding {
    /// The first of these properties that is there.
    keys: Vec<Box<str>>,
    /// A number is scaled by a fraction, and by other properties.
    scale: (f64, f64),
    times: Option<Box<str>>,
    per: Option<Box<str>>,
    /// Computed from a subscription that stands here.
    bill: Option<Box<str>>,
    /// Where no property says it.
    value: Option<Literal>,
}

impl Roles {
    /// Compiles the mappings of a file, and after them those of the presets that it names.
    ///
    /// # Errors
    /// Where a mapping stands, and what in it is not allowed.
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

    /// Whether an event is activity only because no mapping is for its name (semantics §4): what is reported as
    /// unmapped.
    pub fn is_unmapped(&self, event: &Event<'_>) -> bool {
        event.kind == EventKind::Track && !event.name.is_empty() && !self.of(event).is_mapped()
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

    /// The text that an event of this set has in a field of one of its roles; a number is told as text.
    pub fn text<'a>(&'a self, set: &RoleSet, role: Role, field: Field, event: &Event<'a>) -> Option<Cow<'a, str>> {
        self.read_text(set, role, field, event, Scalar::text)
    }

    /// The same, and of a list or struct what stands in it.
    pub fn words<'a>(&'a self, set: &RoleSet, role: Role, field: Field, event: &Event<'a>) -> Option<Cow<'a, str>> {
        self.read_text(set, role, field, event, Scalar::words)
    }

    fn read_text<'a>(
        &'a self,
        set: &RoleSet,
        role: Role,
        field: Field,
        event: &Event<'a>,
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

    /// The truth that an event of this set has in a field of one of its roles.
    pub fn boolean(&self, set: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> Option<bool> {
        let Some(binding) = self.binding(set, role, field)? else {
            return fields::value(event.payload(), field.word())?.boolean();
        };
        if let Some(key) = &binding.bill {
            // Where nothing says what it costs, it may cost something.
            return Some(read_bill(key, event).is_none_or(|bill| bill.list > 0.0));
        }
        first(&binding.keys, event, Scalar::boolean).or(match binding.value {
            Some(Literal::Boolean(boolean)) => Some(boolean),
            _ => None,
        })
    }

    /// Whether an event of this set says that a field of one of its roles is nothing: null, and no other value.
    pub fn is_null(&self, set: &RoleSet, role: Role, field: Field, event: &Event<'_>) -> bool {
        match self.binding(set, role, field) {
            Some(None) => fields::value(event.payload(), field.word()) == Some(Scalar::Null),
            Some(Some(binding)) => {
                // What a bill does not say, is not what an earlier one said (semantics D30).
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

    /// Whether any mapping says which features are premium: by a mark, or by binding the field.
    pub fn maps_premium(&self) -> bool {
        self.maps_premium
    }

    /// All mappings in the order in which they are asked: in words, and their roles.
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
fn first<'a, T>(keys: &[Box<str>], event: &Event<'a>, read: impl Fn(Scalar<'a>) -> Option<T>) -> Option<T> {
    keys.iter().find_map(|key| fields::value(event.payload(), key).and_then(&read))
}

fn read_bill(key: &str, event: &Event<'_>) -> Option<Bill> {
    match fields::value(event.payload(), key)? {
        Scalar::Nested(subscription) => bill::read(&subscription.json()?, event.time),
        _ => None,
    }
}

/// The set of an entry's candidates that matched. Of several mappings with one role the first says whether it is
/// passive, as it says where its fields stand; a mark as premium holds wherever it comes from.
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

impl Meaning {
    /// Whether the properties of an event are as the mapping asks.
    fn holds(&self, event: &Event<'_>) -> bool {
        self.conditions.iter().all(|(key, expected)| {
            fields::value(event.payload(), key).is_some_and(|value| expected.iter().any(|each| each.is(&value)))
        })
    }

    fn binding(&self, field: Field) -> Option<&Binding> {
        self.bind.iter().find(|(bound, _)| *bound == field).map(|(_, binding)| binding)
    }
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
        let meaning = meaning(written, preset).map_err(wrong)?;
        let any = |asked: bool| if asked { vec![String::new()] } else { Vec::new() };
        let lists = [
            written.track.clone(),
            written.page.clone(),
            written.screen.clone(),
            any(written.identify),
            any(written.group),
        ];
        if lists.iter().all(Vec::is_empty) {
            return Err(wrong("none of track, page, screen, identify and group says which events".into()));
        }
        for (call, mut names) in lists.into_iter().enumerate() {
            if let Some(name) = names.iter().find(|name| name.len() > NAME_MAX) {
                return Err(wrong(format!("the name {name:?} has more than {NAME_MAX} bytes")));
            }
            if call < 3 && names.iter().any(String::is_empty) {
                return Err(wrong("a name is empty: `*` stands for all names".into()));
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

/// The mappings with patterns, for the names that nobody writes out.
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

fn meaning(written: &Mapping, preset: Option<Preset>) -> Result<Meaning, String> {
    if written.premium && written.role != Some(Role::FeatureUsed) {
        return Err("premium goes with role feature_used".into());
    }
    if written.role.is_none() && !written.bind.is_empty() {
        return Err("bind goes with a role".into());
    }
    let conditions = written.conditions.iter().map(|(key, allowed)| Ok((key.as_str().into(), expected(key, allowed)?)));
    let bind = written.bind.iter().map(|(field, source)| {
        binding(*field, source)
            .map(|binding| (*field, binding))
            .map_err(|what| format!("bind {}: {what}", field.word()))
    });
    Ok(Meaning {
        role: written.role,
        passive: written.passive.unwrap_or(written.role.is_some_and(is_passive)),
        premium: written.premium,
        conditions: conditions.collect::<Result<_, String>>()?,
        bind: bind.collect::<Result<_, String>>()?,
        description: describe(written, preset).into(),
    })
}

/// Whether events of a role are no activity of their user, unless a mapping says otherwise.
fn is_passive(role: Role) -> bool {
    bit(role) & OUTCOMES != 0
        || matches!(
            role,
            Role::PricingViewed
                | Role::TermsViewed
                | Role::UsageReported
                | Role::LimitHit
                | Role::Profile
                | Role::Firmographics
                | Role::BillingForecast
                | Role::SubscriptionChanged
                | Role::MqlCreated
                | Role::TrialStarted
                | Role::TrialEnded
        )
}

pub(super) fn expected(key: &str, allowed: &Allowed) -> Result<Vec<Expected>, String> {
    let list = match allowed {
        Allowed::One(one) => std::slice::from_ref(one),
        Allowed::AnyOf(list) => list,
    };
    if key.is_empty() || list.is_empty() {
        return Err(format!("where {key:?}: a property and at least one value are needed"));
    }
    let each = |literal: &Literal| match literal {
        Literal::Text(text) if is_pattern(text) => Expected::Pattern(text.to_ascii_lowercase().into_bytes().into()),
        Literal::Text(text) => Expected::Text(text.as_str().into()),
        Literal::Number(number) => Expected::Number(*number),
        Literal::Boolean(boolean) => Expected::Boolean(*boolean),
    };
    Ok(list.iter().map(each).collect())
}

fn binding(field: Field, source: &Source) -> Result<Binding, String> {
    let one = std::slice::from_ref;
    let (keys, scale, times, per, bill, value) = match source {
        Source::Property(key) => (one(key), None, None, None, None, None),
        Source::FirstOf(keys) => (&keys[..], None, None, None, None, None),
        Source::Read(Read { property, scale, times, per, bill, value }) => {
            let keys = match property {
                Some(Properties::One(key)) => one(key),
                Some(Properties::FirstOf(keys)) => keys,
                None => &[],
            };
            (keys, scale.as_ref(), times.as_ref(), per.as_ref(), bill.as_ref(), value.as_ref())
        }
    };
    if keys.iter().chain(times).chain(per).chain(bill).any(String::is_empty) {
        return Err("the name of a property is empty".into());
    }
    if bill.is_some() {
        if !matches!(field, Field::Mrr | Field::Price | Field::Paid) {
            return Err("only mrr, price and paid are computed from a bill".into());
        }
        if !keys.is_empty() || value.is_some() || scale.is_some() || times.is_some() || per.is_some() {
            return Err("bill goes with nothing else".into());
        }
    } else if keys.is_empty() && (value.is_none() || scale.is_some() || times.is_some() || per.is_some()) {
        return Err("a property is needed, or just a value".into());
    }
    Ok(Binding {
        keys: keys.iter().map(|key| key.as_str().into()).collect(),
        scale: scale.map_or(Ok((1.0, 1.0)), fraction)?,
        times: times.map(|key| key.as_str().into()),
        per: per.map(|key| key.as_str().into()),
        bill: bill.map(|key| key.as_str().into()),
        value: value.cloned(),
    })
}

/// A scale as a fraction: a number divided by 100 is the nearest one to the hundredth; multiplied by 0.01 it is not.
fn fraction(scale: &Scale) -> Result<(f64, f64), String> {
    let parts = match scale {
        Scale::Number(number) => Some((*number, 1.0)),
        Scale::Fraction(text) => text
            .split_once('/')
            .and_then(|(above, below)| Some((above.trim().parse().ok()?, below.trim().parse().ok()?))),
    };
    parts
        .filter(|(above, below): &(f64, f64)| [above, below].iter().all(|part| part.is_finite() && **part > 0.0))
        .ok_or_else(|| format!("scale {scale:?} is neither a positive number nor a fraction such as 1/100"))
}

/// A mapping in words: `segment: track Invite Sent where …`.
fn describe(written: &Mapping, preset: Option<Preset>) -> String {
    let lists = [("track", &written.track), ("page", &written.page), ("screen", &written.screen)];
    let named = lists.iter().filter(|(_, names)| !names.is_empty());
    let mut calls: Vec<String> = named.map(|(call, names)| format!("{call} {}", names.join(", "))).collect();
    calls.extend(written.identify.then(|| "identify".into()));
    calls.extend(written.group.then(|| "group".into()));
    let literal = |literal: &Literal| match literal {
        Literal::Boolean(boolean) => boolean.to_string(),
        Literal::Number(number) => number.to_string(),
        Literal::Text(text) => text.clone(),
    };
    let conditions: Vec<String> = (written.conditions.iter())
        .map(|(key, allowed)| match allowed {
            Allowed::One(one) => format!("{key} is {}", literal(one)),
            Allowed::AnyOf(list) => format!("{key} is {}", list.iter().map(literal).collect::<Vec<_>>().join(" or ")),
        })
        .collect();
    let origin = preset.map_or(String::new(), |preset| format!("{}: ", preset.word()));
    let only = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
    format!("{origin}{}{only}", calls.join("; "))
}

/// The name of a role in the rules file.
pub fn word(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Whether a pattern in lower case matches a text: `*` stands for any text, `?` for one character. After a mismatch
/// only the last `*` needs to take more: what stood before it has matched as early as it can.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(b'?') => {
                p += 1;
                t += 1;
                // The rest of a character in UTF-8.
                while text.get(t).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    t += 1;
                }
            }
            Some(byte) if *byte == text[t].to_ascii_lowercase() => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
