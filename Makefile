# What people type. `make` alone lists the targets.
.DEFAULT_GOAL := help
.PHONY: help build test test-slurm fmt table-cifar table-cifar-search imagenet figure-8 search bench-cpu results data-cifar10 data-cifar100 data-imagenet doc clean data-wmt figures build-cuda test-cuda
.PHONY: table-overview report all-reduced
.PHONY: wmt-transformer imagenet-mobilenasnet imagenet-inception-resnet-v2 imagenet-mobilenet imagenet-inception-v3 imagenet-inception-v4

PROFILE ?= reduced
DATA_DIR ?=
ROUNDS ?= 3
VENV ?= .venv
SEARCH ?= results/runs/search
STRATEGY ?= exhaustive
ARGS ?=
CUDA ?=
FEATURES := $(if $(CUDA),--features cuda)
RUN := cargo run --release --quiet -p swish-experiments $(FEATURES) --bin
# The packages whose tests run on a GPU too.
ON_DEVICES := -p swish-kernels -p swish-core -p swish-train --features swish-kernels/cuda,swish-core/cuda,swish-train/cuda
FLAGS = --profile $(PROFILE) $(if $(DATA_DIR),--data-dir "$(DATA_DIR)") $(ARGS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: PROFILE=smoke|reduced|paper  DATA_DIR=folder with the data sets  SEARCH=folder and STRATEGY of the search  ROUNDS=3 and VENV=.venv (bench-cpu)  CUDA=1 with ARGS=\"--device cuda:0\" on a GPU  ARGS=further flags (--help lists them)"

build: ## the tool `swish` and the tables' binaries, in target/release
	cargo build --release

# The tool is carried to machines with a GPU: without symbols it has a third of the size.
build-cuda: ## the same with CUDA; needs no CUDA to build and starts anywhere: `swish gpu` says what it finds
	cargo build --release -p swish -p swish-experiments --features swish/cuda,swish-experiments/cuda
	strip target/release/swish

table-cifar: ## Tables 4 and 5: nine activations, three models, CIFAR-10 and CIFAR-100
	cargo build --release -p swish-experiments $(FEATURES)
	$(RUN) table_cifar -- $(FLAGS)

table-cifar-search: ## Tables 1 and 2, Figure 3: the functions that the search found, same models and data; ARGS="--from DIR": yours too
	cargo build --release -p swish-experiments $(FEATURES)
	$(RUN) table_cifar_search -- $(FLAGS)

imagenet-mobilenasnet imagenet-inception-resnet-v2 imagenet-mobilenet imagenet-inception-v3 imagenet-inception-v4: ## Tables 6 to 10: nine activations, three learning rates each
	cargo build --release -p swish-experiments $(FEATURES)
	$(RUN) $(subst -,_,$@) -- $(FLAGS)

imagenet: imagenet-mobilenasnet imagenet-inception-resnet-v2 imagenet-mobilenet imagenet-inception-v3 imagenet-inception-v4 ## all five of them

figure-8: imagenet-mobilenasnet ## Figure 8: training curves of Mobile NASNet-A, from the runs of Table 6

wmt-transformer: ## Table 11: nine activations, two learning rates each, in a Transformer that translates English into German
	cargo build --release -p swish-experiments $(FEATURES)
	$(RUN) wmt_transformer -- $(FLAGS)

table-overview: ## Table 3: on how many models Swish is better, equal or worse, counted from results/tables
	$(RUN) table_overview

figures: ## Figures 4 to 7, and 8 where its runs are: Swish, its derivative, preactivations, betas; ARGS="--only 4,5"
	cargo build --release -p swish-experiments $(FEATURES)
	$(RUN) figures -- $(FLAGS)

search: ## a search: all functions of one core unit, or STRATEGY=ppo ARGS="--units 2"; goes on where it was stopped
	cargo build --release -p swish
	if test -e "$(SEARCH)/search.json"; then target/release/swish search resume "$(SEARCH)"; \
	else target/release/swish search run "$(SEARCH)" --strategy $(STRATEGY) $(FLAGS); fi

bench-cpu: ## training steps, beam search and activations beside PyTorch's: results/bench/cpu.csv, .md, .svg, .png
	cargo build --release -p swish
	@$(MAKE) --no-print-directory $(VENV)/ready || echo "PyTorch could not be installed into $(VENV)" >&2
	cargo run --release --quiet -p swish --bin swish -- bench compare --python $(VENV)/bin/python --rounds $(ROUNDS) $(ARGS)

$(VENV)/ready: bench/requirements.txt
	test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r bench/requirements.txt
	@touch $@

results: ## the tables of results/tables and results/bench, put into the README
	$(RUN) readme

report: ## all results as one page, results/index.html; and the README's tables
	cargo run --release --quiet -p swish --bin swish -- report
	$(RUN) readme

all-reduced: ## every table and figure in the reduced profile, then the report; what has records is not run again
	scripts/all_reduced.sh PROFILE=reduced DATA_DIR="$(DATA_DIR)"

data-cifar10 data-cifar100: ## get the real data from the hub, and check it
	cargo run --release --quiet -p swish --bin swish -- data fetch --dataset $(@:data-%=%)

data-imagenet: ## 150 GB from the hub: accept its terms there and set HF_TOKEN first (data/README.md)
	cargo run --release --quiet -p swish --bin swish -- data fetch --dataset $(@:data-%=%)

data-wmt: ## WMT 2014 English-German and the newstests of 2013 to 2016, 0.8 GB from the hub
	cargo run --release --quiet -p swish --bin swish -- data fetch --dataset wmt14

test: ## formatting, clippy with warnings as errors, all tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy $(ON_DEVICES) -p swish --features swish/cuda --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo test --workspace

test-cuda: ## kernels, networks and learning on a GPU, and kernels compiled by NVRTC (SWISH_NVRTC=folder of libnvrtc.so); says so where either is missing
	cargo test $(ON_DEVICES) --lib --test nvrtc -- --nocapture
	cargo test $(ON_DEVICES) --test suite -- --nocapture on_gpu machines_without_a_gpu
	cargo test -p swish --features cuda --test suite -- contract:: bad_input::

test-slurm: ## a search on a Slurm of this machine, started for it and ended after it
	SWISH_INSTALL_SLURM=1 cargo test -p swish-search --test suite slurm:: -- --nocapture
	SWISH_INSTALL_SLURM=1 cargo test -p swish --test suite slurm:: -- --nocapture

fmt: ## format the sources
	cargo fmt --all

doc: ## the documentation of all crates, in target/doc
	cargo doc --workspace --no-deps

clean: ## remove what was built
	cargo clean
