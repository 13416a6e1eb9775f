//! One account of the reference model: what an event changes, and what is due at which instant.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::activation::{Half, Warming};
use super::evidence::Fact;
use super::handoff::Order;
use super::pack::{Measure, Meter, Signal, Trigger};
use super::profiles::Acts;
use super::roles::Role;
use super::time::{Days, Life, lives, sunday, week_of};
use super::trigger::{Edge, Occurrence, Sent};
use super::{Event, Settings};

/// A metrics row and its place in the order of semantics C19: close instant, day before week, account.
pub(super) struct Row {
    pub(super) key: (i64, u8, String),
    pub(super) value: Value,
}

/// An applied event, in its place of the log.
pub(super) struct Applied {
    pub(super) event: Event,
    pub(super) place: (i64, u32),
    /// How many events of the account were applied before.
    pub(super) place_in_account: usize,
    /// The watermark when it was applied.
    pub(super) watermark: i64,
    /// The account's first meaningful event as it was known then, and whether the account had an event of the role
    /// before (semantics E16).
    pub(super) founded: Option<i64>,
    pub(super) is_first_of_role: bool,
    /// The user's sign-up, else first event, as it was known then.
    pub(super) signed_up: Option<i64>,
    /// Whether it raised a hand (semantics D14, E18).
    pub(super) raised_hand: bool,
}

/// The rungs of signals.
#[derive(Clone, Default)]
pub(super) struct Rungs(BTreeMap<Signal, u32>);

impl Rungs {
    pub(super) fn get(&self, signal: Signal) -> u32 {
        self.0.get(&signal).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, signal: Signal, rung: u32) {
        self.0.insert(signal, rung);
    }
}

/// Events by role, as places in the account's list.
pub(super) type ByRole = BTreeMap<Role, Vec<usize>>;

/// Somebody of an account: a user from the first active day on, before it a name that facts are kept for
/// (semantics B4).
#[derive(Default)]
pub(super) struct User {
    pub(super) days: Days,
    pub(super) lives: Vec<Life>,
    /// Every event of the user, and those of each role.
    pub(super) events: Vec<usize>,
    pub(super) by_role: ByRole,
    /// How many events the account had when the user was forgotten: those are no facts any more (semantics B12).
    pub(super) erased: usize,
    /// When the user left, unless active since (semantics B5).
    pub(super) removed: Option<i64>,
    pub(super) rungs: Rungs,
    /// The inactivity signals that were published on the feed (semantics E10).
    pub(super) published_inactive: BTreeSet<Signal>,
    /// 0 none, 1 emerging, 2 warm, 3 hot.
    pub(super) band: u32,
    /// The last change of band was a fall (semantics D6).
    pub(super) band_fell: bool,
}

/// What runs when triggers are evaluated.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The event's time or the due instant: the cause of effects.
    pub(super) cause: i64,
    /// What a waited edge is compared with: the due instant while due work runs, else the watermark (semantics D4).
    pub(super) now: i64,
    pub(super) closes_day: bool,
}

