################################################################################
#
# sdme: not built by Buildroot (see ../README.md); the tarball is what `make dist` leaves, put into BR2_PRIMARY_SITE or dl/sdme
#
################################################################################

SDME_VERSION = 0.1.0
SDME_SOURCE = sdme-$(SDME_VERSION).tar.xz
SDME_SITE = $(BR2_PRIMARY_SITE)
SDME_LICENSE = MIT or Apache-2.0
SDME_LICENSE_FILES = docs/licences/MIT docs/licences/Apache-2.0

define SDME_INSTALL_TARGET_CMDS
	$(MAKE) -C $(@D) install-system \
		BINARY=target/$(RUSTC_TARGET_NAME)/release/sdme PREFIX=/usr DESTDIR=$(TARGET_DIR)
endef

$(eval $(cargo-package))
