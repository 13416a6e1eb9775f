//! Scenarios of scores, bands, tiers, segments and buyers.

stories! {
    bands_have_thresholds "
        proves  bands, F1, user-warm, D6
        watch bands

        story  bands begin at 30, 50 and 80 points; a fall from hot to warm fires no trigger
        day 1 08:00         acme  ann signs up; ann asks support about billing
        day 1 09:00         acme  ann calls API
        day 1 10:00         acme  ann invites i1
        day 1 11:00         acme  ann invites i2, i3
        day 2 09:00         acme  ann invites i4–i6; ann uses premium a; ann uses premium b
        day 2               acme  ann uses premium c
        until day 31 08:00
        expect day 1 09:00  acme  ann band none→emerging crossed with figure 35
        expect day 1 11:00  acme  ann band emerging→warm crossed with figure 55
        expect day 1 11:00  acme  LOW user-warm for ann not before day 2 08:00
        expect day 2        acme  ann band warm→hot crossed with figure 80
        expect day 2        acme  MEDIUM user-hot due day 3–4 for ann
        expect end of day 9 acme  ann band hot→warm closed with figure 60
        expect day 31 08:00 acme  ann band warm→emerging lapsed with figure 40

        story  79 points are not hot
        rules  signals intent.billing_support points: 19
        day 1               acme  ann invites i1–i6; ann requests SSO
        day 2               acme  ann asks support about billing
        expect day 1        acme  HIGH enterprise-request at once for ann
        expect day 1        acme  ann band none→emerging crossed with figure 30
        expect day 1        acme  ann band emerging→warm crossed with figure 60
        expect day 1        acme  LOW user-warm for ann not before day 2

        story  80 points are hot
        day 1               acme  ann invites i1–i6; ann requests SSO
        day 2               acme  ann asks support about billing
        expect day 1        acme  HIGH enterprise-request at once for ann
        expect day 1        acme  ann band none→emerging crossed with figure 30
        expect day 1        acme  ann band emerging→warm crossed with figure 60
        expect day 1        acme  LOW user-warm for ann not before day 2
        expect day 2        acme  ann band warm→hot crossed with figure 80
        expect day 2        acme  MEDIUM user-hot due day 3–4 for ann

        story  29 points are not emerging, 49 are not warm
        rules  signals collab.invites points: [10, 20, 29]
        day 1               acme  ann invites i1–i6
        day 2               acme  ann asks support about billing
        expect day 2        acme  ann band none→emerging crossed with figure 49
    "

    what_is_due_at_one_instant_is_one_step "
        proves  A15
        watch bands

        story  the closes of a day and a week at one instant change a band once
        day 1 09:00         acme  ann signs up
        day 1 10:00         acme  bob uses editor; it has icp
        day 53 09:00        acme  bob connects github; bob uses premium reports
        day 53 10:00        acme  it hits limit; bob hits limit; bob views pricing
        day 73, 75, 76, 78–82 09:00  acme  bob uses editor
        until end of day 89
        expect day 53 09:00 acme  bob band none→emerging crossed
        expect day 53 10:00 acme  bob band emerging→warm crossed
        expect day 53 10:00 acme  LOW user-warm for bob
        expect day 79 09:00 acme  bob band warm→hot crossed
        expect day 79 09:00 acme  MEDIUM user-hot due day 80–81 09:00 for bob
        expect end of day 79 acme bob band hot→warm closed
        expect day 80 09:00 acme  bob band warm→hot crossed
        expect day 83 10:00 acme  bob band hot→warm lapsed
        expect end of day 89 acme bob band warm→emerging closed
    "

    a_band_is_kept_five_points_below_its_threshold "
        proves  F1, user-hot
        watch bands

        story  a hot user stays hot at 75 points, not at 70
        day 1               acme  ann invites i1–i6; ann asks support about billing
        day 2               acme  it has employees 500, industry software
        day 3               acme  it has employees 50, icp, industry null
        day 4               acme  it has employees 500, not icp
        expect day 1        acme  ann band none→emerging crossed with figure 30
        expect day 1        acme  ann band emerging→warm crossed with figure 50
        expect day 1        acme  LOW user-warm for ann not before day 2
        expect day 2        acme  ann band warm→hot crossed with figure 80
        expect day 2        acme  MEDIUM user-hot due day 3–4 for ann
        until end of day 4
        expect end of day 4 acme  ann band hot→warm closed with figure 70

        story  a jump to hot does not fire for warm; from hot to 45 points is warm, at 35 is not
        day 1               acme  ann invites i1–i3; ann calls API
        day 2               acme  it has employees 500, icp, industry software
        day 3               acme  it has employees 50, not icp, industry null
        day 4               acme  it has employees 10
        expect day 1        acme  ann band none→emerging crossed with figure 35
        expect day 2        acme  ann band emerging→hot crossed with figure 80
        expect day 2        acme  MEDIUM user-hot due day 3–4 for ann
        until end of day 4
        expect end of day 3 acme  ann band hot→warm closed with figure 45
        expect end of day 4 acme  ann band warm→emerging closed with figure 35

        story  an emerging user stays emerging at 25 points, not at 20
        day 1               acme  ann calls API; it has employees 500
        day 2               acme  it has employees 50
        day 3               acme  it has employees 10
        day 4               acme  it has industry software
        expect day 1        acme  ann band none→emerging crossed with figure 35
        expect end of day 3 acme  ann band emerging→none closed
        profile             acme ann  band none

        story  45 points on the way up are emerging
        day 1               acme  ann invites i1–i3; ann calls API
        day 2               acme  it has employees 50
        expect day 1        acme  ann band none→emerging crossed with figure 35
        profile             acme ann  score 45, band emerging
    "

    a_user_without_own_points_has_no_band "
        proves  bands, E22, E25

        story  points of the account count for users with points of their own only
        watch bands
        day 1               acme  ann uses editor; bob shares outside
        day 2               acme  it has employees 500
        day 3               acme  ann uses editor
        until end of day 3
        expect day 2        acme  bob band none→emerging crossed with figure 30
        profile             acme ann  score 20, band none
        profile             acme bob  score 30, band emerging

        story  a request for sales is a trigger without points
        watch bands
        day 1               acme  ann contacts sales
        expect day 1        acme  HIGH contact-sales at once for ann
        profile             acme ann  score 0, band none, buyer yes

        story  points of a user without activity count from the first activity on
        watch bands
        day 1               acme  ann views pricing; bob uses editor; it has employees 500
        day 2               acme  ann uses editor
        expect day 2        acme  ann band none→emerging crossed with figure 30

        story  an inactive user keeps signals and band, and adds to the account for 28 days only
        day 1               acme  ann invites i1–i6
        until end of day 28
        profile             acme  score 0, active users 0
        profile             acme ann  score 10, signals collab.invites/negative.inactive

        story  one day earlier the points are in the account's score
        day 1               acme  ann invites i1–i6
        until end of day 27
        profile             acme  score 10, active users 1
    "

    the_score_of_an_account_is_the_sum_of_its_evidence "
        proves  scores, E25

        story  the score is the sum over active users, and of the account's signals once
        day 1               acme  ann invites i1–i6; ann asks support about billing; bob shares outside; cy uses editor
        day 1               acme  dee reads terms
        day 2               acme  it hits limit of storage
        day 2 13:00         acme  it has icp
        day 2 14:00         acme  bob, cy use editor
        until end of day 2
        expect day 1        acme  LOW user-warm for ann not before day 2
        expect day 2 13:00  acme  MEDIUM user-hot due day 3–4 13:00 for ann
        stands              acme  score 95, active users 3, points feature.limit_hit 20/fit.icp 15/users 60
        profile             acme ann  score 85, band hot
        profile             acme bob  score 45, band emerging
        profile             acme cy  score 35, band none

        story  a view of the terms counts for the account's score once its user is active, and not for the user
        day 1               acme  ann reads terms
        day 2               acme  ann uses editor
        profile             acme  score 10
        profile             acme ann  score 0, band none

        story  a user with negative points subtracts nothing
        day 1               acme  ann shares outside
        day 1, 8            acme  bob shares outside
        until end of day 8
        stands              acme  score 10, points users 10
        profile             acme ann  score -10, band none
    "

    a_tier_needs_all_its_conditions "
        proves  tiers, F2
        watch tiers

        story  it falls at the close of the day on which a fact ends, also without activity
        rules  signals feature.limit_hit points: 40
        day 1 10:00         acme  ann hits limit
        day 20              acme  ann, bob use editor
        until end of day 35
        expect day 20       acme  tier none→T4 crossed
        expect day 20       acme  tier T4→T3 crossed
        expect end of day 31 acme tier T3→none closed

        story  one user is T4; two users below 40 points are untiered from the close on
        day 1               acme  ann uses editor
        day 2               acme  bob uses editor
        until end of day 2
        expect day 1        acme  tier none→T4 crossed
        expect end of day 2 acme  tier T4→none closed

        story  two users with 35 points are untiered
        day 1               acme  ann, bob use editor; ann invites i1–i3; ann calls API
        until end of day 1
        expect day 1        acme  tier none→T4 crossed
        expect end of day 1 acme  tier T4→none closed

        story  40 points are T3
        day 1               acme  ann, bob use editor; ann, bob invite i1–i3
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 40

        story  four users with 80 points are T3
        day 1               acme  u1–u4 use editor; u1, u2 invite i1–i6; u3 invites i1–i3
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 40
        stands              acme  score 80

        story  five users with 75 points are not T2
        day 1               acme  u1–u5 use editor; u1, u2 invite i1–i6; u3 calls API
        day 2               acme  u4 shares outside
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 40
        expect day 2        acme  tier T3→T2 crossed with figure 85

        story  five users with 80 points are T2
        day 1               acme  u1–u5 use editor; u1, u2 invite i1–i6; u3 shares outside
        day 2               acme  u4 shares outside
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 40
        expect day 2        acme  tier T3→T2 crossed with figure 80
    "

    the_first_tier_is_for_enterprises "
        proves  tiers, F2, icp-departments
        day 1               acme  u1–u10 use editor; u1–u3 invite i1–i6; u4 calls API
        day 2               acme  u1 has department sales; u2 has department support
        watch tiers
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 45
        expect day 1        acme  tier T3→T2 crossed with figure 85

        story  150 points are not above 150
        day 3               acme  it has icp
        expect day 3        acme  MEDIUM icp-departments due day 4–5 with tier T2, score 150

        story  160 points are T1, and the tier falls at a close
        day 3               acme  it has icp
        day 4               acme  u5 shares outside
        day 5               acme  it has not icp
        until day 5 23:59:59.999
        until end of day 5
        expect day 3        acme  MEDIUM icp-departments due day 4–5 with tier T2, score 150
        expect day 4        acme  tier T2→T1 crossed with figure 160
        expect end of day 5 acme  tier T1→T2 closed with figure 145

        story  T1 needs the ideal customer profile
        day 3               acme  u5, u6 share outside
        stands              acme  score 155, tier T2

        story  T1 needs a second department
        day 3               acme  u2 has department sales; u5, u6 share outside
        day 4               acme  it has icp
        until end of day 4
        profile             acme  score 155, tier T2
    "

    t1_needs_ten_users "
        proves  tiers

        story  nine users are not T1, whatever the score; ten are
        watch tiers
        day 1               acme  u1–u9 use editor; u1–u3 invite i1–i6; u4 calls API; u5 shares outside
        day 2               acme  u1 has department sales; u2 has department support
        day 3               acme  it has icp
        day 4               acme  u10 uses editor
        expect day 1        acme  tier none→T4 crossed
        expect day 1        acme  tier T4→T3 crossed with figure 45
        expect day 1        acme  tier T3→T2 crossed with figure 85
        expect day 3        acme  MEDIUM icp-departments due day 4–5 with tier T2, score 160, play targeted outreach
        expect day 4        acme  tier T2→T1 crossed with figure 160
    "

    employees_decide_the_segment "
        proves  segments, E19

        story  without employees the segment is unknown
        day 1               acme  ann uses editor
        stands              acme  segment unknown, potential 0

        story  49 employees are smb
        day 1               acme  ann uses editor; it has employees 49
        stands              acme  segment smb, potential 0

        story  50 employees are mid_market
        day 1               acme  ann uses editor; it has employees 50
        stands              acme  segment mid_market, potential 5000

        story  499 employees are mid_market
        day 1               acme  ann uses editor; it has employees 499
        stands              acme  segment mid_market, potential 5000

        story  500 employees are enterprise
        day 1               acme  ann uses editor; it has employees 500
        stands              acme  segment enterprise, potential 50000

        story  segments can be cut at 200 and 1,000
        rules  segments mid_market employees: 200
        rules  segments enterprise employees: 1000
        day 1               acme  ann uses editor; it has employees 199
        day 1               zeta  zoe uses editor; it has employees 200
        day 1               beta  bob uses editor; it has employees 999
        day 1               moon  may uses editor; it has employees 1000
        profile             acme  segment smb
        profile             zeta  segment mid_market
        profile             beta  segment mid_market
        profile             moon  segment enterprise
    "

    buyers_are_recognised "
        proves  is_buyer, E18

        story  users are buyers by title, seniority or actions
        day 1               acme  u1–u9 use editor
        day 2               acme  u1 has title Director of IT; u2 has title Procurement Lead; u3 has seniority vp; u4 has title Directory Admin
        day 2               acme  u5 starts upgrade; u6 asks support about billing; u7 reads terms; u8 contacts sales
        expect day 2        acme  HIGH contact-sales at once for u8
        profile             acme u1  buyer yes
        profile             acme u2  buyer yes
        profile             acme u3  buyer yes
        profile             acme u4  buyer no
        profile             acme u5  buyer yes
        profile             acme u6  buyer yes
        profile             acme u7  buyer yes
        profile             acme u8  buyer yes
        profile             acme u9  buyer no

        story  the only user of a small company is a buyer, of a larger one not
        day 1               acme  ann uses editor
        day 1               zeta  zoe uses editor; it has employees 49
        day 1               moon  may uses editor; it has employees 50
        day 1               beta  bob, bea use editor
        profile             acme ann  buyer yes
        profile             zeta zoe  buyer yes
        profile             moon may  buyer no
        profile             beta bob  buyer no
    "
}
