//! The channel that a cluster follows and what it remembers in, the release to run out: forward only, as far as the policy goes by itself or was approved.

use std::str::FromStr;

use super::fault::{Findings, Rule};
use super::references::References;
use crate::api::{AutomaticUpdates, OperationKind, StarRocksClusterStatus, UpdateMode, UpgradePolicy};
use crate::model::cluster::{Following, given};
use crate::release::{Catalog, Deprecated, State, Version};

pub(super) const FIELD: &str = "spec.channel";

/// What of a channel's releases may be taken.
struct Leave {
    patch: UpdateMode,
    minor: UpdateMode,
    approved: Option<Version>,
}

impl Leave {
    fn read(policy: Option<&UpgradePolicy>, findings: &mut Findings) -> Self {
        let AutomaticUpdates { patch, minor } = policy.and_then(|policy| policy.automatic.clone()).unwrap_or_default();
        let mut word = |name: &str, written: Option<UpdateMode>, default: UpdateMode| match written {
            Some(UpdateMode::Other(word)) => {
                let field = format!("spec.upgradePolicy.automatic.{name}");
                let way_out = format!("Write one of {}", UpdateMode::KNOWN.join(", "));
                findings.fault(Rule::PolicyRange, field, format!("{word:?} is no word that this operator knows"), way_out);
                default
            }
            written => written.unwrap_or(default),
        };
        let (patch, minor) = (word("patch", patch, UpdateMode::Auto), word("minor", minor, UpdateMode::Manual));
        let approved = policy.and_then(|policy| given(&policy.approved_version));
        let approved = approved.and_then(|text| {
            let way_out = "Write the full number of a release, for example 3.5.9";
            let field = "spec.upgradePolicy.approvedVersion";
            Version::from_str(text).map_err(|error| findings.fault(Rule::VersionFormat, field, error.to_string(), way_out)).ok()
        });
        Self { patch, minor, approved }
    }

    fn word(&self, from: Version, to: Version) -> &UpdateMode {
        if from.line() == to.line() { &self.patch } else { &self.minor }
    }

    fn gives(&self, from: Version, to: Version) -> bool {
        *self.word(from, to) == UpdateMode::Auto || self.approved.is_some_and(|approved| to <= approved)
    }
}

/// The release that a cluster on a channel runs, or is to run now; `None` when there is a fault, or no channel is followed.
pub(super) fn follow(
    channel: Option<&str>,
    policy: Option<&UpgradePolicy>,
    references: &References,
    findings: &mut Findings,
) -> Option<Following> {
    let leave = Leave::read(policy, findings);
    let Some(name) = channel else {
        if policy.is_some_and(|policy| policy.automatic.is_some() || policy.approved_version.is_some()) {
            let advice = "automatic and approvedVersion say what a channel may do, and spec.channel is not set";
            findings.advise(Rule::IgnoredField, "spec.upgradePolicy", advice);
        }
        return None;
    };
    let (catalog, status) = (&*references.releases, &references.status);
    let head = catalog.head(name);
    let stand = match remembered(status, name) {
        Some(at) => walk(catalog, name, at, &leave, status),
        None => match running(status) {
            Some(at) => enter(catalog, name, at, &leave, status),
            None => Stand::at(begin(catalog, name, findings)?),
        },
    };
    let deprecation = deprecation(catalog, name, stand.version);
    let available = catalog.next_in(name, &stand.version);
    let offer = available.filter(|to| *leave.word(stand.version, *to) == UpdateMode::Manual && !leave.gives(stand.version, *to));
    Some(Following { channel: name.to_owned(), version: stand.version, head, available, offer, held: stand.held, deprecation })
}

/// Why the channel should be left, or else the release.
fn deprecation(catalog: &Catalog, name: &str, version: Version) -> Option<String> {
    if let Some(words) = catalog.deprecation(&Deprecated::Channel(name.to_owned())) {
        return Some(format!("channel {name} is deprecated: {words}"));
    }
    let release = catalog.release(&version).filter(|release| release.state == State::Deprecated)?;
    let words = release.reason.unwrap_or_else(|| "a version catalog says that it should be left".to_owned());
    Some(format!("{version} is deprecated: {words}"))
}

