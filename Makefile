# What people type. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help build test fmt table-cifar results data-cifar10 data-cifar100 doc clean

PROFILE ?= reduced
DATA_DIR ?=
ARGS ?=
RUN := cargo run --release --quiet -p swish-experiments --bin
FLAGS = --profile $(PROFILE) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)") $(ARGS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: PROFILE=smoke|reduced|paper  DATA_DIR=folder with the data sets  ARGS=further flags (--help lists them)"

build: ## the tool `swish` and the tables' binaries, in target/release
	cargo build --release

table-cifar: ## Tables 4 and 5: nine activations, three models, CIFAR-10 and CIFAR-100
	cargo build --release -p swish-experiments
	$(RUN) table_cifar -- $(FLAGS)

results: ## the tables of results/tables, put into the README
	$(RUN) readme

data-cifar10 data-cifar100: ## get the real data from the hub, and check it
	cargo run --release --quiet -p swish --bin swish -- data fetch --dataset $(@:data-%=%)

test: ## formatting, clippy with warnings as errors, all tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo test --workspace

fmt: ## format the sources
	cargo fmt --all

doc: ## the documentation of all crates, in target/doc
	cargo doc --workspace --no-deps

clean: ## remove what was built
	cargo clean
