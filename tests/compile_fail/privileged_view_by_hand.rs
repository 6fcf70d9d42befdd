//~ error[E0451]: field `case` of struct `PrivilegedView` is private
//! A privileged view is made by the environment's owner alone.

use bedside_env::PrivilegedView;
use bedside_env::units::Case;
use std::sync::Arc;

fn cheat(case: Arc<Case>) -> PrivilegedView {
    PrivilegedView { case }
}

fn main() {
    let _ = cheat;
}
