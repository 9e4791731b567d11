//! Settings that must be in force while nodes restart: saved as they are first, then set, then proven on every frontend, again after each restart.

use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::Draft;
use super::super::versions::Leg;
use super::super::view::{View, require};
use crate::model::{Component, FrontendSetting, Statement, WaitingOn};
use crate::release::{ConfigStep, Hop};

/// Saves, sets, proves. Returns whether every frontend that was to be asked shows the settings of the hop.
pub(super) fn drive(view: &View<'_>, leg: &Leg, draft: &mut Draft) -> bool {
    bring_into_force(view, settings(&leg.hop), draft)
}

/// What the edge asks for comes before the image: that must no longer hold what the target cannot read.
pub(super) fn drive_before_image(view: &View<'_>, leg: &Leg, draft: &mut Draft) -> bool {
    bring_into_force(view, known(&leg.hop.frontend_config_before), draft)
}

fn bring_into_force(view: &View<'_>, wanted: BTreeMap<FrontendSetting, String>, draft: &mut Draft) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let Some(leader) = view.leader() else {
        draft.wait(WaitingOn::LeaderElection);
        return false;
    };
    let actual = match of_frontend(view, &leader.name) {
        Ok(actual) => actual,
        Err(wait) => {
            draft.wait(wait);
            return false;
        }
    };
    // A statement goes through the leader, which refuses a key it does not know (3.3 has no checkpoint_only_on_leader).
    let wanted: BTreeMap<FrontendSetting, String> = wanted.into_iter().filter(|(setting, _)| actual.contains_key(setting)).collect();
    if save(&wanted, &actual, draft) {
        // The save must be on record before the first value changes.
        draft.wait_all(lack(view, &wanted).waits());
        return false;
    }
    enforce(view, &wanted, draft)
}

/// The settings a hop wants: the freeze, what two releases at once need, and what its edge asks for.
pub(super) fn settings(hop: &Hop) -> BTreeMap<FrontendSetting, String> {
    known(hop.freeze.iter().chain(&hop.frontend_config_while_mixed).chain(&hop.frontend_config_before))
}

fn known<'s>(steps: impl IntoIterator<Item = &'s ConfigStep>) -> BTreeMap<FrontendSetting, String> {
    steps.into_iter().filter_map(|step| Some((FrontendSetting::from_key(&step.key)?, step.value.clone()))).collect()
}

/// Remembers the values of settings that are not remembered yet. Returns whether there were any.
fn save(wanted: &BTreeMap<FrontendSetting, String>, actual: &BTreeMap<FrontendSetting, String>, draft: &mut Draft) -> bool {
    let saved = draft.operation.as_ref().map(|operation| operation.saved_settings.clone()).unwrap_or_default();
    let missing: Vec<(String, String)> = wanted
        .keys()
        .filter(|setting| !saved.contains_key(setting.key()))
        .filter_map(|setting| Some((setting.key().to_owned(), actual.get(setting)?.clone())))
        .collect();
    if missing.is_empty() {
        return false;
    }
    draft.remember(|operation| operation.saved_settings.extend(missing));
    true
}

/// Sends what some frontend lacks. Returns whether none lacks anything.
pub(super) fn enforce(view: &View<'_>, wanted: &BTreeMap<FrontendSetting, String>, draft: &mut Draft) -> bool {
    let lack = lack(view, wanted);
    let lacking: BTreeSet<FrontendSetting> = lack.by_pod.values().flatten().copied().collect();
    draft.wait_all(lack.waits());
    for (setting, value) in wanted.iter().filter(|(setting, _)| lacking.contains(setting)) {
        draft.execute(view, Statement::SetFrontendConfig { setting: *setting, value: value.clone() });
    }
    lacking.is_empty() && lack.unanswered.is_empty()
}

/// What frontends that can be asked lack, and who did not answer.
struct Lack {
    by_pod: BTreeMap<String, Vec<FrontendSetting>>,
    unanswered: Vec<WaitingOn>,
}

impl Lack {
    /// One for each frontend.
    fn waits(&self) -> Vec<WaitingOn> {
        let keys = |settings: &[FrontendSetting]| settings.iter().map(|setting| setting.key().to_owned()).collect();
        let lacking =
            self.by_pod.iter().map(|(pod, settings)| WaitingOn::SettingsNotInForce { pod: pod.clone(), settings: keys(settings) });
        self.unanswered.iter().cloned().chain(lacking).collect()
    }
}

fn lack(view: &View<'_>, wanted: &BTreeMap<FrontendSetting, String>) -> Lack {
    let mut lack = Lack { by_pod: BTreeMap::new(), unanswered: Vec::new() };
    for pod in view.observed.pods_of(Component::Frontend).filter(|pod| pod.ready && !pod.deleting) {
        let actual = match of_frontend(view, &pod.name) {
            Ok(actual) => actual,
            Err(wait) => {
                lack.unanswered.push(wait);
                continue;
            }
        };
        // A frontend without the key is of an older line and needs nothing.
        let differs = |setting: &FrontendSetting, value: &str| {
            actual.get(setting).is_some_and(|present| !present.trim().eq_ignore_ascii_case(value.trim()))
        };
        let settings: Vec<FrontendSetting> =
            wanted.iter().filter(|(setting, value)| differs(setting, value)).map(|(setting, _)| *setting).collect();
        if !settings.is_empty() {
            lack.by_pod.insert(pod.name.clone(), settings);
        }
    }
    lack
}

/// Values of the settings on one frontend.
pub(super) fn of_frontend(view: &View<'_>, pod: &str) -> Result<BTreeMap<FrontendSetting, String>, WaitingOn> {
    let Some(report) = view.report(pod) else {
        return Err(WaitingOn::AnswerPending { what: format!("the settings of {pod}") });
    };
    let texts = require(&report.settings, &format!("the settings of {pod}"))?;
    Ok(texts.iter().filter_map(|(key, value)| Some((FrontendSetting::from_key(key)?, value.clone()))).collect())
}
