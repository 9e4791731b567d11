//! Promises of the snapshot: who is asked what, what silence becomes, and what of each live object is kept.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod as LivePod};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::api::{Blocked, Operation, OperationKind, OperationPhase, StarRocksCluster, StarRocksClusterStatus};
use crate::model::cluster::Conventions;
use crate::model::observed::PullState;
use crate::model::starrocks::{FrontendRole, RoutineLoadState};
use crate::model::{Answer, Cluster, Component, FrontendSetting, ObjectKind, Observed, Ownership, Silence, SilenceKind, Timestamp};
use crate::starrocks::{HttpAnswer, HttpEndpoint, HttpError, Login, Rows, SqlEndpoint, SqlError, StarRocks};
use crate::validate::{References, validate};

const FRONTENDS: [&str; 9] = ["IP", "EditLogPort", "QueryPort", "Role", "Join", "Alive", "LastHeartbeat", "StartTime", "Version"];

/// Frontends by address: each answers, hangs, or fails in its own way.
#[derive(Default)]
struct Fake {
    behaviour: BTreeMap<String, Behaviour>,
    answers: BTreeMap<String, Rows>,
    asked: Mutex<Vec<(String, String)>>,
    /// Where a host listens, if not wherever it is asked: ports of SQL and of HTTP.
    listens: BTreeMap<String, (u16, u16)>,
}

#[derive(Clone)]
enum Behaviour {
    Fails(SqlError),
    Hangs,
    /// Answers for itself; what is forwarded to the leader meets an election.
    Leaderless,
}

#[async_trait]
impl StarRocks for Fake {
    async fn query(&self, at: &SqlEndpoint, _: &Login, sql: &str) -> Result<Rows, SqlError> {
        self.asked.lock().expect("no panic").push((at.host.clone(), sql.to_owned()));
        if self.listens.get(&at.host).is_some_and(|ports| ports.0 != at.port) {
            return Err(SqlError::Refused);
        }
        match self.behaviour.get(&at.host) {
            Some(Behaviour::Fails(error)) => return Err(error.clone()),
            Some(Behaviour::Hangs) => std::future::pending().await,
            Some(Behaviour::Leaderless) if sql == "SHOW FRONTENDS" => {
                return Err(SqlError::from_server(1064, "java.net.ConnectException: Connection refused"));
            }
            Some(Behaviour::Leaderless) | None => {}
        }
        self.answers.get(sql).cloned().ok_or_else(|| SqlError::from_server(1064, format!("no answer to {sql}")))
    }

