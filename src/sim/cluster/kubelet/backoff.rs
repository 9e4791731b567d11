//! The kubelet's back-off for crashes and pulls: failures in, the moment until which to wait out; waits for nothing itself.

use std::time::Duration;

use crate::model::Timestamp;

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(300);
/// A container that ran this long since its last restart is forgiven (twice the longest back-off).
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// A delay that doubles with each failure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    pub(super) delay: Duration,
    updated: Timestamp,
}

impl Backoff {
    /// Until when `since` has to be waited for; `None` when there is no need to wait.
    pub(super) fn until(&self, since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let active = !self.delay.is_zero() && now.since(self.updated) <= FORGIVEN_AFTER && since + self.delay > now;
        active.then(|| since + self.delay)
    }

    pub(super) fn grow(&mut self, now: Timestamp) {
        let fresh = self.delay.is_zero() || now.since(self.updated) > FORGIVEN_AFTER;
        self.delay = if fresh { FIRST } else { (self.delay * 2).min(LONGEST) };
        self.updated = now;
    }
}
