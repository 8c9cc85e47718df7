# Two commands do everything on a fresh Debian or Ubuntu machine with Rust: `make demo` and `make test`.
#
#   make demo      one story from authorization to a closed incident, verified offline, with its report
#   make test      every test
#   make check     fmt, clippy, docs, deny: what CI asks besides
#   make bench     speed, as ratios to the signature limit of this machine
#   make replay    67,523 real shipments and an inventory of 141,068 rows: DATA=folder with their tables
#   make fuzz      ledger and verifier asked the same, for SECONDS (45) from SEED (1); both answers must agree
#   make vectors   writes tests/vectors again from their seeds
#   make install   countersign and countersign-verify into ~/.cargo/bin
#
# RocksDB takes some ten minutes to compile the first time; one profile serves programs and tests.
# CARGO_TARGET_DIR=… keeps what was built in a folder of your choice.

CARGO  ?= cargo
DATA   ?= ../shared/data
SECONDS ?= 45
SEED   ?= 1
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN    := $(TARGET)/release

export LC_ALL := C.UTF-8

.PHONY: help demo test check bench replay fuzz vectors install setup build

help:
	@sed -n 's/^# \{0,1\}//; 3,11p' Makefile

setup:
	@.ci/setup

build: setup
	$(CARGO) build --release --locked -p countersign -p countersign-verify

demo: build
	$(BIN)/countersign demo --report $(TARGET)/report.html

# The faults that the second command injects into the ledger are compiled into no program.
test: build
	$(CARGO) test --release --locked --workspace --exclude countersign-tests
	$(CARGO) test --release --locked -p countersign-tests

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps
	@if command -v cargo-deny >/dev/null 2>&1; then $(CARGO) deny --locked check bans licenses sources; \
	else echo "cargo-deny is not installed: \`cargo install --locked cargo-deny\` (CI runs it)"; fi

bench: build
	$(CARGO) run --release --locked -p countersign-examples --bin bench

replay: build
	$(CARGO) build --release --locked -p countersign-examples --bins
	$(BIN)/leso_replay $(DATA)
	$(BIN)/leso_inventory $(DATA)

# A workspace of its own, without RocksDB: built apart from the rest.
fuzz: setup
	$(CARGO) run --release --locked --manifest-path tests/fuzz/Cargo.toml --target-dir $(TARGET)/fuzz -- \
	  smoke --seconds $(SECONDS) --seed $(SEED)

vectors: setup
	$(CARGO) run --release --locked -p countersign-tests --bin make_vectors

install: setup
	$(CARGO) install --locked --path api
	$(CARGO) install --locked --path verifier
