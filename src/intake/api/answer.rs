//! What each item of `POST /optins` is answered.

use serde::Serialize;

use super::item::Fault;
use crate::domain::ids::OptInId;
use crate::domain::signal::Receipt;

/// The body of 200.
#[derive(Serialize)]
pub(super) struct Results {
    /// One line an item, in order.
    pub(super) results: Vec<Line>,
}

/// What became of one item.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<OptInId>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

impl Line {
    /// The line of an item the store looked at.
    pub(super) fn of(index: usize, receipt: Receipt) -> Self {
        let (id, result) = match receipt {
            Receipt::Created(id) => (id, "created"),
            Receipt::Duplicate(id) | Receipt::Applied(id) => (id, "duplicate"),
            Receipt::Renewed(id) => (id, "renewed"),
            Receipt::Reopened(id) => (id, "reopened"),
            Receipt::Refused(id) => (id, "refused"),
            Receipt::Erased => return Self::faulty(index, Fault::erased()),
            Receipt::Unknown | Receipt::Kept => return Self { index, id: None, result: "refused", error: None },
        };
        Self { index, id: Some(id), result, error: None }
    }

    /// The line of an item that was not stored.
    pub(super) fn faulty(index: usize, fault: Fault) -> Self {
        Self { index, id: None, result: "refused", error: Some(fault) }
    }
}
