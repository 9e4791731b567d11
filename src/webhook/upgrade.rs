//! A StarRocksUpgrade in which somebody says something in, what will not be heard as it was meant out; refuses nothing.

use super::judge::{Change, parse};
use super::review::Verdict;
use super::warnings;
use crate::api::{Cancel, StarRocksUpgrade, StarRocksUpgradeStatus};

/// Judges a StarRocksUpgrade.
pub(super) fn judge(change: &Change<'_>) -> Verdict {
    // The operator makes them itself; there is nothing to be said yet.
    let Some(before) = change.before else { return Verdict::default() };
    let (Ok(former), Ok(upgrade)) = (parse::<StarRocksUpgrade>(before, "SR-3000"), parse::<StarRocksUpgrade>(change.after, "SR-3000"))
    else {
        return Verdict::default();
    };
    let status = former.status.clone().unwrap_or_default();
    let mut told = Vec::new();
    if let Some(at) = &status.finished_at {
        told.push(format!(
            "this upgrade ended at {at} ({}), so what is said in it changes nothing; ask for a release in spec.version of StarRocksCluster {}",
            status.phase, upgrade.spec.cluster
        ));
        return Verdict::warned(warnings::lines(told));
    }
    let is_new = |approval: &&String| !former.spec.approvals.contains(approval);
    for approval in upgrade.spec.approvals.iter().filter(is_new).filter(|approval| !approves(&status, approval)) {
        let needed = if status.approvals_needed.is_empty() { "nothing".to_owned() } else { status.approvals_needed.join(", ") };
        told.push(format!("spec.approvals: {approval:?} approves nothing on this way; asked for now is {needed}"));
    }
    if upgrade.spec.cancel == Some(Cancel::RollBack) && former.spec.cancel != upgrade.spec.cancel && status.rollback_to.is_none() {
        let why = status.point_of_no_return.clone().unwrap_or_else(|| "no way back has been told yet".to_owned());
        told.push(format!("spec.cancel: there may be no way back, and then nothing is touched (SR-2219): {why}"));
    }
    if former.spec.cancel.is_some() && upgrade.spec.cancel.is_none() {
        told.push("spec.cancel: once the operator has turned back, taking this out again changes nothing".to_owned());
    }
    Verdict::warned(warnings::lines(told))
}

/// Whether an approval names a release of the way, or a component on its way there.
fn approves(status: &StarRocksUpgradeStatus, approval: &str) -> bool {
    let (release, part) = approval.split_once('/').map_or((approval, None), |(release, part)| (release, Some(part)));
    let known_part = part.is_none_or(|part| ["Frontends", "Backends", "ComputeNodes"].contains(&part));
    let on_the_way = status.path.is_empty() || status.path.iter().any(|hop| hop.to == release);
    known_part && on_the_way || status.approvals_needed.iter().any(|needed| needed == approval)
}
