#!/usr/bin/env bash
# Checks every shell script of the project.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t scripts < <(git ls-files '*.sh' .ci/run cmd/kubectl-myelin/kubectl_complete-myelin)
shellcheck "${scripts[@]}"
