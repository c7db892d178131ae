//! From the reports of all processes to what an operator wants to know: is all well, and what is not?

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::Instant;

use crate::Service;
use crate::report::{BusState, GatewayKind, Report, ServiceReport};

/// Events that wait longer than this to be published are worth a word.
const PATIENCE: Duration = Duration::from_secs(10);

/// The house at one moment.
#[derive(Debug)]
pub(crate) struct Health {
    /// Each service, in starting order.
    pub services: Vec<ServiceHealth>,
    /// Each process that answered; the one that was asked comes first.
    pub processes: Vec<Report>,
    /// What is not well, a sentence each. They have no figures, so that they change only when something else is
    /// not well.
    pub problems: Vec<String>,
    /// Whether not all could be asked.
    deaf: bool,
    /// When it was looked.
    pub at: Instant,
}

/// One service, over all processes that run it.
#[derive(Debug)]
pub(crate) struct ServiceHealth {
    /// The service.
    pub service: Service,
    /// How it is, in a word.
    pub state: State,
    /// Where it runs.
    pub places: Vec<String>,
    /// Whether its database is on a server; `None` if nobody said.
    pub on_server: Option<bool>,
    /// How the database answers, in words.
    pub database: String,
    /// Events that wait to be published.
    pub waiting: Option<i64>,
    /// For how long the oldest of them does, in words.
    pub oldest: String,
    /// Events that it could not take.
    pub letters: Option<i64>,
}

/// How a service is. What comes first hides what comes after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No process that could be asked runs it, and not all could be asked.
    Unknown,
    /// No process runs it.
    Nowhere,
    /// Its database does not answer a process that runs it.
    DatabaseAway,
    /// Its events wait to be published.
    EventsWait,
    /// It has parked events that it could not take.
    DeadLetters,
    /// Its database answers, but did not say in time what waits or is parked.
    Unread,
    /// As it should be.
    Well,
}

impl State {
    /// In words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unknown => "Not heard of",
            Self::Nowhere => "Runs nowhere",
            Self::DatabaseAway => "Database away",
            Self::EventsWait => "Events wait",
            Self::DeadLetters => "Dead letters",
            Self::Unread => "Not known",
            Self::Well => "Well",
        }
    }

    fn problem(self, service: Service) -> Option<String> {
        match self {
            // That the bus is away says it all.
            Self::Unknown | Self::Well => None,
            Self::Nowhere => Some(format!("No process runs {service}.")),
            Self::DatabaseAway => Some(format!("The database of {service} does not answer.")),
            Self::EventsWait => Some(format!("Events of {service} wait to be published.")),
            Self::DeadLetters => Some(format!("There are events that {service} could not take.")),
            Self::Unread => {
                Some(format!("The database of {service} did not say in time what waits or is parked."))
            }
        }
    }
}

impl Health {
    /// What `reports` say at `now`; the first one is this process's own. `hears` is whether others could be heard.
    pub(crate) fn of(reports: Vec<Report>, hears: bool, now: Instant) -> Self {
        let away = reports.first().is_none_or(|own| own.bus == BusState::Away);
        let deaf = away || !hears;
        let services: Vec<_> =
            Service::ALL.into_iter().map(|service| ServiceHealth::of(service, &reports, deaf, now)).collect();
        let mut problems = Vec::new();
        if away {
            problems.push("NATS is away: events wait, and the other processes cannot be asked.".to_owned());
        } else if deaf {
            problems.push("This process cannot hear the other processes at the moment.".to_owned());
        }
        if reports.iter().any(|report| report.is_redis_away) {
            problems.push("Redis is away: look-ups ask the databases.".to_owned());
        }
        problems.extend(services.iter().filter_map(|health| health.state.problem(health.service)));
        Self { services, processes: reports, problems, deaf, at: now }
    }

