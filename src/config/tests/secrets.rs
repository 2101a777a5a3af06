//! Secrets: where they are taken from, and that they never show.

use super::super::{Environment, Failover, Faults};
use super::{Site, shown, site};

#[test]
fn a_syntax_error_names_its_place_and_quotes_nothing() {
    for line in [
        "access_token = \"hunter2",
        "access_token = hunter2",
        "access_token \"hunter2\"",
        "access_token = 'hunter2' hunter2",
        "access_token = \"hunter2\\q\"",
        "access_token = [\"hunter2\"",
        "access_token = 12345678901234567890123",
        "access_token = 1_2_3_4_5_6_7_8_9_0_1_2_3_4_5_6_7_8_9_0_1_2_3",
        "access_token = \"hunter2\"\naccess_token = \"hunter2\"",
        "access_token.hunter2 = 1\naccess_token = 2",
        "access_token = 2026-13-hunter2",
    ] {
        let fault = Site::new(&format!("[send]\n[[pages]]\n{line}\n")).fault();
        assert!(fault.starts_with("firstword.toml: line "), "{fault}");
        assert!(!fault.contains("hunter2") && !fault.contains("12345"), "{fault}");
    }
    assert!(Site::new("[send]\nmode = é\n").fault().starts_with("firstword.toml: line 2, column 8: "));
}

#[test]
fn a_secret_of_the_wrong_kind_is_not_quoted() {
    for secret in ["4711", "[4711]", "\" 4711\"", "\"4711\\n4711\"", "{ x = 4711 }", "[[\"4711\"]]"] {
        for key in ["app_secret", "verify_token", "verify_token_file"] {
            let fault = site(&format!("[messenger]\n{key} = {secret}")).load();
            let shown = fault.as_ref().map_or_else(ToString::to_string, |_| String::new());
            assert!(!shown.replace("cannot be read from", "").contains("is 4711"), "{shown}");
            assert!(key.ends_with("_file") || !shown.contains("4711"), "{shown}");
        }
    }
    let twice = site("[messenger]\nverify_token = 4711").with("FIRSTWORD__DATABASE__URL", "postgres:hunter2");
    let all = Faults(twice.faults()).to_string();
    assert!(!all.contains("4711") && !all.contains("hunter2"), "{all}");
}

#[test]
fn a_secret_is_taken_from_the_first_place_that_has_it() {
    let token = |site: &Site| shown(&site.config().server.api_token.unwrap()).to_owned();
    let credential = |text| site(text).with_credential("server.api_token", "from-credential\n");
    assert_eq!(token(&credential("")), "from-credential");
    let by_file = credential("[server]\napi_token_file = \"secrets/token\"");
    by_file.write("secrets/token", "from-file\r\n\n");
    assert_eq!(token(&by_file), "from-file");
    assert_eq!(token(&credential("[server]\napi_token = \"from-value\"")), "from-value");
    let by_variable = by_file.with("FIRSTWORD__SERVER__API_TOKEN", "from-variable");
    assert_eq!(token(&by_variable), "from-variable");
}

#[test]
fn lists_and_pages_have_secrets_in_files_too() {
    let text = "[messenger]\napp_secret_file = \"app\"\n[login]\napp_secret = [\"a\", \"b\"]\n[[pages]]\nid = 77\nmessage = \"hello.json\"";
    let site = Site::new(text).with_credential("page.77.access_token", "token-77");
    site.write("app", "new\nold\n");
    let config = site.config();
    assert_eq!(config.messenger.app_secrets.iter().map(shown).collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(config.login.unwrap().app_secrets.iter().map(shown).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(shown(&config.pages[0].access_token), "token-77");
}

#[test]
fn a_secret_given_twice_empty_or_unreadable_is_a_fault() {
    let twice = site("[server]\napi_token = \"hunter2\"\napi_token_file = \"x\"");
    assert_eq!(twice.fault(), "firstword.toml: server.api_token: is given, and api_token_file too; keep one of them");
    let twice = site("").with("FIRSTWORD__SERVER__API_TOKEN", "x").with("FIRSTWORD__SERVER__API_TOKEN_FILE", "y");
    assert!(twice.fault().starts_with("environment: FIRSTWORD__SERVER__API_TOKEN: is given, and"));
    let empty = site("[server]\napi_token_file = \"empty\"");
    empty.write("empty", "\n");
    assert!(empty.fault().starts_with("empty: server.api_token_file: is empty"), "{}", empty.fault());
    let empty = site("").with_credential("messenger.app_secret", "\n\n");
    assert!(empty.fault().starts_with("credentials/messenger.app_secret: messenger.app_secret: is empty"));
    let broken =
        Site::new("[[pages]]\nid = \"1\"\naccess_token = \"hunter2 hunter2\"\nmessage = \"hello.json\"").fault();
    assert!(broken.contains("pages[0].access_token: has a character in it") && !broken.contains("hunter2"), "{broken}");
    let missing = site("[server]\napi_token_file = \"missing\"");
    assert!(missing.fault().starts_with("firstword.toml: server.api_token_file: cannot be read from missing: No such"));
    let lines = site("[server]\napi_token_file = \"lines\"");
    lines.write("lines", "hunter2\nhunter2\n");
    assert!(lines.fault().contains("several lines") && !lines.fault().contains("hunter2"));
}

#[test]
fn nothing_shows_a_password() {
    for url in [
        "postgres://me:hunter2@db/firstword",
        "postgresql://me:hun@ter2@db?sslmode=require",
        "postgres://me:hunter2?@db",
        "postgres://db/x?user=me@&password=hunter2",
        "postgres:///x?password=hunter2",
    ] {
        let site = site(&format!(
            "[server]\napi_token = \"hunter2\"\n[database]\nfailover = \"synchronous\"\nurl = \"{url}\""
        ));
        let config = site.with("FIRSTWORD__LOGIN__APP_SECRET", "hunter2").config();
        assert_eq!(config.database.failover, Failover::Synchronous);
        let shown = format!("{config:?} {}", config.database.shown());
        assert!(!shown.contains("hunter2") && !shown.contains("ter2@"), "{shown}");
    }
    let environment = format!("{:?}", Environment::of([("FIRSTWORD__X", "hunter2")]));
    assert!(!environment.contains("hunter2"), "{environment}");
}