/// One account.
pub(super) struct Account {
    pub(super) name: String,
    pub(super) settings: Settings,
    /// The first day of the partition's log.
    pub(super) first_day: i64,
    /// Every instant up to here has run: the watermark as this account sees it.
    pub(super) clock: i64,
    /// The first day whose close has not run: what running counts look back from (semantics C2).
    pub(super) first_unclosed: i64,
    pub(super) events: Vec<Applied>,
    pub(super) by_role: ByRole,
    pub(super) users: BTreeMap<String, User>,
    /// The days on which anybody was active, with the first meaningful event of each.
    pub(super) days: Days,
    pub(super) lives: Vec<Life>,
    pub(super) first_of_day: BTreeMap<i64, i64>,
    pub(super) newest_event_day: Option<i64>,
    /// Of users who were erased, how many events there were then; and how many of them were active in weeks that were
    /// complete then (semantics B15).
    pub(super) erased_users: BTreeMap<String, usize>,
    pub(super) erased_weeks: BTreeMap<i64, i64>,
    /// How many events there were when the account was forgotten.
    pub(super) erased: usize,
    pub(super) rungs: Rungs,
    /// The facts of signals since they were last off, by user (empty: the account) (semantics E23).
    pub(super) facts: BTreeMap<(String, Signal), Vec<Fact>>,
    /// Occurrences of event triggers since they fired last.
    pub(super) occurrences: BTreeMap<Trigger, Vec<Fact>>,
    /// The place of the event that causes what is published; none: time does.
    pub(super) by: Option<(i64, u32)>,
    /// How many events there were when signals and meters began, by the rules of a log in its midst (semantics A27).
    pub(super) begun: BTreeMap<Half, usize>,
    pub(super) metered: Vec<(Meter, usize)>,
    /// Signals that no close has decided by these rules yet: off is unknown.
    pub(super) warming: Warming,
    /// 0 untiered, 1 to 4: T4 to T1.
    pub(super) tier: u32,
    /// How many of the thresholds of active users are reached.
    pub(super) user_count: u32,
    pub(super) track: Option<&'static str>,
    /// Instants at which a TTL, an age or a wait may end, by user (empty: the account) and signal.
    pub(super) timers: BTreeMap<i64, BTreeSet<(String, Signal)>>,
    /// Who was forgotten at the instant that runs; empty: the account.
    pub(super) forgotten_now: BTreeSet<String>,
    pub(super) edges: BTreeMap<(Trigger, String), Edge>,
    /// The newest occurrence of each event trigger that a rail holds.
    pub(super) pending: BTreeMap<Trigger, Occurrence>,
    /// The events that were occurrences of triggers of which only the first fires.
    pub(super) met: BTreeMap<Trigger, Vec<usize>>,
    pub(super) fired: BTreeMap<Trigger, i64>,
    /// The own time of the event by which an event trigger fired last (semantics D4).
    pub(super) fired_by: BTreeMap<Trigger, i64>,
    /// The same of triggers that the rules do not have any more, by id (semantics A27).
    pub(super) gone: BTreeMap<String, (Option<i64>, Option<i64>)>,
    pub(super) last_medium: Option<i64>,
    pub(super) last_low: Option<i64>,
    /// Handoffs that went to a person.
    pub(super) sent: Vec<Sent>,
    /// Ends of cooldowns that an edge waits for.
    pub(super) waits: BTreeSet<i64>,
    /// `at` of the last published effect (semantics A17).
    pub(super) last_at: Option<i64>,
    /// What the step says on the feed, with its order.
    pub(super) said: Vec<((bool, String, Order), Value)>,
    /// Of whom a rung, a band, a tier or a track changed in the step; empty: of the account.
    pub(super) acted: BTreeSet<String>,
    /// Users of whom an event was applied since the last close.
    pub(super) heard: BTreeSet<String>,
    /// What a person acts on, as it was after the last step.
    pub(super) known: Acts,
    pub(super) handoffs: Vec<Value>,
    pub(super) feed: Vec<Value>,
    /// Profiles of the account and of users, in the order of the log.
    pub(super) profiles: Vec<Value>,
    pub(super) onboarding: Vec<Value>,
    pub(super) rows: Vec<Row>,
}

