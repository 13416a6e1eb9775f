//! Metrics and signals: the rows of a close, and the rung of each signal. Unknown is rung 0 (semantics D26).

use serde_json::{Value, json};

use super::account::{Account, Applied, Row, User};
use super::facts::{folded, has_words};
use super::pack::{By, Measure, Meter, Of, Signal};
use super::roles::Role;
use super::time::{
    Crowd, Days, Direction, Trend, date, days_within, first_complete_week, iso_week, last_closed_week, monday,
    settled_week, spike_blocks, spike_p, sunday, week_of,
};
use super::{DAY, Event};

/// Windows and velocity: the metrics of semantics §3.
impl Account {
    /// Distinct users active on `from ..= to`.
    pub(super) fn active_users(&self, from: i64, to: i64) -> i64 {
        self.users.values().filter(|user| days_within(&user.days, from, to) > 0).count() as i64
    }

    /// Distinct users active in a week, with those who were erased after it was complete (semantics B15).
    pub(super) fn weekly_users(&self, week: i64) -> i64 {
        self.active_users(monday(week), sunday(week)) + self.erased_weeks.get(&week).copied().unwrap_or(0)
    }

    /// Users whose life begins on a day of `from ..= to`: first meaningful event, never again while it lasts
    /// (semantics B9, C9).
    pub(super) fn first_seen(&self, from: i64, to: i64) -> i64 {
        let births = self.users.values().flat_map(|user| &user.lives).map(|life| life.first);
        births.filter(|day| (from..=to).contains(day)).count() as i64
    }

    /// New users of `from ..= to`; whoever is first active on F never counts (semantics C9).
    pub(super) fn new_users(&self, from: i64, to: i64, founded: i64) -> i64 {
        self.first_seen(from.max(founded + 1), to)
    }

    /// Σ DAU over the last n days, n, and MAU, of the close of a day (semantics C5).
    pub(super) fn stickiness(&self, day: i64) -> Option<(i64, i64, i64)> {
        let n = (day - self.life(day)?.first + 1).min(28);
        let sum = (day - n + 1..=day).map(|d| self.active_users(d, d)).sum();
        let mau = self.active_users(day - 27, day);
        (n >= 7 && mau > 0).then_some((sum, n, mau))
    }

    /// W(k) of the complete weeks up to `week`, as known now (semantics C10, C17); 13 decide even the longest streak.
    pub(super) fn trend(&self, week: i64) -> Option<Trend> {
        let first = first_complete_week(self.life(sunday(week))?.first).max(week - 12);
        let weeks: Vec<i64> = (first..=week).map(|k| self.weekly_users(k)).collect();
        let crowd = self.crowd(week, settled_week(week, weeks.len()));
        let of_user = |days: &Days| (first..=week).map(|k| days_within(days, monday(k), sunday(k)) > 0).collect();
        let of_users: Vec<Vec<bool>> = self.users.values().map(|user| of_user(&user.days)).collect();
        Some(Trend::of_account(weeks, &of_users, crowd))
    }

    /// Who was active from the Monday of week k − 7 to the Sunday of week k, and of these who began by week `settled`:
    /// the week of the first day of the user's life (semantics C13a).
    fn crowd(&self, week: i64, settled: i64) -> Crowd {
        let mut crowd = Crowd::default();
        for (id, user) in &self.users {
            if days_within(&user.days, monday(week - 7), sunday(week)) > 0 {
                let began = self.user_life(id, sunday(week)).map(|life| week_of(life.first));
                crowd.all += 1;
                crowd.settled += i64::from(began.is_some_and(|began| began <= settled));
            }
        }
        crowd
    }

    /// The user's active days of each week that is complete since the user's first day (semantics C14).
    pub(super) fn user_trend(&self, id: &str, week: i64) -> Option<Trend> {
        let first = first_complete_week(self.user_life(id, sunday(week))?.first).max(week - 12);
        let days = &self.users.get(id)?.days;
        Some(Trend::of_user((first..=week).map(|k| days_within(days, monday(k), sunday(k))).collect()))
    }

