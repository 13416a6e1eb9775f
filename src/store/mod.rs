//! Snapshots of the state of partitions, in a folder or in the object storage of a cloud.
//!
//! A snapshot is a manifest and blocks. A block is some pages of a table, compressed, under a name that is the hash of its
//! bytes: a block that has not changed since the snapshot before is not stored again, and one that is damaged is noticed.
//! Objects are never changed. Nothing here decides which snapshot counts: that stands beside the committed offset.

mod manifest;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::engine::{BlockName, Cut, FORMATS, Partition, Unreadable};
use crate::model::Millis;
use crate::rules::{self, Plan};

pub use manifest::{About, Hex, Manifest, offset_of};

/// Level of zstd: the fastest of the usual ones.
const COMPRESSION: i32 = 1;
/// The most bytes of a block: a thousand times more than one has.
const BLOCK_MAX: u64 = 1 << 30;
/// How many blocks are read at the same time.
const READ_AT_ONCE: usize = 4;
/// How many are stored at the same time.
const STORED_AT_ONCE: usize = 8;
/// How long an answer of the storage is awaited.
const ANSWER: Duration = Duration::from_secs(10);
/// Variables of the environment that begin like this are options of a cloud.
const OPTIONS: [&str; 3] = ["aws_", "google_", "azure_"];
/// For how long a block stays that no manifest names: that of a snapshot that is being taken may follow.
const UNNAMED_STAYS: Duration = Duration::from_secs(3_600);

/// The `snapshots` chapter of the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether snapshots are taken and used.
    pub enabled: bool,
    /// A folder, or a URL such as `s3://bucket/folder`.
    pub location: String,
    /// How often a snapshot is taken of a partition. A process that is asked to stop takes one besides.
    pub every: Millis,
}

impl Default for Config {
    fn default() -> Config {
        Config { enabled: true, location: "upswell-snapshots".into(), every: Millis(60_000) }
    }
}

/// What a store could not do, and why.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {why}")]
pub struct Error {
    doing: String,
    why: String,
    /// Whether the storage did not answer, or not as it should, so that nothing is known of what it has.
    pub is_unreachable: bool,
}

/// How far a restoration is. Others can look at it, and cancel it.
#[derive(Debug, Default)]
pub struct Progress {
    blocks: AtomicU64,
    of: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Has it end soon, with an error.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// How many blocks of the state are read, and of how many; of 0 before that is known.
    #[must_use]
    pub fn blocks(&self) -> (u64, u64) {
        (self.blocks.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed))
    }

    fn begin(&self, of: usize) {
        self.blocks.store(0, Ordering::Relaxed);
        self.of.store(of as u64, Ordering::Relaxed);
    }

    /// Counts a block that was read.
    fn take<T>(&self, block: Result<T, Unreadable>) -> Result<T, Unreadable> {
        self.blocks.fetch_add(1, Ordering::Relaxed);
        if self.is_cancelled() { Err(Unreadable("it was cancelled".to_owned())) } else { block }
    }
}

/// A store of the snapshots of one group and log.
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    root: Path,
    location: String,
    runtime: Runtime,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.location)
    }
}

/// What pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots.
    pub snapshots: usize,
    /// Blocks, and files that were never finished.
    pub blocks: usize,
    /// Blocks that the newest manifest names and that are not there: its snapshot cannot be used.
    pub missing: usize,
}

impl Store {
    /// Makes the folder if the location is one and it is not there, and opens the store.
    ///
    /// # Errors
    /// The folder cannot be made, or as `open`.
    pub fn make(location: &str, group: &str, topic: &str) -> Result<Store, Error> {
        if !location.contains("://") {
            std::fs::create_dir_all(location).map_err(|error| not_opened(location, error))?;
        }
        Store::open(location, group, topic)
    }

