//! The only reader: Kubernetes caches and StarRocks answers in, one `Observed` snapshot out. Never writes and never decides.

mod ask;
mod budgets;
mod caches;
mod canary;
mod configuration;
mod depth;
mod frontend;
mod group;
mod last_words;
mod lookups;
mod project;
mod snapshot;
mod warehouse;

#[cfg(test)]
mod tests;

pub use budgets::{budgets_matter, disruption_budgets, project_budget};
pub use caches::{Caches, ClusterName, Entry, Place, Projection, Revision, Stored, Watched};
pub use last_words::{Log, logs_wanted, read_log, reason_in};
pub use lookups::{LookupError, config_maps, login};
pub use project::{cluster_of_labels, project_claim, project_object, project_pod};
pub use snapshot::observe;
pub use warehouse::{observe_warehouse, remains_of_warehouse};
