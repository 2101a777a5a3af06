//! A platform down at the bytes: it keeps everything it was ever sent, whole or not, and can make callers wait for
//! their connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Nobody can connect: the kernel's queue of connections is full, and what knocks is left to knock again.
pub(crate) struct Full {
    listener: TcpListener,
    plugs: Vec<TcpStream>,
}

impl Full {
    pub(crate) async fn bind() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let (addr, mut plugs) = (listener.local_addr().unwrap(), Vec::new());
        while let Ok(plug) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(addr)).await {
            plugs.push(plug.unwrap());
            assert!(plugs.len() < 20, "the queue does not fill up");
        }
        Self { listener, plugs }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap())
    }

    /// Whether somebody waits at the door: a connection to here that is begun and not answered (state 2, `SYN_SENT`).
    pub(crate) fn knocked_at(&self) -> bool {
        let SocketAddr::V4(addr) = self.listener.local_addr().unwrap() else {
            unreachable!("bound to an IPv4 address")
        };
        let door = format!("{:08X}:{:04X}", u32::from_ne_bytes(addr.ip().octets()), addr.port());
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        sockets.lines().any(|line| line.split_whitespace().skip(2).take(2).eq([door.as_str(), "02"]))
    }

    /// Lets everybody in, whoever waits at the door too.
    pub(crate) async fn open(self) -> Wire {
        for _ in &self.plugs {
            self.listener.accept().await.unwrap();
        }
        Wire::on(self.listener)
    }
}

/// An open platform that accepts every message.
pub(crate) struct Wire {
    addr: SocketAddr,
    seen: Arc<Seen>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Seen {
    /// Every byte that came, by connection.
    bytes: Mutex<Vec<Vec<u8>>>,
    /// The whole requests, in the order in which they came: head and body.
    requests: Mutex<Vec<(String, String)>>,
    /// The statuses of the next answers, before it accepts again.
    refusals: Mutex<VecDeque<u16>>,
}

impl Wire {
    pub(crate) async fn bind() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn on(listener: TcpListener) -> Self {
        let (seen, stop, tasks) = (Arc::<Seen>::default(), CancellationToken::new(), TaskTracker::new());
        let addr = listener.local_addr().unwrap();
        let (all, end, each) = (Arc::clone(&seen), stop.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Some(Ok((stream, _))) = end.run_until_cancelled(listener.accept()).await {
                let (seen, end) = (Arc::clone(&all), end.clone());
                let number = seen.bytes.lock().unwrap().len();
                seen.bytes.lock().unwrap().push(Vec::new());
                each.spawn(async move { end.run_until_cancelled(serve(stream, &seen, number)).await });
            }
        });
        Self { addr, seen, _stop: stop.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers the next requests with these statuses, one each.
    pub(crate) fn refuse(&self, statuses: impl IntoIterator<Item = u16>) {
        self.seen.refusals.lock().unwrap().extend(statuses);
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.seen.bytes.lock().unwrap().len()
    }

    /// Every byte that came, in the order of connections.
    pub(crate) fn bytes(&self) -> String {
        String::from_utf8(self.seen.bytes.lock().unwrap().concat()).unwrap()
    }

    /// The whole requests in the order in which they came: head, and body as JSON.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        let seen = self.seen.requests.lock().unwrap();
        seen.iter().map(|(head, body)| (head.clone(), serde_json::from_str(body).unwrap_or_default())).collect()
    }

    /// The bodies of the whole requests that came, as they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.seen.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn serve(mut stream: TcpStream, seen: &Seen, number: usize) {
    let (mut buffer, mut answered) = ([0; 4096], 0);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let whole = {
            let mut bytes = seen.bytes.lock().unwrap();
            bytes[number].extend_from_slice(&buffer[..count]);
            let whole = requests(&bytes[number]);
            seen.requests.lock().unwrap().extend(whole.iter().skip(answered).cloned());
            whole.len()
        };
        while answered < whole {
            answered += 1;
            let body = format!(r#"{{"message_id":"m_{number}_{answered}"}}"#);
            let status = seen.refusals.lock().unwrap().pop_front().unwrap_or(200);
            let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length");
            let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// The whole requests at the beginning of some bytes: head and body.
fn requests(bytes: &[u8]) -> Vec<(String, String)> {
    let (mut text, mut found) = (std::str::from_utf8(bytes).unwrap(), Vec::new());
    while let Some((head, rest)) = text.split_once("\r\n\r\n") {
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let Some(body) = rest.get(..length.unwrap_or(0)) else { break };
        found.push((head.to_owned(), body.to_owned()));
        text = &rest[body.len()..];
    }
    found
}
