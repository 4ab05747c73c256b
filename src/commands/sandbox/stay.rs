//! `--stay`: a sandbox that goes on, with a configuration by which every other command finds it.

use super::kept::Kept;
use crate::sandbox::{namely, okta};
use secrecy::ExposeSecret;
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where a sandbox that stays is.
pub struct Staying<'a> {
    pub folder: &'a Path,
    /// Where its service serves metrics.
    pub address: Option<SocketAddr>,
    /// Where the simulators are, beside what stands for that in the shipped configuration.
    pub places: Vec<(&'static str, String)>,
    pub kept: &'a Kept,
}

/// Who can be asked about, and who could leave next.
pub struct Cast<'a> {
    pub left: &'a str,
    pub changed: &'a str,
    /// The address of the profile of somebody who is there still.
    pub next: String,
}

impl Staying<'_> {
    /// Writes a shipped configuration as `NAME.toml`, pointed at what runs.
    pub fn write(&self, text: &str, stores: &str, name: &str) -> std::io::Result<PathBuf> {
        for (name, token) in
            [("namely-token", namely::Options::default().token), ("okta-token", okta::Options::default().token)]
        {
            std::fs::write(self.folder.join(name), token)?;
        }
        let address = self.address.map(|address| address.to_string());
        let service = [
            ("127.0.0.1:9464", address.unwrap_or_else(|| "127.0.0.1:9464".into())),
            (stores, self.folder.display().to_string()),
            ("env:NAMELY_TOKEN", "file:namely-token".into()),
            ("env:OKTA_TOKEN", "file:okta-token".into()),
        ];
        let text = self.places.iter().chain(&service).fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let text = match &self.kept.url {
            None => text,
            Some(url) => {
                std::fs::write(self.folder.join("store-url"), url.expose_secret())?;
                text.replace(&self.folder.join("store.db").display().to_string(), "file:store-url")
            }
        };
        let path = self.folder.join(name).with_extension("toml");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// Five commands to go on with, ready to be pasted.
pub fn commands(config: &Path, cast: &Cast<'_>, today: jiff::civil::Date) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("namely-okta-sync"));
    let here = std::env::current_dir().unwrap_or_default();
    let program = program.strip_prefix(here).unwrap_or(&program).display();
    let (until, folder) = (today.tomorrow().unwrap_or(today), config.with_file_name("evidence"));
    let token = namely::Options::default().token;
    let asked = [
        "status".to_owned(),
        format!("timeline {}", cast.left),
        format!("explain {}", cast.changed),
        format!("evidence --from {today} --to {until} -o {}", folder.display()),
    ];
    let mut shown = asked.iter().fold(String::new(), |mut text, command| {
        let _ = writeln!(text, "  {program} {command} --config {}", config.display());
        text
    });
    let body = r#"{"profiles":[{"user_status":"inactive"}]}"#;
    let _ = write!(shown, "  curl -s -X PUT -H 'Authorization: Bearer {token}' -d '{body}' {}", cast.next);
    shown
}
