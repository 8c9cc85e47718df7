//! Stores: the same suite against each, then what only a store on disk has to stand.
#![allow(clippy::unwrap_used)]

mod fixture;
mod suite;

#[cfg(feature = "rocks")]
mod crash;
#[cfg(feature = "rocks")]
mod damage;
#[cfg(feature = "rocks")]
mod folder;
#[cfg(feature = "rocks")]
mod size;
