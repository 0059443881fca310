#!/usr/bin/env bash
# Prints the Debian archive that this machine's own package sources name, whatever mirror that is.
set -euo pipefail
mirror=$(grep -hrsE '^(URIs:|deb )' /etc/apt/sources.list /etc/apt/sources.list.d --include='*.list' --include='*.sources' \
  | grep -oE 'https?://[^ ]+' | grep -vi security | grep -E '/debian/?$' | head -n 1 || true)
[ -n "$mirror" ] || {
  echo "setup: no Debian archive is named in /etc/apt/sources.list*; add one for Debian 13 (trixie) and try again." >&2
  exit 1
}
echo "$mirror"
