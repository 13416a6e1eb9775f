//! Determines what each signal, figure and trigger of the rules needs of events, and whether a sample has such events.

use crate::model::{Event, Field, Role};
use crate::rules::{
    self, Figure, Input as Reads, Is, Needs, Part, Plan, RoleSet, Signal, SignalRef, Source, TriggerKind,
};
use crate::wire::fields::{self, Scalar};

/// A part of the rules that needs certain events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum What {
    Signal(SignalRef),
    Figure(Figure),
    /// A trait that only conditions name, by its place.
    Trait(usize),
    /// The role of an event trigger, by the place of its trigger.
    OnEvent(usize),
    /// A field of the event of an event trigger.
    Event(usize, Field),
}

/// What a part of the rules needs, and which of it the sample has.
#[derive(Debug)]
pub(super) struct Search {
    /// All of these, each from at least one of its sources.
    pub(super) all: Vec<Vec<Wanted>>,
    /// Also activity of users.
    activity: bool,
    /// Also a mapping that says which features are premium.
    pub(super) premium: bool,
}

/// Events of a role, and what the sample has of them.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) source: Source,
    /// Which of the parts the sample has.
    seen: Vec<bool>,
    /// The sample has an event of the role, with a user if one is needed.
    came: bool,
    /// The sample has an event with all parts.
    pub(super) met: bool,
}

/// Whether an event carries it, as the engine reads events.
fn is_in(part: &Part, plan: &Plan, set: &RoleSet, role: Role, event: &Event<'_>) -> bool {
    let (field, is) = match part {
        Part::Premium => return is_premium(plan, set, event),
        Part::Trait(name) => {
            return fields::value(event.payload(), name).is_some_and(|value| value != Scalar::Null);
        }
        Part::OneOf(field, ..) => (*field, Is::Anything),
        Part::Field(field, is) => (*field, *is),
    };
    let text = plan.roles.text(set, role, field, event).filter(|text| !text.trim().is_empty());
    let number = || plan.roles.number(set, role, field, event).filter(|number| number.is_finite());
    let boolean = || plan.roles.boolean(set, role, field, event);
    if let Part::OneOf(_, values, only_bound) = part {
        let value = text.map(|text| text.trim().to_lowercase()).or_else(|| boolean().map(|is| is.to_string()));
        return (*only_bound && !plan.roles.binds(set, role, field)) || value.is_some_and(|it| values.contains(&it));
    }
    match is {
        Is::Anything => text.is_some() || number().is_some() || boolean().is_some(),
        Is::Text => text.is_some(),
        Is::Number => number().is_some(),
        Is::Positive => number().is_some_and(|number| number > 0.0),
        Is::Boolean => boolean().is_some(),
        Is::Size => number().is_some() || text.is_some_and(|text| text.contains(|c: char| c.is_ascii_digit())),
        Is::CompanyMail => text.is_some_and(|text| {
            let host = text.rsplit_once('@').map(|(_, host)| host.trim().to_lowercase());
            host.is_some_and(|host| !host.is_empty() && !plan.people.free_mail.contains(&host))
        }),
    }
}

/// A part of an event, for people.
fn words(part: &Part, plan: &Plan) -> String {
    match part {
        Part::Premium if plan.roles.maps_premium() => "uses of premium features: the sample has none".into(),
        Part::Premium => "uses of premium features: no mapping has `premium: true`".into(),
        Part::Field(field, Is::CompanyMail) => format!("{} of a company", field.word()),
        Part::Field(field, _) => field.word().into(),
        Part::OneOf(field, values, _) => format!("{} {}", field.word(), values.join(" or ")),
        Part::Trait(name) => name.clone(),
    }
}

impl Wanted {
    fn new(source: Source) -> Wanted {
        Wanted { seen: vec![false; source.parts.len()], source, came: false, met: false }
    }

    /// Looks whether an event of the role is one.
    pub(super) fn look(&mut self, plan: &Plan, set: &RoleSet, event: &Event<'_>) {
        if self.source.of_user && event.user.is_empty() {
            return;
        }
        self.came = true;
        let is_in: Vec<bool> =
            self.source.parts.iter().map(|part| is_in(part, plan, set, self.source.role, event)).collect();
        self.met = is_in.iter().all(|is| *is);
        self.seen.iter_mut().zip(is_in).for_each(|(seen, is)| *seen |= is);
    }

    /// What the sample lacks: events of the role, or a part of them.
    fn missing(&self, plan: &Plan, came: &Came<'_>) -> String {
        let role = rules::role_name(self.source.role);
        if !self.came {
            return if came.has(self.source.role) { format!("{role} with a user") } else { role };
        }
        let never = self.source.parts.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
        let mut never: Vec<&Part> = never.map(|(part, _)| part).collect();
        if let Some(premium) = never.iter().find(|part| matches!(part, Part::Premium)) {
            return words(premium, plan);
        }
        // Each part occurs, but no event has all of them.
        if never.is_empty() {
            never.extend(&self.source.parts);
        }
        let never = never.iter().map(|part| words(part, plan)).collect::<Vec<_>>().join(" and ");
        format!("{role} with {never}")
    }
}

impl From<Needs> for Search {
    fn from(needs: Needs) -> Search {
        let all = needs.all.into_iter().map(|sources| sources.into_iter().map(Wanted::new).collect()).collect();
        Search { all, activity: needs.activity, premium: needs.premium }
    }
}

