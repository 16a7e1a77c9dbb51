#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317	# functions are called through tap_test
#
# attach.sh - `vestige forward`: words that are wrong, hosts that say no, an attach or a
# detach that is cut short at each of its steps, and what is left behind: nothing.
#
#	STEP=N		of the steps only each Nth is cut
# shellcheck source=selftests/forward/lib.sh
. "$(dirname "$0")/lib.sh"

STEP=${STEP:-$([ "$SLOW" = 1 ] && echo 1 || echo 5)}
PINS=/sys/fs/bpf/vestige_forward

fw()		# words of forward, in the router
{
	vestige "$ROUTER" forward "$@"
}

# The exit code, and what is said.
says()		# code pattern words...
{
	local code=$1 pattern=$2 out rc
	shift 2
	out=$(fw "$@" 2>&1)
	rc=$?
	[ "$rc" = "$code" ] && grep -q -- "$pattern" <<<"$out" && return
	echo "exit $rc: $out"
	return 1
}

is_bare()
{
	[ ! -e "$PINS" ] || { find "$PINS"; return 1; }
	! ip -n "$ROUTER" -d link show | grep prog/xdp
}

refused()	# code pattern words...
{
	says "$@" && is_bare
}

bad_words()
{
	tap_test "no device named" refused 1 'name the devices' attach
	tap_test "unknown device" refused 2 "device 'eth9' does not exist" attach in0 eth9
	tap_test "the same device twice" refused 1 'named twice' attach in0 in0
	tap_test "loopback" refused 2 'no Ethernet device' attach in0 lo
	tap_test "flows 0" refused 1 'flows' attach in0 flows 0
	tap_test "flows too many" refused 1 'flows' attach in0 flows 99999999999
	tap_test "flows without a number" refused 1 'flows' attach in0 flows
	tap_test "age of nothing" refused 1 'age' attach in0 age 0s
	tap_test "unknown mode" refused 1 'mode' attach in0 mode fast
	tap_test "unknown thing to bypass" refused 1 'bypass' attach in0 bypass ipsec
	tap_test "unknown namespace" refused 2 'nowhere' attach in0 netns nowhere
	tap_test "detach of nothing" refused 2 'nothing is forwarded' detach
	tap_test "show of nothing" refused 2 'nothing is forwarded' show
	tap_test "stats of nothing" refused 2 'nothing is forwarded' stats
	tap_test "a word too many for show" refused 1 'one word too many' show all
	tap_test "unknown command" refused 1 'forward' fly
}

# A part of a bridge hands its frames to the bridge.
bridge_port()
{
	local rc
	ip -n "$ROUTER" link add br0 type bridge && ip -n "$ROUTER" link set out1 master br0 ||
		return 1
	refused 2 'a part of br0' attach in0 out1
	rc=$?
	ip -n "$ROUTER" link del br0
	return "$rc"
}

taken()
{
	local rc
	in_ns "$ROUTER" "$TOOLS/netdev" xdp-pass out1 || return 1
	says 2 'already has an XDP program' attach in0 out1 && [ ! -e "$PINS" ] &&
		! ip -n "$ROUTER" -d link show in0 | grep prog/xdp
	rc=$?
	ip -n "$ROUTER" link set out1 xdp off
	return "$rc"
}

whole_life()
{
	says 0 '' attach in0 out1 flows 100 age 2s && says 2 'already attached' attach in0 out1 &&
		ip -n "$ROUTER" -d link show in0 | grep -q prog/xdp &&
		says 0 'no flow is cached' show && says 0 'pass_no_hook' stats all &&
		[ "$(vestige "$ROUTER" -j forward show)" = '[]' ] &&
		[ "$(forward_stat hit)" = 0 ] && says 0 '' detach && is_bare
}

without_module()
{
	! have_module || return 0
	says 0 'without the module every packet asks' attach in0 out1 && says 0 '' detach
}

# --- what is in the way, without the module ---------------------------------------------

doctor()
{
	vestige "$ROUTER" -j doctor | jq -r '.[] | select(.check == "forward") |
		"\(.result): \(.found)"'
}

doctor_says()	# pattern
{
	local out
	out=$(doctor)
	grep -q -- "$1" <<<"$out" || { echo "doctor: $out"; return 1; }
}

# Nothing before, attach and doctor warn of it, nothing after.
warned()	# pattern-of-attach pattern-of-doctor do undo: each a string
{
	local rc
	says 0 '' attach in0 out1 && ! doctor_says "$2" >/dev/null && eval "$3" &&
		doctor_says "warn: $2" && says 0 '' detach && says 0 "$1" attach in0 out1 &&
		doctor_says "warn: $2"
	rc=$?
	eval "$4"
	! doctor_says "$2" >/dev/null || rc=1
	says 0 '' detach && return "$rc"
}

# Nothing that should have been encrypted, or kept, leaves.
refused_ipsec()	# do undo: each a string
{
	local rc
	says 0 '' attach in0 out1 && eval "$1" && doctor_says 'warn: IPsec policies' &&
		says 0 '' detach &&
		refused 2 'there are IPsec policies' attach in0 out1
	rc=$?
	eval "$2"
	says 0 '' attach in0 out1 && ! doctor_says IPsec >/dev/null && says 0 '' detach &&
		return "$rc"
}

doctor_follows()
{
	doctor_says 'ok: nothing is forwarded here' && says 0 '' attach in0 out1 &&
		doctor_says 'warn: nobody tells of changes' && keep_generations &&
		busywait $((5000 * SLOW)) doctor_says 'ok: nothing is in the way'
	local rc=$?
	says 0 '' detach && kill_pid "$KEEPER" && return "$rc"
}

