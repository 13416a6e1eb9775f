//! Typed values as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Seconds in a second.
pub const SECONDS: i64 = 1;
/// Milliseconds in a second.
pub const MILLIS: i64 = 1_000;
/// Microseconds in a second.
pub const MICROS: i64 = 1_000_000;
/// Nanoseconds in a second.
pub const NANOS: i64 = 1_000_000_000;

/// Appends a text.
pub fn quote(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Appends bytes, as base64.
pub fn bytes(json: &mut String, bytes: &[u8]) {
    quote(json, &STANDARD.encode(bytes));
}

/// An instant since 1970, in units of a second, in UTC.
///
/// # Errors
/// It is not in the years that times have.
pub fn instant(since: i64, units: i64) -> Result<String, String> {
    timestamp(since, units).map(|instant| instant.to_string())
}

/// A date and a time of day without a zone, since 1970, in units of a second.
///
/// # Errors
/// As for `instant`.
pub fn local(since: i64, units: i64) -> Result<jiff::civil::DateTime, String> {
    Ok(jiff::tz::Offset::UTC.to_datetime(timestamp(since, units)?))
}

/// A date, in days since 1970.
///
/// # Errors
/// As for `instant`.
pub fn date(days: i64) -> Result<String, String> {
    Ok(local(days.saturating_mul(86_400), SECONDS)?.date().to_string())
}

fn timestamp(since: i64, units: i64) -> Result<jiff::Timestamp, String> {
    let nanos = i128::from(since) * i128::from(NANOS / units);
    jiff::Timestamp::from_nanosecond(nanos).map_err(|error| error.to_string())
}

/// A UUID as text.
pub fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(begin, end)| hex.get(begin..end));
    parts.into_iter().collect::<Option<Vec<_>>>().map_or_else(|| hex.clone(), |parts| parts.join("-"))
}

/// A decimal as a JSON number: an integer, most significant byte first, with this number of digits after the point.
///
/// # Errors
/// It has more than 38 digits.
pub fn decimal(bytes: &[u8], scale: i64) -> Result<String, String> {
    const DIGITS_MAX: i64 = 38;
    let padding = if bytes.first().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
    let mut whole = [padding; 16];
    let (extra, digits) = bytes.split_at(bytes.len().saturating_sub(16));
    if extra.iter().any(|byte| *byte != padding) || !(-DIGITS_MAX..=DIGITS_MAX).contains(&scale) {
        return Err("a decimal has more than 38 digits".to_owned());
    }
    whole[16 - digits.len()..].copy_from_slice(digits);
    let number = i128::from_be_bytes(whole);
    let after = scale.max(0) as usize;
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = after + 1);
    let sign = if number < 0 { "-" } else { "" };
    let (before, after) = digits.split_at(digits.len() - after);
    Ok(match scale {
        1.. => format!("{sign}{before}.{after}"),
        0 => format!("{sign}{before}"),
        _ => format!("{sign}{before}e{}", -scale),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_and_uuids_are_written() {
        for (bytes, scale, expected) in [
            (&b"\x00"[..], 2, "0.00"),
            (b"\x05", 2, "0.05"),
            (b"\xff", 0, "-1"),
            (b"", 0, "0"),
            (b"\x7b", -2, "123e2"),
            (&[0; 20], 1, "0.0"),
            (&[0xff; 20], 1, "-0.1"),
        ] {
            assert_eq!(decimal(bytes, scale).as_deref(), Ok(expected), "{bytes:?}");
        }
        assert!(decimal(&[1; 17], 0).is_err() && decimal(b"\x01", 1_000).is_err());
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid(&bytes), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(uuid(&bytes[..2]), "0001");
    }
}
