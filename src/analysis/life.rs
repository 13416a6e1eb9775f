//! Folds a whole log and keeps what happens in one account, for `upswell explain`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::engine::Record;
use crate::model::{
    AccountProfile, Day, Effects, EventTime, Evidence, Handoff, MetricsRow, Onboarding, Place, PlaceNumber, Profiles,
    SignalKind, SignalMessage, Tally, UserProfile, Week, WeekRow,
};
use crate::replay::{Driver, Step};
use crate::rules::{BANDS, Plan, Ready, Signal};
use crate::text;

/// After this number of events, changed profiles are taken, because a changed profile that is not taken uses memory.
const GATHER_EVERY: u64 = 10_000;
/// How many similar account ids an error names.
const NEAREST: usize = 3;
/// How often the state of the account is taken while it is active, so that it can be shown even if it is forgotten
/// later.
const LOOK_EVERY_DAYS: i32 = 7;

/// What is known of an account.
pub struct Life {
    /// The account.
    pub account: String,
    /// The rules.
    pub plan: Arc<Plan>,
    /// The outcomes of its events.
    pub events: Tally,
    /// Its closed, complete weeks with somebody active in the 28 days before their end.
    pub weeks: BTreeMap<Week, WeekRow>,
    /// New users by week, as far as its days are closed.
    pub new_users: BTreeMap<Week, u32>,
    /// Closed weeks with somebody active in the 28 days before their end, complete or not.
    pub awake: BTreeSet<Week>,
    /// The last closed week.
    pub closed: Option<Week>,
    /// Its part of the signals feed.
    pub signals: Vec<SignalMessage>,
    /// Its handoffs.
    pub handoffs: Vec<Handoff>,
    /// Its onboarding tracks.
    pub onboarding: Vec<Onboarding>,
    /// Its last profile; none if no event of it was applied.
    pub stands: Option<AccountProfile>,
    /// The last profiles of its users, by id.
    pub users: BTreeMap<String, UserProfile>,
    /// The message ids of its events, by their places: facts name places (semantics E23).
    pub message_ids: BTreeMap<PlaceNumber, Box<str>>,
}

