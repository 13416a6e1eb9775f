//! The headers of published messages: the attributes of CloudEvents 1.0, in the binary mode of its Kafka binding.

use super::effects::ToWire;
use super::format::{Format, Kind};

/// The optional attributes of a message.
#[derive(Clone, Debug)]
pub struct Attributes {
    time: Option<String>,
    subject: Option<String>,
    /// The extension for distributed tracing: a W3C trace context.
    traceparent: Option<String>,
}

impl Attributes {
    /// The optional attributes of an effect; none if its topic can get a message for every event.
    pub fn of(effect: &dyn ToWire) -> Option<Attributes> {
        let is_frequent = effect.kind().is_frequent();
        (!is_frequent).then(|| Attributes {
            time: effect.at().and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok()).map(|time| time.to_string()),
            subject: effect.account().filter(|account| is_attribute(account)).map(str::to_owned),
            traceparent: effect.traceparent(),
        })
    }
}

/// The headers of a message, names and values. `id` and `source` together identify it.
pub fn headers<'a>(
    kind: Kind,
    format: Format,
    id: &'a str,
    source: &'a str,
    attributes: Option<&'a Attributes>,
) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    let content_type = match format {
        Format::Protobuf => "application/protobuf",
        Format::Json => "application/json",
    };
    let required = [
        ("ce_specversion", "1.0"),
        ("ce_id", id),
        ("ce_source", source),
        ("ce_type", kind.name()),
        ("content-type", content_type),
    ];
    let optional =
        attributes.map(|it| [("ce_time", &it.time), ("ce_subject", &it.subject), ("ce_traceparent", &it.traceparent)]);
    let given = optional.into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    required.into_iter().chain(given)
}

/// The source of every message that comes from a log, by the name of its topic.
pub fn source(log: &str) -> String {
    format!("/upswell/{log}")
}

/// Whether a text may be an attribute: not empty, and without control characters and noncharacters.
fn is_attribute(text: &str) -> bool {
    let is_noncharacter = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    !text.is_empty() && !text.chars().any(|c| c.is_control() || is_noncharacter(c))
}
