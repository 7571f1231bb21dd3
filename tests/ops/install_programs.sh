#!/bin/sh
# The programs that `make check-ops` needs from the distribution.
set -eu
exec "$(dirname "$0")/../install_missing.sh" "make check-ops" \
  prometheus=prometheus prometheus-alertmanager=prometheus-alertmanager redis-server=redis-server \
  redis-cli=redis-tools ip=iproute2 wget=wget git=git node=nodejs npm=npm
