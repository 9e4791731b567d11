//! The only writer: a Decision in, status, objects, deletions, statements and events out; never decides what should be done.

mod carry_out;
mod events;
mod kinds;
mod objects;
mod operator_condition;
mod records;
mod report;
mod statements;
mod status;
mod takeover;
#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests;

pub use carry_out::{Context, Target, apply};
pub use events::{Events, Regarding};
pub use kinds::{ResourceKind, catalog_resource, resource_of, upgrades};
pub use objects::is_free_or_ours;
pub use operator_condition::{Heard, Upgradeable, tell_upgradeable};
pub use report::{ApplyError, Gone, Report, StepError, StepFailure, Verb, Written};
pub use status::{publish_catalog_status, publish_status};
