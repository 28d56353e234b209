//! A stream of JSON cut into the elements of one array, without parsing them.
//!
//! Brackets are counted and strings are skipped, no more: what stands between two commas is an element,
//! and whether it is JSON is asked of each element alone. Of all else only names on the way to the array
//! are looked at. A file may hold several such values, one after the other.

use std::io::Read;

use super::window::{MAX_RECORD, Window};
use crate::error::{Error, Result};

pub struct Elements<R> {
    window: Window<R>,
    /// The names that lead to the array.
    path: Vec<String>,
    is_inside: bool,
    number: i64,
    /// The length of the element in hand.
    in_hand: usize,
}

impl<R: Read> Elements<R> {
    pub fn new(window: Window<R>, path: Vec<String>) -> Self {
        Self { window, path, is_inside: false, number: 0, in_hand: 0 }
    }

    /// The next element and its number, from 1.
    pub fn advance(&mut self) -> Result<Option<(i64, &[u8])>> {
        self.window.pass(self.in_hand);
        self.in_hand = 0;
        loop {
            let next = self.peek()?;
            match next {
                None if self.is_inside => return Err(self.never_closed()),
                None => return Ok(None),
                Some(_) if !self.is_inside => self.enter()?,
                Some(b']') => {
                    self.window.pass(1);
                    self.is_inside = false;
                    self.leave()?;
                }
                Some(b',') => self.window.pass(1),
                Some(b'}') => return Err(self.broken("a bracket closes what was never opened")),
                Some(_) => {
                    self.in_hand = self.length()?;
                    if self.in_hand > MAX_RECORD {
                        return Err(self.too_long());
                    }
                    self.number += 1;
                    return Ok(Some((self.number, &self.window.unread()[..self.in_hand])));
                }
            }
        }
    }

    /// From the start of a value to the start of its array.
    fn enter(&mut self) -> Result<()> {
        let mut names = self.path.clone().into_iter();
        loop {
            let name = names.next();
            match (self.peek()?, name) {
                (Some(b'['), None) => {
                    self.window.pass(1);
                    self.is_inside = true;
                    return Ok(());
                }
                // A page without rows.
                (Some(b'n'), None) if !self.path.is_empty() => {
                    self.pass_value()?;
                    return self.leave();
                }
                (Some(b'{'), Some(name)) => {
                    self.window.pass(1);
                    self.find(&name)?;
                }
                (Some(b'{'), None) if self.path.is_empty() => {
                    return Err(self.window.error("the JSON is an object and no array").hint(
                        "name the array inside it, as in `records = \"tickets\"`; for an object a line say \
                         `format = \"ndjson\"`",
                    ));
                }
                (Some(b'['), Some(_)) => {
                    return Err(self
                        .window
                        .error("the JSON is an array, and `records` names one inside an object")
                        .hint("leave `records` out"));
                }
                (None, _) => return Err(self.never_closed()),
                (Some(_), None) if !self.path.is_empty() => return Err(self.not_there()),
                (Some(_), Some(_)) if names.len() + 1 < self.path.len() => return Err(self.not_there()),
                _ => {
                    return Err(self
                        .window
                        .error("the file is no JSON array")
                        .hint("check the file; for an object a line say `format = \"ndjson\"`"));
                }
            }
        }
    }

    /// Inside an object, to the value of that name.
    fn find(&mut self, wanted: &str) -> Result<()> {
        loop {
            match self.peek()? {
                Some(b',') => self.window.pass(1),
                Some(b'"') => {
                    let name = self.name()?;
                    self.window.pass(1);
                    if name.is_some_and(|name| name == wanted) {
                        return Ok(());
                    }
                    self.pass_value()?;
                }
                Some(b'}') => return Err(self.not_there()),
                Some(_) => return Err(self.broken("a name is expected")),
                None => return Err(self.never_closed()),
            }
        }
    }

