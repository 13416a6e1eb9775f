//! Intent: prices, upgrades, requests, support, admins, terms.

stories! {
    pricing_is_counted_in_sessions "
        proves  intent.pricing, E3, E6
        story  29:59 after the last look is the same session, 30:00 a new one
        watch intent.pricing, occurrences
        day 1 10:00         acme  ann views pricing
        day 1 10:29:59.999  acme  ann views pricing
        day 1 10:59:59.999  acme  ann views pricing
        expect day 1 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 1 10:00  acme  ann occurrence intent.pricing
        expect day 1 10:59:59.999  acme  ann occurrence intent.pricing

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

        story  each session counts for 30 days after its last look
        watch intent.pricing
        day 1               acme  ann uses editor; it pays
        day 1, 2, 3         acme  ann views pricing
        until day 40
        expect day 1        acme  ann intent.pricing 0→1 crossed
        expect day 3        acme  ann intent.pricing 1→2 crossed
        expect end of day 8 acme  MEDIUM at-risk due end of day 9–10
        expect day 31       acme  ann intent.pricing 2→1 lapsed
        expect day 33       acme  ann intent.pricing 1→0 lapsed

        story  a late look whose 30 days are over does nothing, a millisecond before that it counts
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

    the_terms_are_read_before_a_purchase "
        proves  intent.terms
        watch intent.terms, bands

        story  for 30 days, by whoever does nothing else too, and for the account's score alone
        day 1               acme  bob uses editor
        day 2               acme  ann reads terms; bob reads terms
        until day 32 11:59:59.999
        until day 32
        expect day 2        acme  ann intent.terms 0→1 crossed
        expect day 2        acme  bob intent.terms 0→1 crossed
        expect day 32       acme  ann intent.terms 1→0 lapsed
        expect day 32       acme  bob intent.terms 1→0 lapsed
    "

    support_is_asked_about_money "
        proves  intent.billing_support
        watch intent.billing_support

        story  of the topics in the rules, however written, for 30 days
        day 1               acme  ann asks support about a bug; ann asks support about planning
        day 2               acme  ann asks support about Annual Terms
        day 3               acme  ann asks support about billing
        until day 33
        expect day 2        acme  ann intent.billing_support 0→1 crossed
        expect day 33       acme  ann intent.billing_support 1→0 lapsed
    "

    admins_change_hands "
        proves  intent.admin_change, E16
        watch intent.admin_change
        day 1               acme  ann uses editor

        story  within 24 hours of the founding it is set up, not changed
        day 2 11:59:59.999  acme  ann makes bob admin

        story  the first admin of the account is none, whenever it comes
        day 6               acme  ann makes bob admin

        story  then it counts for 90 days
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

        story  24 hours later it is on, and for 30 days
        until day 2 11:59:59.999
        until day 2
        until day 32 11:59:59.999
        until day 32
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 32       acme  ann intent.abandoned_upgrade 1→0 lapsed

        story  anybody of the account may complete it until then
        day 2 11:59:59.999  acme  bob completes upgrade
        until day 5

        story  a completion that comes exactly then, or later, ends it
        until day 2
        day 2 arriving day 2 14:00     acme  bob completes upgrade
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 2        acme  ann intent.abandoned_upgrade 1→0 crossed

        story  a completion before the start completes another
        day 1 11:59:59.999  acme  ann completes upgrade
        until day 2
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  a start that comes late has waited already
        day 5               acme  somebody uses editor
        day 2 arriving day 5 13:00     acme  bob starts upgrade
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 3        acme  bob intent.abandoned_upgrade 0→1 crossed

        story  the latest start counts
        day 2 11:00         acme  ann starts upgrade
        until day 2
        until day 3
        expect day 3 11:00  acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  a newer start while it is on makes it last longer
        day 10              acme  ann starts upgrade
        until day 41 11:59:59.999
        until day 41
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed
        expect day 41       acme  ann intent.abandoned_upgrade 1→0 lapsed
    "

    whatever_is_begun_can_be_abandoned "
        proves  E7
        rules  signals +: {id: my.profile, kind: abandoned, scopes: [user], points: 5, roles: [profiling_started, profiling_finished], after: 1h, ttl: 2d}
        rules  signals +: {id: my.setup, kind: abandoned, scopes: [user], points: 5, roles: [integration_connected, profiling_finished], after: 2h, ttl: 2d}
        watch my.profile, my.setup, intent.abandoned_upgrade
        day 1               acme  ann begins profile; ann starts upgrade

        story  it is completed by its own role, by anybody
        day 1 12:59:59.999  acme  bob finishes profile
        until day 2
        expect day 2        acme  ann intent.abandoned_upgrade 0→1 lapsed

        story  not by that of something else
        day 1 12:30         acme  ann completes upgrade
        until day 5
        expect day 1 13:00  acme  ann my.profile 0→1 lapsed
        expect day 3 13:00  acme  ann my.profile 1→0 lapsed

        story  one role may complete several things
        day 1 11:00         acme  bob connects github
        until day 1 13:30
        day 1 14:00         acme  cy finishes profile
        until day 1 23:00
        expect day 1 13:00  acme  ann my.profile 0→1 lapsed
        expect day 1 13:00  acme  bob my.setup 0→1 lapsed
        expect day 1 14:00  acme  ann my.profile 1→0 crossed
        expect day 1 14:00  acme  bob my.setup 1→0 crossed

        story  of several completions the latest counts, whenever it arrives
        day 1 12:40                              acme  bob finishes profile
        day 1 12:20 arriving day 1 12:45         acme  cy finishes profile
        day 1 12:30 arriving day 1 12:50         acme  dan begins profile
        until day 1 23:00
    "

    views_can_be_counted_singly "
        proves  E6

        story  with no silence between sessions each view is one
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
