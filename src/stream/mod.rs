//! Streams of foreign bytes: one `Read` adapter a file, stacked by whoever opens them. Each is total: it gives the bytes,
//! or says why not; nothing is silently cut short.

pub mod tar;
