//! Windows of days and weeks: which are known, and what a user did in them (semantics §3, C1 to C10).

use crate::engine::state::days::Days;
use crate::model::{Day, Week};

/// Days over which MAU and stickiness look back: whole weeks.
pub(in crate::engine) const MONTH: i32 = 28;
/// Blocks of 7 days that a spike is compared with.
const BLOCKS_MAX: i32 = 8;

/// The last week whose Sunday is `day` or lies before it.
pub(in crate::engine) fn last_week(day: Day) -> Week {
    day.plus(1).week().plus(-1)
}

/// Complete weeks up to `week` of a life that began on `first`: those whose Monday is not before it (semantics C10).
pub(in crate::engine) fn weeks_known(first: Day, week: Week) -> u32 {
    let first_complete = first.plus(6).week();
    (week.0 - first_complete.0 + 1).max(0) as u32
}

/// Whether so many complete weeks of a life that began on `first` can be known at the close of `day`: they are only if
/// the life began on a Monday. It is asked first, because it needs no week.
pub(in crate::engine) fn may_know_weeks(first: Day, day: Day, weeks: u32) -> bool {
    day.0.saturating_sub(first.0) >= 7 * weeks as i32 - 1
}

/// The Sunday at whose close so many complete weeks of a life that began on `first` are known.
pub(in crate::engine) fn weeks_known_on(first: Day, weeks: u32) -> Day {
    first.plus(6).week().plus(weeks as i32 - 1).sunday()
}

/// m of semantics C21, at most 8.
pub(in crate::engine) fn blocks(day: Day, founded: Day) -> i32 {
    (day.0 - 7 - founded.0).div_euclid(7).min(BLOCKS_MAX)
}

/// The first day at whose close it is known how many new users are far more than usual for an account that was founded
/// on a day: two blocks are known (semantics C21).
pub(in crate::engine) fn spike_known_on(founded: Day) -> Day {
    founded.plus(7 * 3)
}

/// n of stickiness for a life that began on `first`: at most 28 days, unknown with less than 7 (semantics C5, C6).
pub(in crate::engine) fn stickiness_days(day: Day, first: Day) -> Option<u32> {
    let days = (day.0 - first.0 + 1).min(MONTH);
    (days >= 7).then_some(days as u32)
}

/// The highest rung of a ladder in percent that part / whole lies above; exactly on it does not count.
pub(in crate::engine) fn rung_above((part, whole): (u32, u32), percents: &[u32]) -> u8 {
    percents.iter().take_while(|percent| 100 * u64::from(part) > u64::from(**percent) * u64::from(whole)).count() as u8
}

/// No activity in the `silent` days that end with `day`, and none known after them (semantics E10).
pub(in crate::engine) fn is_absent(days: Days, day: Day, silent: u32) -> bool {
    days.last() <= day && days.count(day, silent) == 0
}

/// The share of the last days on which a user was active, as numerator and denominator.
pub(in crate::engine) fn user_stickiness(days: Days, day: Day) -> Option<(u32, u32)> {
    stickiness_days(day, days.first()).map(|n| (days.count(day, MONTH as u32), n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_are_complete_from_the_first_monday_on() {
        let monday = Week(10).monday();
        assert_eq!(weeks_known(monday, Week(10)), 1);
        assert_eq!(weeks_known(monday.plus(1), Week(10)), 0);
        assert_eq!(weeks_known(monday.plus(1), Week(11)), 1);
        assert_eq!(weeks_known_on(monday.plus(1), 1), Week(11).sunday());
        assert_eq!(weeks_known_on(monday, 4), Week(13).sunday());
        assert!(may_know_weeks(monday, Week(13).sunday(), 4) && !may_know_weeks(monday, Week(13).sunday().plus(-1), 4));
        assert_eq!(last_week(Week(10).sunday()), Week(10));
        assert_eq!(last_week(Week(10).sunday().plus(6)), Week(10));
    }

    #[test]
    fn exactly_on_a_step_does_not_count() {
        assert_eq!(rung_above((5, 10), &[30, 50]), 1);
        assert_eq!(rung_above((51, 100), &[30, 50]), 2);
        assert_eq!(rung_above((3, 10), &[30, 50]), 0);
    }
}
