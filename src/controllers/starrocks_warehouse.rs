//! One pass over a StarRocksWarehouse: its resource and that of its cluster, proof, observation, decision, acts; then when to look again.

use std::time::Duration;

use super::context::Context;
use super::logs;
use super::lookups::Lookups;
use super::outcome::{self, PassError};
use super::pass;
use super::queue::Next;
use super::resources::Resource;
use super::subject::Subject;
use crate::api::{StarRocksCluster, StarRocksWarehouse};
use crate::model::warehouse::RESOURCE_FINALIZER;
use crate::model::{Decision, Observed, Silence, SilenceKind, WaitingOn, WarehouseReport, WarehouseWait};
use crate::observe::{self, Place};
use crate::plan;
use crate::starrocks::Login;
use crate::validate;

/// How long to wait for the watch of warehouses before it is known that one is gone.
const UNSEEN: Duration = Duration::from_secs(30);
/// Nothing is asked of the frontends when this port is named.
const NO_PORT: u16 = 0;

/// Reconciles one warehouse.
pub(super) async fn reconcile(context: &Context, subject: &Subject) -> Result<Next, PassError> {
    let Some(resource) = context.warehouses.get(subject.place()) else { return release(context, subject).await };
    if resource.ignored {
        return Ok(Next::Rest);
    }
    if !pass::is_up_to_date(context, subject, &resource) {
        return Ok(Next::After(pass::CATCH_UP));
    }
    let now = context.settings.clock.now();
    let api = match &resource.parsed {
        Ok(api) => api,
        Err(error) => return pass::refuse(context, subject, &resource, outcome::unreadable(&resource, error, now)).await,
    };
    let faults = validate::warehouse_faults(api);
    if !resource.deleting && !faults.is_empty() {
        return pass::refuse(context, subject, &resource, outcome::rejected(&resource, &faults, now)).await;
    }
    let report = report(&resource);
    match host(context, subject, api) {
        // What was never made for this resource, or is gone with its cluster, is not dropped.
        _ if report.deleting && !report.held => let_go(context, subject, &resource, report).await,
        None if report.deleting => let_go(context, subject, &resource, report).await,
        None => {
            wait(
                context,
                subject,
                &resource,
                WaitingOn::Warehouse(WarehouseWait::ClusterAbsent { cluster: api.spec.star_rocks_cluster.clone() }),
            )
            .await
        }
        Some(host) => serve(context, subject, &resource, api, &host, report).await,
    }
}

/// The cluster of a warehouse, unless it is being deleted.
fn host(context: &Context, subject: &Subject, api: &StarRocksWarehouse) -> Option<std::sync::Arc<Resource<StarRocksCluster>>> {
    let place = Place { namespace: subject.place().namespace.clone(), name: api.spec.star_rocks_cluster.clone() };
    context.clusters.get(&place).filter(|host| !host.deleting)
}

fn report(resource: &Resource<StarRocksWarehouse>) -> WarehouseReport {
    let held = resource.finalizers.iter().any(|finalizer| finalizer == RESOURCE_FINALIZER);
    WarehouseReport { deleting: resource.deleting, held, ..WarehouseReport::default() }
}

