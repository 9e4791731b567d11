//! Rule 7: a frontend setting changes only after its value is on record, and the record goes only when the value is back.

use std::collections::BTreeMap;

use super::case::Case;
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
    for (key, value) in &before {
        match after.get(key) {
            Some(kept) if kept == value => {}
            Some(_) => found.push(format!("the saved value of {key} would be overwritten")),
            None => found.extend(forgotten(case, key, value)),
        }
    }
    found
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
