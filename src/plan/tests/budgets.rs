//! PodDisruptionBudgets before a hop: which pods they are about, what they allow, and what is not known of them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Value, json};

use super::super::plan;
use super::super::testing::{World, spec};
use crate::model::observed::DisruptionBudget;
use crate::model::{Answer, Silence, SilenceKind};

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
