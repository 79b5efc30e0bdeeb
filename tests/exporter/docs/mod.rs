//! Every promise of the documents that can be run is run: commands, options, configurations, tables, links.

mod capacity;
mod commands;
mod configurations;
mod demo;
mod log_lines;
mod references;
mod tables;
mod vendor;
