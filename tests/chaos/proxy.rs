//! A hostile network: a proxy between the service and one simulator that cuts, delays, doubles, empties, mixes and refuses.

use namely_okta_sync::clock::Clock;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the proxy does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mishap {
    /// The connection breaks before the call arrives.
    CutBefore,
    /// The call is carried out, the connection breaks before its answer.
    CutAfter,
    /// The connection breaks in the middle of the answer.
    CutInside,
    /// The answer comes late.
    Delay,
    /// The call arrives twice; either answer comes back.
    Double,
    /// A list comes without anybody on it.
    EmptyList,
    /// The answer has no body.
    EmptyBody,
    /// A list lacks some of whom it should show.
    LosePeople,
    /// A page has no link to the next one.
    LoseNext,
    /// A page's link to the next one leads to another server.
    ForeignNext,
    /// The answer is one about somebody else.
    Mix,
    /// The same question gets the answer of before.
    Replay,
    /// The call is refused.
    Refuse,
    /// A page of HTML answers.
    Html,
}

impl Mishap {
    pub const ALL: [Mishap; 14] = [
        Mishap::CutBefore,
        Mishap::CutAfter,
        Mishap::CutInside,
        Mishap::Delay,
        Mishap::Double,
        Mishap::EmptyList,
        Mishap::EmptyBody,
        Mishap::LosePeople,
        Mishap::LoseNext,
        Mishap::ForeignNext,
        Mishap::Mix,
        Mishap::Replay,
        Mishap::Refuse,
        Mishap::Html,
    ];
}

/// Which server is behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Namely,
    Okta,
}

/// Status and error code of refusals by Okta.
const OKTA: [(u16, &str); 12] = [
    (400, "E0000001"),
    (401, "E0000011"),
    (403, "E0000006"),
    (403, "E0000038"),
    (403, "E0000023"),
    (404, "E0000007"),
    (409, "E0000112"),
    (429, "E0000047"),
    (500, "E0000009"),
    (501, "E0000060"),
    (503, "E0000010"),
    (504, "E0000009"),
];
/// A server that nobody answers at.
const NOWHERE: &str = "http://127.0.0.1:9";
const NAMELY: [u16; 9] = [400, 401, 403, 404, 406, 422, 429, 500, 503];

struct State {
    random: ChaCha8Rng,
    weather: BTreeMap<Mishap, f64>,
    struck: BTreeMap<Mishap, u64>,
    calls: u64,
    /// The newest good answer of each shape of call, and of each call.
    by_shape: HashMap<String, Vec<u8>>,
    by_call: HashMap<String, Vec<u8>>,
    /// The newest mishaps, for whoever looks for the cause of something.
    message: Vec<String>,
}

/// A proxy in front of one simulator.
#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    side: Side,
    behind: SocketAddr,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

