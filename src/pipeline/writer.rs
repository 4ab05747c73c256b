//! The writer: sends the calls of one rate limit counter, most urgent first, as fast as its window permits.
//!
//! **Invariant:** no call leaves without a permit of the budget, and no write without its intent on disk. What waits is
//! ordered by class, then by arrival.

use super::traffic::{LOOKAHEAD, Traffic};
use crate::clock::{Clock, Moment, PacerClock};
use crate::failpoint::{self, Point};
use crate::identity::Class;
use crate::mailbox::{Carried, Gate};
use crate::metrics::Metrics;
use crate::okta::outcome::{RateHeaders, Reply};
use crate::okta::{Bucket, Budget, OktaClient, Request};
use crate::store::{Begun, StoreError};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::oneshot;

/// Commits the intent of a write just before it leaves.
pub type Announce = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = Result<Begun, StoreError>> + Send>> + Send>;

/// A call to send.
pub struct Order {
    pub request: Request,
    pub class: Class,
    /// Whether to come back as `Busy` instead of waiting for a window to open.
    pub impatient: bool,
    pub announce: Option<Announce>,
    pub answer: oneshot::Sender<Delivered>,
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
    /// The person changed before the call left. Nothing was sent.
    Stale,
}

/// An answer came in, or a call did not leave after all.
struct Returned {
    sent: bool,
    reply: Option<Headers>,
    received: Moment,
}

struct Headers {
    limit: Option<RateHeaders>,
    status: u16,
}

/// Room may have come free.
struct Pump;

type Pacer = RateLimiter<NotKeyed, InMemoryState, PacerClock, NoOpMiddleware<Nanos>>;

/// All writers of one org.
#[derive(Clone)]
pub struct Writers {
    gates: HashMap<Bucket, Gate<Writer>>,
    clock: Clock,
}

impl Writers {
    /// Starts a writer for each counter.
    pub fn start(client: &OktaClient, budget: &Budget, traffic: &Traffic, clock: &Clock, metrics: &Metrics) -> Self {
        let mut gates = HashMap::new();
        let peers = std::sync::Arc::new(std::sync::OnceLock::new());
        for bucket in Bucket::ALL {
            let address = Writer {
                bucket,
                client: client.clone(),
                budget: budget.clone(),
                traffic: traffic.clone(),
                clock: clock.clone(),
                metrics: metrics.clone(),
                heap: BTreeMap::new(),
                arrivals: 0,
                pacer: None,
                wake: None,
                peers: peers.clone(),
            }
            .start();
            let wait = metrics.mailbox_wait_seconds.with_label_values(&["writer"]);
            gates.insert(bucket, Gate::new(address, 256, wait));
        }
        let _ = peers.set(gates.values().cloned().collect::<Vec<_>>());
        Self { gates, clock: clock.clone() }
    }

    /// Sends an order to the writer of its counter.
    pub async fn order(&self, order: Order) {
        if let Some(gate) = self.gates.get(&order.request.bucket()) {
            gate.send(order).await;
        }
    }

    /// Sends a read and waits for its reply, however long the window takes.
    pub async fn read(&self, request: Request, class: Class) -> Reply {
        let (answer, delivered) = oneshot::channel();
        self.order(Order { request, class, impatient: false, announce: None, answer }).await;
        match delivered.await {
            Ok(Delivered::Replied { reply, .. }) => reply,
            _ => Reply::NotSent("the writer has stopped".into()),
        }
    }

    /// The clock the writers go by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// The actor of one counter.
pub struct Writer {
    bucket: Bucket,
    client: OktaClient,
    budget: Budget,
    traffic: Traffic,
    clock: Clock,
    metrics: Metrics,
    /// What waits, by class and arrival.
    heap: BTreeMap<(Class, u64), Order>,
    arrivals: u64,
    pacer: Option<(u32, Pacer)>,
    wake: Option<SpawnHandle>,
    peers: std::sync::Arc<std::sync::OnceLock<Vec<Gate<Writer>>>>,
}

impl Actor for Writer {
    type Context = Context<Self>;
}

impl Handler<Carried<Order>> for Writer {
    type Result = ();

