//! An HTTP receiver that can be down.

use actix_web::{App, HttpResponse, HttpServer, web};
use std::sync::{Arc, Mutex};

/// The status, and `Retry-After`.
type Refusal = (u16, Option<String>);

/// What it has received; shared by all its clones.
#[derive(Clone, Default)]
pub struct Receiver {
    pub down: Arc<Mutex<bool>>,
    /// Line by line.
    pub lines: Arc<Mutex<Vec<String>>>,
    pub bodies: Arc<Mutex<Vec<String>>>,
    pub authorised: Arc<Mutex<Vec<String>>>,
    pub signatures: Arc<Mutex<Vec<String>>>,
    /// What it answers instead of taking anything: the status, and `Retry-After`.
    refuses: Arc<Mutex<Option<Refusal>>>,
    /// It takes no body that is longer.
    largest: Arc<Mutex<Option<usize>>>,
    /// Every body that was sent to it, taken or not, and when.
    tried: Arc<Mutex<Vec<(String, std::time::Instant)>>>,
}

impl Receiver {
    /// Serves on a free port; returns the URL.
    pub fn start(&self) -> String {
        let state = self.clone();
        let server = HttpServer::new(move || {
            let state = state.clone();
            App::new().app_data(web::PayloadConfig::new(8 << 20)).default_service(web::to(
                move |request: actix_web::HttpRequest, body: web::Bytes| {
                    let state = state.clone();
                    async move { state.take(&request, &body) }
                },
            ))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
        let address = server.addrs()[0];
        actix::spawn(server.run());
        format!("http://{address}/services/collector/raw")
    }

    fn take(&self, request: &actix_web::HttpRequest, body: &[u8]) -> HttpResponse {
        if *self.down.lock().expect("locks") {
            return HttpResponse::ServiceUnavailable().finish();
        }
        let text = String::from_utf8_lossy(body).into_owned();
        #[expect(clippy::disallowed_methods, reason = "what a receiver asks for is meant in its own time")]
        let now = std::time::Instant::now();
        self.tried.lock().expect("locks").push((text, now));
        if let Some((status, after)) = self.refuses.lock().expect("locks").clone() {
            let mut answer = HttpResponse::build(status.try_into().expect("a status"));
            if let Some(after) = after {
                answer.insert_header(("retry-after", after));
            }
            return answer.body("no_service");
        }
        if self.largest.lock().expect("locks").is_some_and(|largest| body.len() > largest) {
            return HttpResponse::PayloadTooLarge().finish();
        }
        let header = |name: &str| request.headers().get(name).and_then(|h| h.to_str().ok()).map(str::to_owned);
        self.authorised.lock().expect("locks").extend(header("authorization"));
        self.signatures.lock().expect("locks").extend(header("x-signature-256"));
        let text = String::from_utf8_lossy(body).into_owned();
        self.lines.lock().expect("locks").extend(text.lines().map(str::to_owned));
        self.bodies.lock().expect("locks").push(text);
        HttpResponse::Ok().finish()
    }

    /// Sets whether it is down.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().expect("locks") = down;
    }

    /// From here on it answers with this status, until it is told to take everything.
    pub fn refuse(&self, status: Option<u16>, retry_after: Option<&str>) {
        *self.refuses.lock().expect("locks") = status.map(|status| (status, retry_after.map(str::to_owned)));
    }

    /// From here on it takes no body with more bytes.
    pub fn take_at_most(&self, bytes: usize) {
        *self.largest.lock().expect("locks") = Some(bytes);
    }

    /// Every body that was sent to it, taken or not, and when.
    pub fn tried(&self) -> Vec<(String, std::time::Instant)> {
        self.tried.lock().expect("locks").clone()
    }

    /// Everything it was sent.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("locks").clone()
    }
}
