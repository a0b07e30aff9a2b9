#!/usr/bin/env bash
# The demo: `up` makes a cluster, installs Myelin, applies the sample, runs the tour and leaves it all running; `down`
# removes all of it. CLUSTER chooses the cluster (see hack/cluster), TOUR the tour's length: full, short or none.
set -euo pipefail
cd "$(dirname "$0")/.."

image=${IMAGE:-myelin.local/myelin:dev}
namespace=myelin
stamp="${XDG_CACHE_HOME:-$HOME/.cache}/myelin/demo-was-ready"
start=$(date +%s.%N)

elapsed() { awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}'; }
step() { printf '[%7ss] %s\n' "$(elapsed)" "$1"; }

go build -C hack/cluster -o ../../bin/cluster .
cluster() { bin/cluster --namespace "$namespace" "$@"; }

down() {
  cluster down
  step "all of the demo is removed"
}

up() {
  step "checking this machine"
  cluster preflight
  step "starting the cluster, Postgres and Redis"
  cluster up
  step "building Myelin and its image"
  make --no-print-directory build
  cluster image "$image" bin/worker bin/operator
  eval "$(cluster env)"
  ln -sf "$KUBECTL" bin/kubectl
  PATH="$PWD/bin:$PATH"

  step "installing the operator"
  kubectl apply --server-side -k config/default >/dev/null
  kubectl -n myelin-system set image deployment/myelin-operator "operator=$image" >/dev/null
  kubectl -n "$namespace" get secret demo-registration >/dev/null 2>&1 ||
    kubectl -n "$namespace" create secret generic demo-registration \
      --from-literal=shared-secret="$(head -c 24 /dev/urandom | base64 | tr -d '+/=')" >/dev/null
  kubectl wait --for=condition=Established crd/homeservers.myelin.dev crd/workerpools.myelin.dev \
    crd/eventpersistershards.myelin.dev --timeout=60s >/dev/null
  kubectl -n myelin-system rollout status deployment/myelin-operator --timeout=180s

  step "kubectl apply -f config/samples/classic.yaml"
  kubectl -n "$namespace" apply -f config/samples/classic.yaml
  kubectl -n "$namespace" wait --for=condition=Ready homeserver/demo --timeout=240s
  ready=$(elapsed)
  step "the homeserver is Ready"

  second=()
  if [ -e "$stamp" ]; then second=(--demo-ready "$ready"); fi
  mkdir -p "$(dirname "$stamp")" && touch "$stamp"
  case ${TOUR:-full} in
    none) ;;
    *) hack/e2e.sh --artifacts=e2e,demo "${second[@]}" ;;
  esac
  next
}

next() {
  address=$(kubectl -n "$namespace" get service demo -o jsonpath='{.spec.clusterIP}')
  cat <<NEXT

Myelin runs. Its client-server API is at http://$address (a Service of the cluster, reachable from this machine).

Try:
  curl http://$address/_matrix/client/versions
  eval "\$(bin/cluster env)" && export PATH="\$PWD/bin:\$PATH"      # kubectl and its plugin for this cluster
  kubectl -n $namespace get homeservers,workerpools,eventpersistershards
  kubectl myelin status -n $namespace
  kubectl -n $namespace scale workerpool demo-persister --replicas=4
  kubectl myelin failover 7 -n $namespace
  make e2e                                                       # the tour again
  make demo-down                                                 # remove everything
NEXT
}

case ${1:-} in
  up | down) "$1" ;;
  *) echo "usage: $0 up|down" >&2 && exit 2 ;;
esac