obstacles()
{
	local gen=${TOOLS%/net}/rtcache/gen
	tap_test "doctor: nothing forwarded, nobody follows, all is well" doctor_follows
	tap_test "a tc filter" warned 'has tc filters' 'tc filters on out1' "
		tc -n $ROUTER qdisc add dev out1 clsact &&
		tc -n $ROUTER filter add dev out1 egress u32 match u32 0 0" \
		"tc -n $ROUTER qdisc del dev out1 clsact"
	tap_test "a queue with a rate" warned 'a queue with classes' 'a queue with .* on in0' \
		"tc -n $ROUTER qdisc add dev in0 root tbf rate 1mbit burst 10k latency 50ms" \
		"tc -n $ROUTER qdisc del dev in0 root"
	tap_test "a chain of netfilter" warned 'netfilter hooks' 'netfilter hooks' \
		"in_ns $ROUTER $gen chain add 225" "in_ns $ROUTER $gen chain del"
	tap_test "an IPsec policy" refused_ipsec "ip -n $ROUTER xfrm policy add src 10.0.0.0/8 \
		dst 10.0.0.0/8 dir fwd action block" "ip -n $ROUTER xfrm policy flush"
	tap_test "what has no IPsec policy is blocked" refused_ipsec \
		"ip -n $ROUTER xfrm policy setdefault fwd block" \
		"ip -n $ROUTER xfrm policy setdefault fwd accept"
}

# The kernel takes no BPF from who lacks the capability: at the first map.
not_loaded()
{
	local out rc
	out=$(in_ns "$ROUTER" setpriv --bounding-set=-bpf,-sys_admin,-perfmon \
		--inh-caps=-bpf,-sys_admin,-perfmon "$VESTIGE" forward attach in0 out1 2>&1)
	rc=$?
	[ "$rc" = 2 ] && grep -q 'the kernel refuses BPF' <<<"$out" && is_bare && return
	echo "exit $rc: $out"
	return 1
}

generic()
{
	says 0 '' attach in0 out1 mode generic &&
		ip -n "$ROUTER" link show in0 | grep -q xdpgeneric &&
		says 0 '' detach && is_bare
}

steps_of()	# words...
{
	VESTIGE_FAULT=count fw "$@" 2>&1 >/dev/null | tail -n 1
}

# Step N fails: all is undone. Killed before step N: the next attach or detach mends it.
cut_attach()
{
	local n steps bad=0
	steps=$(steps_of attach in0 out1)
	fw detach || return 1
	for ((n = 1; n <= steps; n += STEP)); do
		VESTIGE_FAULT=-$n fw attach in0 out1 >/dev/null 2>&1 &&
			{ echo "step $n of $steps fails, attach does not"; bad=1; }
		is_bare || { echo "after step $n of $steps has failed"; bad=1; }
		VESTIGE_FAULT=$n fw attach in0 out1 >/dev/null 2>&1
		fw attach in0 out1 >/dev/null 2>&1 ||
			{ echo "killed at step $n: no attach"; bad=1; }
		fw detach >/dev/null 2>&1
		is_bare || { echo "killed at step $n"; bad=1; }
	done
	[ "$steps" -gt 10 ] && return "$bad"
}

cut_detach()
{
	local n steps bad=0
	fw attach in0 out1 2>/dev/null || return 1
	steps=$(steps_of detach)
	for ((n = 1; n <= steps; n += STEP)); do
		fw attach in0 out1 >/dev/null 2>&1
		VESTIGE_FAULT=$n fw detach >/dev/null 2>&1
		if [ -e "$PINS" ]; then
			fw detach >/dev/null 2>&1 || { echo "killed at step $n of $steps"; bad=1; }
		fi
		is_bare || { echo "after a detach killed at step $n of $steps"; bad=1; }
	done
	[ "$steps" -gt 10 ] && return "$bad"
}

stale_folder()
{
	local name=vt-gone-$$
	ip netns add "$name" && ip -n "$name" link add d0 type veth peer name d1 || return 1
	nsenter --net="/run/netns/$name" "$VESTIGE" forward attach d0 2>/dev/null || return 1
	ip netns del "$name"
	sleep $((1 * SLOW))
	[ -e "$PINS" ] && says 0 '' detach stale && is_bare
}

# Only what leaves by a device of ours leaves in XDP.
only_ours()
{
	says 0 '' attach in0 out1 && ip -n "$ROUTER" route add 10.9.8.0/24 via 10.0.20.2 &&
		goes_to f2 10.9.8.1 && goes_to f2 10.9.8.1 &&
		[ "$(forward_stat pass_no_hook)" -ge 2 ] && says 0 '' detach
}

tap_start
setup_router 2 || exit 1
ip -n "$ROUTER" route add default via 10.0.10.2
start_probe
bad_words
tap_test "part of a bridge" bridge_port
tap_test "another XDP program is there" taken
tap_test "attach, twice, show, stats, detach" whole_life
tap_test "the warning without the module" without_module
tap_test "mode generic" generic
tap_test "leaves by a device that was not named" only_ours
have_module || obstacles
tap_test "a program that is not loaded leaves nothing" not_loaded
tap_test "attach cut short at each step" cut_attach
tap_test "detach cut short at each step" cut_detach
tap_test "a namespace that is gone" stale_folder
tap_finish
