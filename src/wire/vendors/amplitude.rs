//! Amplitude: lines of its Export API, <https://amplitude.com/docs/apis/analytics/export>; requests to its HTTP V2 API,
//! <https://amplitude.com/docs/apis/analytics/http-v2>; and its event webhooks.

use std::borrow::Cow;

use super::super::decoded::Malformed;
use super::super::object::Object;
use super::source::{self, Call, Paths, Source, Vendor, has_any, has_text};
use crate::model::{EventKind, Fields};

pub(in crate::wire) const AMPLITUDE: Vendor = Vendor {
    name: "Amplitude",
    source: "amplitude",
    lists: &["events"],
    envelopes: &[],
    properties: Some("event_properties"),
    bases: &["event_properties", "user_properties"],
    quoted: &["event_properties", "user_properties", "groups", "group_properties"],
    message_id: &["$insert_id", "insert_id", "uuid"],
    event: &["event_type"],
    user: &["user_id"],
    device: &["device_id"],
    time: &["event_time", "time", "client_event_time"],
    received: &["server_received_time", "server_upload_time"],
    user_agent: &["user_agent"],
    emails: &[
        "user_properties.email",
        "user_properties.Email",
        "user_properties.$set.email",
        "event_properties.email",
        "user_id",
    ],
    is_utc: true,
    account: &[
        "groups.company",
        "groups.company_id",
        "groups.Company",
        "groups.organization",
        "groups.organization_id",
        "groups.Organization",
        "groups.org",
        "groups.org_id",
        "groups.orgId",
        "groups.account",
        "groups.account_id",
        "groups.Account",
        "groups.customer",
        "groups.workspace",
        "event_properties.company_id",
        "event_properties.organization_id",
        "event_properties.account_id",
        "user_properties.company_id",
        "user_properties.organization_id",
        "user_properties.account_id",
    ],
    is_certain,
    call,
    group_traits,
    convert: None,
};

/// The traits of the user: what an operation sets, or all of them.
const TRAITS: [Paths; 2] = [&["user_properties.$setOnce", "user_properties.$set"], &["user_properties"]];

/// Revenue of a request, which an export has among the properties.
const REVENUE: [&str; 6] = ["price", "quantity", "revenue", "productId", "revenueType", "currency"];

fn is_certain(event: &Object<'_>) -> bool {
    let own = ["amplitude_id", "$insert_id", "insert_id", "event_properties", "user_properties", "session_id"];
    has_text(event, "event_type")
        && has_any(event, &["user_id", "device_id", "amplitude_id"])
        && own.iter().any(|name| event.at(name).is_some())
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    let name = name.ok_or_else(|| source::no_event(AMPLITUDE.name, AMPLITUDE.event))?;
    let user_traits = traits(source);
    let call = match &*name {
        "$identify" => Call::new(EventKind::Identify, ""),
        "$groupidentify" => {
            let set = source.joined(&["group_properties.$setOnce", "group_properties.$set"]);
            let all = || source.joined(&["group_properties"]);
            let group_traits = if matches!(set, Fields::None) { all() } else { set };
            Call { group_traits, ..Call::new(EventKind::Group, "") }
        }
        "[Amplitude] Page Viewed" | "Page Viewed" => {
            let path = &["event_properties.[Amplitude] Page Path", "event_properties.Page Path"];
            let url = &[
                "event_properties.[Amplitude] Page Location",
                "event_properties.[Amplitude] Page URL",
                "event_properties.Page Location",
                "event_properties.Page URL",
            ];
            Call::page(source, [path, url, &["event_properties.[Amplitude] Page Title", "event_properties.Page Title"]])
        }
        "[Amplitude] Screen Viewed" => Call::screen(source, &["event_properties.[Amplitude] Screen Name"]),
        _ => {
            let revenue = REVENUE.iter().filter_map(|name| Some((*name, Cow::Borrowed(source.at(name)?))));
            Call { added: revenue.collect(), ..Call::new(EventKind::Track, name) }
        }
    };
    let user_traits = if call.kind == EventKind::Group { Fields::None } else { user_traits };
    Ok(Call { user_traits, ..call })
}

fn traits<'a>(source: &Source<'a, '_>) -> Fields<'a> {
    let of = |paths: &Paths| Some(source.joined(paths)).filter(|fields| !matches!(fields, Fields::None));
    TRAITS.iter().find_map(of).unwrap_or_default()
}

/// The traits of the account, which an export has below the type and the id of the group.
fn group_traits<'a>(source: &Source<'a, '_>, path: &str, id: &str) -> Fields<'a> {
    let Some(group) = path.strip_prefix("groups.") else { return Fields::None };
    let traits = source.at(&format!("group_properties.{group}")).and_then(|groups| source::within(groups, id));
    traits.map_or(Fields::None, |raw| source::joined(&[raw]))
}
