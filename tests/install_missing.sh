#!/bin/sh
# Install what is missing, where that is possible, else name it: install_missing.sh WHAT-NEEDS-IT THING=PACKAGE...
# A thing is a program, or a path that begins with a slash.
set -eu
what=$1
shift
packages=
for wanted; do
  thing=${wanted%%=*}
  case $thing in
    /*) [ -e "$thing" ] && continue ;;
    *) command -v "$thing" >/dev/null 2>&1 && continue ;;
  esac
  packages="$packages ${wanted#*=}"
done
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "$what needs$packages: install them with the distribution's package manager, and run it again" >&2
  exit 1
fi
echo "Installing$packages (once)"
apt-get update -qq
# shellcheck disable=SC2086  # several words on purpose
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
