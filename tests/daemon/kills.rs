//! Killed again and again, at moments nobody chose, with requests in flight: counted at the platform, nobody gets two
//! messages, a late one or one after their stop, and nobody is lost.
//!
//! The real binary and the sandbox as a process of its own. A node is frozen at a random moment, the sandbox is asked
//! whose answer it still holds, then the node is killed: it dies in the state of the moment it was frozen in, and what
//! the kill hit is known exactly. A kill counts if at least one of its requests was in flight at the platform.
//!
//! `scripts/crash` runs more of it; the seed is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use firstword::sandbox::Kind;
use rustix::process::Signal;

use crate::database::Database;
use crate::outside::Outside;
use crate::place::{PAGE, PATIENCE, Place, until};
use crate::process::Daemon;
use crate::relay::{Relay, Target};
use crate::wire::Full;

const PLAN: &str = "latency = \"40ms\"\njitter = \"80ms\"";
const CONFIG: &str = "[send]\nmax_in_flight = 12\nstart_within = \"1s\"\n[messenger]\nrequest_timeout = \"2s\"";
/// So many wait at any time.
const QUEUE: i64 = 60;
/// The longest that the work of a dead node may lie about.
const RECOVERY: Duration = Duration::from_secs(15);
/// Attempts that nobody will ever report on: opt-in, node.
const ORPHANS: &str =
    "SELECT o.login_id || ' ' || a.node, a.id FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id
                       WHERE (a.outcome IS NULL OR a.outcome = 'lease_expired')";

struct Node {
    place: Place,
    daemon: Option<Daemon>,
}

struct Death {
    node: String,
    at: Instant,
    recovered_after: Option<Duration>,
    /// Whose message the platform had judged and not answered.
    in_flight: BTreeSet<String>,
}

struct Campaign {
    nodes: Vec<Node>,
    outside: Outside,
    database: Database,
    deaths: Vec<Death>,
    fed: usize,
    seed: u64,
    dice: fastrand::Rng,
}

/// What the environment asks for: how many kills, and the seed.
fn asked(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "scripts/crash speaks through the environment")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}

