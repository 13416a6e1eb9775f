//! Provides the values that conditions read: signals, figures, traits and fields of an event. A value can be unknown.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::context::{Context, MatchedEvent};
use super::figures::{Closed, people, points, windows};
use super::signals;
use super::state::Account;
use super::state::counts::WEEKS;
use super::state::traits::{Value as Trait, in_usd};
use super::state::word::Flag;
use crate::model::{Evidence, Field, Role};
use crate::rules::{BANDS, Condition, Figure, Input, Inputs, SignalRef, Value};

/// Whether a condition holds; none if that is unknown. `event`: the event, of an event trigger, with the role that it has.
pub(super) fn holds(
    context: &Context<'_>,
    account: &Account<'_>,
    user: Option<u32>,
    when: &Condition,
    event: Option<(&MatchedEvent<'_>, Option<Role>)>,
) -> Option<bool> {
    when.holds(&Values { context, account, user, event, texts: Texts::default() })
}

/// Whether a condition is true; false where that is unknown.
pub(super) fn is_true(context: &Context<'_>, account: &Account<'_>, user: Option<u32>, when: &Condition) -> bool {
    let values = Values { context, account, user, event: None, texts: Texts::default() };
    may_hold(account, user, when) && when.is_true(&values)
}

/// Whether a condition can be true, by the signals that must be on for it.
fn may_hold(account: &Account<'_>, user: Option<u32>, when: &Condition) -> bool {
    when.needs().is_none_or(|signals| signals.iter().any(|signal| level_of(account, *signal, user) > 0))
}

/// The level of a signal; for a signal of users, that of the user whom the condition is about.
fn level_of(account: &Account<'_>, signal: SignalRef, user: Option<u32>) -> u8 {
    match (signal, user) {
        (SignalRef::Account(slot), _) => account.level(None, slot),
        (SignalRef::User(slot), Some(user)) => account.level(Some(user), slot),
        (SignalRef::User(_), None) => 0,
    }
}

/// The values that a condition of an account, or of one of its users, reads.
struct Values<'a, 'c, 's> {
    context: &'a Context<'c>,
    account: &'a Account<'s>,
    user: Option<u32>,
    /// The event of an event trigger, and the role by which it matches.
    event: Option<(&'a MatchedEvent<'a>, Option<Role>)>,
    texts: Texts,
}

/// Texts that are made when they are read, such as one in lower case. Most conditions read none.
#[derive(Default)]
struct Texts(OnceCell<Box<(String, Texts)>>);

impl Texts {
    fn keep(&self, text: String) -> &str {
        let mut last = self;
        while let Some(next) = last.0.get() {
            last = &next.1;
        }
        &last.0.get_or_init(|| Box::new((text, Texts::default()))).0
    }
}

impl Inputs for Values<'_, '_, '_> {
    fn value(&self, input: Input) -> Value<'_> {
        match input {
            Input::Signal(signal) => self.rung(signal),
            Input::Figure(figure) => self.figure(figure),
            Input::Trait(place) => self.other(&self.context.plan.traits[place]),
            Input::Event(field) => self.of_event(field),
        }
    }

    fn if_known(&self, input: Input) -> Value<'_> {
        match input {
            Input::Signal(signal) => Value::Int(level_of(self.account, signal, self.user).into()),
            _ => self.value(input),
        }
    }

    fn item(&self, list: Input, at: usize) -> Option<i64> {
        match list {
            Input::Figure(Figure::WeeklyUsers) => week(self.context, self.account, at),
            _ => None,
        }
    }
}

