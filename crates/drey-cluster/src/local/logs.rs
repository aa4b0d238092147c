//! Log files of a Job: reading them, and keeping them small.
//!
//! ```text
//!   logs/<job id>/jobmanager.log        written and rolled over by Log4j
//!                 jobmanager.out        stdout and stderr: appended by the process, cut by Drey (copy, then truncate)
//!                 jobmanager.out.1      what was cut last
//!                 taskmanager-1.log …   all runs of that TaskManager, one after the other
//!                 drey.log              what Drey did: starts, ends, and why
//! ```
//!
//! The processes outlive Drey, so their output cannot go through a pipe. They append to a file; truncating it under
//! them is safe, because a file opened for appending is always written at its end.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use drey_model::secret::mask::Mask;

use super::process::absent_is_fine;
use crate::logs::{Chunk, File as LogFile, Query};

/// Bytes of one answer at most.
const CHUNK_BYTES_MAX: u64 = 4 << 20;
/// `drey.log` stops growing here: a crash loop with a minute between two starts needs years for it.
const NOTES_BYTES_MAX: u64 = 4 << 20;

/// The log files of a Job: by process, oldest part first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in entries(folder)? {
        let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else {
            continue;
        };
        if meta.is_file() && is_plain(&name) {
            files.push((stem(&name), meta.modified()?, LogFile { name, size: meta.len() }));
        }
    }
    // The part that is being written is named like the whole, and comes last.
    let is_current = |f: &(String, SystemTime, LogFile)| f.0 == f.2.name;
    files.sort_by(|a, b| (&a.0, is_current(a), a.1).cmp(&(&b.0, is_current(b), b.1)));
    Ok(files.into_iter().map(|(_, _, file)| file).collect())
}

/// A piece of a log; `None` when there is no such file.
pub(super) fn read(folder: &Path, query: &Query, mask: &Mask) -> io::Result<Option<Chunk>> {
    if !is_plain(&query.file) {
        return Ok(None);
    }
    let path = folder.join(&query.file);
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => return Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let limit = query.limit.min(CHUNK_BYTES_MAX);
    let offset = match query.offset {
        None => size.saturating_sub(limit),
        // The file was cut since the reader last asked: go on with what is there now.
        Some(offset) if offset > size => 0,
        Some(offset) => offset,
    };
    // With what stands around it, which tells what is a secret in it.
    let around = mask.context() as u64;
    let begin = offset.saturating_sub(around);
    let before = usize::try_from(offset - begin).unwrap_or(usize::MAX);
    file.seek(SeekFrom::Start(begin))?;
    let mut window = Vec::new();
    file.take(before as u64 + limit + around).read_to_end(&mut window)?;
    let rest = window.get(before..).unwrap_or_default();
    let bytes = rest.get(..usize::try_from(limit).unwrap_or(usize::MAX)).unwrap_or(rest);
    let (from, to) = whole_characters(bytes, query.offset.is_none() && offset > 0);
    // What may be the beginning of a secret waits until more is written. Until then the file ends before it: nobody
    // shall ask for it again and again.
    let settled = mask.settled(&window).saturating_sub(before).max(from);
    let size = if settled < to { offset + settled as u64 } else { size };
    let to = to.min(settled);
    let text = mask.piece(&window, before + from, before + to);
    Ok(Some(Chunk {
        text: String::from_utf8_lossy(&text).into_owned(),
        offset: offset + from as u64,
        next_offset: offset + to as u64,
        size,
    }))
}

/// The last bytes of a file, as text; empty when there is none.
pub(super) fn tail(path: &Path, bytes_max: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(bytes_max)))?;
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// Adds a line to `drey.log`. A note that cannot be written is lost; it is not worth failing for.
pub(super) fn note(folder: &Path, text: &str) {
    let path = folder.join("drey.log");
    if fs::metadata(&path).is_ok_and(|m| m.len() > NOTES_BYTES_MAX) {
        return;
    }
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        let now = jiff::Timestamp::now();
        let _ = writeln!(file, "{now:.3} {}", text.replace('\n', "\n    "));
    }
}

/// Cuts every `.out` file of the folder that is longer than `bytes_max`; its last part moves to `.out.1`.
pub(super) fn cap_outputs(folder: &Path, bytes_max: u64) -> io::Result<()> {
    for entry in entries(folder)? {
        let path = entry.path();
        let is_output = path.extension().is_some_and(|e| e == "out");
        if !is_output || !entry.metadata().is_ok_and(|m| m.is_file() && m.len() > bytes_max) {
            continue;
        }
        let mut from = OpenOptions::new().read(true).write(true).open(&path)?;
        let size = from.metadata()?.len();
        // It may have grown without bounds while Drey was down: only the last part is worth its disk space.
        from.seek(SeekFrom::Start(size.saturating_sub(bytes_max)))?;
        let fresh = path.with_extension("out.new");
        io::copy(&mut (&mut from).take(bytes_max), &mut File::create(&fresh)?)?;
        fs::rename(&fresh, path.with_extension("out.1"))?;
        from.set_len(0)?;
    }
    Ok(())
}

