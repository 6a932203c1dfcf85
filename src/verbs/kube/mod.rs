//! Kubernetes: the exec credential that kubectl asks for, and the kubeconfig entry that has it ask.

pub mod config;
pub mod credential;
