//! Whoever waits is told for what: work that takes longer than a second says so, and that it has ended.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Work that takes no longer is nobody's business.
const FIRST: Duration = Duration::from_secs(1);
/// At least this often it is said that it still goes on.
const SELDOM: Duration = Duration::from_secs(30);

/// Tells of some work until it is dropped, which is the work's end.
pub(crate) struct Telling {
    what: String,
    since: Instant,
    task: JoinHandle<()>,
}

/// Says after a second, and then ever more seldom, that `what` (`checking I1: …`) is going on. The work may
/// block its own thread.
pub(crate) fn telling(what: impl Into<String>) -> Telling {
    let (what, since) = (what.into(), Instant::now());
    let told = what.clone();
    let task = tokio::spawn(async move {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            tracing::info!(seconds = since.elapsed().as_secs(), "{told} …");
            pause = (pause * 2).min(SELDOM);
        }
    });
    Telling { what, since, task }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.task.abort();
        let took = self.since.elapsed();
        if took > FIRST {
            tracing::info!(seconds = took.as_secs(), "{}: done", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl Write for Heard {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Heard {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| line.trim_start_matches(" INFO ").to_string()).collect()
        }
    }

    /// By the runtime's own clock, which stands still but for what is slept.
    #[tokio::test(start_paused = true)]
    async fn long_work_is_told_of_ever_more_seldom_and_short_work_is_not() {
        let heard = Heard::default();
        let writer = heard.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .without_time()
            .with_target(false)
            .with_ansi(false);
        let _guard = tracing::subscriber::set_default(logs.finish());
        {
            let _telling = telling("a short look");
            tokio::time::sleep(Duration::from_millis(900)).await;
        }
        assert_eq!(heard.lines(), Vec::<String>::new());
        {
            let _telling = telling("a long look");
            tokio::time::sleep(Duration::from_millis(7_500)).await;
        }
        let told = ["… seconds=1", "… seconds=3", "… seconds=7"].map(|end| format!("a long look {end}"));
        assert_eq!(heard.lines(), [&told[..], &["a long look: done seconds=7".to_string()]].concat());
    }
}