/// Where a cluster is to be, and what keeps it from going on.
struct Stand {
    version: Version,
    held: Option<String>,
}

impl Stand {
    const fn at(version: Version) -> Self {
        Self { version, held: None }
    }

    fn held(version: Version, why: String) -> Self {
        Self { version, held: Some(why) }
    }
}

/// The release that was remembered for this channel.
fn remembered(status: &StarRocksClusterStatus, name: &str) -> Option<Version> {
    let channel = status.channel.as_ref().filter(|channel| channel.name == name)?;
    Version::from_str(&channel.version).ok()
}

/// The release that runs, or to which the cluster is on its way; `None` before anything ran.
fn running(status: &StarRocksClusterStatus) -> Option<Version> {
    let version = |text: &str| Version::from_str(text).ok();
    let way = status.operation.as_ref().filter(|operation| is_versioned(&operation.kind)).and_then(|operation| operation.to.as_deref());
    let frontends = status.star_rocks_fe_status.iter().flat_map(|frontends| frontends.running_versions.keys());
    let former = status.channel.as_ref().map(|channel| channel.version.as_str());
    let known = way.into_iter().chain(status.version.as_deref()).chain(former);
    known.filter_map(version).next().or_else(|| frontends.filter_map(|text| version(text)).max())
}

const fn is_versioned(kind: &OperationKind) -> bool {
    matches!(kind, OperationKind::Upgrade | OperationKind::Downgrade)
}

/// A new cluster begins with the head.
fn begin(catalog: &Catalog, name: &str, findings: &mut Findings) -> Option<Version> {
    let mut fault = |rule: Rule, found: String, way_out: &str| {
        findings.fault(rule, FIELD, found, way_out);
        None
    };
    let Some(head) = catalog.head(name) else {
        let known: Vec<&str> = catalog.channels().keys().map(String::as_str).collect();
        let way_out = format!("Write one of {}, or add the channel to a StarRocksVersionCatalog", known.join(", "));
        return fault(Rule::ChannelUnknown, format!("there is no channel {name}"), &way_out);
    };
    if !catalog.is_complete() {
        let found = format!("the version catalogs have not been read, and one of them may say otherwise about {name}");
        return fault(
            Rule::ChannelUnknown,
            found,
            "Give the operator its right to list StarRocksVersionCatalogs; it begins by itself then",
        );
    }
    if catalog.is_withdrawn(&head) {
        let found = format!("the head {head} of {name} is withdrawn");
        return fault(Rule::ChannelHead, found, "Set spec.version instead, or give the channel another head");
    }
    Some(head)
}

/// A cluster that ran before it followed this channel: it goes on from where it is if the channel knows that release, and else to the head, which is
/// what setting the channel asks for.
fn enter(catalog: &Catalog, name: &str, at: Version, leave: &Leave, status: &StarRocksClusterStatus) -> Stand {
    let Some(channel) = catalog.channel(name) else { return Stand::held(at, absent(name, at)) };
    if channel.holds(&at) || !catalog.successors(name, &at).is_empty() {
        return walk(catalog, name, at, leave, status);
    }
    match channel.head() {
        Some(head) if head < at => {
            let why = format!(
                "the head {head} of {name} is older than {at}, which runs, and a channel never goes back. Set spec.version to go back"
            );
            Stand::held(at, why)
        }
        Some(head) if catalog.is_withdrawn(&head) => Stand::held(at, withdrawn(name, head, at)),
        Some(head) if catalog.is_complete() => Stand::at(head),
        _ => Stand::held(at, unread(at)),
    }
}

