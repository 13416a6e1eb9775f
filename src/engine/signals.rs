//! Figures and facts → rungs: the signal kinds, each with its state and its timers.

use std::cell::OnceCell;

use super::activation::Warming;
use super::people;
use super::score;
use super::state::Account;
use super::state::counts::WEEKS;
use super::state::days::Days;
use super::state::due::Due;
use super::state::facts::{Fact as Kept, State};
use super::state::rows::User;
use super::state::timers::{Timer, Timers};
use super::state::word::Flag;
use super::velocity::{self, Closed};
use crate::model::{Day, Effects, EventTime, Fact, Reason, Role, SignalChange, SignalKind, SignalMessage};
use crate::rules::{
    ActiveDays, Age, Count, Figure, Filter, Growth, GrowthBy, Idle, Kind, Ladder, Of, Plan, Reads, SignalRef, Stalled,
    Still, TraitIs, UsageRatio,
};

/// Stands for the account itself where a user's index is expected.
pub(super) const WHOLE_ACCOUNT: u32 = u32::MAX;

/// What surrounds an account while the fold works on it.
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    pub(super) effects: &'a mut Effects,
    pub(super) timers: &'a mut Timers,
    /// Who is visited at which close.
    pub(super) due: &'a mut Due,
    /// The account's place in its partition.
    pub(super) index: u32,
    /// What effects are caused by: the event's time, or the instant at which work is due.
    pub(super) cause: EventTime,
    /// The event that causes them; empty for due work.
    pub(super) message_id: &'a str,
    /// The watermark; while due work runs, its instant.
    pub(super) now: EventTime,
    pub(super) log_began: Option<Day>,
    /// Signals that closes decide, of rules that no close has seen yet: off means unknown.
    pub(super) warming: Warming,
    /// Whether anybody asks for profiles.
    pub(super) profiles: bool,
    pub(super) work: &'a mut Work,
}

/// What moved since it was last looked at. The memory is kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Signals that moved, to be published.
    pub(super) changes: Vec<Change>,
    /// What running users add to the score, more or less.
    pub(super) points: i32,
    /// Users whose band may be another one.
    pub(super) scored: Vec<u32>,
    /// What conditions read and has changed, and the users whose own conditions it may concern.
    pub(super) changed: Reads,
    pub(super) touched: Vec<u32>,
    /// Roles of the event whose first event in the life of the account does not count (semantics E16).
    pub(super) begun: Vec<Role>,
    /// The account's figures of the last closed day, once somebody asked for them: all users are counted at most once a
    /// step, however many conditions read it.
    closed: OnceCell<Option<Closed>>,
}

impl Work {
    /// For another account, or another step: what nobody looked at concerns nobody.
    pub(super) fn anew(&mut self) -> &mut Work {
        self.changes.clear();
        self.scored.clear();
        self.touched.clear();
        self.begun.clear();
        (self.points, self.changed) = (0, Reads::default());
        self.forget_figures();
        self
    }

    /// The active days of a user have changed: the figures must be counted anew.
    pub(super) fn forget_figures(&mut self) {
        self.closed = OnceCell::new();
    }
}

/// The figures that every close of a day renews.
pub(super) const OF_CLOSED_DAYS: [Figure; 5] =
    [Figure::Dau, Figure::Wau, Figure::Mau, Figure::Stickiness, Figure::NewUsers];

/// A signal that moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// None at account scope.
    pub(super) user: Option<u32>,
    pub(super) slot: usize,
    pub(super) before: u8,
    pub(super) after: u8,
}

