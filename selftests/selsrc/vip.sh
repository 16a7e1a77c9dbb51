#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# vip.sh - the VIP case: a service address that moves between hosts is never a source.
#
#   $HOST   d0   192.0.2.10/24    the VIP, deprecated, added before
#                192.0.2.1/24     the host's own address
#                2001:db8::10/64  and so in IPv6
#                2001:db8::1/64
#
# IPv4 in Linux does not look at `deprecated`; the policy does. No route is changed.
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

VIP4=192.0.2.10 OWN4=192.0.2.1 FAR4=198.51.100.1 NEAR4=192.0.2.77
VIP6=2001:db8::10 OWN6=2001:db8::1 FAR6=2001:db8:f::1 NEAR6=2001:db8::77

topology()
{
	setup_ns HOST
	device "$HOST" d0 "$VIP4/24,preferred_lft,0" "$OWN4/24" \
		"$VIP6/64,preferred_lft,0" "$OWN6/64"
	ip -n "$HOST" route add default via 192.0.2.254
	ip -n "$HOST" -6 route add default via 2001:db8::fe dev d0
}

# So it is without us; or else this test shows nothing.
kernel_takes_the_vip()
{
	same "$(kernels_choice "$HOST" "$FAR4")" "$VIP4" &&
		same "$(kernels_choice "$HOST" "$FAR6")" "$OWN6"
}

routes_are_untouched()
{
	same "$(routes_of "$HOST")" "$routes"
}

# To the VIP itself it is from the VIP, as always: it is an address of this host.
to_the_vip_itself()
{
	gets "$VIP4" "$HOST" "$VIP4" && gets "$VIP4" "$HOST" -k sendto "$VIP4"
}

# Nothing else of this host is concerned: no other cgroup, no other namespace.
others_are_not_concerned()
{
	kernel_takes_the_vip || return 1
	setup_ns OTHER
	device "$OTHER" d0 "$VIP4/24,preferred_lft,0" "$OWN4/24"
	ip -n "$OTHER" route add default via 192.0.2.254
	gets "$VIP4" "$OTHER" "$FAR4"
}

counts_them()
{
	local bound sent
	bound=$(counted "$HOST" bound) sent=$(counted "$HOST" sent)
	gets_by_all "$OWN4" "$HOST" "$FAR4" || return 1
	same "$(($(counted "$HOST" bound) - bound)) $(($(counted "$HOST" sent) - sent))" "4 2"
}

explained()
{
	local text
	text=$(selsrc "$HOST" explain "$FAR4")
	echo "$text"
	grep -q "^ *$VIP4 .* worse by deprecated" <<<"$text" &&
		grep -q "^source $OWN4$" <<<"$text" &&
		grep -q "^the kernel would take $VIP4$" <<<"$text" || return 1
	same "$(selsrc_json "$HOST" explain "$FAR4" | jq -c '[.source, .kernel, .functions,
		[.candidates[] | [.address, .scores, .best, .worse_by]]]')" \
		"[\"$OWN4\",\"$VIP4\",[\"deprecated\",\"index\"],$(
		)[[\"$VIP4\",[0,0],false,\"deprecated\"],[\"$OWN4\",[1,-1],true,null]]]"
}

# A VIP that is no longer deprecated is one of two; the first one wins.
not_deprecated_any_more()
{
	ip -n "$HOST" addr change "$VIP4/24" dev d0 preferred_lft forever || return 1
	soon "$VIP4" "$HOST" "$FAR4" || return 1
	ip -n "$HOST" addr change "$VIP4/24" dev d0 preferred_lft 0
	soon "$OWN4" "$HOST" "$FAR4"
}

given_back()
{
	selsrc "$HOST" detach || return 1
	gets "$VIP4" "$HOST" "$FAR4" && selsrc_is_clean
}

tap_start
topology
routes=$(routes_of "$HOST")
tap_test "the kernel takes the VIP" kernel_takes_the_vip
tap_test "attach" attach "$HOST"
tap_test "follow" follow "$HOST"
tap_test "without a policy it is the kernel's choice" gets_by_all "$VIP4" "$HOST" "$FAR4"
tap_test "a policy: deprecated, then the order" \
	selsrc "$HOST" policy set default deprecated,index
tap_test "never the VIP, IPv4 through a router" gets_by_all "$OWN4" "$HOST" "$FAR4"
tap_test "never the VIP, IPv4 on the link" gets_by_all "$OWN4" "$HOST" "$NEAR4"
tap_test "never the VIP, IPv6 through a router" gets_by_all "$OWN6" "$HOST" "$FAR6"
tap_test "never the VIP, IPv6 on the link" gets_by_all "$OWN6" "$HOST" "$NEAR6"
tap_test "to the VIP itself from the VIP" to_the_vip_itself
tap_test "no other cgroup or namespace is concerned" others_are_not_concerned
tap_test "routes and rules are untouched" routes_are_untouched
tap_test "each is counted" counts_them
tap_test "explain says why" explained
tap_test "deprecated or not: the next connect() knows" not_deprecated_any_more
tap_test "detach gives it back, and leaves nothing" given_back
tap_test "routes and rules are still untouched" routes_are_untouched
tap_finish
