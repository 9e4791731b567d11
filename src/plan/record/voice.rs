//! What users say in the StarRocksUpgrade of the operation under way: paused, approved, given up; never decides what follows.

use super::super::versions::{Leg, is_versioned};
use super::super::view::View;
use crate::api::Operation;
use crate::model::cluster::ApprovalScope;
use crate::model::record::{Cancel, StarRocksUpgradeSpec};
use crate::model::{Component, WaitingOn};

/// What users say about the operation under way; all silence where there is none, or no StarRocksUpgrade of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Voice<'a> {
    spec: Option<&'a StarRocksUpgradeSpec>,
}

impl<'a> Voice<'a> {
    /// Hears what is said in the StarRocksUpgrade that the status names.
    pub fn of(view: &View<'a>) -> Self {
        let operation = view.observed.status.operation.as_ref().filter(|operation| is_versioned(operation));
        Self::in_record(view, operation.and_then(|operation| operation.record.as_deref()))
    }

    fn in_record(view: &View<'a>, name: Option<&str>) -> Self {
        let records = view.observed.records.as_deref().unwrap_or_default();
        Self { spec: name.and_then(|name| records.iter().find(|record| record.name == name)).map(|record| &record.spec) }
    }

    /// Whether the walk is held.
    pub fn pauses(&self) -> bool {
        self.spec.is_some_and(|spec| spec.paused == Some(true))
    }

    /// Whether no further hop may begin.
    pub fn stops(&self) -> bool {
        self.spec.is_some_and(|spec| spec.cancel == Some(Cancel::StopHere))
    }

    /// Whether the nodes are to go back.
    pub fn turns_back(&self) -> bool {
        self.spec.is_some_and(|spec| spec.cancel == Some(Cancel::RollBack))
    }

    fn approves(&self, parts: &[String]) -> bool {
        self.spec.is_some_and(|spec| spec.approved == Some(true) || spec.approvals.iter().any(|given| parts.contains(given)))
    }
}

/// What of a leg waits for approval: the leg as a whole before it begins, and one component after the other where each is asked for.
pub(in super::super) struct Approvals<'v, 'a> {
    view: &'v View<'a>,
    record: Option<String>,
    scope: ApprovalScope,
    target: String,
    hop: String,
    /// Whether this is the first hop of the walk.
    first: bool,
}

/// The approvals of a leg that is walked in this operation.
pub(in super::super) fn approvals<'v, 'a>(view: &'v View<'a>, leg: &Leg, operation: &Operation) -> Approvals<'v, 'a> {
    // Whoever asked for the way back does not have to ask twice.
    let scope = if operation.instead_of.is_some() { ApprovalScope::Nothing } else { view.cluster.policy.approval };
    Approvals {
        view,
        record: operation.record.clone(),
        scope,
        target: leg.target.to_string(),
        hop: leg.hop.to.to_string(),
        first: operation.hop <= 1,
    }
}

impl Approvals<'_, '_> {
    /// What has to be approved before the first node of the leg is touched.
    pub fn before_hop(&self) -> Option<WaitingOn> {
        match self.scope {
            ApprovalScope::Nothing | ApprovalScope::Component => None,
            ApprovalScope::Whole if !self.first => None,
            ApprovalScope::Whole => self.missing(&self.target, &[]),
            ApprovalScope::Hop => self.missing(&self.hop, &[]),
        }
    }

    /// What has to be approved before a component takes its new release.
    pub fn before(&self, component: Component) -> Option<WaitingOn> {
        if self.scope != ApprovalScope::Component {
            return None;
        }
        let part = match component {
            Component::Frontend | Component::FrontendProxy => "Frontends",
            Component::Backend => "Backends",
            Component::ComputeNode => "ComputeNodes",
        };
        self.missing(&format!("{}/{part}", self.hop), std::slice::from_ref(&self.hop))
    }

    fn missing(&self, part: &str, also: &[String]) -> Option<WaitingOn> {
        let accepted: Vec<String> = std::iter::once(part.to_owned()).chain(also.iter().cloned()).collect();
        if Voice::in_record(self.view, self.record.as_deref()).approves(&accepted) {
            return None;
        }
        let record = self.record.clone().filter(|_| self.view.observed.records.is_some()).unwrap_or_default();
        Some(WaitingOn::ApprovalNeeded { record, what: vec![part.to_owned()] })
    }
}
