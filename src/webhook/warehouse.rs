//! A StarRocksWarehouse that is made or changed in, what `validate` would refuse whatever its cluster is and what would restart out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Webhook;
use super::judge::{Change, are_countable, new_faults, parse};
use super::review::Verdict;
use super::warnings;
use crate::api::{ComponentSpec, FeSpec, StarRocksCluster, StarRocksClusterSpec, StarRocksWarehouse};
use crate::model::cluster::Cluster;
use crate::model::warehouse;
use crate::plan;
use crate::release::ReleaseTable;
use crate::validate::{self, FieldFault, References, Rule};

/// Judges a StarRocksWarehouse.
pub(super) fn judge(webhook: &Webhook, change: &Change<'_>) -> Verdict {
    let former = change.before.map(|before| parse::<StarRocksWarehouse>(before, UNREADABLE));
    let resource = match parse::<StarRocksWarehouse>(change.after, UNREADABLE) {
        Ok(resource) => resource,
        Err(why) if matches!(former, Some(Err(_))) => return Verdict::warned(warnings::lines(vec![why])),
        Err(why) => return Verdict::refused(vec![why]),
    };
    let former = match former {
        Some(Ok(former)) => Some(former),
        Some(Err(_)) => return Verdict::default(),
        None => None,
    };
    let known = former.as_ref().map(|former| faults(webhook, former)).unwrap_or_default();
    let refused = new_faults(&known, &faults(webhook, &resource), |fault| (fault.code, &fault.field), ToString::to_string);
    if !refused.is_empty() {
        return Verdict::refused(refused);
    }
    let Some(former) = former else { return Verdict::default() };
    // Where an image follows from the cluster's release, it does so before and after: any release shows what else differs.
    let both = |release: Option<String>| {
        let host = host(webhook, &resource, release)?;
        Some((prove(webhook, &former, &host).ok()?, prove(webhook, &resource, &host).ok()?))
    };
    let newest = ReleaseTable::embedded().newest().map(|newest| newest.to_string());
    let Some((before, after)) = both(None).or_else(|| both(newest)) else { return Verdict::default() };
    let status = warehouse::remembered(former.status.clone().unwrap_or_default());
    if !are_countable([&before, &after], &status) {
        return Verdict::default();
    }
    let runs = plan::as_described(&before, &status, webhook.clock.now());
    Verdict::warned(warnings::of_change(&plan::preview(&after, &runs), Vec::new()))
}

const UNREADABLE: &str = "SR-3000";

/// What is wrong with a warehouse whatever its cluster is: what its cluster may give, an image for one, is not missed.
fn faults(webhook: &Webhook, resource: &StarRocksWarehouse) -> Vec<FieldFault> {
    let proven = host(webhook, resource, None).map(|host| prove(webhook, resource, &host));
    let found = proven.and_then(Result::err).unwrap_or_else(|| validate::warehouse_faults(resource));
    let of_cluster = [Rule::ImageMissing, Rule::VersionConflict, Rule::PortConflict, Rule::ConfigurationPort];
    found.into_iter().filter(|fault| !of_cluster.iter().any(|rule| rule.code() == fault.code)).collect()
}

fn prove(webhook: &Webhook, resource: &StarRocksWarehouse, host: &Cluster) -> Result<Cluster, Vec<FieldFault>> {
    validate::warehouse(resource, host, &references(webhook), &webhook.conventions)
}

fn references(webhook: &Webhook) -> References {
    References { config_maps: BTreeMap::new(), releases: Arc::clone(&webhook.releases.borrow()), ..References::default() }
}

/// A cluster in place of the one that is not seen here.
fn host(webhook: &Webhook, resource: &StarRocksWarehouse, release: Option<String>) -> Option<Cluster> {
    let mut section = ComponentSpec::default();
    section.load.image = release.is_none().then(|| "starrocks/fe-ubuntu:unseen".to_owned());
    let spec = StarRocksClusterSpec {
        version: release,
        star_rocks_fe_spec: Some(FeSpec { component: section, ..FeSpec::default() }),
        ..StarRocksClusterSpec::default()
    };
    let mut host = StarRocksCluster::new("unseen", spec);
    host.metadata.namespace.clone_from(&resource.metadata.namespace);
    validate::validate(&host, &references(webhook), &webhook.conventions).ok()
}
