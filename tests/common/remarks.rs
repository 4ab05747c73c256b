//! What the service remarks of people, for whoever operates it.

use super::rig::Rig;

impl Rig {
    /// What is remarked of those who are done, by profile.
    pub async fn remarks(&self) -> Vec<(String, String)> {
        let sql = "SELECT l.profile, w.reason FROM work w JOIN link l ON l.target = w.target
                   WHERE w.state = 0 AND w.reason IS NOT NULL AND w.dirty_rev = w.done_rev";
        self.pairs(sql).await
    }

    /// Reasons of those whose profile cannot be read.
    pub async fn unreadable(&self) -> Vec<(String, String)> {
        self.pairs("SELECT profile, why FROM unreadable").await
    }
}
