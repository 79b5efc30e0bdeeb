//! What the vendor asked of whom: a hold lasts, whichever account is polled meanwhile.

use elements_api::{Account, Client};
use tokio::time::Instant;

/// Until when each account is to be left alone.
#[derive(Debug, Default)]
pub(super) struct Holds(Vec<(Account, Instant)>);

/// Of more accounts, those whose holds end first are forgotten. Whoever changes between so many does it within an hour.
const MOST: usize = 16;

impl Holds {
    /// Notes what was asked of `client`.
    pub(super) fn note(&mut self, client: &Client) {
        let (account, until, now) = (client.settings().account(), client.held_until(), Instant::now());
        self.0.retain(|(known, until)| *known != account && *until > now);
        if until > now {
            self.0.push((account, until));
        }
        if self.0.len() > MOST {
            self.0.sort_by_key(|(_, until)| *until);
            self.0.remove(0);
        }
    }

    /// Has `client` begin nothing before the time that was asked of its account.
    pub(super) fn hold(&self, client: &Client) {
        let account = client.settings().account();
        self.0.iter().filter(|(known, _)| *known == account).for_each(|(_, until)| client.hold_until(*until));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use elements_api::testing::{Reply, Vendor};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_kept_for_the_account_that_it_was_asked_of() {
        let vendor = Vendor::new(|_| Reply::token());
        let account = |name: &str| vendor.client(|settings| settings.client_id = name.to_owned());
        let (mut holds, until) = (Holds::default(), Instant::now() + Duration::from_hours(1));
        let first = account("0");
        first.hold_until(until);
        holds.note(&first);
        holds.note(&account("1"));
        let is_held = |holds: &Holds, name: &str| {
            let client = account(name);
            holds.hold(&client);
            client.held_until() > Instant::now()
        };
        assert_eq!(["0", "1"].map(|name| is_held(&holds, name)), [true, false]);

        for (name, minutes) in (2..).zip(61..).take(MOST) {
            let client = account(&name.to_string());
            client.hold_until(Instant::now() + Duration::from_mins(minutes));
            holds.note(&client);
        }
        assert_eq!((holds.0.len(), is_held(&holds, "0"), is_held(&holds, "2")), (MOST, false, true));
        tokio::time::advance(Duration::from_hours(2)).await;
        holds.note(&account("1"));
        assert_eq!(holds.0.len(), 0, "what is over is not kept");
    }
}
