//! Every bound that flow8 keeps, by name. Nothing in flow8 is unbounded.

/// How deep JSON may nest, on the way in and in any value that is stored.
pub const JSON_DEPTH: usize = 128;
