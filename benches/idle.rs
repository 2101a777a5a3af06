//! What 10,000 connections that say nothing cost the real binary: memory before and under them, and whether it still
//! answers. Half of them have sent half a request.
//!
//!     scripts/idle            # raises the limit of open files, then runs this
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "the figures")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many connections.
const CONNECTIONS: usize = 10_000;
/// Where it listens.
const ADDRESS: &str = "127.0.0.1:10991";

/// Killed at the end, whatever happens.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Daemon {
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// How long the answer took, if it was a good one.
fn answers(path: &str) -> Option<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(ADDRESS).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then(|| began.elapsed())
}

fn main() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    assert!(most.is_none_or(|most| most > 11_000), "ulimit -n is {most:?}; run scripts/idle");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("hello.json"), r#"{"text": "Hello, I am the automated assistant of our shop."}"#).unwrap();
    let config = format!(
        "[database]\nurl = \"sqlite://{}\"\n[server]\nlisten = \"{ADDRESS}\"\nbody_timeout = \"5m\"\n[messenger]\napp_secret = \
         \"s\"\n[[pages]]\nid = \"1\"\naccess_token = \"t\"\nmessage = \"hello.json\"\n",
        path("firstword.db").display()
    );
    fs::write(path("firstword.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstword"));
    command.current_dir(dir.path()).env_clear().args(["run", "--log", "error"]).stdin(Stdio::null());
    let daemon = Daemon(command.stderr(Stdio::null()).spawn().unwrap());
    let began = Instant::now();
    while answers("/readyz").is_none() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does not get ready");
        std::thread::sleep(Duration::from_millis(50));
    }
    let before = daemon.resident_kib();
    let mut idle = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut stream = TcpStream::connect(ADDRESS).unwrap();
        if number % 2 == 0 {
            stream.write_all(b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Half: a re").unwrap();
        }
        idle.push(stream);
    }
    std::thread::sleep(Duration::from_secs(1));
    let answered = answers("/readyz").unwrap();
    let under = daemon.resident_kib();
    let each = (under.saturating_sub(before) * 1024) / u64::try_from(CONNECTIONS).unwrap();
    println!("{CONNECTIONS} idle connections: {before} KiB resident before, {under} KiB under them, {each} bytes each");
    println!("/readyz beside them is answered after {answered:?}");
    drop(idle);
}
