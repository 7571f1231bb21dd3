#!/bin/sh
# The programs that `make check-ops` needs from the distribution: installed where that is possible, else named.
set -eu
packages=
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need redis-server redis-server
need redis-cli redis-tools
need ip iproute2
need wget wget
need git git
need node nodejs
need npm npm
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "make check-ops needs$packages: install them with the distribution's package manager, and run it again" >&2
  exit 1
fi
echo "Installing$packages (once)"
apt-get update -qq
# shellcheck disable=SC2086  # several words on purpose
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
