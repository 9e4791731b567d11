//! PodDisruptionBudgets before a hop and in rollouts of the same release: which pods they are about, what they allow, and what is not known of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use super::super::plan;
use super::super::testing::{World, spec};
use crate::model::observed::{DisruptionBudget, PodProblem};
use crate::model::{Answer, Decision, Silence, SilenceKind, Step, WaitingOn};

/// A budget of the pods of one component: healthy, desired, allowed and expected pods.
pub(super) fn budget(component: &str, [healthy, desired, allowed, expected]: [i32; 4]) -> DisruptionBudget {
    let selector = json!({"matchLabels": {"app.kubernetes.io/component": component}});
    let selector = serde_json::from_value(selector).expect("a selector");
    DisruptionBudget { name: "mine".to_owned(), selector: Some(selector), is_current: true, allowed, healthy, desired, expected }
}

/// The waits for budgets when an upgrade is asked for beside these.
fn against(budgets: Vec<DisruptionBudget>, consents: Value) -> Vec<String> {
    let mut world = World::risen(spec("3.5.8", 3, 3, 0));
    world.budgets = budgets;
    world.edit(|spec| spec["upgradePolicy"]["consents"] = consents);
    world.ask_for("3.5.9");
    let waits = world.pass().waiting_on;
    let about = waits.into_iter().filter(|wait| ["SR-2226", "SR-2227"].contains(&wait.code()));
    about.map(|wait| format!("{} {wait}", wait.code())).collect()
}

#[test]
fn a_budget_that_never_allows_a_disruption_stops_an_upgrade_and_one_that_does_not_now_is_waited_for() {
    let never = against(vec![budget("be", [3, 3, 0, 3])], json!([]));
    assert!(never.len() == 1 && never[0].starts_with("SR-2227") && never[0].contains("never allows a disruption of BE"), "{never:?}");
    let not_now = against(vec![budget("fe", [2, 2, 0, 3])], json!([]));
    assert!(not_now.len() == 1 && not_now[0].starts_with("SR-2226") && not_now[0].contains("2 of its pods are healthy"), "{not_now:?}");
    let unseen = DisruptionBudget { is_current: false, ..budget("fe", [3, 2, 1, 3]) };
    assert_eq!(against(vec![unseen], json!([])).len(), 1, "numbers of a former spec say nothing");
    let whole = DisruptionBudget { selector: Some(LabelSelector::default()), ..budget("", [6, 6, 0, 6]) };
    assert!(against(vec![whole], json!([]))[0].contains("FE and BE"), "an empty selector is about every pod");
    for none in [
        budget("be", [3, 2, 1, 3]),
        budget("cn", [0, 0, 0, 0]),
        budget("other", [1, 1, 0, 1]),
        DisruptionBudget { selector: None, ..budget("be", [3, 3, 0, 3]) },
    ] {
        assert_eq!(against(vec![none], json!([])), Vec::<String>::new());
    }
    assert_eq!(against(vec![budget("be", [3, 3, 0, 3])], json!(["IgnoreDisruptionBudgets"])), Vec::<String>::new());
}

/// A cluster at rest whose backends are then to have another memory limit.
fn changed(budgets: Vec<DisruptionBudget>) -> World {
    let mut world = World::risen(spec("3.5.8", 3, 3, 3));
    world.budgets = budgets;
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    decision.waiting_on.iter().map(WaitingOn::code).collect()
}

#[test]
fn a_rollout_of_the_same_release_restarts_no_healthy_pod_that_a_budget_keeps() {
    for (kept, code) in [(budget("be", [3, 3, 0, 3]), "SR-2227"), (budget("be", [2, 2, 0, 3]), "SR-2226")] {
        let mut world = changed(vec![kept]);
        let decision = world.run_until(10, |_, decision| codes(decision).contains(&code));
        let told = decision.waiting_on.iter().find(|wait| wait.code() == code).map(ToString::to_string).unwrap_or_default();
        assert!(told.contains("mine") && told.contains("BE") && !told.contains("hop"), "{told}");
        for _ in 0..20 {
            world.pass();
        }
        assert_eq!(world.restarts(), Vec::<String>::new());
        world.budgets = vec![budget("be", [3, 2, 1, 3])];
        world.run_to_rest(100);
        assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    }
}

