//! What is to be done next: typed steps, the status to publish and what is awaited; data only, executed by `apply`.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::observed::{ObjectKey, ObjectKind};
use super::{RecordAct, Statement, WaitingOn};
use crate::api::StarRocksClusterStatus;

/// An object that the operator wants to exist, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Object {
    /// core/v1
    ConfigMap(Box<ConfigMap>),
    /// core/v1
    Service(Box<Service>),
    /// apps/v1
    StatefulSet(Box<StatefulSet>),
    /// apps/v1
    Deployment(Box<Deployment>),
    /// autoscaling/v2
    HorizontalPodAutoscaler(Box<HorizontalPodAutoscaler>),
}

impl Object {
    /// Kind of the object.
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::ConfigMap(_) => ObjectKind::ConfigMap,
            Self::Service(_) => ObjectKind::Service,
            Self::StatefulSet(_) => ObjectKind::StatefulSet,
            Self::Deployment(_) => ObjectKind::Deployment,
            Self::HorizontalPodAutoscaler(_) => ObjectKind::HorizontalPodAutoscaler,
        }
    }

    /// Kind and name.
    pub fn key(&self) -> ObjectKey {
        ObjectKey { kind: self.kind(), name: self.metadata().name.clone().unwrap_or_default() }
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata().annotations.as_ref()?.get(key).map(String::as_str)
    }

    /// A label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(key).map(String::as_str)
    }

    const fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::ConfigMap(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::HorizontalPodAutoscaler(object) => &object.metadata,
        }
    }

    /// Whether restarts may go on without it: Services for clients and the autoscaler. Pods are made from a StatefulSet or Deployment, mount
    /// ConfigMaps and find each other by headless Services.
    fn is_beside_pods(&self) -> bool {
        match self {
            Self::Service(service) => {
                service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()).is_none_or(|address| address != "None")
            }
            Self::HorizontalPodAutoscaler(_) => true,
            Self::ConfigMap(_) | Self::StatefulSet(_) | Self::Deployment(_) => false,
        }
    }

    /// The object as the API server takes it, with `apiVersion` and `kind`.
    pub fn to_json(&self) -> Value {
        let json = match self {
            Self::ConfigMap(object) => serde_json::to_value(object),
            Self::Service(object) => serde_json::to_value(object),
            Self::StatefulSet(object) => serde_json::to_value(object),
            Self::Deployment(object) => serde_json::to_value(object),
            Self::HorizontalPodAutoscaler(object) => serde_json::to_value(object),
        };
        // Serialising these types cannot fail: they hold no maps with keys that are not text.
        json.unwrap_or_default()
    }
}

/// One act. A new variant breaks every `match` that must learn it: executor, simulator, RBAC table, printer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Server-side apply of an owned object.
    Apply(Object),
    /// Delete an owned object that is no longer wanted; never a PVC.
    Delete {
        /// Which.
        object: ObjectKey,
        /// Precondition.
        uid: String,
    },
    /// Delete a pod so that its StatefulSet makes it anew from the present template.
    RestartPod {
        /// Pod.
        pod: String,
        /// Precondition.
        uid: String,
        /// Why, for the event.
        reason: String,
    },
    /// Put this operator's finalizer on the resource of a warehouse, so that it cannot vanish before its warehouse has been dropped.
    Hold,
    /// Take a finalizer off so that a deletion can end: that of warehouses off a StatefulSet, or this operator's off the resource.
    LetGo {
        /// The StatefulSet; `None` for the resource itself.
        object: Option<ObjectKey>,
    },
    /// Make, update or delete a StarRocksUpgrade.
    Record(RecordAct),
    /// Make a pod that has an image pulled to a node, before a hop or a rollout.
    PullImage(Box<Pod>),
    /// Delete such a pod.
    EndPull {
        /// Pod.
        pod: String,
        /// Precondition.
        uid: String,
    },
    /// Send a statement to a frontend.
    Execute {
        /// Pod of the frontend.
        frontend: String,
        /// Statement.
        statement: Statement,
    },
}

impl Step {
    /// Whether this step must not be taken when an earlier one was not: what disturbs (restart, delete, statement) rests on what came before
    /// it, and a pod restarted before its new template arrived restarts in vain. Objects can be applied one without the other.
    pub fn rests_on(&self, earlier: &Self) -> bool {
        match self {
            Self::Apply(_) | Self::Hold | Self::Record(_) | Self::PullImage(_) | Self::EndPull { .. } => false,
            Self::Delete { .. } | Self::RestartPod { .. } | Self::Execute { .. } | Self::LetGo { .. } => match earlier {
                Self::Apply(object) => !object.is_beside_pods(),
                Self::Delete { .. } | Self::Record(_) | Self::PullImage(_) | Self::EndPull { .. } => false,
                Self::Execute { statement, .. } => !statement.is_configuration(),
                Self::RestartPod { .. } | Self::Hold | Self::LetGo { .. } => true,
            },
        }
    }
}

/// A message for the cluster's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Whether it is a warning.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: String,
    /// Text.
    pub message: String,
}

/// The outcome of a pass. The status is written first: what must be remembered is on record before anything is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Acts, in order; a failing act does not keep independent ones from being tried.
    pub steps: Vec<Step>,
    /// The whole status to publish; written only if it differs.
    pub status: StarRocksClusterStatus,
    /// What keeps the operator from going on, most important first.
    pub waiting_on: Vec<WaitingOn>,
    /// Events to publish.
    pub notices: Vec<Notice>,
    /// When to look again although no watch said anything; `None` for never.
    pub look_again: Option<Duration>,
}
