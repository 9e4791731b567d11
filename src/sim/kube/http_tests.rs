//! What kube's own client, watcher and a plain HTTP client see of the embedded API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{DeleteParams, DynamicObject, EvictParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Discovery, ResourceExt};
use serde_json::{Value, json};
use tower::Service;

use super::store_tests::{definition, pod, stateful_set, store, toy};
use super::*;

struct World {
    store: Store,
    touched: usize,
}

impl Backend for World {
    fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    fn touched(&mut self) {
        self.touched += 1;
    }

    fn log(&self, _: &str, _: &str, _: &str, previous: bool) -> Option<String> {
        (!previous).then(|| "one\ntwo\nthree\n".to_string())
    }
}

fn world() -> Arc<Mutex<World>> {
    Arc::new(Mutex::new(World { store: store(), touched: 0 }))
}

fn server() -> (Arc<Mutex<World>>, ApiServer<World>) {
    let world = world();
    (world.clone(), ApiServer::new(world))
}

fn typed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn toys(client: Client) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("example.com", "v1", "Toy"), "toys");
    Api::namespaced_with(client, "default", &resource)
}

fn code(error: kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the API: {other}"),
    }
}

async fn raw(server: &ApiServer<World>, method: &str, path: &str, accept: &str, body: Value) -> (u16, Value) {
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = ::http::Request::builder().method(method).uri(path).header("accept", accept).header("content-type", media);
    let request = request.body(http_body_util::Full::new(bytes)).unwrap();
    let response = server.admin().call(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

#[tokio::test(start_paused = true)]
async fn a_kube_client_creates_reads_lists_patches_and_deletes() {
    let (world, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    let created = pods.create(&PostParams::default(), &typed(pod("a"))).await.unwrap();
    assert!(created.uid().is_some());
    assert_eq!(code(pods.create(&PostParams::default(), &typed(pod("a"))).await.unwrap_err()), 409);
    pods.create(&PostParams::default(), &typed(pod("b"))).await.unwrap();
    let listed = pods.list(&ListParams::default().labels("app in (a)")).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let listed = pods.list(&ListParams::default().fields("metadata.name=b,status.phase!=Running")).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let page = pods.list(&ListParams::default().limit(1)).await.unwrap();
    let token = page.metadata.continue_.clone().unwrap();
    let page = pods.list(&ListParams::default().limit(1).continue_token(&token)).await.unwrap();
    assert_eq!((page.items[0].name_any().as_str(), page.metadata.continue_), ("b", None));
    let patched = pods.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "labels": { "x": "y" } } }))).await.unwrap();
    assert_eq!(patched.labels()["x"], "y");
    pods.evict("b", &EvictParams::default()).await.unwrap();
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(code(pods.get("a").await.unwrap_err()), 404);
    assert_eq!(world.lock().unwrap().touched, 5);
}

