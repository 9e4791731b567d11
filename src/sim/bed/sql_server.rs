//! A simulated frontend behind a MySQL connection: logins and commands in, packets with the frontend's own delays out; answers nothing that it does not.

use tokio::net::TcpStream;

use super::Bed;
use super::packets::{Introduction, Salt, Wire, error, greeting, introduction, ok, proves, rows, switch_plugin};
use crate::sim::starrocks::{Login, Socket, SqlReply};

const QUIT: u8 = 0x01;
const INIT_DB: u8 = 0x02;
const QUERY: u8 = 0x03;
const PING: u8 = 0x0e;
const RESET_CONNECTION: u8 = 0x1f;

/// One logged-in connection.
struct Session {
    login: Login,
    /// Statements that later ones depend on; the frontend is asked without memory, so they go before each.
    before: Vec<String>,
}

/// Serves one connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, bed: &Bed, socket: Socket) -> std::io::Result<()> {
    let number = stream.peer_addr().map_or(1, |peer| u32::from(peer.port()));
    let mut wire = Wire::new(stream);
    let Some(mut session) = log_in(&mut wire, bed, socket, number).await? else { return Ok(()) };
    loop {
        wire.restart();
        let Some(message) = wire.receive().await? else { return Ok(()) };
        let (command, body) =
            message.split_first().map_or((0, ""), |(command, body)| (*command, std::str::from_utf8(body).unwrap_or_default()));
        match command {
            QUIT => return wire.send(&[ok(0)]).await,
            PING => wire.send(&[ok(0)]).await?,
            RESET_CONNECTION => {
                session.before.clear();
                wire.send(&[ok(0)]).await?;
            }
            INIT_DB => {
                let text = format!("USE `{body}`");
                if !run(&mut wire, bed, socket, &mut session, &text).await? {
                    return Ok(());
                }
            }
            QUERY => {
                if !run(&mut wire, bed, socket, &mut session, body).await? {
                    return Ok(());
                }
            }
            _ => wire.send(&[error(1047, "08S01", "Unknown command(null)")]).await?,
        }
    }
}

async fn log_in(wire: &mut Wire, bed: &Bed, socket: Socket, number: u32) -> std::io::Result<Option<Session>> {
    let salt = salt(number);
    wire.send(&[greeting(number, &salt)]).await?;
    let Some(message) = wire.receive().await? else { return Ok(None) };
    let Some(Introduction { user, mut proof, database, other_plugin }) = introduction(&message) else { return Ok(None) };
    if other_plugin {
        wire.send(&[switch_plugin(&salt)]).await?;
        let Some(answer) = wire.receive().await? else { return Ok(None) };
        proof = answer;
    }
    let password = bed.mirror().world.starrocks.password_of(socket, &user);
    let Some(password) = password.filter(|password| proves(&proof, password, &salt)) else {
        let using = if proof.is_empty() { "NO" } else { "YES" };
        let message = format!("Access denied for user '{user}' (using password: {using})");
        wire.send(&[error(1045, "28000", &message)]).await?;
        return Ok(None);
    };
    wire.send(&[ok(0)]).await?;
    let before = database.map(|database| format!("USE `{database}`")).into_iter().collect();
    Ok(Some(Session { login: Login { user, password }, before }))
}

/// Runs a text and sends what comes of it; `false` when the frontend is no longer there.
async fn run(wire: &mut Wire, bed: &Bed, socket: Socket, session: &mut Session, text: &str) -> std::io::Result<bool> {
    let whole = session.before.iter().map(String::as_str).chain([text]).collect::<Vec<_>>().join(";\n");
    let reply = {
        let mut mirror = bed.mirror();
        mirror.advance(bed.clock.now());
        mirror.world.query(socket.0, socket.1, &session.login, &whole)
    };
    let (messages, after) = match reply {
        SqlReply::Rows { columns, rows: cells, after } => (rows(&columns, &cells), after),
        SqlReply::Done { affected, after } => {
            if is_remembered(text) {
                session.before.push(text.trim().trim_end_matches(';').to_owned());
            }
            (vec![ok(affected)], after)
        }
        SqlReply::Failed { code, state, message, after } => (vec![error(code, &state, &message)], after),
        SqlReply::Refused => return Ok(false),
        SqlReply::Silence => return std::future::pending().await,
    };
    tokio::time::sleep(after).await;
    wire.send(&messages).await?;
    Ok(true)
}

/// Whether a statement changes the session and nothing else.
fn is_remembered(text: &str) -> bool {
    let start: String = text.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    start.starts_with("use ") || start.starts_with("set role ")
}

/// Printable and different for each connection; nobody is kept out by it.
fn salt(number: u32) -> Salt {
    let mut state = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'!' + u8::try_from(state % 90).unwrap_or(0)
    })
}
