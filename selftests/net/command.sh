#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# command.sh - what vtw, mslt and monitor say, and that they leave nothing behind.
#
#   $HOST   192.0.2.1, 2001:db8::1 on lo; sessions with itself
#
# Sessions (all loopback, 5 min): 192.0.2.1, ports 30001 to 30003, with :9000;
# v4-mapped 30004; 2001:db8::1, ports 30011 and 30012; FIN-WAIT-2: 30021.
# shellcheck source=selftests/net/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

V4=192.0.2.1 V6=2001:db8::1

setup()
{
	setup_ns HOST OTHER
	ip -n "$HOST" addr add "$V4/32" dev lo
	ip -n "$HOST" addr add "$V6/128" dev lo
	backend_attach "$HOST" || exit 1
	vestige "$HOST" mslt set loopback 5m || exit 1
	in_ns "$HOST" "$TOOLS/churn" -n 3 -b "$V4" -P 30001 "$V4" 9000 >"$TMP/churn" &&
		in_ns "$HOST" "$TOOLS/churn" -m -n 1 -b "$V4" -P 30004 "$V4" 9000 >"$TMP/churn" &&
		in_ns "$HOST" "$TOOLS/churn" -n 2 -b "$V6" -P 30011 "$V6" 9000 >"$TMP/churn" &&
		orphan >"$TMP/orphan"
}

# Closed here, not there; the other side stays as it is until the end.
orphan()
{
	sock_start SERVER "$HOST" 4 && sock_start CLIENT "$HOST" 4 || return 1
	sock SERVER bind "$V4" 9001 && sock SERVER listen &&
		sock CLIENT bind "$V4" 30021 && sock CLIENT connect "$V4" 9001 &&
		sock SERVER accept 1 && sock CLIENT close &&
		busywait 2000 listed 1 state fin-wait-2
}

# How many sessions pass the filter?
listed()	# number filter...
{
	local want=$1 got
	shift
	got=$(vestige "$HOST" -j vtw list "$@" | jq length)
	[ "$got" = "$want" ] || { echo "list $*: $got sessions instead of $want"; return 1; }
}

filters="
7
5	family inet
2	family inet6
6	state time-wait
6	state TIME-WAIT
1	state fin-wait-2
0	state reopening
7	class loopback
0	class remote
5	local $V4
5	local ::ffff:$V4
5	local 192.0.2.0/24
0	local 192.0.3.0/24
2	local 2001:db8::/32
1	local $V4:30001
1	local 192.0.2.0/24:30004
1	local [$V6]:30011
1	local [2001:db8::]/32:30012
1	local :30021
7	peer *
4	peer $V4:9000
2	peer [2001:db8::]/32:9000
1	dport 9001
1	sport 30002
0	sport 30002 family inet6
1	sport 30002 and peer :9000
2	fam inet6 dp 9000
"

run_filters()
{
	local want filter words
	while IFS=$'\t' read -r want filter; do
		[ -n "$want" ] || continue
		read -ra words <<<"$filter"
		tap_test "list $filter: $want" listed "$want" "${words[@]}"
	done <<<"$filters"
}

line='^TIME-WAIT \[2001:db8::1\]:30011 \[2001:db8::1\]:9000 loopback [0-9.]+s ms$'

# Line 1 is the head; addresses stand as ss prints them.
list_is_like_ss()
{
	local out
	out=$(vestige "$HOST" vtw list sport 30011)
	[ "$(sed -n 1p <<<"$out" | tr -s ' ')" = \
		"State Local Address:Port Peer Address:Port Class Expires Timestamps" ] &&
		[[ $(sed -n 2p <<<"$out" | tr -s ' ') =~ $line ]] && return
	echo "$out"
	return 1
}

keys='["class","expires_ms","family","local","local_port","peer","peer_port","rcv_nxt",
	"restarts","snd_nxt","state","timestamps","window"]'

list_json_has_its_keys()
{
	vestige "$HOST" -j vtw list | jq -e --argjson k "$keys" 'all(keys == $k)' &&
		vestige "$HOST" -p vtw list | jq -e --argjson k "$keys" 'all(keys == $k)'
}

finds()		# status local peer
{
	local status
	vestige "$HOST" -j vtw find "$2" "$3" >"$TMP/find"
	status=$?
	[ "$status" -eq "$1" ] && return
	echo "exit status $status: $(cat "$TMP/find")"
	return 1
}

