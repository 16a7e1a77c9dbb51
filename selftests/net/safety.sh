#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# safety.sh - attach and detach harm nobody, and every session gets its record.
#
#   $HOST   192.0.2.1/24  a0 ------ b0  192.0.2.2/24   $SERVER
#           2001:db8::1/64              2001:db8::2/64
#
# What happens when they are killed half-way: fault_attach.sh, fault_detach.sh.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153
. "$(dirname "$0")/lib.sh"

BUCKETS=net.ipv4.tcp_max_tw_buckets
SMALL=(entries 1000 entries6 1000)

new_pair()
{
	setup_ns HOST SERVER
	veth_pair "$HOST" a0 "$HOST_MAC" "$SERVER" b0 "$PEER_MAC"
	ip -n "$HOST" addr add "$HOST4/24" dev a0
	ip -n "$HOST" addr add "$HOST6/64" dev a0 nodad
	ip -n "$SERVER" addr add "$PEER4/24" dev b0
	ip -n "$SERVER" addr add "$PEER6/64" dev b0 nodad
	neigh "$HOST" a0 "$PEER_MAC" "$PEER4" "$PEER6"
	neigh "$SERVER" b0 "$HOST_MAC" "$HOST4" "$HOST6"
	before=$(ns_get "$HOST" "$BUCKETS")
}

churn()		# ns options...
{
	local ns=$1
	shift
	in_ns "$ns" "$TOOLS/churn" "$@"
}

# --- under a running workload ------------------------------------------------------

# TcpOutRsts counts also what was held at egress and did not leave (resets_sent()).
# That counter goes with each detach, so it is added up before.
held=0
resets()
{
	echo "sent $(($(snmp "$HOST" TcpOutRsts) - held)), reset $(snmp "$HOST" TcpEstabResets)"
	echo "sent $(snmp "$SERVER" TcpOutRsts), reset $(snmp "$SERVER" TcpEstabResets)"
}

no_new_resets()	# what resets() said before
{
	diff <(echo "$1") <(resets)
}

# Each connection lives 20 ms: many are open whenever something changes. One
# thread makes them one after the other, so several run at a time.
start_workload()	# seconds
{
	serve "$SERVER" :: 9100 -t 8
	serve "$HOST" :: 9200 -t 8 -s
	local common=(-n 1000000 -d "$1" -k 20)
	spawn "$HOST" "$TMP/load.lo4" "$TOOLS/churn" "${common[@]}" -t 4 127.0.0.1 9001
	loads=("$spawned")
	spawn "$HOST" "$TMP/load.lo6" "$TOOLS/churn" "${common[@]}" -t 4 -s ::1 9002
	loads+=("$spawned")
	spawn "$HOST" "$TMP/load.out4" "$TOOLS/churn" "${common[@]}" -t 4 -c "$PEER4" 9100
	loads+=("$spawned")
	spawn "$HOST" "$TMP/load.out6" "$TOOLS/churn" "${common[@]}" -t 4 -c "$PEER6" 9100
	loads+=("$spawned")
	spawn "$SERVER" "$TMP/load.in4" "$TOOLS/churn" "${common[@]}" -t 4 -c -s "$HOST4" 9200
	loads+=("$spawned")
	sleep 0.3
}

load_is_fine()	# name
{
	cat "$TMP/load.$1"
	[ "$(jq '.failures == 0 and .bad_bytes == 0 and .ok > 200' "$TMP/load.$1")" = true ]
}

