//! The words of stored rows, by version. Rows are written in the words of now; receivers that still expect the former ones get
//! them for one more version of the program (`[audit] words = 1`).

use serde_json::Value;

/// The version of the words that rows are written in.
pub const NOW: u8 = 2;

/// The text of a row in the words of version 1, for a receiver. It is not what was hashed: only the store can be verified.
pub fn in_former_words(text: &str) -> serde_json::Result<String> {
    let mut row: Value = serde_json::from_str(text)?;
    if row["v"] == NOW {
        let kind = row["kind"].as_str().unwrap_or_default().to_owned();
        if let Some(row) = row.as_object_mut() {
            row.remove("v");
        }
        if kind == "quarantined" {
            row["kind"] = "set_aside".into();
        }
        let detail = &mut row["detail"];
        match kind.as_str() {
            "observed" => rename(detail, &[("entitlement", "standing"), ("priority", "class")]),
            "planned" => rename(detail, &[("entitlement", "standing")]),
            "reviewed" => rename(detail, &[("counterpart", "subject")]),
            _ => {}
        }
        if detail["outcome"] == "another_user" {
            detail["outcome"] = "somebody_else".into();
        }
        former_steps(detail);
    }
    Ok(row.to_string())
}

fn rename(detail: &mut Value, words: &[(&str, &str)]) {
    let Some(detail) = detail.as_object_mut() else { return };
    for (now, former) in words {
        if let Some(value) = detail.remove(*now) {
            detail.insert((*former).to_owned(), value);
        }
    }
}

fn former_steps(value: &mut Value) {
    if value["step"] == "read_account" {
        value["step"] = "look".into();
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(former_steps),
        Value::Array(items) => items.iter_mut().for_each(former_steps),
        _ => {}
    }
}
