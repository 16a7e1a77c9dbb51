#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2317,SC2119	# functions are called through tap_test
#
# devices.sh - devices that are not what they were at the attach: down, with another MAC or
# rp_filter, in a bridge, in another namespace, gone, new; VLANs, in and out; taps.
#
# What a test expects is what the stack does; that it is done in XDP the counters show.
#
#	FAMILIES="4 6"	which
#	KEEPER=follow	without the module, although it is there
# shellcheck source=selftests/forward/lib.sh
. "$(dirname "$0")/lib.sh"

FAMILIES=${FAMILIES:-4 6}

#	$SRC			$ROUTER				$FAR
#	s0.10 10.0.3.2 -------- in0.10 10.0.3.1   out1.20 10.0.4.1 -- f1.20 10.0.4.2
#	s0.10.30 10.0.5.2 ----- in0.10.30 10.0.5.1
#	t0 10.0.6.2 ----------- tin 10.0.6.1      tout 10.0.7.1 ----- tf 10.0.7.2
#
# fd00:N::1 and ::2 beside 10.0.N.1 and .2. All have the MACs of the wire that they are on.

# Tags in the frame, where XDP sees them.
vlan()		# ns lower vid N host
{
	local dev=$2.$3
	ip -n "$1" link add link "$2" name "$dev" type vlan id "$3" &&
		in_ns "$1" ethtool -K "$dev" tx off >/dev/null 2>&1
	ip -n "$1" link set "$dev" up && address "$1" "$dev" "10.0.$4.$5" "fd00:$4::$5"
}

tags_in_frames()	# ns dev
{
	in_ns "$1" ethtool -K "$2" txvlan off rxvlan off >/dev/null
}

can_vlan()
{
	ip -n "$SRC" link add link s0 name s0.99 type vlan id 99 2>/dev/null || return 1
	ip -n "$SRC" link del s0.99
}

setup_vlans()
{
	tags_in_frames "$SRC" s0 && tags_in_frames "$ROUTER" in0 &&
		tags_in_frames "$ROUTER" out1 && tags_in_frames "$FAR" f1 || return 1
	vlan "$SRC" s0 10 3 2 && vlan "$ROUTER" in0 10 3 1 && vlan "$SRC" s0.10 30 5 2 &&
		vlan "$ROUTER" in0.10 30 5 1 && vlan "$ROUTER" out1 20 4 1 &&
		vlan "$FAR" f1 20 4 2 || return 1
	neigh "$ROUTER" out1.20 "$(mac 2 1)" 10.0.4.2 fd00:4::2
}

# Each way of the two taps goes through a program, as that of a virtual machine.
setup_taps()
{
	spawn "$ROUTER" "$TMP/tap1" "$TOOLS/shuttle" "$SRC" t0 "$ROUTER" tin
	busywait $((5000 * SLOW)) grep -q ready "$TMP/tap1" || return 1
	spawn "$ROUTER" "$TMP/tap2" "$TOOLS/shuttle" "$ROUTER" tout "$FAR" tf
	busywait $((5000 * SLOW)) grep -q ready "$TMP/tap2" || return 1
	ip -n "$ROUTER" link set tin address "$(mac 1 6)"
	ip -n "$ROUTER" link set tout address "$(mac 1 7)"
	ip -n "$FAR" link set tf address "$(mac 2 7)"
	ip -n "$SRC" link set t0 up && ip -n "$ROUTER" link set tin up &&
		ip -n "$ROUTER" link set tout up && ip -n "$FAR" link set tf up || return 1
	address "$ROUTER" tin 10.0.6.1 fd00:6::1
	address "$ROUTER" tout 10.0.7.1 fd00:7::1
	neigh "$ROUTER" tout "$(mac 2 7)" 10.0.7.2 fd00:7::2
}

# --- one packet -----------------------------------------------------------------------------