#[tokio::test(start_paused = true)]
async fn logs_are_cut_as_a_kubelet_cuts_them_and_a_run_that_never_was_is_a_bad_request() {
    let (_, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    pods.create(&PostParams::default(), &typed(pod("a"))).await.unwrap();
    let log = async |parameters: LogParams| pods.logs("a", &parameters).await;
    assert_eq!(log(LogParams::default()).await.unwrap(), "one\ntwo\nthree\n");
    let last = LogParams { tail_lines: Some(2), ..LogParams::default() };
    assert_eq!(log(last.clone()).await.unwrap(), "two\nthree\n");
    assert_eq!(log(LogParams { limit_bytes: Some(5), ..last }).await.unwrap(), "two\nt");
    assert_eq!(code(log(LogParams { previous: true, ..LogParams::default() }).await.unwrap_err()), 400);
    assert_eq!(code(log(LogParams { container: Some("nosuch".to_string()), ..LogParams::default() }).await.unwrap_err()), 400);
    assert_eq!(code(pods.logs("nosuch", &LogParams::default()).await.unwrap_err()), 404);
}

#[tokio::test(start_paused = true)]
async fn dry_runs_answer_but_change_nothing() {
    let (world, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    let revision = world.lock().unwrap().store.revision();
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    assert!(pods.create(&parameters, &typed(pod("a"))).await.unwrap().uid().is_some());
    let applied = PatchParams { dry_run: true, ..PatchParams::apply("me") };
    pods.patch("a", &applied, &Patch::Apply(pod("a"))).await.unwrap();
    assert_eq!(world.lock().unwrap().store.revision(), revision);
}

#[tokio::test(start_paused = true)]
async fn custom_resources_have_status_scale_and_apply_over_the_wire() {
    let (_, server) = server();
    let client = server.admin_client();
    let (status, _) =
        raw(&server, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", definition()).await;
    assert_eq!(status, 201);
    let api = toys(client);
    let mine = PatchParams::apply("mine");
    let applied = api.patch("car", &mine, &Patch::Apply(toy(json!({ "size": 2 })))).await.unwrap();
    assert_eq!(applied.data["spec"]["color"], "blue");
    let error = api.patch("car", &PatchParams::apply("other"), &Patch::Apply(toy(json!({ "size": 3 })))).await.unwrap_err();
    assert_eq!(code(error), 409);
    let mut status = toy(json!({ "size": 99 }));
    status["status"] = json!({ "size": 2, "selector": "a=b" });
    let status = api.patch_status("car", &mine, &Patch::Apply(status)).await.unwrap();
    assert_eq!((&status.data["spec"]["size"], &status.data["status"]["size"]), (&json!(2), &json!(2)));
    assert_eq!(status.metadata.generation, Some(1));
    let scale = api.get_scale("car").await.unwrap();
    assert_eq!((scale.spec.unwrap().replicas, scale.status.unwrap().selector.unwrap().as_str()), (Some(2), "a=b"));
    api.patch_scale("car", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "replicas": 5 } }))).await.unwrap();
    let scaled = api.get("car").await.unwrap();
    assert_eq!((&scaled.data["spec"]["size"], scaled.metadata.generation), (&json!(5), Some(2)));
    let (status, body) =
        raw(&server, "PUT", "/apis/example.com/v1/namespaces/default/toys/car", "application/json", toy(json!({ "size": 1 }))).await;
    assert_eq!(status, 422);
    assert!(body["message"].as_str().unwrap().contains("must be specified for an update"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_replays_follows_bookmarks_and_ends_on_time() {
    let (world, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    let start = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    pods.create(&PostParams::default(), &typed(pod("a"))).await.unwrap();
    let mut stream = pods.watch(&WatchParams::default().timeout(200).labels("app=a"), &start).await.unwrap().boxed();
    assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(pod)) if pod.name_any() == "a"));
    world.lock().unwrap().store.create(pod("b"), "test").unwrap();
    let mut moved = world.lock().unwrap().store.get("Pod", "default", "a").unwrap().clone();
    moved["metadata"]["labels"]["app"] = json!("z");
    world.lock().unwrap().store.update(moved, "test").unwrap();
    server.notify();
    assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Deleted(pod)) if pod.name_any() == "a"));
    let revision = world.lock().unwrap().store.revision().to_string();
    let bookmark = stream.try_next().await.unwrap();
    assert!(matches!(bookmark, Some(WatchEvent::Bookmark(mark)) if mark.metadata.resource_version == revision));
    let rest: Vec<_> = stream.try_collect::<Vec<_>>().await.unwrap();
    assert!(rest.iter().all(|event| matches!(event, WatchEvent::Bookmark(_))));
}

#[tokio::test(start_paused = true)]
async fn a_silenced_watch_says_nothing_and_does_not_end() {
    let (world, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    let mut stream = pods.watch(&WatchParams::default().timeout(200), "0").await.unwrap().boxed();
    server.silence_watches(true);
    world.lock().unwrap().store.create(pod("a"), "test").unwrap();
    server.notify();
    assert!(tokio::time::timeout(Duration::from_secs(3_600), stream.try_next()).await.is_err());
    server.silence_watches(false);
    assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_forgotten_history_is_told_410() {
    let (world, server) = server();
    let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
    {
        let mut world = world.lock().unwrap();
        world.store.create(pod("a"), "test").unwrap();
        let revision = world.store.revision();
        world.store.compact(revision);
    }
    let mut stream = pods.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    assert!(
        matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Error(status)) if status.code == 410 && status.reason == "Expired")
    );
}

