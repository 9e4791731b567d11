//! Deleting, evicting and what follows a write or a removal: finalizers, grace periods, ends of namespaces and definitions; collects no garbage.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::definition;
use super::error::ApiError;
use super::options::{DeleteOptions, Mode, Propagation};
use super::registry::Resource;
use super::selectors::LabelSelector;
use super::store::{ObjectKey, Store};
use super::write::{is_released, set_metadata};

/// Finalizer that keeps a definition until its objects are gone.
const DEFINITION_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

impl Store {
    /// Deletes an object: at once, or by marking it when finalizers or a pod's grace period stand before its end. Returns its last state.
    pub fn delete(&mut self, kind: &str, namespace: &str, name: &str, options: DeleteOptions) -> Result<Value, ApiError> {
        let resource = self.resource(kind)?;
        let key = ObjectKey::new(kind, if resource.namespaced { namespace } else { "" }, name);
        let live = self.shared(kind, &key.namespace, name).cloned().ok_or_else(|| ApiError::not_found(&resource, name))?;
        check_preconditions(&resource, &live, &options)?;
        let marked = self.mark(&key, &live, &options);
        if options.mode == Mode::DryRun {
            return Ok(marked);
        }
        if is_released(&marked) {
            let gone = self.commit(&key, None);
            self.after_removal(&key, &gone);
            return Ok(gone.as_ref().clone());
        }
        if marked == *live {
            return Ok(marked);
        }
        let marked = self.commit(&key, Some(marked)).as_ref().clone();
        match kind {
            "Namespace" => self.empty_namespace(name),
            "CustomResourceDefinition" => self.empty_definition(&marked),
            _ => {}
        }
        Ok(marked)
    }

    /// The object as deletion leaves it: with a deletion time, a grace period and the finalizers that propagation asks for.
    fn mark(&self, key: &ObjectKey, live: &Value, options: &DeleteOptions) -> Value {
        let mut object = live.clone();
        let grace = if key.kind == "Pod" { pod_grace(live, options.grace_seconds) } else { 0 };
        let finalizer = match options.propagation {
            Some(Propagation::Foreground) => Some("foregroundDeletion"),
            Some(Propagation::Orphan) => Some("orphan"),
            _ if key.kind == "Namespace" => Some("kubernetes"),
            _ if key.kind == "CustomResourceDefinition" => Some(DEFINITION_CLEANUP),
            _ => None,
        };
        let already = live["metadata"].get("deletionTimestamp").is_some();
        if let Some(finalizer) = finalizer.filter(|_| !already) {
            add_finalizer(&mut object, finalizer);
        }
        let earlier = live.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        if already && earlier.is_some_and(|earlier| grace >= earlier) {
            return object;
        }
        let end = self.now() + Duration::from_secs(u64::try_from(grace).unwrap_or(0));
        set_metadata(&mut object, "deletionTimestamp", json!(end.to_seconds_text()));
        set_metadata(&mut object, "deletionGracePeriodSeconds", json!(grace));
        if let Some(generation) = live.pointer("/metadata/generation").and_then(Value::as_i64).filter(|_| !already) {
            set_metadata(&mut object, "generation", json!(generation + 1));
        }
        if key.kind == "Namespace" {
            object["status"]["phase"] = json!("Terminating");
        }
        object
    }

