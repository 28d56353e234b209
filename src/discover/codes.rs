//! Columns that hold one of a few words: which of an export's words are ours under another name.

use super::matching::Known as Signatures;
use super::names::plain;
use super::sample::{Column, counts};
use crate::sources::feeds::{Feed, Type};

/// Different words that are asked about, at most; a column with more is no list of words.
const MOST: usize = 20;

/// The words of a column that are not ours.
#[derive(Debug, Default, PartialEq)]
pub struct Codes {
    /// Ours.
    pub known: &'static [&'static str],
    /// Theirs, and ours that it most likely means.
    pub meant: Vec<(String, String)>,
    /// Theirs that mean nothing to us.
    pub open: Vec<String>,
}

/// The words of a column that are not ours; none where all are, or where there is nothing to say about them.
pub fn unknown(signatures: &Signatures, feed: &Feed, ours: &str, column: &Column) -> Option<Codes> {
    let Type::Word(words) = feed.column(ours)?.kind else { return None };
    let synonyms = signatures.codes.get(feed.name).and_then(|columns| columns.get(ours));
    let values = counts(column);
    if values.is_empty() || values.len() > MOST {
        return None;
    }
    let mut codes = Codes { known: words.known, ..Codes::default() };
    let mut seen: Vec<String> = Vec::new();
    let mut has_ours = false;
    for value in values.keys() {
        // The case of a word does not count.
        if seen.contains(&value.to_lowercase()) {
            continue;
        }
        seen.push(value.to_lowercase());
        if words.known.contains(&value.to_lowercase().as_str()) {
            has_ours = true;
            continue;
        }
        let meant = words.known.iter().find(|ours| {
            let theirs = synonyms.and_then(|synonyms| synonyms.get(**ours)).into_iter().flatten();
            plain(ours) == plain(value) || theirs.into_iter().any(|word| plain(word) == plain(value))
        });
        match meant {
            Some(ours) => codes.meant.push((value.to_string(), ours.to_string())),
            None => codes.open.push(value.to_string()),
        }
    }
    // Few outcomes are looked at; the others may be called as they like.
    if ours == "outcome" && (has_ours || !codes.meant.is_empty()) {
        codes.open.clear();
    }
    (!codes.meant.is_empty() || !codes.open.is_empty()).then_some(codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::matching;
    use crate::sources::feeds;

    fn told(ours: &str, values: &[&str]) -> Option<(Vec<String>, Vec<String>)> {
        let values = values.iter().map(|value| value.to_string()).collect();
        let column = Column { name: "c".into(), values, label: None };
        let codes = unknown(&matching::known().unwrap(), feeds::feed("interactions")?, ours, &column)?;
        Some((codes.meant.iter().map(|(theirs, ours)| format!("{theirs}={ours}")).collect(), codes.open))
    }

    #[test]
    fn words_that_are_not_ours_are_asked_about() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        assert_eq!(told("initiated_by", &["company", "Customer", ""]), None);
        assert_eq!(
            told("initiated_by", &["out", "in", "bot"]),
            Some((texts(&["in=customer", "out=company"]), texts(&["bot"])))
        );
        assert_eq!(told("kind", &["CALL", "COURTESY", "RMA"]), Some((vec![], texts(&["COURTESY", "RMA"]))));
        // Of outcomes two count; where one is there the others need no answer.
        assert_eq!(told("outcome", &["ok", "unanswered"]), None);
        assert_eq!(told("outcome", &["ok", "no answer"]), Some((texts(&["no answer=unanswered"]), vec![])));
        assert_eq!(told("outcome", &["A", "B"]), Some((vec![], texts(&["A", "B"]))));
        let many: Vec<String> = (0..50).map(|number| format!("w{number}")).collect();
        assert_eq!(told("kind", &many.iter().map(String::as_str).collect::<Vec<_>>()), None);
    }
}
