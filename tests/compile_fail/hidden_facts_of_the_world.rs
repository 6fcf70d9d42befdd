//~ error[E0603]: module `components` is private
//! The world's components have no names outside.

use bedside_env::world::components::HiddenFact;

fn main() {
    let _: Option<HiddenFact> = None;
}
