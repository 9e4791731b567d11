//! A cluster with a proxy in, the ConfigMap with its nginx.conf out; never a name that nginx would resolve only once.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::model::Component;
use crate::model::cluster::{Cluster, Proxy, given};
use crate::model::ports::PROXY_PORT;

/// The ConfigMap that is mounted over `/etc/nginx`.
pub(super) fn config_map(cluster: &Cluster, proxy: &Proxy) -> ConfigMap {
    let component = Component::FrontendProxy;
    ConfigMap {
        metadata: metadata::owned(cluster, component.workload_name(&cluster.name), component.object_labels(&cluster.name)),
        data: Some(BTreeMap::from([("nginx.conf".to_owned(), nginx_conf(cluster, proxy))])),
        ..ConfigMap::default()
    }
}

/// A stream load sent to a frontend is answered with 307 and the address of a backend that only the Kubernetes network
/// knows. The proxy follows that redirect itself: to a frontend again without the body (it will redirect once more), to a
/// backend with it. The body is sent nowhere before, so a load is transferred once.
fn nginx_conf(cluster: &Cluster, proxy: &Proxy) -> String {
    let suffix = &cluster.conventions.dns_suffix;
    let default_resolver = format!("kube-dns.kube-system.svc.{suffix}");
    let resolver = given(&proxy.spec.resolver).unwrap_or(&default_resolver);
    let service = Component::Frontend.service_name(&cluster.name);
    let search = Component::Frontend.search_service_name(&cluster.name);
    let frontends = format!("http://{service}.{}.svc.{suffix}:{}", cluster.namespace, cluster.frontend.http_port());
    let locations = [
        location("/", Access::Clients, Body::Sent, "$frontends"),
        location("/api/transaction/load", Access::Clients, Body::Withheld, "$frontends"),
        location("~ ^/api/.*/.*/_stream_load$", Access::Clients, Body::Withheld, "$frontends"),
        location("= /_redirect_to_fe", Access::Redirects, Body::Withheld, "$redirected"),
        location("= /_redirect_to_others", Access::Redirects, Body::Sent, "$redirected"),
    ]
    .join("\n");
    format!(
        r#"{PREAMBLE}
  server {{
    listen {PROXY_PORT};
    resolver {resolver} valid=10s;
    proxy_intercept_errors on;
    recursive_error_pages on;

    # A variable makes nginx resolve the name again when the frontends move.
    set $frontends {frontends};

    location = /nginx/health {{
      access_log off;
      return 200;
    }}

    location @handle_redirect {{
      set $redirected $upstream_http_location;
      if ($redirected ~ "{search}") {{
        rewrite ^ /_redirect_to_fe last;
      }}
      rewrite ^ /_redirect_to_others last;
    }}

{locations}  }}
}}
"#
    )
}

/// Who may ask for a location.
#[derive(Clone, Copy)]
enum Access {
    Clients,
    /// Only the proxy itself, which has set where to go.
    Redirects,
}

/// Whether the body of a request is passed on.
#[derive(Clone, Copy)]
enum Body {
    Sent,
    Withheld,
}

fn location(matcher: &str, access: Access, body: Body, target: &str) -> String {
    let internal = match access {
        Access::Clients => "",
        Access::Redirects => "      internal;\n",
    };
    let body = match body {
        Body::Sent => "",
        Body::Withheld => WITHOUT_BODY,
    };
    format!("    location {matcher} {{\n{internal}{body}      proxy_pass {target};\n      error_page 307 = @handle_redirect;\n    }}\n")
}

/// Headers of a location replace those of the levels above, so all are repeated.
const WITHOUT_BODY: &str = r#"      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Expect $http_expect;
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
"#;

const PREAMBLE: &str = r#"worker_processes 4;
pid /tmp/nginx.pid;
include /usr/share/nginx/modules/*.conf;

events {
  worker_connections 256;
}

http {
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 65;
  types_hash_max_size 2048;

  # Loads are as large as they are, and their parameters are headers with underscores.
  client_max_body_size 0;
  ignore_invalid_headers off;
  underscores_in_headers on;
  proxy_read_timeout 600s;
  proxy_http_version 1.1;

  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  # Locations that set headers of their own repeat these.
  proxy_set_header Expect $http_expect;
  proxy_set_header Host $http_host;
  proxy_set_header X-Real-IP $remote_addr;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
"#;
