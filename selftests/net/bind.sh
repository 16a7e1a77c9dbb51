#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bind.sh - behaviour 7: a port with live records is not free for bind().
#
# Without SO_REUSEADDR it is EADDRINUSE, as with the kernel's own TIME_WAIT; with
# it, bind() and listen() work. `bind-guard off` ends that, and so does the
# end of the last record.
# shellcheck source=selftests/net/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

PORT=33333	# local port of the session that is remembered

setup()
{
	setup_ns HOST
	ip -n "$HOST" addr add "$HOST4"/32 dev lo
	ip -n "$HOST" addr add "$HOST6"/128 dev lo
	backend_attach "$HOST" || exit 1
}

# One session, closed first by the side with $PORT, so that it is remembered
# as ADDRESS:$PORT. That socket had SO_REUSEADDR, which stock asks for, too.
remember()	# family address [port]
{
	local mapped=
	[ "$1" != mapped ] || mapped=-m
	# shellcheck disable=SC2086 # an option or nothing
	in_ns "$HOST" "$TOOLS/churn" $mapped -n 1 -b "$2" -P "${3:-$PORT}" "$2" 9000
}

# What sock(1) says to these commands, the last line of it.
ask()		# family command...
{
	local family=$1
	shift
	printf '%s\n' "$@" | in_ns "$HOST" "$TOOLS/sock" "$family" | tail -n 1
}

expect_bind()	# expected-reply family address reuse [port]
{
	local reply
	reply=$(ask "$2" "reuse $4" "bind $3 ${5:-$PORT}")
	[ "$reply" = "$1" ] || { echo "bind $3: $reply instead of $1"; return 1; }
}

# family of the session, its address; family and address of bind(); the reply
# without SO_REUSEADDR, as on stock.
rows='
4 192.0.2.1		4 192.0.2.1		err bind: EADDRINUSE
4 192.0.2.1		4 0.0.0.0		err bind: EADDRINUSE
4 192.0.2.1		6 ::			err bind: EADDRINUSE
4 192.0.2.1		mapped 192.0.2.1	err bind: EADDRINUSE
6 2001:db8::1		6 2001:db8::1		err bind: EADDRINUSE
6 2001:db8::1		6 ::			err bind: EADDRINUSE
mapped 192.0.2.1	4 192.0.2.1		err bind: EADDRINUSE
mapped 192.0.2.1	4 0.0.0.0		err bind: EADDRINUSE
mapped 192.0.2.1	6 ::			err bind: EADDRINUSE
'

# Another address, or another family, of that port is free on stock. Here one
# stamp for each port says until when it is remembered, whatever the address.
stricter='
4 192.0.2.1		4 127.0.0.1
4 192.0.2.1		6 2001:db8::1
6 2001:db8::1		4 192.0.2.1
6 2001:db8::1		4 0.0.0.0
6 2001:db8::1		6 ::1
'

run_stricter()
{
	local family addr bind_family bind_addr reply=ok name
	[ "$BACKEND" = stock ] || reply="err bind: EADDRINUSE"
	while read -r family addr bind_family bind_addr; do
		[ -n "$family" ] || continue
		PORT=$((33333 + $(unique)))
		name="session v$family $addr, bind v$bind_family $bind_addr"
		remember "$family" "$addr" >/dev/null
		tap_test "$name: $reply, known difference" \
			expect_bind "$reply" "$bind_family" "$bind_addr" 0
		tap_test "$name with SO_REUSEADDR: ok" \
			expect_bind ok "$bind_family" "$bind_addr" 1
	done <<<"$stricter"
}

run_rows()
{
	local family addr bind_family bind_addr reply name
	while read -r family addr bind_family bind_addr reply; do
		[ -n "$family" ] || continue
		PORT=$((33333 + $(unique)))
		name="session v$family $addr, bind v$bind_family $bind_addr"
		tap_test "session v$family $addr:$PORT" remember "$family" "$addr"
		tap_test "$name: $reply" \
			expect_bind "$reply" "$bind_family" "$bind_addr" 0
		tap_test "$name with SO_REUSEADDR: ok" \
			expect_bind ok "$bind_family" "$bind_addr" 1
	done <<<"$rows"
}

