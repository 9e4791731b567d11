//! What a group's books say of the processes that truly run, and whether an image that was asked for is everywhere; reads only.

use super::StarRocks;
use super::process::{Component, Process};
use super::state::{Group, Leadership};

/// A program that runs, and whether its group knows it as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Name of the pod.
    pub pod: String,
    /// What it runs.
    pub component: Component,
    /// The books show this very process: alive, with its start and release.
    pub alive: bool,
    /// A backend has told the present leader of its tablets; `true` for all others.
    pub reported: bool,
}

impl StarRocks {
    /// Every program of a namespace that has not ended, as its group knows it. Nobody who asks the frontends can know it earlier.
    pub fn known(&self, namespace: &str) -> Vec<Known> {
        let Some(group) = self.groups.values().find(|group| group.namespace == namespace) else { return Vec::new() };
        let here = |process: &&Process| process.start.namespace == namespace && process.component != Component::Other && process.running();
        self.processes.values().filter(here).map(|process| self.known_as(group, process)).collect()
    }

    fn known_as(&self, group: &Group, process: &Process) -> Known {
        let (mut alive, mut reported) = (false, true);
        let release = process.release.reported();
        if process.component == Component::Frontend {
            let row = group.frontend(&process.member);
            let heard =
                |row: &super::state::Frontend| row.last_heartbeat.zip(process.serving_since).is_some_and(|(beat, since)| beat >= since);
            alive = process.open() && row.is_some_and(|row| row.alive && heard(row) && row.version.as_ref() == Some(&release));
        } else if let Some(node) = group.nodes.values().find(|node| self.node_process(node).is_some_and(|(id, _)| *id == process.start.id))
        {
            let same = node.start_time.zip(process.serving_since).is_some_and(|(shown, since)| shown.as_seconds() == since.as_seconds());
            alive = process.open() && node.alive && same && node.version == release;
            reported = process.component != Component::Backend || node.first_report.is_some();
        }
        Known { pod: process.start.pod_name.clone(), component: process.component, alive, reported }
    }

    /// Whether a namespace's group has a leader.
    pub fn is_led(&self, namespace: &str) -> bool {
        self.groups.values().any(|group| group.namespace == namespace && matches!(group.leadership, Leadership::Led { .. }))
    }

    /// Whether CREATE IMAGE was sent and some serving frontend holds no image yet that reaches the journal as it was then.
    pub fn owes_image(&self, namespace: &str) -> bool {
        let Some(group) = self.groups.values().find(|group| group.namespace == namespace) else { return false };
        let reaches = |process: &Process, asked: u64| self.image_of(process).is_some_and(|image| image.journal >= asked);
        group.asked.is_some_and(|asked| self.members(group.cluster).any(|(_, process)| process.open() && !reaches(process, asked)))
    }
}
