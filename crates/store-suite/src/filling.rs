//! What one store holds, moved into another.

use store::Store;
use store::row::Row;

/// Everything that a store holds.
///
/// # Panics
/// Where it cannot be read.
pub async fn all_rows(store: &dyn Store) -> Vec<Row> {
    let mut rows = store.dump().await.expect("begins");
    let mut all = Vec::new();
    while let Some(page) = rows.next().await.expect("reads") {
        all.extend(page);
    }
    all
}

/// Fills an empty store, a few rows at a time.
///
/// # Panics
/// Where it cannot be filled.
pub async fn fill(store: &dyn Store, rows: &[Row]) {
    let mut filling = store.fill().await.expect("begins");
    for some in rows.chunks(7) {
        filling.put(some.to_vec()).await.expect("takes rows");
    }
    filling.finish().await.expect("finishes");
}

/// Begins to fill an empty store, and never finishes.
///
/// # Panics
/// Where it cannot even begin.
pub async fn begin_and_break_off(store: &dyn Store, rows: &[Row]) {
    let mut filling = store.fill().await.expect("begins");
    filling.put(rows.iter().take(rows.len() / 2 + 1).cloned().collect()).await.expect("takes rows");
}
