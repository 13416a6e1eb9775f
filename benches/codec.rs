//! Measures the cost of decoding an event and of encoding a handoff.
//!
//! `cargo bench --bench codec` also prints a hash of what was decoded, so that a wrong result shows.

use divan::{Bencher, black_box};
use upswell::model::{Event, EventKind, EventTime, Fields, Handoff, HandoffId, Level};
use upswell::wire::{self, Format, ToWire as _};
use xxhash_rust::xxh3::xxh3_64;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
    let decoded = format!("{:?}{:?}", decode(Format::Protobuf, &protobuf()), decode(Format::Json, &json()));
    println!(
        "hash {:016x} of what was decoded; protobuf {} bytes, JSON {} bytes",
        xxh3_64(decoded.as_bytes()),
        protobuf().len(),
        json().len()
    );
}

fn event() -> Event<'static> {
    Event {
        message_id: "5161937d570abc01b56d4d2d".into(),
        source: "web".into(),
        kind: EventKind::Track,
        name: "Feature Used".into(),
        user: "u_bd82b393cfe6".into(),
        anonymous_id: "".into(),
        account: "a_6560195d94b6".into(),
        time: EventTime(1_771_063_200_123),
        received: None,
        properties: Fields::Json(r#"{"feature":"editor"}"#),
        traits: Fields::None,
        context: Fields::None,
        provenance: None,
    }
}

fn protobuf() -> Vec<u8> {
    wire::encode(&event())
}

fn json() -> Vec<u8> {
    wire::encode_json(&event()).into_bytes()
}

/// Account, user, name and time of every event of a record.
fn decode(format: Format, payload: &[u8]) -> Vec<(String, String, String, i64)> {
    wire::decode(format, payload)
        .map(|decoded| decoded.event.expect("the bench encodes it"))
        .map(|event| (event.account.to_string(), event.user.to_string(), event.name.to_string(), event.time.0))
        .collect()
}

#[divan::bench]
fn decode_protobuf(bencher: Bencher<'_, '_>) {
    let payload = protobuf();
    bencher.bench(|| wire::decode(Format::Protobuf, black_box(&payload)).filter(|it| it.event.is_ok()).count());
}

/// An event of a record that packs a hundred.
#[divan::bench]
fn decode_packed_hundred(bencher: Bencher<'_, '_>) {
    let payload = wire::pack(vec![protobuf(); 100]);
    bencher
        .counter(divan::counter::ItemsCount::new(100_usize))
        .bench(|| wire::decode(Format::Protobuf, black_box(&payload)).filter(|it| it.event.is_ok()).count());
}

#[divan::bench]
fn decode_json(bencher: Bencher<'_, '_>) {
    let payload = json();
    bencher.bench(|| wire::decode(Format::Json, black_box(&payload)).filter(|it| it.event.is_ok()).count());
}

#[divan::bench]
fn encode_protobuf(bencher: Bencher<'_, '_>) {
    let event = event();
    bencher.bench(|| wire::encode(black_box(&event)));
}

#[divan::bench]
fn encode_handoff(bencher: Bencher<'_, '_>) {
    let at = EventTime(1_771_063_200_123);
    let handoff = Handoff {
        id: HandoffId::new("acme", "five-new-users", at),
        account: "acme".into(),
        trigger: "five-new-users".into(),
        level: Level::Medium,
        at,
        due_from: Some(at),
        due: Some(at),
        not_before: at,
        also: vec!["steady-growth".into()],
        user_ids: Vec::new(),
        user_ids_left_out: 0,
        why: "5 new users in 7 days".into(),
        evidence: Default::default(),
        message_id: String::new(),
        rules_version: "default@0".into(),
        context: Box::default(),
    };
    bencher.bench(|| black_box(&handoff).to_bytes());
}
