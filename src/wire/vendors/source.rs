//! What a format consists of, and an event of a tool while it is read.

use std::borrow::Cow;

use super::super::decoded::{Loose, Malformed};
use super::super::fields;
use super::super::object::{self, Object};
use super::super::places;
use crate::model::{Event, EventKind, Fields};

/// Paths at which a part of an event may be, in order.
pub(in crate::wire) type Paths = &'static [&'static str];

/// The format of a tool. Paths lead from the top of an event, then from the object that contains it.
pub(in crate::wire) struct Vendor {
    /// Its name, for messages.
    pub(super) name: &'static str,
    /// The source of its events: message ids are unique within it.
    pub(super) source: &'static str,
    /// The lists in which its requests and responses contain events.
    pub(super) lists: Paths,
    /// The objects in which its messages contain the event itself.
    pub(super) envelopes: Paths,
    /// The object that has the properties; none if the event itself is one.
    pub(super) properties: Option<&'static str>,
    /// The objects of an event that places of the configuration may leave out.
    pub(super) bases: Paths,
    /// The objects of an event that tables of warehouses have as texts.
    pub(super) quoted: Paths,
    /// The parts of an event.
    pub(super) message_id: Paths,
    pub(super) event: Paths,
    pub(super) user: Paths,
    pub(super) device: Paths,
    pub(super) time: Paths,
    pub(super) received: Paths,
    pub(super) user_agent: Paths,
    /// The e-mail address of the user.
    pub(super) emails: Paths,
    /// Whether times without a zone are UTC by its documentation, so that they need not be counted.
    pub(super) is_utc: bool,
    /// The usual places of the account.
    pub(in crate::wire) account: Paths,
    /// Whether an event is certainly one of this tool.
    pub(super) is_certain: fn(&Object<'_>) -> bool,
    /// What an event with this name is.
    pub(super) call: for<'a> fn(&Source<'a, '_>, Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed>,
    /// The traits of the account with this id that an event has, if the id was at this path.
    pub(super) group_traits: for<'a> fn(&Source<'a, '_>, path: &str, id: &str) -> Fields<'a>,
    /// Converts a record to JSON that is not as it is needed; none of one that is.
    pub(super) convert: Option<Convert>,
}

/// Converts a record to JSON; none of a record that is read as it is.
pub(super) type Convert = fn(&str) -> Option<Result<String, Malformed>>;

/// The traits of accounts of a tool whose events have none.
pub(super) fn no_traits<'a>(_: &Source<'a, '_>, _: &str, _: &str) -> Fields<'a> {
    Fields::None
}

impl std::fmt::Debug for Vendor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// What an event is, as a call of Segment's spec.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) kind: EventKind,
    pub(super) name: Cow<'a, str>,
    /// The producer within which its id is unique, if that is not the tool.
    pub(super) source: Option<Cow<'a, str>>,
    /// Properties that the tool has under another name: the name of Segment's spec, and the value.
    pub(super) added: Vec<(&'static str, Cow<'a, str>)>,
    /// Whether the user's id is that of a device.
    pub(super) is_anonymous: bool,
    /// A path, and the id that counts as being there: that of a group which the event describes.
    pub(super) stands_in: Option<(String, &'a str)>,
    /// Traits of the user that the event sets.
    pub(super) user_traits: Fields<'a>,
    /// Traits of the account that the event sets.
    pub(super) group_traits: Fields<'a>,
}

impl<'a> Call<'a> {
    /// A call of this kind.
    pub(super) fn new(kind: EventKind, name: impl Into<Cow<'a, str>>) -> Call<'a> {
        Call {
            kind,
            name: name.into(),
            source: None,
            added: Vec::new(),
            is_anonymous: false,
            stands_in: None,
            user_traits: Fields::None,
            group_traits: Fields::None,
        }
    }

    /// The value at a place of the account.
    pub(super) fn look(&self, source: &Source<'a, '_>, path: &str) -> Option<&'a str> {
        let own = self.stands_in.as_ref().filter(|_| self.stands_at(path));
        own.map_or_else(|| source.look(path), |(_, raw)| Some(raw))
    }

