//! The columns and keys in which the name of an org or a tenant stands.

use crate::domain::guard::evaluation::scope_with;
use crate::domain::guard::renamed::{Named, Renaming};
use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// Tables with a column `org`.
const OF_ORGS: &[&str] = &[
    "target",
    "link",
    "account_key",
    "review",
    "acceptance",
    "anchored",
    "matched",
    "login",
    "account",
    "work",
    "risk",
    "hold",
    "request",
    "pause",
    "awaited",
];
/// Tables with a column `tenant`.
const OF_TENANTS: &[&str] = &[
    "source",
    "link",
    "source_key",
    "review",
    "acceptance",
    "matched",
    "unreadable",
    "risk",
    "renamed",
    "missing",
    "former_email",
];
/// Keys of `meta` that end with the name of an org.
const KEYS_OF_ORGS: &[&str] = &[
    "compared ",
    "links known ",
    "list accepted ",
    "lists lack somebody ",
    "read ",
    "stopped ",
    "directory ",
    "directory version ",
];
/// Keys of `meta` that end with the name of a tenant.
const KEYS_OF_TENANTS: &[&str] = &["walked ", "titles ", "mass "];

/// Writes the new names wherever the old ones stand, but for the audit, which is never changed. By way of names that nobody has: two
/// may exchange theirs.
pub fn rename(c: &Tx, renamings: &[(Named, &Renaming)]) -> Result<(), StoreError> {
    let between = |n: usize| format!("\u{1}{n}");
    for (n, (what, one)) in renamings.iter().enumerate() {
        rename_one(c, *what, &Renaming { old: one.old.clone(), new: between(n) })?;
    }
    for (n, (what, one)) in renamings.iter().enumerate() {
        rename_one(c, *what, &Renaming { old: between(n), new: one.new.clone() })?;
    }
    Ok(())
}

fn rename_one(c: &Tx, what: Named, renaming: &Renaming) -> Result<(), StoreError> {
    let Renaming { old, new } = renaming;
    let (column, tables, keys) = match what {
        Named::Org => ("org", OF_ORGS, KEYS_OF_ORGS),
        Named::Tenant => ("tenant", OF_TENANTS, KEYS_OF_TENANTS),
    };
    for table in tables {
        c.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2"), params![new, old])?;
    }
    for key in keys {
        c.execute("UPDATE meta SET key = ?1 WHERE key = ?2", params![format!("{key}{new}"), format!("{key}{old}")])?;
    }
    c.execute("DELETE FROM meta WHERE key LIKE 'population %'", [])?; // counted anew
    unrouted(c, what, renaming)?;
    if what == Named::Tenant {
        let said = |name: &str| format!("\"tenant\":{}", serde_json::Value::from(name));
        for table in ["risk", "rejection"] {
            c.execute(&format!("UPDATE {table} SET fact = replace(fact, ?1, ?2)"), params![said(old), said(new)])?;
        }
        scopes(c, renaming)?;
    }
    Ok(())
}

/// Profiles that no rule routes: their keys hold org and tenant.
fn unrouted(c: &Tx, what: Named, renaming: &Renaming) -> Result<(), StoreError> {
    let keys: Vec<String> = c
        .prepare_cached("SELECT key FROM meta WHERE key LIKE 'unrouted %'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for key in keys {
        let Some(names) = key.strip_prefix("unrouted ") else { continue };
        let mut names: [String; 3] = serde_json::from_str(names)?;
        let name = match what {
            Named::Org => &mut names[0],
            Named::Tenant => &mut names[1],
        };
        if *name == renaming.old {
            name.clone_from(&renaming.new);
            let renamed = format!("unrouted {}", serde_json::to_string(&names)?);
            c.execute("UPDATE meta SET key = ?1 WHERE key = ?2", params![renamed, key])?;
        }
    }
    Ok(())
}

/// Whom holds are about, in words: the tenant is a part of them.
fn scopes(c: &Tx, renaming: &Renaming) -> Result<(), StoreError> {
    let holds: Vec<(i64, String)> = c
        .prepare_cached("SELECT id, scope FROM hold WHERE verdict IS NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, scope) in holds {
        if let Some(scope) = scope_with(&scope, &renaming.old, &renaming.new) {
            c.execute("UPDATE hold SET scope = ?1 WHERE id = ?2", params![scope, id])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_table_that_names_an_org_or_a_tenant_is_renamed_in() {
        let schema = include_str!("../engine/schema.sql");
        for (column, known) in [("org", OF_ORGS), ("tenant", OF_TENANTS)] {
            let mut found = BTreeSet::new();
            for table in schema.split("CREATE TABLE ").skip(1) {
                let name = table.split_whitespace().next().unwrap_or_default();
                let body = table.split(") STRICT").next().unwrap_or_default();
                let is_column =
                    |part: &str| part.trim_start().starts_with(&format!("{column} ")) && part.contains("TEXT");
                if body.split(['\n', ',', '(']).any(is_column) {
                    found.insert(name);
                }
            }
            assert_eq!(found, known.iter().copied().collect(), "{column}");
        }
    }
}
