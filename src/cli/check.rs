//! `upswell check`: configuration and rules before anything runs, and what the rules make of a sample of events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use xxhash_rust::xxh3::xxh3_128;

use super::files::{Files, Readable, Reading};
use super::screen::plain;
use super::{config, screen};
use crate::model::{Event, EventKind, Field, Role, Unmapped};
use crate::rules::{
    self, BANDS, Figure, Filter, Input as Reads, Kind, Of, Plan, RoleSet, Seen, Signal, SignalRef, Spike, Still,
    TraitIs, Trigger, TriggerKind, Value,
};
use crate::wire::fields::{self, Scalar};

/// Columns of names.
const NAME: usize = 34;
/// Forms of one account id that are shown.
const ALIKE_SHOWN: usize = 5;
/// Names without a mapping that are shown.
const NAMES_SHOWN: usize = 20;

/// Checks configuration and rules: with file, line, what was found and what is allowed.
///
/// Without arguments it checks the defaults and the environment. With a sample of events it also tells which roles they
/// cover, which mappings never matched, which names no mapping is for, and which signals and triggers of the rules can
/// never fire on such data, because no event has the role, or carries the field, that they need.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell check --config upswell.yaml
  upswell check --rules rules.yaml
  upswell check --rules rules.yaml --events sample.ndjson.zst")]
pub(super) struct Check {
    /// The configuration file. The rules that it names are checked as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The rules file, instead of the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Files of events, a sample of what the log will hold. `-` is standard input, as NDJSON.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    events: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

impl Check {
    pub(super) fn run(self) -> Result<()> {
        let config = config::load(self.config.as_deref())?;
        let names = config.topics.names();
        let mut out = std::io::stdout();
        writeln!(
            out,
            "configuration  good: {} at {} ({}), group {}",
            names.log(),
            config.kafka.brokers,
            config.kafka.brokers_from,
            config.kafka.group
        )?;
        let file = self.rules.or(config.rules.file);
        let plan = rules::load(file.as_deref())?;
        let signals = plan.user_signals.len() + plan.account_signals.len();
        writeln!(out, "rules          good: {}, {signals} signals, {} triggers", plan.version, plan.triggers.len())?;
        if !self.events.is_empty() {
            let files = self.reading.files(&self.events)?;
            Sample::read(&plan, &files)?.tell(&plan, &mut out)?;
        }
        Ok(())
    }
}

/// What a sample of events holds, by the rules.
struct Sample {
    readable: Readable,
    /// Activity of users, with or without a role.
    activity: u64,
    /// By role.
    roles: Vec<u64>,
    /// By mapping.
    mappings: Vec<u64>,
    /// What signals, figures and triggers need of events, and whether it came.
    needs: Vec<(What, Needs)>,
    unmapped: Unmapped,
    /// Pages and screens, which mean nothing unless a mapping is for them.
    pages: Unmapped,
    accounts: Accounts,
    /// Calls that say that two ids are one person.
    aliases: u64,
    /// Events with an amount in a currency that the rules have no rate of, by its code.
    without_rate: BTreeMap<String, u64>,
}

/// Account ids, and those among them that are the same but for case and space before and after.
#[derive(Default)]
struct Accounts {
    /// The first id of each folded form, by the hash of the form.
    first: HashMap<u128, Box<str>>,
    /// By folded form, where there are several ids of one.
    alike: BTreeMap<String, BTreeSet<String>>,
}

impl Accounts {
    fn count(&mut self, id: &str) {
        let form = rules::folded(id);
        let Some(first) = self.first.get(&xxh3_128(form.as_bytes())) else {
            self.first.insert(xxh3_128(form.as_bytes()), id.into());
            return;
        };
        if **first != *id {
            let ids = self.alike.entry(form.into_owned()).or_insert_with(|| [first.to_string()].into());
            ids.insert(id.to_owned());
        }
    }

