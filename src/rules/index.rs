//! The index of signals and triggers by what they depend on, so that a step evaluates only those that a change can
//! affect.

use std::collections::BTreeMap;

use super::changes::Changes;
use super::condition::Condition;
use super::inputs::{Assumed, Figure, Input, Reads, SignalRef, Slots, Value, each_bit};
use super::roles::RoleBits;
use super::signals::{Closes, RESTLESS_DAYS_OF_WEEKS, Signal, Signals};
use super::triggers::{TRIGGERS_MAX, Trigger, TriggerKind};
use crate::model::Role;

/// A set of triggers, by their places in the order in which they are decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places([u64; TRIGGERS_MAX / 64]);

impl Places {
    /// Adds a place.
    pub fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    /// Adds the places of another set, of which the first words are used.
    fn add(&mut self, other: &Places, words: usize) {
        self.0[..words].iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }

    /// The first place from this one on.
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut bits = self.0.get(from / 64)? >> (from % 64) << (from % 64);
        for word in from / 64.. {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            bits = *self.0.get(word + 1)?;
        }
        None
    }
}

/// Which condition triggers read what.
#[derive(Debug, Default)]
pub struct Readers {
    users: Vec<Places>,
    accounts: Vec<Places>,
    figures: Vec<Places>,
    /// How many words of a set they use.
    words: usize,
}

impl Readers {
    /// Adds a condition trigger at a place.
    fn insert(&mut self, reads: &Reads, place: usize) {
        self.words = self.words.max(place / 64 + 1);
        let add = |list: &mut Vec<Places>, at: usize| {
            if list.len() <= at {
                list.resize(at + 1, Places::default());
            }
            list[at].insert(place);
        };
        reads.users.each(|slot| add(&mut self.users, slot));
        reads.accounts.each(|slot| add(&mut self.accounts, slot));
        each_bit(reads.figures, |figure| add(&mut self.figures, figure));
    }

    /// The condition triggers that read any of this.
    pub fn of(&self, reads: &Reads) -> Places {
        let mut places = Places::default();
        let mut add = |list: &[Places], at: usize| list.get(at).into_iter().for_each(|it| places.add(it, self.words));
        reads.users.each(|slot| add(&self.users, slot));
        reads.accounts.each(|slot| add(&self.accounts, slot));
        each_bit(reads.figures, |figure| add(&self.figures, figure));
        places
    }
}

