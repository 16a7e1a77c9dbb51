#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# netns.sh - which namespace is meant, and is it still there; who is at work on it.
# shellcheck source=selftests/net/lib.sh disable=SC2317,SC2153,SC2016
. "$(dirname "$0")/lib.sh"

BUCKETS=net.ipv4.tcp_max_tw_buckets
SMALL=(dev lo entries 64 entries6 64)

attached_in()	# ns; attached or not, as seen by name from outside
{
	[ "$("$VESTIGE" -j status netns "$1" | jq .attached)" = "$2" ]
}

# --- by name ---------------------------------------------------------------------

by_word()
{
	"$VESTIGE" attach netns "$HOST" "${SMALL[@]}" && attached_in "$HOST" true &&
		[ "$("$VESTIGE" -n "$HOST" -j vtw list)" = "[]" ] &&
		"$VESTIGE" detach netns "$HOST" && is_clean "$HOST" "$before"
}

by_option()
{
	"$VESTIGE" -n "$HOST" attach "${SMALL[@]}" && attached_in "$HOST" true &&
		"$VESTIGE" --netns "$HOST" detach && is_clean "$HOST" "$before"
}

# The option is where the command runs, the word is what it works on.
option_and_word()
{
	"$VESTIGE" -n "$OTHER" attach netns "$HOST" "${SMALL[@]}" &&
		attached_in "$HOST" true && attached_in "$OTHER" false &&
		"$VESTIGE" -n "$OTHER" detach netns "$HOST" && is_clean "$HOST" "$before"
}

# A namespace that never had a name.
nameless()
{
	unshare -n bash -c '
		ip link set lo up
		"$0" attach "$@" && "$0" status | grep -q "^namespace net:.*: attached" &&
			"$0" detach' "$VESTIGE" "${SMALL[@]}" && [ ! -e /sys/fs/bpf/vestige ]
}

# --- gone ------------------------------------------------------------------------

gone_is_said()	# name; by text, JSON, and to everybody else
{
	busywait 10000 says "gone: $1" vestige "$HOST" status &&
		says "^namespace $1: gone" "$VESTIGE" status netns "$1" &&
		[ "$("$VESTIGE" -j status netns "$1" |
			jq -c '[.attached, .gone]')" = "[false,true]" ]
}

attach_and_delete()	# variable for the name
{
	setup_ns "$1"
	"$VESTIGE" attach netns "${!1}" "${SMALL[@]}" && ip netns del "${!1}"
}

# The number of its inode goes to a namespace that is made afterwards.
inode_used_again()
{
	local inode i
	setup_ns GONE
	inode=$(stat -Lc %i "/run/netns/$GONE")
	"$VESTIGE" attach netns "$GONE" "${SMALL[@]}" && ip netns del "$GONE" || return 1
	for i in {1..100}; do
		setup_ns NEXT
		[ "$(stat -Lc %i "/run/netns/$NEXT")" != "$inode" ] || break
		ip netns del "$NEXT"
		sleep 0.05
	done
	echo "inode $inode, used again after $i namespaces"
	gone_is_said "$GONE" && "$VESTIGE" detach stale && is_clean "$HOST" "$before"
}

detach_gone_by_name()
{
	attach_and_delete GONE && gone_is_said "$GONE" &&
		"$VESTIGE" detach netns "$GONE" && is_clean "$HOST" "$before"
}

# Two are gone: each is named, and one goes without the other.
two_gone()
{
	local rc=0
	attach_and_delete GONE && attach_and_delete GONE2 && gone_is_said "$GONE" &&
		gone_is_said "$GONE2" && "$VESTIGE" detach netns "$GONE" || return 1
	! says "$GONE( |;)" vestige "$HOST" status >/dev/null && gone_is_said "$GONE2" || rc=1
	"$VESTIGE" detach stale && is_clean "$HOST" "$before" && return "$rc"
}

# Its name was deleted, but a process is still in it: it works, and is found.
name_deleted()
{
	local gone rc=0
	setup_ns GONE
	gone=$GONE
	spawn "$gone" /dev/null sleep 60
	"$VESTIGE" attach netns "$gone" "${SMALL[@]}" && ip netns del "$gone" || return 1
	sleep 0.2
	! says 'is gone' vestige "$HOST" status || rc=1
	says 'lost its name' "$VESTIGE" status netns "$gone" && attached_in "$gone" true &&
		"$VESTIGE" -n "$gone" vtw list && "$VESTIGE" detach netns "$gone" &&
		[ ! -e /sys/fs/bpf/vestige ] || rc=1
	kill_pid "$spawned"
	return "$rc"
}

