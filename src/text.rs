//! Text for output: numbers, times, names that were probably meant, and text from outside without control characters.

use indicatif::HumanCount;

use crate::model::{self, Calendar, EventTime};

/// A number with separators of thousands.
pub fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// An instant to the minute, in UTC.
pub fn minute(time: EventTime) -> String {
    let clock = time.0.rem_euclid(model::DAY_MS) / model::MINUTE_MS;
    format!("{} {:02}:{:02}", Calendar::UTC.day(time), clock / 60, clock % 60)
}

/// A length of time, in the largest unit that fits; up to two days in hours.
pub fn duration(ms: i64) -> String {
    use model::{DAY_MS, HOUR_MS, MINUTE_MS};
    let units = [(DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute"), (1_000, "second"), (1, "millisecond")];
    let fits = |unit: &&(i64, &str)| ms % unit.0 == 0 && (ms > 2 * unit.0 || unit.0 < DAY_MS);
    let (unit, name) = units.iter().find(fits).copied().unwrap_or((1, "millisecond"));
    let number = ms / unit;
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

/// The most similar of `names`, as the end of a message; empty if none is similar.
pub fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let near = names.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, known)) if likeness > 0.75 => format!(": did you mean `{known}`?"),
        _ => String::new(),
    }
}

/// An error about a name that is not allowed.
pub fn unknown(what: &str, name: &str, allowed: &[&str]) -> String {
    let expected = match allowed {
        [one] => format!("`{one}`"),
        several => format!("one of {}", several.join(", ")),
    };
    match suggestion(name, allowed.iter().copied()) {
        none if none.is_empty() => format!("unknown {what} `{name}`: expected {expected}"),
        near => format!("unknown {what} `{name}`{near} Expected {expected}"),
    }
}

/// Whether a character can change how a terminal shows the others: control characters, and those that turn the
/// direction of writing.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text from outside made safe for a terminal: on one line, with U+FFFD for control characters.
pub fn plain(text: &str) -> String {
    text.replace(is_unsafe, "\u{fffd}")
}

/// Several lines from outside, each made safe for a terminal.
pub fn plain_lines(text: &str) -> String {
    text.replace(|c| c != '\n' && is_unsafe(c), "\u{fffd}")
}

/// JSON made safe for a terminal: control characters are escaped, which does not change the JSON. Line breaks stay,
/// because in JSON they occur only between values.
pub fn json_text(json: &str) -> std::borrow::Cow<'_, str> {
    let is_unsafe = |c| c != '\n' && is_unsafe(c);
    if !json.contains(is_unsafe) {
        return json.into();
    }
    json.chars()
        .fold(String::with_capacity(json.len() + 16), |mut line, c| {
            match c {
                c if is_unsafe(c) => line.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => line.push(c),
            }
            line
        })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused_with_a_suggestion_if_one_is_near() {
        let allowed = ["group", "brokers"];
        let near = "unknown key `brokrs`: did you mean `brokers`? Expected one of group, brokers";
        assert_eq!(unknown("key", "brokrs", &allowed), near);
        assert_eq!(unknown("key", "x", &allowed), "unknown key `x`: expected one of group, brokers");
        assert_eq!(unknown("value", "x", &["sum"]), "unknown value `x`: expected `sum`");
    }

    #[test]
    fn nothing_from_outside_reaches_a_terminal_raw() {
        let strange = "a\nb\u{1b}[31mred\u{7}\u{9b}2J\u{202e}fdp\u{200b}\u{feff}\u{2028}é😀";
        assert_eq!(plain(strange), "a\u{fffd}b\u{fffd}[31mred\u{fffd}\u{fffd}2J\u{fffd}fdp\u{fffd}\u{fffd}\u{fffd}é😀");
        assert_eq!(plain_lines("a\n\u{1b}[0m\r"), "a\n\u{fffd}[0m\u{fffd}");
        let json = serde_json::to_string(&strange).expect("a text");
        let shown = json_text(&json);
        assert!(!shown.contains(is_unsafe) && shown.contains("\\u202e"), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON that says the same"), strange);
        assert_eq!(json_text("{\n\"a\":1}"), "{\n\"a\":1}");
    }
}
