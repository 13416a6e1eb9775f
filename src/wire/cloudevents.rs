//! The headers of published messages: the attributes of CloudEvents 1.0, in the binary mode of its Kafka binding.

use std::sync::Arc;

use super::effects::ToWire;
use super::format::{Format, Kind};

/// The attributes of a message.
#[derive(Clone, Debug)]
pub struct Context {
    kind: Kind,
    id: String,
    source: Arc<str>,
    time: Option<String>,
    subject: Option<String>,
    traceparent: Option<String>,
    content_type: &'static str,
}

impl Context {
    /// The attributes of an effect. `id` and `source` together identify it.
    pub fn new(effect: &dyn ToWire, id: String, source: &Arc<str>, format: Format) -> Context {
        let has_optional = !effect.kind().is_frequent();
        let time = effect.at().filter(|_| has_optional).and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
        Context {
            kind: effect.kind(),
            id,
            source: Arc::clone(source),
            time: time.map(|time| time.to_string()),
            subject: effect.account().filter(|account| has_optional && is_attribute(account)).map(str::to_owned),
            traceparent: None,
            content_type: match format {
                Format::Protobuf => "application/protobuf",
                Format::Json => "application/json",
            },
        }
    }

    /// With the extension for distributed tracing: a W3C trace context.
    #[must_use]
    pub fn traced(self, traceparent: String) -> Context {
        Context { traceparent: Some(traceparent), ..self }
    }

    /// Names and values.
    pub fn headers(&self) -> Vec<(&'static str, &str)> {
        let optional = [("ce_time", &self.time), ("ce_subject", &self.subject), ("ce_traceparent", &self.traceparent)];
        let mut headers = Vec::with_capacity(8);
        headers.extend([
            ("ce_specversion", "1.0"),
            ("ce_id", self.id.as_str()),
            ("ce_source", &*self.source),
            ("ce_type", self.kind.name()),
            ("content-type", self.content_type),
        ]);
        headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        headers
    }
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