    /// Whether the id of the group that the event describes counts as being at this place, which may leave out the name of
    /// the properties.
    pub(super) fn stands_at(&self, place: &str) -> bool {
        let of = |(path, _): &(String, &str)| path == place || path.strip_prefix("properties.") == Some(place);
        self.stands_in.as_ref().is_some_and(of)
    }

    /// A view of a page, whose parts the tool has at these paths; a view without one has the parts that it has.
    pub(super) fn page(source: &Source<'a, '_>, [path, url, title]: [Paths; 3]) -> Call<'a> {
        let name = source.text(title).unwrap_or_default();
        let parts = [("path", path), ("url", url), ("title", title)];
        let added = parts.into_iter().filter_map(|(name, paths)| Some((name, Cow::Borrowed(source.first(paths)?))));
        let mut added: Vec<_> = added.collect();
        if source.first(path).is_none()
            && let Some(path) = source.text(url).and_then(|url| path_of(&url))
        {
            added.push(("path", Cow::Owned(path)));
        }
        Call { added, ..Call::new(EventKind::Page, name) }
    }

    /// A view of a screen, whose name the tool has at these paths.
    pub(super) fn screen(source: &Source<'a, '_>, name: Paths) -> Call<'a> {
        Call::new(EventKind::Screen, source.text(name).unwrap_or_default())
    }
}

/// The path of a URL, as a JSON text.
fn path_of(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    Some(serde_json::Value::from(url.path()).to_string())
}

/// An event of a tool.
pub(super) struct Source<'a, 's> {
    raw: &'a str,
    event: Object<'a>,
    /// The objects of the event that places may leave out, with their names.
    bases: Vec<(&'static str, Object<'a>)>,
    /// The object that contains the event.
    around: Option<&'s Object<'a>>,
    vendor: &'static Vendor,
}

impl<'a, 's> Source<'a, 's> {
    pub(super) fn new(
        vendor: &'static Vendor,
        (raw, event): (&'a str, Object<'a>),
        around: Option<&'s Object<'a>>,
    ) -> Self {
        let base = |name: &&'static str| Some((*name, event.at(name).and_then(Object::read)?));
        let bases = vendor.bases.iter().filter_map(base).collect();
        Source { raw, event, bases, around, vendor }
    }

    /// The value at a path from the top of the event, or of what contains it. `null` is treated as absent.
    pub(super) fn at(&self, path: &str) -> Option<&'a str> {
        let below = |name: &str| path.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
        let own = match self.bases.iter().find_map(|(name, base)| Some((base, below(name)?))) {
            Some((base, rest)) => base.at(rest),
            None => self.event.at(path),
        };
        own.or_else(|| self.around?.at(path))
    }

    /// The value at a place of the configuration: a path that may leave out the name of a base.
    pub(super) fn look(&self, path: &str) -> Option<&'a str> {
        self.at(path).or_else(|| self.bases.iter().find_map(|(_, base)| base.at(path)))
    }

    /// The first value at one of these paths.
    pub(super) fn first(&self, paths: Paths) -> Option<&'a str> {
        paths.iter().find_map(|path| self.at(path))
    }

    /// The first text at one of these paths that is not empty.
    pub(super) fn text(&self, paths: Paths) -> Option<Cow<'a, str>> {
        paths.iter().filter_map(|path| fields::json_text(self.at(path)?)).find(|text| !text.is_empty())
    }

    /// Whether the value at a path is this text.
    pub(super) fn is(&self, path: &str, expected: &str) -> bool {
        self.at(path).and_then(fields::json_text).is_some_and(|text| text == expected)
    }

    /// The first id at one of these paths; empty if there is none. A value that is no id is left out, and counted.
    pub(super) fn id(&self, paths: Paths, loose: &mut Loose) -> Cow<'a, str> {
        for path in paths {
            match self.at(path).map(places::id) {
                Some(Some(id)) if !id.is_empty() => return id,
                Some(None) => loose.left_out = true,
                _ => {}
            }
        }
        Cow::Borrowed("")
    }

    /// All of these objects as one. Of several members with one name the last counts.
    pub(super) fn joined(&self, paths: Paths) -> Fields<'a> {
        let objects: Vec<&'a str> = paths.iter().filter_map(|path| self.at(path)).collect();
        joined(&objects)
    }

    /// The properties of the event, with those that the call adds.
    pub(super) fn properties(&self, call: &Call<'a>, loose: &mut Loose) -> Fields<'a> {
        let own = match self.vendor.properties.map_or(Some(self.raw), |path| self.at(path)) {
            Some(raw) if !raw.starts_with('{') => {
                loose.left_out = true;
                "{}"
            }
            Some(raw) => raw,
            None => "{}",
        };
        if call.added.is_empty() {
            return if has_members(own) { Fields::Json(own) } else { Fields::None };
        }
        let added: Vec<String> = call.added.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        // The tool's own properties come last: of several members with one name the last counts.
        fields_owned(joined(&[&format!("{{{}}}", added.join(",")), own]))
    }

    /// The context of the event, of which only the user agent is kept.
    pub(super) fn context(&self) -> Fields<'a> {
        let agent = self.first(self.vendor.user_agent).filter(|raw| raw.starts_with('"'));
        agent.map_or(Fields::None, |raw| Fields::Owned(format!("{{\"{}\":{raw}}}", fields::USER_AGENT).into()))
    }
}

