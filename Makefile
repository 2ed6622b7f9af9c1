# The front door. `make` lists the targets; `make check` is what CI runs.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# jsii runs on the pinned Node, not on whichever the machine has.
export JSII_NODE := $(CURDIR)/node_modules/.bin/node
export PYTHONDONTWRITEBYTECODE :=
unexport AWS_PROFILE

SETUP := build/setup.stamp
PYTHON_SOURCES := app.py settings stacks constructs lambda finetune review rehearsal trainingdata tests tools benchmarks

.PHONY: help setup lock rehearse rehearse-faults lint types unit test check check-all mutation mutation-all iam-simulator fault-table bench generate clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(SETUP) ## install everything; nothing later needs a network

$(SETUP): locks/app.txt locks/emulator.txt locks/functions.txt locks/installer.txt package-lock.json pyproject.toml tools/setup.sh tools/stage_functions.py lambda/customization/calls.py
	@PYTHON=$(PYTHON) tools/setup.sh
	@touch $@

lock: ## renew locks/ and requirements.txt from pyproject.toml and locks/*.in
	tools/lock.sh

rehearse: $(SETUP) ## one job from data to a completed model on the local emulator, then destroy
	finetune rehearse

rehearse-faults: $(SETUP) ## every planted fault, each caught for the right reason
	finetune rehearse --fault all

lint: $(SETUP)
	ruff check $(PYTHON_SOURCES)
	ruff format --check $(PYTHON_SOURCES)

types: $(SETUP)
	mypy

unit: $(SETUP)
	pytest -q -n 2 --dist loadscope

test: lint types unit ## lint, types, tests: what the README says to run

check: test ## what CI runs: test, a few hundred weakenings, the rehearsal, three faults
	python -m benchmarks.mutation --sample 600 --pairs 100 --neutral 5 --dry
	finetune rehearse
	finetune rehearse --fault trust-other-account --fault endpoint-without-write --fault job-group-without-s3

check-all: check iam-simulator ## everything there is
	pytest -q -n 2 --dist loadscope -m slow
	finetune rehearse --fault all
	finetune rehearse --scenario all
	FINETUNE_ENGINE_STEPS=1000000 pytest -q tests/lambda/test_engine_by_chance.py -k invariants_hold
	finetune rehearse -e prod
	$(MAKE) mutation-all
	$(MAKE) bench

iam-simulator: $(SETUP) ## install somebody else's IAM simulator (AGPL-3.0), for tests to compare with
	npm ci --prefix tools/iam-simulator --no-audit --no-fund --loglevel=error

fault-table: $(SETUP) ## what comes of every error of every call: written to docs/ and printed
	python tools/fault_table.py

bench: $(SETUP) ## the speed bars; results are written to benchmarks/
	python benchmarks/synth.py
	python benchmarks/submitter_start.py
	python -m benchmarks.review
	python benchmarks/metrics_page.py
	python benchmarks/data_check.py

mutation: $(SETUP) ## weakened templates of dev, without and with inference, a sample: what the gate notices
	python -m benchmarks.mutation --sample 4000 --pairs 1000 --neutral 30

mutation-all: $(SETUP) ## every weakening, thousands of pairs, 500 neutral changes; writes the figures
	python -m benchmarks.mutation --pairs 4000 --neutral 500

generate: $(SETUP) ## rewrite what is generated: the settings' JSON Schema and the tables in docs/
	python tools/generate.py

clean: ## remove what the targets made
	rm -rf build cdk.out .rehearsal .mypy_cache .pytest_cache .ruff_cache
