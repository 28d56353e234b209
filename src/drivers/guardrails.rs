//! `guardrails`: what has to hold before an effect may be called one, and figures to read beside it.

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};

use super::columns::{boolean, count, integer, number, text};
use super::comparisons::Comparison;
use super::estimates::Estimates;
use super::inputs::{Answers, LAG};
use super::nonresponse;
use super::order_check::Pair;
use super::parts::Part;
use super::placebos::{self, AtSending, Found};
use super::terms;
use super::verdicts::Differs;
use crate::error::Result;
use crate::exposures::{OTHER_SEGMENT, batch};
use crate::stats::analysis::{Analysis, Fitted, Missing};
use crate::stats::design::Column;
use crate::stats::effects::Estimand;
use crate::stats::guardrails::{self, How, LeftOut};
use crate::stats::patterns::POOLED;
use crate::stats::placebo::Placebo;

/// A share of the exposed beyond which nobody like them was spared is a warning.
const MOST_WITHOUT_EQUALS: f64 = 0.1;
/// Fewer unexposed answers than this, by weight, that carry the comparison are a warning; fewer than
/// `propensity::LEAST_GROUND` are no ground for a verdict.
const FEWEST_EFFECTIVE: f64 = 30.0;
const MOST_CONTRADICTED: f64 = 0.1;
/// A covariate of the configuration is not held equal where more answers than this have one of its rarer values.
const MOST_POOLED: f64 = 0.5;
/// Of pairs met together by fewer answers than this nothing is said.
const FEWEST_OF_A_PAIR: u64 = 20;
/// Fewer clusters than this that tell two columns apart: as few as make a touchpoint thin.
const FEWEST_APART: u64 = 30;
/// Observed and fitted detractors of a group differ by more than chance beyond so many standard errors.
const FARTHEST_OFF: f64 = 4.0;

/// One test that speaks for all touchpoints: its false alarms would take every effect's name away.
const SUREST_PLACEBO: f64 = 0.01;

/// All that guardrails look at.
pub struct Looked<'a> {
    pub answers: &'a Answers,
    pub analysis: &'a Analysis<'a>,
    pub estimates: &'a Estimates,
    pub comparisons: &'a [Option<Comparison>],
    pub contradictions: &'a [Vec<Pair>],
    pub previous_answer: Option<&'a Found>,
    pub next_order_bad: Option<&'a Placebo>,
    pub at_sending: Option<&'a AtSending>,
    pub nonresponse: Option<&'a nonresponse::Found>,
    pub same_answers: Option<&'a Part>,
    pub by_order: Option<&'a Part>,
    pub turning_ratios: &'a [Option<f64>],
    pub homogeneity: &'a [Differs],
}

/// One row.
pub struct Rail {
    /// Position in the fit; none for the model and the run.
    touchpoint: Option<usize>,
    /// Of the model: whose effects it speaks against where it does not hold.
    speaks_of: Whose,
    /// Where it belongs to no touchpoint.
    about: &'static str,
    guardrail: &'static str,
    detail: String,
    value: Option<f64>,
    warn_beyond: Option<f64>,
    holds: Option<bool>,
    words: Option<String>,
}

/// Touchpoints of the fit.
enum Whose {
    Nobody,
    Both([usize; 2]),
    Everybody,
}

impl Rail {
    fn about(about: &'static str, guardrail: &'static str, detail: impl Into<String>) -> Rail {
        Rail {
            touchpoint: None,
            speaks_of: Whose::Nobody,
            about,
            guardrail,
            detail: detail.into(),
            value: None,
            warn_beyond: None,
            holds: None,
            words: None,
        }
    }

    fn of(touchpoint: usize, guardrail: &'static str, detail: impl Into<String>) -> Rail {
        Rail { touchpoint: Some(touchpoint), ..Rail::about("", guardrail, detail) }
    }

