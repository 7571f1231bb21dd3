#!/bin/sh
# The programs that `make check-page` needs from the distribution; without a font there is no text to look at, and
# pictures differ by the font.
set -eu
exec "$(dirname "$0")/../install_missing.sh" "make check-page" \
  chromium=chromium npm=npm fc-list=fontconfig /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf=fonts-dejavu-core
