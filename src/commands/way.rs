//! How a decision reaches the service: over its admin API while it runs, into its store while it does not.

use super::store::{Opened, decider};
use crate::admin::decisions::Desk;
use crate::admin::routes::{Ask, route_of};
use crate::admin::tls;
use crate::clock::Moment;
use crate::config::Config;
use crate::http::describe;
use anyhow::{Context, anyhow, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::net::TcpStream;
use std::time::Duration;

/// Where the command line finds the token of whoever uses it.
const TOKEN: &str = "NAMELY_OKTA_SYNC_TOKEN";
const TIMEOUT: Duration = Duration::from_secs(30);
/// Whoever does not answer within this does not run.
const LOOK: Duration = Duration::from_secs(2);

/// One of the two.
pub enum Way {
    /// The service runs, and asks who we are.
    Service { client: reqwest::Client, base: String, token: SecretString },
    /// It does not, or its admin API is closed: whoever can write the store may decide.
    Store { desk: Desk, by: String, now: Moment },
}

/// A client for what the service of a configuration serves, and where that is.
pub fn client(config: &Config, timeout: Duration) -> anyhow::Result<(reqwest::Client, String)> {
    let builder = crate::http::builder(HeaderMap::new(), timeout);
    Ok(match &config.admin.tls {
        None => (builder.build()?, format!("http://{}", config.service.listen)),
        Some(files) => {
            let pinned = tls::client(files).map_err(anyhow::Error::msg)?;
            (builder.tls_backend_preconfigured(pinned).build()?, format!("https://{}", config.service.listen))
        }
    })
}

impl Way {
    /// Finds it. `by` is who decides where nobody asks for a token.
    pub fn find(opened: &Opened, by: Option<&String>) -> anyhow::Result<Self> {
        let config = &opened.config;
        // Whoever listens there is asked: one that shows another certificate must not make us go around it.
        let runs = !config.admin.tokens.is_empty() && TcpStream::connect_timeout(&config.service.listen, LOOK).is_ok();
        if !runs {
            let orgs = config.okta.iter().map(|org| org.name.clone()).collect();
            let desk = Desk { store: opened.path.clone(), orgs, rules: config.rulebook.clone() };
            return Ok(Way::Store { desk, by: decider(by)?, now: opened.now });
        }
        match std::env::var(TOKEN) {
            Ok(token) if !token.trim().is_empty() => {
                let (client, base) = client(config, TIMEOUT)?;
                Ok(Way::Service { client, base, token: token.into() })
            }
            _ => bail!("the service runs and asks who you are: set {TOKEN} to your token of [[admin.tokens]]"),
        }
    }

    /// Asks; `parts` stand for the braces of the path. What is answered is the same on both ways.
    pub async fn ask(&self, ask: Ask, parts: &[&str], body: Value) -> anyhow::Result<Value> {
        match self {
            Way::Store { desk, by, now } => {
                let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                desk.decide(ask, by, &parts, &body, *now)?.context("this can only be asked of a running service")
            }
            Way::Service { client, base, token } => {
                let route = route_of(ask).context("the admin API has no such route")?;
                let parts: Vec<String> =
                    parts.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                let request = client.post(format!("{base}/api/v1{}", route.path_of(&parts)));
                let renewed =
                    if base.starts_with("https") { "; was its certificate renewed without a reload?" } else { "" };
                let sent = request.bearer_auth(token.expose_secret()).json(&body).send().await;
                let answer =
                    sent.map_err(|e| anyhow!("the service at {base} does not answer: {}{renewed}", describe(&e)))?;
                let status = answer.status();
                let told: Value =
                    answer.json().await.map_err(|e| anyhow!("its answer breaks off: {}", describe(&e)))?;
                match told["error"].as_str() {
                    Some(why) => bail!("{why}"),
                    None if !status.is_success() => bail!("the service answers HTTP {status}"),
                    None => Ok(told),
                }
            }
        }
    }
}

/// Who has decided, as it was answered.
pub fn by(told: &Value) -> &str {
    told["by"].as_str().unwrap_or_default()
}
