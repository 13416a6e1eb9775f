//! Decodes the events of other tools, in the formats in which they export and send them.
//!
//! A format is mostly data: for each part of an event the paths at which the tool has it, in order; the first that has a
//! value counts. A function of each format decides what kind of call an event is. What is computed from that is the
//! same for all of them, and is done here.

mod amplitude;
pub(super) mod cloudevents;
mod mixpanel;
mod posthog;
mod snowplow;
mod source;
mod stripe;

use std::borrow::Cow;

use super::decoded::{Admit, Decoded, Loose, Malformed, Members};
use super::object::{self, Object};
use super::places::Places;
use super::times;
use crate::model::{Event, EventKind, EventTime, Fields};
use source::{Call, Source};

pub(super) use amplitude::AMPLITUDE;
pub(super) use cloudevents::CLOUDEVENTS;
pub(super) use mixpanel::MIXPANEL;
pub(super) use posthog::POSTHOG;
pub(super) use snowplow::SNOWPLOW;
pub(super) use source::{Vendor, owned};
pub(super) use stripe::STRIPE;

/// The first event of a record, and the rest.
pub(super) fn first<'a>(
    vendor: &'static Vendor,
    record: &'a [u8],
    admit: Admit,
    places: &Places,
    rest: &mut Members<'a>,
) -> Option<Decoded<'a>> {
    let mut reader = Reader { vendor, admit, places, events: Vec::new() };
    match std::str::from_utf8(record) {
        Ok(text) => reader.record(text),
        Err(_) => reader.malformed(record, Malformed(format!("not an event of {}: it is not UTF-8", vendor.name))),
    }
    let mut events = reader.events.into_iter();
    let first = events.next();
    *rest = Members::Listed(events);
    first
}

/// Whether a record, or what it contains, is certainly in the format of a tool. The record must be complete.
pub(super) fn is_certain(vendor: &Vendor, record: &str) -> bool {
    let converted = vendor.convert.and_then(|convert| convert(record)?.ok());
    let record = converted.as_deref().unwrap_or(record);
    let is_event = |object: Object<'_>| {
        (vendor.is_certain)(&object) || envelope(vendor, &object).is_some_and(|(_, inner)| (vendor.is_certain)(&inner))
    };
    match members(vendor, record) {
        Some((members, around)) => {
            let first = members.first().and_then(|member| Object::read(member));
            let around = around.unwrap_or_default();
            first.is_some_and(|member| is_event(member.inside(&around)))
        }
        None => Object::read(record).is_some_and(is_event),
    }
}

/// The members of a record that is a list of events, or an object that contains one.
fn members<'a>(vendor: &Vendor, record: &'a str) -> Option<(Vec<&'a str>, Option<Object<'a>>)> {
    if record.starts_with('[') {
        return Some((object::list(record)?, None));
    }
    let object = Object::read(record)?;
    let list = vendor.lists.iter().find_map(|name| object::list(object.get(name)?))?;
    let is_event = vendor.event.iter().any(|path| object.at(path).is_some_and(|raw| raw.starts_with('"')));
    (!is_event).then_some((list, Some(object)))
}

/// The event that stands in another object, and that object.
fn envelope<'a>(vendor: &Vendor, object: &Object<'a>) -> Option<(&'a str, Object<'a>)> {
    vendor.envelopes.iter().find_map(|name| {
        let raw = object.at(name)?;
        Some((raw, Object::read(raw)?))
    })
}

/// Reads the events of a record.
struct Reader<'a, 'p> {
    vendor: &'static Vendor,
    admit: Admit,
    places: &'p Places,
    events: Vec<Decoded<'a>>,
}

