//! `evidence`: a pack for auditors that can be verified without this program.

use super::audit::{Names, evaluate, write_jsonl};
use super::failure::usage;
use super::store::{moment, open};
use crate::report::evidence::Collector;
use crate::store::{Filter, checkpoints, filter_audit};
use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `evidence`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// From then on: a day, a time, or how long ago (90d)
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Until then; now without it
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The folder of the pack; it must not exist yet
    #[arg(short = 'o', long = "output", value_name = "FOLDER")]
    pub output: PathBuf,
    /// Print one JSON document about it
    #[arg(long)]
    pub json: bool,
}

const README: &str = "How to verify this pack without the program that made it

1. Nothing was changed since it was made:        sha256sum -c SHA256SUMS
2. The rows hang together, checkpoints fit:      python3 verify.py
   (each row's hash is SHA-256 over the 32 bytes of the hash before it, followed by the row's text)
3. The checkpoints are signed:                   for each line of checkpoints.jsonl, the Ed25519 key `key` must have
   signed the text 'namely-okta-sync audit checkpoint', `store`, `seq`, `hash`, `at`, each followed by a newline. Compare
   `key` with the one you were given by other means, and the checkpoints with those kept outside the service.

index.html           for people
leavers.csv          everybody whose access ended, with the time until it was cut
access-changes.csv   every change in Okta with its cause and Okta's request id
decisions.csv        every hold, approval, rejection and pause, with who decided
failures.csv         every failure, and when it was over
evidence.json        all of it for machines
audit.jsonl          the audit rows of the span, each with its hash
checkpoints.jsonl    what was sealed
";

/// Makes the pack.
pub fn evidence(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let from = moment("--from", &options.from, opened.now)?;
    let to = options.to.as_ref().map(|to| moment("--to", to, opened.now)).transpose()?.unwrap_or(opened.now);
    if from >= to {
        return Err(usage("--from must lie before --to"));
    }
    if options.output.exists() {
        bail!("{} exists already: a pack is never written over", options.output.display());
    }
    let (verdict, checkpoints_from) = evaluate(&opened, &opened.config, None, None)?;
    let (mut collector, names) = (Collector::new(&from.to_string(), &to.to_string()), RefCell::new(Names::default()));
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {pos} rows read").unwrap_or(ProgressStyle::default_spinner()),
    );
    filter_audit(&opened.store, &Filter { until: Some(to), ..Filter::default() }, |row| {
        bar.inc(1);
        let row: Value = serde_json::from_str(&row.text)?;
        collector.row(&row, |target| names.borrow_mut().of(&opened, Some(target)));
        Ok(())
    })?;
    bar.finish_and_clear();
    let evidence = collector.end();
    let chain = json!({
        "good": verdict.is_good(), "vouched_to": verdict.vouched_to, "checkpoints": verdict.checkpoints,
        "findings": verdict.findings.len(), "checkpoints_from": checkpoints_from,
    });
    let folder = &options.output;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut pack = Pack { folder, sums: String::new() };
    pack.put("index.html", evidence.html(&chain)?.as_bytes())?;
    for (name, bytes) in evidence.tables()? {
        pack.put(name, &bytes)?;
    }
    let all = json!({ "chain": verdict, "evidence": evidence, "time_to_revoke_ms": evidence.time_to_revoke() });
    pack.put("evidence.json", serde_json::to_string_pretty(&all)?.as_bytes())?;
    let mut rows = Vec::new();
    write_jsonl(&opened, &Filter { since: Some(from), until: Some(to), ..Filter::default() }, &mut rows)?;
    pack.put("audit.jsonl", &rows)?;
    let sealed: Vec<String> =
        checkpoints(&opened.store)?.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    pack.put("checkpoints.jsonl", format!("{}\n", sealed.join("\n")).trim_start().as_bytes())?;
    pack.put("README.txt", README.as_bytes())?;
    pack.put("verify.py", include_bytes!("../report/verify.py"))?;
    std::fs::write(folder.join("SHA256SUMS"), &pack.sums)?;
    let times = evidence.time_to_revoke();
    if options.json {
        let summary = json!({
            "folder": folder, "chain": chain, "leavers": evidence.leavers.len(), "changes": evidence.changes.len(),
            "decisions": evidence.decisions.len(), "failures": evidence.failures.len(), "time_to_revoke_ms": times,
        });
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!(
            "{}: {} leavers (half revoked within {:.1} s, all within {:.1} s), {} changes, {} decisions, {} failures",
            folder.display(),
            evidence.leavers.len(),
            times.p50 as f64 / 1000.0,
            times.max as f64 / 1000.0,
            evidence.changes.len(),
            evidence.decisions.len(),
            evidence.failures.len()
        );
        if !verdict.is_good() {
            println!("the audit is not as it was written: the pack says so, and `audit verify` says where");
        }
    }
    Ok(if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Pack<'a> {
    folder: &'a Path,
    sums: String,
}

impl Pack<'_> {
    fn put(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        let sum = crate::domain::hex(digest(&SHA256, bytes).as_ref());
        self.sums.push_str(&format!("{sum}  {name}\n"));
        Ok(())
    }
}
