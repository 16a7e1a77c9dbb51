#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# policy.sh - what each policy chooses, by device, by cgroup; preferences; what `show` says.
#
#   $HOST   d0   the addresses of the example in NetBSD's manual, ifconfig's order:
#                64.198.255.1 10.0.0.1 169.254.1.1 192.168.49.1 (5) 192.168.37.1 (9)
#           d1   203.0.113.1 203.0.113.66 203.0.113.200
#           d2   IPv6; the youngest comes first, as `ip addr` shows them
#
# Everything not on d1 or d2 goes through d0.
# shellcheck source=selftests/selsrc/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

topology()
{
	setup_ns HOST
	device "$HOST" d0 64.198.255.1/24 10.0.0.1/24 169.254.1.1/24 192.168.49.1/24 \
		192.168.37.1/24
	device "$HOST" d1 203.0.113.1/24 203.0.113.66/24 203.0.113.200/24
	device "$HOST" d2 2001:db8:0:ff::1/64,preferred_lft,0 fd00::1/64 2001:db8::4:1/64 \
		2001:db8::1/64
	ip -n "$HOST" route add default dev d0
	ip -n "$HOST" -6 route add default dev d2
	# Else link-local ones of veth would be candidates, too.
	ip -n "$HOST" -6 addr flush dev d0 scope link
	ip -n "$HOST" -6 addr flush dev d1 scope link
}

# policy, destination, source. The example: category, then prefix, then preference.
MAN=same-category,common-prefix-len,preference
policies="
$MAN			64.198.255.7	64.198.255.1
$MAN			8.8.8.8		64.198.255.1
$MAN			10.0.0.7	10.0.0.1
$MAN			169.254.9.9	169.254.1.1
$MAN			192.168.37.7	192.168.37.1
$MAN			192.168.49.7	192.168.49.1
$MAN			192.168.52.1	192.168.49.1
$MAN			192.168.45.1	192.168.37.1
$MAN			192.168.100.1	192.168.37.1
$MAN			172.16.0.1	192.168.37.1
index			192.168.37.7	64.198.255.1
preference		8.8.8.8		192.168.37.1
preference,index	64.198.255.7	192.168.37.1
common-prefix-len	11.0.0.1	10.0.0.1
common-prefix-len	192.168.200.1	192.168.49.1
same-category		10.77.0.1	10.0.0.1
same-category		192.168.99.1	10.0.0.1
same-category,preference 10.77.0.1	192.168.37.1
common-prefix-len	203.0.113.65	203.0.113.66
common-prefix-len	203.0.113.2	203.0.113.1
common-prefix-len	203.0.113.129	203.0.113.200
same-category		203.0.113.65	203.0.113.1
index			2001:db8::9	2001:db8::1
common-prefix-len	2001:db8::4:2	2001:db8::4:1
common-prefix-len	2001:db8:0:ff::2 2001:db8:0:ff::1
deprecated,common-prefix-len 2001:db8:0:ff::2 2001:db8::1
same-category		fd00:7::1	fd00::1
label,index		fd00:7::1	fd00::1
label,index		2001:db8:9::1	2001:db8::1
scope,index		fe80::99%d2	LINK
"

link_of()	# dev
{
	ip -n "$HOST" -6 -o addr show dev "$1" scope link | awk '{ sub("/.*", "", $4); print $4 }'
}

chooses()	# policy destination wanted
{
	local want=$3
	[ "$want" != LINK ] || want=$(link_of d2)
	selsrc "$HOST" policy set default "$1" || return 1
	gets_by_all "$want" "$HOST" "$2"
}

run_policies()
{
	local policy dest want
	while read -r policy dest want; do
		[ -z "$policy" ] ||
			tap_test "$policy to $dest: $want" chooses "$policy" "$dest" "$want"
	done <<<"$policies"
}

# --- preferences ---------------------------------------------------------------------------

pref()		# words...
{
	vestige "$HOST" addr pref "$@"
}

next_connect_knows()
{
	chooses preference 203.0.113.7 203.0.113.1 &&
		pref set 203.0.113.200 dev d1 1 && gets 203.0.113.200 "$HOST" 203.0.113.7 &&
		pref set 203.0.113.66 dev d1 32767 && gets 203.0.113.66 "$HOST" 203.0.113.7 &&
		pref set 203.0.113.66 dev d1 -32768 && gets 203.0.113.200 "$HOST" 203.0.113.7 &&
		pref set 203.0.113.200 dev d1 -1 && gets 203.0.113.1 "$HOST" 203.0.113.7 &&
		pref del 203.0.113.200 dev d1 && pref del 203.0.113.66 dev d1 &&
		gets 203.0.113.1 "$HOST" 203.0.113.7
}

