//! Tests that the fold, once its state is warm, allocates no memory for an event that changes no level. The allocator
//! counts the allocations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use upswell::engine::{Partition, Record};
use upswell::model::{DAY_MS, Effects, Event, EventKind, EventTime, Fields, HOUR_MS, Wanted};
use upswell::rules::{self, Figure, Input, Inputs, Ready, TriggerKind, Type, Value};
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
fn an_event_that_changes_no_level_allocates_nothing() {
    let mut partition = Partition::new(upswell::rules::default_plan());
    let mut effects = Effects::new(Wanted::ALL);
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
            for decoded in wire::decode(Format::Protobuf, &payload) {
                let _ = partition.apply(record, Ready::new(&decoded).into_iter(), &mut effects);
            }
            let closed = partition.open_day() != watermark;
            // Warm: every user and account is known, and the ids of a window and the uses of a feature in a month, in
            // groups of five days, have found their room.
            if day >= 40 && effects.is_empty() && !closed {
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

/// Inputs whose numbers are all the same.
struct All(i64);

impl Inputs for All {
    fn value(&self, input: Input) -> Value<'_> {
        let Input::Figure(figure) = input else { return Value::Int(self.0) };
        match Figure::ALL.iter().find(|known| known.0 == figure).map(|known| known.2) {
            Some(Type::Bool) => Value::Bool(self.0 > 0),
            Some(Type::Int) => Value::Int(self.0),
            Some(Type::Double) => Value::Double(self.0 as f64),
            Some(Type::Text) => Value::Text("warm"),
            Some(Type::Ints) => Value::Ints(input),
            _ => Value::Unknown,
        }
    }

    fn item(&self, _: Input, at: usize) -> Option<i64> {
        (at < 13).then_some(self.0)
    }
}

#[test]
fn a_condition_is_evaluated_without_an_allocation() {
    let all = [
        "active_users in [1, users, 3] || size(weekly_users) * 2 - idle_days > 20 || -users in weekly_users",
        "plan.contains('war') && industry in ['warm', 'hot'] && (paid ? users : departments) + 1 > 1 && weekly_users[3] > 0",
        "traits.region == 'emea' || double(users) / 2.0 > 0.5 || weekly_users == weekly_users && has(traits.region)",
    ];
    let own: String = (0..).zip(all).map(|(id, when)| own_trigger(id, when)).collect();
    let text = rules::DEFAULT.replacen("\ntriggers:\n", &format!("\ntriggers:\n{own}"), 1);
    let plan = rules::parse("test", &text).unwrap_or_else(|error| panic!("{error}"));
    let conditions: Vec<_> = plan
        .triggers
        .iter()
        .filter_map(|trigger| match &trigger.kind {
            TriggerKind::Condition { when, .. } => Some(when),
            TriggerKind::Event(on) => on.when.as_ref(),
        })
        .collect();
    let before = ALLOCATIONS.with(Cell::get);
    let mut held = 0;
    for condition in &conditions {
        held += (-1..4).filter(|number| condition.holds(&All(*number)) == Some(true)).count();
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    assert!(held > conditions.len() / 2, "{held} of {} conditions hold", conditions.len());
}

fn own_trigger(id: usize, when: &str) -> String {
    format!("  - {{ id: own-{id}, level: low, cooldown: 1d, when: \"users >= 1 && ({when})\" }}\n")
}