    async fn get(&self, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError> {
        self.asked.lock().expect("no panic").push((at.host.clone(), path.to_owned()));
        if self.listens.get(&at.host).is_some_and(|ports| ports.1 != at.port) {
            return Err(HttpError::Refused);
        }
        if matches!(self.behaviour.get(&at.host), Some(Behaviour::Hangs)) {
            return std::future::pending().await;
        }
        let body = if path == "/metrics" {
            "starrocks_fe_max_journal_id 34\nstarrocks_fe_meta_log_count 7\n"
        } else if path.contains("SHOW_HA") {
            r#"{"role":"LEADER","current_journal_id":"34","last_checkpoint_version":"0"}"#
        } else {
            r#"{"status":"OK"}"#
        };
        Ok(HttpAnswer { status: 200, body: body.to_owned() })
    }
}

fn answers() -> BTreeMap<String, Rows> {
    let setting = |key: &str| Rows::from_texts(&["Key", "AliasNames", "Value"], &[&[key, "[]", "500"]]);
    let mut answers: BTreeMap<String, Rows> = crate::model::FrontendSetting::ALL
        .iter()
        .map(|each| (format!("ADMIN SHOW FRONTEND CONFIG LIKE '{}'", each.key()), setting(each.key())))
        .collect();
    let row = |host: &'static str, role: &'static str| {
        [host, "9010", "9030", role, "true", "true", "2026-11-23 23:30:09", "2026-11-23 23:28:46", "3.5.0-7b3a469"]
    };
    let frontends = Rows::from_texts(&FRONTENDS, &[&row("c-fe-0.x", "LEADER"), &row("c-fe-1.x", "FOLLOWER")]);
    let backends = Rows::from_texts(
        &["BackendId", "IP", "HeartbeatPort", "Alive", "LastHeartbeat", "LastStartTime", "Version"],
        &[&["10002", "c-be-0.x", "9050", "true", "2026-11-23 23:30:08", "2026-11-23 23:29:00", "3.5.0-7b3a469"]],
    );
    let statistic =
        Rows::from_texts(&["DbId", "DbName", "TabletNum", "UnhealthyTabletNum"], &[&["1", "b1", "6", "0"], &["2", "empty", "0", "0"]]);
    answers.insert("SELECT @@version_comment".to_owned(), Rows::from_texts(&["@@version_comment"], &[&["3.5.0-7b3a469"]]));
    answers.insert("SHOW FRONTENDS".to_owned(), frontends);
    answers.insert("SHOW BACKENDS".to_owned(), backends);
    answers.insert("SHOW COMPUTE NODES".to_owned(), Rows::from_texts(&["ComputeNodeId", "IP", "Alive"], &[]));
    answers.insert("SHOW PROC '/statistic'".to_owned(), statistic);
    answers
}

fn cluster() -> Cluster {
    let resource: StarRocksCluster = serde_json::from_value(json!({
        "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster",
        "metadata": { "name": "c", "namespace": "n", "uid": "cluster-uid" },
        "spec": { "version": "3.5.9", "starRocksFeSpec": { "replicas": 3 }, "starRocksBeSpec": { "replicas": 3 } },
    }))
    .expect("a resource");
    validate(&resource, &References::default(), &Conventions::default()).expect("valid")
}

fn live_pod(name: &str, component: &str, ip: &str, running: bool) -> LivePod {
    let image = cluster().workload(Component::Frontend).map(|workload| workload.image.to_string()).unwrap_or_default();
    let state = if running {
        json!({ "running": { "startedAt": "2026-11-23T15:28:40Z" } })
    } else {
        json!({ "waiting": { "reason": "ContainerCreating" } })
    };
    serde_json::from_value(json!({
        "metadata": {
            "name": name, "namespace": "n", "uid": format!("uid-of-{name}"), "resourceVersion": "7", "creationTimestamp": "2026-11-23T15:28:30Z",
            "labels": {
                "app.kubernetes.io/component": component, "app.starrocks.ownerreference/name": format!("c-{component}"),
                "controller-revision-hash": "c-fe-abc",
            },
        },
        "spec": { "containers": [{ "name": component, "image": image }, { "name": "sidecar", "image": "x" }] },
        "status": {
            "phase": if running { "Running" } else { "Pending" }, "podIP": ip,
            "conditions": [{ "type": "Ready", "status": if running { "True" } else { "False" } }],
            "containerStatuses": [
                { "name": component, "image": "", "imageID": "", "ready": running, "restartCount": 2, "state": state },
                { "name": "sidecar", "image": "", "imageID": "", "ready": running, "restartCount": 0, "state": { "running": {} } },
            ],
        },
    }))
    .expect("a pod")
}

fn caches(frontends: &[(&str, &str, bool)]) -> Caches {
    let caches = Caches::new();
    for (name, ip, running) in frontends {
        caches.put(Watched::Pod, "", Entry::from_pod(&live_pod(name, "fe", ip, *running)).expect("ours"));
    }
    caches
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T15:30:12Z").unwrap_or_default()
}

async fn seen(fake: &Fake, caches: &Caches, status: &StarRocksClusterStatus) -> Observed {
    observe(&cluster(), caches, fake, &Ok(Login::root()), status, now()).await
}

fn fake(behaviour: &[(&str, Behaviour)]) -> Fake {
    Fake {
        behaviour: behaviour.iter().map(|(host, how)| ((*host).to_owned(), how.clone())).collect(),
        answers: answers(),
        asked: Mutex::default(),
        listens: BTreeMap::new(),
    }
}

/// Frontends whose pods were made with these ports of SQL and HTTP.
fn made_with(frontends: &[(&str, &str, u16, u16)]) -> Caches {
    let caches = Caches::new();
    for (name, ip, sql, http) in frontends {
        let mut pod = live_pod(name, "fe", ip, true);
        let ports = json!([{"name": "http-port", "containerPort": http}, {"name": "query-port", "containerPort": sql}]);
        pod.spec.as_mut().expect("a spec").containers[0].ports = serde_json::from_value(ports).expect("ports");
        caches.put(Watched::Pod, "", Entry::from_pod(&pod).expect("ours"));
    }
    caches
}

const THREE: [(&str, &str, bool); 3] = [("c-fe-0", "10.0.0.1", true), ("c-fe-1", "10.0.0.2", true), ("c-fe-2", "10.0.0.3", true)];

#[tokio::test]
async fn nobody_is_asked_while_no_frontend_runs() {
    let fake = fake(&[]);
    let observed = seen(&fake, &caches(&[("c-fe-0", "10.0.0.1", false)]), &StarRocksClusterStatus::default()).await;
    assert!(fake.asked.lock().expect("no panic").is_empty());
    assert_eq!(observed.group, crate::model::starrocks::GroupReport::default());
    assert_eq!(observed.pods.len(), 1);
}

#[tokio::test]
async fn each_frontend_is_asked_for_itself_and_one_for_the_group_in_utc() {
    let fake = fake(&[]);
    let observed = seen(&fake, &caches(&THREE), &StarRocksClusterStatus::default()).await;
    assert_eq!(observed.frontends.len(), 3);
    for report in observed.frontends.values() {
        assert_eq!(report.version, Answer::Known("3.5.0-7b3a469".to_owned()));
        assert_eq!((report.serving.clone(), report.availability.clone()), (Answer::Known(true), Answer::NotAsked));
        assert_eq!(report.settings.known().map(BTreeMap::len), Some(FrontendSetting::ALL.len()));
    }
    let frontends = observed.group.frontends.known().expect("answered");
    assert_eq!(frontends[0].role, FrontendRole::Leader);
    assert_eq!(frontends[0].start_time, Timestamp::parse("2026-11-23T15:28:46Z"));
    assert_eq!(observed.group.backends.known().expect("answered")[0].last_heartbeat, Timestamp::parse("2026-11-23T15:30:08Z"));
    assert_eq!(observed.group.replicas, Answer::NotAsked);
    assert_eq!(fake.asked.lock().expect("no panic").iter().filter(|(_, sql)| sql == "SHOW FRONTENDS").count(), 1);
}

#[tokio::test]
async fn the_group_is_asked_through_a_frontend_that_answers() {
    let fake = fake(&[("10.0.0.1", Behaviour::Fails(SqlError::Refused))]);
    let observed = seen(&fake, &caches(&THREE), &StarRocksClusterStatus::default()).await;
    assert_eq!(observed.group.asked.as_deref(), Some("c-fe-1"));
    assert_eq!(observed.frontends["c-fe-0"].version.silence().map(|silence| silence.kind), Some(SilenceKind::Refused));
}

#[tokio::test]
async fn each_frontend_is_asked_at_the_ports_with_which_its_pod_was_made() {
    let mut fake = fake(&[]);
    // Configured are 9030 and 8030: the first pod is at its former ports, the second has come, the process of the third was started anew in its pod.
    fake.listens = [("10.0.0.1", (9031, 8031)), ("10.0.0.2", (9030, 8030)), ("10.0.0.3", (9030, 8030))]
        .map(|(host, ports)| (host.to_owned(), ports))
        .into();
    let pods = [("c-fe-0", "10.0.0.1", 9031, 8031), ("c-fe-1", "10.0.0.2", 9030, 8030), ("c-fe-2", "10.0.0.3", 9031, 8031)];
    let observed = seen(&fake, &made_with(&pods), &StarRocksClusterStatus::default()).await;
    for (pod, report) in &observed.frontends {
        assert!(report.version.known().is_some() && report.serving == Answer::Known(true), "{pod}: {report:?}");
    }
    assert!(observed.group.frontends.known().is_some());
    let asked = |host: &str| fake.asked.lock().expect("no panic").iter().filter(|(at, _)| at == host).count();
    assert_eq!(asked("10.0.0.2") + 2, asked("10.0.0.3"), "a second chance costs two questions more, and only where ports differ");
}

#[tokio::test]
async fn a_frontend_that_listens_nowhere_is_tried_twice_and_no_more() {
    let mut fake = fake(&[]);
    fake.listens.insert("10.0.0.1".to_owned(), (1, 1));
    let observed = seen(&fake, &made_with(&[("c-fe-0", "10.0.0.1", 9031, 8031)]), &StarRocksClusterStatus::default()).await;
    assert_eq!(observed.frontends["c-fe-0"].version.silence().map(|silence| silence.kind), Some(SilenceKind::Refused));
    assert_eq!(fake.asked.lock().expect("no panic").len(), 4, "each of SQL and HTTP at both ports");
}

#[tokio::test]
async fn an_election_is_told_as_an_election_when_all_have_been_asked() {
    let fake = fake(&THREE.map(|(_, ip, _)| (ip, Behaviour::Leaderless)));
    let observed = seen(&fake, &caches(&THREE), &StarRocksClusterStatus::default()).await;
    assert_eq!(observed.group.frontends.silence().map(|silence| silence.kind), Some(SilenceKind::Election));
    assert_eq!(observed.group.backends.silence().map(|silence| silence.kind), Some(SilenceKind::Election));
    assert!(observed.frontends.values().all(|report| report.version.known().is_some()));
}

#[tokio::test(start_paused = true)]
async fn frontends_that_hang_cost_ten_seconds_at_most() {
    let start = Instant::now();
    let one = fake(&[("10.0.0.1", Behaviour::Hangs)]);
    let observed = seen(&one, &caches(&THREE), &StarRocksClusterStatus::default()).await;
    assert!(observed.group.frontends.known().is_some());
    let all = fake(&THREE.map(|(_, ip, _)| (ip, Behaviour::Hangs)));
    let middle = Instant::now();
    let observed = seen(&all, &caches(&THREE), &StarRocksClusterStatus::default()).await;
    assert_eq!(observed.group.frontends.silence().map(|silence| silence.kind), Some(SilenceKind::TimedOut));
    assert!(middle - start <= Duration::from_secs(10) && middle.elapsed() <= Duration::from_secs(11));
}

#[tokio::test]
async fn a_missing_login_fails_every_sql_question_without_asking() {
    let fake = fake(&[]);
    let missing = Silence { kind: SilenceKind::Denied, message: "key password of Secret s does not exist".to_owned() };
    let observed = observe(&cluster(), &caches(&THREE), &fake, &Err(missing.clone()), &StarRocksClusterStatus::default(), now()).await;
    assert_eq!(observed.group.frontends.silence(), Some(&missing));
    assert!(fake.asked.lock().expect("no panic").iter().all(|(_, question)| question.starts_with("/api/")));
}

#[tokio::test]
async fn routine_loads_and_the_journal_of_the_leader_are_asked_about_before_a_hop_and_loads_after_it() {
    let mut fake = fake(&[]);
    let by_user = "ErrorReason{errCode = 100, msg='User root pauses routine load job'}";
    let by_itself = "ErrorReason{errCode = 102, msg='Current error rows is more than max error num'}";
    let jobs = Rows::from_texts(
        &["Id", "Name", "State", "ReasonOfStateChanged"],
        &[
            &["1", "a", "RUNNING", ""],
            &["2", "b", "PAUSED", ""],
            &["3", "c", "UNSTABLE", ""],
            &["4", "d", "PAUSED", by_user],
            &["5", "e", "PAUSED", by_itself],
        ],
    );
    fake.answers.insert("SHOW DATABASES".to_owned(), Rows::from_texts(&["Database"], &[&["sys"], &["b1"]]));
    fake.answers.insert("SHOW ROUTINE LOAD FROM `b1`".to_owned(), jobs);
    let at = |phase: OperationPhase| {
        let routine_loads = vec![crate::api::RoutineLoadMark::default()];
        let operation = Operation { kind: crate::api::OperationKind::Upgrade, phase, routine_loads, ..Operation::default() };
        StarRocksClusterStatus { operation: Some(operation), ..StarRocksClusterStatus::default() }
    };
    let observed = seen(&fake, &caches(&THREE), &at(OperationPhase::Preflight)).await;
    let told: Vec<(String, RoutineLoadState)> =
        observed.group.routine_loads.known().unwrap().iter().map(|job| (job.name.clone(), job.state)).collect();
    let expected = [
        ("a", RoutineLoadState::Active),
        ("b", RoutineLoadState::Paused),
        ("c", RoutineLoadState::Active),
        ("d", RoutineLoadState::PausedByUser),
        ("e", RoutineLoadState::Paused),
    ];
    assert_eq!(told, expected.map(|(name, state)| (name.to_owned(), state)));
    assert_eq!(observed.group.journal_since_image, Answer::Known(7));
    let asked = fake.asked.lock().expect("no panic").iter().filter(|(_, question)| question == "/metrics").count();
    assert_eq!(asked, 1, "only the leader");
    let observed = seen(&fake, &caches(&THREE), &at(OperationPhase::Thaw)).await;
    assert!(observed.group.routine_loads.known().is_some());
    assert_eq!(observed.group.journal_since_image, Answer::NotAsked);
}

#[tokio::test]
async fn tables_and_images_are_asked_about_while_an_operation_is_on() {
    let mut fake = fake(&[]);
    let one = |text: &str| Rows::from_texts(&["x"], &[&[text]]);
    let troubled = Rows::from_texts(&["ReplicaId", "Status"], &[&["1", "DEAD"], &["2", "MISSING"]]);
    let ended = Rows::from_texts(&["JobId", "SnapshotName", "State"], &[&["1", "s1", "FINISHED"]]);
    let running = Rows::from_texts(&["JobId", "TableName", "State"], &[&["1", "t1", "RUNNING"]]);
    fake.answers.extend([
        ("SHOW DATABASES".to_owned(), Rows::from_texts(&["Database"], &[&["information_schema"], &["_statistics_"], &["b1"], &["empty"]])),
        ("SHOW TABLES FROM `b1`".to_owned(), Rows::from_texts(&["Tables_in_b1"], &[&["t1"], &["v1"]])),
        ("ADMIN SHOW REPLICA STATUS FROM `b1`.`t1` WHERE STATUS != 'OK'".to_owned(), troubled),
        (
            "SELECT COUNT(*) FROM information_schema.partitions_meta WHERE REPLICATION_NUM = 1 AND DB_NAME <> '_statistics_'".to_owned(),
            one("2"),
        ),
    ]);
    for database in ["b1", "empty"] {
        fake.answers.insert(format!("SHOW BACKUP FROM `{database}`"), ended.clone());
        fake.answers.insert(format!("SHOW RESTORE FROM `{database}`"), ended.clone());
        fake.answers.insert(format!("SHOW ALTER TABLE COLUMN FROM `{database}`"), running.clone());
    }
    let operation = Operation { phase: OperationPhase::Image, ..Operation::default() };
    let status = StarRocksClusterStatus { operation: Some(operation), ..StarRocksClusterStatus::default() };
    let observed = seen(&fake, &caches(&THREE), &status).await;
    // The view has no replicas: the fake refuses it in words that do not say so, hence the answer is unknown and never zero.
    assert_eq!(observed.group.replicas.silence().map(|silence| silence.kind), Some(SilenceKind::Rejected));
    assert_eq!(observed.group.single_replica_tables, Answer::Known(2));
    let jobs = vec!["schema change of b1.t1".to_owned(), "schema change of empty.t1".to_owned()];
    assert_eq!(observed.group.running_jobs, Answer::Known(jobs));
    assert_eq!(observed.frontends["c-fe-0"].availability.known().map(|known| known.current_journal_id), Some(34));

    assert_eq!((observed.group.routine_loads, observed.group.journal_since_image), (Answer::NotAsked, Answer::NotAsked));

    let refusal = "ADMIN SHOW REPLICA STATUS FROM `b1`.`v1` WHERE STATUS != 'OK'".to_owned();
    fake.answers.insert(refusal, Rows::from_texts(&["Status"], &[]));
    let observed = seen(&fake, &caches(&THREE), &status).await;
    let trouble = observed.group.replicas.known().expect("known");
    assert_eq!((trouble.troubled, trouble.example.as_deref()), (2, Some("b1.t1")));
}

#[test]
fn a_pod_is_reduced_to_what_decisions_need() {
    let pod = project_pod(&live_pod("c-fe-2", "fe", "10.0.0.3", true)).expect("ours");
    assert_eq!((pod.component, pod.ordinal, pod.restarts), (Component::Frontend, Some(2), 2));
    assert_eq!((pod.ready, pod.running, pod.deleting, pod.problem.is_none()), (true, true, false, true));
    assert_eq!(pod.started, Timestamp::parse("2026-11-23T15:28:40Z"));
    assert_eq!(pod.revision, "c-fe-abc");
}

#[test]
fn a_pod_that_needs_a_person_is_told_from_one_that_is_starting() {
    let with = |state: Value, last: Value| {
        let mut pod = live_pod("c-fe-0", "fe", "", false);
        let status =
            pod.status.as_mut().and_then(|status| status.container_statuses.as_mut()).map(|statuses| &mut statuses[0]).expect("one");
        status.state = serde_json::from_value(state).ok();
        status.last_state = serde_json::from_value(last).ok();
        project_pod(&pod).expect("ours").problem.expect("a problem")
    };
    assert!(!with(json!({ "waiting": { "reason": "ContainerCreating" } }), json!({})).stuck);
    assert!(with(json!({ "waiting": { "reason": "ImagePullBackOff", "message": "not found" } }), json!({})).stuck);
    let crashed = with(
        json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s" } }),
        json!({ "terminated": { "exitCode": 255, "reason": "Error", "message": "bad journal\n" } }),
    );
    assert!(crashed.stuck);
    assert_eq!(crashed.message, "back-off 40s; last run: Error, exit code 255: bad journal");

    let mut unscheduled = live_pod("c-fe-0", "fe", "", false);
    unscheduled.status = serde_json::from_value(json!({
        "phase": "Pending",
        "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available" }],
    }))
    .ok();
    let problem = project_pod(&unscheduled).and_then(|pod| pod.problem).expect("a problem");
    assert_eq!((problem.reason.as_str(), problem.stuck), ("Unschedulable", true));
}

