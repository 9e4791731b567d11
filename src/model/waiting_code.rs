//! What is known of each `WaitingOn` beside its words: its stable code, the pod it is about, and whether only a person can end it.

use super::{ConfigurationWait, TransferWait, WaitingOn, WarehouseWait};

impl WaitingOn {
    /// Stable code, documented on one page each.
    pub const fn code(&self) -> &'static str {
        self.entry().0
    }

    /// The reason in one CamelCase word, for conditions and events.
    pub const fn name(&self) -> &'static str {
        self.entry().1
    }

    const fn entry(&self) -> (&'static str, &'static str) {
        match self {
            Self::PodStarting { .. } => ("SR-2001", "PodStarting"),
            Self::PodFailing { .. } => ("SR-2002", "PodFailing"),
            Self::PodNotReady { .. } => ("SR-2003", "PodNotReady"),
            Self::PodTerminating { .. } => ("SR-2004", "PodTerminating"),
            Self::FrontendsNotServing { .. } => ("SR-2101", "FrontendsNotServing"),
            Self::LeaderElection => ("SR-2102", "LeaderElection"),
            Self::FrontendsSilent { .. } => ("SR-2103", "FrontendsSilent"),
            Self::CredentialsRefused { .. } => ("SR-2104", "CredentialsRefused"),
            Self::NodeNotRegistered { .. } => ("SR-2105", "NodeNotRegistered"),
            Self::NodeNotAlive { .. } => ("SR-2106", "NodeNotAlive"),
            Self::VersionNotReported { .. } => ("SR-2107", "VersionNotReported"),
            Self::TabletsNotReported { .. } => ("SR-2108", "TabletsNotReported"),
            Self::ReplicasUnhealthy { .. } => ("SR-2109", "ReplicasUnhealthy"),
            Self::TabletsUnhealthy { .. } => ("SR-2110", "TabletsUnhealthy"),
            Self::JournalLag { .. } => ("SR-2111", "JournalLag"),
            Self::QuorumAtRisk { .. } => ("SR-2112", "QuorumAtRisk"),
            Self::AnswerPending { .. } => ("SR-2113", "AnswerPending"),
            Self::ImageNotSynced { .. } => ("SR-2201", "ImageNotSynced"),
            Self::SettingsNotInForce { .. } => ("SR-2202", "SettingsNotInForce"),
            Self::Soaking { .. } => ("SR-2203", "Soaking"),
            Self::JobsRunning { .. } => ("SR-2204", "JobsRunning"),
            Self::DiskFull { .. } => ("SR-2205", "DiskFull"),
            Self::ConsentNeeded { .. } => ("SR-2206", "ConsentNeeded"),
            Self::Paused => ("SR-2207", "Paused"),
            Self::UpgradeRefused { .. } => ("SR-2208", "UpgradeRefused"),
            Self::VersionUnknown { .. } => ("SR-2209", "VersionUnknown"),
            Self::ConfigurationIncompatible { .. } => ("SR-2210", "ConfigurationIncompatible"),
            Self::NodeStalled { .. } => ("SR-2211", "NodeStalled"),
            Self::VersionsApart { .. } => ("SR-2212", "VersionsApart"),
            Self::CheckpointOverdue { .. } => ("SR-2213", "CheckpointOverdue"),
            Self::RoutineLoadsPaused { .. } => ("SR-2214", "RoutineLoadsPaused"),
            Self::SchemaChangesRemembered { .. } => ("SR-2215", "SchemaChangesRemembered"),
            Self::ImageNotPullable { .. } => ("SR-2225", "ImageNotPullable"),
            Self::ImagesPulling { .. } => ("SR-2228", "ImagesPulling"),
            Self::DisruptionBudgetSpent { .. } => ("SR-2226", "DisruptionBudgetSpent"),
            Self::DisruptionForbidden { .. } => ("SR-2227", "DisruptionForbidden"),
            Self::ChannelHeld { .. } => ("SR-2230", "ChannelHeld"),
            Self::Configuration(ConfigurationWait::NotInForce { .. }) => ("SR-2231", "ConfigurationNotInForce"),
            Self::Configuration(ConfigurationWait::Refused { .. }) => ("SR-2232", "ConfigurationRefused"),
            Self::Configuration(ConfigurationWait::Deferred { .. }) => ("SR-2233", "ConfigurationDeferred"),
            Self::Configuration(ConfigurationWait::ShownOtherwise { .. }) => ("SR-2234", "ConfigurationShownOtherwise"),
            Self::Configuration(ConfigurationWait::PortFixed { .. }) => ("SR-2236", "ConfigurationPortFixed"),
            Self::ApprovalNeeded { .. } => ("SR-2216", "ApprovalNeeded"),
            Self::WindowClosed { .. } => ("SR-2217", "WindowClosed"),
            Self::UpgradeDeclined { .. } => ("SR-2218", "UpgradeDeclined"),
            Self::RollbackRefused { .. } => ("SR-2219", "RollbackRefused"),
            Self::BackupMissing => ("SR-2220", "BackupMissing"),
            Self::CanaryRejected { .. } => ("SR-2221", "CanaryRejected"),
            Self::CanaryUnjudged { .. } => ("SR-2222", "CanaryUnjudged"),
            Self::QueriesRunning { .. } => ("SR-2223", "QueriesRunning"),
            Self::LeaderTransfer(_) => ("SR-2235", "LeaderTransfer"),
            Self::Decommissioning { .. } => ("SR-2301", "Decommissioning"),
            Self::ScaleInRefused { .. } => ("SR-2302", "ScaleInRefused"),
            Self::SecondClusterRisk { .. } => ("SR-2303", "SecondClusterRisk"),
            Self::StaleVolume { .. } => ("SR-2304", "StaleVolume"),
            Self::NodeLeaving { .. } => ("SR-2305", "NodeLeaving"),
            Self::SnapshotNotMounted { .. } => ("SR-2306", "SnapshotNotMounted"),
            Self::BackendUndrained { .. } => ("SR-2307", "BackendUndrained"),
            Self::ImmutableField { .. } => ("SR-2401", "ImmutableField"),
            Self::ForeignObject { .. } => ("SR-2402", "ForeignObject"),
            Self::TemplateHeld { .. } => ("SR-2403", "TemplateHeld"),
            Self::ObjectTerminating { .. } => ("SR-2404", "ObjectTerminating"),
            Self::RequestRefused { .. } => ("SR-2405", "RequestRefused"),
            Self::Warehouse(WarehouseWait::ClusterAbsent { .. }) => ("SR-2501", "ClusterAbsent"),
            Self::Warehouse(WarehouseWait::ClusterUnusable { .. }) => ("SR-2502", "ClusterUnusable"),
            Self::Warehouse(WarehouseWait::NotSharedData { .. }) => ("SR-2503", "NotSharedData"),
            Self::Warehouse(WarehouseWait::FeatureMissing { .. }) => ("SR-2504", "FeatureMissing"),
            Self::Warehouse(WarehouseWait::Taken { .. }) => ("SR-2505", "WarehouseTaken"),
            Self::Warehouse(WarehouseWait::Leaving { .. }) => ("SR-2506", "WarehouseLeaving"),
            Self::DecisionRefused { .. } => ("SR-2901", "DecisionRefused"),
        }
    }

    /// The pod it is about, when it is about one.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::PodStarting { pod, .. }
            | Self::PodFailing { pod, .. }
            | Self::PodNotReady { pod }
            | Self::PodTerminating { pod }
            | Self::NodeNotRegistered { pod }
            | Self::NodeNotAlive { pod, .. }
            | Self::VersionNotReported { pod, .. }
            | Self::TabletsNotReported { pod }
            | Self::JournalLag { pod, .. }
            | Self::ImageNotSynced { pod, .. }
            | Self::SettingsNotInForce { pod, .. }
            | Self::Configuration(ConfigurationWait::NotInForce { pod, .. })
            | Self::Configuration(ConfigurationWait::ShownOtherwise { pod, .. })
            | Self::Soaking { pod, .. }
            | Self::CanaryRejected { pod, .. }
            | Self::CanaryUnjudged { pod, .. }
            | Self::QueriesRunning { pod, .. }
            | Self::LeaderTransfer(TransferWait { pod, .. })
            | Self::DiskFull { pod, .. }
            | Self::NodeStalled { pod, .. }
            | Self::Decommissioning { pod, .. }
            | Self::StaleVolume { pod, .. }
            | Self::NodeLeaving { pod }
            | Self::BackendUndrained { pod, .. }
            | Self::SecondClusterRisk { pod } => Some(pod),
            _ => None,
        }
    }

    /// Whether it is awaited of healthy nodes: it takes nothing off the time for which canaries have been healthy.
    pub const fn is_of_canaries(&self) -> bool {
        matches!(self, Self::Soaking { .. } | Self::CanaryRejected { .. } | Self::CanaryUnjudged { .. } | Self::QueriesRunning { .. })
    }

    /// Whether only a person can end the wait.
    pub const fn needs_a_person(&self) -> bool {
        matches!(
            self,
            Self::PodFailing { .. }
                | Self::CredentialsRefused { .. }
                | Self::DiskFull { .. }
                | Self::ConsentNeeded { .. }
                | Self::Paused
                | Self::ApprovalNeeded { .. }
                | Self::UpgradeDeclined { .. }
                | Self::RollbackRefused { .. }
                | Self::BackupMissing
                | Self::UpgradeRefused { .. }
                | Self::VersionUnknown { .. }
                | Self::ConfigurationIncompatible { .. }
                | Self::NodeStalled { .. }
                | Self::CanaryRejected { .. }
                | Self::VersionsApart { .. }
                | Self::DisruptionForbidden { .. }
                | Self::ImageNotPullable { .. }
                | Self::ChannelHeld { .. }
                | Self::Configuration(ConfigurationWait::Refused { .. })
                | Self::Configuration(ConfigurationWait::ShownOtherwise { .. })
                | Self::StaleVolume { .. }
                | Self::BackendUndrained { .. }
                | Self::TemplateHeld { .. }
                | Self::Configuration(ConfigurationWait::PortFixed { .. })
                | Self::ScaleInRefused { .. }
                | Self::SecondClusterRisk { .. }
                | Self::SnapshotNotMounted { .. }
                | Self::ImmutableField { .. }
                | Self::ForeignObject { .. }
                | Self::RequestRefused { .. }
                | Self::Warehouse(WarehouseWait::ClusterUnusable { .. })
                | Self::Warehouse(WarehouseWait::NotSharedData { .. })
                | Self::Warehouse(WarehouseWait::FeatureMissing { .. })
                | Self::Warehouse(WarehouseWait::Taken { .. })
                | Self::DecisionRefused { .. }
        )
    }
}
