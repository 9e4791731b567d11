//! Reads resources, the objects that exist for them, and the Lease; get and list only.

use std::collections::BTreeMap;

use anyhow::Context;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, ResourceExt};

use super::{Answer, Blocked, Holder, Verdict};
use crate::apply::{ResourceKind, resource_of};
use crate::clock::Clock;
use crate::controllers::parse_cluster;
use crate::model::cluster::Conventions;
use crate::model::component::{FORMER_FIELD_MANAGER, IGNORED_ANNOTATION, LEASE_NAME, OWNER_LABEL};
use crate::model::{Cluster, LiveObject, ObjectKey, ObjectKind, Observed, WaitingOn};
use crate::observe::{self, project_object};
use crate::plan::{self, Change};
use crate::validate::{self, References, Rule};

/// Objects of all clusters: by namespace, name of the cluster on their label, kind and name.
type Found = BTreeMap<(String, String), Vec<(ObjectKind, DynamicObject)>>;

/// Looks at one namespace, or at all with an empty name.
pub(super) async fn look(client: &Client, namespace: &str, conventions: &Conventions) -> anyhow::Result<Answer> {
    let mut answer = Answer::default();
    holders(client, &mut answer).await;
    let clusters = list(client, namespace, &ResourceKind::Cluster.api_resource(), None).await.context("listing StarRocksClusters")?;
    let mut found = Found::new();
    for kind in ObjectKind::ALL {
        let listed = list(client, namespace, &resource_of(kind), Some(OWNER_LABEL)).await;
        for object in listed.with_context(|| format!("listing {}s", kind.name()))? {
            let owner = object.labels().get(OWNER_LABEL).cloned().unwrap_or_default();
            found.entry((object.namespace().unwrap_or_default(), owner)).or_default().push((kind, object));
        }
    }
    for cluster in clusters {
        answer.resources.push(judge(client, cluster, &found, conventions).await?);
    }
    Ok(answer)
}

async fn judge(client: &Client, object: DynamicObject, found: &Found, conventions: &Conventions) -> anyhow::Result<Verdict> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let base = |verdict: Change| Verdict {
        kind: ResourceKind::Cluster.name(),
        namespace: namespace.clone(),
        name: name.clone(),
        verdict,
        blocked: Vec::new(),
        note: None,
        objects: Vec::new(),
    };
    let noted = |note: &str| Verdict { note: Some(note.to_owned()), ..base(Change::Unchanged) };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(noted("it is being deleted"));
    }
    if object.annotations().get(IGNORED_ANNOTATION).is_some_and(|value| value == "true") {
        return Ok(noted("the resource tells operators to leave it alone (starrocks.com/ignored)"));
    }
    let blocked = |blocked: Vec<Blocked>| Verdict { blocked, ..base(Change::CannotBeTakenOver) };
    let resource = match parse_cluster(object) {
        Ok(resource) => resource,
        Err(error) => {
            let message = format!("{}: the resource cannot be read: {}. Correct the field", error.field, error.error);
            return Ok(blocked(vec![Blocked { code: "SR-3000".to_owned(), message }]));
        }
    };
    let wanted = validate::wanted_references(&resource);
    let config_maps = observe::config_maps(client, &namespace, &wanted).await.context("reading what a cluster refers to")?;
    let cluster = match validate::validate(&resource, &References { config_maps, ..References::default() }, conventions) {
        Ok(cluster) => cluster,
        Err(faults) if faults.iter().all(|fault| fault.code == Rule::NothingDeclared.code()) => {
            return Ok(noted("it declares no component"));
        }
        Err(faults) => {
            let told = |fault: &validate::FieldFault| Blocked {
                code: fault.code.to_owned(),
                message: format!("{}: {}. {}", fault.field, fault.rule, fault.way_out),
            };
            return Ok(blocked(faults.iter().map(told).collect()));
        }
    };
    let adoption = plan::adoption(&cluster, &observed(client, &cluster, found).await?);
    let blocked = adoption.objects.iter().filter_map(|object| object.blocked.as_ref());
    let blocked = blocked.map(|wait: &WaitingOn| Blocked { code: wait.code().to_owned(), message: wait.to_string() }).collect();
    Ok(Verdict { blocked, objects: adoption.objects, ..base(adoption.verdict) })
}

