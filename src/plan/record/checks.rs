//! What is looked at before a hop, by name: what keeps it from beginning and what somebody should know; never looks at anything itself.

use crate::model::WaitingOn;
use crate::model::record::{CheckResult, UpgradeCheck};

/// The checks of one pass, in the order in which they are made.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Checklist(Vec<Check>);

#[derive(Clone, Debug)]
struct Check {
    name: &'static str,
    waits: Vec<WaitingOn>,
    warnings: Vec<String>,
    /// What is said although nothing is wrong.
    remark: Option<String>,
}

impl Checklist {
    /// Adds a check that found these obstacles, or none.
    pub fn add(&mut self, name: &'static str, waits: impl IntoIterator<Item = WaitingOn>) {
        self.0.push(Check { name, waits: waits.into_iter().collect(), warnings: Vec::new(), remark: None });
    }

    /// Adds a check that hinders nothing and found what somebody should know, or nothing.
    pub fn note(&mut self, name: &'static str, warnings: impl IntoIterator<Item = String>) {
        self.0.push(Check { name, waits: Vec::new(), warnings: warnings.into_iter().collect(), remark: None });
    }

    /// Adds to the last check what is said of it although nothing is wrong.
    pub fn remark(&mut self, remark: String) {
        if let Some(check) = self.0.last_mut() {
            check.remark = Some(remark);
        }
    }

    /// Everything that keeps the hop from beginning.
    pub fn obstacles(&self) -> impl Iterator<Item = WaitingOn> + '_ {
        self.0.iter().flat_map(|check| check.waits.iter().cloned())
    }

    /// The checks as users see them.
    pub fn told(&self) -> Vec<UpgradeCheck> {
        self.0.iter().map(Check::told).collect()
    }
}

impl Check {
    fn told(&self) -> UpgradeCheck {
        let unanswered = |wait: &WaitingOn| {
            matches!(wait, WaitingOn::AnswerPending { .. } | WaitingOn::FrontendsSilent { .. } | WaitingOn::LeaderElection)
        };
        let result = match (self.waits.as_slice(), self.warnings.is_empty()) {
            ([], true) => CheckResult::Pass,
            ([], false) => CheckResult::Warn,
            (waits, _) if waits.iter().all(unanswered) => CheckResult::Unknown,
            (_, _) => CheckResult::Block,
        };
        let texts: Vec<String> =
            self.waits.iter().map(ToString::to_string).chain(self.warnings.iter().chain(&self.remark).cloned()).collect();
        UpgradeCheck {
            name: self.name.to_owned(),
            result,
            code: self.waits.first().map(|wait| wait.code().to_owned()),
            message: (!texts.is_empty()).then(|| texts.join("; ")),
        }
    }
}
