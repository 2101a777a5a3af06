//! A program that is given a notice on its standard input. No shell reads its words; it gets no environment but a path,
//! so that no secret of ours is in it; and if it is late, it is killed with everything it started.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Where programs without a directory are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program once.
///
/// # Errors
/// Says why the notice counts as not delivered: it did not start, ended with anything but 0, or was late.
pub(super) async fn run(words: &[String], notice: &str, patience: Duration) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Err("names no program".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} does not start: {error}"))?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let guard = Group(group);
    let ended = tokio::time::timeout(patience, fed(&mut child, notice)).await;
    drop(guard);
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
        Ok(Err(error)) => Err(format!("{program} could not be run: {error}")),
        Err(_) => Err(format!("{program} was killed after {patience:?}")),
    }
}

async fn fed(child: &mut Child, notice: &str) -> std::io::Result<ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input may still do its work.
        _ = stdin.write_all(notice.as_bytes()).await;
    }
    child.wait().await
}

/// A process group that ends with its owner: also where the delivery is cut off.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Mostly nobody is left in it.
            _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn words(text: &str) -> Vec<String> {
        ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn the_notice_is_on_its_input_and_nothing_in_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("got");
        run(&words(&format!("cat > {0}; env >> {0}", file.display())), "{\"text\":\"hello\"}", LONG).await.unwrap();
        let got = std::fs::read_to_string(&file).unwrap();
        assert!(got.starts_with("{\"text\":\"hello\"}") && !got.contains("CARGO"), "{got}");
    }

    #[tokio::test]
    async fn what_fails_is_not_delivered() {
        assert_eq!(run(&words("exit 3"), "{}", LONG).await, Err("/bin/sh ended with exit status: 3".to_owned()));
        let missing = run(&["/nowhere/page-me".to_owned()], "{}", LONG).await.unwrap_err();
        assert!(missing.contains("does not start"), "{missing}");
        assert!(run(&[], "{}", LONG).await.is_err());
        // More than a pipe holds, for somebody who does not read.
        assert_eq!(run(&words("exit 0"), &"x".repeat(1 << 20), LONG).await, Ok(()));
    }

    #[tokio::test]
    async fn one_that_is_late_is_killed_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, text) = (dir.path().join("pid"), "sleep 600 & echo $! > pid; wait");
        let text = text.replace("pid", &fifo.display().to_string());
        let late = run(&words(&text), "{}", Duration::from_secs(2)).await.unwrap_err();
        assert!(late.contains("killed after 2s"), "{late}");
        let pid: i32 = std::fs::read_to_string(&fifo).unwrap().trim().parse().unwrap();
        let stat = format!("/proc/{pid}/stat");
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z"));
        for _ in 0..500 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("its child lives on");
    }
}
