#!/usr/bin/env bash
# Copies into the chart what it shares with config/: a chart is packed by itself and cannot reach out of its folder.
set -euo pipefail
cd "$(dirname "$0")/.."

files=charts/myelin/files
rm -rf "$files"
mkdir -p "$files/crds"
cp config/crd/bases/*.yaml "$files/crds/"
cp config/rbac/role.yaml config/rbac/leader_election_role.yaml config/rbac/user_roles.yaml "$files/"
cp config/components/all-secrets/role.yaml "$files/secrets_role.yaml"
cp config/components/monitoring/rules.yaml config/components/monitoring/dashboard.json "$files/"