impl Values<'_, '_, '_> {
    fn rung(&self, signal: SignalRef) -> Value<'_> {
        let rung = level_of(self.account, signal, self.user);
        // A signal that is on is known. One that is off counts as 0 only if enough history is known, else as unknown.
        if rung > 0 || signals::is_known(self.context, self.account, signal, self.user) {
            Value::Int(rung.into())
        } else {
            Value::Unknown
        }
    }

    /// A trait that only conditions name.
    fn other(&self, name: &str) -> Value<'_> {
        match self.account.traits().and_then(|traits| traits.other(name)) {
            Some(Trait::Text(text)) => Value::Text(text),
            Some(Trait::Number(number)) => Value::Double(*number),
            Some(Trait::Boolean(is)) => Value::Bool(*is),
            Some(Trait::Null) | None => Value::Unknown,
        }
    }

    fn of_event(&self, field: Field) -> Value<'_> {
        let (Some((it, Some(role))), plan) = (self.event, self.context.plan) else { return Value::Unknown };
        if let Some(number) = it.number(plan, role, field) {
            if !matches!(field, Field::Amount | Field::Mrr | Field::Price | Field::Value) {
                return Value::Double(number);
            }
            let currency = it.text(plan, role, Field::Currency);
            return double(in_usd(number, currency.as_deref(), &plan.money.rates));
        }
        if let Some(is) = plan.roles.boolean(&it.roles, role, field, it.event) {
            return Value::Bool(is);
        }
        let text = match plan.roles.text(&it.roles, role, field, it.event) {
            Some(Cow::Borrowed(text)) => text,
            Some(Cow::Owned(text)) => self.texts.keep(text),
            None => return Value::Unknown,
        };
        Some(text.trim()).filter(|text| !text.is_empty()).map_or(Value::Unknown, Value::Text)
    }

    /// A figure of the account or of its user.
    fn figure(&self, figure: Figure) -> Value<'_> {
        let (context, account) = (self.context, self.account);
        let closed = || Closed::last(account, context.last_closed());
        let int = |number: Option<u32>| number.map_or(Value::Unknown, |number| Value::Int(number.into()));
        match figure {
            Figure::ActiveUsers => Value::Int(account.active_users.into()),
            Figure::Users => Value::Int(account.users_ever.into()),
            Figure::Departments => Value::Int(account.departments().into()),
            Figure::Dau => int(closed().map(|closed| closed.dau(account))),
            Figure::Wau => int(closed().map(|closed| closed.wau(account))),
            Figure::Mau => int(closed().map(|closed| closed.mau(account))),
            Figure::NewUsers => int(closed().map(|closed| closed.new_users_7d(account))),
            Figure::Stickiness => double(
                closed().and_then(|it| it.stickiness(account)).map(|(part, whole)| f64::from(part) / f64::from(whole)),
            ),
            Figure::SpikeKnown => {
                boolean(account.founded().map(|founded| context.last_closed() >= windows::spike_known_on(founded)))
            }
            Figure::WeeklyUsers => Value::Ints(Input::Figure(Figure::WeeklyUsers)),
            Figure::IdleDays => {
                let idle = context.last_closed().0.saturating_sub(account.last_day.0).max(0);
                account.founded().map_or(Value::Unknown, |_| Value::Int(idle.into()))
            }
            Figure::Score => Value::Int(points::pqa(context.plan, account).into()),
            Figure::Tier => Value::Text(tier(context, account).map_or("", |tier| tier)),
            Figure::Segment => Value::Text(&people::segment(context.plan, account).id),
            Figure::Paid => Value::Bool(account.is_paid()),
            Figure::UsageRatio => double(signals::usage_ratio(account)),
            Figure::UserBand | Figure::UserFell | Figure::UserScore | Figure::UserBuys => {
                self.user.map_or_else(|| without_user(figure), |user| self.of_user(user, figure))
            }
            Figure::Traits => Value::Unknown,
            _ => self.stated(figure),
        }
    }

    fn of_user(&self, user: u32, figure: Figure) -> Value<'_> {
        let (plan, account) = (self.context.plan, self.account);
        match figure {
            Figure::UserBand => Value::Text(BANDS[usize::from(account.user(user).word.band())]),
            Figure::UserFell => Value::Bool(account.user(user).word.is(Flag::Fell)),
            // A user who was never active, or has left, has no score (semantics B4, B5).
            Figure::UserScore if !account.exists(user) => Value::Int(0),
            Figure::UserScore => Value::Int(points::pql(plan, account, user).into()),
            Figure::UserBuys => Value::Bool(people::is_buyer(plan, account, user)),
            _ => Value::Unknown,
        }
    }

    /// A figure that traits and subscriptions state.
    fn stated(&self, figure: Figure) -> Value<'_> {
        let rates = &self.context.plan.money.rates;
        let traits = self.account.traits();
        let text = |field| traits.and_then(|traits| traits.text(field));
        let is = |field| traits.and_then(|traits| traits.boolean(field));
        match figure {
            Figure::Plan => Value::Text(traits.and_then(|traits| traits.plan(rates)).unwrap_or_default()),
            Figure::Seats => double(traits.and_then(|traits| traits.seats(rates))),
            Figure::Mrr => double(traits.and_then(|traits| traits.mrr(rates))),
            Figure::YearlySpend => double(traits.and_then(|traits| traits.mrr(rates)).map(|mrr| mrr * 12.0)),
            Figure::Employees => double(traits.and_then(|traits| traits.employees())),
            Figure::Industry => {
                text(Field::Industry).map_or(Value::Unknown, |text| Value::Text(self.lower(text.trim())))
            }
            Figure::Country => text(Field::Country).map_or(Value::Unknown, Value::Text),
            Figure::Icp => boolean(is(Field::Icp)),
            Figure::Target => Value::Bool(is(Field::Target).unwrap_or(false)),
            Figure::LeadScore => double(traits.and_then(|traits| traits.number(Field::LeadScore))),
            Figure::DoNotContact => Value::Bool(is(Field::DoNotContact).unwrap_or(false)),
            Figure::OpenOpportunity => Value::Bool(is(Field::OpenOpportunity).unwrap_or(false)),
            Figure::ContractOwner => Value::Bool(text(Field::ContractOwner).is_some()),
            _ => Value::Unknown,
        }
    }

    /// A text in lower case; unchanged if it is already.
    fn lower<'t>(&'t self, text: &'t str) -> &'t str {
        if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
            text
        } else {
            self.texts.keep(text.to_lowercase())
        }
    }
}

