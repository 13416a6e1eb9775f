//! Tests of rules files: the JSON Schema, the lists and examples of `docs/rules.md`, error messages, and the commands
//! `rules explain`, `rules diff` and `check --events`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};
use upswell::rules;

const RULES: &str = include_str!("../src/rules/default.yaml");

/// Runs a command in a directory. Returns its exit code, standard output and standard error.
fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_upswell")).args(arguments).current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn ok(dir: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = run(dir, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// Validates a value against a JSON Schema, and adds the errors to `wrong`. It knows the keywords that our schema uses,
/// and panics on others.
fn validate(root: &Value, schema: &Value, value: &Value, path: &str, wrong: &mut Vec<String>) {
    let Some(schema) = schema.as_object() else {
        assert_eq!(schema, &json!(true), "{path}: a schema is an object or true");
        return;
    };
    let fails = |schema: &Value| {
        let mut wrong = Vec::new();
        validate(root, schema, value, path, &mut wrong);
        !wrong.is_empty()
    };
    for (keyword, rule) in schema {
        let is_wrong = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "examples" | "default" | "format" => false,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                validate(root, &root["$defs"][name], value, path, wrong);
                continue;
            }
            "type" => !types(rule).any(|name| is_of(value, name)),
            "const" => value != rule,
            "enum" => !rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_some_and(|number| number < rule.as_f64().unwrap()),
            "exclusiveMinimum" => value.as_f64().is_some_and(|number| number <= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_some_and(|number| number > rule.as_f64().unwrap()),
            "minItems" => value.as_array().is_some_and(|list| (list.len() as u64) < rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_some_and(|list| list.len() as u64 > rule.as_u64().unwrap()),
            "pattern" => {
                let pattern = regex_lite::Regex::new(rule.as_str().unwrap()).unwrap();
                value.as_str().is_some_and(|text| !pattern.is_match(text))
            }
            "required" => value.as_object().is_some_and(|object| {
                rule.as_array().unwrap().iter().any(|key| !object.contains_key(key.as_str().unwrap()))
            }),
            "anyOf" => rule.as_array().unwrap().iter().all(fails),
            "oneOf" => rule.as_array().unwrap().iter().filter(|schema| !fails(schema)).count() != 1,
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(root, rule, item, &format!("{path}[{at}]"), wrong);
                }
                continue;
            }
            "properties" => {
                for (key, item) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(key) {
                        validate(root, rule, item, &format!("{path}.{key}"), wrong);
                    }
                }
                continue;
            }
            "propertyNames" => {
                for key in value.as_object().into_iter().flat_map(Map::keys) {
                    validate(root, rule, &json!(key), &format!("{path}.{key}"), wrong);
                }
                continue;
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                let unknown = value.as_object().into_iter().flatten();
                for (key, item) in unknown.filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key))) {
                    match rule {
                        Value::Bool(false) => wrong.push(format!("{path}: unknown key {key}")),
                        rule => validate(root, rule, item, &format!("{path}.{key}"), wrong),
                    }
                }
                continue;
            }
            other => panic!("{path}: this validator does not know {other}"),
        };
        if is_wrong {
            wrong.push(format!("{path}: {value} against {keyword} {rule}"));
        }
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let list = rule.as_array().map_or(std::slice::from_ref(rule), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

fn against_the_schema(value: &Value) -> Vec<String> {
    let (schema, mut wrong) = (rules::schema(), Vec::new());
    validate(&schema, &schema, value, "rules", &mut wrong);
    wrong
}

fn default() -> Value {
    serde_saphyr::from_str(RULES).unwrap()
}

/// The examples of the page, each merged into the default rules.
fn examples() -> Vec<(String, Value)> {
    let page = std::fs::read_to_string(page_path()).unwrap();
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let of_block = |block: &str| -> Vec<(String, Value)> {
        let mut said: Value = serde_saphyr::from_str(block).unwrap();
        // All signals of the page do not fit beside those of the default rules, so each is tested alone.
        let signals = said["signals"].as_array().cloned().unwrap_or_default();
        let mut variants = Vec::new();
        for row in signals {
            said["signals"] = json!([row]);
            variants.push(said.clone());
        }
        let variants = if variants.is_empty() { vec![said] } else { variants };
        let with_pack = |said: Value| {
            let mut rules = default();
            merge(&mut rules, said);
            (block.to_owned(), rules)
        };
        variants.into_iter().map(with_pack).collect()
    };
    blocks.flat_map(of_block).collect()
}

/// Merges `said` into rules: rows are added before the existing ones, keys replace existing keys, and some tables are
/// replaced completely.
fn merge(into: &mut Value, said: Value) {
    let (Some(object), Value::Object(said)) = (into.as_object_mut(), said) else { panic!("an example has keys") };
    for (key, said) in said {
        match (object.entry(key.clone()).or_insert(Value::Null), said) {
            (Value::Array(rows), Value::Array(said)) if key != "segments" => {
                rows.splice(0..0, said);
            }
            (known @ Value::Object(_), said @ Value::Object(_)) => merge(known, said),
            (known, said) => *known = said,
        }
    }
    // An example with other segments: rows that name the segments of the default rules are removed.
    let ids: BTreeSet<String> = object
        .get("segments")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|it| it["id"].as_str())
        .map(str::to_owned)
        .collect();
    if let (false, Some(routes)) = (ids.is_empty(), object.get_mut("routes").and_then(Value::as_array_mut)) {
        let known = |route: &Value| {
            route["segments"]
                .as_array()
                .is_none_or(|list| list.iter().all(|id| ids.contains(id.as_str().unwrap_or_default())))
        };
        routes.retain(known);
    }
}

