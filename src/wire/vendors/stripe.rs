//! Stripe: events as webhooks deliver them and as its API lists them, <https://docs.stripe.com/api/events/object>.

use std::borrow::Cow;

use super::super::decoded::Malformed;
use super::super::object::Object;
use super::source::{self, Call, Source, Vendor, has_any};
use crate::model::EventKind;

pub(in crate::wire) const STRIPE: Vendor = Vendor {
    name: "Stripe",
    source: "stripe",
    lists: &["data", "events"],
    // Amazon EventBridge delivers events in `detail`.
    envelopes: &["detail"],
    // The properties are the whole event, by which the preset `stripe` reads prices, discounts and amounts.
    properties: None,
    bases: &["data.object"],
    quoted: &["data"],
    message_id: &["id"],
    event: &["type"],
    user: &["data.object.metadata.user_id", "data.object.metadata.userId"],
    device: &[],
    time: &["created"],
    received: &[],
    user_agent: &[],
    emails: &[
        "data.object.customer_email",
        "data.object.customer_details.email",
        "data.object.email",
        "data.object.billing_details.email",
        "data.object.receipt_email",
    ],
    is_utc: true,
    account: &[
        "data.object.metadata.account_id",
        "data.object.metadata.accountId",
        "data.object.metadata.company_id",
        "data.object.metadata.companyId",
        "data.object.metadata.organization_id",
        "data.object.metadata.organizationId",
        "data.object.metadata.org_id",
        "data.object.metadata.orgId",
        "data.object.metadata.workspace_id",
        "data.object.metadata.team_id",
        "data.object.metadata.tenant_id",
        "data.object.metadata.group_id",
        "data.object.metadata.groupId",
        "data.object.subscription_details.metadata.account_id",
        "data.object.parent.subscription_details.metadata.account_id",
        "data.object.client_reference_id",
        "data.object.customer.metadata.account_id",
        "data.object.customer.id",
        "data.object.customer",
    ],
    is_certain,
    call,
    group_traits: source::no_traits,
    convert: None,
};

fn is_certain(event: &Object<'_>) -> bool {
    event.at("object") == Some("\"event\"") && has_any(event, &["data.object", "data"])
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    if !source.is("object", "event") {
        let object = source.text(&["object"]);
        return Err(match object.as_deref() {
            Some("v2.core.event") => {
                Malformed::new("a thin event of Stripe has no data: send snapshot events, or the events of /v1/events")
            }
            Some(object) => Malformed(format!(
                "not an event of Stripe: its object is {object:?}, expected \"event\", as webhooks and /v1/events have it"
            )),
            None => source::no_event(STRIPE.name, &["object"]),
        });
    }
    let name = name.ok_or_else(|| source::no_event(STRIPE.name, STRIPE.event))?;
    if source.at("livemode") == Some("false") {
        return Err(Malformed::new("an event of Stripe's test mode: livemode is false"));
    }
    // An event of a customer itself has the customer's id as its own.
    let customer = source.at("data.object.id").filter(|_| source.is("data.object.object", "customer"));
    let stands_in = customer.map(|id| ("data.object.customer".to_owned(), id));
    Ok(Call { stands_in, ..Call::new(EventKind::Track, name) })
}
