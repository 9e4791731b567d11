//! One pass over a StarRocksCluster: resource, references, proof, observation, decision, acts; then when to look again.

use std::time::Duration;

use super::context::Context;
use super::details;
use super::expectations::Expectations;
use super::lookups::Lookups;
use super::outcome::{self, PassError};
use super::queue::Next;
use super::refusals;
use super::resources::Resource;
use crate::api::StarRocksClusterStatus;
use crate::apply::{self, Regarding, Report, StepError, Target};
use crate::model::{Cluster, Decision, LiveObject, Observed};
use crate::observe::{self, ClusterName};
use crate::plan;
use crate::validate;

/// How soon to look again when the caches are behind our own acts; their events bring it forward.
const CATCH_UP: Duration = Duration::from_millis(500);
/// How soon to look again when nothing can be done and no watch may tell that something can.
const NOW_AND_THEN: Duration = Duration::from_secs(120);
/// How soon to look again when somebody else changed the resource meanwhile.
const CHANGED: Duration = Duration::from_millis(250);

/// Reconciles one cluster.
pub(super) async fn reconcile(context: &Context, name: &ClusterName) -> Result<Next, PassError> {
    let Some(resource) = context.resources.get(name) else { return Ok(forget(context, name)) };
    if resource.deleting || resource.ignored {
        return Ok(Next::Rest);
    }
    if !is_up_to_date(context, name, &resource) {
        return Ok(Next::After(CATCH_UP));
    }
    let api = match &resource.parsed {
        Ok(api) => api,
        Err(error) => return refuse(context, name, &resource, outcome::unreadable(&resource, error, context.settings.clock.now())).await,
    };
    let lookups = Lookups { client: &context.hands.client, memories: &context.memories, cluster: name, generation: resource.generation };
    let references = lookups.references(&validate::wanted_references(api)).await?;
    let cluster = match validate::validate(api, &references, &context.settings.conventions) {
        Ok(cluster) => cluster,
        Err(faults) => {
            lookups.forget();
            return refuse(context, name, &resource, outcome::rejected(&resource, &faults, context.settings.clock.now())).await;
        }
    };
    let login = lookups.login(&cluster.login).await?;
    let now = context.settings.clock.now();
    let mut observed = observe::observe(&cluster, &context.caches, &*context.hands.starrocks, &login, &resource.status, now).await;
    look_at_taken_names(context, name, &cluster.uid, &mut observed).await;
    observed.refusals = context.memories.refusals(name);
    lookups.learn_from(&observed);
    let (mut decision, violations) = plan::guarded(&cluster, &observed);
    outcome::tell(context, name, &decision, violations.iter().map(ToString::to_string));
    let told = details::hold_back(&resource.status, &mut decision, context.memories.told(name));
    let target = target(name, &resource, &cluster, login);
    let report = match apply::apply(&context.hands, &target, &observed, &decision).await {
        Ok(report) => report,
        Err(apply::ApplyError::Conflict | apply::ApplyError::Gone) => return Ok(Next::After(CHANGED)),
        Err(error) => return Err(error.into()),
    };
    context.memories.remember_told(name, told);
    settle(context, name, &report, &decision)
}

/// Whether the watches have seen everything, our own last acts included.
fn is_up_to_date(context: &Context, name: &ClusterName, resource: &Resource) -> bool {
    context.telemetry.health.is_synced(&name.namespace) && context.memories.are_caught_up(name, &context.caches, resource.revision)
}

fn target(
    name: &ClusterName,
    resource: &Resource,
    cluster: &Cluster,
    login: Result<crate::starrocks::Login, crate::model::Silence>,
) -> Target {
    let regarding = Regarding { namespace: name.namespace.clone(), name: name.name.clone(), uid: cluster.uid.clone() };
    Target { regarding, resource_version: resource.resource_version.clone(), query_port: cluster.frontend.query_port(), login }
}

/// Adds objects of others under our names: the caches hold labelled objects only, so these were met when something was to be applied.
async fn look_at_taken_names(context: &Context, name: &ClusterName, owner_uid: &str, observed: &mut Observed) {
    let mut taken = context.memories.taken(name);
    if taken.is_empty() {
        return;
    }
    for key in taken.clone() {
        if let Ok(true) = apply::is_free_or_ours(&context.hands.client, &name.namespace, &key, owner_uid).await {
            taken.remove(&key);
        } else {
            observed.objects.entry(key.kind).or_default().entry(key.name).or_insert_with(LiveObject::foreign);
        }
    }
    context.memories.remember_taken(name, taken);
}

/// Notes what the pass did and when to look again.
fn settle(context: &Context, name: &ClusterName, report: &Report, decision: &Decision) -> Result<Next, PassError> {
    outcome::count(context, name, report);
    context.memories.expect(name, Expectations::of(report, name, |watched| context.watched.contains(&watched)));
    let met = report.failures.iter().filter_map(|failure| match &failure.error {
        StepError::Foreign(key) => Some(key.clone()),
        _ => None,
    });
    let mut taken = context.memories.taken(name);
    taken.extend(met);
    context.memories.remember_taken(name, taken);
    let former = context.memories.refusals(name);
    let refused = refusals::after(name, former, report, decision, context.settings.clock.now());
    context.memories.remember_refusals(name, refused);
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
async fn refuse(context: &Context, name: &ClusterName, resource: &Resource, wanted: StarRocksClusterStatus) -> Result<Next, PassError> {
    let codes = wanted.blocked.iter().map(|blocked| blocked.code.clone());
    context.telemetry.metrics.waiting(&name.to_string(), codes);
    let client = &context.hands.client;
    let written = apply::publish_status(client, &name.namespace, &name.name, &resource.resource_version, &resource.status, &wanted).await;
    match written {
        Ok(Some(version)) => context.memories.expect(name, Expectations::of_resource(&version)),
        Ok(None) => {}
        Err(apply::ApplyError::Conflict | apply::ApplyError::Gone) => return Ok(Next::After(CHANGED)),
        Err(error) => return Err(error.into()),
    }
    Ok(if resource.parsed.is_ok() { Next::After(NOW_AND_THEN) } else { Next::Rest })
}

fn forget(context: &Context, name: &ClusterName) -> Next {
    context.memories.forget(name);
    context.telemetry.metrics.waiting(&name.to_string(), []);
    Next::Rest
}