impl Account {
    pub(super) fn new(name: &str, settings: Settings, first_day: i64, clock: i64) -> Self {
        let mut account = Self {
            name: name.to_owned(),
            settings,
            first_day,
            clock,
            first_unclosed: settings.day_of(clock),
            events: Vec::new(),
            by_role: ByRole::new(),
            users: BTreeMap::new(),
            days: Days::new(),
            lives: Vec::new(),
            first_of_day: BTreeMap::new(),
            newest_event_day: None,
            erased_users: BTreeMap::new(),
            erased_weeks: BTreeMap::new(),
            erased: 0,
            rungs: Rungs::default(),
            facts: BTreeMap::new(),
            occurrences: BTreeMap::new(),
            by: None,
            begun: BTreeMap::new(),
            metered: Vec::new(),
            warming: Warming::new(),
            tier: 0,
            user_count: 0,
            track: None,
            timers: BTreeMap::new(),
            forgotten_now: BTreeSet::new(),
            edges: BTreeMap::new(),
            pending: BTreeMap::new(),
            met: BTreeMap::new(),
            fired: BTreeMap::new(),
            fired_by: BTreeMap::new(),
            gone: BTreeMap::new(),
            last_medium: None,
            last_low: None,
            sent: Vec::new(),
            waits: BTreeSet::new(),
            last_at: None,
            said: Vec::new(),
            acted: BTreeSet::new(),
            heard: BTreeSet::new(),
            known: Acts::default(),
            handoffs: Vec::new(),
            feed: Vec::new(),
            profiles: Vec::new(),
            onboarding: Vec::new(),
            rows: Vec::new(),
        };
        account.known = account.acts();
        account
    }

    /// Runs everything due up to the watermark, instant by instant (semantics A15, A18).
    pub(super) fn run_due(&mut self, watermark: i64) {
        while let Some(t) = self.next_due(watermark) {
            // A wait may have ended before it began, by a late event: nothing else is due then.
            let is_new = t > self.clock;
            self.clock = self.clock.max(t);
            self.waits.remove(&t);
            let closes_day = is_new && t == self.settings.start_of(self.settings.day_of(t));
            if is_new {
                self.lapse(t);
            }
            if closes_day {
                self.forget(t);
                self.close_day(t);
                self.close_week(t);
            }
            // All that is due at one instant is one step (semantics A15).
            if is_new {
                self.settle(t, if closes_day { "REASON_CLOSED" } else { "REASON_LAPSED" }, closes_day);
            }
            // What a late event waits for is compared with how far time has come (semantics D4).
            self.evaluate(Moment { cause: t, now: self.clock, closes_day }, &[]);
            self.publish_step(t);
            self.publish_profiles(t, None, closes_day.then(|| self.settings.day_of(t) - 1));
            self.forgotten_now.clear();
        }
        self.clock = self.clock.max(watermark);
    }

    /// The earliest instant up to the watermark at which something may be due: a wait, a day close, a timer.
    fn next_due(&self, watermark: i64) -> Option<i64> {
        let close = self.settings.start_of(self.open_day() + 1);
        let timer = self.timers.range(self.clock + 1..).next().map(|(t, _)| *t);
        let due = timer.into_iter().chain([close]).chain(self.waits.first().copied());
        due.filter(|&t| t <= watermark).min()
    }

    /// TTL ends, ages and waits at `t`: the rung falls to what is still seen, or an age is reached (semantics E1, E17).
    fn lapse(&mut self, t: i64) {
        let Some(due) = self.timers.remove(&t) else {
            return;
        };
        let (of_account, of_users): (Vec<_>, Vec<_>) = due.into_iter().partition(|(user, _)| user.is_empty());
        for (user, signal) in of_users.into_iter().chain(of_account) {
            if matches!(signal.it.measure, Measure::Sessions { .. }) && !self.ends_a_session(&user, signal, t) {
                continue;
            }
            let rung = self.rung_now(&user, signal);
            self.set_rung(&user, signal, rung, t, "REASON_LAPSED");
            self.forget_facts_if_over(&user, signal);
        }
    }

