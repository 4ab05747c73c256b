//! Somebody who stands between the service and a simulator, and changes what comes back.
#![allow(dead_code, reason = "each test file uses a part of it")]

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use std::sync::{Arc, Mutex};

/// An answer on its way back.
#[derive(Clone, Debug, Default)]
pub struct Back {
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Back {
    /// Changes every header of this name.
    pub fn edit(&mut self, name: &str, edit: impl Fn(&str) -> String) {
        for (_, value) in self.headers.iter_mut().filter(|(known, _)| known == name) {
            *value = edit(value);
        }
    }
}

type Change = Box<dyn Fn(&str, &mut Back) + Send>;

/// It answers at `url`, and asks the simulator.
#[derive(Clone)]
pub struct Between {
    pub url: String,
    /// `METHOD /target` of all that came by.
    pub seen: Arc<Mutex<Vec<String>>>,
    change: Arc<Mutex<Change>>,
}

impl Between {
    /// Stands before the server at `behind`; changes nothing yet.
    pub fn start(behind: &str) -> Self {
        let change: Arc<Mutex<Change>> = Arc::new(Mutex::new(Box::new(|_, _| {})));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let state = (behind.to_owned(), change.clone(), seen.clone(), client.expect("a client"));
        let server = HttpServer::new(move || {
            let state = state.clone();
            App::new().app_data(web::PayloadConfig::new(8 << 20)).default_service(web::to(
                move |request: HttpRequest, body: web::Bytes| {
                    let (behind, change, seen, client) = state.clone();
                    async move {
                        let target = request.uri().to_string();
                        seen.lock().expect("locks").push(format!("{} {target}", request.method()));
                        let mut back = ask(&client, &behind, &request, body).await;
                        change.lock().expect("locks")(&target, &mut back);
                        let mut answer = HttpResponse::build(StatusCode::from_u16(back.status).expect("a status"));
                        for (name, value) in back.headers {
                            answer.append_header((name, value));
                        }
                        answer.body(back.body)
                    }
                },
            ))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", server.addrs()[0]);
        actix::spawn(server.run());
        Self { url, seen, change }
    }

    /// From now on answers to a target are changed so.
    pub fn change(&self, change: impl Fn(&str, &mut Back) + Send + 'static) {
        *self.change.lock().expect("locks") = Box::new(change);
    }
}

async fn ask(client: &reqwest::Client, behind: &str, request: &HttpRequest, body: web::Bytes) -> Back {
    let url = format!("{behind}{}", request.uri());
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).expect("a method");
    let mut ask = client.request(method, url);
    for (name, value) in request.headers() {
        if !matches!(name.as_str(), "accept-encoding" | "content-length") {
            ask = ask.header(name.as_str(), value.as_bytes());
        }
    }
    let answer = match ask.body(body.to_vec()).send().await {
        Ok(answer) => answer,
        Err(e) => return Back { status: 502, body: e.to_string().into_bytes(), ..Back::default() },
    };
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().filter(|(name, _)| {
        !matches!(name.as_str(), "content-length" | "transfer-encoding" | "connection" | "content-encoding")
    });
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    Back { status, headers, body: answer.bytes().await.map(|body| body.to_vec()).unwrap_or_default() }
}
