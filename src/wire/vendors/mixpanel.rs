//! Mixpanel: lines of its raw export, <https://developer.mixpanel.com/reference/raw-event-export>; requests to its import
//! API; and exported profiles of users and groups.

use std::borrow::Cow;

use super::super::decoded::Malformed;
use super::super::object::Object;
use super::source::{self, Call, Paths, Source, Vendor, has_any, has_text};
use crate::model::EventKind;

pub(in crate::wire) const MIXPANEL: Vendor = Vendor {
    name: "Mixpanel",
    source: "mixpanel",
    lists: &["events", "results"],
    envelopes: &[],
    properties: Some("properties"),
    bases: &["properties", "$properties"],
    quoted: &["properties"],
    message_id: &["properties.$insert_id"],
    event: &["event"],
    user: &["properties.$user_id", "properties.distinct_id", "$distinct_id", "properties.$distinct_id"],
    device: &["properties.$device_id"],
    time: &["properties.time", "$properties.$last_seen", "$time"],
    received: &["properties.mp_processing_time_ms", "properties.$mp_api_timestamp_ms"],
    user_agent: &["properties.$user_agent", "properties.mp_user_agent"],
    emails: &[
        "properties.$email",
        "properties.email",
        "properties.Email",
        "$properties.$email",
        "$set.$email",
        "properties.$user_id",
        "properties.distinct_id",
        "$distinct_id",
    ],
    is_utc: true,
    account: &[
        "properties.company_id",
        "properties.company",
        "properties.Company",
        "properties.organization_id",
        "properties.organization",
        "properties.org_id",
        "properties.account_id",
        "properties.account",
        "properties.workspace_id",
        "properties.group_id",
        "properties.$groups.company",
        "properties.$groups.company_id",
        "$properties.company_id",
        "$properties.organization_id",
        "$properties.account_id",
        "$set.company_id",
    ],
    is_certain,
    call,
    group_traits: source::no_traits,
    convert: None,
};

/// Where a profile of a user or a group has its traits.
const PROFILE: Paths = &["$set_once", "$properties", "$set"];

fn is_certain(event: &Object<'_>) -> bool {
    let of_event = ["properties.time", "properties.$insert_id", "properties.mp_lib", "properties.$mp_api_endpoint"];
    let is_posthog = has_any(event, &["uuid", "team_id", "api_key", "properties.$lib"]);
    has_text(event, "event")
        && has_any(event, &["properties.distinct_id", "properties.$user_id", "properties.$device_id"])
        && of_event.iter().any(|path| event.at(path).is_some())
        && !is_posthog
        || has_any(event, &["$distinct_id"]) && has_any(event, &["$properties", "$set"])
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    let Some(name) = name else { return profile(source) };
    let call = match &*name {
        "$mp_web_page_view" => {
            let path = &["properties.current_url_path", "properties.$current_url_path"];
            let url = &["properties.$current_url", "properties.current_url"];
            Call::page(source, [path, url, &["properties.current_page_title"]])
        }
        "$identify" | "$create_alias" | "$merge" => Call::new(EventKind::Alias, ""),
        _ => Call::new(EventKind::Track, name),
    };
    Ok(Call { is_anonymous: is_anonymous(source), ..call })
}

/// A profile of a user, or of a group, without an event.
fn profile<'a>(source: &Source<'a, '_>) -> Result<Call<'a>, Malformed> {
    let traits = source.joined(PROFILE);
    if let Some((group, id)) = source.text(&["$group_key"]).zip(source.at("$group_id")) {
        let stands_in = Some((format!("properties.{group}"), id));
        return Ok(Call { stands_in, group_traits: traits, ..Call::new(EventKind::Group, "$group") });
    }
    match source.at("$distinct_id") {
        Some(_) => Ok(Call { user_traits: traits, ..Call::new(EventKind::Identify, "") }),
        None => Err(source::no_event(MIXPANEL.name, MIXPANEL.event)),
    }
}

/// Whether the id is that of a device: one with a prefix, or that of the device while there is no `$user_id`.
fn is_anonymous(source: &Source<'_, '_>) -> bool {
    let has_prefix = || source.at("properties.distinct_id").is_some_and(|raw| raw.starts_with("\"$device:"));
    let is_device = || {
        let id = source.at("properties.distinct_id");
        id.is_some() && id == source.at("properties.$device_id")
    };
    source.at("properties.$user_id").is_none() && (has_prefix() || is_device())
}
