//! The inbox: which version of each aggregate this service has heard. The mark is made in the
//! transaction of the effect, so that an effect happens once however often the event arrives.

use std::collections::{HashMap, HashSet};

use kernel::Result;

use crate::{Many, Param, Tx};

static MARK: Many = Many::new(
    "INSERT INTO inbox (aggregate, version) VALUES",
    "(?, ?)",
    "ON CONFLICT (aggregate) DO UPDATE SET version = excluded.version WHERE inbox.version < excluded.version
    RETURNING aggregate, version",
);

impl Tx {
    /// Marks `version` of `aggregate` as heard. False if it, or a later one, was heard before.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn first_time(&self, aggregate: &str, version: i64) -> Result<bool> {
        Ok(self.first_times(&[(aggregate, version)]).await?.contains(&true))
    }

    /// Marks many as heard, one after the other; answers for each whether it was new.
    ///
    /// # Errors
    /// As the engine says.
    pub async fn first_times(&self, heard: &[(&str, i64)]) -> Result<Vec<bool>> {
        // One statement cannot mark an aggregate twice: its second version goes with the second round.
        let (mut rounds, mut met): (Vec<Vec<usize>>, HashMap<&str, usize>) = (Vec::new(), HashMap::new());
        for (place, (aggregate, _)) in heard.iter().enumerate() {
            let round = met.entry(aggregate).and_modify(|n| *n += 1).or_insert(0);
            if *round == rounds.len() {
                rounds.push(Vec::new());
            }
            rounds[*round].push(place);
        }
        let mut new = vec![false; heard.len()];
        for round in rounds {
            let params: Vec<&dyn Param> =
                round.iter().flat_map(|place| [&heard[*place].0 as &dyn Param, &heard[*place].1]).collect();
            let marked: Vec<(String, i64)> = self.all_many(&MARK, &params).await?;
            let marked: HashSet<&str> = marked.iter().map(|(aggregate, _)| aggregate.as_str()).collect();
            for place in round {
                new[place] = marked.contains(heard[place].0);
            }
        }
        Ok(new)
    }
}
