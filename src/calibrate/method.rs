//! How a world's answers are looked at: as the pipeline does it, and wrongly.

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// What the pipeline does.
    Ours,
    /// Days to the answer are not held equal.
    NoTimeTerm,
    /// A part's model does not hold what it is part of.
    WithoutTheWhole,
    /// Touchpoints of the same stage are not held equal.
    NothingAlongside,
    /// Other states of the same factor leave the model: compared with them too.
    OtherStatesLeftOut,
    /// What comes after a touchpoint in its stage is held equal all the same.
    LaterHeldEqual,
    /// An answer without an order is taken to be about the customer's latest one.
    LatestOrder,
    /// Answers of one store and week count as independent.
    CustomersOnly,
    /// Answers speak for those who did not give one.
    Unweighted,
    /// Answers weigh 1/π, by who is known to have answered.
    Weighted,
    /// Log-odds shifted by how readily classes answer.
    Offset,
    /// A store's effect is the whole's, over its answers.
    WholeApplied,
    /// No penalty, however few were exposed.
    NeverPenalised,
    /// Columns that say the same both stay.
    AliasKept,
    /// NPS of all minus NPS of those who did not meet it.
    LeaveOneOut,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Ours => "ours",
            Method::NoTimeTerm => "no time term",
            Method::WithoutTheWhole => "part without its whole",
            Method::NothingAlongside => "nothing of the same stage",
            Method::OtherStatesLeftOut => "other states left out",
            Method::LaterHeldEqual => "what comes later held equal",
            Method::LatestOrder => "the latest order",
            Method::CustomersOnly => "clustered by customer only",
            Method::Unweighted => "unweighted",
            Method::Weighted => "response weights",
            Method::Offset => "offset",
            Method::WholeApplied => "the whole's effect in each store",
            Method::NeverPenalised => "never penalised",
            Method::AliasKept => "aliases kept",
            Method::LeaveOneOut => "leave-one-out impact",
        }
    }
}
