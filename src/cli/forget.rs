//! `upswell forget`: erases a user.

use std::io::Write as _;

use anyhow::{Result, bail};
use clap::Args;

use super::config::Connection;
use super::screen::WrongUse;
use super::send::send_to_all;
use crate::model::EventTime;
use crate::rules;
use crate::telemetry::now_ms;
use crate::wire;

/// Erases a user: from the state, from later snapshots, and, by a tombstone, from the topic of users' profiles.
///
/// It writes a forget record into every partition of the log. When the service folds it, the user leaves all figures but
/// those of weeks that are complete, signals of the user turn off, and what waits for the user is dropped. The service
/// logs from how many accounts a user was erased. Events of the user that follow are those of somebody new: let producers
/// send none before you erase.
///
/// What was written before stays until it expires: the user's events in the log, and handoffs, signals and dead letters in
/// their topics. Older snapshots are removed as further ones are taken, within an hour; of a partition without new records
/// `upswell snapshot prune --committed-only` removes them, an hour later. Erase the user in every system that reads the
/// topics, too.
#[derive(Args)]
#[command(after_help = "Examples:
  upswell forget ann@acme.com --config upswell.yaml
  upswell forget 4711 --account acme --config upswell.yaml")]
pub(super) struct Forget {
    /// The id of the user, as events have it.
    #[arg(value_name = "USER")]
    user: String,
    /// The account from which the user is erased; without it, from all.
    #[arg(long, value_name = "A")]
    account: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Forget {
    pub(super) fn run(self) -> Result<()> {
        let config = self.connection.load()?;
        let ids = rules::load(config.rules.file.as_deref())?.ids.clone();
        for (what, id) in [("user", Some(&self.user)), ("account", self.account.as_ref())] {
            if let Some(id) = id.filter(|id| ids.forbids(&id.as_str().into()) || id.len() > wire::ID_MAX) {
                let most = wire::ID_MAX;
                bail!(WrongUse(format!(
                    "{id:?} is the id of no {what}: one has 1 to {most} bytes and is not in `ids.forbidden` of the rules"
                )));
            }
        }
        let topic = config.topics().log();
        let (user, account) = (&*self.user, self.account.as_deref());
        let record = wire::encode_forget(config.input.format.of_control(), user, account, EventTime(now_ms()));
        let partitions = send_to_all(&config.kafka, &topic, &record)?;
        let of = account.map_or_else(|| "every account".to_owned(), |account| format!("account {account}"));
        let out = std::io::stdout();
        writeln!(&out, "the forget record for {user} in {of} was written to all {partitions} partitions of {topic}")?;
        Ok(())
    }
}
