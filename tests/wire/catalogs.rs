//! Version catalogs on the wire: what they say counts at once, a broken one is told and stops nothing, and nobody needs the kind.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::generate::{crds, rbac};
use starrocks_operator::sim::crash::{self, SUBJECT, resource};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::{ApiError, Rules, Verdict};

use crate::harness::{self, apply, change, pass, play, risen, stage, until};

const KIND: &str = "StarRocksVersionCatalog";

/// A catalog with this beside its package.
pub fn catalog(name: &str, mut spec: Value) -> Value {
    spec["package"] = json!("starrocks");
    json!({"apiVersion": "starrocks.com/v1beta1", "kind": KIND, "metadata": {"name": name}, "spec": spec})
}

fn api(embedded: &Embedded) -> Api<DynamicObject> {
    Api::all_with(embedded.client(), &ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1beta1", KIND)))
}

pub async fn delete(embedded: &Embedded, name: &str) {
    api(embedded).delete(name, &DeleteParams::default()).await.expect("deleted");
}

/// The condition Accepted of a catalog once it answers the present generation.
fn accepted(embedded: &Embedded, name: &str) -> Option<(String, String)> {
    let resource = embedded.world().store.get(KIND, "", name).cloned()?;
    let condition = resource["status"]["conditions"][0].clone();
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    (resource["status"]["observedGeneration"] == resource["metadata"]["generation"]).then(|| (text("status"), text("message")))
}

/// Waits until a catalog is judged, and returns the words.
pub async fn judged(embedded: &Embedded, name: &str, as_accepted: bool) -> String {
    let wanted = if as_accepted { "True" } else { "False" };
    until(&format!("{name} is judged"), 60, || accepted(embedded, name).is_some_and(|(status, _)| status == wanted)).await;
    accepted(embedded, name).expect("it is judged").1
}

fn blocked(embedded: &Embedded) -> Vec<String> {
    harness::status(embedded).blocked.iter().map(|blocked| blocked.message.clone()).collect()
}

#[test]
fn a_broken_catalog_says_why_and_the_cluster_does_not_notice() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 3, 0]).await;
        pass(120).await;
        let told = harness::status(&embedded);
        let writes = |embedded: &Embedded| {
            embedded.ledger.tally().writes.into_iter().filter(|(what, _)| !what.contains("catalog")).collect::<Vec<_>>()
        };
        let before = writes(&embedded);
        embedded.apply(&catalog("mine", json!({"releases": [{"version": "3.4.1", "state": "Recommended"}]}))).await.expect("accepted");
        let words = judged(&embedded, "mine", false).await;
        assert!(words.contains("SR-3108 spec.releases[0].state") && words.contains("overrides"), "{words}");
        embedded
            .apply(&catalog("mine", json!({"releases": [{"version": "3.5.9", "state": "Withdrawn", "reason": "ours crash"}]})))
            .await
            .expect("accepted");
        judged(&embedded, "mine", true).await;
        embedded.apply(&catalog("mine", json!({"channels": [{"name": "c", "entries": [{"version": "3.5.77"}]}]}))).await.expect("accepted");
        assert!(judged(&embedded, "mine", false).await.contains("SR-3110"));
        delete(&embedded, "mine").await;
        pass(120).await;
        assert_eq!(writes(&embedded), before, "a running cluster goes on, withdrawn release and all");
        assert_eq!(harness::status(&embedded), told);
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn what_a_catalog_forbids_is_refused_until_it_says_otherwise() {
    play(async {
        let embedded = risen(1, "3.5.8", [3, 3, 0]).await;
        embedded
            .apply(&catalog("mine", json!({"releases": [{"version": "3.5.9", "state": "Withdrawn", "reason": "our tests fail"}]})))
            .await
            .expect("accepted");
        judged(&embedded, "mine", true).await;
        embedded.patch_cluster(SUBJECT.namespace, SUBJECT.name, json!({"spec": {"version": "3.5.9"}})).await.expect("accepted");
        until("it is refused with the catalog's words", 60, || {
            blocked(&embedded).iter().any(|words| words.contains("SR-1003") && words.contains("our tests fail"))
        })
        .await;
        pass(60).await;
        assert_eq!(harness::status(&embedded).version.as_deref(), Some("3.5.8"));
        delete(&embedded, "mine").await;
        until("it goes there once nothing forbids it", 1_800, || harness::status(&embedded).version.as_deref() == Some("3.5.9")).await;
    });
}

