//! A panic in any task or thread is a fault of this program, and ends the process.
//!
//! Whoever waits for a task that has panicked may therefore wait for ever, and nobody else has to look for panics.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use tokio::sync::Notify;

/// Why the process ends. Whatever panics after the first is a consequence, or at least too late.
static FIRST: OnceLock<String> = OnceLock::new();

/// Wakes who waits for the first panic.
static PANICKED: Notify = Notify::const_new();

/// From now on every panic is logged like everything else, and the first one is remembered.
pub(super) fn log_and_remember() {
    set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {message}");
        let first = match place {
            Some(place) => format!("panic at {place}: {message}"),
            None => format!("panic: {message}"),
        };
        // Only the first one is kept.
        let _ = FIRST.set(first);
        PANICKED.notify_waiters();
    }));
}

/// Waits for the first panic of the process.
pub(super) async fn first() -> anyhow::Error {
    loop {
        // It listens before it looks, so that no panic comes between the two.
        let panicked = PANICKED.notified();
        if let Some(first) = FIRST.get() {
            return anyhow!("{first}");
        }
        panicked.await;
    }
}

/// What `work` comes to, unless something has panicked meanwhile, on this thread or another.
pub(super) fn unless_any<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What was unwound is not looked at again: the process ends.
    let outcome = catch_unwind(AssertUnwindSafe(work));
    match (FIRST.get(), outcome) {
        (None, Ok(outcome)) => outcome,
        (Some(first), _) => Err(anyhow!("{first}")),
        (None, Err(_)) => Err(anyhow!("panic")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};
    use std::sync::Arc;
    use std::time::Duration;
    use std::{env, thread};

    use elements_api::Round;
    use elements_api::testing::Vendor;
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cli::runtime::{daemon_on_runtime, on_runtime};
    use crate::cli::{Outcome, on_stop};
    use crate::poll::{ConfiguredCustomer, Plan, Poller, ProductList, Selection, Timing, poll_once};
    use crate::store::saved::Saved;
    use crate::testing::{INTERVAL, clock, customer_id, freshness, product, status};

    /// The one test that may panic in a process of its own.
    const CHILD: &str = "AVEPOINT_EXPORTER_TEST_PANICS";

    /// The hook is the process's, and other tests panic on purpose: `test` runs once more in a process of its own, where
    /// `work` must fail for the reason "out of cheese".
    fn fails_of_it(test: &str, work: impl FnOnce() -> Result<Outcome>) {
        if env::var_os(CHILD).is_some() {
            log_and_remember();
            let error = unless_any(work).unwrap_err().to_string();
            assert!(error.starts_with("panic at src/cli/panics.rs:") && error.ends_with(": out of cheese"), "{error}");
            return;
        }
        let mut command = Command::new(env::current_exe().unwrap());
        let Output { status, stdout, .. } =
            command.args(["--exact", &format!("cli::panics::tests::{test}")]).env(CHILD, "1").output().unwrap();
        let stdout = String::from_utf8_lossy(&stdout);
        assert!(status.success() && stdout.contains("1 passed"), "{stdout}");
    }

    fn selection() -> Selection {
        let customer = ConfiguredCustomer { id: customer_id("contoso"), name: None, products: None };
        Selection {
            customers: vec![customer],
            discovery: None,
            products: ProductList::Listed(vec![product(4)]),
            platforms: Vec::new(),
        }
    }

    fn faulty_vendor() -> Vendor {
        Vendor::new(|_| panic!("out of cheese"))
    }

    #[test]
    fn a_panic_of_a_detached_task_ends_the_process_with_its_reason() {
        fails_of_it("a_panic_of_a_detached_task_ends_the_process_with_its_reason", || {
            on_runtime(async {
                tokio::spawn(async { panic!("out of cheese") });
                std::future::pending().await
            })
        });
    }

    #[test]
    fn a_panic_stops_the_daemon_in_good_order_and_fails_it_all_the_same() {
        fails_of_it("a_panic_stops_the_daemon_in_good_order_and_fails_it_all_the_same", || {
            daemon_on_runtime(async {
                let shutdown = on_stop()?;
                tokio::spawn(async { panic!("out of cheese") });
                shutdown.cancelled().await;
                Ok(Outcome::Done)
            })
        });
    }

    #[test]
    fn a_panic_of_a_thread_ends_the_process_with_its_reason() {
        fails_of_it("a_panic_of_a_thread_ends_the_process_with_its_reason", || {
            on_runtime(async {
                thread::spawn(|| panic!("out of cheese"));
                std::future::pending().await
            })
        });
    }

    #[test]
    fn a_panic_of_the_command_itself_ends_the_process_with_its_reason() {
        fails_of_it("a_panic_of_the_command_itself_ends_the_process_with_its_reason", || {
            on_runtime(async { panic!("out of cheese") })
        });
    }

    #[test]
    fn work_that_is_done_in_spite_of_a_panic_has_failed() {
        fails_of_it("work_that_is_done_in_spite_of_a_panic_has_failed", || {
            on_runtime(async {
                assert!(tokio::spawn(async { panic!("out of cheese") }).await.is_err());
                Ok(Outcome::Done)
            })
        });
    }

    #[test]
    fn a_panic_of_the_pollers_request_ends_the_daemon_with_its_reason() {
        fails_of_it("a_panic_of_the_pollers_request_ends_the_daemon_with_its_reason", || {
            on_runtime(async {
                let client = faulty_vendor().client(|_| {});
                let timing = Timing { absent_interval: INTERVAL, ..Timing::every(INTERVAL) };
                let (_plans, plans) =
                    watch::channel(Plan { client, selection: Arc::new(selection()), timing, expected: None });
                Poller::new(plans, &Saved::default(), Arc::new(status()), clock()).run(CancellationToken::new()).await;
                Ok(Outcome::Done)
            })
        });
    }

    #[test]
    fn a_panic_of_a_request_fails_the_command_poll() {
        fails_of_it("a_panic_of_a_request_fails_the_command_poll", || {
            on_runtime(async {
                let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
                let round = Round::begin(&faulty_vendor().client(|_| {}), deadline);
                poll_once(round, &selection(), None, freshness(), |_, _| {}).await?;
                Ok(Outcome::Done)
            })
        });
    }
}
