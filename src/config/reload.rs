//! What differs between two configurations, and whether it can be changed while the service runs.

use super::Config;
use super::contents::{differing, flat};
use crate::audit::custody::SIGNING_KEY;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::Table;

/// One key that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedKey {
    /// Its place: `okta[acme].budget.share`.
    pub key: String,
    /// As it was written; nothing where it was not.
    pub before: Option<String>,
    pub after: Option<String>,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

impl ChangedKey {
    /// Whether it decides about people, or whose vote about them counts: then everybody who waits is evaluated anew.
    pub fn decides(&self) -> bool {
        RULES.contains(&table_of(&self.key)) || self.key.starts_with("admin.tokens")
    }
}

fn table_of(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or_default()
}

/// Tables that are exchanged as a whole: what decides about people.
const RULES: [&str; 9] =
    ["mapping", "onboarding", "termination", "leave", "rehire", "positions", "correlation", "safeguards", "protected"];

/// What differs, in the order of the keys.
pub fn compare(old: &Config, new: &Config) -> Vec<ChangedKey> {
    let mut changes = differences(&old.document, &new.document);
    // Whoever reads what nobody has read so far starts by reading everything.
    let (was, is) = (&old.rulebook, &new.rulebook);
    let unread = |what: &str, old: BTreeSet<String>, new: BTreeSet<String>| {
        let more: Vec<String> = new.difference(&old).cloned().collect();
        (!more.is_empty()).then(|| ChangedKey {
            key: format!("{what} {}", more.join(", ")),
            before: None,
            after: None,
            live: false,
        })
    };
    changes.extend(unread("mapping that reads of Namely", was.reads().custom, is.reads().custom));
    changes.extend(unread("mapping that writes in Okta", was.account_attributes(), is.account_attributes()));
    let tables = was.mapping.engine().tables() != is.mapping.engine().tables();
    if tables && !changes.iter().any(|change| change.key.starts_with("mapping.tables")) {
        changes.push(ChangedKey { key: "mapping.tables (contents)".into(), before: None, after: None, live: true });
    }
    let named: BTreeSet<String> = changes.iter().map(|change| change.key.clone()).collect();
    let contents = differing(&old.contents, &new.contents).into_iter().filter(|key| !named.contains(key));
    changes.extend(contents.map(|key| ChangedKey {
        // The certificate of the admin API and its key were read again before.
        live: is_live(&key) || matches!(key.as_str(), "admin.certificate" | "admin.key"),
        key: format!("{key} (contents)"),
        before: None,
        after: None,
    }));
    changes
}

fn differences(old: &Table, new: &Table) -> Vec<ChangedKey> {
    let (old, new) = (flat(old), flat(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    differs
        .map(|key| ChangedKey {
            key: key.clone(),
            before: old.get(key).cloned(),
            after: new.get(key).cloned(),
            live: is_live(key) && is_there_both_times(key, &old, &new),
        })
        .collect()
}

/// Of those who are told: whoever is new, or gone, is one for the next start.
fn is_there_both_times(key: &str, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> bool {
    let is_receiver = matches!(table_of(key), "notify" | "audit") || key == "admin.hook_secret";
    !is_receiver || (old.contains_key(key) && new.contains_key(key))
}

/// Whether a key takes effect without a restart.
pub(super) fn is_live(key: &str) -> bool {
    let within = |part: &str| key.split_once("].").is_some_and(|(_, rest)| rest.starts_with(part));
    // Whether Okta's apps and user types are read at all is decided at the start.
    let new_kind = key.starts_with("mapping.user_type") || key.starts_with("mapping.apps");
    match table_of(key) {
        "service" => key == "service.runs",
        "namely" => within("poll.") || within("token"),
        "okta" => {
            let proves = within("token") || within("service_app.key");
            proves || within("budget.") || within("retry.")
        }
        // Addresses and secrets of those who are told already.
        "notify" => within("url") || within("server") || within("secret"),
        "admin" => key.starts_with("admin.tokens") || key == "admin.hook_secret",
        "audit" => key.starts_with("audit.http[") && within("token") || key == SIGNING_KEY,
        table => RULES.contains(&table) && !new_kind,
    }
}

/// Where a key is written, and with which value; tables of a list count as one: `okta.budget.share`.
pub fn written(document: &Table, key: &str) -> Vec<(String, String)> {
    let plain = |location: &str| {
        let parts = location.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest));
        parts.collect::<String>()
    };
    flat(document).into_iter().filter(|(location, _)| plain(location) == key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(old: &str, new: &str) -> Vec<(String, bool)> {
        let table = |text: &str| text.parse::<Table>().expect("TOML");
        differences(&table(old), &table(new)).into_iter().map(|change| (change.key, change.live)).collect()
    }

    #[test]
    fn what_can_be_tuned_is_receiver_from_what_needs_a_restart() {
        let old = "[service]\nruns = 64\nstore = 'a'\n[[okta]]\nname = 'acme'\nurl = 'x'\n[okta.budget]\nshare = 1.0\n[[namely]]\nname = 'a'\n";
        let new = "[service]\nruns = 32\nstore = 'b'\n[[okta]]\nname = 'acme'\nurl = 'y'\n[okta.budget]\nshare = 0.5\n[okta.retry]\nlongest = '1m'\n[[namely]]\nname = 'a'\n[namely.poll]\nhot_interval = '2s'\n[safeguards]\nmode = 'approve'\n";
        let change = |key: &str, live| (key.to_owned(), live);
        assert_eq!(
            message(old, new),
            [
                change("namely[a].poll.hot_interval", true),
                change("okta[acme].budget.share", true),
                change("okta[acme].retry.longest", true),
                change("okta[acme].url", false),
                change("safeguards.mode", true),
                change("service.runs", true),
                change("service.store", false),
            ]
        );
        assert!(message(old, old).is_empty());
        let table = old.parse::<Table>().expect("TOML");
        assert_eq!(written(&table, "okta.budget.share"), [("okta[acme].budget.share".to_owned(), "1.0".to_owned())]);
        assert_eq!(message("[mapping]\nuser_type = 'a'\n", ""), [change("mapping.user_type", false)]);
    }
}
