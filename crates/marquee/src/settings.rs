//! What an installation may choose, and which choices do not go together.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use db::{Limits, Location};
use events::NatsSettings;
use kernel::{Clock, Error, Result};

use crate::caching::Caching;
use crate::secrets::Secret;
use crate::{Service, Tls, gateway};

/// How long a client may take to send the head of a request, if nothing else is said.
const HEAD: Duration = Duration::from_secs(15);

/// What an installation may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The services that run in this process.
    pub services: Vec<Service>,
    /// Where everything is kept that has no server.
    pub data: PathBuf,
    /// Databases on servers.
    pub databases: Databases,
    /// The bus between processes; events stay in this one without it.
    pub nats: Option<NatsSettings>,
    /// Where and how much is remembered of what is read often.
    pub caching: Caching,
    /// Signs sessions. Without it an embedded installation makes one and keeps it.
    pub jwt_key: Option<Secret>,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Holds.
    pub orders: orders::Settings,
    /// Who may count.
    pub counters: counters::Settings,
    /// Where objects are.
    pub objects: objects::Settings,
    /// Where storage is, if streaming is to ask it by HTTP.
    pub video_storage_url: Option<String>,
    /// How large videos may be.
    pub videos: streaming::Settings,
    /// Sign-ins and sign-ups, and whose the directory is.
    pub accounts: accounts::Settings,
    /// How mail leaves.
    pub mail: mail::Settings,
    /// ISO 4217, lower case.
    pub currency: String,
    /// Who moves the money: `test:`, or the URL of Stripe, whose secrets are in the environment.
    pub payments_url: String,
    /// The address that people use.
    pub public_url: Option<String>,
    /// Whether cookies travel over HTTPS only.
    pub secure_cookies: bool,
    /// Where proxies ask from whose word on the client's address is taken.
    pub trusted_proxies: Vec<web::Network>,
    /// HTTPS in this process.
    pub tls: Tls,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// Whether an empty installation is filled.
    pub demo: bool,
    /// Where time comes from.
    pub clock: Clock,
}

impl Settings {
    /// A default installation in `data`, on a free port of the loopback interface.
    pub fn new(data: PathBuf) -> Self {
        Self {
            services: Service::ALL.to_vec(),
            data,
            databases: Databases::default(),
            nats: None,
            caching: Caching::default(),
            jwt_key: None,
            listen: ([127, 0, 0, 1], 0).into(),
            orders: orders::Settings::default(),
            counters: counters::Settings::default(),
            objects: objects::Settings::default(),
            video_storage_url: None,
            videos: streaming::Settings::default(),
            accounts: accounts::Settings::default(),
            mail: mail::Settings::default(),
            currency: "usd".into(),
            payments_url: gateway::TEST.into(),
            public_url: None,
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            tls: Tls::default(),
            head_timeout: HEAD,
            demo: false,
            clock: Clock::system(),
        }
    }

    /// Where the database `name` is: that of a service, or `gateway`, the test gateway's own ledger.
    pub(crate) fn location(&self, name: &str) -> Location {
        match self.databases.of(name) {
            Some(url) => Location::Server { url: url.to_string(), limits: self.databases.limits.clone() },
            None => Location::new(None, &self.data, name),
        }
    }

    /// Whether anything that runs here is kept in the data directory, which then is this process's alone.
    pub(crate) fn is_embedded(&self) -> bool {
        self.services.iter().any(|service| self.databases.of(service.name()).is_none())
    }

    /// Whether everything is kept in the data directory.
    pub(crate) fn is_whole_embedded(&self) -> bool {
        self.databases.urls().next().is_none()
    }

    /// What runs here and where its data is, for people; without any password.
    pub(crate) fn place(&self) -> String {
        let mut parts = Vec::new();
        if self.services.len() < Service::ALL.len() {
            let names: Vec<_> = self.services.iter().map(|service| service.name()).collect();
            parts.push(format!("{} only", names.join(", ")));
        }
        if self.is_embedded() {
            parts.push(format!("data in {}", self.data.display()));
        } else {
            parts.push("data on PostgreSQL".into());
        }
        if self.nats.is_some() {
            parts.push("events over NATS".into());
        }
        if self.caching.url.is_some() {
            parts.push("caches in Redis".into());
        }
        if let Ok(objects::Place::Bucket { name, .. }) = self.objects.place(self.objects_folder()) {
            parts.push(format!("objects in the bucket {name}"));
        }
        parts.join(", ")
    }