    /// Forgets users and accounts that were last active 401 days ago, unless a later day is known (semantics B12).
    /// Traits of the company stay, and so do the signals that depend on them (semantics B13).
    fn forget(&mut self, t: i64) {
        let last_kept = self.settings.day_of(t) - self.settings.forget_after_days - 1;
        let users = self.users.iter().filter(|(_, user)| user.days.last() == Some(&last_kept));
        let gone: Vec<String> = users.map(|(id, _)| id.clone()).collect();
        for id in &gone {
            for signal in self.settings.pack.signals().filter(|signal| signal.it.of_users) {
                self.set_rung(id, signal, 0, t, "REASON_FORGOTTEN");
            }
            let erased = self.events.len();
            self.facts.retain(|(user, _), _| user != id);
            if let Some(user) = self.users.get_mut(id) {
                (user.erased, user.removed) = (erased, None);
            }
        }
        self.forgotten_now.extend(gone);
        if self.days.last() == Some(&last_kept) {
            self.erased = self.events.len();
            self.facts.retain(|(user, _), _| !user.is_empty());
            self.forgotten_now.insert(String::new());
            let of_accounts = self.settings.pack.signals().filter(|signal| signal.it.of_accounts);
            for signal in of_accounts.filter(|signal| !signal.is_of_company()) {
                self.set_rung("", signal, 0, t, "REASON_FORGOTTEN");
            }
        }
    }

    /// Erases a user: what follows is as if there had never been one, but for complete weeks (semantics B15).
    pub(super) fn erase(&mut self, id: &str) {
        let Some(user) = self.users.get(id) else { return };
        let weeks: BTreeSet<i64> = user.days.iter().map(|day| week_of(*day)).collect();
        for week in weeks.into_iter().filter(|week| sunday(*week) < self.first_unclosed) {
            *self.erased_weeks.entry(week).or_insert(0) += 1;
        }
        if self.user_life(id, self.newest_day()).is_some() {
            self.forgotten_now.insert(id.to_owned());
            self.acted.insert(String::new());
        }
        // Nothing is left but what ends with the step.
        if let Some(User { rungs, published_inactive, band, .. }) = self.users.remove(id) {
            self.users.insert(id.to_owned(), User { rungs, published_inactive, band, ..User::default() });
        }
        self.facts.retain(|(user, _), _| user != id);
        self.edges.retain(|(_, user), _| user != id);
        self.pending.retain(|_, occurrence| occurrence.user != id);
        self.timers.values_mut().for_each(|due| due.retain(|(user, _)| user != id));
        self.heard.remove(id);
        for signal in self.settings.pack.signals().filter(|signal| signal.it.of_users).collect::<Vec<_>>() {
            self.set_rung(id, signal, 0, self.clock, "REASON_FORGOTTEN");
        }
        for signal in self.settings.pack.signals().filter(|signal| signal.it.of_accounts).collect::<Vec<_>>() {
            if matches!(signal.it.measure, Measure::SingleUser { .. } | Measure::FreeOnly { .. }) {
                let rung = self.rung_now("", signal);
                self.set_rung("", signal, rung, self.clock, "REASON_FORGOTTEN");
            }
        }
        self.settle(self.clock, "REASON_FORGOTTEN", false);
        self.users.remove(id);
        self.erased_users.insert(id.to_owned(), self.events.len());
        self.publish_track(self.clock);
        self.evaluate(Moment { cause: self.clock, now: self.clock, closes_day: false }, &[]);
        self.publish_step(self.clock);
        self.publish_profiles(self.clock, None, None);
        self.known.forget(id);
        self.forgotten_now.clear();
    }

    /// What is known of somebody, who may be new: of somebody who was erased, nothing from before.
    fn user_mut(&mut self, id: &str) -> &mut User {
        let erased = self.erased_users.get(id).copied().unwrap_or(0);
        self.users.entry(id.to_owned()).or_insert_with(|| User { erased, ..User::default() })
    }

