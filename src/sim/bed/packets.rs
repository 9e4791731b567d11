//! The MySQL wire format as a real frontend speaks it (handshake v10, text result sets, EOF packets): values in, bytes out, and back; knows no SQL.

use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest payload of one packet; a longer message goes on in the next.
const LONGEST: usize = 0x00ff_ffff;
/// What frontends of 3.5 and 4.0 offer (real-fe.md §1): no DEPRECATE_EOF, so EOF packets are always sent.
const CAPABILITIES: u32 = 0x0038_820c;
const CONNECT_WITH_DB: u32 = 0x0000_0008;
const PLUGIN_AUTH_LENENC: u32 = 0x0020_0000;
const PLUGIN_AUTH: u32 = 0x0008_0000;
const UTF8: u8 = 33;
const VARCHAR: u8 = 253;
/// `mysql_native_password`, the plugin of all passwords here.
const PLUGIN: &[u8] = b"mysql_native_password\0";

/// Sent with the greeting, and what a password is scrambled with.
pub(super) type Salt = [u8; 20];

/// A connection that reads and writes whole messages.
pub(super) struct Wire {
    stream: TcpStream,
    sequence: u8,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, sequence: 0 }
    }

    /// The next message; `None` at the end of the connection.
    pub(super) async fn receive(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        loop {
            let mut head = [0; 4];
            match self.stream.read_exact(&mut head).await {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
            let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
            self.sequence = head[3].wrapping_add(1);
            let start = message.len();
            message.resize(start + length, 0);
            self.stream.read_exact(&mut message[start..]).await?;
            if length < LONGEST {
                return Ok(Some(message));
            }
        }
    }

    /// Begins a new exchange: numbering starts again.
    pub(super) fn restart(&mut self) {
        self.sequence = 0;
    }

    /// Sends messages in one go.
    pub(super) async fn send(&mut self, messages: &[Vec<u8>]) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for message in messages {
            let mut rest = message.as_slice();
            loop {
                let (part, left) = rest.split_at(rest.len().min(LONGEST));
                bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes()[..3]);
                bytes.push(self.sequence);
                self.sequence = self.sequence.wrapping_add(1);
                bytes.extend_from_slice(part);
                rest = left;
                // A full packet is always followed by another, be it empty.
                if part.len() < LONGEST {
                    break;
                }
            }
        }
        self.stream.write_all(&bytes).await
    }
}

/// The greeting of a frontend.
pub(super) fn greeting(connection: u32, salt: &Salt) -> Vec<u8> {
    let mut bytes = vec![10];
    bytes.extend_from_slice(b"8.0.33\0");
    bytes.extend_from_slice(&connection.to_le_bytes());
    bytes.extend_from_slice(&salt[..8]);
    bytes.push(0);
    let capabilities = CAPABILITIES.to_le_bytes();
    bytes.extend_from_slice(&capabilities[..2]);
    bytes.push(UTF8);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&capabilities[2..]);
    bytes.push(21);
    bytes.extend_from_slice(&[0; 10]);
    bytes.extend_from_slice(&salt[8..]);
    bytes.push(0);
    bytes.extend_from_slice(PLUGIN);
    bytes
}

/// Asks a client to scramble with the plugin that is known here.
pub(super) fn switch_plugin(salt: &Salt) -> Vec<u8> {
    let mut bytes = vec![0xfe];
    bytes.extend_from_slice(PLUGIN);
    bytes.extend_from_slice(salt);
    bytes.push(0);
    bytes
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Introduction {
    pub(super) user: String,
    pub(super) proof: Vec<u8>,
    pub(super) database: Option<String>,
    /// The proof was made with another plugin.
    pub(super) other_plugin: bool,
}

/// Reads a client's answer to the greeting; `None` if it is none.
pub(super) fn introduction(message: &[u8]) -> Option<Introduction> {
    let capabilities = u32::from_le_bytes(message.get(..4)?.try_into().ok()?);
    let mut rest = message.get(32..)?;
    let user = terminated(&mut rest)?;
    let (length, skip) = if capabilities & PLUGIN_AUTH_LENENC == 0 { (usize::from(*rest.first()?), 1) } else { length(rest)? };
    let proof = rest.get(skip..skip + length)?.to_vec();
    rest = rest.get(skip + length..)?;
    let database = if capabilities & CONNECT_WITH_DB == 0 { None } else { terminated(&mut rest).filter(|name| !name.is_empty()) };
    let plugin = if capabilities & PLUGIN_AUTH == 0 { None } else { terminated(&mut rest) };
    let other_plugin = plugin.is_some_and(|plugin| plugin != "mysql_native_password");
    Some(Introduction { user, proof, database, other_plugin })
}

fn terminated(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    let text = String::from_utf8_lossy(rest.get(..end)?).into_owned();
    *rest = rest.get(end + 1..).unwrap_or_default();
    Some(text)
}

/// A length-encoded number below 2^16 and the bytes it takes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        0xfc => Some((usize::from(u16::from_le_bytes(bytes.get(1..3)?.try_into().ok()?)), 3)),
        small => Some((usize::from(small), 1)),
    }
}