run_workload()
{
	local resets_before i name hook
	new_pair
	start_workload 8
	resets_before=$(resets)
	for i in 1 2 3 4; do
		hook=$([ $((i % 2)) = 0 ] && echo xdp || echo tc)
		tap_test "under load, round $i: attach hook $hook" \
			vestige "$HOST" attach "${SMALL[@]}" hook "$hook"
		sleep 0.4
		held=$((held + $(counter "$HOST" reset_held)))
		tap_test "under load, round $i: detach" vestige "$HOST" detach
		sleep 0.2
	done
	wait "${loads[@]}"
	for name in lo4 lo6 out4 out6 in4; do
		tap_test "under load: no connection lost, $name" load_is_fine "$name"
	done
	tap_test "under load: no RST was sent" no_new_resets "$resets_before"
	tap_test "under load: nothing is left" is_clean "$HOST" "$before"
}

# --- several at once -----------------------------------------------------------------

one_of_two()
{
	local a b first
	vestige "$HOST" attach "${SMALL[@]}" >"$TMP/one" 2>&1 &
	first=$!
	vestige "$HOST" attach "${SMALL[@]}" >"$TMP/two" 2>&1
	b=$?
	wait "$first"
	a=$?
	cat "$TMP/one" "$TMP/two"
	echo "exit $a and $b"
	[ "$((a + b))" = 2 ] && [ "$((a * b))" = 0 ] &&
		[ "$(cat "$TMP/one" "$TMP/two" | wc -l)" = 1 ] &&
		[ "$(status_of "$HOST" .attached)" = true ]
}

second_is_refused()
{
	local out
	out=$(vestige "$HOST" attach 2>&1) && return 1
	echo "$out"
	[[ $out == *already\ attached* ]] && [ "$(wc -l <<<"$out")" = 1 ] &&
		[ "$(status_of "$HOST" .attached)" = true ]
}

two_namespaces()
{
	vestige "$SERVER" attach "${SMALL[@]}" || return 1
	churn "$HOST" -n 3 127.0.0.1 9000 && churn "$SERVER" -n 5 127.0.0.1 9000 || return 1
	echo "$(live "$HOST" v4) and $(live "$SERVER" v4) sessions"
	[ "$(live "$HOST" v4)" = 3 ] && [ "$(live "$SERVER" v4)" = 5 ]
	local rc=$?
	vestige "$SERVER" detach && [ "$(live "$HOST" v4)" = 3 ] || return 1
	return "$rc"
}

# What was TIME_WAIT before the attach stays with the kernel, to its end.
kernel_keeps_its_own()
{
	local own
	churn "$HOST" -n 5 127.0.0.1 9050 >/dev/null
	own=$(in_ns "$HOST" ss -Htan state time-wait dport = 9050 | wc -l)
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	[ "$own" = 5 ] && [ "$(live "$HOST" v4)" = 0 ] &&
		[ "$(in_ns "$HOST" ss -Htan state time-wait dport = 9050 | wc -l)" = 5 ]
	local rc=$?
	vestige "$HOST" detach || rc=1
	return "$rc"
}

# --- detach with live records -----------------------------------------------------------

detach_gives_up()
{
	churn "$HOST" -n 10 127.0.0.1 9000 >/dev/null
	[ "$(live "$HOST" v4)" -ge 10 ] || { echo "nothing to give up"; return 1; }
	vestige "$HOST" detach && is_clean "$HOST" "$before"
}

# While it waits, the kernel is in charge of what closes, and records still answer.
detach_waits()
{
	local start waited pid now lo_port lo_snd lo_rcv
	ns_set "$HOST" net.ipv4.tcp_rfc1337=1 net.ipv4.tcp_timestamps=0
	vestige "$HOST" attach "${SMALL[@]}" &&
		vestige "$HOST" mslt set loopback "$((1500 * SLOW))ms" &&
		remember_on_lo "$HOST" 127.0.0.1 || return 1
	start=$(now_ms)
	vestige "$HOST" detach wait &
	pid=$!
	sleep 0.5
	now=$(ns_get "$HOST" "$BUCKETS")
	[ "$now" = "$before" ] || { echo "sysctl still $now"; return 1; }
	kill -0 "$pid" || { echo "it did not wait"; return 1; }
	late_fin_on_lo "$HOST" 127.0.0.1 || return 1
	churn "$HOST" -n 1 127.0.0.1 9001 &&
		[ -n "$(in_ns "$HOST" ss -Htan state time-wait sport != 9001)" ] || return 1
	wait "$pid" || return 1
	ns_set "$HOST" net.ipv4.tcp_rfc1337=0 net.ipv4.tcp_timestamps=1
	waited=$(($(now_ms) - start))
	echo "$waited ms"
	[ "$waited" -ge $((1200 * SLOW)) ] && [ "$waited" -lt $((4000 * SLOW)) ] &&
		is_clean "$HOST" "$before"
}

