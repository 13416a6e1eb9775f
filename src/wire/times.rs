//! Reads times as they are written in events: RFC 3339 and its common variants, and numbers since 1970.

use super::fields;
use crate::model::{EventTime, MINUTE_MS};

/// The forms of a time, for messages.
pub(super) const FORMS: &str = "expected RFC 3339 with a year from -9999 to 9999, or seconds, milliseconds or \
                                microseconds since 1970";

/// The time in a JSON value, and whether it has no zone.
pub(super) fn time(raw: &str) -> Option<(EventTime, bool)> {
    if raw.starts_with('"') {
        let text = fields::json_text_exact(raw)?;
        return parse(&text).or_else(|| Some((epoch(&text, false)?, false)));
    }
    Some((epoch(raw, true)?, false))
}

/// An RFC 3339 time, floored to milliseconds (semantics A2, A31); without a zone it is UTC.
pub fn instant(text: &str) -> Option<EventTime> {
    parse(text).map(|(time, _)| time)
}

/// RFC 3339, also with a space for the T, an offset without colon, ` UTC` or `:Z` at the end, any number of digits of
/// the second, or no zone; and whether it had none. Years may have a sign and six digits, as `jiff` writes them.
fn parse(text: &str) -> Option<(EventTime, bool)> {
    fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
        let (number, tail) = rest.split_at_checked(digits)?;
        *rest = tail;
        number.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    }
    fn literal(rest: &mut &[u8], allowed: &[u8]) -> Option<()> {
        let (first, tail) = rest.split_first()?;
        *rest = tail;
        allowed.contains(first).then_some(())
    }
    let mut rest = text.as_bytes();
    let sign = match rest.first()? {
        b'-' => -1,
        b'+' => 1,
        _ => 0,
    };
    let year = if sign == 0 {
        number(&mut rest, 4)?
    } else {
        rest = &rest[1..];
        sign * number(&mut rest, 6)?
    };
    literal(&mut rest, b"-")?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b"-")?;
    let day = number(&mut rest, 2)?;
    literal(&mut rest, b"Tt ")?;
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    let minute = number(&mut rest, 2)?;
    literal(&mut rest, b":")?;
    // A leap second is the last of its minute, as in `jiff`.
    let second = number(&mut rest, 2).filter(|second| *second <= 60)?.min(59);
    let mut ms = 0;
    if let Some(tail) = rest.strip_prefix(b".") {
        let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (fraction, tail) = tail.split_at(digits);
        if fraction.is_empty() {
            return None;
        }
        ms = fraction.iter().chain(b"00").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
        rest = tail;
    }
    let (offset_minutes, zoneless) = match rest {
        b"" => (0, true),
        b"Z" | b"z" | b":Z" | b" UTC" => (0, false),
        _ => {
            let sign = if rest.starts_with(b"-") { -1 } else { 1 };
            literal(&mut rest, b"+-")?;
            let hours = number(&mut rest, 2).filter(|hours| *hours < 24)?;
            rest = rest.strip_prefix(b":").unwrap_or(rest);
            let minutes = number(&mut rest, 2).filter(|minutes| *minutes < 60)?;
            (rest.is_empty().then_some(sign * (hours * 60 + minutes))?, false)
        }
    };
    if hour > 23 || minute > 59 {
        return None;
    }
    let date = jiff::civil::Date::new(year.try_into().ok()?, month as i8, day as i8).ok()?;
    let days_ms = date.duration_since(jiff::civil::date(1970, 1, 1)).as_secs() * 1_000;
    let minutes = hour * 60 + minute - offset_minutes;
    let time = EventTime::new(days_ms + minutes * MINUTE_MS + second * 1_000 + ms)?;
    Some((time, zoneless))
}

/// A number since 1970, by its size in seconds, milliseconds or microseconds (semantics A31), floored to milliseconds
/// in integers. Only a JSON number may have an exponent.
fn epoch(number: &str, is_json: bool) -> Option<EventTime> {
    const DIGITS_MAX: i32 = 400;
    let (mantissa, exponent) = match number.split_once(['e', 'E']).filter(|_| is_json) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let point = exponent.checked_add(i32::try_from(whole.len()).ok()?)?;
    let up_to = |end: i32| {
        let digits = whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat(b'0'));
        let end = usize::try_from(end.clamp(0, DIGITS_MAX)).ok()?;
        digits.take(end).try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0')))
    };
    // A number with more digits than any time has is refused.
    let ms = match up_to(point).filter(|_| point <= DIGITS_MAX)? {
        0..100_000_000_000 => up_to(point + 3)?,
        number @ 100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => up_to(point - 3)?,
        _ => return None,
    };
    EventTime::new(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_floored_however_fine_it_is() {
        for (text, ms) in [
            ("1969-12-31T23:59:59.9999Z", -1),
            ("1969-12-31T23:59:59.99999999999999Z", -1),
            ("1970-01-01T00:00:00.00123456789123Z", 1),
            ("1970-01-01T02:00:00.0019999999999+02:00", 1),
        ] {
            assert_eq!(instant(text), Some(EventTime(ms)), "{text}");
        }
        for text in ["1970-01-01T00:00:00.0012345678x9Z", "1970-01-01T00:00:00.", "0.12345678901", "é.12345678901é"] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn forms_of_time_are_read_and_what_is_ambiguous_is_not() {
        const AT: i64 = 1_791_280_860_000;
        for (raw, expected) in [
            (r#""2026-10-06T10:01:00""#, Some((AT, true))),
            (r#""2026-10-06 10:01:00.123000""#, Some((AT + 123, true))),
            (r#""2026-10-06 10:01:00 UTC""#, Some((AT, false))),
            (r#""2026-10-06T10:01:00.029:Z""#, Some((AT + 29, false))),
            (r#""2026-10-06T10:01:00+0200""#, Some((AT - 7_200_000, false))),
            (r#""2026-10-06T10:01:00.123456789-02:30""#, Some((AT + 9_000_123, false))),
            ("1791280860", Some((AT, false))),
            ("1791280860.1239", Some((AT + 123, false))),
            ("1.79128086e9", Some((AT, false))),
            ("1791280860123", Some((AT + 123, false))),
            ("1791280860123999", Some((AT + 123, false))),
            (r#""1791280860""#, Some((AT, false))),
            ("0", Some((0, false))),
            ("99999999999", Some((99_999_999_999_000, false))),
            ("100000000000", Some((100_000_000_000, false))),
            ("99999999999999999", Some((99_999_999_999_999, false))),
            ("100000000000000000", None),
            ("1e400", None),
            ("1e2000000000", None),
            ("-1", None),
            (r#""1791280860.""#, None),
            (r#""Tue, 06 Oct 2026 10:01:00 GMT""#, None),
            (r#""2026-10-06T24:00:00Z""#, None),
            (r#""2026-10-06""#, None),
            (r#""2026-10-06T10:01Z""#, None),
            (r#""2026-13-06T10:01:00Z""#, None),
            (r#""""#, None),
            ("true", None),
            ("{}", None),
        ] {
            assert_eq!(time(raw).map(|(time, zoneless)| (time.0, zoneless)), expected, "{raw}");
        }
    }
}
