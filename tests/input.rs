//! Tests of the formats of other tools: the examples of `docs/input.md`, the same product in every format, what is
//! malformed, archives and folders, and the inputs from the field.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use upswell::model::Event;
use upswell::wire::{self, Admit, Decoded, Input, InputFormat, Place};

/// How records of a format are read, with places of the account if there are some.
fn input(format: &str, account: &[&str]) -> Input {
    let format = InputFormat::of_name(format).expect("a format");
    let places: Vec<Place> = account.iter().map(|place| Place::try_from((*place).to_owned()).unwrap()).collect();
    Input::new(format, &places, &[])
}

/// An event as JSON, with its times and its user agent.
fn written(event: &Event<'_>) -> Value {
    serde_json::from_str(&wire::encode_json(event)).expect("a line")
}

/// The events of a record, or the reasons why they are malformed.
fn read(format: &str, account: &[&str], record: &str) -> Vec<Result<Value, String>> {
    let input = input(format, account);
    let decoded = input.decode(Admit::Product, record.as_bytes());
    decoded.map(|it: Decoded<'_>| it.event.map(|event| written(&event)).map_err(|malformed| malformed.0)).collect()
}

/// JSON documents, one after the other.
fn documents(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text).into_iter().map(|it| it.expect("JSON")).collect()
}

/// Every record of the documentation is read as the documentation says. `UPDATE_EXPECT=1` renews what it says.
#[test]
fn the_documentation_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/input.md");
    let text = fs::read_to_string(&path).unwrap();
    let (mut renewed, mut rest, mut formats) = (String::new(), &*text, BTreeSet::new());
    while let Some(begin) = rest.find("\n```json ") {
        let (before, from) = rest.split_at(begin + "\n```json ".len());
        let (format, from) = from.split_once('\n').unwrap();
        let (records, from) = from.split_once("```\n").unwrap();
        let (between, from) = from.split_once("\n```json\n").unwrap();
        let (expected, after) = from.split_once("```").unwrap();
        let events: Vec<Value> = documents(records)
            .iter()
            .flat_map(|record| read(format, &[], &record.to_string()))
            .map(|event| event.unwrap_or_else(|malformed| panic!("{format}: {malformed}")))
            .collect();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        if std::env::var_os("UPDATE_EXPECT").is_none() {
            assert_eq!(documents(expected), events, "{format}: UPDATE_EXPECT=1 renews docs/input.md");
        }
        renewed += &format!("{before}{format}\n{records}```\n{between}\n```json\n{lines}```");
        rest = after;
        formats.insert(format.to_owned());
    }
    renewed += rest;
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, renewed).unwrap();
    }
    let all = ["amplitude", "cloudevents", "mixpanel", "posthog", "rudderstack", "snowplow", "stripe"];
    assert_eq!(formats, all.map(str::to_owned).into());
}

/// Every usual place of an account is documented.
#[test]
fn every_usual_place_is_documented() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/input.md")).unwrap();
    for format in InputFormat::ALL {
        let name = format.name();
        assert!(text.contains(&format!("`{name}`")), "{name}");
        let none = read(name, &[], "{}");
        assert!(none[0].is_err(), "{name}");
    }
}

/// A folder for one test, in which commands run.
struct Workdir(TempDir);

