#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2034	# variables for who sources this
#
# lib.sh - sourced first by every script of this directory: selftests/net/lib.sh, a
# machine with several addresses, and which of them a socket gets.
# shellcheck source=selftests/net/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../net/lib.sh"

SOURCE=${TOOLS%/net}/selsrc/source

[ "$BACKEND" = vestige ] || tap_skip_all "stock has no policies for sources"
[ -x "$SOURCE" ] || tap_skip_all "the test programs are not built: $SOURCE"
private_cgroup || tap_skip_all "no cgroup2"

need_module()
{
	[ -e /sys/module/vestige ] || modprobe vestige 2>/dev/null ||
		tap_skip_all "this kernel has no module vestige (make kmod)"
}

# A device to nobody: what is sent is gone, and no neighbour has to answer.
device()	# ns dev address...
{
	local ns=$1 dev=$2 addr
	shift 2
	if [ -z "${VOID-}" ]; then
		setup_ns VOID || return 1
		ns_set "$VOID" net.ipv6.conf.default.disable_ipv6=1
	fi
	ip -n "$ns" link add "$dev" type veth peer name "v$(unique)" netns "$VOID" || return 1
	ip -n "$VOID" link set "v$(cat "$TMP/unique")" up
	ip -n "$ns" link set "$dev" arp off up
	# What the kernel makes of its own accord shall not come later.
	busywait $((2000 * SLOW)) has_link_local "$ns" "$dev" >/dev/null
	for addr; do add_addr "$ns" "$dev" "$addr" || return 1; done
}

has_link_local()	# ns dev
{
	ip -n "$1" -6 addr show dev "$2" scope link | grep -v tentative | grep -q inet6 &&
		ip -n "$1" -6 route show table local | grep -q "^multicast ff00::/8 dev $2 "
}

# ADDRESS/LEN, and what else `ip addr` is to be told behind commas: 2001:db8::1/64,preferred_lft,0
add_addr()	# ns dev address[,word...]
{
	local words
	IFS=, read -ra words <<<"$3"
	case $3 in
	*:*)	words+=(nodad) ;;
	esac
	ip -n "$1" addr add "${words[@]}" dev "$2"
}

selsrc()	# ns words...
{
	local ns=$1
	shift
	vestige "$ns" selsrc "$@"
}

attach()	# ns words...; for $CG
{
	local ns=$1
	shift
	defer vestige "$ns" selsrc detach
	selsrc "$ns" attach cgroup "$CG" "$@"
}

# Runs in the background until the test ends; returns when the tables are in use. Its pid
# is in a file, since most of a test is a subshell.
follow()	# ns [command...]
{
	local ns=$1 out
	out=$TMP/follow.$(unique)
	shift
	[ $# -gt 0 ] || set -- selsrc follow
	nsenter --net="/run/netns/$ns" "$VESTIGE" "$@" >"$out" 2>&1 &
	echo $! >"$TMP/follower"
	disown
	busywait $((3000 * SLOW)) grep following "$out" >/dev/null || { cat "$out"; return 1; }
}

end_follow()	# signal
{
	local pid
	pid=$(cat "$TMP/follower" 2>/dev/null) || return 0
	kill "-$1" "$pid" 2>/dev/null
	busywait $((3000 * SLOW)) has_ended "$pid"
}

has_ended()	# pid
{
	! kill -0 "$1" 2>/dev/null || [ "$(cut -d' ' -f3 "/proc/$1/stat")" = Z ]
}

defer end_follow KILL

source_of()	# ns [options of source...] address [port]
{
	local ns=$1
	shift
	in_cgroup "$ns" timeout $((10 * SLOW)) "$SOURCE" "$@"
}

same()		# text wanted
{
	[ "$1" = "$2" ] && return
	echo "got:    $1"
	echo "wanted: $2"
	return 1
}

# The source for a destination, whichever way a socket asks for it.
gets()		# wanted ns [options of source...] address
{
	local want=$1
	shift
	same "$(source_of "$@" 2>&1)" "$want"
}

# connect() of TCP and UDP, sendto(), through an IPv6 socket too if it is IPv4.
gets_by_all()	# wanted ns address
{
	local kind rc=0
	for kind in tcp udp sendto; do
		gets "$1" "$2" -k "$kind" "$3" || { echo "by $kind"; rc=1; }
		[[ $3 == *:* ]] || gets "$1" "$2" -m -k "$kind" "$3" ||
			{ echo "by $kind, mapped"; rc=1; }
	done
	return "$rc"
}

# As gets(), but follow may need a moment.
soon()		# wanted ns [options of source...] address
{
	busywait $((1000 * SLOW)) gets "$@"
}

selsrc_json()	# ns words...
{
	local ns=$1
	shift
	vestige "$ns" -j selsrc "$@"
}

counted()	# ns counter
{
	selsrc_json "$1" show | jq --arg name "$2" '.counters[$name]'
}

# What would be chosen in a process that no policy applies to.
kernels_choice()	# ns [options of source...] address
{
	local ns=$1
	shift
	in_ns "$ns" timeout $((10 * SLOW)) "$SOURCE" "$@"
}

# Everything that `ip` shows of routes and addresses of a namespace.
routes_of()	# ns
{
	ip -n "$1" route show table all
	ip -n "$1" -6 route show table all
	ip -n "$1" rule
	ip -n "$1" -6 rule
}

# Nothing is left in bpffs and cgroup. Nobody else has pins in this bpffs: it is private.
selsrc_is_clean()
{
	[ ! -e /sys/fs/bpf/vestige_selsrc ] || { find /sys/fs/bpf/vestige_selsrc; return 1; }
	! bpftool cgroup show "$CG" | grep selsrc
}
