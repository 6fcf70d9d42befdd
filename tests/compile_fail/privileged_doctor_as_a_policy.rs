//~ error[E0277]: the trait bound `Oracle: bedside_env::Policy` is not satisfied
//! A doctor that is shown the truth is no `Policy`, so it cannot be trained or batched as one.

use bedside_env::Policy;

fn main() {
    let _: Box<dyn Policy> = Box::new(bedside_agents::Oracle);
}
