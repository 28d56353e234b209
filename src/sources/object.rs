//! One JSON object as fields: dotted names and their values as they are written.
//!
//! `serde_json` says where a value ends and what a string means; numbers never become numbers here.

use std::collections::HashSet;

use serde::de::IgnoredAny;

pub const NOT_JSON: &str = "not JSON";
pub const NO_OBJECT: &str = "not a JSON object";
pub const NAME_TWICE: &str = "a JSON name twice";

/// Objects inside objects beyond so many stay JSON.
const MAX_DEPTH: usize = 32;

/// Appends the fields of the object that `text` is. After an error what was appended is not to be used.
///
/// # Errors
/// Why it is none, as a `_problem`.
pub fn fields(text: &str, fields: &mut Vec<(String, Option<String>)>) -> Result<(), &'static str> {
    let mut cursor = Cursor { text, at: 0 };
    if cursor.peek() != Some(b'{') {
        cursor.extent()?;
        return if cursor.peek().is_none() { Err(NO_OBJECT) } else { Err(NOT_JSON) };
    }
    let first = fields.len();
    cursor.object(&mut String::new(), 1, fields)?;
    if cursor.peek().is_some() {
        return Err(NOT_JSON);
    }
    let mut seen = HashSet::with_capacity(fields.len() - first);
    if fields[first..].iter().all(|(name, _)| seen.insert(name.as_str())) { Ok(()) } else { Err(NAME_TWICE) }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.peek() != Some(byte) {
            return Err(NOT_JSON);
        }
        self.at += 1;
        Ok(())
    }

    /// The value that begins here, as it is written.
    fn extent(&mut self) -> Result<&'a str, &'static str> {
        self.peek();
        let rest = &self.text[self.at..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let (Some(Ok(_)), length) = (values.next(), values.byte_offset()) else { return Err(NOT_JSON) };
        self.at += length;
        Ok(rest[..length].trim())
    }

    fn object(
        &mut self,
        path: &mut String,
        depth: usize,
        fields: &mut Vec<(String, Option<String>)>,
    ) -> Result<(), &'static str> {
        self.take(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(NOT_JSON);
            }
            let name = string(self.extent()?)?;
            self.take(b':')?;
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(&name);
            match self.peek() {
                Some(b'{') if depth < MAX_DEPTH => self.object(path, depth + 1, fields)?,
                Some(b'"') => fields.push((path.clone(), Some(string(self.extent()?)?))),
                _ => {
                    let value = self.extent()?;
                    fields.push((path.clone(), (value != "null").then(|| value.to_string())));
                }
            }
            path.truncate(length);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NOT_JSON),
            }
        }
    }
}

fn string(written: &str) -> Result<String, &'static str> {
    serde_json::from_str(written).map_err(|_| NOT_JSON)
}