impl Life {
    /// Keeps the effects on the account.
    fn keep(&mut self, step: Step<'_>) {
        let (life, effects) = (self, step.effects);
        life.handoffs.extend(effects.handoffs.drain(..).filter(|handoff| handoff.account == life.account));
        life.signals.extend(effects.signals.drain(..).filter(|signal| signal.account == life.account));
        life.onboarding.extend(effects.onboarding.drain(..).filter(|track| track.account == life.account));
        for row in effects.metrics.iter_mut().flat_map(|rows| rows.drain(..)) {
            match row {
                MetricsRow::Week(row) if *row.account == *life.account => {
                    life.weeks.insert(row.week, row);
                }
                MetricsRow::Day(row) if *row.account == *life.account => {
                    let week = row.day.week();
                    *life.new_users.entry(week).or_default() += row.new_users;
                    if row.day == week.sunday() {
                        life.awake.insert(week);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Life {
    /// The times that each signal was on, by scope (the account's first) and id; bands and tiers have their own places.
    pub fn times(&self) -> BTreeMap<(bool, &str), Vec<Time<'_>>> {
        let mut times: BTreeMap<(bool, &str), Vec<Time<'_>>> = BTreeMap::new();
        for message in &self.signals {
            let SignalKind::Changed(change) = &message.kind else { continue };
            if matches!(&*change.signal, "score.band" | "score.tier") {
                continue;
            }
            let of_signal = times.entry((!message.user.is_empty(), &change.signal)).or_default();
            let open = of_signal.iter_mut().rev().find(|time| time.user == message.user && time.until.is_none());
            match open {
                Some(time) => {
                    time.now = change.after;
                    time.until = (change.after == 0).then_some(message.at);
                    if change.after > time.rung {
                        (time.rung, time.evidence) = (change.after, &message.evidence);
                    }
                }
                None => of_signal.push(Time {
                    user: &message.user,
                    from: message.at,
                    until: None,
                    now: change.after,
                    rung: change.after,
                    evidence: &message.evidence,
                }),
            }
        }
        times
    }

    /// What each signal of running active users adds to the account's score: the number of users, and their points. The
    /// points of a user's PQL score count only if their sum is positive.
    pub fn brought(&self, stands: &AccountProfile) -> BTreeMap<&str, (u32, i32)> {
        let mut rungs: BTreeMap<(&str, &str), u8> = BTreeMap::new();
        for (signal, user, rung) in self.signals.iter().filter_map(user_rung) {
            rungs.insert((user, signal), rung);
        }
        let mut brought: BTreeMap<&str, (u32, i32)> = BTreeMap::new();
        let from = self.plan.time.calendar.day(stands.at).plus(-27);
        let is_running = |user: &&UserProfile| user.last_day.is_some_and(|last| last >= from);
        for user in self.users.values().filter(is_running) {
            let on = self.plan.user_signals.iter().filter(|signal| user.signals.contains(&signal.id));
            let worth: Vec<(&Signal, i32)> = on
                .map(|signal| {
                    let rung = rungs.get(&(user.user.user.as_str(), &*signal.id)).copied().unwrap_or(1).max(1);
                    (signal, signal.points.get(usize::from(rung)).copied().unwrap_or(0))
                })
                .collect();
            let own: i32 = worth.iter().filter(|(signal, _)| signal.pql).map(|(_, points)| points).sum();
            let counts = |signal: &Signal| if signal.pql { own > 0 } else { signal.pqa };
            for (signal, points) in worth.into_iter().filter(|(signal, points)| counts(signal) && *points != 0) {
                let (users, sum) = brought.entry(&signal.id).or_default();
                *users += 1;
                *sum += points;
            }
        }
        brought
    }

    /// Users by band at the end of each week.
    pub fn bands(&self, weeks: &[Week]) -> Vec<[u32; BANDS.len()]> {
        let mut moves = self.signals.iter().filter_map(|message| band_move(message)).peekable();
        let (mut of_user, calendar): (BTreeMap<&str, u8>, _) = (BTreeMap::new(), self.plan.time.calendar);
        let at_end = |week: &Week| {
            while let Some((_, user, rung)) = moves.next_if(|(at, ..)| *at < calendar.end(week.sunday())) {
                of_user.insert(user, rung);
            }
            let mut counts = [0; BANDS.len()];
            for rung in of_user.values() {
                counts[usize::from(*rung).min(BANDS.len() - 1)] += 1;
            }
            counts
        };
        weeks.iter().map(at_end).collect()
    }
}

/// A time that a signal was on.
pub struct Time<'a> {
    /// The user; empty for a signal of the account.
    pub user: &'a str,
    /// When it began.
    pub from: EventTime,
    /// When it ended; none while it is on.
    pub until: Option<EventTime>,
    /// The present rung; 0 if it has ended.
    pub now: u8,
    /// The highest rung.
    pub rung: u8,
    /// The evidence of the highest rung.
    pub evidence: &'a Evidence,
}

fn user_rung(message: &SignalMessage) -> Option<(&str, &str, u8)> {
    match &message.kind {
        SignalKind::Changed(change) if !message.user.is_empty() => Some((&change.signal, &message.user, change.after)),
        _ => None,
    }
}

fn band_move(message: &SignalMessage) -> Option<(EventTime, &str, u8)> {
    match &message.kind {
        SignalKind::Changed(change) if &*change.signal == "score.band" => {
            Some((message.at, &message.user, change.after))
        }
        _ => None,
    }
}

/// Folds the whole log and keeps the effects on one account.
pub struct AccountFold {
    driver: Driver,
    life: Life,
    events: u64,
    looked: Option<Day>,
    /// Every account of the history.
    accounts: HashSet<String>,
}

impl AccountFold {
    /// The log before its first record.
    pub fn new(plan: Arc<Plan>, account: String) -> AccountFold {
        let life = Life {
            account,
            plan: Arc::clone(&plan),
            events: Tally::default(),
            weeks: BTreeMap::new(),
            new_users: BTreeMap::new(),
            awake: BTreeSet::new(),
            closed: None,
            signals: Vec::new(),
            handoffs: Vec::new(),
            onboarding: Vec::new(),
            stands: None,
            users: BTreeMap::new(),
            message_ids: BTreeMap::new(),
        };
        AccountFold {
            driver: Driver::new(&plan, 1, Effects::with_metrics(), true),
            life,
            events: 0,
            looked: None,
            accounts: HashSet::new(),
        }
    }

    /// Folds one event.
    pub fn apply(&mut self, record: Record, index: u32, ready: &Ready<'_>) -> Result<()> {
        let life = &mut self.life;
        let is_of_it = ready.event.as_ref().is_ok_and(|event| event.account == life.account);
        self.driver.apply(0..1, record, index, ready, &mut |step| {
            step.folded.filter(|_| is_of_it).into_iter().for_each(|folded| life.events.count(folded.outcome));
            life.keep(step);
            Ok(())
        })?;
        self.events += 1;
        let mut looks = self.events.is_multiple_of(GATHER_EVERY);
        if let Ok(event) = &ready.event {
            if !self.accounts.contains(&*event.account) {
                self.accounts.insert(event.account.to_string());
            }
            if is_of_it {
                if !event.message_id.is_empty() {
                    let place = Place { offset: record.offset, index }.into();
                    self.life.message_ids.insert(place, (&*event.message_id).into());
                }
                let day = self.life.plan.time.calendar.day(event.time);
                looks |= self.looked.is_none_or(|looked| day >= looked.plus(LOOK_EVERY_DAYS));
                self.looked = if looks { self.looked.max(Some(day)) } else { self.looked };
            }
        }
        if looks {
            self.look();
        }
        Ok(())
    }

    /// Stores the present profile of the account.
    fn look(&mut self) {
        let mut changed = Profiles::default();
        self.driver.partitions_mut().iter_mut().for_each(|partition| partition.profiles(&mut changed));
        let life = &mut self.life;
        life.stands = changed.accounts.into_iter().find(|it| it.account == life.account).or(life.stands.take());
        for user in changed.users.into_iter().filter(|it| it.account == life.account) {
            if user.gone {
                life.users.remove(&user.user.user);
            } else {
                life.users.insert(user.user.user.clone(), user);
            }
        }
    }

    /// Closes every day before this one.
    pub fn close_until(&mut self, day: Day) -> Result<()> {
        let life = &mut self.life;
        self.driver.close_until(day, &mut |step| {
            life.keep(step);
            Ok(())
        })
    }

    /// What is known of the account in the end.
    ///
    /// # Errors
    /// No event names the account: which accounts have the nearest names.
    pub fn finish(mut self) -> Result<Life> {
        self.look();
        // The week before the one that is open.
        self.life.closed = self.driver.open_day().map(|day| day.week().plus(-1));
        // The history may activate other rules.
        self.life.plan = Arc::clone(self.driver.partitions()[0].plan());
        if self.accounts.contains(&self.life.account) {
            return Ok(self.life);
        }
        let asked = &self.life.account;
        let mut near: Vec<(f64, &String)> =
            self.accounts.iter().map(|account| (strsim::jaro_winkler(asked, account), account)).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let near: Vec<String> = near.into_iter().take(NEAREST).map(|(_, account)| format!("{account:?}")).collect();
        let accounts = text::count(self.accounts.len() as u64);
        match near.is_empty() {
            true if self.events == 0 => bail!("no event of account {asked:?}: the history is empty"),
            true => bail!("no event of account {asked:?}: no event of the history has an account"),
            false => bail!("no event of account {asked:?} among {accounts} accounts; similar: {}", near.join(", ")),
        }
    }
}
