//! Counts events of files that cannot be read, are read only in part, or are not in time order, and writes messages
//! about them.

use anyhow::{Result, bail};

use super::files::{At, Place};
use super::forms::{self, Form};
use crate::model::EventTime;
use crate::text;
use crate::wire::Decoded;

/// How many events that cannot be read are reported one by one.
const UNREADABLE_SHOWN: usize = 3;
/// How many events that cannot be read are compared with the formats of other tools.
const FORMS_LOOKED_AT: u64 = 1_000;

/// Whether the events of files are in time order.
#[derive(Debug, Default)]
struct Order {
    newest: Option<EventTime>,
    /// The file and the line or record of the newest event.
    file: String,
    at: Option<At>,
    /// Events that are older than the newest before them by more than the allowed lateness.
    behind: u64,
    /// The event that is newer than the first of them, in words.
    mover: Option<String>,
}

impl Order {
    fn look(&mut self, decoded: &Decoded<'_>, place: Place<'_>, lateness_ms: i64) {
        let Ok(event) = &decoded.event else { return };
        match self.newest {
            Some(newest) if event.time.plus(lateness_ms) < newest => {
                self.behind += 1;
                let at = self.at.as_ref();
                self.mover.get_or_insert_with(|| {
                    let at = at.map(|at| at.in_file(&self.file).to_string()).unwrap_or_default();
                    text::plain(&format!("{at} moved time forward to {}", text::minute(newest)))
                });
            }
            Some(newest) if event.time <= newest => {}
            _ => {
                self.newest = Some(event.time);
                self.at = Some(place.at());
                if self.file != place.file {
                    self.file = place.file.to_owned();
                }
            }
        }
    }
}

/// Counts of events and of faults in them, with the first faults in words.
#[derive(Debug, Default)]
pub struct Readable {
    /// Number of events so far.
    pub events: u64,
    /// Number of events that cannot be read.
    pub malformed: u64,
    /// Events with a time that has no zone.
    zoneless: u64,
    /// Events with a field of an unexpected type, which is treated as absent.
    left_out: u64,
    /// Events whose account id the rules forbid, or which is not in folded form.
    forbidden_accounts: u64,
    /// Events with another id that the rules forbid.
    forbidden: u64,
    /// The first events that cannot be read: where they are, and what is wrong.
    first: Vec<String>,
    /// How many of the compared events are in the format of another tool, and the first of them: its file and its form.
    foreign: u64,
    form: Option<(String, Form)>,
    /// How far events may lag behind the newest one, in milliseconds.
    lateness_ms: i64,
    order: Order,
}

impl Readable {
    /// Without events yet. Events may lag behind the newest one by `lateness_ms` milliseconds.
    pub fn new(lateness_ms: i64) -> Readable {
        Readable { lateness_ms, ..Readable::default() }
    }

    /// Counts an event. The first events that cannot be read are kept for messages.
    pub fn count(&mut self, decoded: &Decoded<'_>, place: Place<'_>) {
        self.events += 1;
        self.order.look(decoded, place, self.lateness_ms);
        self.zoneless += u64::from(decoded.loose.zoneless);
        self.left_out += u64::from(decoded.loose.left_out);
        match decoded.event {
            Ok(_) => self.forbidden += u64::from(decoded.loose.forbidden),
            Err(_) => self.forbidden_accounts += u64::from(decoded.loose.forbidden),
        }
        let Err(malformed) = &decoded.event else { return };
        self.malformed += 1;
        if self.first.len() < UNREADABLE_SHOWN {
            self.first.push(text::plain(&format!("{place}: {malformed}")));
        }
        if self.malformed <= FORMS_LOOKED_AT
            && place.format.is_text()
            && let Some(form) = forms::of_event(decoded.raw, place.format)
        {
            self.foreign += 1;
            self.form.get_or_insert_with(|| (place.file.to_owned(), form));
        }
    }

    /// The first events that cannot be read, a line each, and how many more there are.
    pub fn unreadable(&self) -> Vec<String> {
        let mut lines = self.first.clone();
        let more = self.malformed - lines.len() as u64;
        lines.extend((more > 0).then(|| format!("and {} more", text::count(more))));
        lines
    }

    /// Faults of events that are used nevertheless, a line each.
    pub fn loose(&self) -> Vec<String> {
        let line = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", text::count(count)));
        let zoneless = line(self.zoneless, "events have a time without a zone: it is taken as UTC");
        let left_out = line(self.left_out, "events have a field of an unexpected type: it is treated as absent");
        let accounts = line(
            self.forbidden_accounts,
            "events have an account id that `ids` of the rules does not allow: they cannot be read",
        );
        let others = line(
            self.forbidden,
            "events have a user, anonymous or message id that ids.forbidden of the rules lists: it is treated as absent",
        );
        [zoneless, left_out, accounts, others].into_iter().flatten().collect()
    }

    /// If the input is not in time order: a message about it, with the number of events that came too late if that is
    /// known, and what to do.
    pub fn disorder(&self, too_late: Option<u64>) -> Vec<String> {
        let Some(mover) = &self.order.mover else { return Vec::new() };
        let late = too_late.map(|late| format!(", and {} came too late to count", text::count(late)));
        vec![
            format!(
                "the input is not in time order: {} events are older than the newest before them by more than the \
                 allowed lateness{}",
                text::count(self.order.behind),
                late.unwrap_or_default()
            ),
            format!("{mover}: sort the input by time, correct that event, or limit jumps with --max-jump"),
        ]
    }

    /// Refuses input of which no event can be read, or most of which is in another format.
    ///
    /// # Errors
    /// There are events and none of them can be read; or most of the compared events are in the format of another tool.
    pub fn refuse_junk(&self) -> Result<()> {
        let [malformed, events] = [self.malformed, self.events].map(text::count);
        let looked_at = (self.events - self.malformed) + self.malformed.min(FORMS_LOOKED_AT);
        match (&self.form, self.first.first()) {
            (Some((file, form)), _) if 2 * self.foreign > looked_at => {
                let what = format!("{file} {}. {malformed} of {events} events cannot be read", form.words());
                bail!("{}", text::plain(&what))
            }
            (_, Some(first)) if self.malformed == self.events => {
                bail!("none of {events} events can be read, the first: {first}")
            }
            _ => Ok(()),
        }
    }
}
