//! The answers of the window: how many count, how many are linked, and why the others are not.

use super::Source;
use crate::error::Result;
use crate::report::context::LeftOut;

#[derive(Default)]
pub struct Answers {
    pub all: u64,
    pub counted: u64,
    pub linked: u64,
    pub comments: u64,
    /// With a customer or an order.
    pub known: u64,
    pub left_out: Vec<LeftOut>,
}

impl Answers {
    pub async fn read(source: &Source<'_>) -> Result<Answers> {
        let mut answers = Answers::default();
        for row in source.rows("page_answers").await?.iter() {
            let rows = row.count("answers")?;
            answers.all += rows;
            answers.counted += row.count("counted")?;
            answers.linked += row.count("linked")?;
            answers.comments += row.count("comments")?;
            answers.known += row.count("known")?;
            for (column, what) in [("left_out_reason", ""), ("unlinked_reason", "not linked: ")] {
                if let Some(reason) = row.text(column)? {
                    answers.left_out.push(LeftOut { reason: format!("{what}{reason}"), rows });
                }
            }
        }
        Ok(answers)
    }
}
