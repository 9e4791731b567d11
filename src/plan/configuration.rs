//! A configuration file that changed: keys that running nodes can change are set and read back, everything else makes its component roll.
//!
//! What is remembered is the content in force (as digests) and the change under way. A change is on record for one pass before anything is done for it;
//! from then on everything is inferred from what nodes show and from when their pods were made, so that an operator that dies needs nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::draft::Draft;
use super::health;
use super::view::{Fleet, View};
use crate::api::{ConfigurationChange, ConfigurationStatus, Operation, OperationKind, OperationPhase};
use crate::model::component::CONFIGURATION_ANNOTATION;
use crate::model::configuration::{ShownKey, names_a_secret};
use crate::model::{
    Answer, Component, Configuration, ConfigurationUpdate, ConfigurationWait, FrontendSetting, Pod, SilenceKind, Statement, Timestamp,
    WaitingOn, Workload,
};

/// By when Kubernetes has brought a changed ConfigMap to every running pod (kubelet: syncFrequency of 60 s, and its cache). A process that starts
/// earlier may still read the former file, so what was set is read back once more after this time.
const REFRESHED: Duration = Duration::from_secs(120);
/// How long a value may take until it is shown; a statement is carried out at once, and a leader is elected within seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// How far the clocks of the API server and of this operator may be apart.
const SLACK: Duration = Duration::from_secs(5);

/// Brings changed configuration files into force, as far as this pass can. `settled` says that no release changes and none has to.
pub(super) fn run(view: &View<'_>, settled: bool, draft: &mut Draft) {
    let former = &view.observed.status.configuration;
    let Some(update) = view.cluster.configuration_update else {
        draft.configuration = Some(former.iter().filter_map(only_the_mark).collect());
        return;
    };
    // Components that have to roll do so together.
    let busy = !settled || draft.operation.is_some();
    let mut entries = Vec::new();
    for workload in view.cluster.workloads() {
        let known = former.iter().find(|entry| entry.component == workload.component.label()).cloned();
        let entry = known
            .unwrap_or_else(|| ConfigurationStatus { component: workload.component.label().to_owned(), ..ConfigurationStatus::default() });
        let entry = look(view, update, workload, entry, busy, draft);
        if entry.digest.is_some() || entry.change.is_some() || entry.restarted_for.is_some() {
            entries.push(entry);
        }
    }
    draft.configuration = Some(entries);
}

/// What stays when nobody asks for this any more: without its mark in the template the pods would be made anew.
fn only_the_mark(entry: &ConfigurationStatus) -> Option<ConfigurationStatus> {
    let restarted_for = entry.restarted_for.clone()?;
    Some(ConfigurationStatus { component: entry.component.clone(), restarted_for: Some(restarted_for), ..ConfigurationStatus::default() })
}

/// One component: its entry as it is to be remembered.
fn look(
    view: &View<'_>,
    update: ConfigurationUpdate,
    workload: &Workload,
    entry: ConfigurationStatus,
    busy: bool,
    draft: &mut Draft,
) -> ConfigurationStatus {
    // The image's own file changes with the image only; one that was not read says nothing.
    let (Some(content), Some(fleet)) = (&workload.configuration, view.fleet(workload.component)) else { return entry };
    let can_be_set = update == ConfigurationUpdate::Live && content.follows;
    if entry.digest.is_none() && (fleet.live.is_none() || !can_be_set) {
        return ConfigurationStatus { digest: Some(content.digest.clone()), keys: content.keys.clone(), change: None, ..entry };
    }
    let Some(change) = &entry.change else {
        let same = entry.digest.as_ref() == Some(&content.digest);
        return if same { entry } else { noted(view, content, entry, draft) };
    };
    if change.digest != content.digest {
        if entry.digest.as_ref() == Some(&content.digest) && is_nobodys(&entry, change, fleet) {
            return ConfigurationStatus { change: None, ..entry };
        }
        return noted(view, content, entry, draft);
    }
    let change = change.clone();
    let scene = Scene { view, workload, content, fleet, first: entry.digest.is_none(), can_be_set };
    scene.proceed(entry, change, busy, draft)
}