    /// Opens the store at a folder, or at a URL such as `s3://bucket/folder`, with the snapshots of this group and log.
    ///
    /// # Errors
    /// The folder is not there, or the URL is of no storage that this build knows.
    pub fn open(location: &str, group: &str, topic: &str) -> Result<Store, Error> {
        let failed = |why: String| not_opened(location, why);
        let (objects, path): (Arc<dyn ObjectStore>, Path) = if location.contains("://") {
            let url = url::Url::parse(location).map_err(|error| failed(error.to_string()))?;
            let text = |text: std::ffi::OsString| text.into_string().ok();
            let all = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?.to_lowercase(), text(value)?)));
            let options = all.filter(|(name, _)| OPTIONS.iter().any(|option| name.starts_with(option)));
            let (objects, path) =
                object_store::parse_url_opts(&url, options).map_err(|error| failed(error.to_string()))?;
            (Arc::from(objects), path)
        } else {
            let folder = LocalFileSystem::new_with_prefix(FilePath::new(location));
            // The name of a snapshot is committed to Kafka: what it names must outlast a loss of power.
            let folder = folder.map_err(|error| failed(error.to_string()))?.with_fsync(true);
            (Arc::new(folder), Path::default())
        };
        let runtime = runtime().map_err(|error| failed(error.to_string()))?;
        Ok(Store { objects, root: path.join(group).join(topic), location: location.to_owned(), runtime })
    }

    /// A store of objects that a test simulates.
    #[cfg(test)]
    pub(crate) fn of_tests(objects: Arc<dyn ObjectStore>) -> Store {
        let location = "simulated://".to_owned();
        Store { objects, root: Path::from("group/log"), location, runtime: runtime().expect("there are threads") }
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    fn manifests(&self, partition: i32) -> Path {
        self.root.clone().join(partition.to_string()).join("snapshots")
    }

    fn manifest(&self, partition: i32, name: &str) -> Path {
        self.manifests(partition).join(format!("{name}.json"))
    }

    fn blocks(&self, partition: i32) -> Path {
        self.root.clone().join(partition.to_string()).join("blocks")
    }

    fn block(&self, partition: i32, name: Hex) -> Path {
        self.blocks(partition).join(format!("{name}.zst"))
    }

    fn error(&self, doing: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error { doing: format!("{doing} at {}", self.location), why: why.to_string(), is_unreachable: false }
    }

    /// Waits for an answer of the storage, for a time.
    fn ask<T>(
        &self,
        doing: impl fmt::Display,
        question: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Error> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(ANSWER, question).await });
        let (why, is_unreachable) = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => (error.to_string(), is_silence(&error)),
            Err(_) => (format!("no answer within {} s", ANSWER.as_secs()), true),
        };
        Err(Error { is_unreachable, ..self.error(doing, why) })
    }

    /// Stores a snapshot: first the blocks that are not stored yet, several at a time, then the manifest. Returns its name.
    ///
    /// # Errors
    /// The storage refuses an object or cannot be reached.
    pub fn save(&self, cut: &mut Cut, about: About) -> Result<String, Error> {
        let partition = about.partition;
        let Cut { head, blocks } = cut;
        let stored = blocks.iter_mut().map(|block| async move {
            if let Some(name) = block.name() {
                return Ok(Hex(name));
            }
            let bytes = block.encode().map_err(|error| self.not_stored(partition, error))?;
            let name = self.put_block(partition, &bytes).await?;
            block.note_stored(name.0);
            Ok(name)
        });
        let stored = futures_util::stream::iter(stored).buffered(STORED_AT_ONCE);
        self.runtime.block_on(async {
            let blocks = stored.try_collect().await?;
            let head = self.put_block(partition, head).await?;
            let build = env!("CARGO_PKG_VERSION").to_owned();
            let (name, bytes) = Manifest { format: *FORMATS.end(), build, about, head, blocks }.encode();
            self.put(partition, &self.manifest(partition, &name), bytes).await?;
            Ok(name)
        })
    }

    async fn put_block(&self, partition: i32, bytes: &[u8]) -> Result<Hex, Error> {
        let packed = zstd::bulk::compress(bytes, COMPRESSION).map_err(|error| self.not_stored(partition, error))?;
        let name = Hex(BlockName::of(bytes));
        self.put(partition, &self.block(partition, name), packed).await?;
        Ok(name)
    }

    async fn put(&self, partition: i32, path: &Path, bytes: Vec<u8>) -> Result<(), Error> {
        match tokio::time::timeout(ANSWER, self.objects.put(path, bytes.into())).await {
            Ok(Ok(_)) => Ok(()),
            // Without the name of the storage, which does not help the operator.
            Ok(Err(object_store::Error::Generic { source, .. })) => Err(self.not_stored(partition, source)),
            Ok(Err(error)) => Err(self.not_stored(partition, error)),
            Err(_) => {
                let error = self.not_stored(partition, format!("no answer within {} s", ANSWER.as_secs()));
                Err(Error { is_unreachable: true, ..error })
            }
        }
    }

    fn not_stored(&self, partition: i32, why: impl fmt::Display) -> Error {
        self.error(format!("storing a snapshot of partition {partition}"), why)
    }

    /// The names of the snapshots of a partition, by offset.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn list(&self, partition: i32) -> Result<Vec<String>, Error> {
        let objects = self.objects.list(Some(&self.manifests(partition)));
        let doing = format!("listing the snapshots of partition {partition}");
        let found: Vec<object_store::ObjectMeta> = self.ask(doing, objects.try_collect())?;
        let name = |path: &Path| Some(path.filename()?.strip_suffix(".json")?.to_owned());
        let mut names: Vec<String> =
            found.iter().filter_map(|it| name(&it.location)).filter(|name| offset_of(name).is_some()).collect();
        names.sort();
        Ok(names)
    }

    /// The partitions that have snapshots.
    ///
    /// # Errors
    /// The storage cannot be read.
    pub fn partitions(&self) -> Result<Vec<i32>, Error> {
        let listed = self.ask("listing the partitions", self.objects.list_with_delimiter(Some(&self.root)))?;
        let mut found: Vec<i32> =
            listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse().ok()).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The manifest of a snapshot.
    ///
    /// # Errors
    /// It is missing, damaged, or of another format, or the storage cannot be read.
    pub fn read(&self, partition: i32, name: &str) -> Result<Manifest, Error> {
        let doing = || format!("reading snapshot {name} of partition {partition}");
        let path = self.manifest(partition, name);
        let bytes = self.ask(doing(), async { self.objects.get(&path).await?.bytes().await })?;
        Manifest::decode(name, &bytes).map_err(|why| self.error(doing(), why))
    }

    /// Reads blocks of a partition, each with its name, in this order. Notes if one cannot be read because the storage does
    /// not answer.
    fn read_blocks<T>(
        &self,
        partition: i32,
        names: Vec<Hex>,
        unreachable: &Arc<AtomicBool>,
        take: impl FnOnce(&mut dyn Iterator<Item = Result<(BlockName, Vec<u8>), Unreadable>>) -> T,
    ) -> T {
        // Blocks are read and unpacked on other threads while the ones before them are taken.
        let (sender, receiver) = sync_channel(READ_AT_ONCE);
        let paths: Vec<(Hex, Path)> = names.into_iter().map(|name| (name, self.block(partition, name))).collect();
        let (objects, unreachable) = (Arc::clone(&self.objects), Arc::clone(unreachable));
        let reads = futures_util::stream::iter(paths).map(move |(name, path)| {
            let (objects, unreachable) = (Arc::clone(&objects), Arc::clone(&unreachable));
            tokio::spawn(async move { read_block(&*objects, name, &path, &unreachable).await })
        });
        self.runtime.spawn(async move {
            let mut reads = reads.buffered(READ_AT_ONCE);
            while let Some(read) = reads.next().await {
                let read = read.unwrap_or_else(|error| Err(Unreadable(error.to_string())));
                let sent = tokio::task::block_in_place(|| sender.send(read));
                if sent.is_err() {
                    return;
                }
            }
        });
        take(&mut receiver.into_iter())
    }

    /// The partition as it was when a snapshot was taken. If its rules are the ones that are known, they are taken.
    ///
    /// # Errors
    /// A block is missing or damaged, its rules have another meaning in this version, the storage cannot be read, or it was
    /// cancelled.
    pub fn restore(
        &self,
        partition: i32,
        manifest: &Manifest,
        known: &Arc<Plan>,
        progress: &Progress,
    ) -> Result<Partition, Error> {
        let doing = || format!("restoring partition {partition} from its snapshot at offset {}", manifest.about.offset);
        let About { rules, rules_text, .. } = &manifest.about;
        let plan = match *known.version == **rules {
            true => Arc::clone(known),
            false => rules::parse("the rules of the snapshot", rules_text)
                .map(Arc::new)
                .map_err(|why| self.error(doing(), why))?,
        };
        if *plan.version != **rules {
            return Err(self.error(doing(), format!("its rules {rules} are {} in this version", plan.version)));
        }
        let names: Vec<Hex> = [manifest.head].into_iter().chain(manifest.blocks.iter().copied()).collect();
        progress.begin(names.len());
        let unreachable = Arc::new(AtomicBool::new(false));
        let restored = self.read_blocks(partition, names, &unreachable, |blocks| {
            let blocks = &mut blocks.map(|block| progress.take(block));
            let (_, head) = blocks.next().unwrap_or_else(|| Err(Unreadable("it has no head".to_owned())))?;
            let partition = Partition::restore(plan, manifest.format, &head, blocks)?;
            match blocks.next() {
                None => Ok(partition),
                Some(_) => Err(Unreadable("it has too many blocks".to_owned())),
            }
        });
        let is_unreachable = unreachable.load(Ordering::Relaxed);
        restored.map_err(|why| Error { is_unreachable, ..self.error(doing(), why) })
    }

    /// Removes the snapshots of a partition below the smallest of these names, and blocks that no manifest needs any more.
    /// Blocks of a snapshot that is being taken are not removed, because they are new, and neither are those that the next one
    /// will need although no manifest names them. If a manifest cannot be read, it is unknown which blocks it needs, and none
    /// is removed.
    ///
    /// # Errors
    /// The storage cannot be read or refuses to remove an object.
    pub fn prune(&self, partition: i32, keep: &[&str], next: &[Hex]) -> Result<Pruned, Error> {
        let doing = || format!("pruning the snapshots of partition {partition}");
        let Some(least) = keep.iter().min() else { return Ok(Pruned::default()) };
        let (mut pruned, mut all_known) = (Pruned::default(), true);
        let mut needed: BTreeSet<Path> = next.iter().map(|block| self.block(partition, *block)).collect();
        let mut newest = BTreeSet::new();
        for name in self.list(partition)? {
            if *name < **least {
                self.ask(doing(), self.objects.delete(&self.manifest(partition, &name)))?;
                pruned.snapshots += 1;
                continue;
            }
            match self.read(partition, &name) {
                Ok(manifest) => {
                    newest = manifest.needs().map(|block| self.block(partition, block)).collect();
                    needed.extend(newest.iter().cloned());
                }
                Err(_) => all_known = false,
            }
        }
        let objects = self.objects.list(Some(&self.blocks(partition)));
        let blocks: Vec<object_store::ObjectMeta> = self.ask(doing(), objects.try_collect())?;
        let there: BTreeSet<&Path> = blocks.iter().map(|block| &block.location).collect();
        pruned.missing = newest.iter().filter(|block| !there.contains(block)).count();
        for block in blocks.iter().filter(|block| all_known && !needed.contains(&block.location)) {
            if is_old(block.last_modified.into()) {
                self.ask(doing(), self.objects.delete(&block.location))?;
                pruned.blocks += 1;
            }
        }
        pruned.blocks += self.remove_unfinished(partition);
        Ok(pruned)
    }

    /// Removes files that a process had begun to store when it was killed. The client of a folder does not list them: their
    /// names end with a number sign and digits. Returns how many.
    fn remove_unfinished(&self, partition: i32) -> usize {
        if self.location.contains("://") {
            return 0;
        }
        let folders = [self.blocks(partition), self.manifests(partition)];
        let files =
            folders.iter().filter_map(|it| std::fs::read_dir(FilePath::new(&self.location).join(it.as_ref())).ok());
        let is_unfinished = |file: &std::fs::DirEntry| {
            let name = file.file_name();
            let digits = name.to_str().and_then(|name| name.split_once('#')).map_or("", |(_, digits)| digits);
            let modified = file.metadata().and_then(|about| about.modified());
            !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit()) && modified.is_ok_and(is_old)
        };
        let unfinished = files.flatten().filter_map(Result::ok).filter(is_unfinished);
        unfinished.filter(|file| std::fs::remove_file(file.path()).is_ok()).count()
    }
}