# Ctrl-C while it waits: mended by the next detach, and the sysctl is back.
detach_wait_interrupted()
{
	vestige "$HOST" attach "${SMALL[@]}" && vestige "$HOST" mslt set loopback 1m &&
		churn "$HOST" -n 10 127.0.0.1 9000 || return 1
	nsenter --net="/run/netns/$HOST" timeout -s INT 0.6 "$VESTIGE" detach wait
	[ "$(ns_get "$HOST" "$BUCKETS")" = "$before" ] || return 1
	vestige "$HOST" detach && is_clean "$HOST" "$before"
}

not_attached()
{
	local out
	out=$(vestige "$HOST" detach 2>&1)
	[ $? -eq 2 ] && [[ $out == *not\ attached* ]] && [ "$(wc -l <<<"$out")" = 1 ]
}

# --- what others do meanwhile --------------------------------------------------------------

device_deleted()
{
	ip -n "$HOST" link add v0 type veth peer name v1
	vestige "$HOST" attach "${SMALL[@]}" hook xdp || return 1
	ip -n "$HOST" link del v0
	says 'device v0.* gone' vestige "$HOST" status &&
		churn "$HOST" -n 5 127.0.0.1 9000 || return 1
	[ "$(status_of "$HOST" '[.devices[].name] | index("v0")')" = null ] &&
		vestige "$HOST" detach && is_clean "$HOST" "$before"
}

device_added()
{
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	ip -n "$HOST" link add v0 type veth peer name v1
	says 'v0.*no hook' vestige "$HOST" status || return 1
	[ "$(status_of "$HOST" '.uncovered.devices | sort | join(" ")')" = "v0 v1" ] || return 1
	ip -n "$HOST" link del v0
	vestige "$HOST" detach
}

filter_deleted()
{
	vestige "$HOST" attach "${SMALL[@]}" hook tc || return 1
	tc -n "$HOST" filter del dev a0 ingress
	says 'a0 lost its ingress hook' vestige "$HOST" status || return 1
	[ "$(status_of "$HOST" '.uncovered.devices | join(" ")')" = a0 ] &&
		vestige "$HOST" detach && is_clean "$HOST" "$before"
}

sysctl_changed()
{
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	ns_set "$HOST" "$BUCKETS=4321"
	says 'set to 4321 behind our back' vestige "$HOST" status || return 1
	[ "$(status_of "$HOST" '.sysctl.tcp_max_tw_buckets | "\(.now) \(.saved)"')" = \
		"4321 $before" ] || return 1
	churn "$HOST" -n 5 127.0.0.1 9000 || return 1
	vestige "$HOST" detach || return 1
	# Whoever set it meant it, and later than we.
	[ "$(ns_get "$HOST" "$BUCKETS")" = 4321 ] || return 1
	ns_set "$HOST" "$BUCKETS=$before"
}

sysctl_back_to_zero()
{
	vestige "$HOST" attach "${SMALL[@]}" && ns_set "$HOST" "$BUCKETS=4321" &&
		ns_set "$HOST" "$BUCKETS=0" && vestige "$HOST" detach &&
		is_clean "$HOST" "$before"
}

