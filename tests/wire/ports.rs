//! Ports that a changed file moves in a running cluster: clients are served throughout, nodes are found where they listen, and nobody is registered anew.

use serde_json::{Value, json};
use starrocks_operator::sim::crash::SUBJECT;
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::runtime::HttpReply;
use starrocks_operator::sim::starrocks::{Login, SqlReply};

use crate::harness::{change, pass, play, risen_with_files, status, until, write};

const FRONTENDS: &str = "http_port = 8030\nrpc_port = 9020\nquery_port = 9030\nedit_log_port = 9010\n";
const MOVED_FRONTENDS: &str = "http_port = 8031\nrpc_port = 9021\nquery_port = 9031\nedit_log_port = 9010\n";
const BACKENDS: &str = "be_port = 9060\nwebserver_port = 8040\nheartbeat_service_port = 9050\nbrpc_port = 8060\n";
const MOVED_BACKENDS: &str = "be_port = 9061\nwebserver_port = 8041\nheartbeat_service_port = 9050\nbrpc_port = 8061\n";

async fn risen(seed: u64, update: Option<&str>) -> Embedded {
    risen_with_files(seed, [FRONTENDS, BACKENDS], update).await
}

/// How many pods a port of a Service leads to, and how many of them do not listen where it leads.
fn reached(embedded: &Embedded, kind: &str, port: u16) -> (usize, usize) {
    let mut world = embedded.world();
    let found = world.destinations(&format!("kube-{kind}-service.{}.svc", SUBJECT.namespace), port);
    let root = Login { user: "root".to_owned(), password: String::new() };
    let refused = found.iter().filter(|at| match kind {
        "fe" => matches!(world.query(at.ip(), at.port(), &root, "SELECT @@version_comment"), SqlReply::Refused),
        _ => matches!(world.http(at.ip(), at.port(), "/api/health"), HttpReply::Refused),
    });
    let refused = refused.count();
    (found.len(), refused)
}

fn restarts(embedded: &Embedded) -> Vec<String> {
    let world = embedded.world();
    world.starrocks.metrics(world.now()).restarts.into_iter().map(|restart| restart.pod).collect()
}

fn service(embedded: &Embedded, name: &str) -> Vec<(String, Value, Value)> {
    let world = embedded.world();
    let found = world.store.get("Service", SUBJECT.namespace, name).cloned().unwrap_or_default();
    let ports = found["spec"]["ports"].as_array().cloned().unwrap_or_default();
    ports
        .into_iter()
        .map(|port| (port["name"].as_str().unwrap_or_default().to_owned(), port["port"].clone(), port["targetPort"].clone()))
        .collect()
}

fn is_at_rest(embedded: &Embedded) -> bool {
    let status = status(embedded);
    status.operation.is_none() && status.blocked.is_empty() && status.configuration.iter().all(|entry| entry.change.is_none())
}

fn blocked(embedded: &Embedded, code: &str) -> Option<String> {
    status(embedded).blocked.into_iter().find(|blocked| blocked.code == code).map(|blocked| blocked.message)
}

fn nodes(embedded: &Embedded) -> Vec<String> {
    embedded.world().starrocks.registered_nodes(SUBJECT.namespace)
}

/// Waits for the end of the roll; a port of the Service must never lead to a ready pod that does not listen there. Returns how often the port that is still
/// to come led somewhere.
async fn watch(embedded: &Embedded, kind: &str, former: u16, new: u16) -> usize {
    let (mut seen, mut begun) = (0, false);
    until("the ports have moved", 3_600, || {
        let (found, refused) = reached(embedded, kind, former);
        assert_eq!(refused, 0, "{found} pods behind the former port");
        let (early, refused) = reached(embedded, kind, new);
        assert_eq!(refused, 0, "{early} pods behind the new port");
        seen += usize::from(found > 0 && early > 0);
        begun |= !is_at_rest(embedded);
        begun && found == 0 && is_at_rest(embedded)
    })
    .await;
    seen
}

#[test]
fn clients_reach_every_frontend_at_either_port_while_the_ports_of_fe_conf_move() {
    for (seed, update) in [(1, "Live"), (2, "Restart")] {
        play(async {
            let embedded = risen(seed, Some(update)).await;
            let before = (service(&embedded, "kube-fe-service"), nodes(&embedded));
            assert!(before.0.iter().all(|(_, _, target)| target.is_number()), "{:?}", before.0);
            let made = restarts(&embedded).len();
            write(&embedded, "fe-conf", "fe.conf", MOVED_FRONTENDS).await;
            let seen = watch(&embedded, "fe", 9030, 9031).await;
            assert!(seen > 0, "both ports are offered while the pods move");
            assert_eq!(reached(&embedded, "fe", 9031), (3, 0));
            let ports = service(&embedded, "kube-fe-service");
            let of = |name: &str, port: u16| (name.to_owned(), json!(port), json!(port));
            assert_eq!(ports, [of("http", 8031), of("rpc", 9021), of("query", 9031), of("edit-log", 9010)]);
            let restarted = restarts(&embedded).split_off(made);
            let count = |kind: &str| restarted.iter().filter(|pod| pod.contains(kind)).count();
            assert_eq!((count("-fe-"), count("-be-")), (3, 3), "backends take the new port of the frontends: {restarted:?}");
            assert_eq!(nodes(&embedded), before.1, "nobody is registered anew");
            pass(3_600).await;
            assert_eq!(restarts(&embedded).len(), made + 6, "and then there is rest");
            let world = embedded.world();
            assert_eq!(world.starrocks.metrics(world.now()).bootstraps.len(), 1);
        });
    }
}

