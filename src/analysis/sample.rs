//! Counts what a sample of events contains: roles, names that no mapping covers, account ids that differ only by case
//! or space.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Result, anyhow};
use indicatif::ProgressBar;
use xxhash_rust::xxh3::xxh3_128;

use super::needs::{Came, Search, What, all_needs};
use super::places::Places;
use crate::model::{Event, EventKind, EventTime, Field, Role, Unmapped};
use crate::replay::{Files, Read, Readable};
use crate::rules::{self, Plan, RoleSet};
use crate::text;

/// How many names of events are counted one by one.
const NAMES_MAX: usize = 10_000;
/// In how many events without an account one is looked for.
const LOOKED_AT: u64 = 1_000;

/// The contents of a sample of events, by the rules.
pub struct Sample {
    /// Events, and those among them that cannot be read.
    pub readable: Readable,
    /// Activity of users, with or without a role.
    pub activity: u64,
    /// By role.
    pub roles: Vec<u64>,
    /// By mapping.
    pub mappings: Vec<u64>,
    /// What signals, figures and triggers need of events, and which of it the sample has.
    pub(super) needs: Vec<(What, Search)>,
    /// Names that no mapping covers.
    pub unmapped: Unmapped,
    /// Names of pages and screens that no mapping covers.
    pub pages: Unmapped,
    /// By kind and name of events: how many there are, and the roles that they have.
    pub names: BTreeMap<(&'static str, String), Named>,
    /// Account ids.
    pub accounts: Accounts,
    /// Events without an account, which cannot be read, and where they may have one.
    pub without_account: (u64, Places),
    /// Events without a user.
    pub without_user: u64,
    /// Users, by the hash of account and user.
    pub users: HashSet<u128>,
    /// The earliest and the latest time of an event.
    pub span: Option<(EventTime, EventTime)>,
    /// Message ids together with their sources, by their hash.
    messages: HashSet<u128>,
    /// Events that repeat the message id of another one.
    pub repeated: u64,
    /// Events without a message id.
    pub without_id: u64,
    /// Number of `alias` calls.
    pub aliases: u64,
    /// Events with an amount in a currency for which the rules have no rate, by its code.
    pub without_rate: BTreeMap<String, u64>,
}

/// Events of a name.
#[derive(Debug, Default)]
pub struct Named {
    /// How many there are.
    pub events: u64,
    /// The roles of some of them.
    pub roles: BTreeSet<Role>,
}

/// Account ids, and those among them that are the same but for case and space before and after.
#[derive(Default)]
pub struct Accounts {
    /// The first id of each folded form, by the hash of the form.
    first: HashMap<u128, Box<str>>,
    /// By folded form, where there are several ids of one.
    pub alike: BTreeMap<String, BTreeSet<String>>,
}

impl Accounts {
    /// How many there are.
    pub fn number(&self) -> usize {
        self.first.len() + self.alike.values().map(|ids| ids.len() - 1).sum::<usize>()
    }

    fn count(&mut self, id: &str) {
        let form = rules::folded(id);
        let Some(first) = self.first.get(&xxh3_128(form.as_bytes())) else {
            self.first.insert(xxh3_128(form.as_bytes()), id.into());
            return;
        };
        if **first != *id {
            let ids = self.alike.entry(form.into_owned()).or_insert_with(|| [first.to_string()].into());
            ids.insert(id.to_owned());
        }
    }
}

impl Sample {
    /// An empty sample.
    pub fn new(plan: &Plan) -> Sample {
        Sample {
            readable: Readable::new(plan.time.allowed_lateness_ms),
            activity: 0,
            roles: vec![0; Role::ALL.len()],
            mappings: vec![0; plan.roles.mappings().count()],
            needs: all_needs(plan),
            unmapped: Unmapped::default(),
            pages: Unmapped::default(),
            names: BTreeMap::new(),
            accounts: Accounts::default(),
            without_account: Default::default(),
            without_user: 0,
            users: HashSet::new(),
            span: None,
            messages: HashSet::new(),
            repeated: 0,
            without_id: 0,
            aliases: 0,
            without_rate: BTreeMap::new(),
        }
    }

