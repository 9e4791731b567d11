//! What a test found, and the one document that scorecard reads: findings in, JSON out.

use std::fmt;

use serde::Serialize;

/// Something in the package that is wrong: where, which rule, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    /// The file, relative to the bundle.
    pub(super) file: String,
    /// The field in it, dotted.
    pub(super) field: String,
    /// What does not hold.
    pub(super) rule: String,
    /// What to do about it.
    pub(super) way_out: String,
}

impl Finding {
    pub(super) fn new(file: &str, field: impl Into<String>, rule: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { file: file.to_owned(), field: field.into(), rule: rule.into(), way_out: way_out.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, field, rule, way_out } = self;
        write!(formatter, "{file}: {field}: {rule}; {way_out}")
    }
}

/// What came of one test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What was looked at, a line each.
    pub(super) log: Vec<String>,
    /// What fails the test.
    pub(super) errors: Vec<Finding>,
    /// What is true and worth knowing.
    pub(super) suggestions: Vec<Finding>,
}

impl Verdict {
    /// A verdict of errors alone, with what was looked at.
    pub(super) fn of(log: impl Into<String>, errors: Vec<Finding>) -> Self {
        Self { log: vec![log.into()], errors, suggestions: Vec::new() }
    }
}

/// How a result ended, in scorecard's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Everything holds.
    Pass,
    /// Something in the package is wrong.
    Fail,
    /// The test could not judge: no bundle, no such test, or a defect of the test itself.
    Error,
}

/// One result of scorecard's `TestStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestResult {
    name: String,
    state: State,
    log: String,
    errors: Vec<String>,
    suggestions: Vec<String>,
    creation_timestamp: Option<String>,
}

impl TestResult {
    /// The result of a test that came to a verdict.
    pub(super) fn judged(name: &str, verdict: &Verdict) -> Self {
        let lines = |findings: &[Finding]| findings.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            name: name.to_owned(),
            state: if verdict.errors.is_empty() { State::Pass } else { State::Fail },
            log: verdict.log.join("\n"),
            errors: lines(&verdict.errors),
            suggestions: lines(&verdict.suggestions),
            creation_timestamp: None,
        }
    }

    /// The result of a test that could not judge.
    pub(super) fn without_verdict(name: &str, why: String) -> Self {
        Self {
            name: name.to_owned(),
            state: State::Error,
            log: String::new(),
            errors: vec![why],
            suggestions: Vec::new(),
            creation_timestamp: None,
        }
    }

    #[cfg(test)]
    pub(super) const fn state(&self) -> State {
        self.state
    }

    #[cfg(test)]
    pub(super) fn errors(&self) -> &[String] {
        &self.errors
    }
}

/// scorecard's `TestStatus`; no result would count as a pass, so there is always one.
#[derive(Debug, Serialize)]
pub(super) struct TestStatus {
    pub(super) results: Vec<TestResult>,
}
