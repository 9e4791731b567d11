//! The garbage collector: ownership of every object in an index; objects whose owners are gone are deleted, waiting owners are let go of.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::desk::{Dependents, Desk};
use super::fields::{Key, flag, has_finalizer, items, set, terminating, text, uid};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// Who owns whom, by UID.
#[derive(Clone, Debug, Default)]
pub(super) struct Ownership {
    live: BTreeMap<String, Key>,
    dependents: BTreeMap<String, BTreeSet<Key>>,
}

impl Ownership {
    /// Takes in a new state of an object and returns the objects to look at because of it.
    pub(super) fn observe(&mut self, object: &Value, previous: Option<&Value>) -> Vec<Key> {
        let key = Key::of(object);
        self.live.insert(uid(object).to_owned(), key.clone());
        let owners = owner_uids(object);
        for former in previous.map(owner_uids).unwrap_or_default() {
            if !owners.contains(&former) {
                self.forget(&former, &key);
            }
        }
        let mut affected = Vec::new();
        for owner in owners {
            if !self.live.contains_key(&owner) {
                affected.push(key.clone());
            }
            self.dependents.entry(owner).or_default().insert(key.clone());
        }
        if terminating(object) && (has_finalizer(object, FOREGROUND) || has_finalizer(object, ORPHAN)) {
            affected.push(key);
        }
        // A change of owners may free an owner that waits for its dependents.
        affected.extend(previous.map(owner_uids).unwrap_or_default().iter().filter_map(|owner| self.live.get(owner).cloned()));
        affected
    }

    /// Takes in the end of an object and returns the objects to look at because of it.
    pub(super) fn removed(&mut self, object: &Value) -> Vec<Key> {
        let key = Key::of(object);
        self.live.remove(uid(object));
        let mut affected: Vec<Key> = self.dependents.remove(uid(object)).into_iter().flatten().collect();
        for owner in owner_uids(object) {
            self.forget(&owner, &key);
            affected.extend(self.live.get(&owner).cloned());
        }
        affected
    }

    /// After a gap in the history: whatever is not listed is gone; returns the objects to look at because of it.
    pub(super) fn keep_only(&mut self, live: &BTreeSet<String>) -> Vec<Key> {
        let vanished: Vec<String> = self.live.keys().filter(|known| !live.contains(*known)).cloned().collect();
        let mut affected = Vec::new();
        for known in vanished {
            let key = self.live.remove(&known);
            affected.extend(self.dependents.remove(&known).into_iter().flatten());
            let owners: Vec<String> = self.dependents.keys().cloned().collect();
            for owner in owners.iter().filter(|_| key.is_some()) {
                if let Some(key) = key.as_ref().filter(|key| self.dependents.get(owner).is_some_and(|dependents| dependents.contains(key)))
                {
                    self.forget(owner, key);
                    affected.extend(self.live.get(owner).cloned());
                }
            }
        }
        affected
    }

    fn forget(&mut self, owner: &str, key: &Key) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(key);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    fn dependents_of(&self, object: &Value) -> Vec<Key> {
        self.dependents.get(uid(object)).into_iter().flatten().cloned().collect()
    }
}

/// One look at one object.
pub(super) fn sync(desk: &mut Desk, ownership: &Ownership, key: &Key) {
    let Some(object) = desk.get(key).cloned() else { return };
    if terminating(&object) {
        if has_finalizer(&object, ORPHAN) {
            orphan(desk, ownership, &object, key);
        } else if has_finalizer(&object, FOREGROUND) {
            delete_dependents_first(desk, ownership, &object, key);
        }
        return;
    }
    collect(desk, ownership, &object, key);
}

fn owner_uids(object: &Value) -> Vec<String> {
    items(object, "/metadata/ownerReferences").iter().map(|reference| text(reference, "/uid").to_owned()).collect()
}

fn orphan(desk: &mut Desk, ownership: &Ownership, owner: &Value, key: &Key) {
    for dependent in ownership.dependents_of(owner) {
        if let Some(mut fresh) = desk.get(&dependent).cloned() {
            drop_references(&mut fresh, &[uid(owner).to_owned()]);
            desk.update(fresh);
        }
    }
    desk.remove_finalizer(key, ORPHAN);
}

fn delete_dependents_first(desk: &mut Desk, ownership: &Ownership, owner: &Value, key: &Key) {
    let mut blocked = false;
    for dependent_key in ownership.dependents_of(owner) {
        let Some(dependent) = desk.get(&dependent_key).cloned() else { continue };
        let reference =
            items(&dependent, "/metadata/ownerReferences").iter().find(|reference| text(reference, "/uid") == uid(owner)).cloned();
        let Some(reference) = reference else { continue };
        if !terminating(&dependent) {
            collect(desk, ownership, &dependent, &dependent_key);
        }
        blocked |= flag(&reference, "/blockOwnerDeletion") && desk.get(&dependent_key).is_some_and(|known| uid(known) == uid(&dependent));
    }
    if !blocked {
        desk.remove_finalizer(key, FOREGROUND);
    }
}

/// Deletes an object none of whose owners stays; one that keeps an owner only loses the references to the others.
fn collect(desk: &mut Desk, ownership: &Ownership, object: &Value, key: &Key) {
    let references = items(object, "/metadata/ownerReferences");
    if references.is_empty() {
        return;
    }
    let (mut solid, mut waiting, mut dangling) = (0, Vec::new(), Vec::new());
    for reference in references {
        let owner_uid = text(reference, "/uid");
        let owner = ownership.live.get(owner_uid).and_then(|key| desk.get(key)).filter(|owner| uid(owner) == owner_uid);
        match owner {
            None => dangling.push(owner_uid.to_owned()),
            Some(owner) if terminating(owner) && has_finalizer(owner, FOREGROUND) => waiting.push(owner_uid.to_owned()),
            Some(_) => solid += 1,
        }
    }
    if dangling.is_empty() && waiting.is_empty() {
        return;
    }
    if solid > 0 {
        dangling.extend(waiting);
        let mut fresh = object.clone();
        drop_references(&mut fresh, &dangling);
        desk.update(fresh);
        return;
    }
    let cascade = !waiting.is_empty() && !ownership.dependents_of(object).is_empty();
    let dependents = if cascade { Dependents::Foreground } else { Dependents::Background };
    desk.delete_with(key, uid(object), None, dependents);
}

fn drop_references(object: &mut Value, owner_uids: &[String]) {
    let mut references = items(object, "/metadata/ownerReferences").to_vec();
    references.retain(|reference| !owner_uids.iter().any(|owner| owner == text(reference, "/uid")));
    set(object, &["metadata", "ownerReferences"], json!(references));
}
