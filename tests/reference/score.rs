//! Points, bands, tiers, segments and onboarding tracks (semantics §6), and the profiles that contain them.

use serde_json::{Value, json};

use super::account::{Account, User};
use super::handoff::{FIGURES, without_defaults};
use super::pack::Scores;

/// The name of a band; none is empty.
pub(super) fn band_name(band: u32) -> &'static str {
    ["", "emerging", "warm", "hot"][band as usize]
}

/// The highest band whose score is met, or that is held and missed by no more than 5 points (semantics F1).
pub(super) fn band_of(scores: &Scores, score: i64, held: u32) -> u32 {
    let is_met = |band: u32| score >= scores.bands[band as usize - 1] - if held >= band { scores.keep } else { 0 };
    (1..=3).rfind(|band| is_met(*band)).unwrap_or(0)
}

/// The highest tier all of whose conditions hold, 4 for T1; untiered is 0 (semantics §6).
pub(super) fn tier_of(scores: &Scores, users: usize, departments: usize, is_icp: bool, score: i64) -> u32 {
    let [enterprise, mid_market, smb] = scores.tiers;
    match users {
        10.. if departments >= 2 && is_icp && score >= enterprise => 4,
        5.. if score >= mid_market => 3,
        2.. if score >= smb => 2,
        1 => 1,
        _ => 0,
    }
}

impl Account {
    /// The sum of the user's points that count for the user (semantics §6).
    pub(super) fn user_points(&self, user: &User) -> i64 {
        let counted = self.settings.pack.signals().filter(|signal| signal.is_in_user_points());
        counted.map(|signal| signal.points(user.rungs.get(signal))).sum()
    }

    /// What the account adds to the score of each of its users.
    fn shared_points(&self) -> i64 {
        let counted = self.settings.pack.signals().filter(|signal| signal.is_in_pql_of_account());
        counted.map(|signal| signal.points(self.rungs.get(signal))).sum()
    }

    /// The PQL score of a user.
    pub(super) fn user_score(&self, user: &User) -> i64 {
        self.user_points(user) + self.shared_points()
    }

    /// The PQA score: what running users bring, and the account's own signals, fit once.
    pub(super) fn score(&self) -> i64 {
        let alone = |user: &User| -> i64 {
            let counted = self.settings.pack.signals().filter(|signal| signal.is_of_users_in_pqa_alone());
            counted.map(|signal| signal.points(user.rungs.get(signal))).sum()
        };
        let bring = |id: &str| self.users.get(id).map_or(0, |user| self.user_points(user).max(0) + alone(user));
        let own = self.settings.pack.signals().filter(|signal| signal.is_in_pqa_of_account());
        self.running_users().into_iter().map(bring).sum::<i64>()
            + own.map(|signal| signal.points(self.rungs.get(signal))).sum::<i64>()
    }

    /// Bands, then the tier, then the number of active users, after a step that may have moved signals. Tier and number
    /// rise in any step and fall in closes (semantics F2, F12).
    pub(super) fn settle(&mut self, cause: i64, reason: &str, closes: bool) {
        for id in self.user_ids() {
            let (band, score) = self.band(&id);
            let before = self.users.get(&id).map_or(0, |user| user.band);
            if band == before {
                continue;
            }
            if let Some(user) = self.users.get_mut(&id) {
                (user.band, user.band_fell) = (band, band < before);
            }
            let scores = &self.settings.pack.scores;
            let is_kept = band == 0 || score >= scores.bands[band as usize - 1] - scores.keep;
            assert!(is_kept, "laws: a band is never kept further down");
            // The band of a forgotten user ends for the same reason as the user's signals (semantics B12).
            let reason = if self.forgotten_now.contains(&id) { "REASON_FORGOTTEN" } else { reason };
            if self.forgotten_now.contains(&id)
                && let Some(user) = self.users.get_mut(&id)
            {
                user.band_fell = false;
            }
            let evidence = self.figure_fact(score as f64, cause);
            self.acted.insert(id.clone());
            self.publish_change((&id, "score.band"), (FIGURES, 0), (before, band), cause, reason, &evidence);
        }
        let users = self.running_users().len();
        let scores = &self.settings.pack.scores;
        let tier = tier_of(scores, users, self.departments().len(), self.is_trait("icp"), self.score());
        if tier > self.tier || (closes && tier != self.tier) {
            let before = std::mem::replace(&mut self.tier, tier);
            let evidence = self.figure_fact(self.score() as f64, cause);
            self.acted.insert(String::new());
            self.publish_change(("", "score.tier"), (FIGURES, 1), (before, tier), cause, reason, &evidence);
        }
        let reached = scores.user_counts.iter().filter(|count| users as i64 >= **count).count() as u32;
        if reached > self.user_count || (closes && reached != self.user_count) {
            let before = std::mem::replace(&mut self.user_count, reached);
            let evidence = self.figure_fact(users as f64, cause);
            let of = ("", "account.active_users");
            self.publish_change(of, (FIGURES, 2), (before, reached), cause, reason, &evidence);
        }
    }

    /// The band that a user deserves, and the score. Without points of one's own, or before and after being a user,
    /// there is none, and nothing is kept (semantics B4, B5, F3).
    fn band(&self, id: &str) -> (u32, i64) {
        let Some(user) = self.users.get(id).filter(|_| self.is_present(id)) else {
            return (0, 0);
        };
        let score = self.user_score(user);
        if self.user_points(user) > 0 {
            (band_of(&self.settings.pack.scores, score, user.band), score)
        } else {
            (0, score)
        }
    }

    /// The size class (semantics §6).
    pub(super) fn segment(&self) -> &'static str {
        match self.employees() {
            None => "unknown",
            Some(..50) => "smb",
            Some(50..500) => "mid_market",
            Some(500..) => "enterprise",
        }
    }

    pub(super) fn tier_name(&self) -> &'static str {
        ["", "T4", "T3", "T2", "T1"][self.tier as usize]
    }

    /// Published when it changes; an account without users and with unknown size has none (semantics F11).
    pub(super) fn publish_track(&mut self, cause: i64) {
        let track = match (self.segment(), self.users_ever()) {
            ("enterprise", _) => "enterprise",
            ("mid_market", _) => "mid_market",
            (_, 2..) => "small_team",
            (_, 1) => "solo",
            _ => return,
        };
        if self.track == Some(track) {
            return;
        }
        let at = self.at(cause);
        self.last_at = Some(at);
        let message = json!({
            "account": self.name,
            "track": track,
            "before": self.track.unwrap_or(""),
            "atMs": at.to_string(),
            "notifySales": track == "enterprise",
        });
        self.track = Some(track);
        self.acted.insert(String::new());
        self.onboarding.push(without_defaults(message));
    }

    /// The five first by score, then own points, then id bytes, among running users (semantics F5).
    pub(super) fn top_users(&self) -> Vec<Value> {
        let running = self.running_users().into_iter();
        let mut users: Vec<(&str, &User)> = running.filter_map(|id| Some((id, self.users.get(id)?))).collect();
        users.sort_by_key(|(id, user)| (-self.user_score(user), -self.user_points(user), *id));
        let show = |(id, user): (&str, &User)| {
            without_defaults(json!({
                "user": id,
                "score": self.user_score(user),
                "band": band_name(user.band),
                "isBuyer": self.is_buyer(id),
            }))
        };
        users.into_iter().take(5).map(show).collect()
    }
}