    fn handle(&mut self, order: Carried<Order>, ctx: &mut Self::Context) {
        let order = order.body;
        let may_wait = !order.impatient || order.class == Class::Revoke;
        if !may_wait && (self.heap.len() >= LOOKAHEAD || self.is_closed(order.class)) {
            let _ = order.answer.send(Delivered::Busy);
        } else {
            self.arrivals += 1;
            self.heap.insert((order.class, self.arrivals), order);
        }
        self.pump(ctx);
    }
}

impl Handler<Carried<Returned>> for Writer {
    type Result = ();

    fn handle(&mut self, returned: Carried<Returned>, ctx: &mut Self::Context) {
        let Returned { sent, reply, received } = returned.body;
        let limit = reply.as_ref().and_then(|r| r.limit);
        let too_many = limit.is_some_and(|l| l.is_concurrency());
        match &reply {
            Some(headers) => {
                self.budget.on_answer(headers.limit, received);
                if headers.status == 429 {
                    let flavour = if too_many { "concurrency" } else { "window" };
                    self.metrics.okta_429.with_label_values(&[self.bucket.label(), flavour]).inc();
                }
            }
            None if sent => self.budget.on_lost(),
            None => self.budget.on_not_sent(),
        }
        if self.traffic.leave(too_many) {
            for peer in self.peers.get().into_iter().flatten() {
                peer.signal(Pump);
            }
        }
        self.pump(ctx);
    }
}

impl Handler<Carried<Pump>> for Writer {
    type Result = ();

