//! bedside
