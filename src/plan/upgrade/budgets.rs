//! PodDisruptionBudgets against the pods that a hop restarts: one that allows nothing now is waited for, one that never will stops the hop; moves nothing.
//!
//! A budget binds evictions, and this operator deletes pods. But its owner has said how many pods may be missing, and means any maintenance. One node
//! at a time is what most budgets ask for anyway, and between two nodes the operator waits until all are healthy again; so budgets are looked at before a hop only.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt};

use super::super::versions::Leg;
use super::super::view::{Fleet, View, require};
use crate::model::observed::DisruptionBudget;
use crate::model::{Component, WaitingOn};

/// The consent with which budgets are left out of account.
const CONSENT: &str = "IgnoreDisruptionBudgets";

/// What budgets have against the hop.
pub(super) fn against(view: &View<'_>, leg: &Leg) -> Vec<WaitingOn> {
    if view.consents(CONSENT) {
        return Vec::new();
    }
    match require(&view.observed.budgets, "the PodDisruptionBudgets of the namespace") {
        Ok(budgets) => budgets.iter().filter_map(|budget| objection(view, leg, budget)).collect(),
        Err(wait) => vec![wait],
    }
}

fn objection(view: &View<'_>, leg: &Leg, budget: &DisruptionBudget) -> Option<WaitingOn> {
    let covered = covered(view, leg, budget);
    if covered.is_empty() {
        return None;
    }
    let name = budget.name.clone();
    let components: Vec<String> = covered.iter().map(ToString::to_string).collect();
    if budget.is_current && budget.expected > 0 && budget.desired >= budget.expected {
        let (desired, expected) = (budget.desired, budget.expected);
        return Some(WaitingOn::DisruptionForbidden { budget: name, components, desired, expected });
    }
    let spent = !budget.is_current || budget.allowed < 1;
    spent.then(|| WaitingOn::DisruptionBudgetSpent { budget: name, components, healthy: budget.healthy, desired: budget.desired })
}

/// The components whose pods the hop restarts and the budget selects. A selector that nobody can read selects nothing.
fn covered(view: &View<'_>, leg: &Leg, budget: &DisruptionBudget) -> Vec<Component> {
    let Some(Ok(selector)) = budget.selector.clone().map(Selector::try_from) else { return Vec::new() };
    let moves = |fleet: &&Fleet<'_>| fleet.component != Component::Frontend || leg.moves_frontends();
    let selected = |fleet: &&Fleet<'_>| labels(fleet).is_some_and(|labels| selector.matches(&labels));
    view.fleets().filter(|fleet| fleet.live_replicas() > 0).filter(moves).filter(selected).map(|fleet| fleet.component).collect()
}

/// The labels of a component's pods.
fn labels(fleet: &Fleet<'_>) -> Option<BTreeMap<String, String>> {
    let labels = fleet.live?.body.pointer("/spec/template/metadata/labels")?.as_object()?;
    Some(labels.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
}
