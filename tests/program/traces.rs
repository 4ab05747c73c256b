//! Spans reach a collector of OpenTelemetry: what was done for whom (a pseudonym), why, how long each part took, and the
//! request ids that both sides' support asks for.

use crate::common::program::program;
use crate::common::running::Running;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// One span as it arrived.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    /// A header that the environment asks for.
    team: String,
    name: String,
    id: Vec<u8>,
    parent: Vec<u8>,
    trace: Vec<u8>,
    took: u64,
    fields: BTreeMap<String, String>,
    /// Everything of it, to look for what must not be there.
    whole: String,
}

/// A receiver of OTLP over HTTP.
#[derive(Clone)]
struct Receiver {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("an address");
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let kept = spans.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let kept = web::Data::new(kept.clone());
                    App::new().app_data(kept).route("/v1/traces", web::post().to(receive))
                };
                HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("serves").run().await
            })
        });
        Self { address, spans }
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().expect("nobody panics").clone()
    }

    fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.name == name).collect()
    }
}

async fn receive(
    spans: web::Data<Arc<Mutex<Vec<Span>>>>,
    request: actix_web::HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let team = request.headers().get("x-team").and_then(|team| team.to_str().ok()).unwrap_or_default();
    let message = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let text = |value: Option<&Value>| match value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(n)) => n.to_string(),
        other => format!("{other:?}"),
    };
    for resource in message.resource_spans {
        let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
        let service = attributes.iter().find(|a| a.key == "service.name");
        let service = text(service.and_then(|a| a.value.as_ref()?.value.as_ref()));
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let value = |a: &opentelemetry_proto::tonic::common::v1::KeyValue| {
                text(a.value.as_ref().and_then(|value| value.value.as_ref()))
            };
            spans.lock().expect("nobody panics").push(Span {
                service: service.clone(),
                team: team.to_owned(),
                whole: format!("{span:?}"),
                fields: span.attributes.iter().map(|a| (a.key.clone(), value(a))).collect(),
                name: span.name,
                id: span.span_id,
                parent: span.parent_span_id,
                trace: span.trace_id,
                took: span.end_time_unix_nano - span.start_time_unix_nano,
            });
        }
    }
    HttpResponse::Ok().content_type("application/x-protobuf").body(Vec::new())
}

