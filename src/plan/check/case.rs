//! A cluster, its observation and a Decision, with the few readings that several rules need; written apart from the planner's on purpose.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;

use crate::api::{DisasterRecoveryStatus, StarRocksClusterStatus};
use crate::model::cluster::RunMode;
use crate::model::component::{ordinal, pod_of_host};
use crate::model::starrocks::{BackendRow, FrontendRow, RoutineLoad, RoutineLoadState};
use crate::model::{Cluster, Component, Decision, LiveObject, Object, ObjectKind, Observed, Pod, Statement, Step, Timestamp};
use crate::release::{Image, Version, parse_reported};

/// Whole seconds and clocks that differ a little.
const SLACK: Duration = Duration::from_secs(5);

/// What is judged.
pub(super) struct Case<'a> {
    pub cluster: &'a Cluster,
    pub observed: &'a Observed,
    pub decision: &'a Decision,
}

impl<'a> Case<'a> {
    /// Restarts of known pods of a component. A pod that goes with its warehouse for good is no restart.
    pub fn restarts(&self, component: Component) -> Vec<&'a Pod> {
        if self.observed.is_leaving() && self.cluster.warehouse.is_some() {
            return Vec::new();
        }
        let pods = self.decision.steps.iter().filter_map(|step| match step {
            Step::RestartPod { pod, .. } => self.observed.pods.get(pod),
            Step::Apply(_)
            | Step::Delete { .. }
            | Step::Execute { .. }
            | Step::Hold
            | Step::LetGo { .. }
            | Step::Record(_)
            | Step::PullImage(_)
            | Step::EndPull { .. } => None,
        });
        pods.filter(|pod| pod.component == component).collect()
    }

    /// StatefulSets that are applied over live ones.
    pub fn changed(&self) -> Vec<(Component, &'a StatefulSet, &'a LiveObject)> {
        let applied = self.decision.steps.iter().filter_map(|step| match step {
            Step::Apply(Object::StatefulSet(object)) => Some(object.as_ref()),
            Step::Apply(_)
            | Step::Delete { .. }
            | Step::RestartPod { .. }
            | Step::Execute { .. }
            | Step::Hold
            | Step::LetGo { .. }
            | Step::Record(_)
            | Step::PullImage(_)
            | Step::EndPull { .. } => None,
        });
        applied
            .filter_map(|object| {
                let name = object.metadata.name.as_deref()?;
                let component = Component::STARROCKS.into_iter().find(|component| component.workload_name(&self.cluster.name) == name)?;
                Some((component, object, self.observed.object(ObjectKind::StatefulSet, name)?))
            })
            .collect()
    }

    /// Statements.
    pub fn statements(&self) -> impl Iterator<Item = &'a Statement> {
        self.decision.steps.iter().filter_map(|step| match step {
            Step::Execute { statement, .. } => Some(statement),
            Step::Apply(_)
            | Step::Delete { .. }
            | Step::RestartPod { .. }
            | Step::Hold
            | Step::LetGo { .. }
            | Step::Record(_)
            | Step::PullImage(_)
            | Step::EndPull { .. } => None,
        })
    }

    /// Whether a routine load is on record as one that ran before the hop, and is known to be paused.
    pub fn is_ours_and_paused(&self, database: &str, name: &str) -> bool {
        let operation = self.observed.status.operation.as_ref();
        let on_record =
            operation.is_some_and(|operation| operation.routine_loads.iter().any(|mark| mark.database == database && mark.name == name));
        let jobs = self.observed.group.routine_loads.known();
        let paused = |job: &RoutineLoad| job.database == database && job.name == name && job.state == RoutineLoadState::Paused;
        on_record && jobs.is_some_and(|jobs| jobs.iter().any(paused))
    }

    /// The live StatefulSet of a component.
    pub fn live(&self, component: Component) -> Option<&'a LiveObject> {
        self.observed.object(ObjectKind::StatefulSet, &component.workload_name(&self.cluster.name))
    }

    /// Names of the pods a component's live StatefulSet is to have: of all that are there, and of the first that are not. What a rule costs does not depend
    /// on a number that anybody may have written there.
    pub fn expected(&self, component: Component) -> Vec<String> {
        const MISSING: usize = 100;
        let replicas = self.live(component).map_or(0, |live| live.integer("/spec/replicas"));
        let names = (0..replicas).map(|ordinal| format!("{}-{ordinal}", component.workload_name(&self.cluster.name)));
        let missing = names.filter(|name| !self.observed.pods.contains_key(name)).take(MISSING);
        let there = self.observed.pods_of(component).map(|pod| pod.name.clone()).filter(|name| number(name) < replicas);
        there.chain(missing).collect()
    }

    /// Names of the pods, known to Kubernetes or as nodes of StarRocks, that go when a StatefulSet becomes smaller.
    pub fn leaving(&self, component: Component, ordinals: Range<i64>) -> BTreeSet<String> {
        let workload = component.workload_name(&self.cluster.name);
        let rows: Vec<&str> = match component {
            Component::Frontend => self.observed.group.frontends.known().into_iter().flatten().map(|row| row.host.as_str()).collect(),
            _ => self.nodes(component).into_iter().flatten().map(|row| row.host.as_str()).collect(),
        };
        let pods = self.observed.pods_of(component).map(|pod| pod.name.as_str()).chain(rows.into_iter().map(pod_of_host));
        pods.filter(|pod| ordinals.contains(&number(pod)) && pod.rsplit_once('-').is_some_and(|(name, _)| name == workload))
            .map(str::to_owned)
            .collect()
    }

    /// Rows of backends or compute nodes; `None` when unanswered.
    pub fn nodes(&self, component: Component) -> Option<&'a Vec<BackendRow>> {
        match component {
            Component::Backend => self.observed.group.backends.known(),
            Component::ComputeNode => self.observed.group.compute_nodes.known(),
            Component::Frontend | Component::FrontendProxy => None,
        }
    }

    pub fn node(&self, component: Component, pod: &str) -> Option<&'a BackendRow> {
        self.nodes(component)?.iter().find(|row| self.is_at(&row.host, pod))
    }

    pub fn frontend(&self, pod: &str) -> Option<&'a FrontendRow> {
        self.observed.group.frontends.known()?.iter().find(|row| self.is_at(&row.host, pod))
    }

    fn is_at(&self, host: &str, pod: &str) -> bool {
        pod_of_host(host) == pod || self.observed.pods.get(pod).is_some_and(|pod| pod.ip.as_deref() == Some(host))
    }

    /// Releases that nodes of a component report.
    pub fn running(&self, component: Component) -> BTreeSet<Version> {
        let text = |pod: &Pod| match component {
            Component::Frontend => {
                let own = self.observed.frontends.get(&pod.name).and_then(|report| report.version.known());
                own.or_else(|| self.frontend(&pod.name).map(|row| &row.version)).cloned()
            }
            _ => self.node(component, &pod.name).map(|row| row.version.clone()),
        };
        self.observed.pods_of(component).filter_map(|pod| parse_reported(&text(pod)?).release()).collect()
    }

    pub fn consents(&self, consent: &str) -> bool {
        self.cluster.consents_to(consent)
    }

    /// Whether a recovery from a snapshot, which is destructive by nature and asked for, begins or is under way. One that only waits for its
    /// snapshot, or is done, excuses nothing.
    pub fn recovers(&self) -> bool {
        let Some(recovery) = self.cluster.disaster_recovery.filter(|_| self.cluster.run_mode == RunMode::SharedData) else { return false };
        let is = |status: &StarRocksClusterStatus, phase: &str| {
            let of_this = |status: &&DisasterRecoveryStatus| status.observed_generation == Some(recovery.generation);
            status.disaster_recovery_status.as_ref().filter(of_this).is_some_and(|status| status.phase.as_deref() == Some(phase))
        };
        let (former, now) = (&self.observed.status, &self.decision.status);
        is(former, "doing") || is(now, "doing") || recovery.snapshot_mounted && is(now, "todo")
    }
}

