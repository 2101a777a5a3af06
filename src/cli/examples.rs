//! What stands below each `--help`.

pub(super) const ROOT: &str = "\
Examples:
  firstword demo                                    see it at work; needs nothing
  firstword config sample > firstword.toml          begin a configuration
  firstword config check                            is it right?
  firstword run                                     the daemon
  firstword status --watch                          how is it going?
  firstword optin show 4711                         what happened to one person?

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused (a second daemon, or a database that this \
version cannot use), 4 done, but some of the input was refused.";

pub(super) const RUN: &str = "\
Examples:
  firstword run
  firstword --config /etc/firstword/firstword.toml run
  FIRSTWORD_LOG=debug firstword run";

pub(super) const DEMO: &str = "\
Examples:
  firstword demo
  firstword demo --duration 30s --people 1000 --faults 0.3 --seed 7
  firstword demo --daemons 3 --database postgres://me@localhost/scratch --json";

pub(super) const SANDBOX: &str = "\
Examples:
  firstword sandbox --page 1234567890=page-token --open
  firstword sandbox --page 1=t --callback http://127.0.0.1:8080/webhook --app-secret s --people 500 --over 5m
Then set [messenger] graph_url = \"http://127.0.0.1:8090\" in the configuration.";

pub(super) const MIGRATE: &str = "\
Examples:
  firstword migrate
  sudo -u firstword firstword migrate --json";

pub(super) const STATUS: &str = "\
Examples:
  firstword status
  firstword status --watch 5s
  firstword status --json | jq .pages";

pub(super) const DOCTOR: &str = "\
Exit code 1 if there is a problem, 0 otherwise. Sends nothing; asks the platform three harmless questions a page.

Examples:
  firstword doctor
  firstword doctor --offline
  firstword doctor --json | jq '.findings[] | select(.severity != \"ok\")'";

pub(super) const JOB: &str = "\
Examples:
  firstword job list
  firstword job run send-batch";

pub(super) const JOB_LIST: &str = "\
Examples:
  firstword job list
  firstword job list watch-deadlines
  firstword job list --json | jq '.[] | select(.runs[0].result != \"done\")'";

pub(super) const JOB_RUN: &str = "\
Where the daemon runs the job too, this runs its latest tick if nobody did; where its file says enabled = false, the \
tick of this minute. A tick that was taken already is no failure: a line says so, and the exit code is 0. Exit code 1 \
if the run failed or was not done in time.

Examples:
  firstword job run send-batch
  firstword job run check-pages --now
  0 9-18 * * *  firstword --config /etc/firstword/firstword.toml job run send-batch      (a line for cron)";

pub(super) const CHECK: &str = "\
Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. WHAT is missed, at_risk, uncertain, alerts (bad above their limit), \
heartbeat (bad when older) or next_deadline (bad when nearer). Without limits: critical missed=0, next_deadline=15m and \
heartbeat=60s, warning at_risk=0, uncertain=0 and alerts=0. A database that cannot be read is CRITICAL.

Examples:
  firstword check
  firstword check --warning at_risk=100,alerts=off --critical missed=5,next_deadline=30m --interval 10m
  firstword check --critical heartbeat=off          where cron sends, and no daemon runs
  firstword check --json";

pub(super) const ALERT: &str = "\
Examples:
  firstword alert list
  firstword alert test
  firstword alert unit firstword.service";

pub(super) const ALERT_LIST: &str = "\
Examples:
  firstword alert list
  firstword alert list --json | jq '.alerts[].kind'";

pub(super) const ALERT_TEST: &str = "\
Exit code 1 if a place cannot be reached.

Examples:
  firstword alert test
  firstword alert test --json";

pub(super) const ALERT_UNIT: &str = "\
firstword-alert@.service does this for OnFailure=firstword-alert@%n.service.

Examples:
  firstword alert unit firstword.service";

pub(super) const OPTIN: &str = "\
Examples:
  firstword optin import signups.csv
  firstword optin list --state missed
  firstword optin show 4711
  firstword optin export --state answered --fields psid --format csv > audience.csv";

pub(super) const ADD: &str = "\
Examples:
  firstword optin add --page 1234567890 --login-id 24681012
  firstword optin add --login-id 24681012 --opted-in-at 2026-06-01T12:00:00Z --locale de_DE --reference order-17";

pub(super) const IMPORT: &str = "\
CSV needs a header with page_id, login_id and opted_in_at, in any order; locale and reference may follow. JSONL has \
the same keys. Times are RFC 3339, or seconds or milliseconds since 1970. Other columns are left alone, so an export \
can be imported. Whoever is known already is not stored twice.

Examples:
  firstword optin import signups.csv
  firstword optin import signups.jsonl --bad bad-lines.csv
  zcat signups.csv.gz | firstword optin import - --format csv --page 1234567890 --json";

pub(super) const LIST: &str = "\
Examples:
  firstword optin list
  firstword optin list --state uncertain --page 1234567890
  firstword optin list --after 4711 --limit 1000 --json";

pub(super) const SHOW: &str = "\
Examples:
  firstword optin show 4711
  firstword optin show 24681012 --page 1234567890
  firstword optin show 1234567890/24681012
  firstword optin show psid:9876543210 --json";

