#!/usr/bin/env bash
# The image and the compose file for real: built, brought up until everything is
# healthy, looked at from inside, and visited by a browser from outside through
# Caddy by TLS, over UDP, then TCP, then TURN. Any Docker engine will do; where
# none runs, as root, one is started for this and ended after it
# (tests/docker/engine), and where no registry of images is in reach, the base
# images are made from Debian's packages (tests/docker/bases).
#
# Not a part of .ci/run: building the image takes most of an hour on two cores.
#   tests/docker.sh [keep]       keep: leave the engine and the images there
# TANDEM_IMAGE=name takes an image that is there instead of building one.
set -euo pipefail
cd "$(dirname "$0")/.."
keep=${1:-}
work=${TANDEM_DOCKER_WORK:-/var/tmp/tandem-docker-test}
export COMPOSE_PROJECT_NAME=tandem-test
# Ports and a network that hardly anybody has.
export TANDEM_HTTP_PORT=18480 TANDEM_HTTPS_PORT=18443 TANDEM_RTC_PORT=18481 TANDEM_TURN_PORT=18478
export TANDEM_NET=172.30.211 TANDEM_DOMAIN=tandem.local TANDEM_LOG_FORMAT=json
export TANDEM_IMAGE=${TANDEM_IMAGE:-}
outside=198.51.100.2 here=198.51.100.1
export TANDEM_PUBLIC_ADDRESS=$here TANDEM_TURN_HOST=$here

failed=0
claim() { # a claim, a text, what must be in it
  if grep -qE -- "$3" <<<"$2"; then echo "ok    $1"; else failed=1; echo "FAIL  $1"; echo "      wanted $3 in: ${2:0:1500}"; fi
}

# --- An engine, a compose, images ------------------------------------------
started=
if ! docker info >/dev/null 2>&1; then
  [ "$(id -u)" = 0 ] || { echo "no Docker engine answers, and only root may start one" >&2; exit 2; }
  DOCKER_HOST=$(tests/docker/engine start "$work/engine")
  export DOCKER_HOST
  started=yes
fi
if docker compose version >/dev/null 2>&1; then
  compose() { docker compose -f docker/compose.yaml "$@"; }
else
  # 1.29 looks for the profile from here, not from beside the compose file.
  export TANDEM_SECCOMP=docker/seccomp.json
  compose() { docker-compose -f docker/compose.yaml "$@"; }
fi

space=tdm-out-$$
block() { iptables -I DOCKER-USER -i tdmout0 -p "$1" --dport "$2" -j DROP; blocked+=("$1 $2"); }
blocked=()
end() {
  local code=$? one
  for one in "${blocked[@]}"; do
    # shellcheck disable=SC2086
    set -- $one
    iptables -D DOCKER-USER -i tdmout0 -p "$1" --dport "$2" -j DROP || true
  done
  ip netns del $space 2>/dev/null || true
  [ "$code" = 0 ] || compose logs --tail 30 2>/dev/null || true
  if [ "$keep" != keep ]; then
    compose down -v --timeout 15 >/dev/null 2>&1 || true
    [ -z "$started" ] || tests/docker/engine stop "$work/engine"
  fi
  exit "$code"
}
trap end EXIT

mapfile -t bases < <(grep -hoE '^FROM [a-z]+:[^ ]+' docker/Dockerfile | cut -d' ' -f2; sed -nE 's/^ +image: ((caddy|coturn)[^ ]*)$/\1/p' docker/compose.yaml)
[ -z "$TANDEM_IMAGE" ] || bases=(debian:bookworm-slim caddy:2 coturn/coturn:4.6)
tests/docker/bases "$work" "${bases[@]}"
if [ -z "$TANDEM_IMAGE" ]; then
  export TANDEM_IMAGE=tandem:test
  # The engine's own network, where its containers have none of their own to build in.
  nice -n 10 docker build --network host -f docker/Dockerfile -t tandem:test .
fi

