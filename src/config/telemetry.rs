//! `[telemetry]`: how logs look, and where traces go.

use super::Http;
use super::reader::{Reader, Section};
use crate::telemetry::{Logs, Settings};

pub(super) fn read(r: &mut Reader, mut s: Section, network: &Http) -> Settings {
    let logs = s.choice(r, "logs", &[("auto", Logs::Auto), ("json", Logs::Json), ("pretty", Logs::Pretty)]);
    let traces = s.text(r, "traces").and_then(|at| {
        if !cfg!(feature = "otel") {
            let told = "telemetry.traces: this program was built without traces; build it with `--features otel`, or take the key out";
            r.problem(at.span, told);
            return None;
        }
        let parsed = reqwest::Url::parse(&at.value).ok();
        match parsed.filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https")) {
            Some(mut url) => {
                if url.path() == "/" {
                    url.set_path("/v1/traces");
                }
                Some(url.into())
            }
            None => {
                let told = format!("telemetry.traces: {:?} is not a URL; write \"http://127.0.0.1:4318/v1/traces\"", at.value);
                r.problem(at.span, told);
                None
            }
        }
    });
    s.finish(r);
    Settings { logs, traces, network: network.clone() }
}
