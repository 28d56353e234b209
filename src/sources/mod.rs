//! Stage 1: exports as they are, mapped to the feeds' canonical columns.
//!
//! Objects are listed once and pinned ([`pin`]). Text is landed as Parquet ([`land`]), Parquet is read in
//! place. Each source's mapping runs in a session of its own and yields `typed_<feed>`: canonical columns
//! with a note beside each value that could not be read, the row's place, and whatever else was mapped.
//! `unique_<feed>` is the same with one row per key, conflicting copies marked. What is then valid is said
//! in SQL (`queries/1_judged`). The values by which rows are matched to customers are gathered by [`keys`].

pub mod columns;
mod days;
mod elements;
pub mod encoding;
mod expr;
pub mod feeds;
mod header_zone;
mod history;
pub mod json;
pub mod keys;
pub mod land;
pub mod modes;
pub mod notes;
mod object;
pub mod pin;
pub mod raw;
pub mod text;
pub mod typed;
mod unique;
mod window;
