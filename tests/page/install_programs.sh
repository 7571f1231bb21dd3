#!/bin/sh
# The programs that `make check-page` needs from the distribution: installed where that is possible, else named.
set -eu
packages=
need() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
need chromium chromium
need npm npm
need fc-list fontconfig
# without a font there is no text to look at, and pictures differ by the font
[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || packages="$packages fonts-dejavu-core"
[ -n "$packages" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "make check-page needs$packages: install them with the distribution's package manager, and run it again" >&2
  exit 1
fi
echo "Installing$packages (once)"
apt-get update -qq
# shellcheck disable=SC2086  # several words on purpose
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
