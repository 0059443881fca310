#!/usr/bin/env bash
# Installs what Quoin needs: packages by name from Debian 13. On Debian 12 it adds Debian 13 as a second, pinned source.
#   tools/setup.sh [GROUP]...     groups of tools/packages.txt: build test check bench root; default: build test
# Does nothing, in milliseconds, when everything is there. Never asks: it says what it is about to do, then does it.
set -euo pipefail
cd "$(dirname "$0")/.."

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build test)
pattern=$(IFS='|'; echo "${groups[*]}")
mapfile -t wanted < <(grep -E "^($pattern) " tools/packages.txt | tr -s ' ' | cut -d' ' -f2)

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

missing() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii  *//p')
  for p in "${wanted[@]}"; do grep -qxF -- "$p" <<<"$installed" || echo "$p"; done
}
release=$(. /etc/os-release 2>/dev/null && echo "${ID:-}${VERSION_ID:-}")
command -v dpkg-query >/dev/null || fail "this is not Debian. Use a Debian 13 machine or container (README, 'Where it runs')."
openssl_new() { dpkg-query -W -f '${Version}' libssl-dev 2>/dev/null | grep -qE '^(3\.([5-9]|[1-9][0-9])|[4-9])'; }

mapfile -t lacking < <(missing)
if [ "$release" = debian12 ] && ! openssl_new; then lacking+=(libssl-dev); fi
[ ${#lacking[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "these packages are missing and need root to install: ${lacking[*]}
setup: become root, or install sudo, and run the same command again."
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive

case "$release" in
  debian13) ;;
  debian12)
    mirror=$(tools/mirror.sh)
    if [ ! -e /etc/apt/sources.list.d/quoin-trixie.sources ]; then
      cat >&2 <<MSG
setup: this is Debian 12; Quoin needs Debian 13's compiler and OpenSSL 3.5. About to
setup:   - add Debian 13 (trixie) as a second package source with priority 100 (nothing is upgraded by itself), and
setup:   - take from it: ${lacking[*]}
setup: This moves libc6 to 2.41 for the whole machine. If you do not want that, press ctrl-C now and run
setup:   tools/in-root.sh trixie ./dev demo        (the same in a Debian 13 root of its own, made with debootstrap)
MSG
      [ ! -t 2 ] || sleep 8
      "${as_root[@]}" tee /etc/apt/sources.list.d/quoin-trixie.sources >/dev/null <<SRC
Types: deb
URIs: $mirror
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SRC
      "${as_root[@]}" tee /etc/apt/preferences.d/quoin-trixie >/dev/null <<PIN
Package: *
Pin: release n=trixie
Pin-Priority: 100
PIN
    fi ;;
  *) fail "Quoin is set up on Debian 13 or 12; this is '${release:-unknown}'. Run tools/in-root.sh trixie ./dev demo instead." ;;
esac

say "installing ${lacking[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() { "$@" >"$log" 2>&1 || { tail -n 25 "$log" >&2; fail "'$*' failed (above). Check the network and the package sources, then run the same command again."; }; }
run "${as_root[@]}" apt-get update
target=()
[ "$release" = debian12 ] && target=(-t trixie)
run "${as_root[@]}" apt-get install -y --no-install-recommends "${target[@]}" "${lacking[@]}"
say "done"
