//! Folds a whole log and keeps what happens in one account, for `upswell explain`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::engine::{Record, Standing};
use crate::model::{
    Day, EventTime, Evidence, Handoff, MetricsRow, Onboarding, Place, PlaceNumber, SignalChanges, SignalEntry,
    SignalKind, Tally, UserProfile, Wanted, Week, WeekRow,
};
use crate::replay::{Driver, Step};
use crate::rules::{BANDS, Plan, Ready, Signal};
use crate::text;

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
    pub signals: Vec<SignalChanges>,
    /// Its handoffs.
    pub handoffs: Vec<Handoff>,
    /// Its onboarding tracks.
    pub onboarding: Vec<Onboarding>,
    /// The account as it is in the end, or as it was last seen; none if no event of it was applied.
    pub stands: Option<Standing>,
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
        for row in effects.metrics.drain(..) {
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
        for (at, entry) in self.entries() {
            let SignalKind::Changed(change) = &entry.kind else { continue };
            if matches!(&*change.signal, "score.band" | "score.tier") {
                continue;
            }
            let of_signal = times.entry((!entry.user.is_empty(), &change.signal)).or_default();
            let open = of_signal.iter_mut().rev().find(|time| time.user == entry.user && time.until.is_none());
            match open {
                Some(time) => {
                    time.now = change.after;
                    time.until = (change.after == 0).then_some(at);
                    if change.after > time.rung {
                        (time.rung, time.evidence) = (change.after, &entry.evidence);
                    }
                }
                None => of_signal.push(Time {
                    user: &entry.user,
                    from: at,
                    until: None,
                    now: change.after,
                    rung: change.after,
                    evidence: &entry.evidence,
                }),
            }
        }
        times
    }

    /// The entries of the signals feed, each with its instant.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (EventTime, &SignalEntry)> {
        self.signals.iter().flat_map(|changes| changes.entries.iter().map(|entry| (changes.at, entry)))
    }

    /// The profile of a user.
    pub fn user(&self, id: &str) -> Option<&UserProfile> {
        self.stands.as_ref()?.users.iter().find(|user| user.user.user == id)
    }

    /// What each signal of running active users adds to the account's score: the number of users, and their points. The
    /// points of a user's PQL score count only if their sum is positive.
    pub fn brought(&self, stands: &Standing) -> BTreeMap<&str, (u32, i32)> {
        let mut rungs: BTreeMap<(&str, &str), u8> = BTreeMap::new();
        for (signal, user, rung) in self.entries().filter_map(|(_, entry)| user_rung(entry)) {
            rungs.insert((user, signal), rung);
        }
        let mut brought: BTreeMap<&str, (u32, i32)> = BTreeMap::new();
        let from = self.plan.time.calendar.day(stands.profile.at).plus(-27);
        let is_running = |user: &&UserProfile| user.last_day.is_some_and(|last| last >= from);
        for user in stands.users.iter().filter(is_running) {
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
        let mut moves = self.entries().filter_map(band_move).peekable();
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

fn user_rung(entry: &SignalEntry) -> Option<(&str, &str, u8)> {
    match &entry.kind {
        SignalKind::Changed(change) if !entry.user.is_empty() => Some((&change.signal, &entry.user, change.after)),
        _ => None,
    }
}

fn band_move((at, entry): (EventTime, &SignalEntry)) -> Option<(EventTime, &str, u8)> {
    match &entry.kind {
        SignalKind::Changed(change) if &*change.signal == "score.band" => Some((at, &entry.user, change.after)),
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
            message_ids: BTreeMap::new(),
        };
        AccountFold {
            driver: Driver::new(&plan, 1, Wanted { accounts: false, users: false, ..Wanted::ALL }),
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
        let mut looks = false;
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
                looks = self.looked.is_none_or(|looked| day >= looked.plus(LOOK_EVERY_DAYS));
                self.looked = if looks { self.looked.max(Some(day)) } else { self.looked };
            }
        }
        if looks {
            self.look();
        }
        Ok(())
    }

    /// Stores how the account is now.
    fn look(&mut self) {
        let life = &mut self.life;
        let stands = self.driver.partitions_mut().iter_mut().find_map(|partition| partition.standing(&life.account));
        if let Some(mut stands) = stands {
            stands.users.retain(|user| !user.gone);
            life.stands = Some(stands);
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
