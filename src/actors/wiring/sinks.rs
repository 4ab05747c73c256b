//! Where audit rows go: a rotating file, standard output, an HTTP receiver. Each delivery is whole or it did not happen.

use crate::config::{AuditFile, HttpSink};
use crate::http::{CallError, UnsendableToken, authorization};
use crate::store::AuditRow;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A sink.
#[derive(Clone, Debug)]
pub enum Sink {
    File(AuditFile, PathBuf),
    Stdout,
    Http(HttpSink, reqwest::Client),
}

/// Why rows were not taken, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    #[error("{}: {why}; make the folder writable, or name another audit.file", .path.display())]
    File { path: PathBuf, why: std::io::Error },
    #[error("standard output: {0}")]
    Stdout(std::io::Error),
    #[error("{url}: {why}")]
    Call { url: String, why: CallError },
    #[error("{url} answered {status}; the rows wait in the store")]
    Answered { url: String, status: reqwest::StatusCode },
    #[error("{url}: {why}")]
    Token { url: String, why: UnsendableToken },
    /// Whoever wrote has panicked.
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

impl Sink {
    /// Its name: of its cursor, and in metrics.
    pub fn name(&self) -> String {
        match self {
            Sink::File(..) => "file".into(),
            Sink::Stdout => "stdout".into(),
            Sink::Http(http, _) => format!("http {}", http.name),
        }
    }

    /// Rows that are delivered at once, at most.
    pub fn batch(&self) -> usize {
        match self {
            Sink::File(..) | Sink::Stdout => 1000,
            Sink::Http(http, _) => http.batch,
        }
    }

    /// Delivers rows.
    pub async fn deliver(&self, rows: Vec<AuditRow>, stamp: &str) -> Result<(), SinkError> {
        match self {
            Sink::File(file, path) => {
                let (path, rotate, keep, stamp) = (path.clone(), file.rotate, file.keep, stamp.replace(':', ""));
                let name = path.clone();
                let written = tokio::task::spawn_blocking(move || append(&path, &rows, rotate, keep, &stamp));
                written.await?.map_err(|why| SinkError::File { path: name, why })
            }
            Sink::Stdout => {
                let written = tokio::task::spawn_blocking(move || std::io::stdout().write_all(lines(&rows).as_bytes()));
                written.await?.map_err(SinkError::Stdout)
            }
            Sink::Http(http, client) => post(http, client, &rows).await,
        }
    }
}

/// A row a line.
fn lines(rows: &[AuditRow]) -> String {
    rows.iter().map(|row| format!("{}\n", row.text)).collect()
}

async fn post(http: &HttpSink, client: &reqwest::Client, rows: &[AuditRow]) -> Result<(), SinkError> {
    let headers = http.token.as_ref().map(|token| authorization(&http.scheme, &token.current())).transpose();
    let headers = headers.map_err(|why| SinkError::Token { url: http.url.clone(), why })?;
    let request = client
        .post(&http.url)
        .headers(headers.unwrap_or_default())
        .header("content-type", "application/x-ndjson")
        .header("x-audit-first", rows.first().map_or(0, |row| row.seq))
        .header("x-audit-last", rows.last().map_or(0, |row| row.seq))
        .body(lines(rows));
    let answer = request.send().await.map_err(|e| SinkError::Call { url: http.url.clone(), why: e.into() })?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(SinkError::Answered { url: http.url.clone(), status: answer.status() })
}

fn append(path: &Path, rows: &[AuditRow], rotate: u64, keep: usize, stamp: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|m| m.len() >= rotate) {
        std::fs::rename(path, numbered(path, stamp))?;
        remove_old(path, keep)?;
    }
    let mut file: File = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(lines(rows).as_bytes())?;
    file.sync_data()
}

fn numbered(path: &Path, stamp: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{stamp}"));
    PathBuf::from(name)
}

/// Removes the oldest rotated files beyond `keep`; their names sort by time.
fn remove_old(path: &Path, keep: usize) -> std::io::Result<()> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
    let mut old: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    old.sort();
    let surplus = old.len().saturating_sub(keep);
    old.into_iter().take(surplus).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_is_rotated_and_the_oldest_ones_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.jsonl");
        let row = |seq| AuditRow { seq, text: format!("{{\"seq\":{seq}}}"), hash: vec![] };
        for n in 1..=5 {
            append(&path, &[row(n)], 5, 2, &format!("2026-01-0{n}")).expect("writes");
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .expect("lists")
            .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["audit.jsonl", "audit.jsonl.2026-01-04", "audit.jsonl.2026-01-05"]);
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "{\"seq\":5}\n");
    }
}
