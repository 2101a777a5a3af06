//! How much the real binary takes in over signed HTTP, against an empty axum handler that reads the same bodies, in one
//! run, interleaved, median of the rounds.
//!
//! `cargo bench --bench intake [ENGINE] [WORD OF A LOAD'S NAME]` prints for each engine and load: requests and events a second of both,
//! their ratio, and the p99 latency at half of what is asked for, where requests come at their times whether the earlier
//! ones are answered or not. Every answer is 200, and at the end every opt-in of every body is in the database. Sending
//! is held, so that only intake is measured; the generator runs beside it on the same cores, on one thread, and how busy
//! that was is printed: below one core, and far faster against the empty handler, it bounds nothing.
//!
//! SQLite writes with synchronous=FULL, PostgreSQL with `fsync` and `synchronous_commit` on, as it says itself, to the
//! disk under the temporary directory.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark stops at the first surprise and prints")]

#[path = "support/bodies.rs"]
mod bodies;
#[path = "support/load.rs"]
mod load;
#[path = "support/mod.rs"]
mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use firstword::clock::Clock;
use firstword::deliver;
use firstword::domain::hold::{Owner, PageOrder};
use firstword::domain::ids::{AttemptId, PageId};
use firstword::domain::signal::Signal;
use firstword::store::Store;
use tokio_util::sync::CancellationToken;

use bodies::{Bodies, Greeted, MANY, OPT_INS};
use load::{Met, Requests};
use support::{Engine, House, Sink, median};

const ROUNDS: usize = 3;

/// One kind of load, and what is asked of it.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    kind: Kind,
    /// Bodies a second that must be answered; half of them with a p99 below 50 ms.
    bar: f64,
    /// How many bodies a round has at full speed; half as many at half the bar.
    bodies: usize,
    /// Events in a body.
    each: usize,
    /// Opt-ins among them.
    opt_ins: usize,
    /// Open connections, each with one request at a time.
    connections: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    OptIns,
    Mixed,
}

const LOADS: [Load; 3] = [
    Load {
        name: "one opt-in a body",
        kind: Kind::OptIns,
        bar: 5_000.0,
        bodies: 15_000,
        each: 1,
        opt_ins: 1,
        connections: 256,
    },
    Load {
        name: "mixed bodies of 100 events",
        kind: Kind::Mixed,
        bar: 500.0,
        bodies: 1_500,
        each: MANY,
        opt_ins: OPT_INS,
        connections: 32,
    },
    Load {
        name: "bodies of 100 opt-ins",
        kind: Kind::OptIns,
        bar: 100.0,
        bodies: 300,
        each: MANY,
        opt_ins: MANY,
        connections: 32,
    },
];

impl Load {
    fn make(&self, bodies: &mut Bodies, count: usize) -> Requests {
        match self.kind {
            Kind::OptIns => bodies.opt_ins(count, self.each),
            Kind::Mixed => bodies.mixed(count),
        }
    }
}

/// How many people of whom mixed bodies tell there must be.
fn told_of() -> usize {
    let mixed = LOADS.iter().filter(|load| matches!(load.kind, Kind::Mixed));
    mixed.map(|load| (load.bodies + load.bodies / 2) * OPT_INS * ROUNDS).sum()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--empty") {
        return empty();
    }
    let words: Vec<String> = arguments.into_iter().filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("a write of 4 KiB and its flush take {:?} in the median", flush());
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let asked = |load: &Load| {
            let name = format!("{engine:?} {}", load.name).to_lowercase();
            words.iter().all(|word| name.contains(&word.to_lowercase()))
        };
        let loads: Vec<Load> = LOADS.into_iter().filter(asked).collect();
        if !loads.is_empty() {
            measure(engine, &loads, &runtime);
        }
    }
}

/// The empty handler, in a process of its own as the daemon is.
#[tokio::main]
async fn empty() {
    let read = async |body: axum::body::Bytes| if body.is_empty() { "nothing" } else { "EVENT_RECEIVED" };
    let app = axum::Router::new()
        .route("/readyz", axum::routing::get("ready"))
        .route("/webhook", axum::routing::post(read))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind(address("10993")).await.unwrap();
    axum::serve(listener, app).await.unwrap();
}

fn address(port: &str) -> SocketAddr {
    format!("127.0.0.1:{port}").parse().unwrap()
}

fn measure(engine: Engine, loads: &[Load], runtime: &tokio::runtime::Runtime) {
    let (house, greeted) = runtime.block_on(house(engine));
    let settings = runtime.block_on(house.settings());
    runtime.block_on(house.store.close());
    let dir = tempfile::tempdir().unwrap();
    let daemon = Server::daemon(dir.path(), &house.url);
    let empty = Server::empty();
    let first = told_of();
    let mut bodies = Bodies::new(first, greeted, house.clock.now());
    let mut seen: Vec<Seen> = loads.iter().map(|_| Seen::default()).collect();
    let mut opted_in = 0;
    for _ in 0..ROUNDS {
        for (load, seen) in loads.iter().zip(&mut seen) {
            let (whole, half) = (load.make(&mut bodies, load.bodies), load.make(&mut bodies, load.bodies / 2));
            seen.empty.push(load::send(empty.at, &whole, load.connections, None));
            let cpu = daemon.cpu();
            seen.whole.push(load::send(daemon.at, &whole, load.connections, None));
            seen.cpu.push(daemon.cpu().saturating_sub(cpu).as_secs_f64() / as_f64(load.bodies));
            seen.half.push(load::send(daemon.at, &half, load.connections, Some(load.bar / 2.0)));
            opted_in += (whole.len() + half.len()) * load.opt_ins;
        }
    }
    println!("{engine:?} ({settings})");
    loads.iter().zip(&seen).for_each(|(load, seen)| seen.print(load));
    drop((daemon, empty));
    let stored = runtime.block_on(stored(&house.url));
    assert_eq!(stored, first + opted_in, "what was answered with 200 is stored");
    println!("  opt-ins acknowledged and in the database: {opted_in}");
    runtime.block_on(house.tear_down());
}

