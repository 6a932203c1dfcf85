//! The rooms of woci. `main` is its only door; what each room owns stands at the head of its `mod.rs`.
#![allow(dead_code)]

mod cli;
mod config;
mod error;
mod files;
mod host;
mod jwt;
mod log;
mod oauth;
mod secret;
mod session;
mod sys;
mod time;

pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
