//! The watch over the first data node on a new release; remembers only since when it has been healthy.

use super::super::draft::Draft;
use super::super::versions::Leg;
use super::super::view::{Fleet, View};
use crate::model::{Component, Timestamp, WaitingOn};

/// Waits while the canary of a hop is being watched. Called only when every node is healthy.
pub(in super::super) fn soak(view: &View<'_>, leg: Option<&Leg>, fleet: &Fleet<'_>, draft: &mut Draft) -> Option<WaitingOn> {
    leg?;
    let first_nodes = match fleet.component {
        Component::Backend => true,
        Component::ComputeNode => view.cluster.backend.is_none(),
        Component::Frontend | Component::FrontendProxy => false,
    };
    let mut updated = fleet.pods.values().filter(|pod| !fleet.is_outdated(pod));
    let canary = updated.next()?;
    if !first_nodes || updated.next().is_some() {
        return None;
    }
    let since = draft.operation.as_ref().and_then(|operation| Timestamp::parse(operation.canary_since.as_deref()?));
    let since = since.unwrap_or_else(|| {
        let now = view.now();
        draft.remember(|operation| operation.canary_since = Some(now.to_seconds_text()));
        Timestamp::from_seconds(now.as_seconds())
    });
    let until = since + view.cluster.policy.canary_soak;
    (view.now() < until).then(|| WaitingOn::Soaking { pod: canary.name.clone(), until })
}
