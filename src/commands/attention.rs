//! `attention`: everything that waits for a person, in one list: who is held or quarantined, who cannot be read, matches to decide
//! about, and what is remarkable about people who are done (managers that do not exist, leavers who still have reports).

use super::backend::{Asking, part};
use super::table::table;
use crate::admin::routes::Ask;
use crate::store::AttentionItem;
use serde_json::json;
use std::process::ExitCode;

/// Prints the list.
pub async fn attention(asking: &Asking) -> anyhow::Result<ExitCode> {
    let message = asking.at.to_read()?.read(Ask::Attention, &[], json!({})).await?;
    let items: Vec<AttentionItem> = part(message, "items")?;
    if asking.json {
        println!("{}", serde_json::to_string_pretty(&items)?);
    } else if items.is_empty() {
        println!("nothing waits for anybody");
    } else {
        let mut rows = table(&["what", "who", "org", "profile", "why"]);
        for m in items {
            rows.add_row([m.what, m.name, m.org.unwrap_or(m.tenant), m.profile, m.why]);
        }
        println!("{rows}");
    }
    Ok(ExitCode::SUCCESS)
}
