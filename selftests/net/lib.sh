#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034,SC2153	# variables: set for, or by, who sources this
#
# lib.sh - sourced first by every script of this directory. It re-executes the
# script in a mount namespace of its own, with a private bpffs and a private
# /run/netns, so that not even kill -9 leaves anything behind on the host.
#
#   BACKEND=stock|vestige	which TIME_WAIT is tested (default: vestige)
#   HOOK=xdp|tc|auto		how vestige attaches to devices (default: auto)
#   VESTIGE=PATH TOOLS=DIR	the command, and the built programs of this directory
#   SLOW=N			an emulated machine: lengths and patience times N
#   KEEP=1			keep the scratch directory with all logs

NET_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$NET_DIR/../.." && pwd)
VESTIGE=${VESTIGE:-$ROOT/build/vestige}
TOOLS=${TOOLS:-$ROOT/build/selftests/net}
BACKEND=${BACKEND:-vestige}
HOOK=${HOOK:-auto}
SLOW=${SLOW:-1}

# --- TAP -------------------------------------------------------------------

ksft_n=0 ksft_passed=0 ksft_failed=0 ksft_skipped=0

tap_start()
{
	echo "TAP version 13"
}

tap_skip_all()	# reason
{
	echo "TAP version 13"
	echo "1..0 # SKIP $*"
	exit 4
}

tap_pass()	# name
{
	ksft_n=$((ksft_n + 1)) ksft_passed=$((ksft_passed + 1))
	echo "ok $ksft_n $1"
}

tap_fail()	# name [reason]
{
	ksft_n=$((ksft_n + 1)) ksft_failed=$((ksft_failed + 1))
	echo "not ok $ksft_n $1"
	[ -z "${2-}" ] || echo "# ${2//$'\n'/$'\n'# }"
}

tap_skip()	# name reason
{
	ksft_n=$((ksft_n + 1)) ksft_skipped=$((ksft_skipped + 1))
	echo "ok $ksft_n $1 # SKIP $2"
}

tap_result()	# status name [reason]
{
	if [ "$1" -eq 0 ]; then tap_pass "$2"; else tap_fail "$2" "${3-}"; fi
}

# Runs a command as one test; what it prints becomes the reason if it fails.
tap_test()	# name command...
{
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then tap_pass "$name"; else tap_fail "$name" "$out"; fi
}

tap_finish()
{
	echo "1..$ksft_n"
	echo "# Totals: pass:$ksft_passed fail:$ksft_failed skip:$ksft_skipped"
	[ "$ksft_failed" -eq 0 ] || exit 1
	if [ "$ksft_passed" -eq 0 ] && [ "$ksft_skipped" -gt 0 ]; then exit 4; fi
	exit 0
}

# --- clean-up --------------------------------------------------------------

defer_stack=()

# What is deferred runs on every exit, last first. Arguments are kept apart.
defer()		# command...
{
	local quoted
	printf -v quoted '%q ' "$@"
	defer_stack+=("$quoted")
}

