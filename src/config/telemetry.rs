//! `[telemetry]`: how logs look, and where traces go.

use super::Http;
use super::reader::{Reader, Section};
use crate::http::address::{self, Shape};

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// For people where a terminal is watching, JSON otherwise.
    Auto,
    Json,
    Pretty,
}

/// What is told of a run, and where to.
#[derive(Clone, Debug)]
pub struct Telemetry {
    pub logs: Logs,
    /// Where spans are sent: the URL of an OTLP receiver over HTTP, `http://127.0.0.1:4318/v1/traces`.
    pub traces: Option<String>,
    /// How they travel.
    pub network: Http,
}

pub(super) fn read(r: &mut Reader, mut s: Section, network: &Http) -> Telemetry {
    let logs = s.choice(r, "logs", &[("auto", Logs::Auto), ("json", Logs::Json), ("pretty", Logs::Pretty)]);
    let traces = s.text(r, "traces").and_then(|at| {
        if !cfg!(feature = "otel") {
            let message = "telemetry.traces: this program was built without traces; build it with `--features otel`, or take the key out";
            r.problem(at.span, message);
            return None;
        }
        match address::read(&at.value, Shape::Endpoint) {
            Ok(mut url) => {
                if url.path() == "/" {
                    url.set_path("/v1/traces");
                }
                Some(url.into())
            }
            Err(why) => {
                let message =
                    format!("telemetry.traces: {why}; a collector on this machine is \"http://127.0.0.1:4318/v1/traces\"");
                r.problem(at.span, message);
                None
            }
        }
    });
    s.finish(r);
    Telemetry { logs, traces, network: network.clone() }
}
