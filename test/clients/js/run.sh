#!/usr/bin/env bash
# Installs matrix-js-sdk and a Node.js that is new enough for it, both from npm, when missing, and runs the clients.
set -euo pipefail
cd "$(dirname "$0")"

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  if ! command -v npm >/dev/null; then
    go run -C ../../../hack/cluster . packages npm >&2
  fi
  npm ci --silent --ignore-scripts >&2
fi
node=$(echo node_modules/node-linux-*/bin/node)
exec "$node" tour.mjs "$@"