    fn value(mut self, value: f64) -> Rail {
        self.value = Some(value);
        self
    }

    fn limit(mut self, warn_beyond: f64, holds: bool) -> Rail {
        (self.warn_beyond, self.holds) = (Some(warn_beyond), Some(holds));
        self
    }

    fn speaks_of(mut self, speaks_of: Whose) -> Rail {
        self.speaks_of = speaks_of;
        self
    }

    fn words(mut self, words: impl Into<String>) -> Rail {
        self.words = Some(words.into());
        self
    }
}

impl Looked<'_> {
    pub fn rails(&self) -> Vec<Rail> {
        let mut rails = self.of_the_run();
        rails.extend(self.of_the_model());
        for touchpoint in 0..self.analysis.touchpoints() {
            self.of_a_touchpoint(touchpoint, &mut rails);
        }
        for covariate in 0..self.analysis.problem.covariates.len() {
            let name = &self.analysis.problem.covariates[covariate].name;
            let changes = guardrails::without_covariate(self.analysis, &self.estimates.fits, covariate);
            for (touchpoint, left_out) in changes.into_iter().enumerate() {
                let rail = |left_out: LeftOut| {
                    let rail = Rail::of(touchpoint, "leave_out", name).value(left_out.change);
                    rail.words(self.how_left_out(&left_out.how))
                };
                rails.extend(left_out.map(rail));
            }
        }
        for differs in self.homogeneity {
            rails.push(
                Rail::of(differs.touchpoint, "homogeneity", &differs.dimension)
                    .value(differs.q_value)
                    .words("q-value of no difference between segments"),
            );
        }
        rails
    }

    fn how_left_out(&self, how: &How) -> String {
        match how {
            How::FirstOrder => "to first order".into(),
            How::FittedAgain => "fitted again without it, with what it had told".into(),
            How::ToldBy(covariates) => {
                let name = |covariate: &usize| self.analysis.problem.covariates[*covariate].name.as_str();
                let names: Vec<&str> = covariates.iter().map(name).collect();
                format!("nothing changes: it is told by {}", names.join(", "))
            }
        }
    }

    fn of_the_run(&self) -> Vec<Rail> {
        let run = |guardrail, detail: &str| Rail::about("(run)", guardrail, detail);
        let (all, met) = (self.answers.len().max(1), &self.answers.met);
        let known = met.sent_at.iter().flatten().count();
        let mut rails = vec![
            run("landmark", "answers whose sending is known, as a share")
                .value(known as f64 / all as f64)
                .words(if known > 0 {
                    "the landmark is the answer; sent_at says when it was asked for"
                } else {
                    "the landmark is the answer; how long it took is known only after the fact"
                }),
        ];
        if let Some(at_sending) = self.at_sending {
            rails.push(
                run("landmark", "contacts between sending and answering")
                    .value(at_sending.met_after_sending as f64),
            );
            rails.push(
                run("landmark", "answers of the sensitivity at sending").value(at_sending.answers as f64),
            );
        }
        if let Some(found) = self.nonresponse {
            let share = found.answered as f64 / found.journeys as f64;
            rails.push(
                run("nonresponse", "journeys that could have been answered")
                    .value(found.journeys as f64)
                    .words("all purchases whose landmark lies inside the window: who was asked is not known"),
            );
            rails.push(run("nonresponse", "of them answered, as a share").value(share));
            rails.push(run("nonresponse", "answers whose weight was trimmed").value(found.trimmed as f64));
        }
        let by_order = self.answers.are_about_an_order();
        let by_customer = by_order.iter().filter(|by_order| !**by_order).count();
        let linked = run("linked_by_customer", "answers about no order in particular, as a share");
        rails.push(linked.value(by_customer as f64 / all as f64).words(
            "what they had met is what their customer met on all orders of the lookback: another question, \
             answered in one figure with that of the others",
        ));
        let lag = self.answers.covariates.iter().any(|covariate| covariate.name == LAG);
        let mut adjusted = run("lag_adjusted", "days from delivery to answer are held equal");
        adjusted.holds = Some(lag);
        rails.push(adjusted);
        rails
    }

    fn of_the_model(&self) -> Vec<Rail> {
        let model = |guardrail, detail: &str| Rail::about("(model)", guardrail, detail);
        let patterns = &self.analysis.patterns;
        let mut rails = vec![
            model("answers", "in the fit").value(patterns.answers() as f64),
            model("answers", "different patterns").value(patterns.len() as f64),
        ];
        let Ok(fitted) = &self.estimates.fits.direct else {
            rails.push(
                model("fit", "").words(
                    "there is no model: too few answers, or none of a promoter, or none of a detractor",
                ),
            );
            return rails;
        };
        rails.push(model("answers", "log-likelihood").value(fitted.fit.log_likelihood));
        rails.push(model("answers", "columns").value(fitted.model.columns.len() as f64));
        rails.extend(self.of_pooled_levels());
        rails.push(model("answers", "dropped columns").value(fitted.model.dropped.len() as f64));
        for (tenth, fitness) in guardrails::by_deciles(fitted).iter().enumerate() {
            let shares = [("observed", fitness.observed), ("fitted", fitness.fitted)];
            for (name, detractors) in shares.into_iter().filter(|_| fitness.answers > 0.0) {
                rails.push(
                    model("calibration", &format!("tenth {:02} {name}", tenth + 1))
                        .value(detractors / fitness.answers),
                );
            }
            rails.push(
                model("calibration", &format!("tenth {:02} off by", tenth + 1))
                    .value(fitness.z)
                    .limit(FARTHEST_OFF, fitness.z.abs() <= FARTHEST_OFF)
                    .speaks_of(Whose::Everybody),
            );
        }
        let id = |touchpoint: usize| &self.answers.touchpoints[touchpoint].id;
        for (one, other, fitness) in guardrails::by_pairs(self.analysis, fitted) {
            if fitness.answers >= FEWEST_OF_A_PAIR as f64 {
                rails.push(
                    model("pairs", &format!("{} and {} off by", id(one), id(other)))
                        .value(fitness.z)
                        .limit(FARTHEST_OFF, fitness.z.abs() <= FARTHEST_OFF)
                        .speaks_of(Whose::Both([one, other])),
                );
            }
        }
        rails.extend(self.of_near_aliases(fitted));
        if let Some(found) = self.next_order_bad {
            let detail = "next order late or damaged: NPS points";
            let mut rail = model("placebo", detail).value(found.nps_points.value);
            rail.holds = found.p_value.map(|p_value| p_value > SUREST_PLACEBO);
            let rail = rail.speaks_of(Whose::Everybody);
            rails.push(rail.words("should be 0: an answer cannot feel what came after it"));
            let detail = "next order late or damaged: bias that would have been seen";
            rails.extend(found.detectable.map(|bias| model("placebo", detail).value(bias)));
            rails.push(model("placebo", "next order late or damaged: answers").value(found.answers as f64));
        }
        if let Some(strongest) = guardrails::strongest_covariate(self.analysis, fitted) {
            let column = Column::Level { covariate: strongest.covariate, level: strongest.level };
            rails.push(
                model("strongest_covariate", &terms::name(self.analysis, column))
                    .value(strongest.e_value)
                    .words("its E-value, for comparison with those of touchpoints"),
            );
        }
        rails
    }

    /// Of how many answers a covariate is held equal only as "one of the rarer values". Of what the configuration
    /// asks to be held equal it may not be most.
    fn of_pooled_levels(&self) -> Vec<Rail> {
        let (patterns, problem) = (&self.analysis.patterns, self.analysis.problem);
        let mut rails = Vec::new();
        for (covariate, levels) in problem.covariates.iter().zip(&patterns.levels) {
            let is_pooled: Vec<bool> = levels
                .level_of
                .iter()
                .zip(&covariate.levels)
                .map(|(level, name)| levels.names[usize::from(*level)] == POOLED || name == OTHER_SEGMENT)
                .collect();
            let pooled = covariate.codes.iter().filter(|code| is_pooled[usize::from(**code)]).count();
            if pooled == 0 {
                continue;
            }
            let share = pooled as f64 / covariate.codes.len() as f64;
            let rail = Rail::about("(model)", "pooled_levels", &covariate.name)
                .value(share)
                .words("answers whose value is held equal only as one of the rarer ones");
            rails.push(match self.answers.is_asked_for(&covariate.name) {
                true => rail.limit(MOST_POOLED, share <= MOST_POOLED).speaks_of(Whose::Everybody),
                false => rail,
            });
        }
        rails
    }

    /// Columns that nearly the same answers have. What is not undone together has to be told apart, in the model
    /// of total effects too: then it hangs on those few.
    fn of_near_aliases(&self, direct: &Fitted) -> Vec<Rail> {
        let rail = |near: guardrails::NearAlias| {
            let name = terms::name(self.analysis, near.column);
            let rail = Rail::of(near.touchpoint, "near_alias", name).value(near.clusters as f64);
            let is_in_total = match near.column {
                Column::State { touchpoint, .. } => {
                    self.analysis.order.in_total_model(near.touchpoint)[touchpoint]
                }
                _ => true,
            };
            if near.is_undone_too {
                return rail.words("nearly the same answers have it; it is undone with the touchpoint");
            }
            if !is_in_total {
                let words = "nearly the same answers have it: the direct effect hangs on these few clusters";
                return rail.words(words);
            }
            rail.limit(FEWEST_APART as f64, false)
                .words("nearly the same answers have it: the effect hangs on these few clusters")
        };
        guardrails::near_aliases(self.analysis, direct, FEWEST_APART).into_iter().map(rail).collect()
    }

    fn of_a_touchpoint(&self, at: usize, rails: &mut Vec<Rail>) {
        let analysis = self.analysis;
        let set = analysis.order.in_words(analysis.problem, at);
        rails.push(Rail::of(at, "adjustment_set", "").words(set));
        let support = &analysis.support[at];
        for (class, exposed) in ["promoters", "passives", "detractors"].into_iter().zip(support.exposed) {
            rails
                .push(Rail::of(at, "exposed_by_class", class).value(exposed as f64).limit(5.0, exposed >= 5));
        }
        let customers = support.exposed_clusters;
        rails
            .push(Rail::of(at, "exposed_customers", "").value(customers as f64).limit(30.0, customers >= 30));
        for (class, alike) in ["promoters", "passives", "detractors"].into_iter().zip(support.comparable) {
            let rail = Rail::of(at, "comparable_by_class", class).value(alike as f64);
            rails.push(rail.limit(5.0, alike >= 5));
        }
        let fitted = self.estimates.fits.behind(Estimand::Total, at);
        let why = match analysis.missing(fitted, at) {
            Some(Missing::Same(reason)) => Some(terms::why(analysis, &reason)),
            Some(Missing::NobodyMet) => Some("nobody met it".into()),
            Some(Missing::EverybodyMet) => Some("everybody met it".into()),
            Some(Missing::NobodyToCompareWith) => {
                Some("nobody is in the state that it is compared with".into())
            }
            Some(Missing::NoFit(_)) => Some("there is no model".into()),
            Some(Missing::NotMeasured) | None => None,
        };
        rails.extend(why.map(|why| Rail::of(at, "alias", "").words(why)));
        if let Ok(fitted) = fitted
            && fitted.fit.is_penalised
        {
            rails.extend(self.of_the_penalty(at, fitted));
        }
        self.of_the_order(at, rails);
        if let Some(comparison) = &self.comparisons[at] {
            of_a_comparison(at, comparison, rails);
        }
        if let Some((found, q_value)) = self.previous_answer.and_then(|found| found[at].as_ref()) {
            let mut rail =
                Rail::of(at, "placebo", "previous answer: NPS points").value(found.nps_points.value);
            rail.holds = q_value.map(|q_value| !placebos::speaks_against(q_value));
            rails.push(rail.words("should be 0: nothing of this can have moved an earlier answer"));
            let detail = "previous answer: bias that would have been seen";
            rails.extend(found.detectable.map(|bias| Rail::of(at, "placebo", detail).value(bias)));
            rails.push(Rail::of(at, "placebo", "previous answer: answers").value(found.answers as f64));
        }
        if let Some(points) = self.at_sending.and_then(|at_sending| at_sending.nps_points[at]) {
            let what = "NPS points with the sending as landmark";
            rails.push(Rail::of(at, "landmark", what).value(points.value));
            if let Some(interval) = points.process {
                rails.push(Rail::of(at, "landmark", format!("{what}: low")).value(interval.low));
                rails.push(Rail::of(at, "landmark", format!("{what}: high")).value(interval.high));
            }
        }
        if let Some(Ok(weighted)) = self.nonresponse.map(|found| &found.effects[at]) {
            let words =
                "weighted by how seldom journeys like theirs are answered; rpt_effects has its interval";
            let rail = Rail::of(at, "nonresponse", "NPS points, weighted");
            rails.push(rail.value(weighted.nps_points.value).words(words));
            if let Some(Ok(plain)) = self.same_answers.map(|part| &part.effects.of[at]) {
                let rail = Rail::of(at, "nonresponse", "NPS points of the same answers, unweighted");
                rails.push(rail.value(plain.measures.nps_points.value));
            }
        }
        if let Some(Ok(of_orders)) = self.by_order.map(|part| &part.effects.of[at]) {
            let words = "rpt_effects has its interval, and the risk per exposed answer";
            let rail = Rail::of(at, "linked_by_customer", "NPS points among answers about an order");
            rails.push(rail.value(of_orders.measures.nps_points.value).words(words));
        }
        if let Some(ratio) = self.turning_ratios[at] {
            let words = "detractors answering so much more readily than promoters would turn the verdict";
            rails.push(Rail::of(at, "turning_ratio", "").value(ratio).words(words));
        }
    }

    /// Why a model was fitted with a penalty: which touchpoints in it are thin, which columns separate.
    fn of_the_penalty(&self, at: usize, fitted: &Fitted) -> Vec<Rail> {
        let analysis = self.analysis;
        let thin: Vec<&str> = analysis
            .thin_in(&fitted.model)
            .map(|touchpoint| self.answers.touchpoints[touchpoint].id.as_str())
            .collect();
        let words = match thin.is_empty() {
            true => "estimated with Firth's penalty, as columns separate".to_string(),
            false => format!("estimated with Firth's penalty, as few met or were spared {}", thin.join(", ")),
        };
        let mut rails = vec![Rail::of(at, "penalty", "").words(words)];
        for column in &fitted.fit.separating {
            let of = fitted.model.answers_by_class(*column as u16);
            let lacking: Vec<&str> = ["promoter", "passive", "detractor"]
                .into_iter()
                .zip(of)
                .filter_map(|(class, weight)| (weight <= 0.0).then_some(class))
                .collect();
            let words = match lacking.is_empty() {
                true => "together with others it tells a class for sure".to_string(),
                false => format!("of its answers none is a {}", lacking.join(" or ")),
            };
            let name = terms::name(analysis, fitted.model.columns[*column]);
            rails.push(Rail::of(at, "separation", name).value(of.iter().sum()).words(words));
        }
        rails
    }

    fn of_the_order(&self, at: usize, rails: &mut Vec<Rail>) {
        for (earlier, pair) in self.contradictions[at].iter().enumerate() {
            if pair.both >= FEWEST_OF_A_PAIR {
                let share = pair.contradicted as f64 / pair.both as f64;
                let detail = format!("came before {}", self.answers.touchpoints[earlier].id);
                rails.push(
                    Rail::of(at, "order_contradicted", detail)
                        .value(share)
                        .limit(MOST_CONTRADICTED, share <= MOST_CONTRADICTED),
                );
            }
        }
    }
}

