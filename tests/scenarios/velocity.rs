//! Scenarios of velocity signals: new users, activation, stickiness, growth, spikes, inactivity.

stories! {
    new_users_count_at_once "
        proves  velocity.user_adds, five-new-users, D24, C9, C20, C21, C23, C24, C25
        story  a spike is known three weeks after the founding day
        rules  triggers +: {id: own, level: high, cooldown: 1d, when: spike_known}
        day 1, 20           acme  ann uses editor
        until end of day 23
        expect end of day 22 acme  HIGH own at once

        story  four new users are not enough
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2–5             acme  ann uses editor
        day 2               acme  bob uses editor
        day 3               acme  cy, dee use editor
        day 9               acme  eve, fay use editor    # bob's day is the eighth back
        until end of day 20

        story  the fifth new user turns it on at once; it turns off at the close at which they have left the window
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2 10:00         acme  bob, cy, dee use editor
        day 8 10:00         acme  eve, fay use editor
        until end of day 8
        expect day 8 10:00  acme  velocity.user_adds 0→1 crossed
        expect day 8 10:00  acme  MEDIUM five-new-users due day 9–10 10:00
        expect end of day 8 acme  velocity.user_adds 1→0 closed

        story  founders are not new users
        watch velocity.user_adds
        day 1               acme  ann signs up; u1–u9 use editor
        until end of day 3

        story  a new user who arrives late counts only for the current seven days
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 2               acme  u1–u4 use editor
        day 9               acme  ann uses editor
        day 3 arriving day 9 13:00    acme  u5 uses editor
        until end of day 9
        figures day 9       acme  new_users_7d 1

        story  no outreach within 24 hours of the account's first event
        day 1 10:00         acme  ann signs up
        day 2 09:00         acme  u1–u5 use editor
        expect day 2 09:00  acme  MEDIUM five-new-users due day 3–4 10:00 not before day 2 10:00

        story  five new users after two every week are not a spike
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 4               acme  a1, a2 use editor
        day 11              acme  b1, b2 use editor
        day 18              acme  c1, c2 use editor
        day 25              acme  d1–d5 use editor
        until end of day 30
        expect day 25        acme  velocity.user_adds 0→1 crossed

        story  five new users after weeks without any are a spike: two rungs, one change each
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 23              acme  u1–u5 use editor
        until end of day 23
        expect day 23        acme  velocity.user_adds 0→1 crossed
        expect end of day 23 acme  velocity.user_adds 1→2 closed
        expect end of day 23 acme  MEDIUM five-new-users due end of day 24–25

        story  five new users after one are not a spike: 0.0024 is not below 0.0005
        watch velocity.user_adds
        day 1               acme  ann signs up
        day 9               acme  bob uses editor
        day 23              acme  u1–u5 use editor
        until end of day 23
        figures day 23      acme  new_users_7d 5
        expect day 23       acme  velocity.user_adds 0→1 crossed

        story  a spike is known 21 days after the founding day
        day 1               acme  ann signs up
        until end of day 22
        figures day 21      acme  spike_p unknown
        figures day 22      acme  spike_p 1
    "

    stickiness_is_the_share_of_days "
        proves  velocity.stickiness, C5, C6, C7
        story  a share of exactly one half is not above it
        watch velocity.stickiness
        day 1–4             acme  ann uses editor
        day 1–3             acme  bob uses editor
        until end of day 7
        figures day 6       acme  stickiness unknown
        figures day 7       acme  stickiness 0.5
        expect end of day 7 acme  ann velocity.stickiness 0→2 closed
        expect end of day 7 acme  bob velocity.stickiness 0→1 closed
        expect end of day 7 acme  velocity.stickiness 0→1 closed

        story  one more day is above one half
        watch velocity.stickiness
        day 1–4             acme  ann, bob use editor
        until end of day 7
        expect end of day 7 acme  ann velocity.stickiness 0→2 closed
        expect end of day 7 acme  bob velocity.stickiness 0→2 closed
        expect end of day 7 acme  velocity.stickiness 0→2 closed

        story  it rises without activity when the day of a member who left leaves the month
        rules  signals velocity.stickiness scopes: [account]
        watch velocity.stickiness
        day 1               acme  bob uses editor
        day 2               acme  ann removes bob
        day 2–13            acme  ann uses editor
        until end of day 30
        figures day 28      acme  stickiness 0.232
        figures day 29      acme  stickiness 0.429
        expect end of day 7  acme  velocity.stickiness 0→1 closed
        expect end of day 22 acme  velocity.stickiness 1→0 closed
        expect end of day 29 acme  velocity.stickiness 0→1 closed

        story  a share of exactly 0.3 is not above it
        watch velocity.stickiness
        day 1–2             acme  u1–u10 use editor
        day 3               acme  u1 uses editor
        until end of day 7
        figures day 7       acme  stickiness 0.3
        expect end of day 7 acme  u1 velocity.stickiness 0→1 closed

        story  the days of a user are counted from the first active day
        watch velocity.stickiness
        day 1, 8, 9         acme  ann uses editor
        until end of day 10
        expect end of day 9 acme  ann velocity.stickiness 0→1 closed
        expect end of day 9 acme  velocity.stickiness 0→1 closed
        expect end of day 10 acme  ann velocity.stickiness 1→0 closed
        expect end of day 10 acme  velocity.stickiness 1→0 closed
    "

    five_active_days_of_seven_turn_frequency_on "
        proves  velocity.frequency, E9
        story  the fifth active day turns it on at once
        watch velocity.frequency
        day 1, 2, 4, 6      acme  ann, bob use editor
        day 7 08:00         acme  ann uses editor
        day 8               acme  bob uses editor     # his day 1 is the eighth back
        until day 8 18:00
        expect day 7 08:00  acme  ann velocity.frequency 0→1 crossed
        expect end of day 7 acme  ann velocity.frequency 1→0 closed
    "

    // Weekly active users 2, 4, 6, and then as each story says.
    growing_accounts_fire_low "
        proves  velocity.growth, steady-growth, D12, C15
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

        story  growth ends with the first week without growth
        day 22              acme  u7, u8 use editor
        watch velocity.growth
        until end of day 35
        figures week 5      acme  wau 6, growth -0.25, streak 0
        expect end of day 28 acme  velocity.growth 0→1 closed
        expect end of day 35 acme  velocity.growth 1→0 closed
    "

    a_trend_needs_weeks_and_steepness "
        proves  velocity.growth, C10, C11, C12, C13, C14, C17
        story  two weeks of increase need a steeper slope: 2, 2, 5, 7 has z = 3.29
        day 1, 8, 15, 22    acme  u1, u2 use editor
        day 15, 22          acme  u3–u5 use editor
        day 22              acme  u6, u7 use editor
        watch velocity.growth
        until end of day 28
        figures week 4      acme  wau 7, streak 2, slope_z 3.29

        story  1, 1, 4, 7 has z = 3.55
        day 1, 8, 15, 22    acme  u1 uses editor
        day 15, 22          acme  u2–u4 use editor
        day 22              acme  u5–u7 use editor
        watch velocity.growth
        until end of day 28
        figures week 4      acme  wau 7, streak 2, slope_z 3.55
        expect end of day 28 acme  velocity.growth 0→1 closed

        story  a week that began before the founding day is not complete
        day 2, 8, 15, 22    acme  u1, u2 use editor
        day 8, 15, 22       acme  u3, u4 use editor
        day 15, 22          acme  u5, u6 use editor
        day 22              acme  u7, u8 use editor
        watch velocity.growth
        until end of day 28
        figures week 1      acme  none
        figures week 2      acme  wau 4, growth unknown, streak unknown
        figures week 4      acme  wau 8, streak 2, slope_z unknown

        story  late events correct earlier weeks: published rows stay, streaks change
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

        story  a user with 1, 3, 5, 7 active days a week is growing
        day 1, 8–10, 15–19, 22–28  acme  ann uses editor
        watch velocity.growth
        until end of day 28
        expect end of day 28 acme  ann velocity.growth 0→1 closed
        expect end of day 28 acme LOW user-warm for ann

        story  1, 3, 5, 6 is not steep enough: z = 2.83
        day 1, 8–10, 15–19, 22–27  acme  ann uses editor
        watch velocity.growth
        until end of day 28

        story  a decline of a user needs two active days a week less: 2, 2, 2, 1 is one less
        watch negative.declining
        day 1, 2, 8, 9, 15, 16, 22  acme  ann uses editor
        until end of day 28

        story  one week of increase is enough with z of 3.5 or more: 1, 1, 6, 7
        day 1, 8, 15–20, 22–28     acme  ann uses editor
        watch velocity.growth
        until end of day 28
        expect end of day 28 acme  ann velocity.growth 0→1 closed
        expect end of day 28 acme LOW user-warm for ann
    "

    growth_needs_two_weeks_above_the_base_level "
        proves  velocity.growth, steady-growth, C13, C17
        day 1, 8, 15, 22, 29, 36, 43, 50, 57  acme  u1–u3 use editor
        watch velocity.growth

        story  5 and 7 are growth at a base level of 3
        day 50, 57          acme  n1, n2 use editor
        day 57              acme  n3, n4 use editor
        until end of day 63
        figures week 8      acme  wau 5, base 3, growing no, declining unknown
        figures week 9      acme  wau 7, base 3, growing yes, declining unknown
        expect end of day 63 acme  velocity.growth 0→1 closed with figure 7
        expect end of day 63 acme  LOW steady-growth with why 5 and 7 weekly active users; 3 is usual

        story  5 and 6 are not enough together
        day 50, 57          acme  n1, n2 use editor
        day 57              acme  n3 uses editor
        until end of day 63
        figures week 9      acme  wau 6, base 3, growing no

        story  one week above the base level is not enough
        day 50, 57          acme  n1 uses editor
        day 57              acme  n2–n5 use editor
        until end of day 63
        figures week 9      acme  wau 8, base 3, growing no

        story  a week that a late event corrects counts at once
        rules  triggers steady-growth when: weekly_users[0] >= 4
        day 64              other  x uses editor
        day 57 arriving day 65  acme  n1 uses editor
        until end of day 65
        figures week 9      acme  wau 3
        expect day 57       acme  LOW steady-growth

        story  growth ends with the first week that is not above the base level
        day 50, 57          acme  n1, n2 use editor
        day 57              acme  n3, n4 use editor
        day 64              acme  u1–u3 use editor
        until end of day 70
        figures week 10     acme  wau 3, base 3, growing no, declining no
        expect end of day 63 acme  velocity.growth 0→1 closed
        expect end of day 63 acme  LOW steady-growth
        expect end of day 70 acme  velocity.growth 1→0 closed
    "

    a_decline_needs_four_weeks_below_the_base_level "
        proves  negative.declining, C13, C15, C16
        day 1, 8, 15, 22, 29, 36, 43, 50, 57  acme  u1–u10 use editor
        watch velocity.growth, negative.declining

        story  four weeks at 6 are a decline at a base level of 10, until the account is inactive
        day 64, 71, 78, 85  acme  u1–u6 use editor
        until end of day 98
        figures week 7      acme  base 10, growing no, declining unknown
        figures week 12     acme  wau 6, base 10, declining no
        figures week 13     acme  wau 6, base 10, declining yes
        expect end of day 91 acme  negative.declining 0→1 closed with figure 6
        expect end of day 92 acme  negative.declining 1→0 closed

        story  7 is more than 60 percent of the base level
        day 64, 71, 78, 85  acme  u1–u7 use editor
        until end of day 91
        figures week 13     acme  wau 7, base 10, declining no

        story  a holiday of three weeks is not a decline
        day 64, 71, 78      acme  u1, u2 use editor
        day 85              acme  u1–u10 use editor
        until end of day 91
    "

    users_can_decline "
        proves  negative.declining, C14, C16
        story  a user declines by active days, until inactive
        day 1–7, 8–12, 15–17, 22   acme  ann uses editor
        day 1, 8, 15, 22, 29, 36   acme  bob uses editor
        watch negative.declining
        until end of day 36
        expect end of day 28 acme  ann negative.declining 0→1 closed
        expect end of day 29 acme  ann negative.declining 1→0 closed
    "

    users_without_activity_are_inactive "
        proves  negative.inactive, E10
        story  a user is inactive after seven days, once per absence, until the next meaningful event
        watch negative.inactive
        day 1, 2            acme  ann uses editor
        day 1–20            acme  bob uses editor
        day 11              acme  ann opens page Home; ann views pricing
        day 15 08:00        acme  ann uses editor
        until end of day 20
        expect end of day 9 acme  ann negative.inactive 0→1 closed
        expect day 15 08:00 acme  ann negative.inactive 1→0 crossed

        story  six days without activity are not enough
        watch negative.inactive
        day 1, 8            acme  ann uses editor
        until end of day 14

        story  a user who is active on a later day is not inactive
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

        story  each of two signals of absence is published for itself
        rules  signals +: {id: mine.gone, kind: idle, scopes: [user], days: 28}
        watch negative.inactive, mine.gone
        day 1, 40           acme  ann uses editor
        until day 41
        expect end of day 8 acme  ann negative.inactive 0→1 closed
        expect day 40       acme  ann negative.inactive 1→0 crossed

        story  of two signals of absence, only the one that was not published is published later
        rules  signals +: {id: mine.gone, kind: idle, scopes: [user], days: 28}
        watch negative.inactive, mine.gone
        day 1               acme  ann, bob use editor
        day 40              acme  bob uses editor
        until day 41
        expect end of day 8 acme  ann negative.inactive 0→1 closed
        expect end of day 8 acme  bob negative.inactive 0→1 closed
        expect day 40       acme  bob negative.inactive 1→0 crossed
        expect end of day 40 acme  ann mine.gone 0→1 closed

        story  users of an account without active users are not published
        watch negative.inactive
        day 60              acme  it is identified
        day 20 arriving day 60        acme  ann uses editor
        until end of day 80
    "

    activation_within_an_hour_of_sign_up_counts "
        proves  velocity.activation, E8
        watch velocity.activation

        story  an activation 59:59.999 after sign-up counts
        day 1 10:00         acme  ann signs up
        day 1 10:59:59.999  acme  ann activates
        expect day 1 10:59:59.999  acme  ann velocity.activation 0→1 crossed

        story  an activation one hour after sign-up does not count
        day 1 10:00         acme  ann signs up
        day 1 11:00         acme  ann activates

        story  an activation before sign-up does not count, one at the same instant does
        day 1 10:00         acme  ann activates; bob activates
        day 1 10:00         acme  bob signs up
        day 1 10:00:00.001  acme  ann signs up
        expect day 1 10:00  acme  bob velocity.activation 0→1 crossed

        story  the order of arrival does not matter
        day 1 09:00         acme  cy signs up
        day 1 10:30         acme  ann activates
        day 1 10:00 arriving day 1 10:40     acme  ann signs up
        expect day 1 10:30  acme  ann velocity.activation 0→1 crossed

        story  earlier activations do not matter, and the sign-up may arrive later
        day 1               acme  cy signs up
        day 2–17            acme  ann activates
        day 20 01:00        acme  ann signs up
        day 20 01:05        acme  ann activates
        expect day 20 01:05 acme  ann velocity.activation 0→1 crossed

        story  later activations do not matter
        day 1               acme  cy signs up
        day 2–17            acme  ann activates
        day 1 13:00 arriving day 18    acme  ann signs up
        day 1 13:05 arriving day 18    acme  ann activates
        expect end of day 8 acme  ann velocity.activation 0→1 crossed

        story  without a sign-up it is unknown
        day 1               acme  cy signs up; ann activates

        story  for an account from before the log it is unknown
        day 1               acme  cy uses editor
        day 5               acme  ann signs up; ann activates
    "

    meters_have_spikes "
        proves  velocity.volume, C27, C30
        watch velocity.volume
        day 1               acme  ann uses editor

        story  five calls after eight weeks without any are not a spike
        day 64              acme  ann calls API ×5
        until end of day 64

        story  six calls are a spike until they have left the window; calls without a user count
        day 64              acme  ann calls API ×2; somebody calls API ×4
        until end of day 70
        until end of day 71
        expect end of day 64 acme velocity.volume 0→1 closed
        expect end of day 71 acme velocity.volume 1→0 closed

        story  with seven weeks it is unknown
        day 63              acme  ann calls API ×6
        until end of day 63

        story  one day later eight weeks are known
        day 63              acme  ann calls API ×6
        until end of day 64
        expect end of day 64 acme velocity.volume 0→1 closed

        story  28 calls after ten a week are not a spike
        day 2, 9, 16, 23, 30, 37, 44, 51   acme  somebody calls API ×10
        day 64              acme  somebody calls API ×28
        until end of day 64

        story  29 calls are a spike
        day 2, 9, 16, 23, 30, 37, 44, 51   acme  somebody calls API ×10
        day 64              acme  somebody calls API ×29
        until end of day 64
        expect end of day 64 acme velocity.volume 0→1 closed
    "

    a_test_of_significance_can_be_left_out "
        proves  C31

        story  with `significance: none` three weeks of increase are enough
        rules  signals velocity.growth significance: none
        watch velocity.growth
        day 1, 8, 15, 22    acme  u1–u9 use editor
        day 8, 15, 22       acme  u10 uses editor
        day 15, 22          acme  u11 uses editor
        day 22              acme  u12 uses editor
        until end of day 21
        until end of day 28
        expect end of day 28 acme velocity.growth 0→1 closed
    "
}
