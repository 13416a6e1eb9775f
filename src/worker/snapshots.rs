//! Stores snapshots of the partitions of a worker, on a thread of their own; and knows which is due, and which counts.

use std::time::Duration;

use super::system::Instant;
use crate::engine::{Block, Cut};
use crate::store::{About, Hex, Pruned, Store, offset_of};

/// A snapshot to store, and those of its partition that stay.
pub(super) struct Request {
    pub(super) cut: Cut,
    pub(super) about: About,
    /// The last two whose names were committed.
    pub(super) keep: Vec<String>,
}

/// A snapshot that was stored, or not.
pub(super) struct Answer {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Its name, or why it could not be stored.
    pub(super) name: Result<String, String>,
    /// Whether blocks are gone that it names because they were stored before.
    pub(super) lacks_blocks: bool,
    pub(super) took: Duration,
}

pub(super) fn save(store: &Store, Request { mut cut, about, keep }: Request) -> Answer {
    let (began, partition, offset) = (Instant::now(), about.partition, about.offset);
    let saved = store.save(&mut cut, about);
    let took = began.elapsed();
    // If it could not be stored, the next one will name those of its blocks that were.
    let next = cut.blocks.iter().filter(|_| saved.is_err()).filter_map(Block::name).map(Hex).collect::<Vec<_>>();
    // Pages that the cut shares are copied before they change.
    drop(cut);
    let keep: Vec<&str> = keep.iter().map(String::as_str).collect();
    // Also after a failure: what is old may take the room that a new one needs.
    let pruned = match &saved {
        Err(error) if error.is_unreachable => Ok(Pruned::default()),
        _ => store.prune(partition, &keep, &next),
    };
    let lacks_blocks = pruned.as_ref().is_ok_and(|pruned| pruned.missing > 0);
    if let Ok(name) = &saved {
        tracing::debug!(partition, offset, name, seconds = took.as_secs_f64(), "snapshot stored");
        if let Err(error) = pruned {
            tracing::warn!(partition, why = error.to_string(), "old snapshots stay");
        }
    }
    if lacks_blocks {
        tracing::error!(
            partition,
            offset,
            "blocks of snapshots are gone: everything is stored again; see that nothing else removes files there"
        );
    }
    Answer { partition, offset, name: saved.map_err(|error| error.to_string()), lacks_blocks, took }
}

/// The snapshots of a partition: the one that stands beside the committed offset, and one that may take its place.
#[derive(Debug)]
pub(super) struct Named {
    /// The name that was committed last; empty where there is none. And the one before.
    committed: String,
    before: String,
    /// One that is stored and not committed: its offset, and its name.
    stored: Option<(i64, String)>,
    /// When the last one was taken, and up to which offset everything is in one that is stored.
    taken_at: Instant,
    covered: i64,
    /// The offset of one that is being stored.
    open: Option<i64>,
    /// Whether somebody has asked for one since the last one was taken.
    asked: bool,
    /// The offset of the last forget record, if there was one.
    erased: Option<i64>,
}

impl Named {
    /// The state was restored from the snapshot of this name, which may be none, at this offset.
    pub(super) fn new(name: String, offset: i64) -> Named {
        let taken_at = Instant::now();
        Named {
            committed: name,
            before: String::new(),
            stored: None,
            taken_at,
            covered: offset,
            open: None,
            asked: false,
            erased: None,
        }
    }

    /// The name to commit with an offset.
    pub(super) fn beside(&self, offset: i64) -> &str {
        match &self.stored {
            Some((at, name)) if *at <= offset => name,
            _ => &self.committed,
        }
    }

    /// Whether a name waits to be committed with this offset.
    pub(super) fn is_new(&self, offset: i64) -> bool {
        self.beside(offset) != self.committed
    }

    /// The next one is due at once, unless everything up to this position is in one that is stored.
    pub(super) fn ask(&mut self, position: i64) {
        self.asked = position > self.covered;
    }

    /// A user was erased at this offset: the next snapshot is due at once. Once it is committed, older ones, which contain
    /// the user, are not kept.
    pub(super) fn erase(&mut self, offset: i64) {
        (self.asked, self.erased) = (true, Some(offset));
    }

