//! Scenarios of time: closes, late events, duplicates, lives of users and accounts, warm-up, activation of rules.

stories! {
    days_close_when_the_watermark_reaches_their_end "
        proves  A3, A7
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

    all_closes_between_two_records_run "
        proves  A18
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

    events_from_the_future_and_too_late_events_are_dead_lettered "
        proves  A8, A11, A12, topic dead-letter
        story  an event five minutes ahead of its record is applied
        day 1 10:05 arriving day 1 10:00          acme  ann contacts sales
        expect day 1 10:05  acme  HIGH contact-sales at once for ann

        story  one millisecond more is from the future, and does not move the watermark
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

    duplicates_are_dropped "
        proves  A20, A24
        story  a duplicate within the window changes nothing
        watch occurrences
        day 1 10:00         acme  ann contacts sales
        again               → duplicate
        again arriving day 1 10:30   → duplicate
        expect day 1 10:00  acme  ann occurrence contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann

        story  exactly one window later a duplicate is detected
        day 1 11:00         acme  bob uses editor
        day 1 10:00         acme  ann uses editor
        again arriving day 1 11:00   → duplicate

        story  one millisecond later it is not
        watch occurrences
        day 1 11:00:00.001  acme  bob uses editor
        day 1 10:00         acme  ann contacts sales
        again arriving day 1 11:00:00.001
        expect day 1 10:00  acme  ann occurrence contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann
        expect day 1 11:00:00.001  acme  ann occurrence contact-sales
    "

    effects_of_an_account_never_go_back_in_time "
        proves  A17
        story  effects of a late event have the time of the last effect
        watch occurrences
        day 3               acme  ann contacts sales
        day 2 arriving day 3 13:00     acme  bob requests SSO
        day 2 arriving day 3 13:00     zeta  zoe requests SSO
        expect day 2        zeta  zoe occurrence intent.enterprise enterprise-request
        expect day 2        zeta  HIGH enterprise-request at once for zoe
        expect day 3        acme  ann occurrence contact-sales
        expect day 3        acme  HIGH contact-sales at once for ann
        expect day 3        acme  bob occurrence intent.enterprise enterprise-request
        expect day 3        acme  HIGH enterprise-request at once for bob

        story  a raised hand of seven days ago fires, an older one is published as an occurrence only
        watch occurrences
        day 20              acme  it is identified
        day 13 11:00 arriving day 20 12:01            acme  ann contacts sales
        day 13 10:59:59.999 arriving day 20 12:01     zeta  zoe contacts sales
        expect day 13 10:59:59.999  zeta  zoe occurrence contact-sales
        expect day 13 11:00         acme  ann occurrence contact-sales
        expect day 13 11:00         acme  HIGH contact-sales at once for ann
    "

    users_count_from_their_first_meaningful_event "
        proves  B1, B3, B4, B6, B7, B9, B12
        story  profiles, groups, pages and views of pricing are not activity and do not found an account
        day 1               acme  ann is identified; it was created day 1; bob views pricing; it pays
        day 2               acme  ann opens page Home; ann opens screen Home
        day 3               acme  cy uses editor
        day 4               acme  ann tracks Something Unmapped
        until end of day 4
        figures day 2       acme  none
        figures day 3       acme  dau 1, mau 1, new_users 0
        figures day 4       acme  dau 1, mau 2, new_users 1

        story  the same id in two accounts is two users, and an event without a user adds none
        day 1               acme  ann uses editor; somebody uses editor
        day 2               zeta  ann uses editor
        until end of day 2
        figures day 2       acme  dau 0, mau 1
        figures day 2       zeta  dau 1, mau 1

        story  an earlier event that arrives late moves the founding day back, and the former founder becomes a new user
        day 5               acme  ann, bob use editor
        until end of day 6
        day 4 arriving day 7          acme  cy uses editor
        until end of day 7
        figures day 5       acme  new_users 0, new_users_7d 0
        figures day 7       acme  mau 3, new_users_7d 2

        story  a user back after 400 days is the same user
        day 1               acme  ann uses editor
        day 1–402           acme  bob uses editor
        day 401             acme  ann uses editor
        until end of day 401
        figures day 401     acme  dau 2, new_users 0

        story  a user back after 401 days is a new user
        day 1               acme  ann uses editor
        day 1–402           acme  bob uses editor
        day 402             acme  ann uses editor
        until end of day 402
        figures day 402     acme  dau 2, new_users 1

        story  an account that was inactive for 401 days is founded again
        day 1, 402          acme  ann uses editor
        day 402             acme  cy uses editor
        until end of day 408
        figures day 402     acme  mau 2, new_users 0
        figures day 407     acme  stickiness unknown
        figures day 408     acme  stickiness 0.143

        story  a forgotten user loses all signals, 401 days after the last active day
        watch negative.inactive
        day 1               acme  ann uses editor
        day 1–20            acme  bob uses editor
        until day 401 23:59:59.999
        until end of day 401
        expect end of day 8   acme  ann negative.inactive 0→1 closed
        expect end of day 27  acme  bob negative.inactive 0→1 closed
        expect end of day 401 acme  ann negative.inactive 1→0 forgotten
    "

    accounts_from_before_the_log_warm_up "
        proves  B17
        day 2               acme  u1–u5 use editor
        until end of day 2
        watch velocity.user_adds

        story  for an account from before the log, new users are unknown
        day 1               acme  ann uses editor
        figures day 2       acme  new_users 5, new_users_7d 5

        story  a sign-up shows that the account is new
        day 1               acme  ann signs up
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4

        story  a creation less than 24 hours away shows that the account is new
        day 1               acme  ann uses editor; it was created end of day 1
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4

        story  the creation may be in seconds or milliseconds since 1970
        day 1               acme  ann uses editor; it has createdAt 1767657600
        day 2               zeta  z1–z5 use editor
        day 1               zeta  zoe uses editor; it has createdAt 1767657600000
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4
        expect day 2        zeta  velocity.user_adds 0→1 crossed
        expect day 2        zeta  MEDIUM five-new-users due day 3–4

        story  a creation 24 hours away does not
        day 1               acme  ann uses editor; it was created day 2
    "

    warm_up_lasts_28_days "
        proves  B17
        story  users who arrive during the warm-up never count as new
        watch velocity.user_adds
        day 1               acme  ann uses editor
        day 28              acme  u1–u4 use editor
        day 29              acme  u5 uses editor
        until end of day 40

        story  users who arrive after the warm-up count as new
        watch velocity.user_adds
        day 1               acme  ann uses editor
        day 29              acme  u1–u5 use editor
        until end of day 29
        expect day 29       acme  velocity.user_adds 0→1 crossed
        expect end of day 29 acme  velocity.user_adds 1→2 closed
        expect end of day 29 acme  MEDIUM five-new-users due end of day 30–31

        story  an account founded more than 28 days after the beginning of the log has no warm-up
        day 1               other  olga uses editor
        day 29              early  ann uses editor
        day 30              acme   ann uses editor
        day 31              early  u1–u5 use editor
        day 31              acme   u1–u5 use editor
        until day 32
        expect day 31       acme  MEDIUM five-new-users due day 32–33
    "

    the_name_and_type_of_an_event_decide_its_role "
        proves  B1
        story  names match without regard to case
        watch occurrences
        day 1               acme  ann tracks contact SALES
        day 2               acme  ann tracks enterprise feature requested
        day 3               acme  ann opens page pricing
        expect day 1        acme  ann occurrence contact-sales
        expect day 1        acme  HIGH contact-sales at once for ann
        expect day 2        acme  ann occurrence intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for ann
        expect day 3        acme  ann occurrence intent.pricing

        story  a track or screen named Pricing is not a view of pricing, Pricing Viewed is
        watch occurrences
        day 1               acme  ann tracks Pricing; ann opens screen Pricing; ann opens page Contact Sales
        day 2               acme  ann opens screen Pricing Viewed
        day 3               acme  ann tracks Pricing Viewed
        expect day 2        acme  ann occurrence intent.pricing
        expect day 3        acme  ann occurrence intent.pricing
    "

    an_activation_of_rules_fires_nothing "
        proves  A27
        story  a condition that is true right after the activation counts as fired
        day 1               acme  ann, bob, cy use editor
        day 1               zeta  zoe, zac use editor
        activate day 3  triggers +: {id: three-users, level: high, cooldown: 1d, when: active_users >= 3}
        day 4               acme  dan uses editor
        day 4               zeta  zed uses editor
        expect day 4        zeta  HIGH three-users at once

        story  it fires after it was false
        day 1               acme  ann, bob, cy use editor
        activate day 3  triggers +: {id: three-users, level: high, cooldown: 1d, when: active_users >= 3}
        day 30              acme  ann, bob use editor
        day 31              acme  cy uses editor
        expect day 31       acme  HIGH three-users at once

        story  activating the same rules changes nothing
        watch holds, bands, intent.pricing
        day 1               acme  ann signs up
        day 3               acme  u1–u5 use editor
        activate day 3 12:30  as before
        day 3 14:00, 15:00, 16:00   acme  ann views pricing
        activate day 4  as before
        until day 6
        activate day 7  as before
        expect day 3        acme  MEDIUM five-new-users due day 4–5
        expect day 3 14:00  acme  ann intent.pricing 0→1 crossed
        expect day 3 16:00  acme  ann intent.pricing 1→2 crossed
        expect day 3 16:00  acme  ann held pricing-sessions by pacing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  a signal that measures something else loses its state
        watch intent.pricing
        day 1               acme  ann uses editor
        day 2               acme  ann views pricing
        activate day 3  signals intent.pricing ttl: 20d
        day 4               acme  ann views pricing
        until day 40
        expect day 2        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann intent.pricing 1→0 activated
        expect day 4        acme  ann intent.pricing 0→1 crossed
        expect day 24       acme  ann intent.pricing 1→0 lapsed

        story  other points leave a signal on, and change band and score
        watch intent.pricing, bands
        day 1               acme  ann uses editor
        day 2               acme  ann views pricing
        activate day 3  signals intent.pricing points: [30, 60]
        profile             acme ann  score 30, band emerging
        expect day 2        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann band none→emerging activated with figure 30

        story  a removed signal loses its points
        day 1               acme  ann uses editor
        watch collab.shared
        day 2               acme  ann shares outside
        activate day 3  signals collab.shared off: true
        profile             acme ann  score 0
        profile             acme  score 0
        expect day 2        acme  ann collab.shared 0→1 crossed
        expect day 3        acme  ann collab.shared 1→0 activated

        story  what closes decide is unknown until the next close
        rules  signals +: {id: mine.away, kind: idle, scopes: [user], days: 3}
        rules  triggers +: {id: asks, level: high, cooldown: 1h, when: user.mine.away == 0 && user.intent.pricing >= 1}
        day 1–5             acme  ann, bob use editor
        day 5               acme  ann views pricing
        activate day 6  signals mine.away days: 2
        day 6 13:00         acme  bob views pricing
        until day 7
        expect day 5        acme  HIGH asks at once for ann
        expect end of day 6 acme  HIGH asks at once for bob

        story  a condition that is true for a user without signals counts as fired too
        day 1               acme  ann, bob use editor
        day 1               acme  ann has title CTO
        activate day 3  triggers +: {id: buyer, level: high, cooldown: 1d, when: user.is_buyer}
        day 4               acme  ann has title CTO
        day 5               acme  bob has title CTO
        expect day 5        acme  HIGH buyer at once for bob

        story  a pending occurrence is dropped if the event trigger has another role
        rules  triggers +: {id: listens, level: medium, cooldown: 1d, on: {role: pricing_viewed}}
        day 1               acme  ann, bob use editor
        day 2               acme  it has do_not_contact true
        day 2 13:00         acme  ann views pricing
        activate day 3  triggers listens on: {role: upgrade_started}
        day 4               acme  it has do_not_contact false
        until day 5

        story  a trigger that is taken out and put back keeps its cooldown
        rules  triggers +: {id: asks, level: high, cooldown: 7d, on: {role: exported}}
        day 1               acme  ann uses editor
        day 2               acme  ann exports data
        activate day 3  triggers asks id: other
        activate day 4  as before
        day 5               acme  ann exports data
        day 9 13:00         acme  ann exports data
        expect day 2        acme  HIGH asks at once for ann
        expect day 9 13:00  acme  HIGH asks at once for ann

        story  a volume that the new rules reach falls at a close
        rules  signals account.volume off: false
        rules  signals account.volume rungs: [5, 100000]
        watch account.volume
        day 1               acme  ann uses editor
        day 20              acme  somebody calls API ×3
        until day 35
        activate day 35  signals account.volume rungs: [3, 100000]
        until day 60
        expect day 35       acme  account.volume 0→1 activated
        expect end of day 47 acme  account.volume 1→0 closed

        story  refused rules change nothing
        day 1               acme  ann uses editor
        activate day 2  nonsense                       → refused
        activate day 2  time allowed_lateness: 2h      → refused
        activate day 2  signals intent.pricing ttl: 0  → refused
        day 2, 3, 4         acme  ann views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
    "

    days_begin_at_the_utc_offset_of_the_rules "
        proves  A33, C10

        story  with an offset of +05:30 no day closes one millisecond before 18:30 UTC
        rules   time utc_offset: '+05:30'
        day 1–5             acme  ann uses editor
        until day 7 18:29:59.999
        figures day 6       acme  dau 0, wau 1, mau 1
        figures day 7       acme  none

        story  the day closes at 18:30 UTC, and its effects have that time
        rules   time utc_offset: '+05:30'
        watch velocity.frequency
        day 1–5             acme  ann uses editor
        until day 7 18:30
        figures day 7       acme  dau 0, wau 1, mau 1
        expect day 5        acme  ann velocity.frequency 0→1 crossed
        expect day 7 18:30  acme  ann velocity.frequency 1→0 closed

        story  an evening in UTC counts for the next day, and on Sunday for the next week
        rules   time utc_offset: '+05:30'
        day 1 18:29:59.999  acme  ann uses editor
        day 1 18:30         acme  bob uses editor
        day 7 18:29:59.999  acme  cy uses editor
        day 7 18:30         acme  dan uses editor
        until day 14 18:30
        figures day 1       acme  dau 1, new_users 0
        figures day 2       acme  dau 1, new_users 1
        figures week 1      acme  wau 3
        figures week 2      acme  wau 1

        story  with a negative offset an early morning in UTC counts for the previous day
        rules   time utc_offset: '-08:00'
        day 2 07:59:59.999  acme  ann uses editor
        day 2 08:00         acme  bob uses editor
        until day 3 07:59:59.999
        figures day 1       acme  dau 1, wau 1
        figures day 2       acme  none
        profile             acme  founded day 1, last day 2
        stands              acme  last day 2 08:00
        profile             acme ann  first day 1, last day 1
        profile             acme bob  first day 2

        story  whether an event is too late depends on the days of the offset
        rules   time utc_offset: '-08:00'
        day 60 08:59                     acme  ann uses editor
        day 4 08:00 arriving day 60 09:00  acme  bob uses editor
        day 3 08:00 arriving day 60 09:00  acme  cy uses editor
        day 3 07:59:59.999 arriving day 60 09:00  acme  dan uses editor   → too-late

        story  rules with another offset change nothing
        rules   time utc_offset: '+05:30'
        day 1               acme  ann uses editor
        activate day 2  time utc_offset: '+05:00'   → refused
        day 2               acme  bob uses editor
        until day 2 18:30
        figures day 2       acme  dau 1, wau 2
    "

    a_user_in_a_reused_row_has_its_own_timer "
        proves  B12
        story  a user whose row was reused has a timer of its own
        watch intent.pricing
        day 1               acme  u1–u40 use editor
        day 2, 200, 405, 430, 450   acme  ann uses editor
        day 450 13:00       acme  ann views pricing
        day 462, 465        acme  ann uses editor
        until day 490
        expect day 450 13:00 acme  ann intent.pricing 0→1 crossed
        expect day 480 13:00 acme  ann intent.pricing 1→0 lapsed
    "

    an_erased_user_was_never_there_but_for_complete_weeks "
        proves  B15, B12
        story  an erased user leaves what is counted, not the weeks that are complete
        watch intent.pricing
        day 1               acme  bob uses editor
        day 2, 3, 8, 9      acme  ann, bob use editor
        day 9 12:30         acme  ann views pricing
        day 9 13:00         acme  carl uses editor
        forget day 9 14:00  acme ann
        until day 17
        expect day 9 12:30  acme  ann intent.pricing 0→1 crossed
        expect day 9 12:30  acme  ann intent.pricing 1→0 forgotten
        figures day 8       acme  dau 2, wau 2, mau 2
        figures day 9       acme  dau 2, wau 2, mau 2, new_users 1
        figures week 1      acme  wau 2
        figures week 2      acme  wau 2
        profile             acme  founded day 1, last day 9

        story  a forget record concerns one account, or all of them
        day 1               acme  ann, bob use editor
        day 1               zeta  ann, bob use editor
        day 2               mono  ann, bob use editor
        forget day 2 14:00  acme ann
        forget day 2 14:00  zeta -   → refused
        until day 3
        figures day 2       acme  dau 0, mau 1
        figures day 2       zeta  dau 0, mau 2
        forget day 4        everywhere ann
        until day 5
        figures day 3       zeta  dau 0, mau 1
        figures day 3       mono  dau 0, mau 1
    "

    an_erased_user_who_is_back_is_somebody_new "
        proves  B15
        story  a user who returns after an erasure is new
        day 1               acme  bob uses editor
        day 5               acme  ann uses editor
        forget day 5 14:00  acme ann
        day 7               acme  ann uses editor
        until day 8
        figures day 5       acme  dau 0, new_users 0
        figures day 7       acme  dau 1, new_users 1, new_users_7d 1
        profile             acme ann  first day 7
    "

    what_waits_for_an_erased_user_is_dropped "
        proves  B15, D25, E10
        story  an occurrence of the user that a rail holds never fires
        watch holds
        day 1               acme  ann, bob use editor
        day 2               acme  it has do_not_contact
        day 3               acme  ann asks for consolidation
        forget day 4        acme ann
        day 5               acme  it has not do_not_contact
        until day 20
        expect day 3        acme  ann held consolidation by engaged

        story  an absence that was not published does not pass to a later user of the row
        rules  signals +: {id: mine.gone, kind: idle, scopes: [user], days: 28}
        watch mine.gone
        day 1               acme  ann, bob use editor
        until day 34
        forget day 34 14:00  acme ann
        day 36              acme  bob uses editor
        day 37              acme  carl uses editor
        day 38–70           acme  bob uses editor
        until day 71
        expect end of day 51 acme LOW user-warm for bob
        expect end of day 65 acme carl mine.gone 0→1 closed
    "

    an_erasure_is_evaluated_like_an_event "
        proves  B15
        story  conditions about active users and closed figures fire at once
        rules  triggers +: {id: two-run, level: high, cooldown: 1h, when: active_users == 2}
        rules  triggers +: {id: two-in-week, level: high, cooldown: 1h, when: wau == 2}
        day 1               acme  ann, bob, carl use editor
        until day 4
        forget day 4 14:00  acme ann
        until day 5
        expect day 1        acme  HIGH two-run due day 2 not before day 2
        expect day 4        acme  HIGH two-run at once
        expect day 4        acme  HIGH two-in-week at once
    "
}
