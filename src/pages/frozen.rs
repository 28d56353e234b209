//! A month as it was shown to the board: `board/2026-10.html`, and beside it what it was drawn from.
//!
//! The figures of a frozen page do not change any more. When the same month is asked for again, the run that is
//! asked tells what it would say today, and what differs is listed on the page as "Restated since".

use crate::error::{Error, Result};
use crate::published::Published;
use crate::report::Templates;
use crate::report::context::{Leadership, Restated};
use crate::store::{Bytes, Store};

/// What became of the request.
pub struct Frozen {
    /// The page's address.
    pub url: String,
    /// The run that the page's figures come from.
    pub run_id: String,
    /// Figures that are different today.
    pub restated: usize,
}

/// Freezes a period of the run, or looks again at one that is frozen.
///
/// # Errors
/// `Kind::Usage` for a period that the run does not show or that is not over; `Kind::Io` for a frozen one
/// that another version of the program has written.
pub async fn freeze(published: &Published, output: &Store, period: &str) -> Result<Frozen> {
    let now = super::of_period(published, period).await?;
    let (kept, shown) = (format!("board/{period}.json"), format!("board/{period}.html"));
    let frozen: Option<Leadership> = match output.read_if_there(&kept).await? {
        None => None,
        Some(bytes) => Some(serde_json::from_slice(&bytes).map_err(|e| {
            Error::io("a frozen page cannot be read: another version has written it, or it is damaged")
                .with("location", format!("{}/{kept}", output.url()))
                .hint("put it back from a copy, or remove both files to freeze the period anew")
                .caused_by(e)
        })?),
    };
    let page = match frozen {
        Some(mut frozen) => {
            frozen.change.restated = differences(&frozen, &now, period);
            frozen.voices.groups.clear();
            frozen
        }
        None => {
            if now.headline.as_ref().is_some_and(|headline| headline.is_partial) {
                return Err(Error::usage(format!("`{period}` is not over in this run"))
                    .with("run", &now.run.run_id)
                    .hint("freeze it from a run that looks at all of it"));
            }
            let mut page = now;
            page.change.restated.clear();
            // Kept for good, it must not hold what a customer may ask to be forgotten.
            page.voices.groups.clear();
            let mut text = serde_json::to_vec_pretty(&page)
                .map_err(|e| Error::internal("a page cannot be kept").caused_by(e))?;
            text.push(b'\n');
            output.write(&kept, Bytes::from(text)).await?;
            page
        }
    };
    let text = Templates::read()?.leadership(&page)?;
    output.write(&shown, Bytes::from(text)).await?;
    Ok(Frozen {
        url: format!("{}/{shown}", output.url()),
        run_id: page.run.run_id,
        restated: page.change.restated.len(),
    })
}

/// What a page says of its period, as measure, touchpoint's label and figure.
fn figures(page: &Leadership, period: &str) -> Vec<(&'static str, Option<String>, Option<f64>)> {
    let mut figures = Vec::new();
    if let Some(score) = page.change.nps.iter().find(|score| score.period == period) {
        let responses = score.responses as f64;
        figures.extend([("nps", None, Some(score.nps)), ("responses", None, Some(responses))]);
    }
    for trend in &page.change.trends {
        if let Some(point) = trend.points.iter().find(|point| point.period == period) {
            figures.push(("reach", Some(trend.label.clone()), point.reach));
        }
    }
    figures
}

/// Figures of the frozen page that would be shown otherwise today; what is not shown today is passed over.
fn differences(frozen: &Leadership, now: &Leadership, period: &str) -> Vec<Restated> {
    let today = figures(now, period);
    let why = format!("as known on {}", now.run.as_of);
    let mut restated = Vec::new();
    for (measure, label, was) in figures(frozen, period) {
        let of_today = today.iter().find(|(name, of, _)| *name == measure && *of == label);
        let (Some(was), Some(is)) = (was, of_today.and_then(|(_, _, is)| *is)) else { continue };
        let is_share = measure == "reach";
        let shown = |value: f64| format!("{:.1}", if is_share { 100.0 * value } else { value });
        if shown(was) != shown(is) {
            let (period, why) = (period.to_string(), why.clone());
            restated.push(Restated { period, measure: measure.into(), label, is_share, was, is, why });
        }
    }
    restated
}
