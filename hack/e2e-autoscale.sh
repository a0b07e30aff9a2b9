#!/usr/bin/env bash
# The proof of autoscaling: a homeserver whose persisters have little CPU and follow their load, on a cluster made for it, with
# the external metrics adapter, metrics-server and the real HPA controller. Writes artifacts/autoscale.json and
# docs/autoscaling.svg, and removes all that it made, also after Ctrl-C. SCENARIOS names some of the scenarios, CPU the limit of a
# persister (in all but `long`, which has its own). Arguments go to test/e2e.
set -euo pipefail
cd "$(dirname "$0")/.."

# shellcheck disable=SC2317 # by the trap
clean() {
  if [ -n "${cluster:-}" ]; then hack/demo.sh down; fi
}
trap clean EXIT
trap 'exit 130' INT TERM

go build -o bin/e2e ./test/e2e
cluster=made
AUTOSCALING=yes TOUR=none hack/demo.sh up
variables=$(bin/cluster env)
eval "$variables"
bin/e2e --kubectl="$KUBECTL" --namespace="${NAMESPACE:-myelin}" --artifacts=autoscale --receivers=1 \
  --autoscale="${SCENARIOS:-all}" ${CPU:+--cpu="$CPU"} "$@"