impl Workdir {
    fn new() -> Workdir {
        Workdir(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn run_on(&self, stdin: &[u8], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_upswell"));
        command.args(arguments).current_dir(self.0.path());
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("UPSWELL_")) {
            command.env_remove(key);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that refuses its arguments does not read.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        child.wait_with_output().unwrap()
    }

    /// What a command that succeeds prints to standard output and to standard error.
    fn run(&self, arguments: &[&str]) -> (String, String) {
        let output = self.run_on(b"", arguments);
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        (out, err)
    }

    /// The handoffs of a replay, without what depends on how the events were written.
    fn handoffs(&self, arguments: &[&str]) -> Vec<Value> {
        let (out, _) = self.run(&[&["replay"], arguments, &["--until", "2026-11-01", "--handoffs", "-"]].concat());
        let parts = |handoff: Value| {
            let part = |name: &str| handoff[name].clone();
            json!([part("handoffId"), part("account"), part("trigger"), part("level"), part("atMs"), part("dueMs")])
        };
        let mut handoffs: Vec<Value> = documents(&out).into_iter().map(parts).collect();
        handoffs.sort_by_key(Value::to_string);
        handoffs
    }
}

/// One event of the product that is written in every format.
struct Step {
    id: usize,
    /// Seconds since 1970.
    at: i64,
    account: &'static str,
    user: String,
    what: What,
}

enum What {
    Track(&'static str, Value),
    Pricing,
    Identify,
}

/// Two accounts within three weeks: people sign up, use features, invite others, reach a limit, look at prices and ask for
/// sales.
fn product() -> Vec<Step> {
    const DAY: i64 = 86_400;
    const BEGIN: i64 = 1_791_190_800;
    let mut steps = Vec::new();
    let mut step = |at: i64, account: &'static str, user: usize, what: What| {
        let (id, user) = (steps.len(), format!("{account}-u{user}"));
        steps.push(Step { id, at: BEGIN + at, account, user, what });
    };
    for (account, people) in [("northwind", 9), ("globex", 2)] {
        for person in 0..people {
            let begin = (person as i64) * 3_600;
            step(begin, account, person, What::Identify);
            step(begin + 60, account, person, What::Track("Signed Up", json!({"source": "organic"})));
            for day in 0..20 {
                let feature = ["boards", "reports", "sso", "forms", "maps"][(person + day as usize) % 5];
                let at = begin + DAY * (1 + day) + 120;
                step(at, account, person, What::Track("Feature Used", json!({"feature": feature})));
            }
            step(
                begin + 3 * DAY,
                account,
                person,
                What::Track("Invite Sent", json!({"invitee": format!("i{person}")})),
            );
            for view in 0..4 {
                step(begin + (4 + view) * DAY, account, person, What::Pricing);
            }
        }
        step(8 * DAY, account, 0, What::Track("Limit Reached", json!({"meter": "seats"})));
        step(9 * DAY, account, 0, What::Track("Contact Sales", json!({})));
        step(16 * DAY, account, 1, What::Track("Enterprise Feature Requested", json!({"feature": "SAML"})));
    }
    steps.sort_by_key(|step| (step.at, step.id));
    steps
}

/// The product in a format, one record a line.
fn in_format(format: &str) -> String {
    let lines = product().into_iter().filter_map(|step| {
        let Step { id, at, account, user, what } = step;
        let (id, email) = (format!("m-{id}"), format!("{user}@{account}.example"));
        let utc = jiff::Timestamp::from_second(at).unwrap();
        let spaced = utc.strftime("%Y-%m-%d %H:%M:%S.000000").to_string();
        let line = match (format, what) {
            ("segment", what) => {
                let own = match what {
                    What::Track(name, properties) => json!({"type": "track", "event": name, "properties": properties}),
                    What::Pricing => json!({"type": "page", "properties": {"path": "/pricing"}}),
                    What::Identify => json!({"type": "identify", "traits": {"email": email}}),
                };
                let all = json!({"messageId": id, "userId": user, "context": {"groupId": account},
                    "timestamp": utc.to_string()});
                merged(all, own)
            }
            ("posthog", what) => {
                let (name, properties) = match what {
                    What::Track(name, properties) => (name, properties),
                    What::Pricing => ("$pageview", json!({"$pathname": "/pricing"})),
                    What::Identify => ("$identify", json!({"$set": {"email": email}})),
                };
                let groups = json!({"$groups": {"company": account}, "$lib": "web"});
                json!({"uuid": id, "event": name.to_lowercase(), "distinct_id": user, "team_id": 1,
                    "properties": merged(properties, groups), "timestamp": spaced})
            }
            ("amplitude", what) => {
                let (name, properties) = match what {
                    What::Track(name, properties) => (name, properties),
                    What::Pricing => ("[Amplitude] Page Viewed", json!({"[Amplitude] Page Path": "/pricing"})),
                    What::Identify => ("$identify", json!({})),
                };
                json!({"$insert_id": id, "event_type": name, "user_id": user, "device_id": "d", "event_time": spaced,
                    "groups": {"company": [account]}, "event_properties": properties,
                    "user_properties": {"email": email}})
            }
            ("mixpanel", What::Identify) => {
                json!({"$distinct_id": user, "$properties": {"$email": email, "company_id": account,
                    "$last_seen": utc.strftime("%Y-%m-%dT%H:%M:%S").to_string()}})
            }
            ("mixpanel", what) => {
                let (name, properties) = match what {
                    What::Track(name, properties) => (name, properties),
                    _ => ("$mp_web_page_view", json!({"current_url_path": "/pricing"})),
                };
                let own = json!({"time": at, "distinct_id": user, "$user_id": user, "$insert_id": id,
                    "company_id": [account]});
                json!({"event": name, "properties": merged(properties, own)})
            }
            ("snowplow", what) => {
                let own = match what {
                    What::Track(name, data) => json!({"event": "unstruct", "event_name": name,
                        "unstruct_event_com_acme_x_1": data}),
                    What::Pricing => json!({"event": "page_view", "page_urlpath": "/pricing"}),
                    What::Identify => return None,
                };
                let all = json!({"event_id": id, "user_id": user, "collector_tstamp": spaced, "derived_tstamp": spaced,
                    "contexts_com_acme_company_1": [{"id": account}]});
                merged(all, own)
            }
            ("cloudevents", what) => {
                let (name, data) = match what {
                    What::Track(name, data) => (name, data),
                    What::Pricing => ("Pricing Viewed", json!({})),
                    What::Identify => return None,
                };
                json!({"specversion": "1.0", "id": id, "source": "/app", "type": name, "time": utc.to_string(),
                    "data": merged(data, json!({"userId": user, "accountId": account}))})
            }
            (other, _) => unreachable!("{other}"),
        };
        Some(line.to_string() + "\n")
    });
    lines.collect()
}

fn merged(mut object: Value, other: Value) -> Value {
    object.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    object
}

/// The row of Snowplow's TSV for a line of its JSON.
fn as_row(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let described =
        |name: &str, data: Value| json!({"schema": format!("iglu:com.acme/{name}/jsonschema/1-0-0"), "data": data});
    let mut columns = vec![String::new(); 131];
    for (place, name) in [
        (3, "collector_tstamp"),
        (5, "event"),
        (6, "event_id"),
        (12, "user_id"),
        (35, "page_urlpath"),
        (124, "derived_tstamp"),
        (126, "event_name"),
    ] {
        columns[place] = text(name);
    }
    let company = described("company", event["contexts_com_acme_company_1"][0].clone());
    columns[52] = described("contexts", json!([company])).to_string();
    if let Some(data) = event.get("unstruct_event_com_acme_x_1") {
        columns[58] = described("unstruct_event", described("x", data.clone())).to_string();
    }
    columns.join("\t") + "\n"
}

#[test]
fn the_same_product_gives_the_same_handoffs_in_every_format() {
    let dir = Workdir::new();
    dir.write("segment.ndjson", in_format("segment"));
    let expected = dir.handoffs(&["segment.ndjson"]);
    let triggers: BTreeSet<String> = expected.iter().map(|handoff| handoff[2].to_string()).collect();
    assert!(expected.len() >= 4 && triggers.len() >= 3, "{expected:#?}");
    // Snowplow's events and CloudEvents have no calls that set traits.
    let without_traits: String =
        in_format("segment").split_inclusive('\n').filter(|it| !it.contains("identify")).collect();
    dir.write("without-traits.ndjson", without_traits);
    let expected_without = dir.handoffs(&["without-traits.ndjson"]);
    for (format, expected) in [
        ("posthog", &expected),
        ("amplitude", &expected),
        ("mixpanel", &expected),
        ("snowplow", &expected_without),
        ("cloudevents", &expected_without),
    ] {
        let file = format!("{format}.ndjson");
        dir.write(&file, in_format(format));
        assert_eq!(dir.handoffs(&[&file]), *expected, "{format}, recognised");
        assert_eq!(dir.handoffs(&[&file, "--from", format]), *expected, "{format}, named");
    }
    // Names of self-describing events are written with underscores.
    let line = r#"{"event":"unstruct","event_name":"contact_sales","event_id":"e","user_id":"u",
        "collector_tstamp":"2026-10-05 09:00:00.000","contexts_com_acme_company_1":[{"id":"acme"}]}"#;
    dir.write("self-described.ndjson", line.replace('\n', ""));
    assert_eq!(dir.handoffs(&["self-described.ndjson"]).len(), 1);
    let rows: String = in_format("snowplow").lines().map(as_row).collect();
    dir.write("snowplow.tsv", rows);
    assert_eq!(dir.handoffs(&["snowplow.tsv"]), expected_without, "rows");
}

/// Every command of docs/tutorials.md, on exports as the tools make them: each history gives a handoff.
#[test]
fn the_tutorials_lead_to_a_handoff() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorials.md")).unwrap();
    let halves = |format: &str| {
        let text = in_format(format);
        let at = text.match_indices('\n').nth(5).unwrap().0 + 1;
        [text[..at].to_owned(), text[at..].to_owned()]
    };
    let mut sections = 0;
    for section in page.split("\n## ").skip(1) {
        let Some((_, block)) = section.split_once("```sh\n") else { continue };
        let dir = Workdir::new();
        for (folder, format) in [("segment-logs", "segment"), ("rudder-logs", "segment"), ("posthog-export", "posthog")]
        {
            fs::create_dir(dir.path(folder)).unwrap();
            for (number, half) in halves(format).iter().enumerate() {
                dir.write(&format!("{folder}/part-{number}.json.gz"), gzip(half.as_bytes()));
            }
        }
        let parts = halves("amplitude").map(|half| gzip(half.as_bytes()));
        let [first, second] = parts;
        dir.write(
            "amplitude-export.zip",
            zip(&[("1/1_2026-10-05_9#0.json.gz", first), ("1/1_2026-10-05_10#0.json.gz", second)]),
        );
        dir.write("mixpanel-export.ndjson.gz", gzip(in_format("mixpanel").as_bytes()));
        fs::create_dir(dir.path("snowplow-enriched")).unwrap();
        dir.write("snowplow-enriched/run-1.tsv", in_format("snowplow").lines().map(as_row).collect::<String>());
        dir.write("cloudevents.ndjson", in_format("cloudevents"));
        dir.write("product-events.ndjson", in_format("segment"));
        dir.write("stripe-events.json", STRIPE);
        let (block, _) = block.split_once("\n```").unwrap();
        for line in block.lines() {
            let arguments: Vec<&str> = line.strip_prefix("upswell ").unwrap().split_whitespace().collect();
            let (out, err) = dir.run(&arguments);
            match arguments[0] {
                "replay" => assert!(!documents(&out).is_empty(), "{line}: {err}"),
                "check" => {
                    assert!(out.contains("accounts ") && out.contains("triggers that can never fire"), "{line}: {out}")
                }
                _ => assert!(out.contains("Next:") && dir.path("rules.yaml").exists(), "{line}: {out}"),
            }
        }
        sections += 1;
    }
    assert_eq!(sections, 8);
}