impl Context<'_> {
    /// The instant that an effect on this account carries: never before the one that the last effect carried
    /// (semantics A17).
    pub(super) fn at(&self, account: &Account<'_>) -> EventTime {
        self.cause.max(account.last_at)
    }

    /// The same, and how far time has come: when something of an account changes.
    pub(super) fn when(&self, account: &Account<'_>) -> (EventTime, EventTime) {
        (self.at(account), self.now)
    }

    /// O: the first open day.
    pub(super) fn open_day(&self) -> Day {
        self.plan.time.calendar.day(self.now)
    }

    /// C: the last closed day.
    pub(super) fn last_closed(&self) -> Day {
        self.open_day().plus(-1)
    }

    /// Publishes a message of the signals feed.
    pub(super) fn publish(&mut self, account: &mut Account<'_>, user: Option<u32>, kind: SignalKind, facts: Vec<Fact>) {
        account.last_at = self.at(account);
        self.effects.signals.push(SignalMessage {
            account: account.id().to_string(),
            user: user.map_or(String::new(), |user| account.user_id(user).to_string()),
            kind,
            at: account.last_at,
            facts,
        });
        match user {
            Some(user) => account.touch_user(user, (account.last_at, self.now)),
            None => account.touch((account.last_at, self.now)),
        }
    }

    /// Publishes the signals that moved: users by id, then the account, each in the order of the rules (semantics A15),
    /// and what scores follow from them. Triggers look at all of it when they are next evaluated.
    pub(super) fn publish_changes(&mut self, account: &mut Account<'_>, reason: Reason) {
        self.tell_changes(account, reason);
        score::settle(self, account, reason);
    }

    /// The signals alone.
    pub(super) fn tell_changes(&mut self, account: &mut Account<'_>, reason: Reason) {
        let mut changes = std::mem::take(&mut self.work.changes);
        let key = |change: &Change| (change.user.is_none(), change.user.map(|user| account.user_id(user)), change.slot);
        changes.sort_by(|a, b| key(a).cmp(&key(b)));
        for change in changes.drain(..) {
            let signal = match change.user {
                Some(_) => SignalRef::User(change.slot),
                None => SignalRef::Account(change.slot),
            };
            self.work.changed.signal(signal);
            if let Some(user) = change.user {
                self.work.touched.push(user);
                self.work.scored.push(user);
            }
            if self.keeps_untold(account, &change) {
                continue;
            }
            let facts = facts(self, account, signal, change.user);
            let signals = if change.user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals };
            let signal = signals[change.slot].id.clone();
            let kind = SignalKind::Changed(SignalChange { signal, before: change.before, after: change.after, reason });
            self.publish(account, change.user, kind, facts);
        }
        self.work.changes = changes;
    }

    /// An absence that nobody was told of ends as silently (semantics E10).
    fn keeps_untold(&self, account: &mut Account<'_>, change: &Change) -> bool {
        let Some(user) = change.user else { return false };
        if !matches!(self.plan.user_signals[change.slot].kind, Kind::Idle(_)) || change.after > 0 {
            return false;
        }
        let word = &mut account.user_mut(user).word;
        let untold = word.is(Flag::Untold);
        word.set(Flag::Untold, false);
        untold
    }

    /// The size class, or the number of users, is another one: with it may be who decides alone (semantics E18).
    pub(super) fn anybody_may_buy(&mut self, account: &Account<'_>) {
        if self.plan.index.trigger_everybody {
            self.work.changed.figure(Figure::UserBuys);
            self.work.touched.extend(account.user_indices());
        }
    }

    /// Whether anything moved that publishing, scores or triggers must look at.
    pub(super) fn has_work(&self) -> bool {
        !self.work.changes.is_empty() || !self.work.scored.is_empty() || !self.work.changed.is_empty()
    }

    pub(super) fn turn_user(&mut self, user: &mut User, index: u32, slot: usize, rung: u8) {
        let before = user.word.rung(slot);
        if before == rung {
            return;
        }
        let running = user.word.is(Flag::Running);
        let points = if running { score::contribution(self.plan, user.word) } else { 0 };
        user.word.set_rung(slot, rung);
        if running {
            self.work.points += score::contribution(self.plan, user.word) - points;
        }
        self.work.changes.push(Change { user: Some(index), slot, before, after: rung });
    }

    pub(super) fn turn_account(&mut self, account: &mut Account<'_>, slot: usize, rung: u8) {
        let before = account.word.rung(slot);
        if before != rung {
            account.word.set_rung(slot, rung);
            self.work.changes.push(Change { user: None, slot, before, after: rung });
        }
    }

    pub(super) fn turn(&mut self, account: &mut Account<'_>, user: Option<u32>, slot: usize, rung: u8) {
        match user {
            Some(index) => self.turn_user(account.user_mut(index), index, slot, rung),
            None => self.turn_account(account, slot, rung),
        }
    }

    pub(super) fn kind(&self, user: Option<u32>, slot: usize) -> &'_ Kind {
        let signals = if user.is_some() { &self.plan.user_signals } else { &self.plan.account_signals };
        &signals[slot].kind
    }
}

