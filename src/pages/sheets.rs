//! One sheet per value of a dimension, for the weekly meeting, and their index.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::{JoinType, lit, when};
use sha2::{Digest, Sha256};

use super::comments::Vocabulary;
use super::drivers::Touchpoints;
use super::{Source, may_be_shown, win_back};
use crate::engine;
use crate::error::Result;
use crate::exposures::{OTHER_SEGMENT, UNKNOWN_SEGMENT, named};
use crate::report::context::{
    Banner, Count, Driver, Fix, Interval, Keep, Links, Sheet, SheetLine, SheetPage, SheetQuote, Span,
    StoresPage, Wording,
};
use crate::stats::evidence::q_values;
use crate::stats::nps::{SharedSums, Sums, change_p_value};
use crate::stats::pooling;
use crate::stats::quantiles::{chi_squared_p_value, normal_quantile};

/// Fewer answers in 13 weeks say nothing of a score.
const FEWEST: u64 = 10;
/// Below this share of false alarms a value is called different from the others.
const MOST_FALSE: f64 = 0.05;
/// Values are like one another with answers from half to twice as many; with fewer such than this, all are.
const ALIKE: usize = 3;
const QUOTES: usize = 2;
/// Columns of the journeys that hold values which `fct_exposures` shows as one for lack of answers.
const OF_JOURNEYS: [&str; 4] = ["store_id", "region", "product_category", "sales_channel"];

/// Makes `sheet_answers`: each answer that counts, with its value of the sheets' dimension.
pub async fn register(source: &Source<'_>) -> Result<()> {
    let failed = |e| engine::error(e, "sheet_answers");
    let Some(dimension) = source.facts.sheet_dimension.as_deref() else { return Ok(()) };
    let columns = ["response_id", "journey_id", "cluster", "nps_class", "in_fit", "responded_at", "as_of"];
    let mut chosen: Vec<_> = columns.map(named).into();
    chosen.push(named(&format!("seg_{dimension}")).alias("segment"));
    let answers = source.engine.table("fct_exposures").await?.filter(named("is_counted"));
    let mut answers = answers.and_then(|rows| rows.select(chosen)).map_err(failed)?;
    if OF_JOURNEYS.contains(&dimension) {
        let journeys = source.engine.table("fct_journeys").await?;
        let journeys = journeys
            .select(vec![named("journey_id").alias("sheet_journey"), named(dimension).alias("sheet_value")])
            .map_err(failed)?;
        let is_one_of_many = named("segment").eq(lit(OTHER_SEGMENT)).and(named("sheet_value").is_not_null());
        let segment =
            when(is_one_of_many, named("sheet_value")).otherwise(named("segment")).map_err(failed)?;
        let kept: Vec<_> = columns.map(named).into_iter().chain([segment.alias("segment")]).collect();
        answers = answers
            .join(journeys, JoinType::Left, &["journey_id"], &["sheet_journey"], None)
            .and_then(|rows| rows.select(kept))
            .map_err(failed)?;
    }
    source.engine.view("sheet_answers", answers)
}

/// What is known of a value.
struct Value {
    name: String,
    counts: [Count; 3],
    /// Of 13 weeks.
    linked: u64,
    sums: Sums,
    /// Linked answers of 13 weeks that had met a touchpoint.
    met: BTreeMap<String, u64>,
}

impl Value {
    fn responses(&self) -> u64 {
        self.counts[2].responses
    }

    fn reach(&self, touchpoint: &str) -> u64 {
        self.met.get(touchpoint).copied().unwrap_or(0)
    }
}

/// The sheets of a run, by name; none without a dimension.
pub async fn all(source: &Source<'_>) -> Result<Vec<Sheet>> {
    if source.facts.sheet_dimension.is_none() {
        return Ok(Vec::new());
    }
    let min_cell = source.facts.min_cell;
    let values = read(source).await?;
    let touchpoints = Touchpoints::read(source).await?;
    let (cost, gain) = (touchpoints.cost(min_cell)?, touchpoints.gain(min_cell));
    let scores = Scores::of(&values);
    let unusual = unusual(&values, &cost.rows, min_cell);
    let wrote = Wrote::read(source).await?;
    let mut calls = win_back::calls(source).await?;
    let mut sheets = Vec::new();
    for (at, value) in values.iter().enumerate() {
        if [UNKNOWN_SEGMENT, OTHER_SEGMENT].contains(&value.name.as_str()) {
            continue;
        }
        let keep = keep(value, &gain.rows, min_cell);
        let quotes = keep.as_ref().map(|keep| wrote.quotes(&value.name, &keep.touchpoint, min_cell));
        sheets.push(Sheet {
            file: file_of(&value.name),
            name: value.name.clone(),
            banner: scores.banners[at],
            counts: value.counts.to_vec(),
            nps: scores.pooled[at],
            nps_whole: scores.whole,
            fix: fix(at, &values, &cost.rows, &unusual),
            keep,
            quotes: quotes.unwrap_or_default(),
            calls: calls.as_mut().map(|calls| calls.remove(&value.name).unwrap_or_default()),
        });
    }
    Ok(sheets)
}