/// A cluster on the channel: on to the newest release that may be taken, once nothing else is under way.
fn walk(catalog: &Catalog, name: &str, at: Version, leave: &Leave, status: &StarRocksClusterStatus) -> Stand {
    let Some(channel) = catalog.channel(name) else { return Stand::held(at, absent(name, at)) };
    if !catalog.is_complete() {
        return Stand::held(at, unread(at));
    }
    let successors = catalog.successors(name, &at);
    let next = successors.iter().rev().find(|to| leave.gives(at, **to)).copied();
    if let Some(next) = next.filter(|_| status.operation.is_none()) {
        return Stand::at(next);
    }
    match channel.head() {
        Some(head) if head > at && catalog.is_withdrawn(&head) => Stand::held(at, withdrawn(name, head, at)),
        Some(head) if successors.is_empty() && head != at && !channel.holds(&at) => {
            let why = format!("no entry of {name} leads on from {at}; its head is {head}. Add a way to the channel, or set spec.version");
            Stand::held(at, why)
        }
        _ => Stand::at(at),
    }
}

fn absent(name: &str, at: Version) -> String {
    format!(
        "there is no channel {name} any more; the cluster stays at {at}. Name another in spec.channel, set spec.version, or mend the catalog that had it"
    )
}

fn withdrawn(name: &str, head: Version, at: Version) -> String {
    format!("the head {head} of {name} is withdrawn; the cluster stays at {at} until the channel has another")
}

