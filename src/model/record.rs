//! The StarRocksUpgrade as decisions see and make it: what was last seen of it, and what is to be written; data only.

use serde::{Deserialize, Serialize};

use super::Timestamp;
// Rooms that may not name specifications of the api name them here.
pub use crate::api::{
    Cancel, CheckResult, StarRocksUpgradeSpec, StarRocksUpgradeStatus, StepState, UpgradeCheck, UpgradeEvent, UpgradeHop, UpgradePhase,
    UpgradeStep,
};

/// A StarRocksUpgrade of this cluster, as last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Resource version over which its status is written.
    pub resource_version: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// What it is about, and what users say.
    pub spec: StarRocksUpgradeSpec,
    /// What was told last.
    pub status: StarRocksUpgradeStatus,
}

impl Record {
    /// Whether its walk is over.
    pub fn is_over(&self) -> bool {
        self.status.finished_at.is_some()
    }

    /// When its walk ended.
    pub fn finished_at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.status.finished_at.as_deref()?)
    }
}

/// Something to be done with a StarRocksUpgrade. No other step rests on it: it explains, and nothing is remembered in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RecordAct {
    /// Make it, owned by the cluster.
    Create {
        /// Name.
        name: String,
        /// What it is about.
        spec: Box<StarRocksUpgradeSpec>,
    },
    /// Write its status.
    Report {
        /// Name.
        name: String,
        /// Resource version over which it is written.
        resource_version: String,
        /// What was told last.
        former: Box<StarRocksUpgradeStatus>,
        /// What is to be told.
        status: Box<StarRocksUpgradeStatus>,
    },
    /// Delete one of long ago.
    Forget {
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
}

impl RecordAct {
    /// Name of the StarRocksUpgrade.
    pub fn name(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Report { name, .. } | Self::Forget { name, .. } => name,
        }
    }
}