#[test]
fn the_ports_of_backends_move_in_the_same_way() {
    play(async {
        let embedded = risen(3, Some("Live")).await;
        let made = restarts(&embedded).len();
        write(&embedded, "be-conf", "be.conf", MOVED_BACKENDS).await;
        watch(&embedded, "be", 8040, 8041).await;
        assert_eq!(reached(&embedded, "be", 8041), (3, 0));
        assert_eq!(restarts(&embedded).len(), made + 3);
    });
}

#[test]
fn ports_that_are_taken_back_halfway_end_where_they_were() {
    play(async {
        let embedded = risen(8, Some("Restart")).await;
        let made = restarts(&embedded).len();
        write(&embedded, "fe-conf", "fe.conf", MOVED_FRONTENDS).await;
        until("a frontend is restarted", 1_800, || restarts(&embedded).split_off(made).iter().any(|pod| pod.contains("-fe-"))).await;
        pass(5).await;
        write(&embedded, "fe-conf", "fe.conf", FRONTENDS).await;
        until("the former ports are back", 7_200, || is_at_rest(&embedded) && service(&embedded, "kube-fe-service").len() == 4).await;
        assert_eq!((reached(&embedded, "fe", 9030), reached(&embedded, "fe", 9031).0), ((3, 0), 0));
    });
}

#[test]
fn another_config_map_moves_the_ports_as_well() {
    play(async {
        let embedded = risen(4, None).await;
        write(&embedded, "fe-new", "fe.conf", MOVED_FRONTENDS).await;
        change(&embedded, json!({"spec": {"starRocksFeSpec": {"configMapInfo": {"configMapName": "fe-new"}}}})).await;
        assert_eq!((reached(&embedded, "fe", 9030).0, reached(&embedded, "fe", 9031)), (0, (3, 0)));
    });
}

#[test]
fn without_the_field_the_former_ports_stay_until_somebody_agrees() {
    play(async {
        let embedded = risen(5, None).await;
        let tally = embedded.ledger.tally().write_count();
        write(&embedded, "fe-conf", "fe.conf", MOVED_FRONTENDS).await;
        until("the file is read again", 3_600, || blocked(&embedded, "SR-2403").is_some()).await;
        pass(1_800).await;
        assert_eq!(reached(&embedded, "fe", 9030), (3, 0));
        assert!(status(&embedded).conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True"));
        write(&embedded, "fe-conf", "fe.conf", FRONTENDS).await;
        until("nothing differs any more", 3_600, || is_at_rest(&embedded)).await;
        pass(60).await;
        assert!(
            service(&embedded, "kube-fe-service").iter().all(|(name, port, target)| port == target && !name.ends_with(char::is_numeric))
        );
        assert!(embedded.ledger.tally().write_count() < tally + 20, "and then there is rest");
    });
}

#[test]
fn a_port_by_which_nodes_are_known_stays_and_nothing_is_registered_anew() {
    for (seed, (name, key, text, word)) in [
        (6, ("be-conf", "be.conf", BACKENDS.replace("9050", "9051"), "heartbeat_service_port")),
        (7, ("fe-conf", "fe.conf", FRONTENDS.replace("9010", "9011"), "edit_log_port")),
    ] {
        play(async {
            let embedded = risen(seed, Some("Restart")).await;
            let before =
                (nodes(&embedded), restarts(&embedded), service(&embedded, "kube-fe-service"), service(&embedded, "kube-be-search"));
            write(&embedded, name, key, &text).await;
            until("it is told", 600, || blocked(&embedded, "SR-2236").is_some()).await;
            let words = blocked(&embedded, "SR-2236").unwrap_or_default();
            assert!(words.contains(word), "{words}");
            pass(3_600).await;
            let after =
                (nodes(&embedded), restarts(&embedded), service(&embedded, "kube-fe-service"), service(&embedded, "kube-be-search"));
            assert_eq!(after, before);
            let former = if key == "fe.conf" { FRONTENDS } else { BACKENDS };
            write(&embedded, name, key, former).await;
            until("the former port brings rest", 600, || is_at_rest(&embedded)).await;
            assert_eq!(restarts(&embedded), before.1);
        });
    }
}
