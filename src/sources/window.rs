//! The part of a stream that a reader has in hand: from the record that it is working on to what has been
//! read so far. It grows with the record, and records are bounded, so memory is.

use std::io::{ErrorKind, Read};

use super::encoding::Text;
use crate::config::Encoding;
use crate::error::{Error, Result};
use crate::store::storage_error;

/// The longest record, in bytes as written.
pub const MAX_RECORD: usize = 8 << 20;
const FIRST_BUFFER: usize = 256 << 10;

pub struct Window<R> {
    input: Text<R>,
    file: String,
    /// `buffer[start..end]` has been read from the input and belongs to no record yet.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// `file` is the name that errors give.
    pub fn new(input: R, encoding: Encoding, file: &str) -> Result<Self> {
        Ok(Window {
            input: Text::new(input, encoding).map_err(|error| read_failed(error, file))?,
            file: file.to_owned(),
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            ended: false,
        })
    }

    /// What has been read and not been passed.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether there is nothing behind what has been read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Moves past so many bytes of what is unread.
    pub fn pass(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// The next byte; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>> {
        while self.start == self.end && !self.ended {
            self.fill()?;
        }
        Ok(self.unread().first().copied())
    }

    /// Reads more of the input behind what is unread, and notes its end.
    pub fn fill(&mut self) -> Result<()> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    self.ended = read == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failed(error, &self.file)),
            }
        }
    }

    /// An error about the file.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::data(message).with("file", &self.file)
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }
}

/// A failed read. A store's own error travels inside the stream's; it knows better what happened.
fn read_failed(error: std::io::Error, file: &str) -> Error {
    storage_error(&error)
        .unwrap_or_else(|| Error::io("a file cannot be read to its end").caused_by(error))
        .with("file", file)
}
