//! HTTP requests to a simulated process in, its answers with their delays out; keeps silent when it does.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Bed;
use crate::sim::runtime::HttpReply;
use crate::sim::starrocks::Socket;

/// Serves one connection.
pub(super) async fn serve(stream: TcpStream, bed: Arc<Bed>, socket: Socket) -> std::io::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let bed = Arc::clone(&bed);
        async move { answer(&bed, socket, &request).await }
    });
    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.map_err(std::io::Error::other)
}

/// A refusal in the middle of a connection is an error to hyper, which closes it.
async fn answer(bed: &Bed, socket: Socket, request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let reply = {
        let mut mirror = bed.mirror();
        mirror.advance(bed.clock.now());
        mirror.world.http(socket.0, socket.1, path)
    };
    match reply {
        HttpReply::Answer { status, body, after } => {
            tokio::time::sleep(after).await;
            let mut response = Response::new(Full::new(Bytes::from(body)));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
            Ok(response)
        }
        HttpReply::Refused => Err(std::io::ErrorKind::ConnectionReset.into()),
        HttpReply::Silence => {
            let never: Infallible = std::future::pending().await;
            match never {}
        }
    }
}
