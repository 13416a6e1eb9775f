//! Limits the size of published messages, whatever the log contains (semantics F22): ids are whole, every other text is
//! cut, lists have a maximum length and count the items that they leave out, and a message that is still too large
//! leaves out more items.

use serde::Serialize;

use super::format::{Format, ID_MAX, Kind, json};

/// The largest published message in bytes, in either format. A dead letter, which contains a record, may be larger.
pub const MESSAGE_MAX: usize = 256 * 1_024;
/// How many bytes of a record a dead letter contains.
pub const PAYLOAD_MAX: usize = 900 * 1_024;
/// The length in bytes at which a text that is not an id is cut.
const TEXT_MAX: usize = 256;
/// The same for the text of a template. The values that fill the template are cut as other texts, its own words are
/// not.
const TALK_MAX: usize = 4_096;
/// Items of a list of ids, of evidence, of features that signals keep, and of meters.
pub const LIST_MAX: usize = 100;
/// How many bytes of JSON the headers in a dead letter take at most.
pub(super) const HEADERS_MAX: usize = 6 * 1_024;
/// Bytes of a record besides its value: the key, which is at most that of a user's profile, the headers, and what
/// frames them; of a dead letter also its other fields.
const BESIDE_MAX: usize = 16 * 1_024;

/// The largest record of this kind that can be published, in bytes: key, headers and value.
pub const fn record_max(kind: Kind, format: Format) -> usize {
    match (kind, format) {
        (Kind::DeadLetter, Format::Protobuf) => PAYLOAD_MAX + BESIDE_MAX,
        // In base64.
        (Kind::DeadLetter, Format::Json) => PAYLOAD_MAX.div_ceil(3) * 4 + BESIDE_MAX,
        _ => MESSAGE_MAX + BESIDE_MAX,
    }
}

/// The key of a dead letter: that of its record, as far as it is not longer than an id.
pub fn dead_letter_key(key: &[u8]) -> &[u8] {
    &key[..key.len().min(ID_MAX)]
}

/// The first 256 bytes of a text, with an ellipsis if more follow.
pub fn short(text: &str) -> String {
    cut(text, TEXT_MAX)
}

/// The text of a template, cut at its own limit.
pub(super) fn talk(text: &str) -> String {
    cut(text, TALK_MAX)
}

/// An id, which is not cut: ids of the log have at most 1,024 bytes, and names of files no limit.
pub(super) fn id(text: &str) -> String {
    cut(text, ID_MAX)
}

fn cut(text: &str, max: usize) -> String {
    if text.len() <= max { text.to_owned() } else { format!("{}…", &text[..text.floor_char_boundary(max)]) }
}

/// A list of a message that may leave out items.
pub(super) struct List<M> {
    pub(super) len: fn(&M) -> usize,
    /// Leaves out this number of items, and counts them.
    pub(super) leave_out: fn(&mut M, usize),
}

/// The message, without as many items of its lists, in this order, as are needed to make it small enough.
pub(super) fn fit<M: prost::Message + Serialize + Clone>(mut message: M, lists: &[List<M>]) -> M {
    for List { len, leave_out } in lists {
        let beyond = len(&message).saturating_sub(LIST_MAX);
        if beyond > 0 {
            leave_out(&mut message, beyond);
        }
    }
    for List { len, leave_out } in lists {
        if fits(&message) {
            break;
        }
        let shorter = |by: usize| {
            let mut shorter = message.clone();
            leave_out(&mut shorter, by);
            shorter
        };
        let all = len(&message);
        let (mut too_few, mut enough) = (0, all);
        while enough - too_few > 1 {
            let by = too_few + (enough - too_few) / 2;
            if fits(&shorter(by)) { enough = by } else { too_few = by }
        }
        message = shorter(enough);
    }
    debug_assert!(fits(&message), "a message without its lists is small");
    message
}

fn fits(message: &(impl prost::Message + Serialize)) -> bool {
    /// No field takes so many times more bytes in JSON: a byte of text takes at most six, and a name and a word for a
    /// field of two bytes at most 45.
    const GROWTH_MAX: usize = 24;
    let bytes = message.encoded_len();
    bytes <= MESSAGE_MAX / GROWTH_MAX || (bytes <= MESSAGE_MAX && json(message).len() <= MESSAGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character() {
        let whole = "x".repeat(TEXT_MAX);
        assert_eq!(short(&whole), whole);
        assert_eq!(short(&(whole.clone() + "y")), whole.clone() + "…");
        // The character that the bound divides goes as a whole.
        let wide = "x".repeat(TEXT_MAX - 1) + "üü";
        assert_eq!(short(&wide), "x".repeat(TEXT_MAX - 1) + "…");
        assert_eq!(dead_letter_key(&[7; 5_000]), [7; ID_MAX]);
        assert_eq!(dead_letter_key(b"acme"), b"acme");
    }
}
