//! The sample: a small planted world, compiled into the binary, so that a first run needs nothing.

use include_dir::{Dir, include_dir};

use crate::error::Result;
use crate::store::Store;

/// `data/sample` as it stands in the repository.
pub static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/data/sample");

/// The configuration of the sample.
pub const CONFIGURATION: &str = "aftersale.toml";

/// When the sample's files changed last, for their metadata; 2026-11-01, UTC microseconds.
pub const CHANGED_AT_MICROS: i64 = 1_793_491_200_000_000;

/// The sample as a store of its own.
pub fn store() -> Result<Store> {
    Store::embedded("sample:", &FILES, CHANGED_AT_MICROS)
}