/// What a newly active day of a user proves at once.
pub(super) fn after_activity(context: &mut Context<'_>, account: &mut Account<'_>, index: u32, day: Day) {
    let (plan, window_end) = (context.plan, account.window_end(context.open_day()));
    let user = account.user_mut(index);
    for &slot in &plan.index.user_by_activity {
        match plan.user_signals[slot].kind {
            Kind::ActiveDays(ActiveDays { days }) if user.days.count(window_end, 7) >= days => {
                context.turn_user(user, index, slot, 1)
            }
            // A late day before the window of today changes nothing before the next close (semantics C4, E10).
            Kind::Idle(Idle { days }) if day.0 > window_end.0 - days as i32 => context.turn_user(user, index, slot, 0),
            _ => {}
        }
    }
    if account.user(index).days.last() >= context.open_day().plus(-27) {
        runs(context, account, index);
    }
}

/// A user who is not removed is among the running active ones.
fn runs(context: &mut Context<'_>, account: &mut Account<'_>, index: u32) {
    if account.is_removed(index) || account.user(index).word.is(Flag::Running) {
        return;
    }
    people::enter(context.plan, account, index);
    after_running(context, account);
}

/// Who runs is another set: upward at once (semantics C2).
pub(super) fn after_running(context: &mut Context<'_>, account: &mut Account<'_>) {
    for figure in [Figure::ActiveUsers, Figure::Departments, Figure::Score] {
        context.work.changed.figure(figure);
    }
    climb(context, account);
}

/// Ladders over figures of the account, upward.
pub(super) fn climb(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    for &slot in &plan.index.account_ladders {
        let rung = ladder(context, account, slot, account.window_end(context.open_day()));
        if rung > account.word.rung(slot) {
            context.turn_account(account, slot, rung);
        }
    }
}

/// The rung of a ladder or of the executives, with windows that end on `day`.
pub(super) fn ladder(context: &Context<'_>, account: &Account<'_>, slot: usize, day: Day) -> u8 {
    match &context.plan.account_signals[slot].kind {
        Kind::Executive => u8::from(account.rare().is_some_and(|rare| rare.executives > 0)),
        Kind::Ladder(Ladder { of, rungs }) => {
            let figure = figure(account, *of, day);
            rungs.iter().take_while(|rung| figure >= **rung).count() as u8
        }
        _ => 0,
    }
}

/// The figure that a ladder climbs.
fn figure(account: &Account<'_>, of: Of, day: Day) -> f64 {
    let rare = account.rare();
    match of {
        Of::ActiveUsers => account.active_users.into(),
        Of::Departments => rare.map_or(0, |rare| rare.departments.len()) as f64,
        Of::UsersOfADomain => rare.and_then(|rare| rare.domains.values().max().copied()).unwrap_or(0).into(),
        Of::Volume(meter) => volume(account, meter, day.plus(-27), day),
    }
}

/// What a meter counted on the days `from` to `to`.
pub(super) fn volume(account: &Account<'_>, meter: usize, from: Day, to: Day) -> f64 {
    let meter = account.rare().and_then(|rare| rare.meters.get(meter));
    meter.map_or(0.0, |(daily, _)| daily.sum(from.0, to.0) as f64 / 1_000.0)
}

/// What is known of new users proves at once: upward, to the first rung (semantics C3, C20).
pub(super) fn after_newcomer(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    for &slot in &plan.index.newcomers {
        let Kind::NewUsers(new_users) = &plan.account_signals[slot].kind else { continue };
        let window_end = account.window_end(context.open_day());
        if account.word.rung(slot) == 0 && counting_newcomers(context, account, window_end) >= new_users.at_least {
            context.turn_account(account, slot, 1);
        }
    }
}

/// The first day whose new users count toward signals (semantics B17).
pub(super) fn counts_newcomers_from(context: &Context<'_>, account: &Account<'_>) -> Option<Day> {
    account.newcomers_count_from(context.log_began, context.plan.rails.warm_up_days)
}

/// New users in the 7 days that end with `day`, as signals count them.
pub(super) fn counting_newcomers(context: &Context<'_>, account: &Account<'_>, day: Day) -> u32 {
    counts_newcomers_from(context, account).map_or(0, |from| account.newcomers(day, from))
}

/// Whether it is known how many new users the account has, for signals (semantics B17).
pub(super) fn knows_newcomers(context: &Context<'_>, account: &Account<'_>) -> bool {
    counts_newcomers_from(context, account).is_some_and(|from| {
        account.founded().is_some_and(|founded| from == founded.plus(1))
            || account.window_end(context.open_day()) >= from
    })
}

