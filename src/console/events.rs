//! News for open pages, as Server-Sent Events: that something has changed, never what. A page that hears it is read again.
//!
//! **Invariant:** a browser that reads slowly or not at all costs one place of a bounded number, and nothing is kept for it.

use super::request::session;
use super::respond::strict;
use super::shared::Console;
use crate::admin::Served;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it is seen whether something has changed.
const EVERY: Duration = Duration::from_secs(2);
/// After so many times the browser asks anew: whoever is gone without a word holds no place for ever.
const TIMES: u32 = 300;
/// A sign of life after so many times without news.
const QUIET: u32 = 10;

/// The way to them; whoever finds no place renews the page by hand.
pub async fn events(console: Data<Console>, request: HttpRequest) -> HttpResponse {
    let encrypted = console.settings.encrypted;
    if let Err(answer) = super::entry::enter(&console, &request) {
        return answer;
    }
    let Some(secret) = session(&request, encrypted) else { return strict(StatusCode::FORBIDDEN, encrypted).finish() };
    let Ok(place) = console.watchers.clone().try_acquire_owned() else {
        return strict(StatusCode::SERVICE_UNAVAILABLE, encrypted).finish();
    };
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let known = signs(&console.served);
    let body = News { console, secret, tick, known, times: 0, _place: place };
    strict(StatusCode::OK, encrypted).insert_header(("content-type", "text/event-stream")).body(body)
}

/// What pages show, as far as it can be seen without reading anything: where it differs, something has changed.
fn signs(served: &Served) -> Vec<i64> {
    let work = &served.metrics.work;
    let mut signs = vec![served.metrics.audit.rows.get(), i64::from(served.readiness.is_ready())];
    for org in &served.orgs {
        signs.extend([&work.held, &work.quarantined].map(|gauge| gauge.with_label_values(&[org]).get()));
    }
    signs
}

struct News {
    console: Data<Console>,
    secret: String,
    tick: Interval,
    known: Vec<i64>,
    times: u32,
    _place: OwnedSemaphorePermit,
}

impl MessageBody for News {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        loop {
            ready!(this.tick.poll_tick(cx));
            this.times += 1;
            let served = &this.console.served;
            if this.times > TIMES || this.console.sessions.watch(&this.secret, served.clock.now()).is_none() {
                return Poll::Ready(None);
            }
            let now = signs(served);
            if now != this.known {
                this.known = now;
                return Poll::Ready(Some(Ok(Bytes::from_static(b"event: changed\ndata: 1\n\n"))));
            }
            if this.times % QUIET == 1 {
                return Poll::Ready(Some(Ok(Bytes::from_static(b": nothing new\n\n"))));
            }
        }
    }
}
