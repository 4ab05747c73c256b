//! What lists lack: asked for by its own id, and unknown until that is answered.
//!
//! **Invariant:** nothing follows from a list that lacks more than people delete by hand; while there is such a list nobody is
//! made, because their account may be among what it lacks.

use super::shared::Org;
use crate::domain::account::list::is_believable;
use crate::domain::text::login_key;
use crate::domain::{Account, Priority};
use crate::okta::Request;
use crate::okta::outcome::{Answered, Outcome, Reply, classify};
use crate::okta::request::segment;
use crate::okta::wire::User;
use crate::retry;
use crate::store::Drifted;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often one account is asked for before it stays unknown.
const ATTEMPTS: i64 = 3;

/// In place of a person: whose account it is, is what such a read is to show.
const NOBODY: i64 = 0;

/// The account of an answer, if it is the one that was asked for: ids are compared exactly, logins as Okta compares them.
fn about(id_or_login: &str, account: Account) -> Result<Account, String> {
    let is_login = !account.login.is_empty() && login_key(&account.login) == login_key(id_or_login);
    match account.id.as_str() {
        "" => Err("it has no id".into()),
        id if id == id_or_login || is_login => Ok(account),
        id => Err(format!("it is about {id}")),
    }
}

/// The lists of one org. Cheap to clone.
#[derive(Clone)]
pub struct Lists {
    pub org: Org,
    /// Whether the last list was believed.
    believed: Arc<AtomicBool>,
}

impl Lists {
    /// Of an org whose lists are believed until one lacks too much.
    pub fn new(org: Org) -> Self {
        Self { org, believed: Arc::new(AtomicBool::new(true)) }
    }

    /// Whether the last list was believed. While it is not, whoever seems to have no account may have one.
    pub fn are_believed(&self) -> bool {
        self.believed.load(Ordering::Relaxed)
    }

    /// Whether a list is believed that lacks these of `known` accounts; nobody is made from now on if not.
    pub fn weigh(&self, known: usize, missing: &[String]) -> bool {
        let is_believed = is_believable(missing.len(), known);
        self.believed.store(is_believed, Ordering::Relaxed);
        is_believed
    }

    /// Asks for each of the `missing` of `known` accounts by its id; returns those that are not in Okta any more. Of too many
    /// nothing is believed, unless somebody has accepted that.
    pub async fn prove(&self, known: usize, missing: &[String]) -> Result<Vec<Drifted>, String> {
        let what = format!("list {}", self.org.name);
        // Said of this list, not of one that comes later.
        let accepted = self
            .org
            .shared
            .store
            .take_accepted_list(&self.org.name, self.org.shared.clock.now())
            .await
            .map_err(|e| e.to_string())?;
        let is_believed = self.weigh(known, missing) || accepted;
        self.believed.store(is_believed, Ordering::Relaxed);
        if !is_believed {
            let why = format!(
                "Okta's list lacks {} of {known} accounts that are known: they are kept as they were known, and nobody is \
                 made. Give the role of the credentials its people back; if these accounts were deleted, \
                 `org accept-list {}`",
                missing.len(),
                self.org.name
            );
            tracing::error!(org = %self.org.name, %why, "a list of Okta is not believed");
            self.org.shared.readiness.missing(&what, why);
            return Ok(Vec::new());
        }
        self.org.shared.readiness.have(&what);
        let mut gone = Vec::new();
        for id in missing {
            match self.read_twice(id).await {
                Ok(Some(account)) => {
                    let kept = self.org.shared.store.exists(&self.org.name, account, self.org.shared.clock.now()).await;
                    kept.map_err(|e| e.to_string())?;
                }
                Ok(None) => {
                    gone.extend(self.org.shared.store.vanished(&self.org.name, id).await.map_err(|e| e.to_string())?)
                }
                Err(why) => {
                    tracing::warn!(org = %self.org.name, account = %id, %why, "a list lacks this account, and it could not be asked for: it is kept as it was known");
                }
            }
        }
        if !gone.is_empty() {
            tracing::warn!(org = %self.org.name, accounts = gone.len(), "accounts were deleted in Okta by somebody else");
        }
        Ok(gone)
    }

    /// Counts whether Okta has answered about whom it was asked.
    fn was_about(&self, is_right: bool) {
        if !is_right {
            self.org.shared.metrics.okta.anomalies.with_label_values(&[&*self.org.name]).inc();
        }
        let now = self.org.shared.clock.monotonic();
        let notices = self.org.traffic.health(|health| health.on_identity(NOBODY, is_right, now));
        self.org.writers.describe(notices);
    }

    /// The account of this id. That there is none must be said twice: what stands between us and Okta can say it too.
    async fn read_twice(&self, id: &str) -> Result<Option<Account>, String> {
        match self.read(id, Priority::Inspect).await {
            Ok(None) => {
                self.org.shared.clock.sleep(retry::delay(0)).await;
                self.read(id, Priority::Inspect).await
            }
            other => other,
        }
    }

    /// The account of this id or login; nothing if Okta says that there is none. An answer about another account, or without an id,
    /// is none: it is counted, and Okta is asked again.
    pub async fn read(&self, id_or_login: &str, priority: Priority) -> Result<Option<Account>, String> {
        let target = format!("/api/v1/users/{}", segment(id_or_login));
        let anchor = self.org.shared.store.rules().load().mapping.anchor().to_owned();
        let mut attempt = 0;
        loop {
            let reply = self.org.writers.read(Request::get(target.clone()), priority).await;
            match (classify(&reply, false), reply) {
                (Outcome::Applied, Reply::Answered(Answered { body, .. })) => {
                    let user = serde_json::from_slice::<User>(&body).map_err(|e| format!("it cannot be read ({e})"));
                    let account = user.map(|user| user.account(&anchor, &self.org.mapped));
                    match account.and_then(|account| about(id_or_login, account)) {
                        Ok(account) => {
                            self.was_about(true);
                            return Ok(Some(account));
                        }
                        Err(why) => {
                            self.was_about(false);
                            tracing::error!(org = %self.org.name, %why, "an answer is not about the account that was asked for");
                            if attempt >= ATTEMPTS {
                                return Err(format!("the answer is not about the account that was asked for: {why}"));
                            }
                        }
                    }
                    self.org.shared.clock.sleep(retry::delay(attempt)).await;
                    attempt += 1;
                }
                (Outcome::Missing, _) => return Ok(None),
                (Outcome::Retry { after, .. }, _) if attempt < ATTEMPTS => {
                    self.org.shared.clock.sleep(after.max(retry::delay(attempt))).await;
                    attempt += 1;
                }
                (outcome, _) => return Err(outcome.why().unwrap_or("no answer").to_owned()),
            }
        }
    }
}
