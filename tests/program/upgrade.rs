//! A store of an earlier version is brought up to date by the first start of a newer one, and nothing is lost by it.

use crate::common::running::Running;
use crate::common::store::dirty;
use crate::common::wait::wait_until;
use crate::common::workspace::Workspace;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The schemas of earlier versions, as they were written.
pub const EARLIER: [(i64, &str); 5] = [
    (3, include_str!("schemas/3.sql")),
    (4, include_str!("schemas/4.sql")),
    (5, include_str!("schemas/5.sql")),
    (6, include_str!("schemas/6.sql")),
    (7, include_str!("schemas/7.sql")),
];

/// Columns, indexes and triggers of everything in a store.
fn shape(path: &Path) -> BTreeMap<String, Vec<String>> {
    let c = Connection::open(path).expect("opens");
    let names = |sql: &str| -> Vec<String> {
        let mut select = c.prepare(sql).expect("SQL");
        let rows = select.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("names")
    };
    let mut shape = BTreeMap::new();
    for table in names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
        let columns = format!(
            "SELECT name || ' ' || type || ' ' || \"notnull\" || ' ' || coalesce(dflt_value, '') || ' ' || pk
             FROM pragma_table_xinfo('{table}')"
        );
        shape.insert(table, names(&columns));
    }
    shape.insert(
        "others".into(),
        names("SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY name"),
    );
    shape.insert(
        "planner".into(),
        names("SELECT tbl || ' ' || coalesce(idx, '') || ' ' || stat FROM sqlite_stat1 ORDER BY 1"),
    );
    shape
}

/// Makes the store at `path` one of an earlier version, with the same rows.
pub fn age(path: &Path, version: i64, schema: &str) {
    let old = path.with_extension("old");
    let c = Connection::open(&old).expect("opens");
    c.execute_batch(schema).expect("the earlier schema");
    c.execute("ATTACH ?1 AS new", [path.display().to_string()]).expect("attaches");
    let tables: Vec<String> = {
        let sql = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
        let mut select = c.prepare(sql).expect("SQL");
        select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names")
    };
    c.pragma_update(None, "foreign_keys", false).expect("sets");
    for table in tables {
        let columns: String = c
            .query_row(&format!("SELECT group_concat(name) FROM pragma_table_xinfo('{table}', 'main')"), [], |r| {
                r.get(0)
            })
            .expect("columns");
        c.execute(&format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table}"), [])
            .expect("copies");
    }
    c.pragma_update(None, "user_version", version).expect("sets");
    drop(c);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    std::fs::rename(&old, path).expect("renames");
}

#[test]
fn the_first_start_of_a_newer_version_brings_a_store_up_to_date_and_keeps_a_copy() {
    for (version, schema) in EARLIER {
        let workspace = Workspace::new(12);
        let mut service = workspace.settled();
        service.kill();
        // What has happened since is still to be done when the newer version starts.
        workspace
            .world
            .namely
            .core()
            .edit(3, workspace.world.clock.now(), |person| person.direct_dial = "+1 555 3".into());
        let fresh = shape(&workspace.store());
        let (audit, accounts) = (workspace.count("audit"), workspace.count("account"));
        age(&workspace.store(), version, schema);
        assert_ne!(shape(&workspace.store()), fresh);

        let (ok, said) = workspace.cli(&["holds", "list"]);
        assert!(
            !ok && said.contains(&format!("schema version {version}")) && said.contains("start the service"),
            "{said}"
        );
        let writes = || workspace.world.okta.core().history().exchanges().iter().filter(|e| e.method != "GET").count();
        let before = writes();
        let _service = Running::service(&workspace.config, &workspace.log, None);
        wait_until("the change is there", &workspace.log, || {
            writes() > before && dirty(&workspace.store()) == Some((0, 0))
        });
        assert_eq!(writes(), before + 1, "only what has changed is done\n{}", workspace.log());
        assert!(workspace.log().contains("the store is brought up to date"), "{}", workspace.log());
        assert_eq!(shape(&workspace.store()), fresh, "it is as a new one would be");
        assert!(workspace.count("audit") > audit && workspace.count("account") == accounts);
        let (ok, said) = workspace.cli(&["audit", "verify"]);
        assert!(ok, "the audit is whole: {said}");

        let copy = format!("{}.schema-{version}", workspace.store().display());
        let kept = Connection::open(&copy).expect("a copy");
        let rows: i64 = kept.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).expect("counts");
        assert_eq!(rows, audit, "the copy is the store as it was");
    }
}

