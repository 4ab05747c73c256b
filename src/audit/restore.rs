//! That the store is a copy of before: which rows are not in it, and what that means for checkpoints of them.
//!
//! **Invariant:** pure. A row that tells of a restore explains why rows that were sealed are not there, and no more: whoever can write
//! the store can write such a row too, so the audit is vouched for as a whole only where whoever verifies it knows of the restore.

use super::author::Author;
use super::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

/// A copy was put in the place of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The file that was copied.
    pub copy: String,
    /// Of that file, in hexadecimal.
    pub sha256: String,
    /// The last row of the copy; 0 where it has none.
    pub last: i64,
    /// The last row of the store that was there; `None` where it could not be read.
    pub replaced_to: Option<i64>,
    /// Who did it.
    #[serde(flatten)]
    pub author: Author,
}

impl Restored {
    /// Which rows are not in the store, in words.
    pub fn missing(&self) -> String {
        let from = self.last + 1;
        match self.replaced_to {
            None => format!("whatever was written from row {from} on in the store that was there is not in it"),
            Some(to) if to < from => "nothing had been written since".to_owned(),
            Some(to) if to == from => format!("row {from} of the store that was there is not in it"),
            Some(to) => format!("rows {from} to {to} of the store that was there are not in it"),
        }
    }

    /// In one sentence.
    pub fn message(&self) -> String {
        format!("the store was restored by {} from {}: {}", self.author.by, self.copy, self.missing())
    }

    /// Whether rows are missing, or may be.
    pub fn loses(&self) -> bool {
        self.replaced_to.is_none_or(|to| to > self.last)
    }
}

/// A restore, by the row that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Restore {
    /// That row.
    pub seq: i64,
    /// When it was.
    pub at: String,
    /// What it says.
    #[serde(flatten)]
    pub restored: Restored,
}

impl Restore {
    /// Whether a checkpoint is of rows that were there before, and are not any more.
    fn replaces(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.seq > self.restored.last && checkpoint.at <= self.at
    }
}

/// Leaves out the checkpoints of rows that a restore has replaced; how many they are.
pub fn without_replaced(restores: &[Restore], checkpoints: &mut Vec<Checkpoint>) -> usize {
    let before = checkpoints.len();
    checkpoints.retain(|checkpoint| !restores.iter().any(|restore| restore.replaces(checkpoint)));
    before - checkpoints.len()
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::SigningKey;
    use super::*;
    use crate::clock::Moment;

    #[test]
    fn a_restore_explains_the_checkpoints_of_what_it_has_replaced_and_no_others() {
        let key = SigningKey::generate().expect("a key").0;
        let sealed = |seq, at| key.seal("store", seq, &[1], Moment::from_secs(at));
        let author = Author::new("Ann", "user:0");
        let of = |replaced_to| Restored {
            copy: "c.db".into(),
            sha256: String::new(),
            last: 5,
            replaced_to,
            author: author.clone(),
        };
        let restore =
            |replaced_to| Restore { seq: 6, at: Moment::from_secs(100).to_string(), restored: of(replaced_to) };
        // Row 8 was sealed before the restore, and another row 8 after it.
        let mut all = vec![sealed(5, 10), sealed(8, 20), sealed(8, 120), sealed(9, 130)];
        assert_eq!(without_replaced(&[restore(Some(8))], &mut all), 1);
        assert_eq!(all.iter().map(|one| one.seq).collect::<Vec<_>>(), [5, 8, 9]);
        assert_eq!(without_replaced(&[], &mut all), 0);
        assert!(restore(Some(8)).restored.loses() && restore(None).restored.loses());
        assert!(!restore(Some(5)).restored.loses());
        let message = of(Some(8)).message();
        assert_eq!(
            message,
            "the store was restored by Ann from c.db: rows 6 to 8 of the store that was there are not in it"
        );
        assert!(of(None).message().contains("from row 6 on"), "{}", of(None).message());
    }
}
