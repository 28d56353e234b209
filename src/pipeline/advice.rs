//! What to do next, said to whoever has just mapped an export: the most pressing first.

use super::checked::{Checked, FeedCheck, OtherWords, wanted};
use crate::engine::functions;

/// Shares of values from which a column is worth a word: below it is ordinary dirt.
const WORTH_A_WORD: f64 = 0.01;
/// Columns that are named as worth mapping.
const COLUMNS_NAMED: usize = 5;
/// A share of unreadable values from which a report lacks what hangs on the column.
pub(super) const MUCH: f64 = 0.2;

/// Ordered, concrete advice; never empty.
pub(super) fn of(checked: &Checked) -> Vec<String> {
    let mut advice = Vec::new();
    // What stops a run has its way out in its hint.
    advice.extend(checked.stops.iter().filter_map(|stop| stop.hint_text()).map(str::to_string));
    if !checked.open_questions.is_empty() {
        let lines: Vec<String> = checked.open_questions.iter().map(usize::to_string).collect();
        advice.push(format!(
            "answer what the proposal has left open and take the marks `# ?` away: line {} of the configuration",
            lines.join(", ")
        ));
    }
    for feed in &checked.feeds {
        advice.extend(about_values(feed));
    }
    for feed in &checked.feeds {
        advice.extend(about_words(feed, checked));
    }
    for feed in &checked.feeds {
        advice.extend(about_rejects(feed));
    }
    for feed in &checked.feeds {
        advice.extend(about_links(feed));
    }
    for (feed, column, touchpoints) in wanted(checked).into_iter().take(COLUMNS_NAMED) {
        let many = if touchpoints == 1 { "one touchpoint needs" } else { "touchpoints need" };
        let number = if touchpoints == 1 { String::new() } else { format!("{touchpoints} ") };
        advice.push(format!(
            "map `{column}` under [sources.{feed}.columns], if the export tells it: {number}{many} it"
        ));
    }
    for feed in &checked.absent_feeds {
        let lacks = format!("there are no {feed}");
        let touchpoints = checked.not_measured.iter().filter(|one| one.lacks.contains(&lacks)).count();
        if touchpoints > 0 {
            advice.push(format!(
                "add [sources.{feed}] if there is such an export: {touchpoints} touchpoints need it"
            ));
        }
    }
    let skipped: usize = checked.feeds.iter().flat_map(|f| &f.tables).map(|table| table.skipped.len()).sum();
    if skipped > 0 {
        advice.push(format!("see that the {skipped} skipped objects are not meant to be read"));
    }
    if checked.stops.is_empty() {
        let lacks: Vec<String> = checked.feeds.iter().flat_map(unusable).collect();
        advice.push(if lacks.is_empty() {
            "`aftersale run` with this configuration publishes the reports".into()
        } else {
            format!(
                "mend what is said above of {} first: `aftersale run` would publish the reports without what \
                 hangs on that",
                lacks.join(", ")
            )
        });
    }
    advice
}

fn about_values(feed: &FeedCheck) -> Vec<String> {
    let worth = feed.values.iter().filter(|(_, _, share)| share.share() >= WORTH_A_WORD);
    worth
        .map(|(column, note, share)| {
            let rows = share.rows;
            let what = format!("{rows} values of `{}.{column}`", feed.feed);
            match note.as_str() {
                functions::IMPLAUSIBLE => format!(
                    "{what} lie before 2000 or after the export was written: see that the mapping's column and \
                     the source's `timezone` are right"
                ),
                functions::AMBIGUOUS | functions::SHIFTED => format!(
                    "{what} fall into an hour that the clocks skip or repeat: see that the source's `timezone` \
                     is right, or export times with their zone"
                ),
                _ => format!(
                    "{what} cannot be read: see how they are written, and declare `timestamp_formats`, \
                     `decimal` or `nulls` of the source, or write an expression"
                ),
            }
        })
        .collect()
}

/// Columns of which a fifth or more cannot be used.
fn unusable(feed: &FeedCheck) -> Vec<String> {
    let is_unusable = |note: &str| [functions::UNREADABLE, functions::IMPLAUSIBLE].contains(&note);
    let much = feed.values.iter().filter(|(_, note, share)| is_unusable(note) && share.share() >= MUCH);
    much.map(|(column, ..)| format!("`{}.{column}`", feed.feed)).collect()
}

/// Words of an export that could mean one of ours: unreadable ones, and where touchpoints wait for a word.
fn about_words(feed: &FeedCheck, checked: &Checked) -> Vec<String> {
    let waits_for_kind = || {
        let lacks = checked.not_measured.iter().flat_map(|one| &one.lacks);
        lacks.into_iter().any(|lack| lack.starts_with("no interaction is of the kind"))
    };
    let is_worth = |words: &&OtherWords| match words.column.as_str() {
        _ if words.are_unreadable => true,
        "kind" => feed.feed == "interactions" && waits_for_kind(),
        _ => words.rows.rows == words.rows.of,
    };
    let worth = feed.words.iter().filter(is_worth);
    worth
        .map(|words| {
            let shown: Vec<String> = words.shown.iter().map(|(word, _)| format!("`{word}`")).collect();
            let found = match shown.is_empty() {
                true => format!("its {} different values", words.different),
                false => shown.join(", "),
            };
            let theirs: Vec<String> =
                words.shown.iter().take(3).map(|(word, _)| format!("{word:?} = \"…\"")).collect();
            let theirs = if theirs.is_empty() { "\"theirs\" = \"ours\"".into() } else { theirs.join(", ") };
            format!(
                "say what {found} of `{0}.{1}` means, where it is one of {2}: under [sources.{0}], \
                 words.{1} = {{ {theirs} }}",
                feed.feed,
                words.column,
                words.known.join(", "),
            )
        })
        .collect()
}

fn about_rejects(feed: &FeedCheck) -> Option<String> {
    let (reason, share) = feed.rejected.first()?;
    Some(format!(
        "{} rows of {} are rejected, most often for `{reason}`: a run keeps them in `rejected_rows`, with file and row",
        feed.rejected.iter().map(|(_, share)| share.rows).sum::<i64>().max(share.rows),
        feed.feed
    ))
}

fn about_links(feed: &FeedCheck) -> Option<String> {
    let linked = feed.linked?;
    let (reason, share) = feed.unlinked.iter().max_by_key(|(_, share)| share.rows)?;
    (share.share() >= 0.1).then(|| {
        let missing: Vec<&str> = ["order_id", "customer_id", "email"]
            .into_iter()
            .filter(|column| feed.missing.iter().any(|missing| missing.column == *column))
            .collect();
        let way_out = if missing.is_empty() {
            "see that they hold what the purchases hold, written the same way".to_string()
        } else {
            format!("map {} if the export tells", missing.join(" or "))
        };
        format!(
            "{} of {} {} find no {}, most often for `{reason}`: {way_out}",
            linked.of - linked.rows,
            linked.of,
            feed.feed,
            if feed.feed == "purchases" { "customer" } else { "journey" }
        )
    })
}
