//! The chapter `ids`: forbidden ids, and folded account ids (semantics A29).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Event, Text};
use crate::wire::{Decoded, Malformed};

/// Values that producers write instead of an unknown id, in lower case.
const FORBIDDEN: [&str; 13] = [
    "undefined",
    "null",
    "none",
    "nan",
    "nil",
    "[object object]",
    "(null)",
    "0",
    "-1",
    "anonymous",
    "guest",
    "unknown",
    "test",
];

/// Forbidden ids, and whether case and space of account ids matter. They cannot change in a log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Values that producers write instead of an unknown id. An event of such an account is malformed; such a user,
    /// anonymous or message id is treated as absent. They are compared without regard to case and to space before and
    /// after. An empty id is always forbidden.
    forbidden: Vec<String>,
    /// Account ids that differ only by case, or by space before and after, are the same account. `send` and `replay`
    /// write account ids trimmed and in lower case; an event of the log whose account id has another form is malformed.
    fold: bool,
}

impl Default for Written {
    fn default() -> Written {
        Written { forbidden: FORBIDDEN.map(str::to_owned).to_vec(), fold: false }
    }
}

/// Forbidden ids, and whether case and space of account ids matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// In folded form, in order, without the empty one.
    forbidden: Vec<Box<str>>,
    /// By byte: whether forbidden ids begin with it, and whether they end with it.
    ends: Ends,
    /// A bit for each length that a forbidden id has; the highest one for all lengths from 63 on.
    lengths: u64,
    /// Whether account ids are the same without regard to case and space.
    pub fold: bool,
}

/// Which bytes forbidden ids begin and end with: bits by byte.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ends([u8; 256]);

impl Ends {
    const BEGINS: u8 = 1;
    const ENDS: u8 = 2;
    /// It is no visible ASCII character: there may be space to leave out, or a letter that another one is in lower case.
    const OTHER: u8 = 4;

    fn of(forbidden: &[Box<str>]) -> Ends {
        let mut ends = Ends([0; 256]);
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_graphic()) {
            ends.0[usize::from(byte)] = Self::OTHER;
        }
        let both_cases = |byte: u8| [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
        for id in forbidden {
            let (first, last) = (id.bytes().next(), id.bytes().last());
            let mut add = |byte: u8, bit| ends.0[usize::from(byte)] |= bit;
            first.into_iter().flat_map(both_cases).for_each(|byte| add(byte, Self::BEGINS));
            last.into_iter().flat_map(both_cases).for_each(|byte| add(byte, Self::ENDS));
        }
        ends
    }
}

/// An id in the form in which ids are compared: without space before and after, in lower case. Characters are taken one
/// by one, so that the form of a form is itself.
pub fn folded(id: &str) -> Cow<'_, str> {
    let trimmed = id.trim();
    let is_lower = |c: char| c.is_ascii() && !c.is_ascii_uppercase() || c.to_lowercase().eq([c]);
    if trimmed.chars().all(is_lower) {
        return Cow::Borrowed(trimmed);
    }
    Cow::Owned(trimmed.chars().flat_map(char::to_lowercase).collect())
}

fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

impl Ids {
    pub(super) fn compile(written: &Written) -> Ids {
        let mut forbidden: Vec<Box<str>> = written.forbidden.iter().map(|id| folded(id).into()).collect();
        forbidden.retain(|id| !id.is_empty());
        forbidden.sort_unstable();
        forbidden.dedup();
        let lengths = forbidden.iter().fold(0, |lengths, id| lengths | length_bit(id.len()));
        let ends = Ends::of(&forbidden);
        Ids { forbidden, ends, lengths, fold: written.fold }
    }

    /// A fingerprint of the chapter, the same on every machine.
    pub fn fingerprint(&self) -> u32 {
        let text = format!("{}\n{}", self.fold, self.forbidden.join("\n"));
        xxh3_64(text.as_bytes()) as u32
    }

    /// Whether the id is forbidden.
    #[inline]
    pub fn forbids(&self, id: &Text<'_>) -> bool {
        let [first, .., last] = id.as_bytes() else { return self.lists(id) };
        let (first, last) = (self.ends.0[usize::from(*first)], self.ends.0[usize::from(*last)]);
        // Most ids begin, or end, as no forbidden one does, or have another length.
        let may_be = first & Ends::BEGINS != 0 && last & Ends::ENDS != 0 && self.lengths & length_bit(id.len()) != 0;
        (may_be || (first | last) & Ends::OTHER != 0) && self.lists(id)
    }

    #[inline(never)]
    fn lists(&self, id: &str) -> bool {
        let id = id.trim();
        if id.is_ascii() {
            let is_as_long = self.lengths & length_bit(id.len()) != 0;
            return id.is_empty() || is_as_long && self.forbidden.iter().any(|it| it.eq_ignore_ascii_case(id));
        }
        self.forbidden.iter().any(|it| it.chars().eq(id.chars().flat_map(char::to_lowercase)))
    }

