//! How the operator process is run: which namespaces, how many passes at once, under which name. Data only.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::cluster::Conventions;
use crate::release::Catalog;

/// Which namespaces are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These.
    Several(Vec<String>),
}

/// Settings of the process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespaces to serve.
    pub namespaces: Scope,
    /// Namespaces that are not served whatever `namespaces` says.
    pub deny_list: BTreeSet<String>,
    /// What shapes objects.
    pub conventions: Conventions,
    /// Passes at the same time, over different clusters.
    pub concurrency: usize,
    /// Where `now` comes from.
    pub clock: Clock,
    /// Name of this process, unique among its replicas.
    pub identity: String,
    /// Namespace of the operator, where its Lease lives.
    pub operator_namespace: String,
    /// Whether to wait for the Lease before acting.
    pub leader_election: bool,
    /// Name of the OperatorCondition in the operator's namespace, which OLM v0 gives; `None` without it.
    pub operator_condition: Option<String>,
    /// Who else in the process hears what is known of releases; nothing is told while another process leads.
    pub tell_releases: Option<watch::Sender<Arc<Catalog>>>,
}

impl Settings {
    /// Settings that serve all namespaces without leader election.
    pub fn new(clock: Clock, identity: impl Into<String>) -> Self {
        Self {
            namespaces: Scope::All,
            deny_list: BTreeSet::new(),
            conventions: Conventions::default(),
            concurrency: 16,
            clock,
            identity: identity.into(),
            operator_namespace: "starrocks".to_owned(),
            leader_election: false,
            operator_condition: None,
            tell_releases: None,
        }
    }

    /// The namespaces of the watches: one watch of everything (empty), or one for each namespace.
    pub(super) fn watch_namespaces(&self) -> Vec<String> {
        match &self.namespaces {
            Scope::All => vec![String::new()],
            Scope::Several(names) => {
                names.iter().filter(|name| !self.deny_list.contains(*name)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    }

    /// Whether version catalogs are read: they belong to no namespace, and an operator that serves some namespaces has no right beyond them.
    pub(super) fn reads_catalogs(&self) -> bool {
        self.namespaces == Scope::All
    }

    /// Whether clusters of a namespace are served.
    pub fn serves(&self, namespace: &str) -> bool {
        let listed = match &self.namespaces {
            Scope::All => true,
            Scope::Several(names) => names.iter().any(|name| name == namespace),
        };
        listed && !self.deny_list.contains(namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deny_list_wins_over_the_list_of_namespaces() {
        let mut settings = Settings::new(Clock::system(), "test");
        settings.deny_list.insert("b".to_owned());
        assert!(settings.serves("a") && !settings.serves("b"));
        settings.namespaces = Scope::Several(vec!["b".to_owned(), "a".to_owned(), "a".to_owned()]);
        assert_eq!(settings.watch_namespaces(), ["a"]);
        assert!(!settings.serves("b") && !settings.serves("c"));
    }
}
