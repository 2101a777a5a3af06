//! `/webhook`: the platform proves that it knows our token, then posts its events.
//!
//! 200 means: committed. Whatever is refused with 503 the platform sends again for about 36 hours; whatever it gets 200
//! for never comes again.
//! <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks>

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::event::{self, NotUnderstood, Parsed, Reading};
use super::problem::Problem;
use super::{Intake, body, notice, signature};
use crate::domain::keyed::same;
use crate::domain::signal::Receipt;
use crate::domain::time::Timestamp;

/// The handshake's query.
#[derive(Deserialize)]
pub(super) struct Handshake {
    #[serde(rename = "hub.mode")]
    mode: String,
    #[serde(rename = "hub.verify_token")]
    verify_token: String,
    #[serde(rename = "hub.challenge")]
    challenge: String,
}

/// `GET /webhook`: answers the challenge, exactly, to whoever knows the verify token.
pub(super) async fn handshake(
    State(intake): State<Intake>,
    query: Result<Query<Handshake>, QueryRejection>,
) -> Response {
    let settings = intake.settings();
    let expected = settings.verify_token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
    let known = |asked: &Handshake| {
        !expected.is_empty() && same(expected.as_bytes(), asked.verify_token.as_bytes()) && asked.mode == "subscribe"
    };
    match query {
        Ok(Query(asked)) if known(&asked) => {
            tracing::info!("webhook handshake answered");
            text(asked.challenge)
        }
        _ => {
            // Anybody may try, as often as they like: the log is not theirs to fill.
            if intake.memory.may_tell("handshake".to_owned(), intake.clock.now()) {
                tracing::warn!(token_configured = !expected.is_empty(), "webhook handshake refused");
            }
            intake.metrics.webhook_refused("handshake");
            Problem::forbidden("handshake", "The handshake does not bring messenger.verify_token.").into_response()
        }
    }
}

/// `POST /webhook`: takes in a signed batch of events.
pub(super) async fn receive(State(intake): State<Intake>, request: Request) -> Response {
    // The internet's noise has no signature, and says nothing about what the platform lost here.
    let signed = request.headers().contains_key(signature::HEADER);
    match take(&intake, request).await {
        Ok(()) => text("EVENT_RECEIVED".to_owned()),
        Err(problem) => {
            intake.metrics.webhook_refused(problem.kind());
            if signed {
                intake.store.note_refusal();
            }
            problem.into_response()
        }
    }
}

async fn take(intake: &Intake, request: Request) -> Result<(), Problem> {
    let settings = intake.settings();
    let now = intake.clock.now();
    if settings.app_secrets.is_empty() {
        return Err(Problem::not_configured(
            "Set messenger.app_secret: without it no webhook can be told from a forgery.",
        ));
    }
    let (parts, body) = request.into_parts();
    body::admit(&parts.headers, &body, settings.max_body)?;
    let unsigned = || Problem::forbidden("signature", "X-Hub-Signature-256 is missing or does not hold for this body.");
    // The internet's noise brings no signature, and is not read.
    let Some(claimed) = signature::claimed(parts.headers.get(signature::HEADER)) else {
        tracing::debug!("webhook refused: no signature");
        return Err(unsigned());
    };
    let body = body::collect(&intake.room, body, settings.max_body).await?;
    if !signature::holds(&settings.app_secrets, &claimed, &body) {
        // The platform never signs badly: a well-formed signature that does not hold means a wrong secret here, or a
        // proxy that changes bodies.
        intake.bad_signature("messenger.app_secret", now).await;
        return Err(unsigned());
    }
    let app_id = settings.app_id.as_deref();
    let now = intake.clock.now();
    let reading = Reading { tokens: intake.store.tokens(), app_id, stop_words: &settings.stop_words, now };
    let parsed = event::parse(&body, &reading).map_err(|fault| not_understood(fault, body.len()))?;
    drop(body);
    store(intake, parsed, now).await?;
    // What it told is committed; that it came is only for whoever wonders about silence.
    if let Err(error) = intake.store.note_webhook(now).await {
        tracing::debug!(error = error.chain(), "that a webhook came could not be noted");
    }
    Ok(())
}

/// Commits the signals, then counts the events, so that a batch that comes again is counted once.
async fn store(intake: &Intake, parsed: Parsed, now: Timestamp) -> Result<(), Problem> {
    let Parsed { signals, kinds, sources, shapes } = parsed;
    let spoke = notice::speakers(&signals);
    let receipts = if signals.is_empty() {
        Vec::new()
    } else {
        intake.store.apply(signals, now).await.map_err(|error| {
            tracing::warn!(error = error.chain(), "webhook refused: store");
            Problem::unavailable()
        })?
    };
    for (kind, count) in kinds {
        intake.metrics.webhook_events(kind, count);
    }
    for _ in receipts.iter().filter(|receipt| **receipt == Receipt::Erased) {
        intake.metrics.webhook_event("erased_person");
    }
    notice::shapes(intake, shapes, now);
    notice::sources(intake, sources, now).await;
    notice::unlinked(intake, &spoke, &receipts, now).await;
    Ok(())
}

fn not_understood(fault: NotUnderstood, bytes: usize) -> Problem {
    tracing::warn!(bytes, %fault, "webhook refused: signed, but not understood");
    Problem::malformed(fault.to_string())
}

fn text(body: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], body).into_response()
}
