//! How a table's rows are delivered: each once, again when they change, or all of them every time; and
//! which of them are left out.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Located, Place};
use crate::error::Result;

/// How a table's rows come again from one delivery to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each row once.
    #[default]
    Append,
    /// A row comes again when it has changed: the newest version of a key counts.
    Upsert,
    /// Each dated delivery is the whole: the newest one counts.
    Snapshot,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Append => "append",
            Mode::Upsert => "upsert",
            Mode::Snapshot => "snapshot",
        }
    }
}

/// What a table says about its rows, in raw column names and SQL over raw columns.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Delivery {
    pub mode: Mode,
    /// Upsert only: the columns that together name a row.
    pub key: Vec<Located<String>>,
    /// Upsert only: the column that grows with each change.
    pub version: Option<Located<String>>,
    /// True for a row that says that its key has been deleted.
    pub deleted_when: Option<Located<String>>,
    /// `where`: rows for which it is not true are left out.
    pub filter: Option<Located<String>>,
}

impl Delivery {
    /// Whether every row that is read is handed on whatever the as-of is.
    pub fn keeps_all(&self) -> bool {
        self.mode == Mode::Append && self.deleted_when.is_none() && self.filter.is_none()
    }
}

/// As typed, at the source or at one of its tables.
#[derive(Default)]
pub(super) struct TypedDelivery {
    pub mode: Option<Mode>,
    pub key: Option<Spanned<Names>>,
    pub version: Option<Spanned<String>>,
    pub deleted_when: Option<Spanned<String>>,
    pub filter: Option<Spanned<String>>,
}

/// One column or several.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a column name or a list of them was expected")]
pub(super) enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn list(&self) -> Vec<&String> {
        match self {
            Names::One(name) => vec![name],
            Names::Several(names) => names.iter().collect(),
        }
    }
}

impl Place<'_> {
    /// What holds for a table: its own word, else its source's.
    pub(super) fn delivery(
        &self,
        own: &TypedDelivery,
        source: &TypedDelivery,
        at: usize,
    ) -> Result<Delivery> {
        let mode = own.mode.or(source.mode).unwrap_or_default();
        let located = |own: &Option<Spanned<String>>, source: &Option<Spanned<String>>| {
            own.as_ref().or(source.as_ref()).map(|said| self.located(said.clone()))
        };
        let mut delivery = Delivery {
            mode,
            deleted_when: located(&own.deleted_when, &source.deleted_when),
            filter: located(&own.filter, &source.filter),
            ..Delivery::default()
        };
        let key = own.key.as_ref().or(source.key.as_ref());
        let version = located(&own.version, &source.version);
        if mode != Mode::Upsert {
            // What the source says for its other tables is no mistake here.
            let is_alone = own.mode.is_none();
            let own_key = own.key.as_ref().or(source.key.as_ref().filter(|_| is_alone));
            let own_version = own.version.as_ref().or(source.version.as_ref().filter(|_| is_alone));
            let told = own_key.map(|key| ("key", key.span().start));
            if let Some((name, at)) = told.or(own_version.map(|version| ("version", version.span().start))) {
                return Err(self
                    .error(at, format!("`{name}` stands where the mode is \"{}\"", mode.as_str()))
                    .hint("only `mode = \"upsert\"` looks for a row's newest version; add it, or leave the key out"));
            }
            return Ok(delivery);
        }
        let (Some(key), Some(version)) = (key, version) else {
            return Err(self.error(at, "`mode = \"upsert\"` needs `key` and `version`").hint(
                "name the raw columns: `key = \"id\"` says which rows are one, `version = \"updated_at\"` which is newest",
            ));
        };
        let line = self.line(key.span().start);
        delivery.key =
            key.get_ref().list().into_iter().map(|name| Located { value: name.clone(), line }).collect();
        if delivery.key.is_empty() {
            return Err(self
                .error(key.span().start, "`key` is an empty list")
                .hint("name at least one column"));
        }
        delivery.version = Some(version);
        Ok(delivery)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Config, Environment};

    fn tickets(source: &str) -> Result<Config> {
        let text = format!("[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\n{source}\n");
        Config::parse(&text, "aftersale.toml", PathBuf::from("."), Environment::default())
    }

    fn refusal(source: &str) -> (String, String) {
        let error = tickets(source).expect_err("this configuration is wrong");
        let file = error.context().iter().find(|(k, _)| *k == "file").map(|(_, v)| v.clone());
        (error.message().into(), file.unwrap_or_default())
    }

    #[test]
    fn a_table_has_its_own_word_or_its_sources() {
        let config = tickets(
            "mode = \"upsert\"\nkey = \"id\"\nversion = \"seen\"\nwhere = \"a = 1\"\nquery = \"select 1\"\n\
             [sources.tickets.tables]\none = { url = \"a.csv\" }\n\
             two = { url = \"b.csv\", key = [\"x\", \"y\"], where = \"b = 2\" }\n\
             three = { url = \"c.csv\", mode = \"append\" }",
        )
        .unwrap();
        let of = |name: &str| &config.sources["tickets"].tables[name].delivery;
        let names = |delivery: &Delivery| -> Vec<String> {
            delivery.key.iter().map(|name| name.value.clone()).collect()
        };
        assert_eq!((of("one").mode, names(of("one"))), (Mode::Upsert, vec!["id".to_string()]));
        assert_eq!(names(of("two")), ["x", "y"]);
        assert_eq!(of("two").version.as_ref().map(|v| v.value.as_str()), Some("seen"));
        assert_eq!(of("two").filter.as_ref().map(|v| v.value.as_str()), Some("b = 2"));
        assert_eq!(of("two").filter.as_ref().map(|v| v.line), Some(11));
        assert_eq!((of("three").mode, names(of("three"))), (Mode::Append, vec![]));
        assert_eq!(of("three").filter.as_ref().map(|v| v.line), Some(7));
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        assert_eq!(
            refusal("url = \"t.csv\"\nmode = \"upsert\"\nkey = \"id\""),
            ("`mode = \"upsert\"` needs `key` and `version`".into(), "aftersale.toml:3".into())
        );
        assert_eq!(
            refusal("url = \"t.csv\"\nversion = \"seen\""),
            ("`version` stands where the mode is \"append\"".into(), "aftersale.toml:5".into())
        );
        assert_eq!(
            refusal("url = \"t.csv\"\nmode = \"upsert\"\nversion = \"seen\"\nkey = []"),
            ("`key` is an empty list".into(), "aftersale.toml:7".into())
        );
        let (message, file) = refusal("url = \"t.csv\"\nmode = \"upsrt\"");
        assert!(message.starts_with("unknown variant `upsrt`"), "{message}");
        assert_eq!(file, "aftersale.toml:5");
    }
}
