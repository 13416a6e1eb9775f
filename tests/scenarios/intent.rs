//! Scenarios of intent signals: pricing, upgrades, enterprise features, support, admins, terms.

stories! {
    pricing_views_count_in_sessions "
        proves  intent.pricing, E3, E6
        story  a view 29:59 after the last one is in the same session, at 30:00 it starts a new one
        watch intent.pricing, occurrences
        day 1 10:00         acme  ann views pricing
        day 1 10:29:59.999  acme  ann views pricing
        day 1 10:59:59.999  acme  ann views pricing
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:00  acme  ann occurrence intent.pricing
        expect day 1 10:59:59.999  acme  ann occurrence intent.pricing

        story  three sessions of a user who does not pay fire, two do not
        watch intent.pricing
        day 1               acme  ann, bob use editor
        day 3, 4            acme  ann, bob view pricing
        day 5               acme  ann views pricing
        expect day 3        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  bob intent.pricing 0→1 crossed
        expect day 5        acme  ann intent.pricing 1→2 crossed
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann

        story  a late view can join two sessions; the rung falls at the close
        watch intent.pricing, occurrences
        day 1               acme  it pays
        day 1 10:00, 10:50  acme  ann views pricing
        day 2 10:00         acme  ann views pricing
        day 1 10:25 arriving day 2 11:00    acme  ann views pricing
        until end of day 2
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:00  acme  ann occurrence intent.pricing
        expect day 1 10:50  acme  ann occurrence intent.pricing
        expect day 2 10:00  acme  ann intent.pricing 1→2 crossed
        expect day 2 10:00  acme  ann occurrence intent.pricing
        expect end of day 2 acme  ann intent.pricing 2→1 closed

        story  each session counts for 30 days after its last view
        watch intent.pricing
        day 1               acme  ann uses editor; it pays
        day 1, 2, 3         acme  ann views pricing
        until day 40
        expect day 1        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann intent.pricing 1→2 crossed
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10
        expect day 31       acme  ann intent.pricing 2→1 lapsed
        expect day 33       acme  ann intent.pricing 1→0 lapsed

        story  a late view whose 30 days are over changes nothing; one millisecond earlier it counts
        watch intent.pricing, occurrences
        day 40              zeta  zoe uses editor
        day 10 11:00 arriving day 40         acme  ann views pricing
        day 10 11:00:00.001 arriving day 40  acme  bob views pricing
        until day 41
        expect day 10 11:00:00.001  acme  bob occurrence intent.pricing
        expect day 10 11:00:00.001  acme  bob intent.pricing 0→1 crossed
        expect day 40 11:00:00.001  acme  bob intent.pricing 1→0 lapsed
    "

    a_seen_fact_counts_for_its_time_to_live "
        proves  intent.enterprise, E1, E2
        watch intent.enterprise
        day 1               acme  ann requests SSO
        expect day 1        acme  ann intent.enterprise 0→1 crossed
        expect day 1        acme  HIGH enterprise-request at once for ann

        story  one millisecond before the end of its TTL it is on
        until day 91 11:59:59.999

        story  at the end of its TTL it is off
        until day 91
        expect day 91       acme  ann intent.enterprise 1→0 lapsed

        story  another event extends it
        day 60              acme  ann requests SAML
        until day 149
        until day 150
        expect day 60       acme  HIGH enterprise-request at once for ann
        expect day 150      acme  ann intent.enterprise 1→0 lapsed
    "

    views_of_the_terms_count_for_30_days "
        proves  intent.terms
        watch intent.terms, bands

        story  a view of the terms counts for 30 days, also by a user without activity, for the account's score only
        day 1               acme  bob uses editor
        day 2               acme  ann reads terms; bob reads terms
        until day 32 11:59:59.999
        until day 32
        expect day 2        acme  ann intent.terms 0→1 crossed
        expect day 2        acme  bob intent.terms 0→1 crossed
        expect day 32       acme  ann intent.terms 1→0 lapsed
        expect day 32       acme  bob intent.terms 1→0 lapsed
    "

    support_requests_about_billing_count "
        proves  intent.billing_support
        watch intent.billing_support

        story  topics of the rules count for 30 days, in any letter case
        day 1               acme  ann asks support about a bug; ann asks support about planning
        day 2               acme  ann asks support about Annual Terms
        day 3               acme  ann asks support about billing
        until day 33
        expect day 2        acme  ann intent.billing_support 0→1 crossed
        expect day 33       acme  ann intent.billing_support 1→0 lapsed
    "

    a_new_admin_counts "
        proves  intent.admin_change, E16
        watch intent.admin_change
        day 1               acme  ann uses editor

        story  an admin event within 24 hours of the founding does not count
        day 2 11:59:59.999  acme  ann makes bob admin

        story  the first admin of an account does not count, whenever the event arrives
        day 6               acme  ann makes bob admin

        story  a later admin event counts for 90 days
        day 1 13:00         acme  ann makes cy admin
        day 2               acme  ann makes bob admin
        until day 92
        expect day 2        acme  intent.admin_change 0→1 crossed
        expect day 92       acme  intent.admin_change 1→0 lapsed
    "

    upgrades_can_be_abandoned "
        proves  intent.abandoned_upgrade, E7
        watch intent.abandoned_upgrade
        day 1               acme  ann starts upgrade

        story  it turns on 24 hours after the start, for 30 days
        until day 2 11:59:59.999
        until day 2
        until day 32 11:59:59.999
        until day 32
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 32       acme  ann intent.abandoned_upgrade 1→0 lapsed

        story  a completion by any user of the account before that prevents it
        day 2 11:59:59.999  acme  bob completes upgrade
        until day 5

        story  a completion at that time or later turns it off
        until day 2
        day 2 arriving day 2 14:00     acme  bob completes upgrade
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 2        acme  ann intent.abandoned_upgrade 1→0 crossed

        story  a completion before the start does not count
        day 1 11:59:59.999  acme  ann completes upgrade
        until day 2
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  a start that arrives late turns it on at start plus 24 hours
        day 5               acme  somebody uses editor
        day 2 arriving day 5 13:00     acme  bob starts upgrade
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 3        acme  bob intent.abandoned_upgrade 0→1 crossed

        story  the latest start counts
        day 2 11:00         acme  ann starts upgrade
        until day 2
        until day 3
        expect day 3 11:00  acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  a newer start while it is on extends it
        day 10              acme  ann starts upgrade
        until day 41 11:59:59.999
        until day 41
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 41       acme  ann intent.abandoned_upgrade 1→0 lapsed
    "

    any_two_roles_can_be_abandoned "
        proves  E7
        rules  signals +: {id: my.profile, kind: abandoned, scopes: [user], points: 5, roles: [profiling_started, profiling_finished], after: 1h, ttl: 2d}
        rules  signals +: {id: my.setup, kind: abandoned, scopes: [user], points: 5, roles: [integration_connected, profiling_finished], after: 2h, ttl: 2d}
        watch my.profile, my.setup, intent.abandoned_upgrade
        day 1               acme  ann begins profile; ann starts upgrade

        story  its completing role by any user of the account ends it
        day 1 12:59:59.999  acme  bob finishes profile
        until day 2
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  the completing role of another signal does not end it
        day 1 12:30         acme  ann completes upgrade
        until day 5
        expect day 1 13:00  acme  ann my.profile 0→1 lapsed
        expect day 3 13:00  acme  ann my.profile 1→0 lapsed

        story  one role may complete several signals
        day 1 11:00         acme  bob connects github
        until day 1 13:30
        day 1 14:00         acme  cy finishes profile
        until day 1 23:00
        expect day 1 13:00  acme  ann my.profile 0→1 lapsed
        expect day 1 13:00  acme  bob my.setup 0→1 lapsed
        expect day 1 14:00  acme  ann my.profile 1→0 crossed
        expect day 1 14:00  acme  bob my.setup 1→0 crossed

        story  of several completions the latest by event time counts
        day 1 12:40                              acme  bob finishes profile
        day 1 12:20 arriving day 1 12:45         acme  cy finishes profile
        day 1 12:30 arriving day 1 12:50         acme  dan begins profile
        until day 1 23:00
    "

    each_view_can_be_a_session "
        proves  E6

        story  without a gap each view is a session
        rules  signals intent.pricing gap: null
        watch intent.pricing
        day 1               acme  it pays
        day 1 10:00         acme  ann views pricing
        day 1 10:01         acme  ann views pricing
        day 1 10:02         acme  ann views pricing
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:02  acme  ann intent.pricing 1→2 crossed
    "
}
