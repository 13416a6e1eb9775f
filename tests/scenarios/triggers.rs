//! Scenarios of triggers: when they fire, and when they do not.

stories! {
    raised_hands_go_out_at_once "
        proves  enterprise-request, contact-sales, D1, D2, D14, D27, topic handoff.high
        story  a raised hand fires on the day of sign-up too, for every user
        day 1               acme  ann signs up
        day 1 12:05         acme  somebody contacts sales
        day 1 12:06         acme  ann requests SSO
        expect day 1 12:05  acme  HIGH contact-sales at once
        expect day 1 12:06  acme  HIGH enterprise-request at once for ann

        story  a second one within a day is an occurrence that does not fire; one on the next day fires
        watch occurrences
        day 1               acme  ann requests SSO
        day 2 11:59:59.999  acme  bob requests SAML
        day 2               acme  cy requests SCIM
        expect day 1        acme  ann occurrence intent.enterprise enterprise-request
        expect day 1        acme  HIGH enterprise-request at once for ann
        expect day 2 11:59:59.999  acme  bob occurrence intent.enterprise enterprise-request
        expect day 2        acme  cy occurrence intent.enterprise enterprise-request
        expect day 2        acme  HIGH enterprise-request at once for cy

        story  an occurrence in the cooldown does not fire later
        day 1               acme  ann contacts sales
        day 2 11:00         acme  bob contacts sales
        until day 5
        expect day 1        acme  HIGH contact-sales at once for ann

        story  late occurrences in the cooldown by their own time do not fire, the next one does
        day 6               acme  ann contacts sales
        day 8               acme  ann requests SSO
        day 6 arriving day 8 13:00     acme  ann contacts sales
        day 7 11:59:59.999 arriving day 8 14:00  acme  bob contacts sales
        day 7 arriving day 8 15:00     acme  cy contacts sales
        expect day 6        acme  HIGH contact-sales at once for ann
        expect day 8        acme  HIGH enterprise-request at once for ann
        expect day 8        acme  HIGH contact-sales at once for cy

        story  a change to the enterprise plan fires, a repeated report of it does not
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

        story  the latest plan is that with the latest event time, not the last to arrive
        day 3               acme  it takes plan team
        day 2 arriving day 3 13:00    acme  it takes plan enterprise

        story  a plan among the traits of the account counts like one of a subscription
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

    pricing_sessions_fire_for_accounts_that_do_not_pay "
        proves  pricing-sessions, D3, D4, D5, D19, topic handoff.medium
        day 1               acme  ann, bob use editor
        day 2, 3, 4         acme  ann views pricing

        story  a paying account does not fire
        day 1               acme  it pays

        story  an account that stops paying fires; an event without `paid` changes nothing
        day 1               acme  it pays
        day 5               acme  it takes plan team
        day 6               acme  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  users for whom the condition becomes true at one event share a handoff
        day 1               acme  it pays
        day 3, 4, 5         acme  bob views pricing
        day 6               acme  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann, bob

        story  a later edge waits until the cooldown of seven days is over
        watch holds
        day 6, 7, 8         acme  bob views pricing
        until day 11 11:59:59.999
        until day 11
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob

        story  it is dropped if the condition is false by then
        day 6, 7, 8         acme  bob views pricing
        day 10              acme  it pays
        until day 20
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 10       acme  MEDIUM at-risk due day 11–12

        story  a new edge exactly at the end of the cooldown fires at once
        day 9, 10, 11       acme  bob views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 11       acme  MEDIUM pricing-sessions due day 12–13 for bob

        story  the watermark ends the cooldown, not an event of later time, and a false condition drops the edge
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

    a_higher_level_passes_pacing "
        proves  rail pacing, D9, D10, topic handoff.low
        day 1, 8, 15, 22, 29, 36   acme  u1, u2 use editor
        day 8, 15, 22, 29, 36      acme  u3, u4 use editor
        day 15, 22, 29, 36         acme  u5, u6 use editor
        day 22, 29, 36      acme  u7, u8 use editor
        day 29, 36          acme  u9, u10 use editor
        watch holds

        story  a medium handoff passes the pacing of a low one
        day 34, 35, 36      acme  u1 views pricing
        expect end of day 35 acme  LOW steady-growth
        expect day 36       acme  MEDIUM pricing-sessions due day 37–38 for u1

        story  a low handoff does not pass the pacing of a medium one
        day 33, 34, 35      acme  u1 views pricing
        until day 38
        expect day 35       acme  MEDIUM pricing-sessions due day 36–37 for u1
        expect end of day 35 acme  held steady-growth by pacing
        expect day 38       acme  LOW steady-growth

        story  of two triggers at one instant the more urgent is sent and names the other
        day 35              acme  n1–n12 use editor
        until end of day 35
        figures week 5      acme  wau 22
        expect end of day 35 acme  held steady-growth by pacing
        expect end of day 35 acme  MEDIUM five-new-users due end of day 36–37 also steady-growth
    "

    a_handoff_names_all_triggers_held_by_pacing "
        proves  D10
        story  a sent handoff also names those held since an earlier event
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

    a_request_for_custom_pricing_is_a_raised_hand "
        proves  custom-pricing, D14
        watch occurrences

        story  topics of the rules fire, on the day of sign-up too
        day 1               acme  ann signs up
        day 1 13:00         acme  ann asks support about Volume Pricing
        day 2               acme  bob asks support about a bug
        day 3               acme  bob asks support about custom pricing
        expect day 1 13:00  acme  ann occurrence custom-pricing
        expect day 1 13:00  acme  HIGH custom-pricing at once for ann
        expect day 3        acme  bob occurrence custom-pricing
        expect day 3        acme  HIGH custom-pricing at once for bob
    "

    ten_users_near_a_limit_fire "
        proves  near-limit, D21, D28
        day 1               acme  u1–u9 use editor

        story  79 % of the quota is not near the limit
        day 2               acme  it reports 79 of 100 storage
        day 3               acme  u10 uses editor

        story  80 % with ten active users fires
        day 2               acme  it reports 80 of 100 storage
        day 3               acme  u10 uses editor
        expect day 3        acme  HIGH near-limit at once

        story  the latest report of any meter counts
        day 2               acme  it reports 90 of 100 storage; it reports 10 of 100 seats
        day 3               acme  it reports 79 of 100 storage
        day 4               acme  u10 uses editor
        day 5               acme  it reports 80 of 100 seats
        expect day 5        acme  HIGH near-limit at once

        story  without a quota the ratio is unknown
        day 2               acme  it reports 90 of 0 storage
        day 3               acme  u10 uses editor

        story  a limit hit fires too
        day 2               acme  it hits limit of storage
        day 3               acme  u10 uses editor
        expect day 3        acme  HIGH near-limit at once

        story  a ratio that hovers at the threshold fires once
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

        story  six closes are too few
        day 2               acme  it reports 80 of 100 storage
        day 3               acme  u10 uses editor
        day 3 13:00         acme  it reports 10 of 100 storage
        day 9               acme  it reports 95 of 100 storage
        expect day 3        acme  HIGH near-limit at once
    "

    an_ideal_customer_with_two_departments_fires "
        proves  icp-departments, D22
        day 1               acme  ann, bob use editor; ann has department sales

        story  departments may arrive after the enrichment
        day 3               acme  it has icp
        day 4               acme  bob has department support
        expect day 4        acme  MEDIUM icp-departments due day 5–6

        story  the enrichment may arrive after the departments
        day 3               acme  bob has department support
        day 4               acme  it has icp
        expect day 4        acme  MEDIUM icp-departments due day 5–6

        story  one department is not enough
        day 4               acme  it has icp; bob has department sales
    "

    the_first_large_bill_fires "
        proves  first-bill, F8
        day 1, 8            acme  ann uses editor
        watch occurrences

        story  500 fires, 499.99 does not; only the first fires, all are occurrences
        day 2               acme  it pays
        day 3               acme  it expects bill of 499.99
        day 4               acme  it expects bill of 500
        day 12              acme  it expects bill of 900
        expect day 4        acme  occurrence first-bill
        expect day 4        acme  MEDIUM first-bill due day 5–6
        expect day 12       acme  occurrence first-bill

        story  an amount in a currency without a rate is unknown
        day 2               acme  it pays
        day 3               acme  it expects bill of 70000 JPY

        story  an amount in a currency with a rate is converted
        rules  money rates: {JPY: 0.0065}
        day 2               acme  it pays
        day 3               acme  it expects bill of 70000 JPY
        day 4               acme  it expects bill of 80000 jpy
        expect day 4        acme  occurrence first-bill
        expect day 4        acme  MEDIUM first-bill due day 5–6

        story  without a paid subscription it does not fire
        day 4               acme  it expects bill of 500
    "

    conditions_read_traits_of_the_account "
        proves  lead-score, A22
        rules  triggers lead-score when: 'traits.tier == \"gold\"'
        day 1               acme  ann uses editor

        story  traits come from a group call or an event with the role firmographics
        day 2               acme  it has tier gold
        day 2               zeta  zoe uses editor
        day 3               zeta  it is enriched with tier gold
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 3        zeta  MEDIUM lead-score due day 4–5

        story  the value with the latest event time applies, and an absent value does not remove it
        day 2               acme  it is enriched with tier null
        day 1 arriving day 2 13:00     acme  it has tier gold
    "

    leads_of_marketing_with_two_users_fire "
        proves  lead-score, D19
        day 1               acme  ann uses editor

        story  a lead score of 20 with two users fires
        day 2               acme  it has lead_score 20
        day 3               acme  bob uses editor
        expect day 3        acme  MEDIUM lead-score due day 4–5

        story  a lead score of 19 does not fire
        day 2               acme  it has lead_score 19
        day 3               acme  bob uses editor

        story  a paying account does not fire until it stops paying
        day 2               acme  it has lead_score 20; it pays
        day 3               acme  bob uses editor
        day 4               acme  it stops paying
        expect day 4        acme  MEDIUM lead-score due day 5–6

        story  inactive users count as users
        day 40              acme  bob uses editor
        day 41              acme  it has lead_score 20
        expect day 41       acme  MEDIUM lead-score due day 42–43
    "

    unknown_conditions_fire_nothing "
        proves  D11
        watch holds
        day 1               acme  ann, bob use editor

        story  unknown drops a pending edge
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  it has lead_score 20
        day 6               acme  it has lead_score null
        until day 9
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
        expect day 5        acme  held lead-score by pacing

        story  unknown does not re-arm a trigger, false does
        day 2               acme  it has lead_score 20
        day 3               acme  it has lead_score null
        day 10              acme  it has lead_score 20
        day 11              acme  it has lead_score 19
        day 12              acme  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 12       acme  MEDIUM lead-score due day 13–14
    "

    requests_for_consolidation_fire "
        proves  consolidation
        day 1               acme  ann, bob use editor
        watch occurrences

        story  each request is an occurrence; one in the cooldown does not fire later
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

    high_spending_without_a_contract_owner_fires "
        proves  self-serve-ceiling
        day 1               acme  ann uses editor

        story  833 a month are below 10,000 a year, 834 are above
        day 2               acme  it pays 833 a month
        day 3               acme  it pays 834 a month
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  spending that hovers at the threshold fires once
        day 2, 12           acme  it pays 834 a month
        day 3, 6            acme  it pays 833 a month
        day 5, 7, 10        acme  it pays 834 a month
        day 8, 11           acme  it pays 833 a month
        day 7               acme  ann uses editor
        expect day 2        acme  MEDIUM self-serve-ceiling due day 3–4

        story  an account with a contract owner does not fire
        day 2               acme  it has contract_owner kim; it pays 9000 a month
        day 3               acme  it has contract_owner null
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  the revenue of several subscriptions is summed
        day 2               acme  it pays 833 a month for main
        day 3               acme  it pays 1 a month for addon
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5

        story  one unknown subscription makes the sum unknown
        day 2               acme  it pays for subscription addon
        day 3               acme  it pays 9000 a month for main
        day 4               acme  it stops paying for addon
        expect day 4        acme  MEDIUM self-serve-ceiling due day 5–6

        story  an amount in a currency without a rate is unknown
        day 2               acme  it pays 9000 EUR a month

        story  an amount in a currency with a rate is converted
        rules  money rates: {EUR: 1.2}
        day 2               acme  it pays 694 EUR a month
        day 3               acme  it pays 695 EUR a month
        expect day 3        acme  MEDIUM self-serve-ceiling due day 4–5
    "

    a_paying_account_that_is_idle_or_declines_is_at_risk "
        proves  at-risk, D29

        story  a paying account without activity for seven closed days fires
        day 1               acme  ann uses editor; it pays
        until day 8 23:59:59.999
        until end of day 8
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success

        story  in a new life the next absence fires again
        day 1               acme  ann uses editor; it pays
        until end of day 8
        day 403, 405        acme  ann uses editor
        until end of day 412
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success
        expect end of day 412 acme MEDIUM at-risk due end of day 413–414 with route customer_success

        story  a paying account that declines fires
        day 1, 8, 15, 22, 29, 36, 43, 50, 57  acme  u1–u10 use editor
        day 64, 71, 78, 85  acme  u1–u6 use editor
        day 2               acme  it pays
        until end of day 91
        expect end of day 91 acme MEDIUM at-risk due end of day 92–93 with route customer_success, why 6 and 6 weekly active users; 10 is usual

        story  an account that does not pay does not fire
        day 1               acme  ann uses editor
        until end of day 20

        story  an account that cancels one of two subscriptions still pays
        day 1               acme  ann uses editor; it pays for subscription main; it pays for subscription addon
        day 2               acme  it stops paying for addon
        until end of day 8
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10 with route customer_success

        story  an account that cancels both does not pay
        day 1               acme  ann uses editor; it pays for subscription main; it pays for subscription addon
        day 2               acme  it stops paying for addon; it stops paying for main
        until end of day 20

        story  it fires once for each absence
        day 1, 10, 20       acme  ann uses editor; it pays
        until end of day 27
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10
        expect end of day 17 acme MEDIUM at-risk due end of day 18–19
        expect end of day 27 acme MEDIUM at-risk due end of day 28–29
    "

    engaged_users_of_target_accounts_fire "
        proves  target-engaged, user-warm, D10
        watch holds

        story  of two low triggers at one instant the first is sent and names the other, which fires later
        day 1               acme  ann invites i1–i6
        day 2               acme  it has target
        day 5               acme  ann asks support about billing
        until day 8
        expect day 5        acme  ann held target-engaged by pacing
        expect day 5        acme  LOW user-warm for ann also target-engaged
        expect day 8        acme  LOW target-engaged for ann

        story  an account that becomes a target with a warm user fires
        day 1               acme  ann invites i1–i6; ann asks support about billing
        day 5               acme  it has target
        expect day 1        acme  LOW user-warm for ann not before day 2
        expect day 5        acme  LOW target-engaged for ann
    "

    the_first_new_user_of_a_target_account_fires "
        proves  target-first-user, D27a
        watch occurrences

        story  the first new user fires, the others are occurrences
        day 1               acme  it has target
        day 2               acme  ann views pricing
        day 3               acme  ann uses editor
        day 20              acme  bob uses editor
        expect day 2        acme  ann occurrence intent.pricing
        expect day 3        acme  ann occurrence target-first-user
        expect day 3        acme  LOW target-first-user for ann
        expect day 20       acme  bob occurrence target-first-user

        story  the first new user since the account is a target fires
        day 1               acme  ann uses editor
        day 2               acme  it has target
        day 5               acme  bob uses editor
        expect day 5        acme  bob occurrence target-first-user
        expect day 5        acme  LOW target-first-user for bob not before day 6

        story  new users of other accounts do not fire
        day 1               acme  ann uses editor
    "

    a_condition_fires_whatever_makes_it_true "
        proves  D11, D12

        story  a signal of weeks becomes known with the fourth complete week
        rules  triggers +: {id: calm, level: high, cooldown: 1d, when: velocity.growth == 0 && users >= 2}
        day 1–28            acme  ann uses editor
        day 8, 14           acme  bob uses editor
        day 16              acme  bob, cy use editor
        day 22              acme  bob, cy, dan use editor
        until day 30
        expect end of day 28 acme  HIGH calm at once

        story  stickiness of a user becomes known with the seventh day
        rules  triggers +: {id: rare, level: high, cooldown: 1d, when: user.velocity.stickiness == 0 && user.feature.api >= 1}
        day 1               acme  ann calls API
        until day 9
        expect end of day 7  acme  HIGH rare at once for ann

        story  new users become known with the end of the warm-up
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1, 20           acme  ann, bob use editor
        until day 31
        expect end of day 28 acme  HIGH settled at once

        story  new users become known with the first event after the warm-up
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1, 29 00:30     acme  ann, bob use editor
        expect day 29 00:30 acme  HIGH settled at once

        story  new users of an account founded in the log are known at once
        rules  triggers +: {id: settled, level: high, cooldown: 1d, when: velocity.user_adds == 0 && users >= 2}
        day 1               acme  ann signs up; bob uses editor
        expect day 1        acme  HIGH settled due day 2 not before day 2

        story  a trait becomes known with its event
        rules  triggers +: {id: no_icp, level: high, cooldown: 1d, when: fit.icp == 0 && users >= 2}
        day 1               acme  ann, bob use editor
        day 3               acme  it has not icp
        expect day 3        acme  HIGH no_icp at once

        story  the score of users rises with the account's, whether or not a signal of their own is on
        rules  triggers +: {id: scored, level: high, cooldown: 1d, when: user.score >= 30}
        day 1               acme  ann, bob use editor; cy views pricing
        day 2               acme  it has employees 600, icp
        expect day 2        acme  HIGH scored at once for ann, bob

        story  a user becomes a buyer
        rules  triggers +: {id: buyers, level: high, cooldown: 1d, when: user.is_buyer && active_users >= 3}
        day 1               acme  ann has title CTO; ann, bob use editor
        day 3               acme  cy uses editor
        expect day 3        acme  HIGH buyers at once for ann

        story  the only user of an account becomes a buyer when the account turns out to be small
        rules  triggers +: {id: buyers, level: high, cooldown: 1d, when: user.is_buyer && user.intent.pricing >= 1}
        day 1               acme  ann uses editor; it has employees 60
        day 2               acme  ann views pricing
        day 3               acme  it has employees 10
        expect day 3        acme  HIGH buyers at once for ann
    "

    conditions_that_time_alone_makes_true_fire "
        proves  D24

        story  idle days are counted without activity
        rules  triggers +: {id: five, level: high, cooldown: 1d, rearm_after_closed_days: 7, when: active_users >= 5}
        day 1, 100          acme  u1–u5 use editor
        expect day 1        acme  HIGH five due day 2 not before day 2
        expect day 100      acme  HIGH five at once

        story  one idle day too few does not fire
        rules  triggers +: {id: five, level: high, cooldown: 1d, rearm_after_closed_days: 73, when: active_users >= 5}
        day 1, 100          acme  u1–u5 use editor
        expect day 1        acme  HIGH five due day 2 not before day 2

        story  idle days of one month and of two
        rules  rails usage: false
        rules  triggers +: {id: month, level: high, cooldown: 1d, when: idle_days >= 29}
        rules  triggers +: {id: months, level: high, cooldown: 1d, when: idle_days == 60}
        day 1               acme  ann uses editor
        until day 100
        expect end of day 30 acme  HIGH month at once
        expect end of day 61 acme  HIGH months at once

        story  a condition on weeks becomes true by time alone
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

        story  figures are 0 from the first event of the account on
        day 1               acme  it has employees 10
        day 2               acme  ann uses editor
        until end of day 4
        expect day 2        acme  HIGH none-new due day 3 not before day 3
        expect day 2        acme  HIGH none-today due day 3 not before day 3
        expect day 2        acme  HIGH none-this-week due day 3 not before day 3
        expect day 2        acme  HIGH none-this-month due day 3 not before day 3
        expect end of day 3 acme  HIGH none-today at once
    "

    points_of_the_account_change_its_score_without_users "
        proves  A15
        rules   triggers +: {id: by-score, level: high, cooldown: 1d, when: score >= 15}

        story  a signal of the account turns on, and no points of users change
        day 1               acme  ann uses editor
        day 3               acme  somebody creates workspace one; somebody creates workspace two
        until end of day 4
        expect day 3        acme  HIGH by-score at once
    "

    all_effects_of_an_event_have_one_time "
        proves  A17
        rules   signals +: {id: my.views, kind: abandoned, scopes: [user], points: 5, roles: [pricing_viewed, upgrade_started], after: 1h, ttl: 3d}
        watch intent.pricing, my.views, occurrences

        story  a late view opens a session and ends a wait
        day 1 10:00         acme  ann uses editor
        day 2 18:00         zeta  zoe uses editor
        day 2 10:00 arriving day 2 18:00  acme  ann views pricing
        expect day 2 11:00  acme  ann occurrence intent.pricing
        expect day 2 11:00  acme  ann intent.pricing 0→1 crossed
        expect day 2 11:00  acme  ann my.views 0→1 crossed
    "

    the_condition_of_an_event_trigger_sees_the_event "
        proves  A14
        rules   triggers +: {id: alone, level: high, cooldown: 1d, on: {new_user: true, when: 'tier in [\"T4\"]'}}

        story  the condition sees the tier that the event itself changes
        day 1               acme  ann uses editor
        until end of day 2
        expect day 1        acme  HIGH alone due day 2 for ann not before day 2
    "

    stickiness_without_active_users_is_unknown "
        proves  C5
        rules   rails usage: false
        rules   triggers +: {id: little, level: high, cooldown: 1d, when: paid && !(velocity.stickiness >= 1)}

        story  it is unknown if nobody was active for 28 days
        day 1               acme  ann uses editor
        day 40              acme  it pays
        until end of day 40
        expect day 40       acme  MEDIUM at-risk due day 41–42

        story  it is known if somebody was active
        day 1, 30           acme  ann uses editor
        day 40              acme  it pays
        until end of day 40
        expect day 40       acme  HIGH little at once
        expect day 40       acme  MEDIUM at-risk due day 41–42
    "
}