/// It may now be known how many new users the account has: it was `born` in the log, or the day has come from which
/// they count. `newest`: its newest day so far.
pub(super) fn learn_of_newcomers(context: &mut Context<'_>, account: &Account<'_>, newest: Day, born: bool) {
    let index = &context.plan.index;
    let mut read = index.newcomers.iter().filter(|slot| index.reads.accounts >> **slot & 1 != 0).peekable();
    if read.peek().is_none() {
        return;
    }
    let begins = counts_newcomers_from(context, account).is_some_and(|from| born || from > newest);
    if begins && knows_newcomers(context, account) {
        read.for_each(|slot| context.work.changed.signal(SignalRef::Account(*slot)));
    }
}

/// A user is here, or was earlier than known: more may be known of them.
pub(super) fn learn_of_user(context: &mut Context<'_>, user: u32) {
    let (_, of_users) = &context.plan.index.known_in_time;
    if !of_users.is_empty() {
        of_users.iter().for_each(|slot| context.work.changed.signal(SignalRef::User(*slot)));
        context.work.touched.push(user);
    }
}

/// Whether a signal's figure is known, so that off means no (semantics C1, D11).
pub(super) fn knows(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> bool {
    if context.warming.has(signal) {
        return false;
    }
    let last_closed = context.last_closed();
    let (kind, first) = match signal {
        SignalRef::Account(slot) => (&context.plan.account_signals[slot].kind, account.founded()),
        SignalRef::User(slot) => {
            let days = user.map(|user| account.user(user).days).filter(|days| !days.is_never());
            (&context.plan.user_signals[slot].kind, days.map(Days::first))
        }
    };
    let weeks = || first.map_or(0, |first| velocity::weeks_known(first, velocity::last_week(last_closed)));
    let traits = account.traits();
    match kind {
        Kind::NewUsers(_) => knows_newcomers(context, account),
        Kind::Stickiness(_) => first.is_some_and(|first| velocity::stickiness_days(last_closed, first).is_some()),
        Kind::Growth(growth) => match user {
            Some(user) => knows_growth(context, account.user(user).days, growth),
            None => closed_now(context, account).is_some_and(|it| grows(context, account, &it, growth).is_some()),
        },
        Kind::Stalled(Stalled { weeks: needed, .. }) => weeks() >= *needed,
        Kind::Spike(_) => first.is_some_and(|first| velocity::blocks(last_closed, first) >= 8),
        Kind::Idle(Idle { days }) => first.is_some_and(|first| last_closed.0 - first.0 >= *days as i32),
        Kind::Age(Age { still: Still::FreeOnly, .. }) => {
            knows_premium(context, account).is_some() && is_settled(context, account)
        }
        Kind::Age(Age { still: Still::SingleUser, .. }) => is_settled(context, account),
        Kind::Within(_) => user.is_some_and(|user| account.user(user).signed_up().is_some()),
        Kind::UsageRatio(_) => usage_ratio(account).is_some(),
        Kind::Trait(TraitIs::Employees(_)) => traits.is_some_and(|traits| traits.employees().is_some()),
        Kind::Trait(TraitIs::OneOf(field, _)) => traits.is_some_and(|traits| traits.text(*field).is_some()),
        Kind::Trait(TraitIs::True(field)) => traits.is_some_and(|traits| traits.boolean(*field).is_some()),
        Kind::Trait(TraitIs::AtLeast(field, _)) => traits.is_some_and(|traits| traits.number(*field).is_some()),
        Kind::ActiveDays(_)
        | Kind::Sessions(_)
        | Kind::Seen(_)
        | Kind::Count(_)
        | Kind::Distinct(_)
        | Kind::Abandoned(_)
        | Kind::Ladder(_)
        | Kind::Executive => true,
    }
}

/// Whether a user's trend is known: not of an absent user, nor before four complete weeks (semantics C14).
fn knows_growth(context: &Context<'_>, days: Days, growth: &Growth) -> bool {
    let day = context.last_closed();
    !velocity::is_absent(days, day, 7) && velocity::user_trend(days, day).moves(growth).is_some()
}

/// Whether the account grows, or declines, by what its rules go by; none if that is unknown. While it is inactive it
/// does not decline (semantics C13a, C16).
pub(super) fn grows(context: &Context<'_>, account: &Account<'_>, closed: &Closed, growth: &Growth) -> Option<bool> {
    if !growth.up && closed.wau == 0 {
        return Some(false);
    }
    match &growth.by {
        GrowthBy::Level(level, slopes) => closed.moves(account, (*level, slopes)),
        GrowthBy::Streak => closed.runs(account, growth.up),
        GrowthBy::Ratio(percent) => closed.knows_change().then(|| {
            closed.change(account).is_some_and(|(before, after)| {
                let by = i64::from(after) - i64::from(before);
                (if growth.up { by } else { -by }) * 100 >= i64::from(*percent) * i64::from(before)
            })
        }),
        GrowthBy::Newcomers(percent) => (closed.knows_change() && knows_newcomers(context, account)).then(|| {
            let counting = u64::from(counting_newcomers(context, account, closed.day));
            closed.mau > 0 && counting * 100 >= u64::from(*percent) * u64::from(closed.mau)
        }),
    }
}

/// The used share of the fullest quota (semantics D21).
pub(super) fn usage_ratio(account: &Account<'_>) -> Option<f64> {
    let quotas = account.rare()?.life.quotas.values();
    quotas.filter(|quota| quota.value.1 > 0.0).map(|quota| quota.value.0 / quota.value.1).reduce(f64::max)
}

pub(super) fn climb_quotas(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        if let Kind::UsageRatio(UsageRatio { percent }) = signal.kind {
            let rung = ratio_rung(account, percent);
            context.work.changed.signal(SignalRef::Account(slot));
            context.turn_account(account, slot, rung.max(account.word.rung(slot)));
        }
    }
}

