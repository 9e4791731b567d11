//! What the watches have seen, already projected: entries in, snapshots of one cluster out; never asks Kubernetes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod as LivePod};
use serde_json::Value;

use super::project::{cluster_of_labels, controller_uid, ownership, project_claim, project_object, project_pod, project_pull};
use crate::model::observed::{Claim, ImagePull, LiveObject, ObjectKind, Ownership, Pod};

/// Something that is watched and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// Owned objects of a kind.
    Object(ObjectKind),
    /// Pods of StatefulSets and Deployments.
    Pod,
    /// Claims of those pods.
    Claim,
}

impl Watched {
    /// Everything that is watched beside the resources themselves.
    pub const ALL: [Self; 7] = [
        Self::Object(ObjectKind::ConfigMap),
        Self::Object(ObjectKind::Service),
        Self::Object(ObjectKind::StatefulSet),
        Self::Object(ObjectKind::Deployment),
        Self::Object(ObjectKind::HorizontalPodAutoscaler),
        Self::Pod,
        Self::Claim,
    ];

    /// The Kubernetes kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Object(kind) => kind.name(),
            Self::Pod => "Pod",
            Self::Claim => "PersistentVolumeClaim",
        }
    }
}

/// Namespace and name of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Namespace and name of a cluster.
pub type ClusterName = Place;

/// A resource version as a number, so that "at least as new as" can be asked. Kubernetes promises comparable versions since 1.35 and has
/// always had them; one that is no number is older than all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

impl Revision {
    /// Reads `metadata.resourceVersion`.
    pub fn parse(text: &str) -> Self {
        Self(text.parse().unwrap_or(0))
    }
}

/// The kept part of something seen.
#[derive(Clone, Debug)]
pub enum Projection {
    /// An owned object; its ownership is judged when it is read.
    Object {
        /// UID of its controller.
        controller_uid: Option<String>,
        /// The object.
        object: Stored,
    },
    /// A pod.
    Pod(Pod),
    /// A pod that has an image pulled.
    Pull(ImagePull),
    /// A claim.
    Claim(Claim),
}

/// An owned object as it lies on the shelf: its body as text, which takes a fifth of the memory of a parsed one and is read again for the one pass that needs it.
#[derive(Clone, Debug)]
pub struct Stored {
    uid: String,
    resource_version: String,
    deleting: bool,
    body: Box<str>,
}

impl Stored {
    fn put_away(object: LiveObject) -> Self {
        let LiveObject { uid, resource_version, ownership: _, deleting, body } = object;
        Self { uid, resource_version, deleting, body: body.to_string().into() }
    }

    fn take_out(&self, ownership: Ownership) -> LiveObject {
        let Self { uid, resource_version, deleting, body } = self;
        // It was written by the same crate from the same type.
        let body = serde_json::from_str(body).unwrap_or_default();
        LiveObject { uid: uid.clone(), resource_version: resource_version.clone(), ownership, deleting: *deleting, body }
    }
}

/// Something seen by a watch.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where.
    pub place: Place,
    /// Name of the cluster by its labels.
    pub cluster: String,
    /// Its resource version.
    pub revision: Revision,
    /// What is kept of it.
    pub projection: Projection,
}

impl Entry {
    /// The entry for an owned object; `None` without our label.
    pub fn from_object(object: &Value) -> Option<Self> {
        let metadata = serde_json::from_value(object.get("metadata")?.clone()).ok()?;
        let controller_uid = controller_uid(object).map(str::to_owned);
        let object = project_object(object, controller_uid.as_deref().unwrap_or_default());
        Self::new(&metadata, true, Projection::Object { controller_uid, object: Stored::put_away(object) })
    }

    /// The entry for a pod; `None` without our labels.
    pub fn from_pod(pod: &LivePod) -> Option<Self> {
        let projection = project_pod(pod).map(Projection::Pod).or_else(|| project_pull(pod).map(Projection::Pull));
        Self::new(&pod.metadata, false, projection?)
    }

    /// The entry for a claim; `None` without our labels.
    pub fn from_claim(claim: &PersistentVolumeClaim) -> Option<Self> {
        Self::new(&claim.metadata, false, Projection::Claim(project_claim(claim)))
    }

    fn new(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, is_object: bool, projection: Projection) -> Option<Self> {
        let place = Place { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone()? };
        let revision = Revision::parse(metadata.resource_version.as_deref().unwrap_or_default());
        Some(Self { place, cluster: cluster_of_labels(metadata, is_object)?, revision, projection })
    }

    /// The cluster to look at because of this entry.
    pub fn cluster_name(&self) -> ClusterName {
        Place { namespace: self.place.namespace.clone(), name: self.cluster.clone() }
    }
}

/// What the watches have seen so far.
#[derive(Debug, Default)]
pub struct Caches(RwLock<Contents>);

#[derive(Debug, Default)]
struct Contents {
    shelves: BTreeMap<Watched, Shelf>,
    /// The newest revision that each watch (kind and namespace, empty for all) has passed.
    passed: BTreeMap<(Watched, String), Revision>,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: BTreeMap<Place, Entry>,
    by_cluster: BTreeMap<ClusterName, BTreeSet<String>>,
}

impl Shelf {
    fn put(&mut self, entry: Entry) {
        self.remove(&entry.place);
        self.by_cluster.entry(entry.cluster_name()).or_default().insert(entry.place.name.clone());
        self.entries.insert(entry.place.clone(), entry);
    }

