//! Who stands between a client and the store: what a request is, what a gatekeeper may do with it; decides nothing itself.

use std::time::Duration;

use super::error::ApiError;
use super::store::Store;

/// A world that owns a store; the HTTP layer knows no more of it than this.
pub trait Backend: Send + 'static {
    /// The store.
    fn store(&mut self) -> &mut Store;
    /// Called after each request that may have changed something, so that control loops can react.
    fn touched(&mut self);
    /// The log of a container's present or previous run; `None` where nothing runs that could have written one.
    fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<String> {
        let _ = (namespace, pod, container, previous);
        None
    }
}

/// A request in the authorizer's words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestInfo {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the lower-case HTTP method.
    pub verb: String,
    /// API group, empty for core.
    pub group: String,
    /// Plural resource name; empty for paths that are no resource.
    pub resource: String,
    /// Subresource, empty for the object itself.
    pub subresource: String,
    /// Namespace, empty for cluster-scoped requests and lists of all namespaces.
    pub namespace: String,
    /// Object name, empty for lists and for creation of unnamed objects.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// URL path.
    pub path: String,
}

impl RequestInfo {
    /// Whether the request changes something when it succeeds.
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It goes on.
    Proceed,
    /// It is answered with a refusal and changes nothing.
    Refuse(ApiError),
    /// It is never answered and changes nothing.
    Hang,
    /// It goes on after a while.
    Delay(Duration),
    /// It is carried out, and then the connection breaks.
    LoseReply,
    /// The connection breaks before anything is carried out.
    Disconnect,
}

/// Sees every request before and after it is carried out: fault injection and accounting.
pub trait Gatekeeper: Send + Sync {
    /// Decides about a request.
    fn before(&self, request: &RequestInfo) -> Verdict;
    /// Learns the outcome: the HTTP status code, and why it is a refusal.
    fn after(&self, request: &RequestInfo, code: u16, refusal: Option<&ApiError>);
}