pub(super) fn ratio_rung(account: &Account<'_>, percent: u32) -> u8 {
    // Multiplied, not divided: 29 of 100 are 29 percent (semantics D21).
    let reaches = |(used, quota): (f64, f64)| quota > 0.0 && used * 100.0 >= f64::from(percent) * quota;
    u8::from(account.life().is_some_and(|life| life.quotas.values().any(|quota| reaches(quota.value))))
}

/// Other rules apply: what needs no close is proved by what is known.
pub(super) fn after_activation(context: &mut Context<'_>, account: &mut Account<'_>) {
    climb(context, account);
    after_newcomer(context, account);
    climb_quotas(context, account);
    after_traits(context, account);
}

/// Traits of the account are others.
pub(super) fn after_traits(context: &mut Context<'_>, account: &mut Account<'_>) {
    context.work.changed.figures |= Figure::OF_ACCOUNT;
    let plan = context.plan;
    for &slot in &plan.index.account_traits {
        let Kind::Trait(is) = &plan.account_signals[slot].kind else { continue };
        let rung = trait_rung(account, is);
        // What was unknown may now be known not to hold.
        context.work.changed.signal(SignalRef::Account(slot));
        context.turn_account(account, slot, rung.max(account.word.rung(slot)));
    }
    settle_ages(context, account);
}

pub(super) fn trait_rung(account: &Account<'_>, is: &TraitIs) -> u8 {
    let Some(traits) = account.traits() else { return 0 };
    let reached = |number: Option<f64>, rungs: &[f64]| {
        number.map_or(0, |it| rungs.iter().take_while(|rung| it >= **rung).count())
    };
    (match is {
        TraitIs::Employees(rungs) => reached(traits.employees(), rungs),
        TraitIs::AtLeast(field, rungs) => reached(traits.number(*field), rungs),
        TraitIs::True(field) => usize::from(traits.boolean(*field) == Some(true)),
        TraitIs::OneOf(field, values) => {
            let text = traits.text(*field).map(|text| text.trim().to_lowercase());
            usize::from(text.is_some_and(|text| values.contains(&text)))
        }
    }) as u8
}

/// A member left: no longer counted, banded, or a buyer, until active again (semantics B5).
pub(super) fn remove_member(context: &mut Context<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let state = account.user_mut(user);
    if !state.days.is_never() && state.days.last() > context.plan.time.calendar.day(time) {
        return;
    }
    leaves(context, account, user, time);
}

fn leaves(context: &mut Context<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let removed = &mut account.more_mut(user).removed;
    *removed = Some(removed.map_or(time, |known| known.max(time)));
    context.work.scored.push(user);
    account.touch_user(user, context.when(account));
    if account.user(user).word.is(Flag::Running) {
        people::leave(context.plan, account, user);
        for figure in [Figure::ActiveUsers, Figure::Departments, Figure::Score] {
            context.work.changed.figure(figure);
        }
    }
}