#[test]
fn a_copy_of_an_earlier_version_can_be_restored_and_one_of_a_newer_version_cannot() {
    let workspace = Workspace::new(5);
    let mut service = workspace.settled();
    let copy = workspace.folder.path().join("copy.db");
    let (ok, said) = workspace.cli(&["backup", "-o", &copy.display().to_string()]);
    assert!(ok, "{said}");
    service.kill();
    let restore = || workspace.cli(&["restore", &copy.display().to_string()]);
    let set = |version: i64| {
        Connection::open(&copy).expect("opens").pragma_update(None, "user_version", version).expect("sets");
    };
    set(99);
    let (ok, said) = restore();
    assert!(!ok && said.contains("schema version 99") && said.contains("newer program"), "{said}");
    set(2);
    let (ok, said) = restore();
    assert!(!ok && said.contains("never released"), "{said}");
    set(7);
    let (version, schema) = EARLIER[0];
    age(&copy, version, schema);
    let (ok, said) = restore();
    assert!(ok, "{said}");
    let _again = workspace.settled();
    let is = Connection::open(workspace.store()).expect("opens");
    let is: i64 = is.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a version");
    assert!(is > version, "the store is brought up to date: {is}");
}

#[test]
fn a_restore_names_whose_access_people_have_ended_since_the_copy() {
    let workspace = Workspace::new(5);
    let mut service = workspace.settled();
    let copy = workspace.folder.path().join("copy.db");
    let (ok, said) = workspace.cli(&["backup", "-o", &copy.display().to_string()]);
    assert!(ok, "{said}");
    let login: String = Connection::open(workspace.store())
        .expect("opens")
        .query_row(
            "SELECT a.login_key FROM account a JOIN target t USING (org, okta_id) WHERE a.status = 'ACTIVE' ORDER BY 1",
            [],
            |row| row.get(0),
        )
        .expect("an account");
    let (ok, said) = workspace.cli(&["end-access", &login, "--why", "stolen laptop", "--by", "ann"]);
    assert!(ok, "{said}");
    wait_until("it is acted upon", &workspace.log, || workspace.count("end_access") > 0);
    let (ok, said) = workspace.cli(&["pause", "--why", "incident 7", "--by", "ann"]);
    assert!(ok, "{said}");
    wait_until("the pause is audited", &workspace.log, || workspace.count("audit WHERE kind = 'paused'") > 0);
    service.kill();
    let (ok, said) = workspace.cli(&["restore", &copy.display().to_string()]);
    assert!(said.contains("what people have decided since") && said.contains("incident 7"), "{said}");
    let named = format!("end it again with `end-access \"{login}\" --why TEXT`");
    assert!(ok && said.contains("stolen laptop") && said.contains(&named), "{said}");
    let (ok, said) = workspace.cli(&["restore", &copy.display().to_string()]);
    assert!(ok && !said.contains("stolen laptop"), "the store that is replaced now does not know it either: {said}");
}

#[test]
fn no_copy_is_put_in_the_place_of_a_store_that_has_moved() {
    let workspace = Workspace::new(5);
    let mut service = workspace.settled();
    let file = |name: &str| workspace.folder.path().join(name).display().to_string();
    let (ok, said) = workspace.cli(&["backup", "-o", &file("copy.db")]);
    assert!(ok, "{said}");
    service.kill();
    let (ok, said) = workspace.cli(&["migrate-store", &file("new.db"), "--by", "ann"]);
    assert!(ok, "{said}");
    let (ok, said) = workspace.cli(&["restore", &file("copy.db")]);
    assert!(!ok && said.contains(&format!("was moved to {}", file("new.db"))), "two would serve: {said}");
    std::fs::copy(workspace.store(), file("moved.db")).expect("copies");
    std::fs::remove_file(workspace.store()).expect("removes");
    let (ok, said) = workspace.cli(&["restore", &file("moved.db")]);
    assert!(!ok && said.contains("is a copy of a store that had been moved"), "{said}");
    assert!(!workspace.store().exists(), "nothing was put there");
    let (ok, said) = workspace.cli(&["restore", &file("copy.db")]);
    assert!(ok, "nothing is known of a move where nothing is: {said}");
}

#[test]
fn an_upgrade_that_cannot_keep_its_copy_leaves_the_store_as_it_was() {
    let workspace = Workspace::new(5);
    let mut service = workspace.settled();
    service.kill();
    let (version, schema) = EARLIER[0];
    age(&workspace.store(), version, schema);
    let before = std::fs::read(workspace.store()).expect("reads");
    // Something is in the way where the copy would go.
    let backend = format!("{}.schema-{version}", workspace.store().display());
    std::fs::create_dir_all(format!("{backend}/folder")).expect("a folder");
    let (ok, said) = workspace.cli(&["run"]);
    assert!(!ok && said.contains(&backend), "{said}");
    assert!(Command::new("rm").arg("-r").arg(&backend).status().expect("rm").success());
    let found: i64 = Connection::open(workspace.store())
        .and_then(|c| c.pragma_query_value(None, "user_version", |row| row.get(0)))
        .expect("a version");
    assert_eq!(found, version);
    assert_eq!(std::fs::read(workspace.store()).expect("reads").len(), before.len());
    let _again = workspace.settled();
}