#[test]
fn a_change_can_be_followed_in_traces_from_its_cause_to_oktas_answer_and_nobody_is_named() {
    let receiver = Receiver::start();
    let workspace = Workspace::new(12);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let traces = format!("[telemetry]\ntraces = \"http://{}\"\n", receiver.address);
    std::fs::write(&workspace.config, traces + &text).expect("writes");
    let log = std::fs::File::create(&workspace.log).expect("a log");
    let mut command = program();
    command
        .args(["run", "--config"])
        .arg(&workspace.config)
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=it")
        .stderr(log);
    let mut service = Running(command.spawn().expect("starts"));
    workspace.until_settled();
    let known = receiver.spans().len();
    let person = workspace.world.namely.core().person(3).clone();
    workspace.world.namely.core().edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
    let mut run = None;
    wait_until("the lane is told", &workspace.log, || {
        run = receiver.named("run").into_iter().find(|run| {
            run.fields.get("cause").is_some_and(|c| c == "profile")
                && run.fields.get("outcome").is_some_and(|o| o == "done")
                && receiver.named("call").iter().any(|call| call.parent == run.id)
        });
        run.is_some() && receiver.spans().len() > known
    });
    let run = run.expect("a run");
    let field = |span: &Span, name: &str| span.fields.get(name).cloned().unwrap_or_default();
    assert_eq!((run.service.as_str(), run.team.as_str()), ("namely-okta-sync", "it"));
    assert_eq!(
        (field(&run, "org").as_str(), field(&run, "priority").as_str(), field(&run, "attempt").as_str()),
        ("sandbox", "describe", "0"),
        "{run:?}"
    );
    assert_eq!(field(&run, "person").len(), 16, "{run:?}");

    let call = receiver.named("call").into_iter().find(|call| call.parent == run.id).expect("a call");
    assert_eq!(
        (field(&call, "outcome").as_str(), field(&call, "bucket").as_str()),
        ("applied", "user_write"),
        "{call:?}"
    );
    let audited =
        format!("SELECT count(*) FROM audit WHERE kind = 'effect' AND row LIKE '%{}%'", field(&call, "request_id"));
    assert_eq!(workspace.counted(&audited), 1, "the audit has the same request id as {call:?}");
    let http = receiver.named("http").into_iter().find(|http| http.parent == call.id).expect("a request");
    assert!(http.trace == run.trace && call.trace == run.trace);
    assert!(http.took <= call.took && call.took <= run.took, "{http:?} {call:?} {run:?}");

    let page =
        receiver.named("page").into_iter().find(|page| field(page, "changed") == "1").expect("the page that showed it");
    assert_eq!((field(&page, "tenant").as_str(), field(&page, "status").as_str()), ("sandbox", "200"));
    assert!(!field(&page, "request_id").is_empty(), "{page:?}");

    // The last spans leave before the program ends.
    workspace.world.namely.core().edit(4, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 4".into());
    wait_until("that is done too", &workspace.log, || {
        let okta = workspace.world.okta.core();
        let id = workspace.world.namely.core().person(4).id.clone();
        okta.user_by_anchor(&id).and_then(|u| u.profile.get("primaryPhone").cloned()) == Some("+1 555 4".into())
    });
    assert!(Command::new("kill").arg(service.0.id().to_string()).status().expect("kill").success());
    assert!(service.0.wait().expect("ends").success());
    let last = receiver.named("call").iter().filter(|call| field(call, "outcome") == "applied").count();
    assert_eq!(last, 2, "{}", workspace.log());
    for span in receiver.spans() {
        for secret in [&person.email, &person.last_name, &person.id, "+1 555 3"] {
            assert!(!span.whole.contains(secret), "{secret} is in {}", span.whole);
        }
    }
}

#[test]
fn a_collector_that_is_not_there_is_told_in_the_log_and_holds_up_nobody() {
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let workspace = Workspace::new(5);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    std::fs::write(&workspace.config, format!("[telemetry]\ntraces = \"http://{nobody}\"\n") + &text).expect("writes");
    let log = std::fs::File::create(&workspace.log).expect("a log");
    let mut command = program();
    command.args(["run", "--config"]).arg(&workspace.config).env("OTEL_BSP_SCHEDULE_DELAY", "100").stderr(log);
    let mut service = Running(command.spawn().expect("starts"));
    workspace.until_settled();
    wait_until("the log tells it", &workspace.log, || workspace.log().contains("BatchSpanProcessor"));
    assert!(Command::new("kill").arg(service.0.id().to_string()).status().expect("kill").success());
    assert!(service.0.wait().expect("ends").success(), "{}", workspace.log());
}

#[test]
fn what_the_environment_says_of_sampling_holds() {
    let receiver = Receiver::start();
    let workspace = Workspace::new(5);
    let text = std::fs::read_to_string(&workspace.config).expect("reads");
    let traces = format!("[telemetry]\ntraces = \"http://{}\"\n", receiver.address);
    std::fs::write(&workspace.config, traces + &text).expect("writes");
    let log = std::fs::File::create(&workspace.log).expect("a log");
    let mut command = program();
    command.args(["run", "--config"]).arg(&workspace.config).env("OTEL_TRACES_SAMPLER", "always_off").stderr(log);
    let mut service = Running(command.spawn().expect("starts"));
    workspace.until_settled();
    // What is left to send would be sent now.
    assert!(Command::new("kill").arg(service.0.id().to_string()).status().expect("kill").success());
    assert!(service.0.wait().expect("ends").success(), "{}", workspace.log());
    assert_eq!(receiver.spans().len(), 0);
}
