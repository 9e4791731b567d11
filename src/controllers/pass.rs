//! What passes over clusters and over warehouses share: whether to begin, carrying a decision out, and what to remember of it.

use std::time::Duration;

use super::context::Context;
use super::details;
use super::expectations::Expectations;
use super::outcome::{self, PassError};
use super::queue::Next;
use super::refusals;
use super::resources::Resource;
use super::subject::Subject;
use crate::api::StarRocksClusterStatus;
use crate::apply::{self, Regarding, Report, StepError, Target};
use crate::model::{Cluster, Decision, LiveObject, Observed, Silence};
use crate::observe;
use crate::starrocks::Login;

/// How soon to look again when the caches are behind our own acts; their events bring it forward.
pub(super) const CATCH_UP: Duration = Duration::from_millis(500);
/// How soon to look again when nothing can be done and no watch may tell that something can.
const NOW_AND_THEN: Duration = Duration::from_secs(120);
/// How soon to look again when somebody else changed the resource meanwhile.
const CHANGED: Duration = Duration::from_millis(250);

/// Whether the watches have seen everything, our own last acts included.
pub(super) fn is_up_to_date<K>(context: &Context, subject: &Subject, resource: &Resource<K>) -> bool {
    context.catalogs.is_known()
        && context.telemetry.health.is_synced(&subject.place().namespace)
        && context.memories.are_caught_up(subject, &context.caches, resource.revision)
}

/// On what a decision is carried out.
pub(super) fn target<K>(subject: &Subject, resource: &Resource<K>, query_port: u16, login: Result<Login, Silence>) -> Target {
    Target {
        regarding: regarding(subject, &resource.uid),
        resource_version: resource.resource_version.clone(),
        finalizers: resource.finalizers.clone(),
        query_port,
        login,
    }
}

/// The resource for events and the status.
pub(super) fn regarding(subject: &Subject, uid: &str) -> Regarding {
    let place = subject.place();
    Regarding { kind: subject.kind(), namespace: place.namespace.clone(), name: place.name.clone(), uid: uid.to_owned() }
}

/// Tells what was decided, does it, and notes when to look again.
pub(super) async fn carry_out(
    context: &Context,
    subject: &Subject,
    target: &Target,
    observed: &Observed,
    mut decision: Decision,
) -> Result<Next, PassError> {
    if !context.upgradeability.lets(subject, &decision.status) {
        return Ok(Next::After(CATCH_UP));
    }
    let told = details::hold_back(&observed.status, &mut decision, context.memories.told(subject));
    let report = match apply::apply(&context.hands, target, observed, &decision).await {
        Ok(report) => report,
        Err(apply::ApplyError::Conflict | apply::ApplyError::Gone) => return Ok(Next::After(CHANGED)),
        Err(error) => return Err(error.into()),
    };
    context.memories.remember_told(subject, told);
    settle(context, subject, &report, &decision)
}

/// Adds what earlier passes met: objects of others under our names (the caches hold labelled objects only, so these were met when something
/// was to be applied), and requests that were refused for good.
pub(super) async fn recall(context: &Context, subject: &Subject, owner_uid: &str, observed: &mut Observed) {
    observed.refusals = context.memories.refusals(subject);
    let mut taken = context.memories.taken(subject);
    if taken.is_empty() {
        return;
    }
    for key in taken.clone() {
        if let Ok(true) = apply::is_free_or_ours(&context.hands.client, &subject.place().namespace, &key, owner_uid).await {
            taken.remove(&key);
        } else {
            observed.objects.entry(key.kind).or_default().entry(key.name).or_insert_with(LiveObject::foreign);
        }
    }
    context.memories.remember_taken(subject, taken);
}

/// Looks at PodDisruptionBudgets, if the decision may depend on them.
pub(super) async fn look_at_budgets(context: &Context, cluster: &Cluster, observed: &mut Observed) {
    if observe::budgets_matter(cluster, observed) {
        observed.budgets = observe::disruption_budgets(&context.hands.client, &cluster.namespace).await;
    }
}

/// Notes what the pass did and when to look again.
fn settle(context: &Context, subject: &Subject, report: &Report, decision: &Decision) -> Result<Next, PassError> {
    outcome::count(context, subject, report);
    let is_watched = |watched| context.watched.contains(&watched);
    context.memories.expect(subject, Expectations::of(report, subject.place(), is_watched));
    let met = report.failures.iter().filter_map(|failure| match &failure.error {
        StepError::Foreign(key) => Some(key.clone()),
        _ => None,
    });
    let mut taken = context.memories.taken(subject);
    taken.extend(met);
    context.memories.remember_taken(subject, taken);
    let former = context.memories.refusals(subject);
    let refused = refusals::after(subject, former, report, decision, context.settings.clock.now());
    context.memories.remember_refusals(subject, refused);
    if report.failures.is_empty() {
        return Ok(decision.look_again.map_or(Next::Rest, Next::After));
    }
    // The resource goes as well; should it stay for long, whatever holds it is nothing that this operator made.
    if report.failures.iter().any(|failure| matches!(failure.error, StepError::NamespaceTerminating)) {
        return Ok(Next::After(NOW_AND_THEN));
    }
    // What was refused is known now: the next decision tells it and goes on without.
    let is_known = |failure: &apply::StepFailure| failure.refusal().is_some() || matches!(failure.error, StepError::Foreign(_));
    if report.failures.iter().all(is_known) {
        return Ok(Next::After(CATCH_UP));
    }
    let expected = report.failures.iter().all(|failure| failure.is_expected() || is_known(failure));
    Err(PassError::Steps { failed: report.failures.len(), held_back: report.held_back, expected })
}

/// Publishes the status of a resource that cannot be acted on; it is looked at again when it changes, and now and then, because what it
/// names may come into being.
pub(super) async fn refuse<K>(
    context: &Context,
    subject: &Subject,
    resource: &Resource<K>,
    wanted: StarRocksClusterStatus,
) -> Result<Next, PassError> {
    context.upgradeability.release(subject);
    let codes = wanted.blocked.iter().map(|blocked| blocked.code.clone());
    context.telemetry.metrics.waiting(&subject.to_string(), codes);
    let regarding = regarding(subject, &resource.uid);
    let written = apply::publish_status(&context.hands.client, &regarding, &resource.resource_version, &resource.status, &wanted).await;
    match written {
        Ok(Some(version)) => context.memories.expect(subject, Expectations::of_resource(&version)),
        Ok(None) => {}
        Err(apply::ApplyError::Conflict | apply::ApplyError::Gone) => return Ok(Next::After(CHANGED)),
        Err(error) => return Err(error.into()),
    }
    Ok(if resource.parsed.is_ok() { Next::After(NOW_AND_THEN) } else { Next::Rest })
}

/// Forgets a resource that is gone.
pub(super) fn forget(context: &Context, subject: &Subject) -> Next {
    context.memories.forget(subject);
    context.upgradeability.release(subject);
    context.telemetry.metrics.waiting(&subject.to_string(), []);
    Next::Rest
}
