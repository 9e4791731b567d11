//! PodDisruptionBudgets against pods that are to be restarted: one that allows nothing now is waited for, one that never will stops the work; moves nothing.
//!
//! A budget binds evictions, and this operator deletes pods. But its owner has said how many pods may be missing, and means any maintenance. A hop asks before it
//! begins and not again, since nodes of two releases are worse than a budget that is spent; a rollout of the same release may stand still anywhere, and asks before each
//! healthy node.

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt};

use super::view::{Fleet, View, require};
use crate::model::observed::DisruptionBudget;
use crate::model::{Component, WaitingOn};

/// The consent with which budgets are left out of account.
const CONSENT: &str = "IgnoreDisruptionBudgets";

/// What budgets have against restarts of these components.
pub(super) fn against(view: &View<'_>, restarts: impl Fn(Component) -> bool) -> Vec<WaitingOn> {
    if view.consents(CONSENT) {
        return Vec::new();
    }
    match require(&view.observed.budgets, "the PodDisruptionBudgets of the namespace") {
        Ok(budgets) => budgets.iter().filter_map(|budget| objection(budget, &covered(view, &restarts, budget))).collect(),
        Err(wait) => vec![wait],
    }
}

/// How many pods of a component budgets let go together, as far as they were looked at.
pub(super) fn room(view: &View<'_>, component: Component) -> usize {
    let budgets = view.observed.budgets.known().filter(|_| !view.consents(CONSENT));
    let covering = budgets.into_iter().flatten().filter(|budget| !covered(view, &|each: Component| each == component, budget).is_empty());
    covering.map(|budget| usize::try_from(budget.allowed).unwrap_or(0)).min().unwrap_or(usize::MAX)
}

fn objection(budget: &DisruptionBudget, covered: &[Component]) -> Option<WaitingOn> {
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
    spent.then_some(WaitingOn::DisruptionBudgetSpent { budget: name, components, healthy: budget.healthy, desired: budget.desired })
}

/// The components of these whose pods the budget selects. A selector that nobody can read selects nothing.
fn covered(view: &View<'_>, restarts: &impl Fn(Component) -> bool, budget: &DisruptionBudget) -> Vec<Component> {
    let Some(Ok(selector)) = budget.selector.clone().map(Selector::try_from) else { return Vec::new() };
    let selected = |fleet: &&Fleet<'_>| labels(fleet).is_some_and(|labels| selector.matches(&labels));
    let restarted = view.fleets().filter(|fleet| fleet.live_replicas() > 0 && restarts(fleet.component));
    restarted.filter(selected).map(|fleet| fleet.component).collect()
}

/// The labels of a component's pods.
fn labels(fleet: &Fleet<'_>) -> Option<BTreeMap<String, String>> {
    let labels = fleet.live?.body.pointer("/spec/template/metadata/labels")?.as_object()?;
    Some(labels.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect())
}
