//! Where the account and the user of an event are: ordered lists of places, of a format or of the configuration.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::decoded::Malformed;
use super::fields;
use super::format::ID_MAX;
use super::object;
use crate::model::free_mail::is_free_mail;

/// The words of the place that is no path.
const EMAIL_DOMAIN: &str = "email domain";

/// A place of an id in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// A path, as in `context.groupId`: from the top of the event, otherwise within its properties.
    Path(Cow<'static, str>),
    /// The host of the user's e-mail address, unless it is one of free mail.
    EmailDomain,
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Place, String> {
        let path = text.trim();
        if path == EMAIL_DOMAIN {
            return Ok(Place::EmailDomain);
        }
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(format!("expected a path such as context.groupId, or `{EMAIL_DOMAIN}`, found {text:?}"));
        }
        Ok(Place::Path(Cow::Owned(path.to_owned())))
    }
}

impl From<Place> for String {
    fn from(place: Place) -> String {
        place.words().to_owned()
    }
}

impl Place {
    /// As it is written in the configuration.
    fn words(&self) -> &str {
        match self {
            Place::Path(path) => path,
            Place::EmailDomain => EMAIL_DOMAIN,
        }
    }
}

/// Where the account and the user of an event are, the first place that has an id counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// The places of the account.
    account: Cow<'static, [Place]>,
    /// The places of the user, if they are not those of the format.
    user: Option<Vec<Place>>,
    /// Whether the first place of the account is where a JSON log has it: this is asked for every event.
    begins_as_the_log: bool,
    /// The numbers of the places where a call of Segment's spec has its account: in the context, and of a group call at
    /// the top.
    pub(super) of_calls: [u8; 2],
}

/// An account that was found, and the path at which it was; no path if it was found by an e-mail address.
pub(super) struct Found<'a, 'p> {
    pub(super) id: Cow<'a, str>,
    pub(super) path: Option<&'p str>,
    /// The number of the place.
    pub(super) at: u8,
}

/// The places of a log in JSON.
static OF_THE_LOG: [Place; 1] = [Place::Path(Cow::Borrowed("context.groupId"))];

impl Places {
    /// Those of a log in JSON, which has the account where Upswell writes it.
    pub(super) const LOG: Places =
        Places { account: Cow::Borrowed(&OF_THE_LOG), user: None, begins_as_the_log: true, of_calls: [1, 0] };

    /// These places; none of the account are the usual ones.
    pub(super) fn new(account: &[Place], user: &[Place], usual: &[&'static str]) -> Places {
        let account: Vec<Place> = match account {
            [] => usual.iter().map(|path| Place::Path(Cow::Borrowed(path))).collect(),
            own => own.to_vec(),
        };
        let number = |path: &str| account.iter().position(|place| place.words() == path).map_or(0, number);
        Places {
            begins_as_the_log: account.first() == OF_THE_LOG.first(),
            of_calls: [number("context.groupId"), number("groupId")],
            account: Cow::Owned(account),
            user: (!user.is_empty()).then(|| user.to_vec()),
        }
    }

    /// Whether the account of a call of Segment's spec is first looked for where the spec has it.
    pub(super) fn begin_as_the_log(&self) -> bool {
        self.begins_as_the_log
    }

    /// The places of the account as they are written in the configuration, in their order.
    pub(super) fn of_account(&self) -> impl Iterator<Item = &str> {
        self.account.iter().map(Place::words)
    }

    /// Whether the user is where the format has it.
    pub(super) fn have_usual_user(&self) -> bool {
        self.user.is_none()
    }

    /// The account of an event: the id at the first place that has one. `look` gives the value at a path, and `emails` are
    /// the paths at which the user's e-mail address may be.
    ///
    /// # Errors
    /// What the first place with a value has is not an id; or no place has a value.
    pub(super) fn account<'a, 'p>(
        &'p self,
        look: &dyn Fn(&str) -> Option<&'a str>,
        emails: &[&str],
    ) -> Result<Found<'a, 'p>, Malformed> {
        let mut free = None;
        for (index, place) in self.account.iter().enumerate() {
            let at = number(index);
            match place {
                Place::Path(path) => {
                    if let Some(id) = look(path).map(|raw| one_id(raw, path)).transpose()?.flatten() {
                        return Ok(Found { id, path: Some(path), at });
                    }
                }
                Place::EmailDomain => match emails.iter().find_map(|path| host(look(path)?)) {
                    Some(host) if is_free_mail(&host) => free = Some(host),
                    Some(host) => return Ok(Found { id: host.into(), path: None, at }),
                    None => {}
                },
            }
        }
        let tried: Vec<&str> = self.of_account().collect();
        let free = free.map(|host| format!(" ({host} is a host of free mail)")).unwrap_or_default();
        Err(Malformed(format!("no account: it was looked for in {}{free}", tried.join(", "))))
    }

    /// The user of an event by the places of the configuration; none if no place has an id.
    pub(super) fn user<'a>(&self, look: &dyn Fn(&str) -> Option<&'a str>) -> Option<Cow<'a, str>> {
        let paths = self.user.iter().flatten().map(Place::words);
        paths.filter_map(look).find_map(id).filter(|id| !id.is_empty())
    }
}

