//! The manifest of a snapshot: what it is a snapshot of, and its blocks.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{BlockName, FORMATS, Partition};

/// What a snapshot is a snapshot of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The topic of the log.
    pub topic: String,
    /// The id that the topic got when it was created; empty if the broker knows none.
    pub topic_id: String,
    /// The partition of the log, and how many there were.
    pub partition: i32,
    /// See `partition`.
    pub partitions: i32,
    /// The offset of the first record that is not in the state.
    pub offset: i64,
    /// The watermark, in milliseconds since 1970; none before the first event.
    pub watermark_ms: Option<i64>,
    /// When it was taken, in milliseconds since 1970.
    pub taken_at_ms: i64,
    /// Whether the newest event was at most a day old when it was folded: such a partition gets ticks.
    pub live: bool,
    /// The accounts and users held.
    pub accounts: u64,
    /// See `accounts`.
    pub users: u64,
    /// The version of the rules by which the log is folded from its beginning.
    pub first_rules: String,
    /// The version of the rules that applied at the offset.
    pub rules: String,
    /// Their text.
    pub rules_text: String,
    /// Which outputs are on, as a bit each: closes visit more accounts for some of them.
    pub outputs: u64,
}

/// The manifest of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of its blocks.
    pub format: u32,
    /// The version of the program that took it.
    pub build: String,
    /// What it is a snapshot of.
    #[serde(flatten)]
    pub about: About,
    /// The name of the block with what is not in pages.
    pub head: Hex,
    /// The names of its blocks, in their order.
    pub blocks: Vec<Hex>,
}

/// The name of a block, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub BlockName);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0.0)
    }
}

impl From<Hex> for String {
    fn from(name: Hex) -> String {
        name.to_string()
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Hex, String> {
        match u128::from_str_radix(&text, 16) {
            Ok(name) if text.len() == 32 => Ok(Hex(BlockName(name))),
            _ => Err(format!("`{text}` is not the name of a block")),
        }
    }
}

impl About {
    /// What a partition says of itself. The rest is empty; the first rules are the ones that apply.
    #[must_use]
    pub fn of(partition: &Partition) -> About {
        let plan = partition.plan();
        About {
            topic: String::new(),
            topic_id: String::new(),
            partition: 0,
            partitions: 1,
            offset: 0,
            watermark_ms: partition.watermark().map(|at| at.0),
            taken_at_ms: 0,
            live: false,
            accounts: partition.accounts() as u64,
            users: partition.users() as u64,
            first_rules: plan.version.to_string(),
            rules: plan.version.to_string(),
            rules_text: plan.text.to_string(),
            outputs: 0,
        }
    }
}

impl Manifest {
    /// All blocks that it needs.
    pub fn needs(&self) -> impl Iterator<Item = Hex> {
        self.blocks.iter().copied().chain([self.head])
    }

    /// Its bytes, and the name of the snapshot: the offset, and a hash of the bytes.
    pub(super) fn encode(&self) -> (String, Vec<u8>) {
        let bytes = serde_json::to_vec_pretty(self).expect("texts and numbers");
        (name(self.about.offset, &bytes), bytes)
    }

    /// The manifest of a snapshot.
    ///
    /// # Errors
    /// The bytes are not those of a manifest of this name, or of another format.
    pub(super) fn decode(expected: &str, bytes: &[u8]) -> Result<Manifest, String> {
        /// What every format has.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
            build: String,
        }
        let Format { format, build } =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is damaged: {error}"))?;
        if !FORMATS.contains(&format) {
            let (oldest, newest) = (FORMATS.start(), FORMATS.end());
            return Err(format!(
                "it has format {format} of version {build}, and this version reads the formats {oldest} to {newest}"
            ));
        }
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| format!("its manifest is damaged: {error}"))?;
        if name(manifest.about.offset, bytes) != expected {
            return Err("its manifest is damaged: it does not have the bytes that its name tells".to_owned());
        }
        Ok(manifest)
    }
}

/// The name of the snapshot at an offset. Names sort by offset.
fn name(offset: i64, bytes: &[u8]) -> String {
    format!("{offset:020}-{:016x}", xxh3_64(bytes))
}

/// The offset in the name of a snapshot; none if it is not such a name.
#[must_use]
pub fn offset_of(name: &str) -> Option<i64> {
    let (offset, hash) = name.split_once('-')?;
    (offset.len() == 20 && hash.len() == 16 && u64::from_str_radix(hash, 16).is_ok()).then(|| offset.parse().ok())?
}
