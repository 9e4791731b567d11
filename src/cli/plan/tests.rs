//! What `plan` prints of restarts, offline and against a cluster that the operator made, asked with the rights to get and list and no others.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::*;
use crate::cli::documents;
use crate::generate::{crds, rbac};
use crate::model::cluster::Conventions;
use crate::sim::crash::{Props, SUBJECT, resource, settle};
use crate::sim::embedded::Embedded;
use crate::sim::kube::Rules;

/// What the help of `plan` says is needed.
fn reader() -> Rules {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rule = |group: &str, resources: &[&str], verb: &str| PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(&[verb]),
        ..PolicyRule::default()
    };
    Rules::cluster_wide(vec![
        rule("starrocks.com", &["starrocksclusters"], "get"),
        rule("starrocks.com", &["starrocksupgrades", "starrocksversioncatalogs"], "list"),
        rule("apps", &["statefulsets", "deployments"], "get"),
        rule("", &["pods"], "list"),
    ])
}

/// A cluster at rest that the operator made.
async fn stage(document: &Value) -> Embedded {
    let definitions = crds::all().iter().map(|definition| serde_json::to_value(definition).unwrap()).collect();
    let props = Props { definitions, rules: rbac::cluster_role_rules() };
    let mut embedded = Embedded::within(props.empty_world(1, SUBJECT.namespace).await.unwrap(), Rules::cluster_wide(props.rules.clone()));
    embedded.start_operator();
    let applied = embedded.apply(document).await.unwrap();
    settle(&embedded, SUBJECT, applied["metadata"]["generation"].as_i64().unwrap()).await.unwrap();
    embedded.stop_operator().await;
    embedded
}

async fn looked(embedded: &Embedded, document: &Value) -> Answer {
    let revision = embedded.world().store.revision();
    let input = documents::parse(&document.to_string()).unwrap();
    let client = embedded.client_as("reader", reader());
    let answer = live::look(&client, input, "elsewhere", &[], &Conventions::default()).await.unwrap();
    assert_eq!(embedded.world().store.revision(), revision, "nothing was written");
    answer
}

fn pods(answer: &Answer) -> Vec<&str> {
    answer.preview.as_ref().unwrap().restarts.iter().map(|restart| restart.pod.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_compared_with_the_file_and_nothing_is_written() {
    let document = resource("3.4.10", [3, 1, 0]);
    let embedded = stage(&document).await;
    let same = looked(&embedded, &document).await;
    assert_eq!((pods(&same), same.warnings.clone()), (vec![], vec![]), "a cluster at rest restarts nothing");
    assert!(text(&same).starts_with("No pod is restarted.\n"), "{}", text(&same));

    let mut upgraded = document.clone();
    upgraded["spec"]["version"] = json!("3.5.20");
    let told = looked(&embedded, &upgraded).await;
    let leader = crate::sim::crash::status(&embedded.world(), SUBJECT).leader.unwrap();
    assert_eq!((pods(&told).len(), *pods(&told).last().unwrap()), (4, leader.as_str()));
    let page = text(&told);
    assert!(page.contains("3.4.10 -> 3.5.20 in 1 hop") && page.contains("4 restarts, about"), "{page}");

    let mut larger = document.clone();
    larger["spec"]["starRocksBeSpec"]["limits"] = json!({"cpu": "7"});
    let page = text(&looked(&embedded, &larger).await);
    assert!(page.starts_with("1 restart, about ") && page.contains("resources.limits.cpu"), "{page}");

    let mut other = document.clone();
    other["metadata"]["name"] = json!("other");
    assert_eq!(looked(&embedded, &other).await.warnings.len(), 1);
}

#[test]
fn without_a_cluster_the_way_of_a_file_is_told_pod_by_pod() {
    let input = documents::parse(&resource("3.5.20", [3, 2, 1]).to_string()).unwrap();
    let cluster = input.cluster().unwrap();
    let version = |text: &str| text.parse::<Version>().unwrap();
    let status = StarRocksClusterStatus { leader: Some(format!("{}-fe-1", SUBJECT.name)), ..StarRocksClusterStatus::default() };
    let told = between(&cluster, status.clone(), version("3.5.9"), version("3.5.20"));
    let tails: Vec<&str> = told.restarts.iter().filter_map(|restart| restart.pod.strip_prefix(SUBJECT.name)).collect();
    assert_eq!(tails, ["-be-1", "-be-0", "-cn-0", "-fe-2", "-fe-0", "-fe-1"]);
    assert_eq!(between(&cluster, status, version("3.5.20"), version("3.5.20")).restarts, []);
}