    /// Ids that are alike, some of them.
    fn rows(&self) -> impl Iterator<Item = String> {
        let row = |ids: &BTreeSet<String>| {
            let mut shown: Vec<String> = ids.iter().take(ALIKE_SHOWN).map(|id| plain(&format!("{id:?}"))).collect();
            shown.extend((ids.len() > ALIKE_SHOWN).then(|| "…".to_owned()));
            shown.join(", ")
        };
        let more = self.alike.len().saturating_sub(NAMES_SHOWN) as u64;
        let more = (more > 0).then(|| format!("and {} more", screen::count(more)));
        self.alike.values().take(NAMES_SHOWN).map(row).chain(more)
    }
}

impl Sample {
    fn read(plan: &Plan, files: &Files) -> Result<Sample> {
        let mut sample = Sample {
            readable: Readable::new(plan.time.allowed_lateness_ms),
            activity: 0,
            roles: vec![0; Role::ALL.len()],
            mappings: vec![0; plan.roles.mappings().count()],
            needs: all_needs(plan),
            unmapped: Unmapped::default(),
            pages: Unmapped::default(),
            accounts: Accounts::default(),
            aliases: 0,
            without_rate: BTreeMap::new(),
        };
        let progress = screen::progress(files.bytes(), "bytes");
        files.read(&progress, &mut |_, _, decoded, place| {
            let decoded = plan.ids.key(decoded);
            sample.readable.count(&decoded, place);
            if let Ok(event) = &decoded.event {
                sample.count(plan, event);
            }
            Ok(())
        })?;
        sample.readable.refuse_junk()?;
        progress.finish_and_clear();
        Ok(sample)
    }

    fn count(&mut self, plan: &Plan, event: &Event<'_>) {
        if !event.kind.is_control() {
            self.accounts.count(&event.account);
        }
        self.aliases += u64::from(event.kind == EventKind::Alias);
        let set = plan.roles.of(event);
        plan.roles.in_order(&set).for_each(|role| self.roles[role as usize] += 1);
        plan.roles.matched(&set).for_each(|mapping| self.mappings[mapping] += 1);
        if let Some(code) = without_rate(plan, &set, event) {
            *self.without_rate.entry(code).or_insert(0) += 1;
        }
        self.activity += u64::from(event.kind == EventKind::Track && !event.user.is_empty() && set.is_activity());
        let sources = self.needs.iter_mut().flat_map(|(_, needs)| needs.all.iter_mut().flatten());
        sources.filter(|source| !source.met && set.has(source.role)).for_each(|source| source.look(plan, &set, event));
        let is_page = matches!(event.kind, EventKind::Page | EventKind::Screen);
        if plan.roles.is_unmapped(event) {
            self.unmapped.count(&event.name);
        } else if is_page && !set.is_mapped() && !event.name.is_empty() {
            self.pages.count(&event.name);
        }
    }

    fn of(&self, role: Role) -> u64 {
        self.roles[role as usize]
    }

    /// What something needs and does not have; none if nothing is missing.
    fn missing(&self, plan: &Plan, what: What) -> Option<String> {
        let (_, needs) = self.needs.iter().find(|(known, _)| *known == what)?;
        needs.missing(plan, self)
    }

    fn tell(&self, plan: &Plan, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "events         {}: {} are activity of users, {} have a name that no mapping is for, {} cannot be read",
            screen::count(self.readable.events),
            screen::count(self.activity),
            screen::count(self.unmapped.events()),
            screen::count(self.readable.malformed)
        )?;
        section(out, "events that cannot be read", self.readable.unreadable().into_iter())?;
        section(out, "events that are read in part, or only with care", self.readable.loose().into_iter())?;
        section(out, "order of the events", self.readable.disorder(None).into_iter())?;
        section(
            out,
            "account ids that differ by case or space only: `ids.fold: true` of the rules makes one account of each",
            self.accounts.rows(),
        )?;
        section(
            out,
            "alias calls do nothing yet: two ids of one person stay two users, and count twice",
            (self.aliases > 0).then(|| format!("{:<NAME$}{:>12}", "alias", screen::count(self.aliases))).into_iter(),
        )?;
        section(
            out,
            "currencies without a rate: their amounts are unknown; give `money.rates` of the rules a rate to USD",
            self.without_rate
                .iter()
                .map(|(code, count)| format!("{:<NAME$}{:>12}", plain(code), screen::count(*count))),
        )?;
        self.tell_roles(plan, out)?;
        self.tell_names(out)?;
        let signals = never_on(plan, self);
        section(
            out,
            "signals that can never be on with such data",
            signals.iter().map(|(which, why)| format!("{:<NAME$}{why}", named(plan, *which))),
        )?;
        let triggers = (0..).zip(&plan.triggers);
        let triggers =
            triggers.filter_map(|(place, trigger)| Some((trigger, never_fires(plan, place, trigger, self)?)));
        section(
            out,
            "triggers that can never fire with such data",
            triggers.map(|(trigger, why)| format!("{:<NAME$}{why}", trigger.id)),
        )
    }

