//! Guard rails: what is held back, why, and when it goes out.

stories! {
    sign_ups_and_usage_guard_outreach "
        proves  rail signup, rail usage, D13, D15, D16
        story  outreach waits for 24 hours after the sign-up of the user it is about
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
        proves  rail pacing, D8, D9
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
        expect end of day 10 acme MEDIUM at-risk due end of day 11–12

        story  exactly three days later nothing is held
        day 4, 5, 6         acme  ann views pricing
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  a raised hand always passes and starts no cooldown
        day 3 13:00         acme  ann contacts sales
        day 3 14:00         acme  sales accepts contact-sales
        day 4, 5, 6         acme  ann views pricing
        expect day 3 13:00  acme  HIGH contact-sales at once for ann
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann
    "

    whoever_signs_up_is_left_alone_for_a_day "
        proves  rail signup, D13, D15

        story  an account trigger waits for the account's first day, and is urgent then
        day 1               acme  u1–u9 use editor; it hits limit
        day 2 11:59         acme  u10 uses editor
        expect day 2 11:59  acme  HIGH near-limit due day 2 not before day 2

        story  exactly 24 hours later it does not
        day 1               acme  u1–u9 use editor; it hits limit
        day 2               acme  u10 uses editor
        expect day 2        acme  HIGH near-limit at once

        story  a user who signed up later waits longer
        day 1               acme  ann uses editor
        day 5               acme  bob signs up; bob invites i1–i6
        day 5 13:00         acme  bob asks support about billing
        expect day 5 13:00  acme  LOW user-warm for bob not before day 6
    "

    fit_alone_never_fires "
        proves  rail usage, D16
        watch holds

        story  without activity in 28 days the best of leads is held, and goes out with the first use
        day 1               acme  ann, bob use editor
        day 40              acme  it has lead_score 90
        day 41              acme  it has lead_score 95
        day 42              acme  ann uses editor
        expect day 40       acme  held lead-score by usage
        expect day 42       acme  MEDIUM lead-score due day 43–44

        story  activity of 27 days ago is enough
        day 1               acme  ann, bob use editor
        day 28              acme  it has lead_score 90
        expect day 28       acme  MEDIUM lead-score due day 29–30

        story  a raised hand is a fact itself
        day 1               acme  somebody contacts sales
        expect day 1        acme  HIGH contact-sales at once
    "

    the_segment_says_through_whom "
        proves  rail segment, D23
        day 1               acme  ann, bob use editor
        day 2               acme  ann asks support about billing; ann invites i1–i3

        story  small companies are written to, whatever the level
        day 2               acme  it has employees 49
        day 3               acme  it has lead_score 20
        day 4               acme  ann requests SSO
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment smb, tier T3, route automated_email
        expect day 4        acme  HIGH enterprise-request at once for ann with segment smb, route automated_email

        story  unless they ask for sales
        day 2               acme  it has employees 49
        day 3               acme  ann contacts sales
        expect day 3        acme  HIGH contact-sales at once for ann with segment smb, route inside_sales

        story  as by taking the enterprise plan
        day 2               acme  it has employees 49
        day 3               acme  it takes plan enterprise
        expect day 3        acme  HIGH contact-sales at once with segment smb, route inside_sales

        story  individuals are written to, also of an enterprise
        day 3               zeta  zoe uses editor; it has employees 500
        day 3 13:00         zeta  zoe requests SSO
        expect day 3 13:00  zeta  HIGH enterprise-request at once for zoe with segment enterprise, tier T4, route automated_email
        expect day 3 13:00  zeta  LOW user-warm for zoe not before day 4

        story  the middle is assisted from inside
        day 2               acme  it has employees 50
        day 3               acme  it has lead_score 20
        expect day 2        acme  LOW user-warm for ann with route automated_email
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment mid_market, route inside_sales

        story  enterprises have a person of their own
        day 2               acme  it has employees 500
        day 3               acme  it has lead_score 20
        day 3 13:00         acme  bob contacts sales
        expect day 2        acme  LOW user-warm for ann with route automated_email
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment enterprise, route named_ae
        expect day 3 13:00  acme  HIGH contact-sales at once for bob with route named_ae

        story  where nothing is known, only what is urgent is read by a person
        day 3               acme  it has lead_score 20
        day 4               acme  bob requests SSO
        expect day 3        acme  MEDIUM lead-score due day 4–5 with segment unknown, route automated_email
        expect day 4        acme  HIGH enterprise-request at once for bob with segment unknown, route inside_sales
    "

    history_that_is_loaded_fires_nothing "
        proves  rail warm_up, D12
        rules  rails live_from: 2026-01-12T00:00:00Z    # the end of day 7
        day 1               acme  ann, bob use editor
        watch holds

        story  what is true before is told once, and marked as fired
        day 3, 4, 5         acme  ann views pricing
        day 5               acme  somebody contacts sales
        until day 20
        expect day 5        acme  ann held pricing-sessions by warm_up
        expect day 5        acme  held contact-sales by warm_up

        story  what becomes true then fires
        day 3, 4            acme  ann, bob view pricing
        day 7 23:59:59.999  acme  ann views pricing
        day 8 00:00         acme  bob views pricing
        day 8               acme  ann contacts sales
        expect day 7 23:59:59.999  acme  ann held pricing-sessions by warm_up
        expect end of day 7 acme  MEDIUM pricing-sessions due end of day 8–9 for bob
        expect day 8        acme  HIGH contact-sales at once for ann
    "

    some_accounts_are_left_alone_to_compare "
        proves  rail holdout, topic handoff.holdout, D17, D18
        day 1               acme, globex  ann, bob use editor
        watch holds

        story  whose hash is below the share; urgent ones go out
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

        story  another salt is another experiment
        rules  rails holdout: {share: 0.166, salt: 2026-q1}
        day 2, 3, 4         acme  ann views pricing
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann in the holdout

        story  they are paced like all others
        rules  rails holdout share: 1
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  it has lead_score 20
        until day 7
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann in the holdout
        expect day 5        acme  held lead-score by pacing
        expect day 7        acme  MEDIUM lead-score due day 8–9 in the holdout
    "

    two_values_of_a_threshold_are_compared "
        proves  rail arms, D17
        day 1               acme, globex  ann, bob use editor
        watch holds

        story  between the two the hash decides: acme lies at 0.566, globex at 0.954
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.567, salt: upswell}]
        day 2               acme, globex  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 lower of arm lead-score-40
        expect day 2        globex MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40

        story  0.5660363324 is not below 0.566
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.566, salt: upswell}]
        day 2               acme  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40

        story  without a salt the id is hashed: acme lies at 0.165 then, globex at 0.033
        rules  rails arms: [{id: 2026-q1, triggers: [lead-score], above: lead_score >= 40.0, share: 0.165}]
        day 2               acme, globex  it has lead_score 39
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm 2026-q1
        expect day 2        globex MEDIUM lead-score due day 3–4 lower of arm 2026-q1

        story  above both of them all are alike
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0.567, salt: upswell}]
        day 2               acme, globex  it has lead_score 40
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 2        globex MEDIUM lead-score due day 3–4

        story  what is asked is how it stands when it fires
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 0}]
        day 2               acme  it has do_not_contact; it has lead_score 20
        day 3               acme  it has lead_score 40
        day 4               acme  it has not do_not_contact
        day 2               globex  it has lead_score 20
        day 3               globex  it has lead_score 40
        expect day 2        globex MEDIUM lead-score due day 3–4 in the holdout higher of arm lead-score-40
        expect day 2        acme  held lead-score by engaged
        expect day 4        acme  MEDIUM lead-score due day 5–6

        story  what is not known is not above
        rules  rails arms: [{id: large, triggers: [lead-score], above: employees >= 100.0, share: 0}]
        day 2               acme  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout higher of arm large

        story  a user is asked about themself, and one of those who turn together is enough
        rules  rails arms: [{id: buyers, triggers: [user-warm, pricing-sessions], above: user.is_buyer, share: 0}]
        day 1               acme, globex  it pays
        day 2, 3, 4         acme, globex  ann, bob view pricing
        day 5               globex  bob has title CTO
        day 6               acme, globex  it stops paying
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann, bob in the holdout higher of arm buyers
        expect day 6        globex MEDIUM pricing-sessions due day 7–8 for ann, bob

        story  no person has to answer what nobody reads; all are paced alike
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

        story  an account that is held out is in no group
        rules  rails arms: [{id: lead-score-40, triggers: [lead-score], above: lead_score >= 40.0, share: 1}]
        rules  rails holdout share: 0.567
        day 2               acme, globex  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4 in the holdout
        expect day 2        globex MEDIUM lead-score due day 3–4 lower of arm lead-score-40
    "

    who_is_talked_to_already_is_not_disturbed "
        proves  rail engaged, D8, F17, D26
        day 1               acme  ann, bob use editor
        watch holds

        story  what passed pacing by its own instant is not held by it again
        day 2               acme  it has lead_score 20
        day 3               acme  it has do_not_contact
        day 3, 4            acme  ann views pricing
        day 5 12:10         acme  ann views pricing
        day 5 12:30         acme  it has not do_not_contact
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 5 12:10  acme  ann held pricing-sessions by engaged
        expect day 5 12:30  acme  MEDIUM pricing-sessions due day 6–7 12:30 for ann

        story  nobody who must not be contacted, but for a raised hand
        day 2               acme  it has do_not_contact
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  ann contacts sales; sales accepts contact-sales
        day 8               acme  it has not do_not_contact
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  HIGH contact-sales at once for ann
        expect day 8        acme  MEDIUM pricing-sessions due day 9–10 for ann

        story  and while that lasts the usage that there was may be over, at an event of another day
        day 2               acme  it has do_not_contact
        day 3, 4, 5         acme  ann views pricing
        day 28, 29 00:30    acme  sales calls
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 29 00:30 acme  ann held pricing-sessions by usage

        story  nobody with an open opportunity
        day 2               acme  it has open_opportunity
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  it has open_opportunity null
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  which is one from its creation until the deal is won or lost
        day 2               acme  sales opens opportunity
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  sales wins deal
        expect day 5        acme  ann held pricing-sessions by engaged
        expect day 6        acme  MEDIUM pricing-sessions due day 7–8 for ann

        story  nobody whom a person has to answer, for seven days
        day 2               acme  it has employees 50, lead_score 20
        day 6, 7, 8         acme  ann views pricing
        until day 9 11:59:59.999
        until day 9
        expect day 2        acme  MEDIUM lead-score due day 3–4 with route inside_sales
        expect day 8        acme  ann held pricing-sessions by engaged
        expect day 9        acme  MEDIUM pricing-sessions due day 10–11 for ann

        story  until the answer is there
        day 2               acme  it has employees 50, lead_score 20
        day 5, 6, 7         acme  ann views pricing
        day 8               acme  sales rejects lead-score
        until day 20
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 7        acme  ann held pricing-sessions by engaged
        expect day 8        acme  MEDIUM pricing-sessions due day 9–10 for ann

        story  an answer to another handoff is none
        day 2               acme  it has employees 50, lead_score 20
        day 5, 6, 7         acme  ann views pricing
        day 8               acme  sales accepts contact-sales
        expect day 2        acme  MEDIUM lead-score due day 3–4
        expect day 7        acme  ann held pricing-sessions by engaged

        story  what no person reads waits for no answer
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

        story  an hour before their end it fires
        day 10 11:00        acme  it has not do_not_contact
        expect day 10 11:00 acme  MEDIUM consolidation due day 11–12 11:00

        story  seven days from its own time, not from its arrival
        day 2 13:00 arriving day 9   acme  somebody asks for consolidation
        day 10 11:00        acme  it has not do_not_contact
        expect day 10 11:00 acme  MEDIUM consolidation due day 11–12 11:00

        story  after them it is dropped
        until day 10
        day 10 13:00        acme  it has not do_not_contact
        until day 20
    "

    a_rejection_changes_nothing_at_once "
        proves  F17

        story  it fires again only after it was false, and after the cooldown
        day 1               acme  ann, bob use editor
        day 2, 3, 4         acme  ann views pricing
        day 5               acme  sales rejects pricing-sessions
        until day 20
        expect day 4        acme  MEDIUM pricing-sessions due day 5–6 for ann
    "
}
