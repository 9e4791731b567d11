//! Paths, refusals and walks in, lines for people out; compares and decides nothing.

use crate::model::Statement;
use crate::release::{ConditionKind, Direction, Hop, HopKind, Path, Refusal, RunMode};
use crate::sim::walk::{Act, Deed, End, Walk};

/// Settings of the tablet scheduler, frozen and as they are by default; told as `freeze` and `thaw` when all are set.
const SCHEDULER: [(&str, &str, &str); 4] = [
    ("tablet_sched_max_scheduling_tablets", "0", "10000"),
    ("tablet_sched_max_balancing_tablets", "0", "500"),
    ("tablet_sched_disable_balance", "true", "false"),
    ("tablet_sched_disable_colocate_balance", "true", "false"),
];

/// Stops, and for each hop its kind, rules and conditions.
pub(super) fn plan(path: &Path) -> Vec<String> {
    let mut lines = vec![format!("  by way of {path}")];
    for (index, hop) in path.hops.iter().enumerate() {
        lines.extend(hop_lines(index + 1, hop));
    }
    lines
}

/// Code, reason and way out.
pub(super) fn refusal(refusal: &Refusal) -> Vec<String> {
    vec![format!("  refused: {}, {}", refusal.code(), refusal.message()), format!("  way out: {}", refusal.way_out())]
}

/// Puts below each hop what was done in it, and at the end how it ended.
pub(super) fn walk(path: &Path, walk: &Walk, lines: &mut Vec<String>) {
    let planned = std::mem::take(lines);
    lines.extend(planned.into_iter().take(1));
    for (index, hop) in path.hops.iter().enumerate() {
        lines.extend(hop_lines(index + 1, hop));
        let acts: Vec<&Deed> = walk.acts.iter().filter(|act| act.hop == index + 1).map(|act| &act.deed).collect();
        lines.extend(deeds(&acts));
    }
    let apart: Vec<&Act> = walk.acts.iter().filter(|act| act.hop == 0 || act.hop > path.hops.len()).collect();
    if !apart.is_empty() {
        lines.push(format!("  apart from any hop: {apart:?}"));
    }
    match &walk.end {
        End::Arrived => lines.push(format!("  arrives at {}", path.to)),
        End::Held(_) => held(walk, lines),
    }
}

/// Why nothing happens any more.
pub(super) fn held(walk: &Walk, lines: &mut Vec<String>) {
    let End::Held(blocked) = &walk.end else { return };
    let touched = if walk.touched { "after something was touched" } else { "nothing touched" };
    for blocked in blocked {
        // What the release table says stands above already.
        let words = if blocked.code == "SR-2208" { String::new() } else { format!(": {}", blocked.message) };
        lines.push(format!("  held with {}, {touched}{words}", blocked.code));
    }
}

fn hop_lines(number: usize, hop: &Hop) -> Vec<String> {
    let kind = match hop.kind {
        HopKind::Patch => "patch",
        HopKind::Minor => "minor",
        HopKind::Major => "major",
    };
    let direction = if hop.direction == Direction::Downgrade { "downgrade, frontends first" } else { "upgrade, frontends last" };
    let codes: Vec<&str> = hop.rules.iter().map(|rule| rule.code.as_str()).collect();
    let mut lines = vec![format!("  hop {number}: {} -> {}, {kind} {direction}; {}", hop.from, hop.to, codes.join(" "))];
    let condition = |condition: &crate::release::Condition| {
        let checked = condition.check.as_ref().is_some_and(crate::release::MachineCheck::is_made);
        let kind = match (condition.kind, checked) {
            (ConditionKind::Required, true) => "required and checked",
            (ConditionKind::Required, false) => "required",
            (ConditionKind::Recommended, _) => "recommended",
            (ConditionKind::Note, _) => "note",
        };
        let scope = match condition.only_in {
            Some(RunMode::SharedData) => " in shared data",
            Some(RunMode::SharedNothing) => " in shared nothing",
            None => "",
        };
        format!("{} {kind}{scope}", condition.code)
    };
    if !hop.conditions.is_empty() {
        lines.push(format!("    conditions {}", hop.conditions.iter().map(condition).collect::<Vec<_>>().join(", ")));
    }
    lines
}

/// Statements before the first restart, restarts, statements between them, statements after the last one.
fn deeds(deeds: &[&Deed]) -> Vec<String> {
    let is_restart = |deed: &&&Deed| matches!(deed, Deed::Restart { .. });
    let first = deeds.iter().position(|deed| is_restart(&deed)).unwrap_or(deeds.len());
    let last = deeds.iter().rposition(|deed| is_restart(&deed)).map_or(deeds.len(), |last| last + 1);
    let mut lines = Vec::new();
    let mut say = |what: &str, words: String| {
        if !words.is_empty() {
            lines.push(format!("    {what} {words}"));
        }
    };
    say("first", statements(deeds.get(..first).unwrap_or_default()));
    let rolled = deeds.get(first..last.max(first)).unwrap_or_default();
    say("restarts", restarts(rolled));
    say("meanwhile", statements(rolled));
    say("then", statements(deeds.get(last.max(first)..).unwrap_or_default()));
    lines
}

/// Each statement once, in the order in which they were sent first: a statement is repeated until its effect is seen everywhere.
fn statements(deeds: &[&Deed]) -> String {
    let mut told: Vec<String> = Vec::new();
    for deed in deeds {
        let Deed::Statement(statement) = deed else { continue };
        let words = match statement {
            Statement::SetFrontendConfig { setting, value } => format!("{}={value}", setting.key()),
            other => other.sql(),
        };
        if !told.contains(&words) {
            told.push(words);
        }
    }
    let [freeze, thaw] =
        [SCHEDULER.map(|(key, frozen, _)| format!("{key}={frozen}")), SCHEDULER.map(|(key, _, usual)| format!("{key}={usual}"))];
    told.join(", ").replace(&freeze.join(", "), "freeze").replace(&thaw.join(", "), "thaw")
}

/// Pods in their order; a comma where the next component begins.
fn restarts(deeds: &[&Deed]) -> String {
    let mut told = String::new();
    let mut former = "";
    for deed in deeds {
        let Deed::Restart { pod, led } = deed else { continue };
        let name = pod.split_once('-').map_or(pod.as_str(), |(_, name)| name);
        let component = name.split('-').next().unwrap_or_default();
        told += match (former == component, former.is_empty()) {
            (_, true) => "",
            (true, false) => " ",
            (false, false) => ", ",
        };
        told += name;
        if *led {
            told += " (leads)";
        }
        former = component;
    }
    told
}
