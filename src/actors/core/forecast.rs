//! What the backlog needs, from a sample of it.

use crate::clock::Moment;
use crate::domain::guard::planned::plan;
use crate::domain::plan::situation::Situation;
use crate::domain::{Case, Directory, Rulebook};
use crate::okta::{Bucket, Request};
use std::collections::BTreeMap;

/// The calls that `total` people need of each counter, if all are like the `sample`.
#[expect(clippy::cast_precision_loss, reason = "a number of people fits")]
pub fn calls(
    total: usize,
    sample: &[Case],
    rulebook: &Rulebook,
    directory: &Directory,
    now: Moment,
) -> BTreeMap<Bucket, f64> {
    let mut calls: BTreeMap<Bucket, f64> = BTreeMap::new();
    let weight = total as f64 / sample.len().max(1) as f64;
    for case in sample {
        let lifecycle = rulebook.lifecycle(case, now);
        let verdict =
            plan(&Situation { case, lifecycle: &lifecycle, rulebook, directory, now, fresh: false, refused: &[] });
        for step in verdict.into_iter().flat_map(|plan| plan.steps) {
            *calls.entry(Request::of(&step, None).bucket()).or_default() += weight;
        }
    }
    calls
}