impl<'a> Reader<'a, '_> {
    fn malformed(&mut self, raw: &'a [u8], malformed: Malformed) {
        self.events.push(Decoded::malformed(raw, malformed));
    }

    fn record(&mut self, record: &'a str) {
        if let Some(json) = self.vendor.convert.and_then(|convert| convert(record)) {
            return match json {
                Ok(json) => self.converted(record, &json, None),
                Err(malformed) => self.malformed(record.as_bytes(), malformed),
            };
        }
        match members(self.vendor, record) {
            Some((members, _)) if members.is_empty() => {
                self.malformed(record.as_bytes(), Malformed::new("not a JSON event: an empty list"));
            }
            Some((members, around)) => members.into_iter().for_each(|member| self.event(member, around.as_ref())),
            None => self.event(record, None),
        }
    }

    /// The events of a text that was made of a record.
    fn converted<'j>(&mut self, record: &'a str, json: &'j str, around: Option<&Object<'j>>) {
        let mut reader = Reader { vendor: self.vendor, admit: self.admit, places: self.places, events: Vec::new() };
        reader.event_as_it_is(json, around);
        self.events.extend(reader.events.into_iter().map(|decoded| Decoded {
            raw: record.as_bytes(),
            event: decoded.event.map(source::owned),
            ..decoded
        }));
    }

    fn event(&mut self, raw: &'a str, around: Option<&Object<'a>>) {
        match source::with_unquoted(self.vendor, raw) {
            Some(json) => self.converted(raw, &json, around),
            None => self.event_as_it_is(raw, around),
        }
    }

    fn event_as_it_is(&mut self, raw: &'a str, around: Option<&Object<'a>>) {
        let object = match serde_json::from_str::<Object<'a>>(raw) {
            Ok(object) => object,
            Err(_) if !raw.starts_with('{') => {
                return self.malformed(raw.as_bytes(), Malformed::new("not a JSON event: not an object"));
            }
            Err(error) => return self.malformed(raw.as_bytes(), Malformed(format!("not a JSON event: {error}"))),
        };
        let source = match envelope(self.vendor, &object) {
            Some(inner) => Source::new(self.vendor, inner, Some(&object)),
            None => Source::new(self.vendor, (raw, object), around),
        };
        let mut loose = Loose::default();
        let before = self.events.len();
        if let Err(malformed) = self.calls(&source, raw, &mut loose) {
            self.events.truncate(before);
            self.events.push(Decoded { loose, ..Decoded::malformed(raw.as_bytes(), malformed) });
        }
    }

    /// The calls of an event: those that set traits of the account and of the user, then its own.
    fn calls(&mut self, source: &Source<'a, '_>, raw: &'a str, loose: &mut Loose) -> Result<(), Malformed> {
        let vendor = self.vendor;
        let mut call = (vendor.call)(source, source.text(vendor.event))?;
        let event = self.read(source, &mut call, loose)?;
        self.admit.check(event.kind, false)?;
        let has_own = event.kind.has_name() && event.kind != EventKind::Alias;
        for (kind, traits, suffix) in
            [(EventKind::Group, &call.group_traits, "group"), (EventKind::Identify, &call.user_traits, "identify")]
        {
            let is_wanted =
                has_own && !matches!(traits, Fields::None) && (kind == EventKind::Group || !event.user.is_empty());
            if is_wanted {
                let message_id = match &*event.message_id {
                    "" => String::new(),
                    id => format!("{id}#{suffix}"),
                };
                let (properties, traits) = (Fields::None, traits.clone());
                let extra =
                    Event { kind, name: "".into(), message_id: message_id.into(), properties, traits, ..event.clone() };
                self.push(raw, extra, Loose { account_at: loose.account_at, ..Loose::default() });
            }
        }
        self.push(raw, event, *loose);
        Ok(())
    }

    fn push(&mut self, raw: &'a str, event: Event<'a>, loose: Loose) {
        let event = Decoded::event(raw.as_bytes(), event);
        self.events.push(Decoded { loose, is_changed: true, ..event });
    }

    fn read(&self, source: &Source<'a, '_>, call: &mut Call<'a>, loose: &mut Loose) -> Result<Event<'a>, Malformed> {
        let vendor = self.vendor;
        let found = self.places.account(&|path| call.look(source, path), vendor.emails)?;
        loose.account_at = found.at;
        if let Some(path) = found.path
            && call.kind != EventKind::Group
        {
            call.group_traits = (vendor.group_traits)(source, path, &found.id);
        }
        // A group of another type than that of accounts, such as a project, does not describe the account.
        if call.kind == EventKind::Group
            && call.stands_in.is_some()
            && !found.path.is_some_and(|path| call.stands_at(path))
        {
            call.kind = EventKind::Track;
        }
        let account = found.id;
        let (user, anonymous_id) = self.people(source, call, loose);
        let (time, received) = times(vendor, source, loose)?;
        let properties = source.properties(call, loose);
        let traits = match call.kind {
            EventKind::Identify => call.user_traits.clone(),
            EventKind::Group => call.group_traits.clone(),
            _ => Fields::None,
        };
        Ok(Event {
            message_id: source.id(vendor.message_id, loose).into(),
            source: call.source.clone().unwrap_or(Cow::Borrowed(vendor.source)).into(),
            kind: call.kind,
            name: if call.kind.has_name() { call.name.clone() } else { Cow::Borrowed("") }.into(),
            user: user.into(),
            anonymous_id: anonymous_id.into(),
            account: account.into(),
            time,
            received,
            properties: if call.kind.has_name() { properties } else { Fields::None },
            traits,
            context: source.context(),
            provenance: None,
        })
    }

    /// The user, and the device of a visitor whose user is not known.
    fn people(&self, source: &Source<'a, '_>, call: &Call<'a>, loose: &mut Loose) -> (Cow<'a, str>, Cow<'a, str>) {
        let device = source.id(self.vendor.device, loose);
        if !self.places.have_usual_user() {
            return (self.places.user(&|path| source.look(path)).unwrap_or_default(), device);
        }
        let user = source.id(self.vendor.user, loose);
        match call.is_anonymous {
            true if device.is_empty() => (Cow::Borrowed(""), user),
            true => (Cow::Borrowed(""), device),
            false => (user, device),
        }
    }
}

/// When it happened, and when it was received (semantics A31).
fn times(
    vendor: &Vendor,
    source: &Source<'_, '_>,
    loose: &mut Loose,
) -> Result<(EventTime, Option<EventTime>), Malformed> {
    let Some((raw, path)) = vendor.time.iter().find_map(|path| Some((source.at(path)?, path))) else {
        return Err(Malformed(format!("no time: expected {}", vendor.time.join(" or "))));
    };
    let (happened, is_zoneless) =
        times::time(raw).ok_or_else(|| Malformed(format!("{path} {raw:.60} is not a time: {}", times::FORMS)))?;
    loose.zoneless |= is_zoneless && !vendor.is_utc;
    let received = vendor.received.iter().find_map(|path| source.at(path)).map(times::time);
    loose.left_out |= received == Some(None);
    Ok((happened, received.flatten().map(|(time, _)| time)))
}
