//! Marquee, in one process or in several on one database, and what it owes: the sum of what it answered 200.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::backing::Backing;
use crate::http::{Connection, request};
use crate::increments::keys::{Form, Keys};
use crate::load::{Buyer, drive};
use crate::machine::Processes;
use crate::sale::sign_up;
use crate::server::{Server, sum};
use crate::{Options, Result};

/// So many users are signed up, each of whom has many of the connections.
const USERS: usize = 16;
/// Counters of a page of the list, at most.
const PAGE: usize = 200;
/// Pages, at most.
const PAGES: usize = 10_000;
/// What the system counts itself, beside the load.
const SYSTEM: &str = "marquee:";

/// Running servers of one installation.
pub struct House {
    servers: Vec<Server>,
    cookies: Vec<String>,
    /// The sum of all increments that were answered 200.
    counted: i64,
    backing: Backing,
}

impl House {
    /// Starts so many copies on one backing, signs its users up, and counts each key once.
    pub async fn start(options: &Options, backing: Backing, copies: usize, keys: &[usize]) -> Result<Self> {
        let mut servers = Vec::new();
        for _ in 0..copies {
            servers.push(Server::start(options, &backing).await?);
        }
        let mut cookies = Vec::new();
        if options.open_counters {
            cookies.push(String::new());
        } else if let Some(first) = servers.first_mut() {
            for number in 0..USERS {
                cookies.push(sign_up(first.control(), &format!("user{number}")).await?);
            }
            first.drained().await?;
        }
        let mut house = Self { servers, cookies, counted: 0, backing };
        for keys in keys {
            house.touch(Keys(*keys)).await?;
        }
        // The first increments find cold code, and connections to the database that are to be made.
        if let Some(last) = keys.last() {
            let mut crowd = house.crowd(64, true).await?;
            let load = drive(&mut crowd, &Keys(*last).increment(), Duration::from_secs(1)).await?;
            house.answered(load.answers).await?;
        }
        Ok(house)
    }

    /// Adds 1 to each key, so that from then on all of them are there.
    async fn touch(&mut self, keys: Keys) -> Result<()> {
        let size = keys.0.min(1000);
        let ask = keys.batches(Form::Array, size);
        let (Some(server), Some(cookie), Some(around)) =
            (self.servers.first_mut(), self.cookies.first(), ask.body)
        else {
            return Err("a house without servers".into());
        };
        let cookie = Some(cookie.as_str()).filter(|cookie| !cookie.is_empty());
        for body in &ask.values {
            let body = format!("{}{body}{}", around.before, around.after);
            server.control().call(&request(ask.method, ask.path, cookie, Some(&body))).await?.json(200)?;
        }
        self.answered(size * ask.values.len()).await
    }

    /// New connections, spread over the servers; nobody is signed in on them if `signed_in` is false.
    pub async fn crowd(&self, connections: usize, signed_in: bool) -> Result<Vec<Buyer>> {
        let mut crowd = Vec::new();
        let places = self.servers.iter().cycle().zip(self.cookies.iter().cycle());
        for (server, cookie) in places.take(connections) {
            let connection = Connection::open(server.address).await?;
            crowd.push(Buyer { connection, cookie: if signed_in { cookie.clone() } else { String::new() } });
        }
        Ok(crowd)
    }

    /// So many increments of 1 were answered 200: the counters must show all of them, and no other.
    ///
    /// # Errors
    /// If they do not: nothing that is measured here is worth anything then.
    pub async fn answered(&mut self, increments: usize) -> Result<()> {
        self.counted += i64::try_from(increments)?;
        let (shown, counted) = (self.total().await?, self.counted);
        if shown == counted {
            Ok(())
        } else {
            Err(format!("{counted} increments were answered 200, and the counters add up to {shown}").into())
        }
    }

    /// What all counters add up to.
    async fn total(&mut self) -> Result<i64> {
        let (Some(server), Some(cookie)) = (self.servers.first_mut(), self.cookies.first()) else {
            return Err("a house without servers".into());
        };
        let cookie = Some(cookie.as_str()).filter(|cookie| !cookie.is_empty());
        let (mut total, mut path) = (0, format!("/api/counters?limit={PAGE}"));
        for _ in 0..PAGES {
            let page = server.control().call(&request("GET", &path, cookie, None)).await?.json(200)?;
            let page = read(&page).ok_or("this is no list of counters")?;
            total +=
                page.iter().filter(|(key, _)| !key.starts_with(SYSTEM)).map(|(_, value)| value).sum::<i64>();
            match page.last() {
                Some((last, _)) if page.len() == PAGE => {
                    path = format!("/api/counters?limit={PAGE}&after={last}");
                }
                _ => return Ok(total),
            }
        }
        Err("the list of counters does not end".into())
    }

    /// Transactions in which increments were committed so far, and the increments in them, as the servers count them.
    pub async fn groups(&mut self) -> Result<(f64, f64)> {
        let (mut groups, mut increments) = (0.0, 0.0);
        for server in &mut self.servers {
            let metrics = server.metrics().await?;
            groups += sum(&metrics, "counter_batch_size_count");
            increments += sum(&metrics, "counter_batch_size_sum");
        }
        Ok((groups, increments))
    }

    /// The directory of the first server's databases.
    pub fn data(&self) -> Result<&Path> {
        Ok(self.servers.first().ok_or("a house without servers")?.data())
    }

    /// Whose processor time is told apart.
    pub fn processes(&self) -> Result<Processes> {
        self.backing.processes(self.servers.iter().map(|server| server.pid).collect())
    }

    /// Stops the servers one by one and has `marquee verify` look at what each of them leaves.
    pub async fn stop(self) -> Result<()> {
        for server in self.servers {
            server.stop().await?;
        }
        Ok(())
    }
}

/// The keys and values of a page.
fn read(page: &Value) -> Option<Vec<(String, i64)>> {
    let counter = |one: &Value| Some((one.get("key")?.as_str()?.to_owned(), one.get("value")?.as_i64()?));
    page.as_array()?.iter().map(counter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_is_read_whole_or_not_at_all() {
        let page = json!([{"key": "a", "value": 2}, {"key": "marquee:sold:b", "value": -1}]);
        assert_eq!(read(&page), Some(vec![("a".to_owned(), 2), ("marquee:sold:b".to_owned(), -1)]));
        assert_eq!(read(&json!([{"key": "a", "value": "2"}])), None);
        assert_eq!(read(&json!({"status": 401})), None);
    }
}
