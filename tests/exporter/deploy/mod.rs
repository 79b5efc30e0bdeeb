//! The programs that read what is in `deploy/` accept it, and every file, flag, key and port that it names exists.

mod alertmanager;
mod compose;
mod configurations;
mod debian;
mod files;
mod grafana;
mod guide;
mod image;
mod kubernetes;
mod operator;
mod packed;
mod rollout;
mod schema;
mod systemd;
