//! Chromium, driven by its own driver over the protocol of WebDriver: the few requests that a walk through pages needs. (Of the
//! crates that speak it, one would switch the client's proxies of the environment on in every test, the other brings a second set
//! of Unicode tables.)

use crate::common::rig::comes_true;
use crate::common::skipped::skipped;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A browser of its own, which ends with this.
pub struct Chromium {
    driver: Child,
    client: reqwest::Client,
    /// The address of its session.
    session: String,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends the browser with its session, and only if it is asked to.
        end_session(&self.session);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn end_session(session: &str) {
    let Some((host, path)) = session.trim_start_matches("http://").split_once('/') else { return };
    let Ok(mut stream) = TcpStream::connect(host) else { return };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let _ = write!(stream, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    // Its answer comes once the browser has ended.
    let _ = stream.read_exact(&mut [0; 12]);
}

/// The key under which an element is named.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

fn binary() -> Option<String> {
    let found = Command::new("sh").args(["-c", "command -v chromium || command -v google-chrome"]).output().ok()?;
    let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
    (!path.is_empty()).then_some(path)
}

/// Starts the driver at a port of its choice.
fn driver() -> Option<(Child, u16)> {
    let mut driver =
        Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let lines = BufReader::new(driver.stdout.take()?).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    })?;
    Some((driver, port))
}

impl Chromium {
    /// A browser with or without script; nothing, and a remark, where there is no Chromium or no driver of it.
    pub async fn start(script: bool) -> Option<Self> {
        let (Some(binary), Some((driver, port))) = (binary(), driver()) else {
            skipped("no Chromium with its driver here; `apt-get install chromium chromium-driver` brings both");
            return None;
        };
        let args =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000"];
        let mut options = json!({ "binary": binary, "args": args });
        if !script {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut chromium = Self { driver, client, session: format!("http://127.0.0.1:{port}/session") };
        let begun = chromium.post("", json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        let id = begun["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {begun}"));
        chromium.session = format!("{}/{id}", chromium.session);
        Some(chromium)
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Value {
        let answer: Value = request.send().await.expect("the driver answers").json().await.expect("JSON");
        answer["value"].clone()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.sent(self.client.post(format!("{}{path}", self.session)).json(&body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.sent(self.client.get(format!("{}{path}", self.session))).await
    }

    /// Opens a page.
    pub async fn open(&self, url: &str) {
        let opened = self.post("/url", json!({ "url": url })).await;
        assert!(opened.is_null(), "{url}: {opened}");
    }

    /// All elements that a path of XPath leads to.
    pub async fn all(&self, path: &str) -> Vec<String> {
        let found = self.post("/elements", json!({ "using": "xpath", "value": path })).await;
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().filter_map(|element| element[ELEMENT].as_str().map(str::to_owned)).collect()
    }

    /// The first of them, once it is there.
    async fn first(&self, path: &str) -> String {
        let there = comes_true(async || !self.all(path).await.is_empty()).await;
        assert!(there, "nothing at {path}: {}", self.text().await);
        self.all(path).await.swap_remove(0)
    }

    /// Clicks an element.
    pub async fn click_on(&self, element: &str) {
        let clicked = self.post(&format!("/element/{element}/click"), json!({})).await;
        assert!(clicked.is_null(), "{clicked}");
    }

    /// Clicks the first of them, also where the page has just renewed itself under the hand.
    pub async fn click_first(&self, path: &str) {
        let clicked = async || {
            let Some(element) = self.all(path).await.into_iter().next() else { return false };
            self.post(&format!("/element/{element}/click"), json!({})).await.is_null()
        };
        assert!(comes_true(clicked).await, "{path} cannot be clicked: {}", self.text().await);
    }

    /// Types into the first of them.
    pub async fn type_into(&self, path: &str, text: &str) {
        let field = self.first(path).await;
        let typed = self.post(&format!("/element/{field}/value"), json!({ "text": text })).await;
        assert!(typed.is_null(), "{typed}");
    }

    /// Presses the button, or follows the link of the page, of this text, and waits until that page is gone: the driver answers
    /// a click before the next page has come.
    pub async fn press(&self, text: &str) {
        let path =
            format!("//button[contains(normalize-space(.), {text:?})] | //main//a[normalize-space(.) = {text:?}]");
        let pressed = self.first(&path).await;
        let page = self.first("/html").await;
        self.click_on(&pressed).await;
        let gone = comes_true(async || self.get(&format!("/element/{page}/name")).await["error"].is_string()).await;
        assert!(gone, "{text:?} leads nowhere: {}", self.text().await);
    }

    /// What a reader sees.
    pub async fn text(&self) -> String {
        let Some(body) = self.all("//body").await.pop() else { return String::new() };
        self.get(&format!("/element/{body}/text")).await.as_str().unwrap_or_default().to_owned()
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Shows pages as somebody sees them who wants `light` or `dark` ones.
    pub async fn theme(&self, scheme: &str) {
        let params = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        let set =
            self.post("/goog/cdp/execute", json!({ "cmd": "Emulation.setEmulatedMedia", "params": params })).await;
        assert!(set["error"].is_null(), "{set}");
    }

    /// The whole page as a picture.
    pub async fn screenshot(&self) -> Vec<u8> {
        let params = json!({ "captureBeyondViewport": true });
        let taken = self.post("/goog/cdp/execute", json!({ "cmd": "Page.captureScreenshot", "params": params })).await;
        let text = taken["data"].as_str().unwrap_or_else(|| panic!("no picture: {taken}"));
        STANDARD.decode(text).expect("base64")
    }

    /// What the browser has complained about: refused by a policy, not found, an error of a script.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" })).await;
        let lines = log.as_array().cloned().unwrap_or_default();
        lines.iter().filter_map(|line| line["message"].as_str().map(str::to_owned)).collect()
    }
}