# Who is connected stays where he is, whatever happens then.
connected_ones_stay()
{
	local kind in out
	for kind in tcp udp; do
		selsrc "$HOST" policy set default index || return 1
		mkfifo "$TMP/in.$kind" || return 1
		in_cgroup "$HOST" timeout 20 "$SOURCE" -k "$kind" -w 203.0.113.7 \
			<"$TMP/in.$kind" >"$TMP/out.$kind" &
		exec {in}>"$TMP/in.$kind"
		busywait 2000 grep -q . "$TMP/out.$kind"
		selsrc "$HOST" policy set default preference && pref set 203.0.113.200 dev d1 7
		gets 203.0.113.200 "$HOST" -k "$kind" 203.0.113.7 || return 1
		echo >&"$in"
		exec {in}>&-
		wait $!
		out=$(tr '\n' ' ' <"$TMP/out.$kind")
		pref del 203.0.113.200 dev d1
		same "$out" "203.0.113.1 203.0.113.1 " || return 1
	done
}

shown()
{
	pref set 2001:db8::1 dev d2 -5 || return 1
	same "$(vestige "$HOST" -j addr show | jq -c '[.[] | select(.preference != 0) |
		[.address, .dev, .preference]]')" \
		'[["192.168.49.1","d0",5],["192.168.37.1","d0",9],["2001:db8::1","d2",-5]]' &&
		vestige "$HOST" addr show | grep '^192.168.37.1/24 dev d0 .* 9$' &&
		vestige "$HOST" addr show | grep '^2001:db8:0:ff::1/64 dev d2 .*deprecated' &&
		pref del 2001:db8::1 dev d2
}

# The same address again is the same address.
survives_its_address()
{
	selsrc "$HOST" policy set default preference || return 1
	gets 192.168.37.1 "$HOST" 8.8.8.8 &&
		ip -n "$HOST" addr del 192.168.37.1/24 dev d0 &&
		soon 192.168.49.1 "$HOST" 8.8.8.8 &&
		ip -n "$HOST" addr add 192.168.37.1/24 dev d0 &&
		soon 192.168.37.1 "$HOST" 8.8.8.8
}

# --- by device -----------------------------------------------------------------------------

by_device()
{
	selsrc "$HOST" policy set default index &&
		selsrc "$HOST" policy set d1 common-prefix-len || return 1
	gets_by_all 203.0.113.200 "$HOST" 203.0.113.199 &&
		gets_by_all 64.198.255.1 "$HOST" 8.8.8.8 &&
		gets 203.0.113.1 "$HOST" -d d1 203.0.113.2 &&
		gets 203.0.113.200 "$HOST" -d d1 203.0.113.199
}

# A device of its own even without a default; a default even without one of its own.
one_without_the_other()
{
	selsrc "$HOST" policy del default || return 1
	gets_by_all 203.0.113.200 "$HOST" 203.0.113.199 &&
		gets_by_all 10.0.0.1 "$HOST" 10.0.0.7 &&
		selsrc "$HOST" policy set default preference &&
		selsrc "$HOST" policy del d1 || return 1
	gets_by_all 203.0.113.1 "$HOST" 203.0.113.199 && gets_by_all 192.168.37.1 "$HOST" 10.0.0.7
}

# What d0 is called does not matter; that it is gone, does.
goes_with_its_device()
{
	selsrc "$HOST" policy set d1 common-prefix-len &&
		ip -n "$HOST" link set d1 down && ip -n "$HOST" link set d1 name e1 &&
		ip -n "$HOST" link set e1 up &&
		soon 203.0.113.200 "$HOST" 203.0.113.199 &&
		[ "$(selsrc_json "$HOST" policy show | jq -r '.[] | select(.dev) | .dev')" = e1 ] &&
		ip -n "$HOST" link set e1 down && ip -n "$HOST" link set e1 name d1 &&
		ip -n "$HOST" link set d1 up || return 1
	device "$HOST" d9 || return 1
	selsrc "$HOST" policy set d9 index && ip -n "$HOST" link del d9 || return 1
	busywait 1000 no_policy_of d9
}

no_policy_of()	# dev
{
	! selsrc "$HOST" policy show | grep "^$1 "
}

show_says_it()
{
	selsrc "$HOST" policy set default "$MAN" && selsrc "$HOST" policy set d1 index || return 1
	same "$(selsrc "$HOST" policy show)" "default $MAN cgroup $CG
d1 index cgroup $CG" &&
		same "$(selsrc_json "$HOST" policy show |
			jq -c '.[] | [.default, .dev, .functions]')" \
			'[true,null,["same-category","common-prefix-len","preference"]]
[false,"d1",["index"]]' && selsrc "$HOST" policy del d1
}

# --- by cgroup -------------------------------------------------------------------------------

second_cgroup()
{
	mkdir "$CG2" "$CG2/below" &&
		selsrc "$HOST" attach cgroup "$CG2" &&
		selsrc "$HOST" policy set default index cgroup "$CG2" &&
		selsrc "$HOST" policy set default preference cgroup "$CG"
}