pub fn page(source: &Source<'_>, sheet: Sheet) -> SheetPage {
    let links = Links { stores: Some("index.html".into()), dictionary: None, report: None };
    SheetPage { run: source.facts.run.clone(), links, sheet }
}

pub fn index(source: &Source<'_>, sheets: &[Sheet]) -> StoresPage {
    let line = |sheet: &Sheet| SheetLine {
        name: sheet.name.clone(),
        file: sheet.file.trim_start_matches("stores/").to_string(),
        responses: sheet.counts.last().map_or(0, |count| count.responses),
        nps: sheet.nps,
        banner: sheet.banner,
        fix: sheet.fix.as_ref().map(|fix| fix.label.clone()),
    };
    StoresPage {
        run: source.facts.run.clone(),
        links: Links { stores: None, dictionary: None, report: None },
        sheets: sheets.iter().map(line).collect(),
    }
}

/// A file's name that is safe whatever the value holds, and that no two values share.
fn file_of(name: &str) -> String {
    let mut plain = String::new();
    for c in name.to_lowercase().chars().filter(char::is_ascii) {
        match c.is_ascii_alphanumeric() {
            true => plain.push(c),
            false if plain.ends_with('-') || plain.is_empty() => {}
            false => plain.push('-'),
        }
    }
    plain.truncate(40);
    let plain = plain.trim_matches('-');
    let hash = format!("{:x}", Sha256::digest(name.as_bytes()));
    format!("stores/{}-{}.html", if plain.is_empty() { "value" } else { plain }, &hash[..8])
}

async fn read(source: &Source<'_>) -> Result<Vec<Value>> {
    let mut met: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for row in source.rows("page_sheet_reach").await?.iter() {
        let here = met.entry(row.said("segment")?).or_default();
        here.insert(row.said("touchpoint")?, row.count("exposed_responses")?);
    }
    let mut values = Vec::new();
    for row in source.rows("page_sheets").await?.iter() {
        let name = row.said("segment")?;
        let count = |span: Span, weeks: &str| -> Result<Count> {
            let responses = row.count(&format!("responses_{weeks}"))?;
            let promoters = row.count(&format!("promoters_{weeks}"))?;
            let detractors = row.count(&format!("detractors_{weeks}"))?;
            let passives = responses.saturating_sub(promoters + detractors);
            Ok(Count { span, responses, promoters, passives, detractors })
        };
        let counts = [count(Span::ThisWeek, "1")?, count(Span::Weeks4, "4")?, count(Span::Weeks13, "13")?];
        let number = |column: &str| row.number(column).map(|number| number.unwrap_or(0.0));
        let recent = &counts[2];
        let sums = Sums {
            promoters: recent.promoters as f64,
            passives: recent.passives as f64,
            detractors: recent.detractors as f64,
            net_net: number("net_net")?,
            net_answers: number("net_answers")?,
            answers_answers: number("answers_answers")?,
            customers: number("customers")?,
        };
        let met = met.remove(&name).unwrap_or_default();
        values.push(Value { name, counts, linked: row.count("linked_13")?, sums, met });
    }
    Ok(values)
}

// ---- scores ----------------------------------------------------------------------------------------------------

/// Scores of 13 weeks, each value's drawn towards the whole; in the order of the values.
struct Scores {
    whole: f64,
    pooled: Vec<Option<Interval>>,
    banners: Vec<Banner>,
}

