//! The time in `Date`, which has four digits for a year and none before 1970.
//!
//! hyper reads the clock by itself, and panics where it says another time: somebody may have set it. Over HTTP/1 it does so
//! also where the date is given, and so such a connection is closed.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The last second of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// The nearest time to `now` that can be written. Where it is given, hyper asks no clock over HTTP/2.
pub(crate) fn date(now: SystemTime) -> HeaderValue {
    let date = httpdate::fmt_http_date(now.clamp(UNIX_EPOCH, UNIX_EPOCH + LAST));
    HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// A connection over HTTP/1, at each step of which hyper asks the clock. It ends where that cannot be written.
pub(crate) async fn while_dated<E>(
    mut connection: Pin<&mut impl Future<Output = Result<(), E>>>,
    clock: impl Fn() -> SystemTime,
) -> Result<(), E> {
    poll_fn(|context| match clock().duration_since(UNIX_EPOCH) {
        Ok(now) if now < LAST => connection.as_mut().poll(context),
        _ => Poll::Ready(Ok(())),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn every_time_has_a_date() {
        for (seconds, shown) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_700_000_000, "Tue, 14 Nov 2023 22:13:20 GMT"),
            (1 << 40, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), shown);
        }
        assert_eq!(date(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[tokio::test]
    async fn a_connection_takes_no_step_at_a_time_that_has_none() {
        for odd in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH + Duration::from_secs(1 << 40)] {
            let connection = pin!(async { unreachable!("hyper would panic") });
            assert_eq!(while_dated::<()>(connection, || odd).await, Ok(()));
        }
        let connection = pin!(async { Err("broken") });
        assert_eq!(while_dated(connection, SystemTime::now).await, Err("broken"));
    }
}
