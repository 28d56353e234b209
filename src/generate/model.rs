//! What causes what, and by how much: the planted truth in one table.

/// What a customer is, bought or met by the time of the answer. The order is the table's.
#[rustfmt::skip]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Base,
    North, Centre, East, South, Islands,
    Electronics, Appliances, Furniture, Fashion, Sports, Toys, Garden, Books,
    BoughtInStore, BoughtInApp, PeakSeason, AskedByPhone,
    Early, Late, VeryLate, NotDelivered, Damaged,
    BillingError, FollowUp, OfferWhileUnresolved,
    TicketOpened, Unanswered, SlowFirstReply, Unresolved, SlowResolution, Reopened, Transferred,
    RepeatContact, CouldNotGetThrough, BrokenPromise,
    Returned, RefundSlow,
    WarrantyClaim, Repair, RepeatRepair,
}

/// The columns of the table: what is caused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Overdue,
    Damaged,
    Ticket,
    SlowReply,
    Call,
    Returned,
    Claim,
    Detractor,
    Passive,
}

/// Log-odds that each cause adds to each outcome: the first seven are yes or no, the last two are the
/// classes of the answer against promoter (a multinomial logit). `Late` holds `VeryLate`, and
/// `TicketOpened` its parts, so their rows add up; of `Unanswered` and `SlowFirstReply`, and of
/// `Unresolved` and `SlowResolution`, the first holds. "Overdue" means late, or not there at the answer.
/// What has no row (a change of channel, a third contact, how soon the follow-up came) does nothing of
/// its own; what is no outcome here is drawn at fixed rates in `journey.rs`, alike for everyone.
#[rustfmt::skip]
pub(super) const TABLE: [(Cause, [f64; 9]); 41] = {
    use Cause::*;
    [   //                   overdue damaged ticket slow   call  returned claim   detractor passive
        (Base,                 [-2.1,  -3.6,  -2.0,  -1.5,  -2.5,  -3.0,  -4.2,     -1.6,   -0.6]),
        (North,                [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.0,    0.0]),
        (Centre,               [-0.2,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.0,    0.0]),
        (East,                 [ 0.1,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.1,    0.1]),
        (South,                [ 0.5,   0.0,   0.1,   0.2,   0.0,   0.0,   0.0,      0.4,    0.2]),
        (Islands,              [ 0.9,   0.2,   0.1,   0.0,   0.0,   0.0,   0.0,      0.4,    0.2]),
        (Electronics,          [ 0.0,   0.3,   0.3,   0.0,   0.2,   0.2,   0.9,      0.2,    0.1]),
        (Appliances,           [ 0.3,   0.4,   0.2,   0.0,   0.2,  -0.2,   0.9,      0.2,    0.1]),
        (Furniture,            [ 0.6,   0.7,   0.2,   0.0,   0.1,   0.0,   0.2,      0.4,    0.2]),
        (Fashion,              [ 0.0,  -0.6,   0.0,   0.0,   0.0,   1.1,  -1.5,      0.0,    0.0]),
        (Sports,               [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.3,   0.0,     -0.1,    0.0]),
        (Toys,                 [ 0.1,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.0,    0.0]),
        (Garden,               [ 0.4,   0.3,   0.0,   0.0,   0.0,   0.0,   0.0,      0.1,    0.0]),
        (Books,                [-0.3,  -0.8,  -0.3,   0.0,  -0.2,  -0.5,  -2.0,     -0.3,   -0.1]),
        (BoughtInStore,        [ 0.0,   0.0,   0.0,   0.0,   0.1,   0.0,   0.0,     -0.2,   -0.1]),
        (BoughtInApp,          [ 0.0,   0.0,   0.1,   0.0,  -0.1,   0.1,   0.0,      0.0,    0.0]),
        (PeakSeason,           [ 0.7,   0.1,   0.1,   0.6,   0.1,   0.2,   0.0,      0.1,    0.1]),
        (AskedByPhone,         [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,     -0.3,   -0.1]),
        (Early,                [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,     -0.1,    0.0]),
        (Late,                 [ 0.0,   0.0,   1.0,   0.0,   0.8,   0.9,   0.0,      0.7,    0.4]),
        (VeryLate,             [ 0.0,   0.0,   0.6,   0.0,   0.4,   0.5,   0.0,      0.8,    0.3]),
        (NotDelivered,         [ 0.0,   0.0,   1.8,   0.0,   1.4,   0.0,   0.0,      1.8,    0.6]),
        (Damaged,              [ 0.0,   0.0,   1.6,   0.0,   0.8,   0.9,   1.5,      1.0,    0.4]),
        (BillingError,         [ 0.0,   0.0,   1.5,   0.0,   0.7,   0.0,   0.0,      0.7,    0.3]),
        (FollowUp,             [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,     -0.5,   -0.2]),
        (OfferWhileUnresolved, [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.6,    0.2]),
        (TicketOpened,         [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.2,    0.1]),
        (Unanswered,           [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      1.1,    0.4]),
        (SlowFirstReply,       [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.6,    0.3]),
        (Unresolved,           [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.8,    0.3]),
        (SlowResolution,       [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.3,    0.1]),
        (Reopened,             [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.6,    0.3]),
        (Transferred,          [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.3,    0.2]),
        (RepeatContact,        [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.4,    0.2]),
        (CouldNotGetThrough,   [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.5,    0.2]),
        (BrokenPromise,        [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.5,    0.2]),
        (Returned,             [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.0,    0.0]),
        (RefundSlow,           [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.0,    0.0]),
        (WarrantyClaim,        [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.3,    0.2]),
        (Repair,               [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.1,    0.1]),
        (RepeatRepair,         [ 0.0,   0.0,   0.0,   0.0,   0.0,   0.0,   0.0,      0.7,    0.3]),
    ]
};

