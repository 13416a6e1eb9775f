//! Metrics and signals: the rows of a close, and the rung that each signal deserves. Unknown is rung 0 (semantics D26).

use serde_json::json;

use super::DAY;
use super::Event;
use super::account::{Account, Row, User};
use super::facts::folded;
use super::pack::{Role, Signal, TARGET_INDUSTRIES};
use super::time::{
    Crowd, Days, Direction, Trend, date, days_within, first_complete_week, iso_week, last_closed_week, monday,
    settled_week, spike_blocks, spike_p, sunday, week_of,
};

/// Windows and velocity: the metrics of semantics §3.
impl Account {
    /// Distinct users active on `from ..= to`.
    pub(super) fn active_users(&self, from: i64, to: i64) -> i64 {
        self.users.values().filter(|user| days_within(&user.days, from, to) > 0).count() as i64
    }

    /// Users whose life begins on a day of `from ..= to`: first meaningful event, never again while it lasts
    /// (semantics B9, C9).
    pub(super) fn first_seen(&self, from: i64, to: i64) -> i64 {
        let births = self.users.values().flat_map(|user| &user.lives).map(|life| life.first);
        births.filter(|day| (from..=to).contains(day)).count() as i64
    }

    /// New users of `from ..= to`; whoever is first active on F never counts (semantics C9).
    fn new_users(&self, from: i64, to: i64, founded: i64) -> i64 {
        self.first_seen(from.max(founded + 1), to)
    }

    /// Σ DAU over the last n days, n, and MAU, of the close of a day (semantics C5).
    fn stickiness(&self, day: i64) -> Option<(i64, i64, i64)> {
        let n = (day - self.life(day)?.first + 1).min(28);
        let sum = (day - n + 1..=day).map(|d| self.active_users(d, d)).sum();
        let mau = self.active_users(day - 27, day);
        (n >= 7 && mau > 0).then_some((sum, n, mau))
    }

    /// W(k) of the complete weeks up to `week`, as known now (semantics C10, C17); 13 decide even the longest streak.
    fn trend(&self, week: i64) -> Option<Trend> {
        let first = first_complete_week(self.life(sunday(week))?.first).max(week - 12);
        let weeks: Vec<i64> = (first..=week).map(|k| self.active_users(monday(k), sunday(k))).collect();
        let crowd = self.crowd(week, settled_week(week, weeks.len()));
        let of_user = |days: &Days| (first..=week).map(|k| days_within(days, monday(k), sunday(k)) > 0).collect();
        let of_users: Vec<Vec<bool>> = self.users.values().map(|user| of_user(&user.days)).collect();
        Some(Trend::of_account(weeks, &of_users, crowd))
    }

    /// Who was active from the Monday of week k − 7 to the Sunday of week k, and of these who began by week `settled`: the
    /// week of the first day of the user's life (semantics C13a).
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
    fn user_trend(&self, id: &str, week: i64) -> Option<Trend> {
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
            "growing": trend.grows(),
            "declining": trend.declines(),
        });
        self.rows.push(Row { key: (close, 1, self.name.clone()), value });
    }

    /// Growing as the last close of a week said, and W(k) > W(k − 4) as late events corrected them, in three values
    /// (semantics §7, C17).
    pub(super) fn is_steady(&self) -> Option<bool> {
        let trend = self.trend(last_closed_week(self.first_unclosed - 1))?;
        let above = trend.last(4).and_then(|before| Some(trend.last(0)? > before));
        super::trigger::and(self.stands(Signal::Growth, trend.grows().is_some()), above)
    }

    /// Declining as the last close of a day said; off means no where enough is known now (semantics C17).
    pub(super) fn declines(&self) -> Option<bool> {
        self.stands(Signal::Declining, self.is_declining(self.first_unclosed - 1).is_some())
    }

    fn stands(&self, signal: Signal, is_known: bool) -> Option<bool> {
        let is_on = self.rungs.get(signal) > 0;
        (is_on || is_known).then_some(is_on)
    }
}

