//! From the published tables of a run to its pages.
//!
//! ```text
//! published run ──> queries/11_pages ──> contexts (report::context) ──> templates (report) ──> text
//!                   rows.rs              one file a part of the page
//! ```
//!
//! The same way for a run that is about to be published and for one published long ago: what a page needs of
//! the configuration is read from the manifest's settings. Suppression happens here: what a template gets may
//! be shown.

mod about;
mod answers;
mod change;
mod comments;
mod dictionary;
mod drivers;
pub mod frozen;
mod leadership;
mod places;
mod rows;
mod sheets;
mod stages;
mod sure;
mod win_back;

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::error::{Context, Error, Result};
use crate::published::Published;
use crate::queries::{self, Query};
use crate::report::Templates;
use crate::report::context::{Leadership, Links};
use about::Facts;
use rows::Rows;

/// Where the pages lie, relative to the run.
pub const LEADERSHIP: &str = "leadership.html";
pub const DICTIONARY: &str = "dictionary.html";
pub const DIGESTS: [&str; 2] = ["digest.md", "digest.txt"];
const STORES: &str = "stores/index.html";

/// Names and patterns of all that [`draw`] may make.
pub const PATHS: [&str; 5] = [LEADERSHIP, "digest.*", DICTIONARY, STORES, "stores/*.html"];

/// Whether a name, relative to a run, is one of a page.
pub fn is_page(path: &str) -> bool {
    let fits = |pattern: &str| match pattern.split_once('*') {
        None => path == pattern,
        Some((start, end)) => path
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(end))
            .is_some_and(|between| !between.is_empty() && !between.contains('/')),
    };
    PATHS.iter().any(|pattern| fits(pattern))
}

/// One page, ready to be written.
pub struct Page {
    /// Relative to the run's folder.
    pub path: String,
    pub text: String,
}

/// All pages of a run; `folder` is the address that they will have, unless the settings say how people reach it.
///
/// # Errors
/// Those of reading the run; `Kind::Internal` where a page cannot be drawn.
pub async fn draw(published: &Published, folder: &str) -> Result<Vec<Page>> {
    let source = Source::of(published).await?;
    let templates = Templates::read()?;
    let sheets = sheets::all(&source).await?;
    let folder = match &source.facts.pages_url {
        Some(output) => &format!("{output}/runs/{}", source.facts.run.run_id),
        None => folder,
    };
    let links = Links {
        stores: (!sheets.is_empty()).then(|| STORES.to_string()),
        dictionary: Some(DICTIONARY.to_string()),
        report: Some(format!("{folder}/{LEADERSHIP}")),
    };
    let leadership = leadership::page(&source, None, links).await?;
    let mut pages = vec![page(LEADERSHIP, templates.leadership(&leadership)?)];
    for (path, text) in DIGESTS.into_iter().zip(templates.digests(&leadership)?) {
        pages.push(page(path, text));
    }
    pages.push(page(DICTIONARY, templates.dictionary(&dictionary::page(&source).await?)?));
    if !sheets.is_empty() {
        pages.push(page(STORES, templates.stores(&sheets::index(&source, &sheets))?));
    }
    for sheet in sheets {
        let path = sheet.file.clone();
        pages.push(page(path, templates.sheet(&sheets::page(&source, sheet))?));
    }
    Ok(pages)
}

/// The newest period that is over in a run.
fn newest_ended(published: &Published) -> Result<String> {
    Ok(Facts::of(&published.manifest)?.newest_ended())
}

/// What the leadership page of a run says of one of its periods, for [`frozen`].
///
/// # Errors
/// `Kind::Usage` where the run has no such period.
pub async fn of_period(published: &Published, period: &str) -> Result<Leadership> {
    let source = Source::of(published).await?;
    let links = Links { stores: None, dictionary: None, report: None };
    leadership::page(&source, Some(period), links).await
}

fn page(path: impl Into<String>, text: String) -> Page {
    Page { path: path.into(), text }
}

/// A run as its pages see it.
struct Source<'a> {
    published: &'a Published,
    engine: &'a Engine,
    facts: Facts,
    queries: BTreeMap<String, Query>,
}