fn of_a_comparison(at: usize, comparison: &Comparison, rails: &mut Vec<Rail>) {
    let overlap = &comparison.overlap;
    let without = overlap.exposed_without_equals;
    rails.push(
        Rail::of(at, "overlap", "share of the exposed with a propensity over .98")
            .value(without)
            .limit(MOST_WITHOUT_EQUALS, without <= MOST_WITHOUT_EQUALS),
    );
    for (detail, value) in [
        ("least propensity of the exposed", overlap.exposed_range.0),
        ("greatest propensity of the exposed", overlap.exposed_range.1),
        ("least propensity of the unexposed", overlap.unexposed_range.0),
        ("greatest propensity of the unexposed", overlap.unexposed_range.1),
    ] {
        rails.push(Rail::of(at, "overlap", detail).value(value));
    }
    rails.push(
        Rail::of(at, "effective_responses", "unexposed answers that carry the comparison")
            .value(overlap.effective_unexposed)
            .limit(FEWEST_EFFECTIVE, overlap.effective_unexposed >= FEWEST_EFFECTIVE),
    );
    if let Some(check) = comparison.doubly_robust {
        rails.push(Rail::of(at, "doubly_robust", "risk difference by the model").value(check.by_model));
        let mut rail =
            Rail::of(at, "doubly_robust", "risk difference, doubly robust").value(check.doubly_robust);
        rail.holds = Some(!check.is_flagged);
        rails.push(rail);
        let detail = "standard error of their difference";
        rails.extend(check.std_error.map(|error| Rail::of(at, "doubly_robust", detail).value(error)));
    }
}

