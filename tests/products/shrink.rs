//! Shrinks a failing product with random rules: removes the accounts, triggers, signals and events that the failure
//! does not need, so that it can be read.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Product, packs, packs_of};
use crate::reference::Event;
use crate::reference::pack::Pack;

/// How long a smaller product is looked for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The smallest product found for which `fails` is still true. Its attempts print output too.
pub(crate) fn shrink(product: &Product, fails: &dyn Fn(&Product) -> bool) -> Product {
    eprintln!("making it small: what is printed until then is of attempts");
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let until = Instant::now() + PATIENCE;
    let mut small = product.clone();
    one_account(&mut small, fails);
    events(&mut small, fails, until, 8);
    rules(&mut small, fails, until);
    events(&mut small, fails, until, 1);
    std::panic::set_hook(hook);
    small
}

/// Leaves a change where the product still fails.
fn keep(small: &mut Product, smaller: Product, fails: &dyn Fn(&Product) -> bool) -> bool {
    let is_kept = fails(&smaller);
    if is_kept {
        *small = smaller;
    }
    is_kept
}

fn one_account(small: &mut Product, fails: &dyn Fn(&Product) -> bool) {
    for account in ["a0", "a1", "a2"] {
        let mut smaller = small.clone();
        smaller.log.retain(|input| {
            input
                .event
                .as_ref()
                .is_ok_and(|event| event.account.is_empty() || event.account.eq_ignore_ascii_case(account))
        });
        if keep(small, smaller, fails) {
            return;
        }
    }
}

/// Halves, quarters and so on of the log, down to this number of events.
fn events(small: &mut Product, fails: &dyn Fn(&Product) -> bool, until: Instant, least: usize) {
    let mut size = small.log.len() / 2;
    while size >= least {
        let mut from = small.log.len();
        while from > 0 && Instant::now() < until {
            let begin = from.saturating_sub(size);
            let mut smaller = small.clone();
            smaller.log.drain(begin..from);
            keep(small, smaller, fails);
            from = begin.min(small.log.len());
        }
        size /= 2;
    }
}

/// Leaves triggers and signals out, of all rules that have them.
fn rules(small: &mut Product, fails: &dyn Fn(&Product) -> bool, until: Instant) {
    let ids = |ids: fn(&Pack) -> Vec<String>, small: &Product| -> BTreeSet<String> {
        packs_of(small).into_iter().flat_map(ids).collect()
    };
    let triggers = ids(|pack| pack.triggers.iter().map(|trigger| trigger.id.clone()).collect(), small);
    let signals = ids(|pack| pack.signals.iter().map(|signal| signal.id.clone()).collect(), small);
    for id in triggers.into_iter().chain(signals).take_while(|_| Instant::now() < until) {
        let mut smaller = small.clone();
        let activated = smaller.log.iter_mut().filter_map(|input| input.event.as_mut().ok()?.rules.as_mut());
        for pack in std::iter::once(&mut smaller.settings.pack).chain(activated) {
            let mut left = pack.clone();
            left.triggers.retain(|trigger| trigger.id != id);
            left.signals.retain(|signal| signal.id != id);
            *pack = Box::leak(Box::new(left));
        }
        keep(small, smaller, fails);
    }
}

/// The product for a person: its rules as far as they are of the pack, and its log.
pub(crate) fn describe(product: &Product) -> String {
    let mut text = packs::describe(product.settings.pack);
    for input in &product.log {
        let record = input.record_ms.map_or(String::new(), |ms| format!(" in a record of {ms}"));
        text.push_str(&match &input.event {
            Ok(Event { rules: Some(rules), .. }) => format!("other rules apply:\n{}", packs::describe(rules)),
            Ok(event) => format!(
                "{} {:?} {:?} {} by {:?} id {:?} {} {}{record}\n",
                event.ms,
                event.kind,
                event.name,
                event.account,
                event.user,
                event.message_id,
                serde_json::Value::Object(event.properties.clone()),
                serde_json::Value::Object(event.traits.clone()),
            ),
            Err(fault) => format!("{fault}{record}\n"),
        });
    }
    text
}