/// What exists for a cluster: what carries its label, and whatever has a name that it needs.
async fn observed(client: &Client, cluster: &Cluster, found: &Found) -> anyhow::Result<Observed> {
    let mut observed = Observed::empty(Clock::system().now());
    let labelled = found.get(&(cluster.namespace.clone(), cluster.name.clone())).into_iter().flatten();
    for (kind, object) in labelled {
        put(&mut observed, cluster, *kind, object)?;
    }
    for ObjectKey { kind, name } in crate::build::objects(cluster).iter().map(crate::model::Object::key) {
        if observed.object(kind, &name).is_some() {
            continue;
        }
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &cluster.namespace, &resource_of(kind));
        let taken = api.get_opt(&name).await.with_context(|| format!("reading {} {name}", kind.name()))?;
        if let Some(object) = taken {
            put(&mut observed, cluster, kind, &object)?;
        }
    }
    Ok(observed)
}

fn put(observed: &mut Observed, cluster: &Cluster, kind: ObjectKind, object: &DynamicObject) -> anyhow::Result<()> {
    let live: LiveObject = project_object(&serde_json::to_value(object)?, &cluster.uid);
    observed.objects.entry(kind).or_default().insert(object.name_any(), live);
    Ok(())
}

/// Lists everything of a kind, page by page; a kind that the server does not have has no objects.
async fn list(client: &Client, namespace: &str, kind: &ApiResource, label: Option<&str>) -> kube::Result<Vec<DynamicObject>> {
    let api: Api<DynamicObject> =
        if namespace.is_empty() { Api::all_with(client.clone(), kind) } else { Api::namespaced_with(client.clone(), namespace, kind) };
    let mut params = ListParams::default().limit(200);
    if let Some(label) = label {
        params = params.labels(label);
    }
    let mut all = Vec::new();
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.is_not_found() && kind.kind == ObjectKind::HorizontalPodAutoscaler.name() => {
                return Ok(all);
            }
            Err(error) => return Err(error),
        };
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

/// Who holds the Lease of the operators, in whatever namespace one runs.
async fn holders(client: &Client, answer: &mut Answer) {
    let leases: Api<Lease> = Api::all(client.clone());
    match leases.list(&ListParams::default().fields(&format!("metadata.name={LEASE_NAME}"))).await {
        Ok(listed) => answer.operators.extend(listed.items.iter().filter_map(holder)),
        Err(error) => answer
            .warnings
            .push(format!("whether an operator holds the Lease {LEASE_NAME} is not known ({error}); see `kubectl get lease -A`")),
    }
}

fn holder(lease: &Lease) -> Option<Holder> {
    let spec = lease.spec.as_ref()?;
    let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty())?;
    let now = Clock::system().now().as_millis();
    let seconds = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    // One that died holding it does not hold it any more.
    let valid = renewed.is_some_and(|renewed| now < renewed.as_millisecond() + seconds * 1_000);
    valid.then(|| Holder {
        namespace: lease.metadata.namespace.clone().unwrap_or_default(),
        is_go_operator: is_go(lease, &holder),
        holder,
        renewed: renewed.map(|renewed| renewed.to_string()),
    })
}

/// The Go operator writes under its own name and calls itself after its host and a random UUID.
fn is_go(lease: &Lease, holder: &str) -> bool {
    let writes =
        |entry: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry| entry.manager.as_deref() == Some(FORMER_FIELD_MANAGER);
    let last = holder.rsplit('_').next().unwrap_or_default();
    let is_uuid = last.len() == 36 && last.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    is_uuid || lease.metadata.managed_fields.iter().flatten().any(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_go_operator_is_known_by_the_form_of_its_name() {
        let lease = Lease::default();
        assert!(is_go(&lease, "kube-starrocks-operator-7d9f_0b8d9e52-6a3e-4c8e-9d24-000000000001"));
        assert!(!is_go(&lease, "starrocks-operator-7d9f_1_19b2c3d4e5f"));
    }
}
