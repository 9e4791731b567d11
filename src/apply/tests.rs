//! Promises of the only writer, against a scripted API server and a scripted StarRocks.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::testing::{Recorded, Reply, Requests, failure, scripted};
use super::*;
use crate::api::StarRocksClusterStatus;
use crate::model::observed::Pod;
use crate::model::{
    Component, Decision, FrontendSetting, LiveObject, Notice, Object, ObjectKey, ObjectKind, Observed, Ownership, Statement, Step,
    Timestamp,
};
use crate::starrocks::{HttpAnswer, HttpEndpoint, HttpError, Login, Rows, SqlEndpoint, SqlError, StarRocks};

#[derive(Default)]
struct FakeStarRocks {
    sent: Mutex<Vec<(String, String)>>,
    error: Option<SqlError>,
}

#[async_trait]
impl StarRocks for FakeStarRocks {
    async fn query(&self, at: &SqlEndpoint, _: &Login, sql: &str) -> Result<Rows, SqlError> {
        self.sent.lock().expect("no panic").push((at.to_string(), sql.to_owned()));
        self.error.clone().map_or(Ok(Rows::default()), Err)
    }

    async fn get(&self, _: &HttpEndpoint, _: &str) -> Result<HttpAnswer, HttpError> {
        Err(HttpError::Refused)
    }
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_795_447_716)
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: Some("n".to_owned()), ..ObjectMeta::default() }
}

fn stateful_set() -> Step {
    Step::Apply(Object::StatefulSet(Box::new(StatefulSet { metadata: metadata("c-fe"), ..StatefulSet::default() })))
}

fn service() -> Step {
    Step::Apply(Object::Service(Box::new(Service { metadata: metadata("c-fe-service"), ..Service::default() })))
}

fn restart() -> Step {
    Step::RestartPod { pod: "c-fe-0".to_owned(), uid: "pod-uid".to_owned(), reason: "new template".to_owned() }
}

fn live() -> LiveObject {
    let body = json!({"metadata": {"annotations": {"starrocks.com/applied-hash": "0"}}});
    LiveObject { uid: "x".to_owned(), resource_version: "1".to_owned(), ownership: Ownership::Ours, deleting: false, body }
}

fn frontend() -> Pod {
    Pod {
        name: "c-fe-0".to_owned(),
        uid: "pod-uid".to_owned(),
        component: Component::Frontend,
        ordinal: Some(0),
        revision: String::new(),
        ports: crate::model::ports::DeclaredPorts::default(),
        image: String::new(),
        ip: Some("10.0.0.7".to_owned()),
        node: None,
        created: now(),
        started: Some(now()),
        ready: true,
        running: true,
        deleting: false,
        restarts: 0,
        problem: None,
        unexplained: None,
        failed: false,
    }
}

fn observed() -> Observed {
    let mut observed = Observed::empty(now());
    for (kind, name) in [(ObjectKind::StatefulSet, "c-fe"), (ObjectKind::Service, "c-fe-service")] {
        observed.objects.entry(kind).or_default().insert(name.to_owned(), live());
    }
    observed.pods.insert("c-fe-0".to_owned(), frontend());
    observed
}

fn decision(steps: Vec<Step>) -> Decision {
    let status = StarRocksClusterStatus { phase: "reconciling".to_owned(), ..StarRocksClusterStatus::default() };
    Decision { steps, status, waiting_on: Vec::new(), notices: Vec::new(), look_again: None }
}

fn target() -> Target {
    Target {
        regarding: Regarding {
            kind: super::ResourceKind::Cluster,
            namespace: "n".to_owned(),
            name: "c".to_owned(),
            uid: "owner".to_owned(),
        },
        finalizers: Vec::new(),
        resource_version: "41".to_owned(),
        query_port: 9030,
        login: Ok(Login::root()),
    }
}

fn context(
    answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
    starrocks: FakeStarRocks,
) -> (Context, Requests, Arc<FakeStarRocks>) {
    let (client, requests) = scripted(answer);
    let starrocks = Arc::new(starrocks);
    let context = Context { client, starrocks: Arc::clone(&starrocks) as Arc<dyn StarRocks>, events: Arc::new(Events::new("test")) };
    (context, requests, starrocks)
}

