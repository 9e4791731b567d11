//! The StatefulSet controller: one set goes in, at most the pods that upstream would touch in one pass are created, deleted or repaired,
//! and the status is written; never waits.

mod claims;
mod identity;
pub(super) mod revision;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::identity::{identity_matches, ordinal, put_identity};
use self::revision::{Revisions, revision_of, template_of};
use super::agenda::{Agenda, Loop};
use super::desk::{Desk, Refusal};
use super::fields::{Key, condition_holds, finished, int_or_percent, name, namespace, number, phase, ready_since, terminating, text, uid};
use super::ownership::claim;

const COMPONENT: &str = "statefulset-controller";

/// One pass over one StatefulSet.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, key: &Key) {
    let Some(stateful_set) = desk.get(key).cloned() else { return };
    let pods = claim(desk, &stateful_set, "Pod", |pod| ordinal(&stateful_set, pod).is_some());
    let Ok(revisions) = revision::resolve(desk, &stateful_set) else {
        agenda.wake(Loop::StatefulSet, key.clone(), desk.now() + Duration::from_secs(1));
        return;
    };
    let used: BTreeSet<String> = pods.iter().map(|pod| revision_of(pod).to_owned()).collect();
    let mut pass = Pass::new(&stateful_set, &revisions, pods);
    let went = pass.run(desk);
    let status = pass.status(desk);
    if let Some(at) = pass.next_available(desk) {
        agenda.wake(Loop::StatefulSet, key.clone(), at);
    }
    if went.is_err() {
        agenda.wake(Loop::StatefulSet, key.clone(), desk.now() + Duration::from_secs(1));
    }
    desk.put_status(key, Value::Object(status));
    revision::truncate(desk, &stateful_set, &revisions, &used);
}

/// Whether a pass goes on to the next pod; an OrderedReady set stops at the first pod that is not done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Stop,
}

struct Pass<'a> {
    set: &'a Value,
    revisions: &'a Revisions,
    /// Pods from the first to the last wanted ordinal; those without a UID do not exist yet.
    replicas: Vec<Arc<Value>>,
    /// Pods outside the wanted ordinals, highest first.
    condemned: Vec<Arc<Value>>,
    first_unavailable: Option<String>,
    /// Pods that a rolling update deleted in this pass; upstream takes them off `currentReplicas`.
    rolled: i64,
}

impl<'a> Pass<'a> {
    fn new(set: &'a Value, revisions: &'a Revisions, pods: Vec<Arc<Value>>) -> Self {
        let start = number(set, "/spec/ordinals/start").unwrap_or(0);
        let count = number(set, "/spec/replicas").unwrap_or(1).max(0);
        let mut replicas: Vec<Option<Arc<Value>>> = vec![None; usize::try_from(count).unwrap_or(0)];
        let mut condemned = Vec::new();
        for pod in pods {
            let place = ordinal(set, &pod).and_then(|ordinal| usize::try_from(ordinal - start).ok());
            match place.and_then(|place| replicas.get_mut(place)) {
                Some(slot) => *slot = Some(pod),
                None => condemned.push(pod),
            }
        }
        condemned.sort_by_key(|pod| std::cmp::Reverse(ordinal(set, pod)));
        let mut pass = Self { set, revisions, replicas: Vec::new(), condemned, first_unavailable: None, rolled: 0 };
        pass.replicas =
            replicas.into_iter().zip(start..).map(|(pod, ordinal)| pod.unwrap_or_else(|| Arc::new(pass.versioned(ordinal)))).collect();
        pass
    }

    fn run(&mut self, desk: &mut Desk) -> Result<(), Refusal> {
        let unavailable = self.replicas.iter().chain(self.condemned.iter().rev()).find(|pod| !self.available(desk, pod));
        self.first_unavailable = unavailable.map(|pod| name(pod).to_owned());
        if terminating(self.set) {
            return Ok(());
        }
        for position in 0..self.replicas.len() {
            if self.process_replica(desk, position)? == Flow::Stop && self.monotonic() {
                return Ok(());
            }
        }
        for pod in &self.condemned {
            claims::retain(desk, self.set, pod, false);
        }
        for position in 0..self.condemned.len() {
            if self.process_condemned(desk, position) == Flow::Stop && self.monotonic() {
                return Ok(());
            }
        }
        if text(self.set, "/spec/updateStrategy/type") != "OnDelete" {
            self.roll(desk);
        }
        Ok(())
    }