/// A user is known by another e-mail address: whoever does not count any more acts as one who left, whatever day the
/// user was active on (semantics A34, B5).
pub(super) fn exclude_by_host(context: &mut Context<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let Some(more) = account.known_more(user) else { return };
    let is_excluded = more.profile.is_excluded(&context.plan.exclude);
    let was_excluded = std::mem::replace(&mut more.excluded, is_excluded);
    if is_excluded && !was_excluded {
        leaves(context, account, user, time);
    }
}

/// A meaningful event of a user who had left.
pub(super) fn return_member(context: &mut Context<'_>, account: &mut Account<'_>, user: u32, time: EventTime) {
    let Some(more) = account.known_more(user).filter(|more| more.removed.is_some_and(|removed| time > removed)) else {
        return;
    };
    more.removed = None;
    account.tidy(user);
    context.work.scored.push(user);
    account.touch_user(user, context.when(account));
    if account.user(user).days.last() >= context.open_day().plus(-27) {
        runs(context, account, user);
    }
}

/// A late event corrects the figures of days that have closed, and with them what is known (semantics C17).
pub(super) fn correct_closed_days(context: &mut Context<'_>) {
    let changed = &mut context.work.changed;
    for figure in OF_CLOSED_DAYS.into_iter().chain([Figure::SpikeKnown, Figure::WeeklyUsers]) {
        changed.figure(figure);
    }
    context.plan.index.known_in_time.0.iter().for_each(|slot| changed.signal(SignalRef::Account(*slot)));
}

/// The first meaningful event of the account is known, or another one: what depends on its age waits from there.
pub(super) fn after_founding(context: &mut Context<'_>, account: &mut Account<'_>) {
    let index = &context.plan.index;
    let of_time = index.known_in_time.0.iter().chain(&index.ages);
    of_time.for_each(|slot| context.work.changed.signal(SignalRef::Account(*slot)));
    await_ages(context, account, context.plan.index.ages.iter(), EventTime::MIN);
}

/// Sets the timers of ages that are reached after an instant.
pub(super) fn await_ages<'p>(
    context: &mut Context<'p>,
    account: &Account<'_>,
    slots: impl Iterator<Item = &'p usize>,
    after: EventTime,
) {
    let (plan, Some(first), Some(founded)) = (context.plan, account.first(), account.founded()) else { return };
    let settled = plan.time.calendar.start(founded.plus(plan.rails.warm_up_days));
    for &slot in slots {
        if let Kind::Age(Age { age_ms, .. }) = plan.account_signals[slot].kind {
            let due = Timer::Lapse { user: WHOLE_ACCOUNT, slot: slot as u8 };
            let reached = first.plus(age_ms);
            // Who may have been here before the log is of no known age before the warm-up ends.
            for at in [Some(reached), Some(settled).filter(|at| *at > reached)].into_iter().flatten() {
                if at > after {
                    context.timers.schedule(at, context.index, due);
                }
            }
        }
    }
}

/// Whether a premium feature was used; unknown where neither a mapping nor an event says which are (semantics E20).
fn knows_premium(context: &Context<'_>, account: &Account<'_>) -> Option<bool> {
    let said = account.life().and_then(|life| life.premium);
    said.or(context.plan.roles.maps_premium().then_some(false))
}

/// Whether the warm-up of an account that may have been in mid-life when the log began is over (semantics B17).
fn is_settled(context: &Context<'_>, account: &Account<'_>) -> bool {
    let founded = account.founded();
    counts_newcomers_from(context, account)
        .is_some_and(|from| founded.is_some_and(|day| from == day.plus(1)) || context.open_day() >= from)
}

/// What an account of some age still is (semantics E17, E20).
pub(super) fn settle_ages(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    for &slot in &plan.index.ages {
        let Kind::Age(Age { age_ms, still }) = plan.account_signals[slot].kind else { continue };
        let old = account.first().is_some_and(|first| context.now >= first.plus(age_ms));
        let old = old && is_settled(context, account);
        let life = account.life();
        let is = match still {
            Still::SingleUser => account.users_ever == 1 && !life.is_some_and(|life| life.invited),
            Still::FreeOnly => knows_premium(context, account) == Some(false) && !account.is_paid(),
        };
        let forgotten = account.word.is(Flag::Forgotten);
        context.turn_account(account, slot, u8::from(old && is && !forgotten));
    }
}

