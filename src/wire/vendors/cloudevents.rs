//! CloudEvents in the structured mode of the JSON format,
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.

use std::borrow::Cow;

use super::super::decoded::Malformed;
use super::super::object::Object;
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