#[test]
fn a_component_without_an_image_gets_that_of_the_catalog_and_another_one_restarts_nobody() {
    play(async {
        let mut embedded = stage(1).await;
        let images = |registry: &str| {
            let image = |kind: &str| json!({"ref": format!("{registry}/{kind}:3.5.9")});
            catalog(
                "mine",
                json!({"releases": [{"version": "3.5.9", "images": {"fe": image("fe"), "be": image("be"), "cn": image("cn")}}]}),
            )
        };
        embedded.apply(&images("registry.one")).await.expect("accepted");
        embedded.start_operator();
        apply(&embedded, &resource("3.5.9", [3, 1, 0])).await;
        let image = |embedded: &Embedded| {
            let world = embedded.world();
            let set = world.store.get("StatefulSet", "prod", "kube-be").expect("it exists");
            set["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
        };
        assert_eq!(image(&embedded), "registry.one/be:3.5.9");
        embedded.apply(&images("registry.two")).await.expect("accepted");
        judged(&embedded, "mine", true).await;
        until("it is held", 60, || blocked(&embedded).iter().any(|words| words.contains("pod template"))).await;
        pass(120).await;
        assert_eq!(image(&embedded), "registry.one/be:3.5.9");
        change(&embedded, json!({"spec": {"starRocksBeSpec": {"annotations": {"a": "b"}}}})).await;
        assert_eq!(image(&embedded), "registry.two/be:3.5.9");
    });
}

#[test]
fn the_kind_may_be_missing_and_an_operator_of_some_namespaces_never_asks_for_it() {
    play(async {
        let mut definitions: Vec<Value> = crds::all().iter().map(|definition| serde_json::to_value(definition).expect("JSON")).collect();
        definitions.retain(|definition| definition["spec"]["names"]["kind"] != KIND);
        let mut embedded = Embedded::start(1, &definitions, rbac::cluster_role_rules()).await.expect("a world");
        for name in ["starrocks", "prod"] {
            embedded.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await.expect("accepted");
        }
        embedded.start_operator();
        apply(&embedded, &resource("3.5.9", [3, 1, 0])).await;
        assert!(!embedded.ledger.tally().reads.keys().any(|what| what.contains("catalog")));
        let installed = crds::starrocks_version_catalogs();
        embedded.apply(&serde_json::to_value(&installed).expect("JSON")).await.expect("accepted");
        embedded.apply(&catalog("mine", json!({}))).await.expect("accepted");
        until("it is found", 90, || accepted(&embedded, "mine").is_some()).await;
    });
    play(async {
        let world = harness::props().empty_world(1, SUBJECT.namespace).await.expect("a world");
        let rules = Rules::cluster_wide(Vec::new()).with_namespace("prod", rbac::namespaced_rules());
        let embedded = Embedded::within(world, rules);
        let operator = embedded.hire_for("embedded-0", &["prod"]);
        apply(&embedded, &resource("3.5.9", [3, 1, 0])).await;
        operator.stop().await;
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
        assert!(!embedded.ledger.tally().reads.keys().any(|what| what.contains("catalog")));
    });
}

/// A catalog whose channel `ours` has this head, reached from every patch before it.
fn channel(head: &str) -> Value {
    let line = head.rsplit_once('.').expect("a release").0;
    let entry = json!({"version": head, "skipRange": format!(">={line}.0 <{head}")});
    catalog("mine", json!({"channels": [{"name": "ours", "entries": [entry]}]}))
}

/// The subject on channel `ours`.
fn following() -> Value {
    let mut resource = resource("3.5.8", [3, 3, 0]);
    resource["spec"].as_object_mut().expect("a spec").remove("version");
    resource["spec"]["channel"] = json!("ours");
    resource
}

fn version(embedded: &Embedded) -> Option<String> {
    harness::status(embedded).version
}

#[test]
fn a_cluster_goes_where_its_channel_leads_and_stays_when_the_catalog_breaks() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        embedded.apply(&following()).await.expect("accepted");
        until("it says that there is no such channel", 60, || {
            harness::status(&embedded).reason.is_some_and(|reason| reason.contains("SR-3041"))
        })
        .await;
        embedded.apply(&channel("3.5.8")).await.expect("accepted");
        until("it comes up at the head", 900, || version(&embedded).as_deref() == Some("3.5.8")).await;
        crash::settle(&embedded, SUBJECT, 1).await.expect("it comes to rest");

        embedded.apply(&channel("3.5.9")).await.expect("accepted");
        until("it follows", 1_800, || version(&embedded).as_deref() == Some("3.5.9")).await;
        crash::settle(&embedded, SUBJECT, 1).await.expect("it comes to rest");
        let told = harness::status(&embedded).channel.expect("it follows a channel");
        assert_eq!(
            (told.name.as_str(), told.version.as_str(), told.head.as_deref(), told.available),
            ("ours", "3.5.9", Some("3.5.9"), None)
        );

        let restarts = embedded.ledger.tally().writes.get("delete pods").copied();
        embedded.apply(&channel("3.5.77")).await.expect("accepted");
        judged(&embedded, "mine", false).await;
        until("it says that the channel is gone", 60, || blocked(&embedded).iter().any(|words| words.contains("no channel ours"))).await;
        let status = harness::status(&embedded);
        let ready = status.conditions.iter().find(|condition| condition.condition_type == "Ready").expect("it is told");
        assert_eq!((ready.status.as_str(), status.version.as_deref()), ("True", Some("3.5.9")));
        // An older head leads nowhere: a channel never goes back.
        embedded.apply(&channel("3.5.8")).await.expect("accepted");
        judged(&embedded, "mine", true).await;
        pass(300).await;
        assert_eq!(embedded.ledger.tally().writes.get("delete pods").copied(), restarts);
        assert_eq!(version(&embedded).as_deref(), Some("3.5.9"));
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn an_operator_that_starts_reads_the_catalogs_before_it_moves_anything() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        // The operator's own channel of this name leads to a newer release.
        let pinned = catalog("pin", json!({"channels": [{"name": "stable-3.5", "entries": [{"version": "3.5.8"}]}]}));
        embedded.apply(&pinned).await.expect("accepted");
        judged(&embedded, "pin", true).await;
        let mut resource = following();
        resource["spec"]["channel"] = json!("stable-3.5");
        apply(&embedded, &resource).await;
        assert_eq!(version(&embedded).as_deref(), Some("3.5.8"));
        for obstructed in [false, true] {
            embedded.lose_operator();
            if obstructed {
                let refusal = Verdict::Refuse(ApiError::forbidden("starrocks.com", "starrocksversioncatalogs", "", "no such right"));
                embedded
                    .ledger
                    .obstruct(Some(Box::new(move |request| (request.resource == "starrocksversioncatalogs").then(|| refusal.clone()))));
            }
            embedded.start_operator();
            pass(300).await;
            assert_eq!(harness::status(&embedded).channel.expect("it follows").version, "3.5.8");
            assert_eq!(blocked(&embedded).iter().any(|words| words.contains("could not be read")), obstructed);
        }
        embedded.ledger.obstruct(None);
        delete(&embedded, "pin").await;
        until("it follows the operator's own channel", 1_800, || version(&embedded).as_deref() == Some("3.5.20")).await;
    });
}
