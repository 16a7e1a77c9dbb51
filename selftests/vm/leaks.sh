#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016,SC2317	# functions are called through check()
#
# leaks.sh - what the tests before it left behind. Last in a guest.
#
# Devices, sockets and namespaces that something still holds show as a module that
# does not unload; what was forgotten, as memory that the module asked for.
set -u

n=0 failed=0
check()		# text command...
{
	local text=$1
	shift
	n=$((n + 1))
	if "$@"; then
		echo "ok $n - $text"
	else
		echo "not ok $n - $text"
		failed=1
	fi
}

no_devices()
{
	local left
	left=$(ip -o link show type sgre 2>/dev/null)
	[ -z "$left" ] || { echo "# $left"; return 1; }
}

no_namespaces()
{
	local left
	left=$(ip netns list 2>/dev/null)
	[ -z "$left" ] || { echo "# $left" | tr '\n' ' '; echo; return 1; }
}

# Namespaces and devices go by a work queue, and RCU has to pass.
unused()
{
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(cat /sys/module/vestige/refcnt)" != 0 ] || return 0
		sleep 0.1
	done
	echo "# used $(cat /sys/module/vestige/refcnt) times"
	grep -E '^(UDP|RAW)' /proc/net/protocols | sed 's/^/# /'
	return 1
}

# Each turn makes and frees all that the module has; what it leaves adds up.
turns()
{
	local i
	for ((i = 0; i < 20; i++)); do
		modprobe vestige && rmmod vestige || return
	done
}

# A namespace with many tunnels, made and deleted; one goes before it.
round()
{
	ip netns add leak || return
	ip -n leak link set lo up
	local i
	for ((i = 1; i <= 40; i++)); do
		echo "link add raw$i type sgre local 127.0.0.1 remote 127.0.0.2 key $i"
		echo "link add udp$i type sgre local 127.0.0.1 remote 127.0.0.2 key $i" \
			"transport udp"
	done | IP_LIB_DIR=${VESTIGE%/*} ip -n leak -batch - || return
	ip -n leak link del raw1
	ip netns del leak
}

rounds()
{
	local i
	for i in 1 2 3 4 5; do
		round || return
	done
}

# Of all memory that is still in use, with slub_debug=U, who asked for it: one
# paragraph for each place in the code.
still_held()
{
	awk 'BEGIN { RS = ""; held = 1 } /\[vestige\]/ { print FILENAME ":"; print; held = 0 }
		END { exit held }' /sys/kernel/debug/slab/*/alloc_traces
}

nothing_held()
{
	local i
	for ((i = 0; i < 30; i++)); do
		still_held >/run/held || return 0
		sleep 0.5
	done
	sed 's/^/# /' /run/held
	return 1
}

tracked()
{
	[ -d /sys/kernel/debug/slab ] || mount -t debugfs debugfs /sys/kernel/debug || return
	grep -q "slub_debug=[A-Z]*U" /proc/cmdline
}

[ -e /sys/module/vestige ] || modprobe vestige ||
	{ echo "1..0 # SKIP no vestige.ko in this machine"; exit 4; }
check 'no namespace is left' no_namespaces
check 'no sgre device is left' no_devices
check 'five namespaces with 80 tunnels come and go' rounds
# Not every kernel keeps account of who asks for memory.
if tracked; then
	check 'no memory is held that the module asked for' nothing_held
fi
check 'the module is not in use' unused
check 'the module unloads' rmmod vestige
check 'the module loads and unloads 20 times' turns
echo "1..$n"
exit "$failed"