    fn process_replica(&mut self, desk: &mut Desk, position: usize) -> Result<Flow, Refusal> {
        let pod = self.replicas[position].clone();
        if finished(&pod) {
            if !terminating(&pod) {
                if phase(&pod) == "Failed" {
                    let what = format!("StatefulSet {}/{} is recreating failed Pod {}", namespace(&pod), name(self.set), name(&pod));
                    desk.event(self.set, "Warning", "RecreatingFailedPod", &what, COMPONENT);
                }
                self.delete(desk, &pod);
            }
            return Ok(Flow::Stop);
        }
        if !created(&pod) {
            if claims::stale(desk, self.set, &pod) {
                return Ok(Flow::Stop);
            }
            claims::ensure(desk, self.set, &pod)?;
            let made = desk.try_create(Arc::unwrap_or_clone(pod));
            self.report_creation(desk, position, &made);
            self.replicas[position] = Arc::new(made?);
            if self.monotonic() {
                return Ok(Flow::Stop);
            }
        }
        let pod = self.replicas[position].clone();
        if phase(&pod) == "Pending" {
            claims::ensure(desk, self.set, &pod)?;
        }
        if self.monotonic() && (terminating(&pod) || !self.available(desk, &pod)) {
            return Ok(Flow::Stop);
        }
        claims::retain(desk, self.set, &pod, true);
        if !identity_matches(&pod) && !terminating(&pod) {
            let mut repaired = Arc::unwrap_or_clone(pod);
            put_identity(self.set, &mut repaired);
            self.replicas[position] = Arc::new(desk.try_update(repaired)?);
        }
        Ok(Flow::On)
    }

    fn report_creation(&self, desk: &mut Desk, position: usize, made: &Result<Value, Refusal>) {
        let pod_name = name(&self.replicas[position]).to_owned();
        match made {
            Ok(_) => {
                let what = format!("Create Pod {pod_name} in StatefulSet {} successful", name(self.set));
                desk.event(self.set, "Normal", "SuccessfulCreate", &what, COMPONENT);
            }
            Err(refusal) => {
                let what = format!("Create Pod {pod_name} in StatefulSet {} failed error: {refusal}", name(self.set));
                desk.event(self.set, "Warning", "FailedCreate", &what, COMPONENT);
            }
        }
    }

    fn process_condemned(&mut self, desk: &mut Desk, position: usize) -> Flow {
        let pod = self.condemned[position].clone();
        if terminating(&pod) {
            return Flow::Stop;
        }
        if self.monotonic() && !self.available(desk, &pod) && self.first_unavailable.as_deref() != Some(name(&pod)) {
            return Flow::Stop;
        }
        self.delete(desk, &pod);
        Flow::Stop
    }