    fn tell_roles(&self, plan: &Plan, out: &mut impl Write) -> Result<()> {
        let came = Role::ALL.iter().filter(|role| self.of(**role) > 0);
        let row = |role: &Role| format!("{:<NAME$}{:>12}", rules::role_name(*role), screen::count(self.of(*role)));
        section(out, "roles that came", came.map(row))?;
        let missing = Role::ALL.iter().filter(|role| self.of(**role) == 0);
        let (mapped, unmapped): (Vec<Role>, Vec<Role>) = missing.copied().partition(|role| plan.roles.covers(*role));
        section(out, "roles that never came", lines(&mapped))?;
        section(out, "roles that no mapping gives", lines(&unmapped))?;
        let never = plan.roles.mappings().zip(&self.mappings).filter(|(_, count)| **count == 0);
        section(
            out,
            "mappings that never matched",
            never.map(|((words, role), _)| {
                let role = role.map_or("(no role)".into(), rules::role_name);
                format!("{role:<NAME$}{words}")
            }),
        )
    }

    fn tell_names(&self, out: &mut impl Write) -> Result<()> {
        for (title, names) in [
            ("names that no mapping is for: they count as activity, and mean nothing else", &self.unmapped),
            ("pages and screens that no mapping is for: they mean nothing", &self.pages),
        ] {
            let mut rows: Vec<String> = names
                .top(NAMES_SHOWN)
                .iter()
                .map(|(name, count)| format!("{:<NAME$}{:>12}", plain(name), screen::count(*count)))
                .collect();
            if names.names() > NAMES_SHOWN {
                rows.push(format!("and {} more names", screen::count((names.names() - NAMES_SHOWN) as u64)));
            }
            section(out, title, rows.into_iter())?;
        }
        Ok(())
    }
}

/// Names of roles, some on each line.
fn lines(roles: &[Role]) -> impl Iterator<Item = String> {
    let row = |roles: &[Role]| roles.iter().map(|role| rules::role_name(*role)).collect::<Vec<_>>().join(", ");
    roles.chunks(5).map(row)
}

/// The currency of an event's amount, if the rules have no rate of it (semantics F8).
fn without_rate(plan: &Plan, set: &RoleSet, event: &Event<'_>) -> Option<String> {
    const AMOUNTS: [Field; 4] = [Field::Mrr, Field::Price, Field::Amount, Field::Value];
    let has_amount = |role: &Role| AMOUNTS.iter().any(|it| plan.roles.number(set, *role, *it, event).is_some());
    let role = plan.roles.in_order(set).find(has_amount)?;
    let code = plan.roles.text(set, role, Field::Currency, event)?.trim().to_uppercase();
    (code != "USD" && !plan.money.rates.contains_key(&code)).then_some(code)
}

fn is_premium(plan: &Plan, set: &RoleSet, event: &Event<'_>) -> bool {
    set.is_premium() || plan.roles.boolean(set, Role::FeatureUsed, Field::Premium, event) == Some(true)
}

/// A title and the rows below it; nothing without rows.
fn section(out: &mut impl Write, title: &str, rows: impl Iterator<Item = String>) -> Result<()> {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    rows.iter().try_for_each(|row| writeln!(out, "  {row}"))?;
    Ok(())
}

fn signal(plan: &Plan, which: SignalRef) -> &Signal {
    match which {
        SignalRef::User(slot) => &plan.user_signals[slot],
        SignalRef::Account(slot) => &plan.account_signals[slot],
    }
}

