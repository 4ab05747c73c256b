//! Which key may have signed which checkpoint, where the key was exchanged: the row of the audit that tells of it leads from one to
//! the other.
//!
//! **Invariant:** pure. A key is trusted because it was given, or because a checkpoint of one that is trusted covers the row that
//! names both. Who holds a key of before cannot seal anything any more once its successor has sealed.

use super::checkpoint::Checkpoint;
use super::details::Reconfigured;
use std::collections::BTreeSet;

/// Where the key is named in the configuration.
pub const SIGNING_KEY: &str = "audit.signing_key";

/// That the key was exchanged; both by their public part, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExchange {
    /// The row that says so.
    pub seq: i64,
    /// The key of before.
    pub from: String,
    /// The key since then.
    pub to: String,
}

impl KeyExchange {
    /// What a row tells of it, if that is what it tells of.
    pub fn of(seq: i64, row: &Reconfigured) -> Option<Self> {
        let is_key = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let change = row.changes.iter().find(|change| change.key.starts_with(SIGNING_KEY))?;
        Some(Self { seq, from: change.before.clone().filter(is_key)?, to: change.after.clone().filter(is_key)? })
    }
}

/// Every key that is trusted because `given` is.
pub fn trusted(given: &str, exchanges: &[KeyExchange], checkpoints: &[Checkpoint]) -> BTreeSet<String> {
    let mut keys = BTreeSet::from([given.to_owned()]);
    loop {
        let covers = |exchange: &KeyExchange, keys: &BTreeSet<String>| {
            checkpoints.iter().any(|one| one.seq >= exchange.seq && keys.contains(&one.key) && one.is_genuine(None))
        };
        let known = |exchange: &&KeyExchange| keys.contains(&exchange.from) != keys.contains(&exchange.to);
        let Some(next) = exchanges.iter().filter(known).find(|exchange| covers(exchange, &keys)) else { return keys };
        keys.extend([next.from.clone(), next.to.clone()]);
    }
}

/// The first checkpoint that none of the keys has signed which may have.
pub fn forged<'a>(given: &str, exchanges: &[KeyExchange], checkpoints: &'a [Checkpoint]) -> Option<&'a Checkpoint> {
    let keys = trusted(given, exchanges, checkpoints);
    let mut known: Vec<&KeyExchange> =
        exchanges.iter().filter(|one| keys.contains(&one.from) && keys.contains(&one.to)).collect();
    known.sort_by_key(|one| one.seq);
    let may_sign = |one: &Checkpoint| match known.iter().rfind(|exchange| exchange.seq <= one.seq) {
        None => known.first().map_or(given, |first| first.from.as_str()) == one.key,
        Some(exchange) if exchange.to == one.key => true,
        // The key of before seals the row that names its successor, and nothing after that has sealed.
        Some(exchange) => {
            let taken_over =
                |other: &Checkpoint| (exchange.seq..one.seq).contains(&other.seq) && other.key == exchange.to;
            exchange.from == one.key && !checkpoints.iter().any(taken_over)
        }
    };
    checkpoints.iter().find(|one| !one.is_genuine(None) || !may_sign(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SigningKey;
    use crate::clock::Moment;

    fn seal(key: &SigningKey, seq: i64) -> Checkpoint {
        key.seal("store", seq, &[7], Moment::from_secs(seq))
    }

    #[test]
    fn a_key_that_was_exchanged_is_followed_both_ways_and_only_over_a_row_that_a_trusted_key_has_sealed() {
        let [old, new, third] = [(); 3].map(|()| SigningKey::generate().expect("a key").0);
        let exchange = KeyExchange { seq: 5, from: old.public(), to: new.public() };
        let sealed = [seal(&old, 3), seal(&old, 5), seal(&new, 8)];
        let forged = |given: &SigningKey, exchanges: &[KeyExchange], sealed: &[Checkpoint]| {
            super::forged(&given.public(), exchanges, sealed).map(|one| one.seq)
        };
        for given in [&old, &new] {
            assert_eq!(forged(given, std::slice::from_ref(&exchange), &sealed), None);
        }
        assert_eq!(forged(&new, &[], &sealed), Some(3), "without the row nobody says that the key was exchanged");
        assert_eq!(forged(&third, std::slice::from_ref(&exchange), &sealed), Some(3));
        // A row that leads to somebody's own key, which the known key has not sealed.
        let own = KeyExchange { seq: 9, from: new.public(), to: third.public() };
        let more = [seal(&old, 3), seal(&old, 5), seal(&new, 8), seal(&third, 12)];
        assert_eq!(forged(&new, &[exchange.clone(), own.clone()], &more), Some(12));
        // Whoever holds the key of before seals nothing after its successor has.
        let late = [seal(&old, 3), seal(&old, 5), seal(&new, 8), seal(&old, 11)];
        assert_eq!(forged(&new, std::slice::from_ref(&exchange), &late), Some(11));
        // And back again.
        let back = KeyExchange { seq: 9, from: new.public(), to: old.public() };
        let again = [seal(&old, 5), seal(&new, 8), seal(&new, 9), seal(&old, 11)];
        assert_eq!(forged(&new, &[exchange, back], &again), None);
    }
}