impl Scores {
    fn of(values: &[Value]) -> Scores {
        let all = values.iter().fold(nobody(), |all, value| plus(&all, &value.sums, 1.0));
        let judged: Vec<usize> = (0..values.len()).filter(|at| values[*at].responses() >= FEWEST).collect();
        let own: Vec<(f64, f64)> =
            judged.iter().filter_map(|at| values[*at].sums.adjusted_points()).collect();
        let (estimates, variances): (Vec<f64>, Vec<f64>) = own.into_iter().unzip();
        let z = normal_quantile(0.975);
        let mut scores = Scores {
            whole: all.nps().unwrap_or(0.0),
            pooled: vec![None; values.len()],
            banners: vec![Banner::Few; values.len()],
        };
        let p_values: Vec<f64> = judged
            .iter()
            .map(|at| {
                let rest = plus(&all, &values[*at].sums, -1.0);
                change_p_value(&values[*at].sums, &rest, &SharedSums::default()).unwrap_or(1.0)
            })
            .collect();
        let drawn = pooling::drawn(&estimates, &variances);
        for (((at, drawn), q_value), estimate) in
            judged.iter().zip(drawn).zip(q_values(&p_values)).zip(estimates)
        {
            let reach = z * drawn.std_error;
            scores.pooled[*at] = Some(Interval {
                estimate: drawn.value,
                low: Some((drawn.value - reach).max(-100.0)),
                high: Some((drawn.value + reach).min(100.0)),
            });
            scores.banners[*at] = match q_value <= MOST_FALSE {
                true if estimate < scores.whole => Banner::Below,
                true => Banner::Above,
                false => Banner::Same,
            };
        }
        scores
    }
}

fn nobody() -> Sums {
    Sums {
        promoters: 0.0,
        passives: 0.0,
        detractors: 0.0,
        net_net: 0.0,
        net_answers: 0.0,
        answers_answers: 0.0,
        customers: 0.0,
    }
}

/// A customer of two values counts as two.
fn plus(one: &Sums, other: &Sums, times: f64) -> Sums {
    Sums {
        promoters: one.promoters + times * other.promoters,
        passives: one.passives + times * other.passives,
        detractors: one.detractors + times * other.detractors,
        net_net: one.net_net + times * other.net_net,
        net_answers: one.net_answers + times * other.net_answers,
        answers_answers: one.answers_answers + times * other.answers_answers,
        customers: one.customers + times * other.customers,
    }
}

// ---- what to do --------------------------------------------------------------------------------------------------

/// Levers that somebody can act on.
fn levers(cost: &[Driver]) -> impl Iterator<Item = &Driver> {
    cost.iter().filter(|driver| driver.action.is_some() && is_effect(driver))
}

/// Values, by their place, and levers that are met more often there than in values like them: by more than
/// chance, among all that could have been.
fn unusual(values: &[Value], cost: &[Driver], min_cell: u64) -> BTreeSet<(usize, String)> {
    let (mut pairs, mut p_values) = (Vec::new(), Vec::new());
    for (at, here) in values.iter().enumerate() {
        for driver in levers(cost) {
            let exposed = here.reach(&driver.touchpoint);
            if !may_be_shown(exposed, here.linked, min_cell) {
                continue;
            }
            let alike = alike(at, values, &driver.touchpoint);
            if let Some(p_value) = alike.and_then(|alike| more_often([exposed, here.linked], alike)) {
                pairs.push((at, driver.touchpoint.clone()));
                p_values.push(p_value);
            }
        }
    }
    let sure = pairs.into_iter().zip(q_values(&p_values)).filter(|(_, q_value)| *q_value <= MOST_FALSE);
    sure.map(|(pair, _)| pair).collect()
}

/// The p-value of a larger share, one-sided; shares as part and whole.
fn more_often(here: [u64; 2], alike: [u64; 2]) -> Option<f64> {
    let whole = share(here[0] + alike[0], here[1] + alike[1]);
    let variance = whole * (1.0 - whole) * (1.0 / here[1] as f64 + 1.0 / alike[1] as f64);
    let gap = share(here[0], here[1]) - share(alike[0], alike[1]);
    let p_value = chi_squared_p_value(gap * gap / variance, 1.0)?;
    Some(if gap > 0.0 { p_value / 2.0 } else { 1.0 - p_value / 2.0 })
}

/// The lever whose reach here exceeds that of values like this one by the most points, of those where it is
/// no chance.
fn fix(at: usize, values: &[Value], cost: &[Driver], unusual: &BTreeSet<(usize, String)>) -> Option<Fix> {
    let here = &values[at];
    let mut best: Option<(f64, Fix)> = None;
    for driver in levers(cost).filter(|driver| unusual.contains(&(at, driver.touchpoint.clone()))) {
        let exposed = here.reach(&driver.touchpoint);
        let Some(reach) = driver.reach.filter(|reach| *reach > 0.0) else { continue };
        let Some([met, linked]) = alike(at, values, &driver.touchpoint) else { continue };
        let alike = share(met, linked);
        let more = (share(exposed, here.linked) - alike) * driver.points.estimate / reach;
        if more > 0.0 && best.as_ref().is_none_or(|(most, _)| more > *most) {
            let fix = Fix {
                touchpoint: driver.touchpoint.clone(),
                label: driver.label.clone(),
                owner: driver.owner.clone(),
                action: driver.action.clone(),
                exposed_responses: exposed,
                responses: here.linked,
                reach_alike: alike,
            };
            best = Some((more, fix));
        }
    }
    best.map(|(_, fix)| fix)
}

