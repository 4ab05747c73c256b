//! Everything that knows Okta's wire: requests, answers, rate limits. Its facts come from Okta's public documentation,
//! recorded traffic and the OpenAPI document; `docs/wire-facts.md` has those that surprise.

pub(crate) mod answer;
pub mod auth;
pub(crate) mod bucket;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod forecast;
pub(crate) mod health;
pub(crate) mod ledger;
pub mod outcome;
pub(crate) mod request;
pub(crate) mod schema;
pub(crate) mod throttle;
pub(crate) mod values;
pub(crate) mod wire;

pub(crate) use bucket::Bucket;
pub(crate) use client::ClientError;
pub use client::OktaClient;
pub(crate) use health::Health;
pub(crate) use ledger::Ledger;
pub use request::Request;