    /// The close of the day that ends at `t`: its row, then the users by id bytes, then the account (semantics A15).
    fn close_day(&mut self, t: i64) {
        let day = self.settings.day_of(t) - 1;
        self.first_unclosed = day + 1;
        self.push_day_row(day, t);
        for user in self.user_ids() {
            for signal in self.settings.pack.signals().filter(|signal| signal.it.of_users && !signal.is_of_weeks()) {
                let rung = self.rung_at_close(&user, signal, day);
                self.set_rung(&user, signal, rung, t, "REASON_CLOSED");
            }
        }
        for signal in self.settings.pack.signals().filter(|signal| signal.it.of_accounts && !signal.is_of_weeks()) {
            let rung = self.rung_at_close("", signal, day);
            self.set_rung("", signal, rung, t, "REASON_CLOSED");
        }
    }

    /// The close of the week whose Sunday ends at `t`, if one does (semantics C15).
    fn close_week(&mut self, t: i64) {
        let day = self.settings.day_of(t) - 1;
        let week = week_of(day);
        if sunday(week) != day {
            return;
        }
        self.push_week_row(week, t);
        let of_weeks = || self.settings.pack.signals().filter(|signal| signal.is_of_weeks());
        let of_users: Vec<Signal> = of_weeks().filter(|signal| signal.it.of_users).collect();
        let of_accounts: Vec<Signal> = of_weeks().filter(|signal| signal.it.of_accounts).collect();
        for user in self.user_ids() {
            for signal in &of_users {
                let rung = self.rung_at_close(&user, *signal, day);
                self.set_rung(&user, *signal, rung, t, "REASON_CLOSED");
            }
        }
        for signal in of_accounts {
            let rung = self.rung_at_close("", signal, day);
            self.set_rung("", signal, rung, t, "REASON_CLOSED");
        }
    }

    /// Applies an event and evaluates what a single event can prove (semantics A14, C3).
    pub(super) fn apply(&mut self, event: &Event, place: (i64, u32)) {
        let begins_life = self.begins_life(event);
        let enterprise_before = self.enterprise();
        self.by = Some(place);
        self.note(event, place);
        self.prove();
        if begins_life {
            self.rearm(event);
        }
        let chose_enterprise = enterprise_before.is_chosen_by(event, &self.enterprise());
        let cause = self.cause(event);
        self.cross(event, cause);
        self.settle(cause, "REASON_CROSSED", false);
        // What the event is an occurrence of is decided by what is known after it, and published after what changed
        // (semantics A14, D26).
        let visits: Vec<Signal> = self.settings.pack.signals().filter(|signal| self.opens_session(*signal)).collect();
        visits.into_iter().for_each(|signal| self.publish_visit(signal, &event.user, cause));
        let matches = self.matches(event, begins_life, chose_enterprise);
        matches.iter().for_each(|matched| self.publish_occurrence(matched, &event.user, cause));
        self.publish_track(cause);
        let occurred: Vec<Occurrence> = matches.iter().filter_map(|matched| self.occurrence(matched, event)).collect();
        self.evaluate(Moment { cause, now: self.clock, closes_day: false }, &occurred);
        self.publish_step(cause);
        self.publish_profiles(cause, Some(event), None);
        self.by = None;
    }

    /// The event's time; of a late start whose wait is over, and turns a signal on, the end of the wait (semantics A17,
    /// E7).
    fn cause(&self, event: &Event) -> i64 {
        let ends = |signal: Signal| match signal.it.measure {
            Measure::Abandoned { start, after, .. } if event.role() == Some(start) && !event.user.is_empty() => {
                let is_over = self.rung(&event.user, signal) == 0 && self.rung_now(&event.user, signal) == 1;
                is_over.then_some(event.ms + after)
            }
            _ => None,
        };
        self.settings.pack.signals().filter_map(ends).chain([event.ms]).max().unwrap_or(event.ms)
    }

