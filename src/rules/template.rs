//! The chapter `templates`: texts of handoffs, filled with facts of the account.

use std::sync::Arc;

use minijinja::{Environment, ErrorKind, UndefinedBehavior};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::checks::{id, not_empty};
use super::error::{Wrong, wrong};
use super::triggers::{self, Trigger};
use crate::model::Level;
use crate::text::suggestion;

/// What to say.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["id", "text"]))]
#[schemars(rename = "Template")]
pub(super) struct Written {
    /// Its id.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    id: String,
    /// For these levels.
    levels: Option<Vec<Level>>,
    /// For these triggers.
    triggers: Option<Vec<String>>,
    /// For potentials above the limit of a personal introduction, or not above it.
    personal: Option<bool>,
    /// The text, a Jinja template; it must name a usage fact.
    text: String,
}

/// The values that a text can use. A value that is not known is undefined: `{% if plan %}` tests for it, and a text
/// that uses an undefined value is not sent.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Facts {
    /// Id of the account.
    pub account: String,
    /// Why the trigger fired, in words.
    pub why: String,
    /// The three features used most in 28 days, as a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Running active users.
    pub active_users: u32,
    /// Users who were activated.
    pub activated_users: u32,
    /// Distinct active users of the last 7 closed days.
    pub wau: u32,
    /// Distinct active users of the last 28 closed days.
    pub mau: u32,
    /// Meaningful events of the last 28 closed days.
    pub events: u64,
    /// The latest plan, if one is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub plan: String,
    /// The suggested plan, if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub suggested_plan: String,
    /// What the account is worth a year in whole US dollars, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub potential: Option<i64>,
    /// Id of the size class.
    pub segment: String,
    /// Id of the tier, if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tier: String,
    /// The owner of the account, if there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

impl Facts {
    /// The names of usage facts. A text that uses none of them is refused when the rules are read.
    const USAGE: [&str; 7] = ["why", "features", "active_users", "activated_users", "wau", "mau", "events"];

    /// Every name with what it is, as the documents list them.
    pub fn names() -> Vec<(String, String)> {
        let schema = schemars::schema_for!(Facts).to_value();
        let properties = schema["properties"].as_object().into_iter().flatten();
        let says = |says: &serde_json::Value| says["description"].as_str().unwrap_or_default().to_owned();
        properties.map(|(name, property)| (name.clone(), says(property))).collect()
    }

    /// Sample values with everything known.
    fn sample() -> Facts {
        let text = |text: &str| text.to_owned();
        Facts {
            account: text("acme"),
            why: text("ann asked for sales"),
            features: vec![text("editor"), text("export"), text("chat")],
            active_users: 12,
            activated_users: 9,
            wau: 8,
            mau: 11,
            events: 1_234,
            plan: text("team"),
            suggested_plan: text("business"),
            potential: Some(24_000),
            segment: text("mid_market"),
            tier: text("T2"),
            owner: text("anna"),
        }
    }
}

/// A template, and the handoffs that it applies to.
#[derive(Debug)]
pub struct Template {
    /// Its id.
    pub id: Arc<str>,
    /// For these levels.
    pub levels: Option<Vec<Level>>,
    /// For these triggers, by their place.
    pub triggers: Option<Vec<usize>>,
    /// For potentials above the limit of a personal introduction, or not above it.
    pub personal: Option<bool>,
    text: Environment<'static>,
}

impl Template {
    /// Compiles a text, and fills it once.
    ///
    /// # Errors
    /// It is not a Jinja template, uses an unknown value or no usage fact, or cannot be filled although all
    /// values are known.
    fn new(
        id: Arc<str>,
        text: &str,
        levels: Option<Vec<Level>>,
        triggers: Option<Vec<usize>>,
        personal: Option<bool>,
    ) -> Result<Template, String> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(10_000));
        environment.add_filter("join", minijinja::filters::join);
        environment.add_filter("round", minijinja::filters::round);
        environment.add_filter("length", minijinja::filters::length);
        environment.add_template_owned("text", text.to_owned()).map_err(|error| error.to_string())?;
        let named = environment.get_template("text").map_err(|error| error.to_string())?.undeclared_variables(false);
        let known = Facts::names();
        let known = || known.iter().map(|(name, _)| name.as_str());
        let mut unknown: Vec<&String> = named.iter().filter(|name| known().all(|known| known != **name)).collect();
        unknown.sort_unstable();
        if let Some(name) = unknown.first() {
            return Err(match suggestion(name, known()) {
                hint if hint.is_empty() => {
                    format!("text uses the unknown value {name}: expected {}", known().collect::<Vec<_>>().join(", "))
                }
                hint => format!("text uses the unknown value {name}{hint}"),
            });
        }
        if !Facts::USAGE.iter().any(|fact| named.contains(*fact)) {
            return Err(format!("text uses no usage fact: expected one of {}", Facts::USAGE.join(", ")));
        }
        let template = Template { id, levels, triggers, personal, text: environment };
        let filled = template.fill(&Facts::sample()).map_err(|error| format!("text cannot be filled: {error}"))?;
        if filled.trim().is_empty() {
            return Err("text is blank although all values are known".into());
        }
        // The text must also be well-formed if nothing is known. It may then use a value that is unknown.
        match template.fill(&Facts::default()) {
            Err(error) if is_of_the_text(error.kind()) => Err(format!("text cannot be filled: {error}")),
            _ => Ok(template),
        }
    }

    /// The filled text; none if it uses a value that is not known, or is blank.
    pub fn render(&self, facts: &Facts) -> Option<String> {
        self.fill(facts).ok().filter(|text| !text.trim().is_empty())
    }

    fn fill(&self, facts: &Facts) -> Result<String, minijinja::Error> {
        self.text.get_template("text")?.render(facts)
    }
}