# The name is another namespace's now: that one is meant.
name_used_again()
{
	attach_and_delete GONE && ip netns add "$GONE" || return 1
	busywait 10000 says "gone: $GONE" vestige "$HOST" status &&
		attached_in "$GONE" false &&
		! "$VESTIGE" detach netns "$GONE" && "$VESTIGE" detach stale &&
		ip netns del "$GONE" && is_clean "$HOST" "$before"
}

# --- at the same time ---------------------------------------------------------------

folder()
{
	echo "/sys/fs/bpf/vestige/$(vestige "$HOST" -j status | jq .netns_cookie)"
}

# Somebody changes a setting just now, or looks: that is waited for.
short_lock()
{
	local dir
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	dir=$(folder)
	flock "$dir" sleep 0.05 &
	"$VESTIGE" detach netns "$HOST" && wait $! && is_clean "$HOST" "$before"
}

long_lock()
{
	local dir holder rc=0
	vestige "$HOST" attach "${SMALL[@]}" || return 1
	dir=$(folder)
	flock "$dir" sleep 10 &
	holder=$!
	sleep 0.1
	says 'another vestige' vestige "$HOST" detach || rc=1
	attached_in "$HOST" true || rc=1
	# flock(1) has handed the lock on to its child.
	kill "$(cat "/proc/$holder/task/$holder/children")" && wait "$holder"
	vestige "$HOST" detach && is_clean "$HOST" "$before" && return "$rc"
}

# Many at once: one is attached in the end, and no look cuts it short.
crowd()
{
	local i pids=() rc=0
	for i in 1 2 3 4; do
		vestige "$HOST" attach "${SMALL[@]}" >"$TMP/crowd.$i" 2>&1 &
		pids+=($!)
		vestige "$HOST" status >"$TMP/look.$i" 2>&1
		grep 'cut short' "$TMP/look.$i" && rc=1
	done
	wait "${pids[@]}"
	attached_in "$HOST" true && vestige "$HOST" detach && is_clean "$HOST" "$before" &&
		return "$rc"
}

# A signal, or a reader of its warnings who has left, does not cut an attach in two.
reader_leaves()
{
	local rc=0
	ns_set "$HOST" "$BUCKETS=0"
	vestige "$HOST" attach "${SMALL[@]}" 2>&1 | true
	attached_in "$HOST" true || { "$VESTIGE" status netns "$HOST"; rc=1; }
	vestige "$HOST" detach || rc=1
	ns_set "$HOST" "$BUCKETS=$before"
	is_clean "$HOST" "$before" && return "$rc"
}

signalled()	# signal
{
	local pid i
	for i in 0.05 0.1 0.2 0.4; do
		"$VESTIGE" attach netns "$HOST" "${SMALL[@]}" >/dev/null 2>&1 &
		pid=$!
		sleep "$i"
		kill "-$1" "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
		! says 'cut short' vestige "$HOST" status || return 1
		[ ! -e /sys/fs/bpf/vestige ] || vestige "$HOST" detach
		is_clean "$HOST" "$before" || return 1
	done
}

tap_start
if [ "$BACKEND" = stock ]; then
	tap_skip "all of it" "nothing is attached to stock"
	tap_finish
fi
setup_ns HOST OTHER
before=$(ns_get "$HOST" "$BUCKETS")
tap_test "attach and detach netns NAME" by_word
tap_test "-n NAME attach and detach" by_option
tap_test "-n NAME attach netns OTHER" option_and_word
tap_test "inside unshare -n" nameless
tap_test "gone: its inode number is used again" inode_used_again
tap_test "gone: detach by its name" detach_gone_by_name
tap_test "gone: two of them" two_gone
tap_test "its name is deleted, but it is in use" name_deleted
tap_test "its name is another one's now" name_used_again
tap_test "a lock that is held for a moment is waited for" short_lock
tap_test "a lock that is held is respected" long_lock
tap_test "four attaches at once, and looks between them" crowd
tap_test "a reader of the warnings leaves" reader_leaves
tap_test "signal TERM: all or nothing" signalled TERM
tap_test "signal USR1: all or nothing" signalled USR1
tap_finish
