//! Starts an Apache Kafka for the tests: one KRaft node from its Maven artifacts (`pom.xml`), on free loopback ports,
//! in a directory of its own. It stops with the tests that use it.
//!
//! `UPSWELL_TEST_BROKERS=host:port` uses a cluster that is already running. Without Java or Maven the tests print that
//! they are skipped, and fail if `CI=true`.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use upswell::kafka::{Config, TopicSpec, ensure_topics};

use crate::proxy::Proxy;

const KAFKA: &str = "4.1.0";
const START_UP: Duration = Duration::from_secs(120);

/// A broker, for as long as this lives.
pub(crate) struct Broker {
    /// Where it listens.
    pub(crate) brokers: String,
    process: Option<Process>,
}

impl Broker {
    /// The broker that the running tests share; the last of them ends it. None if it cannot run, which is then printed.
    pub(crate) fn shared() -> Option<Arc<Broker>> {
        static SHARED: Mutex<Weak<Broker>> = Mutex::new(Weak::new());
        static MISSING: AtomicBool = AtomicBool::new(false);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if MISSING.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(broker) = shared.upgrade() {
            return Some(broker);
        }
        let Some(broker) = Broker::start().map(Arc::new) else {
            MISSING.store(true, Ordering::Relaxed);
            return None;
        };
        *shared = Arc::downgrade(&broker);
        Some(broker)
    }

    /// A broker that is not shared.
    pub(crate) fn start() -> Option<Broker> {
        if let Ok(brokers) = std::env::var("UPSWELL_TEST_BROKERS") {
            return Some(Broker { brokers, process: None });
        }
        Broker::start_behind(None)
    }

    /// A broker that is not shared, and tells its clients to come by way of a proxy. None if it cannot run, or a cluster is
    /// given that these tests cannot put a proxy before.
    pub(crate) fn behind_proxy() -> Option<(Broker, Proxy)> {
        if std::env::var_os("UPSWELL_TEST_BROKERS").is_some() {
            return None;
        }
        let proxy = Proxy::start();
        let mut broker = Broker::start_behind(Some(proxy.port))?;
        let own: u16 = broker.brokers.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        proxy.forward_to(own);
        broker.brokers = format!("127.0.0.1:{}", proxy.port);
        Some((broker, proxy))
    }

    fn start_behind(proxy: Option<u16>) -> Option<Broker> {
        match Process::start(proxy) {
            Ok((brokers, process)) => Some(Broker { brokers, process: Some(process) }),
            Err(problem) => {
                let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
                assert!(!ci, "no real Kafka to test against: {problem}");
                // Not `eprintln!`, whose output is hidden if the test passes.
                let _ = writeln!(io::stderr(), "\n*** SKIPPED: no real Kafka to test against: {problem}\n");
                None
            }
        }
    }

    /// Sends a signal to the broker; returns false if the tests did not start it.
    pub(crate) fn signal(&self, signal: &str) -> bool {
        let Some(process) = &self.process else { return false };
        let broker = fs::read_to_string(process.directory.path().join("pid")).unwrap();
        Command::new("kill").args([signal, broker.trim()]).status().unwrap().success()
    }

    /// Starts it again on the same ports and data, after it was killed.
    pub(crate) fn restart(&mut self) {
        self.process.as_mut().expect("a process of ours").restart().unwrap();
    }

    /// A configuration for this broker with a group of its own.
    pub(crate) fn config(&self) -> Config {
        Config { brokers: self.brokers.clone(), group: unique("group"), ..Config::default() }
    }

    /// Creates a topic that no other test has.
    pub(crate) fn topic(&self, partitions: i32) -> String {
        let name = unique("topic");
        let spec = TopicSpec { name: name.clone(), partitions, replication: None, settings: Vec::new() };
        ensure_topics(&self.config(), &[spec]).expect("the topic can be created");
        name
    }
}

/// A name that no other test has, in this run or another.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    format!("{what}-{:016x}-{}", *RUN, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The running broker. Its parent is a shell that waits on a pipe: when the pipe closes, because this is dropped or the
/// test process died, the shell kills the broker by its id.
struct Process {
    shell: Child,
    directory: TempDir,
}

const LIFELINE: &str = r#""$@" & broker=$!; echo $broker >"$PID"; cat >/dev/null; kill -9 $broker; wait $broker"#;

impl Process {
    /// `proxy` is the port to which clients connect, if it is not the broker's own. It is tried again if another process has
    /// taken a port meanwhile.
    fn start(proxy: Option<u16>) -> Result<(String, Process), String> {
        Process::try_start(proxy).or_else(|_| Process::try_start(proxy))
    }

