//! The types that `proto/` describes, generated at build time.
#![allow(missing_docs, unreachable_pub, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/upswell.v1.rs"));
include!(concat!(env!("OUT_DIR"), "/upswell.v1.serde.rs"));
