//! Values that can be written in several forms: a text or a list of texts, a number or a fraction.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};

/// Implements `Deserialize` by the [`Forms`] of a type.
macro_rules! deserialize {
    ($($name:ident),*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                $crate::rules::forms::read(deserializer)
            }
        }
    )*};
}
pub(super) use deserialize;

/// A type whose values can be written in several forms. The forms that a type does not override are refused, with an
/// error that says what was found and what is expected.
pub(super) trait Forms: Sized {
    /// What is expected, for errors.
    const EXPECTED: &'static str;

    /// `true` or `false`.
    fn boolean(_is: bool) -> Option<Self> {
        None
    }

    /// A number.
    fn number(_number: f64) -> Option<Self> {
        None
    }

    /// A number without decimals.
    fn whole(number: i64) -> Option<Self> {
        Self::number(number as f64)
    }

    /// A text.
    fn text(_text: &str) -> Option<Self> {
        None
    }

    /// No value, or `null`.
    fn nothing() -> Option<Self> {
        None
    }

    /// A list. `None` refuses lists; an error is about an item.
    fn list<'de, D: Deserializer<'de>>(_list: D) -> Option<Result<Self, D::Error>> {
        None
    }

    /// Keys with values. `None` refuses them; an error is about one of them.
    fn keys<'de, D: Deserializer<'de>>(_keys: D) -> Option<Result<Self, D::Error>> {
        None
    }
}

/// Reads a value in any of the forms of its type.
pub(super) fn read<'de, T: Forms, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(AnyForm(PhantomData))
}

/// Reads the value with the type's own `Deserialize`, as the result of [`Forms::list`] or [`Forms::keys`].
pub(super) fn whole<'de, V: Deserialize<'de>, T, D: Deserializer<'de>>(
    deserializer: D,
    form: impl FnOnce(V) -> T,
) -> Option<Result<T, D::Error>> {
    Some(V::deserialize(deserializer).map(form))
}

struct AnyForm<T>(PhantomData<T>);

/// The value, or an error about a form that the type does not have.
fn or_refused<T: Forms, E: Error>(value: Option<T>, found: impl fmt::Display) -> Result<T, E> {
    value.ok_or_else(|| E::invalid_type(Unexpected::Other(&found.to_string()), &T::EXPECTED))
}

impl<'de, T: Forms> Visitor<'de> for AnyForm<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_bool<E: Error>(self, is: bool) -> Result<T, E> {
        or_refused(T::boolean(is), format_args!("`{is}`"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        or_refused(T::whole(number), format_args!("`{number}`"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let value = i64::try_from(number).map_or_else(|_| T::number(number as f64), T::whole);
        or_refused(value, format_args!("`{number}`"))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        or_refused(T::number(number), format_args!("`{number}`"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        or_refused(T::text(text), format_args!("the text `{text}`"))
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        or_refused(T::nothing(), "nothing")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(SeqAccessDeserializer::new(list)).unwrap_or_else(|| or_refused(None, "a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, keys: A) -> Result<T, A::Error> {
        T::keys(MapAccessDeserializer::new(keys)).unwrap_or_else(|| or_refused(None, "keys with values"))
    }
}
