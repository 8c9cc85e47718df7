//! A plain HTTP client: what was answered, whatever the status.

use serde_json::Value;

/// A client of one server. It does not try again, and follows nothing.
#[derive(Debug, Clone)]
pub struct Http {
    base: String,
    agent: ureq::Agent,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header `content-type`; empty where there is none.
    pub content_type: String,
    /// The header `retry-after`, where there is one.
    pub retry_after: Option<String>,
    /// The headers.
    pub headers: ureq::http::HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, if it is there.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in answer {}: {}", self.status, self.text()))
    }
}

impl Http {
    /// Makes one for the server at `base`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { base: base.to_owned(), agent: config.into() }
    }

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> Result<Answer, ureq::Error> {
        read(self.agent.get(format!("{}{path}", self.base)).call()?)
    }

    /// Sends.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub fn post(&self, path: &str, media_type: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        read(self.agent.post(format!("{}{path}", self.base)).header("content-type", media_type).send(body)?)
    }

    /// Asks to delete, with a body.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub fn delete(&self, path: &str, media_type: &str, body: &[u8]) -> Result<Answer, ureq::Error> {
        let request = self.agent.delete(format!("{}{path}", self.base)).header("content-type", media_type);
        read(request.force_send_body().send(body)?)
    }

    /// Sends a batch, and returns the lines that came back whole, however the answer ended.
    #[must_use]
    pub fn post_batch(&self, lines: &[u8]) -> Vec<Value> {
        let url = format!("{}/v1/events", self.base);
        let Ok(mut answer) = self.agent.post(url).header("content-type", "application/x-ndjson").send(lines) else {
            return Vec::new();
        };
        let mut body = Vec::new();
        // What came before the connection broke is what was acknowledged.
        let _ = std::io::Read::read_to_end(&mut answer.body_mut().as_reader(), &mut body);
        let whole = body.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        let lines = body[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
    Ok(Answer { status, headers, content_type, retry_after, body })
}
