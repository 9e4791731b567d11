//! The API server as a tower service: requests in, gatekeeper, authorisation, handlers, responses out; opens no socket.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame};
use tokio::sync::watch;
use tower::{BoxError, Service};

use super::call::{Answer, Call, Payload};
use super::error::ApiError;
use super::gate::{Backend, Gatekeeper, RequestInfo, Verdict};
use super::rbac::{self, Rules};
use super::route::{Query, ResourcePath, Route, route, verb};
use super::store::Store;
use super::watch::Watch;
use super::{access_review, identity, reads, writes};

/// Body of a response: whole for most requests, endless for watches.
pub type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// What wakes watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pulse {
    beats: u64,
    pub cuts: u64,
    pub silent: bool,
}

pub(super) struct Shared<B> {
    world: Arc<Mutex<B>>,
    pulse: watch::Sender<Pulse>,
    gate: Option<Arc<dyn Gatekeeper>>,
}

impl<B: Backend> Shared<B> {
    pub fn subscribe(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    pub fn with_store<T>(&self, action: impl FnOnce(&mut Store) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        action(world.store())
    }

    fn log(&self, call: &Call) -> Result<Answer, ApiError> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let request = reads::LogRequest::of(world.store(), call)?;
        let log = world.log(&call.path.namespace, &call.path.name, &request.container, request.previous);
        request.answer(&call.path.name, log.as_deref())
    }

    /// Carries out a request that may change something, lets the world react, and wakes the watches if there is news.
    fn change<T>(&self, action: impl FnOnce(&mut Store) -> T) -> T {
        let (outcome, news) = {
            let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
            let before = world.store().revision();
            let outcome = action(world.store());
            if world.store().revision() != before {
                world.touched();
            }
            (outcome, world.store().revision() != before)
        };
        if news {
            self.beat();
        }
        outcome
    }

    fn beat(&self) {
        self.pulse.send_modify(|pulse| pulse.beats = pulse.beats.wrapping_add(1));
    }
}

/// An API server over a world; makes services for its users.
pub struct ApiServer<B> {
    shared: Arc<Shared<B>>,
}

impl<B> Clone for ApiServer<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<B: Backend> ApiServer<B> {
    /// A server over a world that others may change too; whoever does calls `notify` afterwards.
    pub fn new(world: Arc<Mutex<B>>) -> Self {
        Self { shared: Arc::new(Shared { world, pulse: watch::Sender::default(), gate: None }) }
    }

    /// As `new`, with a gatekeeper that sees every request.
    pub fn with_gatekeeper(world: Arc<Mutex<B>>, gate: Arc<dyn Gatekeeper>) -> Self {
        Self { shared: Arc::new(Shared { world, pulse: watch::Sender::default(), gate: Some(gate) }) }
    }

    /// A service whose user may do everything.
    pub fn admin(&self) -> ApiService<B> {
        ApiService { shared: self.shared.clone(), user: "kubernetes-admin".to_string(), rules: None }
    }

    /// A service whose user, such as `system:serviceaccount:ns:name`, may do what the rules allow.
    pub fn user(&self, name: &str, rules: Arc<Rules>) -> ApiService<B> {
        ApiService { shared: self.shared.clone(), user: name.to_string(), rules: Some(rules) }
    }

    /// A service for whoever sends a request with these headers: the owner of its bearer token with the rights that role bindings give, or, without
    /// credentials, the admin. 401 for a token that nobody knows.
    pub(super) fn sender(&self, headers: &HeaderMap) -> Result<ApiService<B>, ApiError> {
        let Some(credentials) = headers.get(header::AUTHORIZATION) else { return Ok(self.admin()) };
        let token = credentials.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        self.shared.with_store(|store| {
            let user = identity::user_of(store, token).ok_or_else(ApiError::unauthorized)?;
            let rules = Rules::bound(store, &user);
            Ok(self.user(&user, Arc::new(rules)))
        })
    }

    /// A kube client of the admin.
    pub fn admin_client(&self) -> kube::Client {
        kube::Client::new(self.admin(), "default")
    }

    /// Wakes the watches after the world has changed by itself.
    pub fn notify(&self) {
        self.shared.beat();
    }

    /// Breaks every watch that is open, as a restarting API server or load balancer does.
    pub fn cut_watches(&self) {
        self.shared.pulse.send_modify(|pulse| pulse.cuts = pulse.cuts.wrapping_add(1));
    }

    /// Makes open watches fall silent without ending (no events, no bookmarks, no time-out), as a black-holed connection does; and lets them speak again.
    pub fn silence_watches(&self, silent: bool) {
        self.shared.pulse.send_modify(|pulse| pulse.silent = silent);
    }
}

/// The API as one user sees it.
pub struct ApiService<B> {
    shared: Arc<Shared<B>>,
    user: String,
    rules: Option<Arc<Rules>>,
}

impl<B> Clone for ApiService<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), user: self.user.clone(), rules: self.rules.clone() }
    }
}

impl<B, R> Service<Request<R>> for ApiService<B>
where
    B: Backend,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
                return Err("the request body broke off".into());
            };
            service.handle(service.read(&parts, body)).await
        })
    }
}