/// What a signal deserves.
impl Account {
    /// The rung that facts and running counts deserve now. For a signal that only closes decide, the one it stands on.
    pub(super) fn rung_now(&self, id: &str, signal: Signal) -> u32 {
        match self.users.get(id) {
            Some(user) if signal.is_of_users() => self.user_rung_now(id, user, signal),
            _ => self.account_rung_now(signal),
        }
    }

    fn user_rung_now(&self, id: &str, user: &User, signal: Signal) -> u32 {
        match signal {
            Signal::Premium => {
                // Any premium feature counts: those without a name are one together.
                let has_unnamed = self.seen(id, signal).any(|applied| applied.event.text("feature").is_none());
                let named = Self::distinct(self.seen(id, signal), "feature", false).len();
                rung(named + usize::from(has_unnamed), &[1, 3])
            }
            Signal::Breadth => {
                rung(Self::distinct(self.life_facts_of(user, Role::FeatureUsed), "feature", false).len(), &[5])
            }
            Signal::Invites => {
                let invites = self.life_facts_of(user, Role::UserInvited);
                rung(Self::distinct(invites, "invitee", true).len(), &[1, 3, 6])
            }
            Signal::Activation => u32::from(self.activated_within_an_hour(user)),
            Signal::Frequency => rung(days_within(&user.days, self.newest_day() - 6, self.newest_day()) as usize, &[5]),
            Signal::Pricing => rung(self.known_sessions(id), &[1, 3]),
            Signal::AbandonedUpgrade => self.abandoned_rung(user),
            _ if signal.ttl().is_some() => u32::from(self.seen(id, signal).next().is_some()),
            _ => user.rungs.get(signal),
        }
    }

    fn account_rung_now(&self, signal: Signal) -> u32 {
        match signal {
            Signal::Domain => rung(self.users_of_a_domain(), &[3, 10]),
            Signal::Departments => rung(self.departments().len(), &[2]),
            Signal::Workspaces => {
                rung(Self::distinct(self.life_facts(Role::WorkspaceCreated), "workspace", true).len(), &[2])
            }
            Signal::Users => rung(self.running_users().len(), &[7]),
            Signal::Executive => u32::from(self.running_users().into_iter().any(|user| self.is_executive(user))),
            Signal::Size => rung(self.employees().unwrap_or(0).max(0) as usize, &[50, 500]),
            Signal::Industry => {
                let industry = self.account_trait("industry").and_then(folded);
                u32::from(industry.is_some_and(|industry| TARGET_INDUSTRIES.contains(&industry.as_str())))
            }
            Signal::Icp => u32::from(self.is_trait("icp")),
            Signal::SingleUser => {
                let has_invited = self.life_facts(Role::UserInvited).next().is_some();
                u32::from(self.is_a_month_old() && self.users_ever() == 1 && !has_invited)
            }
            Signal::FreeOnly => {
                u32::from(self.is_a_month_old() && self.knows_premium() && !self.has_used_premium() && !self.is_paid())
            }
            _ if signal.ttl().is_some() => u32::from(self.seen("", signal).next().is_some()),
            _ => self.rungs.get(signal),
        }
    }

    /// Thirty days after the first meaningful event (semantics E17).
    fn is_a_month_old(&self) -> bool {
        self.founded_ms().is_some_and(|founded| self.clock >= founded + 30 * DAY)
    }

    /// The latest start, a day ago and within 30 days of that, not completed by anybody since (semantics E7). A newer
    /// start keeps what stands until its own day is over.
    fn abandoned_rung(&self, user: &User) -> u32 {
        let Some(start) = self.facts_of(user, Role::UpgradeStarted).map(|a| a.event.ms).max() else {
            return 0;
        };
        let is_completed = self.facts(Role::UpgradeCompleted).any(|completed| completed.event.ms >= start);
        match self.clock {
            clock if is_completed || clock >= start + 31 * DAY => 0,
            clock if clock >= start + DAY => 1,
            _ => user.rungs.get(Signal::AbandonedUpgrade),
        }
    }

