//! The screening room, as processes of its own: on a disk and in a bucket, in one process and apart.

mod kept;
mod places;
mod ranges;
