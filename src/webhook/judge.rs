//! A request in, the verdict of its kind out; what is not ours to judge is allowed without a word.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::review::{Request, Verdict};
use super::{Webhook, catalog, cluster, upgrade, warehouse};
use crate::api::StarRocksClusterStatus;
use crate::model::Cluster;
use crate::model::component::IGNORED_ANNOTATION;

const GROUP: &str = "starrocks.com";

/// Pods of a component beyond which restarts are not counted out: what an answer costs must not grow with a number that anybody can write.
const PODS_MAX: u32 = 1_000;

/// What is to be compared: nothing before a CREATE.
pub(super) struct Change<'a> {
    pub(super) before: Option<&'a Value>,
    pub(super) after: &'a Value,
}

/// The kind under which a request is counted.
pub(super) fn kind(request: &Request) -> &'static str {
    let known = ["StarRocksCluster", "StarRocksWarehouse", "StarRocksVersionCatalog", "StarRocksUpgrade"];
    known.into_iter().find(|kind| *kind == request.kind.kind).unwrap_or("other")
}

/// Judges a request.
pub(super) fn judge(webhook: &Webhook, request: &Request) -> Verdict {
    let of_status = request.sub_resource.as_deref().is_some_and(|part| !part.is_empty());
    let elsewhere = request.namespace.as_deref().is_some_and(|namespace| !namespace.is_empty() && !(webhook.serves)(namespace));
    let before = match request.operation.as_str() {
        "CREATE" => None,
        "UPDATE" => Some(&request.old_object),
        _ => return Verdict::default(),
    };
    let change = Change { before, after: &request.object };
    if request.kind.group != GROUP || of_status || elsewhere || !change.is_to_be_judged() {
        return Verdict::default();
    }
    match kind(request) {
        "StarRocksCluster" => cluster::judge(webhook, &change),
        "StarRocksWarehouse" => warehouse::judge(webhook, &change),
        "StarRocksVersionCatalog" => catalog::judge(&change),
        "StarRocksUpgrade" => upgrade::judge(&change),
        _ => Verdict::default(),
    }
}

impl Change<'_> {
    /// Metadata, finalizers and the status are nobody's fault, what is being deleted goes, and what operators shall leave alone they do not judge.
    fn is_to_be_judged(&self) -> bool {
        let metadata = &self.after["metadata"];
        let leaving = metadata.get("deletionTimestamp").is_some_and(|moment| !moment.is_null());
        let ignored = metadata["annotations"][IGNORED_ANNOTATION] == "true";
        let same = self.before.is_some_and(|before| before["spec"] == self.after["spec"]);
        self.after.is_object() && !leaving && !ignored && !same
    }
}

/// Whether the restarts of these can be counted out.
pub(super) fn are_countable<'a>(clusters: impl IntoIterator<Item = &'a Cluster>, status: &StarRocksClusterStatus) -> bool {
    let told = [&status.star_rocks_fe_status, &status.star_rocks_be_status].into_iter().flatten();
    let told = told.chain(status.star_rocks_cn_status.as_ref().map(|status| &status.component));
    let counts = told.flat_map(|status| status.running_versions.values()).map(|count| count.unsigned_abs());
    let wanted = clusters.into_iter().flat_map(|cluster| cluster.workloads().map(|workload| workload.replicas));
    counts.chain(wanted).all(|pods| pods <= PODS_MAX)
}

/// Reads a resource, or says in the words of a refusal why it cannot be read.
pub(super) fn parse<K: DeserializeOwned>(object: &Value, code: &str) -> Result<K, String> {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    serde_json::from_value(object).map_err(|error| format!("{code} spec: the resource cannot be read: {error}. Correct the field."))
}

/// What is wrong now and was not before, by code and field, in words.
pub(super) fn new_faults<F>(
    before: &[F],
    after: &[F],
    identity: impl Fn(&F) -> (&'static str, &str),
    words: impl Fn(&F) -> String,
) -> Vec<String> {
    after.iter().filter(|fault| !before.iter().any(|former| identity(former) == identity(fault))).map(words).collect()
}
