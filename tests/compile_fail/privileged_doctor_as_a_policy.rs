//! A doctor that is shown the truth is no `Policy`, so it cannot be trained or batched as one.

use bedside_env::Policy;

fn main() {
    let _: Box<dyn Policy> = Box::new(bedside_agents::Oracle);
}
