//! What Upswell says and when, as stories: who did what on which day, and everything that must come of it.
//!
//! Each test is a text of stories, and what stands before its first story is told in each of them. A story is a table.
//! Day 1 is a Monday; columns are separated by two or more spaces; `#` begins a remark.
//!
//! ```text
//! story  its name
//! day 1          acme  ann signs up; bob, cy use editor    what happened, in an account
//! day 2–5, 9     acme  u1–u20 use editor                   on several days, by several users
//! day 2 10:00 arriving day 3    acme  ann uses editor      an event that comes late; it says when it was received
//! again arriving day 3                                     the line before once more, with its message ids
//! day 2          acme  ann uses editor    → too-late       what becomes of it, if it is not applied
//! until end of day 9                                       the watermark reaches this instant
//! watch intent.pricing, pulses, holds                      what is compared besides handoffs
//! expect day 9   acme  MEDIUM five-new-users due day 11–12 a handoff, a change, a pulse or a hold
//! figures day 9  acme  dau 3, stickiness unknown           some figures of a closed day, week, or none
//! ```
//!
//! `day 8` is its noon, `day 8 10:00` and `day 8 10:00:00.001` are what they say, `end of day 8` is the midnight at
//! which it closes. Somebody `signs up`, `uses` a feature, `views pricing`, `requests` an enterprise feature,
//! `contacts sales`, `is identified`, `opens page` or `opens screen` or `tracks` something by its raw name. `somebody`
//! has no user id. The account itself, `it`, `takes plan` X, `pays`, `stops paying`, or `was created` at some time.
//!
//! Events arrive in the order of their times, unless they say otherwise. Handoffs are compared in full, and so is
//! what is watched: whatever happened must be expected. Figures are rounded as they are written. An expectation reads
//! like one of
//!
//! ```text
//! day 9 acme HIGH contact-sales at once for ann
//! day 9 acme MEDIUM pricing-sessions due day 10–11 for ann, bob also five-new-users not before day 9 13:00
//! day 9 acme LOW steady-growth
//! end of day 9 acme ann velocity.frequency 1→0 closed
//! day 9 acme ann pulse contact-sales
//! day 9 acme held five-new-users by pacing
//! ```

use std::collections::BTreeMap;

use serde_json::{Value, json};
use upswell::engine::{Partition, Record};
use upswell::model::{
    DAY_MS, Day, Effects, EventTime, HOUR_MS, Handoff, HandoffId, Level, MINUTE_MS, Reason, SignalKind, SignalMessage,
};
use upswell::{rules, wire};

