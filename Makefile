# Verbs of the project. Everything here works on a fresh machine with Rust and the package registries.
CARGO ?= cargo
SEEDS ?= 10000
DOCKER ?= docker
IMAGE ?= ghcr.io/starrocks-operator/starrocks-operator
PLATFORMS ?= linux/amd64,linux/arm64
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

.PHONY: help check test lint bless generate demo simulate fmt kubectl-test e2e cluster cluster-down bench ci e2e-oldest crash-points edges critical-path image image-test bundle bundle-check catalog images-lock scorecard

help: ## Show the verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: ## Compile everything, tests included
	$(CARGO) check --all-targets

test: ## Run every test
	$(CARGO) test

lint: ## Formatting and clippy, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

fmt: ## Format the code
	$(CARGO) fmt

generate: ## Fail if a generated file differs from what the code says
	$(CARGO) run --quiet -- generate --check

bless: ## Rewrite every generated file and snapshot
	$(CARGO) run --quiet -- generate --write
	$(CARGO) run --quiet --config profile.dev.opt-level=1 -- simulate --edges tests/scenarios/edges --write
	INSTA_UPDATE=always $(CARGO) test

demo: ## Create a cluster and upgrade it on the embedded Kubernetes
	$(CARGO) run -- demo

simulate: ## SEEDS (10,000) seeded runs with faults
	$(CARGO) run --config profile.dev.opt-level=1 -- simulate --seeds $(SEEDS)

edges: ## Every pair of lines and every exception of the edge table, planned and done
	$(CARGO) run --config profile.dev.opt-level=1 -- simulate --edges tests/scenarios/edges

critical-path: ## Wall time of upgrades against the restarts and waits that nobody could save
	$(CARGO) run --config profile.dev.opt-level=1 -- simulate --critical-path

e2e: ## The operator against a real and the embedded control plane with simulated nodes; needs Go the first time
	tests/e2e/run

e2e-oldest: ## Same objects and the smallest example on the oldest Kubernetes that is supported; builds it the first time
	KUBERNETES_VERSION=v1.33 tests/e2e/run --world real 10-same-api 20-minimal

crash-points: ## Every API write and SQL statement of creations and two-hop upgrades goes wrong in every way
	$(CARGO) run --config profile.dev.opt-level=1 -- simulate --crash-points

cluster: ## Leave a real control plane with nodes and the operator running, to work in by hand
	tests/e2e/cluster up

cluster-down: ## End what `make cluster` left running
	tests/e2e/cluster down

bench: ## Measure the operator with CLUSTERS (300) clusters on a real control plane
	tests/e2e/bench

kubectl-test: ## An ordinary kubectl against the embedded API (needs Go, once)
	bash tests/kubectl/run

bundle: ## Write bundle/, the package for OLM, and every other generated file
	$(CARGO) run --quiet -- generate --write

catalog: bundle ## Render catalog/ from its template and the bundles; needs Go the first time
	tests/olm/catalog --write

bundle-check: generate ## Every check of the package, and that each of them can fail; needs Go the first time
	tests/olm/check
	tests/olm/selftest

images-lock: ## Ask registries for the digests in config/images.lock
	config/images-lock

scorecard: ## Every scorecard test of the package, without a container runtime (needs Go, once)
	tests/olm/check scorecard

image: ## Build the operator's image as IMAGE for PLATFORMS (needs docker with buildx; BUILDX_FLAGS=--push to publish it)
	$(DOCKER) buildx build --platform $(PLATFORMS) --tag $(IMAGE):$(VERSION) --build-arg VERSION=$(VERSION) \
		--build-arg REVISION="$$(git rev-parse HEAD)" --build-arg CREATED="$$(git log -1 --format=%cI)" $(BUILDX_FLAGS) .

image-test: ## The image's files, built and run without a container runtime as any user on a read-only root; needs root, and Go
	tests/image/run

ci: ## What the continuous integration runs
	bash .ci/run
