//! Tables as files that a spreadsheet may open.

use super::page::ReportError;
use crate::domain::text::{defused, visible};

/// A table as CSV, without a cell that would be taken for a formula.
pub(super) fn without_formulas(csv: &[u8]) -> Result<Vec<u8>, ReportError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(csv);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for record in reader.records() {
        writer.write_record(record?.iter().map(|cell| defused(&visible(cell)).into_owned()))?;
    }
    Ok(writer.into_inner().map_err(|e| e.into_error())?)
}
