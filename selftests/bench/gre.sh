#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# gre.sh - what a packet costs: sgre beside the kernel's gre and ip6gre, and beside these
# in fou; a thousand circuits beside one. `make bench-gre` runs it in emulated machines.
#
#   ROUNDS=N	samples of each, taken in turn (default: 5); the median is told
#   MS=N	milliseconds of a sample (default: 1000)
#   ICOUNT=1	the clock counts instructions: a nanosecond is one
#
#   $A  tun = a0 ------ b0 = tun  $B; each kind has a pair of namespaces of its own, so
#   that neither pays for the other
#
# shellcheck source=selftests/gre/lib.sh disable=SC2016,SC2034,SC2086,SC2317
. "$(dirname "$0")/../gre/lib.sh"

ROUNDS=${ROUNDS:-5} MS=${MS:-1000} CIRCUITS=${CIRCUITS:-1000}
missed=0

median()	# numbers
{
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# --- samples -----------------------------------------------------------------------------

# IPv4 packets of 64 bytes a second, as they arrive.
packets()	# from-ns to-ns address [option of flow...]
{
	local from=$1 to=$2 addr=$3 before after t
	shift 3
	before=$(received "$to") t=$(now_ms)
	in_ns "$from" taskset -c 0 "$FLOW" -u -q -s 36 -d "$MS" "$@" "$addr" 9 >/dev/null
	after=$(received "$to") t=$(($(now_ms) - t))
	echo $(((after - before) * 1000 / MS))
}

# Of all devices but the wire.
received()	# ns
{
	in_ns "$1" awk -F'[: ]+' '/:/ && $2 != "lo" && $2 != "b0" { n += $4 }
		END { print n + 0 }' /proc/net/dev
}

# Kilobytes a second of a TCP stream.
stream()	# from-ns to-ns address
{
	local port out sent
	port=$((20000 + $(unique)))
	out=$TMP/stream
	spawn "$2" "$out" "$FLOW" -l -q -t 1000 "$3" "$port"
	busywait 20000 grep -q ready "$out" >/dev/null
	in_ns "$1" taskset -c 0 "$FLOW" -q -d "$MS" "$3" "$port" >/dev/null
	wait "$spawned"
	awk -v ms="$MS" '{ n = $1 } END { print int(n / ms) }' "$out"
}

# --- what is compared -----------------------------------------------------------------------

# Namespaces of one kind go to ${ns[KIND A]} and ${ns[KIND B]}.
declare -A ns

pair()		# kind
{
	setup_pair || return 1
	ns[$1 A]=$A ns[$1 B]=$B
	ip -n "$B" route add blackhole 10.0.0.0/8	# what is not for us ends quietly
}

ours()		# kind family transport
{
	local a=$HOST4 b=$PEER4
	[ "$2" = 4 ] || { a=$HOST6 b=$PEER6; }
	pair "$1" && gre "$A" add tun local $a remote $b transport "$3" &&
		gre "$B" add tun local $b remote $a transport "$3" || return 1
	inner_up "$A" tun 1 && inner_up "$B" tun 2
}

theirs()	# kind family [encap]
{
	local a=$HOST4 b=$PEER4 type=gre encap='' v6=''
	[ "$2" = 4 ] || { a=$HOST6 b=$PEER6 type='ip6gre' v6=-6; }
	[ $# = 2 ] || encap="encap fou encap-sport auto encap-dport 4754 encap-csum"
	[ "$2$#" != 63 ] || encap="encap fou encap-sport auto encap-dport 4754 encap-udp6-csum"
	pair "$1" || return 1
	[ $# = 2 ] || { ip -n "$A" fou add port 4754 ipproto 47 $v6 &&
		ip -n "$B" fou add port 4754 ipproto 47 $v6; } || return 1
	# The limit of tunnels in tunnels is an option that only theirs would send.
	[ "$2" = 4 ] || encap+=" encaplimit none"
	ip -n "$A" link add tun type $type local $a remote $b $encap &&
		ip -n "$B" link add tun type $type local $b remote $a $encap || return 1
	inner_up "$A" tun 1 && inner_up "$B" tun 2
}

sample()	# kind what
{
	"$2" "${ns[$1 A]}" "${ns[$1 B]}" 10.0.0.2 >>"$TMP/$1.$2"
}

report()	# text ours theirs bound
{
	local ratio verdict
	ratio=$(awk -v a="$2" -v b="$3" 'BEGIN { printf "%.3f", b ? a / b : 0 }')
	verdict=$(awk -v r="$ratio" -v b="$4" 'BEGIN { print (r + 0 >= b + 0) ? "" : "MISSED" }')
	[ -z "$verdict" ] || missed=$((missed + 1))
	printf '%-44s %10s %10s   %s  >= %s  %s\n' "$1" "$2" "$3" "$ratio" "$4" "$verdict"
}

# One nanosecond is one instruction there.
each()		# packets a second
{
	awk -v n="$1" 'BEGIN { printf "%d", n ? 1e9 / n : 0 }'
}

compare()	# text ours theirs
{
	local i what mine other
	for ((i = 0; i < ROUNDS; i++)); do
		for what in packets stream; do
			sample "$2" $what
			sample "$3" $what
		done
	done
	mine=$(median <"$TMP/$2.packets") other=$(median <"$TMP/$3.packets")
	report "$1: packets/s" "$mine" "$other" 1.00
	[ -z "${ICOUNT-}" ] ||
		printf '%-44s %10s %10s\n' "    instructions a packet" "$(each "$mine")" \
			"$(each "$other")"
	report "$1: stream, kB/s" "$(median <"$TMP/$2.stream")" "$(median <"$TMP/$3.stream")" 1.00
}

# --- circuits -----------------------------------------------------------------------------

circuits()	# ns local remote; 10.a.b.0/24 goes by c<n>
{
	local i plugin=${TOOLS%/selftests/net}/link_sgre.so
	[ -e "$plugin" ] || return 1
	for ((i = 0; i < CIRCUITS; i++)); do
		echo "link add c$i type sgre local $2 remote $3 key $i"
		echo "link set c$i up"
		[ "$1" = "$B" ] || echo "route add 10.$((1 + i / 256)).$((i % 256)).0/24 dev c$i"
	done | IP_LIB_DIR=${plugin%/*} ip -n "$1" -batch -
}

bench_circuits()
{
	local i
	pair many || return 1
	ns_set "$A" net.ipv6.conf.default.disable_ipv6=1
	ns_set "$B" net.ipv6.conf.default.disable_ipv6=1
	circuits "$A" "$HOST4" "$PEER4" && circuits "$B" "$PEER4" "$HOST4" || return 1
	ip -n "$A" addr add 10.0.0.1/32 dev c0
	for ((i = 0; i < ROUNDS; i++)); do
		packets "$A" "$B" 10.1.0.2 -R 1 >>"$TMP/one"
		packets "$A" "$B" 10.1.0.2 -R "$CIRCUITS" >>"$TMP/many"
	done
	report "$CIRCUITS circuits in turn, of one: packets/s" "$(median <"$TMP/many")" \
		"$(median <"$TMP/one")" 0.95
}

# --- queues -------------------------------------------------------------------------------

# Packets of 16 flows, by the CPU that their queue is on (RPS stands for hardware).
bench_queues()
{
	local before i cpus
	[ "$(nproc)" -gt 1 ] || { echo "queues: one processor"; return; }
	A=${ns[udp4 A]} B=${ns[udp4 B]}
	in_ns "$B" sh -c 'mount -t sysfs sysfs /sys &&
		echo 3 >/sys/class/net/b0/queues/rx-0/rps_cpus'
	before=$(rps)
	for i in {1..16}; do
		in_ns "$A" "$FLOW" -u -n 20 -s 36 -P $((5000 + i)) 10.0.0.2 9 >/dev/null
	done
	cpus=$(paste <(rps) <(echo "$before") | awk '$1 - $2 > 20' | wc -l)
	report "16 flows in UDP: receive queues" "$cpus" 2 1.00
}

# Column 1 of each processor: packets that it has processed.
rps()
{
	while read -r first _; do echo $((16#$first)); done </proc/net/softnet_stat
}

need_module
for module in ip_gre ip6_gre fou fou6; do
	modprobe $module 2>/dev/null
done
echo "$(uname -r), $(nproc) CPU, $ROUNDS rounds of $MS ms, medians${ICOUNT:+; clock: instructions}"
printf '%-44s %10s %10s   %s\n' '' sgre kernel ratio
ours raw4 4 raw && theirs gre4 4 && compare "raw over IPv4 / gre" raw4 gre4
ours raw6 6 raw && theirs gre6 6 && compare "raw over IPv6 / ip6gre" raw6 gre6
ours udp4 4 udp && theirs fou4 4 fou && compare "UDP over IPv4 / gre in fou" udp4 fou4
ours udp6 6 udp && theirs fou6 6 fou && compare "UDP over IPv6 / ip6gre in fou" udp6 fou6
bench_circuits || echo "circuits: no plugin, or refused"
bench_queues
[ $missed = 0 ] || echo "$missed MISSED"
exit 0
