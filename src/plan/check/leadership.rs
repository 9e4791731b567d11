//! Rule 1 for a lead that is handed over: where it can be done, between two frontends that are there, and never when it could leave nobody to lead.

use super::case::{Case, replicas};
use super::quorum::{alive_voters, voters};
use crate::model::cluster::RunMode;
use crate::model::starrocks::{FrontendRole, FrontendRow};
use crate::model::{Component, Pod, Statement, Step};
use crate::release::{Version, parse_reported};

/// Times that one process may be asked to give up its lead.
const ATTEMPTS: i32 = 2;

/// Rule 1: the lead goes from the leader to a follower that could be elected as well, and no further.
pub(super) fn goes_to_an_heir(case: &Case<'_>) -> Vec<String> {
    let asked = |step: &Step| match step {
        Step::Execute { frontend, statement: Statement::TransferLeader { host, port } } => Some((frontend.clone(), host.clone(), *port)),
        _ => None,
    };
    let asked: Vec<_> = case.decision.steps.iter().filter_map(asked).collect();
    let mut found = Vec::new();
    if asked.len() > 1 {
        found.push("the lead would be handed over twice at once".to_owned());
    }
    for (from, host, port) in asked {
        let is_it = |pod: &&Pod| case.frontend(&pod.name).is_some_and(|row| row.host == host && row.edit_log_port == port);
        let fault = match case.observed.pods_of(Component::Frontend).find(is_it) {
            Some(heir) => impossible(case, &from).or_else(|| unfit(case, &from, heir)).or_else(|| reckless(case, &from, heir)),
            None => Some("nobody of that address is in the group".to_owned()),
        };
        found.extend(fault.map(|fault| format!("{from} would hand its lead over to {host}: {fault}")));
    }
    found
}

/// Why a frontend cannot give its lead up.
fn impossible(case: &Case<'_>, from: &str) -> Option<String> {
    if case.cluster.run_mode != RunMode::SharedNothing {
        return Some("StarRocks does not do that in shared-data".to_owned());
    }
    if case.frontend(from).is_none_or(|row| row.role != FrontendRole::Leader) {
        return Some("it is not known to lead".to_owned());
    }
    match release(case, from) {
        Some(own) if case.cluster.releases.table().has_leader_transfer(&own) => None,
        Some(own) => Some(format!("nobody says that {own} can do that")),
        None => Some("it has not said what it runs".to_owned()),
    }
}

/// Why a frontend must not lead.
fn unfit(case: &Case<'_>, from: &str, heir: &Pod) -> Option<String> {
    let is_row = |row: &FrontendRow| row.role == FrontendRole::Follower && case.frontend(&heir.name) == Some(row);
    if alive_voters(case, rows(case), is_row) != 1 {
        return Some("it is no follower that is proven alive".to_owned());
    }
    // What it writes is read by the one that stops leading.
    if release(case, &heir.name).map(|release| release.line()) != release(case, from).map(|release| release.line()) {
        return Some("it does not run the same line".to_owned());
    }
    let leaves = |(component, object, live): (Component, _, _)| {
        let (wanted, _) = replicas(object, live);
        component == Component::Frontend && heir.ordinal.is_none_or(|ordinal| i64::from(ordinal) >= wanted)
    };
    case.changed().into_iter().any(leaves).then(|| "it is to leave".to_owned())
}

/// Why now is not the time.
fn reckless(case: &Case<'_>, from: &str, heir: &Pod) -> Option<String> {
    if case.cluster.policy.paused {
        return Some("the user has paused".to_owned());
    }
    if let Some(pod) = case.restarts(Component::Frontend).first() {
        return Some(format!("{} is restarted at the same time", pod.name));
    }
    let others = alive_voters(case, rows(case), |row| case.frontend(from) != Some(row));
    if 2 * others <= voters(rows(case)) {
        return Some(format!("only {others} of {} voters are proven alive beside it", voters(rows(case))));
    }
    let uid = case.observed.pods.get(from).map(|pod| pod.uid.as_str());
    let mark = case.decision.status.operation.as_ref().and_then(|operation| operation.leader_transfer.as_ref());
    let is_on_record = mark.is_some_and(|mark| Some(mark.uid.as_str()) == uid && mark.to == heir.name && mark.attempts <= ATTEMPTS);
    (!is_on_record).then(|| "the attempt is not on record".to_owned())
}

fn rows<'a>(case: &Case<'a>) -> &'a [FrontendRow] {
    case.observed.group.frontends.known().map(Vec::as_slice).unwrap_or_default()
}

/// The release of a frontend by its own word.
fn release(case: &Case<'_>, pod: &str) -> Option<Version> {
    parse_reported(case.observed.frontends.get(pod)?.version.known()?).release()
}
