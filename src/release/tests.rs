//! Promises of the release room: the embedded table row by row, the path search and the walk as a whole.

mod edges;
mod properties;
mod walk;

use super::{Hop, Path, Refusal, ReleaseTable, Version};

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn path(from: &str, to: &str) -> Result<Path, Refusal> {
    ReleaseTable::embedded().path(&v(from), &v(to))
}

/// The stops of a path as one text.
fn stops(from: &str, to: &str) -> String {
    path(from, to).unwrap_or_else(|refusal| panic!("{from} to {to}: {refusal}")).to_string()
}

fn hop(from: &str, to: &str) -> Hop {
    ReleaseTable::embedded().hop(&v(from), &v(to)).unwrap_or_else(|refusal| panic!("{from} to {to}: {refusal}"))
}

fn refusal(from: &str, to: &str) -> Refusal {
    path(from, to).expect_err("must be refused")
}

fn rule_codes(hop: &Hop) -> Vec<&str> {
    hop.rules.iter().map(|rule| rule.code.as_str()).collect()
}

fn condition_codes(hop: &Hop) -> Vec<&str> {
    hop.conditions.iter().map(|condition| condition.code.as_str()).collect()
}
