//! Scenarios of guard rails: which handoffs are held, why, and when they fire.

stories! {
    rails_signup_and_usage_delay_outreach "
        proves  rail signup, rail usage, D13, D15, D16
        story  no outreach within 24 hours of the sign-up of the user
        day 1               acme  ann uses editor
        day 9 10:00         acme  bob signs up
        day 9 10:00, 11:00, 12:00   acme  bob views pricing
        expect day 9        acme  MEDIUM pricing-sessions due day 11–12 10:00 for bob not before day 10 10:00

        story  of several users the latest sign-up counts
        day 1, 5            acme  ann uses editor; it pays
        day 2, 3, 4         acme  ann views pricing
        day 9 10:00         acme  bob signs up
        day 9 10:00, 10:30, 11:00   acme  bob views pricing
        day 9               acme  it stops paying
        expect day 9        acme  MEDIUM pricing-sessions due day 11–12 10:00 for ann, bob not before day 10 10:00

        story  a handoff without usage is held until the first activity
        watch holds
        day 1, 2, 3         acme  ann views pricing
        day 5               acme  bob uses editor
        expect day 3        acme  ann held pricing-sessions by usage
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann

        story  activity of the last 28 days is usage
        watch holds
        day 1               acme  ann uses editor
        day 1               zeta  zoe uses editor
        day 26, 27, 28      acme  ann views pricing
        day 27, 28, 29      zeta  zoe views pricing
        expect day 28       acme  MEDIUM pricing-sessions due day 29–30 for ann
        expect day 29       zeta  zoe held pricing-sessions by usage
    "

    at_most_one_medium_or_low_handoff_in_three_days "
        proves  rail pacing, D8, D9
        watch holds
        day 1               acme  ann signs up
        day 3               acme  u1–u5 use editor
        expect day 3        acme  MEDIUM five-new-users due day 4–5

        story  the second handoff is held, published as held once, and fires after three days
        day 3 14:00, 15:00, 16:00     acme  ann views pricing
        until day 6 11:59:59.999
        until day 6
        expect day 3 16:00  acme  ann held pricing-sessions by pacing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  it does not fire if its condition is false by then
        day 3 14:00, 15:00, 16:00     acme  ann views pricing
        day 5               acme  it pays
        until day 20
        expect day 3 16:00  acme  ann held pricing-sessions by pacing
        expect end of day 10 acme MEDIUM at-risk due end of day 11–12

        story  exactly three days later it is not held
        day 4, 5, 6         acme  ann views pricing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  a raised hand passes pacing and does not start it
        day 3 13:00         acme  ann contacts sales
        day 3 14:00         acme  sales accepts contact-sales
        day 4, 5, 6         acme  ann views pricing
        expect day 3 13:00  acme  HIGH contact-sales at once for ann
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann
    "

    no_outreach_within_a_day_of_sign_up "
        proves  rail signup, D13, D15

        story  no outreach for an account trigger within 24 hours of the account's first event
        day 1               acme  u1–u9 use editor; it hits limit
        day 2 11:59         acme  u10 uses editor
        expect day 2 11:59  acme  HIGH near-limit due day 2 not before day 2

        story  exactly 24 hours later outreach may begin
        day 1               acme  u1–u9 use editor; it hits limit
        day 2               acme  u10 uses editor
        expect day 2        acme  HIGH near-limit at once

        story  the later sign-up of a user counts for triggers about users
        day 1               acme  ann uses editor
        day 5               acme  bob signs up; bob invites i1–i6
        day 5 13:00         acme  bob asks support about billing
        expect day 5 13:00  acme  LOW user-warm for bob not before day 6
    "

    fit_alone_never_fires "
        proves  rail usage, D16
        watch holds

        story  without activity in 28 days a handoff is held, and fires with the first activity
        day 1               acme  ann, bob use editor
        day 40              acme  it has lead_score 90
        day 41              acme  it has lead_score 95
        day 42              acme  ann uses editor
        expect day 40       acme  held lead-score by usage
        expect day 42       acme  MEDIUM lead-score due day 43–44

        story  activity 27 days ago is usage
        day 1               acme  ann, bob use editor
        day 28              acme  it has lead_score 90
        expect day 28       acme  MEDIUM lead-score due day 29–30

        story  a raised hand is usage
        day 1               acme  somebody contacts sales
        expect day 1        acme  HIGH contact-sales at once
    "

    the_segment_decides_the_route "
        proves  rail segment, D23
        day 1               acme  ann, bob use editor
        day 2               acme  ann asks support about billing; ann invites i1–i3

        story  small companies get automated e-mail at every level
        day 2               acme  it has employees 49
        day 3               acme  it has lead_score 20
        day 4               acme  ann requests SSO
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment smb, tier T3, route automated_email
        expect day 4        acme  HIGH enterprise-request at once for ann with segment smb, route automated_email

        story  a small company that asks for sales goes to inside sales
        day 2               acme  it has employees 49
        day 3               acme  ann contacts sales
        expect day 3        acme  HIGH contact-sales at once for ann with segment smb, route inside_sales

        story  a small company that takes the enterprise plan goes to inside sales
        day 2               acme  it has employees 49
        day 3               acme  it takes plan enterprise
        expect day 3        acme  HIGH contact-sales at once with segment smb, route inside_sales

        story  accounts of one user get automated e-mail, also in an enterprise
        day 3               zeta  zoe uses editor; it has employees 500
        day 3 13:00         zeta  zoe requests SSO
        expect day 3 13:00  zeta  HIGH enterprise-request at once for zoe with segment enterprise, tier T4, route automated_email
        expect day 3 13:00  zeta  LOW user-warm for zoe not before day 4

        story  mid-market accounts go to inside sales
        day 2               acme  it has employees 50
        day 3               acme  it has lead_score 20
        expect day 2        acme  LOW user-warm for ann with route automated_email
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment mid_market, route inside_sales

        story  enterprises go to a named account executive
        day 2               acme  it has employees 500
        day 3               acme  it has lead_score 20
        day 3 13:00         acme  bob contacts sales
        expect day 2        acme  LOW user-warm for ann with route automated_email
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment enterprise, route named_ae
        expect day 3 13:00  acme  HIGH contact-sales at once for bob with route named_ae

        story  of accounts of unknown size only high handoffs go to a person
        day 3               acme  it has lead_score 20
        day 4               acme  bob requests SSO
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment unknown, route automated_email
        expect day 4        acme  HIGH enterprise-request at once for bob with segment unknown, route inside_sales
    "

    history_before_live_from_fires_nothing "
        proves  rail warm_up, D12
        rules  rails live_from: 2026-01-12T00:00:00Z    # the end of day 7
        day 1               acme  ann, bob use editor
        watch holds

        story  a condition that is true before `live_from` is published as held once and counts as fired
        day 3, 4, 5         acme  ann views pricing
        day 5               acme  somebody contacts sales
        until day 20
        expect day 5        acme  ann held pricing-sessions by warm_up
        expect day 5        acme  held contact-sales by warm_up

        story  a condition that becomes true after `live_from` fires
        day 3, 4            acme  ann, bob view pricing
        day 7 23:59:59.999  acme  ann views pricing
        day 8 00:00         acme  bob views pricing
        day 8               acme  ann contacts sales
        expect day 7 23:59:59.999  acme  ann held pricing-sessions by warm_up
        expect end of day 7 acme  MEDIUM pricing-sessions due end of day 8–9 for bob
        expect day 8        acme  HIGH contact-sales at once for ann
    "

    history_of_a_backfill_fires_nothing "
        proves  D12
        backfill day 1 00:00  begins
        backfill day 1 01:00  begins    → refused
        day 1               acme  ann signs up; ann, bob use editor
        watch holds, intent.pricing

        story  what happens or is true in history counts as fired, and begins neither cooldown nor pacing
        day 3, 4, 5         acme  ann views pricing
        day 5               acme  somebody contacts sales
        backfill day 6 00:00  ends
        backfill day 6 01:00  ends    → refused
        day 6 02:00         acme  somebody contacts sales
        expect day 6 02:00  acme  HIGH contact-sales at once

        story  a medium handoff that did not go out in history holds no other
        day 3, 4, 5         acme  ann views pricing
        backfill day 6 00:00  ends
        day 6               acme  u1–u5 use editor
        until day 10
        expect day 6        acme  MEDIUM five-new-users due day 7–8

        story  what becomes true after history fires
        day 3, 4            acme  ann, bob view pricing
        backfill day 5 00:00  ends
        day 5               acme  ann views pricing
        expect day 5        acme  ann intent.pricing 1→2 crossed
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann

        story  at its end profiles are published
        day 2               acme  u1–u20 use editor
        day 3 00:00 arriving day 2    acme  ann uses editor    → from-the-future
        backfill day 3 01:00  ends
        profile             acme  tier none
    "

    accounts_in_the_holdout_get_no_outreach "
        proves  rail holdout, topic handoff.holdout, D17, D18
        day 1               acme, globex  ann, bob use editor
        watch holds

        story  accounts whose hash is below the share are held out, except for high handoffs
        rules  rails holdout share: 0.567
        day 2, 3, 4         acme  ann views pricing
        day 2, 3, 4         globex  ann views pricing
        day 5               acme  bob contacts sales
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann in the holdout
        expect day 4        globex MEDIUM pricing-sessions due day 5–6 for ann
        expect day 5        acme  HIGH contact-sales at once for bob

        story  0.5660363324 is not below 0.566
        rules  rails holdout share: 0.566
        day 2, 3, 4         acme  ann views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann

        story  another salt selects other accounts
        rules  rails holdout: {share: 0.166, salt: 2026-q1}
        day 2, 3, 4         acme  ann views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann in the holdout

        story  held-out handoffs obey pacing
        rules  rails holdout share: 1
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  it has lead_score 20
        until day 7
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann in the holdout
        expect day 5        acme  held lead-score by pacing
        expect day 7        acme  MEDIUM lead-score due day 8–9 in the holdout
    "

    arms_compare_two_values_of_a_threshold "
        proves  rail arms, D17
        day 1               acme, globex  ann, bob use editor
        watch holds

        story  between the two values the hash decides: acme has 0.566, globex 0.954
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.567, salt: upswell}]
        day 2               acme, globex  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 lower of arm lead-score-40
        expect day 2        globex MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40

        story  0.5660363324 is not below 0.566
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.566, salt: upswell}]
        day 2               acme  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40

        story  without a salt the id is hashed: acme has 0.165, globex 0.033
        rules  rails arms: [{id: 2026-q1, triggers: [lead-score], above: lead_score >= 40.0, share: 0.165}]
        day 2               acme, globex  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm 2026-q1
        expect day 2        globex MEDIUM lead-score due day 3–4 lower of arm 2026-q1

        story  above both values an account is in no arm
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.567, salt: upswell}]
        day 2               acme, globex  it has lead_score 40
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 2        globex MEDIUM lead-score due day 3–4

        story  `above` is evaluated when the trigger fires
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0}]
        day 2               acme  it has do_not_contact; it has lead_score 20
        day 3               acme  it has lead_score 40
        day 4               acme  it has not do_not_contact
        day 2               globex  it has lead_score 20
        day 3               globex  it has lead_score 40
        expect day 2        globex MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40
        expect day 2        acme  held lead-score by engaged
        expect day 4        acme  MEDIUM lead-score due day 5–6

        story  an unknown value is not above
        rules  rails arms: [{id: large, triggers: [lead-score], above: employees >= 100.0, share: 0}]
        day 2               acme  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm large

        story  `above` is evaluated for each user, and one user of the handoff is enough
        rules  rails arms: [{id: buyers, triggers: [user-warm, pricing-sessions], above: user.is_buyer, share: 0}]
        day 1               acme, globex  it pays
        day 2, 3, 4         acme, globex  ann, bob view pricing
        day 5               globex  bob has title CTO
        day 6               acme, globex  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann, bob in the holdout higher of arm buyers
        expect day 6        globex MEDIUM pricing-sessions due day 7–8 for ann, bob

        story  a handoff of the higher group awaits no answer, and obeys pacing
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.567, salt: upswell}]
        day 2               acme, globex  it has employees 50, lead_score 20
        day 3, 4            acme, globex  ann views pricing
        day 3 13:00         acme, globex  ann views pricing
        until day 5
        until day 9
        expect day 2        acme  MEDIUM lead-score due day 3–4 lower of arm lead-score-40 with route inside_sales
        expect day 2        globex MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40 with route inside_sales
        expect day 4        acme  ann held pricing-sessions by pacing
        expect day 4        globex ann held pricing-sessions by pacing
        expect day 5        globex MEDIUM pricing-sessions due day 6–7 for ann
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 9        acme  MEDIUM pricing-sessions due day 10–11 for ann

        story  an account in the holdout is in no arm
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 1}]
        rules  rails holdout share: 0.567
        day 2               acme, globex  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout
        expect day 2        globex MEDIUM lead-score due day 3–4 lower of arm lead-score-40
    "

    the_engaged_rail_holds_handoffs "
        proves  rail engaged, D8, F17, D26
        day 1               acme  ann, bob use editor
        watch holds

        story  an edge that passed pacing at its own instant is not held by it again
        day 2               acme  it has lead_score 20
        day 3               acme  it has do_not_contact
        day 3, 4            acme  ann views pricing
        day 5 12:10         acme  ann views pricing
        day 5 12:30         acme  it has not do_not_contact
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 5 12:10  acme  ann held pricing-sessions by engaged
        expect day 5 12:30  acme  MEDIUM pricing-sessions due day 6–7 12:30 for ann

        story  do_not_contact holds all but high handoffs
        day 2               acme  it has do_not_contact
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  ann contacts sales; sales accepts contact-sales
        day 8               acme  it has not do_not_contact
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  HIGH contact-sales at once for ann
        expect day 8        acme  MEDIUM pricing-sessions due day 9–10 for ann

        story  usage may end while do_not_contact holds a handoff
        day 2               acme  it has do_not_contact
        day 3, 4, 5         acme  ann views pricing
        day 28, 29 00:30    acme  sales calls
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 29 00:30 acme  ann held pricing-sessions by usage

        story  an open opportunity holds handoffs
        day 2               acme  it has open_opportunity
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  it has open_opportunity null
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  an opportunity is open from its creation until the deal is won or lost
        day 2               acme  sales opens opportunity
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  sales wins deal
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  an unanswered handoff to a person holds others for seven days
        day 2               acme  it has employees 50, lead_score 20
        day 6, 7, 8         acme  ann views pricing
        until day 9 11:59:59.999
        until day 9
        expect day 2        acme  MEDIUM lead-score due day 3–4 with route inside_sales
        expect day 8        acme  ann held pricing-sessions by engaged
        expect day 9        acme  MEDIUM pricing-sessions due day 10–11 for ann

        story  an answer ends the hold
        day 2               acme  it has employees 50, lead_score 20
        day 5, 6, 7         acme  ann views pricing
        day 8               acme  sales rejects lead-score
        until day 20
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 7        acme  ann held pricing-sessions by engaged
        expect day 8        acme  MEDIUM pricing-sessions due day 9–10 for ann

        story  an answer to another handoff does not end the hold
        day 2               acme  it has employees 50, lead_score 20
        day 5, 6, 7         acme  ann views pricing
        day 8               acme  sales accepts contact-sales
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 7        acme  ann held pricing-sessions by engaged

        story  an automated handoff awaits no answer
        day 2               acme  it has lead_score 20
        day 4, 5, 6         acme  ann views pricing
        expect day 2        acme  MEDIUM lead-score due day 3–4 with route automated_email
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann
    "

    a_held_event_trigger_waits_for_seven_days "
        proves  D25, D8
        day 1               acme  ann, bob use editor
        day 2               acme  it has do_not_contact
        day 3               acme  somebody asks for consolidation
        watch holds
        expect day 3        acme  held consolidation by engaged

        story  an hour before the end of the seven days it fires
        day 10 11:00        acme  it has not do_not_contact
        expect day 10 11:00 acme  MEDIUM consolidation due day 11–12 11:00

        story  the seven days begin at the time of the event, not at its arrival
        day 2 13:00 arriving day 9   acme  somebody asks for consolidation
        day 10 11:00        acme  it has not do_not_contact
        expect day 10 11:00 acme  MEDIUM consolidation due day 11–12 11:00

        story  after seven days it is dropped
        until day 10
        day 10 13:00        acme  it has not do_not_contact
        until day 20
    "

    a_rejection_changes_nothing_at_once "
        proves  F17

        story  a rejected handoff fires again only after its condition was false and the cooldown is over
        day 1               acme  ann, bob use editor
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  sales rejects pricing-sessions
        until day 20
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
    "
}
