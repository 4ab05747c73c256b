//! A mapping that somebody has edited, beside the one that the service runs by: compiled, and nothing else of the configuration.
//!
//! **Invariant:** no file is read for it, and no secret: tables are those that the service has read.

use super::mapping;
use super::reader::{Problems, Reader};
use crate::domain::Rulebook;
use crate::domain::mapping::expr::Engine;
use std::path::Path;

/// How its problems call it.
const NAME: &str = "mapping";

/// The tables of a configuration that are its mapping, as they were written.
pub fn written(text: &str) -> String {
    let whole: toml::Table = text.parse().unwrap_or_default();
    let Some(wanted) = whole.get("mapping") else { return String::new() };
    let (mut kept, mut takes) = (String::new(), false);
    for line in text.lines() {
        if line.starts_with('[') {
            let name = line.trim_start_matches('[').trim_start();
            takes = name.strip_prefix("mapping").is_some_and(|rest| rest.starts_with(['.', ']', ' ']));
        }
        if takes {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    // A remark behind the last of them is about the next table.
    let is_remark = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let behind = kept.lines().rev().take_while(is_remark).count();
    let kept: String = kept.lines().take(kept.lines().count() - behind).flat_map(|line| [line, "\n"]).collect();
    let read = kept.parse::<toml::Table>().ok();
    match read.is_some_and(|read| read.get("mapping") == Some(wanted)) {
        true => kept,
        // A text of several lines looks like a table: then it is written anew.
        false => toml::to_string_pretty(&toml::Table::from_iter([("mapping".to_owned(), wanted.clone())]))
            .unwrap_or_default(),
    }
}

/// The rules of a service under an edited mapping: `text` is its tables, or a whole configuration, of which nothing else is read.
pub fn edited(running: &Rulebook, text: &str) -> Result<Rulebook, Problems> {
    let (mut reader, mut root) = Reader::parse(Path::new(NAME), text);
    let r = &mut reader;
    if !root.has("mapping") {
        r.problem(0..0, "there is no [mapping] in it: write its tables as they stand in the configuration");
    }
    let mut rules = root.section(r, "mapping");
    for table in ["tables", "spellings"] {
        drop(rules.section(r, table).rest());
    }
    let engine = Engine::new(running.mapping.engine().tables().clone());
    let read = mapping::read(r, rules, engine);
    let under = read.map(|read| running.under(read.mapping.with_source(written(text)), read.login, read.zone));
    let under = under.and_then(|under| under.map_err(|why| r.problem(0..0, why)).ok());
    let problems = reader.finish();
    under.filter(|_| problems.is_empty()).ok_or(Problems(problems))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::rulebook::tests::rulebook;

    const TEXT: &str = "[service]\nruns = 4\n\n[mapping]\nanchor = \"namelyId\" # ours\n\n[mapping.attributes]\ntitle = \"employee.job_title\"\n\n\
                        # Who is where.\n[[mapping.groups]]\nname = \"staff\"\ngroups = [\"Staff\"]\n\n# Another one.\n[mappings]\nx = 1\n";

    #[test]
    fn the_mapping_of_a_file_is_shown_as_it_was_written() {
        let shown = written(TEXT);
        assert!(
            shown.starts_with("[mapping]\nanchor = \"namelyId\" # ours\n") && shown.ends_with("groups = [\"Staff\"]\n"),
            "{shown}"
        );
        assert!(!shown.contains("runs") && !shown.contains("x = 1"), "{shown}");
        let lines = "[mapping]\nanchor = '''\n[x]\n'''\n";
        assert!(written(lines).parse::<toml::Table>().expect("TOML")["mapping"]["anchor"].as_str() == Some("[x]\n"));
        assert_eq!(written("[service]\n"), "");
    }

    #[test]
    fn an_edited_mapping_is_compiled_alone_and_every_problem_has_its_place() {
        let running = rulebook();
        let edited = edited(&running, TEXT).expect("compiles");
        assert_eq!(edited.mapping.group_rules().len(), 1);
        assert_eq!(edited.orgs.len(), running.orgs.len());
        let wrong = |text: &str| super::edited(&running, text).err().expect("refused").to_string();
        assert!(wrong("[mapping.attributes]\ntitle = \"employee.titel\"\n").starts_with("mapping:2:"), "its line");
        assert!(wrong("[mapping.attributes]\ntitle = \"employee.titel\"\n").contains("no field"));
        assert!(wrong("x = 1").contains("no [mapping]"));
        assert!(wrong("[mapping").contains("not TOML"));
        let file = wrong(
            "[mapping.tables]\ncodes = \"/etc/passwd\"\n[[mapping.groups]]\ntable = \"codes\"\nkey = \"employee.email\"\n",
        );
        assert!(file.contains("there is no table"), "no file is read: {file}");
    }
}
