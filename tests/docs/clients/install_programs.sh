#!/bin/sh
# The programs that docs/ uses, for the tests that run its commands: installed where that is possible, else named.
# With `go` also Go and its Redis client, 340 MB, which CI does without.
set -eu
packages=
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need curl curl
need jq jq
need openssl openssl
need redis-cli redis-tools
need node nodejs
need npm npm
if [ "${1:-}" = go ]; then
  need go golang-go
  # Debian carries the client as source, so that no other registry is asked for it
  [ -d /usr/share/gocode/src/github.com/gomodule/redigo ] || packages="$packages golang-github-gomodule-redigo-dev"
fi
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "the commands of docs/ need$packages: install them with the distribution's package manager, and run it again" >&2
  exit 1
fi
echo "Installing$packages (once)"
apt-get update -qq
# shellcheck disable=SC2086  # several words on purpose
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
