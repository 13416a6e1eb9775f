//! The disk of the snapshots is full while the service runs.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;

use upswell::store::{Progress, Store, offset_of};
use upswell::worker::snapshot_in;

use super::*;

/// How large the disk is. Snapshots of the test take a part of it.
const SIZE: u64 = 64 << 20;
/// How often a little room is made on it, which is enough for some files of a snapshot or for parts of them.
const ROUNDS: usize = 4;

/// The disk of a folder.
enum Disk {
    /// A filesystem in memory that only the processes of a mount namespace see. A process keeps it, and the tests reach
    /// the folder through that. It needs no rights but that to make user namespaces.
    Mounted { keeper: Process, folder: PathBuf },
    /// Where that is not allowed, as in most containers: no file of a process may be larger than a number of bytes. What is
    /// beyond is not written, as on a full disk, but another number tells the process why.
    Limited { folder: PathBuf },
}

impl Disk {
    /// The disk of a folder that is empty.
    fn new(folder: &Path) -> Disk {
        fs::create_dir(folder).unwrap();
        let mount = r#"mount -t tmpfs -o size="$1" none "$2" && echo mounted && exec cat"#;
        let keeper = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", &SIZE.to_string()])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut keeper = Process(keeper.expect("unshare of util-linux"));
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        if std::env::var_os("UPSWELL_TEST_NO_MOUNT").is_none() && said == "mounted\n" {
            let seen = PathBuf::from(format!("/proc/{}/root", keeper.id()));
            return Disk::Mounted { folder: seen.join(folder.strip_prefix("/").unwrap()), keeper };
        }
        println!("no filesystem can be mounted here: the size of files is limited instead");
        Disk::Limited { folder: folder.to_owned() }
    }

    /// The command before that of a process that uses the disk.
    fn command(&self) -> Vec<String> {
        let words: &[&str] = match self {
            Disk::Mounted { keeper, .. } => {
                &["nsenter", "--user", "--mount", "--preserve-credentials", "--target", &keeper.id().to_string(), "--"]
            }
            // The signal of a file that is too large would end the process.
            Disk::Limited { .. } => &["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The folder as this process sees it.
    fn folder(&self) -> &Path {
        match self {
            Disk::Mounted { folder, .. } | Disk::Limited { folder } => folder,
        }
    }

    /// Leaves this much room on the disk: in all, or where the size of files is limited, for each file of a process.
    fn leave(&self, room: u64, process: &Process) {
        match self {
            Disk::Mounted { folder, .. } => {
                let mut ballast = OpenOptions::new().create(true).append(true).open(folder.join("ballast")).unwrap();
                while ballast.write(&[0; 4096]).is_ok() {}
                let size = ballast.metadata().unwrap().len();
                ballast.set_len(size.saturating_sub(room)).unwrap();
            }
            Disk::Limited { .. } => limit(process, &room.to_string()),
        }
    }

    /// Makes room for everything.
    fn empty(&self, process: &Process) {
        match self {
            Disk::Mounted { folder, .. } => fs::remove_file(folder.join("ballast")).unwrap(),
            Disk::Limited { .. } => limit(process, "unlimited"),
        }
    }

    /// Makes everything on it seem so old that what no snapshot needs may go. Returns whether that makes room.
    fn age(&self) -> bool {
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
        for path in files(self.folder()) {
            // It may be gone meanwhile.
            let _ = File::open(path).and_then(|file| file.set_modified(long_ago));
        }
        matches!(self, Disk::Mounted { .. })
    }
}

fn limit(process: &Process, size: &str) {
    let limited = ["--pid", &process.id().to_string(), &format!("--fsize={size}:unlimited")];
    assert!(Command::new("prlimit").args(limited).status().unwrap().success());
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] }).collect()
}

/// The snapshots that stand beside the committed offsets, of which every one is read.
struct Named<'a> {
    service: &'a Service<'a>,
    disk: &'a Disk,
    /// Where they are copied: a store goes to the folder that has the name of the disk here.
    copies: PathBuf,
    watcher: BaseConsumer,
    read: usize,
    last: Vec<String>,
}

