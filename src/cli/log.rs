//! Commands over a log: replay, verify, fork, diff, rescore, export.
