//! Starts an Apache Kafka for the tests: one KRaft node from its Maven artifacts (`pom.xml`), or three, on free loopback
//! ports, each in a directory of its own. They stop with the tests that use them.
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

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::Metadata;
use tempfile::TempDir;
use upswell::kafka::{Config, TopicSpec, ensure_topics};

use crate::proxy::Proxy;

const KAFKA: &str = "4.1.0";
const START_UP: Duration = Duration::from_secs(120);
/// How many partitions the topics of the coordinators have.
const COORDINATING_PARTITIONS: i32 = 4;

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
        let (brokers, process) = unless_it_cannot_run(|| Process::start(proxy))?;
        Some(Broker { brokers, process: Some(process) })
    }

    /// Sends a signal to the broker; returns false if the tests did not start it.
    pub(crate) fn signal(&self, signal: &str) -> bool {
        self.process.as_ref().is_some_and(|process| process.signal(signal))
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

/// Starts a server, and once more if another process has taken a port meanwhile. None if it cannot run, which is then
/// printed.
pub(crate) fn unless_it_cannot_run<T>(start: impl Fn() -> Result<T, String>) -> Option<T> {
    let problem = match start().or_else(|_| start()) {
        Ok(started) => return Some(started),
        Err(problem) => problem,
    };
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "nothing real to test against: {problem}");
    // Not `eprintln!`, whose output is hidden if the test passes.
    let _ = writeln!(io::stderr(), "\n*** SKIPPED: nothing real to test against: {problem}\n");
    None
}

/// Three brokers, each of which is a controller, too, and has a replica of everything. Two must have what is written.
pub(crate) struct Cluster {
    pub(crate) brokers: String,
    nodes: Vec<Process>,
}

impl Cluster {
    /// None if it cannot run, or a cluster is given, of which the tests can stop no broker.
    pub(crate) fn start() -> Option<Cluster> {
        if std::env::var_os("UPSWELL_TEST_BROKERS").is_some() {
            return None;
        }
        unless_it_cannot_run(|| {
            let ports: [u16; 9] = free_ports().map_err(|error| error.to_string())?;
            let (ports, _) = ports.as_chunks::<3>();
            let jars = jars()?;
            let launched =
                ports.iter().map(|of| Process::launch(&jars, Node { ports: *of, advertised: of[0], all: ports }));
            let nodes: Vec<Process> = launched.collect::<Result<_, _>>()?;
            nodes.iter().try_for_each(Process::await_start)?;
            let brokers: Vec<String> = ports.iter().map(|[port, ..]| format!("127.0.0.1:{port}")).collect();
            Ok(Cluster { brokers: brokers.join(","), nodes })
        })
    }