/// Each name is a test, each text its stories.
macro_rules! stories {
    ($($name:ident $text:literal)*) => {
        $(#[test] fn $name() { check($text) })*
    };
}

stories! {
    days_close_when_the_watermark_reaches_their_end "
        watch velocity.frequency
        day 1–5             acme  ann uses editor
        expect day 5        acme  ann velocity.frequency 0→1 crossed

        story  one millisecond before the end of the day nothing is closed
        until day 7 23:59:59.999
        figures day 7       acme  none

        story  at its end the day is closed, and a signal that no longer holds is off
        until end of day 7
        figures day 7       acme  dau 0, wau 1, mau 1
        expect end of day 7 acme  ann velocity.frequency 1→0 closed
    "

    closes_in_between_are_all_run "
        story  a record that jumps many days runs every close in between, each with its own effects
        watch velocity.frequency, negative.inactive
        day 1–5             acme  ann uses editor
        day 5, 20           acme  bob uses editor
        figures day 12      acme  dau 0, wau 0, mau 2
        figures day 18      acme  dau 0, wau 0, mau 2
        until end of day 20
        expect day 5        acme  ann velocity.frequency 0→1 crossed
        expect end of day 7 acme  ann velocity.frequency 1→0 closed
        expect end of day 12 acme ann negative.inactive 0→1 closed
        expect end of day 12 acme bob negative.inactive 0→1 closed
        expect day 20       acme  bob negative.inactive 1→0 crossed
    "

    events_from_the_future_and_from_long_ago_are_put_aside "
        story  five minutes ahead of its record passes
        day 1 10:05 arriving day 1 10:00          acme  ann contacts sales
        expect day 1 10:05  acme  HIGH contact-sales at once for ann

        story  a millisecond more is from the future, and does not move the watermark
        day 9 10:05:00.001 arriving day 9 10:00   acme  ann contacts sales   → from-the-future
        day 1 arriving day 9 10:01                acme  bob contacts sales
        expect day 1        acme  HIGH contact-sales at once for bob

        story  56 days before the first open day an event still counts, 57 days before it is too late
        day 60                        acme  ann uses editor
        day 4 arriving day 60 13:00   acme  bob uses editor
        day 3 arriving day 60 13:00   acme  cy uses editor     → too-late
        day 3 arriving day 60 13:00   acme  cy is identified
        day 3 arriving day 60 13:00   acme  it pays
        until end of day 60
        figures day 60                acme  dau 1, mau 1
    "

    a_repeated_message_counts_once "
        story  a message that comes again within the window does nothing
        watch pulses
        day 1 10:00         acme  ann contacts sales
        again               → duplicate
        again arriving day 1 10:30   → duplicate
        expect day 1 10:00  acme  ann pulse contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann

        story  exactly one window later it is still known
        day 1 11:00         acme  bob uses editor
        day 1 10:00         acme  ann uses editor
        again arriving day 1 11:00   → duplicate

        story  a millisecond more and it is not
        watch pulses
        day 1 11:00:00.001  acme  bob uses editor
        day 1 10:00         acme  ann contacts sales
        again arriving day 1 11:00:00.001
        expect day 1 10:00  acme  ann pulse contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann
        expect day 1 10:00  acme  ann pulse contact-sales
    "

    time_never_runs_backwards_for_an_account "
        story  what a late event causes carries the time of the last effect
        watch pulses
        day 3               acme  ann contacts sales
        day 2 arriving day 3 13:00     acme  bob requests SSO
        day 2 arriving day 3 13:00     zeta  zoe requests SSO
        expect day 2        zeta  zoe pulse intent.enterprise enterprise-request
        expect day 2        zeta  HIGH enterprise-request at once for zoe
        expect day 3        acme  ann pulse contact-sales
        expect day 3        acme  HIGH contact-sales at once for ann
        expect day 3        acme  bob pulse intent.enterprise enterprise-request
        expect day 3        acme  HIGH enterprise-request at once for bob

        story  a raised hand of seven days ago still counts, an older one is only told
        watch pulses
        day 20              acme  it is identified
        day 13 11:00 arriving day 20 12:01            acme  ann contacts sales
        day 13 10:59:59.999 arriving day 20 12:01     zeta  zoe contacts sales
        expect day 13 10:59:59.999  zeta  zoe pulse contact-sales
        expect day 13 11:00         acme  ann pulse contact-sales
        expect day 13 11:00         acme  HIGH contact-sales at once for ann
    "

    users_count_from_their_first_meaningful_event "
        story  profiles, groups, pages and looks at prices make nobody active and found nothing
        day 1               acme  ann is identified; it was created day 1; bob views pricing; it pays
        day 2               acme  ann opens page Home; ann opens screen Home
        day 3               acme  cy uses editor
        day 4               acme  ann tracks Something Unmapped
        until end of day 4
        figures day 2       acme  none
        figures day 3       acme  dau 1, mau 1, new_users 0
        figures day 4       acme  dau 1, mau 2, new_users 1

        story  the same id in two accounts is two users, and nobody is no user
        day 1               acme  ann uses editor; somebody uses editor
        day 2               zeta  ann uses editor
        until end of day 2
        figures day 2       acme  dau 0, mau 1
        figures day 2       zeta  dau 1, mau 1

        story  an earlier event that comes late moves the founding day back: who founded is now new
        day 5               acme  ann, bob use editor
        until end of day 6
        day 4 arriving day 7          acme  cy uses editor
        until end of day 7
        figures day 5       acme  new_users 0, new_users_7d 0
        figures day 7       acme  mau 3, new_users_7d 2

        story  back after 400 days: the same user
        day 1               acme  ann uses editor
        day 1–402           acme  bob uses editor
        day 401             acme  ann uses editor
        until end of day 401
        figures day 401     acme  dau 2, new_users 0

        story  back after 401 days: a new one
        day 1               acme  ann uses editor
        day 1–402           acme  bob uses editor
        day 402             acme  ann uses editor
        until end of day 402
        figures day 402     acme  dau 2, new_users 1

        story  an account that was silent for 401 days is founded again
        day 1, 402          acme  ann uses editor
        day 402             acme  cy uses editor
        until end of day 408
        figures day 402     acme  mau 2, new_users 0
        figures day 407     acme  stickiness unknown
        figures day 408     acme  stickiness 0.143

        story  who is forgotten loses the signals that are on, 401 days after the last active day
        watch negative.inactive
        day 1               acme  ann uses editor
        day 1–20            acme  bob uses editor
        until day 401 23:59:59.999
        until end of day 401
        expect end of day 8   acme  ann negative.inactive 0→1 closed
        expect end of day 27  acme  bob negative.inactive 0→1 closed
        expect end of day 401 acme  ann negative.inactive 1→0 forgotten
    "

    accounts_in_mid_life_warm_up "
        day 2               acme  u1–u5 use editor
        until end of day 2
        watch velocity.user_adds

        story  an account known before the log began may have had all these users before
        day 1               acme  ann uses editor
        figures day 2       acme  new_users 5, new_users_7d 5

        story  a sign-up says that the account is new
        day 1               acme  ann signs up
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4

        story  so does its creation less than 24 hours away
        day 1               acme  ann uses editor; it was created end of day 1
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4

        story  24 hours away is another time
        day 1               acme  ann uses editor; it was created day 2
    "

    warm_up_lasts_28_days "
        story  users who came during the warm-up never count as new
        watch velocity.user_adds
        day 1               acme  ann uses editor
        day 28              acme  u1–u4 use editor
        day 29              acme  u5 uses editor
        until end of day 40

        story  users who come after it do
        watch velocity.user_adds
        day 1               acme  ann uses editor
        day 29              acme  u1–u5 use editor
        until end of day 29
        expect day 29       acme  velocity.user_adds 0→1 crossed
        expect end of day 29 acme  velocity.user_adds 1→2 closed
        expect end of day 29 acme  MEDIUM five-new-users due end of day 30–31

        story  founded more than 28 days after the first day of the log is born in it
        day 1               other  olga uses editor
        day 29              early  ann uses editor
        day 30              acme   ann uses editor
        day 31              early  u1–u5 use editor
        day 31              acme   u1–u5 use editor
        until day 32
        expect day 31       acme  MEDIUM five-new-users due day 32–33
    "

    new_users_are_seen_at_once "
        story  four are not enough
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2–5             acme  ann uses editor
        day 2               acme  bob uses editor
        day 3               acme  cy, dee use editor
        day 9               acme  eve, fay use editor    # bob's day is the eighth back
        until end of day 20

        story  the fifth counts at once, and the signal goes at the close at which the window has left them
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2 10:00         acme  bob, cy, dee use editor
        day 8 10:00         acme  eve, fay use editor
        until end of day 8
        expect day 8 10:00  acme  velocity.user_adds 0→1 crossed
        expect day 8 10:00  acme  MEDIUM five-new-users due day 9–10 10:00
        expect end of day 8 acme  velocity.user_adds 1→0 closed

        story  founders are not new
        watch velocity.user_adds
        day 1               acme  ann signs up; u1–u9 use editor
        until end of day 3

        story  a late newcomer counts only for the seven days that end now
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2               acme  u1–u4 use editor
        day 9               acme  ann uses editor
        day 3 arriving day 9 13:00    acme  u5 uses editor
        until end of day 9
        figures day 9       acme  new_users_7d 1

        story  outreach waits for 24 hours after the first event of the account
        day 1 10:00         acme  ann signs up
        day 2 09:00         acme  u1–u5 use editor
        expect day 2 09:00  acme  MEDIUM five-new-users due day 3–4 10:00 not before day 2 10:00

        story  five new users where two came every week are no surprise
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 4               acme  a1, a2 use editor
        day 11              acme  b1, b2 use editor
        day 18              acme  c1, c2 use editor
        day 25              acme  d1–d5 use editor
        until end of day 30
        expect day 25        acme  velocity.user_adds 0→1 crossed

        story  five where one came in the weeks before are a spike: two rungs, one change each
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 9               acme  bob uses editor
        day 23              acme  u1–u5 use editor
        until end of day 23
        expect day 23        acme  velocity.user_adds 0→1 crossed
        expect end of day 23 acme  velocity.user_adds 1→2 closed
        expect end of day 23 acme  MEDIUM five-new-users due end of day 24–25

        story  five where two came are none: 0.0075 is not below 0.005
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 9               acme  bob, cy use editor
        day 23              acme  u1–u5 use editor
        until end of day 23
        figures day 23      acme  new_users_7d 5
        expect day 23       acme  velocity.user_adds 0→1 crossed

        story  what is unusual is known 21 days after the founding day
        day 1               acme  ann signs up
        until end of day 22
        figures day 21      acme  spike_p unknown
        figures day 22      acme  spike_p 1
    "

    stickiness_is_the_share_of_days "
        story  exactly half is not above half
        watch velocity.stickiness
        day 1–4             acme  ann uses editor
        day 1–3             acme  bob uses editor
        until end of day 7
        figures day 6       acme  stickiness unknown
        figures day 7       acme  stickiness 0.5
        expect end of day 7 acme  ann velocity.stickiness 0→2 closed
        expect end of day 7 acme  bob velocity.stickiness 0→1 closed
        expect end of day 7 acme  velocity.stickiness 0→1 closed

        story  a day more is
        watch velocity.stickiness
        day 1–4             acme  ann, bob use editor
        until end of day 7
        expect end of day 7 acme  ann velocity.stickiness 0→2 closed
        expect end of day 7 acme  bob velocity.stickiness 0→2 closed
        expect end of day 7 acme  velocity.stickiness 0→2 closed

        story  exactly three tenths are not above three tenths
        watch velocity.stickiness
        day 1–2             acme  u1–u10 use editor
        day 3               acme  u1 uses editor
        until end of day 7
        figures day 7       acme  stickiness 0.3
        expect end of day 7 acme  u1 velocity.stickiness 0→1 closed

        story  a user's own days are counted from the first
        watch velocity.stickiness
        day 1, 8, 9         acme  ann uses editor
        until end of day 10
        expect end of day 9 acme  ann velocity.stickiness 0→1 closed
        expect end of day 9 acme  velocity.stickiness 0→1 closed
        expect end of day 10 acme  ann velocity.stickiness 1→0 closed
        expect end of day 10 acme  velocity.stickiness 1→0 closed
    "

    five_active_days_of_seven_are_frequent "
        story  the fifth day counts at once
        watch velocity.frequency
        day 1, 2, 4, 6      acme  ann, bob use editor
        day 7 08:00         acme  ann uses editor
        day 8               acme  bob uses editor     # his day 1 is the eighth back
        until day 8 18:00
        expect day 7 08:00  acme  ann velocity.frequency 0→1 crossed
        expect end of day 7 acme  ann velocity.frequency 1→0 closed
    "

    // Weekly active users 2, 4, 6, and then as each story says.
    growing_accounts_are_nurtured "
        day 1, 8, 15, 22, 29, 36   acme  u1, u2 use editor
        day 8, 15, 22, 29, 36      acme  u3, u4 use editor
        day 15, 22, 29, 36         acme  u5, u6 use editor

        story  three weeks of increase with a clear slope are growth; it fires once it beats the week four before
        day 22, 29, 36      acme  u7, u8 use editor
        day 29, 36          acme  u9, u10 use editor
        watch velocity.growth
        until end of day 34
        until end of day 35
        figures week 4      acme  wau 8, streak 3, slope_z 3.46
        figures week 5      acme  wau 10, growth 0.25, streak 4
        expect end of day 28 acme  velocity.growth 0→1 closed
        expect end of day 35 acme  LOW steady-growth

        story  growth ends with the first week that does not grow
        day 22              acme  u7, u8 use editor
        watch velocity.growth
        until end of day 35
        figures week 5      acme  wau 6, growth -0.25, streak 0
        expect end of day 28 acme  velocity.growth 0→1 closed
        expect end of day 35 acme  velocity.growth 1→0 closed
    "

    a_trend_needs_weeks_and_steepness "
        story  two weeks of increase need a steeper slope: 2, 2, 5, 7 have a z of 3.29
        day 1, 8, 15, 22    acme  u1, u2 use editor
        day 15, 22          acme  u3–u5 use editor
        day 22              acme  u6, u7 use editor
        watch velocity.growth
        until end of day 28
        figures week 4      acme  wau 7, streak 2, slope_z 3.29

        story  1, 1, 4, 7 have one of 3.55
        day 1, 8, 15, 22    acme  u1 uses editor
        day 15, 22          acme  u2–u4 use editor
        day 22              acme  u5–u7 use editor
        watch velocity.growth
        until end of day 28
        figures week 4      acme  wau 7, streak 2, slope_z 3.55
        expect end of day 28 acme  velocity.growth 0→1 closed

        story  a week that began before the founding day counts for nothing
        day 2, 8, 15, 22    acme  u1, u2 use editor
        day 8, 15, 22       acme  u3, u4 use editor
        day 15, 22          acme  u5, u6 use editor
        day 22              acme  u7, u8 use editor
        watch velocity.growth
        until end of day 28
        figures week 1      acme  none
        figures week 2      acme  wau 4, growth unknown, streak unknown
        figures week 4      acme  wau 8, streak 2, slope_z unknown

        story  late events correct the weeks before: published rows stay, streaks see them
        day 1, 8, 15        acme  u1, u2 use editor
        day 8               acme  u3, u4 use editor
        day 15              acme  u5 uses editor
        day 20 arriving day 22        acme  u3, u4 use editor
        until end of day 21
        day 22, 23          acme  u1–u6 use editor
        until end of day 28
        figures week 2      acme  wau 4, streak 1
        figures week 3      acme  wau 3, streak 0
        figures week 4      acme  wau 6, growth 0.2, streak 3

        story  a user grows by active days: 1, 3, 5, 7 a week
        day 1, 8–10, 15–19, 22–28  acme  ann uses editor
        watch velocity.growth
        until end of day 28
        expect end of day 28 acme  ann velocity.growth 0→1 closed

        story  1, 3, 5, 6 are not steep enough: z is 2.83
        day 1, 8–10, 15–19, 22–27  acme  ann uses editor
        watch velocity.growth
        until end of day 28

        story  a single week of increase suffices with z of 3.5 or more: 1, 1, 6, 7
        day 1, 8, 15–20, 22–28     acme  ann uses editor
        watch velocity.growth
        until end of day 28
        expect end of day 28 acme  ann velocity.growth 0→1 closed
    "

    declining_mirrors_growing "
        day 1, 8, 15, 22    acme  u1, u2 use editor
        day 1, 8, 15        acme  u3, u4 use editor
        day 1, 8            acme  u5, u6 use editor
        day 1               acme  u7, u8 use editor
        watch velocity.growth, negative.declining

        story  three weeks of decrease decline, until the account is inactive
        until end of day 35
        expect end of day 28 acme  negative.declining 0→1 closed
        expect end of day 29 acme  negative.declining 1→0 closed
    "

    declining_is_for_users_too "
        story  a user declines by active days, until inactive
        day 1–7, 8–12, 15–17, 22   acme  ann uses editor
        day 1, 8, 15, 22, 29, 36   acme  bob uses editor
        watch negative.declining
        until end of day 36
        expect end of day 28 acme  ann negative.declining 0→1 closed
        expect end of day 29 acme  ann negative.declining 1→0 closed
    "

    silent_users_are_inactive "
        story  after seven empty days, once per absence, until the next meaningful event
        watch negative.inactive
        day 1, 2            acme  ann uses editor
        day 1–20            acme  bob uses editor
        day 11              acme  ann opens page Home; ann views pricing
        day 15 08:00        acme  ann uses editor
        until end of day 20
        expect end of day 9 acme  ann negative.inactive 0→1 closed
        expect day 15 08:00 acme  ann negative.inactive 1→0 crossed

        story  six empty days are not seven
        watch negative.inactive
        day 1, 8            acme  ann uses editor
        until end of day 14

        story  who is already back on a later day is not absent
        watch negative.inactive
        day 1               acme  ann uses editor
        day 9 00:30         acme  ann uses editor    # day 8 closes only now
        until end of day 9

        story  a late day outside the window changes nothing
        watch negative.inactive
        day 1               acme  ann uses editor
        day 1–12            acme  bob uses editor
        day 4 arriving day 12 13:00    acme  ann uses editor
        until end of day 12
        expect end of day 8 acme  ann negative.inactive 0→1 closed

        story  users of an account without active users are left out
        watch negative.inactive
        day 60              acme  it is identified
        day 20 arriving day 60        acme  ann uses editor
        until end of day 80
    "

    names_say_what_an_event_is "
        story  whatever their case
        watch pulses
        day 1               acme  ann tracks contact SALES
        day 2               acme  ann tracks enterprise feature requested
        day 3               acme  ann opens page pricing
        expect day 1        acme  ann pulse contact-sales
        expect day 1        acme  HIGH contact-sales at once for ann
        expect day 2        acme  ann pulse intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for ann
        expect day 3        acme  ann pulse intent.pricing

        story  a track Pricing or a screen Pricing is no look at prices, their Pricing Viewed is
        watch pulses
        day 1               acme  ann tracks Pricing; ann opens screen Pricing; ann opens page Contact Sales
        day 2               acme  ann opens screen Pricing Viewed
        day 3               acme  ann tracks Pricing Viewed
        expect day 2        acme  ann pulse intent.pricing
        expect day 3        acme  ann pulse intent.pricing
    "

    pricing_is_counted_in_sessions "
        story  29:59 after the last look is the same session, 30:00 a new one
        watch intent.pricing, pulses
        day 1 10:00         acme  ann views pricing
        day 1 10:29:59.999  acme  ann views pricing
        day 1 10:59:59.999  acme  ann views pricing
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:00  acme  ann pulse intent.pricing
        expect day 1 10:59:59.999  acme  ann pulse intent.pricing

        story  three sessions of a user who does not pay fire; two do not
        watch intent.pricing
        day 1               acme  ann, bob use editor
        day 3, 4            acme  ann, bob view pricing
        day 5               acme  ann views pricing
        expect day 3        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  bob intent.pricing 0→1 crossed
        expect day 5        acme  ann intent.pricing 1→2 crossed
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann

        story  a late look may join two sessions: down at the close
        watch intent.pricing, pulses
        day 1               acme  it pays
        day 1 10:00, 10:50  acme  ann views pricing
        day 2 10:00         acme  ann views pricing
        day 1 10:25 arriving day 2 11:00    acme  ann views pricing
        until end of day 2
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:00  acme  ann pulse intent.pricing
        expect day 1 10:50  acme  ann pulse intent.pricing
        expect day 2 10:00  acme  ann intent.pricing 1→2 crossed
        expect day 2 10:00  acme  ann pulse intent.pricing
        expect end of day 2 acme  ann intent.pricing 2→1 closed

        story  each session counts for 30 days after its last look
        watch intent.pricing
        day 1               acme  ann uses editor; it pays
        day 1, 2, 3         acme  ann views pricing
        until day 40
        expect day 1        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann intent.pricing 1→2 crossed
        expect day 31       acme  ann intent.pricing 2→1 lapsed
        expect day 33       acme  ann intent.pricing 1→0 lapsed

        story  a late look whose 30 days are over does nothing, a millisecond before that it counts
        watch intent.pricing, pulses
        day 40              acme  ann, bob use editor
        day 10 11:00 arriving day 40         acme  ann views pricing
        day 10 11:00:00.001 arriving day 40  acme  bob views pricing
        until day 41
        expect day 10 11:00:00.001  acme  bob pulse intent.pricing
        expect day 10 11:00:00.001  acme  bob intent.pricing 0→1 crossed
        expect day 40 11:00:00.001  acme  bob intent.pricing 1→0 lapsed
    "

    a_seen_fact_counts_for_its_time_to_live "
        watch intent.enterprise
        day 1               acme  ann requests SSO
        expect day 1        acme  ann intent.enterprise 0→1 crossed
        expect day 1        acme  HIGH enterprise-request at once for ann

        story  one millisecond before its end it is on
        until day 91 11:59:59.999

        story  at its end it is off
        until day 91
        expect day 91       acme  ann intent.enterprise 1→0 lapsed

        story  seen again it lasts longer
        day 60              acme  ann requests SAML
        until day 149
        until day 150
        expect day 60       acme  HIGH enterprise-request at once for ann
        expect day 150      acme  ann intent.enterprise 1→0 lapsed
    "

    raised_hands_go_out_at_once "
        story  on the day of the sign-up too, and by whomever
        day 1               acme  ann signs up
        day 1 12:05         acme  somebody contacts sales
        day 1 12:06         acme  ann requests SSO
        expect day 1 12:05  acme  HIGH contact-sales at once
        expect day 1 12:06  acme  HIGH enterprise-request at once for ann

        story  a second one within a day is told and rests; the day after it fires
        watch pulses
        day 1               acme  ann requests SSO
        day 2 11:59:59.999  acme  bob requests SAML
        day 2               acme  cy requests SCIM
        expect day 1        acme  ann pulse intent.enterprise enterprise-request
        expect day 1        acme  HIGH enterprise-request at once for ann
        expect day 2 11:59:59.999  acme  bob pulse intent.enterprise enterprise-request
        expect day 2        acme  cy pulse intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for cy

        story  a rested one is not made up for
        day 1               acme  ann contacts sales
        day 2 11:00         acme  bob contacts sales
        until day 5
        expect day 1        acme  HIGH contact-sales at once for ann

        story  the enterprise plan asks for sales, a nightly sync of it does not
        watch pulses
        day 1               acme  it takes plan team
        day 2               acme  it takes plan Enterprise
        day 3–9             acme  it takes plan enterprise
        day 10              acme  it takes plan team
        day 11              acme  ann takes plan ENTERPRISE
        expect day 2        acme  pulse contact-sales
        expect day 2        acme  HIGH contact-sales at once
        expect day 11       acme  ann pulse contact-sales
        expect day 11       acme  HIGH contact-sales at once for ann

        story  the latest plan is that of the latest time, not of the last to arrive
        day 3               acme  it takes plan team
        day 2 arriving day 3 13:00    acme  it takes plan enterprise
    "

    who_looks_at_prices_is_asked_unless_paying "
        day 1               acme  ann, bob use editor
        day 2, 3, 4         acme  ann views pricing

        story  a paying account is left alone
        day 1               acme  it pays

        story  one that stops paying is not; what does not speak of payment changes nothing
        day 1               acme  it pays
        day 5               acme  it takes plan team
        day 6               acme  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  users who turn at the same event are in one handoff
        day 1               acme  it pays
        day 3, 4, 5         acme  bob views pricing
        day 6               acme  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann, bob

        story  a later one waits in silence until the trigger has rested for seven days
        watch holds
        day 6, 7, 8         acme  bob views pricing
        until day 11 11:59:59.999
        until day 11
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob

        story  it is dropped if it is no longer true then
        day 6, 7, 8         acme  bob views pricing
        day 10              acme  it pays
        until day 20
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann

        story  a new edge exactly at the end of the rest fires at once
        day 9, 10, 11       acme  bob views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob

        story  what waited is released by the watermark, not by an event of later time, and false by then it is dropped
        day 9, 10            acme  bob views pricing
        day 11 11:59:59.999  acme  bob views pricing
        day 11 12:10         acme  cy views pricing
        day 11 12:20         acme  it pays
        until day 12
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann

        story  a new edge one millisecond before it waits for the watermark
        day 9, 10           acme  bob views pricing
        day 11 11:59:59.999  acme  bob views pricing
        day 11 12:59:59.999  acme  it is identified
        day 11 13:00         acme  it is identified
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob
    "

    sign_ups_and_usage_guard_outreach "
        story  outreach waits for 24 hours after the sign-up of the user it is about
        day 1               acme  ann uses editor
        day 9 10:00         acme  bob signs up
        day 9 10:00, 11:00, 12:00   acme  bob views pricing
        expect day 9        acme  MEDIUM pricing-sessions due day 11–12 10:00 for bob not before day 10 10:00

        story  of several users the latest sign-up counts
        day 1               acme  ann uses editor; it pays
        day 2, 3, 4         acme  ann views pricing
        day 9 10:00         acme  bob signs up
        day 9 10:00, 10:30, 11:00   acme  bob views pricing
        day 9               acme  it stops paying
        expect day 9        acme  MEDIUM pricing-sessions due day 11–12 10:00 for ann, bob not before day 10 10:00

        story  an account that only looks is held until it does something
        watch holds
        day 1, 2, 3         acme  ann views pricing
        day 5               acme  bob uses editor
        expect day 3        acme  ann held pricing-sessions by usage
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann

        story  usage is activity of the last 28 days
        watch holds
        day 1               acme  ann uses editor
        day 1               zeta  zoe uses editor
        day 26, 27, 28      acme  ann views pricing
        day 27, 28, 29      zeta  zoe views pricing
        expect day 28       acme  MEDIUM pricing-sessions due day 29–30 for ann
        expect day 29       zeta  zoe held pricing-sessions by usage
    "

    at_most_one_medium_or_low_handoff_in_three_days "
        watch holds
        day 1               acme  ann signs up
        day 3               acme  u1–u5 use editor
        expect day 3        acme  MEDIUM five-new-users due day 4–5

        story  the second is held, told once, and fires when three days have passed
        day 3 14:00, 15:00, 16:00     acme  ann views pricing
        until day 6 11:59:59.999
        until day 6
        expect day 3 16:00  acme  ann held pricing-sessions by pacing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  it does not fire if it is no longer true then
        day 3 14:00, 15:00, 16:00     acme  ann views pricing
        day 5               acme  it pays
        until day 20
        expect day 3 16:00  acme  ann held pricing-sessions by pacing

        story  exactly three days later nothing is held
        day 4, 5, 6         acme  ann views pricing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  a raised hand always passes and starts no rest
        day 3 13:00         acme  ann contacts sales
        day 4, 5, 6         acme  ann views pricing
        expect day 3 13:00  acme  HIGH contact-sales at once for ann
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann
    "

    levels_pass_each_other "
        day 1, 8, 15, 22, 29, 36   acme  u1, u2 use editor
        day 8, 15, 22, 29, 36      acme  u3, u4 use editor
        day 15, 22, 29, 36         acme  u5, u6 use editor
        day 22, 29, 36      acme  u7, u8 use editor
        day 29, 36          acme  u9, u10 use editor
        watch holds

        story  medium passes what a low one began
        day 34, 35, 36      acme  u1 views pricing
        expect end of day 35 acme  LOW steady-growth
        expect day 36       acme  MEDIUM pricing-sessions due day 37–38 for u1

        story  low does not pass what a medium one began
        day 33, 34, 35      acme  u1 views pricing
        until day 38
        expect day 35       acme  MEDIUM pricing-sessions due day 36–37 for u1
        expect end of day 35 acme  held steady-growth by pacing
        expect day 38       acme  LOW steady-growth

        story  of two at one instant the more urgent goes out and names the other
        day 35              acme  n1–n6 use editor
        until end of day 35
        figures week 5      acme  wau 16
        expect end of day 35 acme  held steady-growth by pacing
        expect end of day 35 acme  MEDIUM five-new-users due end of day 36–37 also steady-growth
    "

    a_trigger_fires_again_only_after_it_was_false "
        story  five new users fire once while they stay, and again after seven closed days without
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2               acme  a1–a5 use editor
        day 15              acme  b1–b5 use editor
        expect day 2         acme  velocity.user_adds 0→1 crossed
        expect day 2         acme  MEDIUM five-new-users due day 3–4
        expect end of day 8  acme  velocity.user_adds 1→0 closed
        expect day 15        acme  velocity.user_adds 0→1 crossed
        expect day 15        acme  MEDIUM five-new-users due day 16–17

        story  six closed days are too few
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2               acme  a1–a5 use editor
        day 14              acme  b1–b5 use editor
        expect day 2         acme  velocity.user_adds 0→1 crossed
        expect day 2         acme  MEDIUM five-new-users due day 3–4
        expect end of day 8  acme  velocity.user_adds 1→0 closed
        expect day 14        acme  velocity.user_adds 0→1 crossed
    "
}

/// Day 0 of the stories: the day before Monday, 2026-01-05.
const DAY_0: i32 = 20_457;

/// Runs each story of a text, with what is told before the first of them, and compares what came of it with what it
/// expects.
#[track_caller]
fn check(text: &str) {
    let mut stories = text.split("story  ");
    let shared = stories.next().unwrap_or_default();
    for story in stories {
        let (name, told) = story.split_once('\n').unwrap_or((story, ""));
        let story = Story::parse(&format!("{shared}\n{told}")).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let happened = story.run().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        story.compare(name, &happened);
    }
}

/// A story, taken apart.
#[derive(Default)]
struct Story {
    records: Vec<Told>,
    watched: Vec<String>,
    expected: Vec<String>,
    figures: Vec<Figures>,
}

/// A record of the log.
#[derive(Clone)]
struct Told {
    arrives: EventTime,
    event: Value,
    outcome: String,
}

/// What is expected of one row of metrics, which begins with `of`: its figures, or that there is no such row.
struct Figures {
    of: Value,
    expected: Option<BTreeMap<String, String>>,
}

/// What came of a story.
struct Happened {
    lines: Vec<String>,
    rows: Vec<Value>,
}

impl Story {
    fn parse(text: &str) -> Result<Story, String> {
        let mut story = Story::default();
        let mut last: Vec<Told> = Vec::new();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            story.line(line, &mut last).ok_or_else(|| format!("this line is not part of the grammar: {line}"))?;
        }
        story.records.sort_by_key(|told| told.arrives);
        Ok(story)
    }

    /// Takes a line in; none if it is not understood. `last` is what the last line of events told.
    fn line(&mut self, line: &str, last: &mut Vec<Told>) -> Option<()> {
        let (line, outcome) = line.split_once('→').filter(|_| !line.starts_with("expect")).unwrap_or((line, "applied"));
        let outcome = outcome.trim();
        let columns: Vec<&str> = line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
        let Some(first) = columns.first() else { return Some(()) };
        if let Some(what) = first.strip_prefix("watch ") {
            self.watched.extend(what.split(',').map(|name| name.trim().to_owned()));
        } else if line.starts_with("expect ") {
            self.expected.push(line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "));
        } else if let Some(of) = first.strip_prefix("figures ") {
            self.figures.push(Figures::parse(of, columns.get(1)?, columns.get(2)?)?);
        } else if let Some(instant) = first.strip_prefix("until ") {
            let time = parse_instant(instant)?.plus(HOUR_MS);
            let event = json!({"type": "control", "control": "tick", "timestamp": rfc3339(time)});
            self.records.push(Told { arrives: time, event, outcome: outcome.into() });
        } else {
            let (when, arrives) = match first.split_once("arriving") {
                Some((when, arrives)) => (when.trim(), Some(parse_instant(arrives.trim())?)),
                None => (*first, None),
            };
            if when != "again" {
                *last = Story::events(when, columns.get(1)?, columns.get(2)?)?;
                self.number(last);
            }
            last.iter_mut().for_each(|told| told.outcome = outcome.into());
            if let Some(arrives) = arrives {
                last.iter_mut().for_each(|told| {
                    told.arrives = arrives;
                    told.event["receivedAt"] = rfc3339(arrives).into();
                });
            }
            self.records.extend(last.iter().cloned());
        }
        Some(())
    }

    /// The events of a line: each clause on each day.
    fn events(when: &str, account: &str, clauses: &str) -> Option<Vec<Told>> {
        let mut events = Vec::new();
        for time in parse_instants(when)? {
            for clause in clauses.split(';') {
                for mut event in parse_clause(clause.trim())? {
                    event["context"] = json!({"groupId": account});
                    event["timestamp"] = rfc3339(time).into();
                    events.push(Told { arrives: time, event, outcome: String::new() });
                }
            }
        }
        Some(events)
    }

    fn number(&self, events: &mut [Told]) {
        for (number, told) in (self.records.len()..).zip(events) {
            told.event["messageId"] = format!("m{number}").into();
        }
    }

    /// Folds the story's log.
    fn run(&self) -> Result<Happened, String> {
        let mut partition = Partition::new(rules::default_plan());
        let mut effects = Effects::with_metrics();
        let (mut lines, mut rows) = (Vec::new(), Vec::new());
        for (offset, told) in (0..).zip(&self.records) {
            let bytes = told.event.to_string().into_bytes();
            for decoded in wire::decode(wire::Format::Json, &bytes) {
                let outcome = partition.apply_one(Record { offset, time: None }, 0, &decoded, &mut effects);
                if outcome.word() != told.outcome {
                    return Err(format!("{} is {}, not {}", told.event, outcome.word(), told.outcome));
                }
            }
            let signals = effects.signals.iter().filter(|message| self.watches(message));
            lines.extend(signals.map(|message| (message.at, say_signal(message))));
            lines.extend(effects.handoffs.iter().map(|handoff| (handoff.at, say_handoff(handoff))));
            let new_rows = effects.metrics.iter().flatten().map(serde_json::to_value);
            rows.extend(new_rows.map(|row| row.expect("rows have a JSON form")));
            effects.clear();
        }
        lines.sort_by_key(|(at, _)| *at);
        Ok(Happened { lines: lines.into_iter().map(|(_, line)| line).collect(), rows })
    }

    #[track_caller]
    fn compare(&self, name: &str, happened: &Happened) {
        let (mut expected, mut found) = (self.expected.clone(), happened.lines.clone());
        expected.sort_unstable();
        found.sort_unstable();
        let without = |of: &[String], without: &[String]| -> Vec<String> {
            of.iter().filter(|line| !without.contains(line)).cloned().collect()
        };
        let figures: Vec<String> = self.figures.iter().filter_map(|figures| figures.differ(&happened.rows)).collect();
        assert!(
            expected == found && figures.is_empty(),
            "{name}\nexpected, but did not happen: {:#?}\nhappened, but was not expected: {:#?}\n\
             figures that differ: {figures:#?}\nall that happened: {:#?}",
            without(&expected, &found),
            without(&found, &expected),
            happened.lines
        );
    }

    fn watches(&self, message: &SignalMessage) -> bool {
        let name = match &message.kind {
            SignalKind::Changed(change) => &*change.signal,
            SignalKind::Pulse { .. } => "pulses",
            SignalKind::Held { .. } => "holds",
        };
        self.watched.iter().any(|watched| watched == name)
    }
}

impl Figures {
    fn parse(of: &str, account: &str, text: &str) -> Option<Figures> {
        let of = match of.split_once(' ')? {
            ("day", day) => {
                json!({"kind": "day", "account": account, "day": Day(DAY_0 + day.parse::<i32>().ok()?).to_string()})
            }
            ("week", week) => {
                let sunday = Day(DAY_0 + 7 * week.parse::<i32>().ok()?);
                json!({"kind": "week", "account": account, "week": sunday.week().to_string()})
            }
            _ => return None,
        };
        let figure = |text: &str| text.trim().split_once(' ').map(|(name, value)| (name.into(), value.into()));
        let expected = if text == "none" { None } else { Some(text.split(',').map(figure).collect::<Option<_>>()?) };
        Some(Figures { of, expected })
    }

    /// How the rows differ from what is expected, if they do.
    fn differ(&self, rows: &[Value]) -> Option<String> {
        let is_meant = |row: &&Value| self.of.as_object().is_some_and(|of| of.iter().all(|(key, is)| row[key] == *is));
        let row = rows.iter().find(is_meant);
        let agrees = match (&self.expected, row) {
            (None, None) => true,
            (Some(expected), Some(row)) => expected.iter().all(|(name, value)| is_figure(row.get(name), value)),
            _ => false,
        };
        let found = || row.map_or("no such row".to_owned(), Value::to_string);
        (!agrees).then(|| format!("{}: expected {:?}, found {}", self.of, self.expected, found()))
    }
}

/// Whether a figure is what was written of it, to as many digits.
fn is_figure(found: Option<&Value>, written: &str) -> bool {
    let digits = written.split_once('.').map_or(0, |(_, digits)| digits.len());
    match found {
        Some(Value::Null) => written == "unknown",
        Some(found) => found.as_f64().is_some_and(|number| format!("{number:.digits$}") == written),
        None => false,
    }
}

/// The events of `ann, u1–u3 use editor`, without account and time.
fn parse_clause(clause: &str) -> Option<Vec<Value>> {
    let mut words = clause.split(' ');
    let mut users = Vec::new();
    for word in words.by_ref() {
        users.extend(parse_users(word.trim_end_matches(','))?);
        if !word.ends_with(',') {
            break;
        }
    }
    let verb = words.next()?;
    let object = words.collect::<Vec<_>>().join(" ");
    let track = |name: &str, properties: Value| json!({"type": "track", "event": name, "properties": properties});
    let event = match (verb, object.split_once(' ').unwrap_or((&object, ""))) {
        ("signs" | "sign", ("up", "")) => track("Signed Up", json!({})),
        ("uses" | "use", _) => track("Feature Used", json!({"feature": object})),
        ("views" | "view", ("pricing", "")) => json!({"type": "page", "name": "Pricing"}),
        ("requests" | "request", _) => track("Enterprise Feature Requested", json!({"feature": object})),
        ("contacts" | "contact", ("sales", "")) => track("Contact Sales", json!({})),
        ("tracks" | "track", _) => track(&object, json!({})),
        ("opens" | "open", (kind @ ("page" | "screen"), name)) => json!({"type": kind, "name": name}),
        ("is" | "are", ("identified", "")) => json!({"type": "identify"}),
        ("takes", ("plan", plan)) => track("Subscription Changed", json!({"plan": plan})),
        ("pays", ("", "")) => track("Subscription Changed", json!({"paid": true})),
        ("stops", ("paying", "")) => track("Subscription Changed", json!({"paid": false})),
        ("was", ("created", when)) => {
            json!({"type": "group", "traits": {"createdAt": rfc3339(parse_instant(when)?)}})
        }
        _ => return None,
    };
    let by = |user: String| {
        let mut event = event.clone();
        if !matches!(&*user, "it" | "somebody") {
            event["userId"] = user.into();
        }
        event
    };
    Some(users.into_iter().map(by).collect())
}

/// `ann`, or `u1–u3`: u1, u2, u3.
fn parse_users(text: &str) -> Option<Vec<String>> {
    let Some((first, last)) = text.split_once('–') else { return Some(vec![text.to_owned()]) };
    let name = first.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = |text: &str| text.strip_prefix(name)?.parse::<u32>().ok();
    Some((number(first)?..=number(last)?).map(|number| format!("{name}{number}")).collect())
}

/// `day 1, 3–5 10:00, 11:00`: each of the times on each of the days.
fn parse_instants(text: &str) -> Option<Vec<EventTime>> {
    if text.starts_with("end of") {
        return parse_instant(text).map(|instant| vec![instant]);
    }
    let (mut days, mut clocks) = (Vec::new(), Vec::new());
    for word in text.strip_prefix("day ")?.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.contains(':') {
            clocks.push(parse_clock(word)?);
        } else {
            let (first, last) = word.split_once('–').unwrap_or((word, word));
            days.extend(first.parse::<i32>().ok()?..=last.parse().ok()?);
        }
    }
    if clocks.is_empty() {
        clocks.push(12 * HOUR_MS);
    }
    let on = |day: i32| clocks.iter().map(move |clock| Day(DAY_0 + day).start().plus(*clock));
    Some(days.into_iter().flat_map(on).collect())
}

