//! OLM does not replace an operator that brings a database to another release, and hears of it before anything is touched.

use std::time::Duration;

use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::controllers::Settings;
use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::{Embedded, Operator};

use crate::harness::{apply, pass, play, props, rules, status, until};

const NAME: &str = "starrocks-operator.v0.1.0";
const NAMESPACE: &str = "starrocks";

fn definition() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "operatorconditions.operators.coreos.com"},
        "spec": {"group": "operators.coreos.com", "scope": "Namespaced", "names": {"kind": "OperatorCondition", "plural": "operatorconditions"},
            "versions": [{"name": "v2", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

/// A resting cluster beside an operator that OLM installed, with the rights that OLM gives: get, update and patch on this one object.
async fn installed(seed: u64) -> Embedded {
    let mut props = props();
    props.definitions.push(definition());
    let olm: PolicyRule = serde_json::from_value(json!({"apiGroups": ["operators.coreos.com"], "resources": ["operatorconditions"],
        "resourceNames": [NAME], "verbs": ["get", "update", "patch"]}))
    .expect("a rule");
    let world = props.empty_world(seed, SUBJECT.namespace).await.expect("a world");
    let embedded = Embedded::within(world, rules().with_namespace(NAMESPACE, vec![olm]));
    let condition = json!({"apiVersion": "operators.coreos.com/v2", "kind": "OperatorCondition", "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {"conditions": [{"type": "Other", "status": "True", "reason": "Mine", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
    embedded.apply(&condition).await.expect("accepted");
    embedded
}

fn employ(embedded: &Embedded, identity: &str) -> Operator {
    let settings = Settings { operator_condition: Some(NAME.to_owned()), ..Settings::new(embedded.clock(), identity) };
    embedded.employ(settings)
}

fn api(embedded: &Embedded) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("operators.coreos.com", "v2", "OperatorCondition"));
    Api::namespaced_with(embedded.client(), NAMESPACE, &kind)
}

/// What the operator says: status and message of Upgradeable.
fn said(embedded: &Embedded) -> (String, String) {
    let object = embedded.world().store.get("OperatorCondition", NAMESPACE, NAME).cloned().unwrap_or_default();
    let all = object["spec"]["conditions"].as_array().cloned().unwrap_or_default();
    let ours = all.iter().find(|condition| condition["type"] == "Upgradeable").cloned().unwrap_or_default();
    let text = |field: &str| ours[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

/// OLM's part, once: the specification's conditions become the status.
async fn olm_looks(embedded: &Embedded) {
    let object = api(embedded).get(NAME).await.expect("there");
    let mut conditions = object.data["spec"]["conditions"].clone();
    for condition in conditions.as_array_mut().into_iter().flatten() {
        condition["observedGeneration"] = json!(object.metadata.generation);
    }
    let patch = Patch::Merge(json!({"status": {"conditions": conditions}}));
    api(embedded).patch_status(NAME, &PatchParams::default(), &patch).await.expect("accepted");
}

async fn ask(embedded: &Embedded, spec: Value) {
    embedded.patch_cluster(SUBJECT.namespace, SUBJECT.name, json!({ "spec": spec })).await.expect("accepted");
}

fn arrived(embedded: &Embedded, version: &str) -> bool {
    let status = status(embedded);
    status.version.as_deref() == Some(version) && status.operation.is_none()
}

#[test]
fn an_upgrade_begins_once_olm_knows_of_it_and_its_end_lets_olm_go_on() {
    play(async {
        let embedded = installed(1).await;
        let operator = employ(&embedded, "first");
        apply(&embedded, &crash::resource("3.4.10", [3, 1, 0])).await;
        assert_eq!(said(&embedded).0, "True");

        ask(&embedded, json!({"version": "3.5.9"})).await;
        until("the operator asks to stay", 10, || said(&embedded) == ("False".to_owned(), "prod/kube 3.4.10 to 3.5.9".to_owned())).await;
        pass(30).await;
        assert_eq!(status(&embedded).operation, None, "nothing begins while OLM may still replace the operator");
        olm_looks(&embedded).await;
        until("the upgrade begins", 5, || status(&embedded).operation.is_some()).await;

        // The next operator finds it as it was, and does not say otherwise in between.
        until("the backend is replaced", 900, || said(&embedded).0 == "False" && canary_runs(&embedded)).await;
        operator.lose();
        let operator = employ(&embedded, "second");
        while !arrived(&embedded, "3.5.9") {
            assert_eq!(said(&embedded).0, "False");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        until("OLM may go on", 5, || said(&embedded).0 == "True").await;
        let object = embedded.world().store.get("OperatorCondition", NAMESPACE, NAME).cloned().unwrap_or_default();
        assert_eq!(object["spec"]["conditions"][0]["type"], "Other", "what others say there stays");

        let writes = embedded.ledger.tally().write_count();
        pass(3_600).await;
        assert_eq!(embedded.ledger.tally().write_count(), writes, "at rest nothing is written");
        operator.stop().await;
    });
}

fn canary_runs(embedded: &Embedded) -> bool {
    let world = embedded.world();
    !world.starrocks.metrics(world.now()).restarts.is_empty()
}

#[test]
fn what_waits_for_a_person_lets_olm_correct_the_operator() {
    play(async {
        let embedded = installed(2).await;
        let operator = employ(&embedded, "first");
        apply(&embedded, &crash::resource("3.4.10", [3, 1, 0])).await;
        ask(&embedded, json!({"version": "3.5.9", "upgradePolicy": {"approval": "Once"}})).await;
        pass(120).await;
        let blocked: Vec<String> = status(&embedded).blocked.iter().map(|blocked| blocked.code.clone()).collect();
        assert_eq!(blocked, ["SR-2216"]);
        assert_eq!(said(&embedded).0, "True");
        operator.stop().await;
    });
}

#[test]
fn an_olm_that_does_not_run_or_gave_no_object_stops_no_upgrade() {
    play(async {
        let embedded = installed(3).await;
        let operator = employ(&embedded, "first");
        apply(&embedded, &crash::resource("3.4.10", [3, 1, 0])).await;
        ask(&embedded, json!({"version": "3.5.9"})).await;
        until("OLM had its minute", 90, || status(&embedded).operation.is_some()).await;
        until("the upgrade", 3_600, || arrived(&embedded, "3.5.9")).await;
        operator.stop().await;

        api(&embedded).delete(NAME, &kube::api::DeleteParams::default()).await.expect("deleted");
        let operator = employ(&embedded, "second");
        pass(10).await;
        ask(&embedded, json!({"version": "3.5.10"})).await;
        until("nobody is waited for", 10, || status(&embedded).operation.is_some()).await;
        until("the upgrade", 3_600, || arrived(&embedded, "3.5.10")).await;
        operator.stop().await;
    });
}
