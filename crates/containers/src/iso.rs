//! MP4 and QuickTime: boxes (ISO/IEC 14496-12, section 4.2; QuickTime calls them atoms). What a file holds is told by its
//! `moov`. Cameras and encoders write it last, when they know it, and a player must have it first.

mod brands;
mod header;
mod moov;
mod shift;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use brands::sniff;
pub(crate) use walk::Walk;