# A new listener on the port works, and serves another client.
listener_works()
{
	sock_start L "$HOST" 4 && sock_start C "$HOST" 4 || return 1
	sock L reuse 1 && sock L bind "$HOST4" "$PORT" && sock L listen &&
		sock C connect "$HOST4" "$PORT" && sock L accept 2 && sock C connected
	local rc=$?
	sock_stop C	# it holds a copy of L's input
	sock_stop L
	return "$rc"
}

other_ports_are_free()
{
	expect_bind ok 4 "$HOST4" 0 $((PORT + 1000)) &&
		expect_bind ok 4 0.0.0.0 0 0 && expect_bind ok 6 :: 0 0
}

refusals_are_counted()
{
	local before after
	before=$(counter "$HOST" bind_refused)
	expect_bind "err bind: EADDRINUSE" 4 "$HOST4" 0 || return 1
	after=$(counter "$HOST" bind_refused)
	[ $((after - before)) -eq 1 ] || {
		echo "bind_refused went from $before to $after"
		return 1
	}
}

free_when_expired()
{
	vestige "$HOST" mslt set loopback "$((300 * SLOW))ms" || return 1
	PORT=$((33333 + $(unique)))
	remember 4 "$HOST4" || return 1
	expect_bind "err bind: EADDRINUSE" 4 "$HOST4" 0 || return 1
	busywait $((2000 * SLOW)) expect_bind ok 4 "$HOST4" 0
	local rc=$?
	vestige "$HOST" mslt set loopback 20s
	return "$rc"
}

# Two sessions on one port: the longer one counts.
latest_counts()
{
	PORT=$((33333 + $(unique)))
	vestige "$HOST" mslt set loopback "$((2 * SLOW))s" && remember 4 "$HOST4" &&
		vestige "$HOST" mslt set loopback 200ms && remember 6 "$HOST6" || return 1
	sleep 0.5
	expect_bind "err bind: EADDRINUSE" 4 "$HOST4" 0
	local rc=$?
	vestige "$HOST" mslt set loopback 20s
	return "$rc"
}

free_after_flush()
{
	PORT=$((33333 + $(unique)))
	remember 4 "$HOST4" || return 1
	vestige "$HOST" vtw flush || return 1
	expect_bind ok 4 "$HOST4" 0
}

guard_off()
{
	PORT=$((33333 + $(unique)))
	remember 4 "$HOST4" && remember 6 "$HOST6" || return 1
	vestige "$HOST" vtw set bind-guard off || return 1
	expect_bind ok 4 "$HOST4" 0 && expect_bind ok 6 "$HOST6" 0 || return 1
	vestige "$HOST" vtw set bind-guard on || return 1
	expect_bind "err bind: EADDRINUSE" 4 "$HOST4" 0
}

guard_off_at_attach()
{
	vestige "$HOST" detach || return 1
	backend_attach "$HOST" bind-guard off || return 1
	PORT=$((33333 + $(unique)))
	remember 4 "$HOST4" || return 1
	expect_bind ok 4 "$HOST4" 0
}

# As a server that restarts sees it: it closes first, so its own port stays.
server_port()
{
	in_ns "$HOST" "$TOOLS/churn" -s -n 3 "$HOST4" 9100 &&
		expect_bind "err bind: EADDRINUSE" 4 0.0.0.0 0 9100 &&
		expect_bind ok 4 0.0.0.0 1 9100
}

tap_start
setup
[ "$BACKEND" = stock ] || vestige "$HOST" mslt set loopback 20s
run_rows
run_stricter
tap_test "a listener with SO_REUSEADDR serves on that port" listener_works
tap_test "other ports are free, and port 0 gives one" other_ports_are_free
tap_test "the port of a server that closed first" server_port
if [ "$BACKEND" = vestige ]; then
	tap_test "each refusal is counted" refusals_are_counted
	tap_test "free when the record has expired" free_when_expired
	tap_test "the latest expiry on a port counts" latest_counts
	tap_test "free after vtw flush" free_after_flush
	tap_test "bind-guard off and on at run time" guard_off
	tap_test "attach with bind-guard off" guard_off_at_attach
fi
tap_finish
