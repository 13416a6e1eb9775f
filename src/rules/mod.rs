//! Reads, checks and compiles the rules file to a plan for the engine: roles, signals, triggers and rails as data.
//!
//! Each chapter of the rules file has a file here, with its YAML types, its compilation and its part of the plan.
//! `file` joins the chapters to a [`Plan`]. Below the chapters are `inputs`, the values that conditions read, and
//! `condition`, their language. Above them is `index`, which maps what a step can change to the signals and triggers
//! that depend on it.

mod bill;
mod changes;
mod checks;
mod condition;
mod error;
mod exclude;
mod file;
mod forms;
mod ids;
mod index;
mod inputs;
mod meters;
mod money;
mod names;
mod needs;
mod packs;
mod plan;
mod rails;
mod ready;
mod roles;
mod routes;
mod scores;
mod segments;
mod signals;
mod template;
mod territories;
mod time;
mod traits;
mod triggers;
mod yaml;

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use crate::wire::InputFormat;

pub use changes::Changes;
pub use condition::{Condition, Possible};
pub use error::Error;
pub use exclude::Exclude;
pub use file::{complete, parse, schema};
pub use ids::{Ids, folded};
pub use index::{Index, Needed, Places, Readers, ReadsBy, Turns};
pub use inputs::{Figure, Input, Inputs, Reads, SignalRef, Slots, Type, Value};
pub use meters::{Meter, MeterRef};
pub use money::Money;
pub use needs::{Is, Needs, Part, Source};
pub use packs::{DEFAULT, PACKS, Pack, pack};
pub use plan::Plan;
pub use rails::{Arm, Rails};
pub use ready::Ready;
pub use roles::{RoleSet, Roles, word as role_name};
pub use routes::Route;
pub use scores::{ACTIVE_USERS, BAND, BANDS, Scores, TIER, Tier};
pub use segments::Segment;
pub(crate) use signals::each_kind;
pub use signals::*;
pub use template::{Facts, Template};
pub use territories::Territory;
pub use time::Time;
pub use traits::People;
pub use triggers::{OnEvent, Trigger, TriggerKind};
pub use yaml::read_yaml;

/// The default rules, compiled.
pub fn default_plan() -> Arc<Plan> {
    static PLAN: LazyLock<Arc<Plan>> =
        LazyLock::new(|| Arc::new(parse("the default rules", DEFAULT).expect("the embedded rules are tested")));
    Arc::clone(&PLAN)
}

/// The rules of the file at `path`, or of the pack of that name; without one the default rules.
///
/// # Errors
/// The file cannot be read, or is not a valid rules file.
pub fn load(path: Option<&Path>) -> Result<Arc<Plan>, Error> {
    let Some(path) = path else { return Ok(default_plan()) };
    parse(&path.display().to_string(), &read(path)?).map(Arc::new)
}

/// The rules at `path`; without it the default rules, with the presets for input of these formats.
///
/// # Errors
/// As for [`load`].
pub fn load_for(path: Option<&Path>, formats: &[InputFormat]) -> Result<Arc<Plan>, Error> {
    let presets = presets(formats.iter().copied());
    if path.is_some() || presets.is_empty() {
        return load(path);
    }
    let whole =
        DEFAULT.replacen("\npresets: [segment]\n", &format!("\npresets: [segment, {}]\n", presets.join(", ")), 1);
    parse("the default rules", &whole).map(Arc::new)
}

/// The presets for the names of events in some formats, beside those of Segment's spec, which the default rules have.
pub fn presets(formats: impl IntoIterator<Item = InputFormat>) -> Vec<&'static str> {
    let words = || roles::Preset::ALL.into_iter().map(roles::Preset::word).filter(|word| *word != "segment");
    let presets = formats.into_iter().filter_map(|format| words().find(|word| *word == format.name()));
    presets.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

/// The text of the file at `path`. The name of a pack is that pack: a file of such a name is `./default`.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Cow<'static, str>, Error> {
    if let Some(text) = path.to_str().and_then(pack) {
        return Ok(text);
    }
    let text = std::fs::read_to_string(path);
    text.map(Cow::Owned).map_err(|error| Error::new(path.display().to_string(), error.to_string()))
}