    fn handle(&mut self, _: Carried<Pump>, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

impl Writer {
    /// Whether the counter is spent for this class and will not open within the second.
    fn is_closed(&self, class: Class) -> bool {
        let now = self.clock.monotonic();
        self.budget.permits(now, class) == 0
            && self.budget.next_wake(now, class).is_some_and(|at| at.since(now) > Duration::from_secs(1))
    }

    fn pump(&mut self, ctx: &mut Context<Self>) {
        let mut wait = None;
        while let Some((&(class, _), _)) = self.heap.first_key_value() {
            let now = self.clock.monotonic();
            if self.budget.permits(now, class) == 0 {
                wait = self.budget.next_wake(now, class).map(|at| at.since(now));
                break;
            }
            if !self.traffic.try_enter() {
                break; // whoever leaves signals
            }
            if let Err(pause) = self.pace(class) {
                self.traffic.give_up();
                wait = Some(pause);
                break;
            }
            if let Some((_, order)) = self.heap.pop_first() {
                self.send(order, ctx);
            }
        }
        self.bounce();
        let now = self.clock.monotonic();
        if wait.is_none() && self.is_closed(Class::Grant) {
            // Nobody waits here, but the dispatcher must learn when there is room again.
            wait = self.budget.next_wake(now, Class::Grant).map(|at| at.since(now));
        }
        self.show();
        if let Some(handle) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        if let Some(wait) = wait {
            let real = self.clock.real(wait).max(Duration::from_millis(1));
            self.wake = Some(ctx.run_later(real, |writer, ctx| writer.pump(ctx)));
        }
    }

    /// Spreads the calls of a window over most of it, so that simultaneous calls stay few and others find room.
    /// Terminations are not paced.
    fn pace(&mut self, class: Class) -> Result<(), Duration> {
        let Some(limit) = self.budget.status(self.clock.monotonic()).limit else { return Ok(()) };
        if self.pacer.as_ref().is_none_or(|(known, _)| *known != limit) {
            self.pacer = Some((limit, pacer(limit, &self.clock)));
        }
        let Some((_, pacer)) = &self.pacer else { return Ok(()) };
        match pacer.check() {
            Err(until) if class != Class::Revoke => Err(until.wait_time_from(PacerClock(self.clock.clone()).now())),
            _ => Ok(()),
        }
    }

    /// Lanes that would wait for a closed window give their slot back.
    fn bounce(&mut self) {
        let closed: Vec<(Class, u64)> = self
            .heap
            .iter()
            .filter(|((class, _), order)| order.impatient && *class != Class::Revoke && self.is_closed(*class))
            .map(|(key, _)| *key)
            .collect();
        for key in closed {
            if let Some(order) = self.heap.remove(&key) {
                let _ = order.answer.send(Delivered::Busy);
            }
        }
    }

    fn show(&self) {
        let room = if self.is_closed(Class::Grant) { 0 } else { LOOKAHEAD.saturating_sub(self.heap.len()) };
        self.traffic.set_room(self.bucket, room);
        let status = self.budget.status(self.clock.monotonic());
        let set = |gauge: &prometheus::IntGaugeVec, value: u64| {
            gauge.with_label_values(&[self.bucket.label()]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.metrics.okta_limit, status.limit.unwrap_or(0).into());
        set(&self.metrics.okta_remaining, status.remaining.into());
        set(&self.metrics.okta_in_flight, status.in_flight.into());
        set(&self.metrics.okta_waiting, self.heap.len() as u64);
    }

    fn send(&mut self, order: Order, ctx: &mut Context<Self>) {
        self.budget.on_send();
        let wait = self.metrics.mailbox_wait_seconds.with_label_values(&["writer"]);
        // Answers are as many as calls are under way: the gate of orders must not hold them up.
        let back = Gate::new(ctx.address(), 1, wait);
        let (client, clock) = (self.client.clone(), self.clock.clone());
        let seconds = self.metrics.okta_call_seconds.with_label_values(&[self.bucket.label()]);
        tokio::spawn(async move {
            let not_sent = |received| Returned { sent: false, reply: None, received };
            let intent = match order.announce {
                None => None,
                Some(announce) => match announce().await {
                    Ok(Begun::Intent(id)) => Some(id),
                    Ok(Begun::Stale) => {
                        let _ = order.answer.send(Delivered::Stale);
                        return back.send(not_sent(clock.monotonic())).await;
                    }
                    Err(e) => {
                        let reply = Reply::NotSent(e.to_string());
                        let _ = order.answer.send(Delivered::Replied { reply, intent: None });
                        return back.send(not_sent(clock.monotonic())).await;
                    }
                },
            };
            if intent.is_some() {
                failpoint::reach(Point::IntentCommitted);
            }
            let started = clock.monotonic();
            let reply = client.send(&order.request).await;
            let received = clock.monotonic();
            if intent.is_some() {
                failpoint::reach(Point::AnswerRead);
            }
            seconds.observe(received.since(started).as_secs_f64());
            let headers = match &reply {
                Reply::Answered { status, limit, .. } => Some(Headers { limit: *limit, status: *status }),
                Reply::NotSent(_) | Reply::Lost(_) => None,
            };
            let sent = !matches!(reply, Reply::NotSent(_));
            let _ = order.answer.send(Delivered::Replied { reply, intent });
            back.send(Returned { sent, reply: headers, received }).await;
        });
    }
}

fn pacer(limit: u32, clock: &Clock) -> Pacer {
    let one = NonZeroU32::MIN;
    // A window's calls within 40 of its 60 seconds: the rest is for the reserve, once it is released, and for hiccups.
    let per_call = Duration::from_secs(40).div_f64(f64::from(limit.max(1)));
    let quota = Quota::with_period(per_call.max(Duration::from_nanos(1))).unwrap_or(Quota::per_second(one));
    let burst = NonZeroU32::new(limit / 20).unwrap_or(one);
    RateLimiter::direct_with_clock(quota.allow_burst(burst), PacerClock(clock.clone()))
}