fn fine(request: &Recorded) -> Reply {
    let name = request.path.rsplit('/').next().unwrap_or_default();
    Reply::Json(200, json!({ "apiVersion": "v1", "kind": "X", "metadata": { "name": name, "resourceVersion": "42", "uid": "x" } }))
}

fn shorts(requests: &Requests) -> Vec<String> {
    requests.lock().expect("no panic").iter().map(Recorded::short).collect()
}

#[tokio::test]
async fn the_status_is_written_before_anything_is_done_and_over_the_observed_version() {
    let (context, requests, _) = context(fine, FakeStarRocks::default());
    let report = apply(&context, &target(), &observed(), &decision(vec![stateful_set(), restart()])).await.expect("applies");
    assert_eq!(shorts(&requests), ["PATCH status", "PATCH c-fe", "DELETE c-fe-0", "POST events"]);
    let all = requests.lock().expect("no panic").clone();
    assert_eq!(all[0].body, json!({ "metadata": { "resourceVersion": "41" }, "status": { "phase": "reconciling" } }));
    assert!(all[1].query.contains("force=true") && all[1].query.contains("fieldManager=starrocks-operator"));
    assert_eq!(all[2].body["preconditions"]["uid"], "pod-uid");
    assert_eq!(report.written.len(), 2);
    assert_eq!(report.gone, [Gone { kind: None, name: "c-fe-0".to_owned(), uid: "pod-uid".to_owned() }]);
    assert_eq!(report.acts(), 4);
}

#[tokio::test]
async fn a_decision_that_changes_nothing_writes_nothing() {
    let (context, requests, _) = context(fine, FakeStarRocks::default());
    let unchanged = Decision { status: observed().status, ..decision(Vec::new()) };
    let report = apply(&context, &target(), &observed(), &unchanged).await.expect("applies");
    assert_eq!((report.acts(), shorts(&requests).len()), (0, 0));
}

#[tokio::test]
async fn nothing_is_done_when_what_must_be_remembered_cannot_be_written() {
    let (context, requests, _) = context(|_| failure(409, "Conflict"), FakeStarRocks::default());
    let outcome = apply(&context, &target(), &observed(), &decision(vec![stateful_set(), restart()])).await;
    assert!(matches!(outcome, Err(ApplyError::Conflict)));
    assert_eq!(shorts(&requests), ["PATCH status"]);
}

#[tokio::test]
async fn a_failed_template_holds_back_the_restart_but_not_other_objects() {
    let answer = |request: &Recorded| if request.path.ends_with("/c-fe") { failure(422, "Invalid") } else { fine(request) };
    let (context, requests, starrocks) = context(answer, FakeStarRocks::default());
    let steps =
        vec![stateful_set(), service(), restart(), Step::Execute { frontend: "c-fe-0".to_owned(), statement: Statement::CreateImage }];
    let report = apply(&context, &target(), &observed(), &decision(steps)).await.expect("the status is written");
    assert_eq!((report.failures.len(), report.held_back), (1, 2));
    assert!(shorts(&requests).contains(&"PATCH c-fe-service".to_owned()));
    assert!(!shorts(&requests).iter().any(|request| request.starts_with("DELETE")));
    assert!(starrocks.sent.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_failed_service_holds_back_new_nodes_and_not_a_change_of_those_that_exist() {
    let answer = |request: &Recorded| match (request.method.as_str(), request.path.ends_with("/c-fe-service")) {
        ("GET", _) => failure(404, "NotFound"),
        (_, true) => failure(422, "Invalid"),
        _ => fine(request),
    };
    for (observed, expected) in [(Observed::empty(now()), 1), (observed(), 0)] {
        let (context, requests, _) = context(answer, FakeStarRocks::default());
        let report =
            apply(&context, &target(), &observed, &decision(vec![service(), stateful_set()])).await.expect("the status is written");
        assert_eq!((report.failures.len(), report.held_back), (1, expected));
        assert_eq!(shorts(&requests).contains(&"PATCH c-fe".to_owned()), expected == 0);
    }
}

#[tokio::test]
async fn in_a_namespace_that_is_being_deleted_nothing_more_is_tried_and_no_event_sent() {
    let terminating = |request: &Recorded| match (request.method.as_str(), request.path.ends_with("/status")) {
        ("GET", _) => failure(404, "NotFound"),
        (_, true) => fine(request),
        _ => Reply::Json(
            403,
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403,
                "details": { "causes": [{ "reason": "NamespaceTerminating", "message": "is being terminated", "field": "metadata.namespace" }] } }),
        ),
    };
    let (context, requests, _) = context(terminating, FakeStarRocks::default());
    let steps = vec![service(), stateful_set(), restart()];
    let report = apply(&context, &target(), &Observed::empty(now()), &decision(steps)).await.expect("the status is written");
    assert!(matches!(report.failures[0].error, StepError::NamespaceTerminating) && report.failures[0].refusal().is_none());
    assert_eq!((report.failures.len(), report.held_back), (1, 2));
    assert_eq!(shorts(&requests), ["PATCH status", "GET c-fe-service", "PATCH c-fe-service"]);
}