#[test]
fn a_run_that_ended_without_a_word_and_a_node_whose_time_is_up_are_worth_a_look_into_their_logs() {
    let crashed = |message: &str, reason: &str| {
        let mut pod = live_pod("c-fe-0", "fe", "", false);
        let status =
            pod.status.as_mut().and_then(|status| status.container_statuses.as_mut()).map(|statuses| &mut statuses[0]).expect("one");
        status.state = serde_json::from_value(json!({ "waiting": { "reason": reason } })).ok();
        status.last_state = serde_json::from_value(json!({ "terminated": { "exitCode": 1, "message": message } })).ok();
        project_pod(&pod).expect("ours")
    };
    let seen = |pod: crate::model::Pod, code: &str| {
        let mut observed = Observed::empty(now());
        let blocked = Blocked { code: code.to_owned(), node: Some(pod.name.clone()), ..Blocked::default() };
        observed.status.blocked.push(blocked);
        observed.pods.insert(pod.name.clone(), pod);
        logs_wanted(&observed).into_iter().map(|log| (log.run.container, log.run.restarts, log.ended)).collect::<Vec<_>>()
    };
    assert_eq!(seen(crashed("", "CrashLoopBackOff"), ""), [("fe".to_owned(), 2, true)]);
    assert_eq!(seen(crashed("bad journal", "CrashLoopBackOff"), ""), [], "it has said why");
    assert_eq!(seen(crashed("", "ImagePullBackOff"), ""), [], "there is no run");
    let running = project_pod(&live_pod("c-fe-0", "fe", "10.0.0.1", true)).expect("ours");
    assert_eq!(seen(running.clone(), "SR-2106"), []);
    assert_eq!(seen(running, "SR-2211"), [("fe".to_owned(), 2, false)]);
}

