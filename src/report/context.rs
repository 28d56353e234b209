//! What the pages are told: typed rows, one struct a part of a page.
//!
//! The pipeline fills these from the published tables; the templates beside this file read them and nothing
//! else. Each comment names the table that a field comes from, and its unit. Shares run from 0 to 1, effects are
//! NPS points, days are local (`2026-10-31`), periods are `2026-10`, `2026-W43` or `window`.
//!
//! Three rules hold for all of it:
//!
//! - **Suppression happens before.** A figure of fewer than `analysis.min_cell` answers, or one that would give
//!   such a figure away as the rest of a sum, is `None` here; the page says "too few".
//! - **Signs are the page's.** Under what cost, points are lost where positive; under what earned, they are
//!   earned where positive: `rpt_touchpoint_impact.total_nps_points` turned round, its ends swapped.
//! - **Text is data.** Labels, names and comments come as they are; the templates escape them. Comments are
//!   redacted and cut before.
//!
//! Worlds of these contexts lie in `tests/pages/worlds`; `tests/pages/pages.py` holds that their fields are
//! exactly the ones below.

use serde::{Deserialize, Serialize};

// ---- what all pages share --------------------------------------------------------------------------------

/// The run that a page tells of: manifest, configuration, `latest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// `manifest.run_id`
    pub run_id: String,
    /// The last local day that the run looks at.
    pub as_of: String,
    /// First and last local day of the answers that count (`analysis.window_days` up to the as-of).
    pub window_from: String,
    pub window_to: String,
    /// `manifest.code_version`
    pub version: String,
    /// `manifest.fingerprint`
    pub fingerprint: String,
    /// Objects read: the length of `manifest.inputs`.
    pub inputs: u64,
    /// Made from the built-in sample: the page says so at its top.
    pub is_sample: bool,
    /// For a page frozen by `report --period`.
    pub frozen_period: Option<String>,
    /// The highest score of the survey's scale: quotes stand beside "3 of 10".
    pub score_max: i64,
    /// Promoters score this or more, detractors `detractor_max` or less.
    pub promoter_min: i64,
    pub detractor_max: i64,
    /// The first entry of `segments`: whose best quarter is "within reach".
    pub first_dimension: Option<String>,
    /// `[sheets] dimension`
    pub sheet_dimension: Option<String>,
    /// `analysis.min_cell`, `analysis.margin_nps_points`
    pub min_cell: u64,
    pub margin_nps_points: f64,
}

/// Where other pages lie, relative to this one; `None` where there is none. File names are safe by
/// construction: letters, digits, `-`, and eight digits of the value's SHA-256.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Links {
    /// The index of sheets.
    pub stores: Option<String>,
    pub dictionary: Option<String>,
    /// The leadership page's whole address, for the digest.
    pub report: Option<String>,
}

/// An estimate with its 95% interval; the interval is missing where it cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    pub estimate: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// An amount in one currency; never a sum over several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Money {
    pub amount: f64,
    /// ISO 4217
    pub currency: String,
}

/// A scale of round numbers around what is shown; the first and last tick are its ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<f64>,
    /// Equal steps are equal ratios: for reach, from 0.01% to 100% in steps of 1, 2, 5.
    pub is_log: bool,
}

/// Costs or earns: a round or a square mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Cost,
    Gain,
}

// ---- the leadership page ---------------------------------------------------------------------------------

/// `leadership.html`, `digest.md`, `digest.txt`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leadership {
    pub run: Run,
    pub links: Links,
    /// The newest period, or the one before it where that has fewer than `analysis.min_responses` answers, or
    /// the window where both have; `None` with fewer than `analysis.min_cell` answers in all: the page then shows its last part only.
    pub headline: Option<Nps>,
    /// `rpt_nps`, period `window`; `None` together with the headline.
    pub window: Option<Nps>,
    pub short: Short,
    /// One scale for what cost and what earned, so that lengths may be compared; zero is on it.
    pub effect_axis: Axis,
    pub cost: Cost,
    pub gain: Gain,
    pub doses: Doses,
    /// `None` where nothing costs points for sure.
    pub reach: Option<Reach>,
    pub by_segment: BySegment,
    pub change: Change,
    /// `None` where no answer is linked to a purchase.
    pub stages: Option<Stages>,
    pub win_back: WinBack,
    pub voices: Voices,
    pub sure: Sure,
}

