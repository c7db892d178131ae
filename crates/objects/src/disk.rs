//! Objects in a directory: `objects/ab/<id>`, and `uploads/<id>/<part>` for what is not an object yet. A file gets its
//! place by a rename and only once its bytes are on the disk, so no name ever leads to a half. `installation` says whose
//! they are.

mod buffers;
mod files;
mod marker;
mod read;
mod room;
mod sink;
mod warm;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use data_encoding::HEXLOWER;
use kernel::{Error, Kind, ObjectId, Result};
use ring::digest::{Context, SHA256};

use crate::part::{Laid, Stretch};
use crate::store::Lying;
use crate::{Piece, Slice, Stored, part};

use files::Files;
pub(crate) use read::{Way, body};
pub(crate) use sink::Sink;

/// What is copied at a time.
const CHUNK: usize = 1024 * 1024;

/// A directory of objects. Clones share what is open.
#[derive(Clone)]
pub struct Disk {
    root: PathBuf,
    files: Arc<Files>,
}

impl Disk {
    /// Objects in `root`, which is made if it is not there; readable by its owner only.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self> {
        let make = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        let open = || -> io::Result<()> {
            make(&root.join("objects"))?;
            make(&root.join("uploads"))?;
            sync_dir(root)
        };
        open().map_err(|e| {
            Error::unavailable(format!("cannot keep objects in {}", root.display())).because(e)
        })?;
        Ok(Self { root: root.to_owned(), files: Arc::default() })
    }

    /// Where everything is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object is, if it is there.
    pub(crate) fn object(&self, id: ObjectId) -> PathBuf {
        let name = id.to_string();
        // The end of an id is random, so the files spread evenly.
        let shelf = name.get(name.len() - 2..).unwrap_or_default().to_owned();
        self.root.join("objects").join(shelf).join(name)
    }

    fn upload(&self, id: ObjectId) -> PathBuf {
        self.root.join("uploads").join(id.to_string())
    }

    /// Begins a part of an upload that begins at `start`.
    pub(crate) async fn sink(&self, id: ObjectId, start: u64) -> Result<Sink> {
        let dir = self.upload(id);
        let name = kernel::random_code();
        let path = dir.join(&name);
        let file = blocking(move || {
            match fs::DirBuilder::new().mode(0o700).create(&dir) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
                _ => {}
            }
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            sync_dir(&dir)?;
            dir.parent().map_or(Ok(()), sync_dir)?;
            Ok(file)
        })
        .await?;
        Ok(Sink::new(file, self.upload(id).join(&name), name, start))
    }

    /// Some of an upload's bytes.
    pub(crate) async fn read(&self, id: ObjectId, stretches: Vec<Stretch>) -> Result<Bytes> {
        let dir = self.upload(id);
        blocking(move || {
            let mut all = Vec::new();
            for stretch in stretches {
                match stretch {
                    Stretch::Bytes(bytes) => all.extend_from_slice(&bytes),
                    Stretch::Part { name, range } => {
                        let (from, length) = (all.len(), usize::try_from(range.end - range.start));
                        all.resize(from + length.map_err(io::Error::other)?, 0);
                        File::open(dir.join(name))?.read_exact_at(&mut all[from..], range.start)?;
                    }
                }
            }
            Ok(all.into())
        })
        .await
    }

    /// Makes the object of an upload's parts. `sha256` is that of all of them, if it is known.
    pub(crate) async fn publish(
        &self,
        id: ObjectId,
        parts: Vec<Laid>,
        pieces: Option<Vec<Piece>>,
        sha256: Option<Vec<u8>>,
    ) -> Result<Stored> {
        let (this, dir) = (self.clone(), self.upload(id));
        let whole: u64 = parts.iter().map(|part| part.length).sum();
        let stretches =
            part::stretches(&parts, &pieces.clone().unwrap_or_else(|| vec![Piece::Upload(0..whole)]))?;
        blocking(move || {
            let place = this.object(id);
            let shelf = place.parent().unwrap_or(&this.root);
            fs::DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
            sync_dir(&this.root.join("objects"))?;
            let (file, sha256) = match (parts.as_slice(), pieces) {
                // As it lies there already.
                ([only], None) => {
                    let sha256 = cut(&dir.join(&only.name), only.length, sha256)?;
                    match second_name(&dir, &only.name) {
                        Ok(file) => (file, sha256),
                        // Not every file system gives a file two names.
                        Err(_) => this.assemble(&dir, &stretches)?,
                    }
                }
                _ => this.assemble(&dir, &stretches)?,
            };
            fs::rename(&file, &place)?;
            sync_dir(shelf)?;
            Ok(Stored { size: stretches.iter().map(Stretch::len).sum(), sha256 })
        })
        .await
    }

    /// A file of all `stretches`, on the disk, and its digest.
    fn assemble(&self, dir: &Path, stretches: &[Stretch]) -> io::Result<(PathBuf, String)> {
        match fs::DirBuilder::new().mode(0o700).create(dir) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        let path = dir.join(kernel::random_code());
        let mut to = Hashing { file: File::create_new(&path)?, digest: Context::new(&SHA256) };
        let mut write = || -> io::Result<()> {
            room::check(&to.file, stretches.iter().map(Stretch::len).sum())?;
            let mut chunk = vec![0; CHUNK];
            for stretch in stretches {
                match stretch {
                    Stretch::Bytes(bytes) => to.write_all(bytes)?,
                    Stretch::Part { name, range } => {
                        let from = File::open(dir.join(name))?;
                        let mut at = range.start;
                        while at < range.end {
                            let most = usize::try_from(range.end - at).unwrap_or(CHUNK).min(CHUNK);
                            from.read_exact_at(&mut chunk[..most], at)?;
                            room::check(&to.file, most as u64)?;
                            to.write_all(&chunk[..most])?;
                            at += most as u64;
                        }
                    }
                }
            }
            to.file.sync_all()
        };
        if let Err(e) = write() {
            // What is left of it is collected, if this fails too.
            let _ = fs::remove_file(&path);
            return Err(e);
        }
        Ok((path, HEXLOWER.encode(to.digest.finish().as_ref())))
    }

    /// Lets an object and everything of its upload go; what is not there is let go already.
    pub(crate) async fn remove(&self, id: ObjectId) -> Result<()> {
        let (object, upload) = (self.object(id), self.upload(id));
        blocking(move || {
            absent_is_fine(fs::remove_file(object))?;
            absent_is_fine(fs::remove_dir_all(upload))
        })
        .await?;
        self.files.forget(id);
        Ok(())
    }

    /// The bytes of an object that `slices` ask for.
    pub(crate) async fn body(&self, id: ObjectId, slices: Vec<Slice>, by_sendfile: bool) -> Result<Body> {
        let file = self.files.get(id, || self.object(id)).await?;
        Ok(body(file, slices, if by_sendfile { Way::SENDFILE } else { Way::Memory }))
    }

    /// Lets go what is left of an upload.
    pub(crate) async fn clear(&self, id: ObjectId) -> Result<()> {
        let upload = self.upload(id);
        blocking(move || absent_is_fine(fs::remove_dir_all(upload))).await
    }

    /// Whether a file can be made here. It is asked again and again, by whoever asks for readiness.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.files.close_idle();
        let path = self.root.join("uploads").join(format!("ping-{}", kernel::random_code()));
        blocking(move || {
            File::create_new(&path)?;
            fs::remove_file(&path)
        })
        .await
    }

    /// The size of an object, if it is there.
    pub(crate) async fn size(&self, id: ObjectId) -> Result<Option<u64>> {
        let path = self.object(id);
        blocking(move || match fs::metadata(path) {
            Ok(about) => Ok(Some(about.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        })
        .await
    }

    /// Everything that lies here, by ids. What has another name is not ours.
    pub(crate) async fn list(&self) -> Result<Lying> {
        self.files.close_idle();
        let root = self.root.clone();
        blocking(move || {
            let (uploads, mut objects) = (ids(&root.join("uploads"))?, Vec::new());
            for shelf in fs::read_dir(root.join("objects"))? {
                let shelf = shelf?;
                if shelf.file_type()?.is_dir() {
                    objects.extend(ids(&shelf.path())?);
                }
            }
            Ok(Lying { objects, uploads })
        })
        .await
    }
}

fn ids(dir: &Path) -> io::Result<Vec<ObjectId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<ObjectId>().ok()));
    }
    Ok(found)
}

