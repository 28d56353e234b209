//! What goes in and out of a store: listed objects, written objects, and how much of both.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use chrono::DateTime;
use object_store::path::Path;
use object_store::{Error as Raw, ObjectMeta};

use super::faults::{self, Faults};
use crate::error::{Error, Result};

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Relative to the store.
    pub path: String,
    /// The whole address, printable.
    pub url: String,
    pub bytes: u64,
    /// Tells versions apart; never empty.
    pub etag: String,
    pub last_modified_micros: i64,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Relative to the store.
    pub path: String,
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

/// What has passed so far. A listing and a streamed write count as one request each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub requests: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
}

#[derive(Debug, Default)]
pub(super) struct Traffic {
    requests: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    pub faults: Option<Faults>,
}

impl Traffic {
    pub fn failing(faults: Option<Faults>) -> Traffic {
        Traffic { faults, ..Traffic::default() }
    }

    /// The moment before or after a request.
    pub fn step(&self) -> Result<(), Raw> {
        self.faults.map_or(Ok(()), Faults::step).map_err(faults::as_raw)
    }

    pub fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub fn read(&self, bytes: u64) {
        self.request();
        self.bytes_read.fetch_add(bytes, Relaxed);
    }

    pub fn written(&self, bytes: u64) {
        self.bytes_written.fetch_add(bytes, Relaxed);
    }

    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.requests.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
            bytes_written: self.bytes_written.load(Relaxed),
        }
    }
}

/// A name below a store; `..` and empty parts are not.
pub(super) fn path_of(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|source| {
        Error::config("not a usable name").with("location", path).caused_by(source.to_string())
    })
}

/// The same object as the crate underneath describes it.
pub(super) fn meta_of(object: &Object) -> Result<ObjectMeta> {
    let last_modified = DateTime::from_timestamp_micros(object.last_modified_micros)
        .ok_or_else(|| Error::internal("a time of change is out of range").with("location", &object.url))?;
    Ok(ObjectMeta {
        location: path_of(&object.path)?,
        last_modified,
        size: object.bytes,
        e_tag: Some(object.etag.clone()),
        version: None,
    })
}