/// Per touchpoint of the fit, whether nothing that was looked at speaks against calling its effect one.
pub fn holds(rails: &[Rail], touchpoints: usize) -> Vec<bool> {
    let mut holds = vec![true; touchpoints];
    for rail in rails.iter().filter(|rail| rail.holds == Some(false)) {
        match (rail.touchpoint, &rail.speaks_of) {
            (Some(touchpoint), _) => holds[touchpoint] = false,
            (None, Whose::Both(pair)) => pair.iter().for_each(|touchpoint| holds[*touchpoint] = false),
            (None, Whose::Everybody) => holds.fill(false),
            (None, Whose::Nobody) => {}
        }
    }
    holds
}

/// # Errors
/// Columns that do not fit together.
pub fn table(rails: &[Rail], answers: &Answers) -> Result<RecordBatch> {
    let touchpoint = |rail: &Rail| rail.touchpoint.map(|at| &answers.touchpoints[at]);
    let id = |rail| touchpoint(rail).map_or(rail.about, |touchpoint| touchpoint.id.as_str());
    let position = |rail: &Rail| touchpoint(rail).map_or(0, |touchpoint| count(touchpoint.place + 1));
    batch(vec![
        ("touchpoint", Arc::new(StringArray::from_iter_values(rails.iter().map(id)))),
        ("touchpoint_position", integer(rails, |rail| Some(position(rail)))),
        ("guardrail", text(rails, |rail| Some(rail.guardrail))),
        ("detail", text(rails, |rail| Some(rail.detail.as_str()))),
        ("value", number(rails, |rail| rail.value)),
        ("warn_beyond", number(rails, |rail| rail.warn_beyond)),
        ("holds", boolean(rails, |rail| rail.holds)),
        ("words", text(rails, |rail| rail.words.as_deref())),
    ])
}
