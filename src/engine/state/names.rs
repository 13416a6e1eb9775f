//! Names from events that are kept, such as those of features, each once.

use xxhash_rust::xxh3::xxh3_64;

use super::cut::{Parts, Unreadable};
use super::index::Index;
use super::pages::{Ref, Slab};

/// Names, each with the number of values that use it.
#[derive(Debug)]
pub(super) struct Names {
    names: Slab<(Box<str>, u32)>,
    by_text: Index,
}

impl Names {
    pub(super) fn new() -> Names {
        Names { names: Slab::new(), by_text: Index::new() }
    }

    pub(super) fn get(&self, at: Ref) -> &str {
        self.names.get(at).map_or("", |name| &name.0)
    }

    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.by_text.find(xxh3_64(text.as_bytes()), |at| self.get(Ref::of(at)) == text)
    }

    /// The name for another value that uses it.
    pub(super) fn take(&mut self, text: &str) -> Ref {
        let known = self.find(text).map(Ref::of);
        let at = known.unwrap_or_else(|| {
            let at = self.names.insert((text.into(), 0));
            let names = &self.names;
            let hash_of = |at: u32| names.get(Ref::of(at)).map_or(0, |name| xxh3_64(name.0.as_bytes()));
            self.by_text.make_room(hash_of);
            self.by_text.insert(xxh3_64(text.as_bytes()), at.number());
            at
        });
        if let Some(name) = self.names.get_mut(at) {
            name.1 += 1;
        }
        at
    }

    /// A value no longer uses the name.
    pub(super) fn give_back(&mut self, mut at: Ref) {
        let Some(name) = self.names.get_mut(at) else { return };
        name.1 -= 1;
        if name.1 == 0 {
            let hash = xxh3_64(name.0.as_bytes());
            self.by_text.remove(hash, at.number());
            self.names.remove(&mut at);
        }
    }

    /// Stores or restores them.
    pub(super) fn parts(&mut self, parts: &mut impl Parts) -> Result<(), Unreadable> {
        let Names { names, by_text } = self;
        names.parts(parts)?;
        if parts.are_restored() {
            let hash_of = |at: u32| names.get(Ref::of(at)).map_or(0, |name| xxh3_64(name.0.as_bytes()));
            *by_text = Index::of(names.places().map(Ref::number), hash_of);
        }
        Ok(())
    }

    /// Bytes of its pages.
    pub(super) fn bytes(&self) -> usize {
        self.names.bytes() + self.by_text.bytes()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.names.used() == 0
    }
}
