//! Determines what each signal, figure and trigger of the rules needs of events, and whether a sample has such events.

use crate::model::{Event, Field, Role};
use crate::rules::{
    self, Count, Figure, Filter, Input as Reads, Kind, Ladder, Of, Plan, RoleSet, Seen, Signal, SignalRef, Spike,
    TraitIs, TriggerKind,
};
use crate::wire::fields::{self, Scalar};

/// Something that needs events of some sort.
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

/// What something needs of a sample.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// All of these, each by any of some sources.
    pub(super) all: Vec<Vec<Source>>,
    /// And activity of users.
    activity: bool,
}

/// Events of a role that carry everything that is needed of them.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) role: Role,
    /// Only events that name a user.
    of_user: bool,
    parts: Vec<Part>,
    /// Which of the parts came.
    seen: Vec<bool>,
    /// An event of the role came, with a user where one is needed.
    came: bool,
    /// An event came with all of it.
    pub(super) met: bool,
}

/// Something that an event carries.
#[derive(Debug)]
enum Part {
    Premium,
    Field(Field, Is),
    /// One of these values, in lower case; `true`: or no binding of the field.
    OneOf(Field, Vec<String>, bool),
    /// A trait that only conditions name.
    Trait(String),
}

/// What a field must be to be of use.
#[derive(Clone, Copy, Debug)]
enum Is {
    Anything,
    Text,
    Number,
    /// A number above 0.
    Positive,
    Boolean,
    /// A number, or a text such as 51-200.
    Size,
    /// An e-mail address of a company.
    CompanyMail,
}