struct Answer {
    status: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Proxy {
    pub fn start(side: Side, behind: SocketAddr, seed: u64, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let state = State {
            random: ChaCha8Rng::seed_from_u64(seed),
            weather: BTreeMap::new(),
            struck: BTreeMap::new(),
            calls: 0,
            by_shape: HashMap::new(),
            by_call: HashMap::new(),
            message: Vec::new(),
        };
        let address = listener.local_addr().expect("an address");
        let proxy = Self { address, side, behind, clock, state: Arc::new(Mutex::new(state)) };
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().filter_map(Result::ok) {
                let proxy = serving.clone();
                std::thread::spawn(move || while proxy.serve(&connection).is_some() {});
            }
        });
        proxy
    }

    /// From now on each kind of mishap strikes this part of the calls.
    pub fn weather(&self, weather: BTreeMap<Mishap, f64>) {
        self.state().weather = weather;
    }

    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    pub fn struck(&self) -> BTreeMap<Mishap, u64> {
        self.state().struck.clone()
    }

    /// The mishaps that a person's calls met, the newest last.
    pub fn reported_by(&self, name: &str) -> Vec<String> {
        self.state().message.iter().filter(|line| line.contains(name)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to the next call, and a number for its details.
    fn draw(&self) -> (Option<Mishap>, u64) {
        let mut state = self.state();
        state.calls += 1;
        let (luck, detail) = (state.random.random::<f64>(), state.random.random::<u64>());
        let mut reached = 0.0;
        let weather: Vec<(Mishap, f64)> = state.weather.iter().map(|(kind, chance)| (*kind, *chance)).collect();
        for (kind, chance) in weather {
            reached += chance;
            if luck < reached {
                return (Some(kind), detail);
            }
        }
        (None, detail)
    }

    fn note(&self, kind: Mishap, first: &str, more: &str) {
        let at = self.clock.now();
        let mut state = self.state();
        *state.struck.entry(kind).or_default() += 1;
        state.message.push(format!("{at} {kind:?} {first} {more}"));
    }

    /// Serves one call of a connection; `None` ends the connection.
    fn serve(&self, connection: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(connection);
        let (first, headers) = head(&mut reader)?;
        let length = value_of(&headers, "content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (mishap, detail) = self.draw();
        let cut = || {
            let _ = connection.shutdown(Shutdown::Both);
        };
        if let Some(answer) = self.instead(mishap, &first, detail) {
            return write(connection, &answer, usize::MAX);
        }
        if mishap == Some(Mishap::CutBefore) {
            self.note(Mishap::CutBefore, &first, "");
            cut();
            return None;
        }
        let mut answer = self.forward(&first, &headers, &body)?;
        match mishap {
            Some(Mishap::Double) => {
                let second = self.forward(&first, &headers, &body)?;
                self.note(Mishap::Double, &first, &second.status);
                answer = if detail.is_multiple_of(2) { answer } else { second };
            }
            Some(Mishap::CutAfter) => {
                self.note(Mishap::CutAfter, &first, &answer.status);
                cut();
                return None;
            }
            Some(Mishap::CutInside) if answer.body.len() > 1 => {
                self.note(Mishap::CutInside, &first, &answer.status);
                let half = answer.body.len() / 2;
                write(connection, &answer, half);
                cut();
                return None;
            }
            Some(Mishap::Delay) => {
                self.note(Mishap::Delay, &first, "");
                std::thread::sleep(Duration::from_millis(50 + detail % 4000)); // lateness is what is tried
            }
            Some(kind) => self.spoil(kind, &first, &mut answer, detail),
            None => self.remember(&first, &answer),
        }
        write(connection, &answer, usize::MAX)
    }

    /// Answers that need no server.
    fn instead(&self, mishap: Option<Mishap>, first: &str, detail: u64) -> Option<Answer> {
        let pick = usize::try_from(detail % 1000).unwrap_or(0);
        let (status, kind, body) = match (mishap?, self.side) {
            (Mishap::Refuse, Side::Okta) => {
                let (status, code) = OKTA[pick % OKTA.len()];
                let body = format!(
                    r#"{{"errorCode":"{code}","errorSummary":"Refused by the way","errorLink":"{code}","errorId":"oae1","errorCauses":[]}}"#
                );
                (status, "application/json", body)
            }
            (Mishap::Refuse, Side::Namely) => {
                (NAMELY[pick % NAMELY.len()], "application/json", r#"{"error":""}"#.to_owned())
            }
            (Mishap::Html, _) => (
                [200, 302, 403, 502][pick % 4],
                "text/html",
                "<html><body>Sign in to continue</body></html>".to_owned(),
            ),
            _ => return None,
        };
        self.note(mishap?, first, &status.to_string());
        let mut headers = vec![format!("content-type: {kind}")];
        if status == 302 {
            headers.push("location: http://127.0.0.1:9/login".into());
        }
        Some(Answer { status: format!("HTTP/1.1 {status} Whatever"), headers, body: body.into_bytes() })
    }

    fn spoil(&self, kind: Mishap, first: &str, answer: &mut Answer, detail: u64) {
        let good = answer.status.contains(" 20");
        let parsed = serde_json::from_slice::<Value>(&answer.body).ok().filter(|_| good);
        let done = match (kind, parsed) {
            (Mishap::EmptyBody, Some(_)) => {
                answer.body.clear();
                true
            }
            // Of Okta's lists that of people: an empty list of one person's groups looks like any other.
            (Mishap::EmptyList | Mishap::LosePeople, Some(mut value))
                if self.side == Side::Namely || first.starts_with("GET /api/v1/users?") =>
            {
                let Some(items) = items(&mut value).filter(|items| !items.is_empty()) else { return };
                let mut luck = ChaCha8Rng::seed_from_u64(detail);
                items.retain(|_| kind == Mishap::LosePeople && luck.random_bool(0.7));
                answer.body = value.to_string().into_bytes();
                true
            }
            (Mishap::LoseNext, Some(mut value)) => {
                let before = answer.headers.len();
                answer.headers.retain(|line| !line.contains("rel=\"next\""));
                let links = value.get_mut("_links").and_then(Value::as_object_mut);
                let in_body = links.is_some_and(|links| links.remove("next").is_some());
                if in_body {
                    answer.body = value.to_string().into_bytes();
                }
                in_body || answer.headers.len() < before
            }
            (Mishap::ForeignNext, Some(mut value)) => {
                let own = format!("http://{}", self.address);
                let lines = answer.headers.iter_mut().filter(|line| line.contains("rel=\"next\""));
                let in_header = lines.map(|line| *line = line.replace(&own, NOWHERE)).count() > 0;
                let in_body = value["_links"]["next"]["href"].as_str().map(|href| href.replace(&own, NOWHERE));
                if let Some(href) = &in_body {
                    value["_links"]["next"]["href"] = Value::String(href.clone());
                    answer.body = value.to_string().into_bytes();
                }
                in_header || in_body.is_some()
            }
            // A list of memberships names nobody: that it is another's cannot be seen by anybody.
            (Mishap::Mix, Some(value)) if self.side == Side::Namely || value["id"].is_string() => {
                let other = self.state().by_shape.get(&shape(first)).cloned().filter(|body| *body != answer.body);
                other.map(|body| answer.body = body).is_some()
            }
            (Mishap::Replay, Some(_)) if self.side == Side::Namely && first.starts_with("GET") => {
                let other = self.state().by_call.get(first).cloned().filter(|body| *body != answer.body);
                other.map(|body| answer.body = body).is_some()
            }
            _ => false,
        };
        if done {
            self.note(kind, first, &answer.status);
        }
    }

    fn remember(&self, first: &str, answer: &Answer) {
        if answer.status.contains(" 20") && !answer.body.is_empty() {
            let mut state = self.state();
            state.by_shape.insert(shape(first), answer.body.clone());
            state.by_call.insert(first.to_owned(), answer.body.clone());
        }
    }

    /// Passes a call on and reads the whole answer.
    fn forward(&self, first: &str, headers: &[String], body: &[u8]) -> Option<Answer> {
        let mut server = TcpStream::connect(self.behind).ok()?;
        server.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let kept = headers.iter().filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("accept-encoding:") && !line.starts_with("connection:")
        });
        let mut text = format!("{first}\r\n");
        for line in kept {
            text += &format!("{line}\r\n");
        }
        text += "connection: close\r\n\r\n";
        server.write_all(text.as_bytes()).ok()?;
        server.write_all(body).ok()?;
        let mut reader = BufReader::new(server);
        let (status, headers) = head(&mut reader)?;
        let mut body = Vec::new();
        reader.read_to_end(&mut body).ok()?;
        Some(Answer { status, headers, body })
    }
}

/// First line and header lines of a message.
fn head(reader: &mut impl BufRead) -> Option<(String, Vec<String>)> {
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = Vec::new();
    loop {
        match line()? {
            end if end.is_empty() => return Some((first, headers)),
            header => headers.push(header),
        }
    }
}

fn value_of<'a>(headers: &'a [String], name: &str) -> Option<&'a str> {
    let line = headers.iter().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

