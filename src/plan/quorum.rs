//! The registered voters go in, whether one of them may be taken away comes out; counts only what is proven alive.

use super::health;
use super::view::{View, count};
use crate::model::starrocks::{FrontendRole, FrontendRow};
use crate::model::{Component, Pod, WaitingOn};

/// How the votes stand without one frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Votes {
    /// Registered voters, the one in question included.
    pub registered: u32,
    /// The others that are proven alive, serving and caught up.
    pub others: u32,
}

impl Votes {
    /// Votes needed to elect a leader and to acknowledge a write.
    pub const fn majority(self) -> u32 {
        self.registered / 2 + 1
    }

    /// Whether the others can go on alone.
    pub const fn survive(self) -> bool {
        self.others >= self.majority()
    }

    /// Whether no restart at all can keep a majority, so that only consent helps.
    pub const fn too_few(self) -> bool {
        self.registered < 3
    }
}

/// Counts the votes without `leaving`; `None` when the group has not been heard.
pub(super) fn without(view: &View<'_>, leaving: &str) -> Option<Votes> {
    let registered = view.frontend_rows()?.iter().filter(|row| row.role != FrontendRole::Observer).count();
    Some(Votes { registered: count(registered), others: count(others(view, leaving)?.len()) })
}

/// The voters beside `leaving` that are proven alive, serving and caught up; `None` when the group has not been heard.
pub(super) fn others<'a>(view: &View<'a>, leaving: &str) -> Option<Vec<(&'a Pod, &'a FrontendRow)>> {
    let rows = view.frontend_rows()?;
    let newest = rows.iter().map(|row| row.replayed_journal_id).max().unwrap_or(0);
    let voters = rows.iter().filter(|row| row.role != FrontendRole::Observer).filter_map(|row| Some((voter(view, row)?, row)));
    Some(voters.filter(|(pod, row)| pod.name != leaving && counts(view, row, pod, newest)).collect())
}

/// Whether a frontend may be restarted as far as the majority goes. A frontend that is down already costs no vote.
pub(super) fn allows_restart(view: &View<'_>, pod: &Pod, outage_accepted: bool) -> Result<(), WaitingOn> {
    if health::is_broken(pod) {
        return Ok(());
    }
    let Some(votes) = without(view, &pod.name) else {
        return Err(WaitingOn::FrontendsSilent { detail: "SHOW FRONTENDS has not been answered".to_owned() });
    };
    if view.frontend_row(&pod.name).is_some_and(|row| row.role == FrontendRole::Observer) || votes.survive() {
        return Ok(());
    }
    if votes.too_few() && outage_accepted {
        return Ok(());
    }
    Err(WaitingOn::QuorumAtRisk { alive: votes.others, majority: votes.majority() })
}

fn voter<'a>(view: &View<'a>, row: &FrontendRow) -> Option<&'a Pod> {
    view.observed.pods_of(Component::Frontend).find(|pod| super::view::is_host_of(&row.host, &pod.name, pod.ip.as_deref()))
}

fn counts(view: &View<'_>, row: &FrontendRow, pod: &Pod, newest: u64) -> bool {
    pod.ready
        && !pod.deleting
        && view.serves(&pod.name)
        && health::frontend_not_alive(row, health::started(pod)).is_none()
        && newest.saturating_sub(row.replayed_journal_id) <= health::JOURNAL_LAG_MAX
}
