//! A StarRocksCluster that is made or changed in, what `validate` or the release table would refuse and what would restart out; sees no other object.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Webhook;
use super::judge::{Change, are_countable, new_faults, parse};
use super::review::Verdict;
use super::warnings;
use crate::api::{StarRocksCluster, StarRocksClusterStatus};
use crate::model::cluster::{Advice, Cluster};
use crate::plan;
use crate::release::Catalog;
use crate::validate::{FieldFault, References, Rule, validate, wanted_references};

/// Judges a StarRocksCluster.
pub(super) fn judge(webhook: &Webhook, change: &Change<'_>) -> Verdict {
    let releases = Arc::clone(&webhook.releases.borrow());
    let former = change.before.map(|before| parse::<StarRocksCluster>(before, UNREADABLE));
    let resource = match parse::<StarRocksCluster>(change.after, UNREADABLE) {
        Ok(resource) => resource,
        // It was so before: whoever mends another field first is not kept from it.
        Err(why) if matches!(former, Some(Err(_))) => return Verdict::warned(warnings::lines(vec![why])),
        Err(why) => return Verdict::refused(vec![why]),
    };
    let status = former.as_ref().and_then(|former| former.as_ref().ok()?.status.clone()).unwrap_or_default();
    let proven = prove(webhook, &resource, &status, &releases);
    let Some(former) = former else { return of_new(&resource, proven, &releases) };
    let Ok(former) = former else { return Verdict::default() };
    let before = prove(webhook, &former, &status, &releases);
    match proven {
        Ok(cluster) => of_changed(webhook, &Step { former: &before, cluster: &cluster, status: &status, releases: &releases }),
        Err(faults) => {
            let known: &[FieldFault] = before.as_ref().err().map_or(&[], Vec::as_slice);
            let (to_refuse, to_tell) = sorted(&resource, &faults, &releases);
            let refused = new_faults(known, &to_refuse, |fault| (fault.code, &fault.field), ToString::to_string);
            if refused.is_empty() { Verdict::warned(warnings::lines(to_tell)) } else { Verdict::refused(refused) }
        }
    }
}

const UNREADABLE: &str = "SR-3000";

fn prove(
    webhook: &Webhook,
    resource: &StarRocksCluster,
    status: &StarRocksClusterStatus,
    releases: &Arc<Catalog>,
) -> Result<Cluster, Vec<FieldFault>> {
    let references = References { config_maps: BTreeMap::new(), releases: Arc::clone(releases), status: status.clone() };
    validate(resource, &references, &webhook.conventions)
}

fn of_new(resource: &StarRocksCluster, proven: Result<Cluster, Vec<FieldFault>>, releases: &Catalog) -> Verdict {
    match proven {
        Ok(cluster) => Verdict::warned(warnings::lines(advice(&cluster, &[]))),
        Err(faults) => {
            let (to_refuse, to_tell) = sorted(resource, &faults, releases);
            let refused: Vec<String> = to_refuse.iter().map(ToString::to_string).collect();
            if refused.is_empty() { Verdict::warned(warnings::lines(to_tell)) } else { Verdict::refused(refused) }
        }
    }
}

/// Faults that can be judged here, and those that cannot, in words.
fn sorted(resource: &StarRocksCluster, faults: &[FieldFault], releases: &Catalog) -> (Vec<FieldFault>, Vec<String>) {
    let is = |fault: &FieldFault, rules: &[Rule]| rules.iter().any(|rule| rule.code() == fault.code);
    let channel_unseen = !releases.is_complete() && faults.iter().any(|fault| is(fault, &CHANNEL));
    let configuration_unseen = !wanted_references(resource).is_empty();
    let needs_more = |fault: &&FieldFault| {
        // An empty resource was always taken, and means that there is nothing to do.
        is(fault, &[Rule::NothingDeclared])
            || channel_unseen && (is(fault, &CHANNEL) || is(fault, &[Rule::ImageMissing]))
            || configuration_unseen && is(fault, &[Rule::PortConflict, Rule::ConfigurationPort, Rule::RunMode])
    };
    let (told, refused): (Vec<&FieldFault>, Vec<&FieldFault>) = faults.iter().partition(needs_more);
    // Images that follow from the channel are no faults of their own.
    let told = told.into_iter().filter(|fault| !is(fault, &[Rule::ImageMissing])).map(ToString::to_string);
    (refused.into_iter().cloned().collect(), told.collect())
}

/// What depends on catalogs.
const CHANNEL: [Rule; 2] = [Rule::ChannelUnknown, Rule::ChannelHead];

/// A change of the spec that is sound in itself.
struct Step<'a> {
    former: &'a Result<Cluster, Vec<FieldFault>>,
    cluster: &'a Cluster,
    status: &'a StarRocksClusterStatus,
    releases: &'a Catalog,
}

fn of_changed(webhook: &Webhook, step: &Step<'_>) -> Verdict {
    let Step { former, cluster, status, releases } = step;
    let known: &[Advice] = former.as_ref().map_or(&[], |former| &former.advice);
    if !are_countable(former.iter().chain([*cluster]), status) {
        return Verdict::warned(warnings::lines(advice(cluster, known)));
    }
    let runs = plan::as_described(former.as_ref().unwrap_or(cluster), status, webhook.clock.now());
    let preview = plan::preview(cluster, &runs);
    if let Some(wait) = plan::refused_way(cluster, &runs) {
        let asked_before = former.as_ref().map_or(true, |former| plan::refused_way(former, &runs).as_ref() == Some(&wait));
        // Catalogs that this process has not read may allow it.
        if !asked_before && releases.is_complete() {
            return Verdict::refused(vec![format!("{} {}: {wait}.", wait.code(), asking(cluster))]);
        }
    }
    Verdict::warned(warnings::of_change(&preview, advice(cluster, known)))
}

/// The field that asks for the release.
fn asking(cluster: &Cluster) -> &'static str {
    match (&cluster.version, &cluster.following) {
        (_, Some(_)) => "spec.channel",
        (Some(_), None) => "spec.version",
        (None, None) => "spec.starRocksFeSpec.image",
    }
}

/// Advice that is new; what would follow from a configuration that is not seen here is not judged.
fn advice(cluster: &Cluster, known: &[Advice]) -> Vec<String> {
    let unread = |advice: &&Advice| advice.code == Rule::ConfigurationUnread.code();
    let any_unread = cluster.advice.iter().any(|advice| unread(&advice));
    // Where the run mode is not seen, data may live in object storage.
    let unjudged = |advice: &&Advice| unread(advice) || any_unread && advice.code == Rule::DataNotLasting.code();
    let told = |advice: &Advice| format!("{} {}: {}", advice.code, advice.field, advice.message);
    cluster.advice.iter().filter(|advice| !unjudged(advice) && !known.contains(advice)).map(told).collect()
}
