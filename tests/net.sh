#!/usr/bin/env bash
# The ways of the picture, in network namespaces: a server behind NAT, below a
# path of an nginx, and a person outside whose network lets less and less through.
#
#   viewer 198.51.100.2 ── [router: NAT, firewall] ── server 10.77.1.2
#                              203.0.113.7 outside    tandem, nginx, coturn
#
# Needs root, a built program and client; skipped with a word where that is not so.
#   tests/net.sh [PATH-OF-TANDEM]
set -euo pipefail
cd "$(dirname "$0")/.."
tandem=$(realpath "${1:-target/debug/tandem}")

skip() { echo "SKIPPED: the ways through networks: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip "this needs root, for network namespaces"
for program in ip nft nginx turnserver chromium node openssl curl; do
  PATH=$PATH:/usr/sbin type -P "$program" >/dev/null || skip "$program is not installed"
done
export PATH=$PATH:/usr/sbin
[ -x "$tandem" ] || skip "$tandem is not built"
[ -d client/node_modules/@playwright ] || skip "the client's packages are not installed"

work=$(mktemp -d)
chmod 755 "$work"
id=$$
router=tdm-r$id server=tdm-s$id viewer=tdm-v$id
pids=()
end() {
  local code=$?
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  for space in $router $server $viewer; do ip netns del "$space" 2>/dev/null || true; done
  [ "$code" = 0 ] || { echo "--- the server's log ends so:"; tail -15 "$work/tandem.log" 2>/dev/null || true; }
  rm -rf "$work"
}
trap end EXIT

ip netns add $router 2>/dev/null || skip "this machine makes no network namespaces"
ip netns add $server && ip netns add $viewer
wire() { # a link between the router and another
  ip link add "$1" netns $router type veth peer name eth0 netns "$2"
  ip -n $router addr add "$3" dev "$1"
  ip -n $router link set "$1" up
  ip -n "$2" addr add "$4" dev eth0
  ip -n "$2" link set eth0 up
  ip -n "$2" link set lo up
  ip -n "$2" route add default via "${3%/*}"
}
wire in $server 10.77.1.1/24 10.77.1.2/24
wire out $viewer 198.51.100.1/24 198.51.100.2/24
ip -n $router link set lo up
ip -n $router addr add 203.0.113.7/32 dev lo
ip netns exec $router sysctl -qw net.ipv4.ip_forward=1

# NAT: outside there is 203.0.113.7 only; the server's own address is not routed.
# What is dropped stands in a set of its own, by protocol and port as outside.
ip netns exec $router nft -f - <<'END'
table ip nat {
  chain pre {
    type nat hook prerouting priority dstnat;
    iifname "out" ip daddr 203.0.113.7 dnat to 10.77.1.2
  }
  chain post {
    type nat hook postrouting priority srcnat;
    iifname "in" oifname "out" snat to 203.0.113.7
  }
}
table ip filter {
  set dropped { type inet_proto . inet_service; }
  chain forward {
    type filter hook forward priority filter;
    iifname "out" ct original ip daddr != 203.0.113.7 drop
    iifname "out" meta l4proto . th dport @dropped drop
  }
}
END
drop() { ip netns exec $router nft add element ip filter dropped "{ $1 }"; }

# Not as a function: its process would then be a shell around the program.
in_server="ip netns exec $server"
data=$work/data
mkdir "$data" "$work/turn"
$in_server "$tandem" serve --data-dir "$data" --listen 127.0.0.1:8080 --rtc-listen 0.0.0.0:8081 \
  --rtc-public-address 203.0.113.7 --public-url https://203.0.113.7 --public-url https://203.0.113.7:8443 \
  --base-path /tandem --trusted-proxies private --start-url about:blank --opencode /nonexistent \
  --turn-url "turn:203.0.113.7:3478?transport=tcp" --turn-secret-file "$work/turn/secret" \
  >"$work/tandem.out" 2>"$work/tandem.log" &
pids+=($!)

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=203.0.113.7 \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
cp docker/tandem-proxy.conf "$work/"
# The second server is the one that many have: no word about Upgrade.
cat >"$work/nginx.conf" <<END
daemon off; pid $work/nginx.pid; error_log $work/nginx.log; user root;
events {}
http {
  access_log off; client_body_temp_path $work/body; proxy_temp_path $work/proxy;
  fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem;
  map \$http_upgrade \$tandem_connection { default upgrade; '' ''; }
  server { listen 10.77.1.2:443 ssl;
    location /tandem/ { proxy_pass http://127.0.0.1:8080; include $work/tandem-proxy.conf; } }
  server { listen 10.77.1.2:8443 ssl;
    location /tandem/ { proxy_pass http://127.0.0.1:8080/; proxy_http_version 1.1;
      proxy_set_header Host \$http_host; } }
}
END
$in_server nginx -c "$work/nginx.conf" 2>>"$work/nginx.log" &
pids+=($!)

until curl -s -o "$work/ready" "file://$work/turn/secret" && [ -s "$work/ready" ]; do
  kill -0 "${pids[0]}" || exit 1
  sleep 0.1
done
$in_server turnserver -n --no-tls --no-dtls --no-cli --fingerprint --realm=tandem --use-auth-secret \
  --static-auth-secret="$(cat "$work/turn/secret")" --listening-ip=10.77.1.2 --relay-ip=10.77.1.2 \
  --allowed-peer-ip=10.77.1.2 --denied-peer-ip=0.0.0.0-255.255.255.255 \
  --pidfile="$work/turn.pid" --userdb="$work/turn/db" --log-file="$work/turn.log" --simple-log >/dev/null 2>&1 &
pids+=($!)
until $in_server env TANDEM_LISTEN=127.0.0.1:8080 "$tandem" health >"$work/health" 2>&1; do
  kill -0 "${pids[0]}" || exit 1
  sleep 0.5
done
admin=$(awk '/Tandem is ready/ { print $4 }' "$work/tandem.out")
case $admin in https://203.0.113.7/tandem/rooms/main\?token=*) ;; *) echo "printed: ${admin%%\?*}"; exit 1 ;; esac
token=${admin#*token=}

failed=0
claim() { # a claim, a text, what must be in it
  if grep -qE -- "$3" <<<"$2"; then echo "ok    $1"; else failed=1; echo "FAIL  $1"; echo "      wanted $3 in: $2"; fi
}
visit() { ip netns exec $viewer node tests/visit.mjs "$@" 2>&1 || true; }
ask() { ip netns exec $viewer curl -sk -m 10 "$@" || true; }

head=$(ask -i "https://203.0.113.7/tandem/rooms/main?token=$token")
claim "behind a path, the way leads to the path" "$head" '[Ll]ocation: /tandem/rooms/main'
claim "and cookies count below it, by TLS only" "$head" 'Path=/tandem/;.*HttpOnly; SameSite=Lax; Secure'
claim "CDP's addresses have it too" \
  "$(ask -H "Authorization: Bearer $token" https://203.0.113.7/tandem/cdp/main/json/version)" \
  'wss://203.0.113.7/tandem/cdp/main/devtools/browser/main'
claim "WHEP and MCP are there" \
  "$(ask -o /dev/null -o /dev/null -w '%{http_code} ' -X POST https://203.0.113.7/tandem/mcp https://203.0.113.7/tandem/api/rooms/main/whep)" '401 401'
claim "the person is counted, not the proxy" \
  "$(ask -H "Authorization: Bearer $token" https://203.0.113.7/tandem/api/doctor)" '"your_address":"198.51.100.2"'
claim "who writes a forwarded address is not believed" \
  "$(ask -H "Authorization: Bearer $token" -H 'X-Forwarded-For: 9.9.9.9' https://203.0.113.7/tandem/api/doctor)" '"your_address":"198.51.100.2"'

told=$(visit "$admin" doctor room)
claim "behind NAT: UDP, straight" "$told" '"way":"udp","to":"203.0.113.7:8081"'
claim "the doctor says so" "$told" 'over UDP, directly.*"turn":"ok: '

drop "udp . 8081"
told=$(visit "$admin" doctor room)
claim "UDP blocked: TCP on the same port" "$told" '"way":"tcp","to":"203.0.113.7:8081"'
claim "the doctor says why" "$told" 'over TCP, because UDP does not get through.*"udp":"fail: No answer over UDP'

drop "tcp . 8081, udp . 3478"
told=$(visit "$admin" doctor room)
claim "only TURN left: by TCP to it" "$told" '"way":"turn-tcp"'
claim "the doctor says why" "$told" 'TURN server, because neither UDP nor TCP'

told=$(visit "https://203.0.113.7:8443/tandem/rooms/main?token=$token" doctor room refused)
claim "a proxy that strips Upgrade: the doctor says it" "$told" '"socket":"fail: [^"]*Upgrade'
claim "the page says it" "$told" '"words":"Upgrade"'
claim "the log says it" "$(cat "$work/tandem.log")" 'a proxy in front took the Upgrade header'
claim "no token is in the log" "$(grep -c -- "$token" "$work/tandem.log" || true)" '^0$'

if [ "$failed" = 0 ]; then echo "the ways through networks: all as claimed, in $SECONDS s"; fi
exit "$failed"