fn named(plan: &Plan, which: SignalRef) -> String {
    let scope = if matches!(which, SignalRef::User(_)) { "user" } else { "account" };
    format!("{} ({scope})", signal(plan, which).id)
}

/// Something that needs events of some sort.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Signal(SignalRef),
    Figure(Figure),
    /// A trait that only conditions name, by its place.
    Trait(usize),
    /// The role of a pulse, by the place of its trigger.
    Pulse(usize),
    /// A field of the event of a pulse.
    Event(usize, Field),
}

/// What something needs of a sample.
#[derive(Debug, Default)]
struct Needs {
    /// All of these, each by any of some sources.
    all: Vec<Vec<Source>>,
    /// And activity of users.
    activity: bool,
}

/// Events of a role that carry everything that is needed of them.
#[derive(Debug)]
struct Source {
    role: Role,
    /// Only events that name a user.
    of_user: bool,
    parts: Vec<Part>,
    /// Which of the parts came.
    seen: Vec<bool>,
    /// An event of the role came, with a user where one is needed.
    came: bool,
    /// An event came with all of it.
    met: bool,
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
            Part::Trait(name) => return fields::value(event.told(), name).is_some_and(|value| value != Scalar::Null),
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
            Part::Premium if plan.roles.maps_premium() => "uses of premium features: none came".into(),
            Part::Premium => "uses of premium features: no mapping says which are".into(),
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
    fn look(&mut self, plan: &Plan, set: &RoleSet, event: &Event<'_>) {
        if self.of_user && event.user.is_empty() {
            return;
        }
        self.came = true;
        let is_in: Vec<bool> = self.parts.iter().map(|part| part.is_in(plan, set, self.role, event)).collect();
        self.met = is_in.iter().all(|is| *is);
        self.seen.iter_mut().zip(is_in).for_each(|(seen, is)| *seen |= is);
    }