pub(super) const EXPORT: &str = "\
Fields: page_id, login_id, state, opted_in_at, deadline, attempts, message_id, psid, opted_out_at, reason, id, sent_at, \
replied_at, window_open_until, locale, reference, variant, cycle. What is absent is null (in CSV: empty).

Examples:
  firstword optin export > all.jsonl
  firstword optin export --state answered --fields psid --format csv --output audience.csv
  firstword optin export --state missed --fields login_id,reason";

pub(super) const RETRY: &str = "\
Examples:
  firstword optin retry 4711
  firstword optin retry 4711 4712 4713 --json";

pub(super) const CANCEL: &str = "\
Examples:
  firstword optin cancel 4711
  firstword optin cancel 24681012 --page 1234567890";

pub(super) const SETTLE: &str = "\
Examples:
  firstword optin settle 4711 --sent
  firstword optin settle --page 1234567890 --before 2026-06-01T12:00:00Z --not-sent
Only what is uncertain changes, and only what was so before the given time. Look first: firstword optin show ID tells \
what is known of each attempt, and the page's inbox shows what arrived. A wrong --not-sent sends a second message.";

pub(super) const DOUBTS: &str = "\
With policy.uncertain = \"evidence\" somebody in doubt is sent to again, once, only where no condition is named here. \
`firstword optin show ID` tells the same of one opt-in.

Examples:
  firstword optin doubts
  firstword optin doubts --page 1234567890 --json
  firstword optin doubts --page 1234567890 --trust";

pub(super) const OPT_OUT: &str = "\
A login_id or PSID that no opt-in has is taken at its word: the stop is kept, on the page given by --page or else on every \
page known, and meets the opt-in when it comes. A mistyped number is therefore a login_id; look at what is reported. \
asid:APP_SCOPED_ID works as for erase.

Examples:
  firstword optin opt-out 4711
  firstword optin opt-out login:24681012 --page 1234567890
  firstword optin opt-out psid:9876543210 --page 1234567890";

pub(super) const STORE: &str = "\
A database that went back has forgotten whom it wrote to, so every page is held. Whoever was open, or opted in, before that \
was noticed may have had their message: they become uncertain, and `firstword optin settle` says what became of them.

Examples:
  firstword store accept --lost-since 2026-06-01T12:00:00Z --dry-run
  firstword store accept --lost-since 2026-06-01T12:00:00Z --confirm 1234
  firstword store accept --lost-since 2026-06-01T12:00:00Z --dry-run --json";

pub(super) const PAGE: &str = "\
Examples:
  firstword page list
  firstword page hold 1234567890 --reason 'new message is being checked' --for 2h
  firstword page resume 1234567890";

pub(super) const PAGE_LIST: &str = "\
WHY names each hold with its owner: breaker (failures; ends by itself when a try succeeds), operator (page hold), policy \
(the platform blocked the page). Whoever waits stays pending, up to their hard stop.

Examples:
  firstword page list
  firstword page list --held --json | jq '{page_id, waiting, earliest_hard_stop}'";

pub(super) const PAGE_HOLD: &str = "\
What has left is awaited; whoever waits is missed if their hard stop passes meanwhile.

Examples:
  firstword page hold 1234567890 --reason 'new message is being checked'
  firstword page hold 1234567890 --reason 'night' --until 2026-06-01T06:00:00Z";

pub(super) const PAGE_RESUME: &str = "\
Ends an operator's hold and the breaker's, and has every daemon read tokens, secrets and messages again, without a restart. \
Exit code 4 if the page is still held by somebody else.

Examples:
  firstword page resume 1234567890
  firstword page resume 1234567890 --policy --json";

pub(super) const LOGIN_URL: &str = "\
Open it in a browser, logged in as somebody with a role in the app. The consent is shown again, and its opt-in event \
comes again; whether another first message goes out is up to policy.greet_again.

Examples:
  firstword login-url --page 1234567890
  firstword login-url --redirect-uri https://shop.example.com/login";

pub(super) const CONFIG: &str = "\
Examples:
  firstword config sample > firstword.toml
  firstword config check";

pub(super) const CONFIG_SAMPLE: &str = "\
Examples:
  firstword config sample > firstword.toml";

pub(super) const CONFIG_CHECK: &str = "\
Examples:
  firstword config check
  firstword --config new.toml config check --offline
  firstword config check --json | jq .faults";

pub(super) const COMPLETIONS: &str = "\
Examples:
  firstword completions bash > /etc/bash_completion.d/firstword
  firstword completions fish > ~/.config/fish/completions/firstword.fish";

pub(super) const MAN: &str = "\
Examples:
  firstword man | man -l -
  firstword man /usr/local/share/man/man1";

pub(super) const ERASE: &str = "\
It cannot be undone. Raw events that name the person go too; attempts in flight are stopped. Backups are yours to look \
after. Ids that no opt-in has are remembered as erased all the same, on every page, so that nothing is stored of them.

Examples:
  firstword optin erase 4711
  firstword optin erase --yes --json psid:6543210987
  firstword optin erase asid:10203040506070809
  firstword optin erase 1234567890/5f2c...";
