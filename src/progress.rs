//! What a run says while it works, to whoever listens.
//!
//! The pipeline speaks in stages and warnings and does not know the terminal or the clock: a listener
//! measures the time between two calls and decides how it looks.

/// A listener. Messages hold names, counts and places, never a customer's data.
pub trait Progress: Send + Sync {
    /// The run has a name from here on.
    fn names(&self, run_id: &str);
    /// A stage begins.
    fn begins(&self, stage: &str);
    /// The stage has ended with so many rows.
    fn ends(&self, stage: &str, rows: u64);
    /// Something that a person should know, and that does not stop the run.
    fn warns(&self, message: &str, context: &[(&str, String)]);
    /// Something worth a line.
    fn says(&self, message: &str);
}