/// Puts a change on record. Keys of an earlier change that has not come to its end may have been set already, so they count.
fn noted(view: &View<'_>, content: &Configuration, entry: ConfigurationStatus, draft: &mut Draft) -> ConfigurationStatus {
    let mut keys: BTreeSet<String> = entry.keys.keys().chain(content.keys.keys()).cloned().collect();
    let differs = |key: &String| entry.keys.get(key) != content.keys.get(key);
    if keys.iter().any(differs) || entry.change.is_some() {
        keys.retain(differs);
    }
    keys.extend(entry.change.iter().flat_map(|earlier| earlier.keys.iter().cloned()));
    let change = ConfigurationChange {
        digest: content.digest.clone(),
        since: view.now().to_seconds_text(),
        keys: keys.into_iter().collect(),
        ..ConfigurationChange::default()
    };
    draft.look_again_in(Duration::from_secs(1));
    ConfigurationStatus { change: Some(change), ..entry }
}

/// Whether a change was neither set nor read by anybody, so that with the former content nothing is left of it.
fn is_nobodys(entry: &ConfigurationStatus, change: &ConfigurationChange, fleet: &Fleet<'_>) -> bool {
    let Some(since) = Timestamp::parse(&change.since) else { return false };
    let untouched = change.set_since.is_none() && entry.restarted_for.as_ref() != Some(&change.since);
    untouched && fleet.pods.values().all(|pod| health::started(pod) + REFRESHED < since)
}

/// A component whose change is on record.
struct Scene<'v, 'a> {
    view: &'v View<'a>,
    workload: &'v Workload,
    content: &'v Configuration,
    fleet: &'v Fleet<'a>,
    /// Whether nothing was in force before as far as anybody knows: nothing is restarted for what was changed then.
    first: bool,
    can_be_set: bool,
}

/// What the changed keys ask for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    /// Keys that only a start of the process reads, with why.
    at_start: BTreeMap<String, String>,
    /// Keys to be set, by pod.
    to_set: BTreeMap<String, BTreeMap<String, Wanted>>,
}

/// A value that a node does not show.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    value: String,
    shown: String,
}

