//! Storing the state and restoring it: a cut shares the pages of the tables, and blocks of pages are stored one by one.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_128;

/// The formats of the state that are read; the last one is written. A version of the program that writes other bytes, or
/// makes something else of a log, adds a format, and leaves out those that it cannot go on from: then the state is
/// folded from the log again.
pub const FORMATS: RangeInclusive<u32> = 1..=4;

/// Rows that can be shared with a cut and stored.
pub(in crate::engine) trait Stored:
    Clone + Debug + Default + Send + Sync + Serialize + DeserializeOwned + 'static
{
}

impl<T: Clone + Debug + Default + Send + Sync + Serialize + DeserializeOwned + 'static> Stored for T {}

/// The name of a stored block: a hash of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockName(pub u128);

impl BlockName {
    /// The name of a block of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> BlockName {
        BlockName(xxh3_128(bytes))
    }
}

/// Something that does not fit the state: it was stored by another version of the program, or not by this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl From<postcard::Error> for Unreadable {
    fn from(error: postcard::Error) -> Unreadable {
        Unreadable(format!("it is not a state of this version: {error}"))
    }
}

/// Where a block of pages notes its name once it is stored. The pages of the table keep it until one of them changes.
pub(super) type NameCell = Arc<OnceLock<BlockName>>;

/// The pages of a block, as they were at the cut.
pub(super) trait Content: Debug + Send + Sync {
    /// Their rows as bytes.
    ///
    /// # Errors
    /// A row cannot be written, which is a mistake of the program.
    fn encode(&self) -> Result<Vec<u8>, Unreadable>;
}

/// Some pages of a table, as they were when the state was cut.
#[derive(Debug)]
pub struct Block {
    name: NameCell,
    /// None if it was stored before.
    content: Option<Box<dyn Content>>,
}

impl Block {
    /// The name under which it is stored; none before.
    #[must_use]
    pub fn name(&self) -> Option<BlockName> {
        self.name.get().copied()
    }

    /// Its bytes. The same state gives the same bytes on any machine.
    ///
    /// # Errors
    /// A row cannot be written, which is a mistake of the program.
    pub fn encode(&self) -> Result<Vec<u8>, Unreadable> {
        self.content.as_ref().map_or(Ok(Vec::new()), |content| content.encode())
    }

    /// It is stored under this name: a later cut in which it has not changed does not store it again.
    pub fn note_stored(&mut self, name: BlockName) {
        // Two cuts that share the block name it alike.
        let _ = self.name.set(name);
        self.content = None;
    }
}

/// The state of a partition at some place in its log. It shares the pages of the partition, which goes on meanwhile and
/// copies a page before it changes it.
#[derive(Debug, Default)]
pub struct Cut {
    /// What is not in pages.
    pub head: Vec<u8>,
    /// The pages of all tables.
    pub blocks: Vec<Block>,
}

/// Blocks that are read back: the name of each, and its bytes.
pub type Blocks<'a> = dyn Iterator<Item = Result<(BlockName, Vec<u8>), Unreadable>> + 'a;

/// A table whose pages a cut can share.
pub(in crate::engine) trait Table {
    /// Shares its pages.
    fn cut(&mut self, blocks: &mut Vec<Block>);

    /// Forgets the names of its blocks, so that the next cut has them as if they were never stored.
    fn forget_names(&mut self);

    /// How many rows it has.
    fn rows(&self) -> u32;

    /// Takes this number of rows, in place of its own, from the next blocks.
    ///
    /// # Errors
    /// A block is missing or is not of this table.
    fn restore(&mut self, rows: u32, blocks: &mut Blocks<'_>) -> Result<(), Unreadable>;
}

/// Goes through the parts of the state, always in the same order, to store or to restore them.
pub(in crate::engine) trait Parts {
    /// A part that is small, or changes as a whole.
    fn value<V: Serialize + DeserializeOwned>(&mut self, value: &mut V) -> Result<(), Unreadable>;

    /// The same for a part that formats before this one do not have: it stays what it is in a new state.
    fn value_since<V: Serialize + DeserializeOwned>(&mut self, _format: u32, value: &mut V) -> Result<(), Unreadable> {
        self.value(value)
    }

    /// A table.
    fn table(&mut self, table: &mut impl Table) -> Result<(), Unreadable>;

    /// Whether the parts are restored, so that what is not stored must be computed from them.
    fn are_restored(&self) -> bool;
}

/// Stores the parts in a cut.
#[derive(Debug, Default)]
pub(in crate::engine) struct Cutter(pub(in crate::engine) Cut);

impl Parts for Cutter {
    fn value<V: Serialize + DeserializeOwned>(&mut self, value: &mut V) -> Result<(), Unreadable> {
        append(value, &mut self.0.head)
    }

    fn table(&mut self, table: &mut impl Table) -> Result<(), Unreadable> {
        self.value(&mut table.rows())?;
        table.cut(&mut self.0.blocks);
        Ok(())
    }

    fn are_restored(&self) -> bool {
        false
    }
}

/// Has all tables forget the names of their blocks.
#[derive(Debug)]
pub(in crate::engine) struct Forgetter;

impl Parts for Forgetter {
    fn value<V: Serialize + DeserializeOwned>(&mut self, _: &mut V) -> Result<(), Unreadable> {
        Ok(())
    }

