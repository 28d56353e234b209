//! `[privacy]`: what is published of persons, and who is to be left out of every run.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Environment, Located, Place};
use crate::error::Result;
use crate::privacy::{Key, LEAST_KEY};

/// What is published of persons.
#[derive(Debug, Clone, Serialize)]
pub struct Privacy {
    /// Ids are published as pseudonyms made with this key; none: as they are.
    pub pseudonym_key: Option<Key>,
    /// E-mail addresses, phone and card numbers are taken out of comments.
    pub redact_comments: bool,
    /// A CSV object of the customers whom no run may use.
    pub erasure_list: Option<Located<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedPrivacy {
    pseudonym_key: Option<Spanned<String>>,
    redact_comments: Option<bool>,
    erasure_list: Option<Spanned<String>>,
}

impl Place<'_> {
    pub(super) fn privacy(&self, typed: TypedPrivacy, environment: &Environment) -> Result<Privacy> {
        let pseudonym_key = match &typed.pseudonym_key {
            Some(variable) => Some(self.pseudonym_key(variable, environment)?),
            None => None,
        };
        let erasure_list = match typed.erasure_list.map(|address| self.located(address)) {
            Some(list) => {
                let said = |what: String| self.error_at_line(list.line, what);
                Some(Located { value: environment.fill(&list.value, said)?, line: list.line })
            }
            None => None,
        };
        let redact_comments = typed.redact_comments.unwrap_or(true);
        Ok(Privacy { pseudonym_key, redact_comments, erasure_list })
    }

    fn pseudonym_key(&self, variable: &Spanned<String>, environment: &Environment) -> Result<Key> {
        let (at, name) = (variable.span().start, variable.get_ref());
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if !is_name {
            // Not repeated: it may be the key itself.
            return Err(self
                .error(at, "`privacy.pseudonym_key` is not the name of a variable")
                .hint("name the environment's variable that holds the key, such as AFTERSALE_PSEUDONYM_KEY; the key itself does not belong into the file"));
        }
        let Some(secret) = environment.secret(name) else {
            return Err(self.error(at, format!("the variable `{name}` is not set")).hint(format!(
                "set {name} to a secret of its own, such as `openssl rand -hex 32` makes one"
            )));
        };
        Key::new(name, &secret).ok_or_else(|| {
            self.error(at, format!("the key in `{name}` has fewer than {LEAST_KEY} characters"))
                .hint("`openssl rand -hex 32` makes one that cannot be guessed")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::super::{Config, Environment};
    use crate::error::Result;

    const SECRET: &str = "an example of a key of 32 letters";

    fn parse(text: &str) -> Result<Config> {
        let least = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.csv\"\n";
        let environment = [("A_KEY", SECRET), ("SHORT_KEY", "short-secret")];
        let environment =
            environment.into_iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let text = format!("[privacy]\n{text}\n{least}");
        Config::parse(&text, "a.toml", PathBuf::from("."), Environment(environment))
    }

    #[test]
    fn the_key_is_named_and_nowhere_written() {
        assert!(parse("").unwrap().privacy.redact_comments);
        let config = parse("pseudonym_key = \"A_KEY\"\nredact_comments = false").unwrap();
        let shown = format!("{config:?}{}", config.settings().unwrap());
        assert!(!shown.contains(SECRET) && shown.contains("A_KEY"), "{shown}");
        for (wrong, said) in [
            (SECRET, "`privacy.pseudonym_key` is not the name of a variable"),
            ("NOBODY_SET_THIS", "the variable `NOBODY_SET_THIS` is not set"),
            ("SHORT_KEY", "the key in `SHORT_KEY` has fewer than 32 characters"),
        ] {
            let error = parse(&format!("pseudonym_key = \"{wrong}\"")).expect_err(wrong);
            assert_eq!(error.message(), said);
            let context: BTreeMap<_, _> = error.context().iter().cloned().collect();
            assert_eq!(context["file"], "a.toml:2");
            assert!(!format!("{error:?}").contains(SECRET) && !format!("{error:?}").contains("short-secret"));
        }
    }
}
