//! Fuzz tests of the decoders (JSON, protobuf and the formats of other tools) and of the rules file, with inputs of
//! `tests/corpus/` that are changed at random.
//!
//! Nothing may panic, a record must not decode to more events than it has bytes, an input that is refused must have a
//! reason, and an event must be the same as JSON and as protobuf. A failure prints its case, and `UPSWELL_FUZZ_CASE=7
//! cargo test --test fuzz` repeats it; `UPSWELL_FUZZ_CASES=1000000` tries this number of cases. Add an input that
//! failed to the corpus.

use std::path::Path;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use upswell::model::Event;
use upswell::rules;
use upswell::wire::{self, Admit, Format, Input, InputFormat, Place};

/// Cases of each decoder, and of the rules file, which takes longer: some ten CPU seconds in all.
const CASES: u64 = 100_000;
const CASES_OF_RULES: u64 = 2_000;
/// Cases of each format of another tool.
const CASES_OF_FORMATS: u64 = 20_000;

/// Texts that break parsers, which are inserted into inputs.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"1e309",
    b"-0",
    b"99999999999999999999",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\xc3",
    b"\0",
    b"\n",
    b"  - ",
    b"&a *a",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
    b"{\"batch\":[",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// The files of a folder of the corpus, by name.
fn corpus(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let entries = std::fs::read_dir(&folder).expect("a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// One of the inputs, changed in up to eight places.
fn changed(rng: &mut SmallRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(0..9) {
        let at = rng.random_range(0..=input.len());
        let until = rng.random_range(at..=input.len().min(at + 40));
        match rng.random_range(0..6) {
            0 if at < input.len() => input[at] ^= 1 << rng.random_range(0..8),
            1 => drop(input.drain(at..until)),
            2 => {
                let again = input[at..until].to_vec();
                input.splice(at..at, again);
            }
            3 => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                let from = rng.random_range(0..=other.len());
                let piece = &other[from..rng.random_range(from..=other.len())];
                input.splice(at..until, piece.iter().copied());
            }
            4 => input.truncate(at),
            _ => drop(input.splice(at..at, PIECES[rng.random_range(0..PIECES.len())].iter().copied())),
        }
    }
    input
}

/// Prints the case whose check panics.
struct Named<'a>(u64, &'a [u8]);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("UPSWELL_FUZZ_CASE={}: {:?}", self.0, String::from_utf8_lossy(self.1));
        }
    }
}

/// Checks the corpus unchanged, and then a number of changed inputs.
fn fuzz(corpus: &[Vec<u8>], cases: u64, check: impl Fn(&[u8])) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    corpus.iter().for_each(|input| check(input));
    let cases = match number("UPSWELL_FUZZ_CASE") {
        Some(case) => case..case + 1,
        None => 0..number("UPSWELL_FUZZ_CASES").unwrap_or(cases),
    };
    for case in cases {
        let input = changed(&mut SmallRng::seed_from_u64(case), corpus);
        let _named = Named(case, &input);
        check(&input);
    }
}

/// The events of a record that can be read; of the others there is a reason.
fn events(format: Format, payload: &[u8]) -> Vec<Event<'_>> {
    readable(wire::decode_admitting(Admit::Any, format, payload), payload)
}

/// Those of the decoded events that can be read; of the others there is a reason.
fn readable<'a>(decoded: wire::Events<'a>, payload: &[u8]) -> Vec<Event<'a>> {
    let decoded: Vec<_> = decoded.collect();
    assert!(decoded.len() <= payload.len() + 1, "{} events of {} bytes", decoded.len(), payload.len());
    let mut events = Vec::new();
    for decoded in decoded {
        match decoded.event {
            Ok(event) => events.push(event),
            Err(malformed) => assert!(!malformed.0.is_empty(), "no reason"),
        }
    }
    events
}

/// The contents of an event, without fields that only files have. Numbers of protobuf are doubles.
fn said(event: &Event<'_>) -> Value {
    let line = wire::encode_json(&Event { received: None, ..event.clone() });
    in_doubles(serde_json::from_str(&line).expect("a line"))
}

fn in_doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(values) => values.into_iter().map(in_doubles).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, in_doubles(value))).collect(),
        value => value,
    }
}

/// Checks that an event is the same after it was written to the log.
fn is_the_same_in_the_log(event: &Event<'_>) {
    let bytes = wire::encode(event);
    let again = events(Format::Protobuf, &bytes);
    assert_eq!(again.len(), 1, "of {event:?}");
    assert_eq!(said(&again[0]), said(event));
    assert_eq!(wire::encode(&again[0]), bytes, "written twice");
}

#[test]
fn json_is_read_or_refused_with_a_reason() {
    fuzz(&corpus("json"), CASES, |payload| events(Format::Json, payload).iter().for_each(is_the_same_in_the_log));
}

#[test]
fn protobuf_is_read_or_refused_with_a_reason() {
    let json = corpus("json");
    let of_json: Vec<Vec<u8>> =
        json.iter().flat_map(|payload| events(Format::Json, payload)).map(|event| wire::encode(&event)).collect();
    assert!(of_json.len() >= json.len() / 2, "the corpus is broken");
    fuzz(&of_json, CASES, |payload| events(Format::Protobuf, payload).iter().for_each(is_the_same_in_the_log));
}

#[test]
fn events_of_other_tools_are_read_or_refused_with_a_reason() {
    let corpus = corpus("tools");
    let email = Place::try_from("email domain".to_owned()).expect("a place");
    for format in InputFormat::ALL.into_iter().filter(|format| format.is_text()) {
        let usual = Input::new(format, &[], &[]);
        let by_email = Input::new(format, std::slice::from_ref(&email), &[]);
        fuzz(&corpus, CASES_OF_FORMATS, |payload| {
            for input in [&usual, &by_email] {
                readable(input.decode(Admit::Product, payload), payload).iter().for_each(is_the_same_in_the_log);
            }
            let _ = wire::recognise([payload]);
        });
    }
}

#[test]
fn rules_are_read_or_refused_with_a_place() {
    fuzz(&corpus("rules"), CASES_OF_RULES, |text| {
        if let Err(error) = rules::parse("fuzz", &String::from_utf8_lossy(text)) {
            assert!(error.place.starts_with("fuzz"), "no place: {error}");
            assert!(!error.what.is_empty(), "no reason: {}", error.place);
        }
    });
}