#[tokio::test]
async fn somebody_elses_finalizer_stays_also_when_it_came_after_the_last_look() {
    let seen = |uid: &str| {
        json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "c-fe", "uid": uid, "resourceVersion": "9",
            "finalizers": ["example.com/theirs", "starrocks.com.starrockswarehouse/protection"] } })
    };
    let object = ObjectKey { kind: ObjectKind::StatefulSet, name: "c-fe".to_owned() };
    let steps = || vec![Step::Delete { object: object.clone(), uid: "x".to_owned() }, Step::LetGo { object: Some(object.clone()) }];
    for (uid, patched) in [("x", true), ("made-anew", false)] {
        let answer = move |request: &Recorded| if request.method == "GET" { Reply::Json(200, seen(uid)) } else { fine(request) };
        let (context, requests, _) = context(answer, FakeStarRocks::default());
        let mut observed = observed();
        let live = observed.objects.entry(ObjectKind::StatefulSet).or_default().get_mut("c-fe").expect("there");
        live.body["metadata"]["finalizers"] = json!(["starrocks.com.starrockswarehouse/protection"]);
        let report = apply(&context, &target(), &observed, &decision(steps())).await.expect("the status is written");
        assert!(report.failures.is_empty());
        let all = requests.lock().expect("no panic").clone();
        let patch = all.iter().find(|request| request.short() == "PATCH c-fe").map(|request| request.body.clone());
        let wanted = json!({ "metadata": { "finalizers": ["example.com/theirs"], "resourceVersion": "9" } });
        assert_eq!(patch, patched.then_some(wanted), "{uid}");
    }
}

#[tokio::test]
async fn a_statement_goes_to_the_port_of_its_pod_and_then_to_the_configured_one() {
    let execute = || decision(vec![Step::Execute { frontend: "c-fe-0".to_owned(), statement: Statement::CreateImage }]);
    let mut observed = observed();
    let own = [("query-port", 9031)];
    let pod = observed.pods.get_mut("c-fe-0").expect("there");
    pod.ports = crate::model::ports::DeclaredPorts::read(Component::Frontend, own.into_iter());
    for (error, expected) in [
        (None, ["10.0.0.7:9031"].as_slice()),
        (Some(SqlError::Refused), ["10.0.0.7:9031", "10.0.0.7:9030"].as_slice()),
        (Some(SqlError::TimedOut), ["10.0.0.7:9031"].as_slice()),
    ] {
        let (context, _, starrocks) = context(fine, FakeStarRocks { error, ..FakeStarRocks::default() });
        apply(&context, &target(), &observed, &execute()).await.expect("the status is written");
        let sent: Vec<String> = starrocks.sent.lock().expect("no panic").iter().map(|(at, _)| at.clone()).collect();
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn an_object_of_somebody_else_is_never_taken_over() {
    let answer = |request: &Recorded| match request.method.as_str() {
        "GET" => {
            Reply::Json(200, json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "c-fe-service", "uid": "theirs" } }))
        }
        _ => fine(request),
    };
    let (context, requests, _) = context(answer, FakeStarRocks::default());
    let mut observed = observed();
    observed.objects.clear();
    let report = apply(&context, &target(), &observed, &decision(vec![service()])).await.expect("the status is written");
    let foreign = ObjectKey { kind: ObjectKind::Service, name: "c-fe-service".to_owned() };
    assert!(matches!(&report.failures[0].error, StepError::Foreign(key) if *key == foreign));
    assert_eq!(shorts(&requests), ["PATCH status", "GET c-fe-service", "POST events"]);
}

