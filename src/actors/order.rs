//! One call: what is ordered of a writer, and how it is carried out once it may leave.
//!
//! **Invariant:** whoever has ordered a call gets one answer; no write leaves before its intent is on disk.

use super::core::queue::{Call, Whom};
use super::progress::{Progress, longest_call};
use crate::clock::Clock;
use crate::domain::Priority;
use crate::domain::work::run::Begun;
use crate::failpoint::{self, Point};
use crate::okta::health::{SOME_ACCOUNT, Symptom, symptom_of};
use crate::okta::outcome::{RateHeaders, Reply};
use crate::okta::{OktaClient, Request};
use crate::store::{InFlight, StoreError, Trouble};
use prometheus::Histogram;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::{Instrument, Span};

/// How long a call that ends access is waited for, in real time; less if the timeout of the org is shorter.
const REVOKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long after its announcement was asked for a call may still leave, in real time. Who it is for is looked at for so long after that
/// announcement as a call may land (`domain/plan/doubt.rs`): one that leaves much later could land after the last look.
const LONGEST_ANNOUNCED: Duration = Duration::from_secs(60);

/// Commits the intent of a write just before it leaves.
pub type Announce = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<Begun, StoreError>> + Send>> + Send>;

/// Lets a call leave, and holds what it gets until the answer; or says why it may not leave any more.
pub type Permission = Box<dyn Fn() -> Result<InFlight, String> + Send>;

/// A call to send.
pub struct Order {
    pub request: Request,
    pub priority: Priority,
    /// The target whose run has ordered it.
    pub person: Option<i64>,
    /// Whether it is part of the end of their access.
    pub ends: bool,
    /// Whether to come back as `Busy` instead of waiting for a window to open.
    pub impatient: bool,
    pub announce: Option<Announce>,
    /// Asked when nothing but the call itself is left to do.
    pub permission: Option<Permission>,
    /// Of the run that it is for: told while the order waits.
    pub progress: Option<Progress>,
    /// What the call is part of.
    pub span: Span,
    pub answer: oneshot::Sender<Delivered>,
}

impl Order {
    pub(crate) fn call(&self) -> Call {
        let about = self.request.about();
        let whom = match self.about() {
            None => Whom::Nobody,
            Some(_) if self.ends => Whom::Leaver,
            Some(_) => Whom::Person,
        };
        Call { kind: self.request.kind(), write: about.write, action: about.action, whom }
    }

    /// Whom its answer says something of: its person, or whoever has the account that it looks at.
    pub(crate) fn about(&self) -> Option<i64> {
        let account = self.request.path().strip_prefix("/api/v1/users/").map(|_| SOME_ACCOUNT);
        self.person.or(account)
    }

    /// Whether it comes back rather than wait; terminations wait.
    pub(crate) fn is_impatient(&self) -> bool {
        self.impatient && self.priority != Priority::Revoke
    }
}

/// What became of an order.
#[derive(Debug)]
pub enum Delivered {
    Replied {
        reply: Reply,
        intent: Option<i64>,
    },
    /// The window is spent, or too many wait already. Nothing was sent.
    Busy,
    /// Okta allows it for nobody now, while others of its counter go on; it is tried again after this. Nothing was sent.
    NotAllowed {
        wait: Duration,
    },
    /// The person changed before the call left. Nothing was sent.
    Stale,
    /// The store refuses the announcement, and would again. Nothing was sent.
    Refused {
        why: String,
    },
}

/// What was heard of a call that left.
pub(crate) struct Heard {
    pub symptom: Symptom,
    pub limit: Option<RateHeaders>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `None`: no answer came.
    pub status: Option<u16>,
    /// It may be under way at Okta still.
    pub given_up: bool,
}