    /// Reads events of files.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(&mut self, plan: &Plan, files: &Files, progress: &ProgressBar) -> Result<()> {
        files.read(progress, &mut |events| {
            for Read { mut decoded, place, .. } in events.drain(..) {
                plan.ids.key(&mut decoded);
                self.readable.count(&decoded, place);
                match &decoded.event {
                    Ok(event) => self.count(plan, event),
                    Err(malformed) if malformed.0.starts_with("no account") => {
                        self.without_account.0 += 1;
                        if self.without_account.0 <= LOOKED_AT {
                            self.without_account.1.look(decoded.raw);
                        }
                    }
                    Err(_) => {}
                }
            }
            Ok(())
        })?;
        self.readable.refuse_junk().map_err(|error| match self.without_account.1.top(1).first() {
            Some((path, count)) => {
                let count = text::count(*count);
                anyhow!("{error}\n{} of them have {path}: a guess is --account {path}", count)
            }
            None => error,
        })
    }

    fn count(&mut self, plan: &Plan, event: &Event<'_>) {
        if !event.kind.is_control() {
            self.count_ids(event);
        }
        self.aliases += u64::from(event.kind == EventKind::Alias);
        let set = plan.roles.of(event);
        self.count_name(plan, &set, event);
        plan.roles.in_order(&set).for_each(|role| self.roles[role as usize] += 1);
        plan.roles.matched(&set).for_each(|mapping| self.mappings[mapping] += 1);
        if let Some(code) = without_rate(plan, &set, event) {
            *self.without_rate.entry(code).or_insert(0) += 1;
        }
        self.activity += u64::from(event.kind == EventKind::Track && !event.user.is_empty() && set.is_activity());
        let wanted = self.needs.iter_mut().flat_map(|(_, needs)| needs.all.iter_mut().flatten());
        wanted.filter(|it| !it.met && set.has(it.source.role)).for_each(|it| it.look(plan, &set, event));
        let is_page = matches!(event.kind, EventKind::Page | EventKind::Screen);
        if plan.roles.is_unmapped(event) {
            self.unmapped.count(&event.name);
        } else if is_page && !set.is_mapped() && !event.name.is_empty() {
            self.pages.count(&event.name);
        }
    }

    fn count_ids(&mut self, event: &Event<'_>) {
        self.accounts.count(&event.account);
        match &*event.user {
            "" => self.without_user += 1,
            user => _ = self.users.insert(hash_of(&event.account, user)),
        }
        match &*event.message_id {
            "" => self.without_id += 1,
            id => self.repeated += u64::from(!self.messages.insert(hash_of(&event.source, id))),
        }
        let (first, last) = self.span.unwrap_or((event.time, event.time));
        self.span = Some((first.min(event.time), last.max(event.time)));
    }

    fn count_name(&mut self, plan: &Plan, set: &RoleSet, event: &Event<'_>) {
        let kind = match event.kind {
            EventKind::Track => "track",
            EventKind::Page => "page",
            EventKind::Screen => "screen",
            EventKind::Identify => "identify",
            EventKind::Group => "group",
            _ => return,
        };
        let key = (kind, event.name.to_string());
        if self.names.len() < NAMES_MAX || self.names.contains_key(&key) {
            let named = self.names.entry(key).or_default();
            named.events += 1;
            named.roles.extend(plan.roles.in_order(set));
        }
    }

    /// Events of a role.
    pub fn of(&self, role: Role) -> u64 {
        self.roles[role as usize]
    }

    /// What something needs and does not have; none if nothing is missing.
    pub(super) fn missing(&self, plan: &Plan, what: What) -> Option<String> {
        let (_, needs) = self.needs.iter().find(|(known, _)| *known == what)?;
        needs.missing(plan, &Came { roles: &self.roles, activity: self.activity })
    }
}

fn hash_of(of: &str, id: &str) -> u128 {
    xxh3_128(&[of.as_bytes(), b"\0", id.as_bytes()].concat())
}

/// The currency of an event's amount, if the rules have no rate for it (semantics F8).
fn without_rate(plan: &Plan, set: &RoleSet, event: &Event<'_>) -> Option<String> {
    const AMOUNTS: [Field; 4] = [Field::Mrr, Field::Price, Field::Amount, Field::Value];
    let has_amount = |role: &Role| AMOUNTS.iter().any(|it| plan.roles.number(set, *role, *it, event).is_some());
    let role = plan.roles.in_order(set).find(has_amount)?;
    let code = plan.roles.text(set, role, Field::Currency, event)?.trim().to_uppercase();
    (code != "USD" && !plan.money.rates.contains_key(&code)).then_some(code)
}
