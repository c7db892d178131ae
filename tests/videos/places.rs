//! Where videos are kept and by how many processes.

use contracts::Visibility;
use db::Db;
use engines::{Bucket, Nats, S3};
use kernel::{Clock, ObjectId, UserId, VideoId};
use objects::cases::File;
use objects::{Objects as _, Part, Remote, Signer};
use testkit::{Client, Process};

use crate::BINARY;

const KEY: &str = "a key that all processes of a test share";
/// All but storage.
const OTHERS: [&str; 7] =
    ["accounts", "tickets", "orders", "expiration", "payments", "counters", "streaming"];

/// Where objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    Disk,
    Bucket,
}

/// Marquee, with a place for its objects.
pub struct Place {
    /// What people reach.
    pub house: Process,
    /// Storage, where it is a process of its own.
    pub storage: Option<Process>,
    kept: Kept,
    _bucket: Option<Bucket>,
    _nats: Option<Nats>,
}

impl Place {
    /// One process, or storage apart from the rest. `None`, said out loud, if an engine is not installed.
    pub async fn start(kept: Kept, apart: bool) -> Option<Self> {
        let mut env =
            vec![("JWT_KEY".to_owned(), KEY.to_owned()), ("RUST_LOG".to_owned(), "warn".to_owned())];
        let bucket = match kept {
            Kept::Disk => None,
            Kept::Bucket => Some(S3::shared().await?.bucket("videos").await),
        };
        if let Some(bucket) = &bucket {
            env.extend([
                ("OBJECTS_URL".to_owned(), format!("s3://{}/films", bucket.name())),
                ("AWS_ENDPOINT_URL".to_owned(), bucket.endpoint().to_owned()),
                ("AWS_ACCESS_KEY_ID".to_owned(), bucket.access_key().to_owned()),
                ("AWS_SECRET_ACCESS_KEY".to_owned(), bucket.secret_key().to_owned()),
            ]);
        }
        let start = async |services: &[&str], env: &[(String, String)]| {
            let flags = services.iter().map(ToString::to_string).collect();
            Process::start_with(BINARY.to_owned(), flags, env.to_vec()).await
        };
        if !apart {
            let house = start(&[], &env).await;
            return Some(Self { house, storage: None, kept, _bucket: bucket, _nats: None });
        }
        let nats = Nats::start().await?;
        env.push(("NATS_URL".to_owned(), nats.url().to_owned()));
        let storage = start(&["storage"], &env).await;
        // Streaming sees neither disk nor bucket.
        env.retain(|(name, _)| !name.starts_with("AWS_") && name != "OBJECTS_URL");
        env.push(("VIDEO_STORAGE_URL".to_owned(), storage.base().to_owned()));
        let house = start(&OTHERS, &env).await;
        Some(Self { house, storage: Some(storage), kept, _bucket: bucket, _nats: Some(nats) })
    }

    /// Where storage keeps its rows, and its objects if it has a directory.
    fn keeper(&self) -> &Process {
        self.storage.as_ref().unwrap_or(&self.house)
    }

    /// Makes a public video of a file that need not be one; `None` for what does not fit into a bucket of a test.
    pub async fn plant(&self, file: File) -> Option<VideoId> {
        let clock = Clock::system();
        let object = ObjectId::new(&clock);
        if file != File::Huge {
            let storage =
                Remote::new(self.keeper().base(), Signer::new(KEY.as_bytes(), clock.clone())).unwrap();
            storage.begin(object).await.unwrap();
            let bytes = file.bytes(0..file.size());
            let part =
                Part { offset: 0, most: file.size(), body: bytes.into(), digest: None, at_hand: false };
            storage.append(object, part).await.unwrap();
            storage.publish(object, None).await.unwrap();
        } else if self.kept == Kept::Disk {
            self.put_aside(object, file, &clock).await;
        } else {
            return None;
        }
        let id = VideoId::new(&clock);
        let rows =
            Db::open_sqlite(&self.house.data().join("streaming.db"), "streaming", clock.clone()).unwrap();
        let (size, path) = (i64::try_from(file.size()).unwrap(), format!("{}.mp4", file.name()));
        let (owner, now) = (UserId::new(&clock), clock.now());
        let (path, now, owner) = (&path, &now, &owner);
        rows.write(|tx| async move {
            tx.execute(
                "INSERT INTO videos (id, version, owner_id, title, path, visibility, size, content_type, object_id,
                    created_at, change) VALUES ($1, 0, $2, 'a file', $3, $4, $5, 'video/mp4', $6, $7, 0)",
                &[&id, owner, path, &Visibility::Public, &size, &object, now],
            )
            .await
        })
        .await
        .unwrap();
        Some(id)
    }

    /// A file with holes, where storage would have put it.
    async fn put_aside(&self, object: ObjectId, file: File, clock: &Clock) {
        let name = object.to_string();
        let shelf = self.keeper().data().join("objects/objects").join(&name[name.len() - 2..]);
        std::fs::create_dir_all(&shelf).unwrap();
        file.write(&shelf.join(&name)).unwrap();
        let rows =
            Db::open_sqlite(&self.keeper().data().join("storage.db"), "storage", clock.clone()).unwrap();
        let (size, digest, now) = (i64::try_from(file.size()).unwrap(), "0".repeat(64), clock.now());
        let (digest, now) = (&digest, &now);
        rows.write(|tx| async move {
            tx.execute(
                "INSERT INTO objects (id, size, sha256, stored_at) VALUES ($1, $2, $3, $4)",
                &[&object, &size, digest, now],
            )
            .await
        })
        .await
        .unwrap();
    }

    /// Somebody without a session.
    pub fn client(&self) -> Client {
        self.house.client()
    }
}
