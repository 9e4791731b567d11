//! The API on a socket, for kubectl and other programs: a listener in, connections served until the listener fails; plain HTTP/1.1.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::{BoxError, Service};

use super::gate::Backend;
use super::http::{ApiService, ResponseBody};

/// Serves the API as the service's user; ends only when the listener fails. Dropping the future closes the door but not open connections.
pub async fn serve<B: Backend>(listener: TcpListener, service: ApiService<B>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            let handler = service_fn(move |request: Request<Incoming>| {
                let answer = service.clone().call(request);
                async move {
                    match answer.await {
                        Ok(response) => Ok(response.map(plain)),
                        Err(error) => Err(broken(error)),
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