    fn try_start(proxy: Option<u16>) -> Result<(String, Process), String> {
        let jars = jars()?;
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let ports = free_ports().map_err(|error| error.to_string())?;
        let port = ports[0];
        let properties = directory.path().join("server.properties");
        fs::write(&properties, server_properties(ports, proxy.unwrap_or(port), directory.path()))
            .map_err(|error| error.to_string())?;
        format_storage(&jars, &properties)?;
        let shell = run_broker(&jars, directory.path()).map_err(|error| format!("java: {error}"))?;
        let process = Process { shell, directory };
        await_start(&process.directory.path().join("broker.log"))?;
        Ok((format!("127.0.0.1:{port}"), process))
    }

    fn restart(&mut self) -> Result<(), String> {
        self.end();
        self.shell = run_broker(&jars()?, self.directory.path()).map_err(|error| format!("java: {error}"))?;
        await_start(&self.directory.path().join("broker.log"))
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The directory of Kafka's jars, fetched once into the build directory.
fn jars() -> Result<PathBuf, String> {
    let jars = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(format!("kafka-{KAFKA}"));
    if jars.is_dir() {
        return Ok(jars);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    let fetched = TempDir::new_in(target).map_err(|error| error.to_string())?;
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml"))
        .arg(format!("-Dkafka.version={KAFKA}"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", fetched.path().display()))
        .output()
        .map_err(|error| format!("mvn: {error}; install Maven and a JDK of at least 17"))?;
    if !output.status.success() {
        return Err(format!("mvn could not fetch Kafka: {}", String::from_utf8_lossy(&output.stdout)));
    }
    // Another test process may have created it first.
    match fs::rename(fetched.keep(), &jars) {
        Err(error) if !jars.is_dir() => Err(error.to_string()),
        _ => Ok(jars),
    }
}

/// Ports that are free now, below those that the system gives to clients: these could take one before the broker does.
fn free_ports() -> io::Result<[u16; 3]> {
    let random = || 15_000 + (RandomState::new().build_hasher().finish() % 17_000) as u16;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..1_000 {
        listeners.extend(TcpListener::bind(("127.0.0.1", random())).ok());
        if let [first, second, third] = &listeners[..] {
            return Ok([first.local_addr()?.port(), second.local_addr()?.port(), third.local_addr()?.port()]);
        }
    }
    Err(io::Error::other("no free ports"))
}

/// The broker talks to itself on a port of its own, also where a proxy is before the one of its clients.
fn server_properties([port, controller, own]: [u16; 3], advertised: u16, directory: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},OWN://127.0.0.1:{own},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},OWN://127.0.0.1:{own}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OWN:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OWN
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
",
        directory.join("data").display()
    )
}

fn java(jars: &Path, class: &str) -> Vec<String> {
    ["java", "-Xmx400m", "-XX:+UseSerialGC", "-cp"]
        .map(str::to_owned)
        .into_iter()
        .chain([jars.join("*").display().to_string(), class.to_owned()])
        .collect()
}

fn format_storage(jars: &Path, properties: &Path) -> Result<(), String> {
    let command = java(jars, "kafka.tools.StorageTool");
    let output = Command::new(&command[0])
        .args(&command[1..])
        // Any 16 bytes in base64 name a cluster.
        .args(["format", "--cluster-id", "dXBzd2VsbC10ZXN0cy0wMQ", "--config"])
        .arg(properties)
        .output()
        .map_err(|error| format!("java: {error}; install a JDK of at least 17"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("Kafka could not format its directory: {}", String::from_utf8_lossy(&output.stderr)))
}

fn run_broker(jars: &Path, directory: &Path) -> io::Result<Child> {
    let log = File::create(directory.join("broker.log"))?;
    Command::new("sh")
        .args(["-c", LIFELINE, "broker"])
        .args(java(jars, "kafka.Kafka"))
        .arg(directory.join("server.properties"))
        .env("PID", directory.join("pid"))
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

fn await_start(log: &Path) -> Result<(), String> {
    let deadline = Instant::now() + START_UP;
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains("Kafka Server started") {
            return Ok(());
        }
        if Instant::now() > deadline || said.contains("kafka-shutdown-hook") {
            let tail: Vec<&str> = said.lines().rev().take(20).collect();
            return Err(format!("Kafka did not start:\n{}", tail.join("\n")));
        }
        thread::sleep(Duration::from_millis(100));
    }
}