    /// The broker that leads a partition, once there is one.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> i32 {
        self.wait_for("a leader", |known| {
            let mut partitions = known.topics().iter().filter(|it| it.name() == topic).flat_map(|it| it.partitions());
            let leader = partitions.find(|it| it.id() == partition)?.leader();
            (leader > 0).then_some(leader)
        })
    }

    /// Waits until every replica has what was written.
    pub(crate) fn await_replicas(&self) {
        self.wait_for("all replicas", |known| {
            let mut partitions = known.topics().iter().flat_map(|topic| topic.partitions());
            partitions.all(|it| it.leader() > 0 && it.isr().len() == self.nodes.len()).then_some(())
        });
    }

    fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Metadata) -> Option<T>) -> T {
        let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let deadline = Instant::now() + START_UP;
        loop {
            let known = client.fetch_metadata(None, Duration::from_secs(5));
            if let Some(found) = known.ok().and_then(|known| look(&known)) {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the broker of this id.
    pub(crate) fn kill(&self, id: i32) {
        assert!(self.node(id).signal("-KILL"));
    }

    /// Asks the broker of this id to end, and waits for it: it hands over what it leads.
    pub(crate) fn stop(&self, id: i32) {
        assert!(self.node(id).signal("-TERM"));
        let (log, deadline) = (self.node(id).directory.path().join("broker.log"), Instant::now() + START_UP);
        while !fs::read_to_string(&log).unwrap_or_default().contains("shut down completed") {
            assert!(Instant::now() < deadline, "broker {id} does not end");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts the broker of this id again on its ports and data.
    pub(crate) fn restart(&mut self, id: i32) {
        self.nodes[usize::try_from(id).unwrap() - 1].restart().unwrap();
    }

    fn node(&self, id: i32) -> &Process {
        &self.nodes[usize::try_from(id).unwrap() - 1]
    }

    /// The partition of `__consumer_offsets` or `__transaction_state` whose leader coordinates the group or the
    /// transactions of this id.
    pub(crate) fn coordinating_partition(id: &str) -> i32 {
        let hash = id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        hash.checked_abs().unwrap_or(0) % COORDINATING_PARTITIONS
    }
}

/// A name that no other test has, in this run or another.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    format!("{what}-{:016x}-{}", *RUN, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The running broker.
struct Process {
    shell: Child,
    directory: TempDir,
}

/// A broker that is to be started: its ports for clients, for controllers and for brokers; the port to which clients
/// connect, if it is not its own; and the ports of all brokers. Their ids count from 1.
struct Node<'a> {
    ports: [u16; 3],
    advertised: u16,
    all: &'a [[u16; 3]],
}

impl Process {
    /// A broker that is alone. `proxy` is the port to which clients connect, if it is not the broker's own.
    fn start(proxy: Option<u16>) -> Result<(String, Process), String> {
        let jars = jars()?;
        let ports = free_ports().map_err(|error| error.to_string())?;
        let advertised = proxy.unwrap_or(ports[0]);
        let process = Process::launch(&jars, Node { ports, advertised, all: &[ports] })?;
        process.await_start()?;
        Ok((format!("127.0.0.1:{}", ports[0]), process))
    }

    fn launch(jars: &Path, node: Node<'_>) -> Result<Process, String> {
        let directory = TempDir::new().map_err(|error| error.to_string())?;
        let properties = directory.path().join("server.properties");
        fs::write(&properties, server_properties(node, directory.path())).map_err(|error| error.to_string())?;
        format_storage(jars, &properties)?;
        let shell = run_broker(jars, directory.path()).map_err(|error| format!("java: {error}"))?;
        Ok(Process { shell, directory })
    }

    fn await_start(&self) -> Result<(), String> {
        await_start(&self.directory.path().join("broker.log"))
    }

    fn restart(&mut self) -> Result<(), String> {
        self.end();
        self.shell = run_broker(&jars()?, self.directory.path()).map_err(|error| format!("java: {error}"))?;
        self.await_start()
    }

    fn signal(&self, signal: &str) -> bool {
        send_signal(self.directory.path(), signal)
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

/// The directory of Kafka's jars.
fn jars() -> Result<PathBuf, String> {
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml");
    let (version, pom) = (format!("-Dkafka.version={KAFKA}"), pom.display().to_string());
    let arguments = ["--file", &pom, &version, "dependency:copy-dependencies", "-DincludeScope=runtime"];
    fetched(&format!("kafka-{KAFKA}"), &arguments)
}

/// A folder of the build directory that Maven has filled, once.
pub(crate) fn fetched(name: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.with_file_name(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(target).map_err(|error| error.to_string())?;
    let fetched = TempDir::new_in(target).map_err(|error| error.to_string())?;
    let output = Command::new("mvn")
        .args(["--quiet", "--batch-mode"])
        .args(arguments)
        .arg(format!("-DoutputDirectory={}", fetched.path().display()))
        // There it notes what it has unpacked, and would not unpack again.
        .current_dir(fetched.path())
        .output()
        .map_err(|error| format!("mvn: {error}; install Maven and a JDK of at least 17"))?;
    if !output.status.success() {
        return Err(format!("mvn could not fetch {name}: {}", String::from_utf8_lossy(&output.stdout)));
    }
    // Another test process may have created it first.
    match fs::rename(fetched.keep(), &folder) {
        Err(error) if !folder.is_dir() => Err(error.to_string()),
        _ => Ok(folder),
    }
}

/// Ports that are free now, below those that the system gives to clients: these could take one before the broker does.
pub(crate) fn free_ports<const COUNT: usize>() -> io::Result<[u16; COUNT]> {
    let random = || 15_000 + (RandomState::new().build_hasher().finish() % 17_000) as u16;
    let mut listeners: Vec<TcpListener> = Vec::new();
    for _ in 0..1_000 {
        listeners.extend(TcpListener::bind(("127.0.0.1", random())).ok());
        if listeners.len() == COUNT {
            let ports: io::Result<Vec<u16>> = listeners.iter().map(|it| Ok(it.local_addr()?.port())).collect();
            return ports.map(|ports| ports.try_into().expect("as many as listeners"));
        }
    }
    Err(io::Error::other("no free ports"))
}

/// The brokers talk to each other, and to themselves, on a port of its own, also where a proxy is before the one of their
/// clients. Of several, one that does not answer is given up after 2 s, and one that has come back leads again within 5 s.
fn server_properties(Node { ports, advertised, all }: Node<'_>, directory: &Path) -> String {
    let [port, controller, own] = ports;
    let voters: Vec<String> =
        (1..).zip(all).map(|(id, [_, controller, _])| format!("{id}@127.0.0.1:{controller}")).collect();
    let (id, voters) = (1 + all.iter().position(|of| *of == ports).expect("one of them"), voters.join(","));
    let (replicas, in_sync) = (all.len(), all.len().div_ceil(2));
    let of_several = "broker.heartbeat.interval.ms=500\nbroker.session.timeout.ms=2000\n\
                      leader.imbalance.check.interval.seconds=5\n";
    let of_several = if all.len() > 1 { of_several } else { "" };
    format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},OWN://127.0.0.1:{own},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},OWN://127.0.0.1:{own}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OWN:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=OWN
log.dirs={}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions={COORDINATING_PARTITIONS}
transaction.state.log.replication.factor={replicas}
transaction.state.log.num.partitions={COORDINATING_PARTITIONS}
transaction.state.log.min.isr={in_sync}
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
{of_several}",
        directory.join("data").display()
    )
}

fn java(jars: &Path, class: &str) -> Vec<String> {
    ["java", "-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]
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
    let properties = directory.join("server.properties").display().to_string();
    spawn(&[java(jars, "kafka.Kafka"), vec![properties]].concat(), directory, "broker.log")
}

/// Starts a server of the tests, whose id is then in `pid`. Its parent is a shell that waits on a pipe: when the pipe
/// closes, because it is dropped or the test process died, the shell kills the server by its id.
pub(crate) fn spawn(command: &[String], directory: &Path, log: &str) -> io::Result<Child> {
    const LIFELINE: &str = r#""$@" & server=$!; echo $server >"$PID"; cat >/dev/null; kill -9 $server; wait $server"#;
    let log = File::create(directory.join(log))?;
    Command::new("sh")
        .args(["-c", LIFELINE, "server"])
        .args(command)
        .env("PID", directory.join("pid"))
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Sends a signal to the server whose id is in this directory.
pub(crate) fn send_signal(directory: &Path, signal: &str) -> bool {
    let id = fs::read_to_string(directory.join("pid")).unwrap();
    Command::new("kill").args([signal, id.trim()]).status().unwrap().success()
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