/// Compiles the chapter.
pub(super) fn compile(written: &[Spanned<Written>], triggers: &[Trigger]) -> Result<Vec<Template>, Wrong> {
    let mut templates: Vec<Template> = Vec::new();
    for spanned in written {
        let template = template(&spanned.value, triggers, &templates);
        templates.push(template.map_err(|what| wrong(spanned, format!("template {}: {what}", spanned.value.id)))?);
    }
    Ok(templates)
}

fn template(template: &Written, triggers: &[Trigger], others: &[Template]) -> Result<Template, String> {
    let id = id(&template.id)?;
    if others.iter().any(|other| other.id == id) {
        return Err("the id is used twice".into());
    }
    not_empty("levels", template.levels.as_deref())?;
    let places = triggers::places(&template.triggers, triggers)?;
    Template::new(id, &template.text, template.levels.clone(), places, template.personal)
}

/// Whether the error is in the text itself and not due to an unknown value.
fn is_of_the_text(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(text: &str) -> Result<Template, String> {
        Template::new("t".into(), text, None, None, None)
    }

    #[test]
    fn a_text_names_a_usage_fact_and_is_not_sent_without_it() {
        assert!(new("Buy now, {{ account }}!").unwrap_err().contains("no usage fact"));
        assert!(new("{{ wau").is_err());
        let template = new("{{ wau }} of you{% if features %} use {{ features | join(', ') }}{% endif %}").unwrap();
        let facts = Facts { wau: 3, features: vec!["a".into(), "b".into()], ..Facts::default() };
        assert_eq!(template.render(&facts).as_deref(), Some("3 of you use a, b"));
        assert_eq!(template.render(&Facts { wau: 3, ..Facts::default() }).as_deref(), Some("3 of you"));
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        for name in ["plan", "suggested_plan", "potential", "tier", "owner", "features"] {
            let said = |text: &str| new(text).unwrap().render(&Facts { wau: 3, ..Facts::default() });
            assert_eq!(said(&format!("{{{{ wau }}}} {{{{ {name} }}}}")), None, "{name}");
            assert_eq!(
                said(&format!("{{{{ wau }}}}{{% if {name} %}} {{{{ {name} }}}}{{% endif %}}")).as_deref(),
                Some("3")
            );
            assert_eq!(said(&format!("{{% if {name} %}}{{{{ wau }}}}{{% endif %}} ")), None, "{name}: nothing is said");
        }
        let potential = new("{{ wau }} {{ potential }}").unwrap().render(&Facts::sample());
        assert_eq!(potential.as_deref(), Some("8 24000"));
    }

    #[test]
    fn templates_that_cannot_be_filled_are_refused() {
        for (text, expected) in [
            ("{{ actve_users }} {{ wau }}", "text uses the unknown value actve_users: did you mean `active_users`?"),
            ("{{ wau }} {{ xyzzy }}", "text uses the unknown value xyzzy: expected account, "),
            ("{{ wau }} {{ shout(why) }}", "text uses the unknown value shout"),
            ("{{ why | upper }}", "unknown filter"),
            ("{{ wau }}{% if not plan %}{{ why | upper }}{% endif %}", "unknown filter"),
            ("{{ wau }}{% if wau is glorious %}!{% endif %}", "unknown test"),
            ("{{ why.upper() }}", "unknown method"),
            ("{{ wau + why }}", "text cannot be filled"),
            ("{{ wau.of }}", "text cannot be filled"),
            ("{% for n in range(9) %}{{ wau }}{% endfor %}", "text uses the unknown value range"),
            ("{% if not wau %}{{ why }}{% endif %} ", "blank"),
        ] {
            let error = new(text).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