    /// Applies the traits, leads and outcomes of an excluded event, and nothing else (semantics A34).
    pub(super) fn take_traits(&mut self, event: &Event, place: (i64, u32)) {
        let (index, role) = (self.events.len(), event.role());
        let was_excluded = self.is_excluded(&event.user);
        self.by = Some(place);
        if let Some(role) = role {
            self.by_role.entry(role).or_default().push(index);
        }
        if role == Some(Role::Profile) && !event.user.is_empty() {
            self.user_mut(&event.user).by_role.entry(Role::Profile).or_default().push(index);
        }
        self.push(event, place);
        self.exclude(event, was_excluded);
        self.cross(event, event.ms);
        self.settle(event.ms, "REASON_CROSSED", false);
        self.publish_track(event.ms);
        self.evaluate(Moment { cause: event.ms, now: self.clock, closes_day: false }, &[]);
        self.publish_step(event.ms);
        self.publish_profiles(event.ms, Some(event), None);
        self.by = None;
    }

    /// Whether the known e-mail address of a user excludes the user.
    pub(super) fn is_excluded(&self, user: &str) -> bool {
        let address = self.user_trait(user, "email").and_then(Value::as_str);
        self.settings.exclude && address.is_some_and(super::is_of_the_vendor)
    }

    /// A user who becomes excluded acts as one who was removed, whatever the last active day is (semantics A34, B5).
    fn exclude(&mut self, event: &Event, was_excluded: bool) {
        if self.is_excluded(&event.user)
            && !was_excluded
            && let Some(user) = self.users.get_mut(&event.user)
        {
            user.removed = user.removed.max(Some(event.ms));
        }
    }

    /// How many events of the account came before a signal began to count.
    pub(super) fn since(&self, signal: Signal, of_users: bool) -> usize {
        self.begun.get(&(signal, of_users)).copied().unwrap_or(0)
    }

    /// The same of a meter.
    pub(super) fn metered_since(&self, meter: &Meter) -> usize {
        self.metered.iter().find(|(known, _)| known == meter).map_or(0, |(_, since)| *since)
    }

    /// Whether a meaningful event begins a life of its user: it joins no other day (semantics B9).
    fn begins_life(&self, event: &Event) -> bool {
        let (day, span) = (self.settings.day_of(event.ms), self.settings.forget_after_days);
        let is_near = |user: &User| user.days.range(day - span..=day + span).next().is_some();
        event.is_activity() && !self.users.get(&event.user).is_some_and(is_near)
    }

    /// Takes an event into the lists, with the timers that it sets.
    fn note(&mut self, event: &Event, place: (i64, u32)) {
        let (index, role) = (self.events.len(), event.role());
        let was_excluded = self.is_excluded(&event.user);
        let day = self.settings.day_of(event.ms);
        self.newest_event_day = self.newest_event_day.max(Some(day));
        if event.is_activity() {
            self.days.insert(day);
            let begins = self.days.first().is_some_and(|first| *first < day) && {
                let near = day - self.settings.forget_after_days..=day - 1;
                self.days.range(near).next().is_none() && self.days.last() == Some(&day)
            };
            if begins {
                self.rearm_account();
            }
            self.lives = lives(&self.days, self.settings.forget_after_days);
            let first = self.first_of_day.entry(day).or_insert(event.ms);
            *first = event.ms.min(*first);
        }
        if let Some(role) = role {
            self.by_role.entry(role).or_default().push(index);
        }
        if !event.user.is_empty() {
            self.heard.insert(event.user.clone());
            let forget_after = self.settings.forget_after_days;
            let user = self.user_mut(&event.user);
            user.events.push(index);
            if let Some(role) = role {
                user.by_role.entry(role).or_default().push(index);
            }
            if event.is_activity() {
                user.days.insert(day);
                user.lives = lives(&user.days, forget_after);
                user.removed = user.removed.filter(|removed| event.ms <= *removed);
            }
        }
        self.push(event, place);
        self.exclude(event, was_excluded);
        if role == Some(Role::MemberRemoved) {
            self.remove_member(event);
        }
        self.set_timers(event, role);
    }

