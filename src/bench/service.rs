//! `upswell run` or `upswell ingest` as a child process: it is started, watched by its page of metrics, and ended.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::process;
use crate::telemetry::Page;

/// How many of its last log lines an error shows.
const LINES: usize = 20;
/// How many of them are kept.
const KEPT: usize = 1_000;
/// How long the process may take to end after SIGTERM.
const LEAVE: Duration = Duration::from_secs(60);
/// A process that has ended no transaction for this time has committed all that it has folded. It is longer than the
/// commit interval by default.
const QUIET: Duration = Duration::from_millis(1_500);
/// How long a request for its metrics may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How the process is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// The program.
    pub program: PathBuf,
    /// The configuration file, if there is one.
    pub config: Option<PathBuf>,
    /// Variables of the environment, which override the file.
    pub environment: Vec<(String, String)>,
}

/// A running process. It is killed when this is dropped.
pub(super) struct Service {
    child: Child,
    address: SocketAddr,
    client: ureq::Agent,
    /// The lines of its log, and when they came.
    said: Arc<Mutex<VecDeque<(Instant, String)>>>,
    /// When it was started.
    pub(super) began: Instant,
}

impl Service {
    /// Starts `upswell run` with more variables.
    pub(super) fn start(start: &Start, more: &[(&str, String)]) -> Result<Service> {
        Service::start_with(start, &["run"], more)
    }

    /// Starts a command of the service with more variables.
    pub(super) fn start_with(start: &Start, arguments: &[&str], more: &[(&str, String)]) -> Result<Service> {
        // The port is free now; that another program takes it in the next moment is unlikely.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).context("finding a free port")?;
        let mut command = Command::new(&start.program);
        command.args(arguments);
        if let Some(config) = &start.config {
            command.arg("--config").arg(config);
        }
        command.envs(start.environment.iter().cloned()).envs(more.iter().map(|(name, value)| (*name, value)));
        command.env("UPSWELL_HTTP__LISTEN", address.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Ctrl-C is for this process, which then ends that one.
        command.process_group(0);
        let began = Instant::now();
        let mut child = command.spawn().with_context(|| format!("starting {}", start.program.display()))?;
        let said = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(lines) = child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::Builder::new().name("log".into()).spawn(move || keep_lines(BufReader::new(lines), &said))?;
        }
        let client = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).proxy(None).build().new_agent();
        Ok(Service { child, address, client, said, began })
    }

    /// The id of the process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU seconds that it took so far.
    pub(super) fn cpu(&self) -> Option<f64> {
        process::cpu(self.pid())
    }

    /// Its metrics; none while it does not serve them.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn page(&mut self) -> Result<Option<Page>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the process ended ({status}):\n{}", self.last_lines());
        }
        Ok(self.get("/metrics").ok().map(|body| Page::read(&body)))
    }

    /// Whether all its partitions are read to their ends.
    pub(super) fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok()
    }

    /// The body of an answer that says success.
    fn get(&self, path: &str) -> Result<String, ureq::Error> {
        self.client.get(format!("http://{}{path}", self.address)).call()?.into_body().read_to_string()
    }

    fn last_lines(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let last = said.iter().skip(said.len().saturating_sub(LINES));
        last.map(|(_, line)| &**line).collect::<Vec<_>>().join("\n")
    }

    /// When it last logged a line with this text.
    pub(super) fn last_said(&self, what: &str) -> Option<Instant> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().rfind(|(_, line)| line.contains(what)).map(|(at, _)| *at)
    }

    /// Waits until it has committed what it has folded: until no transaction has ended for a while.
    ///
    /// # Errors
    /// The process has ended.
    pub(super) fn settle(&mut self) -> Result<()> {
        let began = Instant::now();
        let (mut before, mut since) = (None, Instant::now());
        while since.elapsed() < QUIET && began.elapsed() < LEAVE {
            let now = self.page()?.map(|page| page.transactions);
            if now != before {
                (before, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills it, as `kill -9` does.
    pub(super) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, as Kubernetes does, so that it commits what it has folded.
    ///
    /// # Errors
    /// It does not end, or not with success.
    pub(super) fn stop(mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let deadline = Instant::now() + LEAVE;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the process ended ({status}):\n{}", self.last_lines()),
                None if Instant::now() > deadline => {
                    bail!("the process did not end within {} s:\n{}", LEAVE.as_secs(), self.last_lines())
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep_lines(lines: impl BufRead, said: &Mutex<VecDeque<(Instant, String)>>) {
    for line in lines.lines().map_while(Result::ok) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT {
            said.pop_front();
        }
        said.push_back((Instant::now(), line));
    }
}
