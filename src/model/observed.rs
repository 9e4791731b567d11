//! One snapshot of everything a decision may depend on, as plain serialisable data; `plan` can be replayed from it offline.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::component::{APPLIED_ANNOTATION, APPLIED_TEMPLATE_ANNOTATION, Component, FORMER_HASH_ANNOTATION};
use super::ports::DeclaredPorts;
use super::starrocks::{FrontendReport, GroupReport};
use super::{Answer, CanaryReport, ConfigurationReport, Record, Refusal, Timestamp, WarehouseReport};
use crate::api::{OperationKind, OperationPhase, StarRocksClusterStatus};

/// Kinds of objects that the operator owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectKind {
    /// core/v1
    ConfigMap,
    /// core/v1
    Service,
    /// apps/v1
    StatefulSet,
    /// apps/v1
    Deployment,
    /// autoscaling/v2
    HorizontalPodAutoscaler,
}

impl ObjectKind {
    /// Every owned kind, in the order in which objects are applied: what pods mount and resolve comes before the pods.
    pub const ALL: [Self; 5] = [Self::ConfigMap, Self::Service, Self::StatefulSet, Self::Deployment, Self::HorizontalPodAutoscaler];

    /// The Kubernetes kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::StatefulSet => "StatefulSet",
            Self::Deployment => "Deployment",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        }
    }
}

/// Kind and name of an owned object; the namespace is the cluster's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// Kind.
    pub kind: ObjectKind,
    /// Name.
    pub name: String,
}

/// Whose an object with one of our names is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ownership {
    /// Controlled by this very cluster (same UID).
    Ours,
    /// Controlled by something else, or by a former cluster of the same name.
    Foreign,
    /// Controlled by nobody.
    Orphan,
}

/// A live object, without managed fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveObject {
    /// UID, for preconditions.
    pub uid: String,
    /// Resource version, for preconditions.
    pub resource_version: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// Whether deletion has begun.
    pub deleting: bool,
    /// The object as the API server holds it, with metadata reduced to labels, annotations, generation and finalizers.
    pub body: Value,
}

impl LiveObject {
    /// An object of somebody else, of which nothing more matters.
    pub fn foreign() -> Self {
        let body = Value::Object(serde_json::Map::new());
        Self { uid: String::new(), resource_version: String::new(), ownership: Ownership::Foreign, deleting: false, body }
    }

    /// The hash that the last apply of this operator left, if any.
    pub fn applied_hash(&self) -> Option<&str> {
        self.body.pointer("/metadata/annotations")?.get(APPLIED_ANNOTATION)?.as_str()
    }

    /// The hash of the pod template that the last apply of this operator left, if any.
    pub fn applied_template_hash(&self) -> Option<&str> {
        self.body.pointer("/metadata/annotations")?.get(APPLIED_TEMPLATE_ANNOTATION)?.as_str()
    }

    /// Whether it has still to be taken over: this operator has never applied it, or the former one has written it since.
    pub fn is_to_be_taken_over(&self) -> bool {
        let formers =
            self.body.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(FORMER_HASH_ANNOTATION).is_some());
        formers || self.applied_hash().is_none()
    }

    /// `metadata.generation`, 0 when absent.
    pub fn generation(&self) -> i64 {
        self.integer("/metadata/generation")
    }

    /// An integer at a JSON pointer, 0 when absent.
    pub fn integer(&self, pointer: &str) -> i64 {
        self.body.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    /// A text at a JSON pointer, empty when absent.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether it carries a finalizer.
    pub fn is_held_by(&self, finalizer: &str) -> bool {
        let finalizers = self.body.pointer("/metadata/finalizers").and_then(Value::as_array);
        finalizers.into_iter().flatten().any(|held| held.as_str() == Some(finalizer))
    }

    /// Whether the controller of this workload has seen its newest spec; before that its status describes the past.
    pub fn status_is_current(&self) -> bool {
        self.integer("/status/observedGeneration") >= self.generation()
    }

    /// The revision that every pod of this StatefulSet should have; `None` until its controller has seen its newest spec.
    pub fn update_revision(&self) -> Option<&str> {
        Some(self.text("/status/updateRevision")).filter(|revision| self.status_is_current() && !revision.is_empty())
    }
}