impl<B: Backend> ApiService<B> {
    fn read(&self, parts: &http::request::Parts, body: Bytes) -> Call {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let path_text = parts.uri.path().to_string();
        let (path, verb) = match route(&path_text) {
            Route::Resource(path) => {
                let verb = verb(&parts.method, &path, &query).to_string();
                (path, verb)
            }
            Route::Other(_) => (ResourcePath::default(), parts.method.as_str().to_lowercase()),
        };
        let info = RequestInfo {
            verb,
            group: path.group.clone(),
            resource: path.plural.clone(),
            subresource: path.subresource.clone(),
            namespace: namespace_of(&path),
            name: path.name.clone(),
            user: self.user.clone(),
            path: path_text,
        };
        let text = |name: header::HeaderName| joined(&parts.headers, &name);
        Call {
            method: parts.method.clone(),
            info,
            path,
            query,
            accept: text(header::ACCEPT),
            content_type: text(header::CONTENT_TYPE),
            agent: text(header::USER_AGENT),
            body,
        }
    }

    async fn handle(&self, call: Call) -> Result<Response<ResponseBody>, BoxError> {
        let info = call.info.clone();
        let gate = self.shared.gate.clone();
        let verdict = gate.as_ref().map_or(Verdict::Proceed, |gate| gate.before(&info));
        let mut lost = false;
        let refusal = match verdict {
            Verdict::Proceed => None,
            Verdict::Refuse(error) => Some(error),
            Verdict::Hang => std::future::pending().await,
            Verdict::Delay(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
            Verdict::LoseReply => {
                lost = true;
                None
            }
            Verdict::Disconnect => return Err("connection refused".into()),
        };
        let outcome = match refusal {
            Some(error) => Err(error),
            None => self.carry_out(call),
        };
        if let Some(gate) = gate {
            let code = outcome.as_ref().map_or_else(|error| error.code, |response| response.status().as_u16());
            gate.after(&info, code, outcome.as_ref().err());
        }
        let response = outcome.unwrap_or_else(|error| refused(&error));
        if lost { Err("connection closed before message completed".into()) } else { Ok(response) }
    }

    fn carry_out(&self, call: Call) -> Result<Response<ResponseBody>, ApiError> {
        let is_review = call.path.group == "authorization.k8s.io";
        if let Some(rules) = self.rules.as_ref().filter(|_| !is_review && !is_public(&call))
            && !rules.allows(&call.info)
        {
            return Err(rbac::forbidden(&call.info));
        }
        if let Some(rules) = self.rules.as_ref().filter(|_| self.shared.with_store(|store| applies_anew(store, &call))) {
            let creation = RequestInfo { verb: "create".to_string(), ..call.info.clone() };
            if !rules.allows(&creation) {
                return Err(rbac::forbidden(&creation));
            }
        }
        if is_review {
            return access_review::answer(&call, self.rules.as_deref()).map(answered);
        }
        if call.path.plural.is_empty() {
            return self.shared.with_store(|store| reads::other(store.registry(), store.revision(), &call)).map(answered);
        }
        match call.info.verb.as_str() {
            "watch" => {
                let watch = self.shared.with_store(|store| Watch::open(&self.shared, store, call))?;
                Ok(streamed(watch))
            }
            "get" if call.path.subresource == "log" && call.path.plural == "pods" => self.shared.log(&call).map(answered),
            "get" => self.shared.with_store(|store| reads::get(store, &call)).map(answered),
            "list" => self.shared.with_store(|store| reads::list(store, &call)).map(answered),
            "create" => self.shared.change(|store| writes::create(store, &call)).map(answered),
            "update" => self.shared.change(|store| writes::update(store, &call)).map(answered),
            "patch" => self.shared.change(|store| writes::patch(store, &call)).map(answered),
            "delete" => self.shared.change(|store| writes::delete(store, &call)).map(answered),
            "deletecollection" => self.shared.change(|store| writes::delete_collection(store, &call)).map(answered),
            _ => Err(ApiError::method_not_allowed()),
        }
    }
}

/// Whether a request is an apply that makes its object: the API server asks for the right to create as well.
fn applies_anew(store: &Store, call: &Call) -> bool {
    let applies = call.info.verb == "patch" && call.content_type.starts_with("application/apply-patch") && call.path.subresource.is_empty();
    applies
        && call
            .address(store.registry())
            .is_ok_and(|addressed| store.get(&addressed.resource.kind, &call.path.namespace, &call.path.name).is_none())
}

/// The authorizer takes a namespace itself as lying in it.
fn namespace_of(path: &ResourcePath) -> String {
    if path.group.is_empty() && path.plural == "namespaces" { path.name.clone() } else { path.namespace.clone() }
}

/// Discovery, version and health are open to every user, as the default ClusterRoles make them.
fn is_public(call: &Call) -> bool {
    call.path.plural.is_empty() && call.method == http::Method::GET
}

fn joined(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",")
}

fn whole(bytes: Vec<u8>) -> ResponseBody {
    Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn response(code: u16, content_type: &'static str, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    response
}

pub(super) fn refused(error: &ApiError) -> Response<ResponseBody> {
    response(error.code, "application/json", whole(error.to_status().to_string().into_bytes()))
}

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn answered(answer: Answer) -> Response<ResponseBody> {
    let mut response = match answer.payload {
        Payload::Text(text) => response(answer.code, "text/plain", whole(text.into_bytes())),
        Payload::Json(value) => {
            // Clients tell the aggregated form of discovery by its content type.
            let content_type = if value["kind"] == "APIGroupDiscoveryList" { AGGREGATED } else { "application/json" };
            response(answer.code, content_type, whole(value.to_string().into_bytes()))
        }
    };
    for warning in answer.warnings {
        let text = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = header::HeaderValue::from_str(&text) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

fn streamed<B: Backend>(watch: Watch<B>) -> Response<ResponseBody> {
    let frames = watch.into_stream().map(|frame| frame.map(Frame::data));
    response(200, "application/json", BodyExt::boxed_unsync(StreamBody::new(frames)))
}
