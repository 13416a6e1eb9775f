//! PostHog: rows of batch exports, <https://posthog.com/docs/cdp/batch-exports>; webhooks; requests to its capture API,
//! <https://posthog.com/docs/api/capture>; and answers of its events API.

use std::borrow::Cow;

use super::super::decoded::Malformed;
use super::super::object::Object;
use super::source::{self, Call, Paths, Source, Vendor, has_any, has_text};
use crate::model::{EventKind, Fields};

pub(in crate::wire) const POSTHOG: Vendor = Vendor {
    name: "PostHog",
    source: "posthog",
    lists: &["batch", "results", "events"],
    envelopes: &["event", "data"],
    properties: Some("properties"),
    bases: &["properties"],
    quoted: &["properties", "person_properties", "set", "set_once", "groups"],
    message_id: &["uuid", "eventUuid", "id", "properties.$insert_id"],
    event: &["event"],
    user: &["distinct_id", "distinctId", "properties.distinct_id", "properties.$user_id"],
    device: &["properties.$device_id"],
    time: &["timestamp", "properties.$time"],
    received: &["created_at"],
    user_agent: &["properties.$raw_user_agent", "properties.$user_agent"],
    emails: &[
        "properties.$set.email",
        "set.email",
        "person_properties.email",
        "person.properties.email",
        "properties.email",
        "distinct_id",
    ],
    is_utc: true,
    account: &[
        "properties.$groups.company",
        "properties.$groups.organization",
        "properties.$groups.organisation",
        "properties.$groups.account",
        "properties.$groups.customer",
        "properties.$groups.workspace",
        "properties.$groups.instance",
        "groups.company.id",
        "groups.organization.id",
        "groups.organisation.id",
        "groups.account.id",
        "groups.customer.id",
        "groups.workspace.id",
        "groups.instance.id",
        "properties.company_id",
        "properties.organization_id",
        "properties.account_id",
    ],
    is_certain,
    call,
    group_traits,
    convert: None,
};

/// The traits of the person, those that keep their first value first.
const TRAITS: Paths =
    &["set_once", "properties.$set_once", "person_properties", "person.properties", "set", "properties.$set"];

fn is_certain(event: &Object<'_>) -> bool {
    has_text(event, "event")
        && (has_any(event, &["distinct_id", "distinctId"]) && has_any(event, &["uuid", "team_id", "api_key", "id"])
            || has_any(event, &["api_key", "properties.token", "properties.$lib"])
                && has_any(event, &["distinct_id", "properties.distinct_id"])
                && !has_any(event, &["properties.mp_lib", "properties.time"]))
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    let name = name.ok_or_else(|| source::no_event(POSTHOG.name, POSTHOG.event))?;
    let traits = source.joined(TRAITS);
    let call = match &*name {
        "$pageview" => {
            let (path, url) = (&["properties.$pathname"][..], &["properties.$current_url"][..]);
            Call::page(source, [path, url, &["properties.title", "properties.$title"]])
        }
        "$screen" => Call::screen(source, &["properties.$screen_name"]),
        "$identify" | "$set" => Call::new(EventKind::Identify, ""),
        "$create_alias" | "$merge_dangerously" => Call::new(EventKind::Alias, ""),
        "$groupidentify" => {
            let group = source.text(&["properties.$group_type"]).zip(source.at("properties.$group_key"));
            Call {
                kind: if group.is_some() { EventKind::Group } else { EventKind::Track },
                stands_in: group.map(|(group, id)| (format!("properties.$groups.{group}"), id)),
                group_traits: source.joined(&["properties.$group_set"]),
                ..Call::new(EventKind::Group, name)
            }
        }
        _ => Call::new(EventKind::Track, name),
    };
    let user_traits = if call.kind == EventKind::Group { Fields::None } else { traits };
    Ok(Call { user_traits, is_anonymous: is_anonymous(source), ..call })
}

/// The properties of the group that a webhook contains.
fn group_traits<'a>(source: &Source<'a, '_>, path: &str, _: &str) -> Fields<'a> {
    let of_group = path.strip_suffix(".id").filter(|path| path.starts_with("groups."));
    let traits = of_group.and_then(|group| source.at(&format!("{group}.properties")));
    traits.map_or(Fields::None, |raw| source::joined(&[raw]))
}

/// Whether the id is that of a device: the libraries take the device's id until the user is identified.
fn is_anonymous(source: &Source<'_, '_>) -> bool {
    let (id, device) = (source.first(POSTHOG.user), source.first(POSTHOG.device));
    source.at("properties.$is_identified") == Some("false") || id.is_some() && id == device
}