namespace_deleted()
{
	local gone
	setup_ns GONE
	gone=$GONE
	vestige "$gone" attach "${SMALL[@]}" && churn "$gone" -n 5 127.0.0.1 9000 || return 1
	ip netns del "$gone"
	# The kernel takes it down in its own time.
	busywait 5000 says "gone: $gone" vestige "$HOST" status &&
		says "$gone is gone" vestige "$HOST" status netns "$gone" || return 1
	vestige "$HOST" detach stale && is_clean "$HOST" "$before"
}

# With connections under way on a device that goes with the namespace.
namespace_deleted_under_load()
{
	setup_ns GONE
	vestige "$GONE" attach "${SMALL[@]}" || return 1
	spawn "$GONE" /dev/null "$TOOLS/churn" -t 2 -n 1000000 127.0.0.1 9000
	ip netns del "$GONE"
	sleep 0.2
	kill_pid "$spawned"
	busywait 5000 says "gone: $GONE" vestige "$HOST" status &&
		vestige "$HOST" detach stale && is_clean "$HOST" "$before"
}

cgroup_deleted()
{
	local dir=$CG/inner
	mkdir "$dir" && vestige "$HOST" attach "${SMALL[@]}" cgroup "$dir" || return 1
	rmdir "$dir"
	# The kernel lets go of it in its own time.
	busywait 3000 says 'cgroup was removed' vestige "$HOST" status || return 1
	# Who lost the callbacks has the safety net.
	churn "$HOST" -n 5 127.0.0.1 9000 || return 1
	[ "$(live "$HOST" v4)" = 5 ] && [ "$(status_of "$HOST" .covered.by_net)" = 5 ] &&
		vestige "$HOST" detach && is_clean "$HOST" "$before"
}

# --- the safety net ----------------------------------------------------------------------

# N sessions were recorded by the net, none by the callback, and they are there.
by_net()	# number family
{
	local net callback live
	net=$(status_of "$HOST" .covered.by_net)
	callback=$(status_of "$HOST" .covered.by_callback)
	live=$(live "$HOST" "$2")
	echo "by_net $net, by_callback $callback, live $live"
	[ "$net" = "$1" ] && [ "$callback" = 0 ] && [ "$live" = "$1" ]
}

by_callback()	# number
{
	[ "$(status_of "$HOST" .covered.by_callback)" = "$1" ] &&
		[ "$(status_of "$HOST" .covered.by_net)" = 0 ]
}

# family of sock(1), address, pool. The connection is there before the attach.
older_socket()
{
	local port=$((9500 + $(unique))) rc=0
	sock_start L "$HOST" "$1" && sock_start C "$HOST" "$1" &&
		sock L bind "$2" "$port" && sock L listen && sock C connect "$2" "$port" &&
		sock L accept && sock C connected &&
		vestige "$HOST" attach "${SMALL[@]}" &&
		sock C close && sock L recv && sock L close && by_net 1 "$3" || rc=1
	sock_stop C
	sock_stop L
	vestige "$HOST" detach || rc=1
	return "$rc"
}

# A listener older than the attach: its children have callbacks, being younger.
older_listener()
{
	serve "$HOST" 0.0.0.0 9400 -s
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	churn "$SERVER" -c -s -n 4 "$HOST4" 9400 && by_callback 4
	local rc=$?
	kill_pid "$spawned"
	vestige "$HOST" detach || rc=1
	return "$rc"
}

# churn-options address: outside the cgroup, then inside.
outside_cgroup()	# pool options...
{
	local pool=$1 rc=0
	shift
	vestige "$HOST" attach "${SMALL[@]}" cgroup "$CG" || return 1
	churn "$HOST" -n 7 "$@" 9000 && by_net 7 "$pool" || rc=1
	vestige "$HOST" vtw stats reset
	in_cgroup "$HOST" "$TOOLS/churn" -n 7 "$@" 9001 && by_callback 7 || rc=1
	vestige "$HOST" detach || rc=1
	return "$rc"
}

