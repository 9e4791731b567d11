//! Serves `/healthz`, `/readyz` and `/metrics` over HTTP until the process stops.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Health, Metrics};

/// Why an endpoint cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is none.
    #[error("`{0}` is no address to listen on; write `:8080`, `127.0.0.1:8080`, or `0` for none")]
    Address(String),
    /// The address cannot be listened on.
    #[error("listening on {address}: {source}")]
    Listen {
        /// Address.
        address: SocketAddr,
        /// Cause.
        source: std::io::Error,
    },
    /// Serving ended.
    #[error("serving: {0}")]
    Serve(#[from] std::io::Error),
}

/// Reads an address as Go programs write it: `:8080` for all interfaces, `0` or nothing for none.
///
/// # Errors
/// When it is neither.
pub fn bind_address(text: &str) -> Result<Option<SocketAddr>, ServeError> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    let wrong = || ServeError::Address(text.to_owned());
    match text.strip_prefix(':') {
        // `::` takes IPv4 as well wherever both exist.
        Some(port) => Ok(Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port.parse().map_err(|_| wrong())?))),
        None => text.parse().map(Some).map_err(|_| wrong()),
    }
}

/// Serves `/healthz` and `/readyz`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_health(address: SocketAddr, health: Arc<Health>, shutdown: CancellationToken) -> Result<(), ServeError> {
    let router = Router::new()
        .route("/healthz", get(|State(health): State<Arc<Health>>| async move { verdict(&health.liveness_faults()) }))
        .route("/readyz", get(|State(health): State<Arc<Health>>| async move { verdict(&health.readiness_faults()) }))
        .with_state(health);
    serve(address, router, shutdown).await
}

/// Serves `/metrics`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_metrics(address: SocketAddr, metrics: Arc<Metrics>, shutdown: CancellationToken) -> Result<(), ServeError> {
    let router =
        Router::new().route("/metrics", get(|State(metrics): State<Arc<Metrics>>| async move { exposition(&metrics) })).with_state(metrics);
    serve(address, router, shutdown).await
}

async fn serve(address: SocketAddr, router: Router, shutdown: CancellationToken) -> Result<(), ServeError> {
    let listener = listen(address).await?;
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await?;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        // A machine without IPv6.
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            let address = SocketAddr::from(([0, 0, 0, 0], address.port()));
            TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
        }
        Err(source) => Err(ServeError::Listen { address, source }),
    }
}

fn verdict(faults: &[String]) -> Response {
    if faults.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", faults.join("\n"))).into_response()
}

fn exposition(metrics: &Metrics) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_programs_write_them() {
        assert_eq!(bind_address(":8081").ok().flatten().map(|address| address.port()), Some(8081));
        assert_eq!(bind_address("127.0.0.1:1").ok().flatten(), "127.0.0.1:1".parse().ok());
        assert!(bind_address("0").is_ok_and(|address| address.is_none()));
        assert!(bind_address("8080").is_err());
    }
}
