//! What a doctor's code cannot even say: an observation leads to no record, and nobody makes a privileged view.

/// Each file of `compile_fail/` is refused by the compiler for the reason in its `.stderr`.
#[test]
fn a_policy_that_reaches_for_the_record_does_not_compile() {
    trybuild::TestCases::new().compile_fail("compile_fail/*.rs");
}