two_policies()
{
	gets_by_all 192.168.37.1 "$HOST" 8.8.8.8 &&
		CG=$CG2 gets_by_all 64.198.255.1 "$HOST" 8.8.8.8 || return 1
	selsrc "$HOST" policy set d1 common-prefix-len cgroup "$CG2" || return 1
	gets_by_all 203.0.113.1 "$HOST" 203.0.113.199 &&
		CG=$CG2 gets_by_all 203.0.113.200 "$HOST" 203.0.113.199
}

# Again and again, so that what is remembered of one is not used for the other.
by_turns()
{
	local i
	for i in 1 2 3; do
		gets 192.168.37.1 "$HOST" -k sendto 9.9.9.9 || return 1
		CG=$CG2 gets 64.198.255.1 "$HOST" -k sendto 9.9.9.9 || return 1
	done
}

must_say_which()
{
	selsrc "$HOST" policy set default index 2>&1 | grep 'several cgroups'
}

# The nearer one wins; where it leaves it to others, the one above.
cgroup_below()
{
	selsrc "$HOST" attach cgroup "$CG2/below" &&
		selsrc "$HOST" policy set default common-prefix-len cgroup "$CG2/below" || return 1
	CG=$CG2/below gets_by_all 10.0.0.1 "$HOST" 11.0.0.1 &&
		CG=$CG2 gets_by_all 64.198.255.1 "$HOST" 11.0.0.1 &&
		selsrc "$HOST" policy del default cgroup "$CG2/below" &&
		CG=$CG2/below gets_by_all 64.198.255.1 "$HOST" 11.0.0.1
}

one_goes_the_other_stays()
{
	selsrc "$HOST" detach cgroup "$CG2/below" && selsrc "$HOST" detach cgroup "$CG2" || return 1
	CG=$CG2 gets_by_all 10.0.0.1 "$HOST" 10.0.0.7 &&
		gets_by_all 192.168.37.1 "$HOST" 10.0.0.7 &&
		same "$(selsrc_json "$HOST" show | jq -c '[.cgroups[].cgroup]')" "[\"$CG\"]"
}

# Its number is given to the next one, its policies are not.
nothing_is_inherited()
{
	selsrc "$HOST" attach cgroup "$CG2" || return 1
	CG=$CG2 gets_by_all 10.0.0.1 "$HOST" 10.0.0.7 &&
		same "$(selsrc_json "$HOST" policy show |
			jq -c "[.[] | select(.cgroup == \"$CG2\")]")" "[]" &&
		selsrc "$HOST" detach cgroup "$CG2"
}

# A cgroup that was removed makes room for others.
removed_cgroup()
{
	local i dir
	for ((i = 0; i < 17; i++)); do
		dir=$CG-$i
		mkdir "$dir" && selsrc "$HOST" attach cgroup "$dir" && rmdir "$dir" || return 1
	done
	gets_by_all 192.168.37.1 "$HOST" 10.0.0.7
}

sixteen_cgroups()
{
	local i rc=0
	for ((i = 1; i < 16; i++)); do
		mkdir "$CG-$i" && selsrc "$HOST" attach cgroup "$CG-$i" || rc=1
	done
	mkdir "$CG-16" &&
		selsrc "$HOST" attach cgroup "$CG-16" 2>&1 | grep 'the most there can be' ||
		rc=1
	for ((i = 1; i < 17; i++)); do rmdir "$CG-$i" || rc=1; done
	return "$rc"
}

everything_goes()
{
	selsrc "$HOST" detach && selsrc_is_clean && gets_by_all 10.0.0.1 "$HOST" 10.0.0.7
}

tap_start
CG2=$CG-second
defer rmdir "$CG2/below" "$CG2"
topology
tap_test "attach" attach "$HOST"
tap_test "follow" follow "$HOST"
tap_test "preferences are set" pref set 192.168.49.1 dev d0 5
tap_test "preferences are set again" pref set 192.168.37.1 dev d0 9
run_policies
tap_test "the next connect() knows of a preference" next_connect_knows
tap_test "connected sockets stay where they are" connected_ones_stay
tap_test "addr show" shown
tap_test "a preference outlives its address" survives_its_address
tap_test "a device has its own policy" by_device
tap_test "device without default, default without device" one_without_the_other
tap_test "renamed, it keeps it; removed, it does not" goes_with_its_device
tap_test "policy show" show_says_it
tap_test "a second cgroup" second_cgroup
tap_test "two cgroups, two policies" two_policies
tap_test "two cgroups by turns, to the same destination" by_turns
tap_test "with two, a policy must say for which" must_say_which
tap_test "a cgroup below another one" cgroup_below
tap_test "one is detached, the other stays" one_goes_the_other_stays
tap_test "the next one inherits nothing" nothing_is_inherited
tap_test "cgroups that are removed are no burden" removed_cgroup
tap_test "16 cgroups, and no more" sixteen_cgroups
tap_test "detach takes all of them off" everything_goes
tap_finish
