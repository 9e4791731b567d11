//! How a write is meant: who writes, whether it is only tried, what deletion waits for.

use std::sync::Arc;

use serde_json::Value;

/// What a server does with fields that no schema declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drops them silently.
    Ignore,
    /// Drops them and warns.
    #[default]
    Warn,
    /// Refuses the request.
    Strict,
}

/// Whether a write is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Kept.
    #[default]
    Commit,
    /// Everything happens but the keeping (`dryRun=All`).
    DryRun,
}

/// Circumstances of a write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Field manager.
    pub manager: String,
    /// Kept or tried.
    pub mode: Mode,
    /// Unknown fields.
    pub field_validation: FieldValidation,
}

impl WriteOptions {
    /// A plain write of a field manager; unknown fields are dropped.
    pub fn by(manager: &str) -> Self {
        Self { manager: manager.to_string(), mode: Mode::Commit, field_validation: FieldValidation::Ignore }
    }
}

/// What happens to dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They go later, by garbage collection.
    Background,
    /// They go first; the owner waits with the finalizer `foregroundDeletion`.
    Foreground,
    /// They stay; the owner waits with the finalizer `orphan`.
    Orphan,
}

/// Circumstances of a deletion.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Only this incarnation.
    pub uid: Option<String>,
    /// Only this version.
    pub resource_version: Option<String>,
    /// Grace in seconds; `None` takes the pod's own.
    pub grace_seconds: Option<i64>,
    /// Dependents.
    pub propagation: Option<Propagation>,
    /// Kept or tried.
    pub mode: Mode,
}

/// Formats of a patch other than server-side apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// Kubernetes' own: lists merge by key.
    StrategicMerge,
    /// RFC 6902.
    Json,
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The object as stored (or as it would be).
    pub object: Arc<Value>,
    /// Whether the object did not exist before.
    pub created: bool,
    /// Warnings for the client.
    pub warnings: Vec<String>,
}

impl Written {
    /// The object for somebody who will change it.
    pub fn into_object(self) -> Value {
        Arc::unwrap_or_clone(self.object)
    }
}