#[test]
fn a_budget_that_is_spent_between_two_nodes_of_a_rollout_holds_the_next_one() {
    let mut world = changed(vec![budget("be", [3, 2, 1, 3])]);
    world.run_until(20, |world, _| world.restarts().len() == 1);
    world.budgets = vec![budget("be", [2, 2, 0, 3])];
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!(world.restarts(), ["kube-be-2"]);
    world.edit(|spec| spec["upgradePolicy"]["consents"] = json!(["IgnoreDisruptionBudgets"]));
    world.run_to_rest(100);
    assert_eq!(world.restarts().len(), 3);
}

#[test]
fn budgets_of_components_that_stay_hold_no_rollout_and_a_pod_that_is_of_no_use_is_replaced_whatever_they_say() {
    let mut world = changed(vec![budget("fe", [3, 3, 0, 3]), budget("cn", [3, 3, 0, 3])]);
    world.run_to_rest(100);
    assert_eq!(world.restarts().len(), 3);
    world.budgets = vec![budget("be", [2, 3, 0, 3])];
    let pod = world.pods.get_mut("kube-be-1").expect("it runs");
    pod.ready = false;
    pod.problem = Some(PodProblem { reason: "CrashLoopBackOff".to_owned(), message: String::new(), stuck: true });
    world.edit(|spec| spec["starRocksBeSpec"]["image"] = json!("elsewhere/be-ubuntu:3.5.8"));
    world.run_until(10, |world, _| world.restarts().len() == 4);
    assert_eq!(world.restarts()[3], "kube-be-1");
}

#[test]
fn no_more_compute_nodes_restart_together_than_a_budget_lets_go() {
    let mut world = World::risen(spec("3.5.8", 3, 3, 5));
    world.edit(|spec| spec["upgradePolicy"]["maxUnavailableComputeNodes"] = json!(4));
    world.budgets = vec![budget("cn", [5, 3, 2, 5])];
    world.edit(|spec| spec["starRocksCnSpec"]["limits"] = json!({"memory": "16Gi"}));
    let decision = world.run_until(10, |world, _| !world.restarts().is_empty());
    assert_eq!(decision.steps.iter().filter(|step| matches!(step, Step::RestartPod { .. })).count(), 2);
    world.run_to_rest(100);
    assert_eq!(world.restarts().len(), 5);
}

#[test]
fn a_rollout_does_not_take_budgets_that_nobody_could_list_for_none() {
    let mut world = changed(Vec::new());
    world.pass();
    let mut observed = world.observe();
    observed.budgets = Answer::Failed(Silence { kind: SilenceKind::Rejected, message: "forbidden".to_owned() });
    let decision = plan(&world.cluster(), &observed);
    assert!(codes(&decision).contains(&"SR-2113") && !decision.steps.iter().any(|step| matches!(step, Step::RestartPod { .. })));
}

#[test]
fn budgets_that_nobody_could_list_are_not_taken_for_none() {
    let mut world = World::risen(spec("3.5.8", 3, 3, 0));
    world.ask_for("3.5.9");
    let mut observed = world.observe();
    let words = "poddisruptionbudgets.policy is forbidden".to_owned();
    observed.budgets = Answer::Failed(Silence { kind: SilenceKind::Rejected, message: words.clone() });
    let decision = plan(&world.cluster(), &observed);
    assert!(
        decision.waiting_on.iter().any(|wait| wait.code() == "SR-2113" && wait.to_string().contains(&words)),
        "{:?}",
        decision.waiting_on
    );
}
