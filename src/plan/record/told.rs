//! The status of a StarRocksUpgrade from the operation, what is waited for and what was told before; the same facts give the same status, to the byte.

use std::time::Duration;

use super::super::draft::Draft;
use super::super::status::since;
use super::super::upgrade::fleet_sizes;
use super::super::versions::Frontier;
use super::super::view::View;
use super::way_back::point_of_no_return;
use super::{is_end, text, way_back};
use crate::api::{Condition, DeclinedOutcome, Operation, OperationPhase, StarRocksClusterStatus};
use crate::model::record::{CheckResult, StarRocksUpgradeStatus, StepState, UpgradeEvent, UpgradeHop, UpgradePhase, UpgradeStep};
use crate::model::{Record, Timestamp, WaitingOn};
use crate::release::{Direction, Hop, OutlineStep, Path, Phase, ReleaseTable, outline, parse_version};

/// More steps than a status should hold; what follows them is in the hops.
const STEPS_MAX: usize = 400;
/// Events that are kept.
const HISTORY_MAX: usize = 100;

/// What is told while the walk goes on.
pub(super) fn under_way(
    view: &View<'_>,
    frontier: &Frontier,
    record: &Record,
    operation: &Operation,
    status: &StarRocksClusterStatus,
    draft: &Draft,
) -> StarRocksUpgradeStatus {
    let former = &record.status;
    let table = view.cluster.releases.table();
    let hops = hops(table, operation);
    let turned = operation.instead_of.is_some();
    let phase = phase(operation, &draft.waiting, turned);
    let (steps, node_steps) = steps(view, &hops, operation, &former.steps);
    let pace = pace(&steps, &node_steps);
    let held =
        matches!(phase, UpgradePhase::Paused | UpgradePhase::AwaitingApproval | UpgradePhase::AwaitingWindow | UpgradePhase::Blocked);
    let checks = draft.checks.as_ref().map_or_else(|| former.checks.clone(), super::Checklist::told);
    let mut told = StarRocksUpgradeStatus {
        progress: Some(format!("{}/{}", operation.step.saturating_sub(1).max(0), operation.steps)),
        message: operation.message.clone(),
        blocked_by: codes(&draft.waiting),
        ends_at: if held { None } else { ends_at(view, former, &steps, &node_steps, pace) },
        seconds_per_node: pace,
        path: path(&hops, operation),
        rollback_to: way_back(table, &frontier.all(), operation).ok().flatten().filter(|_| !turned).map(|version| version.to_string()),
        point_of_no_return: point_of_no_return(table, operation).filter(|_| !turned).map(|(hop, refusal)| {
            let (to, from) = (operation.path.get(hop - 1).cloned().unwrap_or_default(), operation.from.clone().unwrap_or_default());
            format!("once a node runs {to} there is no way back to {from}: {} ({})", refusal.message(), refusal.code())
        }),
        approvals_needed: approvals_needed(&draft.waiting),
        conditions: conditions(view, record, &phase, &checks),
        checks,
        steps,
        blocked: status.blocked.clone(),
        history: history(view.now(), former, operation, &phase, draft),
        started_at: former.started_at.clone().or_else(|| operation.started_at.clone()),
        finished_at: None,
        observed_generation: Some(record.generation),
        phase,
    };
    if told.ends_at.is_none() {
        told.ends_at = former.ends_at.clone().filter(|_| !held && pace == former.seconds_per_node);
    }
    told
}

/// What is told of a walk that is no longer the cluster's operation.
pub(super) fn at_its_end(view: &View<'_>, record: &Record, status: &StarRocksClusterStatus) -> StarRocksUpgradeStatus {
    let former = &record.status;
    let reached = status.last_upgrade.as_ref().is_some_and(|last| last.to == record.spec.to && last.finished_at >= former.started_at);
    let declined = status.declined_upgrade.as_ref().filter(|declined| declined.to == record.spec.to);
    let (phase, message) = match declined {
        _ if reached => (UpgradePhase::Succeeded, format!("every node runs {}; it was {}", record.spec.to, record.spec.from)),
        Some(declined) if declined.outcome == DeclinedOutcome::RolledBack => {
            let at = status.version.clone().unwrap_or_default();
            (UpgradePhase::RolledBack, format!("every node runs {at} again; the way to {} is not taken", record.spec.to))
        }
        Some(_) => (UpgradePhase::Cancelled, format!("stopped on the way to {}", record.spec.to)),
        None => (UpgradePhase::Cancelled, format!("the way to {} is no longer asked for", record.spec.to)),
    };
    let now = text(view.now());
    let mut told = StarRocksUpgradeStatus {
        message: Some(message.clone()),
        blocked_by: None,
        ends_at: None,
        rollback_to: None,
        approvals_needed: Vec::new(),
        blocked: Vec::new(),
        finished_at: Some(now.clone()),
        observed_generation: Some(record.generation),
        conditions: conditions(view, record, &phase, &former.checks),
        ..former.clone()
    };
    if reached {
        for step in &mut told.steps {
            step.state = StepState::Done;
            step.finished_at.get_or_insert_with(|| now.clone());
        }
        for hop in &mut told.path {
            hop.state = StepState::Done;
        }
        told.progress = told.steps.last().map(|last| format!("{0}/{0}", last.number));
    }
    told.history.push(UpgradeEvent { at: now, reason: phase.to_string(), message });
    told.phase = phase;
    told
}

