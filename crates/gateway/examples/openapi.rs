//! Writes the OpenAPI document, for `openapi.json` beside `Cargo.toml`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().lock().write_all(gateway::openapi().as_bytes())
}