    /// Whether to take a snapshot at a position.
    pub(super) fn is_due(&self, position: i64, every: Duration) -> bool {
        self.open.is_none() && position > self.covered && (self.asked || self.taken_at.elapsed() >= every)
    }

    /// One is taken. Returns the names of those that stay.
    pub(super) fn take(&mut self, position: i64) -> Vec<String> {
        (self.open, self.taken_at, self.asked) = (Some(position), Instant::now(), false);
        let is_older = |name: &str| self.erased.is_some_and(|erased| offset_of(name).is_some_and(|at| at <= erased));
        let before = Some(&self.before).filter(|name| is_older(&self.committed) || !is_older(name));
        [&self.committed].into_iter().chain(before).filter(|name| !name.is_empty()).cloned().collect()
    }

    /// One that was taken at this offset is stored under this name, or is not. It may have been taken when the partition was
    /// assigned before, and then it is not the last one.
    pub(super) fn stored(&mut self, offset: i64, name: Option<String>) {
        if self.open.take_if(|open| *open == offset).is_none() {
            return;
        }
        if let Some(name) = name {
            (self.covered, self.stored) = (offset, Some((offset, name)));
        }
    }

    /// This name was committed.
    pub(super) fn committed(&mut self, name: &str) {
        if name != self.committed {
            self.before = std::mem::replace(&mut self.committed, name.to_owned());
            self.stored.take_if(|(_, stored)| stored == name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use rand::rngs::SmallRng;
    use rand::seq::IndexedRandom as _;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;
    use crate::engine::{Partition, Record};
    use crate::model::{Effects, Wanted};
    use crate::rules::Ready;
    use crate::wire::{self, Format, ToWire as _};
    use crate::worker::job::Job;
    use crate::worker::restore::{ToRestore, restore};

    /// The owner of a partition: its fold up to a position, and its snapshots.
    struct Owner {
        fold: Partition,
        position: i64,
        named: Named,
    }

    /// A log, what was committed of it, and a folder of snapshots.
    struct Simulated {
        job: Job,
        folder: PathBuf,
        log: Vec<String>,
        committed: (i64, String),
        /// Whether all that was stored is as it was stored.
        is_sound: bool,
    }

    impl Simulated {
        fn new(folder: &Path, rng: &mut SmallRng) -> Simulated {
            let event = |number: i64| {
                let name = ["Feature Used", "Contact Sales", "Pricing Viewed"][rng.random_range(0..3)];
                let (account, user) = (rng.random_range(0..4), rng.random_range(0..6));
                let at = 1_772_323_200_000 + number * rng.random_range(1_000_000..9_000_000);
                format!(
                    r#"{{"type":"track","event":"{name}","messageId":"{number}","userId":"u{user}","timestamp":{at},
                         "context":{{"groupId":"a{account}"}}}}"#
                )
            };
            let store = Store::make(folder.to_str().unwrap(), "group", "log").unwrap();
            let job = Job { snapshots: Some(Arc::new(store)), ..Job::of_tests() };
            let log = (0..400).map(event).collect();
            Simulated { job, folder: folder.to_owned(), log, committed: (0, String::new()), is_sound: true }
        }

        fn fold(&self, fold: &mut Partition, offsets: std::ops::Range<i64>) {
            for offset in offsets {
                for decoded in wire::decode(Format::Json, self.log[offset as usize].as_bytes()) {
                    let ready = Ready::new(&decoded).expect("no rules");
                    let _ = fold.apply_one(Record { offset, time: None }, 0, &ready, &mut Effects::new(Wanted::LEAST));
                }
            }
        }

        /// Restores the partition as a new owner does, and checks that its state is what the log makes.
        fn restore(&self) -> Owner {
            let (committed, named) = &self.committed;
            let wanted = ToRestore {
                partition: 0,
                committed: *committed,
                named: named.clone(),
                log: "id".into(),
                partitions: 1,
                outputs: 0,
                progress: Arc::default(),
            };
            let restored = restore(&self.job, &wanted).expect("the folder answers");
            let name = restored.as_ref().map_or("", |restored| &restored.name);
            assert!(!self.is_sound || named.is_empty() || name == named, "{name} instead of {named}");
            let anew = || Partition::new(Arc::clone(&self.job.plan));
            let (mut fold, offset, name) =
                restored.map_or_else(|| (anew(), 0, String::new()), |it| (it.fold, it.offset, it.name));
            assert!(offset <= *committed);
            self.fold(&mut fold, offset..*committed);
            let mut whole = anew();
            self.fold(&mut whole, 0..*committed);
            assert_eq!(fold.trail(), whole.trail(), "restored at {offset} from {name}");
            assert_eq!(fold.cut().unwrap().head, whole.cut().unwrap().head);
            assert_eq!(profiles(&mut fold), profiles(&mut whole), "restored at {offset} from {name}");
            Owner { fold, position: *committed, named: Named::new(name, offset) }
        }

        /// Takes and stores a snapshot. Returns whether the owner has lived through it.
        fn store(&self, owner: &mut Owner, rng: &mut SmallRng) -> bool {
            if !owner.named.is_due(owner.position, Duration::ZERO) {
                return true;
            }
            let (keep, cut) = (owner.named.take(owner.position), owner.fold.cut().unwrap());
            let about = About { topic_id: "id".into(), offset: owner.position, ..About::of(&owner.fold) };
            let before = self.files();
            let answer = save(self.job.snapshots.as_deref().unwrap(), Request { cut, about, keep });
            if rng.random_bool(0.2) {
                // It died while it stored: the manifest comes last.
                let is_manifest = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "json");
                let is_new = |path: &&PathBuf| !before.contains(path) && (is_manifest(path) || rng.random_bool(0.5));
                self.files().iter().filter(is_new).for_each(|path| fs::remove_file(path).unwrap());
                return false;
            }
            assert!(answer.name.is_ok() && (!self.is_sound || !answer.lacks_blocks), "it is stored");
            if answer.lacks_blocks {
                owner.fold.forget_stored();
            }
            owner.named.stored(answer.offset, answer.name.ok());
            true
        }

        /// All files of snapshots.
        fn files(&self) -> Vec<PathBuf> {
            let folder = self.folder.join("group/log/0");
            let of =
                |kind: &str| fs::read_dir(folder.join(kind)).into_iter().flatten().map(|file| file.unwrap().path());
            let mut files: Vec<PathBuf> = of("blocks").chain(of("snapshots")).collect();
            files.sort();
            files
        }

        /// Something happens to a file.
        fn damage(&mut self, rng: &mut SmallRng) {
            let files = self.files();
            let (Some(path), Some(other)) = (files.choose(rng), files.choose(rng)) else { return };
            let bytes = fs::read(path).unwrap();
            match rng.random_range(0..4) {
                0 => fs::remove_file(path).unwrap(),
                1 => fs::write(path, &bytes[..rng.random_range(0..bytes.len().max(1))]).unwrap(),
                2 => fs::write(path, fs::read(other).unwrap()).unwrap(),
                _ => {
                    let at = rng.random_range(0..bytes.len().max(1));
                    let flipped = bytes.iter().enumerate().map(|(place, byte)| byte ^ u8::from(place == at));
                    fs::write(path, flipped.collect::<Vec<_>>()).unwrap();
                }
            }
            self.is_sound = false;
        }

        /// What is not needed is old enough to be removed.
        fn age(&self) {
            let long_ago = std::time::SystemTime::now() - Duration::from_secs(7_200);
            self.files().iter().for_each(|path| fs::File::open(path).unwrap().set_modified(long_ago).unwrap());
        }
    }

