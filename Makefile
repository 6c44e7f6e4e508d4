# The two commands that matter: make run, make test. Both install what is missing.
CARGO ?= cargo
# What `make run` passes on: make run ARGS='--listen 127.0.0.1:9000'
ARGS ?=

.PHONY: run build test lint bench setup client fmt test-rust test-client test-e2e test-fuzz

run: build
	exec target/release/tandem serve $(ARGS)

build: setup client
	$(CARGO) build --release --locked

setup:
	xvfb/setup run build

client: setup
	cd client && npm run --silent build

test: test-rust test-client test-e2e test-fuzz

# The tests start real displays and browsers: on two cores, few at a time.
test-rust: setup-test client
	$(CARGO) test --locked --features bench --no-fail-fast

test-client: setup
	cd client && npm run --silent check && npm test --silent

test-e2e: setup-test client
	$(CARGO) build --locked --features bench
	cd client && npm run --silent e2e

# FUZZ_SECONDS=600 make test-fuzz stays ten minutes with each reader.
test-fuzz: setup-test client
	fuzz/run

.PHONY: setup-test
setup-test:
	xvfb/setup run build test

lint: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --features bench --all-targets -- -D warnings
	cd client && npm run --silent lint

bench: setup-test client
	$(CARGO) build --release --locked --features bench
	target/release/tandem bench $(ARGS)

fmt:
	$(CARGO) fmt
	cd client && npm run --silent format