/// Writes an answer, and of its body so many bytes at most.
fn write(mut connection: &TcpStream, answer: &Answer, most: usize) -> Option<()> {
    let own = ["content-length:", "connection:", "transfer-encoding:"];
    let mut text = format!("{}\r\n", answer.status);
    for line in answer.headers.iter().filter(|line| !own.iter().any(|own| line.to_ascii_lowercase().starts_with(own))) {
        text += &format!("{line}\r\n");
    }
    if !answer.status.contains(" 204") {
        text += &format!("content-length: {}\r\n", answer.body.len());
    }
    text += "\r\n";
    connection.write_all(text.as_bytes()).ok()?;
    connection.write_all(&answer.body[..answer.body.len().min(most)]).ok()
}

fn items(value: &mut Value) -> Option<&mut Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        value => {
            let key = if value["value"].is_array() { "value" } else { "profiles" };
            value.get_mut(key)?.as_array_mut()
        }
    }
}

/// A call without whom it is about.
fn shape(first: &str) -> String {
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let about = |part: &str| part.starts_with("00") || part.contains('@') || part.contains("%40") || part.len() == 36;
    let parts: Vec<&str> = path.split('/').map(|part| if about(part) { "*" } else { part }).collect();
    format!("{method} {}", parts.join("/"))
}