#[test]
fn a_pod_that_has_an_image_pulled_belongs_to_the_cluster_that_owns_it_unless_somebody_else_controls_it() {
    let is_ours = |owners: Value| {
        let pod: LivePod = serde_json::from_value(json!({ "metadata": {
            "name": "c-pull-1", "namespace": "n", "uid": "u", "labels": crate::model::component::pull_labels("c"), "ownerReferences": owners,
        }}))
        .expect("a pod");
        let caches = Caches::new();
        caches.put(Watched::Pod, "", Entry::from_pod(&pod).expect("one that is watched"));
        caches.belongings(&Place { namespace: "n".to_owned(), name: "c".to_owned() }, "cluster-uid").pulls["c-pull-1"].is_ours
    };
    let owner = |uid: &str, kind: &str, controller: bool| json!({ "apiVersion": "v1", "kind": kind, "name": "c", "uid": uid, "controller": controller });
    assert!(is_ours(json!([owner("cluster-uid", "StarRocksCluster", false)])));
    assert!(is_ours(json!([owner("cluster-uid", "StarRocksCluster", true)])));
    assert!(!is_ours(json!([owner("another", "StarRocksCluster", false)])));
    assert!(!is_ours(json!([owner("cluster-uid", "StarRocksCluster", false), owner("set", "ReplicaSet", true)])));
    assert!(!is_ours(json!([])));
}

