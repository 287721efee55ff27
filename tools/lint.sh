#!/bin/sh
# The linters, pinned in tools/go.mod, apart from the program's own modules.
set -eu
cd "$(dirname "$0")/.."
go vet ./...
unformatted=$(go tool -modfile=tools/go.mod gofumpt -l cmd internal net state converge operations zones images templates vm qos meter integration bench ./*.go)
if [ -n "$unformatted" ]; then
	echo "not formatted by gofumpt:" "$unformatted" >&2
	exit 1
fi
go tool -modfile=tools/go.mod staticcheck -checks 'all,-ST1000,-ST1003' ./...