/// What to evaluate when something changes. Every list has slots in rising order.
#[derive(Debug, Default)]
pub struct Index {
    /// By role: the signals that its events feed.
    pub by_role: Vec<Vec<SignalRef>>,
    /// Account signals whose level an event can change at once, and what of the account changes it.
    pub at_once: Vec<(Changes, usize)>,
    /// All of these changes together.
    pub at_once_changes: Changes,
    /// User signals that another active day can change at once.
    pub by_activity: Vec<usize>,
    /// User signals that are measured from the sign-up.
    pub by_sign_up: Vec<usize>,
    /// User signals that the close of a day decides, and those that the close of a week decides.
    pub user_by_day: Vec<usize>,
    /// See [`Index::user_by_day`].
    pub user_by_week: Vec<usize>,
    /// Account signals that the close of a day decides, and those that the close of a week decides.
    pub account_by_day: Vec<usize>,
    /// See [`Index::account_by_day`].
    pub account_by_week: Vec<usize>,
    /// Account signals over the age of the account.
    pub ages: Vec<usize>,
    /// Account signals that closes can turn off: while one is on, closes have work.
    pub account_by_close: Slots,
    /// Event triggers, and the roles that they fire on.
    pub event_triggers: Vec<usize>,
    /// See [`Index::event_triggers`].
    pub event_trigger_roles: RoleBits,
    /// User signals of what is abandoned, by the role that completes it.
    pub completions: BTreeMap<Role, Vec<usize>>,
    /// These roles.
    pub completing: RoleBits,
    /// Everything that condition triggers read.
    pub reads: Reads,
    /// Which condition triggers read a user signal, an account signal or a figure: by slot, or by the figure's number.
    pub readers: Readers,
    /// By trigger: its place in the order in which triggers of one instant are decided.
    pub places: Vec<usize>,
    /// The parts of it that depend on other changes than levels: signals that may become known, and figures. First those
    /// of the account, which depend on changes of the account alone, then those of users.
    pub reads_by: [ReadsBy; 2],
    /// User signals that conditions of user triggers name.
    pub user_conditions: Slots,
    /// Whether a condition of a user trigger names a figure of the user.
    pub trigger_scores: bool,
    /// Whether it is one that can change while all signals of the user are off: the score, or whether the user buys.
    pub trigger_everybody: bool,
    /// Signals that conditions read and that time makes known although their levels stay: of the account, and of users.
    pub known_in_time: (Vec<usize>, Vec<usize>),
    /// Closed days without activity in which conditions can still become true or false.
    pub restless_days: i32,
    /// The numbers of closed days without activity at which a condition over that number can change.
    pub idle: Turns,
    /// The same of running active users, and of users ever active.
    pub active_users: Turns,
    /// See [`Index::active_users`].
    pub users: Turns,
    /// When the users of closed weeks matter to conditions.
    pub weekly_users: Needed,
    /// When it matters to conditions that spikes of new users are known.
    pub spike_known: Needed,
    /// Whether conditions read figures of closed days.
    pub reads_closed_days: bool,
    /// Account signals that only events turn on or raise: a close can only turn them off.
    pub only_fall: Slots,
    /// User signals that tell of absence.
    pub absences: Slots,
    /// These, and the figure that conditions about absence read.
    pub absence: Reads,
}

/// Inputs of conditions by the changes on which they depend.
#[derive(Debug, Default)]
pub struct ReadsBy {
    each: Vec<(Changes, Reads)>,
    /// All of these changes together.
    all: Changes,
}

impl ReadsBy {
    fn insert(&mut self, changes: Changes, reads: &Reads) {
        match self.each.iter_mut().find(|(by, _)| *by == changes) {
            Some((_, known)) => known.all(reads),
            None => self.each.push((changes, *reads)),
        }
        self.all.add(changes);
    }

    /// Adds the inputs that some changes can affect.
    pub fn add_to(&self, reads: &mut Reads, changes: Changes) {
        if changes.meet(self.all) {
            self.each.iter().filter(|(by, _)| by.meet(changes)).for_each(|(_, by)| reads.all(by));
        }
    }
}

/// Values of a number at which conditions over it can change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Such numbers, rising.
    at: Vec<i32>,
    /// Every number up to this one is, too.
    all_up_to: i32,
}

impl Turns {
    /// Adds those of a condition over a figure; they are at most as many.
    fn add(&mut self, when: &Condition, figure: Figure, at_most: i32) {
        if !when.reads.reads(figure) {
            return;
        }
        match when.turns(Input::Figure(figure)) {
            Some(turns) => self.at.extend(turns),
            None => self.all_up_to = self.all_up_to.max(at_most),
        }
        self.at.sort_unstable();
        self.at.dedup();
    }

    /// The first of the numbers that is greater than this one.
    pub fn after(&self, days: i32) -> Option<i32> {
        if days < self.all_up_to {
            return Some(days + 1);
        }
        self.at.get(self.at.partition_point(|at| *at <= days)).copied()
    }

    /// Whether a condition can have changed while the number went from one to another.
    pub fn lie_between(&self, from: i32, to: i32) -> bool {
        self.after(from.min(to)).is_some_and(|turn| turn <= from.max(to))
    }
}

/// When a figure matters to conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Needed {
    /// No condition reads it.
    #[default]
    Never,
    /// While one of these signals of the account is on: no condition that reads it can be true otherwise.
    With(Slots),
    /// At any time.
    Always,
}

