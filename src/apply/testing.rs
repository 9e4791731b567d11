//! A scripted Kubernetes API for tests: requests are recorded, a closure answers them.

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// A request as the API server would see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
}

impl Recorded {
    /// Method and last segment of the path.
    pub(crate) fn short(&self) -> String {
        format!("{} {}", self.method, self.path.rsplit('/').next().unwrap_or_default())
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }
}

/// How a request is answered.
pub(crate) enum Reply {
    /// With JSON.
    Json(u16, Value),
    /// With a stream of watch events that ends, or stays open.
    Events(Vec<Value>, bool),
    /// Never.
    Silence,
}

/// Everything that was asked.
pub(crate) type Requests = Arc<Mutex<Vec<Recorded>>>;

/// A client whose requests are answered by a closure.
pub(crate) fn scripted(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> (Client, Requests) {
    let requests = Requests::default();
    let recorded = Arc::clone(&requests);
    let answer = Arc::new(answer);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, recorded) = (Arc::clone(&answer), Arc::clone(&recorded));
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect().await.expect("a whole body").to_bytes();
            let request = Recorded {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
            };
            recorded.lock().expect("no panic").push(request.clone());
            Ok::<_, std::convert::Infallible>(match answer(&request) {
                Reply::Json(status, body) => respond(status, Full::from(body.to_string()).boxed_unsync()),
                Reply::Events(events, stays_open) => respond(200, stream(events, stays_open)),
                Reply::Silence => std::future::pending().await,
            })
        }
    });
    (Client::new(service, "default"), requests)
}

type ReplyBody = UnsyncBoxBody<bytes::Bytes, std::convert::Infallible>;

fn respond(status: u16, body: ReplyBody) -> Response<ReplyBody> {
    Response::builder().status(status).header("content-type", "application/json").body(body).expect("a response")
}

fn stream(events: Vec<Value>, stays_open: bool) -> ReplyBody {
    use futures::StreamExt;
    let frames = futures::stream::iter(events).map(|event| {
        let line = bytes::Bytes::from(format!("{event}\n"));
        Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(line))
    });
    let tail = futures::stream::pending().take(usize::from(stays_open));
    StreamBody::new(frames.chain(tail)).boxed_unsync()
}

/// A failure as the API server words it.
pub(crate) fn failure(code: u16, reason: &str) -> Reply {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code });
    Reply::Json(code, body)
}