    fn remove(&mut self, place: &Place) -> Option<Entry> {
        let entry = self.entries.remove(place)?;
        let cluster = entry.cluster_name();
        if let Some(names) = self.by_cluster.get_mut(&cluster) {
            names.remove(&place.name);
            if names.is_empty() {
                self.by_cluster.remove(&cluster);
            }
        }
        Some(entry)
    }
}

/// The objects, pods and claims of one cluster.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    pub(super) objects: BTreeMap<ObjectKind, BTreeMap<String, LiveObject>>,
    pub(super) pods: BTreeMap<String, Pod>,
    pub(super) pulls: BTreeMap<String, ImagePull>,
    pub(super) claims: BTreeMap<String, Claim>,
}

impl Caches {
    /// Caches that have seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores what a watch of `scope` (a namespace, empty for all) has seen.
    pub fn put(&self, watched: Watched, scope: &str, entry: Entry) {
        let mut contents = self.write();
        contents.pass(watched, scope, entry.revision);
        contents.shelves.entry(watched).or_default().put(entry);
    }

    /// Forgets what a watch has seen vanish, and names the cluster it belonged to.
    pub fn remove(&self, watched: Watched, scope: &str, place: &Place, revision: Revision) -> Option<ClusterName> {
        let mut contents = self.write();
        contents.pass(watched, scope, revision);
        contents.shelves.get_mut(&watched)?.remove(place).map(|entry| entry.cluster_name())
    }

    /// Replaces everything of a watch by a full list, and names the clusters whose belongings changed by it.
    pub fn replace(&self, watched: Watched, scope: &str, entries: Vec<Entry>, revision: Revision) -> BTreeSet<ClusterName> {
        let mut contents = self.write();
        contents.pass(watched, scope, revision);
        let shelf = contents.shelves.entry(watched).or_default();
        let mut changed = BTreeSet::new();
        let listed: BTreeSet<Place> = entries.iter().map(|entry| entry.place.clone()).collect();
        let in_scope = |place: &&Place| scope.is_empty() || place.namespace == scope;
        let gone: Vec<Place> = shelf.entries.keys().filter(in_scope).filter(|place| !listed.contains(place)).cloned().collect();
        for place in gone {
            changed.extend(shelf.remove(&place).map(|entry| entry.cluster_name()));
        }
        for entry in entries {
            if shelf.entries.get(&entry.place).is_none_or(|known| known.revision != entry.revision) {
                changed.insert(entry.cluster_name());
                shelf.put(entry);
            }
        }
        changed
    }

    /// Notes that a watch has told everything up to a revision: a bookmark.
    pub fn pass(&self, watched: Watched, scope: &str, revision: Revision) {
        self.write().pass(watched, scope, revision);
    }

    /// Whether everything up to `revision` in a namespace has been seen.
    pub fn has_passed(&self, watched: Watched, namespace: &str, revision: Revision) -> bool {
        let contents = self.read();
        let passed = |scope: &str| contents.passed.get(&(watched, scope.to_owned())).copied().unwrap_or_default();
        passed("").max(passed(namespace)) >= revision
    }

    /// Whether the pod or object with this UID still stands in the cache and is not being deleted there.
    pub fn shows_alive(&self, watched: Watched, place: &Place, uid: &str) -> bool {
        let contents = self.read();
        let entry = contents.shelves.get(&watched).and_then(|shelf| shelf.entries.get(place));
        entry.is_some_and(|entry| match &entry.projection {
            Projection::Object { object, .. } => object.uid == uid && !object.deleting,
            Projection::Pod(pod) => pod.uid == uid && !pod.deleting,
            Projection::Pull(pull) => pull.uid == uid && !pull.deleting,
            Projection::Claim(claim) => claim.uid == uid,
        })
    }

    /// Everything of one cluster, with ownership judged by its UID.
    pub(super) fn belongings(&self, cluster: &ClusterName, uid: &str) -> Belongings {
        let contents = self.read();
        let mut belongings = Belongings::default();
        for (watched, shelf) in &contents.shelves {
            let names = shelf.by_cluster.get(cluster).into_iter().flatten();
            for name in names {
                let place = Place { namespace: cluster.namespace.clone(), name: name.clone() };
                let Some(entry) = shelf.entries.get(&place) else { continue };
                belongings.add(*watched, name, &entry.projection, uid);
            }
        }
        belongings
    }

    // Nothing below panics while holding the lock, so a poisoned one still holds whole contents.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Contents> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Contents> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn pass(&mut self, watched: Watched, scope: &str, revision: Revision) {
        let passed = self.passed.entry((watched, scope.to_owned())).or_default();
        *passed = revision.max(*passed);
    }
}

impl Belongings {
    fn add(&mut self, watched: Watched, name: &str, projection: &Projection, uid: &str) {
        match (watched, projection) {
            (Watched::Object(kind), Projection::Object { controller_uid, object }) => {
                let object = object.take_out(ownership(controller_uid.as_deref(), uid));
                self.objects.entry(kind).or_default().insert(name.to_owned(), object);
            }
            (_, Projection::Pod(pod)) => drop(self.pods.insert(name.to_owned(), pod.clone())),
            (_, Projection::Pull(pull)) => {
                let is_ours = ownership(Some(&pull.owner), uid) == Ownership::Ours;
                self.pulls.insert(name.to_owned(), ImagePull { is_ours, ..pull.clone() });
            }
            (_, Projection::Claim(claim)) => drop(self.claims.insert(name.to_owned(), claim.clone())),
            (_, Projection::Object { .. }) => {}
        }
    }
}
