//! Scenarios of collaboration signals: invitations, e-mail domains, sharing, departments, workspaces.

stories! {
    invitations_count_by_distinct_invitees "
        proves  collab.invites, E5
        watch collab.invites

        story  one or two invitees are rung 1, three are rung 2, six are rung 3
        day 1 10:00         acme  ann invites i1
        day 1 11:00         acme  ann invites i2
        day 1 12:00         acme  ann invites i3
        day 1 13:00         acme  ann invites i4, i5
        day 1 14:00         acme  ann invites i6
        day 1 15:00         acme  ann invites i7
        expect day 1 10:00  acme  ann collab.invites 0→1 crossed
        expect day 1        acme  ann collab.invites 1→2 crossed
        expect day 1 14:00  acme  ann collab.invites 2→3 crossed

        story  the same invitee counts once; each user has its own invitees
        day 1               acme  ann invites i1; ann invites i2; bob invites i3
        day 2               acme  ann invites i1, i2
        expect day 1        acme  ann collab.invites 0→1 crossed
        expect day 1        acme  bob collab.invites 0→1 crossed

        story  ids of invitees may be numbers, and large numbers stay distinct
        day 1               acme  ann invites 1234567890123456789, 1234567890123456790, 1234567890123456791
        day 2               acme  bob invites 7, 7, 7
        expect day 1        acme  ann collab.invites 0→1 crossed
        expect day 1        acme  ann collab.invites 1→2 crossed
        expect day 2        acme  bob collab.invites 0→1 crossed

        story  an invitation without an invitee counts each time
        day 1               acme  ann invites somebody ×2
        day 2               acme  ann invites somebody
        expect day 1        acme  ann collab.invites 0→1 crossed
        expect day 2        acme  ann collab.invites 1→2 crossed

        story  with `within: 7d` only invitations of the first seven days count
        rules  signals collab.invites within: 7d
        day 1               acme  ann signs up; ann invites i1, i2
        day 8 11:59:59.999  acme  bob signs up; ann invites i3
        day 8               acme  ann invites i4–i6
        expect day 1        acme  ann collab.invites 0→1 crossed
        expect day 8 11:59:59.999  acme  ann collab.invites 1→2 crossed
    "

    active_users_of_one_domain_are_counted "
        proves  collab.domain, E11
        watch collab.domain

        story  two users of one domain are off, three are rung 1, ten are rung 2
        day 1               acme  u1, u2 use editor; u1–u10 have email @acme.com
        day 2               acme  u3 uses editor
        day 3               acme  u4–u9 use editor
        day 4               acme  u10 uses editor
        expect day 2        acme  collab.domain 0→1 crossed
        expect day 4        acme  collab.domain 1→2 crossed

        story  addresses may arrive after the activity
        day 1               acme  u1–u3 use editor; u1, u2 have email @acme.com
        day 2               acme  u3 has email @acme.com
        expect day 2        acme  collab.domain 0→1 crossed

        story  free-mail hosts do not count, in any letter case
        day 1               acme  u1–u3 use editor; u1, u2 have email @gmail.com; u3 has email @GMail.com
        day 1               acme  u4–u9 use editor; u4–u6 have email @yahoo.co.uk; u7–u9 have email @gmx.at

        story  hosts are compared exactly, without regard to case
        day 1               acme  u1–u3 use editor; u1 has email @acme.com; u2 has email @ACME.com; u3 has email @eu.acme.com
        day 2               acme  u4 uses editor; u4 has email @Acme.Com
        expect day 2        acme  collab.domain 0→1 crossed

        story  a removed user who becomes active by removing another leaves the count unchanged
        day 1               acme  u1, u2 use editor; u1–u3 have email @acme.com
        day 2               acme  u3 is removed
        day 3               acme  u3 removes u2

        story  an inactive user leaves the count at a close
        day 1               acme  u1–u3 use editor; u1–u3 have email @acme.com
        day 5               acme  u1, u2 use editor
        until day 28 23:59:59.999
        until end of day 28
        expect day 1        acme  collab.domain 0→1 crossed
        expect end of day 28 acme collab.domain 1→0 closed
    "

    sharing_outside_counts "
        proves  collab.shared, E21
        watch collab.shared

        story  sharing outside counts for 90 days, sharing inside does not count
        day 1               acme  ann shares inside; bob shares outside
        until day 91 11:59:59.999
        until day 91
        expect day 1        acme  bob collab.shared 0→1 crossed
        expect day 91       acme  bob collab.shared 1→0 lapsed
    "

    two_departments_turn_the_signal_on "
        proves  collab.departments, E12
        watch collab.departments

        story  one department in several spellings is off, and an empty one does not count
        day 1               acme  ann, bob, cy use editor; ann has department sales; bob has department \" SALES \"; cy has department \"\"
        day 2               acme  cy has department support
        expect day 2        acme  collab.departments 0→1 crossed

        story  the department of a user counts once the user is active
        day 1               acme  ann uses editor; ann has department sales; bob has department support
        day 2               acme  bob uses editor
        expect day 2        acme  collab.departments 0→1 crossed

        story  the rules map other names to one department
        rules  traits departments: {eng: engineering}
        day 1               acme  ann, bob use editor; ann has department eng; bob has department Engineering

        story  a change to the other department turns it off at the close
        day 1               acme  ann, bob use editor; ann has department sales; bob has department support
        day 2               acme  bob has department sales
        until end of day 2
        expect day 1        acme  collab.departments 0→1 crossed
        expect end of day 2 acme  collab.departments 1→0 closed

        story  a removal turns it off, until the user is active again
        day 1               acme  ann, bob use editor; ann has department sales; bob has department support
        day 2               acme  bob is removed
        day 5               acme  bob uses editor
        expect day 1        acme  collab.departments 0→1 crossed
        expect end of day 2 acme  collab.departments 1→0 closed
        expect day 5        acme  collab.departments 0→1 crossed
    "

    two_workspaces_turn_the_signal_on "
        proves  collab.workspaces, E13
        watch collab.workspaces

        story  the same workspace counts once
        day 1               acme  ann creates workspace red
        day 2               acme  bob creates workspace red
        day 3               acme  bob creates workspace blue
        expect day 3        acme  collab.workspaces 0→1 crossed

        story  workspaces without an id are distinguished by message id
        day 1               acme  ann creates workspace
        again               → duplicate
        day 2               acme  ann creates workspace
        expect day 2        acme  collab.workspaces 0→1 crossed
    "
}
