//! `upswell init`: writes a configuration and a rules file to begin with, for the events of a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::reading::{self, Form};
use super::screen::{self, WrongUse, plain};
use crate::analysis::{self, Guess, Sample};
use crate::replay::{Files, Input};
use crate::rules::{self, Plan};
use crate::wire::{Admit, InputFormat, Place};

/// The names of the files.
const CONFIG: &str = "upswell.yaml";
const RULES: &str = "rules.yaml";

/// Writes upswell.yaml and rules.yaml to begin with, for the events of a file, a folder or an archive.
///
/// The rules are the default ones with the preset of the format. Where no event has a role that signals need, names that
/// look like it are mapped to it; and if no event has an account in the usual places, a field that looks like one is taken.
/// Each of these is marked as a guess: look at them, and delete or complete them. Then the command says what to try next.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell init export.ndjson.gz
  upswell init --from posthog batch-exports/ --out crm
  upswell init export.zip --account properties.team_id")]
pub(super) struct Init {
    /// A file, folder or archive of events as they will come. `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder in which the files are written.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    #[command(flatten)]
    form: Form,
}

impl Init {
    pub(super) fn run(mut self) -> Result<()> {
        for name in [CONFIG, RULES] {
            let path = self.out.join(name);
            if path.exists() {
                bail!(WrongUse(format!(
                    "{} is there already: it is not replaced. Choose another --out",
                    path.display()
                )));
            }
        }
        let mut guessed_place = None;
        let (files, plan, sample) = loop {
            let (files, plan, mut sample) = self.open()?;
            let progress = screen::progress(files.bytes(), "bytes");
            let read = sample.read(&plan, &files, &progress);
            progress.finish_and_clear();
            let place = sample.without_account.1.top(1).first().map(|(path, count)| ((*path).to_owned(), *count));
            match (read, place) {
                (Ok(()), _) => break (files, plan, sample),
                // No event has an account where it usually is.
                (Err(_), Some(place)) if guessed_place.is_none() && self.file != Path::new("-") => {
                    self.form.account = vec![Place::try_from(place.0).map_err(anyhow::Error::msg)?];
                    guessed_place = Some(place.1);
                }
                (Err(error), _) => return Err(error),
            }
        };
        let format = files.inputs().first().map_or(InputFormat::Segment, Input::format);
        let guesses = analysis::mappings(&plan, &sample);
        std::fs::create_dir_all(&self.out).with_context(|| format!("creating {}", self.out.display()))?;
        let config = configuration(&self, format, guessed_place);
        for (name, text) in [(CONFIG, config), (RULES, rules_of(format, &guesses)?)] {
            let path = self.out.join(name);
            std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        self.tell(&sample, &plan, &guesses, guessed_place);
        Ok(())
    }

    fn open(&self) -> Result<(Files, std::sync::Arc<Plan>, Sample)> {
        let files = self.form.files(std::slice::from_ref(&self.file), &Default::default(), Admit::Product, None)?;
        let plan = reading::rules_for(None, &files)?;
        let sample = Sample::new(&plan);
        Ok((files, plan, sample))
    }

    /// Says what was found and written, and what to try next.
    fn tell(&self, sample: &Sample, plan: &Plan, guesses: &[Guess], guessed_place: Option<u64>) {
        let count = |number: usize| screen::count(number as u64);
        let never = (0..).zip(&plan.triggers).filter(|(at, it)| analysis::never_fires(plan, *at, it, sample).is_some());
        let (never, all) = (never.count(), plan.triggers.len());
        println!(
            "{} events of {} accounts and {} users; without the guesses {} of {all} triggers can fire on such data",
            screen::count(sample.readable.events),
            count(sample.accounts.number()),
            count(sample.users.len()),
            all - never
        );
        if let (Some(count), Some(place)) = (guessed_place, self.form.account.first()) {
            let place = plain(&String::from(place.clone()));
            println!("a guess: the account is in {place}, as {} of the first events have it", screen::count(count));
        }
        if !guesses.is_empty() {
            println!("guesses in {RULES}: {} mappings, to be checked by somebody who knows the product", guesses.len());
        }
        let (mut file, folder) = (self.file.display().to_string(), &self.out);
        if let Some(format) = self.form.from {
            file += &format!(" --from {}", format.name());
        }
        let [config, rules] = [CONFIG, RULES].map(|name| folder.join(name).to_string_lossy().into_owned());
        let [config, rules] = [&config, &rules].map(|path| path.trim_start_matches("./"));
        println!(
            "wrote {0} and {1}. Next:\n  \
             upswell check --events {file} --config {0}                     # what can fire, and what is missing\n  \
             upswell replay {file} --config {0} --rules {1} --handoffs -    # what would have fired",
            config, rules,
        );
    }
}

fn configuration(init: &Init, format: InputFormat, guessed_place: Option<u64>) -> String {
    let mut text = format!(
        "# For events such as those of {}. upswell.example.yaml documents every key; what is missing has its default.\n\
         kafka:\n  brokers: localhost:9092\n  group: upswell\n\
         topics:\n  prefix: upswell # of every topic; `upswell topics` creates them\n",
        plain(&init.file.display().to_string())
    );
    let Form { account, user, .. } = &init.form;
    if !account.is_empty() || !user.is_empty() {
        text += "input:\n";
    }
    let guess = guessed_place.map(|count| format!(" # a guess: {} of the first events have it", screen::count(count)));
    for (key, places, guess) in [("account", account, guess.unwrap_or_default()), ("user", user, String::new())] {
        if !places.is_empty() {
            let _ = writeln!(text, "  {key}: {}{guess}", serde_json::json!(places));
        }
    }
    let rules = serde_json::json!(init.out.join(RULES).to_string_lossy().trim_start_matches("./"));
    let _ = write!(text, "rules:\n  file: {rules} # from the folder in which upswell is started\n");
    if format.of_log().is_none() {
        let _ = write!(
            text,
            "# `upswell ingest` copies topics with such events into the log:\n\
             # ingest:\n#   sources: [{{ topic: YOUR.TOPIC, format: {} }}]\n",
            format.name()
        );
    }
    text
}

/// The default rules with the preset of a format and the guessed mappings.
fn rules_of(format: InputFormat, guesses: &[Guess]) -> Result<String> {
    let presets = rules::presets([format]).iter().fold("segment".to_owned(), |all, preset| all + ", " + preset);
    let mut roles = String::from("\nroles:\n");
    for Guess { role, name, events } in guesses {
        let (role, name, events) = (rules::role_name(*role), serde_json::json!(name), screen::count(*events));
        let _ = writeln!(roles, "  - {{ role: {role}, track: [{name}] }} # a guess by its words: {events} events");
    }
    let (_, body) = rules::DEFAULT.split_once("\nname: default\n").context("the default rules have another form")?;
    let text = format!(
        "# The default rules, to begin with. A line that ends in `# a guess …` needs a look. docs/rules.md describes all keys.\n\
         # Durations are written 30m, 24h, 7d; a day is 24 hours. Never change an id: it is hashed into handoff ids.\n\
         name: mine\n{body}"
    );
    let text = text.replacen("\npresets: [segment]\n", &format!("\npresets: [{presets}]\n"), 1);
    let text = text.replacen("\nroles:\n", &roles, 1);
    rules::parse(RULES, &text)?;
    Ok(text)
}
