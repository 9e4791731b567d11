//! The embedded control plane as a server: HTTP on a socket, users by token, one audit line per request; has no nodes and plays no pods.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::sim::cluster::Timings;
use crate::sim::kube::{ApiError, ApiServer, Gatekeeper, RequestInfo, Verdict, serve_users};
use crate::sim::pace;
use crate::sim::world::World;

/// Changes that watches can go back to.
const HISTORY: usize = 200_000;

/// What the control plane is like and where it is served.
#[derive(Clone, Debug)]
pub struct ControlPlaneSettings {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// Where it listens.
    pub address: SocketAddr,
    /// Silence of a node before it counts as unreachable.
    pub node_monitor_grace: Duration,
    /// Where one JSON line per answered request goes.
    pub audit_log: Option<PathBuf>,
}

/// Serves a control plane in real time until the socket fails.
///
/// # Errors
/// When the socket or the audit log cannot be opened, or a part of it ends.
pub async fn serve_control_plane(clock: Clock, settings: ControlPlaneSettings) -> anyhow::Result<()> {
    let ControlPlaneSettings { seed, address, node_monitor_grace, audit_log } = settings;
    let mut world = World::of_control_plane(seed, Timings { node_monitor_grace, ..Timings::default() }, clock.now());
    world.store.set_history_limit(HISTORY);
    world.settle();
    let world = Arc::new(Mutex::new(world));
    let server = match audit_log {
        Some(path) => {
            let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
            ApiServer::with_gatekeeper(Arc::clone(&world), Arc::new(Audit { file: Mutex::new(file) }))
        }
        None => ApiServer::new(Arc::clone(&world)),
    };
    let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
    tracing::info!(%address, "the embedded control plane is ready");
    tokio::select! {
        ended = serve_users(listener, server.clone()) => ended.context("the socket failed"),
        () = pace::drive(world, server, clock) => Ok(()),
    }
}

/// The audit log in the form of the API server's, as far as anybody here reads it.
struct Audit {
    file: Mutex<File>,
}

impl Gatekeeper for Audit {
    fn before(&self, _request: &RequestInfo) -> Verdict {
        Verdict::Proceed
    }

    fn after(&self, request: &RequestInfo, code: u16, refusal: Option<&ApiError>) {
        let RequestInfo { verb, group, resource, subresource, namespace, name, user, path } = request;
        let mut line = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "stage": "ResponseComplete",
            "requestURI": path, "verb": verb, "user": {"username": user},
            "objectRef": {"resource": resource, "subresource": subresource, "apiGroup": group, "namespace": namespace, "name": name},
            "responseStatus": {"code": code},
        });
        if let Some(refusal) = refusal {
            line["responseStatus"]["message"] = json!(refusal.message);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{line}") {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_line_names_user_verb_resource_and_code_as_the_api_server_does() {
        let path = std::env::temp_dir().join(format!("starrocks-operator-audit-{}", std::process::id()));
        let audit = Audit { file: Mutex::new(File::create(&path).expect("a file")) };
        let text = |text: &str| text.to_owned();
        audit.after(
            &RequestInfo {
                verb: text("patch"),
                group: text("apps"),
                resource: text("statefulsets"),
                subresource: String::new(),
                namespace: text("a"),
                name: text("b"),
                user: text("system:serviceaccount:starrocks:starrocks"),
                path: text("/apis/apps/v1/namespaces/a/statefulsets/b"),
            },
            403,
            Some(&ApiError::forbidden("apps", "statefulsets", "b", "because")),
        );
        let line = std::fs::read_to_string(&path).expect("written");
        std::fs::remove_file(&path).expect("removed");
        for part in [
            r#""username":"system:serviceaccount:starrocks:starrocks""#,
            r#""verb":"patch""#,
            r#""resource":"statefulsets""#,
            r#""code":403"#,
            "is forbidden: because",
        ] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
    }
}