/// A subscription of an account, as Stripe's webhooks have it.
const STRIPE: &str = r#"{"id": "evt_1", "object": "event", "created": 1791200000, "livemode": true,
"type": "customer.subscription.created", "data": {"object": {"id": "sub_A", "object": "subscription", "customer": "cus_N",
"status": "active", "currency": "usd", "metadata": {"account_id": "northwind"}, "items": {"data": [{"quantity": 10,
"price": {"lookup_key": "team", "unit_amount": 120000, "currency": "usd", "recurring": {"interval": "year",
"interval_count": 1}}}]}}}}"#;

#[test]
fn subscriptions_of_stripe_are_those_of_own_events() {
    let dir = Workdir::new();
    dir.write(
        "rules.yaml",
        upswell::rules::DEFAULT.replace("\npresets: [segment]\n", "\npresets: [segment, stripe]\n"),
    );
    dir.write("product.ndjson", in_format("segment"));
    let (mut own, mut stripe) = (String::new(), String::new());
    for (number, (at, status, seats)) in
        [(1_791_200_000_i64, "active", 10), (1_791_900_000, "active", 12), (1_792_500_000, "canceled", 12)]
            .iter()
            .enumerate()
    {
        let paid = *status == "active";
        let mrr = if paid { seats * 100 } else { 0 };
        let line = json!({"type": "track", "event": "Subscription Changed", "messageId": format!("s-{number}"),
            "context": {"groupId": "northwind"}, "timestamp": at, "properties": {"subscription_id": "sub_A", "paid": paid,
            "plan": "team", "seats": seats, "price": 100, "mrr": mrr, "currency": "usd"}});
        own += &format!("{line}\n");
        let kind = ["created", "updated", "deleted"][number];
        let object = json!({"id": "sub_A", "object": "subscription", "customer": "cus_N", "status": status,
            "currency": "usd", "metadata": {"account_id": "northwind"}, "items": {"data": [{"quantity": seats,
            "price": {"lookup_key": "team", "unit_amount": 120_000, "currency": "usd",
            "recurring": {"interval": "year", "interval_count": 1}}}]}});
        let event = json!({"id": format!("evt_{number}"), "object": "event", "created": at, "livemode": true,
            "type": format!("customer.subscription.{kind}"), "data": {"object": object}});
        stripe += &format!("{event}\n");
    }
    dir.write("own.ndjson", own);
    dir.write("stripe.ndjson", stripe);
    let profiles = |billing: &str| {
        let arguments = ["replay", "product.ndjson", billing, "--rules", "rules.yaml", "--until", "2026-11-01"];
        documents(&dir.run(&[&arguments[..], &["--accounts", "-"]].concat()).0)
    };
    let expected = profiles("own.ndjson");
    assert_eq!(expected.len(), 2);
    assert!(expected.iter().any(|profile| profile.to_string().contains("\"team\"")), "{expected:#?}");
    assert_eq!(profiles("stripe.ndjson"), expected);
}