/// The threads that wait for the storage.
fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("snapshots").enable_all().build()
}

fn not_opened(location: &str, why: impl fmt::Display) -> Error {
    Error { doing: format!("opening the snapshots at {location}"), why: why.to_string(), is_unreachable: false }
}

/// Whether a block that no manifest names is so old that none will.
fn is_old(modified: SystemTime) -> bool {
    SystemTime::now().duration_since(modified).unwrap_or_default() >= UNNAMED_STAYS
}

/// Whether nothing is known of an object because the storage did not answer, or refused to.
fn is_silence(error: &object_store::Error) -> bool {
    use object_store::Error::{InvalidPath, NotFound, NotImplemented, NotSupported};
    !matches!(error, NotFound { .. } | InvalidPath { .. } | NotSupported { .. } | NotImplemented { .. })
}

async fn read_block(
    objects: &dyn ObjectStore,
    name: Hex,
    path: &Path,
    unreachable: &AtomicBool,
) -> Result<(BlockName, Vec<u8>), Unreadable> {
    let read = async { objects.get(path).await?.bytes().await };
    let packed = match tokio::time::timeout(ANSWER, read).await {
        Ok(Ok(packed)) => packed,
        Ok(Err(error)) => {
            unreachable.fetch_or(is_silence(&error), Ordering::Relaxed);
            return Err(Unreadable(error.to_string()));
        }
        Err(_) => {
            unreachable.store(true, Ordering::Relaxed);
            return Err(Unreadable(format!("block {name}: no answer within {} s", ANSWER.as_secs())));
        }
    };
    // The frame says its size, for which a damaged one may name any number.
    let size = zstd::zstd_safe::get_frame_content_size(&packed).ok().flatten().filter(|size| *size <= BLOCK_MAX);
    let size = size.ok_or_else(|| Unreadable(format!("block {name} is damaged: it is not what was compressed")))?;
    let bytes = zstd::bulk::decompress(&packed, size as usize)
        .map_err(|error| Unreadable(format!("block {name} is damaged: {error}")))?;
    if BlockName::of(&bytes) != name.0 {
        return Err(Unreadable(format!("block {name} is damaged: it does not have the bytes that its name tells")));
    }
    Ok((name.0, bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::engine::Record;
    use crate::model::{Effects, EventTime, Outcome, Wanted};
    use crate::rules::Ready;
    use crate::wire::{self, Format, ToWire};

    /// A partition that has folded events of this many accounts, the first `from` left out.
    fn fold(partition: &mut Partition, accounts: std::ops::Range<i64>) {
        for account in accounts {
            let event = format!(
                r#"{{"type":"track","event":"Feature Used","messageId":"m{account}","userId":"ann",
                     "timestamp":"2026-03-02T10:00:00Z","context":{{"groupId":"account-{account}"}}}}"#
            );
            for decoded in wire::decode(Format::Json, event.as_bytes()) {
                let ready = Ready::new(&decoded).expect("rules of this version");
                let record = Record { offset: account, time: Some(EventTime(1_772_500_000_000)) };
                let _ = partition.apply_one(record, 0, &ready, &mut Effects::new(Wanted::ALL));
            }
        }
    }

    fn about(partition: &Partition, offset: i64) -> About {
        About { topic: "log".into(), partition: 3, partitions: 4, offset, ..About::of(partition) }
    }

    fn blocks(folder: &FilePath) -> Vec<PathBuf> {
        let all = fs::read_dir(folder.join("group/log/3/blocks")).unwrap();
        let mut paths: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    fn name_of(block: &FilePath) -> Hex {
        Hex::try_from(block.file_stem().unwrap().to_str().unwrap().to_owned()).unwrap()
    }

    #[test]
    fn a_snapshot_is_read_back_and_only_what_changed_is_stored_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::make(folder.path().to_str().unwrap(), "group", "log").unwrap();
        let plan = rules::default_plan();
        let mut partition = Partition::new(Arc::clone(&plan));
        fold(&mut partition, 0..12_000);
        let mut cut = partition.cut().unwrap();
        // The partition goes on before anything of the cut is stored.
        fold(&mut partition, 12_000..12_001);
        let first = store.save(&mut cut, about(&partition, 12_000)).unwrap();
        let restored = store.restore(3, &store.read(3, &first).unwrap(), &plan, &Progress::default()).unwrap();
        assert_eq!((restored.accounts(), partition.accounts()), (12_000, 12_001));

        let (before, mut cut) = (blocks(folder.path()), partition.cut().unwrap());
        let second = store.save(&mut cut, about(&partition, 12_001)).unwrap();
        let more = blocks(folder.path()).len() - before.len();
        assert!(0 < more && more < before.len(), "{more} of {} blocks are stored again", before.len());
        // One that folds on from the first one has the same blocks, and stores the same ones.
        let mut restored = store.restore(3, &store.read(3, &first).unwrap(), &plan, &Progress::default()).unwrap();
        fold(&mut restored, 12_000..12_001);
        let other = tempfile::tempdir().unwrap();
        let elsewhere = Store::make(other.path().to_str().unwrap(), "group", "log").unwrap();
        let twin = elsewhere.save(&mut restored.cut().unwrap(), about(&restored, 12_001)).unwrap();
        let [mine, theirs] = [store.read(3, &second).unwrap(), elsewhere.read(3, &twin).unwrap()];
        assert_eq!((mine.head, mine.blocks), (theirs.head, theirs.blocks));
        assert_eq!(blocks(other.path()).len(), more, "what the first one has is not stored again");

        assert_eq!(
            (store.partitions().unwrap(), store.list(3).unwrap()),
            (vec![3], vec![first.clone(), second.clone()])
        );
        // A process was killed while it stored a block.
        let unfinished = folder.path().join("group/log/3/blocks/00000000000000000000000000000007.zst#1");
        fs::write(&unfinished, "begun").unwrap();
        assert_eq!(store.prune(3, &[&second, &first], &[]).unwrap(), Pruned::default());
        let old = SystemTime::now() - 2 * UNNAMED_STAYS;
        for block in blocks(folder.path()) {
            fs::File::open(block).unwrap().set_modified(old).unwrap();
        }
        // A manifest cannot be read: it is unknown which blocks it needs, and none is removed.
        let path = folder.path().join(format!("group/log/3/snapshots/{second}.json"));
        let sound = fs::read(&path).unwrap();
        fs::write(&path, &sound[..10]).unwrap();
        let pruned = store.prune(3, &[&second], &[]).unwrap();
        assert_eq!(pruned, Pruned { snapshots: 1, blocks: 1, missing: 0 }, "an unfinished file is removed");
        assert!(!unfinished.exists());
        fs::write(&path, sound).unwrap();
        let all: Vec<Hex> = blocks(folder.path()).iter().map(|path| name_of(path)).collect();
        assert_eq!(store.prune(3, &[&second], &all).unwrap(), Pruned::default(), "the next one needs them");
        let pruned = store.prune(3, &[&second], &[]).unwrap();
        assert!(pruned.snapshots == 0 && pruned.blocks > 0 && pruned.missing == 0, "{pruned:?}");
        assert_eq!(
            store.restore(3, &store.read(3, &second).unwrap(), &plan, &Progress::default()).unwrap().accounts(),
            12_001
        );
        assert!(store.read(3, &first).is_err());
        fs::remove_file(blocks(folder.path()).pop().unwrap()).unwrap();
        assert_eq!(store.prune(3, &[&second], &[]).unwrap(), Pruned { missing: 1, ..Pruned::default() });
    }

    /// Folds days of a log of accounts whose users sign up, invite others, use features and ask for sales. Returns the
    /// effects.
    fn live(partition: &mut Partition, days: std::ops::Range<i64>) -> Vec<String> {
        const NAMES: [&str; 6] =
            ["Signed Up", "User Invited", "Feature Used", "Pricing Viewed", "Contact Sales", "Limit Hit"];
        let mut effects = Effects::new(Wanted::ALL);
        for (day, user) in days.flat_map(|day| (0..7).map(move |user| (day, user))) {
            let (name, at) = (NAMES[((day + user) % 6) as usize], 1_772_323_200_000 + (24 * day + user) * 3_600_000);
            let event = format!(
                r#"{{"type":"track","event":"{name}","messageId":"{day}-{user}","userId":"user-{user}","timestamp":{at},
                     "context":{{"groupId":"account-{}"}},"properties":{{"feature":"feature-{user}","meter":"seats"}}}}"#,
                user % 3
            );
            for decoded in wire::decode(Format::Json, event.as_bytes()) {
                let ready = Ready::new(&decoded).expect("rules of this version");
                let record = Record { offset: 7 * day + user, time: Some(EventTime(at)) };
                assert_eq!(partition.apply_one(record, 0, &ready, &mut effects).outcome, Outcome::Applied);
            }
        }
        partition.all_profiles(&mut effects);
        let Effects { handoffs, signals, accounts, users, .. } = effects;
        let lines = |texts: &mut dyn Iterator<Item = String>| texts.collect::<Vec<_>>();
        [
            lines(&mut handoffs.iter().map(ToWire::to_json)),
            lines(&mut signals.iter().map(ToWire::to_json)),
            lines(&mut accounts.iter().map(ToWire::to_json)),
            lines(&mut users.iter().map(ToWire::to_json)),
        ]
        .concat()
    }

    /// Run before the format changes, as `CONTRIBUTING.md` says.
    #[test]
    #[ignore = "writes a snapshot of the present format to the folder UPSWELL_STORE"]
    fn a_snapshot_of_this_format_is_kept() {
        // Without presets the rules stay what they are.
        let rules = rules::DEFAULT.replacen("presets: [segment]", "presets: []", 1);
        let mut partition = Partition::new(Arc::new(rules::parse("stored", &rules).unwrap()));
        live(&mut partition, 0..30);
        let store = Store::make(&std::env::var("UPSWELL_STORE").unwrap(), "group", "log").unwrap();
        store.save(&mut partition.cut().unwrap(), about(&partition, 210)).unwrap();
    }

    /// The versions of the program that wrote a format took a snapshot of 30 days of `live` each.
    #[test]
    fn a_snapshot_of_an_older_format_goes_on() {
        for format in FORMATS.take(FORMATS.count() - 1) {
            let folder = format!("{}/tests/corpus/snapshots/format-{format}", env!("CARGO_MANIFEST_DIR"));
            let store = Store::open(&folder, "group", "log").unwrap();
            let name = store.list(3).unwrap().pop().unwrap();
            let manifest = store.read(3, &name).unwrap();
            assert_eq!(manifest.format, format);
            let mut restored = store.restore(3, &manifest, &rules::default_plan(), &Progress::default()).unwrap();
            let mut partition = Partition::new(Arc::clone(restored.plan()));
            live(&mut partition, 0..30);
            assert_eq!(restored.trail(), partition.trail());
            let [goes_on, has_folded] = [&mut restored, &mut partition].map(|partition| live(partition, 30..60));
            assert!(goes_on == has_folded && goes_on.len() > 500, "{goes_on:#?}");
            assert_eq!(restored.trail(), partition.trail());
        }
    }

    #[test]
    fn what_is_damaged_or_of_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::make(folder.path().to_str().unwrap(), "group", "log").unwrap();
        let plan = rules::default_plan();
        let mut partition = Partition::new(Arc::clone(&plan));
        fold(&mut partition, 0..10);
        let name = store.save(&mut partition.cut().unwrap(), about(&partition, 10)).unwrap();
        let manifest = store.read(3, &name).unwrap();
        let path = folder.path().join(format!("group/log/3/snapshots/{name}.json"));
        let sound = fs::read_to_string(&path).unwrap();
        for (damaged, why) in [
            (sound.replace("\"accounts\": 10", "\"accounts\": 11"), "does not have the bytes"),
            (sound.replace("\"format\": 4", "\"format\": 5"), "format 5"),
            (sound[..sound.len() / 2].to_owned(), "is damaged"),
        ] {
            fs::write(&path, damaged).unwrap();
            let error = store.read(3, &name).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        for block in blocks(folder.path()) {
            let sound = fs::read(&block).unwrap();
            let other = zstd::bulk::compress(b"other bytes", 1).unwrap();
            for damaged in [&sound[..sound.len() - 1], &other, &[]] {
                fs::write(&block, damaged).unwrap();
                let error = store.restore(3, &manifest, &plan, &Progress::default()).unwrap_err().to_string();
                assert!(error.contains("block") || error.contains("not a state"), "{error}");
            }
            fs::remove_file(&block).unwrap();
            assert!(store.restore(3, &manifest, &plan, &Progress::default()).is_err());
            fs::write(&block, sound).unwrap();
        }
        let other =
            Manifest { about: About { rules: "default@other".into(), ..manifest.about.clone() }, ..manifest.clone() };
        assert!(
            store.restore(3, &other, &plan, &Progress::default()).unwrap_err().to_string().contains("default@other")
        );
        let fewer = Manifest { blocks: manifest.blocks[1..].to_vec(), ..manifest.clone() };
        assert!(store.restore(3, &fewer, &plan, &Progress::default()).is_err());
        assert_eq!(store.restore(3, &manifest, &plan, &Progress::default()).unwrap().accounts(), 10);
    }
}
