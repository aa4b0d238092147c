//! One blocking HTTP client. Owns nothing of Drey.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// A client with a runtime of its own, for the thread that owns it.
pub(crate) struct Http {
    runtime: Runtime,
    client: Client,
    /// What is shown as credentials.
    pub(super) token: Option<String>,
}

/// Status, content type and body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Http {
    pub(crate) fn new(timeout: Duration) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = Client::builder().timeout(timeout).no_proxy().build().unwrap();
        Self { runtime, client, token: None }
    }

    fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let request = self.client.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// What came back; an error when nothing did.
    pub(crate) fn call(
        &self,
        method: &str,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|e| format!("{url}: {e:?}"))?;
            let status = response.status().as_u16();
            let content_type = response.headers().get("content-type");
            let content_type =
                content_type.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            let body = response.text().await.map_err(|e| format!("{url}: {e:?}"))?;
            Ok(Answer { status, content_type, body })
        })
    }

    /// Uploads a file as browsers and curl do.
    pub(crate) fn upload(
        &self,
        url: &str,
        filename: &str,
        content: &[u8],
    ) -> Result<Answer, String> {
        let mut body = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n--XX--\r\n");
        let kind = "multipart/form-data; boundary=XX";
        let request = self.request(Method::POST, url).header("content-type", kind).body(body);
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|e| format!("{url}: {e:?}"))?;
            let status = response.status().as_u16();
            let body = response.text().await.map_err(|e| format!("{url}: {e:?}"))?;
            Ok(Answer { status, content_type: String::new(), body })
        })
    }

    /// The JSON at `url`, if it is there.
    pub(crate) fn json(&self, url: &str) -> Option<Value> {
        let answer = self.call("GET", url, None).ok()?;
        (answer.status == 200).then(|| answer.json())
    }
}
