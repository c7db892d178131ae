//! The film: an MP4 that says what it is and is noise otherwise, so that a byte at the wrong place shows.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::Result;
use crate::http::{Connection, request};
use crate::stream::chance::Chance;

/// A box of brands, and the head of a box of media data (ISO/IEC 14496-12, 4.2 and 4.3) with a length of 64 bits.
const BRANDS: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isommp42";
const MEDIA: &[u8] = b"\0\0\0\x01mdat";

/// A file that is deleted with this.
pub struct Film {
    file: NamedTempFile,
    /// Its bytes.
    pub size: u64,
}

impl Film {
    /// Makes one of so many MiB in a directory.
    pub fn make(directory: &Path, mib: usize) -> Result<Self> {
        let size = mib as u64 * 1024 * 1024;
        let file = NamedTempFile::with_prefix_in("bench-film-", directory)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file.as_file());
        writer.write_all(BRANDS)?;
        writer.write_all(MEDIA)?;
        writer.write_all(&(size - BRANDS.len() as u64).to_be_bytes())?;
        let noise = (size as usize - BRANDS.len() - MEDIA.len() - 8) / 8;
        for eight in Chance::new(1).take(noise) {
            writer.write_all(&eight.to_ne_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        if file.as_file().metadata()?.len() != size {
            return Err("the film has another length than it says".into());
        }
        Ok(Self { file, size })
    }

    /// Uploads it as a seller does, and lets everybody watch it; answers the path to watch it by.
    pub async fn publish(&self, connection: &mut Connection, seller: &str) -> Result<String> {
        let head = format!(
            "POST /api/videos HTTP/1.1\r\nHost: localhost\r\nCookie: {seller}\r\nContent-Type: video/mp4\r\n\
             File-Name: film.mp4\r\nContent-Length: {}\r\n\r\n",
            self.size
        );
        let made = connection.upload(head.as_bytes(), File::open(self.file.path())?).await?.json(201)?;
        let id = made.get("id").and_then(Value::as_str).ok_or("a video without an id")?;
        let change =
            request("PATCH", &format!("/api/videos/{id}"), Some(seller), Some(r#"{"visibility":"public"}"#));
        connection.call(&change).await?.json(200)?;
        Ok(format!("/video?id={id}"))
    }

    /// The file that a server keeps it in: the only one of its size below that directory.
    pub fn kept(&self, directory: &Path) -> Result<PathBuf> {
        let mut found = Vec::new();
        self.find(directory, &mut found)?;
        match <[PathBuf; 1]>::try_from(found) {
            Ok([path]) => Ok(path),
            Err(found) => Err(format!("{} files may be the film", found.len()).into()),
        }
    }

    fn find(&self, directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.find(&entry.path(), found)?;
            } else if entry.metadata()?.len() == self.size {
                found.push(entry.path());
            }
        }
        Ok(())
    }

    /// Whether these are its bytes from there on.
    pub fn has(&self, offset: u64, bytes: &[u8]) -> Result<bool> {
        let mut own = vec![0; bytes.len()];
        self.file.as_file().read_exact_at(&mut own, offset)?;
        Ok(own == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_is_its_size_and_its_bytes() {
        let directory = tempfile::tempdir().unwrap();
        let film = Film::make(directory.path(), 2).unwrap();
        let path = film.kept(directory.path()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 2 << 20);
        let media = u64::from_be_bytes(bytes[32..40].try_into().unwrap());
        assert_eq!(24 + media, film.size);
        assert!(film.has(100, &bytes[100..200]).unwrap());
        assert!(!film.has(101, &bytes[100..200]).unwrap());
        std::fs::copy(&path, directory.path().join("copy")).unwrap();
        assert!(film.kept(directory.path()).is_err());
    }
}