/// The value of a figure of users in a condition that is not about a user.
fn without_user<'a>(figure: Figure) -> Value<'a> {
    if figure == Figure::UserBand { Value::Text("") } else { Value::Unknown }
}

fn boolean<'a>(is: Option<bool>) -> Value<'a> {
    is.map_or(Value::Unknown, Value::Bool)
}

fn double<'a>(number: Option<f64>) -> Value<'a> {
    number.filter(|number| number.is_finite()).map_or(Value::Unknown, Value::Double)
}

/// Active users of the closed complete week that is `back` weeks before the last one; at most 13 weeks are known.
fn week(context: &Context<'_>, account: &Account<'_>, back: usize) -> Option<i64> {
    let last = windows::last_week(context.last_closed());
    let known = account.founded().map_or(0, |founded| windows::weeks_known(founded, last)).min(13);
    (back < known as usize).then(|| account.count(WEEKS, last.0 - back as i32).into())
}

/// Active users of the last closed complete weeks, newest first.
pub(super) fn weekly_users(context: &Context<'_>, account: &Account<'_>) -> Vec<i64> {
    (0..).map_while(|back| week(context, account, back)).collect()
}

/// The tier that the account is in.
pub(super) fn tier<'a>(context: &Context<'a>, account: &Account<'_>) -> Option<&'a std::sync::Arc<str>> {
    let tiers = &context.plan.scores.tiers;
    tiers.len().checked_sub(account.tier.into()).and_then(|place| tiers.get(place)).map(|tier| &tier.id)
}

