//! The only place that reads the time: a wall clock in production, a clock tied to tokio's (pausable) time in the laboratory.

// The lint that keeps everybody else from reading the time.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use crate::model::Timestamp;

/// Where the operator gets `now` from. Everything else receives moments as data.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    System,
    Tokio { start: tokio::time::Instant, epoch: Timestamp },
}

impl Clock {
    /// The machine's wall clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows `epoch` now and advances with tokio's time, so that a paused runtime pauses it too.
    pub fn tokio(epoch: Timestamp) -> Self {
        Self(Source::Tokio { start: tokio::time::Instant::now(), epoch })
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match self.0 {
            Source::System => Timestamp::from_millis(chrono::Utc::now().timestamp_millis()),
            Source::Tokio { start, epoch } => epoch + start.elapsed(),
        }
    }
}

/// Measures real time for people and pacing, never for decisions.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// Real time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_laboratory_clock_shows_the_time_that_tokio_let_pass() {
        let clock = Clock::tokio(Timestamp::from_seconds(1_000));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), Timestamp::from_seconds(1_090));
    }
}
