//! One server with its users, who remembers what it says.

use crate::backing::Backing;
use crate::http::{Connection, request};
use crate::load::{Ask, Buyer, Expected};
use crate::lookups::people::{People, USERS, nobody};
use crate::lookups::phase::{What, Which};
use crate::machine::Processes;
use crate::sale::{create_ticket, health};
use crate::server::{Server, sum};
use crate::{Options, Result};

/// Sessions of the operator's, each of which has many of the connections.
const SESSIONS: usize = 16;
/// Tickets on sale, all in one list.
const TICKETS: usize = 50;
const LIST: &str = "/api/tickets?limit=50";

/// A running server.
pub struct House {
    /// Which of them it is.
    pub which: Which,
    server: Server,
    backing: Backing,
    cookies: Vec<String>,
    people: People,
}

/// Look-ups so far by where the answer was, and reads of the database for them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Origins {
    /// In the process.
    pub process: f64,
    /// In Redis.
    pub redis: f64,
    /// In the database.
    pub database: f64,
    /// Reads: fewer than answers where several waited for one.
    pub reads: f64,
}

impl Origins {
    /// All answers.
    pub fn all(&self) -> f64 {
        self.process + self.redis + self.database
    }

    /// What came after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            process: self.process - earlier.process,
            redis: self.redis - earlier.redis,
            database: self.database - earlier.database,
            reads: self.reads - earlier.reads,
        }
    }
}

impl House {
    /// Starts it, with everybody who is looked up and, where it sells, the tickets.
    pub async fn start(options: &Options, which: Which, backing: Backing) -> Result<Self> {
        let mut server = Server::start(options, &backing).await?;
        let cookies = server.operator(SESSIONS).await?;
        let cookie = cookies.first().ok_or("an operator without a session")?;
        let people = People::enter(&mut server, cookie).await?;
        if which.sells() {
            for number in 0..TICKETS {
                create_ticket(server.control(), cookie, &format!("Show {number}"), 100).await?;
            }
        }
        server.drained().await?;
        Ok(Self { which, server, backing, cookies, people })
    }

    /// New connections; nobody is signed in on them if `signed_in` is false.
    pub async fn crowd(&self, connections: usize, signed_in: bool) -> Result<Vec<Buyer>> {
        let mut crowd = Vec::new();
        for cookie in self.cookies.iter().cycle().take(connections) {
            let connection = Connection::open(self.server.address).await?;
            crowd.push(Buyer { connection, cookie: if signed_in { cookie.clone() } else { String::new() } });
        }
        Ok(crowd)
    }

    /// What is asked of it.
    pub async fn ask(&mut self, what: What) -> Result<Ask> {
        Ok(match what {
            What::Empty => health(),
            What::Nobody => nobody(),
            What::One(by) => self.people.ask(by, 1),
            What::Many(by) => self.people.ask(by, USERS),
            What::List => self.same(LIST).await?,
            What::Page => self.same("/").await?,
        })
    }

    /// A GET that is answered alike each time: as it is now.
    async fn same(&mut self, path: &'static str) -> Result<Ask> {
        let answer = self.server.control().call(&request("GET", path, None, None)).await?;
        if answer.status != 200 || !answer.body.contains("Show ") {
            return Err(format!("{path} shows no tickets").into());
        }
        let expected = Some(Expected { begin: "", ends: vec![answer.body] });
        Ok(Ask { method: "GET", path, body: None, values: Vec::new(), status: 200, expected })
    }

    /// Where look-ups were answered so far, as the server counts them.
    pub async fn origins(&mut self) -> Result<Origins> {
        let metrics = self.server.metrics().await?;
        let lookups =
            |result| sum(&metrics, &format!("cache_lookups_total{{cache=\"users\",result=\"{result}\"}}"));
        Ok(Origins {
            process: lookups("hit"),
            redis: lookups("redis"),
            database: lookups("miss"),
            reads: sum(&metrics, "cache_loads_total{cache=\"users\"}"),
        })
    }

    /// Whose processor time is told apart.
    pub fn processes(&self) -> Result<Processes> {
        self.backing.processes(vec![self.server.pid])
    }

    /// Stops it and has `marquee verify` look at what it leaves.
    pub async fn stop(self) -> Result<()> {
        self.server.stop().await.map(drop)
    }
}