    /// After the array, to the end of the objects around it. A name of the path that comes again would lead
    /// to further rows.
    fn leave(&mut self) -> Result<()> {
        for name in self.path.clone().iter().rev() {
            loop {
                match self.peek()? {
                    Some(b',') => self.window.pass(1),
                    Some(b'}') => {
                        self.window.pass(1);
                        break;
                    }
                    Some(b'"') if self.name()?.is_some_and(|found| found == *name) => {
                        return Err(self
                            .broken("a name of `records` stands twice in one object")
                            .hint("write each array of rows once, or in objects of their own"));
                    }
                    Some(b'"') => {}
                    Some(b':') => {
                        self.window.pass(1);
                        self.pass_value()?;
                    }
                    Some(_) => return Err(self.broken("a name is expected")),
                    None => return Err(self.never_closed()),
                }
            }
        }
        Ok(())
    }

    /// Passes a name inside an object; none where it is no text.
    fn name(&mut self) -> Result<Option<String>> {
        let length = self.length()?;
        let name = serde_json::from_slice::<String>(&self.window.unread()[..length]).ok();
        self.window.pass(length);
        if self.peek()? != Some(b':') {
            return Err(self.broken("a name has no value"));
        }
        Ok(name)
    }

    /// Passes a value, of any length.
    fn pass_value(&mut self) -> Result<()> {
        match self.peek()? {
            Some(b'{' | b'[') => {
                self.window.pass(1);
                self.pass_to_close(1)
            }
            Some(b'"') => {
                self.window.pass(1);
                self.pass_string()
            }
            _ => {
                while self.window.peek()?.is_some_and(is_plain) {
                    self.window.pass(1);
                }
                Ok(())
            }
        }
    }

    /// Passes so many closing brackets that were not opened on the way.
    fn pass_to_close(&mut self, mut open: usize) -> Result<()> {
        while open > 0 {
            let Some(byte) = self.window.peek()? else { return Err(self.never_closed()) };
            self.window.pass(1);
            match byte {
                b'"' => self.pass_string()?,
                b'{' | b'[' => open += 1,
                b'}' | b']' => open -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Passes the rest of a string, its closing quote included.
    fn pass_string(&mut self) -> Result<()> {
        loop {
            let Some(byte) = self.window.peek()? else { return Err(self.never_closed()) };
            self.window.pass(1);
            match byte {
                b'"' => return Ok(()),
                b'\\' if self.window.peek()?.is_some() => self.window.pass(1),
                _ => {}
            }
        }
    }

    /// The length of the value that begins here; all of it is in the window then.
    fn length(&mut self) -> Result<usize> {
        let (mut at, mut open, mut in_string) = (0, 0_usize, false);
        loop {
            while let Some(&byte) = self.window.unread().get(at) {
                match byte {
                    b'\\' if in_string => at += 1,
                    b'"' => {
                        in_string = !in_string;
                        if !in_string && open == 0 {
                            return Ok(at + 1);
                        }
                    }
                    _ if in_string => {}
                    b'{' | b'[' => open += 1,
                    b'}' | b']' if open == 1 => return Ok(at + 1),
                    b'}' | b']' if open > 1 => open -= 1,
                    // A number or a word ends before what is not part of it.
                    byte if open == 0 && at > 0 && !is_plain(byte) => return Ok(at),
                    _ => {}
                }
                at += 1;
            }
            if self.window.ended() {
                return Err(self.never_closed());
            }
            if at > MAX_RECORD {
                return Err(self.too_long());
            }
            self.window.fill()?;
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            match self.window.peek()? {
                Some(byte) if byte.is_ascii_whitespace() => self.window.pass(1),
                other => return Ok(other),
            }
        }
    }

    fn too_long(&self) -> Error {
        self.broken(format!("an element of the JSON array is longer than {} MiB", MAX_RECORD >> 20))
            .hint("name the array of rows with `records`")
    }

    fn never_closed(&self) -> Error {
        self.broken("the JSON is cut off: a bracket is never closed").hint("export the file again")
    }

    fn not_there(&self) -> Error {
        let path = self.path.join(".");
        self.window
            .error(format!("the JSON has no array `{path}`"))
            .hint("check `records`: it is the path of names that leads to the rows")
    }

    fn broken(&self, what: impl Into<String>) -> Error {
        self.window.error(what).with("after row", self.number)
    }
}

/// Part of a number or a word.
fn is_plain(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b',' | b'[' | b']' | b'{' | b'}' | b'"')
}
