//! A configuration file that differs from the one in force in, what that leads to out: a roll of its component, or keys that are set in running nodes.

use super::super::view::View;
use crate::model::{Configuration, ConfigurationUpdate, Workload};

/// What a changed file leads to.
pub(super) enum Brought {
    /// The pods of the component are restarted for it, named like a field of the template.
    ByRestart(String),
    /// Running nodes are asked which of these keys they can change; in words for people.
    Live(String),
}

/// What the file of a component leads to; `None` where it is as before, was not read, or nobody asked that anything follows from it.
pub(super) fn changed(view: &View<'_>, workload: &Workload) -> Option<Brought> {
    let update = view.cluster.configuration_update?;
    let Configuration { digest, keys, follows } = workload.configuration.as_ref()?;
    let entry = view.observed.status.configuration.iter().find(|entry| entry.component == workload.component.label())?;
    let known = entry.change.as_ref().map(|change| &change.digest).or(entry.digest.as_ref())?;
    if known == digest {
        return None;
    }
    let differ = entry.keys.keys().chain(keys.keys()).filter(|key| entry.keys.get(*key) != keys.get(*key));
    let mut differ: Vec<&str> = differ.map(String::as_str).collect();
    differ.sort_unstable();
    differ.dedup();
    let file = format!("{} ({})", workload.component.conf_file(), differ.join(", "));
    Some(if update == ConfigurationUpdate::Live && *follows {
        Brought::Live(format!(
            "{file}: set in running nodes as far as they can change it; a key that is read at the start only restarts every {}",
            workload.component
        ))
    } else {
        Brought::ByRestart(file)
    })
}
