//! The load: prepared requests over connections that stay open, as bytes, from one thread. It does nothing that could be
//! done before the clock starts, so that what it costs is what reading and writing sockets costs.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Whole requests, as they go over the wire.
pub(crate) type Requests = Arc<Vec<Vec<u8>>>;

/// What a load met.
pub(crate) struct Met {
    /// Requests a second, all of them answered with 200.
    pub(crate) rate: f64,
    /// From when a request was due to the end of its answer, in order of length.
    pub(crate) latencies: Vec<Duration>,
    /// How busy the generator's one thread was, of one core.
    pub(crate) busy: f64,
}

impl Met {
    /// The latency that this share of the requests did not exceed.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(rank.min(self.latencies.len() - 1)).copied().unwrap()
    }
}

/// Sends them all: as fast as they are answered, or so many a second, whether the earlier ones are answered or not. A
/// request that finds every connection taken is late from when it was due.
pub(crate) fn send(to: SocketAddr, requests: &Requests, connections: usize, per_second: Option<f64>) -> Met {
    let requests = Arc::clone(requests);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(to, requests, connections, per_second))
    });
    thread.join().unwrap()
}

async fn run(to: SocketAddr, requests: Requests, connections: usize, per_second: Option<f64>) -> Met {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(to).await.unwrap();
        stream.set_nodelay(true).unwrap();
        streams.push(stream);
    }
    let next = Arc::new(AtomicUsize::new(0));
    let (began, busy) = (Instant::now(), cpu());
    let mut workers = tokio::task::JoinSet::new();
    for stream in streams {
        workers.spawn(work(stream, Arc::clone(&requests), Arc::clone(&next), began, per_second));
    }
    let mut latencies: Vec<Duration> = workers.join_all().await.concat();
    let (took, busy) = (began.elapsed().as_secs_f64(), cpu().saturating_sub(busy).as_secs_f64());
    latencies.sort_unstable_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    #[expect(clippy::cast_precision_loss, reason = "a rate to look at")]
    let count = requests.len() as f64;
    Met { rate: count / took, latencies, busy: busy / took }
}

async fn work(
    mut stream: TcpStream,
    requests: Requests,
    next: Arc<AtomicUsize>,
    began: Instant,
    per_second: Option<f64>,
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    let mut answer = Vec::with_capacity(1024);
    loop {
        let number = next.fetch_add(1, Relaxed);
        let Some(request) = requests.get(number) else { return latencies };
        let mut due = Instant::now();
        if let Some(rate) = per_second {
            #[expect(clippy::cast_precision_loss, reason = "a place in time")]
            let place = number as f64;
            due = began + Duration::from_secs_f64(place / rate);
            tokio::time::sleep_until(due.into()).await;
        }
        stream.write_all(request).await.unwrap();
        read(&mut stream, &mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        latencies.push(due.elapsed());
    }
}

/// Reads one answer: head and body.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        assert_ne!(stream.read_buf(answer).await.unwrap(), 0, "the connection was closed");
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(answer.get(..head).unwrap()).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
        if answer.len() >= head + 4 + length.parse::<usize>().unwrap() {
            return;
        }
    }
}

/// What this thread has used of a core.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