/// A row of `rpt_nps` of the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nps {
    pub period: String,
    pub responses: u64,
    pub promoters: u64,
    pub passives: u64,
    pub detractors: u64,
    /// `nps`, `nps_low`, `nps_high`, in points.
    pub nps: f64,
    pub low: f64,
    pub high: f64,
    /// The as-of lies inside the period.
    pub is_partial: bool,
    /// Fewer than `analysis.min_responses`.
    pub is_few: bool,
    /// The period before it that has answers; the next four are there together with it.
    pub previous_period: Option<String>,
    /// `nps_change`, in points.
    pub change: Option<f64>,
    /// Of the change rounded to a whole point.
    pub direction: Option<Direction>,
    /// `change_p_value` is at most .05.
    pub is_more_than_chance: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
    Same,
}

/// The page in five lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Short {
    /// Answers that effects rest on.
    pub responses: u64,
    /// The first of `cost.rows` and of `gain.rows` that is called an effect; the first of all where none is.
    pub cost: Option<Driver>,
    /// `cost.is_first_sure`
    #[serde(default)]
    pub is_cost_sure: bool,
    pub gain: Option<Driver>,
    /// Only where it is the change of the headline's period.
    pub moved: Option<Moved>,
    /// `None` without a follow-up list.
    pub waiting: Option<Waiting>,
    /// Of the rows of `cost` that have an action and are called an effect, the one with the most points within
    /// reach; the costliest where reach is not known by segment.
    pub first: Option<Driver>,
}

/// The largest part of the last change that somebody can act on: the largest of mix, reach and effect in
/// `rpt_change`, or the touchpoint that makes up more than half of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    pub previous_period: String,
    pub component: Component,
    /// The touchpoint's; `None` for the component as a whole.
    pub label: Option<String>,
    pub points: Interval,
}

/// Open cases of `rpt_follow_ups`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    pub cases: u64,
    pub oldest_days: u64,
}

// ---- what cost and what earned -----------------------------------------------------------------------------

/// A touchpoint with a sure total effect: `rpt_touchpoint_impact` of the whole, verdict `drives detractors` or
/// `protects`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// Its id in the catalogue.
    pub touchpoint: String,
    pub label: String,
    pub stage: String,
    pub role: String,
    pub owner: Option<String>,
    pub action: Option<String>,
    pub responses: u64,
    pub exposed_responses: u64,
    /// From 0 to 1.
    pub reach: Option<f64>,
    pub detractor_share_exposed: Option<f64>,
    /// `total_nps_points` in the sign of its list.
    pub points: Interval,
    /// What cost: `attainable_nps_points`; `None` where reach is not known by segment.
    pub attainable_points: Option<f64>,
    /// What earned: `nps_points_if_all` in the sign of its list.
    pub points_if_all: Option<f64>,
    /// `revenue_exposed`
    pub revenue: Option<Money>,
    pub wording: Wording,
    /// The guardrails of this touchpoint that do not hold, each named once: `rpt_guardrails.guardrail`.
    pub failing: Vec<String>,
}

/// A causal word only where all guardrails pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wording {
    Effect,
    Association,
}

/// *What cost us points*: levers only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// Verdict `drives detractors`: those called an effect first, the costliest first.
    pub rows: Vec<Driver>,
    /// Among those called an effect, the first is surely the costliest: no other's ranks reach its own.
    #[serde(default)]
    pub is_first_sure: bool,
    /// Where that is empty: the first five of `unclear` that seem to cost.
    pub watch: Vec<Further>,
    /// Verdict `not enough evidence`.
    pub unclear: Vec<Further>,
    /// Verdict `cuts both ways`.
    #[serde(default)]
    pub both: Vec<Further>,
    /// Verdict `not worth acting on`.
    pub small: Vec<Further>,
    /// Verdict `not measured`.
    pub unmeasured: Vec<Unmeasured>,
    /// Symptoms that were met, in the catalogue's order.
    pub signs: Vec<Sign>,
}

/// *What earned us points*.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gain {
    /// Verdict `protects`, levers and context, the most helpful first.
    pub rows: Vec<Driver>,
}