impl Needed {
    /// Adds a condition, if it reads the figure.
    fn add(&mut self, when: &Condition, figure: Figure) {
        if !when.reads.reads(figure) {
            return;
        }
        let mut slots = match self {
            Needed::Never => Slots::default(),
            Needed::With(slots) => *slots,
            Needed::Always => return,
        };
        *self = match when.needs() {
            None => Needed::Always,
            Some(signals) => {
                let of_account = |signal: &SignalRef| match signal {
                    SignalRef::Account(slot) => Some(*slot),
                    SignalRef::User(_) => None,
                };
                let all: Option<Vec<usize>> = signals.iter().map(of_account).collect();
                all.map_or(Needed::Always, |all| {
                    all.into_iter().for_each(|slot| slots.insert(slot));
                    Needed::With(slots)
                })
            }
        };
    }

    /// Whether it matters while these signals of the account are on.
    pub fn is_met(&self, mut on: impl Iterator<Item = usize>) -> bool {
        match self {
            Needed::Never => false,
            Needed::With(slots) => on.any(|slot| slots.has(slot)),
            Needed::Always => true,
        }
    }
}

/// Builds the index of signals and triggers. `by_level` is the order in which triggers of one instant are decided.
pub(super) fn build(signals: &Signals, triggers: &[Trigger], by_level: &[usize]) -> Index {
    let mut index = Index { by_role: vec![Vec::new(); Role::ALL.len()], ..Index::default() };
    let is_on_event = |trigger: &usize| matches!(triggers[*trigger].kind, TriggerKind::Event(_));
    index.event_triggers = (0..triggers.len()).filter(is_on_event).collect();
    let event_trigger_role = |trigger: &Trigger| match &trigger.kind {
        TriggerKind::Event(on) => on.role,
        TriggerKind::Condition { .. } => None,
    };
    index.event_trigger_roles = triggers.iter().filter_map(event_trigger_role).collect();
    for trigger in triggers {
        let TriggerKind::Condition { when, per_user, .. } = &trigger.kind else { continue };
        index.reads.all(&when.reads);
        if *per_user {
            index.user_conditions.add(&when.reads.users);
            index.trigger_scores |= when.reads.figures & !Figure::OF_ACCOUNT != 0;
            index.trigger_everybody |= when.reads.reads(Figure::UserScore) || when.reads.reads(Figure::UserBuys);
        }
    }
    for (slot, signal) in signals.users.iter().enumerate() {
        let roles = signal.kind.fed_by();
        roles.iter().for_each(|role| index.by_role[*role as usize].push(SignalRef::User(slot)));
        if let Some(role) = signal.kind.completed_by() {
            index.completions.entry(role).or_default().push(slot);
        }
        if signal.kind.changes().meet(Changes::ACTIVE) {
            index.by_activity.push(slot);
        }
        if signal.kind.is_absence() {
            index.absences.insert(slot);
            index.absence.signal(SignalRef::User(slot));
        }
        if signal.kind.known_by().meet(Changes::SIGNED_UP) {
            index.by_sign_up.push(slot);
        }
        match signal.kind.closes() {
            Some(Closes::Day) => index.user_by_day.push(slot),
            Some(Closes::Week) => index.user_by_week.push(slot),
            None => {}
        }
    }
    index.absence.figure(Figure::IdleDays);
    index.places = vec![0; triggers.len()];
    for (place, trigger) in by_level.iter().enumerate() {
        index.places[*trigger] = place;
        if let TriggerKind::Condition { when, .. } = &triggers[*trigger].kind {
            index.readers.insert(&when.reads, place);
        }
    }
    index.completing = index.completions.keys().copied().collect();
    for (slot, signal) in signals.accounts.iter().enumerate() {
        let (kind, roles) = (&signal.kind, signal.kind.fed_by());
        roles.iter().for_each(|role| index.by_role[*role as usize].push(SignalRef::Account(slot)));
        if !kind.changes().is_empty() {
            index.at_once.push((kind.changes(), slot));
            index.at_once_changes.add(kind.changes());
        }
        if kind.only_falls_at_closes() {
            index.only_fall.insert(slot);
        }
        if kind.changes().meet(Changes::AGE) {
            index.ages.push(slot);
        }
        if kind.ends_at_closes() {
            index.account_by_close.insert(slot);
        }
        match kind.closes() {
            Some(Closes::Day) => index.account_by_day.push(slot),
            Some(Closes::Week) => index.account_by_week.push(slot),
            None => {}
        }
    }
    index_reads(&mut index, signals);
    let conditions = triggers.iter().filter_map(|trigger| match &trigger.kind {
        TriggerKind::Condition { when, .. } => Some(when),
        TriggerKind::Event(_) => None,
    });
    for when in conditions {
        let restless_days = restless_days(when, signals);
        index.restless_days = index.restless_days.max(restless_days);
        index.idle.add(when, Figure::IdleDays, restless_days);
        index.active_users.add(when, Figure::ActiveUsers, i32::MAX);
        index.users.add(when, Figure::Users, i32::MAX);
        index.weekly_users.add(when, Figure::WeeklyUsers);
        index.spike_known.add(when, Figure::SpikeKnown);
    }
    let of_closed_days = |figure: &Figure| figure.changes().meet(Changes::CLOSED_DAYS);
    let mut closed_days = Figure::ALL.iter().map(|it| it.0).filter(of_closed_days);
    index.reads_closed_days = closed_days.any(|figure| index.reads.reads(figure));
    index
}