    /// One row per closed day with MAU > 0 (issue 3, item 5).
    pub(super) fn push_day_row(&mut self, day: i64, close: i64) {
        let mau = self.active_users(day - 27, day);
        let Some(life) = self.life(day).filter(|_| mau > 0) else {
            return;
        };
        let (dau, wau) = (self.active_users(day, day), self.active_users(day - 6, day));
        assert!(dau <= wau && wau <= mau, "laws: DAU ≤ WAU ≤ MAU");
        let week_new = self.new_users(day - 6, day, life.first);
        let blocks = spike_blocks(day, life.first);
        let before = self.new_users(day - 6 - 7 * blocks, day - 7, life.first);
        let value = json!({
            "kind": "day",
            "account": self.name,
            "day": date(day),
            "dau": dau,
            "wau": wau,
            "mau": mau,
            "stickiness": self.stickiness(day).map(|(sum, n, mau)| sum as f64 / (n * mau) as f64),
            "new_users": self.new_users(day, day, life.first),
            "new_users_7d": week_new,
            "spike_p": (blocks >= 2).then(|| spike_p(week_new, before, blocks)),
        });
        self.rows.push(Row { key: (close, 0, self.name.clone()), value });
    }

    /// One row per closed complete week with MAU(Sunday) > 0 (semantics C18).
    pub(super) fn push_week_row(&mut self, week: i64, close: i64) {
        if self.active_users(sunday(week) - 27, sunday(week)) == 0 {
            return;
        }
        let Some(trend) = self.trend(week) else {
            return;
        };
        let Some(wau) = trend.last(0) else { return };
        let [growing, declining] = trend.by_default();
        let growth = trend.last(1).filter(|&before| before > 0).map(|before| (wau - before) as f64 / before as f64);
        let value = json!({
            "kind": "week",
            "account": self.name,
            "week": iso_week(week),
            "wau": wau,
            "growth": growth,
            "streak": trend.streak(Direction::Up),
            "slope_z": trend.z(),
            "base": trend.base(),
            "growing": growing,
            "declining": declining,
        });
        self.rows.push(Row { key: (close, 1, self.name.clone()), value });
    }
}

/// What a signal deserves.
impl Account {
    /// The rung by facts and running counts now. For a signal that only closes decide, its present rung.
    pub(super) fn rung_now(&self, id: &str, signal: Signal) -> u32 {
        match (&signal.it.measure, self.users.get(id)) {
            (Measure::Seen(_), _) => u32::from(self.seen(id, signal).next().is_some()),
            (Measure::Count(_, rungs), _) => rung(self.seen(id, signal).count(), rungs),
            (Measure::Distinct { rungs, .. }, _) => rung(self.values(id, signal), rungs),
            (Measure::Sessions { rungs, .. }, _) => rung(self.known_sessions(id, signal), rungs),
            (Measure::Within(ms), Some(user)) => u32::from(self.activated_within(user, *ms)),
            (Measure::Abandoned { start, complete, after, ttl }, Some(user)) => {
                self.abandoned_rung(user, signal, (*start, *complete), (*after, *ttl))
            }
            (Measure::ActiveDays(days), Some(user)) => {
                u32::from(days_within(&user.days, self.newest_day() - 6, self.newest_day()) >= *days)
            }
            (Measure::Ladder(of, rungs), None) => reached(Some(self.climbed(of)), rungs),
            (Measure::Executive, None) => {
                u32::from(self.running_users().into_iter().any(|user| self.is_executive(user)))
            }
            (Measure::Employees(rungs), None) => reached(self.employees().map(|size| size as f64), rungs),
            (Measure::LeadScore(rungs), None) => {
                reached(self.account_trait("lead_score").and_then(Value::as_f64), rungs)
            }
            (Measure::OneOf(name, values), None) => {
                let text = self.account_trait(name).and_then(folded);
                u32::from(text.is_some_and(|text| values.contains(&text.as_str())))
            }
            (Measure::True(name), None) => u32::from(self.stated(name) == Some(true)),
            (Measure::UsageRatio { percent }, None) => {
                u32::from(self.quotas().iter().any(|(used, quota)| 100.0 * used >= *percent as f64 * quota))
            }
            (Measure::SingleUser { days }, None) => {
                let has_invited = self.life_facts(Role::UserInvited).next().is_some();
                u32::from(self.is_so_old(*days) && self.users_ever() == 1 && !has_invited)
            }
            (Measure::FreeOnly { days }, None) => {
                let is_free = self.knows_premium() && !self.has_used_premium() && !self.is_paid();
                u32::from(self.is_so_old(*days) && is_free)
            }
            _ => self.rung(id, signal),
        }
    }