# From a device of SRC to a station; what came out first, of the one with the tag and of the
# one below it: both see it.
came_out()	# dev mac src dst
{
	local devs=()
	for dev in tf f1.20 f1; do
		! ip -n "$FAR" link show "$dev" >/dev/null 2>&1 || devs+=("$dev")
	done
	echo "$3 $4 wait $((300 * SLOW))" |
		"$FORWARD_TOOLS/probe" "$SRC" "$1" "$2" "$FAR" "${devs[@]}" | cut -d' ' -f1
}

# The packet of this test: by what, to whom, from, to.
by()		# family dev mac N-of-src N-of-dst
{
	dev=$2 to=$3
	if [ "$1" = 4 ]; then src=10.0.$4.2 dst=10.0.$5.2; else src=fd00:$4::2 dst=fd00:$5::2; fi
}

sends()		# want
{
	local got
	got=$(came_out "$dev" "$to" "$src" "$dst")
	[ "$got" = "$1" ] || { echo "$src to $dst by $dev: $got; not $1"; return 1; }
}

# Nothing comes out. One packet for each next hop is the stack's now and then, whatever we
# know; the next one is not.
nothing_at_all()
{
	sends none && sends none && sends none
}

# Soon: what the watch has to see it sees when it gets its turn.
nothing_comes()
{
	busywait $((5000 * SLOW)) nothing_at_all
}

# In XDP, by a cached flow.
hits()		# want
{
	local before after
	before=$(forward_stat hit)
	sends "$1" || return 1
	after=$(forward_stat hit)
	[ "$after" -gt "$before" ] || { echo "not a hit"; return 1; }
}

cached()	# want
{
	busywait $((20000 * SLOW)) hits "$1"
}

# By the stack, and this is why.
passes()	# want counter
{
	local before after
	before=$(forward_stat "$2")
	sends "$1" || return 1
	after=$(forward_stat "$2")
	[ "$after" -gt "$before" ] || { echo "$2 does not count"; return 1; }
}

# What nobody is told of, the module looks at ten times a second.
seen()
{
	if have_module; then sleep "$(awk "BEGIN { print 0.3 * $SLOW }")"; else known; fi
}

# --- VLANs, taps -------------------------------------------------------------------------------

into_a_vlan()	# family
{
	by "$1" s0 "$(mac 1 0)" 1 4
	cached f1.20
}

out_of_a_vlan()
{
	by "$1" s0.10 "$(mac 1 0)" 3 10
	cached f1
}

from_vlan_to_vlan()
{
	by "$1" s0.10 "$(mac 1 0)" 3 4
	cached f1.20
}

two_tags()
{
	by "$1" s0.10.30 "$(mac 1 0)" 5 4
	passes f1.20 pass_vlan
}

from_tap_to_tap()
{
	by "$1" t0 "$(mac 1 6)" 6 7
	cached tf
}

from_tap_to_vlan()
{
	by "$1" t0 "$(mac 1 6)" 6 4
	cached f1.20
}

# --- what changes -----------------------------------------------------------------------------

# Cached; what the stack does not forward any more is not forwarded; and back again.
stops()		# want undo do...
{
	local want=$1 undo=$2 rc
	shift 2
	cached "$want" || return 1
	"$@" || return 1
	seen
	nothing_comes
	rc=$?
	eval "$undo"
	seen
	cached "$want" && return "$rc"
}

vlan_down()	# family
{
	by "$1" s0.10 "$(mac 1 0)" 3 10
	stops f1 "ip -n $ROUTER link set in0.10 up; address $ROUTER in0.10 10.0.3.1 fd00:3::1" \
		ip -n "$ROUTER" link set in0.10 down
}

vlan_in_a_bridge()
{
	by "$1" s0.10 "$(mac 1 0)" 3 10
	ip -n "$ROUTER" link add br0 type bridge || return 1
	stops f1 "ip -n $ROUTER link set in0.10 nomaster; ip -n $ROUTER link del br0" \
		ip -n "$ROUTER" link set in0.10 master br0
}

