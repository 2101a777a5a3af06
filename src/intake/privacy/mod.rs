//! `POST /data-deletion` and `POST /deauthorize`: a person takes back what they gave. The platform names them by their
//! app-scoped id alone, so their `login_id` is derived for every page that was ever served here.
//!
//! | file | holds |
//! |---|---|
//! | [`signed`] | whether the request comes from the platform, and whom it is about |
//! | `page` | the page on which a person sees that their data is gone |

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use self::signed::{Disbelief, SignedRequest};
use super::problem::Problem;
use super::{Intake, Settings, body};
use crate::domain::alert::{Alert, Kind};
use crate::domain::ids::{LoginId, PageId};
use crate::domain::optin::Reason;
use crate::domain::signal::{Links, Sign, Signal, Subject, Whom};
use crate::domain::time::Timestamp;

pub(super) mod page;
pub mod signed;

/// The longest form that is read, in bytes.
const LONGEST_FORM: usize = 64 * 1024;

/// `POST /data-deletion`: erases, and says where the person can see that it was done.
pub(super) async fn delete(State(intake): State<Intake>, request: Request) -> Response {
    erase(&intake, request).await.unwrap_or_else(|problem| refused(&intake, problem))
}

/// `POST /deauthorize`: the person removed the app, which is the plainest way to say stop.
pub(super) async fn deauthorize(State(intake): State<Intake>, request: Request) -> Response {
    stop(&intake, request).await.unwrap_or_else(|problem| refused(&intake, problem))
}

fn refused(intake: &Intake, problem: Problem) -> Response {
    intake.metrics.webhook_refused(problem.kind());
    problem.into_response()
}

async fn erase(intake: &Intake, request: Request) -> Result<Response, Problem> {
    let settings = intake.settings();
    let now = intake.clock.now();
    let (asked, people) = believed(intake, &settings, request, now).await?;
    let Some(public_url) = settings.public_url.as_deref() else {
        let detail = "Set server.public_url: the platform wants an address where the person can see the deletion.";
        return Err(not_set_up(intake, "server.public_url", detail, now).await);
    };
    let code = intake.store.deletion_code(asked.user.as_str(), asked.issued_at);
    let people = people.into_iter().map(|(page, login)| Subject { page, whom: Whom::Login(login) }).collect();
    let erased = intake.store.erase(people, Some(code.clone()), now).await.map_err(|error| unavailable(&error))?;
    tracing::info!(optins = erased.optins, raw_events = erased.raw_events, "a person's data was deleted");
    // Where nearly all are of nobody, the login_ids derived here are not those the platform gives.
    intake.metrics.webhook_event(if erased.optins > 0 { "data_deletion" } else { "data_deletion_of_nobody" });
    let url = format!("{public_url}/deletion/{code}");
    Ok(axum::Json(json!({"url": url, "confirmation_code": code})).into_response())
}

async fn stop(intake: &Intake, request: Request) -> Result<Response, Problem> {
    let settings = intake.settings();
    let now = intake.clock.now();
    let (asked, people) = believed(intake, &settings, request, now).await?;
    let signal = |(page, login)| Signal::Person {
        page,
        sign: Sign::OptOut(Reason::Deauthorized),
        links: Links { logins: vec![login], ..Links::default() },
        at: asked.issued_at.min(now),
    };
    let signals = people.into_iter().map(signal).collect();
    intake.store.apply(signals, now).await.map_err(|error| unavailable(&error))?;
    intake.metrics.webhook_event("deauthorize");
    Ok(axum::Json(json!({"success": true})).into_response())
}

/// Whom a request is about: on every page, the `login_id` that the person has there, whether we know it or not.
async fn believed(
    intake: &Intake,
    settings: &Settings,
    request: Request,
    now: Timestamp,
) -> Result<(SignedRequest, Vec<(PageId, LoginId)>), Problem> {
    if settings.login_secrets.is_empty() {
        // No alert: without a secret a person's request cannot be told from anybody's.
        return Err(Problem::not_configured("Set login.app_secret, or messenger.app_secret if one app does both."));
    }
    let asked = match signed::read(&form(intake, request).await?, &settings.login_secrets, now) {
        Ok(asked) => asked,
        Err(why) => return Err(disbelieved(intake, why, now).await),
    };
    let Some(derivation) = &settings.login else {
        let detail = "Set login.client_token: the platform names people by their app-scoped id, and without it nobody \
                      here can be found by that.";
        return Err(not_set_up(intake, "login.client_token", detail, now).await);
    };
    let pages = intake.store.pages_ever().await.map_err(|error| unavailable(&error))?;
    let on = |page: PageId| Some((derivation.login_id(asked.user.as_str(), &page)?, page));
    let people = pages.into_iter().filter_map(on).map(|(login, page)| (page, login)).collect();
    Ok((asked, people))
}

/// The field `signed_request` of a form.
async fn form(intake: &Intake, request: Request) -> Result<String, Problem> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let detail = "Send \"Content-Type: application/x-www-form-urlencoded\" with the field signed_request.";
        return Err(Problem::unsupported("not_a_form", detail));
    }
    let body = body::read(intake, &parts.headers, body, LONGEST_FORM).await?;
    let mut fields = form_urlencoded::parse(&body);
    let field = fields.find(|(name, _)| name == "signed_request").map(|(_, value)| value.into_owned());
    field.ok_or_else(|| Problem::malformed("The form has no field signed_request."))
}

async fn disbelieved(intake: &Intake, why: Disbelief, now: Timestamp) -> Problem {
    match why {
        Disbelief::Forged => {
            intake.bad_signature("login.app_secret", now).await;
            Problem::forbidden("signature", "The signature of signed_request does not hold.")
        }
        Disbelief::Stale => Problem::forbidden("stale", "signed_request was not issued in the last 48 hours."),
        why => Problem::malformed(why.to_string()),
    }
}

/// A person asked and could not be served: somebody should know, at once and not once for each.
async fn not_set_up(intake: &Intake, key: &'static str, detail: &'static str, now: Timestamp) -> Problem {
    intake.tell(Alert::new(Kind::RequestRefused, key, "it is not set"), now).await;
    Problem::not_configured(detail)
}

fn unavailable(error: &crate::store::Error) -> Problem {
    tracing::warn!(error = error.chain(), "a person's request is refused: store");
    Problem::unavailable()
}
