//! The fuzz targets for a bounded time on the stable toolchain: every input of the corpus, the same inputs mutated, and
//! bytes at random. A failing input is printed and replays by itself. For hours of it: `fuzz/Cargo.toml`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a corpus that cannot be read is a failure, and a place that was rolled is there"
)]

use std::fs;
use std::io::Write;
use std::panic::catch_unwind;
use std::path::Path;

#[path = "../fuzz/targets.rs"]
#[expect(unreachable_pub, reason = "it is a library for cargo-fuzz")]
mod targets;

/// How many inputs each target gets.
const INPUTS: u32 = 20_000;

/// A generator of which the seed tells everything.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        const TELLING: &[u8] = b"{}[]\",:\\\n\r\0 =.#'-0129aZ_\xff\xc3\xe2";
        if self.roll(2) == 0 { TELLING[self.roll(TELLING.len())] } else { u8::try_from(self.roll(256)).unwrap() }
    }
}

/// One input made of another, or of nothing.
fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match dice.roll(8) {
        0 => (0..dice.roll(200)).map(|_| dice.byte()).collect(),
        _ => corpus[dice.roll(corpus.len())].clone(),
    };
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len() + 1);
        let to = (at + dice.roll(40)).min(bytes.len());
        match dice.roll(6) {
            0 if at < bytes.len() => bytes[at] = dice.byte(),
            1 => bytes.insert(at, dice.byte()),
            2 => _ = bytes.drain(at..to),
            3 => {
                let again = bytes[at..to].repeat(1 + dice.roll(20));
                _ = bytes.splice(at..at, again);
            }
            4 => {
                let other = &corpus[dice.roll(corpus.len())];
                let from = dice.roll(other.len());
                let piece = other[from..(from + dice.roll(80)).min(other.len())].to_vec();
                _ = bytes.splice(at..to, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn run(name: &str, target: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() > 2, "{name}: the corpus is lost");
    let mut dice = Dice(0x00f1_2570_0d00);
    for number in 0..INPUTS {
        let whole = usize::try_from(number).unwrap();
        let bytes = corpus.get(whole).cloned().unwrap_or_else(|| mutated(&mut dice, &corpus));
        let held = catch_unwind(|| target(&bytes));
        assert!(held.is_ok(), "{name}, input {number}: {:?}", String::from_utf8_lossy(&bytes));
    }
    let mut out = std::io::stderr();
    writeln!(out, "{name}: {INPUTS} inputs, {} of them the corpus, none failed", corpus.len()).unwrap();
}

#[test]
fn webhook() {
    run("webhook", targets::webhook);
}

#[test]
fn signed_request() {
    run("signed_request", targets::signed_request);
}

#[test]
fn config() {
    run("config", targets::config);
}

#[test]
fn import() {
    run("import", targets::import);
}
