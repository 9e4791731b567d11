//! One pass over a StarRocksCluster: resource, references, proof, observation, decision, acts; then when to look again.

use std::time::Duration;

use super::context::Context;
use super::logs;
use super::lookups::Lookups;
use super::outcome::{self, PassError};
use super::pass;
use super::queue::Next;
use super::subject::Subject;
use super::upgrades::Known;
use crate::model::Observed;
use crate::observe;
use crate::plan;
use crate::validate;

/// How long after the start an operation waits for what users say in its StarRocksUpgrade.
const FIRST_WORD: Duration = Duration::from_secs(30);

/// Reconciles one cluster.
pub(super) async fn reconcile(context: &Context, subject: &Subject) -> Result<Next, PassError> {
    let Some(resource) = context.clusters.get(subject.place()) else { return Ok(pass::forget(context, subject)) };
    if resource.deleting || resource.ignored {
        context.upgradeability.release(subject);
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
    let follows = api.spec.configuration_update.is_some();
    let lookups = Lookups::new(context, subject, [resource.generation, 0], &resource.status).following(follows);
    let references = lookups.references(&validate::wanted_references(api)).await?;
    let cluster = match validate::validate(api, &references, &context.settings.conventions) {
        Ok(cluster) => cluster,
        Err(faults) => {
            lookups.forget();
            return pass::refuse(context, subject, &resource, outcome::rejected(&resource, &faults, now)).await;
        }
    };
    let login = lookups.login(&cluster.login).await?;
    let now = context.settings.clock.now();
    let mut observed = observe::observe(&cluster, &context.caches, &*context.hands.starrocks, &login, &resource.status, now).await;
    observed.records = match context.upgrades.of(&cluster.namespace, &cluster.uid) {
        Known::All(records) => Some(records),
        Known::NotServed => None,
        // A word that was said there must not be missed after a restart; but what cannot be read must not hold everything for ever either.
        Known::NotYet if awaits_record(&observed) && now.since(context.began) < FIRST_WORD => return Ok(Next::After(pass::CATCH_UP)),
        Known::NotYet => None,
    };
    pass::recall(context, subject, &cluster.uid, &mut observed).await;
    pass::look_at_budgets(context, &cluster, &mut observed).await;
    logs::listen(context, subject, &mut observed).await;
    lookups.learn_from(&observed);
    let (decision, violations) = plan::guarded(&cluster, &observed);
    outcome::tell(context, subject, &decision, violations.iter().map(ToString::to_string));
    let target = pass::target(subject, &resource, cluster.frontend.query_port(), login);
    pass::carry_out(context, subject, &target, &observed, decision).await
}

fn awaits_record(observed: &Observed) -> bool {
    observed.status.operation.as_ref().is_some_and(|operation| operation.record.is_some())
}
