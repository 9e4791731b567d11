//! The API on a socket, for kubectl and other programs: a listener in, connections served until the listener fails; plain HTTP/1.1.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::{BoxError, Service};

use super::error::ApiError;
use super::gate::Backend;
use super::http::{ApiServer, ApiService, ResponseBody, refused};

/// Serves the API as the service's user; ends only when the listener fails. Dropping the future closes the door but not open connections.
pub async fn serve<B: Backend>(listener: TcpListener, service: ApiService<B>) -> std::io::Result<()> {
    accept(listener, move |_headers: &HeaderMap| Ok(service.clone())).await
}

/// As `serve`, for users who are told apart by the bearer tokens of their service accounts; whoever sends none may do everything.
pub async fn serve_users<B: Backend>(listener: TcpListener, server: ApiServer<B>) -> std::io::Result<()> {
    accept(listener, move |headers: &HeaderMap| server.sender(headers)).await
}

async fn accept<B: Backend>(
    listener: TcpListener,
    door: impl Fn(&HeaderMap) -> Result<ApiService<B>, ApiError> + Clone + Send + 'static,
) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // Small answers go at once, as the API server sends them.
        let _unimportant = stream.set_nodelay(true);
        let door = door.clone();
        tokio::spawn(async move {
            let handler = service_fn(move |request: Request<Incoming>| {
                let sender = door(request.headers());
                async move {
                    match sender {
                        Ok(mut service) => match service.call(request).await {
                            Ok(response) => Ok(response.map(plain)),
                            Err(error) => Err(broken(error)),
                        },
                        Err(error) => Ok(refused(&error).map(plain)),
                    }
                }
            });
            // A client that hangs up is no fault of ours.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), handler).await;
        });
    }
}

fn broken(error: BoxError) -> std::io::Error {
    std::io::Error::other(error)
}

/// The same body with an error type that outlives every borrow, which spawning asks for.
fn plain(body: ResponseBody) -> UnsyncBoxBody<Bytes, std::io::Error> {
    body.map_err(broken).boxed_unsync()
}