/// The class of an answer, in the order of `Summary::answers` and [`Met::probabilities`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Class {
    #[default]
    Promoter,
    Passive,
    Detractor,
}

/// The causes that hold for one order, as a set of bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met(u64);

impl Met {
    pub(super) fn base() -> Self {
        Met(1 << Cause::Base as u64)
    }

    pub fn has(self, cause: Cause) -> bool {
        self.0 >> cause as u64 & 1 == 1
    }

    pub(super) fn add(&mut self, cause: Cause, holds: bool) {
        self.0 |= u64::from(holds) << cause as u64;
    }

    pub(super) fn drop_if(&mut self, cause: Cause, yields: bool) {
        self.0 &= !(u64::from(yields) << cause as u64);
    }

    pub(super) fn of(causes: &[Cause]) -> Self {
        Met(causes.iter().fold(0, |bits, cause| bits | 1 << *cause as u64))
    }

    /// These causes but those.
    pub(super) fn without(self, others: Met) -> Self {
        Met(self.0 & !others.0)
    }

    /// Those of `others` that lie in `among`, these elsewhere.
    pub(super) fn with_those(self, others: Met, among: Met) -> Self {
        Met(self.0 & !among.0 | others.0 & among.0)
    }

    /// All that can be met.
    pub(super) fn everything_met() -> Self {
        Met(!((1 << Cause::Early as u64) - 1))
    }

    /// What the customer is and bought, without anything that was met.
    pub(super) fn untouched(self) -> Self {
        Met(self.0 & ((1 << Cause::Early as u64) - 1))
    }

    /// Share of promoters, passives and detractors among those who met exactly this.
    pub fn probabilities(self) -> [f64; 3] {
        self.probabilities_shifted(0.0)
    }

    /// The same, where something else adds to the log-odds: wholly to detractors', by half to passives'.
    pub(super) fn probabilities_shifted(self, worse: f64) -> [f64; 3] {
        let passive = (self.log_odds(Outcome::Passive) + worse / 2.0).exp();
        let detractor = (self.log_odds(Outcome::Detractor) + worse).exp();
        let total = 1.0 + passive + detractor;
        [1.0 / total, passive / total, detractor / total]
    }

    /// Probability of a yes-or-no outcome.
    pub(super) fn chance(self, outcome: Outcome) -> f64 {
        self.chance_shifted(outcome, 0.0)
    }

    pub(super) fn chance_shifted(self, outcome: Outcome, shift: f64) -> f64 {
        1.0 / (1.0 + (-self.log_odds(outcome) - shift).exp())
    }

    fn log_odds(self, outcome: Outcome) -> f64 {
        let holds = TABLE.iter().filter(|(cause, _)| self.has(*cause));
        holds.map(|(_, row)| row[outcome as usize]).sum()
    }
}
