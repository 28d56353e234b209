//! One world's answers as the fit takes them.

use std::collections::BTreeMap;

use crate::catalogue::Catalogue;
use crate::drivers::inputs::{Fitted, Levels, relations};
use crate::drivers::nonresponse::{Journeys, has_time};
use crate::drivers::placebos::Times;
use crate::error::Result;
use crate::generate::truth::{PLANTED, Plan, Tally, Truth, Whose};
use crate::generate::{self, Answer, Known, Links, World};
use crate::stats::problem::{Class, Covariate, Problem, State};

/// Touchpoints of the catalogue that do nothing of their own in any world. With those that were planted they are
/// all that a run fits: `left_alone` is the other side of `follow_up_received`, and so stands in no fit.
const FURTHER: [&str; 5] =
    ["overdue", "follow_up_within_7_days", "third_contact", "channel_switched", "solved_at_first_touch"];

/// The touchpoints that worlds tell of, with their relations in the catalogue.
pub struct Touchpoints {
    pub of_fit: Vec<Fitted>,
    /// Which of them tell of answering.
    pub have_time: Vec<bool>,
    /// What undoing them means in a world.
    pub plan: Plan,
}

impl Touchpoints {
    /// # Errors
    /// A built-in catalogue that cannot be read.
    pub fn read() -> Result<Touchpoints> {
        let catalogue = Catalogue::built_in()?;
        let is_told = |id: &str| PLANTED.iter().any(|planted| planted.id == id) || FURTHER.contains(&id);
        let entries: Vec<_> = catalogue.touchpoints.iter().filter(|entry| is_told(&entry.id)).collect();
        let have_time = entries.iter().map(|entry| has_time(entry)).collect();
        Ok(Touchpoints { have_time, of_fit: relations(&catalogue, &entries), plan: Plan::read()? })
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.of_fit.iter().map(|touchpoint| touchpoint.id.as_str())
    }

    pub fn position(&self, id: &str) -> Option<usize> {
        self.ids().position(|other| other == id)
    }

    pub fn levers(&self) -> Vec<bool> {
        self.of_fit.iter().map(|touchpoint| touchpoint.is_lever).collect()
    }
}

/// The answers of one world, and what was planted.
pub struct Sample {
    pub classes: Vec<Class>,
    pub customers: Vec<u32>,
    /// Store and week of the purchase.
    pub store_weeks: Vec<u32>,
    /// From 0.
    pub stores: Vec<u16>,
    /// UTC seconds.
    pub responded_at: Vec<i64>,
    pub window_starts_at: Vec<Option<i64>>,
    /// Per touchpoint.
    pub states: Vec<Vec<State>>,
    /// The same, were every answer about the customer's latest order.
    pub of_latest: Vec<Vec<State>>,
    pub covariates: Vec<Column>,
    pub purchase_months: Column,
    pub is_answered: Vec<bool>,
    /// Of these answers.
    pub truth: Truth,
}

/// One covariate.
pub struct Column {
    pub name: &'static str,
    pub levels: Vec<String>,
    pub codes: Vec<u16>,
}

/// The covariate that holds equal how late it was asked.
pub use crate::drivers::inputs::LAG;
pub const STORE: &str = "seg_store_id";

impl Sample {
    /// So many answers of a world; of `Whose::Asked` all who were asked until so many have answered.
    pub fn of(world: &World, whose: Whose, answers: usize, touchpoints: &Touchpoints) -> Sample {
        Sample::linked(world, whose, Links::Named, answers, touchpoints)
    }