/// Visited users whose last active day lies too far back are forgotten, and with the last of them the life of the
/// account (semantics B12).
pub(super) fn forget(context: &mut Context<'_>, account: &mut Account<'_>, users: &[(u32, u32)]) {
    let plan = context.plan;
    for &(_, index) in users {
        let user = account.user_mut(index);
        let is_due = || user.days.last().plus(plan.time.forget_after_days + 1) <= context.open_day();
        if user.days.is_never() || user.word.is(Flag::Forgotten) || !is_due() {
            continue;
        }
        (0..plan.user_signals.len()).for_each(|slot| context.turn_user(user, index, slot, 0));
        user.word.set(Flag::Forgotten, true);
        user.word.set(Flag::Fell, false);
        user.forget_since();
        account.erase_more(index);
        account.touch_user(index, context.when(account));
        context.work.scored.push(index);
    }
    forget_account(context, account);
    context.tell_changes(account, Reason::Forgotten);
}

/// The account's own life ends like that of a user; what is known of the company stays (semantics B13).
fn forget_account(context: &mut Context<'_>, account: &mut Account<'_>) {
    let plan = context.plan;
    let due = account.last_day.0.saturating_add(plan.time.forget_after_days + 1);
    if account.first().is_none() || account.word.is(Flag::Forgotten) || Day(due) > context.open_day() {
        return;
    }
    account.word.set(Flag::Forgotten, true);
    if let Some(rare) = account.known_rare() {
        rare.life = Default::default();
    }
    for (slot, signal) in plan.account_signals.iter().enumerate() {
        if !matches!(signal.kind, Kind::Trait(_)) {
            context.turn_account(account, slot, 0);
        }
    }
}