/// A pod of the cluster, as far as decisions need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Name.
    pub name: String,
    /// UID, for preconditions.
    pub uid: String,
    /// Component by label.
    pub component: Component,
    /// Ordinal in its StatefulSet; `None` for pods of a Deployment.
    pub ordinal: Option<u32>,
    /// `controller-revision-hash`.
    pub revision: String,
    /// Ports that the main container declares.
    #[serde(default, skip_serializing_if = "DeclaredPorts::is_untold")]
    pub ports: DeclaredPorts,
    /// Image of the main container.
    pub image: String,
    /// Pod address, once assigned.
    pub ip: Option<String>,
    /// Node, once scheduled.
    pub node: Option<String>,
    /// Creation of the pod.
    pub created: Timestamp,
    /// Start of the main container's present run.
    pub started: Option<Timestamp>,
    /// Whether all containers are ready.
    pub ready: bool,
    /// Whether all containers are running.
    pub running: bool,
    /// Whether deletion has begun.
    pub deleting: bool,
    /// Restarts of the main container.
    pub restarts: i32,
    /// What keeps it from running or being ready, in Kubernetes' words.
    pub problem: Option<PodProblem>,
    /// Pod phase `Failed`.
    pub failed: bool,
    /// The run of a container in a crash loop that ended last and left Kubernetes no words; its log may say why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<ContainerRun>,
}

impl Pod {
    /// Where its process speaks SQL by its own account; and the configured port, to be tried when that one is refused: a process that was started anew
    /// in its pod reads the file as it is by then.
    pub fn query_port(&self, configured: u16) -> (u16, Option<u16>) {
        self.port("query-port", configured)
    }

    /// The same for HTTP.
    pub fn http_port(&self, configured: u16) -> (u16, Option<u16>) {
        self.port(if self.component == Component::Frontend { "http-port" } else { "webserver-port" }, configured)
    }

    fn port(&self, name: &str, configured: u16) -> (u16, Option<u16>) {
        let own = self.ports.named(self.component, name).filter(|own| *own != configured);
        own.map_or((configured, None), |own| (own, Some(configured)))
    }
}

/// One run of one container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRun {
    /// Container.
    pub container: String,
    /// How often the container had been restarted when Kubernetes told of the run.
    pub restarts: i32,
}

/// What Kubernetes says is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodProblem {
    /// For example `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, `ContainerCreating`.
    pub reason: String,
    /// Details.
    pub message: String,
    /// Whether waiting alone will not help (image error, crash loop, configuration error, unschedulable).
    pub stuck: bool,
}

/// Everything a decision may depend on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// The moment of the snapshot.
    pub now: Timestamp,
    /// The status as last written: the only memory of the operator.
    pub status: StarRocksClusterStatus,
    /// Owned (or equally named) objects.
    pub objects: BTreeMap<ObjectKind, BTreeMap<String, LiveObject>>,
    /// Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// What each frontend says of itself, by pod name.
    pub frontends: BTreeMap<String, FrontendReport>,
    /// What the group says.
    pub group: GroupReport,
    /// What nodes show of a configuration that changed.
    #[serde(default, skip_serializing_if = "ConfigurationReport::is_empty")]
    pub configuration: ConfigurationReport,
    /// Contents of the claims by name: whether a bound claim exists for a pod's volume.
    pub claims: BTreeMap<String, Claim>,
    /// PodDisruptionBudgets of the namespace; asked for when a hop is near or a pod may be made anew at its release.
    #[serde(default)]
    pub budgets: Answer<Vec<DisruptionBudget>>,
    /// Pods that have images pulled, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pulls: BTreeMap<String, ImagePull>,
    /// The line of its log that says what is wrong, by pod; read of broken nodes only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last_words: BTreeMap<String, String>,
    /// Requests of former passes that the API server refused for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// Every StarRocksUpgrade of this cluster, oldest first; `None` where that kind is not served or not watched, so that none can be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<Record>>,
    /// What is known beside the nodes, when this is a warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warehouse: Option<WarehouseReport>,
    /// What was answered about the canaries; nothing unless a verdict is due.
    #[serde(default, skip_serializing_if = "CanaryReport::is_empty")]
    pub canary: CanaryReport,
}