/// Maps changes to the inputs of conditions that depend on them although no level changes.
fn index_reads(index: &mut Index, signals: &Signals) {
    let mut by = |changes: Changes, input: Input| {
        let mut reads = Reads::default();
        reads.add(&input);
        if reads.meet(&index.reads) && !changes.is_empty() {
            let of_users = !reads.users.is_empty() || reads.figures & !Figure::OF_ACCOUNT != 0;
            index.reads_by[usize::from(of_users)].insert(changes, &reads);
        }
    };
    let figures = Figure::ALL.iter().map(|(figure, ..)| *figure).chain([Figure::Traits]);
    figures.for_each(|figure| by(figure.changes(), Input::Figure(figure)));
    for (slot, signal) in signals.accounts.iter().enumerate() {
        by(signal.kind.known_by(), Input::Signal(SignalRef::Account(slot)));
    }
    for (slot, signal) in signals.users.iter().enumerate() {
        by(signal.kind.known_by(), Input::Signal(SignalRef::User(slot)));
    }
    let of_time = |list: &[Signal], read: &Slots| {
        let slots = (0..list.len()).filter(|slot| read.has(*slot));
        Vec::from_iter(slots.filter(|slot| list[*slot].kind.known_by().meet(Changes::KNOWN)))
    };
    index.known_in_time =
        (of_time(&signals.accounts, &index.reads.accounts), of_time(&signals.users, &index.reads.users));
}

/// For how many closed days after the last active one time alone can change the result of a condition.
fn restless_days(when: &Condition, signals: &Signals) -> i32 {
    // Of an account without activity for 28 days no signal of activity is on.
    let at_rest = |input: Input| match input {
        Input::Signal(SignalRef::Account(slot)) if signals.accounts[slot].kind.is_known_in_time() => Value::Int(0),
        Input::Figure(
            Figure::ActiveUsers | Figure::Departments | Figure::Dau | Figure::Wau | Figure::Mau | Figure::NewUsers,
        ) => Value::Int(0),
        _ => Value::Unknown,
    };
    if when.holds(&Assumed(&at_rest)) == Some(false) {
        return 0;
    }
    let days = |input: &Input| match input {
        Input::Figure(Figure::IdleDays) => i32::try_from(when.greatest()).unwrap_or(i32::MAX - 1) + 1,
        Input::Figure(Figure::WeeklyUsers) => RESTLESS_DAYS_OF_WEEKS,
        Input::Signal(SignalRef::Account(slot)) => signals.accounts[*slot].kind.restless_days(),
        _ => 0,
    };
    when.inputs().iter().map(days).max().unwrap_or(0)
}
