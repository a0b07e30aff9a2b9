# Myelin's targets. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE     ?= myelin.local/myelin:dev
TOOL      := go tool -modfile=hack/tools/go.mod
LDFLAGS   := -s -w -X github.com/myelin-hs/myelin/pkg/telemetry.Version=$(VERSION)
GOBUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
CLUSTER_TOOL := go run -C hack/cluster .

##@ Run

.PHONY: demo
demo: ## Start a Kubernetes cluster, install Myelin, run the tour and leave it running (root)
	hack/demo.sh up

.PHONY: demo-down
demo-down: ## Remove all that `make demo` made, also after Ctrl-C, a failure or a reboot
	hack/demo.sh down

.PHONY: dev
dev: ## Run a whole homeserver in one process on 127.0.0.1:8008, with a Postgres in a temporary directory
	go run ./hack/dev

##@ Build

.PHONY: build
build: ## Build all binaries into bin/
	$(GOBUILD) -o bin/ ./cmd/...
	cd cmd/metrics-adapter && $(GOBUILD) -o ../../bin/ .
	cp cmd/kubectl-myelin/kubectl_complete-myelin bin/

.PHONY: image
image: build ## Pack the image and load it into the demo's cluster
	$(CLUSTER_TOOL) image $(IMAGE) $(CURDIR)/bin/worker $(CURDIR)/bin/operator $(CURDIR)/bin/metrics-adapter

.PHONY: generate
generate: ## Generate deepcopy functions, CRDs and roles from the types and markers, docs/crd-reference.md from the CRDs, KEDA's protocol
	$(TOOL) controller-gen object paths=./api/... crd output:crd:dir=config/crd/bases \
		rbac:roleName=operator paths=./controllers/... output:rbac:dir=config/rbac
	go run ./hack/crdref config/crd/bases docs/crd-reference.md
	go run -C hack/protogen . ../../cmd/metrics-adapter/keda/externalscaler/externalscaler.proto
	hack/chart-files.sh

##@ Check

.PHONY: setup
setup: ## Install Debian's packages that the tests need and that are missing, without starting their services
	hack/setup.sh

.PHONY: test
test: setup ## Unit, integration (real Postgres and Redis) and controller tests (real kube-apiserver, built the first time), with the race detector
	hack/test.sh

.PHONY: verify
verify: generate lint ## Generate, lint, check the import law, then fail on a dirty tree
	go test ./test/imports
	git diff --exit-code
	@test -z "$$(git status --porcelain)" || { echo 'verify: the tree is dirty:'; git status --short; exit 1; }

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, shellcheck
	@bad=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "gofmt: $$bad"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	for module in promql cluster keda protogen; do (cd hack/$$module && go vet . && go tool -modfile=../tools/go.mod staticcheck .); done
	cd cmd/metrics-adapter && go vet ./... && go tool -modfile=../../hack/tools/go.mod staticcheck ./...
	hack/shellcheck.sh

.PHONY: mutants
mutants: ## Remove each rule in turn; a named test must fail for each (MUTANTS=--some: for thirty of them)
	go run ./test/mutants $(MUTANTS)

.PHONY: models
models: ## Verify the models of the protocol by exhaustive search; each rule removed must make its model fail; writes artifacts/models.json
	@nice go run ./test/models

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (5s); what is found is kept as a test
	hack/fuzz.sh

.PHONY: chaos
chaos: ## Break worker processes, Postgres, Redis and the network under load and judge what clients saw; writes artifacts/chaos.json
	@go run ./test/chaos $(CHAOS)

.PHONY: bench-core
bench-core: ## Measure the room core against its goals; writes artifacts/bench-core.json
	@go run ./test/benchcore

.PHONY: bench
bench: ## Measure the homeserver against the floors of Postgres, signing and HTTP; writes artifacts/bench.json (BENCH=--short: only that it works)
	@go run ./test/bench $(BENCH) speed

.PHONY: bench-idle
bench-idle: ## Measure what a worker costs that has nothing to do with the traffic; writes artifacts/bench-idle.json
	@go run ./test/bench $(BENCH) idle

.PHONY: bench-growth
bench-growth: ## Measure what an event costs as rooms, users, shards and history grow; writes artifacts/bench-growth.json and docs/growth-*.svg
	@go run ./test/bench $(BENCH) growth

.PHONY: bench-profile
bench-profile: ## Profile a gateway and a persister under load; writes artifacts/profiles (BENCH=--rate=300: another rate)
	@go run ./test/bench $(BENCH) profile

.PHONY: e2e
e2e: ## The tour on the running demo cluster: scale, kill, move and restart under load; writes artifacts/e2e.json
	hack/e2e.sh

.PHONY: e2e-operator
e2e-operator: ## Drain, kill and upgrade under load on two nodes, and a hundred Homeservers on an API server; writes artifacts/operator.json (root)
	hack/e2e-operator.sh

.PHONY: e2e-autoscale
e2e-autoscale: ## Persisters follow their load by the real HPA controller, and stay when their lag is unknown; writes artifacts/autoscale.json, docs/autoscaling.svg (root)
	hack/e2e-autoscale.sh

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
