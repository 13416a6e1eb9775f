//! How input is read: its format by name, and where the account and the user of an event are.

use std::sync::Arc;

use super::format::{Format, InputFormat};
use super::framing::Schemas;
use super::json;
use super::places::{Place, Places};
use super::vendors::{self, Vendor};

/// How the records of a log, a topic or a file are read.
#[derive(Clone, Debug)]
pub struct Input {
    /// Their format.
    pub format: InputFormat,
    places: Places,
    /// The schemas of the registry, if there is one.
    schemas: Option<Arc<Schemas>>,
}

impl Input {
    /// Records of this format. Without places the usual ones of the format apply.
    pub fn new(format: InputFormat, account: &[Place], user: &[Place]) -> Input {
        Input { format, places: Places::new(account, user, usual_accounts(format)), schemas: None }
    }

    /// The same for a topic with a schema registry, whose schemas of framed records are here before they are decoded.
    #[must_use]
    pub fn with_schemas(self, schemas: Option<Arc<Schemas>>) -> Input {
        Input { schemas, ..self }
    }

    pub(super) fn schemas(&self) -> Option<&Schemas> {
        self.schemas.as_deref()
    }

    /// The places of the account as they are written in the configuration, in their order.
    pub fn account_places(&self) -> impl Iterator<Item = &str> {
        self.places.of_account()
    }

    /// How a record is decoded.
    pub(super) fn unread(&self) -> Unread<'_> {
        match vendor(self.format) {
            Some(vendor) => Unread::Vendor(vendor, &self.places),
            None if self.format == InputFormat::Protobuf => Unread::Protobuf,
            None => Unread::Json(&self.places),
        }
    }
}

impl From<Format> for Input {
    fn from(format: Format) -> Input {
        Input::new(format.into(), &[], &[])
    }
}

/// How records of a format are decoded; none of calls of Segment's spec and of protobuf, which have their own decoders.
fn vendor(format: InputFormat) -> Option<&'static Vendor> {
    match format {
        InputFormat::Protobuf | InputFormat::Json | InputFormat::Segment | InputFormat::Rudderstack => None,
        InputFormat::Posthog => Some(&vendors::POSTHOG),
        InputFormat::Amplitude => Some(&vendors::AMPLITUDE),
        InputFormat::Mixpanel => Some(&vendors::MIXPANEL),
        InputFormat::Snowplow => Some(&vendors::SNOWPLOW),
        InputFormat::Stripe => Some(&vendors::STRIPE),
        InputFormat::Cloudevents => Some(&vendors::CLOUDEVENTS),
    }
}

/// The places in which the account is looked for unless the configuration names others.
fn usual_accounts(format: InputFormat) -> &'static [&'static str] {
    match vendor(format) {
        Some(vendor) => vendor.account,
        None if format == InputFormat::Json => &json::ACCOUNT[..1],
        None => &json::ACCOUNT,
    }
}

/// How a record that is not read yet is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unread<'a> {
    Protobuf,
    Json(&'a Places),
    Vendor(&'static Vendor, &'a Places),
}

/// The format of records if it is certain: at least half of them are events of one tool, and none is of another.
pub fn recognise<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Option<InputFormat> {
    let (mut certain, mut of_it, mut all) = (None, 0, 0);
    for record in records {
        all += 1;
        let Some(format) = std::str::from_utf8(record).ok().and_then(format_of) else { continue };
        if *certain.get_or_insert(format) != format {
            return None;
        }
        of_it += 1;
    }
    certain.filter(|_| 2 * of_it >= all)
}

fn format_of(record: &str) -> Option<InputFormat> {
    let tools = [
        InputFormat::Stripe,
        InputFormat::Cloudevents,
        InputFormat::Amplitude,
        InputFormat::Posthog,
        InputFormat::Mixpanel,
        InputFormat::Snowplow,
    ];
    if json::is_certain(record) {
        return Some(InputFormat::Segment);
    }
    tools.into_iter().find(|format| vendor(*format).is_some_and(|vendor| vendors::is_certain(vendor, record)))
}
