//! What can go wrong, in eight kinds, and what a person can do about it.
//!
//! An [`Error`] owns its hint and its context; it is passed up, never logged on the way, and printed
//! in one place (`cli::print_error`). The kind alone decides the exit code. No error carries a
//! customer's data: context holds names, places, row numbers and counts.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The eight kinds; each is one exit code of the command (`README.md`, "Exit codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asks for something that does not exist.
    Usage,
    /// The data broke a check; nothing was published.
    Data,
    /// Storage cannot be reached, refuses the credentials, or an input changed during the run.
    Unavailable,
    /// A defect of this program.
    Internal,
    /// A read or a write failed.
    Io,
    /// Another run is at work here, or the time allowed is over; try again later.
    Busy,
    /// The configuration is wrong.
    Config,
    /// A signal asked the run to stop.
    Stopped { signal: i32 },
}

impl Kind {
    /// Exit code after `sysexits.h`, and 128 + signal for a run that was stopped.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 64,
            Kind::Data => 65,
            Kind::Unavailable => 69,
            Kind::Internal => 70,
            Kind::Io => 74,
            Kind::Busy => 75,
            Kind::Config => 78,
            Kind::Stopped { signal } => 128 + signal as u8,
        }
    }
}

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// One failure: what happened, where (as pairs), the way out, and the error underneath.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Source>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), context: Vec::new(), hint: None, source: None }
    }

    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Kind::Io, message)
    }

    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }

    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// Adds where it happened. Names, places and counts only; never a value of a customer's row. Of addresses
    /// what may be a secret is left out.
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, printable(&value.to_string())));
        self
    }

    /// Of an error that knows its line in the configuration: the file, too.
    pub fn in_configuration(mut self, file: &str) -> Self {
        if self.context.iter().all(|(key, _)| *key != "file")
            && let Some(line) = self.context.iter_mut().find(|(key, _)| *key == "line")
        {
            *line = ("file", format!("{file}:{}", line.1));
        }
        self
    }

    /// The way out, said to the person who meets the error.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The way out where the error has none of its own.
    pub fn or_hint(self, hint: impl Into<String>) -> Self {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// Keeps the error underneath.
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn context(&self) -> &[(&'static str, String)] {
        &self.context
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// A text whose addresses have lost their users, passwords and queries: some write secrets into them.
pub fn printable(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("://") {
        let (start, after) = rest.split_at(at + 3);
        let scheme = start.trim_end_matches("://").rsplit(|c: char| !c.is_ascii_alphanumeric()).next();
        let end = after.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(after.len());
        let (address, further) = after.split_at(end);
        shown.push_str(start);
        shown.push_str(without_secrets(&scheme.unwrap_or_default().to_lowercase(), address));
        rest = further;
    }
    shown.push_str(rest);
    shown
}

fn without_secrets<'a>(scheme: &str, address: &'a str) -> &'a str {
    let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    // `abfss://container@account` names a place.
    let is_place = |user: &str| scheme.starts_with("abfs") && !user.contains(':');
    let address = match user {
        Some(user) if !is_place(user) => &address[user.len() + 1..],
        _ => address,
    };
    let is_of_web = ["http", "https", "ftp"].contains(&scheme);
    let end = if is_of_web { address.find(['?', '#']) } else { query(address) };
    &address[..end.unwrap_or(address.len())]
}

/// Where an address has a query (`?name=…`), which is no pattern.
pub fn query(address: &str) -> Option<usize> {
    let is_query = |at: &usize| {
        let after = &address[at + 1..];
        let name = after.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        name.is_some_and(|end| end > 0 && after[end..].starts_with('='))
    };
    address.match_indices('?').map(|(at, _)| at).find(is_query)
}

/// Adds context to a result on its way up.
pub trait Context<T> {
    fn with(self, key: &'static str, value: impl fmt::Display) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn with(self, key: &'static str, value: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.with(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_what_may_be_a_secret() {
        for (text, shown) in [
            ("ftp://u:pw@h/x", "ftp://h/x"),
            ("s3://AKIA:pw@b/x and https://me@h/a?t=1#f.", "s3://b/x and https://h/a"),
            ("url = \"S3://b/x?sig=pw&a=b\" # c", "url = \"S3://b/x\" # c"),
            ("abfss://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x"),
            ("abfss://c:pw@a.dfs.core.windows.net/x", "abfss://a.dfs.core.windows.net/x"),
            ("s3://lake/ds=2025-?/part-?.csv", "s3://lake/ds=2025-?/part-?.csv"),
            ("a@b.example, no address: 3 / 4?", "a@b.example, no address: 3 / 4?"),
        ] {
            assert_eq!(printable(text), shown);
            assert_eq!(Error::io("x").with("location", text).context()[0].1, shown);
        }
    }
}
