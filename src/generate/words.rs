//! What customers write: ticket subjects, and comments that speak of what was met.
//!
//! Some comments hold line breaks, quotes, an e-mail address or a phone number, as real ones do.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::model::{Cause, Class, Met};

/// What a ticket is about, who answers it, and how its customers put it.
#[derive(Debug)]
pub(super) struct Topic {
    pub category: &'static str,
    pub team: &'static str,
    pub subjects: [&'static str; 2],
}

const fn topic(category: &'static str, team: &'static str, subjects: [&'static str; 2]) -> Topic {
    Topic { category, team, subjects }
}

pub(super) static DELIVERY: Topic =
    topic("delivery", "logistics", ["Where is my order?", "Parcel still not here"]);
pub(super) static DAMAGE: Topic = topic("damage", "logistics", ["Arrived broken", "Damaged in transit"]);
pub(super) static BILLING: Topic =
    topic("billing", "billing", ["Charged twice", "Wrong amount on the invoice"]);
pub(super) static COMPLAINT: Topic =
    topic("complaint", "service desk", ["Still not happy", "About my last answer"]);
pub(super) static OTHERS: [Topic; 3] = [
    topic("product", "service desk", ["How do I set it up?", "A part seems to be missing"]),
    topic("account", "service desk", ["Cannot log in", "Change of address"]),
    topic("return", "returns desk", ["How do I send it back?", "Exchange for another size"]),
];

/// What is complained of; the first that was met is the one a customer writes about.
const COMPLAINTS: [(Cause, [&str; 2]); 14] = [
    (Cause::NotDelivered, ["My parcel never came.", "Weeks later, still no parcel and no news."]),
    (
        Cause::VeryLate,
        ["It came more than a week late.", "I had given up when it finally arrived, far too late."],
    ),
    (Cause::RepeatRepair, ["Repaired twice, and it fails again.", "The same repair a second time!"]),
    (Cause::Unanswered, ["Nobody ever answered my message.", "I wrote to you and got no reply at all."]),
    (Cause::Damaged, ["The box was crushed and the content broken.", "It arrived scratched, badly packed."]),
    (Cause::BillingError, ["The invoice was wrong.", "I was charged twice, and had to prove it myself."]),
    (Cause::Unresolved, ["My problem is still not solved.", "The case is open to this day."]),
    (Cause::SlowFirstReply, ["Your reply took days.", "I waited far too long for a first answer."]),
    (
        Cause::Reopened,
        ["I had to ask again because it was not really solved.", "Closed, reopened, closed again."],
    ),
    (
        Cause::OfferWhileUnresolved,
        ["You sent me an offer while I was waiting for help.", "First help, then advertise."],
    ),
    (
        Cause::CouldNotGetThrough,
        ["Impossible to get through by phone.", "The line was cut off while I waited."],
    ),
    (
        Cause::BrokenPromise,
        ["The technician did not come on the agreed day.", "You promised a date and did not keep it."],
    ),
    (
        Cause::Transferred,
        ["I was passed from one person to the next.", "Every agent asked me the same questions."],
    ),
    (Cause::Late, ["It came later than promised.", "Late by some days, without a word."]),
];

const PLEASED: [&str; 5] = [
    "All good, thank you.",
    "Quick, simple, well packed.",
    "Exactly as described; I will buy again.",
    "Very happy with it!",
    "No problems at all.",
];
const CALLED: [&str; 2] =
    ["Nice that somebody called to ask.", "The call after the delivery was a good touch."];
const LUKEWARM: [&str; 4] =
    ["It was fine.", "Correct, nothing more.", "Good product, average service.", "As expected."];
const UPSET: [&str; 4] = [
    "Not what I hoped for.",
    "I expected better from you.",
    "Too expensive for what it is.",
    "I would not buy here again.",
];

/// A verbatim, empty for more than half of the answers.
pub(super) fn comment(rng: &mut ChaCha8Rng, met: Met, class: Class) -> String {
    if rng.random_bool(0.55) {
        return String::new();
    }
    let mut pick = |from: &[&'static str]| from[rng.random_range(0..from.len())];
    let complaint = COMPLAINTS.iter().find(|(cause, _)| met.has(*cause)).map(|(_, said)| pick(said));
    let mut text = match class {
        Class::Promoter if met.has(Cause::FollowUp) => format!("{} {}", pick(&PLEASED), pick(&CALLED)),
        Class::Promoter => pick(&PLEASED).to_owned(),
        Class::Passive => [pick(&LUKEWARM), complaint.unwrap_or("")].join(" ").trim_end().to_owned(),
        Class::Detractor => [complaint.unwrap_or(""), pick(&UPSET)].join(" ").trim_start().to_owned(),
    };
    let number = rng.random_range(100..1000);
    match rng.random_range(0..25) {
        0 => text += "\n\nSent from my phone",
        1 => text = text.replacen(' ', "\n", 1),
        2 => text += " The driver said \"tomorrow, surely\", twice.",
        3 => text += &format!(" Write to me: maria.{number}@example.com"),
        4 => text += &format!(" Call me on +34 600 555 {number}, please."),
        _ => {}
    }
    text
}