impl<'a> Scene<'_, 'a> {
    fn proceed(&self, entry: ConfigurationStatus, mut change: ConfigurationChange, busy: bool, draft: &mut Draft) -> ConfigurationStatus {
        let since = Timestamp::parse(&change.since).unwrap_or(self.view.now());
        let started = self.fleet.pods.values().all(|pod| self.has_read(pod, &change, since));
        if started && self.keys_to_read(&change, started).is_empty() {
            return self.in_force(entry, change, "every pod was made since", draft);
        }
        let keep = |change: ConfigurationChange, entry: ConfigurationStatus| ConfigurationStatus { change: Some(change), ..entry };
        if busy {
            if entry.restarted_for.as_ref() != Some(&change.since) {
                let (component, keys) = (self.workload.component, change.keys.clone());
                let stuck = entry.restarted_for.as_deref().and_then(|mark| self.stuck(mark));
                draft.wait(WaitingOn::Configuration(ConfigurationWait::Deferred { component, keys, stuck }));
            }
            return keep(change, entry);
        }
        if self.view.is_paused() {
            draft.wait(WaitingOn::Paused);
            return keep(change, entry);
        }
        if !self.can_be_set && !started {
            let why = if self.content.follows { "spec.configurationUpdate says Restart" } else { "the file is mounted with subPath" };
            change.at_start = change.keys.iter().map(|key| (key.clone(), why.to_owned())).collect();
            return self.roll(entry, change, draft);
        }
        let needs = match self.needs(&self.keys_to_read(&change, started), started) {
            Ok(needs) => needs,
            Err(waits) => {
                draft.wait_all(waits);
                return keep(change, entry);
            }
        };
        // What an upgrade put back and only a start brings into force needs one after its end.
        let put_back = started && entry.restarted_for.as_ref() != Some(&change.since);
        if !started || put_back {
            change.at_start = needs.at_start;
            if !change.at_start.is_empty() && !self.first {
                return self.roll(entry, change, draft);
            }
        }
        if !needs.to_set.is_empty() {
            let begun = change.set_since.get_or_insert_with(|| self.view.now().to_seconds_text());
            let begun = Timestamp::parse(begun).unwrap_or(self.view.now());
            self.set(&needs.to_set, begun, draft);
            return keep(change, entry);
        }
        let elapsed = self.view.now().since(since);
        if started || elapsed >= REFRESHED {
            return self.in_force(entry, change, "every node shows it", draft);
        }
        draft.look_again_in(REFRESHED.saturating_sub(elapsed));
        keep(change, entry)
    }

    /// The first pod that the rollout under way made for an earlier change and that has used up its time or cannot start: no new content brings that one back
    /// before its process starts again.
    fn stuck(&self, mark: &str) -> Option<String> {
        self.view.observed.status.operation.as_ref().filter(|operation| operation.kind == OperationKind::Rollout)?;
        let made_for_it = |pod: &&&Pod| self.mark() == Some(mark) && self.fleet.revision() == Some(pod.revision.as_str());
        let lost = |pod: &&&Pod| {
            let lack = health::of_node(self.view, self.workload.component, &pod.name);
            matches!(lack, Some(WaitingOn::NodeStalled { .. } | WaitingOn::PodFailing { .. }))
        };
        self.fleet.pods.values().filter(made_for_it).find(lost).map(|pod| pod.name.clone())
    }

    /// The change that the live template carries.
    fn mark(&self) -> Option<&str> {
        let annotations = self.fleet.live?.body.pointer("/spec/template/metadata/annotations")?;
        annotations.get(CONFIGURATION_ANNOTATION)?.as_str()
    }

    /// Whether the processes of a pod read the new file as they started: the pod was made when the change was known, or for it.
    fn has_read(&self, pod: &Pod, change: &ConfigurationChange, since: Timestamp) -> bool {
        let made_for_it = || self.mark() == Some(change.since.as_str()) && self.fleet.revision() == Some(pod.revision.as_str());
        pod.created > since + SLACK || made_for_it()
    }

    /// The keys whose values have to be read from the nodes. Where every process has started with the file these are the settings that an upgrade may
    /// have put back to what they were before it, whatever is asked for otherwise: what the operator set it sets right.
    fn keys_to_read(&self, change: &ConfigurationChange, started: bool) -> Vec<String> {
        let may_be_put_back = |key: &String| self.workload.component == Component::Frontend && FrontendSetting::from_key(key).is_some();
        change.keys.iter().filter(|key| !started || may_be_put_back(key)).cloned().collect()
    }

    fn in_force(&self, entry: ConfigurationStatus, change: ConfigurationChange, how: &str, draft: &mut Draft) -> ConfigurationStatus {
        draft.tell("ConfigurationInForce", format!("{}: {how} ({})", self.workload.component.conf_file(), listed(change.keys.clone())));
        let last_change = ConfigurationChange { in_force_at: Some(self.view.now().to_seconds_text()), ..change };
        let Configuration { digest, keys, .. } = self.content.clone();
        ConfigurationStatus { digest: Some(digest), keys, change: None, last_change: Some(last_change), ..entry }
    }

    /// Makes the component roll: its template carries the time of the change, and the operation is what lets the engine hand it out.
    fn roll(&self, entry: ConfigurationStatus, change: ConfigurationChange, draft: &mut Draft) -> ConfigurationStatus {
        let started_at = Some(self.view.now().to_seconds_text());
        let (kind, phase) = (OperationKind::Rollout, OperationPhase::Preflight);
        draft.operation = Some(Operation { kind, phase, started_at, holds_templates: Some(true), ..Operation::default() });
        let reasons = listed(change.at_start.iter().map(|(key, why)| format!("{key}: {why}")).collect());
        draft.tell(
            "ConfigurationRestarts",
            format!("{} changed and its pods are restarted ({reasons})", self.workload.component.conf_file()),
        );
        ConfigurationStatus { restarted_for: Some(change.since.clone()), change: Some(change), ..entry }
    }

    /// What nodes show against what the file says; or who has not told.
    fn needs(&self, keys: &[String], started: bool) -> Result<Needs, Vec<WaitingOn>> {
        let mut needs = Needs::default();
        let mut waits = Vec::new();
        for ordinal in self.fleet.ordinals() {
            let pod = self.view.pod_name(self.workload.component, ordinal);
            match self.shown(&pod) {
                Ok(shown) => self.compare(&pod, keys, shown, &mut needs),
                Err(detail) => waits.push(WaitingOn::Configuration(ConfigurationWait::NotInForce { pod, keys: Vec::new(), detail })),
            }
        }
        // What one node cannot change is not set on the others either; that does not depend on who has not told.
        let rolls = !needs.at_start.is_empty() && !self.first && !started;
        if waits.is_empty() || rolls { Ok(needs) } else { Err(waits) }
    }

    fn compare(&self, pod: &str, keys: &[String], shown: Option<&BTreeMap<String, ShownKey>>, needs: &mut Needs) {
        for key in keys {
            let judged = judge(self.workload.config.get(key), shown.and_then(|shown| shown.get(key)));
            match judged {
                Ok(None) => {}
                Ok(Some(wanted)) => drop(needs.to_set.entry(pod.to_owned()).or_default().insert(key.clone(), wanted)),
                Err(why) => drop(needs.at_start.insert(key.clone(), why.to_owned())),
            }
        }
    }

    /// What a node shows; `None` for one whose release does not tell. The error says why it is not known.
    fn shown(&self, pod: &str) -> Result<Option<&'a BTreeMap<String, ShownKey>>, String> {
        let report = &self.view.observed.configuration;
        if self.workload.component == Component::Frontend {
            return match report.frontends.get(pod) {
                Some(Answer::Known(shown)) => Ok(Some(shown)),
                Some(Answer::Failed(silence)) => Err(silence.message.clone()),
                Some(Answer::NotAsked) | None => Err(format!("{pod} cannot be asked at the moment")),
            };
        }
        let row = self.view.node_row(self.workload.component, pod).filter(|row| row.alive);
        let row = row.ok_or_else(|| format!("{pod} is not alive, and only living nodes show their configuration"))?;
        match &report.nodes {
            Answer::Known(nodes) => nodes.get(&row.id).map(Some).ok_or_else(|| format!("{pod} does not show its configuration")),
            // 2.5 has no such table (5502).
            Answer::Failed(silence) if silence.kind == SilenceKind::Rejected && silence.message.contains("Unknown table") => Ok(None),
            Answer::Failed(silence) => Err(silence.message.clone()),
            Answer::NotAsked => Err("it has not been asked yet".to_owned()),
        }
    }

    /// Sets keys: in all frontends by one statement, in every other node by one of its own, since backends and compute nodes have files of their own.
    fn set(&self, to_set: &BTreeMap<String, BTreeMap<String, Wanted>>, begun: Timestamp, draft: &mut Draft) {
        let overdue = self.view.now().since(begun) > PATIENCE;
        let mut statements: BTreeSet<Statement> = BTreeSet::new();
        for (pod, keys) in to_set {
            let row = self.view.node_row(self.workload.component, pod);
            for (key, wanted) in keys {
                let (key, value) = (key.clone(), wanted.value.clone());
                if overdue {
                    draft.wait(WaitingOn::Configuration(ConfigurationWait::ShownOtherwise {
                        pod: pod.clone(),
                        detail: differing(&key, wanted),
                        key: key.clone(),
                    }));
                }
                match (self.workload.component, row) {
                    (Component::Frontend, _) => drop(statements.insert(Statement::ConfigureFrontends { key, value })),
                    (_, Some(row)) => drop(statements.insert(Statement::ConfigureNode { id: row.id, key, value })),
                    (_, None) => {}
                }
            }
            if !overdue {
                let keys = keys.keys().cloned().collect();
                draft.wait(WaitingOn::Configuration(ConfigurationWait::NotInForce { pod: pod.clone(), keys, detail: String::new() }));
            }
        }
        for statement in statements {
            draft.execute(self.view, statement);
        }
    }
}

