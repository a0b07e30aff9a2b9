#!/usr/bin/env bash
# The demo: `up` makes a cluster, installs Myelin, applies the sample, runs the tour and leaves it all running; `down`
# removes all of it. CLUSTER chooses the cluster (see hack/cluster), TOUR the tour's length: full, short or none, IMAGE the
# image's name, NAMESPACE the homeserver's namespace, and NODES how many nodes a cluster that is made here has. AUTOSCALING=yes
# adds what pools need that follow their load: metrics-server and the metrics adapter.
set -euo pipefail
cd "$(dirname "$0")/.."

image=${IMAGE:-}
namespace=${NAMESPACE:-myelin}
stamp="${XDG_CACHE_HOME:-$HOME/.cache}/myelin/demo-was-ready"
start=$(date +%s.%N)

elapsed() { awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}'; }
step() { printf '[%7ss] %s\n' "$(elapsed)" "$1"; }

go build -C hack/cluster -o ../../bin/cluster .
cluster() { bin/cluster --namespace "$namespace" "$@"; }

# use learns CLUSTER, KUBECONFIG and KUBECTL from the cluster that is there, in which namespace the operator belongs, and
# where it is noted that the installation is ours, by the name of its namespace.
use() {
  local variables
  variables=$(cluster env) || return 1
  eval "$variables"
  installed="$(dirname "$KUBECONFIG")/demo-installed"
  operator=myelin-system
  if [ "$CLUSTER" = current ]; then operator=$namespace; fi
}

kube() { "$KUBECTL" "$@"; }

