//! Who holds the Lease of the operators, in whatever namespace one runs; lists Leases and never takes one.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Client;
use kube::api::{Api, ListParams};

use super::{Answer, Holder};
use crate::clock::Clock;
use crate::model::component::{FORMER_FIELD_MANAGER, LEASE_NAME};

/// Adds who holds the Lease, or that it could not be asked.
pub(super) async fn find(client: &Client, answer: &mut Answer) {
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
    let writes = |entry: &ManagedFieldsEntry| entry.manager.as_deref() == Some(FORMER_FIELD_MANAGER);
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
