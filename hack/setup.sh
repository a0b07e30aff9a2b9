#!/usr/bin/env bash
# Installs what the tests need and is missing: Debian's packages, by name, without starting their services.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || missing+=(libfaketime)
command -v shellcheck >/dev/null || missing+=(shellcheck)
command -v gcc >/dev/null || missing+=(gcc libc6-dev) # the race detector links with cgo; make models compiles its searches
command -v spin >/dev/null || missing+=(spin) # make models
/usr/bin/python3 -c 'import canonicaljson, signedjson.sign' 2>/dev/null || missing+=(python3-canonicaljson python3-signedjson)
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "setup: please install: ${missing[*]}" >&2
    exit 1
  fi
  go run -C hack/cluster . packages "${missing[@]}"
fi
