//! Which kinds the API serves, under which paths and with which subresources; knows no objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::schema::Schema;

/// Where a kind's scale subresource reads and writes, as dotted paths without a leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// Wanted replicas, such as `spec.replicas`.
    pub spec_replicas: String,
    /// Observed replicas, such as `status.replicas`.
    pub status_replicas: String,
    /// Label selector: serialised text or a `LabelSelector` object.
    pub selector: Option<String>,
}

/// A column of a printed table: name, OpenAPI type, format, description, priority and JSONPath.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `date`, …
    pub kind: String,
    /// OpenAPI format.
    pub format: String,
    /// What the column shows.
    pub description: String,
    /// 0 shows always, more only in wide output.
    pub priority: i64,
    /// Where the value is, such as `.spec.replicas`.
    pub path: String,
}

/// One served version of a kind.
#[derive(Clone, Debug)]
pub struct Version {
    /// Version name, such as `v1`.
    pub name: String,
    /// Whether clients may use it; the stored version is known even if it is not served.
    pub served: bool,
    /// Structure of the objects: pruning, defaulting, validation, merging.
    pub schema: Arc<Schema>,
    /// Schema as it was written, for OpenAPI; `None` for built-in kinds.
    pub source: Option<Arc<Value>>,
    /// Whether `/status` exists.
    pub status: bool,
    /// Where `/scale` reads and writes.
    pub scale: Option<ScalePaths>,
    /// Columns of a custom resource's table.
    pub columns: Vec<Column>,
}

/// Whether a kind belongs to Kubernetes or was added by a CustomResourceDefinition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Compiled in.
    BuiltIn,
    /// Added by a definition.
    Custom,
}

/// A kind that the API serves.
#[derive(Clone, Debug)]
pub struct Resource {
    /// API group, empty for core.
    pub group: String,
    /// Kind, unique in this store.
    pub kind: String,
    /// Kind of a list of them.
    pub list_kind: String,
    /// Path segment.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Abbreviations kubectl knows.
    pub short_names: Vec<String>,
    /// Categories such as `all`.
    pub categories: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether `metadata.generation` counts changes of the wanted state.
    pub generation: bool,
    /// Compiled in or defined.
    pub origin: Origin,
    /// Served versions; the first is the one objects are stored in.
    pub versions: Vec<Version>,
}

impl Resource {
    /// `pods`, `statefulsets.apps`: how errors name the resource.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_string() } else { format!("{}/{version}", self.group) }
    }

    /// `apiVersion` that objects are stored in.
    pub fn stored_api_version(&self) -> String {
        self.api_version(self.versions.first().map_or("", |version| version.name.as_str()))
    }

    /// A served version by name.
    pub fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.served && version.name == name)
    }

    /// The version that an `apiVersion` names, if it is of this group and served.
    pub fn version_of(&self, api_version: &str) -> Option<&Version> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        if group == self.group { self.version(version) } else { None }
    }
}

/// All kinds that are served, by kind.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    kinds: BTreeMap<String, Arc<Resource>>,
}

impl Registry {
    /// Adds or replaces a kind.
    pub fn insert(&mut self, resource: Resource) {
        self.kinds.insert(resource.kind.clone(), Arc::new(resource));
    }

    /// Takes a kind away.
    pub fn remove(&mut self, kind: &str) {
        self.kinds.remove(kind);
    }

    /// A kind by its name.
    pub fn kind(&self, kind: &str) -> Option<&Arc<Resource>> {
        self.kinds.get(kind)
    }

    /// A kind by group, version and path segment.
    pub fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.kinds.values().find(|resource| resource.group == group && resource.plural == plural && resource.version(version).is_some())
    }

    /// Every kind, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.kinds.values()
    }
}