#[test]
fn a_pod_that_has_an_image_pulled_is_no_node_and_tells_how_far_it_is() {
    let state = |status: Value| {
        let pod: LivePod = serde_json::from_value(json!({
            "metadata": {
                "name": "c-pull-1", "namespace": "n", "uid": "u", "labels": crate::model::component::pull_labels("c"),
                "ownerReferences": [{ "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "name": "c", "uid": "cluster-uid", "controller": true }],
            },
            "status": status,
        }))
        .expect("a pod");
        assert!(project_pod(&pod).is_none());
        let caches = Caches::new();
        caches.put(Watched::Pod, "", Entry::from_pod(&pod).expect("ours"));
        let place = Place { namespace: "n".to_owned(), name: "c".to_owned() };
        let pulls = caches.belongings(&place, "cluster-uid").pulls;
        let of_another = caches.belongings(&place, "another").pulls;
        assert!(pulls["c-pull-1"].is_ours && !of_another["c-pull-1"].is_ours);
        pulls["c-pull-1"].state.clone()
    };
    let container = |state: Value| {
        let other = json!({ "name": "injected", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": { "running": {} } });
        let pull = json!({ "name": "pull", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state });
        json!({ "phase": "Pending", "containerStatuses": [other, pull] })
    };
    let waiting = |reason: &str| container(json!({ "waiting": { "reason": reason, "message": "no such host" } }));
    assert_eq!(state(json!({ "phase": "Pending" })), PullState::Pulling);
    assert_eq!(state(waiting("ContainerCreating")), PullState::Pulling);
    assert_eq!(state(waiting("ErrImagePull")), PullState::Failing { words: "ErrImagePull: no such host".to_owned() });
    // Whatever keeps the container from running after the pull is not the image's fault.
    assert_eq!(state(waiting("CreateContainerConfigError")), PullState::Pulled);
    assert_eq!(state(container(json!({ "terminated": { "exitCode": 128, "reason": "StartError" } }))), PullState::Pulled);
    let refused = json!({ "phase": "Failed", "reason": "OutOfpods", "message": "Node didn't have enough resource" });
    assert_eq!(state(refused), PullState::NotTried { why: "OutOfpods: Node didn't have enough resource".to_owned() });
}

fn service(name: &str, controller: Option<&str>) -> Value {
    let owners: Vec<Value> =
        controller.map(|uid| json!({ "uid": uid, "controller": true, "kind": "X", "name": "c" })).into_iter().collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": name, "namespace": "n", "uid": "u", "resourceVersion": "12", "generation": 2, "creationTimestamp": "2026-11-23T15:28:30Z",
            "labels": { "app.starrocks.ownerreference/name": "c" }, "ownerReferences": owners,
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "starrocks.com/applied-hash": "h" },
            "managedFields": [{ "manager": "x" }],
        },
        "spec": { "ports": [] },
    })
}

