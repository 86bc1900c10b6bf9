//! Flags that several verbs share, declared once.

use crate::cli::spec::Flag;

pub const ALL: Flag = Flag::switch("all", Some('a'), "Every container of the datadir.");

pub const NAME: Flag =
    Flag::valued("name", None, "NAME", "The new container's name. The same as giving it as the operand.");

pub const ROOTFS: Flag = Flag::valued(
    "fs",
    Some('r'),
    "ROOTFS",
    "Clone this imported root filesystem. Without it, the container is a clone of the host's own /.",
);

pub const HOST_SERVICES: Flag = Flag::switch(
    "host-services",
    None,
    "Start the host's own enabled services in the clone too. Without it, a clone of / starts what the distribution \
     starts by itself. Default: the config's host_services.",
);

pub const BOOT_TIMEOUT: Flag = Flag::valued(
    "timeout",
    Some('t'),
    "SEC",
    "Wait at most this long for the boot. Seconds, or a span like 2min or infinity. A container that is not ready \
     then goes on booting. Default: the config's boot_timeout.",
);

pub const USER: Flag = Flag::valued("user", Some('u'), "USER", "Do it as this user of the container.");

pub const JSON: Flag = Flag::switch("json", None, "Print JSON.");
