//! URLs as the API server reads them: method, path and query in, what is meant out; looks nothing up.

use std::collections::BTreeMap;

use http::Method;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// A path that is no resource: discovery, version, health, OpenAPI. Its segments.
    Other(Vec<String>),
    /// A resource.
    Resource(ResourcePath),
}

/// A path under a group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResourcePath {
    pub group: String,
    pub version: String,
    pub plural: String,
    pub namespace: String,
    pub name: String,
    pub subresource: String,
}

/// Decoded query parameters; the first of several equal ones counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let mut map = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            map.entry(decode(key, true)).or_insert_with(|| decode(value, true));
        }
        Self(map)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    pub fn flag(&self, key: &str) -> bool {
        matches!(self.0.get(key).map(String::as_str), Some("true" | "1" | ""))
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.text(key).and_then(|text| text.parse().ok())
    }
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut ahead = rest.clone();
                let digit =
                    |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
                match (digit(ahead.next()), digit(ahead.next())) {
                    (Some(high), Some(low)) => {
                        bytes.push(high * 16 + low);
                        rest = ahead;
                    }
                    _ => bytes.push(byte),
                }
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a path.
pub(super) fn route(path: &str) -> Route {
    let segments: Vec<String> = path.split('/').filter(|segment| !segment.is_empty()).map(|segment| decode(segment, false)).collect();
    let texts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (group, version, rest) = match texts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Route::Other(segments),
    };
    let mut found = ResourcePath { group: group.to_string(), version: version.to_string(), ..ResourcePath::default() };
    let rest = match rest {
        // A namespace's own subresources are not resources inside it.
        ["namespaces", namespace, resource, tail @ ..]
            if !(group.is_empty() && tail.is_empty() && matches!(*resource, "status" | "finalize")) =>
        {
            found.namespace = (*namespace).to_string();
            found.plural = (*resource).to_string();
            tail
        }
        [resource, tail @ ..] => {
            found.plural = (*resource).to_string();
            tail
        }
        [] => return Route::Other(segments),
    };
    match rest {
        [] => {}
        [name] => found.name = (*name).to_string(),
        [name, subresource, ..] => {
            found.name = (*name).to_string();
            found.subresource = (*subresource).to_string();
        }
    }
    Route::Resource(found)
}

/// RBAC's verb of a request.
pub(super) fn verb(method: &Method, path: &ResourcePath, query: &Query) -> &'static str {
    let whole = path.name.is_empty();
    match *method {
        Method::GET | Method::HEAD if query.flag("watch") && query.0.contains_key("watch") => "watch",
        Method::GET | Method::HEAD if whole => "list",
        Method::GET | Method::HEAD => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if whole => "deletecollection",
        Method::DELETE => "delete",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_api_server_reads_them() {
        let read = |path: &str| match route(path) {
            Route::Resource(p) => format!("{}|{}|{}|{}|{}|{}", p.group, p.version, p.namespace, p.plural, p.name, p.subresource),
            Route::Other(segments) => format!("other {}", segments.join(" ")),
        };
        assert_eq!(read("/api/v1/namespaces/a/pods/b/log"), "|v1|a|pods|b|log");
        assert_eq!(read("/api/v1/namespaces/a"), "|v1||namespaces|a|");
        assert_eq!(read("/api/v1/namespaces/a/status"), "|v1||namespaces|a|status");
        assert_eq!(read("/apis/apps/v1/statefulsets"), "apps|v1||statefulsets||");
        assert_eq!(read("/apis/apps/v1/namespaces/a/statefulsets/w/scale"), "apps|v1|a|statefulsets|w|scale");
        assert_eq!(read("/apis/apps/v1"), "other apis apps v1");
        assert_eq!(Query::parse("labelSelector=a%3Db%2Cc+in+%28d%29").text("labelSelector"), Some("a=b,c in (d)"));
    }
}