#[tokio::test]
async fn an_unknown_name_that_is_free_is_taken_after_one_look() {
    let answer = |request: &Recorded| if request.method == "GET" { failure(404, "NotFound") } else { fine(request) };
    let (context, requests, _) = context(answer, FakeStarRocks::default());
    let report = apply(&context, &target(), &Observed::empty(now()), &decision(vec![service()])).await.expect("applies");
    assert!(report.failures.is_empty());
    assert_eq!(shorts(&requests), ["PATCH status", "GET c-fe-service", "PATCH c-fe-service"]);
}

#[tokio::test]
async fn a_statement_refused_during_an_election_is_expected_and_any_other_refusal_is_not() {
    let election = SqlError::from_server(1064, "java.net.ConnectException: Connection refused");
    let denied = SqlError::from_server(5203, "Access denied; you need (at least one of) the OPERATE privilege(s)");
    let syntax = SqlError::from_server(1064, "Getting syntax error at line 1");
    for (error, expected) in [
        (election, true),
        (SqlError::Refused, true),
        (SqlError::TimedOut, true),
        (denied, false),
        (syntax, false),
        (SqlError::NoBackend, false),
    ] {
        let (context, _, _) = context(fine, FakeStarRocks { error: Some(error.clone()), ..FakeStarRocks::default() });
        let steps = vec![Step::Execute { frontend: "c-fe-0".to_owned(), statement: Statement::CreateImage }];
        let report = apply(&context, &target(), &observed(), &decision(steps)).await.expect("the status is written");
        assert_eq!(report.failures[0].is_expected(), expected, "{error}");
    }
}

#[tokio::test]
async fn what_is_gone_already_counts_as_deleted() {
    for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
        let answer = move |request: &Recorded| if request.method == "DELETE" { failure(code, reason) } else { fine(request) };
        let (context, _, _) = context(answer, FakeStarRocks::default());
        let object = ObjectKey { kind: ObjectKind::Service, name: "old".to_owned() };
        let steps = vec![Step::Delete { object, uid: "u".to_owned() }, restart()];
        let report = apply(&context, &target(), &observed(), &decision(steps)).await.expect("applies");
        assert!(report.failures.is_empty(), "{:?}", report.failures);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_published_fails_nothing() {
    let answer = |request: &Recorded| if request.path.ends_with("/events") { failure(403, "Forbidden") } else { fine(request) };
    let (context, _, _) = context(answer, FakeStarRocks::default());
    let notice = Notice { warning: false, reason: "Upgrading".to_owned(), message: "to 3.5.9".to_owned() };
    let decision = Decision { notices: vec![notice], ..decision(Vec::new()) };
    let report = apply(&context, &target(), &observed(), &decision).await.expect("applies");
    assert!(report.failures.is_empty());
}

#[tokio::test]
async fn a_setting_that_missed_a_dead_frontend_is_partial_and_no_failure() {
    let error = SqlError::from_server(5101, "set config for fe[c-fe-2] failed: java.net.ConnectException: Connection refused");
    let (context, _, starrocks) = context(fine, FakeStarRocks { error: Some(error), ..FakeStarRocks::default() });
    let statement = Statement::SetFrontendConfig { setting: FrontendSetting::TabletSchedDisableBalance, value: "true".to_owned() };
    let steps = vec![Step::Execute { frontend: "c-fe-0".to_owned(), statement }];
    let report = apply(&context, &target(), &observed(), &decision(steps)).await.expect("applies");
    assert_eq!((report.failures.len(), report.partial.len(), report.statements["set_frontend_config"]), (0, 1, 1));
    assert_eq!(starrocks.sent.lock().expect("no panic")[0].0, "10.0.0.7:9030");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_costs_one_deadline() {
    let (context, _, _) = context(|_| Reply::Silence, FakeStarRocks::default());
    let start = tokio::time::Instant::now();
    let outcome = apply(&context, &target(), &observed(), &decision(vec![restart()])).await;
    assert!(matches!(outcome, Err(ApplyError::TimedOut)));
    assert!(start.elapsed() <= std::time::Duration::from_secs(11));
}
