//! Words of our own in statements, for what each engine says in its own way:
//!
//! - `x IN json_ints(?1)`, `x IN json_texts(?1)`: one of a list, which is bound as a JSON document;
//! - `json_text(doc, 'a.b[0]')`: a value in a document, as text; nothing where there is none;
//! - `json_has(doc, 'a', ?1)`: whether a text stands anywhere below a key of a document;
//! - `FROM t by_index(i)`: the index that finds the few rows that are meant, where the engine would not think of it.
//!
//! Their arguments have no parentheses.

/// What every word of ours begins with, but for the last one.
const DOCUMENTS: &str = "json_";
const INDEX: &str = "by_index(";

/// A statement as SQLite understands it; nothing where it understands it as it is.
pub(super) fn for_sqlite(sql: &str) -> Option<String> {
    (sql.contains(DOCUMENTS) || sql.contains(INDEX)).then(|| {
        rewritten(sql, &|word, arguments| match (word, arguments) {
            ("json_ints" | "json_texts", [list]) => Some(format!("(SELECT value FROM json_each({list}))")),
            ("json_text", [document, path]) => Some(format!("({document} ->> '$.{path}')")),
            ("json_has", [document, key, value]) => Some(format!(
                "EXISTS (SELECT 1 FROM json_tree({document}, '$.{key}') WHERE type = 'text' AND value = {value})"
            )),
            ("by_index", [index]) => Some(format!("INDEXED BY {index}")),
            _ => None,
        })
    })
}

/// A statement as PostgreSQL understands it; its values are `$1`, `$2` …
pub(super) fn for_server(sql: &str) -> String {
    let list = |list: &str| format!("json_array_elements_text(CAST(CAST({list} AS TEXT) AS JSON)) AS listed(one)");
    let said = rewritten(sql, &|word, arguments| match (word, arguments) {
        ("json_ints", [values]) => Some(format!("(SELECT CAST(one AS BIGINT) FROM {})", list(values))),
        ("json_texts", [values]) => Some(format!("(SELECT one FROM {})", list(values))),
        ("json_text", [document, path]) => {
            let path = path.replace(['.', '['], ",").replace(']', "");
            Some(format!("(CAST({document} AS JSON) #>> '{{{path}}}')"))
        }
        ("json_has", [document, key, value]) => Some(format!(
            "jsonb_path_exists(CAST({document} AS JSONB), '$.{key}.** ? (@ == $value)', \
             jsonb_build_object('value', CAST({value} AS TEXT)))"
        )),
        ("by_index", [_]) => Some(String::new()),
        _ => None,
    });
    numbered(&said)
}

/// `$1` in the place of `?1`, and `LIKE` that takes small and capital letters of English for the same, as SQLite's does; but for what
/// stands in quotes.
fn numbered(sql: &str) -> String {
    let unquoted = |part: &str| part.replace('?', "$").replace(" LIKE ", " ILIKE ");
    let parts = sql.split('\'').enumerate();
    let parts: Vec<String> = parts.map(|(n, part)| if n % 2 == 0 { unquoted(part) } else { part.to_owned() }).collect();
    parts.join("'")
}

/// The statement with each of these words said in another way.
fn rewritten(sql: &str, say: &dyn Fn(&str, &[&str]) -> Option<String>) -> String {
    let mut text = String::with_capacity(sql.len() * 2);
    let mut rest = sql;
    while let Some(open) = rest.find('(') {
        let before = &rest[..open];
        let begins = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        let inside = rest[open + 1..].find(')').map(|close| &rest[open + 1..open + 1 + close]);
        let said = inside.and_then(|inside| {
            let arguments: Vec<&str> = inside.split(',').map(|one| one.trim().trim_matches('\'')).collect();
            Some((say(&before[begins..], &arguments)?, inside.len()))
        });
        match said {
            Some((said, length)) => {
                text.push_str(&before[..begins]);
                text.push_str(&said);
                rest = &rest[open + length + 2..];
            }
            None => {
                text.push_str(&rest[..=open]);
                rest = &rest[open + 1..];
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_without_words_of_ours_is_left_as_it_is() {
        assert_eq!(for_sqlite("SELECT count(*) FROM work WHERE target IN (?1, ?2)"), None);
    }

    #[test]
    fn words_of_ours_are_said_in_the_way_of_sqlite() {
        let said = |sql| for_sqlite(sql).expect("words");
        assert_eq!(
            said("SELECT count(*) FROM t WHERE id NOT IN json_ints(?2) AND f(json_text(a.doc, 'x.y[0]')) = ?1"),
            "SELECT count(*) FROM t WHERE id NOT IN (SELECT value FROM json_each(?2)) AND f((a.doc ->> '$.x.y[0]')) = ?1"
        );
        assert_eq!(
            said("SELECT 1 FROM t by_index(some) WHERE json_has(row, 'detail', ?1)"),
            "SELECT 1 FROM t INDEXED BY some WHERE EXISTS (SELECT 1 FROM json_tree(row, '$.detail') WHERE type = 'text' \
             AND value = ?1)"
        );
    }

    #[test]
    fn words_of_ours_are_said_in_the_way_of_postgresql() {
        assert_eq!(
            for_server(
                "SELECT 1 FROM t by_index(i) WHERE id IN json_ints(?2) AND json_text(a.doc, 'x.y[0]') LIKE ?1 AND n = 'why?1'"
            ),
            "SELECT 1 FROM t  WHERE id IN (SELECT CAST(one AS BIGINT) FROM json_array_elements_text(CAST(CAST($2 AS TEXT) AS \
             JSON)) AS listed(one)) AND (CAST(a.doc AS JSON) #>> '{x,y,0}') ILIKE $1 AND n = 'why?1'"
        );
        assert_eq!(
            for_server("SELECT json_has(row, 'detail', ?3)"),
            "SELECT jsonb_path_exists(CAST(row AS JSONB), '$.detail.** ? (@ == $value)', jsonb_build_object('value', CAST($3 \
             AS TEXT)))"
        );
    }
}
