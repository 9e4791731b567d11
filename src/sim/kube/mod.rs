//! The embedded Kubernetes API: an object store that behaves like etcd behind an API server, and the HTTP that speaks for it; runs no control loops.

mod access_review;
mod admission;
mod allocation;
mod builtin;
mod call;
mod columns;
mod custom_resource;
mod decode;
mod defaults;
mod definition;
mod discovery;
mod error;
mod event_view;
mod field_set;
mod field_tracking;
mod field_walk;
mod gate;
mod http;
mod identity;
mod json_patch;
mod json_path;
mod media;
mod openapi;
mod options;
mod patching;
mod pod_validation;
mod protobuf;
mod quantity;
mod rbac;
mod reads;
mod registry;
mod removal;
mod route;
mod scale;
mod schema;
mod schema_check;
mod selectors;
mod serve;
mod store;
mod strategy;
mod table;
mod validation;
mod watch;
mod write;
mod writes;

pub use self::http::{ApiServer, ApiService, ResponseBody};
pub use custom_resource::refusals;
pub use error::{ApiError, FaultKind, FieldFault};
pub use gate::{Backend, Gatekeeper, RequestInfo, Verdict};
pub use options::{DeleteOptions, FieldValidation, Mode, PatchKind, Propagation, WriteOptions, Written};
pub use rbac::{Permission, Rules};
pub use registry::{Column, Origin, Registry, Resource, ScalePaths, Version};
pub use schema::{ListKind, Schema, Shape};
pub use selectors::{FieldSelector, LabelSelector};
pub use serve::{serve, serve_users};
pub use store::{EventKind, Gone, ObjectKey, Store, WatchEvent};

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod store_tests;
