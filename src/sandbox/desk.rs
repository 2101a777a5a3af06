//! A page's desk: its credentials, and its people behind a lock of their own.

use std::sync::{Mutex, MutexGuard};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::graph::{self, Refusal};
use super::options::{Faults, Page};
use super::people::Book;
use super::platform::{Platform, lock};
use super::sign;

/// Percent of usage shown when nothing else was asked for: far from where a client slows down.
const CALM: u8 = 28;

/// One page.
pub(super) struct Desk {
    pub(super) id: String,
    token: String,
    proof: Option<String>,
    book: Mutex<Book>,
    calm: [(HeaderName, Option<HeaderValue>); 2],
}

impl Desk {
    /// A page with nobody in it; `app_secret` makes proofs compulsory.
    pub(super) fn new(page: Page, app_secret: Option<&str>) -> Self {
        Self {
            proof: app_secret.map(|secret| sign::proof(secret, &page.token)),
            book: Mutex::new(Book::new(&page.id)),
            calm: graph::usage(&page.id, CALM, 0),
            id: page.id,
            token: page.token,
        }
    }

    /// The page's people. Held for moments, never across an await.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Whether this is the page's token.
    pub(super) fn opened_by(&self, token: &str) -> bool {
        self.token == token
    }

    /// Adds the usage headers to an answer.
    pub(super) fn show_usage(&self, headers: &mut HeaderMap, faults: &Faults) {
        let minutes = faults.regain.as_secs().div_ceil(60);
        let asked = (faults.usage.is_some() || minutes > 0)
            .then(|| graph::usage(&self.id, faults.usage.unwrap_or(CALM), minutes));
        for (name, value) in asked.as_ref().unwrap_or(&self.calm) {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What a request may prove itself with.
#[derive(Default)]
pub(super) struct Credentials<'a> {
    pub(super) bearer: Option<&'a str>,
    pub(super) token: Option<&'a str>,
    pub(super) proof: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// The token, wherever it stands. The header goes first.
    pub(super) fn any(&self) -> Option<&'a str> {
        self.bearer.or(self.token)
    }
}

impl Platform {
    /// The page called `id`.
    pub(super) fn desk_named(&self, id: &str) -> Option<usize> {
        self.desks.iter().position(|desk| desk.id == id)
    }

    /// The page that the credentials may act for, where the path names it or says `me`.
    ///
    /// # Errors
    /// What the Graph API answers otherwise.
    pub(super) fn admit(&self, node: &str, given: &Credentials<'_>) -> Result<usize, Refusal> {
        let token = given.any().ok_or(graph::NO_TOKEN)?;
        let holds = |desk: &Desk| desk.opened_by(token);
        // Two pages may share a token in a test; the path then tells them apart.
        let named = self.desks.iter().position(|desk| holds(desk) && desk.id == node);
        let place = named.or_else(|| self.desks.iter().position(holds)).ok_or(graph::NO_TOKEN)?;
        let desk = self.desks.get(place).ok_or(graph::NO_TOKEN)?;
        if node != "me" && node != desk.id {
            return Err(graph::WRONG_PAGE);
        }
        match (desk.proof.as_deref(), given.proof) {
            (Some(_), None) => Err(graph::NO_PROOF),
            (Some(right), Some(proof)) if right != proof => Err(graph::BAD_PROOF),
            _ => Ok(place),
        }
    }
}