#[test]
fn an_object_keeps_no_copies_of_itself_and_knows_its_owner() {
    let object = project_object(&service("c-fe-service", Some("me")), "me");
    assert_eq!((object.uid.as_str(), object.resource_version.as_str(), object.ownership), ("u", "12", Ownership::Ours));
    assert_eq!((object.applied_hash(), object.generation()), (Some("h"), 2));
    let text = object.body.to_string();
    assert!(!text.contains("managedFields") && !text.contains("last-applied") && !text.contains("creationTimestamp"));
    assert_eq!(project_object(&service("s", Some("other")), "me").ownership, Ownership::Foreign);
    assert_eq!(project_object(&service("s", None), "me").ownership, Ownership::Orphan);
}

#[test]
fn a_cluster_sees_its_own_belongings_only_and_judges_them_by_uid() {
    let caches = caches(&THREE);
    caches.put(Watched::Object(ObjectKind::Service), "", Entry::from_object(&service("c-fe-service", Some("former"))).expect("labelled"));
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {
            "name": "fe-meta-c-fe-0", "namespace": "n", "uid": "p", "resourceVersion": "3",
            "labels": { "app.kubernetes.io/component": "fe", "app.starrocks.ownerreference/name": "c-fe" },
        },
        "status": { "phase": "Bound" },
    }))
    .expect("a claim");
    caches.put(Watched::Claim, "", Entry::from_claim(&claim).expect("labelled"));
    let place = |name: &str| Place { namespace: "n".to_owned(), name: name.to_owned() };
    let ours = caches.belongings(&place("c"), "cluster-uid");
    assert_eq!((ours.pods.len(), ours.claims.len(), ours.objects.len()), (3, 1, 1));
    assert_eq!(ours.objects[&ObjectKind::Service]["c-fe-service"].ownership, Ownership::Foreign);
    assert!(ours.claims["fe-meta-c-fe-0"].bound);
    assert!(caches.belongings(&place("other"), "x").pods.is_empty());
}

