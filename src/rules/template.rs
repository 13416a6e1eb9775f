//! Talk tracks: texts that name what an account really does, or are not sent.

use std::sync::Arc;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use crate::model::Level;

/// Variables that are usage facts: a text that names none of them is refused when the rules are read.
const USAGE_FACTS: [&str; 7] = ["why", "features", "active_users", "activated_users", "wau", "mau", "events"];

/// A talk track, and for which handoffs it is.
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
    /// Compiles a text.
    ///
    /// # Errors
    /// It is no Jinja template, or names no usage fact.
    pub(super) fn new(
        id: &str,
        text: &str,
        levels: Option<Vec<Level>>,
        triggers: Option<Vec<usize>>,
        personal: Option<bool>,
    ) -> Result<Template, String> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(10_000));
        environment.add_filter("join", minijinja::filters::join);
        environment.add_filter("round", minijinja::filters::round);
        environment.add_filter("length", minijinja::filters::length);
        environment.add_template_owned("text", text.to_owned()).map_err(|error| error.to_string())?;
        let named = environment.get_template("text").map_err(|error| error.to_string())?.undeclared_variables(false);
        if !USAGE_FACTS.iter().any(|fact| named.contains(*fact)) {
            return Err(format!("text names no usage fact: one of {} is needed", USAGE_FACTS.join(", ")));
        }
        Ok(Template { id: id.into(), levels, triggers, personal, text: environment })
    }

    /// The text filled with `facts`; none if it names something that is not known.
    pub fn render(&self, facts: &impl Serialize) -> Option<String> {
        self.text.get_template("text").ok()?.render(facts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_a_usage_fact_and_is_not_sent_without_it() {
        let new = |text| Template::new("t", text, None, None, None);
        assert!(new("Buy now, {{ account }}!").unwrap_err().contains("no usage fact"));
        assert!(new("{{ wau").is_err());
        let template = new("{{ wau }} of you{% if features %} use {{ features | join(', ') }}{% endif %}").unwrap();
        let facts = serde_json::json!({"wau": 3, "features": ["a", "b"]});
        assert_eq!(template.render(&facts).as_deref(), Some("3 of you use a, b"));
        assert_eq!(template.render(&serde_json::json!({"features": []})), None);
    }
}
