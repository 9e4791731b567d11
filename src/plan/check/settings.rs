//! Rule 7: a frontend setting changes only after its value is on record, and the record goes only when the value is back; a key of a configuration
//! file is set to what the file says, and never one that an upgrade holds.

use std::collections::BTreeMap;

use super::case::Case;
use crate::model::configuration::awaited;
use crate::model::{Component, FrontendSetting, Statement};

/// Rule 7.
pub(super) fn saved_before_changed_and_put_back(case: &Case<'_>) -> Vec<String> {
    let saved = |status: &crate::api::StarRocksClusterStatus| -> BTreeMap<String, String> {
        status.operation.as_ref().map(|operation| operation.saved_settings.clone()).unwrap_or_default()
    };
    let (before, after) = (saved(&case.observed.status), saved(&case.decision.status));
    let mut found = Vec::new();
    for statement in case.statements() {
        if let Statement::SetFrontendConfig { setting, .. } = statement
            && !(before.contains_key(setting.key()) && after.contains_key(setting.key()))
        {
            found.push(format!("{} would be changed before its value is on record", setting.key()));
        }
    }
    // The frontends that had the values are given up; those that are restored start from their files.
    if case.recovers() {
        return found;
    }
    for (key, value) in &before {
        match after.get(key) {
            Some(kept) if kept == value => {}
            Some(_) => found.push(format!("the saved value of {key} would be overwritten")),
            None => found.extend(forgotten(case, key, value)),
        }
    }
    found
}

/// Rule 7, for what users write into configuration files.
pub(super) fn set_as_written(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for statement in case.statements() {
        let fault = match statement {
            Statement::ConfigureFrontends { key, value } => {
                unwritten(case, Component::Frontend, key, value, None).or_else(|| held(case, key))
            }
            Statement::ConfigureNode { id, key, value } => {
                let is_it = |component: &Component| case.nodes(*component).is_some_and(|rows| rows.iter().any(|row| row.id == *id));
                match [Component::Backend, Component::ComputeNode].into_iter().find(is_it) {
                    Some(component) => unwritten(case, component, key, value, Some(*id)),
                    None => Some(format!("node {id} is not known")),
                }
            }
            _ => None,
        };
        found.extend(fault.map(|fault| format!("{statement}: {fault}")));
    }
    found
}

/// Why a key must not be set to a value: it was not asked for, is not on record, or is neither in the file nor the default.
fn unwritten(case: &Case<'_>, component: Component, key: &str, value: &str, node: Option<u64>) -> Option<String> {
    let on_record = |status: &crate::api::StarRocksClusterStatus| awaited(case.cluster, status, component).contains(key);
    if !on_record(&case.observed.status) || !on_record(&case.decision.status) {
        return Some("the change is not on record, or nobody asked for live changes".to_owned());
    }
    let in_file = case.cluster.workload(component).and_then(|workload| workload.config.get(key));
    let default = || case.observed.configuration.nodes.known()?.get(&node?)?.get(key)?.default.as_ref();
    match in_file.or_else(default) {
        Some(wanted) if wanted == value => None,
        Some(_) | None => Some("the file does not say so".to_owned()),
    }
}

/// Why a frontend key must be left alone: an operation has changed it and will put it back.
fn held(case: &Case<'_>, key: &str) -> Option<String> {
    let setting = FrontendSetting::from_key(key)?;
    let operations = [&case.observed.status, &case.decision.status].map(|status| status.operation.as_ref());
    let mut saved = operations.into_iter().flatten().flat_map(|operation| operation.saved_settings.keys());
    saved.any(|saved| FrontendSetting::from_key(saved) == Some(setting)).then(|| "an operation holds it and puts it back".to_owned())
}

/// Why a saved value must not be forgotten yet.
fn forgotten(case: &Case<'_>, key: &str, value: &str) -> Option<String> {
    let setting = FrontendSetting::from_key(key)?;
    let unproven = |pod: &String| {
        let Some(settings) = case.observed.frontends.get(pod).and_then(|report| report.settings.known()) else { return true };
        let present = settings.iter().find(|(name, _)| FrontendSetting::from_key(name) == Some(setting));
        present.is_some_and(|(_, present)| !present.trim().eq_ignore_ascii_case(value.trim()))
    };
    let pod = case.expected(Component::Frontend).into_iter().find(unproven)?;
    Some(format!("{key} would be forgotten although {pod} does not show {value}"))
}