/// Deletes logs of ended Jobs, oldest first, until at most `jobs_max` folders with `bytes_max` bytes are left.
pub(super) fn prune(ended: Vec<PathBuf>, jobs_max: usize, bytes_max: u64) -> io::Result<()> {
    let mut aged: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for folder in ended {
        let (mut newest, mut bytes) = (SystemTime::UNIX_EPOCH, 0);
        for entry in entries(&folder)? {
            let Ok(meta) = entry.metadata() else { continue };
            newest = newest.max(meta.modified()?);
            bytes += meta.len();
        }
        aged.push((newest, bytes, folder));
    }
    aged.sort_by_key(|(newest, _, _)| Reverse(*newest));
    let mut total = 0;
    for (kept, (_, bytes, folder)) in aged.into_iter().enumerate() {
        total += bytes;
        if kept >= jobs_max || total > bytes_max {
            absent_is_fine(fs::remove_dir_all(folder))?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(entries) => entries.collect(),
    }
}

/// A name without a path in it, and not a hidden or temporary file.
fn is_plain(name: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().all(harmless)
        && !name.starts_with('.')
        && !name.ends_with(".new")
        && [".log", ".out"].iter().any(|kind| name.contains(kind))
}

/// `taskmanager-1.log.3` → `taskmanager-1.log`: the parts of one log stand together.
fn stem(name: &str) -> String {
    let end = [".log", ".out"].iter().filter_map(|kind| Some(name.find(kind)? + kind.len())).min();
    name.get(..end.unwrap_or(name.len())).unwrap_or(name).to_owned()
}

/// The part of `bytes` that starts (if asked) and ends between two characters, so that no reader of consecutive pieces
/// sees a broken one. Bytes that are not UTF-8 at all are kept.
fn whole_characters(bytes: &[u8], cut_start: bool) -> (usize, usize) {
    let is_inner = |b: &&u8| **b & 0b1100_0000 == 0b1000_0000;
    let from = if cut_start { bytes.iter().take(3).take_while(is_inner).count() } else { 0 };
    let to = match std::str::from_utf8(bytes.get(from..).unwrap_or_default()) {
        // No error length: the input ended in the middle of a character.
        Err(e) if e.error_len().is_none() && e.valid_up_to() > 0 => from + e.valid_up_to(),
        _ => bytes.len(),
    };
    (from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(folder: &Path, file: &str, offset: Option<u64>, limit: u64) -> Option<Chunk> {
        let query = Query { file: file.to_owned(), offset, limit };
        read(folder, &query, &Mask::default()).unwrap()
    }

    #[test]
    fn consecutive_pieces_make_the_whole_and_split_no_character() {
        let dir = tempfile::tempdir().unwrap();
        let whole = "squirrel 🐿 nest é\n".repeat(7);
        fs::write(dir.path().join("jobmanager.log"), &whole).unwrap();
        let (mut read, mut offset) = (String::new(), 0);
        while offset < whole.len() as u64 {
            let piece = ask(dir.path(), "jobmanager.log", Some(offset), 7).unwrap();
            assert_eq!(piece.offset, offset);
            read.push_str(&piece.text);
            offset = piece.next_offset;
        }
        assert_eq!(read, whole);
        let last = ask(dir.path(), "jobmanager.log", None, 6).unwrap();
        assert_eq!((last.text.as_str(), last.next_offset), ("st é\n", whole.len() as u64));
        assert_eq!(ask(dir.path(), "jobmanager.log", Some(9999), 8).unwrap().text, "squirrel");
    }

    #[test]
    fn a_file_that_may_end_in_a_secret_ends_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let query = Query { file: "a.log".to_owned(), offset: Some(0), limit: 100 };
        let mask = Mask::of(["hunter2"]);
        let ask = |query: &Query| read(dir.path(), query, &mask).unwrap().unwrap();
        fs::write(&path, "pw hunt").unwrap();
        let begun = ask(&query);
        assert_eq!((begun.text.as_str(), begun.next_offset, begun.size), ("pw ", 3, 3));
        fs::write(&path, "pw hunter2\n").unwrap();
        let rest = ask(&Query { offset: Some(3), ..query.clone() });
        assert_eq!((rest.text.as_str(), rest.next_offset, rest.size), ("******\n", 11, 11));
        fs::write(&path, "pw hunting\n").unwrap();
        assert_eq!(ask(&query).text, "pw hunting\n");
    }

    #[test]
    fn nothing_outside_the_folder_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let logs = dir.path().join("logs");
        fs::create_dir_all(logs.join("sub.log")).unwrap();
        fs::write(dir.path().join("secret.log"), "secret").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret.log"), logs.join("link.log")).unwrap();
        let absolute = dir.path().join("secret.log");
        for name in ["../secret.log", "link.log", "sub.log", "..", "", absolute.to_str().unwrap()] {
            assert_eq!(ask(&logs, name, None, 100), None, "{name}");
        }
        assert_eq!(list(&logs).unwrap(), []);
    }

    #[test]
    fn a_long_output_is_cut_while_it_is_being_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("jobmanager.out");
        let mut writer = OpenOptions::new().append(true).create(true).open(&out).unwrap();
        writer.write_all(&[b'a'; 5000]).unwrap();
        cap_outputs(dir.path(), 1000).unwrap();
        writer.write_all(b"more").unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"more");
        assert_eq!(fs::metadata(dir.path().join("jobmanager.out.1")).unwrap().len(), 1000);
        let names: Vec<_> = list(dir.path()).unwrap().into_iter().map(|f| f.name).collect();
        assert_eq!(names, ["jobmanager.out.1", "jobmanager.out"]);
    }

    #[test]
    fn old_logs_go_first_when_there_are_too_many_or_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |n: u64, bytes: usize| {
            let folder = dir.path().join(n.to_string());
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("a.log"), vec![b'x'; bytes]).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n);
            File::options()
                .write(true)
                .open(folder.join("a.log"))
                .unwrap()
                .set_modified(time)
                .unwrap();
            folder
        };
        let all = vec![folder(1, 10), folder(4, 10), folder(3, 500), folder(2, 10)];
        prune(all.clone(), 3, 10_000).unwrap();
        assert!(!all[0].exists() && all[3].exists());
        prune(all.clone(), 3, 100).unwrap();
        assert!(all[1].exists() && !all[2].exists() && !all[3].exists());
    }
}