    /// What an event makes of a signal: at once upward, downward only what an event ends (semantics C3, C4, E10, E17).
    pub(super) fn crossed_rung(&self, id: &str, signal: Signal, event: &Event) -> u32 {
        let stands = self.rung(id, signal);
        match signal {
            Signal::Inactive if event.is_activity() && self.settings.day_of(event.ms) >= self.newest_day() - 6 => 0,
            Signal::AbandonedUpgrade | Signal::SingleUser | Signal::FreeOnly => self.rung_now(id, signal),
            Signal::UserAdds => stands.max(u32::from(self.counted_new_users(self.newest_day()) >= 5)),
            Signal::Stickiness | Signal::Growth | Signal::Declining => stands,
            _ => stands.max(self.rung_now(id, signal)),
        }
    }

    /// What the close of a day makes of a signal, upward and downward.
    pub(super) fn rung_at_close(&self, id: &str, signal: Signal, day: i64) -> u32 {
        match (self.users.get(id), signal) {
            (Some(user), Signal::Stickiness) => self.user_stickiness_rung(id, &user.days, day),
            (Some(_), Signal::Declining) => u32::from(self.user_moves(id, day, Direction::Down) == Some(true)),
            (Some(_), Signal::Inactive) => u32::from(self.is_inactive(id, day)),
            (None, Signal::Stickiness) => self.stickiness_rung(day),
            (None, Signal::Declining) => u32::from(self.is_declining(day) == Some(true)),
            (None, Signal::UserAdds) => self.user_adds_rung(day),
            (None, Signal::Volume) => u32::from(self.is_volume_spike(day)),
            (None, Signal::Stalled) => u32::from(self.is_stalled(day)),
            _ => self.rung_now(id, signal),
        }
    }

    /// Growing at the close of a week (semantics C15).
    pub(super) fn growth_rung(&self, week: i64) -> u32 {
        u32::from(self.trend(week).and_then(|trend| trend.grows()) == Some(true))
    }

    pub(super) fn user_growth_rung(&self, id: &str, week: i64) -> u32 {
        u32::from(self.user_moves(id, sunday(week), Direction::Up) == Some(true))
    }

    /// Growing, or declining as its mirror, of a user on the last week with Sunday ≤ D; inactive and too young users are
    /// unknown (semantics C14, C15).
    fn user_moves(&self, id: &str, day: i64, direction: Direction) -> Option<bool> {
        self.user_life(id, day).filter(|_| !self.is_inactive(id, day))?;
        self.user_trend(id, last_closed_week(day))?.moves(direction)
    }

    /// Above 0.3 or above 0.5, in integers (semantics C7).
    fn stickiness_rung(&self, day: i64) -> u32 {
        let Some((sum, n, mau)) = self.stickiness(day) else {
            return 0;
        };
        assert!(sum <= n * mau, "laws: 0 ≤ stickiness ≤ 1");
        share_rung(sum, n * mau)
    }

    /// Active days in the last n ÷ n, n from the user's own first day (semantics C6).
    fn user_stickiness_rung(&self, id: &str, days: &Days, day: i64) -> u32 {
        let Some(life) = self.user_life(id, day) else {
            return 0;
        };
        let n = (day - life.first + 1).min(28);
        let active = days_within(days, day - n + 1, day);
        if n < 7 { 0 } else { share_rung(active, n) }
    }

    /// New users that count, over the seven days that end with `day` (semantics B17, C20).
    fn counted_new_users(&self, day: i64) -> i64 {
        let Some(life) = self.life(day) else { return 0 };
        self.new_users((day - 6).max(self.first_counted_day(life.first)), day, life.first)
    }