impl Part {
    /// Whether an event carries it, as the engine reads events.
    fn is_in(&self, plan: &Plan, set: &RoleSet, role: Role, event: &Event<'_>) -> bool {
        let (field, is) = match self {
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
        if let Part::OneOf(_, values, only_bound) = self {
            let value = text.map(|text| text.trim().to_lowercase()).or_else(|| boolean().map(|is| is.to_string()));
            return (*only_bound && !plan.roles.binds(set, role, field))
                || value.is_some_and(|it| values.contains(&it));
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

    fn words(&self, plan: &Plan) -> String {
        match self {
            Part::Premium if plan.roles.maps_premium() => "uses of premium features: the sample has none".into(),
            Part::Premium => "uses of premium features: no mapping has `premium: true`".into(),
            Part::Field(field, Is::CompanyMail) => format!("{} of a company", field.word()),
            Part::Field(field, _) => field.word().into(),
            Part::OneOf(field, values, _) => format!("{} {}", field.word(), values.join(" or ")),
            Part::Trait(name) => name.clone(),
        }
    }
}

impl Source {
    fn new(role: Role, of_user: bool, parts: Vec<Part>) -> Source {
        Source { role, of_user, seen: vec![false; parts.len()], parts, came: false, met: false }
    }

    /// Looks whether an event of the role is one.
    pub(super) fn look(&mut self, plan: &Plan, set: &RoleSet, event: &Event<'_>) {
        if self.of_user && event.user.is_empty() {
            return;
        }
        self.came = true;
        let is_in: Vec<bool> = self.parts.iter().map(|part| part.is_in(plan, set, self.role, event)).collect();
        self.met = is_in.iter().all(|is| *is);
        self.seen.iter_mut().zip(is_in).for_each(|(seen, is)| *seen |= is);
    }

    /// What never came of it: events of the role, or something that they do not carry.
    fn missing(&self, plan: &Plan, came: &Came<'_>) -> String {
        let role = rules::role_name(self.role);
        if !self.came {
            return if came.has(self.role) { format!("{role} with a user") } else { role };
        }
        let never = self.parts.iter().zip(&self.seen).filter(|(_, seen)| !**seen);
        let mut never: Vec<&Part> = never.map(|(part, _)| part).collect();
        if let Some(premium) = never.iter().find(|part| matches!(part, Part::Premium)) {
            return premium.words(plan);
        }
        // Each of them came, and not together.
        if never.is_empty() {
            never.extend(&self.parts);
        }
        let never = never.iter().map(|part| part.words(plan)).collect::<Vec<_>>().join(" and ");
        format!("{role} with {never}")
    }
}

impl Needs {
    fn any(sources: Vec<Source>) -> Needs {
        Needs { all: vec![sources], activity: false }
    }

    fn one(role: Role, of_user: bool, parts: Vec<Part>) -> Needs {
        Needs::any(vec![Source::new(role, of_user, parts)])
    }

    /// A field of what is known of an account.
    fn firmographics(field: Field, is: Is) -> Needs {
        Needs::one(Role::Firmographics, false, vec![Part::Field(field, is)])
    }

    fn subscription(field: Field, is: Is) -> Needs {
        Needs::one(Role::SubscriptionChanged, false, vec![Part::Field(field, is)])
    }

    /// Some fields of user traits, and user activity.
    fn profile(fields: &[(Field, Is)]) -> Needs {
        let source = |(field, is): &(Field, Is)| Source::new(Role::Profile, true, vec![Part::Field(*field, *is)]);
        Needs { all: vec![fields.iter().map(source).collect()], activity: true }
    }

    /// The company size that users state is used if there is no other (semantics E19).
    fn employees() -> Needs {
        Needs::any(vec![
            Source::new(Role::Firmographics, false, vec![Part::Field(Field::Employees, Is::Size)]),
            Source::new(Role::Profile, false, vec![Part::Field(Field::CompanySize, Is::Size)]),
        ])
    }

    /// Both sources of the plan of an account.
    fn plan() -> Needs {
        let source = |role| Source::new(role, false, vec![Part::Field(Field::Plan, Is::Text)]);
        Needs::any(vec![source(Role::SubscriptionChanged), source(Role::Firmographics)])
    }

    fn open_opportunity() -> Needs {
        Needs::any(vec![
            Source::new(Role::Firmographics, false, vec![Part::Field(Field::OpenOpportunity, Is::Boolean)]),
            Source::new(Role::OpportunityCreated, false, Vec::new()),
        ])
    }

    fn quota() -> Needs {
        let parts = vec![Part::Field(Field::Used, Is::Number), Part::Field(Field::Quota, Is::Positive)];
        Needs::one(Role::UsageReported, false, parts)
    }

    /// What never came; none if everything did.
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
pub(super) fn all_needs(plan: &Plan) -> Vec<(What, Needs)> {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let signals = users.chain((0..plan.account_signals.len()).map(SignalRef::Account));
    let mut all: Vec<(What, Needs)> = signals.map(|it| (What::Signal(it), needs_of_signal(plan, it))).collect();
    all.extend(Figure::ALL.iter().filter_map(|(figure, ..)| Some((What::Figure(*figure), needs_of_figure(*figure)?))));
    for (place, name) in plan.traits.iter().enumerate() {
        let needs = Needs::one(Role::Firmographics, false, vec![Part::Trait(name.clone())]);
        all.push((What::Trait(place), needs));
    }
    for (place, trigger) in plan.triggers.iter().enumerate() {
        let TriggerKind::Event(on) = &trigger.kind else { continue };
        let Some(role) = on.role else {
            all.push((What::OnEvent(place), Needs { activity: true, ..Needs::default() }));
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

fn needs_of_signal(plan: &Plan, which: SignalRef) -> Needs {
    let of_user = matches!(which, SignalRef::User(_));
    let kind = &signal(plan, which).kind;
    let role = |role: Role| vec![Source::new(role, of_user, Vec::new())];
    let filtered = |filter: &Filter, field: Option<Field>| {
        let parts = || {
            let only = filter.only.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), false));
            let bound = filter.where_bound.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), true));
            let field = field.map(|field| Part::Field(field, Is::Text));
            only.chain(bound).chain(filter.premium.then_some(Part::Premium)).chain(field).collect()
        };
        Needs::any(filter.roles.iter().map(|role| Source::new(*role, of_user, parts())).collect())
    };
    match kind {
        // A feature has a name, unless it is premium; for other values the id of the message stands in (semantics E13).
        Kind::Distinct(it) => {
            let named = it.field == Field::Feature && !it.filter.premium;
            filtered(&it.filter, named.then_some(it.field))
        }
        Kind::Seen(Seen { filter, .. }) | Kind::Count(Count { seen: Seen { filter, .. }, .. }) => {
            filtered(filter, None)
        }
        Kind::Sessions(sessions) => filtered(&sessions.filter, None),
        Kind::Within(within) => Needs { all: vec![role(within.first), role(within.then)], activity: false },
        Kind::Abandoned(abandoned) => Needs::any(role(abandoned.start)),
        Kind::Spike(Spike { meter, .. }) | Kind::Ladder(Ladder { of: Of::Volume(meter), .. }) => {
            let meter = &plan.meters[*meter];
            let only = meter.only.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), false));
            let sum = meter.sum.map(|field| Part::Field(field, Is::Number));
            Needs::one(meter.role, false, only.chain(sum).collect())
        }
        Kind::UsageRatio(_) => Needs::quota(),
        Kind::Trait(TraitIs::Employees(_)) => Needs::employees(),
        Kind::Trait(TraitIs::OneOf(field, _)) => Needs::firmographics(*field, Is::Text),
        Kind::Trait(TraitIs::True(Field::OpenOpportunity)) => Needs::open_opportunity(),
        Kind::Trait(TraitIs::True(field)) => Needs::firmographics(*field, Is::Boolean),
        Kind::Trait(TraitIs::AtLeast(field, _)) => Needs::firmographics(*field, Is::Number),
        Kind::Executive => Needs::profile(&[(Field::Title, Is::Text), (Field::Role, Is::Text)]),
        Kind::Ladder(Ladder { of: Of::UsersOfADomain, .. }) => Needs::profile(&[(Field::Email, Is::CompanyMail)]),
        Kind::Ladder(Ladder { of: Of::Departments, .. }) | Kind::Stalled(_) => {
            Needs::profile(&[(Field::Department, Is::Text)])
        }
        _ => Needs { activity: true, ..Needs::default() },
    }
}

/// What a figure needs; none: it is computed from all sorts of things.
fn needs_of_figure(figure: Figure) -> Option<Needs> {
    Some(match figure {
        Figure::ActiveUsers | Figure::Users => Needs { activity: true, ..Needs::default() },
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

/// What came at all.
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