/// Whether a pod is of use to anyone: one that never started or keeps crashing is not.
pub(super) fn is_useful(pod: &Pod) -> bool {
    pod.ready || !(pod.failed || pod.problem.as_ref().is_some_and(|problem| problem.stuck))
}

/// Whether a moment proves something about the present process of a pod.
pub(super) fn is_since_start(moment: Option<Timestamp>, pod: &Pod) -> bool {
    let start = pod.started.map_or(pod.created, |started| started.max(pod.created));
    moment.is_some_and(|moment| moment + SLACK >= start)
}

/// Image of the main container of a StatefulSet's template.
pub(super) fn image_of(object: &StatefulSet, component: Component) -> Option<&str> {
    let pod = object.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.iter().find(|container| container.name == component.container())?.image.as_deref()
}

/// Image of the main container of a live template.
pub(super) fn live_image_of(live: &LiveObject, component: Component) -> Option<&str> {
    let containers = live.body.pointer("/spec/template/spec/containers")?.as_array()?;
    let named = |container: &&serde_json::Value| container.get("name").and_then(serde_json::Value::as_str) == Some(component.container());
    containers.iter().find(named)?.get("image")?.as_str()
}

/// The release an image claims.
pub(super) fn release_of(image: Option<&str>) -> Option<Version> {
    Image::parse(image?).claim().release()
}

/// Replicas a StatefulSet is to have, and had.
pub(super) fn replicas(object: &StatefulSet, live: &LiveObject) -> (i64, i64) {
    let wanted = object.spec.as_ref().and_then(|spec| spec.replicas).map_or(1, i64::from);
    (wanted, live.body.pointer("/spec/replicas").and_then(serde_json::Value::as_i64).unwrap_or(1))
}

/// Whether Kubernetes would replace pods by itself, in an order of its own.
pub(super) fn rolls_by_itself(object: &StatefulSet, live: &LiveObject, pods: &[&Pod]) -> bool {
    let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref()).and_then(|strategy| strategy.type_.as_deref());
    let revision = live.text("/status/updateRevision");
    let outdated = || live.status_is_current() && !revision.is_empty() && pods.iter().any(|pod| pod.revision != revision);
    strategy != Some("OnDelete") && !pods.is_empty() && (crate::build::template_differs(object, live).is_some() || outdated())
}

/// The ordinal in a pod's name.
pub(super) fn number(pod: &str) -> i64 {
    ordinal(pod).map_or(i64::MAX, i64::from)
}
