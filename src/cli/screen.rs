//! What several commands show: progress, numbers, handoffs as people read them.

use std::io::IsTerminal;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::model::{Calendar, EventTime, Handoff, Level, Outcome, Tally};

/// A bar over `total` bytes or events, or a count if that is unknown; only on a terminal.
pub(super) fn progress(total: Option<u64>, unit: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (done, all, speed) = match unit {
        "bytes" => ("{binary_bytes}", "{binary_total_bytes}", "{binary_bytes_per_sec}"),
        _ => ("{human_pos}", "{human_len}", "{per_sec}"),
    };
    let unit = if unit == "bytes" { "" } else { unit };
    let template = match total {
        Some(_) => {
            format!("{{elapsed_precise}} {{wide_bar:.cyan/dim}} {done} of {all} {unit} · {speed} · {{eta}} left")
        }
        None => format!("{{elapsed_precise}} {{spinner}} {done} {unit} · {speed}"),
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.with_style(style.progress_chars("━╸ "))
}

/// A number with its thousands set apart.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// An instant as people write it, to the minute, in UTC.
pub(super) fn minute(time: EventTime) -> String {
    let clock = time.0.rem_euclid(crate::model::DAY_MS) / crate::model::MINUTE_MS;
    format!("{} {:02}:{:02}", Calendar::UTC.day(time), clock / 60, clock % 60)
}

/// The outcomes of events, the applied ones first and the others where there are any.
pub(super) fn outcomes(tally: &Tally) -> String {
    let words = Outcome::ALL.into_iter().filter(|outcome| *outcome == Outcome::Applied || tally.of(*outcome) > 0);
    words.map(|outcome| format!("{} {}", count(tally.of(outcome)), outcome.word())).collect::<Vec<_>>().join(" · ")
}

/// Whether a character can change how a terminal shows the others: control characters, and those that turn the
/// direction of writing.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text from outside as it may reach a terminal: on one line, with U+FFFD for what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.replace(is_unsafe, "\u{fffd}")
}

/// Several lines from outside, each as it may reach a terminal.
pub(super) fn plain_lines(text: &str) -> String {
    text.replace(|c| c != '\n' && is_unsafe(c), "\u{fffd}")
}

/// JSON as it may reach a terminal: what a terminal would obey is escaped, and the JSON says the same. Line breaks stay:
/// in JSON they stand between values only.
pub(super) fn json_text(json: &str) -> std::borrow::Cow<'_, str> {
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

/// Handoffs by level.
pub(super) fn levels(handoffs: &[u64; 3]) -> String {
    Level::ALL
        .into_iter()
        .zip(handoffs)
        .map(|(level, number)| format!("{} {}", count(*number), level.word()))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The escape sequence that begins a level's colour on a terminal.
pub(super) fn level_colour(level: Level) -> &'static str {
    match level {
        Level::High => "\x1b[1;31m",
        Level::Medium => "\x1b[1;33m",
        Level::Low => "\x1b[1;36m",
    }
}

/// A handoff on one line, in colour on a terminal.
pub(super) fn handoff(handoff: &Handoff, colour: bool) -> String {
    let (on, dim, off) = if colour { (level_colour(handoff.level), "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let due = handoff.due.map_or("nurture".into(), |due| format!("due {}", minute(due)));
    format!(
        "{dim}{}{off}  {on}{:<6}{off}  {:<24}  {:<18}  {} {dim}({due}){off}",
        minute(handoff.at),
        handoff.level.word().to_uppercase(),
        plain(&handoff.account),
        plain(&handoff.trigger),
        plain(&handoff.why),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

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
