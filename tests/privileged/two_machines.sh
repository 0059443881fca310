#!/usr/bin/env bash
# Follows the README's section "Two machines", command by command: two network namespaces with a root file system each, and a
# relay between them that adds 5 ms in each direction. Needs root.
#   tests/privileged/two_machines.sh build/quoin
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$(readlink -f "$1")
work=$(mktemp -d /tmp/quoin-two-machines.XXXXXX)
tag=$$
started=()

end_all() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns del "quoin-a-$tag" 2>/dev/null || true
  ip netns del "quoin-b-$tag" 2>/dev/null || true
  ip link del "qa$tag" 2>/dev/null || true
  ip link del "qb$tag" 2>/dev/null || true
  rm -rf "$work"
}
trap end_all EXIT
fail() {
  printf 'FAIL %s\n' "$*"
  local log
  for log in "$work"/*.log; do [ ! -s "$log" ] || { printf -- '--- %s\n' "$(basename "$log")"; tail -n 15 "$log"; }; done
  echo "0 passed, 1 failed"
  exit 1
}

# A is at 10.219.1.2, B at 10.219.2.2; no route leads from one to the other. The relay stands between them and is what B knows
# as alpha.example.
for site in a b; do
  number=$([ $site = a ] && echo 1 || echo 2)
  ip netns add "quoin-$site-$tag"
  ip link add "q$site$tag" type veth peer name eth0 netns "quoin-$site-$tag"
  ip addr add "10.219.$number.1/24" dev "q$site$tag"
  ip link set "q$site$tag" up
  ip -n "quoin-$site-$tag" addr add "10.219.$number.2/24" dev eth0
  ip -n "quoin-$site-$tag" link set eth0 up
  ip -n "quoin-$site-$tag" link set lo up
done
python3 tests/privileged/delay_relay.py 5 10.219.2.1:7900=10.219.1.2:7900 10.219.2.1:7800=10.219.1.2:7800 \
  >"$work/relay.log" 2>&1 &
started+=($!)

# at SITE COMMAND: in its namespace, in a root of its own: this machine's files to read, a folder of the site's own to write,
# and nothing of the other site.
cat >"$work/at" <<'AT'
#!/usr/bin/env bash
set -euo pipefail
own=$1/$2; shift 2
mount --make-rprivate /
mkdir -p "$own/layer"
mount -t tmpfs tmpfs "$own/layer"
root=$own/layer/root
mkdir -p "$own/layer/upper" "$own/layer/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$own/layer/upper,workdir=$own/layer/work" "$root"
for tree in proc dev; do mount --rbind "/$tree" "$root/$tree"; done
mount --bind "$own/site" "$root/srv"
mount -t tmpfs tmpfs "$root/tmp"
exec chroot "$root" bash -c 'cd /srv && exec "$@"' bash "$@"
AT
chmod +x "$work/at"
at() { # SITE COMMAND...
  ip netns exec "quoin-$1-$tag" unshare --mount "$work/at" "$work" "$1" "${@:2}"
}
for site in a b; do
  mkdir -p "$work/$site/site"
  cp "$program" "$work/$site/site/quoin-program"
done

# The commands of the README, in order: "A$ quoin ...".
mapfile -t lines < <(sed -n '/^## Two machines/,/^## /p' README.md | grep -E '^[AB]\$ quoin ')
[ ${#lines[@]} -ge 12 ] || fail "the README's section 'Two machines' has only ${#lines[@]} commands"

step=0 key_id='' pair_a='' pair_b='' checks=()
for line in "${lines[@]}"; do
  step=$((step + 1))
  site=$([ "${line:0:1}" = A ] && echo a || echo b)
  text=${line:3}
  text=${text//alpha.example/10.219.2.1}
  text=${text//LINE-OF-ALPHA/$pair_a}
  text=${text//LINE-OF-BETA/$pair_b}
  text=${text//KEY-ID/$key_id}
  read -r -a words <<<"$text"
  words[0]=./quoin-program
  log=$work/$(printf '%02d' $step)-$site-${words[1]}-${words[2]#--}.log
  case "${words[1]} ${words[2]}" in
    "fibre "* | "node "*)
      at "$site" "${words[@]}" >"$log" 2>&1 &
      started+=($!) ;;
    "link check")
      at "$site" "${words[@]}" >"$log" 2>&1 &
      checks+=($!)
      if [ ${#checks[@]} = 2 ]; then
        for check in "${checks[@]}"; do wait "$check" || fail "link check"; done
        grep -h 'round trip' "$work"/*link-check.log || fail "link check measured no round trip"
      fi ;;
    "link pair")
      at "$site" "${words[@]}" >"$log" 2>"$log.err" || { cat "$log.err" >>"$log"; fail "${line}"; }
      if [ ${#words[@]} = 5 ]; then
        [ $site = a ] && pair_a=$(grep -E '^quoin-pair' "$log") || pair_b=$(grep -E '^quoin-pair' "$log")
      fi ;;
    "key get" | "key fetch")
      # The first key takes some seconds: ask again until it is there.
      for attempt in $(seq 60); do
        if at "$site" "${words[@]}" >"$log" 2>"$log.err"; then break; fi
        [ "$attempt" -lt 60 ] || { cat "$log.err" >>"$log"; fail "$line"; }
        sleep 1
      done
      [ "${words[2]}" = fetch ] || { key_id=$(cut -d' ' -f1 "$log"); got=$(cut -d' ' -f2 "$log"); } ;;
    *) at "$site" "${words[@]}" >"$log" 2>&1 || fail "$line" ;;
  esac
done
fetched=$(cut -d' ' -f2 "$log")
[ -n "$got" ] && [ "$got" = "$fetched" ] || fail "the key fetched at B is not the key got at A"
[ ! -e "$work/a/site/beta" ] && [ ! -e "$work/b/site/alpha" ] || fail "the sites share files"
echo "ok   two machines, 5 ms apart, made key $key_id"
echo "1 passed, 0 failed"
