//! The webhook on a socket, with certificates that the test makes: it begins when there is one, and takes a new one while connections live.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::webhook::certificate::{Look, Presented};
use crate::webhook::server::{answer_at, keep_fresh};
use crate::webhook::{Endpoint, PATH};

const NAME: &str = "starrocks-operator-webhook.starrocks.svc";

/// A directory that goes with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("starrocks-operator-webhook-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A certificate for the webhook, and its key.
struct Made {
    certificate: CertificateDer<'static>,
    chain: String,
    key: String,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    Made { certificate: made.cert.der().clone(), chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn put(directory: &Path, made: &Made) {
    std::fs::write(directory.join("tls.crt"), &made.chain).unwrap();
    std::fs::write(directory.join("tls.key"), &made.key).unwrap();
}

/// A webhook whose files are looked at when the test says so.
struct Served {
    directory: Directory,
    presented: Arc<Presented>,
    listening: mpsc::UnboundedReceiver<SocketAddr>,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    fn start(name: &str) -> Self {
        let (tell, listening) = mpsc::unbounded_channel();
        let (webhook, _) = knowing(Catalog::embedded());
        let (directory, presented) = (Directory::new(name), Arc::new(Presented::default()));
        let (endpoint, certificate) = (endpoint(&directory.0), Arc::clone(&presented));
        let task =
            tokio::spawn(async move { answer_at(webhook, &endpoint, &certificate, |address| assert!(tell.send(address).is_ok())).await });
        Self { directory, presented, listening, task }
    }

    fn look(&self) -> Look {
        self.presented.look(&self.directory.0, &rustls::crypto::ring::default_provider())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn endpoint(directory: &Path) -> Endpoint {
    Endpoint { address: "127.0.0.1:0".parse().unwrap(), certificates: directory.to_owned(), look_every: Duration::from_secs(10) }
}

async fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(address).await?).await
}

/// Sends a request and reads as much of an answer as its length says.
async fn post(stream: &mut TlsStream<TcpStream>, path: &str, body: &[u8]) -> (String, String) {
    let head = format!("POST {path} HTTP/1.1\r\nhost: {NAME}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that has refused a body may close before it has read all of it.
    let _refused = stream.write_all(body).await;
    let mut seen = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap_or(0);
        seen.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
            if rest.len() >= length.unwrap_or(0) || read == 0 {
                return (head.lines().next().unwrap_or_default().to_owned(), rest.to_owned());
            }
        }
        assert!(read > 0, "the connection ended early: {text}");
    }
}

#[tokio::test]
async fn it_listens_once_there_is_a_certificate_and_answers_one_request_after_another() {
    let mut served = Served::start("begin");
    assert_eq!(served.look(), Look::Absent);
    tokio::task::yield_now().await;
    assert!(served.listening.try_recv().is_err(), "it does not listen without a certificate");
    let made = made();
    put(&served.directory.0, &made);
    assert_eq!((served.look(), served.look()), (Look::Loaded, Look::Same));
    let address = served.listening.recv().await.unwrap();
    let mut stream = connect(address, &made.certificate).await.unwrap();
    let before = cluster("3.5.8");
    let after = changed(&before, |object| object["spec"]["version"] = json!("3.5.9"));
    for _ in 0..2 {
        let (status, body) = post(&mut stream, PATH, review("StarRocksCluster", &before, &after).to_string().as_bytes()).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status.as_str(), answer["response"]["warnings"].as_array().unwrap().len()), ("HTTP/1.1 200 OK", 7));
    }
    assert_eq!(post(&mut stream, PATH, b"{").await.0, "HTTP/1.1 400 Bad Request");
    assert_eq!(post(&mut stream, "/elsewhere", b"{}").await.0, "HTTP/1.1 404 Not Found");
}

#[tokio::test]
async fn a_body_beyond_what_an_api_server_sends_is_refused() {
    let mut served = Served::start("large");
    let made = made();
    put(&served.directory.0, &made);
    served.look();
    let mut stream = connect(served.listening.recv().await.unwrap(), &made.certificate).await.unwrap();
    assert_eq!(post(&mut stream, PATH, &vec![b' '; 8 * 1024 * 1024]).await.0, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart_and_a_broken_one_is_not() {
    let mut served = Served::start("rotate");
    let (first, second) = (made(), made());
    put(&served.directory.0, &first);
    served.look();
    let address = served.listening.recv().await.unwrap();
    let mut old = connect(address, &first.certificate).await.unwrap();
    // Half of it has come.
    std::fs::write(served.directory.0.join("tls.key"), &second.key).unwrap();
    assert!(matches!(served.look(), Look::Unusable(_)));
    connect(address, &first.certificate).await.expect("the one before is presented on");
    put(&served.directory.0, &second);
    assert_eq!(served.look(), Look::Loaded);
    connect(address, &second.certificate).await.expect("the new one is presented");
    connect(address, &first.certificate).await.expect_err("the old one is not presented any more");
    assert_eq!(post(&mut old, PATH, b"{").await.0, "HTTP/1.1 400 Bad Request", "connections that were there live on");
    std::fs::remove_file(served.directory.0.join("tls.crt")).unwrap();
    assert_eq!(served.look(), Look::Absent);
    connect(address, &second.certificate).await.expect("the last one is presented on");
}

#[tokio::test(start_paused = true)]
async fn the_files_are_looked_at_every_ten_seconds() {
    let (directory, presented) = (Directory::new("fresh"), Arc::new(Presented::default()));
    let (endpoint, certificate) = (endpoint(&directory.0), Arc::clone(&presented));
    let task = tokio::spawn(async move { keep_fresh(&certificate, &endpoint).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    put(&directory.0, &made());
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(!presented.is_there());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(presented.is_there());
    task.abort();
}