#[test]
fn the_default_rules_and_all_examples_match_the_schema_and_compile() {
    assert_eq!(against_the_schema(&default()), [""; 0]);
    let examples = examples();
    assert!(examples.len() > rules::KINDS.len(), "{}", examples.len());
    for (block, rules) in examples {
        assert_eq!(against_the_schema(&rules), [""; 0], "{block}");
        // JSON is YAML.
        upswell::rules::parse("example", &rules.to_string()).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}

#[test]
fn rules_without_effect_are_refused_with_their_place() {
    // A text of the default rules, its replacement, and the error, which names the line of the replacement.
    let table: &[(&str, &str, &str)] = &[
        // Ids: their characters, and ids that are used twice.
        ("id: near-limit", "id: near limit", "trigger near limit: id is \"near limit\": expected letters, digits"),
        ("id: near-limit", "id: ''", "trigger : id is \"\""),
        ("id: near-limit", "id: contact-sales", "trigger contact-sales: the id is used twice"),
        ("id: smb,", "id: s.m.b,", "segment s.m.b: id is"),
        ("id: smb,", "id: unknown,", "segment unknown: the id is used twice"),
        ("{ id: T4,", "{ id: T 4,", "tier T 4: id is"),
        ("{ id: T4,", "{ id: T1,", "tier T1: the id is used twice"),
        ("id: education\n", "id: edu cation\n", "template edu cation: id is"),
        ("id: education\n", "id: introduction\n", "template introduction: the id is used twice"),
        ("scopes: [account], points: 20", "scopes: [account, account], points: 20", "scopes names one scope twice"),
        ("kind: seen, scopes: [account], points: 20", "scopes: [account], points: 20", "kind is missing"),
        ("of: workspace, rungs", "of: workspace, within: 1d, rungs", "`within` goes by the sign-up of a user"),
        // Empty lists.
        (
            "where: { topic: [billing, plan, plans, invoice, invoices, annual terms] }",
            "where: { topic: [] }",
            "where.topic is empty",
        ),
        ("where_bound: { external: [true] }", "where_bound: { external: [] }", "where_bound.external is empty"),
        ("role: contact_sales, plan", "role: contact_sales, where: { source: [] }, plan", "where.source is empty"),
        ("one_of: [software]", "one_of: []", "one_of is empty"),
        ("customer_success, triggers: [at-risk]", "customer_success, triggers: []", "routes: triggers is empty"),
        ("automated_email, levels: [low]", "automated_email, levels: []", "routes: levels is empty"),
        ("automated_email, segments: [smb]", "automated_email, segments: []", "routes: segments is empty"),
        ("automated_email, tiers: [T4]", "automated_email, tiers: []", "routes: tiers is empty"),
        ("signals: [intent.enterprise]", "signals: []", "money.suggested_plans: signals is empty"),
        ("id: education\n", "id: education\n    levels: []\n", "template education: levels is empty"),
        ("id: education\n", "id: education\n    triggers: []\n", "template education: triggers is empty"),
        ("territories: []", "territories: [{ territory: x, owner: o, countries: [] }]", "countries is empty"),
        ("territories: []", "territories: [{ territory: x, owner: o, industries: [] }]", "industries is empty"),
        ("territories: []", "territories: [{ territory: x, owner: o, segments: [] }]", "segments is empty"),
        // References.
        (
            "territories: []",
            "territories: [{ territory: x, owner: o, segments: [smd] }]",
            "there is no segment smd: did you mean `smb`?",
        ),
        ("territories: []", "territories: [{ territory: x, owner: '' }]", "territories: owner is missing"),
        ("territories: []", "territories: [{ territory: x, owner: o, share: 2 }]", "territories: share is 2"),
        (
            "customer_success, triggers: [at-risk]",
            "customer_success, triggers: [at-rsk]",
            "there is no trigger at-rsk: did you mean `at-risk`?",
        ),
        ("automated_email, tiers: [T4]", "automated_email, tiers: [T9]", "routes: there is no tier T9"),
        (
            "route: automated_email, automated: true }\n\n",
            "route: automated_email, asked: true }\n\n",
            "the last row must match everything",
        ),
        ("{ route: named_ae, segments", "{ segments", "routes: route is missing"),
        (
            "signals: [intent.enterprise]",
            "signals: [intent.entreprise]",
            "there is no signal intent.entreprise: did you mean `intent.enterprise`?",
        ),
        ("signals: [intent.enterprise]", "signals: [account.volume]", "signal account.volume is off"),
        // Numbers.
        (
            "users: 1, users_at_most: 1",
            "users: 2, users_at_most: 1",
            "tier T4: users is 2, but users_at_most is only 1",
        ),
        ("from: 24h, by: 48h", "from: 49h, by: 48h", "due.medium: from is later than by"),
        ("accounts: 5000000", "accounts: 0", "limits.accounts is 0"),
        ("users: 50000000", "users: 0", "limits.users is 0"),
        ("rates: {}", "rates: { EUR: 0 }", "money.rates: EUR is 0"),
        ("rates: {}", "rates: { EUR: -1.1 }", "money.rates: EUR is -1.1"),
        ("rates: {}", "rates: { EUR: .inf }", "money.rates: EUR is inf"),
        ("rates: {}", "rates: { Euro: 1.1 }", "money.rates: Euro is not the code of a currency"),
        ("personal_above: 20000", "personal_above: -1", "money.personal_above is -1"),
        ("personal_above: 20000", "personal_above: .nan", "money.personal_above is NaN"),
        ("employees: 50, potential: 5000", "employees: 50, potential: -5000", "segment mid_market: potential is -5000"),
        (
            "employees: 500, potential: 50000",
            "employees: 50, potential: 50000",
            "segment enterprise: expected no `employees` in the first segment",
        ),
        ("hot: 80", "hot: 40", "scores.bands: emerging, warm and hot must rise"),
        ("[2, 5, 7, 10, 25, 50, 100]", "[5, 2]", "scores.active_users must rise"),
        ("spike_above: 5.4", "spike_above: 0", "spike_above is 0"),
        ("spike_above: 5.4", "spike_above: .nan", "spike_above is NaN"),
        (
            "api_calls: { role: api_called }",
            "api_calls: { role: api_called, gauge: true }",
            "meter api_calls: a gauge needs sum",
        ),
        ("roles: [exported], ttl: 90d", "roles: [exported], ttl: 0s", "ttl is 0: leave it out"),
        ("share: 0, salt", "share: 1.5, salt", "rails.holdout.share is 1.5"),
        (
            "# utc_offset: \"-08:00\"",
            "utc_offset: \"-8\"",
            "utc_offset: \"-8\" is not an offset from UTC: write +05:30",
        ),
        ("# utc_offset: \"-08:00\"", "utc_offset: -14:01", "utc_offset: -14:01 is too far from UTC: -14:00 to +14:00"),
        (
            "  # live_from: 2026-01-01T00:00:00Z",
            "  live_from: soon",
            "rails.live_from: \"soon\" is not an RFC 3339 instant",
        ),
        ("\nterritories: []", "\npilot: { share: 0.1, owners: [] }\nterritories: []", "pilot.owners is empty"),
        ("\nterritories: []", "\npilot: { share: 7, owners: [a] }\nterritories: []", "pilot.share is 7"),
        // Conditions.
        ("when: icp && departments >= 2", "when: 'true'", "when: the condition names nothing"),
        ("when: target, first", "when: 'false', first", "when: the condition names nothing"),
        ("user.band == \"hot\"", "user.band == \"hott\"", "did you mean `hot`?"),
        (
            "when: icp && departments >= 2",
            "when: icp && tier == 'T9'",
            "`tier` is never \"T9\": it is one of \"\", \"T1\", \"T2\"",
        ),
        ("when: icp && departments >= 2", "when: icp && segment == 'entreprise'", "did you mean `enterprise`?"),
        (
            "when: icp && departments >= 2",
            "when: icp && plan == 'Team'",
            "`plan` is never \"Team\": it is in lower case",
        ),
        ("when: \"velocity.growth >= 1", "when: \"velocity.growth >= 2", "`velocity.growth` is at most 1"),
        ("weekly_users[4]", "weekly_users[50]", "`weekly_users` has at most 13 items"),
        (
            "event.amount >= 500.0 && paid",
            "user.score >= 50",
            "`user.score` is of a user: the condition of an event trigger is about the account",
        ),
        ("when: icp && departments >= 2", "when: intent.pricing >= 1", "did you mean `user.intent.pricing`?"),
        ("when: icp && departments >= 2", "when: user.account.users >= 1", "did you mean `account.users`?"),
        ("when: icp && departments >= 2", "when: account.volume >= 1", "signal `account.volume` is off"),
        // Templates.
        (
            "id: education\n    personal: false\n    text: \"Hi, {{ active_users }}",
            "id: education\n    personal: false\n    text: \"Hi, {{ actve_users }}",
            "template education: text uses the unknown value actve_users: did you mean `active_users`?",
        ),
        (
            "id: raised-hand\n    triggers: [enterprise-request, contact-sales, custom-pricing]\n    text: \"Hi, {{ why }}",
            "id: raised-hand\n    triggers: [contact-sales]\n    text: \"Hi, {{ why | upper }}",
            "template raised-hand: text cannot be filled: unknown filter",
        ),
    ];
    let mut wrong = Vec::new();
    for (said, instead, says) in table {
        let text = RULES.replacen(said, instead, 1);
        assert_ne!(text, RULES, "{said}");
        let begins = RULES.find(said).unwrap() + usize::from(said.starts_with('\n'));
        let line = RULES[..begins].split('\n').count();
        let error = rules::parse("own.yaml", &text).map_or_else(|error| error.to_string(), |_| "nothing".into());
        if !(error.starts_with(&format!("own.yaml:{line}:")) && error.contains(says)) {
            wrong.push(format!("{instead}: line {line}, {says}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Rows over several lines.
    let table = [
        ("spike_below: 0.0005", "spike_below: 0", "spike_below is 0"),
        ("spike_below: 0.0005", "spike_below: 1.1", "spike_below is 1.1"),
        ("{ below: 12, share: 60 }", "{ below: 12 }", "expected below and share"),
        ("{ below: 12, share: 60 }", "{ below: 12, share: 100 }", "share is 100"),
        ("{ below: 12, share: 60 }", "{ below: 0, share: 60 }", "at least 1"),
        ("{ below: 12, share: 60 }", "some", "expected none, or tests"),
        ("above: 32, each: 10,", "above: 32,", "expected above and each"),
        ("above: 32, each: 10,", "below: 12, share: 60,", "expected above and each"),
        ("slope: [{ streak: 3, z: 3.0 }, { streak: 1, z: 3.5 }]", "slope: []", "slope is empty"),
        ("slope: [{ streak: 3, z: 3.0 }, { streak: 1, z: 3.5 }]", "slope: [{ streak: 0, z: 3.0 }]", "streak 1 to"),
        (
            "\nsignals:\n",
            "\nsignals:\n  - { id: my.jump, kind: growth, scopes: [account], direction: up, of: ratio, at_least: 10001 }\n",
            "at_least is 10001",
        ),
        (
            "active_users: [2, 5, 7, 10, 25, 50, 100]",
            &format!("active_users: {:?}", (1..=256).collect::<Vec<_>>()),
            "at most 255",
        ),
    ];
    for (said, instead, says) in table {
        let error = rules::parse("own.yaml", &RULES.replacen(said, instead, 1)).unwrap_err().to_string();
        assert!(error.starts_with("own.yaml:") && error.contains(says), "{says}: {error}");
    }
    // Errors of the file as a whole have a place too.
    for (text, place) in [("", "own.yaml:1:1: "), ("3", "own.yaml:1:1: "), ("name: x\n", "own.yaml:")] {
        let error = rules::parse("own.yaml", text).unwrap_err().to_string();
        let parts: Vec<&str> = error.splitn(4, ':').collect();
        assert!(error.starts_with(place) && parts[1..3].iter().all(|part| part.parse::<u32>().is_ok()), "{error}");
        assert!(!error.contains("at line"), "{error}");
    }
}

#[test]
fn conditions_that_hold_for_an_account_without_data_are_refused() {
    for when in
        ["has(country) && icp", "has(industry)", "country != \"US\"", "segment == \"smb\"", "segment != \"unknown\""]
    {
        let text = RULES.replacen("when: icp && departments >= 2", &format!("when: '{when}'"), 1);
        rules::parse("own.yaml", &text).unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    for when in ["segment == \"unknown\"", "tier == \"\"", "!paid", "active_users < 3"] {
        let text = RULES.replacen("when: icp && departments >= 2", &format!("when: '{when}'"), 1);
        let error = rules::parse("own.yaml", &text).map(|_| ()).expect_err(when).to_string();
        assert!(error.contains("true for an account of which nothing is known"), "{when}: {error}");
    }
}

#[test]
fn rules_that_ship_with_upswell_can_be_printed_and_named() {
    let dir = tempfile::TempDir::new().unwrap();
    let dir = dir.path();
    assert_eq!(ok(dir, &["rules", "print"]), RULES);
    for rules::Pack { name, .. } in rules::PACKS {
        let text = ok(dir, &["rules", "print", name]);
        assert_eq!(Some(&*text), rules::pack(name).as_deref());
        assert_eq!(against_the_schema(&serde_saphyr::from_str(&text).unwrap()), [""; 0], "{name}");
        std::fs::write(dir.join("mine.yaml"), &text).unwrap();
        // The version has a hash of the text, so a file with the same text has the same version.
        let says = |file: &str| ok(dir, &["check", "--rules", file]).lines().nth(1).unwrap().to_owned();
        assert_eq!(says(name), says("mine.yaml"));
        assert!(says(name).contains(&format!("valid: {name}@")), "{}", says(name));
        std::fs::write(dir.join("upswell.yaml"), format!("rules: {{ file: {name} }}")).unwrap();
        let configured = ok(dir, &["check", "--config", "upswell.yaml"]);
        assert!(configured.contains(&format!("valid: {name}@")), "{configured}");
        std::fs::write(dir.join("e.ndjson"), "").unwrap();
        ok(dir, &["rules", "diff", "default", name, "--on", "e.ndjson"]);
    }
    std::fs::write(dir.join("early"), RULES).unwrap();
    assert!(ok(dir, &["check", "--rules", "./early"]).contains("valid: default@"));
    let (code, _, err) = run(dir, &["rules", "print", "earley"]);
    assert_eq!(code, 2);
    assert!(err.contains("a similar value exists: 'early'"), "{err}");
}

#[test]
fn complete_rules_contain_the_mappings_of_their_presets() {
    for pack in rules::PACKS {
        let text = rules::pack(pack.name).unwrap();
        for presets in
            ["presets: [segment]", "presets: # Two.\n  - stripe\n  - posthog\n", "presets: [mixpanel, amplitude]"]
        {
            let named = text.replace("\npresets: [segment]\n", &format!("\n{presets}\n"));
            let whole = rules::complete("named", &named).unwrap_or_else(|error| panic!("{error}"));
            let document: Map<String, Value> = rules::read_yaml("whole", &whole).unwrap();
            assert!(!document.contains_key("presets"), "{} {presets}", pack.name);
            assert!(whole.contains("# From the first visit to the first value."), "comments stay as they are");
            let (named, plan) = (rules::parse("named", &named).unwrap(), rules::parse("whole", &whole).unwrap());
            // The version covers the mappings of the presets.
            assert_eq!(named.version, plan.version, "{} {presets}", pack.name);
            let roles = |plan: &rules::Plan| plan.roles.mappings().map(|mapping| mapping.1).collect::<Vec<_>>();
            assert_eq!(roles(&named), roles(&plan), "{} {presets}", pack.name);
            assert_eq!(rules::complete("whole", &whole).unwrap(), whole);
        }
        // Also if the file is written as one line of JSON.
        let mut document: Map<String, Value> = rules::read_yaml("flow", &text).unwrap();
        let flow = serde_json::to_string(&document).unwrap();
        let whole = rules::complete("flow", &flow).unwrap();
        document = rules::read_yaml("whole", &whole).unwrap();
        assert!(!document.contains_key("presets") && document["roles"].as_array().unwrap().len() > 30, "{}", pack.name);
        assert_eq!(rules::parse("flow", &flow).unwrap().version, rules::parse("whole", &whole).unwrap().version);
        let without = text.replace("\npresets: [segment]\n", "\n");
        assert_eq!(rules::complete("without", &without).unwrap(), without);
        assert_ne!(rules::parse("without", &without).unwrap().version, rules::parse("", &text).unwrap().version);
    }
    let unknown = rules::DEFAULT.replace("\npresets: [segment]\n", "\npresets: [segmint]\n");
    let error = rules::complete("mine.yaml", &unknown).unwrap_err();
    let line = unknown.lines().position(|line| line.starts_with("presets:")).unwrap() + 1;
    assert!(error.is_local && error.place.starts_with(&format!("mine.yaml:{line}:")), "{error}");
    assert!(error.what.contains("did you mean `segment`?"), "{error}");
}

#[test]
fn the_schema_refuses_what_the_compiler_refuses() {
    let table: &[(&str, &str, &str)] = &[
        ("ttl: 90d", "ttl: long", "anyOf"),
        ("cooldown: 1d", "cooldown: a day", "pattern"),
        ("kind: seen, scopes: [account]", "kind: seen", "required"),
        ("ttl: 90d", "tll: 90d", "unknown key tll"),
        ("kind: seen", "kind: sean", "oneOf"),
        ("level: high", "level: urgent", "oneOf"),
        ("id: feature.api", "id: Feature.api", "pattern"),
        ("roles: [exported]", "roles: [export]", "oneOf"),
        ("share: 0,", "share: 2,", "maximum"),
        ("dedupe_ids: 1000000", "dedupe_ids: many", "type"),
        ("scopes: [user]", "scopes: [team]", "oneOf"),
        ("\npresets: [segment]", "\npresets: [segmint]", "oneOf"),
        ("\nmoney:", "\nmonies:", "unknown key monies"),
        ("bind: { feature: [feature, feature_name] }", "bind: { featur: x }", "oneOf"),
        ("where: { topic: [billing", "where: { bogus: [billing", "oneOf"),
        ("rungs: [5]", "rungs: [-3]", "exclusiveMinimum"),
        ("of: free_only, days: 30", "of: free_only, days: 4000", "maximum"),
        ("weeks: 8", "weeks: 40", "maximum"),
        ("points: 20", "points: 100000", "anyOf"),
        ("kind: seen, scopes: [account]", "scopes: [account]", "required"),
        ("id: near-limit", "id: near limit", "pattern"),
        ("active_users: [2, 5, 7, 10, 25, 50, 100]", "active_users: [0.5]", "type"),
        ("accounts: 5000000", "accounts: 0", "minimum"),
    ];
    for (said, instead, because) in table {
        let text = RULES.replacen(said, instead, 1);
        assert_ne!(text, RULES, "{said}");
        let wrong = against_the_schema(&serde_saphyr::from_str(&text).unwrap());
        assert!(wrong.iter().any(|what| what.contains(because)), "{instead}: {wrong:?}");
        assert!(rules::parse("rules", &text).is_err(), "{instead}");
    }
}

#[test]
fn every_schema_key_has_a_description() {
    let schema = rules::schema();
    assert!(schema["title"].is_string() && schema.get("$id").is_none());
    for (name, definition) in schema["$defs"].as_object().unwrap().iter().chain([(&"the file".to_owned(), &schema)]) {
        assert!(definition["description"].is_string(), "{name} has no description");
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{name}.{key} has no description");
        }
        for variant in definition["oneOf"].as_array().into_iter().flatten() {
            assert!(variant["description"].is_string(), "{name}: {variant} has no description");
        }
    }
    let printed: Value = serde_json::from_str(&ok(Path::new("."), &["rules", "schema"])).unwrap();
    assert_eq!(printed, schema);
}

fn page_path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md")
}

/// The generated lists of the page, by name.
fn lists() -> Vec<(&'static str, String)> {
    let schema = rules::schema();
    let words = |definition: &Value| -> String {
        let mut list = String::from("| name | what it is |\n|---|---|\n");
        for variant in definition["oneOf"].as_array().unwrap() {
            let (word, says) = (variant["const"].as_str().unwrap(), variant["description"].as_str().unwrap());
            writeln!(list, "| `{word}` | {} |", says.replace('\n', " ")).unwrap();
        }
        list
    };
    let mut chapters = String::from("| key | what it says |\n|---|---|\n");
    let order = rules_keys();
    for key in &order {
        let says = schema["properties"][key]["description"].as_str().unwrap().replace('\n', " ");
        writeln!(chapters, "| `{key}` | {says} |").unwrap();
    }
    let mut kinds = String::from(
        "| kind | scopes | measures | parameters | on | off | keeps | timer |\n|---|---|---|---|---|---|---|---|\n",
    );
    let mut examples = String::from("```yaml\nsignals:\n");
    for about in rules::KINDS {
        let parameters = about.parameters.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        writeln!(
            kinds,
            "| `{}` | {} | {} | {parameters} | {} | {} | {} | {} |",
            about.written,
            about.scopes.join(", "),
            about.measures,
            about.on,
            about.off,
            about.state,
            about.timer
        )
        .unwrap();
        writeln!(examples, "  - {}", about.example).unwrap();
    }
    kinds.push_str("\n*Evidence* is the first event and the newest three, about 50 bytes and a message id each.\n");
    examples.push_str("```\n");
    let mut figures = String::from("| name | type | what it is |\n|---|---|---|\n");
    for (_, name, of, says) in rules::Figure::ALL {
        writeln!(
            figures,
            "| `{name}` | {} | {says} |",
            of.to_string().trim_start_matches("a ").trim_start_matches("an ")
        )
        .unwrap();
    }
    let mut facts = String::from("| name | what it is |\n|---|---|\n");
    for (name, says) in rules::Facts::names() {
        writeln!(facts, "| `{name}` | {says} |").unwrap();
    }
    vec![
        ("facts", facts),
        ("chapters", chapters),
        ("roles", words(&schema["$defs"]["Role"])),
        ("fields", words(&schema["$defs"]["Field"])),
        ("kinds", kinds),
        ("examples", examples),
        ("figures", figures),
    ]
}

/// The keys of a rules file in the order of the default pack.
fn rules_keys() -> Vec<String> {
    let schema = rules::schema();
    let known: &Map<String, Value> = schema["properties"].as_object().unwrap();
    let place = |key: &str| RULES.find(&format!("\n{key}:")).unwrap_or(usize::MAX);
    let mut keys: Vec<String> = known.keys().cloned().collect();
    keys.sort_by_key(|key| place(key));
    keys
}

#[test]
fn the_lists_of_the_page_match_the_code() {
    let mut page = std::fs::read_to_string(page_path()).unwrap();
    for (name, list) in lists() {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), "<!-- end -->");
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no list {name}"));
        let (_, after) = rest.split_once(end).unwrap();
        page = format!("{before}{begin}{list}{end}{after}");
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(page_path(), &page).unwrap();
    }
    let found = std::fs::read_to_string(page_path()).unwrap();
    assert!(found == page, "docs/rules.md differs from the code: run this test with UPDATE_EXPECT=1");
}

#[test]
fn rules_explain_describes_every_signal_and_trigger() {
    let dir = tempfile::TempDir::new().unwrap();
    let page = ok(dir.path(), &["rules", "explain"]);
    for list in ["signals", "triggers"] {
        for item in default()[list].as_array().unwrap().iter().filter(|item| item["off"] != true) {
            let id = item["id"].as_str().unwrap();
            assert!(page.lines().any(|line| line.starts_with(&format!("{id} · "))), "{id}");
        }
    }
    assert!(page.lines().all(|line| line.chars().count() <= 100), "it fits a terminal");
    let pricing = ok(dir.path(), &["rules", "explain", "intent.pricing"]);
    let pricing = pricing.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in [
        "a session ends after 30 minutes without such an event",
        "each for 30 days",
        "rung 2 3 or more: +20 points",
        "track Pricing Viewed",
    ] {
        assert!(pricing.contains(says), "{says}: {pricing}");
    }
    assert!(!pricing.contains("user-hot"));
    let both = ok(dir.path(), &["rules", "explain", "velocity.growth", "at-risk"]);
    assert!(both.contains("velocity.growth · of a user") && both.contains("velocity.growth · of an account"), "{both}");
    for says in ["at-risk · medium · condition trigger", "customer_success", "pacing: for 3 days", "idle_days >= 7"] {
        assert!(both.contains(says), "{says}: {both}");
    }
    let request = ok(dir.path(), &["rules", "explain", "enterprise-request"]);
    assert!(request.contains("a raised hand") && request.contains("held by    nothing"), "{request}");
    let (code, _, err) = run(dir.path(), &["rules", "explain", "five-new-user"]);
    assert_eq!(code, 2);
    assert!(err.contains("did you mean `five-new-users`?"), "{err}");
}

#[test]
fn arms_are_explained_and_invalid_arms_are_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let with = |arms: &str| RULES.replacen("\n  holdout:", &format!("\n  arms:\n    - {arms}\n  holdout:"), 1);
    let score = "{ id: x, triggers: [lead-score], above: lead_score >= 40.0, share: 0.25";
    std::fs::write(dir.path().join("own.yaml"), with(&format!("{score} }}"))).unwrap();
    let said = ok(dir.path(), &["rules", "explain", "--rules", "own.yaml", "rails", "lead-score"]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let between =
        "unless lead_score >= 40.0, handoffs are sent for 25 % of accounts (salt x), and held out for the others";
    for says in [format!("x of lead-score: {between}"), format!("arm x: {between}")] {
        assert!(said.contains(&says), "{says}: {said}");
    }
    let line = RULES.lines().position(|line| line.starts_with("  holdout:")).unwrap() + 2;
    let table = [
        (score.replace("0.25", "1.5"), 0, "arm x: share is 1.5: 0 to 1 is allowed"),
        (score.replace("0.25", "-0.1"), 0, "share is -0.1"),
        (score.replace("lead-score]", "lead-scor]"), 0, "there is no trigger lead-scor"),
        (score.replace("lead-score]", "near-limit]"), 0, "trigger near-limit is high"),
        (score.replace("lead-score]", "first-bill]"), 0, "trigger first-bill is an event trigger"),
        (score.replace("lead-score]", "]"), 0, "triggers is empty"),
        (score.replace("[lead-score]", "[lead-score, lead-score]"), 0, "trigger lead-score is named twice"),
        (score.replace("lead_score >=", "leed_score >="), 0, "did you mean `lead_score`?"),
        (score.replace("lead_score >= 40.0", "'true'"), 0, "arm x: above: the condition names nothing"),
        (score.replace("id: x", "id: x y"), 0, "arm x y: id is \"x y\""),
        (
            score.replace("lead_score >= 40.0", "user.score >= 40"),
            0,
            "the condition of trigger lead-score is about the account",
        ),
        (format!("{score} }}\n    - {score}"), 1, "arm x: the id is used twice"),
        (format!("{score} }}\n    - {}", score.replace(" x,", " y,")), 1, "arm y: trigger lead-score is named twice"),
    ];
    for (arms, further, says) in table {
        let error = rules::parse("own.yaml", &with(&format!("{arms} }}"))).unwrap_err().to_string();
        assert!(error.starts_with(&format!("own.yaml:{}:", line + further)) && error.contains(says), "{says}: {error}");
    }
}

#[test]
fn rules_diff_agrees_with_two_replays() {
    let dir = tempfile::TempDir::new().unwrap();
    let dir = dir.path();
    ok(
        dir,
        &["generate", "--seed", "1", "--users", "300", "--events", "20000", "--end", "2026-08-01", "--out", "e.ndjson"],
    );
    let own = RULES.replacen("rungs: [1, 3] }", "rungs: [1, 2] }", 2).replacen("hot: 80", "hot: 60", 1);
    std::fs::write(dir.join("own.yaml"), &own).unwrap();
    let ids = |rules: &[&str]| -> BTreeSet<String> {
        let replay = ["replay", "e.ndjson", "--until", "2026-08-01", "--partitions", "3", "--handoffs", "-"];
        let out = ok(dir, &[&replay[..], rules].concat());
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["handoffId"].as_str().unwrap().to_owned();
        out.lines().map(id).collect()
    };
    let (a, b) = (ids(&[]), ids(&["--rules", "own.yaml"]));
    let arguments =
        ["rules", "diff", "default", "own.yaml", "--on", "e.ndjson", "--until", "2026-08-01", "--partitions", "3"];
    let json: Value = serde_json::from_str(&ok(dir, &[&arguments[..], &["--json"]].concat())).unwrap();
    let of = |change: &str| -> BTreeSet<String> {
        let handoffs = json["handoffs"].as_array().unwrap().iter().filter(|it| it["change"] == change);
        handoffs.map(|it| it["handoffId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(&of("same") | &of("changed"), &a & &b);
    assert_eq!(of("vanished"), &a - &b);
    assert_eq!(of("appeared"), &b - &a);
    assert!(of("vanished").len() > 1 && of("appeared").len() > 1 && of("same").len() > 1);
    let counts = json!({"a": a.len(), "b": b.len(), "vanished": (&a - &b).len(), "appeared": (&b - &a).len()});
    assert_eq!(json["counts"], counts);
    for list in ["byTrigger", "byTier", "byAccount"] {
        let rows = json[list].as_array().unwrap();
        let number = |row: &Value, what: &str| row["counts"][what].as_u64().unwrap();
        for row in rows {
            let moved = number(row, "a") - number(row, "vanished") + number(row, "appeared");
            assert_eq!(moved, number(row, "b"), "{list}: {row}");
        }
        let sum = |what: &str| rows.iter().map(|row| number(row, what)).sum::<u64>();
        // Only accounts with a change are listed.
        assert!((sum("a"), sum("b")) == (a.len() as u64, b.len() as u64) || list == "byAccount", "{list}");
    }
    let shown = ok(dir, &arguments);
    assert!(shown.contains("by trigger") && shown.contains("by tier") && shown.contains("by account"), "{shown}");
    assert!(shown.contains(&format!("the same {} · changed {}", of("same").len(), of("changed").len())), "{shown}");
    let none = ok(dir, &["rules", "diff", "default", "default", "--on", "e.ndjson"]);
    assert!(
        none.contains("vanished, only with A 0 · appeared, only with B 0") && !none.contains("by account"),
        "{none}"
    );
    for (wrong, code) in [
        (&["rules", "diff", "default", "missing.yaml", "--on", "e.ndjson"][..], 2),
        (&["rules", "diff", "default", "default"], 2),
        (&["rules", "diff", "default", "default", "--on", "-", "-"], 2),
        (&["rules", "diff", "default", "default", "--on", "missing.ndjson"], 1),
    ] {
        assert_eq!(run(dir, wrong).0, code, "{wrong:?}");
    }
}

#[test]
fn check_reports_how_rules_fit_a_sample() {
    let dir = tempfile::TempDir::new().unwrap();
    let dir = dir.path();
    let event = |number: usize, kind: &str, name: &str| {
        let named = if kind == "track" { "event" } else { "name" };
        format!(
            r#"{{"messageId":"m{number}","type":"{kind}","{named}":"{name}","userId":"ann","context":{{"groupId":"acme"}},"timestamp":"2026-03-02T10:00:00Z"}}"#
        )
    };
    let mut lines = vec!["{ not JSON".to_owned()];
    for (name, times) in
        [("Signed Up", 1), ("Activated", 1), ("Feature Used", 3), ("Widget Turned", 5), ("Email Opened", 2)]
    {
        let first = lines.len();
        lines.extend((0..times).map(|number| event(first + number, "track", name)));
    }
    lines.extend((0..25).map(|number| event(100 + number, "track", &format!("Thing {number:02}"))));
    lines.push(event(200, "page", r"Home\u001b[1m"));
    let named = r#""event":"Feature Used","properties":{"feature":"charts"}"#;
    let text = lines.join("\n").replace(r#""event":"Feature Used""#, named);
    std::fs::write(dir.join("e.ndjson"), text).unwrap();
    let screen = ok(dir, &["check", "--events", "e.ndjson"]);
    assert!(
        screen.contains("\n  track Thing 01                               1  activity only\n  and 23 more: --all\n"),
        "{screen}"
    );
    let said = ok(dir, &["check", "--all", "--events", "e.ndjson"]);
    let part = |title: &str| -> Vec<String> {
        let from = said.split_once(&format!("\n{title}")).unwrap_or_else(|| panic!("no {title}: {said}")).1;
        from.lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert!(
        said.contains("39: 35 are user activity, 30 have a name that no mapping covers, 1 cannot be read"),
        "{said}"
    );
    assert_eq!(part("roles of the events"), ["signed_up 1", "activated 1", "feature_used 3"]);
    let names = part("names that no mapping covers");
    assert_eq!((names.len(), names[0].as_str(), names[25].as_str()), (26, "Widget Turned 5", "Thing 24 1"));
    assert_eq!(part("pages and screens"), ["Home\u{fffd}[1m 1"]);
    assert!(part("mappings that matched no event").iter().any(|row| row.starts_with("limit_hit track Limit Hit")));
    let off = part("signals that can never be on");
    for row in [
        "feature.premium (user) needs uses of premium features: no mapping has `premium: true`",
        "feature.api (user) needs api_called or integration_connected",
        "fit.size (account) needs firmographics or profile",
        "negative.free_only (account) unknown: no mapping has `premium: true`",
    ] {
        assert!(off.iter().any(|found| found == row), "{row}: {off:#?}");
    }
    assert!(off.iter().all(|row| !row.starts_with("velocity.activation") && !row.starts_with("feature.breadth")));
    let triggers = part("triggers that can never fire");
    assert!(
        triggers.contains(&"contact-sales needs contact_sales or subscription_changed or firmographics".to_owned()),
        "{triggers:#?}"
    );
    let pricing = "pricing-sessions needs pricing_viewed: user.intent.pricing stays off";
    assert!(triggers.contains(&pricing.to_owned()), "{triggers:#?}");
    assert!(!triggers.iter().any(|row| row.starts_with("five-new-users")), "{triggers:#?}");

    let premium = RULES.replace("track: [Feature Used], bind", "track: [Feature Used], premium: true, bind");
    std::fs::write(dir.join("premium.yaml"), premium).unwrap();
    let said = ok(dir, &["check", "--all", "--rules", "premium.yaml", "--events", "e.ndjson"]);
    assert!(!said.contains("feature.premium (user)") && !said.contains("negative.free_only"), "{said}");
    let (_, _, summary) = run(dir, &["replay", "e.ndjson"]);
    assert!(summary.contains("unmapped  30 events of 26 names, most of all \"Widget Turned\" 5"), "{summary}");
}
