//! The lives of an account and its users: their bounds, who is new, and who is gone.

use super::{Account, Activity};
use crate::engine::state::beside::FormerLife;
use crate::engine::state::counts;
use crate::engine::state::days::{Added, Days};
use crate::engine::state::rows::{Instant, User};
use crate::engine::state::tables::Store;
use crate::engine::state::traits::Traits;
use crate::engine::state::word::Flag;
use crate::model::{Day, EventTime, Field};
use crate::rules::Time;

impl Account<'_> {
    /// The earliest meaningful event of this life.
    pub(in crate::engine) fn first(&self) -> Option<EventTime> {
        self.first.get()
    }

    /// The founding day: that of the earliest meaningful event of this life (semantics B6).
    pub(in crate::engine) fn founded(&self) -> Option<Day> {
        self.first().map(|_| self.founded)
    }

    /// Whether there was activity in the 28 days that end with `day` or later.
    pub(in crate::engine) fn has_usage(&self, day: Day) -> bool {
        self.first().is_some() && self.last_day >= day.plus(-27)
    }

    /// T: the last day of windows that do not wait for a close.
    pub(in crate::engine) fn window_end(&self, open_day: Day) -> Day {
        open_day.max(self.newest)
    }

    /// A user was active, at an instant of a day.
    pub(in crate::engine) fn add_activity(
        &mut self,
        user: u32,
        (time, day): (EventTime, Day),
        forget_after: i32,
    ) -> Activity {
        self.add_to_life((time, day), forget_after);
        let before = self.user(user).days;
        let added = self.user_mut(user).days.add(day, forget_after);
        if added == Added::Nothing {
            return Activity::Known;
        }
        {
            let Store { wide, .. } = &mut *self.store;
            self.row.counts.add_activity(wide, before, day, 1);
        }
        match added {
            Added::Nothing | Added::Day => {}
            Added::First => {
                self.users_ever += 1;
                self.add_to(counts::JOINED, day.0, 1);
            }
            Added::Life(first, last) => {
                // Each user counts once in a life of the account (semantics B16).
                if self.founded().is_none_or(|founded| last < founded) {
                    self.users_ever += 1;
                }
                self.add_to(counts::JOINED, day.0, 1);
                self.begin_life(user, first, last);
            }
            Added::Earlier(first) => {
                self.add_to(counts::JOINED, first.0, -1);
                if !self.join_former(user, day, forget_after) {
                    self.add_to(counts::JOINED, day.0, 1);
                }
            }
        }
        self.user_mut(user).word.set(Flag::Forgotten, false);
        self.word.set(Flag::Forgotten, false);
        if before.is_never() || before.in_week(day.week()) == 0 {
            self.add_to(counts::WEEKS, day.week().0, 1);
        }
        match added {
            Added::First | Added::Life(..) => Activity::Begins,
            Added::Earlier(_) => Activity::Earlier,
            Added::Day | Added::Nothing => Activity::Day,
        }
    }

    /// Erases everything of a user except the id, which the messages of the step still need: takes the days out of all
    /// counts except those of complete weeks (semantics B15). The row is then old enough that the next close removes it.
    pub(in crate::engine) fn erase_user(&mut self, index: u32, open_day: Day) {
        let user = self.user_mut(index);
        let days = std::mem::replace(&mut user.days, Days::NEVER);
        user.since = EventTime::MIN;
        [Flag::Buyer, Flag::Fell, Flag::Heard, Flag::SignedUp].iter().for_each(|flag| user.word.set(*flag, false));
        user.word.set(Flag::Forgotten, true);
        let mut others = days;
        while let Some(day) = others.pop() {
            let Store { wide, .. } = &mut *self.store;
            self.row.counts.add_activity(wide, others, day, -1);
        }
        if !days.is_never() {
            self.add_to(counts::JOINED, days.first().0, -1);
            for week in [open_day.week(), open_day.week().plus(1)] {
                self.add_to(counts::WEEKS, week.0, -i32::from(days.in_week(week) > 0));
            }
        }
        if self.former().is_some_and(|former| former.of_users.contains_key(&index)) {
            self.former_mut().of_users.remove(&index);
        }
        self.drop_edges_of(index);
        self.erase_more(index);
        self.users_ever = self.count_users_ever();
    }

    /// Moves the bounds of the account's life (semantics B6, B7, B9).
    fn add_to_life(&mut self, (time, day): (EventTime, Day), forget_after: i32) {
        let Some(first) = self.first() else {
            (self.first, self.founded, self.last_day) = (Instant::of(time), day, day);
            return;
        };
        if day > self.last_day {
            if day.0 - self.last_day.0 > forget_after {
                let former = (first, self.founded, self.last_day);
                self.former_mut().of_account = Some(former);
                (self.first, self.founded, self.users_ever) = (Instant::of(time), day, 0);
            }
            self.last_day = day;
        } else if time < first {
            (self.first, self.founded) = (Instant::of(time), day);
            let former = self.former().and_then(|former| former.of_account);
            if let Some((first, founded, _)) = former.filter(|(.., last)| day.0 - last.0 <= forget_after) {
                (self.first, self.founded) = (Instant::of(first), founded);
                self.former_mut().of_account = None;
                self.users_ever = self.count_users_ever();
            }
        }
    }

    /// Users ever active in this life, each once (semantics B16).
    pub(in crate::engine) fn count_users_ever(&self) -> u32 {
        let been = |user: &User| self.founded().is_some_and(|day| !user.days.is_never() && user.days.last() >= day);
        self.users().filter(|(_, user)| been(user)).count() as u32
    }

    /// A user begins a new life after a long absence. A late day may still join the two lives.
    fn begin_life(&mut self, index: u32, first: Day, last: Day) {
        let user = self.user_mut(index);
        let (since, signed_up) = (user.since, user.word.is(Flag::SignedUp));
        if !user.word.is(Flag::Forgotten) {
            user.forget_since();
        }
        self.former_mut().of_users.insert(index, FormerLife { first, last, since, signed_up });
    }

    /// Joins the user's former life to this one if `day` closes the gap; returns whether it did.
    fn join_former(&mut self, index: u32, day: Day, forget_after: i32) -> bool {
        if self.former().and_then(|it| it.of_users.get(&index)).is_none_or(|life| day.0 - life.last.0 > forget_after) {
            return false;
        }
        let lives = &mut self.former_mut().of_users;
        if let Some(life) = lives.remove(&index) {
            let user = self.user_mut(index);
            user.days.join(life.first);
            user.note_event(life.since, life.signed_up);
        }
        true
    }

    /// Forgets former lives that no late day can join any more.
    pub(in crate::engine) fn drop_former_lives(&mut self, open_day: Day) {
        if !self.word.is(Flag::TIMED) {
            return;
        }
        let at = self.rare;
        let Store { users, beside, .. } = &mut *self.store;
        let Some(rare) = beside.rares.get_mut(at) else { return };
        let Some(former) = beside.formers.get_mut(rare.former) else { return };
        former.of_users.retain(|user, _| users[*user].days.first() >= open_day.plus(-57));
        if former.is_blank() {
            beside.formers.remove(&mut rare.former);
        }
    }

    /// Records a sign-up: the one nearest to the first event is kept.
    pub(in crate::engine) fn add_sign_up(&mut self, time: EventTime) {
        let nearer = |known: EventTime| match self.first() {
            Some(first) => (time.0 - first.0).abs() < (known.0 - first.0).abs(),
            None => time > known,
        };
        if self.signed_up.get().is_none_or(nearer) {
            self.signed_up = Instant::of(time);
        }
    }

    /// The first day whose new users count toward signals: none are known to be new while the account may have
    /// been in mid-life when the log began (semantics B17).
    pub(in crate::engine) fn newcomers_count_from(&self, log_began: Option<Day>, warm_up_days: i32) -> Option<Day> {
        const NEAR_MS: i64 = 24 * crate::model::HOUR_MS;
        let first = self.first()?;
        let near = |known: Option<EventTime>| known.is_some_and(|known| (known.0 - first.0).abs() < NEAR_MS);
        let born = near(self.signed_up.get())
            || log_began.is_some_and(|day| self.founded > day.plus(warm_up_days))
            || near(self.traits().and_then(|traits| traits.instant(Field::CreatedAt)));
        Some(self.founded.plus(if born { 1 } else { warm_up_days.max(1) }))
    }

    /// New users in the 7 days that end with `day`, none before `from`, which lies after the founding day.
    pub(in crate::engine) fn newcomers(&self, day: Day, from: Day) -> u32 {
        self.sum(counts::JOINED, from.0.max(day.0 - 6), day.0) as u32
    }

    /// Whether nothing is left that a later event could depend on.
    pub(in crate::engine) fn is_blank(&self) -> bool {
        self.users_len == 0 && self.traits().is_none_or(Traits::is_empty)
    }

    /// Gives back the memory of a user whose days can no longer matter: forgotten, so long ago that no late day can
    /// join their life, and not of those ever active in this life of the account, of whom each counts once (semantics
    /// B16). Nothing tells whether or when this happens. Returns whether the user is gone.
    pub(in crate::engine) fn drop_gone_user(&mut self, index: u32, open_day: Day, time: &Time) -> bool {
        let user = self.user(index);
        let last = if user.days.is_never() { time.calendar.day(user.since) } else { user.days.last() };
        let long_ago = open_day.plus(-57 - time.forget_after_days);
        if last >= long_ago {
            return false;
        }
        let former = self.former().and_then(|former| former.of_account).filter(|(.., last)| *last >= long_ago);
        let begun = former.map(|(_, day, _)| day).or(self.founded()).filter(|_| self.last_day >= long_ago);
        let is_named = || {
            self.triggers().any(|it| it.names(index))
                || self.former().is_some_and(|it| it.of_users.contains_key(&index))
        };
        let gone = (user.days.is_never() || begun.is_none_or(|begun| last < begun))
            && !self.has_level(Some(index))
            && self.has_nothing_beside(index)
            && !is_named();
        if gone {
            self.store.remove_user(self.row, index);
        }
        gone
    }
}
