use avepoint_exporter::config::Config;

use crate::message::is_readable;
use crate::place::Place;

/// What `${…}` stands for. It is long enough not to be met by chance.
const SECRET: &str = "open-sesame-2048";

/// `exporter.yaml`: it is refused with a message that can be read and repeats no secret, or all that it says can be used.
pub fn exporter_yaml(input: &[u8]) {
    thread_local!(static PLACE: Place = Place::of("exporter.yaml"));
    let path = PLACE.with(|place| place.holding(input));
    let is_told = |message: &str| {
        is_readable(message);
        assert!(!message.contains(SECRET), "a secret is repeated: {message}");
    };
    // A variable of any name is there, unless it says that it is not.
    let variable = |name: &str| (!name.starts_with("NO")).then(|| SECRET.to_owned());
    match Config::load_with(&path, &variable) {
        Ok(config) => {
            let summary = config.summary(&[]);
            assert!(summary.targets >= summary.customers, "a customer without products is refused: {summary:?}");
            let again = Config::load_with(&path, &variable).expect("it was valid a moment ago");
            assert_eq!(config, again, "the same text means the same");
        }
        Err(error) => is_told(&error.to_string()),
    }
    Config::named_files(&path, input.to_vec());
    match Config::load_with_doubts(&path) {
        Ok((_, doubts)) => doubts.iter().for_each(|doubt| is_told(doubt)),
        Err(error) => is_told(&error.to_string()),
    }
}
