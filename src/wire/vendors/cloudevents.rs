//! CloudEvents in the structured mode of the JSON format,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>, and in the binary mode of Kafka.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::super::decoded::Malformed;
use super::super::headers::Headers;
use super::super::object::{self, Object};
use super::source::{self, Call, Source, Vendor, has_text};
use crate::model::EventKind;

pub(in crate::wire) const CLOUDEVENTS: Vendor = Vendor {
    name: "CloudEvents",
    source: "cloudevents",
    lists: &[],
    envelopes: &[],
    properties: Some("data"),
    bases: &["data"],
    quoted: &["data"],
    message_id: &["id"],
    event: &["type"],
    user: &["data.userId", "data.user_id", "userid", "data.user.id"],
    device: &["data.anonymousId", "data.anonymous_id"],
    time: &["time", "data.timestamp"],
    received: &["recordedtime"],
    user_agent: &["data.userAgent", "data.context.userAgent"],
    emails: &["data.email", "data.user.email", "data.traits.email", "data.userId", "data.user_id", "userid"],
    is_utc: false,
    account: &[
        "data.groupId",
        "data.context.groupId",
        "data.accountId",
        "data.account_id",
        "data.account.id",
        "data.companyId",
        "data.company_id",
        "data.company.id",
        "data.organizationId",
        "data.organization_id",
        "data.tenantId",
        "data.tenant_id",
        "accountid",
        "account",
        "tenantid",
        "tenant",
    ],
    is_certain,
    call,
    group_traits: source::no_traits,
    convert: None,
};

fn is_certain(event: &Object<'_>) -> bool {
    ["specversion", "id", "source", "type"].iter().all(|name| has_text(event, name))
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    if source.at("specversion").is_none() {
        return Err(source::no_event(CLOUDEVENTS.name, &["specversion"]));
    }
    let name = name.ok_or_else(|| source::no_event(CLOUDEVENTS.name, CLOUDEVENTS.event))?;
    if source.at("data_base64").is_some() {
        return Err(Malformed::new("data_base64 is not read: expected data as a JSON object"));
    }
    Ok(Call { source: source.text(&["source"]), ..Call::new(EventKind::Track, name) })
}

/// The event of a record in the structured mode, if the record has the binary mode: its attributes in headers, and the data
/// as its value, <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>.
pub(in crate::wire) fn structured(headers: Headers<'_>, data: &[u8]) -> Option<Result<String, Malformed>> {
    let content_type = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE)).last();
    let content_type = content_type.map(|(_, value)| String::from_utf8_lossy(value).trim().to_ascii_lowercase());
    // Without its parameters.
    let media_type = content_type.as_deref().and_then(|it| it.split(';').next()).map_or("", str::trim);
    match media_type {
        "application/cloudevents+json" | "application/cloudevents-batch+json" => return None,
        other if other.starts_with("application/cloudevents") => {
            let expected = "expected application/cloudevents+json, or the attributes in headers";
            return Some(Err(Malformed(format!("the content-type {other:.80} is not read: {expected}"))));
        }
        // A JSON event whose producer has not said what it is.
        _ if !headers.iter().any(|(name, _)| name.starts_with(ATTRIBUTE)) => return None,
        _ => {}
    }
    Some(binary(headers, media_type, data))
}

const CONTENT_TYPE: &str = "content-type";
/// How the headers of attributes begin.
const ATTRIBUTE: &str = "ce_";

fn binary(headers: Headers<'_>, media_type: &str, data: &[u8]) -> Result<String, Malformed> {
    let mut members: Vec<(&str, Cow<'_, str>)> = Vec::new();
    let attributes = headers.iter().filter_map(|(name, value)| Some((name.strip_prefix(ATTRIBUTE)?, value)));
    for (name, value) in attributes.filter(|(name, _)| !["data", "data_base64"].contains(name)) {
        let value =
            std::str::from_utf8(value).map_err(|_| Malformed(format!("the header ce_{name:.80} is not UTF-8")))?;
        members.push((name, serde_json::Value::from(value).to_string().into()));
    }
    let (kind, subtype) = media_type.split_once('/').unwrap_or_default();
    let is_json = media_type.is_empty()
        || subtype == "json" && ["application", "text"].contains(&kind)
        || subtype.ends_with("+json");
    let data = data.trim_ascii();
    if !data.is_empty() {
        if !is_json {
            return Err(Malformed(format!("data of the content-type {media_type:.80} is not read: expected JSON")));
        }
        let json: &RawValue =
            serde_json::from_slice(data).map_err(|error| Malformed(format!("its data is not JSON: {error}")))?;
        members.push(("data", json.get().into()));
    }
    Ok(object::written(members.iter().map(|(name, value)| (*name, &**value))))
}