fn hops(table: &ReleaseTable, operation: &Operation) -> Vec<Hop> {
    let stops: Vec<_> = operation.from.iter().chain(&operation.path).filter_map(|text| parse_version(text).ok()).collect();
    let between = |pair: &[crate::release::Version]| match pair {
        [from, to] => table.hop(from, to).ok(),
        _ => None,
    };
    stops.windows(2).filter_map(between).collect()
}

fn phase(operation: &Operation, waiting: &[WaitingOn], turned: bool) -> UpgradePhase {
    let any = |is: fn(&WaitingOn) -> bool| waiting.iter().any(is);
    let only = |is: fn(&WaitingOn) -> bool| waiting.iter().any(is) && waiting.iter().all(|wait| is(wait) || is_permission(wait));
    if any(|wait| matches!(wait, WaitingOn::Paused)) {
        return UpgradePhase::Paused;
    }
    if only(|wait| matches!(wait, WaitingOn::ApprovalNeeded { .. })) {
        return UpgradePhase::AwaitingApproval;
    }
    if only(|wait| matches!(wait, WaitingOn::WindowClosed { .. })) {
        return UpgradePhase::AwaitingWindow;
    }
    let preparing = operation.phase < OperationPhase::Canary;
    if !preparing && waiting.iter().any(WaitingOn::needs_a_person) {
        return UpgradePhase::Blocked;
    }
    if turned {
        return UpgradePhase::RollingBack;
    }
    match operation.phase {
        OperationPhase::Image | OperationPhase::Freeze => UpgradePhase::Preparing,
        OperationPhase::Canary => UpgradePhase::Canary,
        OperationPhase::Backends | OperationPhase::ComputeNodes | OperationPhase::Followers | OperationPhase::Leader => {
            UpgradePhase::Rolling
        }
        OperationPhase::Thaw | OperationPhase::Finish => UpgradePhase::Verifying,
        OperationPhase::Preflight | OperationPhase::Bootstrap | OperationPhase::Join | OperationPhase::Other(_) => UpgradePhase::Preflight,
    }
}

/// What only keeps something from beginning, beside other such things.
const fn is_permission(wait: &WaitingOn) -> bool {
    matches!(wait, WaitingOn::ApprovalNeeded { .. } | WaitingOn::WindowClosed { .. })
}

fn approvals_needed(waiting: &[WaitingOn]) -> Vec<String> {
    let of = |wait: &WaitingOn| match wait {
        WaitingOn::ApprovalNeeded { what, .. } => what.clone(),
        _ => Vec::new(),
    };
    waiting.iter().flat_map(of).collect()
}

/// Codes of what is waited for, each once.
fn codes(waiting: &[WaitingOn]) -> Option<String> {
    let mut codes: Vec<&str> = Vec::new();
    for wait in waiting {
        if !codes.contains(&wait.code()) {
            codes.push(wait.code());
        }
    }
    (!codes.is_empty()).then(|| codes.join(","))
}

fn path(hops: &[Hop], operation: &Operation) -> Vec<UpgradeHop> {
    let at = usize::try_from(operation.hop).unwrap_or(0);
    let told = |(index, hop): (usize, &Hop)| UpgradeHop {
        from: hop.from.to_string(),
        to: hop.to.to_string(),
        state: match (index + 1).cmp(&at) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal => StepState::Doing,
            std::cmp::Ordering::Greater => StepState::Ahead,
        },
        notes: hop.rules.iter().map(|rule| format!("{} ({})", rule.text, rule.code)).collect(),
    };
    hops.iter().enumerate().map(told).collect()
}