    fn table(&mut self, table: &mut impl Table) -> Result<(), Unreadable> {
        table.forget_names();
        Ok(())
    }

    fn are_restored(&self) -> bool {
        false
    }
}

/// Restores the parts from what is left of a head of this format, and of blocks.
pub(in crate::engine) struct Restorer<'a> {
    pub(in crate::engine) format: u32,
    pub(in crate::engine) head: &'a [u8],
    pub(in crate::engine) blocks: &'a mut Blocks<'a>,
}

impl Parts for Restorer<'_> {
    fn value<V: Serialize + DeserializeOwned>(&mut self, value: &mut V) -> Result<(), Unreadable> {
        *value = take(&mut self.head)?;
        Ok(())
    }

    fn value_since<V: Serialize + DeserializeOwned>(&mut self, format: u32, value: &mut V) -> Result<(), Unreadable> {
        if self.format < format { Ok(()) } else { self.value(value) }
    }

    fn table(&mut self, table: &mut impl Table) -> Result<(), Unreadable> {
        let rows = take(&mut self.head)?;
        table.restore(rows, self.blocks)
    }

    fn are_restored(&self) -> bool {
        true
    }
}

/// Writes a value after others.
pub(super) fn append(value: &impl Serialize, bytes: &mut Vec<u8>) -> Result<(), Unreadable> {
    *bytes = postcard::to_extend(value, std::mem::take(bytes))?;
    Ok(())
}

/// Reads a value, of which others may follow.
pub(super) fn take<V: DeserializeOwned>(bytes: &mut &[u8]) -> Result<V, Unreadable> {
    let (value, rest) = postcard::take_from_bytes(bytes)?;
    *bytes = rest;
    Ok(value)
}

/// The next block.
pub(super) fn next(blocks: &mut Blocks<'_>) -> Result<(BlockName, Vec<u8>), Unreadable> {
    blocks.next().unwrap_or_else(|| Err(Unreadable("it has too few blocks".to_owned())))
}

/// Nothing may be left of a block.
pub(in crate::engine) fn ends(rest: &[u8]) -> Result<(), Unreadable> {
    if rest.is_empty() { Ok(()) } else { Err(Unreadable(format!("{} bytes of a block are left", rest.len()))) }
}

/// A page: of its own, or shared with a cut. A shared page is copied before it is changed, if the cut still has it.
#[derive(Debug)]
pub(super) struct Held<P> {
    own: Option<Box<P>>,
    shared: Option<Arc<Shared<P>>>,
}

/// A page that a cut shares.
#[derive(Debug)]
pub(super) struct Shared<P>(Box<P>);

impl<P> Shared<P> {
    pub(super) fn get(&self) -> &P {
        &self.0
    }
}

impl<P: Clone> Held<P> {
    pub(super) fn new(page: Box<P>) -> Held<P> {
        Held { own: Some(page), shared: None }
    }

    /// A page as it is in a snapshot.
    pub(super) fn stored(page: Box<P>) -> Held<P> {
        Held { own: None, shared: Some(Arc::new(Shared(page))) }
    }

    /// Whether it may have changed since the last cut.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    #[inline(always)]
    pub(super) fn get(&self) -> &P {
        match (&self.own, &self.shared) {
            (Some(page), _) => page,
            (None, Some(shared)) => &shared.0,
            (None, None) => unreachable!("a page is its own or shared"),
        }
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self) -> &mut P {
        self.own.get_or_insert_with(|| taken_back(&mut self.shared))
    }

    /// Shares the page with a cut.
    pub(super) fn share(&mut self) -> Arc<Shared<P>> {
        if let Some(page) = self.own.take() {
            self.shared = Some(Arc::new(Shared(page)));
        }
        self.shared.clone().expect("a page is its own or shared")
    }
}

/// A page that was shared: a copy if a cut still has it.
#[cold]
#[inline(never)]
fn taken_back<P: Clone>(shared: &mut Option<Arc<Shared<P>>>) -> Box<P> {
    let shared = shared.take().expect("a page is its own or shared");
    Arc::try_unwrap(shared).map_or_else(|shared| shared.0.clone(), |Shared(page)| page)
}

/// The blocks of a table, whose pages are `pages`: this many pages are a block. `content` makes the content of a block from
/// its number and pages.
pub(super) fn cut_pages<P: Clone>(
    pages: &mut [Held<P>],
    of_block: usize,
    names: &mut Vec<NameCell>,
    blocks: &mut Vec<Block>,
    content: impl Fn(usize, Vec<Arc<Shared<P>>>) -> Box<dyn Content>,
) {
    for (number, pages) in pages.chunks_mut(of_block).enumerate() {
        let is_known = number < names.len();
        if !is_known {
            names.push(NameCell::default());
        } else if pages.iter().any(Held::is_own) {
            names[number] = NameCell::default();
        }
        let name = Arc::clone(&names[number]);
        let content = name.get().is_none().then(|| content(number, pages.iter_mut().map(Held::share).collect()));
        blocks.push(Block { name, content });
    }
}