/// `day 8`, `day 8 10:00`, `end of day 8`.
fn parse_instant(text: &str) -> Option<EventTime> {
    if let Some(day) = text.strip_prefix("end of day ") {
        return Some(Day(DAY_0 + day.parse::<i32>().ok()?).end());
    }
    parse_instants(text)?.first().copied()
}

/// `10:00`, `10:00:00` or `10:00:00.001`, in milliseconds.
fn parse_clock(text: &str) -> Option<i64> {
    let time: jiff::civil::Time = text.parse().ok()?;
    Some(
        (i64::from(time.hour()) * 60 + i64::from(time.minute())) * MINUTE_MS
            + i64::from(time.second()) * 1_000
            + i64::from(time.millisecond()),
    )
}

fn rfc3339(time: EventTime) -> String {
    jiff::Timestamp::from_millisecond(time.0).expect("stories are told of our time").to_string()
}

/// The day as a story counts it, its clock if it is not noon, and whether it is the midnight after it.
fn day_and_clock(time: EventTime) -> (i32, String, bool) {
    let (day, ms) = (time.day().0 - DAY_0, time.0.rem_euclid(DAY_MS));
    let (seconds, millis) = (ms / 1_000 % 60, ms % 1_000);
    let mut clock = format!(" {:02}:{:02}", ms / HOUR_MS, ms / MINUTE_MS % 60);
    if seconds > 0 || millis > 0 {
        clock += &format!(":{seconds:02}");
    }
    if millis > 0 {
        clock += &format!(".{millis:03}");
    }
    match ms {
        0 => (day - 1, String::new(), true),
        ms if ms == 12 * HOUR_MS => (day, String::new(), false),
        _ => (day, clock, false),
    }
}