/// The number of a place, from 1; 0 of one that is too far behind.
fn number(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(0)
}

/// An id: a text, or an integer as it is written (semantics A29). A text with half a surrogate pair is not an id,
/// because two such texts could become one.
pub(super) fn id(raw: &str) -> Option<Cow<'_, str>> {
    let id = if fields::is_whole(raw) { Some(Cow::Borrowed(raw)) } else { fields::json_text_exact(raw) };
    id.filter(|id| id.len() <= ID_MAX)
}

/// The id of an account, which may be the only item of a list; none if it is an empty text or list.
///
/// # Errors
/// The value is of another type, or has several ids.
pub(super) fn one_id<'a>(raw: &'a str, place: &str) -> Result<Option<Cow<'a, str>>, Malformed> {
    let items = object::list(raw).unwrap_or_else(|| vec![raw]);
    let mut ids = items.iter().filter(|raw| !matches!(**raw, "null" | "\"\""));
    match (ids.next(), ids.count()) {
        (None, _) => Ok(None),
        (Some(raw), 0) => id(raw).map(Some).ok_or_else(|| not_an_id(raw, place)),
        (Some(_), more) => Err(Malformed(format!("{place} has {} ids: expected the one of the account", more + 1))),
    }
}

/// The reason why the value at a place is not the account.
pub(super) fn not_an_id(raw: &str, place: &str) -> Malformed {
    Malformed(format!("{place} is not an id: expected a text of at most {ID_MAX} bytes or an integer: {raw:.40}"))
}

/// The host of an e-mail address, in lower case; none if the value is no address.
fn host(raw: &str) -> Option<String> {
    let text = fields::json_text_exact(raw)?;
    let (user, host) = text.trim().rsplit_once('@')?;
    let is_host = |host: &str| {
        host.len() <= 253
            && host.contains('.')
            && host.split('.').all(|label| !label.is_empty())
            && host.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.')
    };
    (!user.is_empty() && is_host(host)).then(|| host.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::object::Object;

    fn account(places: &[&str], event: &str) -> Result<String, String> {
        let places: Vec<Place> = places.iter().map(|text| Place::try_from((*text).to_owned()).unwrap()).collect();
        let places = Places::new(&places, &[], &["usual"]);
        let object = Object::read(event).unwrap();
        let found = places.account(&|path| object.at(path), &["email", "traits.email"]);
        found.map(|found| found.id.into_owned()).map_err(|malformed| malformed.0)
    }

    #[test]
    fn the_first_place_with_an_id_is_the_account() {
        for (places, event, expected) in [
            (&["a", "b.c"][..], r#"{"a":"x","b":{"c":"y"}}"#, "x"),
            (&["a", "b.c"], r#"{"a":null,"b":{"c":"y"}}"#, "y"),
            (&["a", "b.c"], r#"{"a":"","b":{"c":7}}"#, "7"),
            (&["a", "b.c"], r#"{"a":[],"b":{"c":["y"]}}"#, "y"),
            (&["a"], r#"{"a":["",null,"x"]}"#, "x"),
            (&["a", "email domain"], r#"{"email":"Ann@Acme.Example"}"#, "acme.example"),
            (&["email domain", "a"], r#"{"email":"ann@gmail.com","a":"x"}"#, "x"),
            (&["email domain"], r#"{"email":"no address","traits":{"email":"ann@b.example"}}"#, "b.example"),
            (&[], r#"{"usual":"x"}"#, "x"),
        ] {
            assert_eq!(account(places, event).as_deref(), Ok(expected), "{places:?} {event}");
        }
    }

    #[test]
    fn what_no_place_gives_has_a_reason_that_lists_the_places() {
        for (places, event, expected) in [
            (&["a", "b.c"][..], r#"{"b":{}}"#, "no account: it was looked for in a, b.c"),
            (&[], "{}", "no account: it was looked for in usual"),
            (
                &["a", "email domain"],
                r#"{"email":"ann@gmail.com"}"#,
                "no account: it was looked for in a, email domain (gmail.com is a host of free mail)",
            ),
            (&["a"], r#"{"a":["x","y"]}"#, "a has 2 ids: expected the one of the account"),
            (
                &["a", "b"],
                r#"{"a":{"id":1},"b":"x"}"#,
                r#"a is not an id: expected a text of at most 1024 bytes or an integer: {"id":1}"#,
            ),
        ] {
            assert_eq!(account(places, event).unwrap_err(), expected, "{places:?} {event}");
        }
        for text in ["", " ", "a..b", ".a"] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