run_finds()
{
	tap_test "find an IPv4 session" finds 0 "$V4:30001" "$V4:9000"
	tap_test "find it by v4-mapped addresses" finds 0 "[::ffff:$V4]:30001" "[::ffff:$V4]:9000"
	tap_test "find an IPv6 session" finds 0 "[$V6]:30012" "[$V6]:9000"
	tap_test "find a session that is not there: 2" finds 2 "$V4:30001" "$V4:9009"
	tap_test "find a session the wrong way round: 2" finds 2 "$V4:9000" "$V4:30001"
	tap_test "find with two families: 1" finds 1 "$V4:30001" "[$V6]:9000"
}

# --- bad words ---------------------------------------------------------------

# One line on stderr and none on stdout; under -j one object; the status.
refused()	# status ns words...
{
	local want=$1 ns=$2 status
	shift 2
	vestige "$ns" "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	[ ! -s "$TMP/out" ] && [ "$(wc -l <"$TMP/err")" -eq 1 ] ||
		status="$status, unexpected"
	[ "$status" = "$want" ] || {
		echo "exit status $status; $(cat "$TMP/out" "$TMP/err")"
		return 1
	}
	vestige "$ns" -j "$@" 2>"$TMP/err" | jq -e 'keys == ["error"]' >"$TMP/out" &&
		[ ! -s "$TMP/err" ] && return
	echo "-j: $(cat "$TMP/out" "$TMP/err")"
	return 1
}

