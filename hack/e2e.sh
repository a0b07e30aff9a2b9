#!/usr/bin/env bash
# The tour on the cluster that `make demo` left running. Arguments go to test/e2e. TOUR=short is for CI.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -x bin/cluster ] || go build -C hack/cluster -o ../../bin/cluster .
[ -x bin/kubectl-myelin ] || make --no-print-directory build
variables=$(bin/cluster env)
eval "$variables"
set -- --kubectl="$KUBECTL" --namespace="${NAMESPACE:-myelin}" "$@"
if [ "${TOUR:-full}" = short ]; then
  set -- --rooms=20 --kills=2 --idle=false "$@"
fi
go build -o bin/e2e ./test/e2e
exec bin/e2e "$@"