fn differing(key: &str, wanted: &Wanted) -> String {
    if names_a_secret(key) { String::new() } else { format!(" (it shows `{}`, the file says `{}`)", wanted.shown, wanted.value) }
}

/// A few names for an event, whose text is short.
fn listed(names: Vec<String>) -> String {
    const TOLD: usize = 6;
    let more = names.len().saturating_sub(TOLD);
    let told = names.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{told} and {more} more") } else { told }
}

/// One key on one node: nothing to do, a value to be set, or why only a start of the process brings it into force.
fn judge(in_file: Option<&String>, shown: Option<&ShownKey>) -> Result<Option<Wanted>, &'static str> {
    let Some(shown) = shown else { return Err("StarRocks does not show it, so only start scripts may read it") };
    let wanted = match in_file {
        Some(value) => value,
        None => shown.default.as_ref().ok_or("it was taken out, and StarRocks does not tell its default")?,
    };
    if shown.is_masked() {
        return Err("StarRocks hides its value, so that nothing can be read back");
    }
    if shown.is(wanted) {
        return Ok(None);
    }
    if !shown.mutable {
        return Err("StarRocks reads it only when it starts");
    }
    if wanted.contains("${") {
        return Err("the file refers to the environment of the process");
    }
    Ok(Some(Wanted { value: wanted.clone(), shown: shown.value.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, mutable: bool, default: Option<&str>) -> ShownKey {
        ShownKey { value: value.to_owned(), mutable, default: default.map(str::to_owned) }
    }

    fn judged(in_file: Option<&str>, shown: Option<&ShownKey>) -> Result<Option<String>, &'static str> {
        judge(in_file.map(str::to_owned).as_ref(), shown).map(|wanted| wanted.map(|wanted| wanted.value))
    }

    #[test]
    fn only_what_a_node_calls_mutable_and_shows_is_set_in_it() {
        let set = |value: &str| Ok(Some(value.to_owned()));
        assert_eq!(judged(Some("20"), Some(&shown("10", true, None))), set("20"));
        assert_eq!(judged(Some("10"), Some(&shown("10", false, None))), Ok(None), "the same value needs nothing, fixed or not");
        assert!(judged(Some("20"), Some(&shown("10", false, None))).is_err());
        assert!(judged(Some("-Xmx8g"), None).is_err(), "JAVA_OPTS is no key of the process");
        assert!(judged(Some("new"), Some(&shown("***", true, None))).is_err(), "a hidden value cannot be proven");
        assert!(judged(Some("${STARROCKS_HOME}/x"), Some(&shown("/y", true, None))).is_err());
    }

    #[test]
    fn a_key_that_was_taken_out_goes_back_to_a_default_only_where_that_is_known() {
        assert!(judged(None, Some(&shown("20", true, None))).is_err());
        assert_eq!(judged(None, Some(&shown("20", true, Some("4")))), Ok(Some("4".to_owned())));
        assert_eq!(judged(None, Some(&shown("4", false, Some("4")))), Ok(None));
    }
}
