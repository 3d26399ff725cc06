# make run      build everything in release and serve the samples on http://127.0.0.1:8080
# make test     every test
# make check    format, clippy, documentation, tidiness: what CI runs before the tests
# make build    debug binaries and samples, as the tests use them
# make sanitized  the worker with sanitizers in it, for the tests
# make support  run the conformance table and write docs/ISAPI-SUPPORT.md
# make windows  the worker and the samples for Windows, beside the native ones; Clippy for Windows
# make bench    CGI and ISAPI side by side, in release: the report in docs/benchmark, in less than 15 minutes
# make bench-quick  the same with short measurements and no report: 2 minutes
# make bench-parsers  records, parameters and heads of answers alone: a minute
# make profile-counts  instructions and system calls of a request, which hardly vary: some minutes, as root

CARGO      ?= cargo
TARGET_DIR := $(abspath $(or $(CARGO_TARGET_DIR),target))
SAMPLES    := $(TARGET_DIR)/samples

# What only the benchmark's own server needs, which the gateway that people start never has.
BENCHED    := --features isapi-gateway/in-process

.PHONY: run test check build sanitized support windows deps deps-windows samples bench bench-quick bench-parsers bench-build profile-counts clean

# The samples' configuration names what is below `target`.
run: samples
	[ -e target ] || ln -s $(TARGET_DIR) target
	$(CARGO) build --release --workspace
	cp $(TARGET_DIR)/release/libcard.so $(SAMPLES)/card.so
	$(TARGET_DIR)/release/isapi-gateway serve --config adapter/samples/gateway.toml

test: deps build sanitized
	$(MAKE) windows
	.ci/test $(CARGO) test --workspace $(BENCHED)

check: deps
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --package isapi-gateway --features in-process --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	.ci/tidy

build: samples
	$(CARGO) build --workspace $(BENCHED)
	cp $(TARGET_DIR)/debug/libcard.so $(SAMPLES)/card.so

sanitized:
	@.ci/deps valgrind=valgrind setarch=util-linux /usr/bin/rustc=rustc-web /usr/bin/cargo=cargo-web \
		/usr/lib/rustlib/src/rust/library=rust-web-src
	.ci/sanitized $(TARGET_DIR)

support: deps build windows
	ISAPI_SUPPORT=write $(CARGO) test -p system-tests --test system conformance::

bench: bench-build
	mkdir -p $(REPORT)/runs
	$(BENCH) --duration 400ms --close-rounds 6 --connections 1,8,32,128,256 --json $(REPORT)/runs/$(TODAY).json \
		--html $(REPORT)/index.html >$(REPORT)/result.txt
	cat $(REPORT)/result.txt
	$(BENCH_PROGRAM) bench --compare $(REPORT)/runs/*.json >$(REPORT)/runs/README.md
	if command -v chromium >/dev/null; then chromium --headless --no-sandbox --hide-scrollbars --window-size=1000,1500 \
		--screenshot=$(REPORT)/report.png file://$(CURDIR)/$(REPORT)/index.html; \
		else echo "$(REPORT)/report.png is of an earlier run: there is no chromium to take a picture of this one" >&2; fi

bench-quick: bench-build
	$(BENCH) --duration 150ms --rounds 1 --connections 1,32,256 --rates 1000,8000 \
		--load hello,echo-64k,echo-1m,stream-64m,card,stream-1g,stalled

bench-parsers:
	$(CARGO) bench --target-dir $(BENCH_DIR) --package fastcgi-protocol --package isapi-adapter --package isapi-gateway $(BENCHED) \
		--bench codec --bench response --bench head -- --warm-up-time 0.5 --measurement-time 2

profile-counts: bench-build
	@.ci/deps valgrind=valgrind perf=linux-perf pgrep=procps
	.ci/profile-counts $(BENCH_DIR)/release $(SAMPLES)

REPORT = docs/benchmark
TODAY = $(shell date -u +%F)
# In a folder of its own, so that the gateway that people start stays without what only the benchmark needs.
BENCH_DIR = $(TARGET_DIR)/bench
BENCH_PROGRAM = $(BENCH_DIR)/release/isapi-gateway
BENCH = $(BENCH_PROGRAM) bench --samples $(SAMPLES) --wine-prefix $(TARGET_DIR)/windows/prefix

bench-build: samples
	ISAPI_GATEWAY_COMMIT=$$(git describe --always --dirty --abbrev=12) \
		$(CARGO) build --release --target-dir $(BENCH_DIR) --package isapi-gateway --package isapi-adapter $(BENCHED)
	for machine in x86_64 i686; do worker=$(TARGET_DIR)/windows/$$machine/isapi-worker.exe; \
		if [ -f $$worker ]; then cp $$worker $(BENCH_DIR)/release/isapi-worker-$$machine.exe; fi; done

windows: deps deps-windows
	.ci/windows $(TARGET_DIR)
	$(MAKE) -C adapter/samples OUT=$(SAMPLES) windows
	.ci/pascal $(TARGET_DIR)

samples: deps
	$(MAKE) -C adapter/samples OUT=$(SAMPLES)

# Debian packages that building and testing need; installed when we may, named when we may not.
deps:
	@.ci/deps

# What building and running for Windows needs.
deps-windows:
	@.ci/windows-deps

clean:
	$(CARGO) clean
