//! Snowplow: enriched events as TSV,
//! <https://docs.snowplow.io/docs/fundamentals/canonical-event/understanding-the-enriched-tsv-format/>, and as the JSON
//! that its analytics SDKs make of it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::super::decoded::Malformed;
use super::super::object::Object;
use super::source::{self, Call, Source, Vendor, has_any};
use crate::model::EventKind;

/// The columns of the TSV that are read, with their places, from 0.
const COLUMNS: [(usize, &str); 24] = [
    (0, "app_id"),
    (1, "platform"),
    (3, "collector_tstamp"),
    (4, "dvce_created_tstamp"),
    (5, "event"),
    (6, "event_id"),
    (12, "user_id"),
    (15, "domain_userid"),
    (17, "network_userid"),
    (29, "page_url"),
    (30, "page_title"),
    (31, "page_referrer"),
    (35, "page_urlpath"),
    (47, "mkt_medium"),
    (48, "mkt_source"),
    (51, "mkt_campaign"),
    (53, "se_category"),
    (54, "se_action"),
    (55, "se_label"),
    (56, "se_property"),
    (57, "se_value"),
    (77, "useragent"),
    (124, "derived_tstamp"),
    (126, "event_name"),
];
/// The columns that have self-describing JSON: entities, the event, and entities that the enrichment derived.
const CONTEXTS: [usize; 2] = [52, 122];
const UNSTRUCT: usize = 58;
/// How many columns there are.
const WIDTH: usize = 131;

/// The properties of a structured event, and of a page view.
const PROPERTIES: [&str; 10] = [
    "se_category",
    "se_label",
    "se_property",
    "se_value",
    "page_url",
    "page_title",
    "page_referrer",
    "mkt_medium",
    "mkt_source",
    "mkt_campaign",
];

pub(in crate::wire) const SNOWPLOW: Vendor = Vendor {
    name: "Snowplow",
    source: "snowplow",
    lists: &[],
    envelopes: &[],
    properties: Some("properties"),
    bases: &["properties", "entities"],
    quoted: &[],
    message_id: &["event_id"],
    event: &["event"],
    user: &["user_id"],
    device: &["domain_userid", "network_userid"],
    time: &["derived_tstamp", "dvce_created_tstamp", "collector_tstamp"],
    received: &["collector_tstamp"],
    user_agent: &["useragent"],
    emails: &["properties.email", "entities.user.email", "user_id"],
    is_utc: true,
    account: &[
        "entities.company.id",
        "entities.company.company_id",
        "entities.account.id",
        "entities.account.account_id",
        "entities.organization.id",
        "entities.organization.organization_id",
        "entities.workspace.id",
        "entities.tenant.id",
        "entities.group.id",
        "entities.user.company_id",
        "entities.user.account_id",
        "properties.company_id",
        "properties.account_id",
        "properties.organization_id",
    ],
    is_certain,
    call,
    group_traits: source::no_traits,
    convert: Some(convert),
};

fn is_certain(event: &Object<'_>) -> bool {
    has_any(event, &["collector_tstamp"]) && has_any(event, &["event_id", "etl_tstamp", "v_collector"])
}

fn call<'a>(source: &Source<'a, '_>, name: Option<Cow<'a, str>>) -> Result<Call<'a>, Malformed> {
    let name = name.ok_or_else(|| source::no_event(SNOWPLOW.name, SNOWPLOW.event))?;
    let event_name = source.text(&["event_name"]);
    Ok(match &*name {
        "page_view" => Call::page(source, [&["page_urlpath"], &["page_url"], &["page_title"]]),
        // A ping says that the page is still open, which is no view and no activity: a page call without a path.
        "page_ping" => Call::new(EventKind::Page, "page_ping"),
        "struct" => {
            let action = source.text(&["se_action"]).or(event_name);
            Call::new(EventKind::Track, action.ok_or_else(|| source::no_event(SNOWPLOW.name, &["se_action"]))?)
        }
        _ => match event_name {
            Some(name) if name == "screen_view" => Call::screen(source, &["properties.name"]),
            Some(name) => Call::new(EventKind::Track, name),
            None => Call::new(EventKind::Track, name),
        },
    })
}

/// The event with its `properties`, and its `entities` by name. None of a record that is neither a row of the TSV nor an
/// object with Snowplow's fields.
fn convert(record: &str) -> Option<Result<String, Malformed>> {
    let mut event = if record.trim_start().starts_with('{') {
        let Ok(Value::Object(event)) = serde_json::from_str(record) else { return None };
        if !event.contains_key("collector_tstamp") {
            return None;
        }
        event
    } else {
        match row(record)? {
            Ok(event) => event,
            Err(malformed) => return Some(Err(malformed)),
        }
    };
    let (mut entities, mut properties) = (Map::new(), Map::new());
    for (name, value) in &event {
        if let Some(name) = name.strip_prefix("contexts_") {
            let first = value.as_array().and_then(|list| list.first()).unwrap_or(value);
            entities.entry(without_version(name)).or_insert_with(|| first.clone());
        } else if let (true, Value::Object(data)) = (name.starts_with("unstruct_event_"), value) {
            properties.extend(data.clone());
        }
    }
    if properties.is_empty() {
        let present = PROPERTIES.iter().filter_map(|name| Some(((*name).to_owned(), event.get(*name)?.clone())));
        properties = present.filter(|(_, value)| !value.is_null()).collect();
    }
    event.insert("entities".into(), Value::Object(entities));
    event.insert("properties".into(), Value::Object(properties));
    Some(Ok(Value::Object(event).to_string()))
}

/// The name of an entity of the SDKs' JSON, such as `company` of `com_acme_company_1`: the last word. Names of several
/// words keep the last one only.
fn without_version(name: &str) -> String {
    let name = name.rsplit_once('_').map_or(name, |(name, _)| name);
    name.rsplit('_').next().unwrap_or(name).to_owned()
}

/// The row of a TSV as the JSON of the SDKs, without empty columns.
fn row(record: &str) -> Option<Result<Map<String, Value>, Malformed>> {
    let columns: Vec<&str> = record.trim_end_matches(['\r', '\n']).split('\t').collect();
    if columns.len() != WIDTH {
        let few = columns.len();
        let what = format!("not an event of Snowplow: it has {few} columns, expected {WIDTH} with tabs, or JSON");
        return (few > 1).then_some(Err(Malformed(what)));
    }
    let mut event = Map::new();
    for (place, name) in COLUMNS {
        if !columns[place].is_empty() {
            event.insert(name.into(), columns[place].into());
        }
    }
    let described =
        |place: usize| serde_json::from_str::<Value>(columns[place]).ok().map(|mut json| json["data"].take());
    for place in CONTEXTS {
        let Some(Value::Array(entities)) = described(place) else { continue };
        for mut entity in entities {
            let key = format!("contexts_{}", key(&entity["schema"]));
            let list = event.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut()?.push(entity["data"].take());
        }
    }
    if let Some(mut unstruct) = described(UNSTRUCT) {
        event.insert(format!("unstruct_event_{}", key(&unstruct["schema"])), unstruct["data"].take());
    }
    Some(Ok(event))
}

/// The name that the SDKs make of a schema: `com_acme_company_1` of `iglu:com.acme/company/jsonschema/1-0-0`.
fn key(schema: &Value) -> String {
    let schema = schema.as_str().unwrap_or_default();
    let mut parts = schema.strip_prefix("iglu:").unwrap_or(schema).split('/');
    let (vendor, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let model = parts.nth(1).and_then(|version| version.split('-').next()).unwrap_or("1");
    format!("{vendor}_{name}_{model}").replace(['.', '-'], "_")
}
