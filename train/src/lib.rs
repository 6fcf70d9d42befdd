//! GRPO and the stages before it. Empty until the language-model policies land; the crate holds its place in the workspace so
//! that the arrows between the crates can be checked from the start.