# manifests are the operator and the CRDs, with the image in place of the default one, of the operator and of Homeservers
# alike. In somebody's cluster the operator stays in the demo's namespace.
manifests() {
  local name=${image//&/\\&}
  if [ "$CLUSTER" = current ]; then
    kube kustomize config/namespaced |
      sed "s|^\( *namespace\): myelin\$|\1: $namespace|; s|^  name: myelin\$|  name: $namespace|; s|myelin.local/myelin:dev|$name|"
  else
    rm -rf bin/config && cp -r config bin/config
    if [ -n "${AUTOSCALING:-}" ]; then sed -i -E 's|^#(components:\|- ../components/metrics-adapter)$|\1|' bin/config/default/kustomization.yaml; fi
    kube kustomize bin/config/default | sed "s|myelin.local/myelin:dev|$name|"
  fi
}

# ours refuses a cluster of somebody else's in which the demo would only half work, or replace what is another's, before
# anything is made there.
ours() {
  local there
  if ! use 2>/dev/null; then KUBECTL=kubectl installed=; fi
  if [ -e "$installed" ]; then return; fi
  if ! kube auth can-i create customresourcedefinitions.apiextensions.k8s.io -q || ! kube auth can-i create clusterroles.rbac.authorization.k8s.io -q; then
    echo "this cluster does not let you make CustomResourceDefinitions and ClusterRoles, which the demo needs" >&2
    exit 1
  fi
  there=$(kube get crd homeservers.myelin.dev workerpools.myelin.dev eventpersistershards.myelin.dev --ignore-not-found -o name)
  if [ -n "$there" ]; then
    echo "this cluster has Myelin's CRDs already, for somebody else: the demo would replace them, and take them along when it goes" >&2
    exit 1
  fi
}

install() {
  echo "$namespace" >"$installed"
  manifests | kube apply --server-side -f - >/dev/null
  kube -n "$namespace" get secret demo-registration >/dev/null 2>&1 ||
    kube -n "$namespace" create secret generic demo-registration \
      --from-literal=shared-secret="$(head -c 24 /dev/urandom | base64 | tr -d '+/=')" >/dev/null
  kube wait --for=condition=Established crd/homeservers.myelin.dev crd/workerpools.myelin.dev \
    crd/eventpersistershards.myelin.dev --timeout=60s >/dev/null
  kube -n "$operator" rollout status deployment/myelin-operator --timeout=180s
  if [ -n "${AUTOSCALING:-}" ]; then
    kube -n "$operator" rollout status deployment/myelin-metrics-adapter --timeout=180s
    kube wait --for=condition=Available apiservice/v1beta1.external.metrics.k8s.io --timeout=120s
  fi
}

# adapter_may_ask lets the metrics adapter read the credential with which the homeserver's workers are asked.
adapter_may_ask() {
  kube -n "$namespace" create role demo-metrics-adapter --verb=get --resource=secrets --resource-name=demo-internal \
    --dry-run=client -o yaml | kube apply -f -
  kube -n "$namespace" create rolebinding demo-metrics-adapter --role=demo-metrics-adapter \
    --serviceaccount="$operator:myelin-metrics-adapter" --dry-run=client -o yaml | kube apply -f -
}

# explain shows what stands in the cluster, for who wants to know why something there did not become ready.
explain() {
  kube -n "$namespace" get homeservers,workerpools,jobs
  kube get pods -A -o wide
  kube get events -A --field-selector type=Warning --sort-by=.metadata.creationTimestamp | tail -n 30
  kube -n "$operator" logs deployment/myelin-operator --tail=30
}

# without_crds passes on all manifests but the CRDs.
without_crds() { awk 'BEGIN {RS = "---\n"} !/(^|\n)kind: CustomResourceDefinition\n/ {printf "---\n%s", $0}'; }

# uninstall removes what the demo made in somebody's cluster. The CRDs, and with them every object of theirs, go only if
# nobody else has come to use them.
uninstall() {
  local kind found others=
  namespace=$(cat "$installed")
  for kind in homeservers workerpools eventpersistershards; do
    if [ -z "$(kube get crd "$kind.myelin.dev" --ignore-not-found -o name)" ]; then continue; fi
    found=$(kube get "$kind.myelin.dev" -A -o 'jsonpath={range .items[*]}{.metadata.namespace}{"\n"}{end}')
    others+=$(grep -vxF "$namespace" <<<"$found" | sed '/^$/d; s/^/ /' | sort -u | tr -d '\n' || true)
  done
  if [ -n "$others" ]; then
    step "removing the operator; the CRDs stay, since these namespaces use them:$others"
    manifests | without_crds | kube delete --ignore-not-found -f - >/dev/null
  else
    step "removing the operator and the CRDs"
    manifests | kube delete --ignore-not-found -f - >/dev/null
  fi
  rm -f "$installed"
}

down() {
  # A cluster that was made here goes as a whole. In another there are objects outside of the demo's namespace.
  if use 2>/dev/null && [ "$CLUSTER" = current ] && [ -e "$installed" ]; then uninstall; fi
  cluster down
  step "all of the demo is removed"
}

unfinished() {
  local status=$?
  if [ "$status" -ne 130 ] && [ -n "${operator:-}" ]; then explain >&2 || true; fi
  step "not finished; make demo goes on from here, make demo-down removes what it made" >&2
}

up() {
  trap unfinished EXIT
  step "checking this machine"
  cluster preflight
  if [ "${CLUSTER:-}" = current ]; then ours; fi
  step "starting the cluster, Postgres and Redis"
  cluster up --nodes "${NODES:-1}" ${AUTOSCALING:+--autoscaling}
  step "building Myelin and its image"
  make --no-print-directory build
  use
  # Named by its content, so that a second demo after a change of the code rolls the pods.
  if [ -z "$image" ] && [ "$CLUSTER" = current ]; then
    echo "set IMAGE to a name that this cluster can pull: it does not see images that are built here" >&2
    exit 1
  fi
  [ -n "$image" ] || image=myelin.local/myelin:$(cat bin/worker bin/operator bin/metrics-adapter | sha256sum | cut -c1-12)
  cluster image "$image" bin/worker bin/operator bin/metrics-adapter
  ln -sf "$KUBECTL" bin/kubectl

  step "installing the operator"
  install

  step "kubectl apply -f config/samples/classic.yaml"
  sed "s|namespace: myelin-system|namespace: $operator|" config/samples/classic.yaml | kube -n "$namespace" apply -f -
  if [ -n "${AUTOSCALING:-}" ]; then adapter_may_ask; fi
  # A Homeserver keeps the default image of the day it was made.
  kube -n "$namespace" patch homeserver demo --type=merge -p "{\"spec\":{\"image\":\"$image\"}}" >/dev/null
  kube -n "$namespace" wait --for=condition=Ready homeserver/demo --timeout=240s
  ready=$(elapsed)
  step "the homeserver is Ready"

  second=()
  if [ -e "$stamp" ]; then second=(--demo-ready "$ready"); fi
  mkdir -p "$(dirname "$stamp")" && touch "$stamp"
  tour=0
  case $CLUSTER/${TOUR:-full} in
    */none) ;;
    current/*) step "no tour: it needs the pods' network and processes on this machine" ;;
    *) NAMESPACE=$namespace hack/e2e.sh --artifacts=e2e,demo "${second[@]}" || tour=$? ;;
  esac
  trap - EXIT
  next
  [ "$tour" -eq 0 ] || step "the tour failed" >&2
  exit "$tour"
}

next() {
  local base where
  if [ "$CLUSTER" = current ]; then
    base=http://127.0.0.1:8008
    where="after: kubectl -n $namespace port-forward service/demo 8008:80"
  else
    base=http://$(kube -n "$namespace" get service demo -o jsonpath='{.spec.clusterIP}')
    where="a Service of the cluster, reachable from this machine"
  fi
  cat <<NEXT

Myelin runs. Its client-server API is at $base ($where).

Try:
  curl $base/_matrix/client/versions
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
