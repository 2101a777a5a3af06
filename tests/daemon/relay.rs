//! A TCP relay between two programs, with which a test has their connection in its hand: it leads elsewhere, is slow,
//! or swallows every byte.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Where connections lead. Of several, the first that answers, in turn: what a load balancer does.
#[derive(Clone)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

type Bytes = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

impl Target {
    async fn connect(&self) -> std::io::Result<Bytes> {
        Ok(match self {
            Self::Tcp(addr) => {
                let stream = TcpStream::connect(addr).await?;
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                (Box::new(read), Box::new(write))
            }
            Self::Unix(path) => {
                let (read, write) = UnixStream::connect(path).await?.into_split();
                (Box::new(read), Box::new(write))
            }
        })
    }
}

struct Inner {
    targets: Mutex<Vec<Target>>,
    turn: AtomicUsize,
    delay: AtomicU64,
    /// The connections from this number on are whole; those before it swallow every byte.
    swallowed: watch::Sender<u64>,
    /// The connections before this number are cut.
    cut: watch::Sender<u64>,
    count: AtomicU64,
}

pub(crate) struct Relay {
    addr: SocketAddr,
    inner: Arc<Inner>,
    _stop: DropGuard,
}

impl Relay {
    pub(crate) async fn to(targets: Vec<Target>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            targets: Mutex::new(targets),
            turn: AtomicUsize::new(0),
            delay: AtomicU64::new(0),
            swallowed: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            count: AtomicU64::new(0),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (this, end, each) = (Arc::clone(&inner), stop.clone(), tasks.clone());
        tasks.spawn(async move {
            while let Some(Ok((stream, _))) = end.run_until_cancelled(listener.accept()).await {
                let (this, end) = (Arc::clone(&this), end.clone());
                each.spawn(async move { end.run_until_cancelled(this.carry(stream)).await });
            }
        });
        Self { addr, inner, _stop: stop.drop_guard() }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// New connections lead there; the old ones stay as they are.
    pub(crate) fn lead_to(&self, targets: Vec<Target>) {
        *self.inner.targets.lock().unwrap() = targets;
    }

    /// Every piece of data is held back this long, either way.
    pub(crate) fn slow_down(&self, delay: Duration) {
        self.inner.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Ends the connections there are.
    pub(crate) fn cut(&self) {
        self.inner.cut.send_replace(self.inner.count.load(Ordering::SeqCst));
    }

    /// From now on the connections there are look alive and carry nothing; new ones are whole.
    pub(crate) fn swallow(&self) {
        self.inner.swallowed.send_replace(self.inner.count.load(Ordering::SeqCst));
    }
}

impl Inner {
    async fn carry(&self, stream: TcpStream) {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        stream.set_nodelay(true).unwrap();
        let Some((far_read, far_write)) = self.connect().await else { return };
        let (near_read, near_write) = stream.into_split();
        let mut cut = self.cut.subscribe();
        tokio::select! {
            _ = cut.wait_for(|cut| number < *cut) => {}
            () = self.copy(near_read, far_write, number) => {}
            () = self.copy(far_read, near_write, number) => {}
        }
    }

    async fn connect(&self) -> Option<Bytes> {
        let targets = self.targets.lock().unwrap().clone();
        let first = self.turn.fetch_add(1, Ordering::SeqCst);
        for n in 0..targets.len() {
            if let Ok(found) = targets[(first + n) % targets.len()].connect().await {
                return Some(found);
            }
        }
        None
    }

    /// Copies until one side ends. Where bytes are swallowed neither side is ever told of an end.
    async fn copy(&self, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, number: u64) {
        let (mut buffer, swallowed) = (vec![0; 16 * 1024], self.swallowed.subscribe());
        loop {
            let read = from.read(&mut buffer).await;
            if number < *swallowed.borrow() {
                if matches!(read, Ok(1..)) {
                    continue;
                }
                return std::future::pending().await;
            }
            let Ok(count @ 1..) = read else { return };
            let delay = self.delay.load(Ordering::SeqCst);
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}