impl Named<'_> {
    /// The offsets, and the names beside them, by partition. Those that are new are restored.
    fn look(&mut self) -> (i64, Vec<String>) {
        let (done, names) = self.committed();
        for (partition, name) in (0..).zip(&names).filter(|(partition, name)| self.last.get(*partition) != Some(name)) {
            self.read += usize::from(!name.is_empty());
            if let Some(error) = (!name.is_empty()).then(|| self.restore(partition as i32, name)).and_then(Result::err)
            {
                // Two later ones may have been committed meanwhile, so that it was removed.
                let is_still_named = self.committed().1.contains(name);
                assert!(!is_still_named, "{error}: {}", self.service.said("a"));
            }
        }
        self.last.clone_from(&names);
        (done, names)
    }

    fn restore(&self, partition: i32, name: &str) -> Result<(), String> {
        let (prefix, log) = (&self.service.prefix, self.service.log());
        let folder = Path::new(prefix).join(&log).join(partition.to_string());
        let copy = |file: String| {
            let (from, to) = (self.disk.folder().join(&folder).join(&file), self.copies.join(&folder).join(&file));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).map_err(|error| format!("{file} of partition {partition}: {error}"))
        };
        copy(format!("snapshots/{name}.json"))?;
        let text = |error: upswell::store::Error| error.to_string();
        let store = Store::open(self.copies.to_str().unwrap(), prefix, &log).map_err(text)?;
        let manifest = store.read(partition, name).map_err(text)?;
        for block in manifest.blocks.iter().chain([&manifest.head]) {
            copy(format!("blocks/{block}.zst"))?;
        }
        store
            .restore(partition, &manifest, &upswell::rules::default_plan(), &Progress::default())
            .map(drop)
            .map_err(text)
    }

    fn committed(&self) -> (i64, Vec<String>) {
        let log = self.service.log();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&log, 0, PARTITIONS - 1);
        let deadline = Instant::now() + LIMIT;
        // A broker that has only just started coordinates no group yet.
        let committed = loop {
            match self.watcher.committed_offsets(partitions.clone(), Duration::from_secs(10)) {
                Ok(committed) => break committed,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let of = |partition| committed.find_partition(&log, partition).unwrap();
        let names = (0..PARTITIONS).map(|partition| snapshot_in(of(partition).metadata()).to_owned());
        let done = (0..PARTITIONS).map(|partition| of(partition).offset().to_raw().unwrap_or(0).max(0));
        (done.sum(), names.collect())
    }

    /// Looks until this holds of what is committed.
    fn until(&mut self, what: &str, mut holds: impl FnMut(i64, &[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let (done, names) = self.look();
            if holds(done, &names) {
                return names;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}: {}", self.service.said("a"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_full_disk_under_the_snapshots_loses_and_duplicates_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let seed = from_environment("UPSWELL_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("UPSWELL_TEST_SEED={seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(&folder.path().join("snapshots"));
    let service = Service { within: disk.command(), ..Service::new(folder.path(), &broker.brokers) };
    // More than can be sent before the test ends.
    let mut generator = service.generate(24_000, 180);
    let mut process = service.start("a");
    let watcher =
        ClientConfig::new().set("bootstrap.servers", service.brokers).set("group.id", &service.prefix).create();
    let copies = folder.path().join("copies");
    fs::create_dir(&copies).unwrap();
    let (service, disk) = (&service, &disk);
    let mut named = Named { service, disk, copies, watcher: watcher.unwrap(), read: 0, last: Vec::new() };
    let failed = || service.metric("a", "upswell_snapshots_failed_total");
    let said = |text: &str| service.said("a").matches(text).count();
    named.until("a snapshot of each partition", |_, names| names.iter().all(|name| !name.is_empty()));

    // Each worker says so once, and everything else goes on.
    disk.leave(0, &process);
    named.until("failures", |_, _| failed() >= 4);
    let (before, names) = named.look();
    named.until("failures", |done, _| failed() >= 12 && done > before + 100);
    assert_eq!(named.look().1, names, "one is named that could not be stored");
    let warned = said("no snapshot: ");
    assert!((1..=2).contains(&warned), "said {warned} times: {}", service.said("a"));
    let why = if matches!(disk, Disk::Mounted { .. }) { "No space left on device" } else { "File too large" };
    assert_eq!(said(why), warned, "{}", service.said("a"));

    // With a little room, some of the files are stored.
    for _ in 0..ROUNDS {
        disk.leave(rng.random_range(0..24) << 12, &process);
        let (wanted, until) = (failed() + 2, Instant::now() + Duration::from_secs(2));
        named.until("an attempt", |_, _| failed() >= wanted || Instant::now() >= until);
    }

    // A restart finds the last ones that were committed.
    disk.leave(0, &process);
    process.kill().unwrap();
    process.wait().unwrap();
    let names = named.look().1;
    let restored = said("restored from a snapshot");
    process = service.start("a");
    disk.leave(0, &process);
    named.until("the restoration", |_, _| said("restored from a snapshot") == restored + PARTITIONS as usize);
    let lines = service.said("a");
    let offsets: Vec<i64> = names.iter().map(|name| offset_of(name).unwrap()).collect();
    for (partition, offset) in offsets.iter().enumerate() {
        let line = format!("restored from a snapshot partition={partition} offset={offset} ");
        assert!(lines.contains(&line), "{line}: {lines}");
    }
    // The snapshot before the restored one is not needed any more. Where it was, there may be room for one: it is read.
    named.until("failures", |_, _| failed() >= 4);

    // What is too old to be needed goes without help, and so makes room, though not for the grown state of all partitions.
    let is_later = |(now, then): (&String, &String)| now > then;
    if disk.age() {
        let before = named.look().1;
        named.until("a snapshot in the room of old ones", |_, names| names.iter().zip(&before).any(is_later));
        disk.leave(0, &process);
    }
    disk.empty(&process);
    let before = named.look().1;
    named.until("snapshots", |_, names| names.iter().zip(&before).all(is_later));
    named.until("the end of the failures", |_, _| said("snapshots are stored again") >= 1);
    println!("{} snapshots were named, and read", named.read);

    named.until("enough events to compare", |done, _| done >= 6_000);
    assert!(generator.try_wait().unwrap().is_none(), "{}", service.said("generator"));
    drop(generator);
    service.wait_until_done(&service.log());
    service.ends(&mut process, "a");
    service.run_to_end(&["snapshot", "verify", "--all"]);
    service.assert_published_is_replayed();
}