device_in_a_bridge()
{
	by "$1" s0 "$(mac 1 0)" 1 10
	ip -n "$ROUTER" link add br0 type bridge || return 1
	stops f1 "ip -n $ROUTER link set in0 nomaster; ip -n $ROUTER link del br0" \
		ip -n "$ROUTER" link set in0 master br0
}

another_mac()
{
	by "$1" s0 "$(mac 1 0)" 1 10
	cached f1 && ip -n "$ROUTER" link set in0 address 02:00:00:00:01:77 && seen &&
		nothing_comes && to=02:00:00:00:01:77 && cached f1
	local rc=$?
	ip -n "$ROUTER" link set in0 address "$(mac 1 0)"
	seen
	to=$(mac 1 0)
	cached f1 && return "$rc"
}

# 10.0.10.9 is behind out1: not who may send by in0.
strict()	# conf
{
	dev=s0 to=$(mac 1 0) src=10.0.10.9 dst=10.0.7.2
	stops tf "ns_set $ROUTER net.ipv4.conf.$1.rp_filter=0" \
		ns_set "$ROUTER" "net.ipv4.conf.$1.rp_filter=1"
}

# Renamed, its settings are in another place.
strict_renamed()
{
	local rc
	ip -n "$ROUTER" link set in0 down && ip -n "$ROUTER" link set in0 name new0 &&
		ip -n "$ROUTER" link set new0 up && strict new0
	rc=$?
	ip -n "$ROUTER" link set new0 down
	ip -n "$ROUTER" link set new0 name in0
	ip -n "$ROUTER" link set in0 up
	ip -n "$ROUTER" addr replace fd00:1::1/64 dev in0 nodad
	return "$rc"
}

# Deleted and made anew, it has another number; and one that nobody knew.
vlan_anew()
{
	by "$1" s0.10 "$(mac 1 0)" 3 10
	cached f1 && ip -n "$ROUTER" link del in0.10 && seen && nothing_comes &&
		vlan "$ROUTER" in0 10 3 1 && seen && cached f1 || return 1
	vlan "$SRC" s0 11 8 2 && vlan "$ROUTER" in0 11 8 1 && seen || return 1
	by "$1" s0.11 "$(mac 1 0)" 8 4
	cached f1.20
	local rc=$?
	ip -n "$SRC" link del s0.11
	ip -n "$ROUTER" link del in0.11
	return "$rc"
}

# There it routes for others, or nobody.
vlan_moves()
{
	by "$1" s0.10 "$(mac 1 0)" 3 10
	cached f1 && ip -n "$ROUTER" link set in0.10 netns "$FAR" && seen && nothing_comes &&
		ip -n "$FAR" link del in0.10 && vlan "$ROUTER" in0 10 3 1 && seen && cached f1
}

# --- once and for all -----------------------------------------------------------------------

way_out_deleted()
{
	by 4 s0 "$(mac 1 0)" 1 10
	cached f1 && ip -n "$ROUTER" link del out1 && seen && nothing_comes &&
		vestige "$ROUTER" forward show >"$TMP/show" || return 1
	by 4 t0 "$(mac 1 6)" 6 7
	cached tf
}

# The program is still on it, and what it knows is of another namespace.
moved_away()
{
	local before after
	by 4 s0 "$(mac 1 0)" 1 7
	cached tf && ip -n "$ROUTER" link set in0 netns "$OTHER" &&
		ip -n "$OTHER" link set in0 up && seen || return 1
	ns_set "$OTHER" net.ipv4.ip_forward=1
	address "$OTHER" in0 10.0.1.1 fd00:1::1
	before=$(forward_stat looked_up).$(forward_stat hit)
	nothing_comes || return 1
	after=$(forward_stat looked_up).$(forward_stat hit)
	[ "$before" = "$after" ] || { echo "forwarded: $before, then $after"; return 1; }
	[ "$(forward_stat pass_no_hook)" -ge 2 ]
}