defer_run()
{
	local i
	trap '' INT TERM HUP
	for ((i = ${#defer_stack[@]} - 1; i >= 0; i--)); do
		eval "${defer_stack[i]}" >/dev/null 2>&1
	done
	defer_stack=()
}

kill_pid()	# pid; ends it and waits until it has gone
{
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	return 0
}

# --- waiting ---------------------------------------------------------------

now_ms()
{
	local t=${EPOCHREALTIME/[.,]/}
	echo "${t%???}"
}

# Polls until the command succeeds; its last output is printed either way.
busywait()	# ms command...
{
	local end out rc
	end=$(($(now_ms) + $1))
	shift
	while :; do
		out=$("$@" 2>&1)
		rc=$?
		if [ $rc -eq 0 ] || [ "$(now_ms)" -ge "$end" ]; then
			printf '%s\n' "$out"
			return $rc
		fi
		sleep 0.02
	done
}

# --- namespaces ------------------------------------------------------------

# ip netns exec would mount a /sys without bpffs and cgroup2 over ours.
in_ns()		# ns command...
{
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" "$@"
}

# A number that was not given out before, also not in a subshell.
unique()
{
	local n
	{
		flock 9
		n=$(($(cat "$TMP/unique" 2>/dev/null || echo 0) + 1))
		echo $n >"$TMP/unique"
	} 9>"$TMP/unique.lock"
	echo $n
}

# In the background; $spawned is its pid. Its output goes to a file of that name,
# not to ours: a $(...) around us would wait for it.
spawn()		# ns output-file command...
{
	local ns=$1 out=$2
	shift 2
	nsenter --net="/run/netns/$ns" "$@" >"$out" 2>&1 &
	spawned=$!
	defer kill_pid "$spawned"
}

# A churn(1) that serves port PORT, and is there when this returns.
serve()		# ns address port [options...]
{
	local ns=$1 addr=$2 port=$3
	shift 3
	spawn "$ns" /dev/null "$TOOLS/churn" -l "$@" "$addr" "$port"
	busywait 3000 listens "$ns" "$port" >/dev/null
}

listens()	# ns port
{
	[ -n "$(in_ns "$1" ss -Htln "sport = :$2")" ]
}

ns_set()	# ns sysctl=value...
{
	local ns=$1 setting key
	shift
	for setting; do
		key=${setting%%=*}
		echo "${setting#*=}" |
			in_ns "$ns" dd of="/proc/sys/${key//.//}" status=none || return 1
	done
}

ns_get()	# ns sysctl
{
	in_ns "$1" cat "/proc/sys/${2//.//}"
}

# setup_ns A B: creates two namespaces with random names, kept in $A and $B.
setup_ns()	# variable...
{
	local var name
	for var; do
		name=vt-${var,,}-$(printf '%04x%04x' $RANDOM $RANDOM)
		ip netns add "$name" || return 1
		defer ip netns del "$name"
		ip -n "$name" link set lo up
		ns_set "$name" net.ipv6.conf.default.accept_dad=0 \
			net.ipv6.conf.all.accept_dad=0 \
			net.ipv6.conf.default.router_solicitations=0
		printf -v "$var" %s "$name"
	done
}

veth_pair()	# ns1 dev1 mac1 ns2 dev2 mac2
{
	ip -n "$1" link add "$2" address "$3" type veth \
		peer name "$5" address "$6" netns "$4" || return 1
	# Checksums are looked at on the wire, so they are filled in before. What
	# XDP_TX sends out of a veth lies in the ring of its peer until something
	# wakes that, unless the peer has an XDP program too (veth_xdp_flush()).
	in_ns "$1" "$TOOLS/netdev" offload "$2" tx off
	in_ns "$4" "$TOOLS/netdev" xdp-pass "$5"
	ip -n "$1" link set "$2" up
	ip -n "$4" link set "$5" up
}

add_addresses()	# ns dev IPv4 IPv6
{
	ip -n "$1" addr add "$3/24" dev "$2"
	ip -n "$1" addr add "$4/64" dev "$2" nodad
}

neigh()		# ns dev mac address...
{
	local ns=$1 dev=$2 mac=$3 addr
	shift 3
	for addr; do
		ip -n "$ns" neigh replace "$addr" lladdr "$mac" dev "$dev" nud permanent
	done
}

#
#   $HOST                              $PEER
#   192.0.2.1/24      a0 ------ b0     192.0.2.2      owned by peer(1), not by
#   2001:db8::1/64                     2001:db8::2    the kernel of $PEER
#
HOST_MAC=02:00:00:00:00:01
PEER_MAC=02:00:00:00:00:02
HOST4=192.0.2.1 PEER4=192.0.2.2
HOST6=2001:db8::1 PEER6=2001:db8::2

setup_peer_topology()
{
	setup_ns HOST PEER || return 1
	ns_set "$PEER" net.ipv6.conf.default.disable_ipv6=1
	veth_pair "$HOST" a0 "$HOST_MAC" "$PEER" b0 "$PEER_MAC" || return 1
	add_addresses "$HOST" a0 "$HOST4" "$HOST6"
	neigh "$HOST" a0 "$PEER_MAC" "$PEER4" "$PEER6"
}

both_ends()	# family; sets here, there
{
	here=$HOST4 there=$PEER4
	[ "$1" != 6 ] || { here=$HOST6 there=$PEER6; }
}

# --- late segments -----------------------------------------------------------

# peer(1) opens and closes a session with $HOST, then sends its FIN again: N times.
late_fins()	# family number [what the socket does first]
{
	local here there script i first=${3-}
	both_ends "$1"
	script='set ts 5000'
	[ -z "$first" ] || script+=$'\n'"do $first"
	script+='
do bind @host @hport
do connect @peer @pport
open passive
do connected
do close
expect FA
send FA
expect A'
	for ((i = 0; i < $2; i++)); do
		script+=$'\nprobe FA seq=snd-1\nexpect A win=last\npause 50'
	done
	i=$(unique)
	in_ns "$PEER" timeout 30 "$TOOLS/peer" -i b0 -m "$PEER_MAC" -M "$HOST_MAC" \
		-a "$there" -A "$here" -p $((20000 + i)) -P $((30000 + i)) \
		-s "exec nsenter --net=/run/netns/$HOST $TOOLS/sock $1" <<<"$script"
}

answers_are_counted()	# family expected-by-xdp [what the socket does first]
{
	local all xdp
	all=$(counter "$HOST" answered_fin) xdp=$(counter "$HOST" answered_xdp)
	late_fins "$1" 3 "${3-}" || return 1
	all=$(($(counter "$HOST" answered_fin) - all))
	xdp=$(($(counter "$HOST" answered_xdp) - xdp))
	echo "answered_fin grew by $all, answered_xdp by $xdp"
	[ "$all" -eq 3 ] && [ "$xdp" -eq "$2" ]
}

# --- back end --------------------------------------------------------------

vestige()	# ns arguments...
{
	local ns=$1
	shift
	in_ns "$ns" "$VESTIGE" "$@"
}

declare -A buckets_before

backend_attach()	# ns [attach arguments...]
{
	local ns=$1
	shift
	[ "$BACKEND" = vestige ] || return 0
	buckets_before[$ns]=$(ns_get "$ns" net.ipv4.tcp_max_tw_buckets)
	defer vestige "$ns" detach
	vestige "$ns" attach hook "$HOOK" "$@"
}

# Fails also when detach did not put the sysctl back.
backend_detach()	# ns
{
	[ "$BACKEND" = vestige ] || return 0
	vestige "$1" detach || return 1
	[ "$(ns_get "$1" net.ipv4.tcp_max_tw_buckets)" = "${buckets_before[$1]}" ] || {
		echo "tcp_max_tw_buckets is not what it was: ${buckets_before[$1]}"
		return 1
	}
}

# What this host remembers of a session: TIME-WAIT, FIN-WAIT-2, REOPENING, none.
tw_state()	# ns local lport peer rport
{
	"$NET_DIR/state.sh" "$BACKEND" "$@"
}

# $CG: a cgroup for this script only, so that its programs can be told apart.
private_cgroup()
{
	local root
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	[ -n "$root" ] || return 1
	CG=$root/vestige-test-$$
	mkdir "$CG" && defer rmdir "$CG"
}

in_cgroup()	# ns command...; runs in $CG
{
	local ns=$1
	shift
	(
		echo "$BASHPID" >"$CG/cgroup.procs" || exit 1
		exec nsenter --net="/run/netns/$ns" "$@"
	)
}

# Nothing is left in namespace and cgroup. The sysctl is what it was: VALUE.
is_clean()	# ns value
{
	local ns=$1 value dev
	value=$(ns_get "$ns" net.ipv4.tcp_max_tw_buckets)
	[ "$value" = "$2" ] || { echo "tcp_max_tw_buckets is $value"; return 1; }
	# Nobody else has pins in this bpffs: it is private.
	[ ! -e /sys/fs/bpf/vestige ] || { find /sys/fs/bpf/vestige; return 1; }
	for dev in $(ip -n "$ns" -j link show | jq -r '.[].ifname'); do
		if tc -n "$ns" qdisc show dev "$dev" | grep clsact; then return 1; fi
		if ip -n "$ns" -d link show "$dev" | grep prog/xdp; then return 1; fi
	done
	[ -z "${CG-}" ] || ! bpftool cgroup show "$CG" | grep vtw_
}

# --- what vestige and the kernel have counted --------------------------------

says()		# pattern command...; in what vestige says, on stdout or stderr
{
	local pattern=$1 out
	shift
	out=$("$@" 2>&1)
	grep -E "$pattern" <<<"$out" && return
	echo "$out"
	return 1
}

counter()	# ns name-of-counter
{
	vestige "$1" -j vtw stats | jq -r --arg name "$2" '.[$name] // 0'
}

status_of()	# ns jq-path
{
	vestige "$1" -j status | jq -r "$2"
}

live()		# ns v4|v6
{
	status_of "$1" ".pool.$2.live"
}

# A counter of /proc/net/snmp or netstat, named as nstat does: TcpOutRsts.
snmp()		# ns name
{
	in_ns "$1" cat /proc/net/snmp /proc/net/netstat | awk -v want="$2" '
		prefix != $1 { prefix = $1; n = split($0, names); next }
		{
			for (i = 2; i <= n; i++)
				if (substr($1, 1, length($1) - 1) names[i] == want && !seen++)
					print $i
			prefix = ""
		}'
}

# RSTs on the wire. TcpOutRsts counts those of the stack; vestige holds those
# that answer a FIN which came in one batch with the ACK that made the record.
resets_sent()	# ns
{
	local held=0
	[ "$BACKEND" = stock ] || held=$(counter "$1" reset_held)
	echo $(($(snmp "$1" TcpOutRsts) - held))
}

# One session of ADDRESS with itself on lo; its local port in $lo_port, and the
# numbers of the FIN that the other side would send again.
remember_on_lo()	# ns address
{
	local record
	lo_port=$((20000 + $(unique)))
	in_ns "$1" "$TOOLS/churn" -n 1 -b "$2" -P "$lo_port" "$2" 9000 || return 1
	record=$(vestige "$1" -j vtw list |
		jq -c --argjson p "$lo_port" '.[] | select(.local_port == $p)')
	lo_snd=$(jq .snd_nxt <<<"$record") lo_rcv=$(jq .rcv_nxt <<<"$record")
	[ -n "$record" ] || { echo "nothing remembered"; return 1; }
}

# That FIN, put on lo. Our answer meets no socket, and the RST for it would end
# the record: net.ipv4.tcp_rfc1337=1 keeps it.
late_fin_on_lo()	# ns address
{
	in_ns "$1" timeout 10 "$TOOLS/peer" -i lo -m 00:00:00:00:00:00 \
		-M 00:00:00:00:00:00 -a "$2" -A "$2" -p 9000 -P "$lo_port" <<<"
probe FA seq=$((lo_rcv - 1)) ack=$lo_snd ts=off
expect A seq=$lo_snd ack=$lo_rcv win=any"
}

# --- sock(1) under the control of the script -------------------------------

declare -A sock_in sock_out sock_pid

# sock_start NAME NS FAMILY, then: sock NAME command...  prints the reply and
# succeeds if it begins with "ok".
sock_start()
{
	local fifo=$TMP/sock.$1 in out
	mkfifo "$fifo.in" "$fifo.out"
	in_ns "$2" "$TOOLS/sock" "$3" <"$fifo.in" >"$fifo.out" &
	sock_pid[$1]=$!
	defer kill_pid $!
	exec {in}>"$fifo.in" {out}<"$fifo.out"
	sock_in[$1]=$in sock_out[$1]=$out
}

sock()
{
	local name=$1 reply
	shift
	echo "$*" >&"${sock_in[$name]}"
	read -rt 10 reply <&"${sock_out[$name]}" || reply="err no reply"
	printf '%s\n' "$reply"
	[[ $reply == ok* ]]
}

sock_stop()	# name
{
	local in=${sock_in[$1]} out=${sock_out[$1]}
	exec {in}>&- {out}<&-
	wait "${sock_pid[$1]}"
}

# --- start -----------------------------------------------------------------

[ "$(id -u)" -eq 0 ] || tap_skip_all "needs root: network namespaces"
if [ -z "${VESTIGE_TEST_MNTNS-}" ]; then
	for tool in ip tc nsenter unshare jq; do
		command -v $tool >/dev/null || tap_skip_all "needs $tool"
	done
	VESTIGE_TEST_MNTNS=1 exec unshare -m --propagation private "$BASH" "$0" "$@"
fi
unset VESTIGE_TEST_MNTNS
umount -a -t bpf # what the host has, and where, is not seen from here
mount -t bpf bpf /sys/fs/bpf || tap_skip_all "cannot mount a bpffs"
mkdir -p /run/netns
mount -t tmpfs netns /run/netns || tap_skip_all "cannot mount a private /run/netns"
if [ "$BACKEND" = vestige ] && [ ! -x "$VESTIGE" ]; then
	tap_skip_all "the command is not built: $VESTIGE"
fi
if [ ! -x "$TOOLS/sock" ]; then
	echo "Bail out! The test programs are not built: $TOOLS"
	exit 1
fi
TMP=$(mktemp -d "${TMPDIR:-/tmp}/vestige-test.XXXXXX")
trap 'defer_run' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ -n "${KEEP-}" ]; then echo "# logs in $TMP"; else defer rm -rf "$TMP"; fi
