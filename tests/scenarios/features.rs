//! Scenarios of feature signals: premium features, limits, the API, breadth, exports; and of own signals.

stories! {
    premium_features_count_by_distinct_features "
        proves  feature.premium, E3, E5
        watch feature.premium

        story  one premium feature is rung 1, plain features do not count
        day 1               acme  ann uses editor; ann uses premium reports
        day 2               acme  ann uses premium reports
        day 3               acme  ann uses premium roles
        expect day 1        acme  ann feature.premium 0→1 crossed

        story  three distinct premium features are rung 2; each counts for 90 days after its last use
        day 1               acme  ann uses premium reports; ann uses premium roles
        day 2               acme  ann uses premium branding
        day 10              acme  ann uses premium reports
        until day 91 11:59:59.999
        until day 91
        until day 100
        expect day 1        acme  ann feature.premium 0→1 crossed
        expect day 2        acme  ann feature.premium 1→2 crossed
        expect day 91       acme  ann feature.premium 2→1 lapsed
        expect day 100      acme  ann feature.premium 1→0 lapsed

        story  premium uses without a name count as one feature
        day 1               acme  ann uses premium ×5; bob uses premium roles
        day 2               acme  ann uses premium; ann uses premium reports
        day 3               acme  ann uses premium roles
        expect day 1        acme  ann feature.premium 0→1 crossed
        expect day 1        acme  bob feature.premium 0→1 crossed
        expect day 3        acme  ann feature.premium 1→2 crossed
        profile             acme ann  features reports/roles

        story  each user has its own rung
        day 1               acme  ann uses premium reports; bob uses premium roles; cy uses premium branding
        expect day 1        acme  ann feature.premium 0→1 crossed
        expect day 1        acme  bob feature.premium 0→1 crossed
        expect day 1        acme  cy feature.premium 0→1 crossed
    "

    a_limit_hit_counts_for_30_days "
        proves  feature.limit_hit, E1, E2, E15
        watch feature.limit_hit
        day 1               acme  ann uses editor
        day 2               acme  it hits limit of storage
        expect day 2        acme  feature.limit_hit 0→1 crossed

        story  it is on until its TTL ends
        until day 32 11:59:59.999

        story  it is off at the end of its TTL
        until day 32
        expect day 32       acme  feature.limit_hit 1→0 lapsed

        story  limits of several meters and users are one signal, which lasts as long as the last of them
        day 3               acme  ann hits limit of seats
        day 4               acme  bob hits limit
        until day 33
        until day 34
        expect day 34       acme  feature.limit_hit 1→0 lapsed

        story  a late event does not shorten it, and an event whose TTL is over changes nothing
        day 1 arriving day 5           acme  it hits limit of seats
        day 40              acme  ann uses editor
        day 10 11:00 arriving day 40   acme  it hits limit of seats
        expect day 32       acme  feature.limit_hit 1→0 lapsed
    "

    the_api_and_integrations_are_one_signal "
        proves  feature.api
        watch feature.api

        story  an API call or an integration counts, for 90 days after the last one
        day 1               acme  ann calls API; bob connects slack
        day 2               acme  ann connects slack
        until day 91
        until day 92
        expect day 1        acme  ann feature.api 0→1 crossed
        expect day 1        acme  bob feature.api 0→1 crossed
        expect day 91       acme  bob feature.api 1→0 lapsed
        expect day 92       acme  ann feature.api 1→0 lapsed

        story  a call without a user counts for no user
        day 1               acme  ann uses editor; somebody calls API
    "

    five_distinct_features_turn_breadth_on "
        proves  feature.breadth, E4
        watch feature.breadth

        story  four features are not enough, however often they are used
        day 1               acme  ann uses a; ann uses b; ann uses c; ann uses d
        day 2               acme  ann uses a; bob uses e; ann activates

        story  the fifth feature turns it on, for this life
        day 1               acme  ann uses a; ann uses b; ann uses c; ann uses d
        day 2               acme  ann uses e
        until day 402 23:59:59.999
        until end of day 402
        expect day 2        acme  ann feature.breadth 0→1 crossed
        expect end of day 402 acme ann feature.breadth 1→0 forgotten

        story  it has one fact of evidence for each feature
        rules  signals feature.breadth rungs: [7]
        day 1 01:00         acme  ann uses a
        day 1 02:00         acme  ann uses b
        day 1 03:00         acme  ann uses c
        day 1 04:00         acme  ann uses d
        day 1 05:00         acme  ann uses e
        day 1 06:00         acme  ann uses f
        day 1 07:00         acme  ann uses g
        expect day 1 07:00  acme  ann feature.breadth 0→1 crossed with evidence day 1 01:00/day 1 05:00/day 1 06:00/day 1 07:00, facts 7

        story  a use at the same instant as one that is known is no fact
        rules  signals feature.breadth rungs: [2]
        rules  signals feature.breadth ttl: 30d
        day 1               acme  ann uses a; ann uses a
        day 2               acme  ann uses b
        expect day 2        acme  ann feature.breadth 0→1 crossed with evidence day 1/day 2, facts 2

        story  with `within: 14d`, what comes too late after sign-up is no fact
        rules  signals feature.breadth rungs: [2]
        rules  signals feature.breadth within: 14d
        day 1               acme  ann signs up; ann uses a
        day 20              acme  ann uses c
        day 10 arriving day 20 13:00  acme  ann uses b
        expect day 20 acme  ann feature.breadth 0→1 crossed with evidence day 1/day 10, facts 2

        story  with `within: 14d`, a feature used 14 days after sign-up does not count
        rules  signals feature.breadth within: 14d
        day 1               acme  ann signs up; ann uses a; ann uses b; ann uses c; ann uses d
        day 15              acme  ann uses e

        story  with a `ttl` too, a later use is not observed, and ends nothing
        rules  signals feature.breadth within: 14d
        rules  signals feature.breadth ttl: 30d
        rules  signals feature.breadth rungs: [1]
        day 1               acme  ann signs up
        day 2, 20           acme  ann uses a
        until day 33
        expect day 2        acme  ann feature.breadth 0→1 crossed
        expect day 32       acme  ann feature.breadth 1→0 lapsed

        story  one millisecond earlier it counts
        rules  signals feature.breadth within: 14d
        day 1               acme  ann signs up; ann uses a; ann uses b; ann uses c; ann uses d
        day 15 11:59:59.999  acme  ann uses e
        expect day 15 11:59:59.999  acme  ann feature.breadth 0→1 crossed
    "

    exports_are_evidence_without_points "
        proves  feature.export

        story  an export counts for 90 days
        watch feature.export, bands, tiers
        day 1               acme  ann exports data
        until day 91 11:59:59.999
        until day 91
        expect day 1        acme  ann feature.export 0→1 crossed
        expect day 1        acme  tier none→T4 crossed
        expect end of day 28 acme tier T4→none closed
        expect day 91       acme  ann feature.export 1→0 lapsed

        story  exports add no points
        day 1               acme  ann exports data
        profile             acme  score 0
        profile             acme ann  score 0, band none, signals feature.export
    "

    an_event_may_have_several_roles "
        proves  E24

        story  each role of an event counts, and its activity counts once
        watch feature.export, feature.api
        rules  roles +: {role: exported, track: [Report Fetched]}
        rules  roles +: {role: api_called, track: [Report Fetched]}
        day 1               acme  ann tracks Report Fetched
        until end of day 1
        expect day 1        acme  ann feature.api 0→1 crossed
        expect day 1        acme  ann feature.export 0→1 crossed
        figures day 1       acme  dau 1
        profile             acme  events 1
    "

    own_signals_work_like_default_signals "
        proves  E5, E23

        story  the evidence is the first fact and the newest three
        rules  signals +: {id: mine.exports, kind: count, scopes: [user], roles: [exported], rungs: [7]}
        watch mine.exports
        day 1 01:00, 02:00, 03:00, 04:00, 05:00, 06:00, 07:00   acme  ann exports data
        expect day 1 07:00  acme  ann mine.exports 0→1 crossed with evidence day 1 01:00/day 1 05:00/day 1 06:00/day 1 07:00, facts 7, caused by an event

        story  once the signal was off, it rests on what came since
        rules  signals +: {id: mine.exports, kind: count, scopes: [user], roles: [exported], ttl: 7d, rungs: [2]}
        watch mine.exports
        day 1, 2, 3         acme  ann exports data
        until day 9 13:00
        day 9 18:00         acme  ann exports data
        until end of day 9
        expect day 2        acme  ann mine.exports 0→1 crossed with evidence day 1/day 2, facts 2
        expect day 9        acme  ann mine.exports 1→0 lapsed with facts 0, caused by time
        expect day 9 18:00  acme  ann mine.exports 0→1 crossed with evidence day 9 18:00, facts 1

        story  a signal of kind count
        rules  signals +: {id: mine.exports, kind: count, scopes: [user], points: [10, 30], in: [pql, pqa], roles: [exported], ttl: 7d, rungs: [2, 4]}
        watch mine.exports, bands
        day 1 10:00         acme  ann exports data
        day 1 11:00, 12:00  acme  ann exports data
        day 2               acme  ann exports data
        until day 10
        expect day 1 11:00  acme  ann mine.exports 0→1 crossed
        expect day 2        acme  ann mine.exports 1→2 crossed
        expect day 2        acme  ann band none→emerging crossed with figure 30
        expect day 8 10:00  acme  ann mine.exports 2→1 lapsed
        expect day 8 10:00  acme  ann band emerging→none lapsed
        expect day 8        acme  ann mine.exports 1→0 lapsed

        story  a signal of kind usage_ratio, in percent
        rules  signals +: {id: mine.storage, kind: usage_ratio, scopes: [account], points: 10, in: [pqa], at_least: 50}
        watch mine.storage
        day 1               acme  ann uses editor
        day 2               acme  it reports 49 of 100 storage
        day 3               acme  it reports 50 of 100 storage
        day 4               acme  it reports 10 of 100 storage
        until end of day 4
        expect day 3        acme  mine.storage 0→1 crossed
        expect end of day 4 acme  mine.storage 1→0 closed

        story  signals of kind growth by ratio and by new users
        rules  signals +: {id: mine.ratio, kind: growth, scopes: [account], points: 10, direction: up, of: ratio, at_least: 50}
        rules  signals +: {id: mine.newcomers, kind: growth, scopes: [account], points: 10, direction: up, of: new_users, at_least: 30}
        watch mine.ratio, mine.newcomers
        day 1               acme  u1 signs up
        day 1, 8, 15        acme  u1, u2 use editor
        day 8, 15           acme  u3 uses editor
        day 15              acme  u4 uses editor
        until end of day 21
        expect end of day 14 acme mine.ratio 0→1 closed
        expect end of day 14 acme mine.newcomers 0→1 closed
        expect end of day 21 acme mine.ratio 1→0 closed
        expect end of day 21 acme mine.newcomers 1→0 closed

        story  after a week without users a ratio is undefined
        rules  signals +: {id: mine.ratio, kind: growth, scopes: [account], points: 10, direction: up, of: ratio, at_least: 50}
        watch mine.ratio
        day 1, 8            acme  u1 uses editor
        day 22              acme  u1, u2 use editor
        until end of day 28

        story  during the warm-up, new users and the age of the account are unknown
        rules  signals +: {id: mine.newcomers, kind: growth, scopes: [account], points: 10, direction: up, of: new_users, at_least: 30}
        rules  signals +: {id: mine.alone, kind: age, scopes: [account], of: single_user, days: 14}
        watch mine.newcomers, mine.alone
        day 1, 8, 15, 27    acme  u1 uses editor
        day 1, 8, 15        zeta  u1, u2 use editor
        day 8, 15           zeta  u3 uses editor
        until day 31
        expect end of day 28 acme mine.alone 0→1 lapsed

        story  the age of an account founded in the log is known
        rules  signals +: {id: mine.alone, kind: age, scopes: [account], of: single_user, days: 14}
        watch mine.alone
        day 1               acme  ann signs up; ann uses editor
        until day 20
        expect day 15       acme  mine.alone 0→1 lapsed

        story  each whole percent of a quota is met exactly
        rules  signals +: {id: mine.used, kind: usage_ratio, scopes: [account], at_least: 29}
        watch mine.used
        day 1               acme  it reports 28 of 100 rows
        day 2               acme  it reports 29 of 100 rows
        expect day 2        acme  mine.used 0→1 crossed

        story  closes also evaluate an account without users
        rules  signals account.volume rungs: [3, 5]
        rules  signals account.volume off: false
        rules  signals +: {id: mine.used, kind: usage_ratio, scopes: [account], at_least: 80}
        watch account.volume, mine.used
        day 1               acme  somebody calls API ×3; it reports 90 of 100 rows
        day 2               acme  it reports 10 of 100 rows
        until day 40
        expect day 1        acme  account.volume 0→1 crossed
        expect day 1        acme  mine.used 0→1 crossed
        expect end of day 2 acme  mine.used 1→0 closed
        expect end of day 28 acme account.volume 1→0 closed

        story  a meter can spike without user activity for weeks
        watch velocity.volume
        day 1               acme, zeta  ann uses editor
        day 5, 15, 25, 35, 45, 55, 65, 75, 85, 95  zeta  ann uses editor
        day 31              acme, zeta  somebody calls API ×30
        day 89              acme, zeta  somebody calls API ×20
        until day 110
        expect end of day 94 acme velocity.volume 0→1 closed
        expect end of day 96 acme velocity.volume 1→0 closed
        expect end of day 94 zeta velocity.volume 0→1 closed
        expect end of day 96 zeta velocity.volume 1→0 closed

        story  what was credited leaves the window before what was used
        rules  meters api_calls: {role: billing_forecast, sum: amount}
        rules  signals account.volume rungs: [3, 50]
        rules  signals account.volume off: false
        watch account.volume
        day 1               acme  ann uses editor; it expects bill of -5
        day 3               acme  it expects bill of 5
        until day 40
        expect end of day 28 acme account.volume 0→1 closed
        expect end of day 30 acme account.volume 1→0 closed

        story  a signal of kind trait with a list of values
        rules  signals +: {id: mine.country, kind: trait, scopes: [account], points: 10, in: [pqa], of: country, one_of: [DE, AT]}
        watch mine.country
        day 1               acme  ann uses editor; it has country at
        expect day 1        acme  mine.country 0→1 crossed
    "
}
