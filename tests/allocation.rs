//! Once warm, the fold allocates nothing for an event that says nothing: counted by the allocator, not guessed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use upswell::engine::{Partition, Record};
use upswell::model::{DAY_MS, Effects, Event, EventKind, EventTime, Fields, HOUR_MS};
use upswell::rules::Ready;
use upswell::wire::{self, Format};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, with a count per thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; counting touches only a thread's own cell.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ACCOUNTS: u64 = 200;
const USERS: u64 = 4_000;

fn encode(message: u64, user: u64, ms: i64) -> Vec<u8> {
    wire::encode(&Event {
        message_id: format!("m{message}").into(),
        source: "test".into(),
        kind: EventKind::Track,
        name: "Feature Used".into(),
        user: format!("user-{user}").into(),
        anonymous_id: "".into(),
        account: format!("account-{}", user % ACCOUNTS).into(),
        time: EventTime(ms),
        received: None,
        properties: Fields::Json(r#"{"feature":"editor"}"#),
        traits: Fields::None,
        context: Fields::None,
        provenance: None,
    })
}

#[test]
fn an_event_that_says_nothing_allocates_nothing() {
    let mut partition = Partition::new(upswell::rules::default_plan());
    let mut effects = Effects::default();
    let mut message = 0;
    let (mut silent, mut allocated, mut newly_active) = (0_u64, 0_u64, 0_u64);
    for day in 0..60_i64 {
        for event in 0..2 * USERS {
            message += 1;
            let ms = (20_000 + day) * DAY_MS + 2 * HOUR_MS + event as i64 * 10_000 % (20 * HOUR_MS);
            // Three days of four, so that days are new, and twice a day, so that they are known.
            let user = event * 7 % USERS;
            if (user + day as u64).is_multiple_of(4) {
                continue;
            }
            let payload = encode(message, user, ms);
            let before = ALLOCATIONS.with(Cell::get);
            let watermark = partition.open_day();
            let record = Record { offset: message as i64, time: Some(EventTime(ms)) };
            let _ =
                partition.apply(record, wire::decode(Format::Protobuf, &payload).flat_map(Ready::new), &mut effects);
            let closed = partition.open_day() != watermark;
            // Warm: every user and account is known, and the ids of a window have found their room.
            if day >= 30 && effects.is_empty() && !closed {
                silent += 1;
                allocated += ALLOCATIONS.with(Cell::get) - before;
                newly_active += u64::from(event < USERS);
            }
            effects.clear();
        }
    }
    println!(
        "{silent} silent events, {newly_active} of them on a day that was new to their user: {allocated} allocations"
    );
    assert!(silent > 50_000 && newly_active > 10_000, "too few events to mean anything");
    assert_eq!(allocated, 0);
}
