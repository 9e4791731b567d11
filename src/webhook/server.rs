//! TLS connections in, answers out, for as long as the process lives; waits for a certificate, takes a new one without a restart, and ends for nothing.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::crypto::ring;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::certificate::{Look, Presented};
use super::{Outcome, Webhook, judge, review};

/// The path of the AdmissionReviews.
pub const PATH: &str = "/validate";
/// A request holds an object twice, and an object has at most 3 MiB on its way into an API server.
const BODY_MAX: usize = 7 * 1024 * 1024;
/// How long a handshake, the headers, or a request as a whole may take; the API server itself waits 5 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at the same time; each API server keeps a few. Their bodies together must stay below the memory that the operator may have.
const CONNECTIONS: usize = 32;

/// Where it is served.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address.
    pub address: SocketAddr,
    /// Directory with `tls.crt` and `tls.key`.
    pub certificates: PathBuf,
    /// How often the directory is looked at.
    pub look_every: Duration,
}

/// Serves for as long as it is polled; `listening` hears of each address that is listened on. Without a certificate nothing is listened on, and that
/// an address cannot be listened on is told and tried again: nothing rests on the webhook, so it ends no process.
pub async fn serve(webhook: Webhook, endpoint: Endpoint, listening: impl Fn(SocketAddr)) {
    let presented = Arc::new(Presented::default());
    tokio::join!(keep_fresh(&presented, &endpoint), answer_at(webhook, &endpoint, &presented, listening));
}

/// Listens as soon as there is a certificate, and answers.
pub(super) async fn answer_at(webhook: Webhook, endpoint: &Endpoint, presented: &Arc<Presented>, listening: impl Fn(SocketAddr)) {
    let acceptor = match acceptor(presented) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, "the webhook cannot be served");
            return std::future::pending().await;
        }
    };
    presented.is_loaded().await;
    let listener = listen(endpoint).await;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "the webhook listens");
        listening(address);
    }
    accept(listener, acceptor, Arc::new(webhook)).await;
}

fn acceptor(presented: &Arc<Presented>) -> Result<TlsAcceptor, rustls::Error> {
    let resolver: Arc<Presented> = Arc::clone(presented);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Loads the certificate whenever it changes, and says once what keeps it from being served.
pub(super) async fn keep_fresh(presented: &Presented, endpoint: &Endpoint) {
    let provider = ring::default_provider();
    let directory = endpoint.certificates.display();
    let mut told = None;
    loop {
        let look = presented.look(&endpoint.certificates, &provider);
        if look != Look::Same && told.as_ref() != Some(&look) {
            match &look {
                Look::Absent if presented.is_there() => {
                    tracing::warn!(%directory, "the certificate of the webhook is gone; the last one is presented on");
                }
                Look::Absent => {
                    tracing::info!(%directory, address = %endpoint.address, "no tls.crt and tls.key, so the optional webhook does not listen; it begins when they are there");
                }
                Look::Loaded => tracing::info!(%directory, "the certificate of the webhook is loaded"),
                Look::Unusable(why) => tracing::warn!(%directory, why, "the certificate of the webhook cannot be used"),
                Look::Same => {}
            }
            told = (look != Look::Loaded).then_some(look);
        }
        sleep(endpoint.look_every).await;
    }
}

async fn listen(endpoint: &Endpoint) -> TcpListener {
    let mut told = false;
    loop {
        let mut bound = TcpListener::bind(endpoint.address).await;
        if bound.is_err() && endpoint.address.ip() == std::net::Ipv6Addr::UNSPECIFIED {
            // A machine without IPv6.
            bound = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], endpoint.address.port()))).await;
        }
        match bound {
            Ok(listener) => return listener,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, address = %endpoint.address, "the webhook cannot listen; it goes on trying");
                }
                sleep(endpoint.look_every).await;
            }
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, webhook: Arc<Webhook>) {
    let router = router(webhook);
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                connections.spawn(async move {
                    converse(stream, acceptor, router).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to the webhook was not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let stream = match timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake with the webhook failed"),
        Err(_elapsed) => return tracing::debug!("a TLS handshake with the webhook took too long"),
    };
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await {
        tracing::debug!(%error, "a connection to the webhook ended");
    }
}

fn router(webhook: Arc<Webhook>) -> Router {
    Router::new().route(PATH, post(validate)).layer(DefaultBodyLimit::max(BODY_MAX)).layer(from_fn(in_time)).with_state(webhook)
}

async fn in_time(request: Request, next: Next) -> Response {
    timeout(PATIENCE, next.run(request)).await.unwrap_or_else(|_elapsed| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn validate(State(webhook): State<Arc<Webhook>>, body: Bytes) -> Response {
    let (status, answer) = answer(&webhook, &body);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// Answers a body, whatever it is.
pub(super) fn answer(webhook: &Webhook, body: &[u8]) -> (StatusCode, Value) {
    let request = match review::read(body) {
        Ok(request) => request,
        Err(why) => {
            (webhook.count)("other", Outcome::Malformed);
            return (StatusCode::BAD_REQUEST, review::malformed(&why));
        }
    };
    let kind = judge::kind(&request);
    let Ok(verdict) = std::panic::catch_unwind(AssertUnwindSafe(|| judge::judge(webhook, &request))) else {
        (webhook.count)(kind, Outcome::Failed);
        tracing::error!(kind, "a defect of the operator: an admission request could not be judged");
        return (StatusCode::INTERNAL_SERVER_ERROR, review::malformed("a defect of the operator; please report this with its log"));
    };
    let outcome = match (verdict.refused.is_empty(), verdict.warnings.is_empty()) {
        (false, _) => Outcome::Refused,
        (true, false) => Outcome::Warned,
        (true, true) => Outcome::Allowed,
    };
    (webhook.count)(kind, outcome);
    (StatusCode::OK, review::answer(&request.uid, &verdict))
}