fn unread(at: Version) -> String {
    format!(
        "the version catalogs could not be read, so the cluster stays at {at}. Give the operator its right to list StarRocksVersionCatalogs"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::StarRocksVersionCatalogSpec;

    /// A catalog with a channel `c` of these entries.
    fn catalog(entries: Value, releases: Value) -> Arc<Catalog> {
        let spec = json!({"package": "starrocks", "channels": [{"name": "c", "entries": entries}], "releases": releases});
        let spec: StarRocksVersionCatalogSpec = serde_json::from_value(spec).unwrap();
        let merged = Catalog::merged(&BTreeMap::from([("mine".to_owned(), crate::validate::catalog(&spec).unwrap())]));
        assert_eq!(merged.faults, BTreeMap::new());
        Arc::new(merged.catalog)
    }

    /// 3.4.10, then 3.5.9 and from there in one step 3.5.11, then 4.0.17.
    fn ladder() -> Arc<Catalog> {
        catalog(
            json!([{"version": "3.4.10"}, {"version": "3.5.9", "replaces": "3.4.10"},
                {"version": "3.5.11", "replaces": "3.5.9", "skipRange": ">=3.5.0 <3.5.11"}, {"version": "4.0.17", "replaces": "3.5.11"}]),
            json!([]),
        )
    }

    fn status(channel: &str, version: &str) -> StarRocksClusterStatus {
        serde_json::from_value(json!({"version": version, "channel": {"name": channel, "version": version}})).unwrap()
    }

    fn found(name: &str, policy: Value, releases: &Arc<Catalog>, status: StarRocksClusterStatus) -> Result<Following, Vec<&'static str>> {
        let policy: UpgradePolicy = serde_json::from_value(policy).unwrap();
        let references = References { releases: Arc::clone(releases), status, ..References::default() };
        let mut findings = Findings::default();
        let following = follow(Some(name), Some(&policy), &references, &mut findings);
        findings.verdict().map_err(|faults| faults.iter().map(|fault| fault.code).collect::<Vec<_>>())?;
        Ok(following.unwrap())
    }

    fn at(policy: Value, releases: &Arc<Catalog>, version: &str) -> Following {
        found("c", policy, releases, status("c", version)).unwrap()
    }

    fn text(version: Option<Version>) -> String {
        version.map(|version| version.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_new_cluster_begins_with_the_head_and_needs_one_that_can_be_gone_to() {
        let begun = found("stable-3.5", json!({}), &Catalog::embedded(), StarRocksClusterStatus::default()).unwrap();
        assert_eq!((begun.version.to_string(), begun.available, begun.held), ("3.5.20".to_owned(), None, None));
        let none = |name: &str, releases: &Arc<Catalog>| found(name, json!({}), releases, StarRocksClusterStatus::default()).unwrap_err();
        assert_eq!(none("stable-9.9", &Catalog::embedded()), ["SR-3041"]);
        let unread = Arc::new(Catalog::clone(&Catalog::embedded()).incomplete());
        assert_eq!(none("stable-3.5", &unread), ["SR-3041"]);
        let withdrawn = catalog(json!([{"version": "3.5.9"}]), json!([{"version": "3.5.9", "state": "Withdrawn"}]));
        assert_eq!(none("c", &withdrawn), ["SR-3042"]);
    }

    #[test]
    fn patches_are_taken_by_themselves_and_a_line_is_offered() {
        let moved = at(json!({}), &ladder(), "3.5.9");
        assert_eq!(
            (moved.version.to_string(), text(moved.available), text(moved.offer)),
            ("3.5.11".into(), "4.0.17".into(), "4.0.17".into())
        );
        let stays = at(json!({}), &ladder(), "3.5.11");
        assert_eq!((stays.version.to_string(), text(stays.offer)), ("3.5.11".into(), "4.0.17".into()));
        let goes = at(json!({"automatic": {"minor": "Auto"}}), &ladder(), "3.5.11");
        assert_eq!((goes.version.to_string(), goes.available), ("4.0.17".into(), None));
        let asks = at(json!({"automatic": {"patch": "Manual"}}), &ladder(), "3.5.9");
        assert_eq!((asks.version.to_string(), text(asks.offer)), ("3.5.9".into(), "3.5.11".into()));
        let silent = at(json!({"automatic": {"patch": "Off"}}), &ladder(), "3.5.9");
        assert_eq!((silent.version.to_string(), text(silent.available), silent.offer), ("3.5.9".into(), "3.5.11".into(), None));
        assert_eq!(found("c", json!({"automatic": {"patch": "Maybe"}}), &ladder(), status("c", "3.5.9")), Err(vec!["SR-3021"]));
    }

    #[test]
    fn an_approved_release_is_gone_to_and_those_before_it_but_none_beyond() {
        let approved =
            |version: &str| at(json!({"automatic": {"patch": "Off"}, "approvedVersion": version}), &ladder(), "3.5.9").version.to_string();
        assert_eq!(approved("3.5.11"), "3.5.11");
        assert_eq!(approved("3.5.10"), "3.5.9");
        assert_eq!(approved("4.0.17"), "3.5.11", "on the way to it");
        assert_eq!(at(json!({"approvedVersion": "4.0.17"}), &ladder(), "3.5.11").version.to_string(), "4.0.17");
        assert_eq!(found("c", json!({"approvedVersion": "4.0"}), &ladder(), status("c", "3.5.9")), Err(vec!["SR-3010"]));
    }

    #[test]
    fn nothing_moves_while_something_is_under_way_or_catalogs_are_unread() {
        let mut busy = status("c", "3.5.9");
        busy.operation = Some(crate::api::Operation { kind: OperationKind::Rollout, ..Default::default() });
        let waits = found("c", json!({}), &ladder(), busy).unwrap();
        assert_eq!((waits.version.to_string(), text(waits.available), waits.offer), ("3.5.9".into(), "3.5.11".into(), None));
        let unread = Arc::new(Catalog::clone(&ladder()).incomplete());
        let held = at(json!({}), &unread, "3.5.9");
        assert_eq!((held.version.to_string(), held.held.is_some()), ("3.5.9".into(), true));
    }

    #[test]
    fn a_channel_that_is_gone_withdrawn_or_elsewhere_keeps_the_cluster_where_it_is() {
        let gone = at(json!({}), &Catalog::embedded(), "3.5.9");
        assert!(gone.version == Version::new(3, 5, 9) && gone.held.unwrap().contains("no channel c any more"));
        let head = catalog(
            json!([{"version": "3.5.9"}, {"version": "3.5.11", "replaces": "3.5.9"}]),
            json!([{"version": "3.5.11", "state": "Withdrawn"}]),
        );
        let held = at(json!({}), &head, "3.5.9");
        assert!(held.version == Version::new(3, 5, 9) && held.held.unwrap().contains("3.5.11 of c is withdrawn"));
        let elsewhere = at(json!({}), &ladder(), "3.3.22");
        assert!(elsewhere.version == Version::new(3, 3, 22) && elsewhere.held.unwrap().contains("leads on from 3.3.22"));
        let behind = at(json!({}), &ladder(), "4.1.7");
        assert_eq!(behind.version, Version::new(4, 1, 7), "it never goes back");
    }

    #[test]
    fn a_cluster_that_ran_enters_where_it_stands_or_goes_to_the_head_of_what_it_asks_for() {
        let entered = |name: &str, version: &str, releases: &Arc<Catalog>| {
            let status: StarRocksClusterStatus = serde_json::from_value(json!({"version": version})).unwrap();
            found(name, json!({"automatic": {"patch": "Manual"}}), releases, status).unwrap()
        };
        assert_eq!(entered("c", "3.5.9", &ladder()).version, Version::new(3, 5, 9));
        assert_eq!(entered("stable-3.5", "3.5.9", &Catalog::embedded()).version, Version::new(3, 5, 9));
        assert_eq!(entered("stable-4.0", "3.5.9", &Catalog::embedded()).version, Version::new(4, 0, 17));
        let back = entered("stable-3.5", "4.0.17", &Catalog::embedded());
        assert!(back.version == Version::new(4, 0, 17) && back.held.unwrap().contains("never goes back"));
        let moving: StarRocksClusterStatus =
            serde_json::from_value(json!({"operation": {"kind": "Upgrade", "from": "3.5.9", "to": "3.5.11"}})).unwrap();
        assert_eq!(found("stable-3.5", json!({}), &Catalog::embedded(), moving).unwrap().version, Version::new(3, 5, 11));
    }

    #[test]
    fn whoever_follows_an_old_channel_or_runs_a_deprecated_release_is_told() {
        let old = found("stable-3.4", json!({}), &Catalog::embedded(), status("stable-3.4", "3.4.10")).unwrap();
        assert!(old.deprecation.unwrap().starts_with("channel stable-3.4 is deprecated: "));
        let spec = json!({"package": "starrocks", "deprecations": [{"version": "3.5.20", "message": "it is slow"}]});
        let source = crate::validate::catalog(&serde_json::from_value(spec).unwrap()).unwrap();
        let releases = Arc::new(Catalog::merged(&BTreeMap::from([("mine".to_owned(), source)])).catalog);
        let told = found("stable-3.5", json!({}), &releases, status("stable-3.5", "3.5.20")).unwrap();
        assert_eq!(told.deprecation.as_deref(), Some("3.5.20 is deprecated: it is slow"));
        assert_eq!(found("stable-4.0", json!({}), &releases, status("stable-4.0", "4.0.17")).unwrap().deprecation, None);
    }

    proptest! {
        #[test]
        fn no_channel_ever_leads_back(patch in 0..20_u64, minor in 0..3_u64, name in prop::sample::select(vec!["c", "stable-3.5", "stable-4.1", "stable-2.5"]),
            mode in prop::sample::select(vec!["Auto", "Manual", "Off"]), remembered in any::<bool>()) {
            let running = [Version::new(3, 4, patch), Version::new(3, 5, patch), Version::new(4, 0, patch)][usize::try_from(minor).unwrap()];
            let text = running.to_string();
            let status = if remembered { status(name, &text) } else { StarRocksClusterStatus { version: Some(text), ..Default::default() } };
            let following = found(name, json!({"automatic": {"patch": mode, "minor": mode}}), &ladder(), status).unwrap();
            prop_assert!(following.version >= running);
            prop_assert!(following.available.is_none_or(|available| available > following.version));
            prop_assert!(!(following.held.is_some() && following.version != running));
        }
    }
}
