# `make help` lists the targets. Building, testing and installing need only Rust 1.89, make and a C compiler.

PREFIX ?= $(HOME)/.local
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# What to build for. On Linux: static musl, because it starts several times faster than glibc and runs on any
# distribution. Elsewhere, and if rustup cannot install the musl target: the host. The answer is computed once, at
# first use. To choose another: make TARGET=x86_64-unknown-linux-gnu
TARGET = $(eval TARGET := $(shell $(find_target)))$(TARGET)
define find_target
	host=$$(rustc -vV | sed -n 's/^host: //p'); \
	case $$host in \
		*-linux-*) musl=$${host%%-*}-unknown-linux-musl ;; \
		*) echo $$host; exit ;; \
	esac; \
	installed() { [ -d "$$(rustc --print target-libdir --target $$musl 2>/dev/null)" ]; }; \
	if installed || { rustup target add $$musl >&2; installed; }; then echo $$musl; else echo $$host; fi
endef

WOCI = $(TARGET_DIR)/$(TARGET)/release/woci

# A static woci for another processor: ring needs a C compiler for it (Debian: gcc-aarch64-linux-gnu with
# libc6-dev-arm64-cross), and Rust's own linker links it. Variables that are already set take precedence.
CROSS = $(filter-out $(shell uname -m)-%,$(filter %-linux-musl,$(TARGET)))
define cross
	rustup target list --installed | grep -qx $(CROSS) || rustup target add $(CROSS); \
	set_up() { eval "export $$1=\"\$${$$1:-$$2}\""; }; \
	set_up CC_$(subst -,_,$(CROSS)) $(firstword $(subst -, ,$(CROSS)))-linux-gnu-gcc; \
	set_up CARGO_TARGET_$$(echo $(CROSS) | tr a-z- A-Z_)_LINKER rust-lld;
endef

# Panic messages name source files. Cutting this machine's folders off those names makes the bytes the same
# wherever woci is built. With CRATE, `cargo install` builds a crate that `cargo package` has made; it reads no
# configuration of this folder by itself.
RELEASE = $(if $(CRATE),install --path '$(CRATE)' --root '$(TARGET_DIR)/crate' --target-dir '$(TARGET_DIR)' \
	--config .cargo/config.toml,build --release) \
	--locked --bin woci --target $(TARGET) --config "target.'cfg(all())'.rustflags = \
	['--remap-path-prefix=$(or $(CRATE),$(CURDIR))=.', '--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo']"

# The commit and the day that woci prints. Sources without .git have neither, unless the variables are set.
STAMP = WOCI_COMMIT="$${WOCI_COMMIT-$$([ ! -e .git ] || git describe --always --dirty --abbrev=12 --exclude '*')}" \
	WOCI_DAY="$${WOCI_DAY-$$([ ! -e .git ] || LC_ALL=C git log -1 --date='format:%B %-d, %Y' --format=%cd)}"
ARM64 = aarch64-unknown-linux-musl

# Prints the man page and the completions: woci itself, or one for this machine if woci is for another processor.
PRINTER = $(if $(CROSS),$(TARGET_DIR)/debug/woci,$(WOCI))
SIM = $(TARGET_DIR)/debug/examples/sim

# On Linux `make bench` also measures a woci for glibc.
GLIBC = $(patsubst %-linux-musl,%-linux-gnu,$(filter %-linux-musl,$(TARGET)))

.DEFAULT_GOAL := build
.PHONY: help build printer sim demo test test-static test-arm64 lint bench bless e2e fresh-peers soak install dist dist-check publish clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## woci for this machine: static on Linux (TARGET=… for another)
	@echo 'building woci for $(TARGET) (a few minutes the first time)'
	@$(if $(CROSS),$(cross)) $(STAMP) cargo $(RELEASE)
	@ls -lh '$(WOCI)' | awk '{ print $$NF ": " $$5 }'

printer:
	@$(if $(CROSS),$(STAMP) cargo build --quiet --locked --bin woci)

sim:
	@echo 'building the simulator (a few minutes the first time)'
	@cargo build --locked --example sim

demo: build sim ## sign in, renew and use a session, against a simulated provider and OCI
	@'$(SIM)' demo --woci '$(WOCI)'

test: ## all tests that need nothing but cargo (WOCI_BIN=… tries another binary)
	@echo 'running all tests that need only cargo (about five minutes the first time, then two)'
	@cargo test

test-static: build ## the same tests on the binary of `make build`
	@echo 'running the same tests on $(WOCI)'
	@WOCI_BIN='$(abspath $(WOCI))' cargo test

test-arm64: ## sign-in, refresh and use with woci for Linux on arm64, in qemu-user-static
	@$(MAKE) --no-print-directory build TARGET=$(ARM64)
	@echo 'running woci for arm64 on an emulated processor (a few minutes)'
	@tests/arm64/run '$(TARGET_DIR)/$(ARM64)/release/woci'