/// Nobody is asked to act on what only goes along.
fn is_effect(driver: &Driver) -> bool {
    driver.wording == Wording::Effect
}

/// Reach in the values like this one, taken together, as part and whole.
fn alike(at: usize, values: &[Value], touchpoint: &str) -> Option<[u64; 2]> {
    let here = values[at].linked;
    let others = || values.iter().enumerate().filter(|(other, value)| *other != at && value.linked > 0);
    let is_alike = |value: &Value| value.linked * 2 >= here && value.linked <= here * 2;
    let is_few = others().filter(|(_, value)| is_alike(value)).count() < ALIKE;
    let (met, linked) = others()
        .filter(|(_, value)| is_few || is_alike(value))
        .fold((0, 0), |(met, linked), (_, value)| (met + value.reach(touchpoint), linked + value.linked));
    (linked > 0).then_some([met, linked])
}

/// What protects and earns most here.
fn keep(here: &Value, gain: &[Driver], min_cell: u64) -> Option<Keep> {
    let earned = |driver: &Driver| {
        let reach = driver.reach.filter(|reach| *reach > 0.0)?;
        let exposed = here.reach(&driver.touchpoint);
        (exposed >= min_cell).then(|| (exposed, share(exposed, here.linked) * driver.points.estimate / reach))
    };
    let best =
        gain.iter().filter(|driver| is_effect(driver)).filter_map(|driver| Some((driver, earned(driver)?)));
    let best = best.fold(None, |best: Option<(&Driver, (u64, f64))>, one| match best {
        Some(best) if best.1.1 >= one.1.1 => Some(best),
        _ => Some(one),
    });
    best.map(|(driver, (exposed_responses, _))| Keep {
        touchpoint: driver.touchpoint.clone(),
        label: driver.label.clone(),
        action: driver.action.clone(),
        exposed_responses,
        responses: here.linked,
    })
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

// ---- what promoters wrote -----------------------------------------------------------------------------------------

/// Comments of promoters, by value and touchpoint.
struct Wrote {
    vocabulary: Vocabulary,
    /// How many comments there are in all, and the newest of promoters.
    by: BTreeMap<(String, String), (u64, Vec<String>)>,
}

impl Wrote {
    async fn read(source: &Source<'_>) -> Result<Wrote> {
        let everywhere = source.rows("page_comments").await?;
        let mut of: Vec<(String, String)> = Vec::new();
        for row in everywhere.iter() {
            of.push((row.said("cluster")?, row.said("comment")?));
        }
        let least = usize::try_from(source.facts.min_cell).unwrap_or(usize::MAX);
        let pairs = of.iter().map(|(cluster, text)| (cluster.as_str(), text.as_str()));
        let vocabulary = Vocabulary::of(pairs, least);
        let mut by: BTreeMap<(String, String), (u64, Vec<String>)> = BTreeMap::new();
        for row in source.rows("page_sheet_comments").await?.iter() {
            let here = by.entry((row.said("segment")?, row.said("touchpoint")?)).or_default();
            here.0 = row.count("comments")?;
            here.1.push(row.said("comment")?);
        }
        Ok(Wrote { vocabulary, by })
    }

    fn quotes(&self, value: &str, touchpoint: &str, min_cell: u64) -> Vec<SheetQuote> {
        let Some((all, comments)) = self.by.get(&(value.to_string(), touchpoint.to_string())) else {
            return Vec::new();
        };
        if *all < min_cell {
            return Vec::new();
        }
        let mut redacted: Vec<(usize, usize, String)> = comments
            .iter()
            .enumerate()
            .filter_map(|(place, text)| {
                let (text, taken) = self.vocabulary.redacted(text)?;
                Some((taken, place, text))
            })
            .collect();
        redacted.sort();
        let mut said = BTreeSet::new();
        redacted.retain(|(.., text)| said.insert(text.to_lowercase()));
        redacted.into_iter().take(QUOTES).map(|(.., text)| SheetQuote { text }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, promoters: u64, passives: u64, detractors: u64, late: u64) -> Value {
        let responses = promoters + passives + detractors;
        let count = |span| Count { span, responses, promoters, passives, detractors };
        let (p, s, d) = (promoters as f64, passives as f64, detractors as f64);
        Value {
            name: name.into(),
            counts: [count(Span::ThisWeek), count(Span::Weeks4), count(Span::Weeks13)],
            linked: responses,
            sums: Sums::independent(p, s, d),
            met: BTreeMap::from([("late".to_string(), late)]),
        }
    }

    fn driver() -> Driver {
        Driver {
            touchpoint: "late".into(),
            label: "Late".into(),
            stage: "delivery".into(),
            role: "lever".into(),
            owner: None,
            action: Some("Be on time".into()),
            responses: 1_000,
            exposed_responses: 200,
            reach: Some(0.2),
            detractor_share_exposed: None,
            points: Interval { estimate: 3.0, low: None, high: None },
            attainable_points: None,
            points_if_all: None,
            revenue: None,
            wording: Wording::Effect,
            failing: Vec::new(),
        }
    }

    #[test]
    fn file_names_are_safe_and_differ() {
        let names =
            ["Girona", "girona", "../../etc/passwd", "CON", "", "   ", "日本", "a/b", "a\\b", "<b>", "x\0y"];
        let files: BTreeSet<String> = names.iter().map(|name| file_of(name)).collect();
        assert_eq!(files.len(), names.len());
        for file in &files {
            let name = file.strip_prefix("stores/").unwrap().strip_suffix(".html").unwrap();
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{file}");
            assert!(name.len() <= 49 && name.len() >= 10 && !name.starts_with('-'), "{file}");
        }
        assert!(file_of("Las Palmas & Co").starts_with("stores/las-palmas-co-"));
    }

    #[test]
    fn scores_are_drawn_towards_the_whole() {
        let values = [
            value("bad", 10, 20, 70, 0),
            value("good", 60, 30, 10, 0),
            value("some", 6, 3, 2, 0),
            value("few", 9, 0, 0, 0),
        ];
        let scores = Scores::of(&values);
        assert!((scores.whole - 100.0 * 3.0 / 220.0).abs() < 1e-9);
        assert_eq!(scores.banners, [Banner::Below, Banner::Above, Banner::Same, Banner::Few]);
        assert!(scores.pooled[3].is_none());
        let bad = scores.pooled[0].unwrap();
        assert!(bad.estimate > -60.0 && bad.estimate < scores.whole, "{bad:?}");
        assert!(bad.low.unwrap() < bad.estimate && bad.estimate < bad.high.unwrap());
        // Of few answers more is taken from the others.
        let (own, pooled) = (100.0 * 4.0 / 11.0, scores.pooled[2].unwrap().estimate);
        assert!(pooled < own, "{pooled}");
        assert_eq!(Scores::of(&[]).whole, 0.0);
        assert!(Scores::of(&values[..1]).pooled[0].is_some(), "alone, it is what it is");
    }

    #[test]
    fn what_to_fix_is_met_more_often_than_in_values_alike() {
        let values = [
            value("a", 50, 30, 20, 30),
            value("b", 50, 30, 20, 10),
            value("c", 50, 30, 20, 10),
            value("d", 50, 30, 20, 10),
            value("e", 5, 3, 2, 10),
        ];
        let fix_of = |at: usize, values: &[Value], drivers: &[Driver]| {
            fix(at, values, drivers, &unusual(values, drivers, 5))
        };
        let fix = |at| fix_of(at, &values, &[driver()]);
        let found = fix(0).unwrap();
        assert_eq!((found.exposed_responses, found.responses), (30, 100));
        assert!((found.reach_alike - 0.1).abs() < 1e-12, "the small one is not alike");
        assert_eq!(fix(1), None);
        let driver_only_along = Driver { wording: Wording::Association, ..driver() };
        assert_eq!(fix_of(0, &values, &[driver_only_along]), None);
        let mut by_chance = values;
        by_chance[0].met.insert("late".into(), 15);
        assert_eq!(fix_of(0, &by_chance, &[driver()]), None, "15 of 100 against 30 of 300");
        let values = by_chance;
        let kept = keep(&values[0], &[driver()], 5).unwrap();
        assert_eq!((kept.exposed_responses, kept.responses), (15, 100));
        assert_eq!(keep(&values[0], &[driver()], 16), None);
    }
}
