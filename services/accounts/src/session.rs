//! Sessions and API tokens as their owner sees them.

use kernel::{Instant, SessionId};
use serde::Serialize;
use utoipa::ToSchema;

/// What a session row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SessionKind)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody signed in.
    Session,
    /// An API token.
    Token,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Token => "token",
        }
    }

    /// The database allows no third text.
    pub(crate) fn parse(text: &str) -> Self {
        if text == "token" { Self::Token } else { Self::Session }
    }
}

/// One of a user's own live sessions or tokens.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnSession {
    /// By this it can be revoked.
    pub id: SessionId,
    /// A sign-in or an API token.
    pub kind: Kind,
    /// Browser and system in a few words.
    #[schema(example = "Firefox on Linux")]
    pub device: String,
    /// When it began.
    pub created_at: Instant,
    /// When it was last used, to the minute.
    pub last_used_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
    /// Whether it is the one that asks.
    pub current: bool,
}
