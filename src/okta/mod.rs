//! Everything that knows Okta's wire: requests, answers, rate limits. Its facts come from Okta's public documentation,
//! recorded traffic and the OpenAPI document; `docs/wire-facts.md` has those that surprise.

pub mod answer;
pub mod auth;
pub mod bucket;
pub mod budget;
pub mod client;
pub mod forecast;
pub mod health;
pub mod ledger;
pub mod outcome;
pub mod request;
pub mod schema;
pub mod throttle;
pub mod values;
pub mod wire;

pub use bucket::Bucket;
pub use client::{ClientError, OktaClient};
pub use health::Health;
pub use ledger::Ledger;
pub use outcome::Outcome;
pub use request::Request;
