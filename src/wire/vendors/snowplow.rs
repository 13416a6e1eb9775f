//! Snowplow: enriched events as TSV,
//! <https://docs.snowplow.io/docs/fundamentals/canonical-event/understanding-the-enriched-tsv-format/>, and as the JSON
//! that its analytics SDKs make of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::decoded::Malformed;
use super::super::object::{self, Object};
use super::super::{fields, times};
use super::source::{self, Call, Source, Vendor, has_any};
use crate::model::{EventKind, Fields};

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
    event.get("collector_tstamp").is_some_and(|raw| times::time(raw).is_some())
        && has_any(event, &["event_id", "etl_tstamp", "v_collector"])
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
    if record.trim_start().starts_with('{') {
        let event = Object::read(record)?;
        event.get("collector_tstamp")?;
        return Some(Ok(completed(&event)));
    }
    let row = row(record)?;
    Some(row.map(|row| Object::read(&row).map_or_else(String::new, |event| completed(&event))))
}

/// The JSON of the SDKs with `properties` and `entities`.
fn completed(event: &Object<'_>) -> String {
    let (mut entities, mut described) = (Vec::<(String, &str)>::new(), Vec::new());
    for (name, value) in event.members() {
        if let Some(name) = name.strip_prefix("contexts_") {
            let name = without_version(name);
            let first = object::list(value).map_or(Some(value), |list| list.first().copied());
            if let Some(first) = first.filter(|_| entities.iter().all(|(known, _)| *known != name)) {
                entities.push((name, first));
            }
        } else if name.starts_with("unstruct_event_") {
            described.push(value);
        }
    }
    let properties = match source::joined(&described) {
        Fields::Json(object) => object.to_owned(),
        Fields::Owned(object) => object.to_string(),
        _ => object::written(PROPERTIES.iter().filter_map(|name| Some((*name, event.get(name)?)))),
    };
    let entities = object::written(entities.iter().map(|(name, value)| (&**name, *value)));
    object::written(event.members().chain([("properties", &*properties), ("entities", &*entities)]))
}

/// The name of an entity of the SDKs' JSON, such as `company` of `com_acme_company_1`: the last word. Names of several
/// words keep the last one only.
fn without_version(name: &str) -> String {
    let name = name.rsplit_once('_').map_or(name, |(name, _)| name);
    name.rsplit('_').next().unwrap_or(name).to_owned()
}

/// The row of a TSV as the JSON of the SDKs, without empty columns.
fn row(record: &str) -> Option<Result<String, Malformed>> {
    let columns: Vec<&str> = record.trim_end_matches(['\r', '\n']).split('\t').collect();
    if columns.len() != WIDTH {
        let few = columns.len();
        let what = format!("not an event of Snowplow: it has {few} columns, expected {WIDTH} with tabs, or JSON");
        return (few > 1).then_some(Err(Malformed(what)));
    }
    let text = |(place, name): (usize, &str)| (name.to_owned(), Value::from(columns[place]).to_string());
    let mut members: Vec<(String, String)> =
        COLUMNS.into_iter().filter(|(place, _)| !columns[*place].is_empty()).map(text).collect();
    for place in CONTEXTS.into_iter().chain([UNSTRUCT]).filter(|place| !columns[*place].is_empty()) {
        match described(columns[place], place != UNSTRUCT) {
            Some(found) => members.extend(found),
            None => {
                let (number, column) = (place + 1, columns[place]);
                let what = format!("column {number} of the row is not self-describing JSON: {column:.60}");
                return Some(Err(Malformed(what)));
            }
        }
    }
    Some(Ok(object::written(members.iter().map(|(name, value)| (&**name, &**value)))))
}

/// What a column with self-describing JSON has in the JSON of the SDKs: an event, or lists of entities.
fn described(column: &str, is_contexts: bool) -> Option<Vec<(String, String)>> {
    let data = Object::read(column)?.get("data")?;
    let named = |raw: &str| {
        let object = Object::read(raw)?;
        Some((key(&fields::json_text(object.get("schema")?)?), object.get("data")?.to_owned()))
    };
    if !is_contexts {
        let (key, data) = named(data)?;
        return Some(vec![(format!("unstruct_event_{key}"), data)]);
    }
    let mut lists = BTreeMap::<String, Vec<String>>::new();
    for entity in object::list(data)? {
        let (key, data) = named(entity)?;
        lists.entry(key).or_default().push(data);
    }
    let list = |(key, list): (String, Vec<String>)| (format!("contexts_{key}"), format!("[{}]", list.join(",")));
    Some(lists.into_iter().map(list).collect())
}

/// The name that the SDKs make of a schema: `com_acme_company_1` of `iglu:com.acme/company/jsonschema/1-0-0`. Words are in
/// lower case, as `web_page` of `webPage`.
fn key(schema: &str) -> String {
    let mut parts = schema.strip_prefix("iglu:").unwrap_or(schema).split('/');
    let (vendor, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let model = parts.nth(1).and_then(|version| version.split('-').next()).unwrap_or("1");
    let (mut words, mut before) = (String::new(), '_');
    for c in name.chars() {
        if c.is_ascii_uppercase() && !before.is_ascii_uppercase() && before != '_' {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
        before = c;
    }
    format!("{}_{words}_{model}", vendor.to_lowercase()).replace(['.', '-'], "_")
}
