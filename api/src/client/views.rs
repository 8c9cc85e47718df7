//! Questions to the server's views. The answers are the server's word: whoever needs proof fetches the entries.

use serde::de::DeserializeOwned;

use super::{Client, ClientError, Transport};
use crate::wire::views::{ItemHistory, ItemPage, ObligationPage, StatePage, percent};

/// What is looked for: parameters with their values.
pub type Question<'a> = [(&'a str, String)];

impl Client {
    /// Asks for items: a page of them, after a cursor.
    ///
    /// # Errors
    /// When the server gives no answer; so for every method here.
    pub fn items(&self, question: &Question<'_>, cursor: Option<&str>) -> Result<ItemPage, ClientError> {
        self.page("/v1/items", question, cursor)
    }

    /// Asks for an item with all that was stated of it, at most `limit` statements.
    ///
    /// # Errors
    /// As [`Client::items`].
    pub fn item(&self, key: &str, limit: usize) -> Result<Option<ItemHistory>, ClientError> {
        Transport::found(self.0.transport.json(&format!("/v1/items/{}?limit={limit}", percent(key))))
    }

    /// Asks for what is due.
    ///
    /// # Errors
    /// As [`Client::items`].
    pub fn obligations(&self, question: &Question<'_>, cursor: Option<&str>) -> Result<ObligationPage, ClientError> {
        self.page("/v1/obligations", question, cursor)
    }

    /// Asks for incidents.
    ///
    /// # Errors
    /// As [`Client::items`].
    pub fn incidents(&self, question: &Question<'_>, cursor: Option<&str>) -> Result<StatePage, ClientError> {
        self.page("/v1/incidents", question, cursor)
    }

    fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &Question<'_>,
        cursor: Option<&str>,
    ) -> Result<T, ClientError> {
        let pairs = question.iter().map(|(name, value)| format!("{name}={}", percent(value)));
        let cursor = cursor.map(|cursor| format!("cursor={cursor}"));
        let query: Vec<String> = pairs.chain(cursor).collect();
        self.0.transport.json(&format!("{path}?{}", query.join("&")))
    }
}