#[test]
fn an_object_comes_from_the_shelf_as_it_was_seen() {
    let caches = Caches::new();
    let seen = service("c-fe-service", Some("me"));
    caches.put(Watched::Object(ObjectKind::Service), "", Entry::from_object(&seen).expect("labelled"));
    let belongings = caches.belongings(&Place { namespace: "n".to_owned(), name: "c".to_owned() }, "me");
    assert_eq!(belongings.objects[&ObjectKind::Service]["c-fe-service"], project_object(&seen, "me"));
}

#[test]
fn a_full_list_replaces_what_was_known_and_names_the_clusters_it_changed() {
    let caches = caches(&THREE);
    let kept = Entry::from_pod(&live_pod("c-fe-0", "fe", "10.0.0.1", true)).expect("ours");
    let changed = caches.replace(Watched::Pod, "", vec![kept.clone()], Revision(40));
    assert_eq!(changed.len(), 1);
    assert!(caches.replace(Watched::Pod, "", vec![kept], Revision(41)).is_empty());
    assert!(caches.has_passed(Watched::Pod, "n", Revision(41)) && !caches.has_passed(Watched::Pod, "n", Revision(42)));
    let place = Place { namespace: "n".to_owned(), name: "c-fe-0".to_owned() };
    assert!(caches.shows_alive(Watched::Pod, &place, "uid-of-c-fe-0"));
    caches.remove(Watched::Pod, "", &place, Revision(43));
    assert!(!caches.shows_alive(Watched::Pod, &place, "uid-of-c-fe-0"));
}

#[tokio::test]
async fn a_frontend_is_asked_for_its_queries_only_while_its_restart_waits_for_them() {
    const QUESTION: &str = "SHOW PROC '/current_queries'";
    let mut fake = fake(&[]);
    fake.answers.insert(QUESTION.to_owned(), Rows::from_texts(&["StartTime", "QueryId"], &[&["x", "1"], &["x", "2"]]));
    let mark = |uid: &str| {
        let drains = vec![crate::api::DrainMark { pod: "c-fe-1".to_owned(), uid: uid.to_owned(), since: None }];
        StarRocksClusterStatus { operation: Some(Operation { drains, ..Operation::default() }), ..StarRocksClusterStatus::default() }
    };
    let observed = seen(&fake, &caches(&THREE), &mark("uid-of-c-fe-1")).await;
    assert_eq!(observed.frontends["c-fe-1"].queries, Answer::Known(2));
    assert_eq!(observed.frontends["c-fe-0"].queries, Answer::NotAsked);
    let asked = || fake.asked.lock().expect("no panic").iter().filter(|(_, question)| question == QUESTION).count();
    assert_eq!(asked(), 1);
    seen(&fake, &caches(&THREE), &mark("uid-of-its-predecessor")).await;
    assert_eq!(asked(), 1, "another pod's wait is over");
}