    /// The rolling part of a pass: highest ordinal first, at most `maxUnavailable` (1) pods away, never below the partition.
    fn roll(&mut self, desk: &mut Desk) {
        let partition = usize::try_from(number(self.set, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0)).unwrap_or(0);
        let whole = i64::try_from(self.replicas.len()).unwrap_or(0);
        let allowed =
            int_or_percent(self.set.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), whole, true).unwrap_or(1).max(1);
        let mut away = 0;
        for position in (partition..self.replicas.len()).rev() {
            let pod = self.replicas[position].clone();
            let outdated = revision_of(&pod) != name(&self.revisions.update);
            if outdated && !terminating(&pod) {
                self.delete(desk, &pod);
                self.rolled += 1;
                away += 1;
            } else if !self.available(desk, &pod) {
                away += 1;
            }
            if away >= allowed {
                return;
            }
        }
    }

    fn delete(&self, desk: &mut Desk, pod: &Value) {
        if desk.delete(&Key::of(pod), uid(pod)) {
            let what = format!("Delete Pod {} in StatefulSet {} successful", name(pod), name(self.set));
            desk.event(self.set, "Normal", "SuccessfulDelete", &what, COMPONENT);
        }
    }

    /// A missing pod comes at the current revision below the partition, else at the update revision.
    fn versioned(&self, ordinal: i64) -> Value {
        let start = number(self.set, "/spec/ordinals/start").unwrap_or(0);
        let rolling = text(self.set, "/spec/updateStrategy/type") != "OnDelete";
        let kept = match self.set.pointer("/spec/updateStrategy/rollingUpdate") {
            Some(rolling_update) => ordinal < start + number(rolling_update, "/partition").unwrap_or(0),
            None => rolling && ordinal < start + number(self.set, "/status/currentReplicas").unwrap_or(0),
        };
        let revision = if kept { &self.revisions.current } else { &self.revisions.update };
        identity::pod(self.set, &template_of(revision), name(revision), ordinal)
    }

    fn monotonic(&self) -> bool {
        text(self.set, "/spec/podManagementPolicy") != "Parallel"
    }

    fn min_ready(&self) -> Duration {
        Duration::from_secs(number(self.set, "/spec/minReadySeconds").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
    }

    fn available(&self, desk: &Desk, pod: &Value) -> bool {
        !terminating(pod) && self.ready_long_enough(desk, pod)
    }

    fn ready_long_enough(&self, desk: &Desk, pod: &Value) -> bool {
        running_and_ready(pod)
            && (self.min_ready().is_zero() || ready_since(pod).is_some_and(|since| since + self.min_ready() <= desk.now()))
    }

    /// When the next ready pod will have been ready for `minReadySeconds`.
    fn next_available(&self, desk: &Desk) -> Option<crate::model::Timestamp> {
        let pods = self.replicas.iter().chain(&self.condemned);
        pods.filter(|pod| running_and_ready(pod))
            .filter_map(|pod| ready_since(pod))
            .map(|since| since + self.min_ready())
            .filter(|at| *at > desk.now())
            .min()
    }

    /// Counts as upstream does; `currentRevision` advances only when a rolling update has replaced every wanted pod, never under OnDelete.
    fn status(&self, desk: &Desk) -> Map<String, Value> {
        let count = |counts: &dyn Fn(&Value) -> bool| {
            i64::try_from(self.replicas.iter().chain(&self.condemned).filter(|pod| created(pod) && counts(pod)).count()).unwrap_or(0)
        };
        let at = |revision: &Value| count(&|pod: &Value| !terminating(pod) && revision_of(pod) == name(revision));
        let replicas = count(&|_| true);
        let ready = count(&running_and_ready);
        let available = count(&|pod: &Value| self.ready_long_enough(desk, pod));
        let updated = at(&self.revisions.update);
        let mut current = at(&self.revisions.current) - self.rolled;
        let mut current_revision = name(&self.revisions.current);
        let wanted = number(self.set, "/spec/replicas").unwrap_or(1);
        let rolling = text(self.set, "/spec/updateStrategy/type") != "OnDelete";
        if rolling && updated == wanted && ready == wanted && replicas == wanted {
            current = updated;
            current_revision = name(&self.revisions.update);
        }
        let mut status = Map::new();
        status.insert("observedGeneration".into(), json!(number(self.set, "/metadata/generation").unwrap_or(1)));
        status.insert("replicas".into(), json!(replicas));
        status.insert("availableReplicas".into(), json!(available));
        for (field, value) in [("readyReplicas", ready), ("currentReplicas", current), ("updatedReplicas", updated)] {
            if value != 0 {
                status.insert(field.into(), json!(value));
            }
        }
        status.insert("currentRevision".into(), json!(current_revision));
        status.insert("updateRevision".into(), json!(name(&self.revisions.update)));
        status.insert("collisionCount".into(), json!(self.revisions.collision_count));
        status
    }
}

fn created(pod: &Value) -> bool {
    !uid(pod).is_empty()
}

fn running_and_ready(pod: &Value) -> bool {
    phase(pod) == "Running" && condition_holds(pod, "Ready")
}