# Not even what it was before is there when it is back.
moved_back()
{
	by 4 s0 "$(mac 1 0)" 1 7
	ip -n "$OTHER" link set in0 netns "$ROUTER" && ip -n "$ROUTER" link set in0 up &&
		address "$ROUTER" in0 10.0.1.1 fd00:1::1 && seen && passes tf pass_no_hook
}

detached()
{
	vestige "$ROUTER" forward detach && [ ! -e /sys/fs/bpf/vestige_forward ] &&
		! ip -n "$ROUTER" -d link show | grep prog/xdp
}

in_a_bridge_already()
{
	by 4 s0.10 "$(mac 1 0)" 3 10
	busywait $((20000 * SLOW)) passes none pass_device || return 1
	ip -n "$ROUTER" link del br0 && seen && cached f1
}

# For a family.
vlan_tests()
{
	tap_test "IPv$1: into a VLAN" into_a_vlan "$1"
	tap_test "IPv$1: out of a VLAN" out_of_a_vlan "$1"
	tap_test "IPv$1: from VLAN to VLAN" from_vlan_to_vlan "$1"
	tap_test "IPv$1: two tags" two_tags "$1"
	tap_test "IPv$1: from a tap into a VLAN" from_tap_to_vlan "$1"
}

vlan_changes()
{
	tap_test "IPv$1: a VLAN device is set down" vlan_down "$1"
	tap_test "IPv$1: a VLAN device is put into a bridge" vlan_in_a_bridge "$1"
	tap_test "IPv$1: a VLAN device is deleted, made anew; another comes" vlan_anew "$1"
	tap_test "IPv$1: a VLAN device moves to another namespace" vlan_moves "$1"
}

# Nor does the kernel load it again, when it is asked for.
without_module()
{
	local path
	have_module || modprobe vestige 2>/dev/null || tap_skip_all "devices.sh has it all"
	modprobe -r vestige || exit 1
	path=$(cat /proc/sys/kernel/modprobe)
	defer eval "echo $path >/proc/sys/kernel/modprobe"
	echo /bin/false >/proc/sys/kernel/modprobe
}

tap_start
[ "${KEEPER-}" != follow ] || without_module
command -v ethtool >/dev/null || tap_skip_all "needs ethtool"
setup_router 1 && setup_ns OTHER && setup_taps || exit 1
can_vlan && setup_vlans && vlans=1
defer vestige "$ROUTER" forward detach
# One that is in a bridge at the attach is not known for what it is after it.
[ -z "${vlans-}" ] || { ip -n "$ROUTER" link add br0 type bridge &&
	ip -n "$ROUTER" link set in0.10 master br0; } || exit 1
vestige "$ROUTER" forward attach in0 out1 tin tout age $((5 * SLOW))s 2>"$TMP/attach" ||
	{ cat "$TMP/attach"; exit 1; }
keep_generations
echo "# generations by $(have_module && echo the module || echo "follow, waiting $WINDOW ms")"
[ -z "${vlans-}" ] || tap_test "a VLAN device that was in a bridge" in_a_bridge_already
for f in $FAMILIES; do
	# In the emulated machines: not every host has VLANs.
	[ -z "${vlans-}" ] || vlan_tests "$f"
	tap_test "IPv$f: from tap to tap" from_tap_to_tap "$f"
done
for f in $FAMILIES; do
	[ -z "${vlans-}" ] || vlan_changes "$f"
	tap_test "IPv$f: a device is put into a bridge" device_in_a_bridge "$f"
	tap_test "IPv$f: a device gets another MAC" another_mac "$f"
done
tap_test "rp_filter of a device" strict in0
tap_test "rp_filter of all" strict all
tap_test "rp_filter of a device with another name" strict_renamed
tap_test "the way out is deleted" way_out_deleted
tap_test "the way in moves to another namespace" moved_away
tap_test "and comes back" moved_back
tap_test "detach after all that" detached
tap_finish
