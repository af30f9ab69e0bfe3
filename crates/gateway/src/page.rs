//! Lists: which page is asked for, and how a page is given.

use model::limits::{EXACT_TOTAL, PAGE_ROWS};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ApiError;

/// Rows of a page where the request does not say.
const USUAL: u32 = 25;

/// Which page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paging {
    pub(crate) page: u64,
    pub(crate) size: u32,
}

impl Paging {
    /// # Errors
    /// Where more rows are asked for than a page may have.
    pub(crate) fn new(page: Option<u64>, size: Option<u32>) -> Result<Self, ApiError> {
        let size = size.unwrap_or(USUAL);
        if size == 0 || size > PAGE_ROWS {
            return Err(ApiError::invalid(format!("size: a page has from 1 to {PAGE_ROWS} rows, not {size}")));
        }
        Ok(Self { page: page.unwrap_or(0), size })
    }

    /// How many rows come before the page.
    pub(crate) fn skip(self) -> u64 {
        self.page.saturating_mul(u64::from(self.size))
    }

    /// A page of a list that is at hand as a whole.
    pub(crate) fn cut<T>(self, all: Vec<T>) -> Page<T> {
        let total = all.len() as u64;
        let skip = usize::try_from(self.skip()).unwrap_or(usize::MAX);
        let data = all.into_iter().skip(skip).take(self.size as usize).collect();
        self.page_of(data, total)
    }

    /// A page whose rows are known.
    pub(crate) fn page_of<T>(self, data: Vec<T>, total: u64) -> Page<T> {
        let is_more = total > EXACT_TOTAL;
        let total = total.min(EXACT_TOTAL);
        Page {
            data,
            total,
            total_is_estimate: is_more,
            page: self.page,
            size: self.size,
            pages: total.div_ceil(u64::from(self.size)),
        }
    }
}

/// Some rows of a list.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) data: Vec<T>,
    /// How many rows there are in all.
    pub(crate) total: u64,
    /// There are more than `total` says.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub(crate) total_is_estimate: bool,
    /// Which page, from 0.
    pub(crate) page: u64,
    /// Rows of a page.
    pub(crate) size: u32,
    /// Pages in all.
    pub(crate) pages: u64,
}
