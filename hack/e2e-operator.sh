#!/usr/bin/env bash
# The proof of the operator: many Homeservers on an API server alone, then one on a cluster of two nodes that are drained and
# lost, with outages and an upgrade, under load. Writes artifacts/operator.json, and removes all that it made, also after
# Ctrl-C. FAULTS names some of the faults, HOMESERVERS how many there are of the many, 0 for none.
set -euo pipefail
cd "$(dirname "$0")/.."

faults=${FAULTS:-all}
homeservers=${HOMESERVERS:-100}
next=$(mktemp -d)
# shellcheck disable=SC2317 # by the trap
clean() {
  rm -rf "$next"
  if [ -n "${cluster:-}" ]; then hack/demo.sh down; fi
}
trap clean EXIT
trap 'exit 130' INT TERM

failed=0
make --no-print-directory build
go build -o bin/e2e ./test/e2e
go build -o bin/fleet ./test/fleet
if [ "$homeservers" -gt 0 ]; then
  KUBEBUILDER_ASSETS=$(go run -C hack/cluster . assets | tail -n 1)
  export KUBEBUILDER_ASSETS
  bin/fleet --homeservers="$homeservers" || failed=1
fi

# The next version: the same code, stamped with another name, and one migration more, which only adds.
last=$(find pkg/schema/migrations -name '*.sql' -printf '%f\n' | sort | tail -n 1 | cut -c1-4)
migration=$(printf '%04d_next.sql' $((10#$last + 1)))
echo 'ALTER TABLE cluster_state ADD COLUMN next_version text;' >"$next/migration.sql"
printf '{"Replace": {"%s": "%s"}}' "$PWD/pkg/schema/migrations/$migration" "$next/migration.sql" >"$next/overlay.json"
CGO_ENABLED=0 go build -trimpath -overlay "$next/overlay.json" \
  -ldflags '-s -w -X github.com/myelin-hs/myelin/pkg/telemetry.Version=next' -o "$next/worker" ./cmd/worker

cluster=made
NODES=2 TOUR=none hack/demo.sh up
variables=$(bin/cluster env)
eval "$variables"
image=myelin.local/myelin:next-$(sha256sum <"$next/worker" | cut -c1-12)
bin/cluster image "$image" "$next/worker" bin/operator bin/metrics-adapter
bin/e2e --kubectl="$KUBECTL" --namespace="${NAMESPACE:-myelin}" --artifacts=operator --rooms=20 --rate=20 \
  --faults="$faults" --upgrade-image="$image" || failed=1
exit "$failed"