/// A lever without a sure effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Further {
    pub touchpoint: String,
    pub label: String,
    pub responses: u64,
    pub exposed_responses: u64,
    pub reach: Option<f64>,
    /// `total_nps_points` as it is: lost where positive; `None` where there is no estimate.
    pub points: Option<Interval>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unmeasured {
    pub touchpoint: String,
    pub label: String,
    /// The feed or the columns that the exports lack, from the catalogue's `feed` and `needs`.
    pub needs: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    pub touchpoint: String,
    pub label: String,
    pub responses: u64,
    pub exposed_responses: u64,
    pub reach: Option<f64>,
    pub detractor_share_exposed: Option<f64>,
}

/// *How long is too long*: `rpt_dose_response` of the touchpoints in `cost.rows`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doses {
    pub rows: Vec<Dose>,
    /// One scale of shares for all, from 0.
    pub axis: Axis,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dose {
    pub touchpoint: String,
    pub label: String,
    /// The dose's column, such as `x_days_late`; the words are in the strings.
    pub measure: String,
    /// In the order of `bin_position`; bins with fewer than `analysis.min_cell` answers are left out.
    pub bins: Vec<Bin>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    pub bin: String,
    pub exposed_responses: u64,
    /// `adjusted_detractor_share` with its interval, from 0 to 1.
    pub detractor_share: Interval,
}

// ---- reach against effect ----------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// The first eight of `cost.rows` and four of `gain.rows`, as far as their reach is known.
    pub rows: Vec<Reached>,
    /// Reach, logarithmic.
    pub x: Axis,
    /// `points_each`; zero is on it.
    pub y: Axis,
    pub contours: Vec<Contour>,
    /// The label of the cost that hurts most where it is met, and of the one that is met most.
    pub deepest: String,
    pub widest: String,
    /// The cost that hurts next most where it is met, where the range of the deepest reaches down to it.
    pub about_as_deep: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    pub touchpoint: String,
    pub label: String,
    pub exposed_responses: u64,
    pub responses: u64,
    pub reach: f64,
    /// From 1, as marks and table are numbered.
    pub number: u64,
    pub mark: Mark,
    /// `total_nps_points` ÷ reach: NPS points lost among those who met it; negative where it earns.
    pub points_each: f64,
    /// The mark stands so many pixels to the right of its place and below it, where others would lie on it.
    #[serde(default)]
    pub shift_x: f64,
    #[serde(default)]
    pub shift_y: f64,
}

/// A curve along which reach × effect is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contour {
    /// Points of the whole.
    pub points: f64,
    /// From left to right, inside the axes.
    pub path: Vec<Place>,
    /// Where its name stands: above the curve, and clear of marks and other names on a phone.
    pub name: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub x: f64,
    pub y: f64,
}

// ---- where -----------------------------------------------------------------------------------------------

/// *Where*: `fct_attributions` summed over the answers of a segment (`fct_exposures.seg_…`), for the first
/// eight of `cost.rows`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BySegment {
    /// One per entry of `segments` with two values or more that have `analysis.min_responses` answers.
    pub tables: Vec<SegmentTable>,
    /// The largest figure of all tables: the darkest shade.
    pub darkest: f64,
    /// Labels of touchpoints that cost points, but to which, beside the others that were met, no detractors
    /// are put down.
    #[serde(default)]
    pub left_out: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentTable {
    /// `1`, `2` …: part of an element's id.
    pub id: String,
    pub dimension: String,
    /// Labels of the columns.
    pub touchpoints: Vec<String>,
    /// The whole first, then segments by name.
    pub rows: Vec<SegmentRow>,
    /// Values left out: too few answers, or beyond the 30 shown.
    pub segments_cut: u64,
    pub peak: Option<Peak>,
}

/// The largest figure of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    pub segment: String,
    pub touchpoint: String,
    pub detractors_per_100: f64,
    /// The same touchpoint's figure in the whole.
    pub whole: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRow {
    /// As published: `(unknown)` and `(other)` get the language's words; empty for the whole.
    pub segment: String,
    pub is_whole: bool,
    pub responses: u64,
    pub detractor_share: Option<f64>,
    /// One per column.
    pub cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// 100 × Σ contribution ÷ answers of the segment; both `None` where suppressed.
    pub detractors_per_100: Option<f64>,
    pub exposed_responses: Option<u64>,
    /// 0 (none) to 4, in equal steps up to `darkest`.
    pub shade: u8,
}

