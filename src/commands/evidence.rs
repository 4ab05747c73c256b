//! `evidence`: a pack for auditors that can be verified without this program.

use super::assessment::{NOT_VOUCHED, assess};
use super::audit::{Names, write_jsonl};
use super::failure::usage;
use super::place::ConfigFile;
use super::store::{moment, open_store};
use crate::actors::sealer::own_key;
use crate::audit::SigningKey;
use crate::clock::Moment;
use crate::config::place::Known;
use crate::domain::plan::leaver::WhyAccess;
use crate::report::evidence::{Collector, Evidence, Leaver};
use crate::store::{Filter, LeaverWithAccess, checkpoints, filter_audit, gap, identity, leavers_with_access, login_of};
use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Flags of `evidence`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration whose store is read, and whose key signs the pack
    #[command(flatten)]
    pub config: ConfigFile,
    /// From then on: a day, a time, or how long ago (90d)
    #[arg(long, value_name = "TIME")]
    pub from: String,
    /// Until then; now without it
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The folder of the pack; it must not exist yet
    #[arg(short = 'o', long = "output", value_name = "FOLDER")]
    pub output: PathBuf,
    /// A restore that you know of, by the row that tells of it (`audit verify`); may be given several times
    #[arg(long, value_name = "ROW")]
    pub restored: Vec<i64>,
    /// Print one JSON document about it
    #[arg(long)]
    pub json: bool,
}

const README: &str = "How to verify this pack without the program that made it

    python3 verify.py PUBLIC_KEY

with the Ed25519 key of the service that you were given by other means (`audit verify` names it): never with one of this folder. It needs
nothing but Python, and verifies

1. that manifest.json was signed by that key (manifest.sig: over 'namely-okta-sync evidence' and the SHA-256 of manifest.json in
   hexadecimal, each followed by a newline),
