//! Puts saved frontend settings back and forgets them once every frontend shows them; the only place where they are forgotten.

use std::collections::BTreeMap;

use super::super::draft::Draft;
use super::super::view::{View, count};
use super::freeze;
use crate::model::{Component, FrontendSetting, WaitingOn};

/// Restores, proves, forgets. Returns whether nothing is saved any more.
pub(super) fn drive(view: &View<'_>, draft: &mut Draft) -> bool {
    let Some(operation) = draft.operation.as_ref() else { return true };
    if operation.saved_settings.is_empty() {
        return true;
    }
    let saved: BTreeMap<FrontendSetting, String> =
        operation.saved_settings.iter().filter_map(|(key, value)| Some((FrontendSetting::from_key(key)?, value.clone()))).collect();
    let restored = freeze::enforce(view, &saved, draft);
    // A frontend that is away has lost its settings with its process, yet only its own word proves it.
    let fleet = view.fleet(Component::Frontend);
    let wanted = fleet.map_or(0, super::super::view::Fleet::live_replicas);
    let heard = count(view.observed.pods_of(Component::Frontend).filter(|pod| freeze::of_frontend(view, &pod.name).is_ok()).count());
    if heard < wanted {
        draft.wait(WaitingOn::FrontendsSilent { detail: format!("{heard} of {wanted} frontends have told their settings") });
        return false;
    }
    if restored {
        draft.remember(|operation| operation.saved_settings.clear());
    }
    restored
}