// ---- what changed ----------------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// `rpt_nps` of the whole, the oldest period first, at most 13 months or 26 weeks.
    pub nps: Vec<Nps>,
    /// Around all intervals.
    pub y: Axis,
    pub moves: Option<Moves>,
    /// Reach of the first six of `cost.rows`; all have the same periods as `nps`.
    pub trends: Vec<Trend>,
    /// The trend whose reach changed most from its first to its last period of enough answers.
    pub steepest: Option<Steepest>,
    /// The newest period, where it has too few answers to be among `nps`.
    #[serde(default)]
    pub begun: Option<Begun>,
    /// `rpt_restatements`
    pub restated: Vec<Restated>,
}

/// `rpt_change` of the newest period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moves {
    pub period: String,
    pub previous_period: String,
    /// Signed points: a fall is negative.
    pub total: Interval,
    /// Reach with its three largest touchpoints below it, effect with its, mix, level.
    pub parts: Vec<Part>,
    /// Around all estimates and zero.
    pub axis: Axis,
    /// Of the parts that are no detail.
    pub largest: Component,
    pub largest_points: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub component: Component,
    /// A touchpoint's; `None` for the component as a whole.
    pub label: Option<String>,
    pub points: Interval,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    Mix,
    Reach,
    Effect,
    Level,
}