fn say_instant(time: EventTime) -> String {
    let (day, clock, ends) = day_and_clock(time);
    format!("{}day {day}{clock}", if ends { "end of " } else { "" })
}

/// Two instants of the same clock time: `day 8–9 10:00`.
fn say_span(from: EventTime, to: EventTime) -> String {
    let ((first, clock, ends), (last, ..)) = (day_and_clock(from), day_and_clock(to));
    format!("{}day {first}–{last}{clock}", if ends { "end of " } else { "" })
}

fn say_handoff(handoff: &Handoff) -> String {
    let Handoff { account, trigger, at, .. } = handoff;
    assert_eq!(handoff.id, HandoffId::new(account, trigger, *at), "the id names another episode");
    assert!(!handoff.why.is_empty() && !handoff.facts.is_empty(), "a handoff says why: {handoff:?}");
    assert!(handoff.facts.iter().all(|fact| fact.at <= *at), "a handoff rests on what was: {handoff:?}");
    let level = match handoff.level {
        Level::High => "HIGH",
        Level::Medium => "MEDIUM",
        Level::Low => "LOW",
    };
    let mut line = format!("{} {account} {level} {trigger}", say_instant(*at));
    match (handoff.due_from, handoff.due) {
        (Some(from), Some(by)) => line += &format!(" due {}", say_span(from, by)),
        (None, Some(by)) if by == *at => line += " at once",
        (None, Some(by)) => line += &format!(" due {}", say_instant(by)),
        _ => {}
    }
    if !handoff.user_ids.is_empty() {
        line += &format!(" for {}", handoff.user_ids.join(", "));
    }
    if !handoff.also.is_empty() {
        line += &format!(" also {}", handoff.also.join(", "));
    }
    if handoff.not_before > *at {
        line += &format!(" not before {}", say_instant(handoff.not_before));
    }
    line
}

fn say_signal(message: &SignalMessage) -> String {
    let who = if message.user.is_empty() { String::new() } else { format!("{} ", message.user) };
    let what = match &message.kind {
        SignalKind::Changed(change) => {
            let reason = match change.reason {
                Reason::Crossed => "crossed",
                Reason::Lapsed => "lapsed",
                Reason::Closed => "closed",
                Reason::Forgotten => "forgotten",
            };
            format!("{} {}→{} {reason}", change.signal, change.before, change.after)
        }
        SignalKind::Pulse { signal, trigger } => {
            let names: Vec<&str> = signal.iter().chain(trigger).map(|name| &**name).collect();
            format!("pulse {}", names.join(" "))
        }
        SignalKind::Held { trigger, rail } => format!("held {trigger} by {}", rail.word()),
    };
    format!("{} {} {who}{what}", say_instant(message.at), message.account)
}
