//! StarRocksUpgrades on the wire: made, spoken to and heard, with the operator's rights only, and not missed after a restart.

use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use starrocks_operator::api::{StarRocksUpgrade, StarRocksUpgradeStatus};
use starrocks_operator::generate::crds;
use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{pass, play, risen, rules, status, until};

fn api(embedded: &Embedded) -> Api<StarRocksUpgrade> {
    Api::namespaced(embedded.client(), SUBJECT.namespace)
}

async fn upgrades(embedded: &Embedded) -> Vec<StarRocksUpgrade> {
    api(embedded).list(&ListParams::default()).await.expect("listed").items
}

async fn the_upgrade(embedded: &Embedded) -> StarRocksUpgrade {
    for _ in 0..600 {
        if let [upgrade] = upgrades(embedded).await.as_slice() {
            return upgrade.clone();
        }
        pass(1).await;
    }
    panic!("no upgrade was made");
}

async fn say(embedded: &Embedded, spec: Value) {
    let name = the_upgrade(embedded).await.metadata.name.expect("a name");
    let patch = Patch::Merge(json!({ "spec": spec }));
    api(embedded).patch(&name, &PatchParams::default(), &patch).await.expect("accepted");
}

async fn told(embedded: &Embedded) -> StarRocksUpgradeStatus {
    the_upgrade(embedded).await.status.unwrap_or_default()
}

async fn ask(embedded: &Embedded, spec: Value) {
    embedded.patch_cluster(SUBJECT.namespace, SUBJECT.name, json!({ "spec": spec })).await.expect("accepted");
}

/// Upgrades of long ago, of which the operator keeps the last ten.
pub async fn forget_old_ones(embedded: &Embedded) {
    let cluster = embedded.world().store.get("StarRocksCluster", SUBJECT.namespace, SUBJECT.name).cloned().expect("there");
    let owner =
        json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "name": SUBJECT.name, "uid": cluster["metadata"]["uid"]});
    for number in 0..12 {
        let old = json!({"apiVersion": "starrocks.com/v1beta1", "kind": "StarRocksUpgrade",
            "metadata": {"name": format!("old-{number}"), "namespace": SUBJECT.namespace, "ownerReferences": [owner]},
            "spec": {"cluster": SUBJECT.name, "from": "3.4.9", "to": "3.4.10"}});
        embedded.apply(&old).await.expect("accepted");
    }
    until("old upgrades are forgotten", 600, || embedded.world().store.list("StarRocksUpgrade", Some(SUBJECT.namespace)).len() == 10).await;
}

fn version(embedded: &Embedded) -> Option<String> {
    status(embedded).version
}

fn restarts(embedded: &Embedded) -> usize {
    let world = embedded.world();
    world.starrocks.metrics(world.now()).restarts.len()
}

#[test]
fn an_upgrade_waits_for_approval_and_is_told_to_its_end() {
    play(async {
        let embedded = risen(1, "3.4.10", [3, 3, 0]).await;
        let before = restarts(&embedded);
        ask(&embedded, json!({"version": "3.5.9", "upgradePolicy": {"approval": "Once"}})).await;
        pass(300).await;
        let upgrade = the_upgrade(&embedded).await;
        let owner = upgrade.metadata.owner_references.clone().unwrap_or_default();
        assert_eq!(owner.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(), [SUBJECT.name]);
        let waiting = told(&embedded).await;
        assert_eq!((waiting.phase.as_str(), waiting.approvals_needed.as_slice()), ("AwaitingApproval", ["3.5.9".to_owned()].as_slice()));
        assert_eq!(restarts(&embedded), before);
        let writes = embedded.ledger.tally().write_count();
        pass(1_800).await;
        assert_eq!(embedded.ledger.tally().write_count(), writes, "waiting costs no write");
        say(&embedded, json!({"approved": true})).await;
        until("the upgrade", 3_600, || version(&embedded).as_deref() == Some("3.5.9") && status(&embedded).operation.is_none()).await;
        pass(10).await;
        let over = told(&embedded).await;
        assert_eq!(over.phase.as_str(), "Succeeded");
        assert!(over.steps.iter().all(|step| step.finished_at.is_some()), "{:#?}", over.steps);
    });
}

#[test]
fn what_was_said_is_heard_by_the_next_operator_before_it_touches_anything() {
    play(async {
        let mut embedded = risen(2, "3.4.10", [3, 3, 0]).await;
        ask(&embedded, json!({"version": "3.5.9"})).await;
        let before = restarts(&embedded);
        until("the canary", 1_800, || restarts(&embedded) > before).await;
        embedded.lose_operator();
        say(&embedded, json!({"paused": true})).await;
        let at = restarts(&embedded);
        embedded.start_operator();
        pass(1_200).await;
        assert_eq!(restarts(&embedded), at);
        assert_eq!(told(&embedded).await.phase.as_str(), "Paused");
        say(&embedded, json!({"paused": false, "cancel": "RollBack"})).await;
        until("the way back", 3_600, || status(&embedded).declined_upgrade.is_some()).await;
        pass(60).await;
        assert_eq!(version(&embedded).as_deref(), Some("3.4.10"));
        assert_eq!(told(&embedded).await.phase.as_str(), "RolledBack");
        let writes = embedded.ledger.tally().write_count();
        pass(3_600).await;
        assert_eq!(embedded.ledger.tally().write_count(), writes, "nothing is tried again");
    });
}

#[test]
fn without_the_kind_an_upgrade_goes_its_way() {
    play(async {
        let mut props = crate::harness::props();
        props.definitions.retain(|definition| definition["spec"]["names"]["kind"] != "StarRocksUpgrade");
        assert_eq!(props.definitions.len() + 1, crds::all().len());
        let mut embedded = Embedded::within(props.empty_world(3, SUBJECT.namespace).await.expect("a world"), rules());
        embedded.start_operator();
        crate::harness::apply(&embedded, &crash::resource("3.4.10", [3, 1, 0])).await;
        crate::harness::change(&embedded, json!({"spec": {"version": "3.5.9"}})).await;
        assert_eq!(version(&embedded).as_deref(), Some("3.5.9"));
    });
}

#[test]
fn deleted_on_the_way_it_is_made_again() {
    play(async {
        let embedded = risen(4, "3.4.10", [3, 3, 0]).await;
        ask(&embedded, json!({"version": "3.5.9"})).await;
        let name = the_upgrade(&embedded).await.metadata.name.expect("a name");
        api(&embedded).delete(&name, &DeleteParams::default()).await.expect("deleted");
        pass(30).await;
        assert_eq!(the_upgrade(&embedded).await.metadata.name.as_deref(), Some(name.as_str()));
    });
}