/// Cuts off what was written after the last that was noted, and says what is left by its digest.
fn cut(path: &Path, length: u64, sha256: Option<Vec<u8>>) -> io::Result<String> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let there = file.metadata()?.len();
    if there < length {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "a part is shorter than was noted"));
    }
    if there > length {
        file.set_len(length)?;
    }
    file.sync_all()?;
    if let Some(known) = sha256 {
        return Ok(HEXLOWER.encode(&known));
    }
    let (mut digest, mut chunk, mut from) = (Context::new(&SHA256), vec![0; CHUNK], file);
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(HEXLOWER.encode(digest.finish().as_ref())),
            n => digest.update(&chunk[..n]),
        }
    }
}

/// Gives a part another name, to be moved away under: whoever publishes and is gone before that is noted leaves the part
/// to the next.
fn second_name(dir: &Path, part: &str) -> io::Result<PathBuf> {
    let path = dir.join(kernel::random_code());
    fs::hard_link(dir.join(part), &path)?;
    Ok(path)
}

struct Hashing {
    file: File,
    digest: Context,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Makes names in a directory durable.
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Does what waits for the disk, on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal("work on the disk stopped half-way").because(e))?.map_err(failed)
}

/// What went wrong on the disk, as whoever waits is told.
pub(crate) fn failed(e: io::Error) -> Error {
    match e.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            Error::new(Kind::Full, "There is no room left for it").because(e)
        }
        _ => Error::unavailable("the disk failed").because(e),
    }
}