/// Whether a proof was made with this password and salt.
pub(super) fn proves(proof: &[u8], password: &str, salt: &Salt) -> bool {
    if password.is_empty() {
        return proof.is_empty();
    }
    let once = Sha1::digest(password.as_bytes());
    let twice = Sha1::digest(once);
    let mask = Sha1::new().chain_update(salt).chain_update(twice).finalize();
    let expected: Vec<u8> = once.iter().zip(mask.iter()).map(|(left, right)| left ^ right).collect();
    expected == proof
}

/// An OK packet.
pub(super) fn ok(affected: u64) -> Vec<u8> {
    let mut bytes = vec![0];
    put_length(&mut bytes, affected);
    bytes.extend_from_slice(&[0, 0, 0, 0, 0]);
    bytes
}

/// An error packet.
pub(super) fn error(code: u16, state: &str, message: &str) -> Vec<u8> {
    let mut bytes = vec![0xff];
    bytes.extend_from_slice(&code.to_le_bytes());
    bytes.push(b'#');
    bytes.extend_from_slice(format!("{state:0<5.5}").as_bytes());
    bytes.extend_from_slice(message.as_bytes());
    bytes
}

/// A result set: column count, columns, EOF, rows, EOF.
pub(super) fn rows(columns: &[String], rows: &[Vec<Option<String>>]) -> Vec<Vec<u8>> {
    let mut count = Vec::new();
    put_length(&mut count, u64::try_from(columns.len()).unwrap_or(0));
    let mut messages = vec![count];
    messages.extend(columns.iter().map(|name| column(name)));
    messages.push(end());
    for row in rows {
        let mut bytes = Vec::new();
        for cell in row {
            match cell {
                Some(text) => put_text(&mut bytes, text),
                None => bytes.push(0xfb),
            }
        }
        messages.push(bytes);
    }
    messages.push(end());
    messages
}

fn column(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in ["def", "", "", "", name, name] {
        put_text(&mut bytes, text);
    }
    bytes.push(0x0c);
    bytes.extend_from_slice(&u16::from(UTF8).to_le_bytes());
    bytes.extend_from_slice(&255_u32.to_le_bytes());
    bytes.extend_from_slice(&[VARCHAR, 0, 0, 0, 0, 0]);
    bytes
}

fn end() -> Vec<u8> {
    vec![0xfe, 0, 0, 0, 0]
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_length(bytes, u64::try_from(text.len()).unwrap_or(0));
    bytes.extend_from_slice(text.as_bytes());
}

fn put_length(bytes: &mut Vec<u8>, length: u64) {
    let little = length.to_le_bytes();
    match length {
        0..=250 => bytes.push(little[0]),
        251..=0xffff => {
            bytes.push(0xfc);
            bytes.extend_from_slice(&little[..2]);
        }
        0x1_0000..=0xff_ffff => {
            bytes.push(0xfd);
            bytes.extend_from_slice(&little[..3]);
        }
        _ => {
            bytes.push(0xfe);
            bytes.extend_from_slice(&little);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_needs_the_password_and_the_salt() {
        let salt = *b"0123456789abcdefghij";
        // As MariaDB's client scrambles `secret` with this salt.
        let once = Sha1::digest(b"secret");
        let mask = Sha1::digest([salt.as_slice(), Sha1::digest(once).as_slice()].concat());
        let proof: Vec<u8> = once.iter().zip(mask.iter()).map(|(left, right)| left ^ right).collect();
        assert!(proves(&proof, "secret", &salt));
        assert!(!proves(&proof, "other", &salt) && !proves(&[], "secret", &salt) && proves(&[], "", &salt));
    }

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        let encoded = |length| {
            let mut bytes = Vec::new();
            put_length(&mut bytes, length);
            bytes
        };
        assert_eq!(encoded(250), [250]);
        assert_eq!(encoded(251), [0xfc, 251, 0]);
        assert_eq!(encoded(70_000), [0xfd, 0x70, 0x11, 0x01]);
        assert_eq!(encoded(1 << 24).len(), 9);
    }
}
