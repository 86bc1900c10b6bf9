# Not built by bitbake (see ../README.md). The tarball is what `make dist` leaves; put it into files/ beside this recipe. The crates
# are listed by `bitbake -c update_crates sdme`, which writes sdme-crates.inc.
SUMMARY = "systemd containers from copy-on-write clones of this system"
LICENSE = "MIT | Apache-2.0"
LIC_FILES_CHKSUM = "file://docs/licences/MIT;md5=c5a969d87a8df29fd2d7cc938c82c878"

SRC_URI = "file://sdme-${PV}.tar.xz"
require ${BPN}-crates.inc

inherit cargo cargo-update-recipe-crates systemd features_check
REQUIRED_DISTRO_FEATURES = "systemd"

do_install() {
    oe_runmake install-system BINARY="${B}/target/${CARGO_TARGET_SUBDIR}/sdme" PREFIX="${prefix}" DESTDIR="${D}"
}

FILES:${PN} += "${prefix}/lib ${datadir}"
CONFFILES:${PN} = "${sysconfdir}/sdme.conf"
RDEPENDS:${PN} = "systemd-container"