/// Announces a call, sends it, and answers whoever has ordered it; returns what was heard, nothing if it did not leave.
pub(crate) async fn send(order: Order, client: OktaClient, clock: Clock, seconds: Histogram) -> Option<Heard> {
    let heard = || order.progress.iter().for_each(|progress| progress.heard(&clock));
    let asked = clock.monotonic();
    let intent = match order.announce {
        None => None,
        Some(announce) => match announce().await {
            Ok(Begun::Intent(id)) => Some(id),
            Ok(Begun::Stale) => {
                let _ = order.answer.send(Delivered::Stale);
                return None;
            }
            Err(e) => {
                let why = e.to_string();
                let _ = order.answer.send(match e.trouble() {
                    Trouble::Refused => Delivered::Refused { why },
                    _ => Delivered::Replied { reply: Reply::NotSent(why), intent: None },
                });
                return None;
            }
        },
    };
    heard();
    if intent.is_some() {
        failpoint::reach(Point::IntentCommitted);
    }
    let waited = clock.real(clock.monotonic().since(asked));
    let is_new = match intent.is_some() && waited > LONGEST_ANNOUNCED {
        true => Err(format!("it was announced {} s ago, which is too long for it to leave", waited.as_secs())),
        false => Ok(()),
    };
    let permitted = is_new.and_then(|()| order.permission.as_ref().map(|ask| ask()).transpose());
    let in_flight = match permitted {
        Ok(in_flight) => in_flight,
        Err(why) => {
            let _ = order.answer.send(Delivered::Replied { reply: Reply::NotSent(why), intent });
            return None;
        }
    };
    let started = clock.monotonic();
    let sending = tracing::info_span!(parent: &order.span, "http", otel.kind = "client", method = order.request.method);
    // Each of its requests ends by itself; should one not, it is as if it had.
    // Who waits for the end of an access does not wait for one call: there are others that end it.
    let timeout = if order.priority == Priority::Revoke { REVOKE_TIMEOUT } else { client.timeout() };
    let sending = client.send_within(&order.request, timeout).instrument(sending);
    let sent = tokio::time::timeout(longest_call(client.timeout()), sending);
    let over = async {
        match &in_flight {
            Some(in_flight) => in_flight.over().await,
            None => std::future::pending().await,
        }
    };
    let reply = tokio::select! {
        // First of all, each time: a process that stood still since it was permitted sends nothing any more.
        biased;
        () = over => Reply::GivenUp("another node may act by now, so its answer is not waited for".into()),
        sent = sent => sent.unwrap_or_else(|_| Reply::GivenUp("the call did not end".into())),
    };
    let received = clock.monotonic();
    drop(in_flight);
    if intent.is_some() {
        failpoint::reach(Point::AnswerRead);
        if failpoint::loses(Point::AnswerRead) {
            std::future::pending::<()>().await;
        }
    }
    seconds.observe(received.since(started).as_secs_f64());
    let (limit, retry_after, status) = match &reply {
        Reply::Answered(answer) => (answer.limit, answer.retry_after, Some(answer.status)),
        Reply::Unauthorised(_) | Reply::NotSent(_) | Reply::Lost(_) | Reply::GivenUp(_) => (None, None, None),
    };
    let given_up = matches!(reply, Reply::GivenUp(_));
    // A token may be allowed everything that is needed but to read roles: that says nothing of other calls.
    let symptom = match symptom_of(order.request.method, order.request.path(), &reply) {
        Symptom::Forbidden(_) | Symptom::Scope(_) if order.request.is_about_roles() => Symptom::Nothing,
        other => other,
    };
    let message = Heard { symptom, limit, retry_after, status, given_up };
    let _ = order.answer.send(Delivered::Replied { reply, intent });
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;
    use crate::okta::auth::Credentials;
    use prometheus::HistogramOpts;
    use std::net::TcpListener;

    /// An org that nobody answers for: whoever calls is seen.
    struct Silent {
        org: TcpListener,
        client: OktaClient,
        seconds: Histogram,
    }

    impl Silent {
        fn new(clock: &Clock) -> Self {
            let org = TcpListener::bind("127.0.0.1:0").expect("a port");
            org.set_nonblocking(true).expect("does not block");
            let address = format!("http://{}", org.local_addr().expect("a port"));
            let credentials = Credentials::Token("token".into());
            let client = OktaClient::new(&address, credentials, clock, Duration::from_millis(200)).expect("a client");
            let seconds = Histogram::with_opts(HistogramOpts::new("seconds", "of calls")).expect("a histogram");
            Self { org, client, seconds }
        }

        /// What becomes of a call.
        async fn send(&self, clock: &Clock, announce: Option<Announce>, permission: Option<Permission>) -> Reply {
            let (answer, delivered) = oneshot::channel();
            let order = Order {
                request: Request::get("/api/v1/users/00u1"),
                priority: Priority::Describe,
                person: None,
                ends: false,
                impatient: false,
                announce,
                permission,
                progress: None,
                span: Span::none(),
                answer,
            };
            send(order, self.client.clone(), clock.clone(), self.seconds.clone()).await;
            let Ok(Delivered::Replied { reply, .. }) = delivered.await else { panic!("it is answered") };
            reply
        }

        fn was_called(&self) -> bool {
            self.org.accept().is_ok()
        }
    }

    #[tokio::test]
    async fn a_call_does_not_leave_when_the_right_to_serve_has_ended_since_it_was_permitted() {
        let clock = Clock::system();
        let silent = Silent::new(&clock);
        for _ in 0..20 {
            let permission: Permission = Box::new(|| Ok(InFlight::of_a_right_that_has_ended()));
            let Reply::GivenUp(why) = silent.send(&clock, None, Some(permission)).await else { panic!("given up") };
            assert!(why.contains("another node may act"), "{why}");
        }
        assert!(!silent.was_called());
        silent.send(&clock, None, None).await;
        assert!(silent.was_called(), "others are");
    }

    #[tokio::test]
    async fn a_call_that_was_announced_long_ago_does_not_leave_any_more() {
        let clock = Clock::scaled(Moment::from_secs(7), 1.0);
        let silent = Silent::new(&clock);
        for (seconds, leaves) in [(61, false), (30, true)] {
            let waits = clock.clone();
            let announce: Announce = Box::new(move || {
                waits.jump(Duration::from_secs(seconds));
                Box::pin(async { Ok(Begun::Intent(1)) })
            });
            let reply = silent.send(&clock, Some(announce), None).await;
            assert_eq!(matches!(reply, Reply::NotSent(_)), !leaves, "{reply:?}");
            assert_eq!(silent.was_called(), leaves, "{seconds} s");
        }
    }
}
