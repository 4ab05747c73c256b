//! `attention`: everything that waits for a person, in one list: who is held or set aside, who cannot be read, matches to decide
//! about, and what is remarkable about people who are done (managers that do not exist, leavers who still have reports).

use super::table::table;
use super::way::{Asking, part};
use crate::admin::routes::Ask;
use crate::store::Matter;
use serde_json::json;
use std::process::ExitCode;

/// Prints the list.
pub async fn attention(asking: &Asking) -> anyhow::Result<ExitCode> {
    let told = asking.at.to_look()?.look(Ask::Attention, &[], json!({})).await?;
    let matters: Vec<Matter> = part(told, "matters")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&matters)?);
    } else if matters.is_empty() {
        println!("nothing waits for anybody");
    } else {
        let mut rows = table(&["what", "who", "org", "profile", "why"]);
        for m in matters {
            rows.add_row([m.what, m.name, m.org.unwrap_or(m.tenant), m.profile, m.why]);
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}
