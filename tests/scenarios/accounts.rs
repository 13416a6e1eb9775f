//! Scenarios of signals of accounts: users, executives, stalled accounts, volume; exclusion and removal of users.

stories! {
    seven_active_users_turn_the_signal_on "
        proves  account.users, B16
        watch account.users
        day 1               acme  u1–u6 use editor

        story  six active users do not turn it on
        day 2               acme  u1 uses editor; u7 is identified; u8 views pricing
        until end of day 2

        story  the seventh turns it on at once; it turns off at the close at which the others have been inactive for 28 days
        day 2               acme  u7 uses editor
        until end of day 27
        until end of day 28
        expect day 2        acme  account.users 0→1 crossed
        expect end of day 28 acme account.users 1→0 closed

        story  a removed user stops counting at the close
        day 2               acme  u7 uses editor
        day 4               acme  u1 removes u7
        until end of day 4
        expect day 2        acme  account.users 0→1 crossed
        expect end of day 4 acme  account.users 1→0 closed
    "

    users_count_once_per_life_of_their_account "
        proves  B16, B9

        story  a user counts once, however long the absence
        day 1               acme  u0 uses editor
        day 2               acme  u1 uses editor
        day 337             acme  u0 uses editor
        day 519             acme  u1 uses editor
        until day 526
        profile             acme  users 2

        story  a user counts once even after being forgotten
        day 1, 300, 600     acme  u0 uses editor
        day 2               acme  u1–u40 use editor
        day 900             acme  u1, u2 use editor
        until day 910
        profile             acme  users 41

        story  in a new life of the account the user counts again
        day 1               acme  u0, u1 use editor
        day 402             acme  u1 uses editor
        until day 410
        profile             acme  users 1

        story  a late day may join the two lives
        day 1               acme  u0, u1 use editor
        day 402             acme  u1 uses editor
        day 370 arriving day 402 13:00  acme  u2 uses editor
        until day 410
        profile             acme  users 3
    "

    executives_are_known_by_title_or_role "
        proves  account.executive, E14
        watch account.executive
        day 1               acme  ann uses editor

        story  a word of the title in any letter case makes an executive
        day 2               acme  ann has title vp of Sales
        expect day 2        acme  account.executive 0→1 crossed

        story  two words of the title make an executive
        day 2               acme  ann has title Senior Vice President of Sales
        expect day 2        acme  account.executive 0→1 crossed

        story  a part of a word does not make an executive
        day 2               acme  ann has title Coordinator
        day 3               acme  ann has title Vice Principal
        day 4               acme  ann has title Director of Sales

        story  a product role makes an executive
        day 2               acme  ann has role Billing Admin
        expect day 2        acme  account.executive 0→1 crossed

        story  a member is not an executive, nor is a user who is not active yet
        day 2               acme  ann has role member; bob has title CEO
        day 3               acme  bob uses editor
        expect day 3        acme  account.executive 0→1 crossed

        story  a user with another title is no executive from the close on
        day 2               acme  ann has title CTO
        day 3               acme  ann has title Engineer
        until end of day 3
        expect day 2        acme  account.executive 0→1 crossed
        expect end of day 3 acme  account.executive 1→0 closed
    "

    accounts_can_be_stalled "
        proves  account.stalled
        watch account.stalled
        day 1, 20, 40       acme  u1–u4 use editor
        day 1               acme  u1 has department sales

        story  five users of one department and no new user in eight closed weeks are stalled
        day 1, 20, 40       acme  u5 uses editor
        until day 56 23:59:59.999
        until end of day 56
        expect end of day 56 acme account.stalled 0→1 closed

        story  four users are not stalled
        until end of day 63

        story  two departments are not stalled
        day 1, 20, 40       acme  u5 uses editor
        day 50              acme  u5 has department support
        until end of day 63

        story  without a known department it is not stalled
        day 1, 20, 40       acme  u5 uses editor
        day 2               acme  u1 has department null
        until end of day 63

        story  a new user ends the signal with the week of arrival, and the eight weeks start again
        day 1, 20, 40       acme  u5 uses editor
        day 7               acme  u6 uses editor
        day 64, 80          acme  u1–u5 use editor
        day 100             acme  u7 uses editor
        until end of day 105
        expect end of day 63 acme account.stalled 0→1 closed
        expect end of day 105 acme account.stalled 1→0 closed
    "

    volume_is_a_ladder_on_a_meter "
        proves  account.volume

        story  the signal is off unless the rules turn it on
        watch account.volume
        rules  signals account.volume rungs: [3, 5]
        day 1               acme  ann calls API ×9

        story  three calls in 28 days are rung 1, five are rung 2; the rung falls at a close
        watch account.volume
        rules  signals account.volume rungs: [3, 5]
        rules  signals account.volume off: false
        day 1               acme  ann calls API ×2
        day 5               acme  ann calls API
        day 6               acme  ann calls API ×2
        until end of day 27
        until end of day 28
        until end of day 33
        expect day 5        acme  account.volume 0→1 crossed
        expect day 6        acme  account.volume 1→2 crossed
        expect end of day 28 acme account.volume 2→1 closed
        expect end of day 32 acme account.volume 1→0 closed
    "

    a_gauge_counts_by_its_increase "
        proves  account.volume, C27, A22
        watch account.volume
        rules  meters storage: {role: usage_reported, where: {meter: [storage]}, sum: used, gauge: true}
        rules  signals account.volume of: storage
        rules  signals account.volume rungs: [20, 21]
        rules  signals account.volume off: false

        story  the increases between readings count, in the order of their times
        day 1 10:00         acme  it reports 10 of 100 storage
        day 1 10:10         acme  it reports 20 of 100 storage
        day 1 10:20         acme  it reports 30 of 100 storage
        expect day 1 10:20  acme  account.volume 0→1 crossed

        story  an older reading that arrives late changes nothing
        day 1 10:00         acme  it reports 10 of 100 storage
        day 1 10:20         acme  it reports 30 of 100 storage
        day 1 10:10 arriving day 1 10:30  acme  it reports 20 of 100 storage
        day 1 10:40         acme  it reports 30 of 100 storage
        expect day 1 10:20  acme  account.volume 0→1 crossed

        story  each meter has its own readings
        day 1 10:00         acme  it reports 100 of 100 storage; it reports 5 of 10 seats
        day 1 10:10         acme  it reports 100 of 100 Storage; it reports 90 of 100 seats
        day 1 10:20         acme  it reports 120 of 100 STORAGE
        expect day 1 10:20  acme  account.volume 0→1 crossed
    "

    meters_hold_large_amounts "
        proves  account.volume, C27
        watch account.volume
        rules  meters bytes: {role: usage_reported, sum: used}
        rules  signals account.volume of: bytes
        rules  signals account.volume off: false

        story  an amount of 10²⁴ in one event counts
        rules  signals account.volume rungs: [1000000000000000000, 3000000000000000000]
        day 1               acme  it reports 999999999999999999 of 1 bytes
        day 2, 3            acme  it reports 1e18 of 1 bytes
        expect day 1        acme  account.volume 0→1 crossed
        expect day 3        acme  account.volume 1→2 crossed

        story  large amounts in many events add up
        rules  signals account.volume rungs: [9298999999990000, 9299999999990000]
        day 1               acme  it reports 999999999999 of 1 bytes ×9299
        day 1 13:00         acme  it reports 999999999999 of 1 bytes
        expect day 1        acme  account.volume 0→1 crossed
        expect day 1 13:00  acme  account.volume 1→2 crossed

        story  an amount above 10²⁴ counts as 10²⁴
        rules  signals account.volume rungs: [1000000000000000000, 3000000000000000000]
        day 1               acme  it reports 1e300 of 1 bytes ×9
        expect day 1        acme  account.volume 0→2 crossed
    "

    excluded_users_do_not_count "
        proves  A34
        rules  exclude: {users: [staff-*], accounts: [internal], hosts: [vendor.example], properties: {is_test: true}}
        watch account.users

        story  a user is excluded by the host of the e-mail address, from the first identify call on
        day 1               acme  u1 uses editor
        day 2               acme  u2–u7 have email @vendor.example   → excluded
        day 2 13:00         acme  u2–u7 use editor; u2 invites i1–i6; u3 contacts sales   → excluded
        day 3               acme  u1 uses editor
        until end of day 3
        figures day 2       acme  dau 0, mau 1
        profile             acme  active users 1, users 1

        story  a user is excluded by the id of the user or the account
        day 1               acme  staff-1, Staff-2 use editor; staff-3 contacts sales   → excluded
        day 1               internal  u1–u9 use editor   → excluded

        story  a user who becomes excluded counts as removed, and past days stay
        day 1               acme  u1–u7 use editor
        day 2               acme  u7 has email @vendor.example   → excluded
        day 3               acme  u7 uses editor   → excluded
        until end of day 3
        expect day 1        acme  account.users 0→1 crossed
        expect end of day 2 acme  account.users 1→0 closed
        figures day 1       acme  dau 7
        figures day 3       acme  dau 0, mau 7

        story  an exclusion applies from its arrival, not from its event time
        day 1, 3            acme  u1–u7 use editor
        day 2 arriving day 3 13:00   acme  u7 has email @vendor.example   → excluded
        until end of day 3
        expect day 1        acme  account.users 0→1 crossed
        expect end of day 3 acme  account.users 1→0 closed
        profile             acme  active users 6

        story  another address ends the exclusion
        day 1               acme  u1–u7 use editor
        day 2               acme  u7 has email @vendor.example   → excluded
        day 3               acme  u7 has email @acme.com
        day 4               acme  u7 uses editor
        until end of day 4
        expect day 1        acme  account.users 0→1 crossed
        expect end of day 2 acme  account.users 1→0 closed
        expect day 4        acme  account.users 0→1 crossed
        profile             acme  active users 7

        story  other rules can exclude a user and end it, and fire nothing
        day 1               acme  u1–u7 use editor
        activate day 2      exclude users: [u6, u7]
        day 2 14:00         acme  u7 uses editor   → excluded
        until end of day 3
        expect day 1        acme  account.users 0→1 crossed
        expect end of day 2 acme  account.users 1→0 closed
        profile             acme  active users 5

        story  traits of an excluded event are applied
        day 1               acme  ann uses editor
        day 2               acme  staff-1 pays 900 a month   → excluded
        expect day 2        acme  MEDIUM self-serve-ceiling due day 3–4
    "

    members_can_be_removed "
        proves  F3

        story  a removed user leaves bands, buyers and counts, and returns with the next activity
        watch bands, active users
        day 1               acme  ann, bob use editor; ann invites i1–i6; ann has title CEO
        day 2               acme  bob removes ann
        day 5               acme  ann uses editor
        until end of day 5
        expect day 1        acme  active users 0→2 crossed
        expect day 1        acme  ann band none→emerging crossed with figure 30
        expect day 2        acme  ann band emerging→none crossed with figure 0
        expect end of day 2 acme  active users 2→0 closed
        expect day 5        acme  active users 0→2 crossed
        expect day 5        acme  ann band none→emerging crossed with figure 30
        figures day 2       acme  dau 1, wau 2, mau 2

        story  figures of past days still count the removed user
        day 1               acme  ann, bob use editor; ann has title CEO
        day 2               acme  ann is removed
        until end of day 2
        figures day 2       acme  mau 2
        profile             acme  active users 1, users 2, mau 2
        profile             acme ann  band none, buyer no

        story  an active day after the removal that is already known stays
        watch active users
        day 1, 5            acme  ann, bob use editor
        day 2 arriving day 5 13:00     acme  ann is removed
        until end of day 6
        expect day 1        acme  active users 0→2 crossed
    "
}