    /// The verdict.
    pub(crate) fn verdict(&self) -> &'static str {
        if self.problems.is_empty() { "All is well" } else { "Degraded" }
    }

    /// Whether anything is parked.
    pub(crate) fn has_letters(&self) -> bool {
        self.services.iter().any(|health| health.letters.is_some_and(|letters| letters > 0))
    }

    /// Who moves the money.
    pub(crate) fn gateway(&self) -> Option<GatewayKind> {
        self.processes.iter().find_map(|process| process.gateway)
    }

    /// Differs whenever more differs than figures: when a page that shows it is to be made anew.
    pub(crate) fn shape(&self) -> String {
        let states: Vec<_> = self.services.iter().map(|health| health.state.text()).collect();
        let processes: BTreeSet<_> =
            self.processes.iter().map(|report| (report.process.as_str(), bus_text(report.bus))).collect();
        let is_redis_away = self.processes.iter().any(|report| report.is_redis_away);
        let mut shape = states.join(", ");
        if self.deaf {
            shape.push_str("; deaf");
        }
        if is_redis_away {
            shape.push_str("; Redis away");
        }
        for (process, bus) in processes {
            shape.push_str(&format!("; {} {bus}", process.chars().take(8).collect::<String>()));
        }
        shape
    }
}

impl ServiceHealth {
    fn of(service: Service, reports: &[Report], deaf: bool, now: Instant) -> Self {
        let by: Vec<(&Report, &ServiceReport)> = reports
            .iter()
            .filter_map(|report| {
                let own = report.services.iter().find(|said| said.service == service.name())?;
                Some((report, own))
            })
            .collect();
        let said = || by.iter().map(|(_, said)| *said);
        let silent = said().filter(|said| said.ping.is_none()).count();
        let waiting = said().filter_map(|said| said.waiting).max();
        let letters = said().filter_map(|said| said.letters).max();
        let oldest = said().filter_map(|said| said.oldest).min().map(|oldest| oldest.until(now));
        let state = if by.is_empty() {
            if deaf { State::Unknown } else { State::Nowhere }
        } else if silent > 0 {
            State::DatabaseAway
        } else if oldest.is_some_and(|age| age > PATIENCE) {
            State::EventsWait
        } else if letters.is_some_and(|letters| letters > 0) {
            State::DeadLetters
        } else if waiting.is_none() || letters.is_none() {
            State::Unread
        } else {
            State::Well
        };
        let slowest = said().filter_map(|said| said.ping).max();
        let database = match slowest {
            _ if by.is_empty() => "–".to_owned(),
            None => "does not answer".to_owned(),
            Some(_) if silent > 0 => format!("does not answer {silent} of {} processes", by.len()),
            Some(micros) => format!("answers in {} ms", milliseconds(micros)),
        };
        Self {
            service,
            state,
            places: by.iter().map(|(report, _)| report.place.clone()).collect(),
            on_server: said().next().map(|said| said.on_server),
            database,
            waiting,
            oldest: oldest.map_or_else(|| "–".to_owned(), age),
            letters,
        }
    }
}

/// How events travel, in words.
pub(crate) fn bus_text(bus: BusState) -> &'static str {
    match bus {
        BusState::Local => "within the process",
        BusState::Connected => "over NATS",
        BusState::Away => "NATS is away",
    }
}

