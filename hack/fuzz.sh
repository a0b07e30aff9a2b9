#!/usr/bin/env bash
# Runs every fuzz target for FUZZTIME. What it finds is kept below the package's testdata/fuzz, to be mended and committed:
# from then on `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${FUZZTIME:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# ended tells the end of the time from a finding: go test may take its own deadline for a failure (golang/go#75804).
ended() { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input written' "$log"; }

targets=0
while IFS=: read -r file declaration; do
  target=${declaration#func }
  target=${target%%(*}
  package=./$(dirname "$file")
  echo "-- $package $target"
  go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" 2>&1 | tee "$log" || ended
  targets=$((targets + 1))
done < <(git grep --untracked -E '^func Fuzz[A-Z][A-Za-z0-9]*\(' -- '*_test.go')
if [ "$targets" -eq 0 ]; then
  echo "there is no fuzz target" >&2
  exit 1
fi
echo "$targets fuzz targets, $time each: nothing found"
