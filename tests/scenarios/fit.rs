//! Scenarios of fit signals and of negative signals of accounts.

stories! {
    size_has_two_rungs "
        proves  fit.size, E19, A22
        watch fit.size

        story  49 employees are off, 50 and 499 are rung 1, 500 are rung 2
        day 1               acme  it has employees 49
        day 2               acme  it has employees 50
        day 3               acme  it has employees 499
        day 4               acme  it has employees 500
        day 5               acme  it has employees 49
        expect day 2        acme  fit.size 0→1 crossed
        expect day 4        acme  fit.size 1→2 crossed
        until end of day 5
        expect end of day 5 acme  fit.size 2→0 closed

        story  a range counts by its lower end
        day 1               acme  it has employees 51-200
        day 2               acme  it has employees 10-499
        expect day 1        acme  fit.size 0→1 crossed
        until end of day 2
        expect end of day 2 acme  fit.size 1→0 closed

        story  the company size that users state counts if there is no enrichment
        day 1               acme  ann has company_size 501-1000
        day 2               acme  it has employees 20
        day 3               acme  it has employees null
        day 4               acme  bob has company_size 51-200
        expect day 1        acme  fit.size 0→2 crossed
        until end of day 2
        expect end of day 2 acme  fit.size 2→0 closed
        expect day 3        acme  fit.size 0→2 crossed
        until end of day 4
        expect end of day 4 acme  fit.size 2→1 closed

        story  a company size needs a call with a user
        day 1               acme  somebody has company_size 700
        day 2               acme  ann has company_size 60
        expect day 2        acme  fit.size 0→1 crossed

        story  the value with the latest event time applies, not the last to arrive
        day 2               acme  it has employees 50
        day 1 arriving day 3           acme  it has employees 500
        day 2 arriving day 4           acme  it has employees 499
        day 2 arriving day 5           acme  it has employees 500
        expect day 2        acme  fit.size 0→1 crossed
        expect day 2        acme  fit.size 1→2 crossed
    "

    target_industries_and_ideal_customers_turn_signals_on "
        proves  fit.industry, fit.icp
        watch fit.industry, fit.icp

        story  industries of the rules match in any spelling of case and space
        day 1               acme  it has industry Farming
        day 2               acme  it has industry \" Software \"
        day 3               acme  it has industry null
        expect day 2        acme  fit.industry 0→1 crossed
        until end of day 3
        expect end of day 3 acme  fit.industry 1→0 closed

        story  an account that matches the ideal customer profile
        day 1               acme  it has not icp
        day 2               acme  it has icp
        day 3               acme  it has not icp
        expect day 2        acme  fit.icp 0→1 crossed
        until end of day 3
        expect end of day 3 acme  fit.icp 1→0 closed

        story  traits outlive activity
        day 1               acme  it has icp
        day 1, 403          acme  ann uses editor
        until end of day 403
        expect day 1        acme  fit.icp 0→1 crossed
        profile             acme  users 1
        stands              acme  icp yes
    "

    a_single_user_after_30_days_is_negative "
        proves  negative.single_user, E17
        watch negative.single_user
        day 1               acme  ann signs up

        story  it turns on 30 days after the first event, until there is a second user
        until day 31 11:59:59.999
        until day 31
        day 40              acme  bob uses editor
        expect day 31       acme  negative.single_user 0→1 lapsed
        expect day 40       acme  negative.single_user 1→0 crossed

        story  an invitation turns it off
        until day 31
        day 40              acme  ann invites bob
        expect day 31       acme  negative.single_user 0→1 lapsed
        expect day 40       acme  negative.single_user 1→0 crossed

        story  an account that ever had two users is not a single-user account
        day 2               acme  bob uses editor
        until day 40

        story  an account with an invitation is not a single-user account
        day 2               acme  ann invites bob
        until day 40
    "

    only_free_features_after_30_days_are_negative "
        proves  negative.free_only, E20
        watch negative.free_only
        rules  roles feature_used bind premium: premium
        day 1               acme  ann signs up; bob uses editor

        story  it turns on 30 days after the first event, until a premium feature is used
        until day 31 11:59:59.999
        until day 31
        day 40              acme  bob uses premium reports
        expect day 31       acme  negative.free_only 0→1 lapsed
        expect day 40       acme  negative.free_only 1→0 crossed

        story  it is off while the account pays
        until day 31
        day 40              acme  it pays
        day 41              acme  it stops paying
        expect day 31       acme  negative.free_only 0→1 lapsed
        expect day 40       acme  negative.free_only 1→0 crossed
        expect day 41       acme  negative.free_only 0→1 crossed

        story  an account that used a premium feature before is off
        day 2               acme  bob uses premium reports
        until day 40

        story  it is unknown if no mapping marks premium features
        rules  roles feature_used bind premium: null
        until day 40
    "
}
