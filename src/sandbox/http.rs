//! The thin HTTP shell around a simulator's core.

use super::faults::{Fault, Faults};
use crate::clock::{Clock, Moment};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// A request as a simulator's core sees it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Of HTTP.
    pub method: String,
    /// Without query, as it came.
    pub path: String,
    /// What stood behind the question mark, as it came.
    pub query: String,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// At most what the server takes.
    pub body: Vec<u8>,
    /// Scheme and host by which the client called.
    pub base: String,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A query parameter, decoded.
    pub fn param(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(n, _)| decode(n) == name)
            .map(|(_, v)| decode(v))
    }

    /// The path cut into decoded segments.
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|s| !s.is_empty()).map(decode).collect()
    }

    /// Path and query together.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }
}

/// The fields of a form.
pub fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer of a simulator's core.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// Of HTTP.
    pub status: u16,
    /// Besides those that every answer has.
    pub headers: Vec<(String, String)>,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// Whether the body goes on for ever after what it begins with.
    pub endless: bool,
}

impl Response {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), endless: false }
    }

    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// The same with one more header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// What a core says to an arriving request.
pub enum Admission {
    /// Answer this, after so long.
    Answer(Response, Duration),
    /// Carry it out in the middle of this time.
    Serve {
        /// What `finish` is called with.
        ticket: usize,
        /// How long the answer waits.
        takes: Duration,
    },
    /// Carry it out, then close the connection without an answer.
    ServeAndHangUp {
        /// What `finish` is called with.
        ticket: usize,
        /// How long the connection stays open.
        takes: Duration,
    },
    /// Close the connection.
    HangUp,
}

/// A simulator's core: synchronous, told the time.
pub trait Core: Send + 'static {
    /// Its clock runs `scale` times as fast as real time: networks and schedulers do not.
    fn starts(&mut self, _scale: f64) {}
    /// What goes wrong on purpose.
    fn faults(&mut self) -> &mut Faults;
    /// Shows itself to people; nothing if the request is about something else, or it has no pages.
    fn page(&mut self, _: &Request, _: Moment) -> Option<Response> {
        None
    }
    /// Answers whoever turns one of its own switches; nothing if the request is none.
    fn switch(&mut self, _: &Request) -> Option<Response> {
        None
    }
    /// What it was asked, from this request on, as JSON.
    fn asked(&self, from: usize) -> serde_json::Value;
    /// A request arrives.
    fn admit(&mut self, request: &Request, now: Moment) -> Admission;
    /// An admitted request is carried out.
    fn apply(&mut self, ticket: usize, request: &Request, now: Moment) -> Response;
    /// Its answer leaves.
    fn finish(&mut self, ticket: usize, now: Moment);
}

/// A core behind its HTTP shell.
pub struct Simulator<C> {
    core: Arc<Mutex<C>>,
    /// On this machine; the port is the one that the system gave.
    pub address: SocketAddr,
}

impl<C> Clone for Simulator<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), address: self.address }
    }
}

impl<C: Core> Simulator<C> {
    /// Serves `core` at `listen` on a thread of its own, on the time of `clock`.
    pub fn start(mut core: C, listen: SocketAddr, clock: Clock) -> std::io::Result<Self> {
        core.starts(clock.scale());
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let core = Arc::new(Mutex::new(core));
        let shared = Shared { core: core.clone(), clock };
        std::thread::Builder::new().name("simulator".into()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                HttpServer::new(move || {
                    App::new()
                        .app_data(web::Data::new(shared.clone()))
                        .app_data(web::PayloadConfig::new(4 << 20))
                        .default_service(web::to(handle::<C>))
                })
                .on_connect(|connection, data| {
                    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>()
                        && let Ok(descriptor) = stream.as_fd().try_clone_to_owned()
                    {
                        data.insert(Connection(Arc::new(std::net::TcpStream::from(descriptor))));
                    }
                })
                .workers(1)
                .keep_alive(Duration::from_secs(75))
                .disable_signals()
                .listen(listener)?
                .run()
                .await
            })
        })?;
        Ok(Self { core, address })
    }

    /// The core, for whoever plays a scenario or evaluates one.
    pub fn core(&self) -> MutexGuard<'_, C> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `http://` and its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Shared<C> {
    core: Arc<Mutex<C>>,
    clock: Clock,
}

impl<C> Clone for Shared<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), clock: self.clock.clone() }
    }
}

impl<C: Core> Shared<C> {
    fn with<T>(&self, f: impl FnOnce(&mut C, Moment) -> T) -> T {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut core, self.clock.now())
    }

    /// Carries a request out; what is left of its time passes before the answer leaves.
    async fn serve(&self, ticket: usize, request: &Request, takes: Duration) -> Response {
        self.clock.sleep(takes / 2).await;
        let response = self.with(|core, now| core.apply(ticket, request, now));
        self.clock.sleep(takes / 2).await;
        self.with(|core, now| core.finish(ticket, now));
        response
    }
}

/// The socket of a connection, so that it can be closed under a request.
struct Connection(Arc<std::net::TcpStream>);