    /// Appends the event, with what only its moment tells. Its place is in the lists of its role already.
    fn push(&mut self, event: &Event, place: (i64, u32)) {
        let index = self.events.len();
        let of_role = event.role().and_then(|role| self.by_role.get(&role)).into_iter().flatten();
        let is_first_of_role = !of_role.into_iter().any(|known| *known >= self.erased && *known < index);
        self.events.push(Applied {
            event: event.clone(),
            place,
            place_in_account: index,
            watermark: self.clock,
            founded: self.founded_ms(),
            is_first_of_role,
            signed_up: None,
            raised_hand: false,
        });
        let signed_up = self.signed_up_ms(&event.user);
        self.events[index].signed_up = signed_up;
    }

    /// The member, else the event's own user, if known, leaves unless a later active day is known (semantics B5).
    fn remove_member(&mut self, event: &Event) {
        let member = event.text("member").unwrap_or(&event.user);
        let day = self.settings.day_of(event.ms);
        let Some(user) = self.users.get_mut(member) else { return };
        if user.days.last().is_none_or(|last| *last <= day) {
            user.removed = user.removed.max(Some(event.ms));
        }
    }

    /// When an age is reached, and when the warm-up ends before which no age is known (semantics B17, E17).
    pub(super) fn ages_at(&self, founded_ms: i64, days: i64) -> [i64; 2] {
        let founded = self.settings.day_of(founded_ms);
        let settled = self.settings.start_of(founded + self.settings.pack.rails.warm_up_days);
        [founded_ms + days * super::DAY, settled]
    }

    fn set_timers(&mut self, event: &Event, role: Option<Role>) {
        let mut timers = Vec::new();
        for signal in self.settings.pack.signals() {
            let (ms, is) = (event.ms, |wanted: Role| role == Some(wanted));
            match &signal.it.measure {
                Measure::Abandoned { start, after, ttl, .. } if is(*start) => {
                    timers.push((ms + after, &*event.user, signal));
                    timers.push((ms + after + ttl, &event.user, signal));
                }
                Measure::SingleUser { days } | Measure::FreeOnly { days }
                    if event.is_activity() && self.founded_ms() == Some(ms) =>
                {
                    self.ages_at(ms, *days).into_iter().for_each(|at| timers.push((at, "", signal)));
                }
                _ => {
                    let Some(facts) = signal.facts().filter(|facts| facts.roles.iter().any(|it| is(*it))) else {
                        continue;
                    };
                    let Some(ttl) = facts.ttl else { continue };
                    if signal.it.of_users {
                        timers.push((ms + ttl, &event.user, signal));
                    }
                    if signal.it.of_accounts {
                        timers.push((ms + ttl, "", signal));
                    }
                }
            }
        }
        for (t, user, signal) in timers {
            let of_nobody = user.is_empty() && !signal.it.of_accounts;
            if t > self.clock && !of_nobody {
                self.timers.entry(t).or_default().insert((user.to_owned(), signal));
            }
        }
    }

    /// What an event proves at once: upward for its own user and the account; downward what an event ends
    /// (semantics C3). Of other users only an upgrade can end. A window that moves on without an event of a user loses
    /// days of that user, or none.
    fn cross(&mut self, event: &Event, cause: i64) {
        let completes = |signal: Signal| match signal.it.measure {
            Measure::Abandoned { complete, .. } => event.role() == Some(complete),
            _ => false,
        };
        for user in self.user_ids() {
            let is_own = user == event.user;
            for signal in self.settings.pack.signals().filter(|signal| signal.it.of_users) {
                if is_own || completes(signal) {
                    let rung = self.crossed_rung(&user, signal, event);
                    self.set_rung(&user, signal, rung, cause, "REASON_CROSSED");
                }
                if completes(signal) {
                    self.forget_facts_if_over(&user, signal);
                }
            }
        }
        for signal in self.settings.pack.signals().filter(|signal| signal.it.of_accounts) {
            let rung = self.crossed_rung("", signal, event);
            self.set_rung("", signal, rung, cause, "REASON_CROSSED");
        }
    }
}
