# The targets of this repository; `make` lists them.

# The programs that tests and benchmarks run, each as program:package of the distribution; other files by their path.
test test-current: TOOLS := prometheus:prometheus promtool:prometheus openssl:openssl curl:curl buildah:buildah \
	chromium:chromium chromedriver:chromium-driver \
	amtool:prometheus-alertmanager prometheus-alertmanager:prometheus-alertmanager \
	docker-compose:docker-compose kubectl:kubernetes-client systemd-analyze:systemd \
	faketime:faketime dpkg:dpkg dpkg-shlibdeps:dpkg-dev strip:binutils \
	/usr/bin/python3:python3 /usr/lib/python3/dist-packages/prometheus_client:python3-prometheus-client
soak: TOOLS := promtool:prometheus faketime:faketime
bench: TOOLS := nginx:nginx-light wrk:wrk
fuzz fuzz-corpus: TOOLS := c++:g++

# `make test CARGO_FLAGS=--locked` refuses to change Cargo.lock, as in CI.
CARGO_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-current soak fuzz fuzz-corpus lint bench deb release workflows tools

# Programs from the registries of Cargo and Python, which no distribution has, are built for this checkout. Without
# optimizations that takes half the time, and they are fast enough.
CARGO_TOOLS := target/tools/bin
PYTHON_TOOLS := target/tools/python/bin
INSTALL := cargo install --debug --locked --root target/tools
# What a target below says where the program that it needs cannot be had.
missing = { echo "$(notdir $@) could not be installed, and $(1) needs it: see above." >&2; exit 1; }

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: ## run the exporter on a simulated API, without an account or a configuration
	cargo run --release $(CARGO_FLAGS) -- demo

test: tools $(CARGO_TOOLS)/cargo-deb ## run all tests, after installing the programs that they need
	cargo test --workspace --no-fail-fast $(CARGO_FLAGS)

# No part of .ci/run: that distribution changes from day to day. The same tests, in front of its programs.
test-current: tools ## run rules, dashboards and scrapes with today's Prometheus, Alertmanager and VictoriaMetrics
	tests/current/programs target/current
	PATH="$(CURDIR)/target/current/usr/bin:$$PATH" cargo test --test exporter $(CARGO_FLAGS) -- \
		alerts:: dashboards:: deploy::alertmanager deploy::compose end_to_end:: prometheus
	cargo test --test current $(CARGO_FLAGS)

# Some minutes of it are in `make test`. SOAK_SEED says what breaks, and a failure says the seed.
soak: tools ## break all that can break, for SOAK_CYCLES cycles of a second (2000), while each scrape is checked
	SOAK_CYCLES=$${SOAK_CYCLES:-2000} cargo test --test soak $(CARGO_FLAGS) -- --nocapture whatever_breaks

# What it finds is in no test before it is in tests/fuzz/corpus.
fuzz: tools $(CARGO_TOOLS)/cargo-fuzz ## look for inputs that break something, for FUZZ_SECONDS (60) per target of FUZZ_TARGETS (all)
	tests/fuzz/run $${FUZZ_SECONDS:-60} $(FUZZ_TARGETS)

fuzz-corpus: tools $(CARGO_TOOLS)/cargo-fuzz ## add what `make fuzz` found to reach more to tests/fuzz/corpus
	tests/fuzz/run merge $(FUZZ_TARGETS)

lint: $(CARGO_TOOLS)/cargo-deny ## check the format, clippy, the layout, the docs and the dependencies; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets $(CARGO_FLAGS) -- -D warnings
	cargo clippy --test current $(CARGO_FLAGS) -- -D warnings
	cargo test --test layout $(CARGO_FLAGS)
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps $(CARGO_FLAGS)
	$(CARGO_TOOLS)/cargo-deny --locked check licenses bans sources

bench: tools ## measure requests, cycles and scrapes: time, CPU and memory (about eight minutes on a quiet machine)
	cargo bench --workspace --bench '*' $(CARGO_FLAGS)

deb: $(CARGO_TOOLS)/cargo-deb ## build the Debian package of this machine into target/debian
	cargo build --release $(CARGO_FLAGS)
	deploy/debian/stage target/release/avepoint-exporter target/package
	PATH="$(CURDIR)/$(CARGO_TOOLS):$$PATH" cargo deb --no-build --no-strip --no-dbgsym $(CARGO_FLAGS)

release: ## build a tarball, the Debian package, checksums and notes into target/dist; TAG=v1.2.3 for a release
	.ci/release $(TAG)

workflows: $(PYTHON_TOOLS)/check-jsonschema ## hold .github/workflows against their schema
	$(PYTHON_TOOLS)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

$(CARGO_TOOLS)/cargo-deb:
	$(INSTALL) --version 3.8.0 cargo-deb || $(call missing,the Debian package)

$(CARGO_TOOLS)/cargo-fuzz:
	$(INSTALL) --version 0.13.2 cargo-fuzz || $(call missing,make fuzz)

$(CARGO_TOOLS)/cargo-deny:
	$(INSTALL) --version 0.20.2 --no-default-features cargo-deny || $(call missing,make lint)

$(PYTHON_TOOLS)/cargo-zigbuild: $(PYTHON_TOOLS)/pip
	$(PYTHON_TOOLS)/pip install --quiet cargo-zigbuild==0.24.1 ziglang==0.17.1 || $(call missing,a binary for older systems)

$(PYTHON_TOOLS)/check-jsonschema: $(PYTHON_TOOLS)/pip
	$(PYTHON_TOOLS)/pip install --quiet check-jsonschema==0.39.0 || $(call missing,make workflows)

$(PYTHON_TOOLS)/pip:
	python3 -m venv target/tools/python || $(call missing,everything in $(PYTHON_TOOLS))

tools:
	@packages=; \
	for tool in $(TOOLS); do \
		command -v "$${tool%%:*}" >/dev/null || [ -e "$${tool%%:*}" ] || packages="$$packages $${tool#*:}"; \
	done; \
	packages=$$(printf '%s\n' $$packages | sort -u | xargs); \
	[ -n "$$packages" ] || exit 0; \
	if ! command -v apt-get >/dev/null; then \
		echo "Programs of these Debian packages are missing, and there is no apt-get to install them:" >&2; \
		echo "$$packages" >&2; \
		echo "Get them elsewhere, such as from https://prometheus.io/download/, or run cargo test: it names each" >&2; \
		echo "program that a test lacks, and runs the others." >&2; \
		exit 1; \
	fi; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $$packages