#[tokio::test]
async fn the_verdict_about_canaries_is_asked_when_they_have_been_watched_and_at_no_other_time() {
    const QUESTION: &str = "SELECT COUNT(*) < 3 FROM x";
    let mut cluster = cluster();
    let labels: BTreeMap<String, String> = [("status".to_owned(), "failed".to_owned())].into();
    let bound = |name: &str| crate::model::MetricBound { name: name.to_owned(), labels: BTreeMap::new(), max: None, min: None };
    cluster.policy.canary = Some(crate::model::Canary {
        nodes: 1,
        sql: Some(QUESTION.to_owned()),
        metrics: vec![bound("starrocks_fe_meta_log_count"), crate::model::MetricBound { labels, ..bound("starrocks_fe_max_journal_id") }],
    });
    let caches = caches(&THREE);
    for (name, ip) in [("c-be-0", "10.0.1.0"), ("c-be-1", "10.0.1.1")] {
        let mut pod = live_pod(name, "be", ip, true);
        let revision = if name == "c-be-1" { "new" } else { "old" };
        pod.metadata.labels.get_or_insert_default().insert("controller-revision-hash".to_owned(), revision.to_owned());
        caches.put(Watched::Pod, "", Entry::from_pod(&pod).expect("ours"));
    }
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {}, "status": {"updateRevision": "new"},
        "metadata": {"name": "c-be", "namespace": "n", "uid": "1", "resourceVersion": "1",
            "labels": {"app.starrocks.ownerreference/name": "c"},
            "ownerReferences": [{"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "name": "c", "uid": "cluster-uid", "controller": true}]},
    });
    caches.put(Watched::Object(ObjectKind::StatefulSet), "", Entry::from_object(&set).expect("ours"));
    let at = |phase: OperationPhase, watched_since: &str| {
        let kind = crate::api::OperationKind::Upgrade;
        let operation = Operation { kind, phase, canary_since: Some(watched_since.to_owned()), ..Operation::default() };
        StarRocksClusterStatus { operation: Some(operation), ..StarRocksClusterStatus::default() }
    };
    let mut fake = fake(&[("10.0.0.1", Behaviour::Fails(SqlError::Refused))]);
    fake.answers.insert(QUESTION.to_owned(), Rows::from_texts(&["x"], &[&["1"]]));
    let login = Ok(Login::root());
    let early = at(OperationPhase::Canary, "2026-11-23T15:30:00Z");
    let late = at(OperationPhase::Followers, "2026-11-23T15:00:00Z");
    for status in [early, late, StarRocksClusterStatus::default()] {
        assert!(observe(&cluster, &caches, &fake, &login, &status, now()).await.canary.is_empty());
    }
    let due = at(OperationPhase::Canary, "2026-11-23T15:29:40Z");
    let told = observe(&cluster, &caches, &fake, &login, &due, now()).await.canary;
    assert_eq!(told.sql, Answer::Known(Some("1".to_owned())));
    let expected = Answer::Known(vec![vec!["7".to_owned()], Vec::new()]);
    assert_eq!(told.metrics, [("c-be-1".to_owned(), expected)].into(), "canaries only");
    let asked = fake.asked.lock().expect("no panic").iter().filter(|(_, question)| question == QUESTION).count();
    assert_eq!(asked, 1, "the first frontend that answers");
}

#[test]
fn budgets_matter_when_a_pod_may_be_made_anew_at_its_release_and_never_at_rest() {
    let mut cluster = cluster();
    cluster.backend = None;
    let set = |revision: &str| {
        let mut set = service("c-fe", Some("cluster-uid"));
        (set["kind"], set["metadata"]["labels"]) = (json!("StatefulSet"), json!({ "app.starrocks.ownerreference/name": "c" }));
        set["status"] = json!({ "observedGeneration": 2, "updateRevision": revision });
        project_object(&set, "cluster-uid")
    };
    let of = |revision: &str, running: [bool; 2], operation: Option<Operation>| {
        let mut observed = Observed::empty(now());
        observed.status.operation = operation;
        observed.objects.entry(ObjectKind::StatefulSet).or_default().insert("c-fe".to_owned(), set(revision));
        for (index, running) in running.into_iter().enumerate() {
            let pod = project_pod(&live_pod(&format!("c-fe-{index}"), "fe", "10.0.0.1", running)).expect("ours");
            observed.pods.insert(pod.name.clone(), pod);
        }
        observed
    };
    let rolls = |kind: OperationKind, phase: OperationPhase| Some(Operation { kind, phase, ..Operation::default() });
    assert!(!budgets_matter(&cluster, &of("c-fe-abc", [true, true], None)), "at rest");
    assert!(budgets_matter(&cluster, &of("c-fe-new", [true, true], None)));
    assert!(budgets_matter(&cluster, &of("c-fe-new", [true, true], rolls(OperationKind::Rollout, OperationPhase::Followers))));
    assert!(!budgets_matter(&cluster, &of("c-fe-new", [true, false], None)), "one that is coming back holds the next one anyway");
    let mut later = of("c-fe-new", [true, false], None);
    later.now = later.now + cluster.policy.node_timeout + Duration::from_secs(1);
    assert!(budgets_matter(&cluster, &later), "one that is lost may be consented to");
    assert!(
        !budgets_matter(&cluster, &of("c-fe-new", [true, true], rolls(OperationKind::Upgrade, OperationPhase::Followers))),
        "a hop has asked"
    );
    assert!(budgets_matter(&cluster, &of("c-fe-new", [true, true], rolls(OperationKind::Upgrade, OperationPhase::Thaw))));
}
