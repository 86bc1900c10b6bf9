# make            the static release binary, at $(BINARY)
# make install    that file to $(DESTDIR)$(PREFIX)/bin; builds nothing; FORCE=1 takes a dynamic one too
# make try        builds, boots a clone of this machine, shows its PID 1; on a terminal leaves you in its shell
# make test       everything: cargo's tests, the decoders' corpora, the end-to-end ones (root)
# make check      format, lints, the arrows between the rooms
# make bench      our figures beside the peers' (root); make bench-import: those of imports alone
# make deb, rpm   a package of it in target/dist
# make install-system  all that a package has, for PREFIX and DESTDIR: unit, settings, manual pages, completions
# make dist       binary, packages, source, SHA256SUMS, SBOM, notices in target/dist; signed if SDME_SIGN_KEY names a minisign key
# make licences   the crates' licences against what is allowed; advisories where a database is at hand
# make generated  manual pages, completions, unit and config of packaging/, from the table of flags; a test compares them
# make fuzz       each decoder for FUZZ_SECONDS
# TARGET=aarch64-unknown-linux-musl builds for the other architecture.

ARCH   := $(shell uname -m)
TARGET ?= $(ARCH)-unknown-linux-musl
BINARY := $(if $(filter $(ARCH)-%,$(TARGET)),target/sdme,target/sdme-$(TARGET))
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
# rustup's cargo is found even where the shell was not told about it.
export PATH := $(PATH):$(HOME)/.cargo/bin

.PHONY: all install install-system deb rpm dist licences try test check bench bench-import generated fuzz clean

all:
	@packaging/build $(TARGET) $(BINARY)
	@packaging/linkage $(BINARY) || [ $$? = 1 ]

install:
	@packaging/linkage $(BINARY) || { test $$? = 1 && test -n "$(FORCE)"; } || \
	  { echo "install: not a static binary; FORCE=1 installs it all the same" >&2; exit 1; }
	install -D -m 0755 $(BINARY) "$(DESTDIR)$(PREFIX)/bin/sdme"

install-system:
	@packaging/linkage $(BINARY) || [ $$? = 1 ]
	packaging/tree $(BINARY) "$(DESTDIR)" "$(PREFIX)"

deb: all
	@packaging/deb/build $(BINARY) target/dist

rpm: all
	@packaging/rpm/build $(BINARY) target/dist

dist: all
	@packaging/dist $(TARGET) $(BINARY) target/dist

licences:
	@packaging/crates check $(TARGET)

try: all
	@packaging/try $(BINARY)

# The program is linked by one thread: the other cores build the tests meanwhile. What fails there is told by tests/all.
test:
	@cargo test --quiet --no-run 2>/dev/null & $(MAKE) --no-print-directory all; built=$$?; wait; exit $$built
	@tests/all $(BINARY)

check:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --quiet --test arrows
	@oldest=$$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml); \
	 if command -v rustup >/dev/null && rustup toolchain list | grep -q "^$$oldest"; then \
	   cargo "+$$oldest" check --quiet --locked --all-targets --workspace --target-dir target/oldest; \
	 else echo "check: no Rust $$oldest here: it was not looked at"; fi
	@if ! ls "$$(rustc --print target-libdir --target aarch64-unknown-linux-musl)"/libstd-*.rlib >/dev/null 2>&1; then \
	  echo "check: no std for aarch64 here: it was not looked at"; \
	 elif ! command -v aarch64-linux-gnu-gcc >/dev/null; then \
	  echo "check: no gcc for aarch64 here, which the C in ring needs: it was not looked at"; \
	 else CC_aarch64_unknown_linux_musl=aarch64-linux-gnu-gcc cargo check --quiet --target aarch64-unknown-linux-musl; fi
	@if command -v shellcheck >/dev/null; then \
	  grep -rlIZ '^#!/usr/bin/env bash' packaging tests .ci | xargs -0 shellcheck -S warning; \
	 else echo "check: shellcheck is not installed: the scripts were not looked at"; fi

bench: all
	@tests/bench/run $(BINARY)
	@tests/bench/import $(BINARY)

bench-import: all
	@tests/bench/import $(BINARY)

generated:
	SDME_WRITE_GENERATED=1 cargo test --quiet --test it -- --exact generated::what_is_committed_is_what_the_table_says

fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run

clean:
	cargo clean
