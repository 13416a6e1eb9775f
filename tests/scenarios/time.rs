//! Time, order and life: what counts when, for whom, and for how long.

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

    closes_in_between_are_all_run "
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

    events_from_the_future_and_from_long_ago_are_put_aside "
        proves  A8, A11, A12, topic dead-letter
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
        proves  A20, A24
        story  a message that comes again within the window does nothing
        watch occurrences
        day 1 10:00         acme  ann contacts sales
        again               → duplicate
        again arriving day 1 10:30   → duplicate
        expect day 1 10:00  acme  ann occurrence contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann

        story  exactly one window later it is still known
        day 1 11:00         acme  bob uses editor
        day 1 10:00         acme  ann uses editor
        again arriving day 1 11:00   → duplicate

        story  a millisecond more and it is not
        watch occurrences
        day 1 11:00:00.001  acme  bob uses editor
        day 1 10:00         acme  ann contacts sales
        again arriving day 1 11:00:00.001
        expect day 1 10:00  acme  ann occurrence contact-sales
        expect day 1 10:00  acme  HIGH contact-sales at once for ann
        expect day 1 11:00:00.001  acme  ann occurrence contact-sales
    "

    time_never_runs_backwards_for_an_account "
        proves  A17
        story  what a late event causes carries the time of the last effect
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

        story  a raised hand of seven days ago still counts, an older one is only told
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
        proves  B17
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

        story  which may be told in seconds or milliseconds since 1970
        day 1               acme  ann uses editor; it has createdAt 1767657600
        day 2               zeta  z1–z5 use editor
        day 1               zeta  zoe uses editor; it has createdAt 1767657600000
        expect day 2        acme  velocity.user_adds 0→1 crossed
        expect day 2        acme  MEDIUM five-new-users due day 3–4
        expect day 2        zeta  velocity.user_adds 0→1 crossed
        expect day 2        zeta  MEDIUM five-new-users due day 3–4

        story  24 hours away is another time
        day 1               acme  ann uses editor; it was created day 2
    "

    warm_up_lasts_28_days "
        proves  B17
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

    names_say_what_an_event_is "
        proves  B1
        story  whatever their case
        watch occurrences
        day 1               acme  ann tracks contact SALES
        day 2               acme  ann tracks enterprise feature requested
        day 3               acme  ann opens page pricing
        expect day 1        acme  ann occurrence contact-sales
        expect day 1        acme  HIGH contact-sales at once for ann
        expect day 2        acme  ann occurrence intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for ann
        expect day 3        acme  ann occurrence intent.pricing

        story  a track Pricing or a screen Pricing is no look at prices, their Pricing Viewed is
        watch occurrences
        day 1               acme  ann tracks Pricing; ann opens screen Pricing; ann opens page Contact Sales
        day 2               acme  ann opens screen Pricing Viewed
        day 3               acme  ann tracks Pricing Viewed
        expect day 2        acme  ann occurrence intent.pricing
        expect day 3        acme  ann occurrence intent.pricing
    "

    a_change_of_the_rules_fires_nothing "
        proves  A27
        story  what is true under the new rules counts as fired
        day 1               acme  ann, bob, cy use editor
        day 1               zeta  zoe, zac use editor
        activate day 3  triggers +: {id: three-users, level: high, cooldown: 1d, when: active_users >= 3}
        day 4               acme  dan uses editor
        day 4               zeta  zed uses editor
        expect day 4        zeta  HIGH three-users at once

        story  and fires once it was false
        day 1               acme  ann, bob, cy use editor
        activate day 3  triggers +: {id: three-users, level: high, cooldown: 1d, when: active_users >= 3}
        day 30              acme  ann, bob use editor
        day 31              acme  cy uses editor
        expect day 31       acme  HIGH three-users at once

        story  the same rules are no change
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

        story  a signal that measures something else begins anew
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

        story  other points leave it on, and move the band and the score
        watch intent.pricing, bands
        day 1               acme  ann uses editor
        day 2               acme  ann views pricing
        activate day 3  signals intent.pricing points: [30, 60]
        profile             acme ann  score 30, band emerging
        expect day 2        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann band none→emerging activated with figure 30

        story  a signal that is gone takes its points along
        day 1               acme  ann uses editor
        watch collab.shared
        day 2               acme  ann shares outside
        activate day 3  signals collab.shared off: true
        profile             acme ann  score 0
        profile             acme  score 0
        expect day 2        acme  ann collab.shared 0→1 crossed
        expect day 3        acme  ann collab.shared 1→0 activated

        story  what closes decide is unknown until one has
        rules  signals +: {id: mine.away, kind: idle, scopes: [user], days: 3}
        rules  triggers +: {id: asks, level: high, cooldown: 1h, when: user.mine.away == 0 && user.intent.pricing >= 1}
        day 1–5             acme  ann, bob use editor
        day 5               acme  ann views pricing
        activate day 6  signals mine.away days: 2
        day 6 13:00         acme  bob views pricing
        until day 7
        expect day 5        acme  HIGH asks at once for ann
        expect end of day 6 acme  HIGH asks at once for bob

        story  what is true of a user without any signal counts as fired too
        day 1               acme  ann, bob use editor
        day 1               acme  ann has title CTO
        activate day 3  triggers +: {id: buyer, level: high, cooldown: 1d, when: user.is_buyer}
        day 4               acme  ann has title CTO
        day 5               acme  bob has title CTO
        expect day 5        acme  HIGH buyer at once for bob

        story  an event trigger that listens to something else does not wait with what it heard before
        rules  triggers +: {id: listens, level: medium, cooldown: 1d, on: {role: pricing_viewed}}
        day 1               acme  ann, bob use editor
        day 2               acme  it has do_not_contact true
        day 2 13:00         acme  ann views pricing
        activate day 3  triggers listens on: {role: upgrade_started}
        day 4               acme  it has do_not_contact false
        until day 5

        story  a volume that other rules reach falls at the close where it is over
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

        story  rules that are refused change nothing
        day 1               acme  ann uses editor
        activate day 2  nonsense                       → refused
        activate day 2  time allowed_lateness: 2h      → refused
        activate day 2  signals intent.pricing ttl: 0  → refused
        day 2, 3, 4         acme  ann views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
    "

    days_begin_where_the_rules_say "
        proves  A33, C10

        story  half past six in the evening, UTC: no day closes a millisecond before
        rules   time utc_offset: '+05:30'
        day 1–5             acme  ann uses editor
        until day 7 18:29:59.999
        figures day 6       acme  dau 0, wau 1, mau 1
        figures day 7       acme  none

        story  it closes then, and what follows carries that instant
        rules   time utc_offset: '+05:30'
        watch velocity.frequency
        day 1–5             acme  ann uses editor
        until day 7 18:30
        figures day 7       acme  dau 0, wau 1, mau 1
        expect day 5        acme  ann velocity.frequency 0→1 crossed
        expect day 7 18:30  acme  ann velocity.frequency 1→0 closed

        story  an evening counts for the day that has begun, and on Sunday for the week
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

        story  west of Greenwich an early morning counts for the day before
        rules   time utc_offset: '-08:00'
        day 2 07:59:59.999  acme  ann uses editor
        day 2 08:00         acme  bob uses editor
        until day 3 07:59:59.999
        figures day 1       acme  dau 1, wau 1
        figures day 2       acme  none
        profile             acme  founded day 1, last day 2 08:00
        profile             acme ann  first day 1, last day 1
        profile             acme bob  first day 2

        story  by those days an event is too late
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

    timers_outlive_the_places_of_users "
        proves  B12
        story  who stands where nobody stands any more has a timer of its own
        watch intent.pricing
        day 1               acme  u1–u40 use editor
        day 2, 200, 405, 430, 450   acme  ann uses editor
        day 450 13:00       acme  ann views pricing
        day 462, 465        acme  ann uses editor
        until day 490
        expect day 450 13:00 acme  ann intent.pricing 0→1 crossed
        expect day 480 13:00 acme  ann intent.pricing 1→0 lapsed
    "
}
