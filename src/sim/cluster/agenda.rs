//! What the control loops still have to look at and when: jobs go in with a moment, due jobs come out once, in a fixed order; runs nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::Key;
use crate::model::Timestamp;

/// The control loops, in the order in which they act when several are due at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loop {
    Namespace,
    Garbage,
    Node,
    Deployment,
    ReplicaSet,
    StatefulSet,
    Storage,
    Schedule,
    Endpoints,
    Disruption,
}

/// One object that one loop has to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Job {
    pub(super) works: Loop,
    pub(super) key: Key,
}

/// A work queue with delays; a job waits in it at most once, at its earliest moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    moments: BTreeMap<Job, Timestamp>,
    order: BTreeSet<(Timestamp, Job)>,
}

impl Agenda {
    pub(super) fn wake(&mut self, works: Loop, key: Key, at: Timestamp) {
        let job = Job { works, key };
        if let Some(known) = self.moments.get(&job).copied() {
            if known <= at {
                return;
            }
            self.order.remove(&(known, job.clone()));
        }
        self.moments.insert(job.clone(), at);
        self.order.insert((at, job));
    }

    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Job> {
        let first = self.order.first()?;
        if first.0 > now {
            return None;
        }
        let (_, job) = self.order.pop_first()?;
        self.moments.remove(&job);
        Some(job)
    }

    pub(super) fn next(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_once_at_its_earliest_moment() {
        let mut agenda = Agenda::default();
        let key = Key::new("Pod", "a", "b");
        agenda.wake(Loop::Schedule, key.clone(), Timestamp::from_seconds(9));
        agenda.wake(Loop::Schedule, key.clone(), Timestamp::from_seconds(5));
        agenda.wake(Loop::Schedule, key.clone(), Timestamp::from_seconds(7));
        assert_eq!(agenda.next(), Some(Timestamp::from_seconds(5)));
        assert_eq!(agenda.take_due(Timestamp::from_seconds(4)), None);
        assert_eq!(agenda.take_due(Timestamp::from_seconds(5)).map(|job| job.key), Some(key));
        assert_eq!(agenda.next(), None);
    }
}
