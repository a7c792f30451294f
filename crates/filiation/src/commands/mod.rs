//! One file a subcommand.

pub(crate) mod agreement;
pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod claim;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod controls;
pub(crate) mod distil;
pub(crate) mod equality;
pub(crate) mod explain;
pub(crate) mod image;
pub(crate) mod inspect;
pub(crate) mod lab;
pub(crate) mod methods;
pub(crate) mod observe;
pub(crate) mod outputs;
pub(crate) mod palimpsest;
pub(crate) mod probe;
pub(crate) mod train;
pub(crate) mod twins;
pub(crate) mod watermark;
pub(crate) mod zoo;