    /// Where objects are kept if nothing else is said.
    pub(crate) fn objects_folder(&self) -> PathBuf {
        self.data.join("objects")
    }

    /// Whether objects are in a directory of this process alone though their rows are on a server, which others may share.
    pub(crate) fn keeps_objects_alone(&self) -> bool {
        let name = Service::Storage.name();
        self.services.contains(&Service::Storage)
            && self.databases.of(name).is_some()
            && self.objects.url.is_none()
    }

    /// Where mail is kept if no server sends it.
    pub(crate) fn mail_folder(&self) -> PathBuf {
        self.data.join("mail")
    }

    /// How mail leaves, if it does so from here, for people; without any password. `site` is where links lead.
    pub(crate) fn mail_way(&self, site: &str) -> Option<String> {
        if !self.services.contains(&Service::Accounts) {
            return None;
        }
        Some(match (&self.mail.smtp_url, &self.public_url) {
            (None, _) => format!("mail goes to {} (set SMTP_URL to send it)", self.mail_folder().display()),
            (Some(_), Some(_)) => "mail is sent by SMTP".into(),
            (Some(_), None) => {
                format!(
                    "mail is sent by SMTP, its links lead to {site} (set PUBLIC_URL to where people reach it)"
                )
            }
        })
    }

    /// Refuses addresses that are none.
    ///
    /// # Errors
    /// `Invalid`, with a sentence that says what to set.
    pub(crate) fn check(&self) -> Result<()> {
        for url in self.databases.urls() {
            if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
                return Err(Error::invalid(
                    "a DATABASE_URL is the address of a PostgreSQL server, e.g. \
                     postgres://user:password@host:5432/marquee; leave it out to keep files in --data",
                ));
            }
        }
        Ok(())
    }

    /// Refuses to serve what does not go together.
    ///
    /// # Errors
    /// `Invalid`, with a sentence that says what to set.
    pub(crate) fn check_serving(&self) -> Result<()> {
        self.check()?;
        let whole = self.services.len() == Service::ALL.len();
        if !whole && self.nats.is_none() {
            return Err(Error::invalid(
                "a part of the services cannot hear the others without a bus between them: \
                 set NATS_URL, e.g. nats://host:4222, or name no service to run all of them here",
            ));
        }
        if whole && self.is_embedded() && self.nats.is_some() {
            return Err(Error::invalid(
                "NATS_URL is for processes that share users and tickets: set DATABASE_URL as well, \
                 or leave NATS_URL out to run everything in this one",
            ));
        }
        if self.jwt_key.is_none() && (!whole || !self.is_embedded()) {
            return Err(unsigned());
        }
        let runs = |service| self.services.contains(&service);
        if runs(Service::Streaming) && !runs(Service::Storage) && self.video_storage_url.is_none() {
            return Err(Error::invalid(
                "streaming needs storage: set VIDEO_STORAGE_URL to where that runs, e.g. http://storage:3333, or run \
                 both in this process",
            ));
        }
        if self.demo && !(runs(Service::Accounts) && runs(Service::Tickets)) {
            return Err(Error::invalid(
                "--demo needs accounts and tickets in one process: leave it out here, or run both",
            ));
        }
        Ok(())
    }
}

/// What to do where processes would each make a key of their own.
pub(crate) fn unsigned() -> Error {
    Error::invalid(
        "processes that share users must sign sessions alike: set JWT_KEY, or JWT_KEY_FILE, \
         to the same 32 random characters for all of them",
    )
}

/// Where the databases of the services are. Those without an address are files in the data directory.
#[derive(Clone, Default)]
pub struct Databases {
    /// For every service that has none of its own: a schema each.
    pub shared: Option<String>,
    /// By service.
    pub own: BTreeMap<Service, String>,
    /// What a server may take.
    pub limits: Limits,
}