2. that every file which it names is here and is what was written,
3. that the rows hang together from the first to the last that it names (each row's hash is SHA-256 over the 32 bytes of the hash
   before it, followed by the row's text),
4. that the checkpoints fit, and were signed by that key (over 'namely-okta-sync audit checkpoint', `store`, `seq`, `hash`, `at`, each
   followed by a newline). Compare them with those that are kept outside the service.

index.html           for people
leavers.csv          everybody whose access ended, with the time until it was cut
access-changes.csv   every change in Okta with its cause and Okta's request id
decisions.csv        every hold, approval, rejection and pause, with who decided
failures.csv         every failure, and when it was over
evidence.json        all of it for machines
audit.jsonl          the audit rows of the span, each with its hash
checkpoints.jsonl    what was sealed
manifest.json        every file with its checksum, the first and the last row; manifest.sig is its signature
";

/// The state of a leaver whose org is not in the configuration: how the account is now is not known.
const NOT_READ: &str = "could not be looked at";

fn not_read(evidence: &mut Evidence, it: LeaverWithAccess) {
    if let Some(known) = evidence.leavers.iter_mut().rfind(|leaver| leaver.target == it.target) {
        known.state = NOT_READ;
        return;
    }
    evidence.leavers.push(Leaver {
        target: it.target,
        seen_at: Moment::from_millis(it.since).to_string(),
        login: it.login.unwrap_or_default(),
        held: Some(it.message),
        state: NOT_READ,
        org: it.org,
        tenant: it.tenant,
        profile: it.profile,
        name: it.name,
        ..Leaver::default()
    });
}

/// Makes the pack.
pub fn evidence(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open_store(&options.config)?;
    let from = moment("--from", &options.from, opened.now)?;
    let to = options.to.as_ref().map(|to| moment("--to", to, opened.now)).transpose()?.unwrap_or(opened.now);
    if from >= to {
        return Err(usage("--from must lie before --to"));
    }
    if options.output.exists() {
        bail!("{} exists already: a pack is never written over", options.output.display());
    }
    let audit = assess(&opened, None, None, &options.restored)?;
    let verdict = &audit.verdict;
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
    let mut evidence = collector.end();
    evidence.pruned = gap(&opened.store)?.filter(|gap| gap.reaches(Some(from))).map(|gap| gap.message());
    for leaver in &mut evidence.leavers {
        leaver.login = login_of(&opened.store, leaver.target)?.unwrap_or_default();
    }
    match Known::read(&options.config.path()?)?.config {
        Ok(config) => {
            for leaver in leavers_with_access(&opened.store, &config.rulebook, opened.now)? {
                if leaver.why == WhyAccess::OrgNotConfigured && Moment::from_millis(leaver.since) <= to {
                    not_read(&mut evidence, leaver);
                }
            }
        }
        Err(_) => eprintln!(
            "warning: whether anybody who has left has an account in an org that is not in the configuration is not known"
        ),
    }
    let chain = json!({
        "result": audit.word(), "why": audit.doubt, "good": verdict.is_good(), "vouched_to": verdict.vouched_to, "checkpoints": verdict.checkpoints,
        "findings": verdict.findings.len(), "checkpoints_from": audit.from,
    });
    let folder = &options.output;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let mut pack = Pack { folder, files: BTreeMap::new() };
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
    let ends = [rows.split(|byte| *byte == b'\n').find(|line| !line.is_empty()), last_line(&rows)];
    let ends = ends.map(|line| line.and_then(|line| serde_json::from_slice::<Value>(line).ok()).unwrap_or_default());
    let manifest = json!({
        "store": identity(&opened.store)?, "from": from.to_string(), "to": to.to_string(), "files": pack.files,
        "pruned": evidence.pruned, "keys": audit.keys, "first_row": ends[0]["row"]["seq"], "last_row": ends[1]["row"]["seq"], "last_hash": ends[1]["hash"],
        "made_at": opened.now.to_string(), "made_by": concat!("namely-okta-sync ", env!("CARGO_PKG_VERSION")),
    });
    let manifest = serde_json::to_string_pretty(&manifest)?;
    std::fs::write(folder.join("manifest.json"), &manifest)?;
    let key = signing_key(&options.config)?;
    if let Some(key) = &key {
        let sum = crate::domain::hex(digest(&SHA256, manifest.as_bytes()).as_ref());
        std::fs::write(folder.join("manifest.sig"), key.sign("evidence", &sum) + "\n")?;
    }
    let times = evidence.time_to_revoke();
    if options.json {
        let summary = json!({
            "folder": folder, "chain": chain, "pruned": evidence.pruned, "leavers": evidence.leavers.len(), "changes": evidence.changes.len(),
            "decisions": evidence.decisions.len(), "failures": evidence.failures.len(), "time_to_revoke_ms": times,
        });
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        let (changes, decisions, failures) =
            (evidence.changes.len(), evidence.decisions.len(), evidence.failures.len());
        println!("{}: {}", folder.display(), evidence.summary());
        println!("changes in Okta: {changes}; decisions: {decisions}; failures: {failures}");
        match &key {
            Some(key) => println!("signed; whoever verifies it needs the public key by other means: {}", key.public()),
            None => println!("not signed: the key that signs checkpoints cannot be read from here"),
        }
        match &audit.doubt {
            _ if !verdict.is_good() => {
                println!("the audit is not as it was written: the pack says so, and `audit verify` says where")
            }
            Some(why) => println!("the audit is not vouched for: {why}"),
            None => {}
        }
    }
    // What is not there any more, nobody vouches for.
    Ok(if evidence.pruned.is_some() && audit.word() == "good" { ExitCode::from(NOT_VOUCHED) } else { audit.code() })
}

/// The key that signs checkpoints, where it can be read from here.
fn signing_key(file: &ConfigFile) -> anyhow::Result<Option<SigningKey>> {
    let Known { place, config } = Known::read(&file.path()?)?;
    let configured = config.ok().map(|config| config.audit.sealing);
    let pem = match configured {
        Some(sealing) if sealing.is_named => sealing.key.map(|pem| pem.current().expose_secret().to_owned()),
        _ => std::fs::read_to_string(own_key(&place.store, &place.checkpoints)).ok(),
    };
    Ok(pem.and_then(|pem| SigningKey::read(&pem).ok()))
}

fn last_line(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n').rev().find(|line| !line.is_empty())
}

struct Pack<'a> {
    folder: &'a Path,
    /// The checksum of each file.
    files: BTreeMap<&'static str, String>,
}

impl Pack<'_> {
    fn put(&mut self, name: &'static str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        let sum = crate::domain::hex(digest(&SHA256, bytes).as_ref());
        self.files.insert(name, sum);
        Ok(())
    }
}
