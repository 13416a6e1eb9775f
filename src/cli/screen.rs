//! Output that several commands share: progress bars, counts of outcomes, handoffs on one line, and the error for
//! invalid arguments.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::{Handoff, Level, Outcome, Tally};

pub(super) use crate::text::{count, is_unsafe, json_text, minute, plain, plain_lines};

/// Invalid arguments that are found after parsing. The process ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUse(pub(super) String);

/// A progress bar over `total` bytes or events, or a counter if the total is unknown. It is hidden unless standard
/// error is a terminal.
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

/// The counts of outcomes: `applied` first, then the others that are not 0.
pub(super) fn outcomes(tally: &Tally) -> String {
    let words = Outcome::ALL.into_iter().filter(|outcome| *outcome == Outcome::Applied || tally.of(*outcome) > 0);
    words.map(|outcome| format!("{} {}", count(tally.of(outcome)), outcome.word())).collect::<Vec<_>>().join(" · ")
}

/// The counts of handoffs by level.
pub(super) fn levels(handoffs: &[u64; 3]) -> String {
    Level::ALL
        .into_iter()
        .zip(handoffs)
        .map(|(level, number)| format!("{} {}", count(*number), level.word()))
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The escape sequence of a level's colour.
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