# --- Up, until everything is well --------------------------------------------
compose up -d
health() { docker inspect --format '{{.State.Health.Status}}' "$(compose ps -q "$1")" 2>/dev/null || echo none; }
for _ in $(seq 90); do
  states="tandem $(health tandem), caddy $(health caddy), coturn $(health coturn)"
  [ "$states" != "tandem healthy, caddy healthy, coturn healthy" ] || break
  sleep 2
done
claim "everything comes up healthy" "$states" '^tandem healthy, caddy healthy, coturn healthy$'
log=$(compose logs --no-color tandem 2>&1)
admin=$(grep -oE 'https://tandem\.local:18443/rooms/main\?token=[^ ]+' <<<"$log" | tail -1)
claim "the admin's address is printed" "${admin%%=*}" '^https://tandem.local:18443/rooms/main.token$'

# --- From inside ---------------------------------------------------------------
inside() { docker exec "$(compose ps -q tandem)" "$@" 2>&1 || true; }
claim "it runs as a user without rights" "$(inside id -u)" '^10001$'
status=$(inside cat /proc/1/status)
claim "without one capability, and none to gain" "$status" '^CapEff:\s0000000000000000$'
claim "under a filter of system calls" "$status" '^Seccomp:\s2$'
claim "and it can gain nothing by a program" "$status" '^NoNewPrivs:\s1$'
claim "process 1 is an init" "$(inside cat /proc/1/comm)" '^tini$'
claim "the root file system is read-only" "$(inside sh -c 'touch /usr/x')" 'Read-only file system'
claim "the data directory is not" "$(inside sh -c 'touch /var/lib/tandem/x && rm /var/lib/tandem/x && echo well')" well
claim "no build tools are in it" "$(inside sh -c 'command -v cc gcc g++ cargo rustc node npm make; echo end')" '^end$'
claim "nothing in it is setuid" "$(inside sh -c 'find / -xdev -perm /6000 -type f 2>/dev/null | head -3; echo end')" '^end$'
claim "OpenCode is there" "$(inside opencode --version)" '^1\.18\.'
claim "user namespaces are allowed" "$(inside sh -c 'unshare --user --pid --net --fork true && echo well')" well
claim "mounts in them are not" "$(inside sh -c 'unshare --user --mount true || echo refused')" refused
# Chromium's own sandbox: a renderer in namespaces of its own, with a filter of its own.
sandbox=$(inside sh -c '
  for process in /proc/[0-9]*; do
    line=$(tr "\000" " " <$process/cmdline 2>/dev/null) || continue
    case $line in
    "sh -c "*) ;;
    *--no-sandbox*) echo "no-sandbox: $line" ;;
    *--type=renderer*) echo "renderer ns=$([ "$(readlink $process/ns/user)" != "$(readlink /proc/1/ns/user)" ] && echo own) $(grep -E "^(Seccomp|NSpid)" $process/status | tr "\n\t" "  ")" ;;
    esac
  done')
claim "Chromium's sandbox is on: renderers in their own namespaces, filtered" "$sandbox" 'NSpid: +[0-9]+ +[0-9]+ .*Seccomp: 2'
claim "nowhere is it switched off" "$(grep -c no-sandbox <<<"$sandbox" || true)" '^0$'
# Its network: nothing is in it but the way to the gate.
network=$(inside sh -c '
  for process in /proc/[0-9]*; do
    case $(tr "\000" " " <$process/cmdline 2>/dev/null) in
    "sh -c "*) ;;
    *"--type=utility --utility-sub-type=network"*) readlink $process/ns/net; cat $process/net/route | wc -l ;;
    esac
  done; readlink /proc/1/ns/net')
claim "Chromium has a network of its own, without a route" \
  "$(sort -u <<<"$network" | grep -c net:) networks, $(sed -n 2p <<<"$network") lines of routes" '^2 networks, 1 lines'
claim "fonts for the world's scripts are there" "$(inside fc-list : family | sort -u | tr '\n' ' ')" 'Noto Color Emoji.*Noto Sans.*CJK|Noto Sans.*CJK.*Noto Color Emoji'