/// What the formats do with the variants that exports really have.
#[test]
fn variants_are_read() {
    let posthog = |properties: Value| {
        json!({"uuid": "1", "event": "x", "distinct_id": "u", "team_id": 1,
        "properties": properties, "timestamp": "2026-10-05 09:00:00"})
    };
    let at = "2026-10-05T09:00:00Z";
    for (format, record, expected) in [
        // Numeric ids, and objects as texts.
        (
            "posthog",
            json!({"uuid": "1", "event": "x", "distinct_id": 7, "timestamp": at,
                "properties": "{\"$groups\": {\"company\": 42}, \"plan\": \"pro\"}"}),
            vec![json!({"type": "track", "event": "x", "messageId": "1", "source": "posthog", "userId": "7",
                "context": {"groupId": "42"}, "timestamp": at, "properties": {"$groups": {"company": 42}, "plan": "pro"}})],
        ),
        // A webhook.
        (
            "posthog",
            json!({"event": {"uuid": "1", "event": "x", "distinct_id": "u", "properties": {}, "timestamp": at},
                "person": {"id": "p", "properties": {"email": "ann@acme.example"}},
                "groups": {"company": {"id": "acme", "properties": {"employees": 9}}}}),
            vec![
                json!({"type": "group", "messageId": "1#group", "source": "posthog", "userId": "u",
                    "context": {"groupId": "acme"}, "timestamp": at, "traits": {"employees": 9}}),
                json!({"type": "identify", "messageId": "1#identify", "source": "posthog", "userId": "u",
                    "context": {"groupId": "acme"}, "timestamp": at, "traits": {"email": "ann@acme.example"}}),
                json!({"type": "track", "event": "x", "messageId": "1", "source": "posthog", "userId": "u",
                    "context": {"groupId": "acme"}, "timestamp": at}),
            ],
        ),
        // A group that is not the account, in an event that has the account.
        (
            "posthog",
            merged(
                posthog(json!({"$group_type": "project", "$group_key": "p", "$groups": {"company": "acme"}})),
                json!({"event": "$groupidentify"}),
            ),
            vec![json!({"type": "track", "event": "$groupidentify", "messageId": "1", "source": "posthog",
                "userId": "u", "context": {"groupId": "acme"}, "timestamp": at,
                "properties": {"$group_type": "project", "$group_key": "p", "$groups": {"company": "acme"}}})],
        ),
        // An anonymous visitor, without an insert id.
        (
            "amplitude",
            json!({"event_type": "x", "user_id": null, "device_id": "d", "event_time": "2026-10-05 09:00:00.000000",
                "groups": {"org": ["acme"]}, "event_properties": null, "user_properties": {"a": 1}}),
            vec![json!({"type": "track", "event": "x", "source": "amplitude", "anonymousId": "d",
                "context": {"groupId": "acme"}, "timestamp": at})],
        ),
        // Traits of the account below its type and id.
        (
            "amplitude",
            json!({"event_type": "x", "user_id": "u", "time": 1_791_190_800_000_i64, "insert_id": "i",
                "groups": {"company": "acme"}, "group_properties": {"company": {"acme": {"plan": "pro"}}}}),
            vec![
                json!({"type": "group", "messageId": "i#group", "source": "amplitude", "userId": "u",
                    "context": {"groupId": "acme"}, "timestamp": at, "traits": {"plan": "pro"}}),
                json!({"type": "track", "event": "x", "messageId": "i", "source": "amplitude", "userId": "u",
                    "context": {"groupId": "acme"}, "timestamp": at}),
            ],
        ),
        // Fractions of seconds, and no insert id.
        (
            "mixpanel",
            json!({"event": "x", "properties": {"time": 1_791_190_800.25, "distinct_id": "u", "company_id": 7}}),
            vec![json!({"type": "track", "event": "x", "source": "mixpanel", "userId": "u",
                "context": {"groupId": "7"}, "timestamp": "2026-10-05T09:00:00.25Z",
                "properties": {"time": 1_791_190_800.25, "distinct_id": "u", "company_id": 7}})],
        ),
        (
            "mixpanel",
            json!({"$group_key": "company_id", "$group_id": "acme", "$properties": {"plan": "pro"}, "$time": at}),
            vec![json!({"type": "group", "source": "mixpanel", "context": {"groupId": "acme"}, "timestamp": at,
                "traits": {"plan": "pro"}})],
        ),
        // Delivered by Amazon EventBridge.
        (
            "stripe",
            json!({"id": "bridge", "detail-type": "x", "detail": {"id": "evt_1", "object": "event", "type": "x.y",
                "created": 1_791_190_800, "data": {"object": {"customer": {"id": "cus_1", "object": "customer"}}}}}),
            vec![json!({"type": "track", "event": "x.y", "messageId": "evt_1", "source": "stripe",
                "context": {"groupId": "cus_1"}, "timestamp": at, "properties": {"id": "evt_1", "object": "event",
                "type": "x.y", "created": 1_791_190_800,
                "data": {"object": {"customer": {"id": "cus_1", "object": "customer"}}}}})],
        ),
    ] {
        let events: Vec<Value> = read(format, &[], &record.to_string()).into_iter().map(Result::unwrap).collect();
        assert_eq!(events, expected, "{format}: {record}");
    }
    // Half a surrogate pair and a number that is too large cost only themselves.
    let strange =
        r#"{"event":"x","properties":{"time":1,"distinct_id":"u","company_id":"a","a":"\ud83d","b":1e999,"c":1}}"#;
    let event = read("mixpanel", &[], strange).remove(0).unwrap();
    assert_eq!((&event["properties"]["a"], &event["properties"]["b"]), (&json!("\u{fffd}"), &Value::Null));
    // Places of the configuration, which may leave out the name of the properties.
    let record = posthog(json!({"$groups": {"team": "t"}, "$group_0": "g"})).to_string();
    for (places, expected) in [(&["$groups.team"][..], "t"), (&["team_id", "$group_0"], "1"), (&["$group_0"], "g")] {
        let event = read("posthog", places, &record).remove(0).unwrap();
        assert_eq!(event["context"]["groupId"], expected, "{places:?}");
    }
}

