#!/usr/bin/env bash
# Runs all tests with the race detector. Arguments, if any, go to `go test` instead of ./...
set -euo pipefail
cd "$(dirname "$0")/.."

KUBEBUILDER_ASSETS=$(go run -C hack/cluster . assets | tee >(cat >&2) | tail -n 1)
export KUBEBUILDER_ASSETS
if [ $# -eq 0 ]; then
  set -- ./...
  (cd hack/cluster && go test -race .)
  (cd hack/promql && go test .) # Prometheus' engine is not ours to race
  (cd cmd/metrics-adapter && go test -race ./...)
fi
go test -race -timeout 15m "$@"
