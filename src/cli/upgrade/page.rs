//! StarRocksUpgrades as text for a terminal; asks nothing.

use std::fmt::Write;

use kube::ResourceExt;

use crate::api::{StarRocksUpgrade, StepState};

/// One line for each.
pub(super) fn list(upgrades: &[StarRocksUpgrade]) -> String {
    if upgrades.is_empty() {
        return "no StarRocksUpgrade\n".to_owned();
    }
    let mut rows = vec![["NAMESPACE", "NAME", "CLUSTER", "FROM", "TO", "PHASE", "PROGRESS", "ENDS", "BLOCKED-BY"].map(str::to_owned)];
    for upgrade in upgrades {
        let status = upgrade.status.clone().unwrap_or_default();
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        rows.push([
            upgrade.namespace().unwrap_or_default(),
            upgrade.name_any(),
            upgrade.spec.cluster.clone(),
            upgrade.spec.from.clone(),
            upgrade.spec.to.clone(),
            status.phase.to_string(),
            or_dash(status.progress),
            or_dash(status.ends_at),
            or_dash(status.blocked_by),
        ]);
    }
    table(&rows)
}

/// Everything that is known of one.
pub(super) fn show(upgrade: &StarRocksUpgrade) -> String {
    let (spec, status) = (&upgrade.spec, upgrade.status.clone().unwrap_or_default());
    let mut page = String::new();
    let _ = writeln!(page, "{}: {} from {} to {}, {}", upgrade.name_any(), spec.cluster, spec.from, spec.to, status.phase);
    for (name, text) in [
        ("progress", &status.progress),
        ("now", &status.message),
        ("ends", &status.ends_at),
        ("way back to", &status.rollback_to),
        ("no way back", &status.point_of_no_return),
        ("finished", &status.finished_at),
    ] {
        if let Some(text) = text {
            let _ = writeln!(page, "  {name}: {text}");
        }
    }
    if !status.approvals_needed.is_empty() {
        let _ = writeln!(page, "  approval needed: {}", status.approvals_needed.join(", "));
    }
    if !status.blocked.is_empty() {
        let _ = writeln!(page, "\nWaits for:");
        for blocked in &status.blocked {
            let node = blocked.node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
            let _ = writeln!(page, "  {} {node}{}", blocked.code, blocked.message);
        }
    }
    if !status.checks.is_empty() {
        let _ = writeln!(page, "\nChecks before the next hop:");
        let row = |check: &crate::api::UpgradeCheck| {
            let text = check.message.clone().unwrap_or_default();
            [format!("  {}", check.result), check.name.clone(), check.code.clone().unwrap_or_default(), text]
        };
        page.push_str(&table(&status.checks.iter().map(row).collect::<Vec<_>>()));
    }
    if !status.steps.is_empty() {
        let _ = writeln!(page, "\nSteps:");
        let row = |step: &crate::api::UpgradeStep| {
            let mark = match step.state {
                StepState::Done => "  done",
                StepState::Doing => "  now",
                StepState::Ahead | StepState::Other(_) => "",
            };
            [mark.to_owned(), step.number.to_string(), step.action.clone(), step.finished_at.clone().unwrap_or_default()]
        };
        page.push_str(&table(&status.steps.iter().map(row).collect::<Vec<_>>()));
    }
    page
}

/// Columns as wide as their widest cell; the last one is as long as it is.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
