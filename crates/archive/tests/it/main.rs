//! Archives from the outside: what goes in comes out, and what was touched is refused.

mod altered;
mod fuzz;
mod moved;
mod stage;
