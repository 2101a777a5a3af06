//! Doubts settled by evidence, end to end: a message that was lost before anybody got it is sent again once, one whose
//! answer was lost is settled by its echo.

use std::time::Duration;

use firstword::sandbox::{Behaviour, Faults};

use crate::database::Database;
use crate::place::{Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const SAMPLE: i64 = 10;

pub(crate) async fn silence_sends_again_and_an_echo_settles(mut place: Place) {
    let platform = Platform::with(&mut place, |mut options| {
        options.echoes = true;
        options
    })
    .await;
    place.set(&format!(
        "[messenger]\nrequest_timeout = \"2s\"\n[send]\nstart_within = \"500ms\"\n[policy]\nuncertain = \"evidence\"\n\
         settle_after = \"1s\"\nevidence_sample = {SAMPLE}"
    ));
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    for n in 0..SAMPLE {
        platform.opt_in(&format!("early{n}"), Behaviour::Silent).await;
    }
    database.all_in(&["sent"], SAMPLE).await;
    let noted = "SELECT count(*) FROM intake_times";
    until("the intake is noted", async || (database.number(noted).await == 1).then_some(())).await;

    let meets = |faults| platform.sandbox.set_faults(faults).unwrap();
    meets(Faults { swallowed: 1.0, ..Faults::default() });
    platform.opt_in("never", Behaviour::Silent).await;
    database.becomes("never", "uncertain").await;
    meets(Faults { after: 1.0, ..Faults::default() });
    platform.opt_in("told", Behaviour::Silent).await;
    database.becomes("told", "sent").await;
    meets(Faults::default());
    // Nobody was accepted since the doubt: it is held, and says so.
    until("its time is over and it is held", async || {
        let told = place.json("optin show never --json")["explanation"].to_string();
        told.contains("of 3 messages accepted since").then_some(())
    })
    .await;
    assert_eq!(database.attempts("never").await.len(), 1);

    // Life goes on.
    let mut after = 0;
    until("it is sent again", async || {
        platform.opt_in(&format!("after{after}"), Behaviour::Silent).await;
        after += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        (platform.person("never").delivered == 1).then_some(())
    })
    .await;
    database.becomes("never", "sent").await;
    let outcomes = |attempts: Vec<(String, i64)>| attempts.into_iter().map(|(outcome, _)| outcome).collect::<Vec<_>>();
    assert_eq!(outcomes(database.attempts("never").await), ["uncertain", "accepted"]);
    let story = place.json("optin show told --json");
    assert_eq!((&story["attempts"], &story["history"][0]["evidence"]), (&1.into(), &"echo".into()), "{story}");
    assert!(place.json("optin show never --json")["resent_at"].is_string());
    assert_eq!((platform.person("never").delivered, platform.person("told").delivered), (1, 1));
    let report = platform.clean();
    assert_eq!((report.faults.swallowed, report.faults.after), (1, 1));
    drop(daemon);
}
