//! What of a running service can be tuned.

use super::traffic::{Traffic, Tuning};
use crate::config::{self, Config, OktaOrg, Tokens};
use crate::namely::walk::Pace;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The pace of one tenant, as it is changed.
pub type LivePace = Arc<ArcSwap<Pace>>;

/// What can be tuned, and what it was configured with last.
pub(crate) struct Live {
    /// How fast each tenant is asked.
    pub paces: BTreeMap<String, LivePace>,
    pub traffics: BTreeMap<String, Traffic>,
    /// Who may use the admin API and the console.
    pub tokens: Tokens,
    pub config: Mutex<Config>,
}

/// The pace of an org, as it is configured.
pub(crate) fn tuning(okta: &OktaOrg, service: &config::Service) -> Tuning {
    Tuning { in_flight: okta.in_flight, runs: service.runs, shares: okta.shares, waits: okta.waits }
}
