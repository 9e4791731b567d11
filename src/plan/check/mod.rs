//! A Decision goes in, the safety rules it breaks come out; judges from the observation alone and shares no reasoning with `plan`.

mod case;
mod data;
mod leadership;
mod order;
mod ownership;
mod quorum;
mod settings;

#[cfg(test)]
mod tests;

use std::fmt;

use case::Case;

use crate::model::{Cluster, Decision, Observed};

/// A safety rule that a Decision would break.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Number of the rule, 1 to 12, as in ARCHITECTURE.md.
    pub rule: u8,
    /// Stable code, `SR-9001` to `SR-9012`.
    pub code: &'static str,
    /// Which step, and what is missing.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "rule {} ({}): {}", self.rule, self.code, self.detail)
    }
}

/// One rule: its number, its code, and what it finds.
type Rule = (u8, &'static str, fn(&Case<'_>) -> Vec<String>);

/// The rules in their order.
const RULES: [Rule; 14] = [
    (1, "SR-9001", quorum::majority_survives),
    (1, "SR-9001", leadership::goes_to_an_heir),
    (2, "SR-9002", data::backends_leave_empty),
    (3, "SR-9003", data::one_backend_at_a_time),
    (4, "SR-9004", order::nodes_never_behind_frontends),
    (5, "SR-9005", ownership::only_what_is_ours),
    (6, "SR-9006", quorum::no_second_cluster),
    (7, "SR-9007", settings::saved_before_changed_and_put_back),
    (7, "SR-9007", settings::set_as_written),
    (8, "SR-9008", order::no_restart_without_cause),
    (9, "SR-9009", ownership::specification_is_the_users),
    (10, "SR-9010", data::health_is_proven),
    (11, "SR-9011", data::nobody_is_registered_anew),
    (12, "SR-9012", data::unknown_blocks),
];

/// Judges a Decision. Empty means that it may be carried out.
pub fn check(cluster: &Cluster, observed: &Observed, decision: &Decision) -> Vec<Violation> {
    let case = Case { cluster, observed, decision };
    let judge = |(rule, code, finds): Rule| finds(&case).into_iter().map(move |detail| Violation { rule, code, detail });
    RULES.into_iter().flat_map(judge).collect()
}
