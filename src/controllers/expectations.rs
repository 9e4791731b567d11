//! What the caches must have seen of our own acts before a cluster is looked at again: deciding on an older cache would act twice.

use std::time::Duration;

use tokio::time::Instant;

use crate::apply::Report;
use crate::observe::{Caches, ClusterName, Place, Revision, Watched};

/// How long a write may take to come back. After that the pass goes ahead: writes of objects can be repeated without harm.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is still to be seen.
#[derive(Clone, Debug)]
pub(super) struct Expectations {
    since: Instant,
    resource: Revision,
    written: Vec<(Watched, Revision)>,
    gone: Vec<(Watched, Place, String)>,
}

impl Expectations {
    /// Nothing to be seen.
    pub(super) fn none() -> Self {
        Self { since: Instant::now(), resource: Revision(0), written: Vec::new(), gone: Vec::new() }
    }

    /// What a pass has done.
    pub(super) fn of(report: &Report, cluster: &ClusterName, is_watched: impl Fn(Watched) -> bool) -> Self {
        let mut expected = Self::none();
        for written in &report.written {
            let revision = Revision::parse(&written.resource_version);
            match written.kind.map(Watched::Object) {
                Some(watched) if is_watched(watched) => expected.written.push((watched, revision)),
                Some(_) => {}
                None => expected.resource = expected.resource.max(revision),
            }
        }
        for gone in &report.gone {
            let watched = gone.kind.map_or(Watched::Pod, Watched::Object);
            let place = Place { namespace: cluster.namespace.clone(), name: gone.name.clone() };
            if is_watched(watched) {
                expected.gone.push((watched, place, gone.uid.clone()));
            }
        }
        expected
    }

    /// Expects a status write.
    pub(super) fn of_resource(resource_version: &str) -> Self {
        Self { resource: Revision::parse(resource_version), ..Self::none() }
    }

    /// Whether everything has been seen. What was told to go is waited for without limit: a pod that still shows as running is the one
    /// mistake that could take two nodes down at once, and a watch that never tells ends the process by its liveness.
    pub(super) fn are_met(&mut self, caches: &Caches, namespace: &str, resource: Revision) -> bool {
        self.written.retain(|(watched, revision)| !caches.has_passed(*watched, namespace, *revision));
        self.gone.retain(|(watched, place, uid)| caches.shows_alive(*watched, place, uid));
        if self.resource <= resource {
            self.resource = Revision(0);
        }
        let nothing_written = self.written.is_empty() && self.resource == Revision(0);
        self.gone.is_empty() && (nothing_written || self.since.elapsed() >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::{Gone, Written};
    use crate::model::ObjectKind;

    fn cluster() -> ClusterName {
        Place { namespace: "n".to_owned(), name: "c".to_owned() }
    }

    fn report() -> Report {
        let written = |kind, version: &str| Written { kind, name: "x".to_owned(), resource_version: version.to_owned() };
        Report {
            written: vec![written(None, "20"), written(Some(ObjectKind::Service), "21")],
            gone: vec![Gone { kind: None, name: "c-be-0".to_owned(), uid: "u".to_owned() }],
            ..Report::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_waits_until_every_cache_has_seen_the_last_one() {
        let caches = Caches::new();
        let mut expected = Expectations::of(&report(), &cluster(), |_| true);
        assert!(!expected.are_met(&caches, "n", Revision(19)));
        caches.pass(Watched::Object(ObjectKind::Service), "", Revision(21));
        assert!(!expected.are_met(&caches, "n", Revision(19)));
        assert!(expected.are_met(&caches, "n", Revision(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_is_never_seen_blocks_for_half_a_minute_only() {
        let caches = Caches::new();
        let mut expected = Expectations::of(&report(), &cluster(), |_| true);
        tokio::time::advance(PATIENCE).await;
        assert!(expected.are_met(&caches, "n", Revision(0)));
    }
}
