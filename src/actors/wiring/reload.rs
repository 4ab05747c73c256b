//! Exchanging the configuration while the service runs: whole or not at all.

use super::live::tuning;
use super::topology::Service;
use crate::actors::sealer::{configured, seal};
use crate::audit::custody::SIGNING_KEY;
use crate::audit::details::{ConfigChange, Reconfigured};
use crate::audit::{Author, SigningKey};
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
        let keys = self.exchanged_keys(&new);
        let audited = Reconfigured {
            changes: changes.iter().map(|change| audited(change, keys.as_ref())).collect(),
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
        if let Some((before, _)) = keys {
            // The row that names its successor is sealed by the key of before: so one vouches for the other.
            let sealing = live.config.lock().unwrap_or_else(PoisonError::into_inner).audit.sealing.clone();
            if let Err(e) = seal(&sealing, &self.store, Arc::new(before), self.clock.now()).await {
                tracing::error!(error = %e, "the key that signs checkpoints was exchanged, and the one of before could not seal that");
            }
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

    /// The key that signs checkpoints and the one that does from here on, where it is exchanged.
    fn exchanged_keys(&self, new: &Config) -> Option<(SigningKey, SigningKey)> {
        let held = self.live.config.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |config: &Config| configured(config.audit.sealing.key.as_ref()?).ok();
        read(&held).zip(read(new)).filter(|(before, after)| before.public() != after.public())
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
    if let (Some(used), Some(key)) = (&held.audit.sealing.key, &mut new.audit.sealing.key) {
        used.exchange(key);
        *key = used.clone();
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

/// A change as it is written down: of keys that sign, their public parts, by which one is followed to the other.
fn audited(change: &ChangedKey, keys: Option<&(SigningKey, SigningKey)>) -> ConfigChange {
    let ChangedKey { key, before, after, live } = change.clone();
    match keys.filter(|_| key.starts_with(SIGNING_KEY)) {
        Some((was, is)) => ConfigChange { key, before: Some(was.public()), after: Some(is.public()), live },
        None => ConfigChange { key, before, after, live },
    }
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
