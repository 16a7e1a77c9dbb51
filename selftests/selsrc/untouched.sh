#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# untouched.sh - whose source is none of a policy's business gets what the kernel gives it.
#
#   $HOST   d0   192.0.2.10/24    first: what the kernel takes
#                192.0.2.1/24     preferred by the policy
#                2001:db8::10/64, 2001:db8::1/64 likewise
#           d1   203.0.113.10/24, 203.0.113.1/24
#
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

FAR4=198.51.100.1 FAR6=2001:db8:f::1

topology()
{
	setup_ns HOST
	device "$HOST" d0 192.0.2.10/24 192.0.2.1/24 2001:db8::1/64 2001:db8::10/64
	device "$HOST" d1 203.0.113.10/24 203.0.113.1/24
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default dev d0
	# ICMP sockets are for everybody here.
	ns_set "$HOST" "net.ipv4.ping_group_range=0 2147483647"
	attach "$HOST" && follow "$HOST" &&
		selsrc "$HOST" policy set default preference || return 1
	for addr in 192.0.2.1 2001:db8::1; do
		vestige "$HOST" addr pref set $addr dev d0 1 || return 1
	done
	vestige "$HOST" addr pref set 203.0.113.1 dev d1 1
}

# What the socket asks for, and what it gets; the counter that says why, if it was asked.
sockets="
192.0.2.1	bound		-k tcp $FAR4
192.0.2.1	bound		-k udp $FAR4
192.0.2.1	sent		-k sendto $FAR4
192.0.2.1	bound		-k ping $FAR4
192.0.2.1	bound		-m -k tcp $FAR4
192.0.2.1	bound		-m -k udp $FAR4
2001:db8::1	bound		-k tcp $FAR6
2001:db8::1	bound		-k udp $FAR6
2001:db8::1	sent		-k sendto $FAR6
2001:db8::1	bound		-k ping $FAR6
2001:db8::10	dual_stack	-D -k udp $FAR6
2001:db8::1	bound		-D -k tcp $FAR6
192.0.2.10	has_source	-b 192.0.2.10 -k tcp $FAR4
192.0.2.10	has_source	-b 192.0.2.10 -k udp $FAR4
192.0.2.10	has_source	-b 192.0.2.10 -k sendto $FAR4
192.0.2.10	has_source	-l -b 192.0.2.10 -k tcp $FAR4
2001:db8::10	has_source	-b 2001:db8::10 -k tcp $FAR6
2001:db8::10	has_source	-b 2001:db8::10 -k udp $FAR6
192.0.2.10	has_source	-m -b 192.0.2.10 -k tcp $FAR4
192.0.2.10	has_port	-b 0.0.0.0 -k tcp $FAR4
192.0.2.10	has_port	-b 0.0.0.0 -k udp $FAR4
192.0.2.77	has_source	-T -b 192.0.2.77 -k udp $FAR4
192.0.2.10	freebind	-f -k tcp $FAR4
192.0.2.10	freebind	-T -k tcp $FAR4
192.0.2.10	freebind	-T -k sendto $FAR4
2001:db8::10	freebind	-T -k tcp $FAR6
192.0.2.10	has_source	-i 192.0.2.10 -k sendto $FAR4
2001:db8::10	has_source	-i 2001:db8::10 -k sendto $FAR6
203.0.113.1	sent		-o D1 -k sendto $FAR4
203.0.113.1	bound		-d d1 -k tcp $FAR4
203.0.113.1	bound		-d d1 -k udp $FAR4
203.0.113.1	sent		-d d1 -k sendto $FAR4
2001:db8::10	preferences	-a 0x2 -k tcp $FAR6
2001:db8::10	preferences	-a 0x2 -k udp $FAR6
2001:db8::10	preferences	-a 0x2 -k sendto $FAR6
192.0.2.10	multicast	-d d0 -k sendto 239.1.2.3
192.0.2.10	multicast	-d d0 -k udp 239.1.2.3
192.0.2.10	multicast	-B -d d0 -k udp 255.255.255.255
192.0.2.10	route_none	-B -k udp 192.0.2.255
192.0.2.10	route_none	-B -k sendto 192.0.2.255
127.0.0.1	loopback	-k tcp 127.0.0.1
127.0.0.1	loopback	-k sendto 127.9.9.9
::1		loopback	-k tcp ::1
192.0.2.10	route_local	-k tcp 192.0.2.10
2001:db8::10	route_local	-k tcp 2001:db8::10
"

is_given()	# wanted counter options...
{
	local want=$1 name=$2 args=() before arg after
	shift 2
	for arg; do args+=("${arg/D1/$(ifindex d1)}"); done
	before=$(counted "$HOST" "$name")
	gets "$want" "$HOST" "${args[@]}" || return 1
	after=$(counted "$HOST" "$name")
	[ "$after" -gt "$before" ] || {
		echo "$name is not counted; these are:"
		selsrc "$HOST" show
		return 1
	}
}

ifindex()	# dev
{
	ip -n "$HOST" -j link show "$1" | jq '.[0].ifindex'
}

run_sockets()
{
	local want name args
	while read -r want name args; do
		# shellcheck disable=SC2086	# words
		[ -z "$want" ] ||
			tap_test "${args//$'\t'/ }: $want, $name" is_given "$want" "$name" $args
	done <<<"$sockets"
}

# The same without us: whatever is not chosen is what the kernel does.
as_without_us()
{
	local want name args got rc=0
	selsrc "$HOST" detach || return 1
	while read -r want name args; do
		case $name in
		'' | bound | sent)	continue ;;
		esac
		# shellcheck disable=SC2086	# words
		got=$(kernels_choice "$HOST" ${args/D1/$(ifindex d1)} 2>&1)
		[ "$got" = "$want" ] || { echo "$args: $got, not $want"; rc=1; }
	done <<<"$sockets"
	return "$rc"
}

tap_start
topology || exit 1
run_sockets
tap_test "those that are not chosen are as without us" as_without_us
tap_finish
