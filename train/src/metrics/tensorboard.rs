//! TensorBoard event files: a record is its length, a masked CRC-32C of the length, an `Event` message, a masked CRC-32C of the
//! message. The few messages we need have eight fields between them, so they are encoded here by hand.

use super::Metrics;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes scalars of a run.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: PathBuf,
}

impl EventWriter {
    /// A new event file in `folder`, begun at `wall_time` (seconds since 1970, given by the caller). TensorBoard reads all event
    /// files of a folder, in the order of their names.
    pub fn create(folder: &Path, wall_time: f64) -> io::Result<EventWriter> {
        std::fs::create_dir_all(folder)?;
        let mut serial = 0;
        let (file, path) = loop {
            let path = folder.join(format!("events.out.tfevents.{:010}.bedside.{serial}", wall_time as u64));
            match File::create_new(&path) {
                Ok(file) => break (file, path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => serial += 1,
                Err(e) => return Err(e),
            }
        };
        let mut writer = EventWriter { file, path };
        let mut event = Message::default();
        event.double(1, wall_time);
        event.bytes(3, b"brain.Event:2");
        writer.record(&event.0)?;
        Ok(writer)
    }

    /// Goes on after a checkpoint at `step` in a file of its own. What earlier files hold of later steps is marked as void, so that
    /// TensorBoard shows each step once.
    pub fn resume(folder: &Path, wall_time: f64, step: u64) -> io::Result<EventWriter> {
        let mut writer = EventWriter::create(folder, wall_time)?;
        let mut start = Message::default();
        start.varint(1, 1);
        let mut event = Message::default();
        event.double(1, wall_time);
        event.varint(2, step + 1);
        event.bytes(7, &start.0);
        writer.record(&event.0)?;
        Ok(writer)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All defined numbers of a step, in one record.
    pub fn write(&mut self, step: u64, wall_time: f64, metrics: &Metrics) -> io::Result<()> {
        let mut summary = Message::default();
        for (name, value) in metrics.iter() {
            let Some(value) = value else { continue };
            let mut scalar = Message::default();
            scalar.bytes(1, name.as_bytes());
            scalar.float(2, value as f32);
            summary.bytes(1, &scalar.0);
        }
        let mut event = Message::default();
        event.double(1, wall_time);
        event.varint(2, step);
        event.bytes(5, &summary.0);
        self.record(&event.0)
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        let mut out = Vec::with_capacity(data.len() + 16);
        out.extend(length);
        out.extend(masked(crc32c(&length)).to_le_bytes());
        out.extend(data);
        out.extend(masked(crc32c(data)).to_le_bytes());
        self.file.write_all(&out)?;
        self.file.flush()
    }
}

/// A protocol buffer message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire: u64) {
        self.raw_varint(field << 3 | wire);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

/// CRC-32C (Castagnoli), reflected polynomial 0x82F63B78.
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0u32; 256];
        let mut i = 0;
        while i < 256 {
            let (mut c, mut bit) = (i as u32, 0);
            while bit < 8 {
                c = if c & 1 == 1 { 0x82F6_3B78 ^ (c >> 1) } else { c >> 1 };
                bit += 1;
            }
            table[i] = c;
            i += 1;
        }
        table
    };
    !data.iter().fold(!0, |c, b| TABLE[((c ^ u32::from(*b)) & 0xff) as usize] ^ (c >> 8))
}

/// The rotation that TFRecord applies, so that a checksum stored among data does not look like one.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    /// A reader written from the format's description, not from the writer.
    fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut at, mut out) = (0, Vec::new());
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        while at < bytes.len() {
            let n = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes")) as usize;
            assert_eq!(word(at + 8), masked(crc32c(&bytes[at..at + 8])));
            assert_eq!(word(at + 12 + n), masked(crc32c(&bytes[at + 12..at + 12 + n])));
            out.push(bytes[at + 12..at + 12 + n].to_vec());
            at += 16 + n;
        }
        out
    }

    #[test]
    fn a_file_begins_with_its_version_and_has_a_framed_record_a_step() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut w = EventWriter::create(folder.path(), 1.5).expect("created");
        let mut m = Metrics::default();
        m.set("reward", 0.5);
        m.set("kl", None);
        w.write(300, 2.5, &m).expect("written");
        let found = records(&std::fs::read(w.path()).expect("read"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0][9..], *b"\x1a\x0dbrain.Event:2");
        let mut expected = vec![0x09];
        expected.extend(2.5f64.to_le_bytes());
        expected.extend([0x10, 0xac, 0x02, 0x2a, 15, 0x0a, 13, 0x0a, 6]);
        expected.extend(b"reward");
        expected.push(0x15);
        expected.extend(0.5f32.to_le_bytes());
        assert_eq!(found[1], expected);
        // A second writer of the same second does not write over the first.
        assert_ne!(EventWriter::create(folder.path(), 1.5).expect("created").path(), w.path());
    }
}
