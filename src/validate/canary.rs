//! `upgradePolicy.canary` as written in, proven out: how many nodes, one SELECT, bounds of metrics; never asks StarRocks anything.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fault::{Findings, Rule};
use crate::api;
use crate::model::{Amount, Canary, MetricBound};

const PATH: &str = "spec.upgradePolicy.canary";
const MOST_NODES: i32 = 1_000;
const LONGEST_SQL: usize = 4_096;

/// Reads `canary`.
pub(super) fn canary(written: Option<&api::Canary>, findings: &mut Findings) -> Option<Canary> {
    let api::Canary { nodes, verdict } = written?;
    let count = nodes.unwrap_or(1);
    if !(1..=MOST_NODES).contains(&count) {
        findings.fault(
            Rule::PolicyRange,
            format!("{PATH}.nodes"),
            format!("{count} does not lie between 1 and {MOST_NODES}"),
            "Write how many nodes go first, or take the field away for 1",
        );
    }
    let (sql, metrics) = match verdict {
        Some(api::CanaryVerdict { sql, metrics }) => {
            if sql.is_none() && metrics.is_empty() {
                let way_out = "Write sql or metrics, or take verdict away";
                findings.fault(Rule::PolicyRange, format!("{PATH}.verdict"), "a verdict needs sql or metrics", way_out);
            }
            let bounds = metrics.iter().enumerate().map(|(index, bound)| metric(index, bound, findings)).collect();
            (sql.as_deref().map(|sql| select(sql, findings)), bounds)
        }
        None => (None, Vec::new()),
    };
    Some(Canary { nodes: count.max(1).unsigned_abs(), sql, metrics })
}

/// One SELECT and nothing else: `a; b` would run both (real-fe.md §1), and what writes a file is no question.
fn select(written: &str, findings: &mut Findings) -> String {
    let sql = written.trim();
    let words: Vec<String> = sql.split_whitespace().map(str::to_ascii_lowercase).collect();
    let found = if sql.len() > LONGEST_SQL {
        format!("it has {} characters, and {LONGEST_SQL} are allowed", sql.len())
    } else if sql.contains(';') {
        "it has a semicolon, and only one statement is sent".to_owned()
    } else if words.len() < 2 || words.first().is_none_or(|first| first != "select") {
        "it does not begin with SELECT".to_owned()
    } else if words.windows(2).any(|pair| matches!(pair, [into, outfile] if into == "into" && outfile.starts_with("outfile"))) {
        "it writes a file with INTO OUTFILE".to_owned()
    } else {
        return sql.to_owned();
    };
    findings.fault(
        Rule::PolicyRange,
        format!("{PATH}.verdict.sql"),
        found,
        "Write one SELECT statement without a semicolon whose first cell is true, or a number other than 0, when all is well",
    );
    String::new()
}

fn metric(index: usize, written: &api::MetricBound, findings: &mut Findings) -> MetricBound {
    let api::MetricBound { name, labels, max, min } = written;
    let at = |field: &str| format!("{PATH}.verdict.metrics[{index}]{field}");
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, '_' | ':'));
    if !begins || !characters.all(|other| other.is_ascii_alphanumeric() || matches!(other, '_' | ':')) {
        let way_out = "Write the name as the node prints it under /metrics, such as starrocks_be_engine_requests_total";
        findings.fault(Rule::PolicyRange, at(".name"), format!("{name:?} is no name of a metric"), way_out);
    }
    if max.is_none() && min.is_none() {
        let way_out = "Write max, min or both";
        findings.fault(Rule::PolicyRange, at(""), "a metric needs max or min", way_out);
    }
    let max = bound(max.as_ref(), at(".max"), findings);
    let min = bound(min.as_ref(), at(".min"), findings);
    if max.zip(min).is_some_and(|(max, min)| max < min) {
        findings.fault(
            Rule::PolicyRange,
            at(".max"),
            "max is lower than min, so that no value is right",
            "Write a max that is not lower than min",
        );
    }
    MetricBound { name: name.clone(), labels: labels.clone(), max, min }
}

fn bound(written: Option<&IntOrString>, field: String, findings: &mut Findings) -> Option<Amount> {
    let text = match written? {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text.clone(),
    };
    let amount = Amount::parse(&text);
    if amount.is_none() {
        findings.fault(Rule::PolicyRange, field, format!("{text:?} is no number"), "Write a number such as 0, 0.5 or 2Gi");
    }
    amount
}