impl Search {
    /// The roles of which one has to come so that the sample has everything.
    pub(super) fn roles_missing(&self) -> impl Iterator<Item = Role> {
        let unmet = self.all.iter().filter(|sources| !sources.iter().any(|source| source.met));
        unmet.flatten().filter(|source| !source.came).map(|source| source.source.role)
    }

    /// What the sample lacks; none if it has everything.
    pub(super) fn missing(&self, plan: &Plan, came: &Came<'_>) -> Option<String> {
        let mut all = Vec::new();
        for sources in self.all.iter().filter(|sources| !sources.iter().any(|source| source.met)) {
            let mut any: Vec<String> = sources.iter().map(|source| source.missing(plan, came)).collect();
            any.dedup();
            all.push(any.join(" or "));
        }
        all.extend((self.activity && came.activity == 0).then(|| "user activity".to_owned()));
        (!all.is_empty()).then(|| all.join(" and "))
    }
}

/// What everything in the rules needs.
pub(super) fn all_needs(plan: &Plan) -> Vec<(What, Search)> {
    needs(plan).into_iter().map(|(what, needs)| (what, needs.into())).collect()
}

fn needs(plan: &Plan) -> Vec<(What, Needs)> {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let signals = users.chain((0..plan.account_signals.len()).map(SignalRef::Account));
    let of_signal = |it: SignalRef| (What::Signal(it), signal(plan, it).kind.needs(matches!(it, SignalRef::User(_))));
    let mut all: Vec<(What, Needs)> = signals.map(of_signal).collect();
    all.extend(Figure::ALL.iter().filter_map(|(figure, ..)| Some((What::Figure(*figure), needs_of_figure(*figure)?))));
    for (place, name) in plan.traits.iter().enumerate() {
        let needs = Needs::one(Role::Firmographics, false, vec![Part::Trait(name.clone())]);
        all.push((What::Trait(place), needs));
    }
    for (place, trigger) in plan.triggers.iter().enumerate() {
        let TriggerKind::Event(on) = &trigger.kind else { continue };
        let Some(role) = on.role else {
            all.push((What::OnEvent(place), Needs::activity()));
            continue;
        };
        let one_of = |(field, values): &(Field, Vec<String>)| Part::OneOf(*field, values.clone(), false);
        let mut sources = vec![Source::new(role, false, on.only.iter().map(one_of).collect())];
        sources.extend(on.plan.iter().flat_map(|plan| {
            let is = || vec![Part::OneOf(Field::Plan, vec![plan.clone()], false)];
            [Role::SubscriptionChanged, Role::Firmographics].map(|role| Source::new(role, false, is()))
        }));
        all.push((What::OnEvent(place), Needs::any(sources)));
        for input in on.when.iter().flat_map(|when| when.inputs()) {
            if let Reads::Event(field) = input {
                let needs = Needs::one(role, false, vec![Part::Field(*field, Is::Anything)]);
                all.push((What::Event(place, *field), needs));
            }
        }
    }
    all
}

/// What a figure needs; none if it depends on no particular events.
fn needs_of_figure(figure: Figure) -> Option<Needs> {
    Some(match figure {
        Figure::ActiveUsers | Figure::Users => Needs::activity(),
        Figure::Departments => Needs::profile(&[(Field::Department, Is::Text)]),
        Figure::Segment | Figure::Employees => Needs::employees(),
        Figure::Paid => Needs::subscription(Field::Paid, Is::Boolean),
        Figure::Plan => Needs::plan(),
        Figure::Seats => Needs::subscription(Field::Seats, Is::Number),
        Figure::Mrr | Figure::YearlySpend => Needs::subscription(Field::Mrr, Is::Number),
        Figure::UsageRatio => Needs::quota(),
        Figure::Industry => Needs::firmographics(Field::Industry, Is::Text),
        Figure::Country => Needs::firmographics(Field::Country, Is::Text),
        Figure::Icp => Needs::firmographics(Field::Icp, Is::Boolean),
        Figure::Target => Needs::firmographics(Field::Target, Is::Boolean),
        Figure::LeadScore => Needs::firmographics(Field::LeadScore, Is::Number),
        Figure::DoNotContact => Needs::firmographics(Field::DoNotContact, Is::Boolean),
        Figure::OpenOpportunity => Needs::open_opportunity(),
        Figure::ContractOwner => Needs::firmographics(Field::ContractOwner, Is::Text),
        _ => return None,
    })
}

/// What the sample contains.
pub(super) struct Came<'a> {
    /// Events by role.
    pub(super) roles: &'a [u64],
    /// Activity of users.
    pub(super) activity: u64,
}

impl Came<'_> {
    fn has(&self, role: Role) -> bool {
        self.roles[role as usize] > 0
    }
}

fn is_premium(plan: &Plan, set: &RoleSet, event: &Event<'_>) -> bool {
    set.is_premium() || plan.roles.boolean(set, Role::FeatureUsed, Field::Premium, event) == Some(true)
}

/// The signal at a place of the rules.
pub fn signal(plan: &Plan, which: SignalRef) -> &Signal {
    match which {
        SignalRef::User(slot) => &plan.user_signals[slot],
        SignalRef::Account(slot) => &plan.account_signals[slot],
    }
}