    /// The same, where not every answer says which order it is about.
    pub fn linked(
        world: &World,
        whose: Whose,
        links: Links,
        answers: usize,
        touchpoints: &Touchpoints,
    ) -> Sample {
        let mut tally = Tally::new(touchpoints.plan);
        let mut rows: Vec<Answer> = Vec::new();
        let mut answered = 0;
        generate::of_customers(world, whose, links, &mut tally, |of_customer| {
            for row in of_customer {
                answered += usize::from(row.is_answered);
                if row.is_answered || whose == Whose::Asked {
                    rows.push(row);
                }
            }
            answered >= answers
        });
        // As the pipeline reads them.
        rows.sort_by_key(|row| (row.responded, row.customer));
        let states = |known: &dyn Fn(&Answer) -> &Known| -> Vec<Vec<State>> {
            touchpoints.ids().map(|id| rows.iter().map(|row| state(known(row), id)).collect()).collect()
        };
        let column = |name: &'static str, value: &dyn Fn(&Answer) -> String| Column::of(name, &rows, value);
        Sample {
            classes: rows.iter().map(class).collect(),
            customers: rows.iter().map(|row| row.customer as u32).collect(),
            store_weeks: rows.iter().map(|row| row.week * 64 + row.store as u32).collect(),
            stores: rows.iter().map(|row| row.store as u16 - 1).collect(),
            responded_at: rows.iter().map(|row| row.responded).collect(),
            window_starts_at: rows.iter().map(|row| Some(row.ordered)).collect(),
            states: states(&|row| &row.known),
            of_latest: states(&|row| &row.of_latest),
            covariates: vec![
                column("x_month", &|row| month(row.month)),
                column("mode", &|row| row.mode.to_string()),
                column(LAG, &|row| bin(&LAGS, row.days_to_answer).to_string()),
                column("x_orders_bin", &|row| {
                    ["0 or 1", "0 or 1", "2", "3 or more"][row.orders.min(3)].to_string()
                }),
                column("x_earlier_purchases_bin", &|row| match row.earlier_purchases {
                    few @ 0..=1 => few.to_string(),
                    2..=3 => "2-3".into(),
                    _ => "4 or more".into(),
                }),
                column("x_observable_days_bin", &|row| {
                    row.observable_days.map_or("(unknown)", |days| bin(&OBSERVABLE, days)).into()
                }),
                column("x_other_events_bin", &|row| {
                    ["0", "1", "2 or more"][row.other_events.min(2)].to_string()
                }),
                column(STORE, &|row| format!("s{:02}", row.store)),
                column("seg_region", &|row| row.region.to_string()),
                column("seg_product_category", &|row| row.product_category.to_string()),
                column("seg_sales_channel", &|row| row.sales_channel.to_string()),
            ],
            purchase_months: column("purchase_month", &|row| month(row.purchase_month)),
            is_answered: rows.iter().map(|row| row.is_answered).collect(),
            truth: tally.truth(),
        }
    }

    /// As the statistics take it, with these covariates.
    pub fn problem<'a>(
        &'a self,
        touchpoints: &Touchpoints,
        covariates: &[&str],
        clusters: Vec<&'a [u32]>,
        weights: Option<&'a [f64]>,
    ) -> Problem<'a> {
        self.problem_of(touchpoints, &self.states, covariates, clusters, weights)
    }

    /// The same with other states.
    pub fn problem_of<'a>(
        &'a self,
        touchpoints: &Touchpoints,
        states: &'a [Vec<State>],
        covariates: &[&str],
        clusters: Vec<&'a [u32]>,
        weights: Option<&'a [f64]>,
    ) -> Problem<'a> {
        let of_fit = touchpoints.of_fit.iter().zip(states);
        Problem {
            classes: &self.classes,
            weights,
            clusters,
            touchpoints: of_fit.map(|(touchpoint, states)| touchpoint.with(states)).collect(),
            covariates: self
                .covariates
                .iter()
                .filter(|column| column.levels.len() > 1 && covariates.contains(&column.name))
                .map(|column| Covariate {
                    name: column.name.into(),
                    levels: column.levels.clone(),
                    codes: &column.codes,
                })
                .collect(),
        }
    }

    /// The names of all covariates: what the pipeline holds equal by itself, and the segments of the preset
    /// `plain`.
    pub fn usual(&self) -> Vec<&'static str> {
        self.covariates.iter().map(|column| column.name).collect()
    }

    /// All who were asked, as the model of answering takes them.
    pub fn journeys(&self, touchpoints: &Touchpoints) -> Journeys {
        let segments = self.covariates.iter().filter(|column| column.name.starts_with("seg_"));
        let told = touchpoints.ids().zip(&self.states).zip(&touchpoints.have_time).filter(|(_, told)| **told);
        Journeys {
            answer_of: (0..).zip(&self.is_answered).map(|(row, answered)| answered.then_some(row)).collect(),
            clusters: self.customers.clone(),
            store_weeks: self.store_weeks.clone(),
            touchpoints: told.map(|((id, states), _)| (id.to_string(), states.clone())).collect(),
            covariates: [&self.purchase_months]
                .into_iter()
                .chain(segments)
                .map(|column| Levels {
                    name: column.name.into(),
                    levels: column.levels.clone(),
                    codes: column.codes.clone(),
                })
                .collect(),
        }
    }

    /// The customers, and when they answered.
    pub fn times(&self) -> Times<'_> {
        Times {
            customers: &self.customers,
            responded_at: &self.responded_at,
            window_starts_at: &self.window_starts_at,
        }
    }
}

impl Column {
    fn of(name: &'static str, rows: &[Answer], value: &dyn Fn(&Answer) -> String) -> Column {
        let values: Vec<String> = rows.iter().map(value).collect();
        let mut places: BTreeMap<&str, u16> = values.iter().map(|value| (value.as_str(), 0)).collect();
        for (code, place) in places.values_mut().enumerate() {
            *place = code as u16;
        }
        Column {
            name,
            levels: places.keys().map(|level| (*level).to_string()).collect(),
            codes: values.iter().map(|value| places[value.as_str()]).collect(),
        }
    }
}

fn month(month: i32) -> String {
    format!("{:04}-{:02}", month / 12, month % 12 + 1)
}

