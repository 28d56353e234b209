//! Voices: what customers wrote, without what could tell who they are.
//!
//! A comment is shown only after this, whatever its language:
//!
//! 1. Addresses, links, handles and everything with a digit are taken out.
//! 2. Of the words, only those stay that customers share: a word in small letters that several of them wrote
//!    (`analysis.min_cell`), or one always with a capital that many did ([`MANY`] times as many). Names,
//!    rare words and slips go.
//! 3. What loses more than a quarter of its words, is very short, or is long and cannot be cut at a sentence
//!    is not shown at all.
//!
//! Which comments: of answers that nothing they met weighs on more than this touchpoint; first those that it
//! weighs on most beside all else that was met, of these those that lose least, the newest first.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use crate::error::Result;
use crate::report::context::{Cost, Gain, Mark, Quote, Voice, Voices};

const LETTERS: usize = 280;
const FEWEST_WORDS: usize = 3;
/// Customers of a word that is always written with a capital, times `analysis.min_cell`.
const MANY: usize = 10;
/// Of the words, one in so many may be taken out.
const ONE_IN: usize = 4;
const GROUPS: [usize; 2] = [5, 3];
const QUOTES: usize = 2;
/// What stands where something was taken out.
const GAP: &str = "[…]";

/// A comment that may be shown, once it is redacted.
pub struct Comment {
    pub touchpoint: String,
    /// Comments of all who met the touchpoint.
    pub comments: u64,
    nps_class: String,
    period: String,
    score: i64,
    cluster: String,
    text: String,
    contribution: f64,
    /// All that the answer's touchpoints raise, and lower, together.
    raised: f64,
    lowered: f64,
    /// None of the answer's touchpoints raises more, or lowers more.
    is_highest: bool,
    is_lowest: bool,
    /// Of the newest first.
    place: usize,
}

impl Comment {
    /// How much of what its answer met, in the sense of the mark, is this touchpoint: tenths.
    fn tenths(&self, mark: Mark) -> u8 {
        let (part, whole) = match mark {
            Mark::Cost => (self.contribution, self.raised),
            Mark::Gain => (-self.contribution, self.lowered),
        };
        if whole > 0.0 { (10.0 * part / whole).clamp(0.0, 10.0).round() as u8 } else { 0 }
    }

    /// Whether the comment may stand for the touchpoint: it is what weighs most on its answer.
    fn is_of(&self, mark: Mark) -> bool {
        match mark {
            Mark::Cost => self.is_highest && self.contribution > 0.0,
            Mark::Gain => self.is_lowest && self.contribution < 0.0,
        }
    }
}

/// The words that customers share.
pub struct Vocabulary {
    words: BTreeSet<String>,
}

impl Vocabulary {
    /// Of comments with who wrote them.
    pub fn of<'a>(comments: impl Iterator<Item = (&'a str, &'a str)>, min_cell: usize) -> Vocabulary {
        let mut written: BTreeMap<String, [BTreeSet<&str>; 2]> = BTreeMap::new();
        for (cluster, text) in comments {
            for word in text.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty()) {
                let is_small = !word.chars().any(char::is_uppercase);
                let customers = &mut written.entry(word.to_lowercase()).or_default()[usize::from(!is_small)];
                if customers.len() <= MANY * min_cell {
                    customers.insert(cluster);
                }
            }
        }
        let is_shared = |[small, capital]: &[BTreeSet<&str>; 2]| {
            small.len() >= min_cell.max(2) || capital.len() >= MANY * min_cell.max(1)
        };
        let shared = written.into_iter().filter(|(_, customers)| is_shared(customers));
        Vocabulary { words: shared.map(|(word, _)| word).collect() }
    }

    /// The comment without what could tell who wrote it, and how many words that took; none where too
    /// little is left.
    pub fn redacted(&self, text: &str) -> Option<(String, usize)> {
        let text = cut(text)?;
        let (mut kept, mut taken) = (Vec::new(), 0usize);
        let mut words = 0usize;
        for piece in text.split_whitespace() {
            words += 1;
            let may_stay = !piece.contains(|c: char| c.is_numeric() || "@/\\<>{}#".contains(c))
                && !piece.contains("www.")
                && piece
                    .split(|c: char| !is_of_word(c))
                    .filter(|word| !word.is_empty())
                    .all(|word| self.words.contains(&word.to_lowercase()));
            match may_stay {
                true => kept.push(piece.to_string()),
                false => {
                    taken += 1;
                    // The end of a sentence stays one.
                    let end: String = piece.chars().rev().take_while(|c| ".!?,;:".contains(*c)).collect();
                    let end: String = end.chars().rev().collect();
                    if kept.last().is_some_and(|last| last == GAP) {
                        kept.pop();
                    }
                    kept.push(format!("{GAP}{end}"));
                }
            }
        }
        let is_enough = words - taken >= FEWEST_WORDS && taken * ONE_IN <= words;
        is_enough.then(|| (kept.join(" "), taken))
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || c == '’'
}