# Another sockops program in the cgroup runs after ours, and overwrites the flags.
clobbered_flags()	# pool options...
{
	local pool=$1 rc=0
	shift
	vestige "$HOST" attach "${SMALL[@]}" cgroup "$CG" || return 1
	bpftool cgroup attach "$CG" sock_ops pinned /sys/fs/bpf/others/clobber multi || rc=1
	in_cgroup "$HOST" "$TOOLS/churn" -n 6 "$@" 9000 && by_net 6 "$pool" || rc=1
	bpftool cgroup detach "$CG" sock_ops pinned /sys/fs/bpf/others/clobber || rc=1
	vestige "$HOST" vtw stats reset
	in_cgroup "$HOST" "$TOOLS/churn" -n 6 "$@" 9001 && by_callback 6 || rc=1
	vestige "$HOST" detach || rc=1
	return "$rc"
}

# A record is a record: bind() is refused to who is in the cgroup.
protected_by_net()
{
	local rc=0
	vestige "$HOST" attach "${SMALL[@]}" cgroup "$CG" || return 1
	churn "$HOST" -n 1 -b 127.0.0.1 -P 22222 127.0.0.1 9000 || rc=1
	[ "$(printf 'bind 127.0.0.1 22222\n' | in_cgroup "$HOST" "$TOOLS/sock" 4)" = \
		"err bind: EADDRINUSE" ] || rc=1
	vestige "$HOST" detach || rc=1
	return "$rc"
}

run_net()
{
	tap_test "net: IPv4 socket older than the attach" older_socket 4 127.0.0.1 v4
	tap_test "net: IPv6 socket older than the attach" older_socket 6 ::1 v6
	tap_test "net: mapped socket older than the attach" older_socket mapped 127.0.0.1 v4
	tap_test "net: children of an older listener have callbacks" older_listener
	tap_test "net: outside the cgroup, IPv4" outside_cgroup v4 127.0.0.1
	tap_test "net: outside the cgroup, IPv6" outside_cgroup v6 ::1
	tap_test "net: outside the cgroup, mapped" outside_cgroup v4 -m 127.0.0.1
	tap_test "net: outside the cgroup, server closes first" outside_cgroup v4 -s 127.0.0.1
	tap_test "net: callback flags overwritten, IPv4" clobbered_flags v4 127.0.0.1
	tap_test "net: callback flags overwritten, IPv6" clobbered_flags v6 ::1
	tap_test "net: callback flags overwritten, mapped" clobbered_flags v4 -m 127.0.0.1
	tap_test "net: what it records is protected" protected_by_net
}

run_around()
{
	new_pair
	tap_test "TIME_WAIT sockets from before the attach stay" kernel_keeps_its_own
	tap_test "two attaches at once: one is refused" one_of_two
	tap_test "a second attach is refused" second_is_refused
	tap_test "two namespaces do not see each other's sessions" two_namespaces
	tap_test "detach gives live records up, sysctl restored" detach_gives_up
	tap_test "detach when not attached is refused" not_attached
	tap_test "detach wait lets them expire" detach_waits
	tap_test "detach wait, interrupted" detach_wait_interrupted
	tap_test "device deleted: status says it" device_deleted
	tap_test "device added: status says it" device_added
	tap_test "tc filter deleted: status says it" filter_deleted
	tap_test "sysctl changed by hand: status says it, detach leaves it" sysctl_changed
	tap_test "sysctl changed to and fro" sysctl_back_to_zero
	tap_test "namespace deleted: status says it, detach stale mends" namespace_deleted
	tap_test "namespace deleted under load" namespace_deleted_under_load
	tap_test "cgroup deleted: status says it, the net records" cgroup_deleted
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "nothing is attached to stock"
	tap_finish
fi
private_cgroup || tap_skip_all "no cgroup2"
bpftool prog loadall "$TOOLS/others.bpf.o" /sys/fs/bpf/others || exit 1
run_workload
run_around
run_net
tap_finish