    /// What the blocks hold, as far as it is in profiles: the hash of a manifest does not cover it.
    fn profiles(fold: &mut Partition) -> Vec<String> {
        let mut all = Effects::new(Wanted::ALL);
        fold.all_profiles(&mut all);
        let accounts = all.accounts.iter().map(|profile| profile.to_json());
        accounts.chain(all.users.iter().map(|profile| profile.to_json())).collect()
    }

    /// An owner folds, stores, commits and dies at random; files are lost, cut off, changed or those of another. A new owner
    /// has the state that the log makes, and where nothing was damaged, from the snapshot whose name was committed.
    /// `UPSWELL_STORE_SEEDS=10000` tries more.
    #[test]
    fn whatever_happens_to_snapshots_a_new_owner_has_the_state_of_the_log() {
        let seeds = std::env::var("UPSWELL_STORE_SEEDS").map_or(40, |seeds| seeds.parse().expect("a number"));
        // In memory, where there is such a folder: files are synchronised with the disk.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        for seed in 0..seeds {
            let mut rng = SmallRng::seed_from_u64(seed);
            let folder = tempfile::tempdir_in(&place).unwrap();
            let mut it = Simulated::new(folder.path(), &mut rng);
            let mut owner = it.restore();
            let mut restored = 0;
            for _ in 0..rng.random_range(20..80) {
                let mut lives = true;
                match rng.random_range(0..10) {
                    0..4 => {
                        let to = (owner.position + rng.random_range(1..12)).min(it.log.len() as i64);
                        it.fold(&mut owner.fold, owner.position..to);
                        owner.position = to;
                    }
                    4..6 => lives = it.store(&mut owner, &mut rng),
                    6..8 => {
                        it.committed = (owner.position, owner.named.beside(owner.position).to_owned());
                        owner.named.committed(&it.committed.1);
                    }
                    8 if seed % 2 == 1 => it.damage(&mut rng),
                    8 => it.age(),
                    _ => lives = false,
                }
                if !lives {
                    owner = it.restore();
                    restored += i32::from(!it.committed.1.is_empty());
                }
            }
            println!("seed {seed}: restored {restored} times");
        }
    }

    #[test]
    fn the_name_of_a_snapshot_is_committed_with_an_offset_that_is_not_before_it() {
        let name = |offset: i64| format!("{offset:020}-{:016x}", 7);
        let mut named = Named::new(name(5), 5);
        assert!(!named.is_due(5, Duration::ZERO) && named.is_due(9, Duration::ZERO));
        assert!(!named.is_due(9, Duration::from_secs(60)));
        assert_eq!(named.take(9), [name(5)]);
        assert!(!named.is_due(10, Duration::ZERO), "one is being stored");
        named.stored(7, Some(name(7)));
        assert!(
            !named.is_due(10, Duration::ZERO) && named.beside(10) == name(5),
            "that one was taken by another owner"
        );
        named.stored(9, Some(name(9)));
        assert_eq!((named.beside(8), named.beside(9)), (&*name(5), &*name(9)));
        assert!(!named.is_new(8) && named.is_new(9));
        named.committed(&name(5));
        named.committed(&name(9));
        assert!(!named.is_new(9));
        assert_eq!(named.take(12), [name(9), name(5)]);
        named.stored(12, None);
        assert!(!named.is_new(20) && named.is_due(12, Duration::ZERO), "it is tried again");
        named.ask(9);
        assert!(!named.is_due(12, Duration::from_secs(60)), "there was nothing to store");
        named.ask(12);
        assert!(named.is_due(12, Duration::from_secs(60)));
        named.take(12);
        named.stored(12, Some(name(12)));
        assert!(!named.is_due(13, Duration::from_secs(60)), "the request was served");
        assert!(!named.is_due(12, Duration::ZERO) && named.is_new(12));
    }

    #[test]
    fn snapshots_from_before_an_erasure_are_kept_only_until_a_later_one_is_committed() {
        let name = |offset: i64| format!("{offset:020}-{:016x}", 7);
        let mut named = Named::new(name(5), 5);
        let take = |named: &mut Named, offset: i64| {
            assert!(named.is_due(offset, Duration::from_secs(60)));
            let stay = named.take(offset);
            named.stored(offset, Some(name(offset)));
            named.committed(&name(offset));
            stay
        };
        named.ask(7);
        assert_eq!(take(&mut named, 7), [name(5)]);
        named.erase(8);
        assert_eq!(take(&mut named, 9), [name(7), name(5)], "none from after the erasure is committed yet");
        assert!(!named.is_due(12, Duration::from_secs(60)), "one was asked for");
        named.ask(12);
        assert_eq!(take(&mut named, 12), [name(9)], "that at 7 is from before the erasure");
        named.ask(15);
        assert_eq!(take(&mut named, 15), [name(12), name(9)]);
    }
}