# --- From outside ----------------------------------------------------------------
if [ "$(id -u)" = 0 ] && iptables -L DOCKER-USER >/dev/null 2>&1 && ip netns add $space 2>/dev/null; then
  ip link add tdmout0 type veth peer name eth0 netns $space
  ip addr add $here/24 dev tdmout0 && ip link set tdmout0 up
  ip -n $space addr add $outside/24 dev eth0
  ip -n $space link set eth0 up && ip -n $space link set lo up
  ip -n $space route add default via $here
  # Outside, nobody knows the way to the containers' own network.
  ip -n $space route add unreachable $TANDEM_NET.0/24
  visit() { RESOLVE="tandem.local $here" ip netns exec $space node tests/visit.mjs "$admin" doctor room 2>&1 || true; }
  told=$(visit)
  echo "      $told"
  claim "outside, by TLS: the picture over UDP" "$told" "\"way\":\"udp\",\"to\":\"$here:"
  claim "the doctor finds all ways open" "$told" '"socket":"ok.*"udp":"ok.*"tcp":"ok.*"turn":"ok'
  # What a page in the room could do here: nothing to Tandem, Caddy or the cloud's own addresses.
  told=$(REACH="http://127.0.0.1:8080/ http://$TANDEM_NET.2:8080/ http://caddy/ http://$here:18443/ http://169.254.169.254/" \
    RESOLVE="tandem.local $here" ip netns exec $space node tests/visit.mjs "$admin" reach 2>&1 || true)
  echo "      $told"
  claim "the room's browser reaches neither Tandem, nor Caddy, nor what is beside them" \
    "$(grep -oE '": *"refused: |Page Title: Not reachable from this room' <<<"$told" | wc -l) of 5 refused" '^5 of'
  block udp $TANDEM_RTC_PORT
  told=$(visit)
  claim "UDP blocked: over TCP" "$told" '"way":"tcp"'
  block tcp $TANDEM_RTC_PORT
  told=$(visit)
  claim "TCP blocked too: over TURN" "$told" '"way":"turn-udp"'
  block udp $TANDEM_TURN_PORT
  told=$(visit)
  claim "TURN by TCP where that is all" "$told" '"way":"turn-tcp"'
else
  echo "SKIPPED: blocked ways: this needs root on the machine of the engine"
fi

# --- What goes wrong is said in one line ---------------------------------------------
once() { docker run --rm --security-opt "seccomp=docker/seccomp.json" --cap-drop ALL --read-only --tmpfs /tmp "$@" 2>&1 || true; }
volume=${COMPOSE_PROJECT_NAME}_data
claim "a second server on the same data" \
  "$(once -e TANDEM_ALLOW_PLAIN_HTTP=true -v $volume:/var/lib/tandem "$TANDEM_IMAGE" tandem serve)" 'another Tandem server uses the data directory'
claim "a volume with the wrong owner" \
  "$(once -e TANDEM_ALLOW_PLAIN_HTTP=true --user 12345:12345 -v $volume:/var/lib/tandem "$TANDEM_IMAGE" tandem serve)" 'belongs to the user 10001, but Tandem runs as 12345'
claim "beyond loopback without TLS" "$(once "$TANDEM_IMAGE" tandem serve)" 'without TLS'
claim "too small a /dev/shm" "$(once --shm-size 16m "$TANDEM_IMAGE" tandem doctor)" '^fail +shared memory'
claim "a full disk" \
  "$(once --mount type=tmpfs,destination=/var/lib/tandem,tmpfs-size=8388608 "$TANDEM_IMAGE" tandem doctor)" '^fail +disk'
claim "no user namespaces" "$(docker run --rm --cap-drop ALL "$TANDEM_IMAGE" tandem doctor 2>&1 || true)" '^fail +user namespaces'
claim "a certificate that is not there" \
  "$(once -e TANDEM_PUBLIC_URL=https://localhost:8099 "$TANDEM_IMAGE" tandem doctor)" '^warn +certificate'

echo "the image has $(docker image inspect --format '{{.Size}}' "$TANDEM_IMAGE" | awk '{ printf "%d MB", $1 / 1e6 }')"
[ "$failed" = 0 ] && echo "docker: all as claimed, in $SECONDS s"
exit "$failed"