    /// What is known of the account to be true or false.
    pub(super) fn stated(&self, name: &str) -> Option<bool> {
        match name {
            "open_opportunity" => self.open_opportunity(),
            _ => self.account_trait(name).and_then(Value::as_bool),
        }
    }

    /// The figure that a ladder climbs, with windows that end at T (semantics C2, C3).
    pub(super) fn climbed(&self, of: &Of) -> f64 {
        match of {
            Of::ActiveUsers => self.running_users().len() as f64,
            Of::UsersOfADomain => self.users_of_a_domain() as f64,
            Of::Departments => self.departments().len() as f64,
            Of::Meter(meter) => self.metered(meter, self.newest_day() - 27, self.newest_day()),
        }
    }

    /// So many days after the first meaningful event, which is known once the warm-up is over (semantics E17, B17).
    fn is_so_old(&self, days: i64) -> bool {
        !self.is_warming_up() && self.founded_ms().is_some_and(|founded| self.clock >= founded + days * DAY)
    }

    /// The latest start, so long ago and within the TTL of that, not completed by anybody since (semantics E7). A newer
    /// start keeps what stands until its own wait is over.
    fn abandoned_rung(
        &self,
        user: &User,
        signal: Signal,
        (start, complete): (Role, Role),
        (after, ttl): (i64, i64),
    ) -> u32 {
        let since = self.since(signal, true);
        let starts = self.facts_of(user, start).filter(|applied| applied.place_in_account >= since);
        let Some(start) = starts.map(|a| a.event.ms).max() else {
            return 0;
        };
        let is_completed = self.facts(complete).any(|completed| completed.event.ms >= start);
        match self.clock {
            clock if is_completed || clock >= start + after + ttl => 0,
            clock if clock >= start + after => 1,
            _ => user.rungs.get(signal),
        }
    }

    /// What an event makes of a signal: at once upward, downward only what an event ends (semantics C3, C4, E10, E17).
    pub(super) fn crossed_rung(&self, id: &str, signal: Signal, event: &Event) -> u32 {
        let stands = self.rung(id, signal);
        match &signal.it.measure {
            Measure::Idle(days) if event.is_activity() && self.settings.day_of(event.ms) > self.newest_day() - days => {
                0
            }
            Measure::Abandoned { .. } | Measure::SingleUser { .. } | Measure::FreeOnly { .. } => {
                self.rung_now(id, signal)
            }
            Measure::NewUsers { at_least, .. } => {
                stands.max(u32::from(self.counted_new_users(self.newest_day()) >= *at_least))
            }
            _ => stands.max(self.rung_now(id, signal)),
        }
    }

    /// What the close of a day makes of a signal, upward and downward.
    pub(super) fn rung_at_close(&self, id: &str, signal: Signal, day: i64) -> u32 {
        match (self.users.get(id), &signal.it.measure) {
            (Some(user), Measure::Stickiness(above)) => self.user_stickiness_rung(id, &user.days, day, above),
            (Some(_), Measure::Growth(direction, by)) => {
                u32::from(self.user_moves(id, day, *direction, by) == Some(true))
            }
            (Some(_), Measure::Idle(days)) => u32::from(self.is_inactive(id, day, *days)),
            (None, Measure::Stickiness(above)) => self.stickiness(day).map_or(0, |(sum, n, mau)| {
                assert!(sum <= n * mau, "laws: 0 ≤ stickiness ≤ 1");
                share_rung(sum, n * mau, above)
            }),
            (None, Measure::Growth(direction, by)) => u32::from(self.moves(day, *direction, by) == Some(true)),
            (None, Measure::NewUsers { at_least, spike_below }) => self.new_users_rung(day, *at_least, *spike_below),
            (None, Measure::Spike { meter, at_least, above }) => {
                u32::from(self.is_volume_spike(day, meter, *at_least, *above))
            }
            (None, Measure::Stalled { at_least, weeks }) => u32::from(self.is_stalled(day, *at_least, *weeks)),
            _ => self.rung_now(id, signal),
        }
    }

