//! The chapter `exclude`: events that do not count, of staff, test accounts and bots (semantics A34).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::roles::{Allowed, Expected, expected, matches};
use crate::model::Event;
use crate::wire::fields::{self, Scalar};

/// Events that match one of these do not count. Texts are patterns: `*` matches any text, `?` one character, without
/// regard to the case of ASCII letters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    /// Ids of users.
    users: Vec<String>,
    /// Ids of accounts.
    accounts: Vec<String>,
    /// Hosts of the e-mail addresses of users, as known when the event arrives.
    hosts: Vec<String>,
    /// User agents: `context.userAgent` of the event.
    user_agents: Vec<String>,
    /// Properties of an event (traits, of identify and group calls) that have one of the values given.
    properties: BTreeMap<String, Allowed>,
}

/// The compiled chapter `exclude`.
#[derive(Debug, Default)]
pub struct Exclude {
    users: Vec<Box<[u8]>>,
    accounts: Vec<Box<[u8]>>,
    hosts: Vec<Box<[u8]>>,
    user_agents: Vec<Box<[u8]>>,
    properties: Vec<(Box<str>, Vec<Expected>)>,
}

impl Exclude {
    /// # Errors
    /// A list has an empty pattern, or a property has no value.
    pub(super) fn compile(written: &Written) -> Result<Exclude, String> {
        let list = |name: &str, patterns: &[String]| {
            let each = |pattern: &String| match pattern.trim() {
                "" => Err(format!("exclude.{name}: a pattern is empty")),
                pattern => Ok(pattern.to_ascii_lowercase().into_bytes().into()),
            };
            patterns.iter().map(each).collect::<Result<Vec<Box<[u8]>>, String>>()
        };
        let property = |(key, allowed): (&String, &Allowed)| Ok((key.as_str().into(), expected(key, allowed)?));
        let properties: Result<_, String> = written.properties.iter().map(property).collect();
        Ok(Exclude {
            users: list("users", &written.users)?,
            accounts: list("accounts", &written.accounts)?,
            hosts: list("hosts", &written.hosts)?,
            user_agents: list("user_agents", &written.user_agents)?,
            properties: properties.map_err(|what| format!("exclude.properties: {what}"))?,
        })
    }

    /// Whether nothing is excluded.
    pub fn is_empty(&self) -> bool {
        let Exclude { users, accounts, hosts, user_agents, properties } = self;
        [users, accounts, hosts, user_agents].iter().all(|list| list.is_empty()) && properties.is_empty()
    }

    /// Whether some e-mail host is excluded.
    pub fn has_hosts(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether an event is excluded by its user agent or its properties.
    pub fn has_event(&self, event: &Event<'_>) -> bool {
        self.has_user(&event.account, &event.user) || self.has_agent(event) || self.has_property(event)
    }

    /// Whether a user is excluded by the id of the user or the account.
    pub fn has_user(&self, account: &str, user: &str) -> bool {
        any(&self.accounts, account) || (!user.is_empty() && any(&self.users, user))
    }

    /// Whether users with an e-mail address of this host, in lower case, are excluded.
    pub fn has_host(&self, host: &str) -> bool {
        any(&self.hosts, host)
    }

    fn has_agent(&self, event: &Event<'_>) -> bool {
        !self.user_agents.is_empty()
            && matches!(
                fields::value(&event.context, fields::USER_AGENT),
                Some(Scalar::Text(agent)) if any(&self.user_agents, &agent)
            )
    }

    fn has_property(&self, event: &Event<'_>) -> bool {
        self.properties.iter().any(|(key, expected)| {
            fields::value(event.payload(), key).is_some_and(|value| expected.iter().any(|each| each.is(&value)))
        })
    }

    /// A description in words; empty if nothing is excluded.
    pub fn words(&self) -> Vec<String> {
        let lists = [
            ("users", &self.users),
            ("accounts", &self.accounts),
            ("e-mail hosts", &self.hosts),
            ("user agents", &self.user_agents),
        ];
        let texts = |list: &[Box<[u8]>]| -> Vec<String> {
            list.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
        };
        let named = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let mut words: Vec<String> = named.map(|(name, list)| format!("{name} {}", texts(list).join(", "))).collect();
        words.extend(self.properties.iter().map(|(key, _)| format!("events by their property {key}")));
        words
    }
}

fn any(patterns: &[Box<[u8]>], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{self, Format};

    fn exclude(yaml: &str) -> Result<Exclude, String> {
        let written = crate::rules::read_yaml::<Written>("rules.yaml", yaml).map_err(|error| error.to_string())?;
        Exclude::compile(&written)
    }

    /// Whether an event is excluded: as a file has it, and after `send` into a protobuf and a JSON log.
    fn is_excluded(yaml: &str, more: &str) -> bool {
        let exclude = exclude(yaml).unwrap();
        let line = format!(
            r#"{{"type":"track","event":"x","userId":"Ann","timestamp":0,"context":{{"groupId":"Acme"{more}}}"#
        ) + "}";
        let event = wire::decode(Format::Json, line.as_bytes()).next().unwrap().event.unwrap();
        let has = exclude.has_event(&event);
        for (format, bytes) in
            [(Format::Protobuf, wire::encode(&event)), (Format::Json, wire::encode_json(&event).into_bytes())]
        {
            assert_eq!(exclude.has_event(&wire::decode(format, &bytes).next().unwrap().event.unwrap()), has, "{line}");
        }
        has
    }

    #[test]
    fn an_event_says_by_itself_that_it_does_not_count() {
        let bot = r#","userAgent":"Mozilla/5.0 (compatible; Googlebot/2.1)""#;
        for (yaml, more, expected) in [
            ("{}", bot, false),
            ("users: [ann]", "", true),
            ("users: ['a?']", "", false),
            ("accounts: ['ac*']", "", true),
            ("accounts: [ann]", "", false),
            ("user_agents: ['*bot/*']", bot, true),
            ("user_agents: ['bot']", bot, false),
            ("user_agents: ['*']", "", false),
            ("user_agents: ['*']", r#","userAgent":7"#, false),
            ("properties: { is_test: true }", r#"},"properties":{"is_test":true"#, true),
            ("properties: { env.name: [dev, 'staging*'] }", r#"},"properties":{"env":{"name":"Staging-2"}"#, true),
            ("properties: { env.name: [dev, 'staging*'] }", r#"},"properties":{"env":{"name":"prod"}"#, false),
        ] {
            assert_eq!(is_excluded(yaml, more), expected, "{yaml} {more}");
        }
    }

    #[test]
    fn what_excludes_nothing_or_everything_by_mistake_is_refused() {
        assert!(exclude("{}").unwrap().is_empty());
        assert_eq!(exclude("hosts: ['']").unwrap_err(), "exclude.hosts: a pattern is empty");
        assert!(exclude("properties: { a: [] }").unwrap_err().contains("at least one value"));
        assert!(exclude("emails: [a]").unwrap_err().contains("emails"));
    }
}