impl<'a> Source<'a> {
    async fn of(published: &'a Published) -> Result<Source<'a>> {
        let facts = Facts::of(&published.manifest)?;
        let queries = queries::stages()?.into_iter().filter(|query| query.folder == "11_pages");
        let queries = queries.map(|query| (query.name.clone(), query)).collect();
        let source = Source { published, engine: &published.engine, facts, queries };
        source.check()?;
        places::register(&source).await?;
        sheets::register(&source).await?;
        win_back::register(&source).await?;
        Ok(source)
    }

    /// Runs of older versions have not all tables that pages are drawn from.
    fn check(&self) -> Result<()> {
        let made = ["placed_answers", "sheet_answers", "follow_up_cases", "closed_loop"];
        let read = self.queries.values().flat_map(|query| &query.reads);
        let mut lacking =
            read.filter(|table| !made.contains(&table.as_str()) && self.published.rows_of(table).is_none());
        match lacking.next() {
            None => Ok(()),
            Some(table) => Err(Error::usage("the run has not all tables that its pages are drawn from")
                .with("run", &self.facts.run.run_id)
                .with("table", table)
                .hint("another version has published it: run that day again with `aftersale run --as-of`")),
        }
    }

    /// What a query of `queries/11_pages` returns.
    async fn rows(&self, query: &'static str) -> Result<Rows> {
        let found = self
            .queries
            .get(query)
            .ok_or_else(|| Error::internal("a page's query is not in the binary").with("query", query))?;
        let plan = self.engine.query(found.sql).await.with("query", query)?;
        Rows::of(self.engine.collect(plan, query).await.with("query", query)?, query)
    }
}

/// Hides what could be worked out from a total and the figures beside it: where what is hidden adds up to
/// fewer than `least`, or is a single figure, the smallest one shown goes too. `sizes` are the answers behind
/// each figure, `shown` whether it is shown.
fn hide_complements(sizes: &[u64], shown: &mut [bool], least: u64) {
    loop {
        let hidden = |shown: &[bool]| {
            let hidden = sizes.iter().zip(shown).filter(|(size, shown)| !**shown && **size > 0);
            hidden.fold((0usize, 0u64), |(count, sum), (size, _)| (count + 1, sum + size))
        };
        let (count, sum) = hidden(shown);
        if count == 0 || (count > 1 && sum >= least) {
            return;
        }
        let next = sizes.iter().enumerate().filter(|(at, size)| shown[*at] && **size > 0);
        let Some((at, _)) = next.min_by_key(|(_, size)| **size) else { return };
        shown[at] = false;
    }
}

/// A part that may be shown beside its whole: neither it nor the rest is small.
fn may_be_shown(part: u64, whole: u64, least: u64) -> bool {
    let rest = whole.saturating_sub(part);
    part >= least && (rest == 0 || rest >= least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_by_their_names() {
        for page in ["leadership.html", "digest.md", "digest.txt", "stores/index.html", "stores/a-1.html"] {
            assert!(is_page(page), "{page}");
        }
        for other in ["", "notes.html", "digest.", "stores/.html", "stores/a/b.html", "leadership.html.bak"] {
            assert!(!is_page(other), "{other}");
        }
    }

    #[test]
    fn no_small_figure_can_be_worked_out() {
        let hidden = |sizes: &[u64], shown: &[bool]| {
            let mut shown = shown.to_vec();
            hide_complements(sizes, &mut shown, 5);
            shown
        };
        assert_eq!(hidden(&[9, 8, 7], &[true; 3]), [true; 3]);
        // One hidden: the total tells it, unless the next smallest goes too.
        assert_eq!(hidden(&[9, 3, 7], &[true, false, true]), [true, false, false]);
        // Two hidden that add up to too few.
        assert_eq!(hidden(&[9, 2, 2, 7], &[true, false, false, true]), [true, false, false, false]);
        assert_eq!(hidden(&[9, 3, 3, 7], &[true, false, false, true]), [true, false, false, true]);
        // What nobody met hides nothing.
        assert_eq!(hidden(&[9, 0, 7], &[true, false, true]), [true, false, true]);
        assert_eq!(hidden(&[3], &[false]), [false]);
    }

    #[test]
    fn neither_a_part_nor_the_rest_is_small() {
        let cases = [(4, 100), (5, 100), (96, 100), (95, 100), (100, 100), (0, 100)];
        let shown = cases.map(|(part, whole)| may_be_shown(part, whole, 5));
        assert_eq!(shown, [false, true, false, true, true, false]);
    }
}
