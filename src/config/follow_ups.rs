//! `[follow_ups]`: by when, by whom and until when answers are followed up, and where the list lies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Environment, Place, nearest};
use crate::error::Result;

/// The classes of an answer, as `owners` and `due` name them.
const CLASSES: [&str; 3] = ["detractors", "passives", "promoters"];

#[derive(Debug, Clone, Serialize)]
pub struct FollowUps {
    /// Where the list lies as CSV; none: `follow_ups/` at the output.
    pub output: Option<String>,
    /// Days after which an earlier night's CSV is removed.
    pub keep_days: u32,
    pub due: Due,
    /// Days after its due time from which on an answer is not followed up any more.
    pub expires_after_days: u32,
    /// By class: who follows up. Without one, the owner of what weighed most.
    pub owners: BTreeMap<String, String>,
}

/// In which time an answer of each class is to be followed up: `48 hours`, `7 days`, `5 working days`.
#[derive(Debug, Clone, Serialize)]
pub struct Due {
    pub detractors: String,
    pub passives: String,
    pub promoters: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedFollowUps {
    output: Option<String>,
    keep_days: Option<Spanned<u32>>,
    due: TypedDue,
    expires_after_days: Option<Spanned<u32>>,
    owners: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedDue {
    detractors: Option<Spanned<String>>,
    passives: Option<Spanned<String>>,
    promoters: Option<Spanned<String>>,
}

impl Place<'_> {
    pub(super) fn follow_ups(&self, typed: TypedFollowUps, environment: &Environment) -> Result<FollowUps> {
        let output = match typed.output {
            Some(place) => Some(environment.fill(&place, |what| self.error_of("follow_ups.output", what))?),
            None => None,
        };
        let days = |name: &str, days: Option<Spanned<u32>>, default: u32| match days {
            None => Ok(default),
            Some(days) if (1..=3_650).contains(days.get_ref()) => Ok(days.into_inner()),
            Some(days) => Err(self
                .error(days.span().start, format!("`follow_ups.{name}` is {}", days.get_ref()))
                .hint("give from 1 to 3650 days")),
        };
        let mut owners = BTreeMap::new();
        for (class, owner) in typed.owners {
            if !CLASSES.contains(&class.as_str()) {
                let refused = self.error(owner.span().start, format!("`{class}` is no class of answers"));
                return Err(match nearest(&class, &CLASSES) {
                    Some(name) => refused.hint(format!("did you mean `{name}`?")),
                    None => refused.hint(format!("the classes are {}", CLASSES.join(", "))),
                });
            }
            owners.insert(class, owner.into_inner());
        }
        Ok(FollowUps {
            output,
            keep_days: days("keep_days", typed.keep_days, 30)?,
            due: Due {
                detractors: self.term(typed.due.detractors, "48 hours")?,
                passives: self.term(typed.due.passives, "5 working days")?,
                promoters: self.term(typed.due.promoters, "7 days")?,
            },
            expires_after_days: days("expires_after_days", typed.expires_after_days, 30)?,
            owners,
        })
    }

    fn term(&self, typed: Option<Spanned<String>>, default: &str) -> Result<String> {
        match typed {
            None => Ok(default.to_string()),
            Some(term) if is_term(term.get_ref()) => Ok(term.into_inner()),
            Some(term) => Err(self
                .error(term.span().start, format!("`{}` is no time to follow up in", term.get_ref()))
                .hint("write such as \"48 hours\", \"7 days\" or \"5 working days\"")),
        }
    }
}

/// As the engine reads it; a test holds the two together.
fn is_term(text: &str) -> bool {
    let Some((number, unit)) = text.split_once(' ') else { return false };
    number.parse::<u32>().is_ok_and(|number| (1..=10_000).contains(&number))
        && ["hour", "hours", "day", "days", "working day", "working days"].contains(&unit)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{Config, Environment};
    use super::*;
    use crate::engine::time::Term;

    fn parse(text: &str) -> Result<Config> {
        let least = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.csv\"\n";
        let text = format!("[follow_ups]\n{text}\n{least}");
        Config::parse(&text, "a.toml", PathBuf::from("."), Environment::default())
    }

    #[test]
    fn what_is_not_said_has_the_documented_default() {
        let meant = parse("").unwrap().follow_ups;
        assert_eq!(
            (meant.due.detractors.as_str(), meant.due.passives.as_str(), meant.due.promoters.as_str()),
            ("48 hours", "5 working days", "7 days")
        );
        assert_eq!((meant.keep_days, meant.expires_after_days, meant.output), (30, 30, None));
        let own = parse("due = { detractors = \"1 working day\" }\nowners = { promoters = \"Marketing\" }");
        let own = own.unwrap().follow_ups;
        assert_eq!(own.due.detractors, "1 working day");
        assert_eq!(own.owners["promoters"], "Marketing");
    }

    #[test]
    fn mistakes_are_refused_at_their_line() {
        for (text, said, hint) in [
            ("keep_days = 0", "`follow_ups.keep_days` is 0", "give from 1 to 3650 days"),
            (
                "expires_after_days = 9999",
                "`follow_ups.expires_after_days` is 9999",
                "give from 1 to 3650 days",
            ),
            (
                "due = { passives = \"a week\" }",
                "`a week` is no time to follow up in",
                "write such as \"48 hours\", \"7 days\" or \"5 working days\"",
            ),
            (
                "owners = { detractor = \"Desk\" }",
                "`detractor` is no class of answers",
                "did you mean `detractors`?",
            ),
            (
                "output = \"s3://${NOBODY_SET_THIS}/x\"",
                "the variable `NOBODY_SET_THIS` is not set",
                "set NOBODY_SET_THIS in the environment of the job",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.message(), error.hint_text()), (said, Some(hint)));
            assert!(error.context().iter().any(|(key, place)| *key == "file" && place == "a.toml:2"));
        }
    }

    #[test]
    fn terms_are_those_that_the_engine_reads() {
        for text in ["1 hour", "48 hours", "1 day", "7 days", "5 working days", "1 working day", "10000 days"]
            .into_iter()
            .chain(["", "7", "7 weeks", "0 days", "10001 days", "x days", "7 days "])
        {
            assert_eq!(is_term(text), Term::parse(text).is_some(), "{text}");
        }
    }
}