fn has_members(object: &str) -> bool {
    object.strip_prefix('{').is_some_and(|rest| !rest.trim_ascii_start().starts_with('}'))
}

pub(super) fn joined<'a>(objects: &[&'a str]) -> Fields<'a> {
    let objects: Vec<&'a str> = objects.iter().copied().filter(|raw| has_members(raw)).collect();
    match objects[..] {
        [] => Fields::None,
        [only] => Fields::Json(only),
        _ => {
            let inner = objects.iter().filter_map(|raw| raw.strip_prefix('{')?.strip_suffix('}'));
            Fields::Owned(format!("{{{}}}", inner.collect::<Vec<_>>().join(",")).into())
        }
    }
}

/// The event with the objects that it has as texts, as tables of warehouses do: the objects stand at its end, where they
/// count instead of the texts. None if there are no such texts.
pub(super) fn with_unquoted(vendor: &Vendor, raw: &str) -> Option<String> {
    let event = Object::read(raw)?;
    let unquoted = |name: &&str| {
        let text = fields::json_text(event.get(name).filter(|raw| raw.starts_with('"'))?)?;
        let text = text.trim();
        Object::read(text)?;
        Some(format!(",{name:?}:{text}"))
    };
    let all: String = vendor.quoted.iter().filter_map(unquoted).collect();
    let inner = raw.trim_end().strip_suffix('}').filter(|_| !all.is_empty())?;
    Some(format!("{inner}{all}}}"))
}

/// The event without anything of its record.
pub(in crate::wire) fn owned(event: Event<'_>) -> Event<'static> {
    let Event { message_id, source, kind, name, user, anonymous_id, account, time, received, .. } = &event;
    Event {
        message_id: message_id.to_string().into(),
        source: source.to_string().into(),
        kind: *kind,
        name: name.to_string().into(),
        user: user.to_string().into(),
        anonymous_id: anonymous_id.to_string().into(),
        account: account.to_string().into(),
        time: *time,
        received: *received,
        properties: fields_owned(event.properties),
        traits: fields_owned(event.traits),
        context: fields_owned(event.context),
        provenance: None,
    }
}

fn fields_owned(fields: Fields<'_>) -> Fields<'static> {
    match fields {
        Fields::Json(object) => Fields::Owned(object.into()),
        Fields::Owned(object) => Fields::Owned(object),
        // The events of this module are JSON.
        Fields::None | Fields::Proto { .. } => Fields::None,
    }
}

/// The reason why a record is no event of a tool, with the paths of which it has none.
pub(super) fn no_event(vendor: &str, paths: Paths) -> Malformed {
    Malformed(format!("not an event of {vendor}: it has no {}", paths.join(" or ")))
}

/// Whether an object has a text at a path.
pub(super) fn has_text(object: &Object<'_>, path: &str) -> bool {
    object.at(path).is_some_and(|raw| raw.starts_with('"'))
}

/// Whether an object has a value at one of these paths.
pub(super) fn has_any(object: &Object<'_>, paths: Paths) -> bool {
    paths.iter().any(|path| object.at(path).is_some())
}

/// The value at a path in a value as it is written.
pub(super) fn within<'a>(raw: &'a str, path: &str) -> Option<&'a str> {
    object::within(raw, path)
}
