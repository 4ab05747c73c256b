//! Exchanging the configuration while the service runs: whole or not at all.

use super::live::tuning;
use super::topology::Service;
use crate::audit::Author;
use crate::audit::details::{ConfigChange, Reconfigured};
use crate::clock::Clock;
use crate::config::reload::{ChangedKey, compare};
use crate::config::{Config, Tokens};
use crate::domain::Decider;
use crate::retry;
use crate::store::{Store, StoreError};
use std::sync::{Arc, PoisonError};

impl Service {
    /// Who may use the admin API and the console, as it is exchanged.
    pub fn tokens(&self) -> Tokens {
        self.live.tokens.clone()
    }

    /// Exchanges the configuration for `new`, which was checked, and tells what has changed; `by` stands in the audit. What
    /// needs a restart, or a store that cannot write, refuses all of it.
    pub async fn reload(&self, mut new: Config, by: &Decider) -> Result<Vec<ChangedKey>, String> {
        let live = &self.live;
        let changes = compare(&live.config.lock().unwrap_or_else(PoisonError::into_inner), &new);
        let stuck: Vec<&str> = changes.iter().filter(|change| !change.live).map(|change| change.key.as_str()).collect();
        if !stuck.is_empty() {
            let message = stuck.join(", ");
            return Err(format!(
                "nothing was changed: a restart is needed for {message}; restart, or take these changes back"
            ));
        }
        if changes.is_empty() {
            live.tokens.exchange(new.admin.tokens); // what stands in a file or a variable of its own may be another one
            return Ok(changes);
        }
        let audited = Reconfigured {
            changes: changes.iter().map(audited).collect(),
            author: Author::new(&*by.name, by.principal()),
        };
        let now = self.clock.now();
        let exchanged = if changes.iter().any(ChangedKey::decides) {
            self.store.exchange_rules(new.rulebook.clone(), new.rules.clone(), audited, now).await
        } else {
            self.store.note_reconfigured(audited, now).await.map(|()| false)
        };
        if exchanged.map_err(|e| format!("nothing was changed: {e}"))? {
            let looking = evaluate_everybody(self.store.clone(), new.rules.clone(), self.clock.clone());
            self.supervisor.must("reload", "", looking);
        }
        live.tokens.exchange(new.admin.tokens.clone());
        for tenant in &new.namely {
            if let Some(pace) = live.paces.get(&tenant.name) {
                pace.store(Arc::new(tenant.pace));
            }
        }
        for org in &new.okta {
            if let Some(traffic) = live.traffics.get(&org.name) {
                traffic.tune(tuning(org, &new.service));
            }
        }
        let mut held = live.config.lock().unwrap_or_else(PoisonError::into_inner);
        exchange_secrets(&held, &mut new, &changes);
        *held = new;
        drop(held);
        Ok(changes)
    }
}

/// What proves who we are reaches the clients that are in use, whose values the new configuration goes on with.
fn exchange_secrets(held: &Config, new: &mut Config, changes: &[ChangedKey]) {
    let is_new = |place: String| changes.iter().any(|change| change.key.starts_with(&place));
    for org in &mut new.okta {
        let Some(used) = held.okta.iter().find(|one| one.name == org.name) else { continue };
        if is_new(format!("okta[{}].token", org.name)) || is_new(format!("okta[{}].service_app.key", org.name)) {
            used.credentials.exchange(&org.credentials);
        }
        org.credentials = used.credentials.clone();
    }
    for tenant in &mut new.namely {
        let Some(used) = held.namely.iter().find(|one| one.name == tenant.name) else { continue };
        if is_new(format!("namely[{}].token", tenant.name)) {
            used.token.exchange(&tenant.token);
        }
        tenant.token = used.token.clone();
    }
    if let (Some(used), Some(secret)) = (&held.admin.hook_secret, &mut new.admin.hook_secret) {
        if is_new("admin.hook_secret".to_owned()) {
            used.exchange(secret);
        }
        *secret = used.clone();
    }
    for http in &mut new.audit.http {
        let used = held.audit.http.iter().find(|one| one.name == http.name).and_then(|one| one.token.as_ref());
        let (Some(used), Some(token)) = (used, &mut http.token) else { continue };
        if is_new(format!("audit.http[{}].token", http.name)) {
            used.exchange(token);
        }
        *token = used.clone();
    }
    for channel in &mut new.notify {
        let Some(used) = held.notify.iter().find(|one| one.name == channel.name) else { continue };
        if is_new(format!("notify[{}].", channel.name)) {
            used.kind.exchange(&channel.kind);
        }
        channel.kind = used.kind.clone();
    }
}

fn audited(change: &ChangedKey) -> ConfigChange {
    let ChangedKey { key, before, after, live } = change.clone();
    ConfigChange { key, before, after, live }
}

/// Looks at everybody under the rules that hold now, until that is done or the store has stopped; the next start does it then.
async fn evaluate_everybody(store: Store, fingerprint: String, clock: Clock) {
    let (mut attempt, start) = (0, clock.monotonic());
    loop {
        match store.relink_everybody(&fingerprint, clock.now()).await {
            Ok(()) => {
                let seconds = clock.monotonic().since(start).as_secs_f64();
                return tracing::info!(seconds, "everybody was looked at under the rules that hold now");
            }
            Err(StoreError::Stopped) => return,
            Err(e) => {
                tracing::error!(error = %e, "not everybody could be looked at under other rules; it is tried again");
                clock.sleep(retry::delay(attempt)).await;
                attempt += 1;
            }
        }
    }
}
