#!/usr/bin/env bash
# Runs a command on a copy of this checkout in a Debian root of its own, made with debootstrap. The machine outside keeps
# its packages; the root keeps what was installed and built in it, so the second run is quick.
#   tools/in-root.sh [--fresh] [--no-network] [--user] bookworm|trixie COMMAND...
#     --fresh        in a throw-away layer over the bare root: nothing is kept
#     --no-network   without any network
#     --user         as an ordinary user without sudo
# Roots lie in build-root/, or in the folder that QUOIN_ROOTS names. Needs root.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD

fail() { printf 'in-root: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }

fresh='' network=1 as_user=''
while [[ "${1:-}" == --* ]]; do
  case $1 in --fresh) fresh=1 ;; --no-network) network='' ;; --user) as_user=1 ;; *) usage ;; esac
  shift
done
[ $# -ge 2 ] || usage
suite=$1
shift
case $suite in bookworm | trixie) ;; *) usage ;; esac
[ "$(id -u)" = 0 ] || fail "making a root needs root. Use 'sudo $0 ...', or any Debian 13 container."

roots=${QUOIN_ROOTS:-$checkout/build-root}
bare=$roots/$suite-bare
mkdir -p "$roots"

if [ ! -e "$bare.done" ]; then
  tools/setup.sh root
  mirror=$(tools/mirror.sh)
  rm -rf "$bare"
  echo "in-root: making a bare $suite root from $mirror (once)" >&2
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$bare" "$mirror" \
    >"$bare.log" 2>&1 || { tail -n 20 "$bare.log" >&2; fail "debootstrap failed (above; all of it in $bare.log). Is the network there?"; }
  # The archive may be a snapshot in time: what this machine's apt accepts, the root's apt accepts.
  apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy)' >"$bare/etc/apt/apt.conf.d/90outside" || true
  : >"$bare.done"
fi

# The rest in a mount and process namespace of its own: when it ends, its mounts and processes are gone.
export suite bare roots checkout fresh as_user
throw_away_layer() { # FOLDER: on the disk, or in memory where the file system cannot carry an overlay
  mkdir -p "$1/upper" "$1/work" "$1/root"
  mount -t overlay overlay -o "lowerdir=$bare,upperdir=$1/upper,workdir=$1/work" "$1/root" 2>/dev/null
}
inside() {
  set -euo pipefail
  mount --make-rprivate /
  if [ -n "$fresh" ]; then
    layer=$(mktemp -d "$roots/$suite-fresh.XXXXXX")
    root=$layer/root
    throw_away_layer "$layer" || { mount -t tmpfs quoin "$layer" && throw_away_layer "$layer"; } ||
      { echo "in-root: this machine cannot mount an overlay; run without --fresh" >&2; exit 1; }
    trap 'cd /; umount -l "$root" "$layer" 2>/dev/null; rm -rf "$layer"' EXIT
  else
    root=$roots/$suite
    [ -d "$root" ] || cp -a "$bare" "$root"
  fi
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
  mkdir -p "$root/quoin"
  # What was removed here goes there too; what was built there stays. Times are kept, so only changes are built again.
  find "$root/quoin" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  (cd "$checkout" && git -c safe.directory='*' ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"; done | tar --null -T - -cf -) | tar -xf - -C "$root/quoin"
  if [ -n "$as_user" ]; then
    chroot "$root" useradd -m visitor 2>/dev/null || true
    chroot "$root" chown -R visitor /quoin
  fi
  local start=(bash -c 'cd /quoin && exec "$@"' bash)
  [ -z "$as_user" ] || start=(setpriv --reuid visitor --regid visitor --init-groups env HOME=/tmp "${start[@]}")
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    chroot "$root" "${start[@]}" "$@"
}
export -f inside throw_away_layer
spaces=(--mount --pid --fork --kill-child)
[ -n "$network" ] || spaces+=(--net)
exec unshare "${spaces[@]}" bash -c 'inside "$@"' bash "$@"
