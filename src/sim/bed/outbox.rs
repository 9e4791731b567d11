//! Orders of the mirror in, requests of kubelets to the API server out; orders about the same object never overtake each other.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, Error, ResourceExt};
use serde_json::{Value, json};

use super::Bed;
use super::mirror::{Order, Outcome, Subject};

/// Requests under way at the same time.
const WIDTH: usize = 32;
/// Pause after a request that has to be repeated.
const PAUSE: Duration = Duration::from_millis(250);

/// Tells the API server what waits, for ever.
pub(super) async fn deliver(client: Client, bed: Arc<Bed>) {
    loop {
        bed.orders.notified().await;
        loop {
            let orders = bed.mirror().take_orders();
            if orders.is_empty() {
                break;
            }
            let failed: Vec<bool> = futures::stream::iter(orders)
                .map(|(subject, order)| {
                    let (client, bed) = (client.clone(), Arc::clone(&bed));
                    async move {
                        let outcome = tell(client, &subject, order).await;
                        let failed = matches!(outcome, Outcome::Failed(_));
                        bed.mirror().finish(&subject, outcome);
                        failed
                    }
                })
                .buffer_unordered(WIDTH)
                .collect()
                .await;
            if failed.contains(&true) {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn tell(client: Client, subject: &Subject, order: Order) -> Outcome {
    let told = match &order {
        Order::Status(status) => write_status(client, subject, status).await,
        Order::Remove => remove(client, subject).await,
        Order::Record(event) => record(client, subject, event).await,
    };
    match told {
        Ok(outcome) => outcome,
        // Gone, or another incarnation has its name.
        Err(Error::Api(status)) if status.code == 404 || status.code == 409 => Outcome::Over,
        Err(Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            // A refusal stays one: repeating it would only hide it. Ended namespaces refuse events all the time.
            if !matches!(order, Order::Record(_)) {
                tracing::error!(?subject, code = status.code, message = status.message, "the API server refuses what a kubelet writes");
            }
            Outcome::Over
        }
        Err(error) => {
            tracing::warn!(?subject, %error, "a kubelet's request failed");
            Outcome::Failed(order)
        }
    }
}

async fn write_status(client: Client, subject: &Subject, status: &Value) -> Result<Outcome, Error> {
    let pods: Api<Pod> = Api::namespaced(client, &subject.key.namespace);
    let patch = json!({"metadata": {"uid": subject.uid}, "status": status});
    let parameters = PatchParams { field_manager: Some("kubelet".to_owned()), ..PatchParams::default() };
    let pod = pods.patch_status(&subject.key.name, &parameters, &Patch::Merge(patch)).await?;
    Ok(pod.resource_version().and_then(|version| version.parse().ok()).map_or(Outcome::Over, Outcome::Written))
}

async fn remove(client: Client, subject: &Subject) -> Result<Outcome, Error> {
    let pods: Api<Pod> = Api::namespaced(client, &subject.key.namespace);
    let preconditions = Preconditions { uid: Some(subject.uid.clone()), ..Preconditions::default() };
    let parameters = DeleteParams { grace_period_seconds: Some(0), preconditions: Some(preconditions), ..DeleteParams::default() };
    pods.delete(&subject.key.name, &parameters).await?;
    Ok(Outcome::Over)
}

async fn record(client: Client, subject: &Subject, event: &Value) -> Result<Outcome, Error> {
    let events: Api<Event> = Api::namespaced(client, &subject.key.namespace);
    if event["count"].as_i64().unwrap_or(1) > 1 {
        let patch = json!({"count": event["count"], "lastTimestamp": event["lastTimestamp"], "message": event["message"]});
        match events.patch(&subject.key.name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Err(Error::Api(status)) if status.code == 404 => {}
            told => return told.map(|_| Outcome::Over),
        }
    }
    let mut fresh = event.clone();
    if let Some(metadata) = fresh["metadata"].as_object_mut() {
        metadata.retain(|field, _| field == "name" || field == "namespace");
    }
    // The mirror's version means nothing there.
    if let Some(involved) = fresh["involvedObject"].as_object_mut() {
        involved.remove("resourceVersion");
    }
    let fresh: Event = serde_json::from_value(fresh).map_err(Error::SerdeError)?;
    events.create(&PostParams::default(), &fresh).await?;
    Ok(Outcome::Over)
}