    /// x ≥ 5 and P(X ≥ x) < 0.0005 (semantics C21–C24).
    fn is_spike(&self, day: i64) -> bool {
        let Some(life) = self.life(day) else {
            return false;
        };
        let blocks = spike_blocks(day, life.first);
        let x = self.counted_new_users(day);
        let before = self.new_users(day - 6 - 7 * blocks, day - 7, life.first);
        blocks >= 2 && x >= 5 && spike_p(x, before, blocks) < 0.0005
    }

    /// At the close of D: the spike of D, else 5+ over the seven days that end at T (semantics C3, C25).
    fn user_adds_rung(&self, day: i64) -> u32 {
        if self.is_spike(day) { 2 } else { u32::from(self.counted_new_users(self.newest_day()) >= 5) }
    }

    /// Calls of the API in D − 6 … D against the eight blocks of seven days before (semantics §3, C30).
    fn is_volume_spike(&self, day: i64) -> bool {
        if self.life(day).is_none_or(|life| spike_blocks(day, life.first) < 8) {
            return false;
        }
        let days: Vec<i64> =
            self.facts(Role::ApiCalled).map(|applied| self.settings.day_of(applied.event.ms)).collect();
        let calls = |last: i64| days.iter().filter(|day| (last - 6..=last).contains(*day)).count() as f64;
        let blocks: Vec<f64> = (1..=8).map(|block| calls(day - 7 * block)).collect();
        let mean = blocks.iter().sum::<f64>() / 8.0;
        let variance = blocks.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
        let x = calls(day);
        x >= 5.0 && (x - mean) / (variance.max(mean).max(1.0) * (1.0 + 1.0 / 8.0)).sqrt() > 5.4
    }

    /// 5+ active users of one department, and nobody new in the last eight closed complete weeks (semantics §5).
    fn is_stalled(&self, day: i64) -> bool {
        let Some(life) = self.life(day) else {
            return false;
        };
        let week = last_closed_week(day);
        let has_weeks = first_complete_week(life.first) <= week - 7;
        let has_new = self.new_users(monday(week - 7), sunday(week), life.first) > 0;
        self.running_users().len() >= 5 && self.departments().len() == 1 && has_weeks && !has_new
    }

    /// Active before, not on D − 6 … D, and on no later day known yet (semantics E10).
    fn is_inactive(&self, id: &str, day: i64) -> bool {
        let Some(user) = self.users.get(id) else {
            return false;
        };
        let absent = days_within(&user.days, day - 6, day) == 0 && user.days.last().is_some_and(|last| *last <= day);
        absent && self.user_life(id, day).is_some()
    }

    /// Declining of the account at the close of D, on the last week with Sunday ≤ D: false while inactive, that is while WAU
    /// is 0, whatever is known (semantics C15, C16).
    pub(super) fn is_declining(&self, day: i64) -> Option<bool> {
        self.life(day)?;
        if self.active_users(day - 6, day) == 0 {
            return Some(false);
        }
        self.trend(last_closed_week(day))?.declines()
    }

    /// 5+ while there are fewer than two weeks to compare with, then only the spike (semantics B17, D24).
    pub(super) fn five_new_users(&self) -> Option<bool> {
        let Some(life) = self.life(self.newest_day()) else {
            return Some(false);
        };
        if self.is_warming_up() {
            return None;
        }
        let rung = self.rungs.get(Signal::UserAdds);
        Some(if spike_blocks(self.open_day() - 1, life.first) < 2 { rung >= 1 } else { rung == 2 })
    }
}

/// The highest rung whose threshold is met.
fn rung(value: usize, thresholds: &[usize]) -> u32 {
    thresholds.iter().filter(|threshold| value >= **threshold).count() as u32
}

/// Above 0.3 is rung 1, above 0.5 is rung 2 (semantics C7).
fn share_rung(part: i64, whole: i64) -> u32 {
    if 2 * part > whole { 2 } else { u32::from(10 * part > 3 * whole) }
}
