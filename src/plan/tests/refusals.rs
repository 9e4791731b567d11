//! Requests that Kubernetes refused: told, left out until due, and nothing else kept from being done.

use std::time::Duration;

use serde_json::json;

use super::super::plan;
use super::super::testing::{World, spec};
use crate::model::observed::LiveObject;
use crate::model::refusal::content;
use crate::model::{Decision, Object, ObjectKind, Observed, Refusal, Request, Step, WaitingOn};

fn refused(step: &Step, observed: &Observed, wait: Duration) -> Refusal {
    Refusal {
        request: Request::of(step).expect("a request"),
        content: content(step),
        reason: "Invalid".to_owned(),
        words: "no".to_owned(),
        refusals: 1,
        again: observed.now + wait,
    }
}

fn is_told(decision: &Decision) -> bool {
    let told = decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::RequestRefused { .. }));
    let ready = decision.status.conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True");
    told && !ready && decision.status.blocked.iter().any(|blocked| blocked.code == "SR-2405")
}

/// A cluster whose template of the backends has just changed, and the decision that hands it out.
fn changing(section: &str, field: &str, value: serde_json::Value, kind: ObjectKind) -> (World, Observed, Step) {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.edit(|spec| spec[section][field] = value);
    for _ in 0..20 {
        let observed = world.observe();
        let decision = plan(&world.cluster(), &observed);
        if let Some(step) = decision.steps.iter().find(|step| matches!(step, Step::Apply(object) if object.kind() == kind)) {
            return (world, observed, step.clone());
        }
        world.pass();
    }
    panic!("nothing is applied");
}

#[test]
fn a_refused_object_is_left_out_until_it_is_due_and_told_all_the_while() {
    let service = json!({"annotations": {"a": "b"}});
    let (world, mut observed, step) = changing("starRocksFeSpec", "service", service, ObjectKind::Service);
    observed.refusals = vec![refused(&step, &observed, Duration::from_secs(100))];
    let decision = plan(&world.cluster(), &observed);
    assert!(is_told(&decision) && !decision.steps.contains(&step), "{decision:?}");
    assert!(decision.look_again.is_some_and(|again| again <= Duration::from_secs(100)));
    observed.now = observed.now + Duration::from_secs(100);
    let decision = plan(&world.cluster(), &observed);
    assert!(is_told(&decision) && decision.steps.contains(&step));
    observed.refusals[0].content = "another".to_owned();
    let decision = plan(&world.cluster(), &observed);
    assert!(!is_told(&decision) && decision.steps.contains(&step), "a corrected object does not wait");
}

#[test]
fn no_pod_restarts_for_a_template_that_was_refused() {
    let (mut world, observed, step) = changing("starRocksBeSpec", "limits", json!({"memory": "9Gi"}), ObjectKind::StatefulSet);
    let refusal = refused(&step, &observed, Duration::from_secs(100_000));
    for _ in 0..50 {
        let mut observed = world.observe();
        observed.refusals = vec![refusal.clone()];
        let decision = plan(&world.cluster(), &observed);
        assert!(!decision.steps.iter().any(|step| matches!(step, Step::RestartPod { .. })), "{:?}", decision.steps);
        world.now = world.now + Duration::from_secs(30);
    }
}

#[test]
fn nodes_are_not_made_before_the_services_by_which_they_find_each_other() {
    let sets = |decision: &Decision| decision.steps.iter().any(|step| matches!(step, Step::Apply(Object::StatefulSet(_))));
    let world = World::new(spec("3.3.13", 3, 3, 0));
    for name in ["kube-fe-service", "kube-fe-search"] {
        let mut observed = world.observe();
        observed.objects.entry(ObjectKind::Service).or_default().insert(name.to_owned(), LiveObject::foreign());
        let decision = plan(&world.cluster(), &observed);
        assert!(!sets(&decision), "{name}");
        assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::ForeignObject { .. })));
    }
    let observed = world.observe();
    let decision = plan(&world.cluster(), &observed);
    let place = |kind| decision.steps.iter().position(|step| matches!(step, Step::Apply(object) if object.kind() == kind));
    let last = decision.steps.iter().rposition(|step| matches!(step, Step::Apply(Object::Service(_))));
    assert!(sets(&decision) && last < place(ObjectKind::StatefulSet), "{:?}", decision.steps);
    let service = decision.steps.iter().find(|step| matches!(step, Step::Apply(object) if object.key().name == "kube-fe-search"));
    let refusal = refused(service.expect("is made"), &observed, Duration::from_secs(100));
    for wait in [100, 0] {
        let again = observed.now + Duration::from_secs(wait);
        let observed = Observed { refusals: vec![Refusal { again, ..refusal.clone() }], ..observed.clone() };
        assert!(!sets(&plan(&world.cluster(), &observed)), "due in {wait} s");
    }
}
