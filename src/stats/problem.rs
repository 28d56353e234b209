//! What is asked: answers with their class, what each had met, what is held equal, who gave it.
//!
//! Columns lie side by side, one value per answer, as a table would hand them over. Nothing is copied.

use std::fmt;

/// The class of an answer. Promoters are the reference of every model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    Promoter = 0,
    Passive = 1,
    Detractor = 2,
}

/// An answer's state of a touchpoint, as it stood at the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    No = 0,
    Yes = 1,
    TooEarly = 2,
    Unknown = 3,
    NotMeasured = 4,
}

impl State {
    pub const ALL: [State; 5] = [State::No, State::Yes, State::TooEarly, State::Unknown, State::NotMeasured];

    pub fn as_str(self) -> &'static str {
        match self {
            State::No => "no",
            State::Yes => "yes",
            State::TooEarly => "too_early",
            State::Unknown => "unknown",
            State::NotMeasured => "not_measured",
        }
    }
}

/// One touchpoint of the catalogue; its position in [`Problem::touchpoints`] is the catalogue's order, and
/// what other touchpoints refer to it by.
#[derive(Debug, Clone)]
pub struct Touchpoint<'a> {
    pub id: String,
    /// Position of its stage; earlier stages have smaller numbers.
    pub stage: usize,
    /// States of one factor (same number) exclude each other; no state is the reference.
    pub factor: Option<usize>,
    /// The wider touchpoint that it is part of.
    pub within: Option<usize>,
    /// Touchpoints of the same stage that come before it.
    pub after: Vec<usize>,
    /// What keeps it undecided, of its own or an earlier stage: with that, *too early to tell* is undone.
    pub waits_for: Option<usize>,
    /// Per answer.
    pub states: &'a [State],
}

/// What is held equal: known before the first touchpoint, in levels.
#[derive(Debug, Clone)]
pub struct Covariate<'a> {
    pub name: String,
    pub levels: Vec<String>,
    /// Per answer, a position in `levels`.
    pub codes: &'a [u16],
}

/// A whole problem. Every slice has one entry per answer.
#[derive(Debug, Clone)]
pub struct Problem<'a> {
    pub classes: &'a [Class],
    /// None: every answer counts once. Answers of weight zero are left out.
    pub weights: Option<&'a [f64]>,
    /// Whose answers are not independent: one grouping (customers), or two that cross (customers and
    /// store-weeks). Any numbers; equal ones belong together.
    pub clusters: Vec<&'a [u32]>,
    pub touchpoints: Vec<Touchpoint<'a>>,
    pub covariates: Vec<Covariate<'a>>,
}

/// What is wrong with a problem as it was put. A fault is the caller's, never the data's.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// A column has another number of entries than there are answers.
    Length { column: String, found: usize, expected: usize },
    /// A weight is negative or not a number.
    Weight { answer: usize },
    /// One or two groupings are needed.
    Groupings { found: usize },
    /// A covariate's code lies outside its levels.
    Level { covariate: String, answer: usize },
    /// A touchpoint refers to one that is not there, to itself in a circle, or to another stage (what
    /// waits: to a later one).
    Relation { touchpoint: String },
    /// More columns than a model may have.
    TooManyColumns { found: usize, most: usize },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::Length { column, found, expected } => {
                write!(f, "`{column}` has {found} entries for {expected} answers")
            }
            Fault::Weight { answer } => write!(f, "the weight of answer {answer} is negative or no number"),
            Fault::Groupings { found } => write!(f, "{found} groupings of answers: one or two are needed"),
            Fault::Level { covariate, answer } => {
                write!(f, "`{covariate}` of answer {answer} is none of its levels")
            }
            Fault::Relation { touchpoint } => {
                write!(f, "`{touchpoint}` refers to a touchpoint that it cannot refer to")
            }
            Fault::TooManyColumns { found, most } => {
                write!(f, "the model has {found} columns, more than {most}")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl Problem<'_> {
    pub fn answers(&self) -> usize {
        self.classes.len()
    }

    pub fn weight(&self, answer: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[answer])
    }

    /// Whether the columns fit together and relations lead nowhere in a circle.
    ///
    /// # Errors
    /// The first [`Fault`] found.
    pub fn check(&self) -> Result<(), Fault> {
        let expected = self.answers();
        let length = |column: &str, found: usize| {
            if found == expected {
                Ok(())
            } else {
                Err(Fault::Length { column: column.into(), found, expected })
            }
        };
        if let Some(weights) = self.weights {
            length("weight", weights.len())?;
            if let Some(answer) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
                return Err(Fault::Weight { answer });
            }
        }
        if !(1..=2).contains(&self.clusters.len()) {
            return Err(Fault::Groupings { found: self.clusters.len() });
        }
        for clusters in &self.clusters {
            length("cluster", clusters.len())?;
        }
        for covariate in &self.covariates {
            length(&covariate.name, covariate.codes.len())?;
            let outside = |code: &u16| usize::from(*code) >= covariate.levels.len();
            if let Some(answer) = covariate.codes.iter().position(outside) {
                return Err(Fault::Level { covariate: covariate.name.clone(), answer });
            }
        }
        for touchpoint in &self.touchpoints {
            length(&touchpoint.id, touchpoint.states.len())?;
        }
        self.check_relations()
    }

    fn check_relations(&self) -> Result<(), Fault> {
        for (at, touchpoint) in self.touchpoints.iter().enumerate() {
            let wrong = || Fault::Relation { touchpoint: touchpoint.id.clone() };
            for other in touchpoint.within.iter().chain(&touchpoint.after) {
                let other = self.touchpoints.get(*other).ok_or_else(wrong)?;
                if other.stage != touchpoint.stage {
                    return Err(wrong());
                }
            }
            if let Some(other) = touchpoint.waits_for {
                let other = self.touchpoints.get(other).ok_or_else(wrong)?;
                if other.stage > touchpoint.stage {
                    return Err(wrong());
                }
            }
            // A walk longer than the catalogue has come round in a circle.
            let mut wider = touchpoint.within;
            let mut steps = 0;
            while let Some(next) = wider {
                steps += 1;
                if steps > self.touchpoints.len() {
                    return Err(wrong());
                }
                wider = self.touchpoints.get(next).ok_or_else(wrong)?.within;
            }
            if touchpoint.after.contains(&at) {
                return Err(wrong());
            }
        }
        Ok(())
    }
}
