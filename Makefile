# Everything a developer runs. `make` alone lists it; .ci/run does what a merge has to pass.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.SILENT:

BIN := .venv/bin
BASELINE := protos/baseline.binpb
PYTEST := $(BIN)/pytest
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.PHONY: help
help: ## List the targets
	awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Use it

.PHONY: setup demo serve
setup: ## Create or update .venv and the generated code (does nothing when current)
	scripts/setup

demo: setup ## Play a working day of two tenants against a running suite
	$(BIN)/aeterna demo

serve: setup ## Run all four services on embedded stores until Ctrl-C
	$(BIN)/aeterna serve all

##@ Check it

.PHONY: test test-isolation test-rotation fuzz-ot lint types walls
test: ## Run every test that needs no cluster (WORKERS=n, two per core by default: tests mostly wait; CI=1: with coverage)
	scripts/setup --tests
	$(PYTEST) -n $(WORKERS) --dist worksteal $(if $(CI),--cov)

test-isolation: ## Drive 1,000,000 operations through the tenant isolation tests (long)
	scripts/setup --tests
	AETERNA_ISOLATION_OPERATIONS=1000000 $(PYTEST) -n $(WORKERS) -o faulthandler_timeout=0 tests/isolation

test-rotation: setup ## Rotate keys under 64 readers and writers, ROTATIONS times (default: 20; long)
	scripts/setup --tests
	AETERNA_ROTATIONS=$(or $(ROTATIONS),20) $(PYTEST) -s -o faulthandler_timeout=0 tests/integration/governance/test_rotation_under_load.py

fuzz-ot: setup ## Type OPERATIONS operations (default: 1000000) into shared texts on a bad network, on all cores (long)
	$(BIN)/python -m tests.convergence $(or $(OPERATIONS),1000000)

lint: setup ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup ## Check types
	$(BIN)/mypy

walls: setup ## Check which module may import which
	$(BIN)/lint-imports --no-cache

##@ Cluster

.PHONY: cluster-up cluster-down tools images e2e
cluster-up: ## Bring up a single-node Kubernetes on this machine (root; docs/cluster.md)
	tests/e2e/node/up

cluster-down: ## Take it down (WIPE=1: delete its state, too)
	tests/e2e/node/down $(if $(WIPE),--wipe)

tools: ## Build helm, kubectl and the other tools of the charts
	scripts/tools

images: ## Build the images, and give them to the node when it is up
	scripts/images

e2e: ## Run the tests that need a cluster (KUBECONFIG or AETERNA_E2E_CONTEXT: on yours; E2E=options of pytest)
	scripts/setup --tests
	$(PYTEST) tests/e2e $(E2E) -v --durations 15 -o faulthandler_timeout=900 --junitxml e2e-logs/junit.xml

##@ Change it

.PHONY: format protos protos-check protos-baseline console console-check
format: setup ## Format the code and fix what can be fixed by itself
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

protos: setup ## Compile protos/ into gen/
	$(BIN)/python scripts/protos

protos-check: protos ## Lint the contracts and refuse changes that break clients
	$(BIN)/buf lint protos
	if [ -e $(BASELINE) ]; then $(BIN)/buf breaking protos --against $(BASELINE); \
	else echo "protos: no $(BASELINE) yet, so no client can break (make protos-baseline)"; fi

protos-baseline: protos ## Accept the contracts as they are: later changes must be compatible
	$(BIN)/buf build protos --path protos/aeterna --exclude-source-info -o $(BASELINE)

console: ## Compile the TypeScript client into the console page (needs npm)
	scripts/console

console-check: ## See that the compiled client is current, and check the page's types (needs npm)
	scripts/console check

##@ Charts

.PHONY: charts manifests
charts: ## Lint, render, unit-test and schema-check every chart; see that k8s/ and the READMEs are current
	scripts/charts check

manifests: ## Render charts/aeterna into k8s/, and the charts' READMEs
	scripts/charts render

##@ Measure it

.PHONY: bench bench-retrieval bench-cache bench-near-duplicates bench-matryoshka bench-scale bench-anomaly bench-budgets bench-presence bench-sockets
bench: setup ## Run the benchmarks; results go to bench/results
	$(BIN)/python -m bench

bench-retrieval: setup ## Measure what is found in conversations (LOCOMO=FILE: in these)
	LOCOMO=$(LOCOMO) $(BIN)/python -m bench retrieval

bench-cache: setup ## Measure the embedding cache on question pairs (QQP=FILE: on these)
	QQP=$(QQP) $(BIN)/python -m bench cache

bench-near-duplicates: setup ## Measure how near-duplicates are told on question pairs (QQP=FILE: on these), and their cost
	QQP=$(QQP) $(BIN)/python -m bench near-duplicates

bench-matryoshka: setup ## Measure shorter vectors in the searched index at 100,000 vectors (QUICK=1: at few)
	$(BIN)/python -m bench matryoshka $(if $(QUICK),--quick)

bench-anomaly: setup ## Measure anomaly detection on labelled series (NAB=DIR with data/ and labels/: on these)
	NAB=$(NAB) $(BIN)/python -m bench anomaly

bench-scale: setup ## Measure what the number of tenants costs (SCALE_MEMORIES=n SCALE_TENANTS=n,n; QUICK=1: small)
	SCALE_MEMORIES=$(SCALE_MEMORIES) SCALE_TENANTS=$(SCALE_TENANTS) $(BIN)/python -m bench scale $(if $(QUICK),--quick)

bench-budgets: setup ## Measure reservations of 4 x 100 reservers, and kill them at random (QUICK=1: shorter)
	$(BIN)/python -m bench budgets $(if $(QUICK),--quick)

bench-presence: setup ## Measure joins, counts and memory of presence in rooms of 100 to 100,000 (QUICK=1: small)
	$(BIN)/python -m bench presence $(if $(QUICK),--quick)

bench-sockets: setup ## Measure 10,000 WebSockets, beside Centrifugo's if scripts/tools has built it (QUICK=1: few)
	$(BIN)/python -m bench sockets $(if $(QUICK),--quick)

##@ Leave no trace

.PHONY: clean
clean: ## Delete everything that make created, environments included
	rm -rf .uv .venv bench/peers/.venv bench/peers/ot/node_modules clients/typescript/node_modules clients/typescript/dist test-artefacts gen .gen-* .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
