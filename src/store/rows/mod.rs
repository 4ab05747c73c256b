//! The rows of the tables, typed: one file per table, with all SQL that reads or writes it.

pub(super) mod account;
pub(super) mod anchored;
pub(super) mod approval;
pub(super) mod audit;
pub(super) mod change;
pub(super) mod hold;
pub(super) mod intent;
pub(super) mod link;
pub(super) mod listing;
pub(super) mod matched;
pub(super) mod meta;
pub(super) mod missing;
pub(super) mod org;
pub(super) mod pause;
pub(super) mod people;
pub(super) mod pin;
pub(super) mod population;
pub(super) mod rejection;
pub(super) mod renamed;
pub(super) mod request;
pub(super) mod review;
pub(super) mod risk;
pub(super) mod source;
pub(super) mod target;
pub(super) mod vote;
pub(super) mod work;