/// A store with people in it who have had our message, and a page that is held from now on.
async fn house(engine: Engine) -> (House, Vec<Greeted>) {
    let sink = Sink::start(Duration::ZERO).await;
    let mut house = House::build(engine, &sink).await;
    let count = told_of();
    house.opt_in(0..count).await;
    house.begin();
    let stop = CancellationToken::new();
    let sending = tokio::task::JoinSet::from_iter([deliver::run(house.delivery(256), stop.clone())]);
    house.until_sent(count).await;
    stop.cancel();
    sending.join_all().await;
    let order = PageOrder::Hold { owner: Owner::Operator, reason: "to measure intake".into(), until: None };
    let held = Signal::Page { page: PageId::new(support::PAGE).unwrap(), order };
    house.store.apply(vec![held], house.clock.now()).await.unwrap();
    let tokens = house.store.tokens().clone();
    let greeted = house.messages().await.into_iter().map(|(attempt, message, login)| {
        let token = tokens.mint(AttemptId(attempt));
        Greeted { login, message, token }
    });
    let greeted = greeted.collect::<Vec<_>>();
    assert_eq!(greeted.len(), count);
    (house, greeted)
}

async fn stored(url: &str) -> usize {
    let store = Store::open_to_read(url).await.unwrap();
    let counts = store.counts().await.unwrap();
    store.close().await;
    counts.iter().map(|count| usize::try_from(count.count).unwrap()).sum()
}

/// What the rounds of one load showed.
#[derive(Default)]
struct Seen {
    empty: Vec<Met>,
    whole: Vec<Met>,
    half: Vec<Met>,
    /// Seconds of processor time of the daemon a body.
    cpu: Vec<f64>,
}

impl Seen {
    fn print(&self, load: &Load) {
        let of = |met: &[Met], what: fn(&Met) -> f64| median(&mut met.iter().map(what).collect::<Vec<_>>());
        let (whole, empty) = (of(&self.whole, |met| met.rate), of(&self.empty, |met| met.rate));
        let ratios = self.whole.iter().zip(&self.empty).map(|(whole, empty)| whole.rate / empty.rate);
        println!(
            "  {}: {whole:.0} bodies/s, {:.0} events/s, {:.0} opt-ins/s; ratio {:.3} to the empty handler's {empty:.0}/s",
            load.name,
            whole * as_f64(load.each),
            whole * as_f64(load.opt_ins),
            median(&mut ratios.collect::<Vec<_>>()),
        );
        println!(
            "    at {:.0} bodies/s: p50 {:.1} ms, p99 {:.1} ms; asked: {:.0} bodies/s, p99 below 50 ms at half",
            of(&self.half, |met| met.rate),
            of(&self.half, |met| met.quantile(0.5).as_secs_f64() * 1e3),
            of(&self.half, |met| met.quantile(0.99).as_secs_f64() * 1e3),
            load.bar,
        );
        println!(
            "    the daemon used {:.0} us of processor a body; the generator {:.2} of a core, {:.2} against the empty handler",
            median(&mut self.cpu.clone()) * 1e6,
            of(&self.whole, |met| met.busy),
            of(&self.empty, |met| met.busy),
        );
    }
}

/// A process that serves; killed at the end, whatever happens.
struct Server {
    child: Child,
    at: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Server {
    fn daemon(dir: &Path, database: &str) -> Self {
        let at = address("10992");
        let message = r#"{"text": "Hello, I am the automated assistant of our shop."}"#;
        std::fs::write(dir.join("hello.json"), message).unwrap();
        let config = format!(
            "[database]\nurl = \"{database}\"\n[server]\nlisten = \"{at}\"\n[messenger]\napp_id = \"1\"\ngraph_url = \
             \"http://127.0.0.1:9\"\napp_secret = \"{}\"\n[[pages]]\nid = \"{}\"\naccess_token = \"t\"\nmessage = \
             \"hello.json\"\n",
            bodies::SECRET,
            support::PAGE,
        );
        std::fs::write(dir.join("firstword.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_firstword"));
        command.current_dir(dir).env_clear().args(["run", "--log", "off"]);
        Self::start(&mut command, at)
    }

    fn empty() -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).arg("--empty"), address("10993"))
    }

    fn start(command: &mut Command, at: SocketAddr) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let server = Self { child, at };
        let began = Instant::now();
        while !server.is_ready() {
            assert!(began.elapsed() < Duration::from_mins(1), "{at} does not get ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = std::net::TcpStream::connect(self.at) else { return false };
        let mut answer = String::new();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").is_ok()
            && std::io::Read::read_to_string(&mut stream, &mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }

    /// Processor time used so far. The kernel counts it in hundredths of a second.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
        Duration::from_millis(10 * fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
    }
}

/// How long the disk under the temporary directory takes to flush a small write.
fn flush() -> Duration {
    let mut file = tempfile::tempfile().unwrap();
    let mut took = Vec::new();
    for _ in 0..51 {
        let began = Instant::now();
        file.write_all(&[1; 4096]).unwrap();
        file.sync_data().unwrap();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took.get(25).copied().unwrap()
}

fn as_f64(count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    let count = count as f64;
    count
}