    /// Whether a product event has a user, anonymous or message id that is forbidden.
    ///
    /// # Errors
    /// The account id is forbidden, or is not in folded form although `fold` is set: the event is malformed.
    #[inline]
    pub fn screen(&self, event: &Event<'_>) -> Result<bool, String> {
        if event.kind.is_control() {
            return Ok(false);
        }
        if self.forbids(&event.account) {
            return Err(format!("account id {:?} is listed in `ids.forbidden` of the rules", event.account));
        }
        if self.fold && !matches!(folded(&event.account), Cow::Borrowed(id) if id.len() == event.account.len()) {
            return Err(format!(
                "account id {:?} is not trimmed and in lower case, which `ids.fold` of the rules requires",
                event.account
            ));
        }
        let is_none = |id: &Text<'_>| !id.is_empty() && self.forbids(id);
        Ok(is_none(&event.user) || is_none(&event.anonymous_id) || is_none(&event.message_id))
    }

    /// An event without the forbidden ids of its user, device and message.
    #[cold]
    pub fn without_forbidden<'a>(&self, event: &Event<'a>) -> Event<'a> {
        let mut event = event.clone();
        for id in [&mut event.user, &mut event.anonymous_id, &mut event.message_id] {
            if self.forbids(id) {
                *id = Text::default();
            }
        }
        event
    }

    /// Prepares an event for a log: folds its account id if `fold` is set, and removes forbidden ids.
    pub fn key(&self, decoded: &mut Decoded<'_>) {
        let Ok(event) = &mut decoded.event else { return };
        if self.fold {
            let folded = folded(&event.account).into_owned();
            if event.account != folded {
                (event.account, decoded.is_changed) = (folded.into(), true);
            }
        }
        match self.screen(event) {
            Ok(false) => {}
            Ok(true) => (*event, decoded.loose.forbidden) = (self.without_forbidden(event), true),
            Err(what) => (decoded.event, decoded.loose.forbidden) = (Err(Malformed(what)), true),
        }
        decoded.is_screened = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventTime;
    use crate::wire::{Format, decode};

    fn ids(forbidden: Option<&[&str]>, fold: bool) -> Ids {
        let forbidden = forbidden.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
        Ids::compile(&Written { forbidden: forbidden.unwrap_or(Written::default().forbidden), fold })
    }

    #[test]
    fn ids_that_are_none_are_known_in_any_case_and_with_space_around() {
        let ids = ids(None, false);
        for id in [
            "",
            " ",
            "undefined",
            "NULL",
            "None",
            "NaN",
            "nil",
            "[object Object]",
            "(null)",
            "0",
            "-1",
            "Guest",
            "anonymous",
            "UNKNOWN",
            "test",
            "\tTest\n",
            "\u{a0}null\u{2003}",
            "un\u{212a}nown",
        ] {
            assert!(ids.forbids(&id.into()), "{id:?}");
        }
        for id in ["1", "00", "tester", "null-1", "u0", "[object]", "тест", "undefined undefined", "-"] {
            assert!(!ids.forbids(&id.into()), "{id:?}");
        }
        let own = self::ids(Some(&[" Démo "]), false);
        assert!(["DÉMO", "  "].into_iter().all(|id| own.forbids(&id.into())));
        assert!(!["null", "demo"].into_iter().any(|id| own.forbids(&id.into())));
    }

    #[test]
    fn the_folded_form_of_a_folded_form_is_itself() {
        for id in ["Northwind ", "northwind", "İSTANBUL", "ΑΣ ΣΑΣ", "ẞtraße", "\u{3000}Ａ\u{feff}"] {
            assert_eq!(folded(&folded(id)), folded(id), "{id:?}");
        }
        assert_eq!((folded(" NorthWind\t"), folded("İ")), ("northwind".into(), "i\u{307}".into()));
    }

    #[test]
    fn an_event_is_keyed_by_what_is_left_of_its_ids() {
        let read = |ids: &Ids, account: &str, user: &str| {
            let line = format!(
                r#"{{"type":"track","event":"x","userId":"{user}","anonymousId":"null","messageId":"0",
                "context":{{"groupId":"{account}"}},"timestamp":0}}"#
            );
            let mut decoded = decode(Format::Json, line.as_bytes()).next().unwrap();
            ids.key(&mut decoded);
            let event = decoded.event.map(|event| {
                assert_eq!((&*event.anonymous_id, &*event.message_id), ("", ""));
                (event.account.to_string(), event.user.to_string())
            });
            (event.map_err(|wrong| wrong.0), decoded.loose.forbidden, decoded.is_changed)
        };
        let (plain, folding) = (ids(None, false), ids(None, true));
        let good =
            |account: &str, user: &str, is_changed| (Ok((account.to_owned(), user.to_owned())), true, is_changed);
        assert_eq!(read(&plain, "Northwind ", "Ann"), good("Northwind ", "Ann", false));
        assert_eq!(read(&folding, "Northwind ", "Ann"), good("northwind", "Ann", true));
        assert_eq!(read(&plain, "acme", " Undefined"), good("acme", "", false));
        let (none, is_counted, _) = read(&folding, " NULL ", "ann");
        assert!(none.unwrap_err().contains("ids.forbidden") && is_counted);
        // The log is read as it is.
        let log = r#"{"type":"group","groupId":"Acme","timestamp":0}"#;
        let decoded = decode(Format::Json, log.as_bytes()).next().unwrap();
        let event = decoded.event.unwrap();
        assert!(!plain.screen(&event).unwrap());
        assert!(folding.screen(&event).unwrap_err().contains("ids.fold"));
        assert!(!folding.screen(&Decoded::tick(EventTime(0)).event.unwrap()).unwrap());
    }
}