/// `rpt_touchpoint_trend` of one touchpoint and the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    pub touchpoint: String,
    pub label: String,
    pub points: Vec<TrendPoint>,
    /// Its own scale, from 0.
    pub axis: Axis,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrendPoint {
    pub period: String,
    pub responses: u64,
    pub exposed_responses: u64,
    pub reach: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steepest {
    pub label: String,
    pub before: f64,
    pub after: f64,
    /// The first and the last period of `analysis.min_responses` answers.
    pub since: String,
    pub until: String,
}

/// A period that has begun: too few answers to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    pub period: String,
    pub responses: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restated {
    pub period: String,
    /// `nps`, `responses`, `reach` …; the words are in the strings.
    pub measure: String,
    /// The touchpoint's, where the figure is one's.
    pub label: Option<String>,
    /// Shown in percent.
    pub is_share: bool,
    pub was: f64,
    pub is: f64,
    pub why: String,
}

// ---- the journey -----------------------------------------------------------------------------------------

/// `fct_journeys` with an answer, by `stages_reached`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// Journeys with an answer.
    pub responses: u64,
    pub detractor_share: Option<f64>,
    /// Stages that any of them entered, in the journey's order; `purchase` first, `answer` last.
    pub rows: Vec<Stage>,
    /// The stage that, of those with `analysis.min_responses` answers, has the largest share of detractors
    /// among those who went through it, or who did not; where chance alone would hardly show as much.
    pub worst: Option<WorstStage>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    pub stage: String,
    pub reached: u64,
    pub detractors: Option<u64>,
    pub detractor_share: Option<f64>,
    /// From this stage to the row below; `None` for the last. The four sum to all.
    pub next: Option<Onward>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Onward {
    /// Entered this stage and the next.
    pub both: u64,
    /// Entered this one only.
    pub left: u64,
    /// Entered the next only.
    pub joined: u64,
    pub neither: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorstStage {
    pub stage: String,
    /// Detractors gather among those who did not get to it.
    pub is_missed: bool,
    pub detractor_share: f64,
}

// ---- customers to win back ---------------------------------------------------------------------------------

/// `rpt_follow_ups`, `rpt_closed_loop`: either the cases or why there are none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WinBack {
    pub missing: Option<NoFollowUps>,
    pub cases: Option<Cases>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFollowUps {
    /// The run has no such table.
    NotMade,
    /// Answers carry neither customer nor order.
    NoCustomers,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub open: u64,
    pub overdue: u64,
    /// Days from the answer to the as-of, of the oldest open case.
    pub oldest_days: u64,
    /// Cases whose date has come inside the window, and of them those called in time.
    pub due: u64,
    pub in_time_share: Option<f64>,
    /// Calls made, and the median of days from answer to call.
    pub called: u64,
    pub median_days_to_call: Option<f64>,
    /// All cases of detractors inside the window, and of them those closed: solved, or no contact wanted.
    pub all: u64,
    pub closed: Option<u64>,
    /// Orders of the open cases.
    pub revenue_open: Option<Money>,
    pub ages: Vec<Age>,
    /// Cases, from 0.
    pub ages_axis: Axis,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Age {
    pub from_days: u64,
    /// `None` for the last, open one.
    pub to_days: Option<u64>,
    pub cases: u64,
}

// ---- voices ----------------------------------------------------------------------------------------------

/// Redacted comments (`fct_exposures.comment`) of answers that had met a touchpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voices {
    /// Answers with a comment; 0 where the export has none.
    pub comments: u64,
    /// The first of `cost.rows` and `gain.rows` that have `analysis.min_cell` comments: at most five and three.
    pub groups: Vec<Voice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    pub touchpoint: String,
    pub label: String,
    pub mark: Mark,
    /// Comments of those who met it.
    pub comments: u64,
    /// Two at most, chosen by rule: of detractors under a cost, of promoters under a gain.
    pub quotes: Vec<Quote>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quote {
    /// Without names, numbers, addresses; at most 280 letters.
    pub text: String,
    pub score: i64,
    pub period: String,
}

// ---- how sure are we -------------------------------------------------------------------------------------

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sure {
    /// Answers that the survey tool would show: read inside the window, copies taken out.
    pub answers: u64,
    /// `fct_exposures.is_counted`, `.in_fit`
    pub counted: u64,
    pub linked: u64,
    /// `rpt_data_quality`, section `leakage`, summed.
    pub leaked: u64,
    /// `rpt_nps.nps_weighted` of the window.
    pub nps_weighted: Option<f64>,
    /// Rejected, left out and unlinked answers by reason.
    pub left_out: Vec<LeftOut>,
    /// Every touchpoint of the fit, in the catalogue's order.
    pub effects: Vec<Effect>,
    /// `rpt_guardrails`, `adjustment_set`: touchpoints that share one stand together.
    pub adjustments: Vec<Adjustment>,
    /// The measured covariate with the largest E-value.
    pub strongest: Option<Strongest>,
    /// `rpt_guardrails`, `placebo`.
    pub placebos: Vec<Placebo>,
    /// `rpt_guardrails`, `calibration`: the ten parts of the answers, the least at risk first.
    pub calibration: Vec<Tenth>,
    /// The other `rpt_guardrails` of `(model)` and `(run)`.
    pub checks: Vec<Check>,
    /// `rpt_data_quality`, section `rows`.
    pub feeds: Vec<Feed>,
    /// `rpt_data_quality`, section `links`.
    pub links: Vec<Link>,
    /// The effective settings, `manifest.configuration`; secrets are never among them.
    pub settings: Vec<Setting>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub reason: String,
    pub rows: u64,
}

/// `rpt_touchpoint_impact` of the whole, signs as published: positive costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    pub touchpoint: String,
    pub label: String,
    pub exposed_responses: u64,
    /// Neither yes nor no: unknown, too early and not measured together.
    pub unknown_responses: u64,
    /// `total_nps_points`, `direct_nps_points`
    pub total: Option<Interval>,
    pub direct: Option<Interval>,
    /// `total_risk_ratio`
    pub risk_ratio: Option<Interval>,
    pub q_value: Option<f64>,
    pub e_value: Option<f64>,
    pub e_value_limit: Option<f64>,
    /// The three are there together; levers only.
    pub rank: Option<u64>,
    pub rank_low: Option<u64>,
    pub rank_high: Option<u64>,
    pub verdict: Verdict,
    pub failing: Vec<String>,
}

/// `rpt_touchpoint_impact.verdict`, with underscores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    DrivesDetractors,
    Protects,
    NotWorthActingOn,
    NotEnoughEvidence,
    NotMeasured,
    CutsBothWays,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjustment {
    pub labels: Vec<String>,
    pub words: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strongest {
    pub term: String,
    pub e_value: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placebo {
    pub touchpoint: String,
    pub label: String,
    /// `previous_answer`; `next_order_late_or_damaged`, whose label is empty: it is all touchpoints'
    pub placebo: String,
    pub responses: u64,
    pub points: Interval,
    pub holds: bool,
    /// The bias that could have been seen at 80% power, in points.
    pub visible_points: Option<f64>,
}

/// Detractor shares, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenth {
    /// From 1.
    pub tenth: u64,
    pub expected: f64,
    pub observed: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub guardrail: String,
    /// May be empty.
    pub detail: String,
    pub value: Option<f64>,
    pub warn_beyond: Option<f64>,
    pub holds: Option<bool>,
    pub words: Option<String>,
}

/// read = superseded + filtered + rejected + after the as-of + staged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub feed: String,
    pub read: u64,
    pub superseded: u64,
    pub filtered: u64,
    pub rejected: u64,
    pub after_as_of: u64,
    pub staged: u64,
    /// The local day of its last event up to the as-of: `rpt_data_quality`, section `coverage`.
    pub newest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub feed: String,
    pub measure: String,
    pub rows: u64,
    pub share: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub key: String,
    pub value: String,
}

// ---- sheets ----------------------------------------------------------------------------------------------

/// `store.html`: one value of `[sheets] dimension`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetPage {
    pub run: Run,
    pub links: Links,
    pub sheet: Sheet,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    pub name: String,
    /// Where the page goes, relative to the run: `stores/girona-8fe1b7a2.html`.
    pub file: String,
    pub banner: Banner,
    /// The week up to the as-of, 4 and 13 weeks, from `fct_exposures`.
    pub counts: Vec<Count>,
    /// Over 13 weeks, drawn towards the whole by partial pooling; `None` under 10 answers.
    pub nps: Option<Interval>,
    /// Of all values together, over the same weeks.
    pub nps_whole: f64,
    /// A lever of `cost.rows` with an action, called an effect, whose reach here exceeds that of values like this one, times its
    /// points where met.
    pub fix: Option<Fix>,
    /// What protects, is called an effect, and is met here.
    pub keep: Option<Keep>,
    /// Redacted comments of promoters who met `keep`; none under `analysis.min_cell` comments.
    pub quotes: Vec<SheetQuote>,
    /// Open cases of this value, the first twelve to be called; `None` without a follow-up list.
    pub calls: Option<Vec<Call>>,
}

/// By the q-value among all values, which is not printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Banner {
    Below,
    Above,
    Same,
    /// Too few to tell.
    Few,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    pub span: Span,
    pub responses: u64,
    pub promoters: u64,
    pub passives: u64,
    pub detractors: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    #[serde(rename = "this_week")]
    ThisWeek,
    #[serde(rename = "weeks_4")]
    Weeks4,
    #[serde(rename = "weeks_13")]
    Weeks13,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    pub touchpoint: String,
    pub label: String,
    pub owner: Option<String>,
    pub action: Option<String>,
    /// Here, over 13 weeks.
    pub exposed_responses: u64,
    pub responses: u64,
    /// Reach in values like this one, from 0 to 1.
    pub reach_alike: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    pub touchpoint: String,
    pub label: String,
    pub action: Option<String>,
    pub exposed_responses: u64,
    pub responses: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetQuote {
    pub text: String,
}

/// A case by its number; whom it is about stands in the follow-up list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub case: String,
    pub answered_on: String,
    pub score: i64,
    /// Labels of what was met.
    pub met: Vec<String>,
    pub due_on: String,
    pub is_overdue: bool,
}

/// `stores.html`: the index of sheets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoresPage {
    pub run: Run,
    pub links: Links,
    /// By name.
    pub sheets: Vec<SheetLine>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetLine {
    pub name: String,
    /// Relative to the index.
    pub file: String,
    /// Over 13 weeks.
    pub responses: u64,
    pub nps: Option<Interval>,
    pub banner: Banner,
    /// The label of what to fix.
    pub fix: Option<String>,
}

// ---- the data dictionary -----------------------------------------------------------------------------------

/// `dictionary.html`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionaryPage {
    pub run: Run,
    pub links: Links,
    /// By name, as in `data_dictionary`.
    pub tables: Vec<DictionaryTable>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionaryTable {
    /// Ours, letters and `_` only: it is part of an element's id.
    pub name: String,
    pub meaning: String,
    pub grain: Vec<String>,
    pub rows: Option<u64>,
    pub columns: Vec<DictionaryColumn>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DictionaryColumn {
    pub position: u64,
    pub name: String,
    pub kind: String,
    pub unit: Option<String>,
    pub meaning: String,
    pub is_key: bool,
    /// One value of the run; never of a column that tells of a customer.
    pub example: Option<String>,
}