async fn next_applied(stream: &mut (impl futures::Stream<Item = watcher::Result<Event<Pod>>> + Unpin), name: &str) {
    loop {
        match tokio::time::timeout(Duration::from_secs(300), stream.next()).await.unwrap() {
            Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) if pod.name_any() == name => return,
            Some(_) => {}
            None => panic!("the watcher ended before {name} was seen"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn kube_runtimes_watcher_survives_cut_streams_and_compaction_in_both_list_styles() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let (world, server) = server();
        world.lock().unwrap().store.create(pod("first"), "test").unwrap();
        let pods: Api<Pod> = Api::namespaced(server.admin_client(), "default");
        let mut stream = watcher(pods, config).default_backoff().boxed();
        next_applied(&mut stream, "first").await;
        for (round, name) in ["cut", "compacted"].into_iter().enumerate() {
            world.lock().unwrap().store.create(pod(name), "test").unwrap();
            server.cut_watches();
            if round == 1 {
                let mut world = world.lock().unwrap();
                world.store.create(pod("unseen"), "test").unwrap();
                let revision = world.store.revision();
                world.store.compact(revision);
            }
            next_applied(&mut stream, name).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn discovery_finds_built_in_and_custom_kinds_in_both_forms() {
    let (world, server) = server();
    world.lock().unwrap().store.create(definition(), "test").unwrap();
    for aggregated in [false, true] {
        let discovery = Discovery::new(server.admin_client());
        let discovery = if aggregated { discovery.run_aggregated().await } else { discovery.run().await }.unwrap();
        let (resource, capabilities) = discovery.resolve_gvk(&GroupVersionKind::gvk("example.com", "v1", "Toy")).unwrap();
        assert_eq!((resource.plural.as_str(), capabilities.subresources.len()), ("toys", 2));
        assert!(discovery.resolve_gvk(&GroupVersionKind::gvk("apps", "v1", "StatefulSet")).is_some());
    }
    assert_eq!(server.admin_client().apiserver_version().await.unwrap().minor, "36");
}

#[tokio::test(start_paused = true)]
async fn kubectl_finds_tables_schemas_and_query_parameters() {
    let (world, server) = server();
    {
        let mut world = world.lock().unwrap();
        world.store.create(definition(), "test").unwrap();
        world.store.create(toy(json!({ "size": 7 })), "test").unwrap();
        world.store.create(stateful_set(3), "test").unwrap();
    }
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let (_, body) = raw(&server, "GET", "/apis/example.com/v1/namespaces/default/toys", table, Value::Null).await;
    assert_eq!((&body["kind"], &body["rows"][0]["cells"]), (&json!("Table"), &json!(["car", 7])));
    let (_, body) = raw(&server, "GET", "/apis/apps/v1/namespaces/default/statefulsets/web", table, Value::Null).await;
    assert_eq!(body["rows"][0]["cells"][1], "0/3");
    assert_eq!(body["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let (_, index) = raw(&server, "GET", "/openapi/v3", "application/json", Value::Null).await;
    assert!(index["paths"]["apis/example.com/v1"]["serverRelativeURL"].is_string());
    let (_, document) = raw(&server, "GET", "/openapi/v3/apis/apps/v1?hash=1", "application/json", Value::Null).await;
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "StatefulSet");
    assert!(patch["parameters"].as_array().unwrap().iter().any(|parameter| parameter["name"] == "fieldValidation"));
    assert!(document["components"]["schemas"]["io.k8s.api.core.v1.Container"]["properties"]["image"].is_object());
}

#[tokio::test(start_paused = true)]
async fn both_faces_of_events_are_one_object() {
    let (_, server) = server();
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e", "namespace": "default" }, "note": "hello", "reason": "R",
        "type": "Normal", "action": "A", "eventTime": "2026-11-23T00:00:00.000000Z", "reportingController": "c", "reportingInstance": "i",
        "regarding": { "kind": "Pod", "name": "p", "namespace": "default" },
    });
    let (status, created) = raw(&server, "POST", "/apis/events.k8s.io/v1/namespaces/default/events", "application/json", event).await;
    assert_eq!((status, &created["note"]), (201, &json!("hello")));
    let path = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dp";
    let (_, listed) = raw(&server, "GET", path, "application/json", Value::Null).await;
    assert_eq!((&listed["items"][0]["message"], &listed["items"][0]["apiVersion"]), (&json!("hello"), &json!("v1")));
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_refused_like_by_a_real_server() {
    let (world, server) = server();
    let json_type = "application/json";
    let (status, body) = raw(&server, "GET", "/apis/none.example.com/v1/things", json_type, Value::Null).await;
    assert_eq!((status, &body["message"]), (404, &json!("the server could not find the requested resource")));
    let (status, body) = raw(&server, "GET", "/api/v1/namespaces/default/pods/x", json_type, Value::Null).await;
    assert_eq!((status, &body["message"]), (404, &json!("pods \"x\" not found")));
    let mut astray = pod("a");
    astray["metadata"]["namespace"] = json!("kube-system");
    let (status, _) = raw(&server, "POST", "/api/v1/namespaces/default/pods", json_type, astray).await;
    assert_eq!(status, 400);
    assert_eq!(raw(&server, "POST", "/api/v1/namespaces/none/pods", json_type, Value::Null).await.0, 400);
    world.lock().unwrap().store.create(definition(), "test").unwrap();
    world.lock().unwrap().store.create(toy(json!({ "size": 1 })), "test").unwrap();
    let error = toys(server.admin_client()).patch("car", &PatchParams::default(), &Patch::Strategic(json!({}))).await.unwrap_err();
    assert_eq!(code(error), 415);
    let parameters = PatchParams { field_validation: Some(kube::api::ValidationDirective::Strict), ..PatchParams::default() };
    let error = toys(server.admin_client()).patch("car", &parameters, &Patch::Merge(json!({ "spec": { "junk": 1 } }))).await.unwrap_err();
    assert_eq!(code(error), 400);
    assert_eq!(raw(&server, "DELETE", "/api/v1/namespaces/default/pods?labelSelector=app%3Dq", json_type, Value::Null).await.0, 200);
}

struct Saboteur(Mutex<Vec<(String, Verdict)>>);

impl Gatekeeper for Saboteur {
    fn before(&self, request: &RequestInfo) -> Verdict {
        let mut plan = self.0.lock().unwrap();
        match plan.first() {
            Some((verb, _)) if *verb == request.verb => plan.remove(0).1,
            _ => Verdict::Proceed,
        }
    }

    fn after(&self, _request: &RequestInfo, _code: u16, _refusal: Option<&ApiError>) {}
}

#[tokio::test(start_paused = true)]
async fn a_gatekeeper_can_refuse_delay_hang_and_lose_replies() {
    let plan = vec![
        ("create".to_string(), Verdict::Refuse(ApiError::internal("etcdserver: request timed out"))),
        ("create".to_string(), Verdict::LoseReply),
        ("get".to_string(), Verdict::Delay(Duration::from_secs(5))),
        ("delete".to_string(), Verdict::Hang),
    ];
    let world = world();
    let server = ApiServer::with_gatekeeper(world.clone(), Arc::new(Saboteur(Mutex::new(plan))));
    let maps: Api<ConfigMap> = Api::namespaced(server.admin_client(), "default");
    let map = ConfigMap { metadata: kube::core::ObjectMeta { name: Some("m".to_string()), ..Default::default() }, ..Default::default() };
    assert_eq!(code(maps.create(&PostParams::default(), &map).await.unwrap_err()), 500);
    assert!(matches!(maps.create(&PostParams::default(), &map).await.unwrap_err(), kube::Error::Service(_)));
    let before = tokio::time::Instant::now();
    maps.get("m").await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 5);
    let hung = tokio::time::timeout(Duration::from_secs(60), maps.delete("m", &DeleteParams::default())).await;
    assert!(hung.is_err());
    assert!(world.lock().unwrap().store.get("ConfigMap", "default", "m").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_service_account_has_the_rights_that_bindings_give_to_it_and_dies_with_it() {
    let (world, server) = server();
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    let make = async |path: &str, body: Value| assert_eq!(raw(&server, "POST", path, "application/json", body).await.0, 201, "{path}");
    make(accounts, json!({"metadata": {"name": "a.b"}})).await;
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let rule = |verbs: Value| json!([{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]);
    make(&format!("{rbac}/clusterroles"), json!({"metadata": {"name": "reader"}, "rules": rule(json!(["list"]))})).await;
    make(&format!("{rbac}/namespaces/default/roles"), json!({"metadata": {"name": "maker"}, "rules": rule(json!(["create"]))})).await;
    let subjects = json!([{"kind": "ServiceAccount", "name": "a.b", "namespace": "default"}]);
    let bound = |kind: &str, role: &str| json!({"metadata": {"name": role}, "subjects": subjects, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}});
    make(&format!("{rbac}/clusterrolebindings"), bound("ClusterRole", "reader")).await;
    make(&format!("{rbac}/namespaces/default/rolebindings"), bound("Role", "maker")).await;
    let (code, request) = raw(&server, "POST", &format!("{accounts}/a.b/token"), "application/json", json!({})).await;
    assert_eq!(code, 201);
    let token = request["status"]["token"].as_str().unwrap().to_owned();
    let ask = async |method: &str, path: &str, body: Value| {
        let mut headers = ::http::HeaderMap::new();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let Ok(mut service) = server.sender(&headers) else { return 401 };
        let request = ::http::Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(http_body_util::Full::new(Bytes::from(body.to_string()))).unwrap();
        service.call(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask("GET", "/api/v1/pods", Value::Null).await, 200);
    assert_eq!(ask("GET", "/api/v1/namespaces/default/configmaps", Value::Null).await, 403);
    assert_eq!(ask("POST", "/api/v1/namespaces/default/pods", pod("a")).await, 201);
    assert_eq!(ask("POST", "/api/v1/namespaces/kube-system/pods", json!({})).await, 403);
    world.lock().unwrap().store.delete("ServiceAccount", "default", "a.b", DeleteOptions::default()).unwrap();
    assert_eq!(ask("GET", "/api/v1/pods", Value::Null).await, 401);
    let none = server.sender(&::http::HeaderMap::new()).is_ok();
    assert!(none, "without a token one is the administrator");
}

#[tokio::test(start_paused = true)]
async fn a_user_may_do_what_the_rules_say_and_unused_rules_are_known() {
    let (_, server) = server();
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_string()).collect::<Vec<_>>();
    let rule = PolicyRule {
        api_groups: Some(list(&["apps"])),
        resources: Some(list(&["statefulsets"])),
        verbs: list(&["get", "list"]),
        ..Default::default()
    };
    let rules = Arc::new(Rules::cluster_wide(vec![rule]));
    let client = Client::new(server.user("system:serviceaccount:ops:operator", rules.clone()), "default");
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "default");
    assert!(sets.list(&ListParams::default()).await.is_ok());
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let kube::Error::Api(status) = pods.list(&ListParams::default()).await.unwrap_err() else { panic!("not an answer") };
    assert_eq!(
        status.message,
        "pods is forbidden: User \"system:serviceaccount:ops:operator\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    let unused: Vec<String> = rules.unused().iter().map(ToString::to_string).collect();
    assert_eq!(unused, ["get statefulsets.apps"]);
}

#[tokio::test]
async fn the_api_can_be_served_on_a_socket() {
    let (world, server) = server();
    world.lock().unwrap().store.create(pod("a"), "test").unwrap();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(listener, server.admin()));
    let client = Client::try_from(kube::Config::new(format!("http://{address}").parse().unwrap())).unwrap();
    let pods: Api<Pod> = Api::namespaced(client, "default");
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1);
    let mut stream = pods.watch(&WatchParams::default().timeout(30), "0").await.unwrap().boxed();
    assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(_))));
    world.lock().unwrap().store.create(pod("b"), "test").unwrap();
    server.notify();
    assert!(matches!(stream.try_next().await.unwrap(), Some(WatchEvent::Added(pod)) if pod.name_any() == "b"));
    task.abort();
}