bad_words='
vtw
vtw nonsense
vtw list nonsense
vtw list state
vtw list state CLOSED
vtw list class nowhere
vtw list family ipx
vtw list sport 65536
vtw list sport -1
vtw list local 192.0.2.1:65536
vtw list local 192.0.2.1/33
vtw list local 2001:db8::/129
vtw list local 192.0.2
vtw list local [2001:db8::1
vtw list local [2001:db8::1]443
vtw list local */8
vtw find
vtw find 192.0.2.1:1
vtw find 192.0.2.1 192.0.2.1:1
vtw find 192.0.2.0/24:1 192.0.2.1:1
vtw find 2001:db8::1:1 192.0.2.1:1
vtw stats nonsense
vtw stats all all
vtw set reopen
vtw set reopen maybe
vtw set restarts 8
vtw set restarts -1
vtw set re on
mslt nonsense
mslt show more
mslt set
mslt set local
mslt set local 0s
mslt set local -1s
mslt set local 10
mslt set local 1.5s
mslt set local 10h
mslt set local 11m
mslt set local 600001ms
mslt set local 99999999999999999999s
mslt set rule 10s
mslt rule
mslt rule add
mslt rule add 192.0.2.0/24
mslt rule add 192.0.2.1/24 local
mslt rule add 2001:db8::1/32 local
mslt rule add 192.0.2.0/33 local
mslt rule add 192.0.2.0/24:80 local
mslt rule add :80 local
mslt rule add example.net local
mslt rule add 192.0.2.0/24 near
mslt rule add 192.0.2.0/24 0s
mslt rule delete
mslt threshold
mslt threshold 20
mslt on now
monitor all
'

run_refused()	# list exit-status ns [what is special there]
{
	local words
	while read -ra words; do
		[ ${#words[@]} -gt 0 ] || continue
		tap_test "${words[*]}${4-}: $2" refused "$2" "$3" "${words[@]}"
	done <<<"$1"
}

not_attached='
vtw list
vtw find 192.0.2.1:1 192.0.2.1:2
vtw flush
vtw stats
vtw stats reset
vtw set
vtw set reopen on
mslt
mslt set local 1s
mslt rule add 192.0.2.0/24 local
mslt off
monitor
'

from_outside()
{
	[ "$("$VESTIGE" -n "$HOST" -j vtw list | jq length)" = 7 ] || return 1
	! "$VESTIGE" -n no-such-namespace vtw list
}

# --- settings ------------------------------------------------------------------

settings()	# json
{
	local got
	got=$(vestige "$HOST" -j vtw set | jq -c '[.reopen, .restarts, .checksum, .bind_guard]')
	[ "$got" = "$1" ] || { echo "$got instead of $1"; return 1; }
}

set_changes_what_it_names()
{
	settings '[true,7,true,true]' &&
		vestige "$HOST" vtw set reopen off restarts unlimited &&
		settings '[false,"unlimited",true,true]' &&
		vestige "$HOST" vtw set reo on rest 0 ch off && settings '[true,0,false,true]' &&
		! vestige "$HOST" vtw set checksum on restarts 9 &&
		settings '[true,0,false,true]' &&
		vestige "$HOST" vtw set checksum on restarts 7 && settings '[true,7,true,true]'
}

stats_show_and_reset()
{
	local names
	[ "$(counter "$HOST" entered_callback)" -ge 7 ] || return 1
	vestige "$HOST" vtw stats | grep -q entered_callback || return 1
	! vestige "$HOST" vtw stats | grep -q ' 0  ' || return 1
	names=$(vestige "$HOST" -j vtw stats | jq length)
	[ "$(vestige "$HOST" vtw stats all | wc -l)" = "$names" ] || return 1
	vestige "$HOST" vtw stats reset &&
		vestige "$HOST" -j vtw stats | jq -e 'all(. == 0)'
}

rules()		# json
{
	local got
	got=$(vestige "$HOST" -j mslt show |
		jq -c '[.rules | sort_by(.prefix)[] | [.prefix, .class, .length_ms]]')
	[ "$got" = "$1" ] || { echo "$got instead of $1"; return 1; }
}

rules_are_kept()
{
	vestige "$HOST" mslt rule add 10.0.0.0/8 local &&
		vestige "$HOST" mslt rule add 2001:db8::/32 30s &&
		rules '[["10.0.0.0/8","local",10000],["2001:db8::/32","rule",30000]]' &&
		vestige "$HOST" mslt rule add 10.0.0.0/8 500ms &&
		rules '[["10.0.0.0/8","rule",500],["2001:db8::/32","rule",30000]]' &&
		vestige "$HOST" mslt rule del 10.0.0.0/8 &&
		vestige "$HOST" mslt rule del 2001:db8::/32 &&
		rules '[]' && ! vestige "$HOST" mslt rule del 10.0.0.0/8
}

mapped_rule_is_ipv4()
{
	vestige "$HOST" mslt rule add ::ffff:10.0.0.0/104 local &&
		rules '[["10.0.0.0/8","local",10000]]' && vestige "$HOST" mslt rule del 10.0.0.0/8
}

# Eleven lengths, shared by rules that agree; a twelfth is refused until one is free.
eleven_lengths()
{
	local i
	for i in {1..11}; do
		vestige "$HOST" mslt rule add "10.$i.0.0/16" "${i}s" &&
			vestige "$HOST" mslt rule add "11.$i.0.0/16" "${i}s" || return 1
	done
	! vestige "$HOST" mslt rule add 12.0.0.0/8 12s || return 1
	vestige "$HOST" mslt rule del 10.5.0.0/16 || return 1
	! vestige "$HOST" mslt rule add 12.0.0.0/8 12s || return 1
	vestige "$HOST" mslt rule del 11.5.0.0/16 &&
		vestige "$HOST" mslt rule add 12.0.0.0/8 12s || return 1
	vestige "$HOST" -j mslt show | jq -r '.rules[].prefix' | while read -r i; do
		vestige "$HOST" mslt rule del "$i"
	done
	rules '[]'
}

# Two at a time: no length is lost and none is taken twice.
rules_at_once()
{
	local i pids=()
	for i in 1 2 3 4; do
		vestige "$HOST" mslt rule add "10.$i.0.0/16" "$((i % 2 + 1))s" &
		pids+=($!)
	done
	wait "${pids[@]}"
	rules "$(printf '[["10.1.0.0/16","rule",2000],["10.2.0.0/16","rule",1000],%s]' \
		'["10.3.0.0/16","rule",2000],["10.4.0.0/16","rule",1000]')" || return 1
	for i in 1 2 3 4; do
		vestige "$HOST" mslt rule del "10.$i.0.0/16"
	done
}

# --- monitor -------------------------------------------------------------------

until_ns()
{
	local map
	map=$(echo /sys/fs/bpf/vestige/*/config)
	bpftool -j map dump pinned "$map" | jq '.[0].formatted.value.monitor_until_ns'
}

monitor_runs()
{
	[ "$(until_ns)" != 0 ]
}

# Tests run in subshells, so what they start they have to end.
monitor_start()	# option...
{
	spawn "$HOST" "$TMP/monitor" "$VESTIGE" "$@" monitor
	busywait 2000 monitor_runs && return
	cat "$TMP/monitor"
	kill_pid "$spawned"
	return 1
}

monitor_stop()	# status, signal
{
	local rc
	kill "-$2" "$spawned" 2>/dev/null
	wait "$spawned"
	rc=$?
	[ "$rc" -eq "$1" ] || { echo "monitor: exit status $rc; $(cat "$TMP/monitor")"; return 1; }
}

# A session and what the monitor says of it.
monitor_sees_sessions()
{
	monitor_start -j || return 1
	in_ns "$HOST" "$TOOLS/churn" -n 1 -b "$V4" -P 30031 "$V4" 9000 >"$TMP/churn"
	busywait 2000 grep -q 30031 "$TMP/monitor"
	monitor_stop 0 INT && [ "$(until_ns)" = 0 ] || return 1
	jq -e 'select(.event == "new" and .local_port == 30031 and .peer_port == 9000 and
		.class == "loopback" and .length_ms == 300000)' "$TMP/monitor"
}

one_monitor()
{
	local rc
	monitor_start || return 1
	refused 2 "$HOST" monitor
	rc=$?
	monitor_stop 0 INT && return "$rc"
}

# Nothing tidies up behind a monitor that was killed, and nothing has to.
killed_monitor_costs_nothing()
{
	local until now
	monitor_start && monitor_stop 137 KILL || return 1
	until=$(until_ns)
	now=$(awk '{ printf "%d", $1 * 1000 }' /proc/uptime)
	[ $((until / 1000000 - now)) -le 2100 ] || {
		echo "events are sent until $((until / 1000000)) ms; it is $now"
		return 1
	}
	monitor_start && monitor_stop 0 INT	# its place is free
}

monitor_ends_with_detach()
{
	monitor_start && backend_detach "$HOST" || return 1
	sleep 1
	monitor_stop 2 INT && backend_attach "$HOST"
}

# --- flush ---------------------------------------------------------------------

flushes()	# number filter...
{
	local want=$1 got
	shift
	got=$(vestige "$HOST" -j vtw flush "$@" | jq .flushed)
	[ "$got" = "$want" ] || { echo "$got went instead of $want"; return 1; }
	listed 0 "$@"
}

# Slots in the index of IPv4 that are in use.
slots()
{
	bpftool -j map dump pinned "$(echo /sys/fs/bpf/vestige/*/v4_index)" |
		jq '[.[].formatted.value | .slot[], .spill | select(. != 0)] | length'
}

# Flushes while sessions come: each slot leaves the index with its record.
flush_leaks_no_slot()
{
	local n=0 left
	spawn "$HOST" "$TMP/churn" "$TOOLS/churn" -n 1000000 -d 3 "$V4" 9000
	while kill -0 "$spawned" 2>/dev/null; do
		vestige "$HOST" vtw flush >/dev/null || return 1
		n=$((n + 1))
	done
	vestige "$HOST" vtw flush >/dev/null || return 1
	left=$(slots)
	[ "$left" = 0 ] || { echo "$left slots are left after $n flushes"; return 1; }
}

detach_wait_can_be_watched()
{
	in_ns "$HOST" "$TOOLS/churn" -n 3 -b "$V4" -P 30041 "$V4" 9000 >"$TMP/churn" || return 1
	spawn "$HOST" "$TMP/detach" "$VESTIGE" detach wait
	sleep 0.5
	listed 3 || return 1
	# What it waits for is gone then, and at once so is it.
	[ "$(vestige "$HOST" -j vtw flush | jq .flushed)" = 3 ] && wait "$spawned"
}

[ "$BACKEND" = vestige ] || tap_skip_all "there is no command in the stock kernel"
command -v bpftool >/dev/null || PATH=$PATH:/usr/sbin
tap_start
setup
tap_result $? "sessions to look at"
run_filters
tap_test "list is like ss" list_is_like_ss
tap_test "list under -j has the keys that it should have" list_json_has_its_keys
run_finds
tap_test "-n NETNS from outside" from_outside
run_refused "$bad_words" 1 "$HOST"
run_refused "$not_attached" 2 "$OTHER" " where nothing is attached"
tap_test "vtw set changes what it names, or nothing" set_changes_what_it_names
tap_test "vtw stats shows and resets" stats_show_and_reset
tap_test "mslt rule add, replace, delete" rules_are_kept
tap_test "a v4-mapped prefix is a rule of IPv4" mapped_rule_is_ipv4
tap_test "eleven lengths of rules, then no more" eleven_lengths
tap_test "rules added at once" rules_at_once
tap_test "monitor sees sessions, and ends with Ctrl-C" monitor_sees_sessions
tap_test "one monitor at a time" one_monitor
tap_test "a killed monitor costs nothing" killed_monitor_costs_nothing
tap_test "flush state fin-wait-2" flushes 1 state fin-wait-2
tap_test "flush by local address and port" flushes 1 local "$V4:30002"
tap_test "flush family inet6" flushes 2 family inet6
tap_test "flush the rest" flushes 4
tap_test "flush leaks no slot of the index" flush_leaks_no_slot
tap_test "monitor ends with detach" monitor_ends_with_detach
tap_test "vtw list and flush while detach waits" detach_wait_can_be_watched
tap_finish
