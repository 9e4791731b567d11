//! The StarRocksUpgrade of the operation under way: made, kept true and closed; explains, and remembers nothing that decisions need.

mod checks;
mod told;
mod voice;
mod way_back;

pub(super) use checks::Checklist;
pub(super) use voice::{Voice, approvals};
pub(super) use way_back::{one_hop_back, way_back};

use std::time::Duration;

use super::draft::Draft;
use super::versions::{Frontier, is_versioned};
use super::view::View;
use crate::api::{Operation, StarRocksClusterStatus};
use crate::model::record::{StarRocksUpgradeSpec, StarRocksUpgradeStatus, UpgradePhase};
use crate::model::{Record, RecordAct, Step, Timestamp};

/// Walks that are over and still explained; older ones are deleted.
const KEPT: usize = 10;

/// The name of the StarRocksUpgrade of an operation that begins now.
pub(super) fn name_for(view: &View<'_>, to: &str) -> String {
    let moment: String = view.now().to_seconds_text().chars().filter(char::is_ascii_digit).collect();
    // Releases are lower case but for `RC`, and names have no plus sign.
    let release: String = to.to_ascii_lowercase().chars().map(|letter| if letter == '+' { '-' } else { letter }).collect();
    format!("{}-{release}-{moment}", view.cluster.name)
}

/// How long an operation waits for its StarRocksUpgrade before it begins without.
const FOR_ITS_RECORD: Duration = Duration::from_secs(30);

/// Whether the StarRocksUpgrade of an operation that has just begun is still being made. It is there before anything is done, so that nothing goes untold
/// and users have where to speak; but where it cannot be made nothing waits for it for long.
pub(super) fn is_being_made(view: &View<'_>, operation: &Operation) -> bool {
    let Some(records) = view.observed.records.as_deref() else { return false };
    let Some(begun) = operation.started_at.as_deref().and_then(Timestamp::parse) else { return false };
    let made = records.iter().any(|record| operation.record.as_ref() == Some(&record.name));
    !made && view.now().since(begun) < FOR_ITS_RECORD
}

/// Adds what is to be done with the StarRocksUpgrades of this cluster, before every other step.
pub(super) fn explain(view: &View<'_>, frontier: &Frontier, status: &StarRocksClusterStatus, draft: &mut Draft) {
    let Some(records) = view.observed.records.as_deref().filter(|_| view.cluster.warehouse.is_none()) else { return };
    let operation = status.operation.as_ref().filter(|operation| is_versioned(operation));
    let current = operation.and_then(|operation| operation.record.as_deref().map(|name| (name, operation)));
    let mut acts = Vec::new();
    if let Some((name, operation)) = current {
        match records.iter().find(|record| record.name == name) {
            None => acts.push(RecordAct::Create { name: name.to_owned(), spec: Box::new(beginning(view, operation)) }),
            Some(record) => acts.extend(report(record, told::under_way(view, frontier, record, operation, status, draft))),
        }
    }
    let mut over: Vec<&Record> = Vec::new();
    for record in records.iter().filter(|record| current.is_none_or(|(name, _)| record.name != name)) {
        if record.is_over() {
            over.push(record);
        } else {
            acts.extend(report(record, told::at_its_end(view, record, status)));
        }
    }
    over.sort_by_key(|record| record.finished_at());
    let too_many = over.len().saturating_sub(KEPT);
    acts.extend(over.into_iter().take(too_many).map(|record| RecordAct::Forget { name: record.name.clone(), uid: record.uid.clone() }));
    draft.steps.splice(0..0, acts.into_iter().map(Step::Record));
}

/// What a walk is about.
fn beginning(view: &View<'_>, operation: &Operation) -> StarRocksUpgradeSpec {
    StarRocksUpgradeSpec {
        cluster: view.cluster.name.clone(),
        from: operation.from.clone().unwrap_or_default(),
        to: operation.instead_of.clone().or_else(|| operation.to.clone()).unwrap_or_default(),
        ..StarRocksUpgradeSpec::default()
    }
}

fn report(record: &Record, status: StarRocksUpgradeStatus) -> Option<RecordAct> {
    (status != record.status).then(|| RecordAct::Report {
        name: record.name.clone(),
        resource_version: record.resource_version.clone(),
        former: Box::new(record.status.clone()),
        status: Box::new(status),
    })
}

/// Whether a phase is an end.
fn is_end(phase: &UpgradePhase) -> bool {
    matches!(phase, UpgradePhase::Succeeded | UpgradePhase::RolledBack | UpgradePhase::Cancelled)
}

/// A moment as it stands in a status.
fn text(moment: Timestamp) -> String {
    moment.to_seconds_text()
}
