//! The section `basic_auth_users`.

use std::collections::BTreeMap;
use std::fmt;

use bcrypt::HashParts;
use checked_yaml::value::expected;
use checked_yaml::{Field, Key, Problems, Refused};
use secrecy::SecretString;

use super::document;

/// Who may sign in: names with bcrypt hashes of their passwords.
#[derive(Default)]
pub(crate) struct Users(BTreeMap<Vec<u8>, SecretString>);

impl Users {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The hash of `user`'s password.
    pub(crate) fn hash(&self, user: &[u8]) -> Option<&SecretString> {
        self.0.get(user)
    }

    /// The hash of one of the users, always of the same for one `number`; `None` where there are no users.
    pub(crate) fn any_hash(&self, number: usize) -> Option<&SecretString> {
        self.0.values().nth(number.checked_rem(self.len())?)
    }
}

/// Names are not shown either.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} users", self.len())
    }
}

pub(crate) fn users(raw: document::Users, problems: &mut Problems<'_>) -> Result<Users, Refused> {
    let section = Key::of("basic_auth_users");
    // A password or a hash may have slipped to where the name belongs, so the line alone says which entry is meant.
    let shown = section.then("<user>");
    let mut users = BTreeMap::new();
    let mut refused = Ok(());
    for (user, field) in raw.0 {
        let key = section.then(&user);
        let judged = if user.contains(':') {
            Err("a user's name cannot hold a colon, which separates it from the password".to_owned())
        } else {
            hash(&field)
        };
        match judged {
            Ok(hash) => {
                if users.insert(user.into_bytes(), hash).is_some() {
                    refused = Err(problems.add_repetition(&shown, &key));
                }
            }
            Err(message) => refused = Err(problems.add_as(&shown, &key, message)),
        }
    }
    refused.map(|()| Users(users))
}

/// A comparison takes twice as long with each step of the cost: some 70 ms at 10, and a quarter of a minute at 18.
const HIGHEST_COST: u32 = 18;

fn hash(field: &Field) -> Result<SecretString, String> {
    let parsed = match field {
        Field::Text(text) => text.parse::<HashParts>().ok().map(|parts| (text, parts.get_cost())),
        _ => None,
    };
    match parsed {
        Some((text, 4..=HIGHEST_COST)) => Ok(SecretString::from(text.as_str())),
        Some((_, cost)) => Err(format!("a cost of {cost} is not offered: use 4 to {HIGHEST_COST}, such as 10")),
        None => expected("a bcrypt hash, such as `htpasswd -nBC 10 USER` prints after the colon", field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted() {
        let hash = SecretString::from("hunter2");
        assert_eq!(format!("{:?}", Some(&hash)), "Some(SecretBox<str>([REDACTED]))");
        assert_eq!(format!("{:?}", Users(BTreeMap::from([(b"alice".to_vec(), hash)]))), "1 users");
    }
}