async fn handle<C: Core>(http: HttpRequest, body: web::Bytes, shared: web::Data<Shared<C>>) -> HttpResponse {
    let request = request(&http, &body);
    let shared = shared.get_ref().clone();
    if let Some(rest) = request.path.strip_prefix(FAULTS) {
        return answer(shared.with(|core, _| control(core.faults(), &request, rest)));
    }
    if request.path == HISTORY {
        return answer(shared.with(|core, _| history(core, &request)));
    }
    if let Some(response) = shared.with(|core, now| core.page(&request, now)) {
        return answer(response);
    }
    if let Some(response) = shared.with(|core, _| core.switch(&request)) {
        return answer(response);
    }
    match shared.with(|core, now| core.admit(&request, now)) {
        Admission::Answer(response, after) => {
            shared.clock.sleep(after).await;
            answer(response)
        }
        // A client that goes away does not stop what the server has begun.
        Admission::Serve { ticket, takes } => detached(async move { shared.serve(ticket, &request, takes).await })
            .await
            .map_or_else(hang_up(&http), answer),
        Admission::ServeAndHangUp { ticket, takes } => {
            detached(async move { shared.serve(ticket, &request, takes).await }).await;
            hang_up(&http)()
        }
        Admission::HangUp => hang_up(&http)(),
    }
}

/// Where whoever uses a simulator over HTTP sets its faults: `GET` and `POST`, `DELETE` for all, `DELETE /_faults/1` for one.
const FAULTS: &str = "/_faults";

/// Where whoever uses a simulator over HTTP reads what it was asked: `GET /_history?from=0`.
const HISTORY: &str = "/_history";

fn history<C: Core>(core: &C, request: &Request) -> Response {
    match (request.method.as_str(), request.param("from").as_deref().unwrap_or("0").parse()) {
        ("GET", Ok(from)) => Response::json(200, &core.asked(from)),
        ("GET", Err(_)) => Response::json(400, &serde_json::json!({ "error": "from is the number of an exchange" })),
        _ => Response::empty(404),
    }
}

fn control(faults: &mut Faults, request: &Request, rest: &str) -> Response {
    let number = rest.strip_prefix('/').map(str::parse::<u64>);
    match (request.method.as_str(), number) {
        ("GET", None) => Response::json(200, &serde_json::json!(faults.all())),
        ("POST", None) => match serde_json::from_slice::<Fault>(&request.body) {
            Ok(fault) => Response::json(201, &serde_json::json!({ "number": faults.add(fault) })),
            Err(why) => Response::json(400, &serde_json::json!({ "error": why.to_string() })),
        },
        ("DELETE", None) => {
            faults.clear();
            Response::empty(204)
        }
        ("DELETE", Some(Ok(number))) if faults.remove(number) => Response::empty(204),
        _ => Response::empty(404),
    }
}

async fn detached(work: impl Future<Output = Response> + 'static) -> Option<Response> {
    actix_web::rt::spawn(work).await.ok()
}

fn hang_up(http: &HttpRequest) -> impl FnOnce() -> HttpResponse {
    let connection = http.conn_data::<Connection>().map(|c| c.0.clone());
    move || {
        if let Some(connection) = connection {
            let _ = connection.shutdown(Shutdown::Both);
        }
        HttpResponse::InternalServerError().finish()
    }
}

fn request(http: &HttpRequest, body: &web::Bytes) -> Request {
    let headers: Vec<(String, String)> = http
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let host = http.connection_info().host().to_owned();
    Request {
        method: http.method().as_str().to_owned(),
        path: http.path().to_owned(),
        query: http.query_string().to_owned(),
        headers,
        body: body.to_vec(),
        base: format!("http://{host}"),
    }
}

fn answer(response: Response) -> HttpResponse {
    let mut built =
        HttpResponse::build(StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    for (name, value) in &response.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::from_str(value)) {
            built.append_header((name, value));
        }
    }
    if response.endless { built.body(Endless(Some(response.body.into()))) } else { built.body(response.body) }
}

/// A body that begins and does not end.
struct Endless(Option<web::Bytes>);

impl MessageBody for Endless {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<web::Bytes, Infallible>>> {
        const MORE: &[u8] = &[b'x'; 1 << 14];
        Poll::Ready(Some(Ok(self.get_mut().0.take().unwrap_or(web::Bytes::from_static(MORE)))))
    }
}

/// `Date` of an answer, by a server whose clock is `skew` seconds ahead.
pub fn http_date(now: Moment, skew: i64) -> String {
    Moment::from_secs(now.secs() + skew).timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_segments_are_decoded() {
        let request = Request {
            method: "GET".into(),
            path: "/api/v1/users/a%40b.c".into(),
            query: "filter=status%20eq%20%22ACTIVE%22&limit=2&q=a+b&filter%5Bemail%5D=c".into(),
            headers: vec![],
            body: vec![],
            base: String::new(),
        };
        assert_eq!(request.param("filter").as_deref(), Some("status eq \"ACTIVE\""));
        assert_eq!(request.param("q").as_deref(), Some("a b"));
        assert_eq!(request.segments()[3], "a@b.c");
        assert_eq!(request.param("filter[email]").as_deref(), Some("c"), "curl writes brackets so");
        assert_eq!(request.param("none"), None);
    }
}
