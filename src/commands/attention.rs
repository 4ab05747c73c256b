//! `attention`: everything that waits for a person, in one list: who is held or set aside, who cannot be read, matches to decide
//! about, and what is remarkable about people who are done (managers that do not exist, leavers who still have reports).

use super::store::open;
use super::table::table;
use crate::store::reviews;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Flags of `attention`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Somebody or something that waits for a person.
#[derive(Debug, Serialize)]
struct Matter {
    /// `held`, `set aside`, `unreadable`, `review` or `remark`.
    what: &'static str,
    org: Option<String>,
    tenant: String,
    profile: String,
    name: String,
    why: String,
}

/// Prints the list.
pub fn attention(options: &Options) -> anyhow::Result<ExitCode> {
    let opened = open(&options.config)?;
    let mut matters = Vec::new();
    let mut select = opened.store.prepare(
        "SELECT w.state, t.org, l.tenant, l.profile, s.doc, w.reason FROM work w JOIN target t ON t.id = w.target
         JOIN link l ON l.target = w.target JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE w.reason IS NOT NULL AND t.conflict IS NULL AND (w.state > 0 OR w.dirty_rev = w.done_rev)
         ORDER BY w.state DESC, t.org, w.target",
    )?;
    let rows = select.query_map([], |row| {
        let doc: String = row.get(4)?;
        let name = serde_json::from_str(&doc).map(|e: crate::identity::Employee| e.display()).unwrap_or_default();
        let what = match row.get(0)? {
            1 => "set aside",
            2 => "held",
            _ => "remark",
        };
        Ok(Matter { what, org: row.get(1)?, tenant: row.get(2)?, profile: row.get(3)?, name, why: row.get(5)? })
    })?;
    for row in rows {
        matters.push(row?);
    }
    for review in reviews(&opened.store, false)? {
        matters.push(Matter {
            what: "review",
            org: Some(review.org),
            tenant: review.tenant,
            profile: review.profile,
            name: review.name,
            why: format!("{}; decide with `review accept {}` or `review reject {}`", review.why, review.id, review.id),
        });
    }
    let mut select = opened.store.prepare("SELECT tenant, profile, why FROM unreadable ORDER BY tenant, profile")?;
    let rows = select.query_map([], |row| {
        let (tenant, profile, why) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Matter { what: "unreadable", org: None, tenant, profile, name: String::new(), why })
    })?;
    for row in rows {
        matters.push(row?);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&matters)?);
    } else if matters.is_empty() {
        println!("nothing waits for anybody");
    } else {
        let mut rows = table(&["what", "who", "org", "profile", "why"]);
        for m in &matters {
            let org = m.org.clone().unwrap_or_else(|| m.tenant.clone());
            rows.add_row([m.what.to_owned(), m.name.clone(), org, m.profile.clone(), m.why.clone()]);
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}
