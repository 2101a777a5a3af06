//! The pages as they are now: who may send, with which token, proof and message. A reload changes them while requests fly.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::deliver::{self, Answer, Ask, Letter, Post};
use crate::domain::budget::Budget;
use crate::domain::checkup::{Asked, Refusal};
use crate::domain::ids::PageId;
use crate::domain::keyed::{appsecret_proof, fingerprint};
use crate::messenger::{Messenger, Sender};
use crate::watch::pages::{LookAt, PageIds};

/// The pages, for delivery and for the client.
#[derive(Debug)]
pub struct Roster {
    messenger: Arc<Messenger>,
    senders: RwLock<HashMap<PageId, Arc<Sender>>>,
    pages: watch::Sender<Arc<Vec<deliver::Page>>>,
}

impl Roster {
    /// The roster of a configuration.
    ///
    /// # Errors
    /// Says which page's id or token cannot be part of a request.
    pub fn new(messenger: Arc<Messenger>, config: &Config) -> Result<Arc<Self>, String> {
        let roster = Self { messenger, senders: RwLock::default(), pages: watch::Sender::new(Arc::default()) };
        roster.load(config)?;
        Ok(Arc::new(roster))
    }

    /// Takes over the pages of a configuration, and the app's secret: all of it or nothing.
    ///
    /// # Errors
    /// Says which page's id or token cannot be part of a request.
    pub fn load(&self, config: &Config) -> Result<(), String> {
        let (mut senders, secret) = (HashMap::new(), config.messenger.app_secret());
        for page in &config.pages {
            senders.insert(page.id.clone(), Arc::new(self.messenger.sender(&page.id, &page.access_token, secret)?));
        }
        *self.senders.write().unwrap_or_else(PoisonError::into_inner) = senders;
        self.pages.send_replace(Arc::new(config.pages.iter().map(|page| prepared(page, secret)).collect()));
        Ok(())
    }

    /// The pages as delivery sees them.
    #[must_use]
    pub fn pages(&self) -> deliver::Pages {
        self.pages.subscribe()
    }

    /// The client, as delivery uses it.
    #[must_use]
    pub fn post(self: &Arc<Self>) -> Post {
        let roster = Arc::clone(self);
        Arc::new(move |letter: Letter| {
            let roster = Arc::clone(&roster);
            Box::pin(async move {
                let Some(sender) = roster.sender(&letter.page) else {
                    // The page left the configuration between claim and send: nothing leaves.
                    letter.gate.close();
                    return crate::messenger::Sent::GIVEN_BACK;
                };
                roster.messenger.send(&sender, &letter.login, &letter.message, &letter.gate).await
            })
        })
    }

    /// The client, as delivery asks whether a page's token holds.
    #[must_use]
    pub fn ask(self: &Arc<Self>) -> Ask {
        let roster = Arc::clone(self);
        Arc::new(move |page: PageId| {
            let roster = Arc::clone(&roster);
            Box::pin(async move {
                let Some(sender) = roster.sender(&page) else {
                    return Answer::Silent("the page left the configuration".to_owned());
                };
                match roster.messenger.owner(&sender).await {
                    Asked::Said(_) => Answer::Fine,
                    Asked::Refused(refusal) if is_of_credential(&refusal) => Answer::Refused(refusal.message),
                    Asked::Refused(refusal) => Answer::Silent(refusal.message),
                    Asked::Nothing(why) => Answer::Silent(why),
                }
            })
        })
    }

    /// With which token and message each page is sent for.
    #[must_use]
    pub fn credentials(&self) -> Vec<(PageId, String)> {
        self.pages.borrow().iter().map(|page| (page.id.clone(), page.credential.clone())).collect()
    }

    /// The client, as the check of pages uses it; `app_id` is the app that sends, where it is known.
    #[must_use]
    pub fn look(self: &Arc<Self>, app_id: Option<String>) -> LookAt {
        let (roster, app_id) = (Arc::clone(self), Arc::new(app_id));
        Arc::new(move |page: PageId| {
            let (roster, app_id) = (Arc::clone(&roster), Arc::clone(&app_id));
            Box::pin(async move {
                let sender = roster.sender(&page)?;
                Some(roster.messenger.look(&sender, app_id.as_deref()).await)
            })
        })
    }

    /// The ids of the pages, as the check of pages asks for them.
    #[must_use]
    pub fn ids(self: &Arc<Self>) -> PageIds {
        let roster = Arc::clone(self);
        Arc::new(move || roster.pages.borrow().iter().map(|page| page.id.clone()).collect())
    }

    fn sender(&self, page: &PageId) -> Option<Arc<Sender>> {
        self.senders.read().unwrap_or_else(PoisonError::into_inner).get(page).cloned()
    }
}

/// Whether it is the token, or the proof made of it and the app's secret, that was refused.
fn is_of_credential(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(102 | 190)) || refusal.message.contains("appsecret_proof")
}

fn prepared(page: &config::Page, app_secret: Option<&SecretString>) -> deliver::Page {
    deliver::Page {
        id: page.id.clone(),
        budget: Budget::per_second(page.rate_per_second),
        template: page.template.clone(),
        credential: credential(page, app_secret),
    }
}

/// The fingerprints of a page's token, with the proof made of it and the app's secret, and of its message: with what an
/// attempt was made.
#[must_use]
pub fn credential(page: &config::Page, app_secret: Option<&SecretString>) -> String {
    let token = page.access_token.expose_secret();
    let proof = app_secret.map(|secret| appsecret_proof(secret.expose_secret(), token));
    let access = fingerprint(proof.as_deref().unwrap_or(token).as_bytes());
    format!("{access}/{}", page.template.fingerprint())
}