/// A PersistentVolumeClaim of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// UID.
    pub uid: String,
    /// Whether it is bound.
    pub bound: bool,
    /// Creation.
    pub created: Timestamp,
}

/// A PodDisruptionBudget of the namespace, with what its controller says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisruptionBudget {
    /// Name.
    pub name: String,
    /// The pods that it is about; `None` for none.
    pub selector: Option<LabelSelector>,
    /// Whether the controller has seen its newest spec; before that the numbers describe the past.
    pub is_current: bool,
    /// Pods that may be disrupted now.
    pub allowed: i32,
    /// Pods that are healthy.
    pub healthy: i32,
    /// Pods that have to be healthy.
    pub desired: i32,
    /// Pods that there should be.
    pub expected: i32,
}

/// A pod that has an image pulled to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePull {
    /// UID, for preconditions.
    pub uid: String,
    /// UID of its controller.
    pub owner: String,
    /// Whether this very cluster controls it.
    pub is_ours: bool,
    /// Whether deletion has begun.
    pub deleting: bool,
    /// How far it has come.
    pub state: PullState,
}

/// How far a pod has come that has an image pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PullState {
    /// The node is at it.
    Pulling,
    /// The image is on the node.
    Pulled,
    /// The node cannot pull it, and tries again by itself.
    Failing {
        /// Kubernetes' reason and message.
        words: String,
    },
    /// The pod ended without the image having been tried: the node did not take it.
    NotTried {
        /// Kubernetes' reason and message.
        why: String,
    },
}

impl Observed {
    /// A snapshot in which nothing exists and nothing was asked.
    pub fn empty(now: Timestamp) -> Self {
        Self {
            now,
            status: StarRocksClusterStatus::default(),
            objects: BTreeMap::new(),
            pods: BTreeMap::new(),
            frontends: BTreeMap::new(),
            group: GroupReport::default(),
            configuration: ConfigurationReport::default(),
            claims: BTreeMap::new(),
            budgets: Answer::NotAsked,
            pulls: BTreeMap::new(),
            last_words: BTreeMap::new(),
            refusals: Vec::new(),
            records: None,
            warehouse: None,
            canary: CanaryReport::default(),
        }
    }

    /// Whether the resource is a warehouse that is being deleted.
    pub fn is_leaving(&self) -> bool {
        self.warehouse.as_ref().is_some_and(|warehouse| warehouse.deleting)
    }

    /// Whether nodes of a hop are on their way: what its preflight asked is not asked again before they have arrived.
    pub fn is_amid_hop(&self) -> bool {
        self.status.operation.as_ref().is_some_and(|operation| {
            let versioned = matches!(operation.kind, OperationKind::Upgrade | OperationKind::Downgrade);
            versioned && (OperationPhase::Canary..=OperationPhase::Leader).contains(&operation.phase)
        })
    }

    /// A live object.
    pub fn object(&self, kind: ObjectKind, name: &str) -> Option<&LiveObject> {
        self.objects.get(&kind)?.get(name)
    }

    /// Pods of one component, by name.
    pub fn pods_of(&self, component: Component) -> impl Iterator<Item = &Pod> {
        self.pods.values().filter(move |pod| pod.component == component)
    }
}
