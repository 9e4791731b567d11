//! What each verb says, and what it refuses to say.

use clap::Parser;
use serde_json::{Value, json};

use super::*;

fn upgrade(spec: Value, status: Value) -> StarRocksUpgrade {
    let mut object = json!({ "apiVersion": "starrocks.com/v1beta1", "kind": "StarRocksUpgrade", "metadata": { "name": "u", "namespace": "n" },
        "spec": { "cluster": "kube", "from": "3.3.13", "to": "3.5.9" }, "status": status });
    if let (Some(object), Some(more)) = (object["spec"].as_object_mut(), spec.as_object()) {
        object.extend(more.clone());
    }
    serde_json::from_value(object).expect("an upgrade")
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

fn verb(line: &str) -> Verb {
    Line::parse_from(std::iter::once("upgrade").chain(line.split(' '))).verb
}

#[test]
fn each_verb_writes_its_own_field_only() {
    let waiting = upgrade(json!({"approvals": ["3.4.10"]}), json!({"approvalsNeeded": ["3.5.9"], "rollbackTo": "3.3.13"}));
    for (line, wanted) in [
        ("approve u", json!({"approvals": ["3.4.10", "3.5.9"]})),
        ("approve u 3.4.10 3.5.9/Frontends", json!({"approvals": ["3.4.10", "3.5.9/Frontends"]})),
        ("approve u --all", json!({"approved": true})),
        ("pause u", json!({"paused": true})),
        ("resume u", json!({"paused": false})),
        ("stop u", json!({"cancel": "StopHere"})),
        ("rollback u", json!({"cancel": "RollBack"})),
    ] {
        assert_eq!(said(&waiting, &verb(line)), Ok(wanted), "{line}");
    }
}

#[test]
fn what_cannot_be_done_is_refused_with_the_reason() {
    let nothing = upgrade(json!({}), json!({}));
    assert!(said(&nothing, &verb("approve u")).unwrap_err().contains("nothing waits"));
    assert!(said(&nothing, &verb("rollback u")).unwrap_err().contains("no way back"));
    let over = upgrade(json!({}), json!({"phase": "Succeeded", "finishedAt": "2026-11-24T00:00:00Z", "rollbackTo": "3.3.13"}));
    for line in ["approve u --all", "pause u", "rollback u"] {
        assert!(said(&over, &verb(line)).unwrap_err().contains("it is over (Succeeded)"), "{line}");
    }
}

#[test]
fn the_pages_show_what_is_waited_for_and_how_far_it_is() {
    let status = json!({"phase": "Canary", "progress": "4/21", "rollbackTo": "3.3.13", "blockedBy": "SR-2203",
        "blocked": [{"code": "SR-2203", "node": "kube-be-2", "message": "watched"}],
        "checks": [{"name": "DiskSpace", "result": "Pass"}],
        "steps": [{"number": 4, "hop": 1, "action": "restart a backend", "state": "Done"}, {"number": 5, "hop": 1, "action": "next", "state": "Doing"}]});
    let upgrade = upgrade(json!({}), status);
    let list = page::list(std::slice::from_ref(&upgrade));
    assert!(
        list.lines()
            .nth(1)
            .is_some_and(|line| line.split_whitespace().eq(["n", "u", "kube", "3.3.13", "3.5.9", "Canary", "4/21", "-", "SR-2203"])),
        "{list}"
    );
    let show = page::show(&upgrade);
    for text in [
        "u: kube from 3.3.13 to 3.5.9, Canary",
        "way back to: 3.3.13",
        "SR-2203 kube-be-2: watched",
        "Pass  DiskSpace",
        "done  4  restart a backend",
    ] {
        assert!(show.contains(text), "{text} in\n{show}");
    }
}