/// To one decimal, and never none at all.
fn milliseconds(micros: u64) -> String {
    let tenths = (micros / 100).max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A time span in its largest unit.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const NOW: Instant = Instant::from_millis(1_800_000_000_000);

    /// A process that runs these services, all well.
    pub(crate) fn process(name: &str, services: &[Service]) -> Report {
        let well = |service: &Service| ServiceReport {
            service: service.name().into(),
            on_server: false,
            ping: Some(430),
            waiting: Some(0),
            oldest: None,
            letters: Some(0),
        };
        Report {
            process: name.into(),
            place: format!("box, process {name}"),
            version: "1.2.3".into(),
            since: NOW - Duration::from_secs(60),
            bus: BusState::Connected,
            is_redis_away: false,
            gateway: services.contains(&Service::Payments).then_some(GatewayKind::Test),
            services: services.iter().map(well).collect(),
        }
    }

    fn of(change: impl FnOnce(&mut Report)) -> Health {
        let mut report = process("a", &Service::ALL);
        change(&mut report);
        Health::of(vec![report], true, NOW)
    }

    #[test]
    fn a_house_where_all_is_well() {
        let health = of(|_| ());
        assert_eq!((health.verdict(), health.problems.len()), ("All is well", 0));
        let orders = &health.services[2];
        assert_eq!((orders.service, orders.state), (Service::Orders, State::Well));
        assert_eq!((orders.database.as_str(), orders.oldest.as_str()), ("answers in 0.4 ms", "–"));
        assert_eq!(health.gateway(), Some(GatewayKind::Test));
        assert_eq!(of(|report| report.bus = BusState::Local).verdict(), "All is well");
    }

    #[test]
    fn what_is_not_well_is_said_in_a_sentence() {
        let orders = |change: fn(&mut ServiceReport)| of(move |report| change(&mut report.services[2]));
        for (health, state, sentence) in [
            (of(|report| drop(report.services.remove(2))), State::Nowhere, "No process runs orders."),
            (
                orders(|said| {
                    (said.ping, said.waiting, said.letters) = (None, None, None);
                }),
                State::DatabaseAway,
                "The database of orders does not answer.",
            ),
            (
                orders(|said| (said.waiting, said.oldest) = (Some(3), Some(NOW - Duration::from_secs(200)))),
                State::EventsWait,
                "Events of orders wait to be published.",
            ),
            (
                orders(|said| said.letters = Some(2)),
                State::DeadLetters,
                "There are events that orders could not take.",
            ),
            (
                orders(|said| said.waiting = None),
                State::Unread,
                "The database of orders did not say in time what waits or is parked.",
            ),
            (
                orders(|said| said.letters = None),
                State::Unread,
                "The database of orders did not say in time what waits or is parked.",
            ),
        ] {
            assert_eq!(
                (health.verdict(), health.problems.as_slice()),
                ("Degraded", [sentence.to_owned()].as_slice())
            );
            assert_eq!(health.services[2].state, state);
            assert_ne!(health.shape(), of(|_| ()).shape(), "a page is made anew");
        }
        // A moment ago is nothing to speak of, and figures are no other shape.
        let busy = orders(|said| (said.waiting, said.oldest) = (Some(3), Some(NOW - Duration::from_secs(2))));
        assert_eq!((busy.verdict(), busy.services[2].oldest.as_str()), ("All is well", "2 s"));
        assert_eq!(busy.shape(), of(|_| ()).shape());
    }

    #[test]
    fn that_redis_is_away_is_said_and_by_one_process_is_enough() {
        let mut both = vec![process("a", &Service::ALL), process("b", &Service::ALL)];
        let well = Health::of(both.clone(), true, NOW);
        both[1].is_redis_away = true;
        let health = Health::of(both.clone(), true, NOW);
        assert_eq!(health.problems, ["Redis is away: look-ups ask the databases."]);
        assert_eq!(health.verdict(), "Degraded");
        assert_ne!(health.shape(), well.shape(), "a page is made anew");
        // A process of the version before says nothing of it.
        let mut said = serde_json::to_value(&both[0]).unwrap();
        said.as_object_mut().unwrap().remove("is_redis_away").unwrap();
        assert_eq!(serde_json::from_value::<Report>(said).unwrap(), both[0]);
    }

    #[test]
    fn processes_make_one_house() {
        let ends = [&Service::ALL[..2], &Service::ALL[1..]];
        let mut both = vec![process("a", ends[0]), process("b", ends[1])];
        let health = Health::of(both.clone(), true, NOW);
        assert_eq!(health.verdict(), "All is well");
        assert_eq!(health.services[1].places, ["box, process a", "box, process b"]);
        // One of two does not reach the database that they share.
        both[1].services[0].ping = None;
        let health = Health::of(both, true, NOW);
        assert_eq!(health.services[1].state, State::DatabaseAway);
        assert_eq!(health.services[1].database, "does not answer 1 of 2 processes");
    }

    #[test]
    fn who_is_deaf_does_not_claim_to_know() {
        let mut own = process("a", &Service::ALL[..2]);
        let health = Health::of(vec![own.clone()], false, NOW);
        assert_eq!(health.services[4].state, State::Unknown);
        assert_eq!(health.problems, ["This process cannot hear the other processes at the moment."]);
        own.bus = BusState::Away;
        let health = Health::of(vec![own], true, NOW);
        assert_eq!(health.services[4].state, State::Unknown);
        assert_eq!(health.problems, ["NATS is away: events wait, and the other processes cannot be asked."]);
    }

    #[test]
    fn spans_are_in_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 days")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
        for (micros, text) in [(0, "0.1"), (430, "0.4"), (12_345, "12.3")] {
            assert_eq!(milliseconds(micros), text);
        }
    }
}