lint: ## formatting and clippy
	@echo 'checking the formatting'
	@cargo fmt --check
	@echo 'running clippy (a minute or two the first time)'
	@cargo clippy --locked --all-targets -- -D warnings

bench: build sim ## what a start costs, beside /bin/true and the real oci (installed into target/)
	@echo 'installing oci into $(TARGET_DIR)/e2e, to compare with (a few minutes the first time)'
	@tests/e2e/run --install || echo 'oci cannot be installed: woci is measured without it'
	@glibc=; \
	if [ -n '$(GLIBC)' ] && $(MAKE) --no-print-directory build TARGET=$(GLIBC); then \
		glibc='--glibc $(TARGET_DIR)/$(GLIBC)/release/woci'; \
	fi; \
	echo 'measuring (about a minute; other programs should be idle)'; echo; \
	PATH="$(abspath $(TARGET_DIR))/e2e/venv/bin:$$PATH" '$(SIM)' bench --woci '$(WOCI)' $$glibc

bless: ## rewrite the golden files in fixtures/ from what woci says now
	@echo 'running all tests, each of which rewrites its golden file'
	@WOCI_BLESS=1 cargo test
	@git status --short fixtures

e2e: build sim ## journeys with the real oci, kubectl and providers
	@echo 'running whole journeys with the real programs (they are installed first; several minutes)'
	@WOCI_BIN='$(abspath $(WOCI))' tests/e2e/run

fresh-peers: build sim ## journeys with the newest oci, SDKs, kubectl, providers and browser: what differs
	@echo 'installing the newest programs into $(TARGET_DIR)/e2e-newest, and running the journeys that use them (several minutes)'
	@WOCI_PEERS=newest WOCI_BIN='$(abspath $(WOCI))' tests/e2e/run

# MINUTES=5 is a slice of each part. `tests/soak/run --help` says how one part or one seed is run again. The fast clock
# is loaded into a woci for glibc, the debug one.
MINUTES = 60
SOAK =
soak: build sim ## long, hostile runs: a week on a fast clock, crashes, crowds, fuzzing (MINUTES=5 for a slice)
	@echo 'building woci with debug information (a few minutes the first time)'
	@cargo build --locked --bin woci
	@WOCI_BIN='$(abspath $(WOCI))' tests/soak/run --minutes '$(MINUTES)' $(SOAK)

install: build printer ## put woci into PREFIX/bin (~/.local/bin), its man page and completions into PREFIX/share
	@DESTDIR='$(DESTDIR)' .ci/install '$(WOCI)' '$(PRINTER)' '$(PREFIX)'

# Only a static program runs on every distribution, so that only it gets a wheel and a .deb.
DEB = $(if $(filter %-linux-musl,$(TARGET)),cargo-deb@3.8.0)

# cargo-auditable adds the list of crates to the binary: 1.5 kB that no start loads and that stays with the binary
# when it is copied. It is called as a compiler wrapper and by its name alone: `cargo auditable` would pass its own
# path, which cargo mixes into the bytes.
dist: export CARGO_AUDITABLE_ORIG_ARGS = {"offline":false,"locked":true,"frozen":false,"config":[]}
dist: printer ## packages for other machines, in target/dist: the same bytes wherever they are built
	@echo 'installing cargo-auditable$(if $(DEB), and cargo-deb) into $(TARGET_DIR)/tools'
	@cargo install --quiet --locked --debug --root '$(TARGET_DIR)/tools' cargo-auditable@0.7.7 $(DEB)
	@echo 'building woci for $(TARGET) (a few minutes the first time)'
	@$(if $(CROSS),$(cross)) $(STAMP) env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS RUSTC_WORKSPACE_WRAPPER=cargo-auditable \
		PATH="$(abspath $(TARGET_DIR))/tools/bin:$$PATH" cargo $(RELEASE)
	@echo 'packing'
	@.ci/pack '$(WOCI)' $(TARGET) '$(TARGET_DIR)/dist' '$(PRINTER)'

dist-check: ## check the packages: reproducible, hardened, complete, installed and removed
	@echo 'building the packages twice, in different folders, and checking them (several minutes)'
	@TARGET=$(TARGET) .ci/dist-check

# For the release workflow. Cargo.toml alone has the version, so a tag that says another is refused.
publish:
	@version=$$(cargo pkgid --offline); version=$${version##*[#@]}; \
	if [ "$(TAG)" != "v$$version" ]; then echo "the tag is $(TAG), and Cargo.toml has $$version" >&2; exit 1; fi; \
	gh release create "$(TAG)" --draft --verify-tag --title "woci $$version" \
		--notes 'What is new: see the chapter Changes of README.md.' $(TARGET_DIR)/dist/*

clean: ## remove what was built
	@cargo clean
