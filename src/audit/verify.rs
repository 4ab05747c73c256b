//! Whether the audit is what was written: the chain of rows, and the checkpoints that were signed and kept elsewhere.
//!
//! **Invariant:** pure. What a chain alone cannot show (all of it written anew, its end cut off) the checkpoints show, up to
//! the last one.

use super::checkpoint::Checkpoint;
use super::record::chain;
use serde::Serialize;
use serde_json::Value;

/// Findings that are kept; the others are counted.
const KEPT: usize = 100;

/// A row as it is stored.
pub struct StoredRow<'a> {
    pub seq: i64,
    pub text: &'a str,
    pub hash: &'a [u8],
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The first row that is concerned.
    pub seq: i64,
    pub what: &'static str,
    pub message: String,
}

/// What a verification came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub rows: u64,
    /// The first row that is there, after what retention has removed.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// Checkpoints that fit.
    pub checkpoints: u64,
    /// Up to this row everything is vouched for.
    pub vouched_to: Option<i64>,
    pub findings: Vec<Finding>,
    pub more_findings: u64,
}

impl Verdict {
    /// Whether nothing was found.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, seq: i64, what: &'static str, message: String) {
        if self.findings.len() < KEPT {
            self.findings.push(Finding { seq, what, message });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Follows the chain, row by row.
pub struct Verifier<'a> {
    verdict: Verdict,
    /// Sequence number and hash of the row before; the hash is unknown after a gap.
    before: (i64, Option<Vec<u8>>),
    /// In order.
    checkpoints: &'a [Checkpoint],
    next: usize,
    sealed: i64,
}

impl<'a> Verifier<'a> {
    /// Begins after `base`: the last row that retention has removed and its hash, or nothing. `checkpoints` are in order
    /// and their signatures have been verified.
    pub fn new(base: Option<(i64, Vec<u8>)>, checkpoints: &'a [Checkpoint]) -> Self {
        let (seq, hash) = base.unwrap_or_default();
        let next = checkpoints.iter().take_while(|checkpoint| checkpoint.seq < seq).count();
        let mut verdict = Verdict::default();
        let mut next = next;
        if let Some(checkpoint) = checkpoints.get(next).filter(|checkpoint| checkpoint.seq == seq && seq > 0) {
            next += 1;
            if checkpoint.hash == crate::domain::hex(&hash) {
                verdict.checkpoints += 1;
                verdict.vouched_to = Some(seq);
            } else {
                verdict.find(seq, "rewritten", format!("what was removed up to row {seq} is not what was sealed"));
            }
        }
        Self { verdict, before: (seq, Some(hash)), checkpoints, next, sealed: seq }
    }

    /// The next row, as the store has it.
    pub fn row(&mut self, row: &StoredRow) {
        let (before, hash) = (self.before.0, self.before.1.take());
        self.verdict.rows += 1;
        self.verdict.first.get_or_insert(row.seq);
        let mut known = hash;
        if row.seq != before + 1 {
            let message = match row.seq - before {
                2 => format!("row {} was removed", before + 1),
                _ => format!("rows {} to {} were removed", before + 1, row.seq - 1),
            };
            self.verdict.find(before + 1, "removed", message);
            known = None;
        }
        let says = serde_json::from_str::<Value>(row.text).ok().and_then(|text| text["seq"].as_i64());
        if says != Some(row.seq) {
            let message = match says {
                Some(says) => format!("row {} stands where row {says} was: rows were exchanged", row.seq),
                None => format!("row {} cannot be read any more", row.seq),
            };
            self.verdict.find(row.seq, "reordered", message);
        } else if known.is_some_and(|known| chain(&known, row.text) != row.hash) {
            self.verdict.find(row.seq, "edited", format!("row {} was edited, or its hash was", row.seq));
        }
        self.before = (row.seq, Some(row.hash.to_vec()));
        self.verdict.last = Some(row.seq);
        self.compare(row);
    }

    fn compare(&mut self, row: &StoredRow) {
        while let Some(checkpoint) = self.checkpoints.get(self.next).filter(|c| c.seq <= row.seq) {
            self.next += 1;
            if checkpoint.seq < row.seq {
                continue; // its row was removed: that was found already
            }
            if checkpoint.hash == crate::domain::hex(row.hash) {
                self.verdict.checkpoints += 1;
                if self.verdict.is_good() {
                    self.verdict.vouched_to = Some(row.seq);
                }
            } else {
                let message = format!(
                    "the chain up to row {} is not the one that was sealed at {}: a row from {} on was written anew",
                    row.seq,
                    checkpoint.at,
                    self.sealed + 1
                );
                self.verdict.find(self.sealed + 1, "rewritten", message);
            }
            self.sealed = checkpoint.seq;
        }
    }