impl Databases {
    fn of(&self, name: &str) -> Option<&str> {
        // The test gateway's ledger is beside the payments, in a schema of its own.
        let owner = if name == gateway::LEDGER { Service::Payments.name() } else { name };
        let own = self.own.iter().find(|(service, _)| service.name() == owner).map(|(_, url)| url);
        own.or(self.shared.as_ref()).map(String::as_str)
    }

    fn urls(&self) -> impl Iterator<Item = &String> {
        self.own.values().chain(&self.shared)
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The addresses may hold passwords.
        write!(f, "Databases {{ shared: {}, own: {:?} }}", self.shared.is_some(), self.own.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "postgres://u:planted-password@db/marquee";

    fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::new("./data".into());
        change(&mut settings);
        settings
    }

    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        settings(change).check_serving().unwrap_err().to_string()
    }

    #[test]
    fn nonsense_is_refused_with_what_to_set() {
        assert!(settings(|_| ()).check_serving().is_ok());
        assert!(refusal(|s| s.services = vec![Service::Orders]).contains("set NATS_URL"));
        assert!(refusal(|s| s.databases.shared = Some(URL.into())).contains("set JWT_KEY"));
        assert!(refusal(|s| s.databases.shared = Some("mysql://db/x".into())).contains("PostgreSQL"));
        let apart = |s: &mut Settings| {
            s.services = vec![Service::Orders];
            s.nats = Some(NatsSettings::new("nats://127.0.0.1:4222"));
        };
        assert!(refusal(apart).contains("set JWT_KEY"));
        let signed = |s: &mut Settings| {
            apart(s);
            s.jwt_key = Some(Secret::new("sixteen or more of them"));
        };
        assert!(settings(signed).check_serving().is_ok());
        let lonely = |s: &mut Settings| s.nats = Some(NatsSettings::new("nats://127.0.0.1:4222"));
        assert!(refusal(lonely).contains("set DATABASE_URL"));
        let demo = |s: &mut Settings| {
            signed(s);
            s.demo = true;
        };
        assert!(refusal(demo).contains("--demo needs"));
    }

    #[test]
    fn a_service_may_have_a_database_of_its_own_and_the_ledger_is_beside_the_payments() {
        let settings = settings(|s| {
            s.databases.own.insert(Service::Payments, URL.into());
        });
        assert!(matches!(settings.location("orders"), Location::File(_)));
        assert!(matches!(settings.location("payments"), Location::Server { .. }));
        assert!(matches!(settings.location("gateway"), Location::Server { .. }));
        assert!(settings.is_embedded());
    }

    #[test]
    fn objects_of_which_a_server_has_the_rows_are_better_somewhere_that_all_copies_see() {
        let alone = |change: &dyn Fn(&mut Settings)| settings(change).keeps_objects_alone();
        let shared = |s: &mut Settings| s.databases.shared = Some(URL.into());
        assert!(alone(&shared));
        assert!(!alone(&|_| ()));
        assert!(!alone(&|s| {
            shared(s);
            s.objects.url = Some("s3://films".into());
        }));
        assert!(!alone(&|s| {
            shared(s);
            s.services = vec![Service::Orders, Service::Streaming];
        }));
    }

    #[test]
    fn it_is_said_how_mail_leaves_where_it_does() {
        let way = |change: &dyn Fn(&mut Settings)| settings(change).mail_way("http://localhost:3333");
        let smtp = |s: &mut Settings| s.mail.smtp_url = Some("smtp://u:planted@h".into());
        assert_eq!(way(&|_| ()).unwrap(), "mail goes to ./data/mail (set SMTP_URL to send it)");
        assert_eq!(way(&|s| s.services = vec![Service::Orders]), None);
        assert!(way(&smtp).unwrap().contains("its links lead to http://localhost:3333 (set PUBLIC_URL"));
        let known = |s: &mut Settings| {
            smtp(s);
            s.public_url = Some("https://shop.example".into());
        };
        assert_eq!(way(&known).unwrap(), "mail is sent by SMTP");
    }

    #[test]
    fn no_password_is_shown() {
        let settings = settings(|s| {
            s.databases.shared = Some(URL.into());
            s.jwt_key = Some(Secret::new("planted-password-too"));
            s.mail.smtp_url = Some("smtps://u:planted@mail".into());
        });
        assert!(!format!("{settings:?} {:?}", settings.location("orders")).contains("planted"));
    }
}
