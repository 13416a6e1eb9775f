//! Scenarios of the outputs besides handoffs: onboarding, profiles, the signals feed.

stories! {
    tracks_follow_size_and_users "
        proves  topic onboarding, F11, D20
        watch onboarding

        story  the tracks solo, small_team, mid_market and enterprise
        day 1               acme  ann is identified; bob views pricing
        day 2               acme  ann uses editor
        day 3               acme  bob uses editor
        day 3 13:00         acme  u1–u12 use editor
        day 4               acme  it has employees 49
        day 5               acme  it has employees 50
        day 6               acme  it has employees 499
        day 7               acme  it has employees 500
        day 8               acme  it has employees null
        expect day 2        acme  onboarding none→solo
        expect day 3        acme  onboarding solo→small_team
        expect day 5        acme  onboarding small_team→mid_market with employees 50
        expect day 7        acme  onboarding mid_market→enterprise with employees 500
        expect day 8        acme  onboarding enterprise→small_team

        story  the sign-up of an enterprise notifies sales and is no handoff
        day 1               acme  ann signs up; it has employees 500
        expect day 1        acme  onboarding none→solo
        expect day 1        acme  onboarding solo→enterprise

        story  inactive users still count for the track
        day 1               acme  ann, bob use editor
        day 60              acme  ann uses editor
        until end of day 60
        expect day 1        acme  onboarding none→solo
        expect day 1        acme  onboarding solo→small_team
    "

    thresholds_of_active_users_are_published "
        proves  active users, F12, topic signals
        watch active users

        story  the number rises at once and falls at a close
        day 1               acme  u1 uses editor
        day 2               acme  u2–u4 use editor
        day 3               acme  u5–u7 use editor
        day 4               acme  u8–u10 use editor
        until end of day 28
        until end of day 29
        until end of day 30
        until end of day 31
        expect day 2        acme  active users 0→2 crossed with figure 2
        expect day 3        acme  active users 2→5 crossed with figure 5
        expect day 3        acme  active users 5→7 crossed with figure 7
        expect day 4        acme  active users 7→10 crossed with figure 10
        expect end of day 28 acme active users 10→7 closed with figure 9
        expect end of day 29 acme active users 7→5 closed with figure 6
        expect end of day 30 acme active users 5→2 closed with figure 3
        expect end of day 31 acme active users 2→0 closed with figure 0

        story  the thresholds are defined in the rules
        rules  scores active_users: [2]
        day 1               acme  u1–u12 use editor
        expect day 1        acme  active users 0→2 crossed with figure 2
    "

    profiles_of_accounts_are_published "
        proves  topic accounts, F20, F13
        day 1, 8            acme  ann, bob use editor
        day 8               acme  cy uses editor
        day 9               acme  ann requests SSO; bob requests SAML; ann requests SSO
        until end of day 14
        expect day 9        acme  HIGH enterprise-request at once for ann

        story  a profile has users, usage, score, tier, departments and requests
        day 9               acme  ann has department sales; it has employees 60; it takes plan Team; it pays
        profile             acme  users 3, active users 3, dau 0, wau 3, mau 3, score 70, tier T3, segment mid_market
        profile             acme  departments 1, requests SAML/SSO, plan team, paid yes, events 8, signals fit.size

        story  the trajectory has the last eight weeks, unknown before the first complete one
        profile             acme  trajectory unknown/unknown/unknown/unknown/unknown/unknown/2/3

        story  a profile is published on every Sunday on which a weekly value changes, also of an inactive account
        until end of day 69
        profile             acme  trajectory 3/0/0/0/0/0/0/0

        story  profiles are published until all weekly values are 0
        until end of day 70
        profile             acme  trajectory 0/0/0/0/0/0/0/0
    "

    profiles_are_published_at_once_where_a_person_acts_and_else_by_closes "
        proves  topic accounts, topic users, F13
        watch profiles

        story  activity is published by the close of its day
        day 1               acme  ann, bob use editor
        day 2               acme  ann uses editor ×3
        until end of day 3
        expect day 1        acme  profile                          # its tier is T4, and its track solo
        expect day 1        acme  ann profile with buyer yes       # as the only user
        expect day 1        acme  profile                          # its track is small_team
        expect day 1        acme  ann profile with buyer no
        expect end of day 1 acme  profile with dau 2               # the tier falls, too: one row for each step
        expect end of day 1 acme  ann profile with last day 1
        expect end of day 1 acme  bob profile
        expect end of day 2 acme  profile with dau 1, mau 2
        expect end of day 2 acme  ann profile with last day 2
        expect end of day 3 acme  profile                          # of users there was no event

        story  what a person acts on is published at once, and what changes nothing is not
        day 1               acme  ann, bob use editor
        until end of day 1
        day 2 10:00, 10:30  acme  ann activates
        day 2 11:00, 11:30  acme  ann has title CEO                # she is a buyer
        day 2 13:00, 13:30  acme  it has employees 60              # its size class has a signal and a track
        day 2 14:00, 14:30  acme  it takes plan Team
        day 2 16:00         acme  bob is removed
        expect day 1        acme  profile
        expect day 1        acme  ann profile
        expect day 1        acme  profile
        expect day 1        acme  ann profile
        expect end of day 1 acme  profile
        expect end of day 1 acme  ann profile
        expect end of day 1 acme  bob profile
        expect day 2 10:00  acme  ann profile with activated yes
        expect day 2 11:00  acme  ann profile with buyer yes, title CEO
        expect day 2 11:00  acme  profile with buyer known
        expect day 2 13:00  acme  profile with segment mid_market
        expect day 2 14:00  acme  profile with plan team
        expect day 2 14:00  acme  ann profile with plan team
        expect day 2 14:00  acme  bob profile with plan team
        expect day 2 16:00  acme  bob profile
        expect day 2 16:00  acme  profile                          # an account with one user is T4
    "

    profiles_of_users_are_published "
        proves  topic users

        story  a profile has sign-up, activation, plan, features, score and band
        day 1 10:00         acme  ann signs up through search
        day 1 10:30         acme  ann activates
        day 2               acme  ann uses premium reports; it takes plan Team; ann has title CEO, email @acme.com
        until end of day 3
        profile             acme ann  signed up day 1 10:00, source search, activated yes, plan team, title CEO, email ann@acme.com
        profile             acme ann  score 20, band none, buyer yes, first day 1, last day 2

        story  a forgotten user gets a tombstone
        day 1               acme  ann uses editor
        day 1, 300          acme  bob uses editor
        until end of day 401
        profile             acme ann  none
        profile             acme bob  last day 300
    "

    the_feed_has_changes_occurrences_and_holds "
        proves  topic signals, D26, D3
        watch occurrences, holds, bands, tiers, active users, intent.pricing

        story  views, requests, changes and held handoffs are published
        day 1               acme  ann uses editor
        day 2               acme  ann, bob use editor
        day 3, 4, 5         acme  ann views pricing
        day 6               acme  it has lead_score 20
        expect day 1        acme  tier none→T4 crossed with figure 0
        expect day 2        acme  active users 0→2 crossed with figure 2
        expect end of day 2 acme  tier T4→none closed with figure 0
        expect day 3        acme  ann intent.pricing 0→1 crossed with evidence day 3
        expect day 3        acme  ann occurrence intent.pricing
        expect day 4        acme  ann occurrence intent.pricing
        expect day 5        acme  ann intent.pricing 1→2 crossed with evidence day 3/day 4/day 5
        expect day 5        acme  ann occurrence intent.pricing
        expect day 5        acme  MEDIUM pricing-sessions due day 6–7 for ann with evidence day 3/day 4/day 5
        expect day 6        acme  held lead-score by pacing

        story  an edge in the cooldown of its trigger fires nothing
        day 1               acme  ann, bob use editor
        day 2 10:00, 11:00, 12:00  acme  ann views pricing
        day 3 10:00, 11:00, 12:00  acme  bob views pricing
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  active users 0→2 crossed
        expect end of day 1 acme  tier T4→none closed
        expect day 2 10:00  acme  ann intent.pricing 0→1 crossed
        expect day 2 10:00  acme  ann occurrence intent.pricing
        expect day 2 11:00  acme  ann occurrence intent.pricing
        expect day 2        acme  ann intent.pricing 1→2 crossed
        expect day 2        acme  ann occurrence intent.pricing
        expect day 2        acme  MEDIUM pricing-sessions due day 3–4 for ann
        expect day 3 10:00  acme  bob intent.pricing 0→1 crossed
        expect day 3 10:00  acme  bob occurrence intent.pricing
        expect day 3 11:00  acme  bob occurrence intent.pricing
        expect day 3        acme  bob intent.pricing 1→2 crossed
        expect day 3        acme  bob occurrence intent.pricing
        expect day 3        acme  tier none→T3 crossed with figure 40
    "
}
