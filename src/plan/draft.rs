//! The decision while it is being made: steps, waits and memory gathered in any order, sorted once at the end; never decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::record::Checklist;
use super::view::View;
use crate::api::{ConfigurationStatus, DeclinedUpgrade, DisasterRecoveryStatus, DrainMark, LastUpgrade, LeaderTransferMark, Operation};
use crate::model::{Component, ConfigurationWait, Notice, Statement, Step, WaitingOn, WarehouseWait};

/// How a component's StatefulSet is to look in this pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Image of the pod template; `None` keeps the live template whole.
    pub image: Option<String>,
    /// Whether restarts are ours to order, against the strategy the user wrote for times of rest.
    pub on_delete: bool,
    /// Replicas.
    pub replicas: u32,
}

/// A decision in the making.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    pub steps: Vec<Step>,
    pub waiting: Vec<WaitingOn>,
    pub notices: Vec<Notice>,
    /// The memory to be written.
    pub operation: Option<Operation>,
    pub last_upgrade: Option<LastUpgrade>,
    /// A way that was given up in this pass.
    pub declined: Option<DeclinedUpgrade>,
    /// What was looked at before a hop in this pass.
    pub checks: Option<Checklist>,
    /// Nodes whose restart waits for their queries, or was ordered after that; `None` when no restart was due in this pass.
    pub drains: Option<Vec<DrainMark>>,
    /// The leader that was asked in this pass to hand its lead over, or that keeps it.
    pub leader_transfer: Option<LeaderTransferMark>,
    pub recovery: Option<DisasterRecoveryStatus>,
    pub forms: BTreeMap<Component, Form>,
    /// Pods that have images pulled and are still needed; `None` if nobody looked in this pass.
    pub kept_pulls: Option<BTreeSet<String>>,
    /// What is remembered of configuration files; `None` leaves it as it was.
    pub configuration: Option<Vec<ConfigurationStatus>>,
    /// When to look again for something that is not waited for.
    pub again: Option<Duration>,
}

impl Draft {
    /// Adds something to wait for, once.
    pub fn wait(&mut self, wait: WaitingOn) {
        if !self.waiting.contains(&wait) {
            self.waiting.push(wait);
        }
    }

    /// Adds several.
    pub fn wait_all(&mut self, waits: impl IntoIterator<Item = WaitingOn>) {
        for wait in waits {
            self.wait(wait);
        }
    }

    /// Sends a statement through the leader; waits for a leader if there is none.
    pub fn execute(&mut self, view: &View<'_>, statement: Statement) {
        match view.leader() {
            Some(leader) => self.steps.push(Step::Execute { frontend: leader.name.clone(), statement }),
            None => self.wait(WaitingOn::LeaderElection),
        }
    }

    /// Looks again after this time at the latest, although nothing is waited for.
    pub fn look_again_in(&mut self, duration: Duration) {
        let duration = duration.max(Duration::from_secs(1));
        self.again = Some(self.again.map_or(duration, |again| again.min(duration)));
    }

    /// Adds an event.
    pub fn tell(&mut self, reason: &str, message: String) {
        self.notices.push(Notice { warning: false, reason: reason.to_owned(), message });
    }

    /// Adds a warning event.
    pub fn warn(&mut self, reason: &str, message: String) {
        self.notices.push(Notice { warning: true, reason: reason.to_owned(), message });
    }

    /// Changes the memory, if an operation is under way.
    pub fn remember(&mut self, change: impl FnOnce(&mut Operation)) {
        if let Some(operation) = &mut self.operation {
            change(operation);
        }
    }

    /// Steps in the order in which they are done: statements, objects, restarts.
    pub fn sort_steps(&mut self) {
        self.steps.sort_by_key(|step| match step {
            Step::Hold | Step::Record(_) => 0,
            Step::Execute { .. } => 1,
            Step::Apply(object) => 2 + object.kind() as u8,
            Step::PullImage(_) => 9,
            Step::Delete { .. } | Step::EndPull { .. } => 10,
            Step::RestartPod { .. } => 11,
            Step::LetGo { object: Some(_) } => 12,
            Step::LetGo { object: None } => 13,
        });
    }

    /// When to look again: soon for what only SQL tells, seldom for what a watch tells as well.
    pub fn look_again(&self, view: &View<'_>) -> Duration {
        const AT_REST: Duration = Duration::from_secs(300);
        const UNDER_WAY: Duration = Duration::from_secs(2);
        // As soon as Kubernetes itself brings a changed ConfigMap to running pods.
        const WITH_CONFIGURATION: Duration = Duration::from_secs(60);
        // A key of the configuration that is set again and again must not keep the operator busy.
        let is_urgent = |step: &Step| matches!(step, Step::Execute { statement, .. } if !statement.is_configuration());
        let statement = self.steps.iter().any(is_urgent);
        let watches = view.cluster.configuration_update.map(|_| WITH_CONFIGURATION);
        // A template that stays held while another component rolls slows nothing down.
        let under_way = |wait: &&WaitingOn| self.operation.is_none() || !matches!(wait, WaitingOn::TemplateHeld { .. });
        let nothing_awaited = !self.waiting.iter().any(|wait| under_way(&wait));
        let soonest = self.waiting.iter().filter(under_way).map(|wait| patience(wait, view)).chain(self.again).chain(watches).min();
        match (soonest, statement) {
            (_, true) => Duration::from_secs(1),
            (soonest, false) if self.operation.is_some() && nothing_awaited => soonest.unwrap_or(UNDER_WAY).min(UNDER_WAY),
            (Some(soonest), false) => soonest,
            (None, false) => AT_REST,
        }
    }
}

