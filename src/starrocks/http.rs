//! GET requests to frontends, each on its own connection and within one deadline; at most one at a time per frontend.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{CONNECT_TIMEOUT, HTTP_TIMEOUT, HttpAnswer, HttpEndpoint, HttpError};

/// Answers that the operator reads are some hundred bytes long, except for `/metrics`, which grows with the number of databases.
const LARGEST_BODY: usize = 8 << 20;

/// Endpoints remembered before those without a request under way are forgotten.
const MOST_GATES: usize = 1024;

/// An HTTP client without a pool: a frontend has few HTTP workers, and an idle connection would outlive its pod.
#[derive(Debug, Default)]
pub(super) struct HttpClient {
    gates: Mutex<BTreeMap<HttpEndpoint, Arc<tokio::sync::Mutex<()>>>>,
}

impl HttpClient {
    pub(super) async fn get(&self, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError> {
        let gate = self.gate(at);
        timeout(HTTP_TIMEOUT, async {
            let _alone = gate.lock().await;
            exchange(at, path).await
        })
        .await
        .unwrap_or(Err(HttpError::TimedOut))
    }

    // Several hanging SHOW_HA requests make even /api/health of a healthy frontend time out (real-fe.md §3).
    fn gate(&self, at: &HttpEndpoint) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MOST_GATES {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        Arc::clone(gates.entry(at.clone()).or_default())
    }
}

async fn exchange(at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError> {
    let stream = match timeout(CONNECT_TIMEOUT, TcpStream::connect((at.host.as_str(), at.port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return Err(HttpError::Refused),
        Err(_) => return Err(HttpError::TimedOut),
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(|_| HttpError::Refused)?;
    let request = Request::get(path)
        .header(header::HOST, at.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| HttpError::Protocol { text: error.to_string() })?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST_BODY)
            .collect()
            .await
            .map_err(|error| HttpError::Protocol { text: error.to_string() })?
            .to_bytes();
        Ok(HttpAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
    };
    // The connection must be polled for the answer to arrive; it ends with this call, so a hanging peer leaves no task behind.
    let drive = async {
        let _ended = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = drive => Err(HttpError::Refused),
    }
}

fn broken(error: hyper::Error) -> HttpError {
    if error.is_parse() { HttpError::Protocol { text: error.to_string() } } else { HttpError::Refused }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(reply: Option<&'static str>) -> HttpEndpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let _read = stream.read(&mut request).await;
                match reply {
                    Some(reply) => drop(stream.write_all(reply.as_bytes()).await),
                    None => std::future::pending().await,
                }
            }
        });
        HttpEndpoint { host: "127.0.0.1".to_owned(), port }
    }

    #[tokio::test]
    async fn an_answer_of_any_status_is_an_answer() {
        let at = serve(Some("HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\nno")).await;
        let answer = HttpClient::default().get(&at, "/api/health").await;
        assert_eq!(answer, Ok(HttpAnswer { status: 500, body: "no".to_owned() }));
    }

    #[tokio::test]
    async fn a_connection_closed_without_an_answer_is_a_refusal() {
        let at = serve(Some("")).await;
        assert_eq!(HttpClient::default().get(&at, "/").await, Err(HttpError::Refused));
    }

    #[tokio::test]
    async fn a_peer_that_never_answers_costs_one_deadline() {
        let at = serve(None).await;
        let client = HttpClient::default();
        let answer = client.get(&at, "/").await;
        assert_eq!(answer, Err(HttpError::TimedOut));
    }
}