/// What makes a condition true, in words and facts: the signals that it names and that are on, and its figures.
pub(super) fn explain(
    context: &Context<'_>,
    account: &Account<'_>,
    user: Option<u32>,
    when: &Condition,
    words: &mut Vec<String>,
    evidence: &mut Evidence,
) {
    let values = Values { context, account, user, event: None, texts: Texts::default() };
    for input in when.inputs() {
        match input {
            Input::Signal(signal) if level_of(account, *signal, user) > 0 => {
                words.push(signals::words(context, account, *signal, user));
                let of_signal = signals::evidence(context, account, *signal, user);
                evidence.facts.extend(of_signal.facts);
                evidence.left_out = evidence.left_out.saturating_add(of_signal.left_out);
            }
            Input::Figure(figure) => {
                let value = values.figure(*figure);
                if let Some((word, number)) = in_words(context, account, user, *figure, value) {
                    words.push(word);
                    evidence.facts.extend(number.map(|number| context.figure(number)));
                }
            }
            _ => {}
        }
    }
    if words.is_empty() {
        words.push(format!("it is true that {}", when.text()));
    }
    if evidence.facts.is_empty() {
        evidence.facts.push(context.figure(1.0));
    }
}

/// A figure in words and as a number; none for figures that explain nothing to a person.
fn in_words(
    context: &Context<'_>,
    account: &Account<'_>,
    user: Option<u32>,
    figure: Figure,
    value: Value<'_>,
) -> Option<(String, Option<f64>)> {
    let number = match value {
        Value::Int(number) => Some(number as f64),
        Value::Double(number) => Some(number),
        _ => None,
    };
    let who = || user.map(|user| account.user_id(user));
    let rounded = number.map(|number| (number * 100.0).round() / 100.0);
    let word = match (figure, value) {
        (Figure::UserBand, Value::Text(band)) => {
            let score = points::pql(context.plan, account, user?);
            return Some((format!("{} is {band} with {score} points", who()?), Some(score.into())));
        }
        (Figure::UserScore, _) => format!("{} has {} points", who()?, rounded?),
        (Figure::UserBuys, Value::Bool(true)) => format!("{} may decide a purchase", who()?),
        (Figure::ActiveUsers, _) => format!("{} active users", rounded?),
        (Figure::Users, _) => format!("{} users", rounded?),
        (Figure::Departments, _) => format!("{} departments are active", rounded?),
        (Figure::UsageRatio, _) => format!("{:.0} % of a plan limit is used", number? * 100.0),
        (Figure::YearlySpend, _) => format!("pays {} USD a year", rounded?),
        (Figure::LeadScore, _) => format!("lead score {}", rounded?),
        (Figure::IdleDays, Value::Int(days)) if days > 0 => format!("nobody was active for {days} days"),
        (Figure::Icp, Value::Bool(true)) => "matches the ideal customer profile".to_owned(),
        (Figure::Target, Value::Bool(true)) => "is a target account".to_owned(),
        (Figure::Paid, Value::Bool(true)) => "is a paying customer".to_owned(),
        (Figure::Score, _) => format!("{} points", rounded?),
        _ => return None,
    };
    Some((word, number))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::state::looks;
    use super::super::{Partition, Record};
    use crate::model::{Calendar, Day, Effects, Event, EventKind, EventTime, Fields, Outcome, Wanted};
    use crate::rules::{self, Figure, Plan, Ready, Type};
    use crate::wire::{self, Format};

    const RULES: &str = include_str!("../rules/default.yaml");

    /// The default rules with one trigger, of this condition, and users who are hot for little.
    fn with(condition: &str) -> String {
        let rules = RULES
            .replace("hot: 80,", "hot: 15,")
            .replace("warm: 50,", "warm: 10,")
            .replace("emerging: 30,", "emerging: 6,");
        let trigger = format!("\ntriggers:\n  - {{ id: asked, level: low, cooldown: 1d, when: '{condition}' }}\n");
        rules.replacen("\ntriggers:\n", &trigger, 1)
    }

    /// How many users the costliest step looks at, in a month of an account in which all are active and hot.
    /// `again`: rules that are activated at its end.
    fn costliest_step(plan: &Arc<Plan>, again: Option<&str>, users: i64) -> usize {
        let mut partition = Partition::new(Arc::clone(plan));
        let (mut effects, mut offset, mut costliest) = (Effects::new(Wanted::ALL), 0, 0);
        let mut apply = |kind: EventKind, name: &str, user: &str, time: EventTime, properties: &str| {
            let event = Event {
                message_id: format!("m{offset}").into(),
                source: "test".into(),
                kind,
                name: name.into(),
                user: user.into(),
                anonymous_id: "".into(),
                account: if kind == EventKind::Track { "acme".into() } else { "".into() },
                time,
                received: None,
                properties: Fields::Json(properties),
                traits: Fields::None,
                context: Fields::None,
                provenance: None,
            };
            let payload = wire::encode(&event);
            looks::taken();
            let events: Vec<_> = wire::decode_admitting(wire::Admit::Any, Format::Protobuf, &payload).collect();
            let ready = events.iter().flat_map(Ready::new);
            let tally = partition.apply(Record { offset, time: None }, ready, &mut effects);
            assert_eq!(tally.of(Outcome::Applied), 1, "{:?}", effects.dead_letters);
            costliest = costliest.max(looks::taken());
            offset += 1;
        };
        let noon = |day: i32, user: i64| Calendar::UTC.start(Day(20_458 + day)).plus(43_200_000 + user);
        for day in [0, 1, 22] {
            for user in 0..users {
                apply(
                    EventKind::Track,
                    "Support Contacted",
                    &format!("u{user}"),
                    noon(day, user),
                    r#"{"topic":"billing"}"#,
                );
            }
        }
        // The same rules in another text: every edge is looked at anew.
        if let Some(rules) = again {
            apply(EventKind::RulesActivation, &format!("{rules}# again\n"), "", noon(22, users), "{}");
        }
        apply(EventKind::Tick, "", "", noon(30, 0), "{}");
        costliest
    }

    #[test]
    fn no_step_looks_at_users_times_users() {
        let mut conditions = Vec::new();
        for (_, name, kind, _) in Figure::ALL {
            conditions.push(match kind {
                Type::Int => format!("{name} >= 0"),
                Type::Double => format!("{name} >= 0.0"),
                Type::Bool => format!("({name} || !{name})"),
                Type::Text => {
                    let value = if *name == "segment" { "unknown" } else { "" };
                    format!("({name} == \"{value}\" || !({name} == \"{value}\"))")
                }
                Type::Ints => format!("{name}[0] >= 0"),
                Type::Any => format!("{name} == true"),
            });
        }
        let figures = conditions.len();
        let plan = rules::default_plan();
        let of_users = plan.user_signals.iter().map(|signal| format!("user.{}", signal.id));
        let of_account = plan.account_signals.iter().map(|signal| signal.id.to_string());
        conditions.extend(of_users.chain(of_account).map(|signal| format!("({signal} >= 1 || {signal} < 1)")));
        for (place, one) in conditions.iter().enumerate() {
            let second = if one.contains("user.") { "user.band == \"hot\"" } else { "users >= 1" };
            for (condition, again) in
                [(format!("user.band == \"hot\" && {one}"), true), (format!("{one} && {second}"), false)]
            {
                let rules = with(&condition);
                let plan = Arc::new(rules::parse("test", &rules).unwrap_or_else(|error| panic!("{error}")));
                let again = (again && place < figures).then_some(&*rules);
                let (few, many) = (costliest_step(&plan, again, 25), costliest_step(&plan, again, 50));
                assert!(few >= 25, "{condition}: {few} looks tell nothing");
                assert!(2 * many <= 5 * few, "{condition}: {few} looks at 25 users, {many} at 50");
            }
        }
    }
}
