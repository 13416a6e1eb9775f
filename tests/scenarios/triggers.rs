//! Triggers: when a handoff fires, and when it does not.

stories! {
    raised_hands_go_out_at_once "
        proves  enterprise-request, contact-sales, D1, D2, D14, D27, topic handoff.high
        story  on the day of the sign-up too, and by whomever
        day 1               acme  ann signs up
        day 1 12:05         acme  somebody contacts sales
        day 1 12:06         acme  ann requests SSO
        expect day 1 12:05  acme  HIGH contact-sales at once
        expect day 1 12:06  acme  HIGH enterprise-request at once for ann

        story  a second one within a day is published and fires nothing; one the day after fires
        watch occurrences
        day 1               acme  ann requests SSO
        day 2 11:59:59.999  acme  bob requests SAML
        day 2               acme  cy requests SCIM
        expect day 1        acme  ann occurrence intent.enterprise enterprise-request
        expect day 1        acme  HIGH enterprise-request at once for ann
        expect day 2 11:59:59.999  acme  bob occurrence intent.enterprise enterprise-request
        expect day 2        acme  cy occurrence intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for cy

        story  one within the cooldown is not made up for
        day 1               acme  ann contacts sales
        day 2 11:00         acme  bob contacts sales
        until day 5
        expect day 1        acme  HIGH contact-sales at once for ann

        story  an old one that comes again fires nothing, nor does one that is late; what is new does
        day 6               acme  ann contacts sales
        day 8               acme  ann requests SSO
        day 6 arriving day 8 13:00     acme  ann contacts sales
        day 7 11:59:59.999 arriving day 8 14:00  acme  bob contacts sales
        day 7 arriving day 8 15:00     acme  cy contacts sales
        expect day 6        acme  HIGH contact-sales at once for ann
        expect day 8        acme  HIGH enterprise-request at once for ann
        expect day 8        acme  HIGH contact-sales at once for cy

        story  the enterprise plan asks for sales, a nightly sync of it does not
        watch occurrences
        day 1               acme  it takes plan team
        day 2               acme  it takes plan Enterprise
        day 3–9             acme  it takes plan enterprise
        day 10              acme  it takes plan team
        day 11              acme  ann takes plan ENTERPRISE
        expect day 2        acme  occurrence contact-sales
        expect day 2        acme  HIGH contact-sales at once
        expect day 11       acme  ann occurrence contact-sales
        expect day 11       acme  HIGH contact-sales at once for ann

        story  the latest plan is that of the latest time, not of the last to arrive
        day 3               acme  it takes plan team
        day 2 arriving day 3 13:00    acme  it takes plan enterprise

        story  a plan among the traits of the account is no less one, nor more
        watch occurrences
        day 1               acme  it has plan Team
        day 2               acme  it has plan Enterprise
        day 3               acme  it takes plan enterprise
        day 4               acme  it takes plan team
        day 3 12:01 arriving day 5    acme  it has plan enterprise
        expect day 2        acme  occurrence contact-sales
        expect day 2        acme  HIGH contact-sales at once with plan enterprise
        profile             acme  plan team
    "

    who_looks_at_prices_is_asked_unless_paying "
        proves  pricing-sessions, D3, D4, D5, D19, topic handoff.medium
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

        story  a later one waits in silence until the cooldown of seven days is over
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
        expect day 10       acme  MEDIUM at-risk due day 11–12

        story  a new edge exactly at the end of the cooldown fires at once
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
        expect day 11 12:20 acme  MEDIUM at-risk due day 12–13 12:20

        story  a new edge one millisecond before it waits for the watermark
        day 9, 10           acme  bob views pricing
        day 11 11:59:59.999  acme  bob views pricing
        day 11 12:59:59.999  acme  it is identified
        day 11 13:00         acme  it is identified
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob
    "

    levels_pass_each_other "
        proves  rail pacing, D9, D10, topic handoff.low
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
        day 35              acme  n1–n12 use editor
        until end of day 35
        figures week 5      acme  wau 22
        expect end of day 35 acme  held steady-growth by pacing
        expect end of day 35 acme  MEDIUM five-new-users due end of day 36–37 also steady-growth
    "

    what_goes_out_names_all_that_waits_behind_pacing "
        proves  D10
        story  also what began to wait at an earlier event
        day 26 12:00        acme  ann connects github
        day 31 17:00        acme  ann views pricing
        day 32 17:00        acme  ann views pricing
        day 32 18:00        acme  bob uses editor
        day 33 03:00        acme  cy hits limit
        day 34 10:00        acme  ann uses editor
        day 35 15:00        acme  ann uses editor
        day 36 06:00        acme  bob uses editor
        day 37 16:00        acme  bob uses editor
        day 37 17:00        acme  ann views pricing
        day 38 06:00        acme  bob uses editor
        day 38 13:00        acme  ann uses editor
        day 39 00:10        acme  ann uses editor
        day 39 23:30        acme  bob uses editor
        day 40 15:00        acme  ann uses editor
        day 40 17:20        acme  bob uses editor
        until day 41
        expect day 37 17:00 acme  MEDIUM pricing-sessions due day 38–39 17:00 for ann also user-warm
        expect day 40 17:20 acme  LOW user-warm for bob also user-hot
        expect day 40 17:20 acme  MEDIUM user-hot due day 41–42 17:20 for ann
    "

    a_trigger_fires_again_only_after_it_was_false "
        proves  five-new-users, D11, D24
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

    a_request_for_special_prices_is_a_raised_hand "
        proves  custom-pricing, D14
        watch occurrences

        story  of the topics in the rules, on the day of the sign-up too
        day 1               acme  ann signs up
        day 1 13:00         acme  ann asks support about Volume Pricing
        day 2               acme  bob asks support about a bug
        day 3               acme  bob asks support about custom pricing
        expect day 1 13:00  acme  ann occurrence custom-pricing
        expect day 1 13:00  acme  HIGH custom-pricing at once for ann
        expect day 3        acme  bob occurrence custom-pricing
        expect day 3        acme  HIGH custom-pricing at once for bob
    "

    ten_users_near_a_limit_are_urgent "
        proves  near-limit, D21, D28
        day 1               acme  u1–u9 use editor

        story  79 of 100 are not near
        day 2               acme  it reports 79 of 100 storage
        day 3               acme  u10 uses editor

        story  80 are, with ten users
        day 2               acme  it reports 80 of 100 storage
        day 3               acme  u10 uses editor
        expect day 3        acme  HIGH near-limit at once

        story  the latest report of any meter counts
        day 2               acme  it reports 90 of 100 storage; it reports 10 of 100 seats
        day 3               acme  it reports 79 of 100 storage
        day 4               acme  u10 uses editor
        day 5               acme  it reports 80 of 100 seats
        expect day 5        acme  HIGH near-limit at once

        story  without a quota nothing is known
        day 2               acme  it reports 90 of 0 storage
        day 3               acme  u10 uses editor

        story  a limit that was hit is one
        day 2               acme  it hits limit of storage
        day 3               acme  u10 uses editor
        expect day 3        acme  HIGH near-limit at once

        story  a value that hovers at the quota fires once
        day 2               acme  u10 uses editor
        day 3, 5, 7, 9, 11    acme  it reports 79 of 100 storage
        day 4, 6, 8, 10, 12   acme  it reports 81 of 100 storage
        expect day 4        acme  HIGH near-limit at once

        story  it fires again after seven closes in a row at which it was false
        day 2               acme  it reports 80 of 100 storage
        day 3               acme  u10 uses editor
        day 3 13:00         acme  it reports 10 of 100 storage
        day 10              acme  it reports 95 of 100 storage
        expect day 3        acme  HIGH near-limit at once
        expect day 10       acme  HIGH near-limit at once

        story  six are too few
        day 2               acme  it reports 80 of 100 storage
        day 3               acme  u10 uses editor
        day 3 13:00         acme  it reports 10 of 100 storage
        day 9               acme  it reports 95 of 100 storage
        expect day 3        acme  HIGH near-limit at once
    "

    an_ideal_customer_with_two_departments_is_asked "
        proves  icp-departments, D22
        day 1               acme  ann, bob use editor; ann has department sales

        story  departments may come after the enrichment
        day 3               acme  it has icp
        day 4               acme  bob has department support
        expect day 4        acme  MEDIUM icp-departments due day 5–6

        story  and the enrichment after them
        day 3               acme  bob has department support
        day 4               acme  it has icp
        expect day 4        acme  MEDIUM icp-departments due day 5–6

        story  one department is not enough
        day 4               acme  it has icp; bob has department sales
    "

    the_first_large_bill_is_talked_about "
        proves  first-bill, F8
        day 1, 8            acme  ann uses editor
        watch occurrences

        story  500 are large, 499.99 are not; only the first fires, all are told
        day 2               acme  it pays
        day 3               acme  it expects bill of 499.99
        day 4               acme  it expects bill of 500
        day 12              acme  it expects bill of 900
        expect day 4        acme  occurrence first-bill
        expect day 4        acme  MEDIUM first-bill due day 5–6
        expect day 12       acme  occurrence first-bill

        story  another currency is unknown unless the rules carry a rate
        day 2               acme  it pays
        day 3               acme  it expects bill of 70000 JPY

        story  and with one, what it comes to counts
        rules  money rates: {JPY: 0.0065}
        day 2               acme  it pays
        day 3               acme  it expects bill of 70000 JPY
        day 4               acme  it expects bill of 80000 jpy
        expect day 4        acme  occurrence first-bill
        expect day 4        acme  MEDIUM first-bill due day 5–6

        story  without a subscription there is no bill
        day 4               acme  it expects bill of 500
    "

    conditions_read_whatever_is_told_of_a_company "
        proves  lead-score, A22
        rules  triggers lead-score when: 'traits.tier == \"gold\"'
        day 1               acme  ann uses editor

        story  in a group call, or in an event that tells of a company
        day 2               acme  it has tier gold
        day 2               zeta  zoe uses editor
        day 3               zeta  it is enriched with tier gold
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 3        zeta  MEDIUM lead-score due day 4–5

        story  the latest time wins, and nothing takes it back
        day 2               acme  it is enriched with tier null
        day 1 arriving day 2 13:00     acme  it has tier gold
    "

    leads_of_marketing_with_two_users_are_asked "
        proves  lead-score, D19
        day 1               acme  ann uses editor

        story  a score of 20 and two users
        day 2               acme  it has lead_score 20
        day 3               acme  bob uses editor
        expect day 3        acme  MEDIUM lead-score due day 4–5

        story  19 are too few
        day 2               acme  it has lead_score 19
        day 3               acme  bob uses editor

        story  one who pays is left alone, until nobody does
        day 2               acme  it has lead_score 20; it pays
        day 3               acme  bob uses editor
        day 4               acme  it stops paying
        expect day 4        acme  MEDIUM lead-score due day 5–6

        story  users who are silent now were users all the same
        day 40              acme  bob uses editor
        day 41              acme  it has lead_score 20
        expect day 41       acme  MEDIUM lead-score due day 42–43
    "

    what_is_unknown_fires_nothing "
        proves  D11
        watch holds
        day 1               acme  ann, bob use editor

        story  it drops what is held
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  it has lead_score 20
        day 6               acme  it has lead_score null
        until day 9
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 5        acme  held lead-score by pacing

        story  it does not arm again what fired, as what is false does
        day 2               acme  it has lead_score 20
        day 3               acme  it has lead_score null
        day 10              acme  it has lead_score 20
        day 11              acme  it has lead_score 19
        day 12              acme  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 12       acme  MEDIUM lead-score due day 13–14
    "

    teams_that_want_one_bill_are_asked "
        proves  consolidation
        day 1               acme  ann, bob use editor
        watch occurrences

        story  each request is told; one within the cooldown is not made up for
        day 3               acme  ann asks for consolidation
        day 5               acme  bob asks for consolidation
        until day 12
        expect day 3        acme  ann occurrence consolidation
        expect day 3        acme  MEDIUM consolidation due day 4–5 for ann
        expect day 5        acme  bob occurrence consolidation

        story  after seven days the next one fires
        day 3               acme  ann asks for consolidation
        day 10              acme  bob asks for consolidation
        expect day 3        acme  ann occurrence consolidation
        expect day 3        acme  MEDIUM consolidation due day 4–5 for ann
        expect day 10       acme  bob occurrence consolidation
        expect day 10       acme  MEDIUM consolidation due day 11–12 for bob
    "

    who_pays_much_without_a_contract_is_asked "
        proves  self-serve-ceiling
        day 1               acme  ann uses editor

        story  833 a month are less than 10,000 a year, 834 are more
        day 2               acme  it pays 833 a month
        day 3               acme  it pays 834 a month
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  a bill that hovers at the ceiling is talked about once
        day 2, 12           acme  it pays 834 a month
        day 3, 6            acme  it pays 833 a month
        day 5, 7, 10        acme  it pays 834 a month
        day 8, 11           acme  it pays 833 a month
        day 7               acme  ann uses editor
        expect day 2        acme  MEDIUM self-serve-ceiling due day 3–4

        story  who owns a contract is talked to already
        day 2               acme  it has contract_owner kim; it pays 9000 a month
        day 3               acme  it has contract_owner null
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  what is paid for several subscriptions adds up
        day 2               acme  it pays 833 a month for main
        day 3               acme  it pays 1 a month for addon
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  an unknown part makes the sum unknown
        day 2               acme  it pays for subscription addon
        day 3               acme  it pays 9000 a month for main
        day 4               acme  it stops paying for addon
        expect day 4        acme  MEDIUM self-serve-ceiling due day 5–6

        story  another currency is unknown
        day 2               acme  it pays 9000 EUR a month

        story  unless the rules have its rate
        rules  money rates: {EUR: 1.2}
        day 2               acme  it pays 694 EUR a month
        day 3               acme  it pays 695 EUR a month
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5
    "

    who_pays_and_goes_silent_is_at_risk "
        proves  at-risk, D29

        story  after seven closed days without anybody
        day 1               acme  ann uses editor; it pays
        until day 8 23:59:59.999
        until end of day 8
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success

        story  the first day of a new life ends every absence: the next one is told
        day 1               acme  ann uses editor; it pays
        until end of day 8
        day 403, 405        acme  ann uses editor
        until end of day 412
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success
        expect end of day 412 acme MEDIUM at-risk due end of day 413–414 with route customer_success

        story  or when declining
        day 1, 8, 15, 22, 29, 36, 43, 50, 57  acme  u1–u10 use editor
        day 64, 71, 78, 85  acme  u1–u6 use editor
        day 2               acme  it pays
        until end of day 91
        expect end of day 91 acme MEDIUM at-risk due end of day 92–93 with route customer_success, why 6 and 6 weekly active users; 10 is usual

        story  who does not pay is not
        day 1               acme  ann uses editor
        until end of day 20

        story  who cancels one of two subscriptions still pays
        day 1               acme  ann uses editor; it pays for subscription main; it pays for subscription addon
        day 2               acme  it stops paying for addon
        until end of day 8
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success

        story  who cancels both does not
        day 1               acme  ann uses editor; it pays for subscription main; it pays for subscription addon
        day 2               acme  it stops paying for addon; it stops paying for main
        until end of day 20

        story  once for each silence
        day 1, 10, 20       acme  ann uses editor; it pays
        until end of day 27
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10
        expect end of day 17 acme MEDIUM at-risk due end of day 18–19
        expect end of day 27 acme MEDIUM at-risk due end of day 28–29
    "

    engaged_users_of_target_accounts_are_nurtured "
        proves  target-engaged, user-warm, D10
        watch holds

        story  of two low ones at one instant the first goes out and names the other, which follows
        day 1               acme  ann invites i1–i6
        day 2               acme  it has target
        day 5               acme  ann asks support about billing
        until day 8
        expect day 5        acme  ann held target-engaged by pacing
        expect day 5        acme  LOW user-warm for ann also target-engaged
        expect day 8        acme  LOW target-engaged for ann

        story  an account that becomes a target with somebody warm
        day 1               acme  ann invites i1–i6; ann asks support about billing
        day 5               acme  it has target
        expect day 1        acme  LOW user-warm for ann not before day 2
        expect day 5        acme  LOW target-engaged for ann
    "

    the_first_users_of_target_accounts_are_welcomed "
        proves  target-first-user, D27a
        watch occurrences

        story  the first fires, the others are told
        day 1               acme  it has target
        day 2               acme  ann views pricing
        day 3               acme  ann uses editor
        day 20              acme  bob uses editor
        expect day 2        acme  ann occurrence intent.pricing
        expect day 3        acme  ann occurrence target-first-user
        expect day 3        acme  LOW target-first-user for ann
        expect day 20       acme  bob occurrence target-first-user

        story  the first since it is a target
        day 1               acme  ann uses editor
        day 2               acme  it has target
        day 5               acme  bob uses editor
        expect day 5        acme  bob occurrence target-first-user
        expect day 5        acme  LOW target-first-user for bob not before day 6

        story  other accounts have new users too
        day 1               acme  ann uses editor
    "

    conditions_are_seen_to_become_true_whatever_makes_them "
        proves  D11, D12

        story  that a signal is off becomes known with the fourth complete week
        rules  triggers +: {id: calm, level: high, cooldown: 1d, when: velocity.growth == 0 && users >= 2}
        day 1–28            acme  ann uses editor
        day 8, 14           acme  bob uses editor
        day 16              acme  bob, cy use editor
        day 22              acme  bob, cy, dan use editor
        until day 30
        expect end of day 28 acme  HIGH calm at once

        story  of a user with the seventh day
        rules  triggers +: {id: rare, level: high, cooldown: 1d, when: user.velocity.stickiness == 0 && user.feature.api >= 1}
        day 1               acme  ann calls API
        until day 9
        expect end of day 7  acme  HIGH rare at once for ann

        story  of new users with the end of the warm-up
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1, 20           acme  ann, bob use editor
        until day 31
        expect end of day 28 acme  HIGH settled at once

        story  or with an event of its first day after that
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1, 29 00:30     acme  ann, bob use editor
        expect day 29 00:30 acme  HIGH settled at once

        story  of an account that is born in the log at once
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1               acme  ann signs up; bob uses editor
        expect day 1        acme  HIGH settled due day 2 not before day 2

        story  of a trait when it is told
        rules  triggers +: {id: no_icp, level: high, cooldown: 1d, when: fit.icp == 0 && users >= 2}
        day 1               acme  ann, bob use editor
        day 3               acme  it has not icp
        expect day 3        acme  HIGH no_icp at once

        story  the score of users rises with the account's, whether or not a signal of their own is on
        rules  triggers +: {id: scored, level: high, cooldown: 1d, when: user.score >= 30}
        day 1               acme  ann, bob use editor; cy views pricing
        day 2               acme  it has employees 600, icp
        expect day 2        acme  HIGH scored at once for ann, bob

        story  a buyer among others
        rules  triggers +: {id: buyers, level: high, cooldown: 1d, when: user.is_buyer && active_users >= 3}
        day 1               acme  ann has title CTO; ann, bob use editor
        day 3               acme  cy uses editor
        expect day 3        acme  HIGH buyers at once for ann

        story  the only user of an account that turns out to be small
        rules  triggers +: {id: buyers, level: high, cooldown: 1d, when: user.is_buyer && user.intent.pricing >= 1}
        day 1               acme  ann uses editor; it has employees 60
        day 2               acme  ann views pricing
        day 3               acme  it has employees 10
        expect day 3        acme  HIGH buyers at once for ann
    "

    silence_is_no_reason_to_miss_what_time_alone_makes_true "
        proves  D24

        story  closed days are counted though nobody is there
        rules  triggers +: {id: five, level: high, cooldown: 1d, rearm_after_closed_days: 7, when: active_users >= 5}
        day 1, 100          acme  u1–u5 use editor
        expect day 1        acme  HIGH five due day 2 not before day 2
        expect day 100      acme  HIGH five at once

        story  one day too few
        rules  triggers +: {id: five, level: high, cooldown: 1d, rearm_after_closed_days: 73, when: active_users >= 5}
        day 1, 100          acme  u1–u5 use editor
        expect day 1        acme  HIGH five due day 2 not before day 2

        story  silence of a month, and of two
        rules  rails usage: false
        rules  triggers +: {id: month, level: high, cooldown: 1d, when: idle_days >= 29}
        rules  triggers +: {id: months, level: high, cooldown: 1d, when: idle_days == 60}
        day 1               acme  ann uses editor
        until day 100
        expect end of day 30 acme  HIGH month at once
        expect end of day 61 acme  HIGH months at once

        story  weeks that were busy once
        rules  rails usage: false
        rules  triggers +: {id: was_busy, level: high, cooldown: 1d, when: 'weekly_users[0] == 0 && weekly_users[8] >= 3'}
        day 1–7             acme  u1–u3 use editor
        until day 100
        expect end of day 63 acme  HIGH was_busy at once
    "

    figures_of_closed_days_are_known_with_the_first_activity "
        proves  A15
        rules   triggers +: {id: none-new, level: high, cooldown: 1d, when: has(employees) && !(new_users_7d >= 1)}
        rules   triggers +: {id: none-today, level: high, cooldown: 1d, when: has(employees) && !(dau >= 1)}
        rules   triggers +: {id: none-this-week, level: high, cooldown: 1d, when: has(employees) && !(wau >= 1)}
        rules   triggers +: {id: none-this-month, level: high, cooldown: 1d, when: has(employees) && !(mau >= 1)}

        story  they are 0 from the event on that begins the account
        day 1               acme  it has employees 10
        day 2               acme  ann uses editor
        until end of day 4
        expect day 2        acme  HIGH none-new due day 3 not before day 3
        expect day 2        acme  HIGH none-today due day 3 not before day 3
        expect day 2        acme  HIGH none-this-week due day 3 not before day 3
        expect day 2        acme  HIGH none-this-month due day 3 not before day 3
        expect end of day 3 acme  HIGH none-today at once
    "

    points_of_the_account_alone_change_its_score "
        proves  A15
        rules   triggers +: {id: by-score, level: high, cooldown: 1d, when: score >= 15}

        story  a signal of the account turns on, and no points of users change
        day 1               acme  ann uses editor
        day 3               acme  somebody creates workspace one; somebody creates workspace two
        until end of day 4
        expect day 3        acme  HIGH by-score at once
    "

    whatever_an_event_does_has_one_time "
        proves  A17
        rules   signals +: {id: my.views, kind: abandoned, scopes: [user], points: 5, roles: [pricing_viewed, upgrade_started], after: 1h, ttl: 3d}
        watch intent.pricing, my.views, occurrences

        story  a late view opens a session, and a wait that is over
        day 1 10:00         acme  ann uses editor
        day 2 18:00         zeta  zoe uses editor
        day 2 10:00 arriving day 2 18:00  acme  ann views pricing
        expect day 2 11:00  acme  ann occurrence intent.pricing
        expect day 2 11:00  acme  ann intent.pricing 0→1 crossed
        expect day 2 11:00  acme  ann my.views 0→1 crossed
    "

    the_condition_of_an_event_trigger_follows_the_event "
        proves  A14
        rules   triggers +: {id: alone, level: high, cooldown: 1d, on: {new_user: true, when: 'tier in [\"T4\"]'}}

        story  the tier that the event itself gives
        day 1               acme  ann uses editor
        until end of day 2
        expect day 1        acme  HIGH alone due day 2 for ann not before day 2
    "

    stickiness_of_nobody_is_unknown "
        proves  C5
        rules   rails usage: false
        rules   triggers +: {id: little, level: high, cooldown: 1d, when: paid && !(velocity.stickiness >= 1)}

        story  nobody was active for 28 days
        day 1               acme  ann uses editor
        day 40              acme  it pays
        until end of day 40
        expect day 40       acme  MEDIUM at-risk due day 41–42

        story  somebody was
        day 1, 30           acme  ann uses editor
        day 40              acme  it pays
        until end of day 40
        expect day 40       acme  HIGH little at once
        expect day 40       acme  MEDIUM at-risk due day 41–42
    "
}