#[test]
fn what_is_malformed_has_a_reason() {
    for (format, record, reason) in [
        ("posthog", r#"{"uuid":"1","distinct_id":"u","timestamp":0}"#, "not an event of PostHog: it has no event"),
        (
            "posthog",
            r#"{"event":"x","distinct_id":"u","timestamp":0}"#,
            "no account: it was looked for in properties.$groups.company, ",
        ),
        (
            "posthog",
            r#"{"event":"x","properties":{"company_id":"a"}}"#,
            "no time: expected timestamp or properties.$time",
        ),
        (
            "posthog",
            r#"{"event":"x","timestamp":"soon","properties":{"company_id":"a"}}"#,
            r#"timestamp "soon" is not a time"#,
        ),
        ("posthog", r#"{"batch":[]}"#, "an empty list"),
        ("posthog", r#"{"event":"x","properties":{"#, "not a JSON event: EOF"),
        ("posthog", "[7]", "not a JSON event: not an object"),
        (
            "amplitude",
            r#"{"event_type":"x","user_id":"u","event_time":0,"groups":{"company":["a","b"]}}"#,
            "groups.company has 2 ids",
        ),
        ("amplitude", r#"{"user_id":"u"}"#, "it has no event_type"),
        (
            "mixpanel",
            r#"{"$distinct_id":"u","$properties":{"company_id":"a"}}"#,
            "no time: expected properties.time or",
        ),
        (
            "mixpanel",
            r#"{"event":"x","properties":{"time":1,"company_id":{"id":1}}}"#,
            "properties.company_id is not an id",
        ),
        ("stripe", r#"{"id":"e","object":"event","type":"x.y","livemode":false,"created":1}"#, "test mode"),
        ("stripe", r#"{"id":"e","object":"v2.core.event","type":"x"}"#, "a thin event"),
        (
            "stripe",
            r#"{"object":"list","data":[{"id":"sub","object":"subscription"}]}"#,
            r#"its object is "subscription""#,
        ),
        ("snowplow", "a\tb", "it has 2 columns, expected 131"),
        ("snowplow", r#"{"event":"struct","collector_tstamp":"2026-10-05 09:00:00"}"#, "it has no se_action"),
        ("cloudevents", r#"{"id":"1","type":"x"}"#, "it has no specversion"),
        (
            "cloudevents",
            r#"{"specversion":"1.0","id":"1","source":"/","type":"x","data_base64":"e30="}"#,
            "data_base64",
        ),
        ("segment", r#"{"type":"track","timestamp":0}"#, "no account: it was looked for in context.groupId, groupId, "),
        ("json", r#"{"type":"track","groupId":"a","timestamp":0}"#, "no account: expected context.groupId"),
        (
            "segment",
            r#"{"type":"track","context":{"groupId":true},"groupId":"a","timestamp":0}"#,
            "context.groupId is not an id",
        ),
    ] {
        let events = read(format, &[], record);
        let found = events[0].as_ref().unwrap_err();
        assert!(events.len() == 1 && found.contains(reason), "{format} {record}: {found}");
    }
    let binary = input("posthog", &[]);
    let decoded = binary.decode(Admit::Product, b"\xff\xfe").next().unwrap();
    assert_eq!(decoded.raw, b"\xff\xfe");
    assert!(decoded.event.unwrap_err().0.contains("not UTF-8"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip archive of these files, deflated.
fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A tar archive of these files.
fn tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn archives_and_folders_are_read_as_they_are() {
    let dir = Workdir::new();
    let whole = in_format("amplitude");
    let lines: Vec<&str> = whole.lines().collect();
    let (first, second) = lines.split_at(lines.len() / 2);
    // The last line of a file may lack its end.
    let files = [
        ("4711/4711_2026-10-05_9#0.json.gz", gzip(first.join("\n").as_bytes())),
        ("4711/4711_2026-10-05_10#0.json.gz", gzip(second.join("\n").as_bytes())),
        ("__MACOSX/4711/._x", b"\0\x05".to_vec()),
    ];
    dir.write("whole.ndjson", &whole);
    let expected = dir.handoffs(&["whole.ndjson"]);
    // In another order than that of their names.
    let [a, b, c] = files.clone();
    dir.write("export.zip", zip(&[b, a, c]));
    dir.write("export.tar", tar(&files));
    dir.write("export.tgz", gzip(&tar(&files)));
    for (name, bytes) in &files {
        dir.write(&format!("folder/{name}"), bytes);
    }
    let events: Vec<Value> = documents(&whole);
    dir.write("pretty.json", serde_json::to_string_pretty(&events).unwrap());
    let pretty: Vec<String> = events.iter().map(|event| serde_json::to_string_pretty(event).unwrap()).collect();
    dir.write("documents.json", pretty.join("\n"));
    dir.write("request.json", serde_json::to_string_pretty(&json!({"api_key": "k", "events": events})).unwrap());
    for input in ["export.zip", "export.tar", "export.tgz", "folder", "pretty.json", "documents.json", "request.json"] {
        assert_eq!(dir.handoffs(&[input]), expected, "{input}");
        let (_, err) = dir.run(&["replay", input]);
        assert!(err.starts_with(&format!("{input}: read as amplitude, by the content\n")), "{err}");
        assert!(!err.contains("cannot be read") && !err.contains("not in time order"), "{input}: {err}");
    }
    let piped = dir.run_on(&gzip(&tar(&files)), &["replay", "-", "--until", "2026-11-01", "--handoffs", "-"]);
    assert_eq!(documents(std::str::from_utf8(&piped.stdout).unwrap()).len(), expected.len());

    // An event that cannot be read is named by its file and line.
    let broken = format!("{}\n\n{{\"event_type\":\"x\"}}\n", first[0]);
    dir.write("broken.zip", zip(&[("a.json", broken.clone().into_bytes()), ("b.json", second[0].as_bytes().to_vec())]));
    let (_, err) = dir.run(&["replay", "broken.zip", "--dead-letters", "letters"]);
    assert!(err.contains("broken.zip/a.json:3: no account"), "{err}");
    let letters = fs::read_to_string(dir.path("letters")).unwrap();
    let letter: Value = serde_json::from_str(letters.trim()).unwrap();
    assert_eq!(letter["payload"], "eyJldmVudF90eXBlIjoieCJ9", "the bytes as they were: {letter}");
    dir.write("lines.json", format!("[\n{},\n{{\n\"event_type\": \"x\"\n}}\n]\n", first[0]));
    assert!(dir.run(&["replay", "lines.json"]).1.contains("lines.json:3: no account"));

    // What cannot be read ends the command.
    let mut damaged = zip(&[("a.json", whole.clone().into_bytes())]);
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    dir.write("damaged.zip", damaged);
    dir.write("nested.zip", zip(&[("a.zip", zip(&[("a.json", whole.into_bytes())]))]));
    dir.write("none.zip", zip(&[]));
    for (input, says) in [
        ("damaged.zip", "reading damaged.zip/a.json"),
        ("nested.zip", "an archive in an archive"),
        ("none.zip", "no files"),
    ] {
        let ended = dir.run_on(b"", &["replay", input, "--from", "amplitude"]);
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(1) && err.contains(says), "{input}: {err}");
    }
    let ended = dir.run_on(&zip(&files), &["replay", "-"]);
    assert!(String::from_utf8(ended.stderr).unwrap().contains("a zip archive, which can only be read from a file"));
}

/// What an archive or a folder may have beside its files of events is left out, is malformed, or ends the command.
#[test]
fn strange_archives_and_folders_end_the_command_or_are_read() {
    let dir = Workdir::new();
    let (posthog, mixpanel) = (in_format("posthog"), in_format("mixpanel"));
    dir.write("whole.ndjson", &posthog);
    let expected = dir.handoffs(&["whole.ndjson"]);

    // Paths that lead elsewhere are only names: nothing is unpacked.
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.add_directory("folder", options).unwrap();
    writer.add_symlink("link.ndjson", "/etc/passwd", options).unwrap();
    writer.start_file("../up.ndjson", options).unwrap();
    writer.write_all(posthog.as_bytes()).unwrap();
    dir.write("paths.zip", writer.finish().unwrap().into_inner());
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name) in [
        (tar::EntryType::Directory, "folder/"),
        (tar::EntryType::Symlink, "link.ndjson"),
        (tar::EntryType::Link, "hard.ndjson"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        archive.append_link(&mut header, name, "/etc/passwd").unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(posthog.len() as u64);
    archive.append_data(&mut header, "events.ndjson", posthog.as_bytes()).unwrap();
    let links = archive.into_inner().unwrap();
    dir.write("links.tar", &links);
    let list: Vec<&str> = posthog.lines().collect();
    dir.write("line.json", format!("[{}]", list.join(",")));
    dir.write("lines.json", format!("[{}]", list.join(", \n")));
    dir.write("windows.ndjson", format!("\u{feff}{}", posthog.replace('\n', "\r\n")));
    dir.write("with-empty/a.json", "");
    dir.write("with-empty/b.json", &posthog);
    for input in ["paths.zip", "links.tar", "line.json", "lines.json", "windows.ndjson"] {
        assert_eq!(dir.handoffs(&[input]), expected, "{input}");
        let (_, err) = dir.run(&["replay", input]);
        assert!(err.starts_with(&format!("{input}: read as posthog, by the content\n")), "{input}: {err}");
        assert!(!err.contains("cannot be read"), "{input}: {err}");
    }
    assert_eq!(dir.handoffs(&["with-empty", "--from", "posthog"]), expected);

    dir.write("mixed/a.ndjson", &posthog);
    dir.write("mixed/b.ndjson", &mixpanel);
    dir.write("read-me/README.md", "# Export\n\nof October, all events\n");
    dir.write("read-me/events.ndjson", &posthog);
    dir.write("cut.zip", &zip(&[("a.ndjson", posthog.clone().into_bytes())])[..500]);
    dir.write("cut.tar", &links[..links.len() / 2]);
    dir.write("cut.tgz", &gzip(&links)[..400]);
    dir.write("cut.gz", &gzip(posthog.as_bytes())[..400]);
    // A line that would fill memory, in a small file.
    dir.write("bomb.json.gz", gzip(&vec![b'x'; 130 << 20]));
    dir.write("bomb.zip", zip(&[("bomb.json", vec![b'['; 130 << 20])]));
    let row = |cell: &str| vec![cell; 131].join("\t") + "\n";
    dir.write("table.tsv", row("name") + &row("7"));
    dir.write("few.tsv", "web\tmob\tx\t{\"data\":[]}\n");
    for (input, says) in [
        ("mixed", "mixed/b.ndjson has events in the format mixpanel, but mixed is read as posthog"),
        ("read-me", "read-me/events.ndjson has events in the format posthog, but read-me is read as segment"),
        ("cut.zip", "reading cut.zip"),
        ("cut.tar", "cut off"),
        ("cut.tgz", "reading cut.tgz"),
        ("cut.gz", "reading cut.gz"),
        ("bomb.json.gz", "bomb.json.gz:1: an event or document of more than 64 MiB"),
        ("bomb.zip", "bomb.json:1: an event or document of more than 64 MiB"),
        ("table.tsv", "table.tsv is csv or another table"),
        ("few.tsv", "few.tsv is csv or another table"),
    ] {
        let ended = dir.run_on(b"", &["replay", input]);
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(1) && err.contains(says), "{input}: {err}");
    }
    let (_, err) = dir.run(&["replay", "read-me", "--from", "posthog"]);
    assert!(err.contains("read-me/README.md:1: not a JSON event: not an object"), "{err}");
}

/// JSON values as they should not be, in every field of every format: each event is read or has a reason.
#[test]
fn a_strange_value_in_any_field_is_no_panic() {
    let deep = format!("{}7{}", "[".repeat(500), "]".repeat(500));
    let strange = [
        "null",
        "7",
        "1e3",
        "12.0",
        "123456789012345678901234567890",
        "1e999",
        "true",
        "\"\"",
        "\"x\"",
        r#""\ud83d""#,
        r#""[{\"data\":7}]""#,
        "[]",
        "[null]",
        "{}",
        r#"{"data":7}"#,
        r#"{"data":[7,{"schema":7,"data":{}}]}"#,
        &deep,
    ];
    let check = |format: &str, record: &str| {
        let events = read(format, &[], record);
        assert!(!events.is_empty(), "{format}: {record}");
        let is_said = |event: &Result<Value, String>| event.as_ref().err().is_none_or(|reason| !reason.is_empty());
        assert!(events.iter().all(is_said), "{format}: {record}: {events:?}");
        let _ = wire::recognise([record.as_bytes()]);
    };
    let stripe = json!({"id": "evt_1", "object": "event", "type": "customer.updated", "created": 1_791_190_801,
        "data": {"object": {"id": "cus_N", "object": "customer", "metadata": {}}}});
    for format in ["segment", "posthog", "amplitude", "mixpanel", "snowplow", "cloudevents", "stripe"] {
        let lines = if format == "stripe" { stripe.to_string() } else { in_format(format) };
        for line in lines.lines().take(3).chain(lines.lines().skip(30).take(1)) {
            let event: Value = serde_json::from_str(line).unwrap();
            let mut pointers = Vec::new();
            pointers_of(&event, "", &mut pointers);
            for pointer in &pointers {
                let mut changed = event.clone();
                *changed.pointer_mut(pointer).unwrap() = json!("@");
                for value in strange {
                    check(format, &changed.to_string().replace("\"@\"", value));
                }
            }
            (0..line.len()).step_by(7).for_each(|end| check(format, line.get(..end).unwrap_or_default()));
        }
    }
    let row = as_row(in_format("snowplow").lines().next().unwrap());
    let columns: Vec<&str> = row.trim_end_matches('\n').split('\t').collect();
    for place in 0..columns.len() {
        for value in strange {
            let mut changed = columns.clone();
            changed[place] = value;
            check("snowplow", &changed.join("\t"));
        }
    }
}

/// The paths of all values within a value.
fn pointers_of(value: &Value, path: &str, all: &mut Vec<String>) {
    let members: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => (0..).zip(items).map(|(place, value): (usize, _)| (place.to_string(), value)).collect(),
        _ => return,
    };
    for (name, value) in members {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers_of(value, &path, all);
        all.push(path);
    }
}

#[test]
fn snowplow_keeps_numbers_and_texts_as_they_are() {
    let json = r#"{"event":"unstruct","event_name":"x","event_id":"e","collector_tstamp":"2026-10-05T09:00:00.000Z",
        "contexts_com_acme_company_1":[{"id":12345678901234567890123}],"contexts_com_acme_company_2":[],
        "unstruct_event_com_acme_x_1":{"a":"\ud83d","b":1e999,"c":9007199254740993}}"#;
    let described =
        |name: &str, data: &str| format!(r#"{{"schema":"iglu:com.acme/{name}/jsonschema/1-0-0","data":{data}}}"#);
    let mut columns = vec![""; 131];
    let contexts = described("contexts", &format!("[{}]", described("company", r#"{"id":12345678901234567890123}"#)));
    let event = described("e", &described("x", r#"{"a":"\ud83d","b":1e999,"c":9007199254740993}"#));
    (columns[3], columns[5], columns[6], columns[126]) = ("2026-10-05 09:00:00.000", "unstruct", "e", "x");
    (columns[52], columns[58]) = (&contexts, &event);
    for record in [json.to_owned(), columns.join("\t")] {
        assert_eq!(wire::recognise([record.as_bytes()]), Some(InputFormat::Snowplow));
        let event = read("snowplow", &[], &record).remove(0).unwrap();
        assert_eq!(event["context"]["groupId"], "12345678901234567890123");
        assert_eq!(event["properties"], json!({"a": "\u{fffd}", "c": "9007199254740993"}));
    }
    // Entities have the names that they have in the JSON of the SDKs.
    let contexts = described("contexts", &format!("[{}]", described("customerCompany", r#"{"id":"acme"}"#)));
    columns[52] = &contexts;
    for place in ["entities.company.id", "contexts_com_acme_customer_company_1.0.id"] {
        assert_eq!(read("snowplow", &[place], &columns.join("\t")).remove(0).unwrap()["context"]["groupId"], "acme");
    }
    columns[52] = r#"{"data":[7]}"#;
    let reason = read("snowplow", &[], &columns.join("\t")).remove(0).unwrap_err();
    assert!(reason.starts_with("column 53 of the row is not self-describing JSON: "), "{reason}");
}

#[test]
fn requests_are_recognised_by_what_is_around_their_events() {
    let event = json!({"event": "x", "properties": {"distinct_id": "u", "$groups": {"company": "acme"}},
        "timestamp": "2026-10-05T09:00:00Z"});
    let request = json!({"api_key": "phc_1", "historical_migration": false, "batch": [event]}).to_string();
    assert_eq!(wire::recognise([request.as_bytes()]), Some(InputFormat::Posthog));
    assert!(read("posthog", &[], &request)[0].is_ok());
    assert_eq!(wire::recognise([event.to_string().as_bytes()]), None);
    // What is around an event counts for one with objects as texts, too.
    let quoted = json!({"timestamp": "2026-10-05T09:00:00Z",
        "batch": [{"event": "x", "properties": "{\"distinct_id\": \"u\", \"company_id\": \"acme\"}"}]});
    assert!(read("posthog", &[], &quoted.to_string())[0].is_ok());
}

#[test]
fn the_configuration_says_where_the_account_and_the_user_are() {
    let dir = Workdir::new();
    let line = json!({"type": "track", "event": "Contact Sales", "timestamp": "2026-10-06T10:01:00Z", "messageId": "m",
        "userId": "u", "properties": {"team": "t-1", "person": 7, "email": "ann@acme.example"},
        "context": {"groupId": "acme"}});
    dir.write("events.ndjson", line.to_string());
    dir.write("c.yaml", "input:\n  account: [properties.team]\n  user: [properties.person]\n");
    let accounts = |arguments: &[&str]| -> Vec<Value> {
        let all = [&["replay", "events.ndjson", "--users", "-", "--until", "2026-10-08"], arguments].concat();
        documents(&dir.run(&all).0).iter().map(|row| json!([row["account"], row["user"]])).collect()
    };
    assert_eq!(accounts(&[]), [json!(["acme", "u"])]);
    assert_eq!(accounts(&["--config", "c.yaml"]), [json!(["t-1", "7"])]);
    assert_eq!(accounts(&["--config", "c.yaml", "--account", "nothing,email domain"]), [json!(["acme.example", "7"])]);
    for command in [
        &["explain", "t-1", "--on", "events.ndjson", "--config", "c.yaml"][..],
        &["rules", "diff", "default", "default", "--on", "events.ndjson", "--config", "c.yaml", "--json"],
    ] {
        assert!(dir.run(command).0.contains("t-1"), "{command:?}");
    }
    for (text, says) in [
        ("input: { account: [''] }", "expected a path such as context.groupId"),
        ("input: { user: [email domain] }", "input.user"),
        ("input: { format: posthg }", "did you mean `posthog`?"),
    ] {
        dir.write("bad.yaml", text);
        let ended = dir.run_on(b"", &["check", "--config", "bad.yaml"]);
        let err = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(2) && err.contains(says), "{text}: {err}");
    }
}

/// The inputs from the field give results. They are beside the project; without them the test prints `SKIPPED`, and fails
/// if `CI=true`.
#[test]
fn inputs_from_the_field_give_results() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/field");
    if !folder.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no inputs at {}", folder.display());
        writeln!(std::io::stderr(), "SKIPPED: no inputs at {}", folder.display()).unwrap();
        return;
    }
    let dir = Workdir::new();
    for (file, format, handoffs, accounts) in [
        ("01-posthog-export.ndjson", "posthog", 1, &["northwind"][..]),
        ("02-amplitude-export.ndjson", "amplitude", 1, &["northwind"]),
        ("03-mixpanel-export.ndjson", "mixpanel", 1, &["northwind"]),
        ("04-stripe-webhooks.ndjson", "stripe", 0, &["northwind"]),
        ("05-rudderstack-dump.ndjson", "", 1, &["northwind"]),
        (
            "07-account-elsewhere.ndjson",
            "",
            5,
            &["as-it-should", "in-properties", "in-traits", "snake-case", "top-level"],
        ),
        ("14-batch.ndjson", "", 3, &["acc-array", "acc-batch", "acc-plain"]),
        ("25-stripe-list.json", "stripe", 0, &["northwind"]),
        ("25c-amplitude.zip", "amplitude", 1, &["northwind"]),
    ] {
        let path = folder.join(file);
        let path = path.to_str().unwrap();
        let (out, err) =
            dir.run(&["replay", path, "--handoffs", "-", "--accounts", "accounts", "--until", "2026-11-01"]);
        assert!(!err.contains("cannot be read"), "{file}: {err}");
        assert_eq!(documents(&out).len(), handoffs, "{file}: {out}");
        let rows = documents(&fs::read_to_string(dir.path("accounts")).unwrap());
        let found: Vec<&str> = rows.iter().map(|row| row["account"].as_str().unwrap()).collect();
        assert_eq!(found, accounts, "{file}");
        assert_eq!(err.contains(&format!("read as {format}, by the content")), !format.is_empty(), "{file}: {err}");
        let (out, _) = dir.run(&["check", "--events", path]);
        assert!(out.contains("0 cannot be read"), "{file}: {out}");
    }
}

/// A batch export of PostHog in Parquet, as it stores them in S3.
#[cfg(feature = "parquet")]
fn parquet_of_posthog() -> Vec<u8> {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;

    let schema = "message schema {
        optional binary uuid (UTF8); optional binary event (UTF8); optional binary properties (UTF8);
        optional binary distinct_id (UTF8); optional int64 team_id; optional binary elements_chain (UTF8);
        optional int64 timestamp (TIMESTAMP(MICROS,true)); optional int64 created_at (TIMESTAMP(MICROS,true));
        optional int64 _inserted_at (TIMESTAMP(MICROS,true)); optional binary person_properties (UTF8); }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    let compression = parquet::basic::Compression::ZSTD(Default::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let groups = r#"{"$groups":{"company":"northwind"},"$current_url":"https://app.example/pricing"}"#;
    for (name, value) in [
        ("uuid", "0192-1"),
        ("event", "contact sales"),
        ("properties", groups),
        ("distinct_id", "u-1"),
        ("team_id", ""),
        ("elements_chain", ""),
        ("timestamp", ""),
        ("created_at", ""),
        ("_inserted_at", ""),
        ("person_properties", r#"{"email":"ann@northwind.example"}"#),
    ] {
        let mut column = group.next_column().unwrap().unwrap();
        // 2026-10-06T10:01:00.123456Z, and three events.
        let at = 1_791_280_860_123_456;
        match name {
            "team_id" => column.typed::<Int64Type>().write_batch(&[4711; 3], Some(&[1; 3]), None),
            "elements_chain" => column.typed::<ByteArrayType>().write_batch(&[], Some(&[0; 3]), None),
            "timestamp" | "created_at" | "_inserted_at" => {
                column.typed::<Int64Type>().write_batch(&[at, at + 1_000_000, at + 2_000_000], Some(&[1; 3]), None)
            }
            // The second has no account.
            "properties" => {
                let values = [groups, "{}", groups].map(ByteArray::from);
                column.typed::<ByteArrayType>().write_batch(&values, Some(&[1; 3]), None)
            }
            "uuid" => {
                let values = ["0192-1", "0192-2", "0192-3"].map(ByteArray::from);
                column.typed::<ByteArrayType>().write_batch(&values, Some(&[1; 3]), None)
            }
            _ => column.typed::<ByteArrayType>().write_batch(
                &[(); 3].map(|()| ByteArray::from(value)),
                Some(&[1; 3]),
                None,
            ),
        }
        .unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[cfg(feature = "parquet")]
#[test]
fn exports_in_parquet_are_read_as_they_are() {
    let dir = Workdir::new();
    let bytes = parquet_of_posthog();
    dir.write("export/a.parquet", &bytes);
    dir.write("export.tgz", gzip(&tar(&[("a.parquet", bytes.clone())])));
    dir.write("export.zip", zip(&[("a.parquet", bytes.clone())]));
    let mut all = Vec::new();
    for input in ["export/a.parquet", "export", "export.tgz", "export.zip"] {
        let (out, err) =
            dir.run(&["replay", input, "--handoffs", "-", "--accounts", "accounts", "--dead-letters", "letters"]);
        assert!(err.contains("read as posthog, by the content"), "{err}");
        assert!(out.contains("northwind") && err.contains("accounts  1"), "{input}: {out}{err}");
        let letters = fs::read_to_string(dir.path("letters")).unwrap();
        assert!(letters.lines().count() == 1 && letters.contains("no account"), "{letters}");
        assert!(err.contains("a.parquet:2: no account"), "{err}");
        all.push(out);
    }
    assert!(all.windows(2).all(|it| it[0] == it[1]));
    let piped = dir.run_on(&bytes, &["replay", "-", "--handoffs", "-"]);
    assert!(String::from_utf8_lossy(&piped.stdout).contains("northwind"));
    dir.write("cut.parquet", &bytes[..bytes.len() / 2]);
    let cut = dir.run_on(b"", &["replay", "cut.parquet"]);
    assert!(!cut.status.success() && String::from_utf8_lossy(&cut.stderr).contains("reading cut.parquet"));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn exports_in_parquet_need_a_build_that_reads_them() {
    let dir = Workdir::new();
    dir.write("a.parquet", b"PAR1 and more");
    let ended = dir.run_on(b"", &["replay", "a.parquet"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(1) && said.contains("--features parquet"), "{said}");
}
