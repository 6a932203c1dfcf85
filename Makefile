# `make help` lists the targets. All of them need Rust 1.89 and make alone (and the C linker that
# Rust needs anyway).

PREFIX ?= $(HOME)/.local
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

# What to build for: static musl on Linux, since it starts several times faster than glibc and runs
# on any distribution; the host elsewhere, and where rustup cannot bring the musl target.
# Found out once, when first needed. Say TARGET=x86_64-unknown-linux-gnu to have it otherwise.
TARGET = $(eval TARGET := $(shell $(find_target)))$(TARGET)
define find_target
	host=$$(rustc -vV | sed -n 's/^host: //p'); \
	case $$host in \
		*-linux-*) musl=$${host%%-*}-unknown-linux-musl ;; \
		*) echo $$host; exit ;; \
	esac; \
	there() { [ -d "$$(rustc --print target-libdir --target $$musl 2>/dev/null)" ]; }; \
	if there || { rustup target add $$musl >&2; there; }; then echo $$musl; else echo $$host; fi
endef

WOCI = $(TARGET_DIR)/$(TARGET)/release/woci

# A static woci for another processor than this machine's takes the C compiler that Debian has for it
# (gcc-aarch64-linux-gnu with libc6-dev-arm64-cross), for ring, and the linker that comes with Rust.
# Variables that are set already win.
CROSS = $(filter-out $(shell uname -m)-%,$(filter %-linux-musl,$(TARGET)))
define cross
	rustup target list --installed | grep -qx $(CROSS) || rustup target add $(CROSS); \
	set_up() { eval "export $$1=\"\$${$$1:-$$2}\""; }; \
	set_up CC_$(subst -,_,$(CROSS)) $(firstword $(subst -, ,$(CROSS)))-linux-gnu-gcc; \
	set_up CARGO_TARGET_$$(echo $(CROSS) | tr a-z- A-Z_)_LINKER rust-lld;
endef

# Without the names of this machine's folders, which panics would show: they differ from one
# machine to the next, and so would the bytes.
RELEASE = build --locked --release --bin woci --target $(TARGET) --config "target.'cfg(all())'.rustflags = \
	['--remap-path-prefix=$(CURDIR)=.', '--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=cargo']"
ARM64 = aarch64-unknown-linux-musl
SIM = $(TARGET_DIR)/debug/examples/sim

.DEFAULT_GOAL := build
.PHONY: help build sim demo test test-static test-arm64 lint bench order bless e2e install dist dist-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## woci for this machine: static on Linux (TARGET=… for another)
	$(if $(CROSS),@$(cross)) cargo $(RELEASE)
	@ls -lh $(WOCI) | awk '{ print $$NF ": " $$5 }'

sim:
	cargo build --locked --example sim

demo: build sim ## the whole main job against a simulated provider and OCI
	@$(SIM) demo --woci $(WOCI)

test: ## all tests that need nothing but cargo (WOCI_BIN=… tries another binary)
	cargo test

test-static: build ## the same tests on the binary of `make build`
	WOCI_BIN=$(abspath $(WOCI)) cargo test

test-arm64: ## the main job with woci for Linux on arm64, by qemu-user-static
	@$(MAKE) --no-print-directory build TARGET=$(ARM64)
	tests/arm64/run $(TARGET_DIR)/$(ARM64)/release/woci

lint: ## formatting and clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

bench: build sim ## what a start costs, beside /bin/true and the real oci (installed into target/)
	-tests/e2e/run --install
	@PATH="$(abspath $(TARGET_DIR))/e2e/venv/bin:$$PATH" $(SIM) bench --woci $(WOCI)

# The build that it looks at has its symbols, and is apart from the others.
order: sim ## src/start.ld anew, after larger changes: what a warm start touches (needs valgrind)
	CARGO_PROFILE_RELEASE_STRIP=none cargo $(RELEASE) --target-dir '$(TARGET_DIR)/order' \
		--config "target.'cfg(unix)'.rustflags = ['-Clink-arg=-Wl,-Map=$(abspath $(TARGET_DIR))/order/$(TARGET)/release/woci.map']"
	@$(SIM) order --woci $(TARGET_DIR)/order/$(TARGET)/release/woci >$(TARGET_DIR)/order/start.ld
	@mv $(TARGET_DIR)/order/start.ld src/start.ld

bless: ## rewrite the golden files in fixtures/ from what woci says now
	WOCI_BLESS=1 cargo test
	@git status --short fixtures

e2e: build sim ## journeys with the real oci, kubectl and providers
	WOCI_BIN=$(abspath $(WOCI)) tests/e2e/run

# A new file is renamed over the old one: a running woci goes on undisturbed, nobody sees half a
# program, and a symlink of that name (the older tool's way of being installed) is replaced, its
# destination left alone. `mv` would move into a folder that a symlink points to, so such a one
# goes first.
install: build ## put woci into PREFIX/bin (~/.local/bin)
	@set -eu; \
	prefix='$(PREFIX)'; case $$prefix in "~/"*) prefix=$$HOME/$${prefix#"~/"} ;; esac; \
	bin='$(DESTDIR)'$$prefix/bin; new=$$bin/.woci.$$$$; old=$$bin/woci; \
	mkdir -p "$$bin"; \
	if [ -d "$$old" ] && [ ! -L "$$old" ]; then echo "$$old is a folder; move it away" >&2; exit 1; fi; \
	if [ ! -L "$$old" ] && [ -x "$$old" ] && cmp -s '$(WOCI)' "$$old"; then \
		echo "$$old is up to date"; \
	else \
		trap 'rm -f "$$new"' EXIT; \
		cp '$(WOCI)' "$$new"; chmod 755 "$$new"; \
		if [ -d "$$old" ]; then rm -f "$$old"; fi; \
		mv -f "$$new" "$$old"; \
		echo "installed $$old"; \
	fi; \
	found=$$(command -v woci || true); \
	if [ -z '$(DESTDIR)' ] && [ "$$found" != "$$old" ]; then \
		if [ -z "$$found" ]; then echo "note: $$bin is not on PATH"; \
		else echo "note: \`woci\` is still $$found, which comes first on PATH"; fi; \
	fi

# cargo-auditable puts the list of crates into the binary: 1.5 kB that no start loads, and none of
# them is compiled again. A file beside it would be lost when the binary moves on. `cargo auditable`
# would give its path for a wrapper, and cargo mixes that into the bytes; a name is the same anywhere.
dist: export CARGO_AUDITABLE_ORIG_ARGS = {"offline":false,"locked":true,"frozen":false,"config":[]}
dist: ## an archive for other machines, in target/dist: the same bytes wherever it is built
	cargo install --quiet --locked --debug --root '$(TARGET_DIR)/tools' cargo-auditable@0.7.7
	$(if $(CROSS),@$(cross)) env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS RUSTC_WORKSPACE_WRAPPER=cargo-auditable \
		PATH="$(abspath $(TARGET_DIR))/tools/bin:$$PATH" cargo $(RELEASE)
	@.ci/pack '$(WOCI)' $(TARGET) '$(TARGET_DIR)/dist'

dist-check: ## that the archive is what it should be
	@TARGET=$(TARGET) .ci/dist-check

clean: ## remove what was built
	cargo clean