    /// No row follows.
    pub fn end(mut self) -> Verdict {
        let last = self.before.0;
        if let Some(beyond) = self.checkpoints.last().filter(|checkpoint| checkpoint.seq > last) {
            let message = format!(
                "the end is missing: rows {} to {} at least were there when it was sealed at {}",
                last + 1,
                beyond.seq,
                beyond.at
            );
            self.verdict.find(last + 1, "truncated", message);
        }
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::SigningKey;
    use super::*;
    use crate::clock::Moment;

    fn rows(n: i64) -> Vec<(i64, String, Vec<u8>)> {
        let mut before = Vec::new();
        (1..=n)
            .map(|seq| {
                let text = format!("{{\"seq\":{seq},\"kind\":\"effect\"}}");
                before = chain(&before, &text);
                (seq, text, before.clone())
            })
            .collect()
    }

    fn sealed(rows: &[(i64, String, Vec<u8>)], at: &[i64]) -> Vec<Checkpoint> {
        let key = SigningKey::generate().expect("a key").0;
        let row = |seq: i64| &rows[usize::try_from(seq - 1).expect("an index")];
        at.iter().map(|seq| key.seal("store", *seq, &row(*seq).2, Moment::from_secs(*seq))).collect()
    }

    fn verdict(rows: &[(i64, String, Vec<u8>)], checkpoints: &[Checkpoint]) -> Verdict {
        let mut verifier = Verifier::new(None, checkpoints);
        rows.iter().for_each(|(seq, text, hash)| verifier.row(&StoredRow { seq: *seq, text, hash }));
        verifier.end()
    }

    fn found(verdict: &Verdict) -> Vec<(i64, &'static str)> {
        verdict.findings.iter().map(|finding| (finding.seq, finding.what)).collect()
    }

    #[test]
    fn what_was_written_is_vouched_for_up_to_the_last_checkpoint() {
        let all = rows(10);
        let verdict = verdict(&all, &sealed(&all, &[4, 8]));
        assert!(verdict.is_good());
        assert_eq!((verdict.rows, verdict.last, verdict.vouched_to), (10, Some(10), Some(8)));
    }

    #[test]
    fn an_edited_row_is_named() {
        let mut all = rows(10);
        all[4].1 = all[4].1.replace("effect", "nothing");
        assert_eq!(found(&verdict(&all, &[])), [(5, "edited")]);
    }

    #[test]
    fn removed_rows_are_named() {
        let mut all = rows(10);
        all.drain(3..6);
        assert_eq!(found(&verdict(&all, &[])), [(4, "removed")]);
    }

    #[test]
    fn exchanged_rows_are_named() {
        let mut all = rows(6);
        let (a, b) = (all[2].1.clone(), all[3].1.clone());
        (all[2].1, all[3].1) = (b, a);
        assert_eq!(found(&verdict(&all, &[])), [(3, "reordered"), (4, "reordered")]);
    }

    #[test]
    fn a_chain_that_was_written_anew_does_not_fit_what_was_sealed() {
        let checkpoints = sealed(&rows(10), &[3, 7]);
        let mut before = Vec::new();
        let anew: Vec<_> = rows(10)
            .into_iter()
            .map(|(seq, text, _)| {
                let text = if seq == 5 { text.replace("effect", "nothing") } else { text };
                before = chain(&before, &text);
                (seq, text, before.clone())
            })
            .collect();
        assert!(verdict(&anew, &[]).is_good(), "the chain alone cannot tell");
        let verdict = verdict(&anew, &checkpoints);
        assert_eq!(found(&verdict), [(4, "rewritten")]);
        assert_eq!(verdict.vouched_to, Some(3));
    }

    #[test]
    fn an_end_that_was_cut_off_is_missed() {
        let all = rows(10);
        assert_eq!(found(&verdict(&all[..6], &sealed(&all, &[3, 9]))), [(7, "truncated")]);
        assert!(verdict(&all[..9], &sealed(&all, &[3, 9])).is_good());
    }

    #[test]
    fn what_retention_has_removed_leaves_the_chain_whole() {
        let all = rows(10);
        let checkpoints = sealed(&all, &[4, 8]);
        let mut verifier = Verifier::new(Some((4, all[3].2.clone())), &checkpoints);
        all[4..].iter().for_each(|(seq, text, hash)| verifier.row(&StoredRow { seq: *seq, text, hash }));
        let verdict = verifier.end();
        assert!(verdict.is_good(), "{verdict:?}");
        assert_eq!((verdict.first, verdict.checkpoints), (Some(5), 2));
    }
}
