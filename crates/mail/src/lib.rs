//! Mail that leaves the house: by SMTP where a server is named, else as files in a folder, so that an installation
//! without a mail server can be tried, and nothing that was to be sent is lost.
//!
//! A mail may carry a link that opens an account. Nothing of its text is ever logged here, nor its address; the files
//! of the folder are readable by their owner only.

mod folder;
mod letter;
mod settings;
mod smtp;

use std::path::PathBuf;
use std::sync::Arc;

use kernel::{Clock, Result};
use lettre::message::Mailbox;

pub use folder::KEPT;
pub use letter::Letter;
pub use settings::Settings;

use crate::folder::Folder;
use crate::smtp::Smtp;

/// Where mail goes. Clones share it.
#[derive(Clone)]
pub struct Mail(Arc<Inner>);

struct Inner {
    clock: Clock,
    from: Mailbox,
    way: Way,
}

enum Way {
    Smtp(Smtp),
    Folder(Folder),
}

/// What became of a mail that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The server has it.
    Handed,
    /// It lies in this file.
    Kept(PathBuf),
}

impl Mail {
    /// By the server of `settings`, or without one into `folder`, which is made for the first mail. Nothing is asked of
    /// a server yet. Where the settings do not say whom mail is from, it is from the host of `site`, the address that
    /// people use.
    ///
    /// # Errors
    /// `Invalid`, with a sentence that says what to set, for an address that is none.
    pub fn open(settings: &Settings, site: Option<&str>, folder: PathBuf, clock: Clock) -> Result<Self> {
        let from = settings.sender(site)?;
        let way = match &settings.smtp_url {
            Some(url) => Way::Smtp(Smtp::open(url)?),
            None => Way::Folder(Folder::new(folder)),
        };
        Ok(Self(Arc::new(Inner { clock, from, way })))
    }

    /// Hands a mail over. Twice is two mails.
    ///
    /// # Errors
    /// `Invalid` if it can never be delivered: the address cannot be written in a mail, or the server refused it for
    /// good. `Unavailable` if it may be later. Neither says the address.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<Sent> {
        let Inner { clock, from, way } = &*self.0;
        let message = letter.message(from, clock.now())?;
        match way {
            Way::Smtp(smtp) => smtp.send(message).await.map(|()| Sent::Handed),
            Way::Folder(folder) => folder.keep(message, clock.now()).await.map(Sent::Kept),
        }
    }
}