/// On one line, and cut at the end of a sentence where it is long.
fn cut(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain: String = line.chars().filter(|c| !c.is_control() && !is_turning(*c)).collect();
    if plain.chars().count() <= LETTERS {
        return Some(plain);
    }
    let start: String = plain.chars().take(LETTERS).collect();
    let end = start.rfind(['.', '!', '?']).filter(|end| *end >= LETTERS / 4)?;
    Some(start[..=end].to_string())
}

/// Marks that turn the text around them.
fn is_turning(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

pub async fn read(source: &Source<'_>) -> Result<Vec<Comment>> {
    let mut comments = Vec::new();
    for (place, row) in source.rows("page_comments").await?.iter().enumerate() {
        comments.push(Comment {
            touchpoint: row.said("touchpoint")?,
            comments: row.count("comments")?,
            nps_class: row.said("nps_class")?,
            period: row.said("period")?,
            score: row.integer("score")?.unwrap_or_default(),
            cluster: row.said("cluster")?,
            text: row.said("comment")?,
            contribution: row.number("contribution")?.unwrap_or(0.0),
            raised: row.number("raised")?.unwrap_or(0.0),
            lowered: row.number("lowered")?.unwrap_or(0.0),
            is_highest: row.flag("is_highest")?.unwrap_or(false),
            is_lowest: row.flag("is_lowest")?.unwrap_or(false),
            place,
        });
    }
    Ok(comments)
}

/// What customers wrote who met what cost and what earned; `written`: all answers with a comment.
pub fn voices(comments: &[Comment], written: u64, cost: &Cost, gain: &Gain, min_cell: u64) -> Voices {
    let least = usize::try_from(min_cell).unwrap_or(usize::MAX);
    let pairs = comments.iter().map(|comment| (comment.cluster.as_str(), comment.text.as_str()));
    let vocabulary = Vocabulary::of(pairs, least);
    let costs = cost.rows.iter().map(|driver| (driver, Mark::Cost));
    let gains = gain.rows.iter().map(|driver| (driver, Mark::Gain));
    let mut groups: Vec<Voice> = Vec::new();
    let mut said: BTreeSet<String> = BTreeSet::new();
    for (driver, mark) in costs.chain(gains) {
        let most = GROUPS[usize::from(mark == Mark::Gain)];
        if groups.iter().filter(|group| group.mark == mark).count() >= most {
            continue;
        }
        let class = if mark == Mark::Cost { "detractor" } else { "promoter" };
        let of = |comment: &&Comment| comment.touchpoint == driver.touchpoint;
        let Some(all) = comments.iter().find(of).map(|comment| comment.comments) else { continue };
        if all < min_cell {
            continue;
        }
        let mut best: Vec<(u8, usize, usize, &Comment, String)> = comments
            .iter()
            .filter(of)
            .filter(|comment| comment.nps_class == class && comment.is_of(mark))
            .filter_map(|comment| {
                let (text, taken) = vocabulary.redacted(&comment.text)?;
                Some((10 - comment.tenths(mark), taken, comment.place, comment, text))
            })
            .collect();
        best.sort_by_key(|(others, taken, place, ..)| (*others, *taken, *place));
        let mut quotes: Vec<Quote> = Vec::new();
        for (.., comment, text) in best {
            if quotes.len() < QUOTES && said.insert(text.to_lowercase()) {
                quotes.push(Quote { text, score: comment.score, period: comment.period.clone() });
            }
        }
        if !quotes.is_empty() {
            groups.push(Voice {
                touchpoint: driver.touchpoint.clone(),
                label: driver.label.clone(),
                mark,
                comments: all,
                quotes,
            });
        }
    }
    Voices { comments: written, groups }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::context::{Driver, Interval, Wording};

    impl Comment {
        fn of(mut self, customer: usize) -> Comment {
            self.cluster = customer.to_string();
            self
        }
    }

    /// Six customers who share some words.
    fn vocabulary(more: &[(&str, &str)]) -> Vocabulary {
        let shared = "the parcel came late and nobody from the shop called me back about it";
        let of: Vec<(String, &str)> = (0..6).map(|n| (n.to_string(), shared)).collect();
        let all = of.iter().map(|(who, text)| (who.as_str(), *text)).chain(more.iter().copied());
        Vocabulary::of(all, 5)
    }

    #[test]
    fn names_numbers_and_addresses_are_taken_out() {
        let vocabulary = vocabulary(&[]);
        let redacted = |text| vocabulary.redacted(text).map(|(text, _)| text);
        assert_eq!(redacted("The parcel came late."), Some("The parcel came late.".into()));
        assert_eq!(
            redacted("Nobody called me back about the parcel, Maria!").as_deref(),
            Some("Nobody called me back about the parcel, […]!")
        );
        for text in [
            "the parcel came late me@example.org",
            "the parcel came late +34-600-111-222",
            "the parcel came late https://example.org/me",
            "the parcel came late AB12345",
            "the parcel came late ٣٤٥",
            "the parcel came late O'Brien",
        ] {
            assert_eq!(redacted(text).as_deref(), Some("the parcel came late […]"), "{text}");
        }
        assert_eq!(redacted("Maria Gómez Ruiz called me back"), None, "half of it is gone");
        assert_eq!(redacted("late"), None);
    }

    #[test]
    fn a_word_that_one_customer_repeats_is_not_shared() {
        let repeated: Vec<(&str, &str)> = (0..20).map(|_| ("one", "dalmatian late parcel")).collect();
        assert!(!vocabulary(&repeated).words.contains("dalmatian"));
        let names: Vec<(String, String)> = (0..30).map(|n| (n.to_string(), "Maria came".into())).collect();
        let names: Vec<(&str, &str)> =
            names.iter().map(|(who, text)| (who.as_str(), text.as_str())).collect();
        assert!(!vocabulary(&names).words.contains("maria"), "thirty is not many for a capital");
    }

    fn comment(text: &str, contribution: f64, raised: f64, lowered: f64) -> Comment {
        Comment {
            touchpoint: "late".into(),
            comments: 9,
            nps_class: "detractor".into(),
            period: "2026-10".into(),
            score: 3,
            cluster: text.into(),
            text: text.into(),
            contribution,
            raised,
            lowered,
            is_highest: true,
            is_lowest: true,
            place: 0,
        }
    }

    #[test]
    fn a_comment_stands_for_what_weighs_most() {
        let tenths = |contribution, raised, lowered| {
            let comment = comment("", contribution, raised, lowered);
            [comment.tenths(Mark::Cost), comment.tenths(Mark::Gain)]
        };
        assert_eq!(tenths(0.3, 0.4, 0.0), [8, 0]);
        assert_eq!(tenths(-0.1, 0.4, 0.1), [0, 10]);
        let is_of = |contribution, is_highest, is_lowest| {
            let comment = Comment { is_highest, is_lowest, ..comment("", contribution, 0.4, 0.4) };
            [comment.is_of(Mark::Cost), comment.is_of(Mark::Gain)]
        };
        assert_eq!([is_of(0.3, true, false), is_of(0.3, false, false)], [[true, false], [false, false]]);
        assert_eq!([is_of(-0.3, true, true), is_of(-0.3, true, false)], [[false, true], [false, false]]);
    }

    /// What weighs most comes before what loses least; what something else weighs on more does not come.
    #[test]
    fn voices_stand_for_their_touchpoint() {
        let driver = Driver {
            touchpoint: "late".into(),
            label: "Late".into(),
            stage: "delivery".into(),
            role: "lever".into(),
            owner: None,
            action: None,
            responses: 90,
            exposed_responses: 9,
            reach: Some(0.1),
            detractor_share_exposed: None,
            points: Interval { estimate: 3.0, low: None, high: None },
            attainable_points: None,
            points_if_all: None,
            revenue: None,
            wording: Wording::Effect,
            failing: Vec::new(),
        };
        let cost = Cost {
            rows: vec![driver],
            is_first_sure: true,
            watch: Vec::new(),
            unclear: Vec::new(),
            both: Vec::new(),
            small: Vec::new(),
            unmeasured: Vec::new(),
            signs: Vec::new(),
        };
        let shared = "the parcel came late and nobody called me";
        let mut comments: Vec<Comment> = (0..5).map(|n| comment(shared, 0.1, 0.4, 0.0).of(n)).collect();
        comments.push(comment("the parcel came late, Maria, and nobody called me", 0.4, 0.4, 0.0));
        comments.push(comment("nobody called me and the parcel came", 0.2, 0.4, 0.0));
        comments.push(Comment { is_highest: false, ..comment("nobody called me", 0.4, 0.4, 0.0) });
        let told = voices(&comments, 90, &cost, &Gain { rows: Vec::new() }, 5);
        let quotes: Vec<&str> = told.groups[0].quotes.iter().map(|quote| quote.text.as_str()).collect();
        let most = "the parcel came late, […], and nobody called me";
        assert_eq!(quotes, [most, "nobody called me and the parcel came"]);
    }

    #[test]
    fn long_comments_end_with_a_sentence() {
        let long = format!("The parcel came late. {}", "the parcel ".repeat(40));
        assert_eq!(cut(&long), None, "the only end is too near to the start");
        let long =
            format!("{}. {}", "the parcel came late and nobody called".repeat(3), "the parcel ".repeat(40));
        let text = cut(&long).unwrap();
        assert!(text.ends_with("called.") && text.chars().count() <= LETTERS);
        assert_eq!(cut("a\n\u{202e}b\u{0} c").as_deref(), Some("a b c"));
    }
}