fn patience(wait: &WaitingOn, view: &View<'_>) -> Duration {
    if let WaitingOn::WindowClosed { opens: Some(opens) } = wait {
        return opens.since(view.now()).clamp(Duration::from_secs(1), Duration::from_secs(300));
    }
    if let WaitingOn::RequestRefused { .. } | WaitingOn::Configuration(ConfigurationWait::Refused { .. }) = wait {
        let due = view.observed.refusals.iter().map(|refusal| refusal.again.since(view.now())).min();
        return due.unwrap_or_default().clamp(Duration::from_secs(1), Duration::from_secs(300));
    }
    Duration::from_secs(match wait {
        WaitingOn::LeaderElection
        | WaitingOn::LeaderTransfer(_)
        | WaitingOn::SettingsNotInForce { .. }
        | WaitingOn::AnswerPending { .. } => 2,
        // A heartbeat, a tablet report: what every node of a roll waits for, and nobody but SQL tells.
        WaitingOn::NodeNotAlive { .. }
        | WaitingOn::VersionNotReported { .. }
        | WaitingOn::TabletsNotReported { .. }
        | WaitingOn::JournalLag { .. } => 3,
        WaitingOn::FrontendsSilent { .. }
        | WaitingOn::NodeNotRegistered { .. }
        | WaitingOn::Configuration(ConfigurationWait::NotInForce { .. })
        | WaitingOn::ReplicasUnhealthy { .. }
        | WaitingOn::QuorumAtRisk { .. }
        | WaitingOn::ImageNotSynced { .. }
        | WaitingOn::RoutineLoadsPaused { .. }
        | WaitingOn::Decommissioning { .. }
        | WaitingOn::ImagesPulling { .. }
        | WaitingOn::NodeLeaving { .. }
        | WaitingOn::Warehouse(WarehouseWait::Leaving { .. })
        | WaitingOn::FrontendsNotServing { .. } => 5,
        WaitingOn::Soaking { until, .. } => return until.since(view.now()).clamp(Duration::from_secs(1), Duration::from_secs(30)),
        WaitingOn::QueriesRunning { until, .. } => return until.since(view.now()).clamp(Duration::from_secs(1), Duration::from_secs(5)),
        WaitingOn::CanaryRejected { .. }
        | WaitingOn::CanaryUnjudged { .. }
        | WaitingOn::TabletsUnhealthy { .. }
        | WaitingOn::SchemaChangesRemembered { .. }
        | WaitingOn::JobsRunning { .. }
        | WaitingOn::CheckpointOverdue { .. }
        | WaitingOn::DiskFull { .. }
        | WaitingOn::DisruptionBudgetSpent { .. }
        | WaitingOn::DisruptionForbidden { .. }
        | WaitingOn::ImageNotPullable { .. }
        | WaitingOn::Warehouse(WarehouseWait::ClusterAbsent { .. })
        | WaitingOn::Warehouse(WarehouseWait::ClusterUnusable { .. })
        | WaitingOn::CredentialsRefused { .. } => 15,
        WaitingOn::PodStarting { .. }
        | WaitingOn::PodNotReady { .. }
        | WaitingOn::PodTerminating { .. }
        | WaitingOn::PodFailing { .. }
        | WaitingOn::Configuration(ConfigurationWait::Deferred { .. })
        | WaitingOn::NodeStalled { .. } => 30,
        WaitingOn::ConsentNeeded { .. }
        | WaitingOn::Paused
        | WaitingOn::ApprovalNeeded { .. }
        | WaitingOn::WindowClosed { .. }
        | WaitingOn::UpgradeDeclined { .. }
        | WaitingOn::RollbackRefused { .. }
        | WaitingOn::BackupMissing
        | WaitingOn::UpgradeRefused { .. }
        | WaitingOn::VersionUnknown { .. }
        | WaitingOn::VersionsApart { .. }
        | WaitingOn::ChannelHeld { .. }
        | WaitingOn::ConfigurationIncompatible { .. }
        | WaitingOn::Configuration(ConfigurationWait::Refused { .. })
        | WaitingOn::Configuration(ConfigurationWait::ShownOtherwise { .. })
        | WaitingOn::ScaleInRefused { .. }
        | WaitingOn::SecondClusterRisk { .. }
        | WaitingOn::StaleVolume { .. }
        | WaitingOn::BackendUndrained { .. }
        | WaitingOn::SnapshotNotMounted { .. }
        | WaitingOn::ImmutableField { .. }
        | WaitingOn::ForeignObject { .. }
        | WaitingOn::TemplateHeld { .. }
        | WaitingOn::Configuration(ConfigurationWait::PortFixed { .. })
        | WaitingOn::RequestRefused { .. }
        | WaitingOn::Warehouse(WarehouseWait::NotSharedData { .. })
        | WaitingOn::Warehouse(WarehouseWait::FeatureMissing { .. })
        | WaitingOn::Warehouse(WarehouseWait::Taken { .. })
        | WaitingOn::ObjectTerminating { .. }
        | WaitingOn::DecisionRefused { .. } => 300,
    })
}
