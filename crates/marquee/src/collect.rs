//! `marquee collect`: what lies among the objects and nobody needs, found and let go. The services do so by themselves
//! every hour; this is for whoever wants to see it, or not to wait.

use std::fmt::Display;

use kernel::{Error, Result};
use storage::Collected;
use streaming::Unneeded;

use crate::House;
use crate::progress::telling;

/// Lines that are printed of one kind.
const SHOWN: usize = 5_000;

/// What is to be done where nothing is let go.
const ANOTHERS: &str = "the objects here are another installation's, so nothing of them is let go: see that \
    OBJECTS_URL leads to those of this one, or, if that one is gone for good, take them over by collect --adopt";

/// Lets go what nobody needs, and says what that was; a `dry` run only says it. First what no video needs, then what has
/// no row, so that nothing of the former is left for the latter. To `adopt` is to make the objects this installation's
/// before.
pub(crate) async fn collect(house: &House, dry: bool, adopt: bool) -> Result<Vec<String>> {
    let _telling = telling("looking through the objects");
    if adopt {
        let here = house.storage().ok_or_else(|| Error::invalid("storage does not run in this process"))?;
        here.adopt().await?;
    }
    let unneeded = match house.streaming() {
        Ok(streaming) => streaming.collect(dry).await?,
        Err(_) => Unneeded::default(),
    };
    let collected = match house.storage() {
        Some(storage) => storage.collect(dry).await?,
        None => Collected::default(),
    };
    Ok(told(&unneeded, &collected, dry))
}

fn told(unneeded: &Unneeded, collected: &Collected, dry: bool) -> Vec<String> {
    let mut lines = Vec::new();
    say(&mut lines, &unneeded.objects, "no video needs it");
    say(&mut lines, &collected.abandoned, "an upload that nobody goes on with");
    say(&mut lines, &collected.orphans, "it has no row");
    say(&mut lines, &collected.remains, "what is left of an upload that is over");
    let Collected { abandoned, orphans, remains, .. } = collected;
    let found = unneeded.objects.len() + abandoned.len() + orphans.len() + remains.len();
    lines.push(match found {
        0 => "nothing lies here that nobody needs".to_owned(),
        _ if dry => format!("{found} found; they stay, for this was a dry run"),
        _ if collected.is_anothers => format!("{found} found; they stay"),
        _ if unneeded.suspicious => format!(
            "{found} found; most objects belong to no video here, and stay: see that DATABASE_URL leads to the \
             databases of this installation"
        ),
        _ => format!("{found} found and let go"),
    });
    if collected.is_anothers {
        lines.push(ANOTHERS.to_owned());
    }
    lines
}

fn say(lines: &mut Vec<String>, ids: &[impl Display], why: &str) {
    lines.extend(ids.iter().take(SHOWN).map(|id| format!("{id}: {why}")));
    if ids.len() > SHOWN {
        lines.push(format!("and {} more: {why}", ids.len() - SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Clock, ObjectId};

    #[test]
    fn each_thing_has_its_line_and_the_last_says_what_became_of_them() {
        let none = (Unneeded::default(), Collected::default());
        assert_eq!(told(&none.0, &none.1, false), ["nothing lies here that nobody needs"]);
        let id = ObjectId::new(&Clock::system());
        let unneeded = Unneeded { objects: vec![id; SHOWN + 1], suspicious: false };
        let collected = Collected { orphans: vec![id], ..Collected::default() };
        let lines = told(&unneeded, &collected, true);
        assert_eq!(lines[0], format!("{id}: no video needs it"));
        assert_eq!(lines[SHOWN], "and 1 more: no video needs it");
        assert_eq!(lines[SHOWN + 1], format!("{id}: it has no row"));
        assert_eq!(lines[SHOWN + 2], "5002 found; they stay, for this was a dry run");
        assert_eq!(told(&unneeded, &collected, false)[SHOWN + 2], "5002 found and let go");
        let suspicious = Unneeded { suspicious: true, ..unneeded };
        assert!(told(&suspicious, &collected, false)[SHOWN + 2].contains("see that DATABASE_URL leads"));
        let anothers = Collected { is_anothers: true, ..collected };
        let lines = told(&Unneeded::default(), &anothers, false);
        assert_eq!(lines[1..], ["1 found; they stay", ANOTHERS]);
    }
}