/// What a signal rests on as it stands: the events kept for it, or its figure now.
pub(super) fn facts(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> Vec<Fact> {
    let last_closed = context.last_closed();
    let figure = |number: f64| vec![Fact { message_id: context.message_id.into(), at: context.cause, number }];
    let ratio = |share: Option<(u32, u32)>| {
        share.map_or(Vec::new(), |(part, whole)| figure(f64::from(part) / f64::from(whole)))
    };
    let kept = |user: Option<u32>, slot: usize| account.fact(user, slot).map_or(Vec::new(), Kept::told);
    match (signal, user) {
        (SignalRef::User(slot), Some(index)) => {
            let days = account.user(index).days;
            match &context.plan.user_signals[slot].kind {
                Kind::Stickiness(_) if !days.is_never() => ratio(velocity::user_stickiness(days, last_closed)),
                Kind::Growth(_) if !days.is_never() => {
                    velocity::user_trend(days, last_closed).z().map_or(Vec::new(), figure)
                }
                Kind::ActiveDays(_) => figure(f64::from(days.count(account.window_end(context.open_day()), 7))),
                Kind::Idle(_) if !days.is_never() => figure(f64::from((last_closed.0 - days.last().0).max(0))),
                _ => kept(user, slot),
            }
        }
        (SignalRef::Account(slot), _) => match &context.plan.account_signals[slot].kind {
            // A spike is decided on closed days, five at once on the days that end now.
            Kind::NewUsers(_) if account.word.rung(slot) > 1 => {
                figure(f64::from(counting_newcomers(context, account, last_closed)))
            }
            Kind::NewUsers(_) => {
                figure(f64::from(counting_newcomers(context, account, account.window_end(context.open_day()))))
            }
            Kind::Stickiness(_) => ratio(closed_now(context, account).and_then(|closed| closed.stickiness())),
            Kind::Growth(_) => figure(account.count(WEEKS, velocity::last_week(last_closed).0).into()),
            Kind::Spike(spike) => figure(volume(account, spike.meter, last_closed.plus(-6), last_closed)),
            Kind::Ladder(Ladder { of, .. }) => {
                figure(self::figure(account, *of, account.window_end(context.open_day())))
            }
            Kind::Executive => figure(f64::from(account.rare().map_or(0, |rare| rare.executives))),
            Kind::Stalled(_) => figure(f64::from(account.active_users)),
            Kind::Age(_) => {
                let days = account.first().map_or(0, |first| (context.now.0 - first.0) / crate::model::DAY_MS);
                figure(days as f64)
            }
            Kind::UsageRatio(_) => usage_ratio(account).map_or(Vec::new(), figure),
            Kind::Trait(is) => {
                let traits = account.traits();
                let number = match is {
                    TraitIs::Employees(_) => traits.and_then(|traits| traits.employees()),
                    TraitIs::AtLeast(field, _) => traits.and_then(|traits| traits.number(*field)),
                    TraitIs::OneOf(..) | TraitIs::True(_) => Some(1.0),
                };
                number.map_or(Vec::new(), figure)
            }
            _ => kept(None, slot),
        },
        (SignalRef::User(_), None) => Vec::new(),
    }
}

/// The figures of the last closed day.
pub(super) fn closed_now(context: &Context<'_>, account: &Account<'_>) -> Option<Closed> {
    let count = || Some(Closed::new(account, context.last_closed(), account.founded()?));
    let closed = context.work.closed.get_or_init(count);
    #[cfg(not(test))]
    debug_assert_eq!(*closed, count(), "figures of another day, account or state");
    closed.clone()
}

/// The same in words, for a person.
pub(super) fn words(context: &Context<'_>, account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> String {
    let plan = context.plan;
    let number = || facts(context, account, signal, user).last().map_or(0.0, |fact| fact.number);
    let (id, kind) = match signal {
        SignalRef::User(slot) => (&plan.user_signals[slot].id, &plan.user_signals[slot].kind),
        SignalRef::Account(slot) => (&plan.account_signals[slot].id, &plan.account_signals[slot].kind),
    };
    let who = user.filter(|_| matches!(signal, SignalRef::User(_)));
    let who = who.map_or("the account".to_owned(), |user| account.user_id(user).to_string());
    let deed = |filter: &Filter| filter.roles.first().map_or("acted", |role| role.deed());
    let within = |ttl: Option<i64>| match ttl {
        Some(ttl) => format!(" within {} days", ttl / crate::model::DAY_MS),
        None => String::new(),
    };
    match (kind, signal) {
        (Kind::NewUsers(_), SignalRef::Account(slot)) if account.word.rung(slot) > 1 => {
            format!("{} new users in 7 days, far more than usual here", number())
        }
        (Kind::NewUsers(_), _) => format!("{} new users in 7 days", number()),
        (Kind::Growth(growth), SignalRef::Account(_)) => {
            closed_now(context, account).map_or_else(String::new, |closed| closed.trend_in_words(account, growth))
        }
        (Kind::Sessions(kind), SignalRef::User(slot)) => {
            let live = match account.fact(user, slot).map(|fact| &fact.state) {
                Some(State::Sessions(list, _)) => {
                    list.iter().filter(|session| session.1.plus(kind.ttl_ms) > context.now).count()
                }
                _ => 0,
            };
            format!("{who} {} in {live} sessions{}", deed(&kind.filter), within(Some(kind.ttl_ms)))
        }
        (Kind::Seen(seen), _) => format!("{who} {}", deed(&seen.filter)),
        (Kind::Count(Count { seen, .. }), _) => format!("{who} {} often{}", deed(&seen.filter), within(seen.ttl_ms)),
        (Kind::Distinct(distinct), _) => {
            let count = facts(context, account, signal, user).len();
            let field = distinct.field.word().replace('_', " ");
            format!("{who} {} ({count} distinct: {field}{})", deed(&distinct.filter), within(distinct.ttl_ms))
        }
        (Kind::Within(it), _) => format!("{who} {} within {} min", it.then.deed(), it.within_ms / 60_000),
        (Kind::Abandoned(it), _) => format!("{who} {} and did not complete it", it.start.deed()),
        (Kind::ActiveDays(_), _) => format!("{who} was active on {} of the last 7 days", number()),
        (Kind::Idle(_), _) => format!("{who} was not active for {} days", number()),
        (Kind::Ladder(Ladder { of: Of::ActiveUsers, .. }), _) => format!("{} active users", number()),
        (Kind::Ladder(Ladder { of: Of::Departments, .. }), _) => format!("{} departments are active", number()),
        (Kind::Ladder(Ladder { of: Of::UsersOfADomain, .. }), _) => {
            format!("{} active users of one company domain", number())
        }
        (Kind::Ladder(Ladder { of: Of::Volume(meter), .. }), _) => {
            format!("{} {} in 28 days", number(), plan.meters[*meter].id)
        }
        (Kind::Spike(spike), _) => {
            format!("{} {} in 7 days, far more than usual here", number(), plan.meters[spike.meter].id)
        }
        _ => format!("{who}: {id} is {}", (number() * 100.0).round() / 100.0),
    }
}