/// The steps, and which of them restart a node.
fn steps(view: &View<'_>, hops: &[Hop], operation: &Operation, former: &[UpgradeStep]) -> (Vec<UpgradeStep>, Vec<bool>) {
    let (Some(first), Some(last)) = (hops.first(), hops.last()) else { return (Vec::new(), Vec::new()) };
    let way = Path { from: first.from, to: last.to, direction: Direction::between(first.from, last.to), hops: hops.to_vec() };
    let mut lines: Vec<OutlineStep> = Vec::new();
    for line in outline(&way, &fleet_sizes(view)) {
        if lines.last().is_none_or(|before| before.number != line.number) {
            lines.push(line);
        }
    }
    lines.truncate(STEPS_MAX);
    let now = text(view.now());
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let told = |line: &OutlineStep| {
        let before = former.iter().find(|before| before.number == number(line.number) && before.action == line.text);
        let state = match number(line.number).cmp(&operation.step) {
            std::cmp::Ordering::Less => StepState::Done,
            std::cmp::Ordering::Equal => StepState::Doing,
            std::cmp::Ordering::Greater => StepState::Ahead,
        };
        let begun = before.and_then(|before| before.started_at.clone());
        let ended = before.and_then(|before| before.finished_at.clone());
        UpgradeStep {
            number: number(line.number),
            hop: number(line.hop),
            action: line.text.clone(),
            started_at: if state == StepState::Ahead { None } else { begun.or_else(|| Some(now.clone())) },
            finished_at: if state == StepState::Done { ended.or_else(|| Some(now.clone())) } else { None },
            state,
        }
    };
    let moves =
        |line: &OutlineStep| matches!(line.phase, Phase::Canary | Phase::Backends | Phase::ComputeNodes | Phase::Followers | Phase::Leader);
    (lines.iter().map(told).collect(), lines.iter().map(moves).collect())
}

/// Seconds from the beginning of a node's step to its end; the mean of those that took any time.
fn pace(steps: &[UpgradeStep], node_steps: &[bool]) -> Option<i64> {
    let took = |step: &UpgradeStep| {
        let (begun, ended) = (Timestamp::parse(step.started_at.as_deref()?)?, Timestamp::parse(step.finished_at.as_deref()?)?);
        let seconds = ended.since(begun).as_secs();
        (seconds > 0).then_some(seconds)
    };
    let all: Vec<u64> = steps.iter().zip(node_steps).filter(|(_, moves)| **moves).filter_map(|(step, _)| took(step)).collect();
    let mean = all.iter().sum::<u64>().checked_div(u64::try_from(all.len()).ok()?)?;
    i64::try_from(mean).ok()
}

/// The end at the present pace; reckoned anew only when a step has been done, so that the status rests meanwhile.
fn ends_at(
    view: &View<'_>,
    former: &StarRocksUpgradeStatus,
    steps: &[UpgradeStep],
    node_steps: &[bool],
    pace: Option<i64>,
) -> Option<String> {
    let doing = |steps: &[UpgradeStep]| steps.iter().find(|step| step.state == StepState::Doing).map(|step| step.number);
    if doing(steps) == doing(&former.steps) && former.ends_at.is_some() {
        return former.ends_at.clone();
    }
    let left = steps.iter().zip(node_steps).filter(|(step, moves)| **moves && step.state != StepState::Done).count();
    let seconds = u64::try_from(pace?).ok()?.saturating_mul(u64::try_from(left).ok()?);
    Some(text(view.now() + Duration::from_secs(seconds)))
}

/// What happened: a new phase, and what was told by events.
fn history(
    now: Timestamp,
    former: &StarRocksUpgradeStatus,
    operation: &Operation,
    phase: &UpgradePhase,
    draft: &Draft,
) -> Vec<UpgradeEvent> {
    let mut history = former.history.clone();
    if history.is_empty() {
        let (at, from) = (operation.started_at.clone().unwrap_or_default(), operation.from.clone().unwrap_or_default());
        let message = format!("from {from} by way of {}", operation.path.join(", "));
        history.push(UpgradeEvent { at, reason: "Started".to_owned(), message });
    }
    let mut add = |reason: &str, message: &str| {
        if !history.iter().any(|event| event.reason == reason && event.message == message) {
            history.push(UpgradeEvent { at: text(now), reason: reason.to_owned(), message: message.to_owned() });
        }
    };
    for notice in &draft.notices {
        add(&notice.reason, &notice.message);
    }
    if former.phase != *phase {
        history.push(UpgradeEvent { at: text(now), reason: phase.to_string(), message: String::new() });
    }
    let surplus = history.len().saturating_sub(HISTORY_MAX);
    history.split_off(surplus)
}

fn conditions(view: &View<'_>, record: &Record, phase: &UpgradePhase, checks: &[crate::model::record::UpgradeCheck]) -> Vec<Condition> {
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| matches!(check.result, CheckResult::Block | CheckResult::Unknown))
        .map(|check| check.name.as_str())
        .collect();
    let all = [
        (
            "PreflightPassed",
            failed.is_empty() && !checks.is_empty(),
            if failed.is_empty() { "ChecksPass" } else { "ChecksFail" },
            failed.join(", "),
        ),
        (
            "Approved",
            *phase != UpgradePhase::AwaitingApproval,
            if *phase == UpgradePhase::AwaitingApproval { "Awaited" } else { "NothingAwaited" },
            String::new(),
        ),
        ("Complete", is_end(phase), phase.as_str(), String::new()),
    ];
    let condition = |(name, holds, reason, message): (&str, bool, &str, String)| {
        let status = if holds { "True" } else { "False" };
        Condition {
            condition_type: name.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: since(&record.status.conditions, name, status, view.now()),
            observed_generation: Some(record.generation),
        }
    };
    all.into_iter().map(condition).collect()
}
