//! The results as one page that needs nothing else: no network, no fonts, no scripts from elsewhere.
//!
//! [`Report::read`] gathers what lies in a folder of results, [`Report::html`] writes the page. The numbers stand in the page as JSON;
//! a script of its own (`assets/`) draws them.
//!
//! | file | what it is for |
//! |---|---|
//! | `places` | the paper's 11 tables and 8 figures, and the commands that make them |
//! | `tables` | our tables beside the paper's numbers |
//! | `figures` | pictures as text, and the figures they stand for |
//! | `speed` | the benchmark |
//! | `searches` | every candidate of a search |
//! | `program` | functions in the form that the page's script evaluates |
//! | `page` | the HTML |
//!
//! Numbers of different profile or data source are sections of their own throughout, marked as such.

mod error;
mod figures;
mod page;
mod places;
mod program;
mod searches;
mod speed;
mod tables;

pub use error::{ReportError, Result};

use serde::Serialize;
use std::path::Path;
use swish_record::overview::{self, Overview, PaperDuel};
use swish_record::{provenance, table};

/// All that the page shows.
#[derive(Debug, Serialize)]
pub struct Report {
    commit: &'static str,
    dirty: bool,
    tables: Vec<tables::TableView>,
    overview: OverviewView,
    figures: Vec<figures::FigureView>,
    speed: speed::SpeedView,
    searches: Vec<searches::SearchView>,
}

/// Table 3.
#[derive(Debug, Serialize)]
struct OverviewView {
    baselines: [&'static str; 7],
    swishes: [&'static str; 2],
    ours: Vec<Overview>,
    paper: Vec<PaperDuel>,
}

impl Report {
    /// Gathers tables, figures, benchmark and searches below a folder of results. What is missing is shown as missing, with the
    /// command that makes it.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged, by its name and line.
    pub fn read(results: &Path) -> Result<Self> {
        let files = table::read_folder(results)?;
        Ok(Self {
            commit: provenance::commit(),
            dirty: provenance::dirty(),
            overview: OverviewView {
                baselines: overview::BASELINES,
                swishes: overview::SWISHES,
                ours: overview::of_tables(&files),
                paper: overview::of_paper(),
            },
            tables: tables::of(&files, results)?,
            figures: figures::of(results)?,
            speed: speed::read(results)?,
            searches: searches::read(results)?,
        })
    }

    /// The page.
    ///
    /// # Errors
    /// [`ReportError::Json`]: data that cannot be written as JSON.
    pub fn html(&self) -> Result<String> {
        page::render(self)
    }

    /// How many tables and figures of the paper have results, and how many candidates the searches have.
    #[must_use]
    pub fn summary(&self) -> String {
        let three = usize::from(!self.overview.ours.is_empty());
        let tables = self.tables.iter().filter(|table| !table.sections.is_empty()).count() + three;
        let figures = self.figures.iter().filter(|figure| figure.has_results()).count();
        let candidates: usize = self.searches.iter().map(searches::SearchView::len).sum();
        format!(
            "{tables} of 11 tables, {figures} of 8 figures, {candidates} functions of {} searches",
            self.searches.len()
        )
    }
}

#[cfg(test)]
mod tests;
