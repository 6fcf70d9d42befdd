//! A log that may be read and not written is read through a copy, since the store writes where it opens.

use crate::error::StoreError;
use std::fs::File;
use std::path::Path;

/// Files of a log and of its folder of blobs; the lock is the copy's own.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(from).map_err(|e| StoreError::reading(from, &e))? {
        let path = entry.map_err(|e| StoreError::reading(from, &e))?.path();
        let Some(name) = path.file_name().filter(|n| *n != "LOCK") else { continue };
        let target = to.join(name);
        if path.is_dir() {
            std::fs::create_dir(&target).map_err(|e| StoreError::io(&target, &e))?;
            copy(&path, &target)?;
        } else {
            let mut file = File::open(&path).map_err(|e| StoreError::reading(&path, &e))?;
            // Not `fs::copy`, which would take the permissions along.
            let written = File::create(&target).and_then(|mut out| std::io::copy(&mut file, &mut out));
            written.map_err(|e| StoreError::io(&target, &e))?;
        }
    }
    Ok(())
}
