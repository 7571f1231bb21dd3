#!/bin/sh
# The programs that docs/ uses, for the tests that run its commands.
# With `go` also Go and its Redis client, 340 MB, which CI does without.
set -eu
if [ "${1:-}" = go ]; then
  # Debian carries the client as source, so that no other registry is asked for it
  set -- go=golang-go /usr/share/gocode/src/github.com/gomodule/redigo=golang-github-gomodule-redigo-dev
else
  set --
fi
exec "$(dirname "$0")/../../install_missing.sh" "the test of docs/" \
  curl=curl jq=jq openssl=openssl redis-cli=redis-tools node=nodejs npm=npm "$@"
