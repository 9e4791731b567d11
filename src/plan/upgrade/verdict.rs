//! The user's questions about canaries and what was answered in, what keeps the other nodes from following out; no answer is never a yes.

use super::super::view::View;
use crate::model::{Amount, Answer, Canary, MetricBound, Pod, SilenceKind, WaitingOn};

/// A question that was not answered with yes, in words.
enum Finding {
    /// Answered with no.
    No(String),
    /// Not answered.
    Unknown(String),
}

/// What comes of the questions: a no before anything that is unknown; `None` when every answer is a yes.
pub(super) fn of(view: &View<'_>, policy: &Canary, canaries: &[&Pod]) -> Option<WaitingOn> {
    let first = canaries.first()?.name.clone();
    let by_sql = policy.sql.as_ref().and_then(|_| by_sql(&view.observed.canary.sql)).map(|finding| (first, finding));
    let by_metrics = canaries.iter().flat_map(|pod| by_metrics(view, policy, pod).into_iter().map(|finding| (pod.name.clone(), finding)));
    let mut unknown = None;
    for (pod, finding) in by_sql.into_iter().chain(by_metrics) {
        match finding {
            Finding::No(detail) => return Some(WaitingOn::CanaryRejected { pod, detail }),
            Finding::Unknown(detail) => _ = unknown.get_or_insert(WaitingOn::CanaryUnjudged { pod, detail }),
        }
    }
    unknown
}

fn by_sql(answer: &Answer<Option<String>>) -> Option<Finding> {
    const FIELD: &str = "canary.verdict.sql";
    match answer {
        Answer::Known(Some(text)) if is_yes(text) => None,
        Answer::Known(Some(text)) if is_plain(text) => Some(Finding::No(format!("{FIELD} gave `{}`", shortened(text)))),
        // Whoever reads a status need not be allowed to read tables.
        Answer::Known(Some(_)) => Some(Finding::No(format!("{FIELD} gave a text that is neither true nor a number"))),
        Answer::Known(None) => Some(Finding::No(format!("{FIELD} gave NULL or no row"))),
        Answer::NotAsked => Some(Finding::Unknown(format!("{FIELD} is about to be asked"))),
        Answer::Failed(silence) => {
            let told = format!("{FIELD}: {}", shortened(&silence.message));
            Some(match silence.kind {
                // It was asked and could not be executed, for want of a backend that does it for one.
                SilenceKind::Rejected | SilenceKind::NoBackend => Finding::No(told),
                SilenceKind::Refused | SilenceKind::TimedOut | SilenceKind::Election | SilenceKind::Denied | SilenceKind::Unreadable => {
                    Finding::Unknown(told)
                }
            })
        }
    }
}

/// True, or a number other than zero.
fn is_yes(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case("true") || text.parse::<f64>().is_ok_and(|number| number.is_finite() && number != 0.0)
}

/// Whether a cell holds a number or a truth value.
fn is_plain(text: &str) -> bool {
    let text = text.trim();
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") || text.parse::<f64>().is_ok()
}

/// What the metrics of one canary say, bound by bound.
fn by_metrics(view: &View<'_>, policy: &Canary, pod: &Pod) -> Vec<Finding> {
    if policy.metrics.is_empty() {
        return Vec::new();
    }
    match view.observed.canary.metrics.get(&pod.name) {
        Some(Answer::Known(found)) => {
            let no_samples = Vec::new();
            let of = |(index, bound): (usize, &MetricBound)| within(bound, found.get(index).unwrap_or(&no_samples));
            policy.metrics.iter().enumerate().filter_map(of).collect()
        }
        Some(Answer::Failed(silence)) => vec![Finding::Unknown(format!("GET /metrics: {}", silence.message))],
        Some(Answer::NotAsked) | None => vec![Finding::Unknown("its metrics are about to be asked".to_owned())],
    }
}

/// Whether the samples of a metric lie within its bounds.
fn within(bound: &MetricBound, samples: &[String]) -> Option<Finding> {
    let label = label(bound);
    if samples.is_empty() {
        return Some(Finding::Unknown(format!("its page of metrics has no {label}")));
    }
    let mut unknown = None;
    for text in samples {
        let Some(value) = text.parse::<f64>().ok().filter(|value| !value.is_nan()) else {
            unknown = Some(Finding::Unknown(format!("{label} is `{}`, which is no number", shortened(text))));
            continue;
        };
        if let Some(max) = bound.max.filter(|max| value > number(*max)) {
            return Some(Finding::No(format!("{label} is {text} and may be {max} at most")));
        }
        if let Some(min) = bound.min.filter(|min| value < number(*min)) {
            return Some(Finding::No(format!("{label} is {text} and must be {min} at least")));
        }
    }
    unknown
}

/// The metric as nodes print it.
fn label(bound: &MetricBound) -> String {
    if bound.labels.is_empty() {
        return bound.name.clone();
    }
    let labels: Vec<String> = bound.labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
    format!("{}{{{}}}", bound.name, labels.join(","))
}

/// A bound as samples are: both were written in decimal.
fn number(amount: Amount) -> f64 {
    amount.to_string().parse().unwrap_or(f64::NAN)
}

/// Words of others, as far as a status should hold them.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain("…".chars()).collect() }
}
