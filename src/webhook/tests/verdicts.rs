//! Verdicts on requests as an API server sends them.

use super::*;
use crate::api::StarRocksVersionCatalogSpec;
use crate::webhook::server::answer;
use crate::webhook::warnings::{LONGEST, MOST};

fn asked(webhook: &Webhook, kind: &str, before: &Value, after: &Value) -> Value {
    let (status, answer) = answer(webhook, review(kind, before, after).to_string().as_bytes());
    assert_eq!((status.as_u16(), &answer["response"]["uid"]), (200, &json!("705ab4f5-6393-11e8-b7cc-42010a800002")));
    let warnings = answer["response"]["warnings"].as_array().cloned().unwrap_or_default();
    assert!(warnings.len() <= MOST, "{warnings:#?}");
    assert!(warnings.iter().all(|warning| warning.as_str().unwrap().len() <= LONGEST), "{warnings:#?}");
    answer["response"].clone()
}

fn of_cluster(before: &Value, after: &Value) -> Value {
    asked(&knowing(Catalog::embedded()).0, "StarRocksCluster", before, after)
}

fn warnings(response: &Value) -> Vec<&str> {
    assert_eq!(response["allowed"], json!(true), "{response:#}");
    response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn refusal(response: &Value) -> &str {
    assert_eq!((&response["allowed"], &response["status"]["code"]), (&json!(false), &json!(422)), "{response:#}");
    response["status"]["message"].as_str().unwrap()
}

#[test]
fn a_new_cluster_with_faults_is_refused_with_every_one_of_them() {
    let mut bad = cluster("3.5.9");
    bad["spec"]["version"] = json!("3.5");
    bad["spec"]["starRocksBeSpec"]["replicas"] = json!(-1);
    let response = of_cluster(&Value::Null, &bad);
    let words = refusal(&response);
    assert!(words.contains("SR-3010 spec.version") && words.contains("SR-3004 spec.starRocksBeSpec.replicas"), "{words}");
    assert!(words.contains("Write the full number of a release"), "{words}");
}

#[test]
fn a_new_cluster_gets_its_advice_and_one_that_needs_none_no_word() {
    assert_eq!(warnings(&of_cluster(&Value::Null, &cluster("3.5.9"))), Vec::<&str>::new());
    let mut risky = cluster("3.5.9");
    risky["spec"]["starRocksFeSpec"]["replicas"] = json!(1);
    let response = of_cluster(&Value::Null, &risky);
    assert!(warnings(&response).iter().any(|warning| warning.starts_with("SR-3501 ")), "{response:#}");
    // As it was taken ever since.
    let mut empty = cluster("3.5.9");
    empty["spec"] = json!({});
    let response = of_cluster(&Value::Null, &empty);
    assert!(warnings(&response)[0].contains("SR-3002"), "{response:#}");
}

#[test]
fn a_change_of_release_tells_every_restart() {
    let before = cluster("3.5.8");
    let after = changed(&before, |object| object["spec"]["version"] = json!("3.5.9"));
    let response = of_cluster(&before, &after);
    let told = warnings(&response);
    assert_eq!(told.len(), 7, "{told:#?}");
    assert!(told[0].starts_with("this leads to 6 restarts, one after the other, about 4:24 in all (estimated from"), "{}", told[0]);
    assert_eq!(told[1], "hop 1, kube-be-2 after 0:00 for 36 s: to 3.5.9");
    assert_eq!(told[2], "hop 1, kube-be-1 after 1:06 for 36 s: to 3.5.9");
    assert_eq!(told[6], "hop 1, kube-fe-1 after 3:42 for 42 s: to 3.5.9");
}

#[test]
fn many_restarts_are_told_by_component() {
    let before = cluster("3.3.14");
    let after = changed(&before, |object| {
        object["spec"]["version"] = json!("4.1.7");
        object["spec"]["upgradePolicy"] = json!({"paused": true, "approval": "PerHop", "backupRequired": true, "maintenanceWindows": [
            {"days": ["Mon"], "start": "00:00", "durationMinutes": 30}
        ]});
    });
    let response = of_cluster(&before, &after);
    let told = warnings(&response);
    assert_eq!(told.len(), MOST, "{told:#?}");
    assert!(told[0].starts_with("this leads to 24 restarts"), "{told:#?}");
    assert!(told[1] == "hop 1, 3 BE, kube-be-2, kube-be-1, kube-be-0, after 1:00 for 1:48: to 3.4.10", "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("and ")) && told.iter().any(|line| line.starts_with("SR-2220 holds it")), "{told:#?}");
}

#[test]
fn a_change_of_a_template_is_told_with_its_fields_and_any_other_change_is_not() {
    let before = cluster("3.5.9");
    let after = changed(&before, |object| object["spec"]["starRocksFeSpec"]["limits"]["memory"] = json!("32Gi"));
    let response = of_cluster(&before, &after);
    let told = warnings(&response);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[1].starts_with("kube-fe-2 after 0:00 for 42 s: ") && told[1].contains("limits.memory"), "{told:#?}");
    assert!(told[3].starts_with("kube-fe-1 "), "the leader last: {told:#?}");
    for (pointer, value) in [("/spec/upgradePolicy", json!({"paused": true})), ("/metadata/labels", json!({"a": "b"}))] {
        let mut after = before.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        after.pointer_mut(parent).unwrap()[field] = value;
        assert_eq!(warnings(&of_cluster(&before, &after)), Vec::<&str>::new(), "{pointer}");
    }
}

#[test]
fn faults_that_were_there_before_do_not_keep_anybody_from_changing_something_else() {
    let mut before = cluster("3.5.9");
    before["spec"]["starRocksBeSpec"]["replicas"] = json!(-1);
    let other = changed(&before, |object| object["spec"]["starRocksFeSpec"]["replicas"] = json!(5));
    assert_eq!(of_cluster(&before, &other)["allowed"], json!(true));
    let worse = changed(&before, |object| object["spec"]["version"] = json!("3.5"));
    let response = of_cluster(&before, &worse);
    assert!(refusal(&response).starts_with("SR-3010 ") && !refusal(&response).contains("SR-3004"), "{response:#}");
    let mended = changed(&before, |object| object["spec"]["starRocksBeSpec"]["replicas"] = json!(3));
    assert_eq!(of_cluster(&before, &mended)["allowed"], json!(true));
}

#[test]
fn nothing_is_judged_but_a_changed_spec_of_what_stays() {
    let mut broken = cluster("3.5.9");
    broken["spec"]["version"] = json!("3.5");
    let before = cluster("3.5.9");
    let mut leaving = broken.clone();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-11-28T00:00:00Z");
    let mut ignored = broken.clone();
    ignored["metadata"]["annotations"] = json!({"starrocks.com/ignored": "true"});
    let mut finalized = broken.clone();
    finalized["metadata"]["finalizers"] = json!([]);
    for (before, after) in [(&before, &leaving), (&before, &ignored), (&broken, &finalized)] {
        assert_eq!(warnings(&of_cluster(before, after)), Vec::<&str>::new());
    }
    let (webhook, _) = knowing(Catalog::embedded());
    let mut of_status = review("StarRocksCluster", &before, &broken);
    of_status["request"]["subResource"] = json!("status");
    let mut of_deletion = review("StarRocksCluster", &before, &broken);
    of_deletion["request"]["operation"] = json!("DELETE");
    let mut of_another = review("StarRocksCluster", &Value::Null, &broken);
    of_another["request"]["kind"]["group"] = json!("example.com");
    for review in [of_status, of_deletion, of_another] {
        assert_eq!(answer(&webhook, review.to_string().as_bytes()).1["response"]["allowed"], json!(true));
    }
}

#[test]
fn a_way_that_the_release_table_refuses_is_refused_where_all_catalogs_are_known_and_was_not_asked_for_before() {
    let before = cluster("4.0.17");
    let after = changed(&before, |object| object["spec"]["version"] = json!("9.9.9"));
    let response = of_cluster(&before, &after);
    assert!(refusal(&response).starts_with("SR-2208 spec.version: "), "{response:#}");
    let further = changed(&after, |object| object["spec"]["starRocksFeSpec"]["replicas"] = json!(5));
    assert!(warnings(&of_cluster(&after, &further)).iter().any(|line| line.starts_with("SR-2208 holds it")));
    let unread = Arc::new(Catalog::clone(&Catalog::embedded()).incomplete());
    let response = asked(&knowing(unread).0, "StarRocksCluster", &before, &after);
    assert!(warnings(&response).iter().any(|line| line.starts_with("SR-2208 holds it")), "{response:#}");
}

#[test]
fn a_channel_of_a_catalog_that_is_not_known_here_is_no_fault() {
    let mut new = cluster("3.5.9");
    new["spec"]["version"] = Value::Null;
    new["spec"]["channel"] = json!("ours");
    let mut sources = std::collections::BTreeMap::new();
    let spec = json!({"package": "starrocks", "channels": [{"name": "ours", "entries": [{"version": "3.5.9"}]}]});
    let spec: StarRocksVersionCatalogSpec = serde_json::from_value(spec).unwrap();
    sources.insert("mine".to_owned(), crate::validate::catalog(&spec).unwrap());
    let mine = Arc::new(Catalog::merged(&sources).catalog);
    let of = |catalog: Arc<Catalog>| asked(&knowing(catalog).0, "StarRocksCluster", &Value::Null, &new);
    assert_eq!(warnings(&of(mine)), Vec::<&str>::new());
    assert!(refusal(&of(Catalog::embedded())).starts_with("SR-3041 spec.channel"));
    assert!(warnings(&of(Arc::new(Catalog::clone(&Catalog::embedded()).incomplete())))[0].starts_with("SR-3041 spec.channel"));
}

#[test]
fn a_configuration_that_is_not_seen_is_not_judged() {
    let mut new = cluster("3.5.9");
    for section in ["starRocksFeSpec", "starRocksBeSpec"] {
        new["spec"][section]["configMapInfo"] = json!({"configMapName": "conf", "resolveKey": "x.conf"});
    }
    new["spec"]["starRocksBeSpec"]["storageVolumes"] = Value::Null;
    assert_eq!(warnings(&of_cluster(&Value::Null, &new)), Vec::<&str>::new());
}

fn warehouse(image: Option<&str>) -> Value {
    let mut template = json!({"replicas": 2});
    if let Some(image) = image {
        template["image"] = json!(image);
    }
    json!({
        "apiVersion": "starrocks.com/v1", "kind": "StarRocksWarehouse",
        "metadata": {"name": "etl", "namespace": "prod", "uid": "w", "generation": 1},
        "spec": {"starRocksCluster": "kube", "template": template},
    })
}

#[test]
fn a_warehouse_is_judged_without_its_cluster() {
    let of = |before: &Value, after: &Value| asked(&knowing(Catalog::embedded()).0, "StarRocksWarehouse", before, after);
    for image in [None, Some("starrocks/cn-ubuntu:3.5.9")] {
        let before = warehouse(image);
        assert_eq!(warnings(&of(&Value::Null, &before)), Vec::<&str>::new());
        let after = changed(&before, |object| object["spec"]["template"]["limits"] = json!({"cpu": "4"}));
        let response = of(&before, &after);
        let told = warnings(&response);
        assert_eq!(told.len(), 3, "{told:#?}");
        assert!(told[1].starts_with("etl-warehouse-cn-1 after 0:00 for 30 s: "), "{told:#?}");
    }
    let mut nameless = warehouse(None);
    nameless["spec"]["starRocksCluster"] = json!("");
    nameless["spec"]["template"]["replicas"] = json!(-2);
    let response = of(&Value::Null, &nameless);
    assert!(refusal(&response).contains("SR-3029") && refusal(&response).contains("SR-3004"), "{response:#}");
}

#[test]
fn a_catalog_that_cannot_be_read_is_refused_and_one_that_others_may_mend_is_not() {
    let of = |before: &Value, after: &Value| asked(&knowing(Catalog::embedded()).0, "StarRocksVersionCatalog", before, after);
    let catalog = |spec: Value| json!({"metadata": {"name": "mine"}, "spec": spec});
    let bad = catalog(json!({"package": "mysql"}));
    assert!(refusal(&of(&Value::Null, &bad)).starts_with("SR-3101 spec.package"));
    let loose = catalog(json!({"package": "starrocks", "releases": [{"version": "3.4.1"}]}));
    assert!(warnings(&of(&Value::Null, &loose))[0].contains("SR-3108"));
    let sound = catalog(json!({"package": "starrocks", "releases": [{"version": "3.5.25"}]}));
    assert_eq!(warnings(&of(&Value::Null, &sound)), Vec::<&str>::new());
    assert!(refusal(&of(&sound, &bad)).starts_with("SR-3101"));
    let worse = catalog(json!({"package": "mysql", "releases": [{"version": "latest"}]}));
    assert!(!refusal(&of(&bad, &worse)).contains("SR-3101"));
}

#[test]
fn what_is_said_to_an_upgrade_in_vain_is_answered() {
    let of = |before: &Value, after: &Value| asked(&knowing(Catalog::embedded()).0, "StarRocksUpgrade", before, after);
    let upgrade = json!({"metadata": {"name": "u"}, "spec": {"cluster": "kube", "from": "3.4.10", "to": "3.5.9"},
        "status": {"path": [{"from": "3.4.10", "to": "3.5.9"}], "approvalsNeeded": ["3.5.9"]}});
    assert_eq!(warnings(&of(&Value::Null, &upgrade)), Vec::<&str>::new());
    let said = |change: fn(&mut Value)| of(&upgrade, &changed(&upgrade, change));
    assert_eq!(warnings(&said(|object| object["spec"]["approvals"] = json!(["3.5.9", "3.5.9/Backends"]))), Vec::<&str>::new());
    let response = said(|object| object["spec"]["approvals"] = json!(["3.5.8"]));
    assert!(warnings(&response)[0].contains("asked for now is 3.5.9"), "{response:#}");
    assert!(warnings(&said(|object| object["spec"]["cancel"] = json!("RollBack")))[0].contains("SR-2219"));
    let over = changed(&upgrade, |object| object["status"]["finishedAt"] = json!("2026-11-28T00:00:00Z"));
    let late = changed(&over, |object| object["spec"]["paused"] = json!(true));
    assert!(warnings(&of(&over, &late))[0].contains("ended at"));
}

#[test]
fn what_is_no_review_is_answered_with_400_and_counted() {
    let (webhook, counted) = knowing(Catalog::embedded());
    let no_uid = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": ""}}).to_string();
    let bodies: [&[u8]; 6] = [b"", b"{}", b"[1,2", "\u{1}\u{fffd}".as_bytes(), no_uid.as_bytes(), &[0xff, 0xfe]];
    for body in bodies {
        let (status, answer) = answer(&webhook, body);
        assert_eq!((status.as_u16(), &answer["response"]["allowed"], &answer["kind"]), (400, &json!(false), &json!("AdmissionReview")));
    }
    answer(&webhook, review("StarRocksCluster", &Value::Null, &cluster("3.5.9")).to_string().as_bytes());
    let counted = counted.lock().unwrap();
    assert_eq!(counted.iter().filter(|each| **each == ("other", Outcome::Malformed)).count(), 6);
    assert_eq!(counted.last(), Some(&("StarRocksCluster", Outcome::Allowed)));
}

#[test]
fn absurd_objects_are_answered() {
    let kinds = ["StarRocksCluster", "StarRocksWarehouse", "StarRocksVersionCatalog", "StarRocksUpgrade", "Pod"];
    let absurd = [json!(null), json!(5), json!([]), json!({}), json!({"spec": 7}), json!({"metadata": [], "spec": {"version": {}}})];
    let (webhook, _) = knowing(Catalog::embedded());
    for kind in kinds {
        for before in &absurd {
            for after in &absurd {
                let (status, _) = answer(&webhook, review(kind, before, after).to_string().as_bytes());
                assert_eq!(status.as_u16(), 200, "{kind} {before} {after}");
            }
        }
    }
}

#[test]
fn a_number_that_nobody_meant_costs_nothing_and_can_be_taken_back() {
    let before = changed(&cluster("3.5.8"), |object| object["spec"]["starRocksBeSpec"]["replicas"] = json!(i32::MAX));
    let after = changed(&before, |object| object["spec"]["starRocksBeSpec"]["replicas"] = json!(3));
    assert_eq!(of_cluster(&before, &after)["allowed"], json!(true));
    let told = changed(&cluster("3.5.8"), |object| {
        object["status"] = json!({"starRocksFeStatus": {"phase": "running", "runningVersions": {"3.5.8": i32::MAX}}});
    });
    let after = changed(&told, |object| object["spec"]["version"] = json!("3.5.9"));
    assert_eq!(of_cluster(&told, &after)["allowed"], json!(true));
}

#[test]
fn what_another_operator_serves_is_not_judged() {
    let mut bad = cluster("3.5.9");
    bad["spec"]["version"] = json!("3.5");
    let mut asked = review("StarRocksCluster", &Value::Null, &bad);
    asked["request"]["namespace"] = json!("elsewhere");
    let (_, answer) = answer(&knowing(Catalog::embedded()).0, asked.to_string().as_bytes());
    assert_eq!(answer["response"]["allowed"], json!(true));
}