    /// What never came of it: events of the role, or something that they do not carry.
    fn missing(&self, plan: &Plan, sample: &Sample) -> String {
        let role = rules::role_name(self.role);
        if !self.came {
            return if sample.of(self.role) > 0 { format!("{role} that names a user") } else { role };
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

    /// Some field of what users tell of themselves, and that they are active.
    fn profile(fields: &[(Field, Is)]) -> Needs {
        let source = |(field, is): &(Field, Is)| Source::new(Role::Profile, true, vec![Part::Field(*field, *is)]);
        Needs { all: vec![fields.iter().map(source).collect()], activity: true }
    }

    /// What users say of their company stands in where nobody else says how large it is (semantics E19).
    fn employees() -> Needs {
        Needs::any(vec![
            Source::new(Role::Firmographics, false, vec![Part::Field(Field::Employees, Is::Size)]),
            Source::new(Role::Profile, false, vec![Part::Field(Field::CompanySize, Is::Size)]),
        ])
    }

    /// Both say which plan an account has.
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
    fn missing(&self, plan: &Plan, sample: &Sample) -> Option<String> {
        let mut all = Vec::new();
        for sources in self.all.iter().filter(|sources| !sources.iter().any(|source| source.met)) {
            let mut any: Vec<String> = sources.iter().map(|source| source.missing(plan, sample)).collect();
            any.dedup();
            all.push(any.join(" or "));
        }
        all.extend((self.activity && sample.activity == 0).then(|| "activity of users".to_owned()));
        (!all.is_empty()).then(|| all.join(" and "))
    }
}

/// What everything in the rules needs.
fn all_needs(plan: &Plan) -> Vec<(What, Needs)> {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let signals = users.chain((0..plan.account_signals.len()).map(SignalRef::Account));
    let mut all: Vec<(What, Needs)> = signals.map(|it| (What::Signal(it), needs_of_signal(plan, it))).collect();
    all.extend(Figure::ALL.iter().filter_map(|(figure, ..)| Some((What::Figure(*figure), needs_of_figure(*figure)?))));
    for (place, name) in plan.traits.iter().enumerate() {
        let needs = Needs::one(Role::Firmographics, false, vec![Part::Trait(name.clone())]);
        all.push((What::Trait(place), needs));
    }
    for (place, trigger) in plan.triggers.iter().enumerate() {
        let TriggerKind::Pulse(pulse) = &trigger.kind else { continue };
        let Some(role) = pulse.role else {
            all.push((What::Pulse(place), Needs { activity: true, ..Needs::default() }));
            continue;
        };
        let one_of = |(field, values): &(Field, Vec<String>)| Part::OneOf(*field, values.clone(), false);
        let mut sources = vec![Source::new(role, false, pulse.only.iter().map(one_of).collect())];
        sources.extend(pulse.plan.iter().flat_map(|plan| {
            let is = || vec![Part::OneOf(Field::Plan, vec![plan.clone()], false)];
            [Role::SubscriptionChanged, Role::Firmographics].map(|role| Source::new(role, false, is()))
        }));
        all.push((What::Pulse(place), Needs::any(sources)));
        for input in pulse.when.iter().flat_map(|when| &when.inputs) {
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
        Kind::Seen(Seen { filter, .. }) | Kind::Count(Seen { filter, .. }, _) => filtered(filter, None),
        Kind::Sessions(sessions) => filtered(&sessions.filter, None),
        Kind::Within(within) => Needs { all: vec![role(within.first), role(within.then)], activity: false },
        Kind::Abandoned(abandoned) => Needs::any(role(abandoned.start)),
        Kind::Spike(Spike { meter, .. }) | Kind::Ladder(Of::Volume(meter), _) => {
            let meter = &plan.meters[*meter];
            let only = meter.only.iter().map(|(field, values)| Part::OneOf(*field, values.clone(), false));
            let sum = meter.sum.map(|field| Part::Field(field, Is::Number));
            Needs::one(meter.role, false, only.chain(sum).collect())
        }
        Kind::UsageRatio { .. } => Needs::quota(),
        Kind::Trait(TraitIs::Employees(_)) => Needs::employees(),
        Kind::Trait(TraitIs::OneOf(field, _)) => Needs::firmographics(*field, Is::Text),
        Kind::Trait(TraitIs::True(Field::OpenOpportunity)) => Needs::open_opportunity(),
        Kind::Trait(TraitIs::True(field)) => Needs::firmographics(*field, Is::Boolean),
        Kind::Trait(TraitIs::AtLeast(field, _)) => Needs::firmographics(*field, Is::Number),
        Kind::Executive => Needs::profile(&[(Field::Title, Is::Text), (Field::Role, Is::Text)]),
        Kind::Ladder(Of::UsersOfADomain, _) => Needs::profile(&[(Field::Email, Is::CompanyMail)]),
        Kind::Ladder(Of::Departments, _) | Kind::Stalled { .. } => Needs::profile(&[(Field::Department, Is::Text)]),
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

/// The signals for which something never came, and what.
fn never_on(plan: &Plan, sample: &Sample) -> Vec<(SignalRef, String)> {
    let why = |(what, _): &(What, Needs)| match what {
        What::Signal(which) => Some((*which, never(plan, *which, sample)?)),
        _ => None,
    };
    sample.needs.iter().filter_map(why).collect()
}

/// Why a signal can never be on; none if it can.
fn never(plan: &Plan, which: SignalRef, sample: &Sample) -> Option<String> {
    let unknown = matches!(signal(plan, which).kind, Kind::Age { still: Still::FreeOnly, .. });
    if unknown && !plan.roles.maps_premium() {
        return Some("unknown: no mapping says which features are premium".into());
    }
    Some(format!("needs {}", sample.missing(plan, What::Signal(which))?))
}

/// The most points that a user can have with such data, as far as signals that can be on bring them.
fn most_points(plan: &Plan, sample: &Sample) -> i32 {
    let users = (0..plan.user_signals.len()).map(SignalRef::User);
    let signals = users.chain((0..plan.account_signals.len()).map(SignalRef::Account));
    let can_be = signals.filter(|which| signal(plan, *which).pql && never(plan, *which, sample).is_none());
    can_be.map(|which| signal(plan, which).points.into_iter().max().unwrap_or(0)).sum()
}

/// What a name of a condition can be with such data, and what it needs to be more; none: anything.
fn can_be(plan: &Plan, trigger: usize, input: &Reads, sample: &Sample) -> Option<(Vec<Value>, String)> {
    let figure = match input {
        Reads::Signal(which) => {
            let why = never(plan, *which, sample)?;
            let why = why.strip_prefix("needs ").map_or(format!("a mapping: {why}"), str::to_owned);
            return Some((vec![Value::Int(0), Value::Unknown], why));
        }
        Reads::Trait(place) => return Some((vec![Value::Unknown], sample.missing(plan, What::Trait(*place))?)),
        Reads::Event(field) => {
            return Some((vec![Value::Unknown], sample.missing(plan, What::Event(trigger, *field))?));
        }
        Reads::Figure(Figure::UserBand) => {
            let most = most_points(plan, sample);
            let reached = plan.scores.bands.iter().filter(|from| **from <= most).count();
            let bands = BANDS.iter().take(1 + reached).map(|band| Value::Text((*band).into())).collect();
            let why = format!("more points than the {most} that such data can bring a user");
            return (reached + 1 < BANDS.len()).then_some((bands, why));
        }
        Reads::Figure(figure) => *figure,
    };
    let why = sample.missing(plan, What::Figure(figure))?;
    let value = match figure {
        Figure::ActiveUsers | Figure::Users | Figure::Departments => Value::Int(0),
        Figure::Paid | Figure::Target | Figure::DoNotContact | Figure::OpenOpportunity | Figure::ContractOwner => {
            Value::Bool(false)
        }
        Figure::Plan => Value::Text("".into()),
        Figure::Segment => Value::Text(plan.segments.first().map_or("".into(), |segment| segment.id.clone())),
        _ => Value::Unknown,
    };
    Some((vec![value], why))
}

/// How a name stays that can be only this.
fn stays(values: &[Value]) -> String {
    match values {
        [Value::Unknown] => "unknown".into(),
        [Value::Bool(is)] => is.to_string(),
        [Value::Int(number)] => number.to_string(),
        [Value::Text(text)] if text.is_empty() => "empty".into(),
        [Value::Text(text)] => text.to_string(),
        [Value::Int(0), Value::Unknown] => "off".into(),
        _ => match values.last() {
            Some(Value::Text(band)) => format!("at most {band}"),
            _ => "too small".into(),
        },
    }
}

/// Why a trigger cannot fire: what it listens to never came, or its condition can never be true.
fn never_fires(plan: &Plan, place: usize, trigger: &Trigger, sample: &Sample) -> Option<String> {
    let when = match &trigger.kind {
        TriggerKind::Pulse(pulse) => {
            if let Some(missing) = sample.missing(plan, What::Pulse(place)) {
                return Some(format!("needs {missing}"));
            }
            pulse.when.as_ref()?
        }
        TriggerKind::State { when, .. } => when,
    };
    let known: Vec<_> = when.inputs.iter().map(|input| can_be(plan, place, input, sample)).collect();
    let values = |at: usize| known[at].as_ref().map(|(values, _)| values.clone());
    if when.expression.can_hold(&values) {
        return None;
    }
    // Each of these alone prevents it; or only all of them together do.
    let alone = |at: &usize| !when.expression.can_hold(&|other| values(other).filter(|_| other == *at));
    let bound: Vec<usize> = (0..known.len()).filter(|at| known[*at].is_some()).collect();
    let (told, between) = match bound.iter().copied().filter(alone).collect::<Vec<_>>() {
        none if none.is_empty() => (bound, " or "),
        alone => (alone, " and "),
    };
    let (mut needs, mut names) = (Vec::new(), Vec::new());
    for at in told {
        let Some((values, why)) = &known[at] else { continue };
        if !needs.contains(why) {
            needs.push(why.clone());
        }
        names.push(format!("{} stays {}", when.expression.names()[at], stays(values)));
    }
    Some(format!("needs {}: {}", needs.join(between), names.join(", ")))
}