    /// Evicts a pod: 429 if a disruption budget has nothing left to give, otherwise a graceful deletion that uses up one disruption.
    pub fn evict(&mut self, namespace: &str, name: &str, options: DeleteOptions) -> Result<Value, ApiError> {
        let pods = self.resource("Pod")?;
        let pod = self.shared("Pod", namespace, name).cloned().ok_or_else(|| ApiError::not_found(&pods, name))?;
        let finished = matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed" | "Pending"));
        let leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
        let budgets: Vec<Arc<Value>> =
            self.list_shared("PodDisruptionBudget", Some(namespace)).filter(|b| covers(b, &pod)).cloned().collect();
        if let (false, [budget]) = (finished || leaving, budgets.as_slice()) {
            let number = |field: &str| budget["status"].get(field).and_then(Value::as_i64).unwrap_or(0);
            if number("disruptionsAllowed") <= 0 {
                let budget_name = budget["metadata"]["name"].as_str().unwrap_or_default();
                return Err(ApiError::eviction_blocked(budget_name, number("desiredHealthy"), number("currentHealthy")));
            }
            if options.mode == Mode::Commit {
                let mut spent = budget.as_ref().clone();
                spent["status"]["disruptionsAllowed"] = json!(number("disruptionsAllowed") - 1);
                spent["status"]["disruptedPods"][name] = json!(self.now().to_seconds_text());
                self.update_status(spent, "kube-apiserver")?;
            }
        } else if budgets.len() > 1 && !finished && !leaving {
            return Err(ApiError::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        self.delete("Pod", namespace, name, options)
    }

    fn empty_namespace(&mut self, namespace: &str) {
        let inside: Vec<ObjectKey> = self
            .all()
            .filter(|(_, object)| object["metadata"]["namespace"] == *namespace)
            .map(|(kind, object)| ObjectKey::new(kind, namespace, object["metadata"]["name"].as_str().unwrap_or_default()))
            .collect();
        for key in inside {
            // Whatever is already gone needs no second deletion.
            let _ = self.delete(&key.kind, &key.namespace, &key.name, DeleteOptions::default());
        }
        self.finish_namespace(namespace);
    }

    fn finish_namespace(&mut self, namespace: &str) {
        let leaving = self.get("Namespace", "", namespace).is_some_and(|object| object.pointer("/metadata/deletionTimestamp").is_some());
        if leaving && !self.all().any(|(_, object)| object["metadata"]["namespace"] == *namespace) {
            self.drop_finalizer(&ObjectKey::new("Namespace", "", namespace), "kubernetes");
        }
    }

    fn empty_definition(&mut self, marked: &Value) {
        let kind = marked.pointer("/spec/names/kind").and_then(Value::as_str).unwrap_or_default().to_string();
        let inside: Vec<(String, String)> = self
            .list(&kind, None)
            .into_iter()
            .map(|object| {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
                (text("namespace"), text("name"))
            })
            .collect();
        for (namespace, name) in inside {
            let _ = self.delete(&kind, &namespace, &name, DeleteOptions::default());
        }
        self.finish_definition(&kind);
    }

    fn finish_definition(&mut self, kind: &str) {
        let leaving = self
            .list("CustomResourceDefinition", None)
            .into_iter()
            .find(|object| object.pointer("/spec/names/kind").and_then(Value::as_str) == Some(kind))
            .filter(|object| object.pointer("/metadata/deletionTimestamp").is_some())
            .and_then(|object| object["metadata"]["name"].as_str().map(str::to_string));
        if let Some(name) = leaving.filter(|_| self.list(kind, None).is_empty()) {
            self.drop_finalizer(&ObjectKey::new("CustomResourceDefinition", "", name), DEFINITION_CLEANUP);
        }
    }

    fn drop_finalizer(&mut self, key: &ObjectKey, finalizer: &str) {
        let Some(mut object) = self.get(&key.kind, &key.namespace, &key.name).cloned() else { return };
        if let Some(list) = object["metadata"]["finalizers"].as_array_mut() {
            list.retain(|item| item != finalizer);
        }
        if is_released(&object) {
            let gone = self.commit(key, None);
            self.after_removal(key, &gone);
        } else {
            self.commit(key, Some(object));
        }
    }

    /// What a new state brings about at once: a definition's kind is served.
    pub(super) fn after_write(&mut self, key: &ObjectKey) {
        if key.kind == "CustomResourceDefinition"
            && let Some(object) = self.shared(&key.kind, "", &key.name).cloned()
        {
            self.serve_definition(key, &object);
        }
    }

    fn serve_definition(&mut self, key: &ObjectKey, object: &Value) {
        if let Ok(resource) = definition::resource(object) {
            self.registry.insert(resource);
        }
        let mut served = object.clone();
        definition::establish(&mut served, &self.now().to_seconds_text());
        if served != *object {
            self.commit(key, Some(served));
        }
    }

    /// What the end of an object brings about at once: the end of its namespace or its definition, if that was waiting.
    pub(super) fn after_removal(&mut self, key: &ObjectKey, gone: &Value) {
        if key.kind == "CustomResourceDefinition"
            && let Some(kind) = gone.pointer("/spec/names/kind").and_then(Value::as_str)
        {
            self.registry.remove(kind);
        }
        if !key.namespace.is_empty() {
            self.finish_namespace(&key.namespace);
        }
        self.finish_definition(&key.kind);
    }
}

fn check_preconditions(resource: &Resource, live: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
    let metadata = &live["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let checks = [("UID", "uid", &options.uid), ("ResourceVersion", "resourceVersion", &options.resource_version)];
    for (label, field, wanted) in checks {
        if let Some(wanted) = wanted.as_ref().filter(|wanted| metadata[field] != **wanted) {
            let found = metadata[field].as_str().unwrap_or_default();
            let why = format!("Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}");
            return Err(ApiError::conflict(resource, name, &why));
        }
    }
    Ok(())
}

fn add_finalizer(object: &mut Value, finalizer: &str) {
    let mut list = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !list.iter().any(|item| item == finalizer) {
        list.push(json!(finalizer));
    }
    set_metadata(object, "finalizers", Value::Array(list));
}

/// A pod that runs nowhere, or no longer, needs no grace.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let bound = pod.pointer("/spec/nodeName").and_then(Value::as_str).is_some_and(|node| !node.is_empty());
    let finished = matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    if !bound || finished {
        return 0;
    }
    asked.or_else(|| pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64)).unwrap_or(30).max(0)
}

fn covers(budget: &Value, pod: &Value) -> bool {
    budget
        .pointer("/spec/selector")
        .is_some_and(|selector| LabelSelector::from_object(selector).is_ok_and(|selector| selector.matches(&pod["metadata"]["labels"])))
}