    /// Whether a signal that is off is known to be off (semantics C1, D11).
    pub(super) fn is_known(&self, id: &str, signal: Signal) -> bool {
        let closed = self.first_unclosed - 1;
        let life = match self.users.get(id) {
            Some(_) => self.user_life(id, closed),
            None => self.life(closed),
        };
        let weeks = |life: super::time::Life| last_closed_week(closed) - first_complete_week(life.first) + 1;
        match &signal.it.measure {
            _ if self.warms(signal, !id.is_empty()) => false,
            Measure::Stickiness(_) => {
                let mau = self.users.get(id).map_or_else(|| self.active_users(closed - 27, closed), |_| 1);
                life.is_some_and(|life| closed - life.first + 1 >= 7) && mau > 0
            }
            Measure::Growth(direction, by) => match self.users.get(id) {
                Some(_) => self.user_moves(id, closed, *direction, by).is_some(),
                None => self.moves(closed, *direction, by).is_some(),
            },
            Measure::NewUsers { .. } | Measure::SingleUser { .. } => {
                self.life(self.newest_day()).is_some() && !self.is_warming_up()
            }
            Measure::FreeOnly { .. } => {
                self.life(self.newest_day()).is_some() && !self.is_warming_up() && self.knows_premium()
            }
            Measure::Spike { .. } => life.is_some_and(|life| spike_blocks(closed, life.first) >= 8),
            Measure::Stalled { weeks: needed, .. } => life.is_some_and(|life| weeks(life) >= *needed),
            Measure::Idle(days) => life.is_some_and(|life| closed - life.first >= *days),
            Measure::Within(_) => !self.is_warming_up() && self.has_signed_up(id),
            Measure::UsageRatio { .. } => !self.quotas().is_empty(),
            Measure::Employees(_) => self.employees().is_some(),
            Measure::LeadScore(_) => self.account_trait("lead_score").and_then(Value::as_f64).is_some(),
            Measure::OneOf(name, _) => self.account_trait(name).and_then(folded).is_some(),
            Measure::True(name) => self.stated(name).is_some(),
            _ => true,
        }
    }

    fn has_signed_up(&self, id: &str) -> bool {
        self.users.get(id).is_some_and(|user| self.life_facts_of(user, Role::SignedUp).next().is_some())
    }

    /// Growing or declining of the account on the last week with Sunday ≤ D. Declining is false while inactive, that is
    /// while WAU is 0, whatever is known (semantics C15, C16).
    fn moves(&self, day: i64, direction: Direction, by: &By) -> Option<bool> {
        let life = self.life(day)?;
        if direction == Direction::Down && self.active_users(day - 6, day) == 0 {
            return Some(false);
        }
        let week = last_closed_week(day);
        let trend = self.trend(week)?;
        match by {
            By::Above { both, each, slopes } => trend.grows(*both, *each, slopes),
            By::Below { below, share, .. } => trend.declines(*below, *share),
            By::Streak => trend.runs(direction),
            By::Ratio(percent) => trend.changes(direction, *percent),
            By::NewUsers(percent) => {
                let (new, mau) = (self.counted_new_users(day), self.active_users(day - 27, day));
                let is_known = !self.is_warming_up() && week > first_complete_week(life.first);
                is_known.then_some(mau > 0 && 100 * new >= percent * mau)
            }
        }
    }

    /// Growing, or declining as its mirror, of a user on the last week with Sunday ≤ D; inactive and too young users
    /// are unknown (semantics C14, C15).
    fn user_moves(&self, id: &str, day: i64, direction: Direction, by: &By) -> Option<bool> {
        self.user_life(id, day).filter(|_| !self.is_inactive(id, day, 7))?;
        self.user_trend(id, last_closed_week(day))?.moves_of_user(direction, by)
    }

    /// Active days in the last n ÷ n, n from the user's own first day (semantics C6).
    fn user_stickiness_rung(&self, id: &str, days: &Days, day: i64, above: &[i64]) -> u32 {
        let Some(life) = self.user_life(id, day) else {
            return 0;
        };
        let n = (day - life.first + 1).min(28);
        let active = days_within(days, day - n + 1, day);
        if n < 7 { 0 } else { share_rung(active, n, above) }
    }

    /// New users that count, over the seven days that end with `day` (semantics B17, C20).
    pub(super) fn counted_new_users(&self, day: i64) -> i64 {
        let Some(life) = self.life(day) else { return 0 };
        self.new_users((day - 6).max(self.first_counted_day(life.first)), day, life.first)
    }