async fn serve(
    context: &Context,
    subject: &Subject,
    resource: &Resource<StarRocksWarehouse>,
    api: &StarRocksWarehouse,
    host: &Resource<StarRocksCluster>,
    report: WarehouseReport,
) -> Result<Next, PassError> {
    let unusable =
        |detail: String| WaitingOn::Warehouse(WarehouseWait::ClusterUnusable { cluster: api.spec.star_rocks_cluster.clone(), detail });
    let host_api = match &host.parsed {
        Ok(host_api) => host_api,
        Err(error) => return wait(context, subject, resource, unusable(format!("{}: {}", error.field, error.error))).await,
    };
    let lookups = Lookups::new(context, subject, [resource.generation, host.generation], &host.status);
    let mut wanted = validate::wanted_references(host_api);
    wanted.extend(validate::warehouse_references(api));
    let references = lookups.references(&wanted).await?;
    let cluster = match validate::validate(host_api, &references, &context.settings.conventions) {
        Ok(cluster) => cluster,
        Err(faults) => {
            lookups.forget();
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            return wait(context, subject, resource, unusable(first)).await;
        }
    };
    let proven = if report.deleting {
        Ok(validate::leaving_warehouse(api, &cluster))
    } else {
        validate::warehouse(api, &cluster, &references, &context.settings.conventions)
    };
    let warehouse = match proven {
        Ok(warehouse) => warehouse,
        Err(faults) => {
            lookups.forget();
            let status = outcome::rejected(resource, &faults, context.settings.clock.now());
            return pass::refuse(context, subject, resource, status).await;
        }
    };
    let login = lookups.login(&cluster.login).await?;
    let now = context.settings.clock.now();
    let starrocks = &*context.hands.starrocks;
    let mut observed = observe::observe_warehouse(&warehouse, &context.caches, starrocks, &login, &resource.status, report, now).await;
    pass::recall(context, subject, &resource.uid, &mut observed).await;
    logs::listen(context, subject, &mut observed).await;
    lookups.learn_from(&observed);
    let (decision, violations) = plan::guarded(&warehouse, &observed);
    outcome::tell(context, subject, &decision, violations.iter().map(ToString::to_string));
    let target = pass::target(subject, resource, cluster.frontend.query_port(), login);
    pass::carry_out(context, subject, &target, &observed, decision).await
}

/// Says what is awaited while nothing is known of the frontends.
async fn wait(context: &Context, subject: &Subject, resource: &Resource<StarRocksWarehouse>, wait: WaitingOn) -> Result<Next, PassError> {
    let now = context.settings.clock.now();
    let decision = plan::without_cluster(&resource.status, &resource.asked(), now, wait);
    let observed = Observed { status: resource.status.clone(), ..Observed::empty(now) };
    finish(context, subject, resource, &observed, decision).await
}

/// Lets the objects and the resource go without dropping anything.
async fn let_go(
    context: &Context,
    subject: &Subject,
    resource: &Resource<StarRocksWarehouse>,
    report: WarehouseReport,
) -> Result<Next, PassError> {
    let now = context.settings.clock.now();
    let remains = observe::remains_of_warehouse(&subject.fleet(), &resource.uid, &context.caches, report, now);
    let observed = Observed { status: resource.status.clone(), ..remains };
    let decision = plan::let_go(&subject.place().name, &observed);
    finish(context, subject, resource, &observed, decision).await
}

async fn finish(
    context: &Context,
    subject: &Subject,
    resource: &Resource<StarRocksWarehouse>,
    observed: &Observed,
    decision: Decision,
) -> Result<Next, PassError> {
    outcome::tell(context, subject, &decision, std::iter::empty());
    let target = pass::target(subject, resource, NO_PORT, nobody());
    pass::carry_out(context, subject, &target, observed, decision).await
}

fn nobody() -> Result<Login, Silence> {
    Err(Silence { kind: SilenceKind::Denied, message: "nothing is asked without a cluster".to_owned() })
}

/// Releases what is left of a warehouse whose resource is gone: a StatefulSet in deletion that the finalizer keeps. The former operator, which
/// put no finalizer on the resource, leaves such ones when it does not run.
async fn release(context: &Context, subject: &Subject) -> Result<Next, PassError> {
    if !context.warehouses.has_seen(&subject.place().namespace) {
        return Ok(Next::After(UNSEEN));
    }
    let now = context.settings.clock.now();
    let observed = observe::remains_of_warehouse(&subject.fleet(), "", &context.caches, WarehouseReport::default(), now);
    let decision = plan::let_go(&subject.place().name, &observed);
    if decision.steps.is_empty() {
        return Ok(pass::forget(context, subject));
    }
    tracing::warn!(warehouse = %subject, "a StatefulSet is released whose warehouse was deleted without this operator; DROP WAREHOUSE is left to its owner");
    let target = apply_target(subject);
    pass::carry_out(context, subject, &target, &observed, decision).await
}

fn apply_target(subject: &Subject) -> crate::apply::Target {
    crate::apply::Target {
        regarding: pass::regarding(subject, ""),
        resource_version: String::new(),
        finalizers: Vec::new(),
        query_port: NO_PORT,
        login: nobody(),
    }
}
