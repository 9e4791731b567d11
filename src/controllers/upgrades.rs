//! The StarRocksUpgrades that the watch has seen; where the kind is not served there are none and none can be made. Never writes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::model::Record;
use crate::observe::Place;

/// All StarRocksUpgrades seen.
#[derive(Debug, Default)]
pub(super) struct Upgrades(RwLock<Seen>);

#[derive(Debug, Default)]
struct Seen {
    all: BTreeMap<Place, Upgrade>,
    /// Namespaces (empty for all of them) of which a full list has been seen.
    listed: BTreeSet<String>,
    /// Whether the server said that it has no such kind.
    absent: bool,
}

/// A StarRocksUpgrade and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Upgrade {
    record: Record,
    owners: Vec<String>,
}

/// What is known of the StarRocksUpgrades of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// All of them, oldest first.
    All(Vec<Record>),
    /// The server does not have the kind.
    NotServed,
    /// The watch has not told yet.
    NotYet,
}

impl Upgrade {
    /// Reads an object; one that cannot be read is as good as none, since nothing is remembered in it.
    pub(super) fn read(object: &DynamicObject) -> Option<(Place, Self)> {
        let place = Place { namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
        let part = |name: &str| object.data.get(name).cloned().unwrap_or_default();
        let record = Record {
            name: place.name.clone(),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or(0),
            spec: serde_json::from_value(part("spec")).ok()?,
            status: serde_json::from_value(part("status")).unwrap_or_default(),
        };
        let owners = object.owner_references().iter().map(|owner| owner.uid.clone()).collect();
        Some((place, Self { record, owners }))
    }

    /// Name of its cluster.
    pub(super) fn cluster(&self) -> &str {
        &self.record.spec.cluster
    }
}

impl Upgrades {
    /// Those that belong to a cluster.
    pub(super) fn of(&self, namespace: &str, cluster_uid: &str) -> Known {
        let seen = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if seen.absent {
            return Known::NotServed;
        }
        if !seen.listed.contains("") && !seen.listed.contains(namespace) {
            return Known::NotYet;
        }
        let own =
            |(place, upgrade): &(&Place, &Upgrade)| place.namespace == namespace && upgrade.owners.iter().any(|uid| uid == cluster_uid);
        let mut records: Vec<Record> = seen.all.iter().filter(own).map(|(_, upgrade)| upgrade.record.clone()).collect();
        records.sort_by(|one, other| (&one.status.started_at, &one.name).cmp(&(&other.status.started_at, &other.name)));
        Known::All(records)
    }

    /// Notes that the server has no such kind.
    pub(super) fn are_not_served(&self) {
        *self.write() = Seen { absent: true, ..Seen::default() };
    }

    pub(super) fn put(&self, place: Place, upgrade: Upgrade) {
        self.write().all.insert(place, upgrade);
    }

    /// Forgets one and names its cluster.
    pub(super) fn remove(&self, place: &Place) -> Option<String> {
        self.write().all.remove(place).map(|upgrade| upgrade.record.spec.cluster)
    }

    /// Replaces those of a namespace (all for the empty one) by a full list; names the clusters concerned.
    pub(super) fn replace(&self, scope: &str, listed: Vec<(Place, Upgrade)>) -> BTreeSet<Place> {
        let mut seen = self.write();
        seen.absent = false;
        seen.listed.insert(scope.to_owned());
        let mut clusters = BTreeSet::new();
        seen.all.retain(|place, upgrade| {
            let stays = !scope.is_empty() && place.namespace != scope;
            if !stays {
                clusters.insert(Place { namespace: place.namespace.clone(), name: upgrade.cluster().to_owned() });
            }
            stays
        });
        for (place, upgrade) in listed {
            clusters.insert(Place { namespace: place.namespace.clone(), name: upgrade.cluster().to_owned() });
            seen.all.insert(place, upgrade);
        }
        clusters
    }

    // Nothing above panics while holding the lock, so a poisoned one still holds whole contents.
    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Seen> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upgrade(name: &str, owner: &str) -> (Place, Upgrade) {
        let object = json!({
            "metadata": { "name": name, "namespace": "n", "uid": name, "generation": 2, "resourceVersion": "9",
                "ownerReferences": [{ "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "name": "kube", "uid": owner }] },
            "spec": { "cluster": "kube", "from": "3.3.13", "to": "3.5.9", "paused": true },
        });
        Upgrade::read(&serde_json::from_value(object).expect("an object")).expect("readable")
    }

    #[test]
    fn only_what_a_cluster_owns_is_its_own() {
        let upgrades = Upgrades::default();
        assert_eq!(upgrades.of("n", "u"), Known::NotYet);
        let clusters = upgrades.replace("", vec![upgrade("mine", "u"), upgrade("theirs", "former")]);
        assert_eq!(clusters.len(), 1);
        let Known::All(records) = upgrades.of("n", "u") else { panic!("listed") };
        assert_eq!(records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["mine"]);
        assert_eq!(records[0].spec.paused, Some(true));
        assert_eq!(upgrades.remove(&upgrade("mine", "u").0).as_deref(), Some("kube"));
        assert_eq!(upgrades.of("n", "u"), Known::All(Vec::new()));
    }

    #[test]
    fn a_server_without_the_kind_has_none_and_takes_none() {
        let upgrades = Upgrades::default();
        upgrades.are_not_served();
        assert_eq!(upgrades.of("n", "u"), Known::NotServed);
        upgrades.replace("n", Vec::new());
        assert_eq!(upgrades.of("n", "u"), Known::All(Vec::new()));
        assert_eq!(upgrades.of("other", "u"), Known::NotYet);
    }
}