pub(crate) async fn killed_again_and_again(mut place: Place) {
    let kills = usize::try_from(asked("FIRSTWORD_TEST_KILLS").unwrap_or(25)).unwrap();
    let seed = asked("FIRSTWORD_TEST_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let engine = if place.database.starts_with("sqlite") { "sqlite" } else { "postgres" };
    eprintln!("{engine}: seed {seed}");
    place.set(CONFIG);
    let relay = Relay::to(Vec::new()).await;
    let outside = Outside::start(&mut place, &format!("http://{}/webhook", relay.addr()), PLAN, seed).await;
    let others = if engine == "sqlite" { 0 } else { 2 };
    let beside: Vec<Place> = (0..others).map(|_| place.beside()).collect();
    let nodes: Vec<Node> = std::iter::once(place).chain(beside).map(|place| Node { place, daemon: None }).collect();
    relay.lead_to(nodes.iter().map(|node| Target::Tcp(([127, 0, 0, 1], node.place.port).into())).collect());
    let migrated = tokio::task::block_in_place(|| nodes[0].place.command("migrate").output().unwrap());
    assert!(migrated.status.success(), "{migrated:?}");
    let database = Database::of(&nodes[0].place).await;
    let dice = fastrand::Rng::with_seed(seed);
    let mut campaign = Campaign { nodes, outside, database, deaths: Vec::new(), fed: 0, seed, dice };

    let before_the_first_byte = campaign.kill_before_the_first_byte(kills.div_ceil(10)).await;
    for node in &mut campaign.nodes {
        node.daemon = Some(Daemon::ready(&node.place).await);
    }
    let began = Instant::now();
    let (mut counted, mut dead) = (0, None);
    while counted < kills {
        assert!(campaign.deaths.len() < 3 * kills + 10, "too few kills hit a request in flight: {counted}");
        let victim = campaign.strike(dead).await;
        counted += usize::from(!campaign.deaths.last().unwrap().in_flight.is_empty());
        // With several nodes one stays dead for a while, so that it is the others who clean up.
        let revived = if campaign.nodes.len() == 1 { Some(victim) } else { dead };
        if let Some(node) = revived.map(|n| &mut campaign.nodes[n]) {
            node.daemon = Some(Daemon::start(&node.place, "warn", &[]));
        }
        dead = Some(victim).filter(|_| revived != Some(victim));
    }
    let struck_for = began.elapsed();
    campaign.settle(counted, before_the_first_byte, engine, struck_for).await;
}

impl Campaign {
    /// Kills while the claim stands in the database and the connection does not: nobody may be let in to the platform.
    async fn kill_before_the_first_byte(&mut self, times: usize) -> usize {
        let full = Full::bind().await;
        let sandbox = self.outside.base().to_owned();
        self.nodes[0].place.send_to(&full.url());
        for n in 0..times {
            let daemon = Daemon::ready(&self.nodes[0].place).await;
            let (login, pid) = (format!("door{n}"), daemon.pid());
            self.feed(&login, Kind::Silent, Duration::ZERO).await;
            let claimed = format!("SELECT count(*) FROM attempts WHERE node LIKE '%-{pid}' AND outcome IS NULL");
            until("somebody is claimed", async || (self.database.number(&claimed).await > 0).then_some(())).await;
            daemon.kill();
        }
        self.nodes[0].place.send_to(&sandbox);
        times
    }

    async fn feed(&mut self, login: &str, behaviour: Kind, after: Duration) {
        self.outside.opt_in(login, behaviour, after).await;
        self.fed += 1;
    }

    /// Sees to it that there are people to send to.
    async fn fill(&mut self) {
        let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
        let stored = self.database.number("SELECT count(*) FROM optins").await;
        let waiting = self.database.number(open).await + i64::try_from(self.fed).unwrap() - stored;
        for _ in waiting..QUEUE {
            let (kind, after) = match self.dice.u8(..20) {
                0..3 => (Kind::Reply, 60),
                3..5 => (Kind::StopBefore, 30),
                5 => (Kind::StopAfter, 30),
                _ => (Kind::Silent, 0),
            };
            self.feed(&format!("p{}", self.fed), kind, Duration::from_millis(after)).await;
        }
    }

    /// Notes whose work has been taken over or settled.
    async fn look_after(&mut self) {
        let held = "SELECT a.node, count(*) FROM optins AS o JOIN attempts AS a ON a.id = o.fence
                    WHERE o.state = 'sending' GROUP BY a.node";
        let held: BTreeMap<String, i64> = self.database.pairs(held).await.into_iter().collect();
        for death in self.deaths.iter_mut().filter(|death| death.recovered_after.is_none()) {
            if !held.contains_key(&death.node) {
                death.recovered_after = Some(death.at.elapsed());
            }
        }
    }

    /// Kills one node, at a random moment of its work. Which one.
    async fn strike(&mut self, dead: Option<usize>) -> usize {
        let alive: Vec<usize> = (0..self.nodes.len()).filter(|n| Some(*n) != dead).collect();
        let victim = alive[self.dice.usize(..alive.len())];
        let pid = self.nodes[victim].daemon.as_ref().unwrap().pid();
        let busy = format!("SELECT count(*) FROM attempts WHERE node LIKE '%-{pid}' AND outcome = 'accepted'");
        let began = Instant::now();
        while self.database.number(&busy).await < 3 {
            assert!(began.elapsed() < PATIENCE, "node {victim} sends nothing");
            self.fill().await;
            self.look_after().await;
        }
        let until_then = Instant::now() + Duration::from_micros(self.dice.u64(..250_000));
        while Instant::now() < until_then {
            self.fill().await;
            self.look_after().await;
            let left = until_then.saturating_duration_since(Instant::now());
            tokio::time::sleep(left.min(Duration::from_millis(20))).await;
        }
        let daemon = self.nodes[victim].daemon.take().unwrap();
        daemon.signal(Signal::STOP);
        let at = Instant::now();
        let in_flight = self.outside.in_flight().await;
        daemon.kill();
        let theirs = format!("{ORPHANS} AND a.node LIKE '%-{pid}'");
        let claimed = self.database.pairs(&theirs).await;
        let claimed = claimed.iter().map(|(names, _)| names.split_once(' ').unwrap());
        let in_flight = claimed.filter(|(login, _)| in_flight.contains(*login)).map(|(login, _)| login.to_owned());
        let in_flight = in_flight.collect();
        let node =
            "SELECT node, max(id) FROM attempts WHERE node LIKE '%-{}' GROUP BY node".replace("{}", &pid.to_string());
        let node = self.database.pairs(&node).await.remove(0).0;
        self.deaths.push(Death { node, at, recovered_after: None, in_flight });
        victim
    }

    /// Lets everything come to its end; then counts.
    async fn settle(mut self, counted: usize, before_the_first_byte: usize, engine: &str, struck_for: Duration) {
        let dead: Vec<usize> = (0..self.nodes.len()).filter(|n| self.nodes[*n].daemon.is_none()).collect();
        let began = Instant::now();
        while self.deaths.iter().any(|death| death.recovered_after.is_none()) {
            assert!(began.elapsed() < PATIENCE, "a dead node's work lies about");
            self.look_after().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for n in dead {
            self.nodes[n].daemon = Some(Daemon::ready(&self.nodes[n].place).await);
        }
        let (database, fed) = (&self.database, i64::try_from(self.fed).unwrap());
        let open = "SELECT count(*) FROM optins WHERE state IN ('new', 'pending', 'retrying', 'sending')";
        until("everybody is stored and nobody waits", async || {
            let stored = database.number("SELECT count(*) FROM optins").await;
            (stored == fed && database.number(open).await == 0).then_some(())
        })
        .await;
        let quiet = async || (self.outside.report().await.in_flight == 0).then_some(());
        until("the platform has answered everybody", quiet).await;

        let hits = self.hits().await;
        let report = self.outside.report().await;
        let slowest = self.deaths.iter().filter_map(|death| death.recovered_after).max().unwrap_or_default();
        let losses = self.losses(&hits).await;
        eprintln!(
            "{engine}: {counted} kills counted of {} in {struck_for:.1?} with {} node(s), seed {}; {fed} people",
            self.deaths.len(),
            self.nodes.len(),
            self.seed,
        );
        hits.print(self.deaths.len(), before_the_first_byte);
        eprintln!(
            "  at the platform: {} messages; second {}, late {}, after stop {}, lost {}",
            report.accepted,
            report.violations.second,
            report.violations.late,
            report.violations.after_stop,
            losses.len()
        );
        eprintln!("  {} requests timed out where no kill hit them", self.timed_out().await.len());
        eprintln!("  a dead node's work was taken over after {slowest:.1?} at most");
        assert_eq!(losses, Vec::<String>::new());
        assert_eq!((report.violations.total(), report.token_in_url), (0, 0), "{report:#?}");
        assert!(hits.claimed.len() >= before_the_first_byte, "{:?}", hits.claimed);
        assert!(slowest <= RECOVERY, "{slowest:?}");
        self.outside.end().await;
    }

    /// What the kills hit, by what the platform saw of it.
    async fn hits(&self) -> Hits {
        let people = self.outside.people().await;
        let mut hits = Hits::default();
        for (names, _) in self.database.pairs(ORPHANS).await {
            let (login, node) = names.split_once(' ').unwrap();
            let hit = (login.to_owned(), node.to_owned());
            let death = self.deaths.iter().find(|death| death.node == node);
            if death.is_some_and(|death| death.in_flight.contains(login)) {
                hits.in_flight.insert(hit);
            } else if people[login].delivered > 0 {
                hits.unrecorded.insert(hit);
            } else {
                hits.claimed.insert(hit);
            }
        }
        hits
    }

    /// Whose request had no answer in time, as a node that lived on wrote down: a busy machine does that too.
    async fn timed_out(&self) -> BTreeSet<String> {
        let slow = "SELECT o.login_id, a.id FROM attempts AS a JOIN optins AS o ON o.fence = a.id WHERE a.outcome = 'uncertain'";
        self.database.pairs(slow).await.into_iter().map(|(login, _)| login).collect()
    }

    /// Who got no message without a reason, or is in a state that says what is not so.
    async fn losses(&self, hits: &Hits) -> Vec<String> {
        let people = self.outside.people().await;
        let rows = self.database.pairs("SELECT login_id || ' ' || state, attempts FROM optins").await;
        let slow = self.timed_out().await;
        let mut losses = Vec::new();
        for (row, _) in rows {
            let (login, state) = row.split_once(' ').unwrap();
            let delivered = people[login].delivered;
            let right = match state {
                "sent" | "answered" => delivered == 1,
                // Nobody knows, because a kill hit it or no answer came in time, and so nothing more was sent.
                "uncertain" => hits.hit(login) || slow.contains(login),
                "opted_out" => people[login].opted_out_at.is_some(),
                _ => false,
            };
            if !right {
                losses.push(format!("{PAGE}/{row}, delivered {delivered}"));
            }
        }
        losses
    }
}

/// Attempts that died with their node: opt-in and node.
#[derive(Default)]
struct Hits {
    in_flight: BTreeSet<(String, String)>,
    unrecorded: BTreeSet<(String, String)>,
    claimed: BTreeSet<(String, String)>,
}

impl Hits {
    fn hit(&self, login: &str) -> bool {
        [&self.in_flight, &self.unrecorded, &self.claimed].into_iter().flatten().any(|(name, _)| name == login)
    }

    fn print(&self, deaths: usize, door: usize) {
        let nodes =
            |hits: &BTreeSet<(String, String)>| hits.iter().map(|(_, node)| node).collect::<BTreeSet<_>>().len();
        let all = [
            ("in flight at the platform", &self.in_flight),
            ("answered and not recorded", &self.unrecorded),
            ("between claim and last byte", &self.claimed),
        ];
        let met: BTreeSet<&String> = all.iter().flat_map(|(_, hits)| hits.iter().map(|(_, node)| node)).collect();
        for (what, hits) in all {
            eprintln!("  {what:<28} {:>4} kills {:>5} attempts {}", nodes(hits), hits.len(), "#".repeat(nodes(hits)));
        }
        let idle = (deaths + door).saturating_sub(met.len());
        eprintln!("  {:<28} {idle:>4} kills {}", "idle", "#".repeat(idle));
    }
}
