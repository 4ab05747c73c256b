//! A simulated org on a port of its own, and how it is called.

use namely_okta_sync::clock::Clock;
use namely_okta_sync::sandbox::http::Simulator;
use namely_okta_sync::sandbox::okta::{Okta, Options};
use namely_okta_sync::sandbox::world::any_port;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

/// An org that answers at once.
pub struct Org {
    pub simulator: Simulator<Okta>,
    pub clock: Clock,
    pub http: reqwest::Client,
    pub runtime: tokio::runtime::Runtime,
}

/// Status, headers and body of an answer.
pub type Answer = (u16, HeaderMap, Value);

impl Org {
    pub fn new(options: Options) -> Self {
        Self::with(Options { index_lag: Duration::ZERO, ..options })
    }

    /// An org whose lists lag behind.
    pub fn lagging(index_lag: Duration) -> Self {
        Self::with(Options { index_lag, ..Options::default() })
    }

    fn with(options: Options) -> Self {
        let options = Options { limits: None, latency: 0.0, ..options };
        let clock = Clock::scaled_from_today(1.0);
        let simulator = Simulator::start(Okta::new(options, clock.now()), any_port(), clock.clone()).expect("a port");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { simulator, clock, http: reqwest::Client::new(), runtime }
    }

    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, body, &[])
    }

    pub fn call_with(&self, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let url = format!("{}{path}", self.simulator.url());
        let mut request = self.http.request(method.parse().expect("a method"), url);
        request = request.header("Authorization", "SSWS 00sandbox-token");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request = match body {
            Some(body) => request.json(&body),
            None if method == "GET" || method == "DELETE" => request,
            None => request.header("Content-Length", "0"),
        };
        self.runtime.block_on(async {
            let answer = request.send().await.expect("answers");
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            (status, headers, answer.json().await.unwrap_or(Value::Null))
        })
    }

    pub fn user(&self, login: &str, more: &Value) -> String {
        let mut profile = json!({ "login": login, "email": login, "firstName": "A", "lastName": "B" });
        for (name, value) in more.as_object().into_iter().flatten() {
            profile[name] = value.clone();
        }
        let (status, _, user) = self.call("POST", "/api/v1/users?activate=true", Some(json!({ "profile": profile })));
        assert_eq!(status, 200, "{user}");
        user["id"].as_str().expect("an id").to_owned()
    }

    /// Posts what is accepted, and says its id.
    pub fn made(&self, path: &str, body: Value) -> String {
        let (status, _, made) = self.call("POST", path, Some(body));
        assert!((200..300).contains(&status), "{path}: {made}");
        made["id"].as_str().expect("an id").to_owned()
    }

    /// What a path shows.
    pub fn get(&self, path: &str) -> Value {
        let (status, _, shown) = self.call("GET", path, None);
        assert_eq!(status, 200, "{path}: {shown}");
        shown
    }
}

pub fn error(answer: &Answer) -> (u16, &str) {
    (answer.0, answer.2["errorCode"].as_str().unwrap_or_default())
}

pub fn ids(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()).collect()
}