    /// At the close of D: the spike of D, else enough over the seven days that end at T (semantics C3, C21–C25).
    fn new_users_rung(&self, day: i64, at_least: i64, spike_below: Option<f64>) -> u32 {
        let is_spike = |below: f64| {
            let Some(life) = self.life(day) else {
                return false;
            };
            let blocks = spike_blocks(day, life.first);
            let x = self.counted_new_users(day);
            let before = self.new_users(day - 6 - 7 * blocks, day - 7, life.first);
            blocks >= 2 && x >= at_least && spike_p(x, before, blocks) < below
        };
        match spike_below {
            Some(below) if is_spike(below) => 2,
            _ => u32::from(self.counted_new_users(self.newest_day()) >= at_least),
        }
    }

    /// What a meter counts on `from ..= to`: events, amounts, or by how much a level rose (semantics C27).
    pub(super) fn metered(&self, meter: &Meter, from: i64, to: i64) -> f64 {
        let mut sum = 0.0;
        let mut level: Option<(&Applied, f64)> = None;
        let order = |applied: &Applied| (applied.event.ms, applied.place);
        let counts = |applied: &&Applied| {
            applied.place_in_account >= self.metered_since(meter) && has_words(&applied.event, &meter.only)
        };
        for applied in self.facts(meter.role).filter(counts) {
            let amount = match meter.sum {
                None => Some(1.0),
                Some(field) => applied.event.properties.get(field).and_then(Value::as_f64),
            };
            let Some(mut amount) = amount else { continue };
            if meter.gauge {
                let (reading, before) = (amount, level.map_or(amount, |(_, before)| before));
                let is_newer = level.is_none_or(|(last, _)| order(applied) > order(last));
                amount = if is_newer { (reading - before).max(0.0) } else { 0.0 };
                if is_newer {
                    level = Some((applied, reading));
                }
            }
            if (from..=to).contains(&self.settings.day_of(applied.event.ms)) {
                sum += amount;
            }
        }
        sum
    }

    /// A meter in D − 6 … D against the eight blocks of seven days before (semantics §3, C30).
    fn is_volume_spike(&self, day: i64, meter: &Meter, at_least: i64, above: f64) -> bool {
        if self.life(day).is_none_or(|life| spike_blocks(day, life.first) < 8) {
            return false;
        }
        let week = |last: i64| self.metered(meter, last - 6, last);
        let blocks: Vec<f64> = (1..=8).map(|block| week(day - 7 * block)).collect();
        let mean = blocks.iter().sum::<f64>() / 8.0;
        let variance = blocks.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
        let x = week(day);
        x >= at_least as f64 && (x - mean) / (variance.max(mean).max(1.0) * (1.0 + 1.0 / 8.0)).sqrt() > above
    }

    /// A number of active users of one department, and no new user in the last closed complete weeks (semantics §5).
    fn is_stalled(&self, day: i64, at_least: usize, weeks: i64) -> bool {
        let Some(life) = self.life(day) else {
            return false;
        };
        let (first, week) = (last_closed_week(day) - weeks + 1, last_closed_week(day));
        let has_weeks = first_complete_week(life.first) <= first;
        let has_new = self.new_users(monday(first), sunday(week), life.first) > 0;
        self.running_users().len() >= at_least && self.departments().len() == 1 && has_weeks && !has_new
    }

    /// Active before, not in the last days that end with D, and on no later day known yet (semantics E10).
    fn is_inactive(&self, id: &str, day: i64, silent: i64) -> bool {
        let Some(user) = self.users.get(id) else {
            return false;
        };
        let is_absent = days_within(&user.days, day - silent + 1, day) == 0;
        is_absent && user.days.last().is_some_and(|last| *last <= day) && self.user_life(id, day).is_some()
    }
}

/// The highest rung whose threshold is met.
fn rung(value: usize, thresholds: &[usize]) -> u32 {
    thresholds.iter().filter(|threshold| value >= **threshold).count() as u32
}

/// The same of a number that may be unknown.
fn reached(value: Option<f64>, thresholds: &[i64]) -> u32 {
    value.map_or(0, |value| thresholds.iter().filter(|threshold| value >= **threshold as f64).count() as u32)
}

/// The highest rung whose percentage the share exceeds, in integers (semantics C7).
fn share_rung(part: i64, whole: i64, above: &[i64]) -> u32 {
    above.iter().filter(|percent| 100 * part > **percent * whole).count() as u32
}
