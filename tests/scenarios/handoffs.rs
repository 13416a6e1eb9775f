//! Scenarios of the contents of a handoff, and of the rules that ship besides the default ones.

stories! {
    a_handoff_has_its_attribution "
        proves  F4, A12

        story  usage and a buyer
        day 1               acme  ann, bob use editor; it comes through marketing
        day 2               acme  bob contacts sales
        expect day 2        acme  HIGH contact-sales at once for bob with attribution usage and pql, find_buyer no

        story  usage and a lead of marketing 180 days ago, without a buyer
        day 1               acme  it comes through marketing
        day 170             acme  ann, bob use editor
        day 181 11:59:59.999  acme  somebody contacts sales
        expect day 181 11:59:59.999  acme  HIGH contact-sales at once with attribution usage and mql, find_buyer yes

        story  one millisecond later the lead is too old
        day 1               acme  it comes through marketing
        day 170             acme  ann, bob use editor
        day 181             acme  somebody contacts sales
        expect day 181      acme  HIGH contact-sales at once with attribution unknown, find_buyer yes

        story  a buyer who was inactive for 28 days does not count
        day 1               acme  ann uses editor; ann has title CEO
        day 28              acme  bob, cy use editor
        day 30              acme  somebody contacts sales
        expect day 30       acme  HIGH contact-sales at once with attribution unknown, find_buyer yes

        story  only a lead of marketing, with the usage rail off
        rules  rails usage: false
        day 1               acme  ann, bob use editor
        day 40              acme  it comes through marketing
        day 41              acme  it has lead_score 20
        expect day 41       acme  MEDIUM lead-score due day 42–43 with attribution mql only, find_buyer yes

        story  a lead that arrives after eight weeks counts, and changes only traits of the account
        day 1               acme  ann, bob use editor
        day 100             acme  ann, bob use editor
        day 10 arriving day 100 13:00  acme  it comes through marketing
        stands              acme  attribution usage and mql
        day 101             acme  it has lead_score 20
        expect day 101      acme  MEDIUM lead-score due day 102–103 with attribution usage and mql

        story  a raised hand of an anonymous visitor counts as usage
        day 1               acme  it comes through marketing
        day 2               acme  somebody contacts sales
        expect day 2        acme  HIGH contact-sales at once with attribution usage and mql, find_buyer yes
    "

    a_handoff_summarises_usage "
        proves  F6, F7, F9, F10

        story  features are sorted by their uses in 28 days, then by name
        day 1               acme  ann uses old
        day 28              acme  ann uses editor ×2; bob uses export ×2; bob uses chat ×3
        day 29              acme  bob contacts sales
        expect day 29       acme  HIGH contact-sales at once for bob with features chat 3/editor 2/export 2

        story  figures are of the last closed day and week, events of the last 28 closed days
        day 1, 2            acme  ann uses editor
        day 1               acme  bob uses editor ×2; cy reads terms
        day 8               acme  ann, bob, dee use editor
        day 15              acme  bob uses editor
        day 15 13:00        acme  bob contacts sales
        expect day 15 13:00 acme  HIGH contact-sales at once for bob with active users 3, dau 0, wau 3, mau 3, events 7, growth 0.5, stickiness 0.14, first day 1, last end of day 14

        story  an undefined figure is absent
        day 1               acme  ann uses editor
        day 3               acme  ann contacts sales
        expect day 3        acme  HIGH contact-sales at once for ann with growth unknown, stickiness unknown, activation unknown, activated users 0

        story  whole days from sign-up to first value, of the user activated first
        day 1 10:00         acme  ann, bob sign up
        day 2 09:00         acme  bob activates
        day 3 09:00         acme  ann activates
        day 4               acme  ann contacts sales
        expect day 4        acme  HIGH contact-sales at once for ann with activation after 0 days, activated users 2
    "

    a_handoff_lists_the_top_users "
        proves  F5

        story  the top five users by score, then own points, then id
        day 1               acme  f, e, d, c, b, a use editor; e shares outside; d invites i1–i3
        day 1               acme  somebody contacts sales
        expect day 1        acme  HIGH contact-sales at once with top d 20/e 10/a 0/b 0/c 0
    "

    a_handoff_has_known_amounts "
        proves  F8
        day 1               acme  ann, bob use editor

        story  the potential is that of the segment, raised to seats times price
        day 2               acme  it has employees 60
        day 2 13:00         acme  bob contacts sales
        day 4               acme  it pays for 40 seats at 25
        day 4 13:00         acme  bob contacts sales
        expect day 2 13:00  acme  HIGH contact-sales at once for bob with potential 5000, seats unknown, paid unknown
        expect day 4 13:00  acme  HIGH contact-sales at once for bob with potential 12000, seats 40, paid yes

        story  seats times price do not lower the potential
        day 2               acme  it has employees 500; it pays for 40 seats at 25
        day 3               acme  bob contacts sales
        expect day 3        acme  HIGH contact-sales at once for bob with potential 50000

        story  plan, revenue and quotas in US dollars
        day 2               acme  it takes plan Team; it pays 300 a month; it reports 20 of 100 storage; it reports 3 of 5 seats
        day 3               acme  bob contacts sales
        expect day 3        acme  HIGH contact-sales at once for bob with plan team, mrr 300, quotas seats 3 of 5/storage 20 of 100, potential 0

        story  values that are not numbers are unknown
        day 2               acme  it pays for 1e200 seats at 1e200
        day 3               acme  bob contacts sales
        expect day 3        acme  HIGH contact-sales at once for bob with potential 0

        story  an amount in a currency without a rate is unknown
        day 2               acme  it pays 300 EUR a month
        day 3               acme  bob contacts sales
        expect day 3        acme  HIGH contact-sales at once for bob with mrr unknown, paid yes

        story  the requested feature suggests a plan and a solutions engineer
        day 2               acme  ann requests SSO
        day 3               acme  bob contacts sales
        expect day 2        acme  HIGH enterprise-request at once for ann with suggested plan enterprise, needs solutions_engineer
        expect day 3        acme  HIGH contact-sales at once for bob with suggested plan enterprise, text editor

        story  the request of an anonymous visitor suggests a plan for its own handoff only
        day 2               acme  somebody requests SSO
        day 3               acme  bob contacts sales
        expect day 2        acme  HIGH enterprise-request at once with suggested plan enterprise
        expect day 3        acme  HIGH contact-sales at once for bob with suggested plan none
    "

    the_template_depends_on_the_potential "
        proves  F8
        day 1               acme  ann, bob use editor; ann has department sales; bob has department support

        story  above a potential of 20,000 a person introduces themself
        day 2               acme  it pays for 100 seats at 16.67
        day 3               acme  it has icp
        expect day 3        acme  MEDIUM icp-departments due day 4–5 with potential 20004, template introduction, text editor

        story  below it the template is educational
        day 2               acme  it pays for 100 seats at 16.66
        day 3               acme  it has icp
        expect day 3        acme  MEDIUM icp-departments due day 4–5 with potential 19992, template education, text editor
    "

    a_handoff_has_the_traits_of_the_company "
        proves  F8, A22
        day 1               acme  ann uses editor

        story  lists become text, of structs the values in the order of their keys
        day 2               acme  it has tech_stack [\"React\",\"Kafka\",7], contacts [{\"name\":\"Cy\",\"email\":\"cy@acme.com\",\"main\":true},\"Dee\"]
        day 3               acme  ann contacts sales
        expect day 3        acme  HIGH contact-sales at once for ann with tech_stack React/Kafka/7, contacts cy@acme.com Cy/Dee

        story  texts stay as they are, and the latest value applies
        day 2               acme  it has tech_stack Rust, contacts [\"Cy\",\"Dee\"]
        day 1 arriving day 2 13:00  acme  it has tech_stack [\"Perl\"]
        day 2 14:00         acme  it has contacts []
        day 3               acme  ann contacts sales
        expect day 3        acme  HIGH contact-sales at once for ann with tech_stack Rust, contacts none
    "

    tiers_and_levels_make_a_play "
        proves  plays

        story  the play of a small team
        day 1               acme  ann, bob use editor; ann, bob invite i1–i3
        day 2               acme  it has lead_score 20
        expect day 2        acme  MEDIUM lead-score due day 3–4 with tier T3, play in-product upgrade prompt, score 40

        story  an untiered account has no play
        day 1               acme  ann, bob use editor
        day 2               acme  it has lead_score 20
        until end of day 1
        expect day 2        acme  MEDIUM lead-score due day 3–4 with tier none, play none
    "

    territories_name_owners "
        proves  F8

        story  the first matching row of territories names the owner
        rules  territories: [{territory: dach, owner: anna, countries: [DE, AT]}, {territory: rest, owner: otto}]
        day 1               acme  ann uses editor; it has country de
        day 1               zeta  zoe uses editor; it has country US
        day 2               acme  ann contacts sales
        day 2               zeta  zoe contacts sales
        expect day 2        acme  HIGH contact-sales at once for ann with owner anna, territory dach
        expect day 2        zeta  HIGH contact-sales at once for zoe with owner otto, territory rest
    "

    the_handoff_id_depends_on_the_instant "
        proves  D7

        story  each episode has its own handoff id
        day 1               acme  ann contacts sales
        day 2               acme  ann contacts sales
        expect day 1        acme  HIGH contact-sales at once for ann
        expect day 2        acme  HIGH contact-sales at once for ann
    "

    profile_early_routes_handoffs_to_founders "
        proves  profile early
        pack    early

        story  three active users near a limit fire high, two do not
        day 1               acme  ann, bob use editor; it reports 80 of 100 storage
        day 2               acme  cy uses editor
        expect day 2        acme  HIGH near-limit at once with segment unknown, tier none, route founders, next step demo, template founder, text editor

        story  below 80 % of the quota nothing fires
        day 1               acme  ann, bob, cy use editor; it reports 79 of 100 storage

        story  one view of pricing fires in a team, due on the same day
        day 1               acme  ann, bob use editor
        day 1               zeta  zoe uses editor
        day 2               acme  ann views pricing
        day 2               zeta  zoe views pricing
        expect day 2        acme  MEDIUM pricing-sessions due day 2–3 16:00 for ann with route founders

        story  five new users need not be a spike; after an answer the next handoff may follow a day later
        day 1               acme  ann signs up
        day 1, 8, 15, 22    acme  ann, bob use editor
        day 15              acme  u1–u4 use editor
        day 23              acme  u5–u9 use editor
        day 23 15:00        acme  sales accepts five-new-users
        day 24              acme  it has lead_score 20
        expect day 23       acme  MEDIUM five-new-users due day 23–24 16:00
        expect day 24       acme  MEDIUM lead-score due day 24–25 16:00

        story  low handoffs are automated
        day 1               acme  ann, bob use editor; ann invites i1–i6; ann shares outside
        expect day 1        acme  LOW user-warm for ann not before day 2 with route automated_email
    "

    profile_mature_cuts_segments_at_200_and_1000 "
        proves  profile mature
        pack    mature
        day 1               acme, acme1  ann, bob, cy use editor

        story  segments are cut at 200 and 1,000 employees
        day 2               acme  it has employees 199
        day 2 13:00         acme  ann contacts sales
        day 4               acme  it has employees 200
        day 4 13:00         acme  ann contacts sales
        day 6               acme  it has employees 999
        day 6 13:00         acme  ann contacts sales
        day 8               acme  it has employees 1000
        day 8 13:00         acme  ann contacts sales
        expect day 2 13:00  acme  HIGH contact-sales at once for ann with segment smb, route sdr
        expect day 4 13:00  acme  HIGH contact-sales at once for ann with segment mid_market, route inside_sales
        expect day 6 13:00  acme  HIGH contact-sales at once for ann with segment mid_market, route inside_sales
        expect day 8 13:00  acme  HIGH contact-sales at once for ann with segment enterprise, route named_ae

        story  a tenth is held out: the hash of acme1 is 0.092, of acme 0.566
        day 2               acme, acme1  it has employees 250; it has lead_score 20
        day 3               acme1  ann contacts sales
        expect day 2        acme  MEDIUM lead-score due day 3–4 with segment mid_market, route inside_sales
        expect day 2        acme1 MEDIUM lead-score due day 3–4 in the holdout
        expect day 3        acme1 HIGH contact-sales at once for ann

        story  three users with 40 points are untiered
        day 2               acme  ann, bob invite i1–i3
        day 3               acme  it has lead_score 20
        day 8               acme  cy invites i4–i6
        day 9               acme  ann contacts sales
        expect day 3        acme  MEDIUM lead-score due day 4–5 with score 40, tier none, route automated_email
        expect day 9        acme  HIGH contact-sales at once for ann with score 60, tier T3, route sdr
    "

    profile_from_sales_led_begins_with_target_accounts "
        proves  profile from-sales-led
        pack    from-sales-led
        watch holds

        story  the first user of a target account goes to its account executive, whatever its size
        day 1               acme  it has target, owner anna, employees 20
        day 2               acme  ann uses editor
        expect day 2        acme  MEDIUM target-first-user due day 4–5 for ann not before day 3 with segment smb, tier T4, route named_ae, owner anna, template target, text editor

        story  an open opportunity holds handoffs
        day 1               acme  it has target, open_opportunity
        day 2               acme  ann uses editor
        day 5               acme  it has not open_opportunity
        expect day 2        acme  ann held target-first-user by engaged
        expect day 5        acme  MEDIUM target-first-user due day 6–7 for ann with route named_ae

        story  ideal customers go to a person, other accounts of their size are automated
        day 1               acme, zeta  ann, bob use editor; ann has department sales; bob has department support
        day 2               acme  it has icp, employees 60
        day 2               zeta  it has lead_score 20, employees 40
        expect day 2        acme  MEDIUM icp-departments due day 3–4 with segment mid_market, route sdr, potential 25000, next step demo
        expect day 2        zeta  MEDIUM lead-score due day 3–4 with segment smb, route automated_email

        story  customers at risk go to customer success
        day 1               acme  ann, bob use editor; it pays; it has employees 800
        until end of day 8
        expect end of day 8  acme  MEDIUM at-risk due end of day 9–10 with segment enterprise, route customer_success
    "
}
