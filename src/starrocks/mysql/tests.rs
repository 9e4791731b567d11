//! Promises of the MySQL client, against a frontend in miniature that speaks the protocol on a real socket.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// What a frontend offers: PROTOCOL_41, plugin authentication and little else; no DEPRECATE_EOF (real-fe.md §1).
const CAPABILITIES: u32 = 0x0038_820c;

/// A frontend on the wire, as far as the client needs one: it writes down what it is asked.
#[derive(Clone, Default)]
struct Frontend {
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<u32>>,
}

impl Frontend {
    async fn start(&self) -> SqlEndpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let frontend = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *frontend.connections.lock().expect("no panic") += 1;
                tokio::spawn(frontend.clone().serve(stream));
            }
        });
        SqlEndpoint { host: "127.0.0.1".to_owned(), port }
    }

    async fn serve(self, mut stream: TcpStream) -> Option<()> {
        send(&mut stream, 0, &handshake()).await?;
        receive(&mut stream).await?;
        send(&mut stream, 2, &[0, 0, 0, 2, 0, 0, 0]).await?;
        loop {
            let command = receive(&mut stream).await?;
            let (0x03, sql) = command.split_first().map(|(kind, rest)| (*kind, String::from_utf8_lossy(rest).into_owned()))? else {
                return None;
            };
            self.asked.lock().expect("no panic").push(sql.clone());
            match sql.as_str() {
                "SHOW FRONTENDS" => {
                    let packets = [
                        vec![2],
                        column("Version"),
                        column("StartTime"),
                        EOF.to_vec(),
                        [text("3.5.0-7b3a469"), vec![0xfb]].concat(),
                        EOF.to_vec(),
                    ];
                    for (sequence, packet) in packets.iter().enumerate() {
                        send(&mut stream, u8::try_from(sequence + 1).ok()?, packet).await?;
                    }
                }
                "HANG" => std::future::pending().await,
                "LEADERLESS" => {
                    let packet = [&[0xff, 0x28, 0x04][..], b"#HY000", b"java.net.ConnectException: Connection refused"].concat();
                    send(&mut stream, 1, &packet).await?;
                }
                _ => send(&mut stream, 1, &[0, 0, 0, 0, 0, 0, 0]).await?,
            }
        }
    }
}

const EOF: [u8; 5] = [0xfe, 0, 0, 0, 0];

fn handshake() -> Vec<u8> {
    let [low_0, low_1, high_0, high_1] = CAPABILITIES.to_le_bytes();
    let mut packet = vec![10];
    packet.extend(b"8.0.33\0");
    packet.extend(16_777_218_u32.to_le_bytes());
    packet.extend(b"12345678\0");
    packet.extend([low_0, low_1, 33, 0, 0, high_0, high_1, 21]);
    packet.extend([0; 10]);
    packet.extend(b"123456789012\0");
    packet.extend(b"mysql_native_password\0");
    packet
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    [&[length][..], text.as_bytes()].concat()
}

fn column(name: &str) -> Vec<u8> {
    let names = [text("def"), text(""), text(""), text(""), text(name), text(name)].concat();
    [&names[..], &[0x0c, 33, 0, 0, 1, 0, 0, 253, 0, 0, 0, 0, 0]].concat()
}

async fn send(stream: &mut TcpStream, sequence: u8, packet: &[u8]) -> Option<()> {
    let [low, middle, high, _] = u32::try_from(packet.len()).ok()?.to_le_bytes();
    stream.write_all(&[&[low, middle, high, sequence], packet].concat()).await.ok()
}

async fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.ok()?;
    let mut packet = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16];
    stream.read_exact(&mut packet).await.ok()?;
    Some(packet)
}

#[tokio::test]
async fn a_frontend_is_asked_nothing_but_what_was_meant_on_one_connection() {
    let frontend = Frontend::default();
    let at = frontend.start().await;
    let client = MySqlClient::default();
    let login = Login { user: "root".to_owned(), password: "secret".to_owned() };
    for _ in 0..3 {
        let rows = client.query(&at, &login, "SHOW FRONTENDS").await.expect("an answer");
        assert_eq!(rows.columns, ["Version", "StartTime"]);
        assert_eq!(rows.rows, [[Some("3.5.0-7b3a469".to_owned()), None]]);
    }
    assert_eq!(*frontend.asked.lock().expect("no panic"), ["SHOW FRONTENDS"; 3]);
    assert_eq!(*frontend.connections.lock().expect("no panic"), 1);
}

#[tokio::test]
async fn a_statement_without_rows_succeeds_and_an_error_packet_is_typed() {
    let frontend = Frontend::default();
    let at = frontend.start().await;
    let client = MySqlClient::default();
    assert_eq!(client.query(&at, &Login::root(), "ALTER SYSTEM CREATE IMAGE").await, Ok(Rows::default()));
    let error = client.query(&at, &Login::root(), "LEADERLESS").await;
    assert_eq!(error, Err(SqlError::Election { text: "java.net.ConnectException: Connection refused".to_owned() }));
}

#[tokio::test]
async fn another_login_never_speaks_over_the_connection_of_the_first() {
    let frontend = Frontend::default();
    let at = frontend.start().await;
    let client = MySqlClient::default();
    for user in ["root", "operator"] {
        let login = Login { user: user.to_owned(), password: String::new() };
        client.query(&at, &login, "SHOW FRONTENDS").await.expect("an answer");
    }
    assert_eq!(*frontend.connections.lock().expect("no panic"), 2);
}

#[tokio::test]
async fn a_statement_that_hangs_is_given_up_and_its_connection_with_it() {
    let frontend = Frontend::default();
    let at = frontend.start().await;
    let client = MySqlClient::default();
    client.query(&at, &Login::root(), "SHOW FRONTENDS").await.expect("an answer");
    tokio::time::pause();
    assert_eq!(client.query(&at, &Login::root(), "HANG").await, Err(SqlError::TimedOut));
    tokio::time::resume();
    client.query(&at, &Login::root(), "SHOW FRONTENDS").await.expect("an answer");
    assert_eq!(*frontend.connections.lock().expect("no panic"), 2);
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let at = SqlEndpoint { host: "127.0.0.1".to_owned(), port };
    assert_eq!(MySqlClient::default().query(&at, &Login::root(), "SELECT 1").await, Err(SqlError::Refused));
}

#[tokio::test]
async fn a_peer_that_accepts_and_stays_silent_costs_one_connect_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let at = SqlEndpoint { host: "127.0.0.1".to_owned(), port };
    assert_eq!(MySqlClient::default().query(&at, &Login::root(), "SELECT 1").await, Err(SqlError::TimedOut));
    drop(listener);
}

#[tokio::test]
async fn of_many_frontends_only_the_ones_asked_last_keep_a_connection() {
    let client = MySqlClient::default();
    let mut frontends = Vec::new();
    for _ in 0..=MOST_IDLE {
        let frontend = Frontend::default();
        let at = frontend.start().await;
        client.query(&at, &Login::root(), "SHOW FRONTENDS").await.expect("an answer");
        frontends.push((frontend, at));
    }
    for (frontend, at) in frontends.iter().rev() {
        client.query(at, &Login::root(), "SHOW FRONTENDS").await.expect("an answer");
        let expected = if *at == frontends[0].1 { 2 } else { 1 };
        assert_eq!(*frontend.connections.lock().expect("no panic"), expected);
    }
    assert_eq!(client.idle.lock().expect("no panic").len(), MOST_IDLE);
}
