//! A JSON object whose values stay as they are written, and paths into it.

use std::borrow::Cow;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields;

/// The members of a JSON object in their order, each value as it is written. A member that is `null` is
/// treated as absent.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Reads an object; none if the text is no JSON object.
    pub(super) fn read(text: &'a str) -> Option<Object<'a>> {
        serde_json::from_str(text).ok()
    }

    /// The members in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (&**name, *value)).filter(|(_, value)| *value != "null")
    }

    /// The object with the members of the one that contains it, as far as it has none of their names.
    pub(super) fn inside(mut self, around: &Object<'a>) -> Object<'a> {
        self.0.splice(0..0, around.0.iter().cloned());
        self
    }

    /// The value of a member; of several with one name the last.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value).filter(|value| *value != "null")
    }

    /// The value at a path, as in `properties.$groups.company`. A name that contains dots is found as well.
    pub(super) fn at(&self, path: &str) -> Option<&'a str> {
        self.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            within(self.get(first)?, rest)
        })
    }
}

/// The value at a path in a value: a name leads into an object, an index into a list.
pub(super) fn within<'a>(value: &'a str, path: &str) -> Option<&'a str> {
    let step = |name: &str| match value.as_bytes().first()? {
        b'{' => fields::json_field(value, name).map(RawValue::get).filter(|value| *value != "null"),
        b'[' => list(value)?.get(name.parse::<usize>().ok()?).copied().filter(|value| *value != "null"),
        _ => None,
    };
    step(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        within(step(first)?, rest)
    })
}

/// The items of a list, each as it is written; none if the value is no list.
pub(super) fn list(value: &str) -> Option<Vec<&str>> {
    let items: Vec<&RawValue> = value.starts_with('[').then(|| serde_json::from_str(value).ok())??;
    Some(items.into_iter().map(RawValue::get).collect())
}

/// An object with these members, whose values are JSON.
pub(super) fn written<'m>(members: impl IntoIterator<Item = (&'m str, &'m str)>) -> String {
    let members = members.into_iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Reads a name as bytes: as a text, one with half a surrogate would be an error.
        struct Name;
        impl<'de> DeserializeSeed<'de> for Name {
            type Value = Cow<'de, str>;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                deserializer.deserialize_bytes(self)
            }
        }
        impl<'de> Visitor<'de> for Name {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_bytes<E>(self, name: &'de [u8]) -> Result<Self::Value, E> {
                Ok(fields::replaced(name))
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
                Ok(Cow::Owned(fields::replaced(name).into_owned()))
            }
        }
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key_seed(Name)? {
                    let value: &RawValue = map.next_value()?;
                    members.push((name, value.get()));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_objects_lists_and_names_with_dots() {
        let text = r#"{"a":1,"a":2,"n":null,"o":{"b.c":3,"l":[{"d":"x"},null]},"p.q":{"r":4},"\ud800":5}"#;
        let object = Object::read(text).unwrap();
        for (path, expected) in [
            ("a", Some("2")),
            ("n", None),
            ("o.b.c", Some("3")),
            ("o.l.0.d", Some(r#""x""#)),
            ("o.l.1", None),
            ("o.l.x", None),
            ("o.l.7", None),
            ("p.q", Some(r#"{"r":4}"#)),
            ("a.b", None),
            ("\u{fffd}", Some("5")),
            ("", None),
        ] {
            assert_eq!(object.at(path), expected, "{path}");
        }
        assert!(Object::read("[]").is_none() && Object::read("{").is_none());
    }
}
