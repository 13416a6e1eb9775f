//! The storage of snapshots: in memory, and with faults. Objects are lost, torn, changed, those of another or of before; it
//! refuses, and what was stored is seen late.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rand::RngExt as _;

use super::schedule::{draw, now, process, sleep, tell};

/// How much faster objects age than the clock passes: those that are not needed are removed after an hour.
const AGES: u32 = 400;

#[derive(Debug, Default)]
pub(super) struct Objects {
    inner: InMemory,
    /// When each was stored.
    stored: Mutex<BTreeMap<Path, Duration>>,
    /// What was lost, with its bytes: it may come back.
    gone: Mutex<Vec<(Path, PutPayload)>>,
    pub(super) refuses: AtomicBool,
    /// Whether an object is torn until it is complete.
    pub(super) tears: AtomicBool,
    /// Whether answers take seconds.
    pub(super) is_slow: AtomicBool,
    /// For how long what was stored is not seen.
    pub(super) late: Mutex<Duration>,
    /// Until when, by the clock of the simulation, objects are not seen: the threads that read have none.
    seen: Mutex<Duration>,
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

fn refused() -> Error {
    Error::Generic { store: "simulated", source: "it refuses".into() }
}

fn done<T>(result: impl Future<Output = T>) -> T {
    result.now_or_never().expect("memory answers at once")
}

impl Objects {
    /// The process may be killed or halted meanwhile.
    fn takes_time(&self) {
        let most = if self.is_slow.load(Ordering::Relaxed) { 3_000_000 } else { 3_000 };
        sleep(draw(|rng| Duration::from_micros(rng.random_range(0..most))));
    }

    /// What is seen of it from now on.
    fn look(&self) {
        *self.seen.lock().expect("no thread fails with it") =
            now().saturating_sub(*self.late.lock().expect("as above"));
    }

    fn is_seen(&self, path: &Path) -> bool {
        let (stored, seen) =
            (self.stored.lock().expect("no thread fails with it"), self.seen.lock().expect("as above"));
        stored.get(path).is_none_or(|at| *at <= *seen)
    }

    fn all(&self) -> Vec<Path> {
        let mut all: Vec<Path> =
            done(self.inner.list(None).map_ok(|it| it.location).try_collect()).expect("memory does not fail");
        all.sort();
        all
    }

    fn bytes(&self, path: &Path) -> Vec<u8> {
        done(async { self.inner.get(path).await?.bytes().await }).expect("it is there").to_vec()
    }

    fn set(&self, path: &Path, bytes: Vec<u8>) {
        done(self.inner.put(path, bytes.into())).expect("memory does not fail");
    }

    /// Something happens to an object.
    pub(super) fn damage(&self) {
        let all = self.all();
        if all.is_empty() {
            return;
        }
        let path = || all[draw(|rng| rng.random_range(0..all.len()))].clone();
        let (path, other) = (path(), path());
        let mut bytes = self.bytes(&path);
        let at = draw(|rng| rng.random_range(0..bytes.len().max(1)));
        let mut gone = self.gone.lock().expect("no thread fails with it");
        match draw(|rng| rng.random_range(0..5)) {
            0 => {
                tell(|| format!("{path} is lost"));
                gone.push((path.clone(), bytes.into()));
                done(self.inner.delete(&path)).expect("it is there");
            }
            1 => {
                tell(|| format!("{path} is cut off"));
                self.set(&path, bytes[..at].to_vec());
            }
            2 => {
                tell(|| format!("{path} is {other}"));
                self.set(&path, self.bytes(&other));
            }
            3 => {
                tell(|| format!("{path} is changed"));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1;
                }
                self.set(&path, bytes);
            }
            _ => {
                if let Some((path, bytes)) = gone.pop() {
                    tell(|| format!("{path} is there again"));
                    done(self.inner.put(&path, bytes)).expect("memory does not fail");
                }
            }
        }
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.takes_time();
        if self.refuses.load(Ordering::Relaxed) {
            return Err(refused());
        }
        if self.tears.load(Ordering::Relaxed) && draw(|rng| rng.random_bool(0.05)) {
            let bytes: Vec<u8> = payload.iter().flat_map(|bytes| bytes.to_vec()).collect();
            self.set(path, bytes[..bytes.len() / 2].to_vec());
            self.takes_time();
        }
        self.stored.lock().expect("no thread fails with it").insert(path.clone(), now());
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(Error::NotImplemented { operation: String::new(), implementer: String::new() })
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        // Blocks are read by threads of the storage, after the manifest.
        if process().is_some() {
            self.takes_time();
            self.look();
        }
        if self.refuses.load(Ordering::Relaxed) {
            return Err(refused());
        }
        if !self.is_seen(path) {
            return Err(Error::NotFound { path: path.to_string(), source: "it is not seen yet".into() });
        }
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.refuses.load(Ordering::Relaxed) {
            return paths.map(|_| Err(refused())).boxed();
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        if self.refuses.load(Ordering::Relaxed) {
            return futures_util::stream::iter([Err(refused())]).boxed();
        }
        self.takes_time();
        self.look();
        let all: Vec<ObjectMeta> = done(self.inner.list(prefix).try_collect()).expect("memory does not fail");
        let aged = all.into_iter().filter(|it| self.is_seen(&it.location)).map(|mut it| {
            let stored = self.stored.lock().expect("no thread fails with it").get(&it.location).copied();
            it.last_modified -= AGES * (now() - stored.unwrap_or_default());
            Ok(it)
        });
        futures_util::stream::iter(aged.collect::<Vec<_>>()).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