fn class(row: &Answer) -> Class {
    match row.class {
        generate::Class::Promoter => Class::Promoter,
        generate::Class::Passive => Class::Passive,
        generate::Class::Detractor => Class::Detractor,
    }
}

fn state(known: &Known, id: &str) -> State {
    let of = |met: bool| if met { State::Yes } else { State::No };
    match id {
        "overdue" => of(known.further.overdue),
        "follow_up_within_7_days" => of(known.further.follow_up_within_7_days),
        "third_contact" => of(known.further.third_contact),
        "solved_at_first_touch" => known.further.solved_at_first_touch.map_or(State::TooEarly, of),
        "channel_switched" => of(known.further.channel_switched),
        _ => match PLANTED.iter().find(|planted| planted.id == id) {
            Some(planted) if known.met.has(planted.cause) => State::Yes,
            Some(planted) if known.too_early.has(planted.cause) => State::TooEarly,
            Some(_) => State::No,
            None => State::NotMeasured,
        },
    }
}

/// As `x_days_to_answer_bin` of `queries/6_measures/int_measures.sql`.
const LAGS: [(f64, &str); 8] = [
    (2.0, "under 2"),
    (4.0, "2-3"),
    (7.0, "4-6"),
    (14.0, "7-13"),
    (21.0, "14-20"),
    (30.0, "21-29"),
    (60.0, "30-59"),
    (f64::INFINITY, "60 or more"),
];

/// As `x_observable_days_bin` there.
const OBSERVABLE: [(f64, &str); 4] =
    [(14.0, "under 14"), (30.0, "14-29"), (60.0, "30-59"), (f64::INFINITY, "60 or more")];

fn bin(bins: &[(f64, &'static str)], days: f64) -> &'static str {
    bins.iter().find(|(below, _)| days < *below).map_or("60 or more", |(_, bin)| bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_cut_as_the_query_cuts_them() {
        let queries = crate::queries::stages().unwrap();
        let sql = queries.iter().find(|query| query.name == "int_measures").unwrap().sql;
        for (name, bins) in [("days_to_answer", &LAGS[..]), ("observable_days", &OBSERVABLE[..])] {
            for (below, bin) in bins.iter().filter(|(below, _)| below.is_finite()) {
                let line = format!("when {name} < {below} then '{bin}'");
                assert!(sql.contains(&line), "{line}");
            }
        }
    }

    /// Answers that name no order tell of all that the customer met; and some customers met things on two orders, so
    /// that "too early to tell whether damaged" is no longer the same as "not delivered".
    #[test]
    fn mixed_links_part_what_one_order_has_together() {
        let touchpoints = Touchpoints::read().unwrap();
        let world = World { seed: 9, ..World::default() };
        let apart = |links: Links| {
            let sample = Sample::linked(&world, Whose::Answered, links, 5_000, &touchpoints);
            let of = |id: &str| &sample.states[touchpoints.position(id).unwrap()];
            let pairs = of("not_delivered").iter().zip(of("damaged"));
            let apart =
                pairs.filter(|(gone, damaged)| (**gone == State::Yes) != (**damaged == State::TooEarly));
            let observable = sample.covariates.iter().find(|c| c.name == "x_observable_days_bin").unwrap();
            let unknown = observable.levels.iter().position(|level| level == "(unknown)").unwrap() as u16;
            let named = observable.codes.iter().filter(|code| **code == unknown).count();
            (apart.count(), named as f64 / sample.classes.len() as f64)
        };
        assert_eq!(apart(Links::Named), (0, 1.0));
        let (odd, named) = apart(Links::AsExported);
        assert!((1..100).contains(&odd) && (named - 0.6).abs() < 0.03, "{odd} {named}");
    }

    #[test]
    fn a_sample_has_its_answers_and_their_truth() {
        let touchpoints = Touchpoints::read().unwrap();
        let world = World { seed: 9, ..World::default() };
        let sample = Sample::of(&world, Whose::Answered, 3_000, &touchpoints);
        assert!((3_000..3_006).contains(&sample.classes.len()));
        assert_eq!(sample.truth.responses, sample.classes.len() as u64);
        let late = touchpoints.position("late").unwrap();
        let exposed = sample.states[late].iter().filter(|state| **state == State::Yes).count() as u64;
        assert_eq!(sample.truth.touchpoints["late"].exposed, exposed);
        let problem = sample.problem(&touchpoints, &sample.usual(), vec![&sample.customers], None);
        problem.check().unwrap();
        assert_eq!(problem.covariates.len(), 10);
        // All who were asked are more than those who answered.
        let asked = Sample::of(&world, Whose::Asked, 1_000, &touchpoints);
        let answered = asked.is_answered.iter().filter(|answered| **answered).count();
        assert!((1_000..1_006).contains(&answered) && asked.classes.len() > 2_000);
    }
}
