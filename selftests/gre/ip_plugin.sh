#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ip_plugin.sh - link_sgre.so in iproute2: that of this system, and, where it is there,
# the newest one: IP_NEW=COMMAND.
#
#   $HOST  a0 192.0.2.1, 2001:db8::1; devices by ip, looked at by vestige, and back
#
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

PLUGIN=${PLUGIN:-${TOOLS%/selftests/net}/link_sgre.so}
IP_NEW=${IP_NEW:-${TOOLS%/build/selftests/net}/ip-unstable/ip}
export IP_LIB_DIR=${PLUGIN%/*}

iproute()	# words...; IP: which one
{
	in_ns "$HOST" "$IP" "$@"
}

info()		# dev; what JSON says of the kind, without what changes by itself
{
	iproute -j -d link show "$1" | jq -cS '.[0].linkinfo.info_data | del(.counters)'
}

ours()		# dev
{
	local plain='del(.counters, .stats, .name, .ifindex, .up, .carrier, .mtu, .netns)'
	gre_json "$HOST" "$1" "$plain" | jq -cS .
}

# One device by ip, one by vestige, with the same words: both say the same of both.
same_words()	# words...
{
	local one two
	iproute link add p0 type sgre "$@" || return 1
	one=$(ours p0) two=$(info p0)
	iproute link del p0
	same "$two" "$one" || return 1
	gre "$HOST" add p0 "$@" || return 1
	same "$(info p0)" "$one" || return 1
	same "$(iproute -d link show p0 | sed -n 's/^ *sgre \(local.*\) addrgenmode.*/\1/p')" \
		"$(gre "$HOST" show p0 | sed -n '2s/^ *//p')" || return 1
	gre "$HOST" del p0
}

rows='
local 192.0.2.1 remote 192.0.2.2
local 2001:db8::1 remote 2001:db8::2
local 192.0.2.1 remote 192.0.2.2 key 7
local 192.0.2.1 remote 192.0.2.2 ikey 1.2.3.4 okey 0xffffffff csum seq
local 192.0.2.1 remote 192.0.2.2 ttl inherit tos inherit pmtudisc off
local 2001:db8::1 remote 2001:db8::2 transport udp sport auto dport 5000 ttl 3 tos 0x20
local 2001:db8::1 remote 2001:db8::2 transport udp sport 5001 mode ether
local 192.0.2.1 remote 192.0.2.2 dev a0 keepalive 10 3
loc 192.0.2.1 rem 192.0.2.2 tr udp
'

run_rows()
{
	local row words
	while read -r row; do
		[ -n "$row" ] || continue
		read -ra words <<<"$row"
		tap_test "$1: $row" same_words "${words[@]}"
	done <<<"$rows"
}

# Set names one thing, and mtu is ip's own.
changes()
{
	local before
	iproute link add p0 mtu 1300 type sgre local 192.0.2.1 remote 192.0.2.2 key 4 || return 1
	before=$(ours p0)
	iproute link set p0 type sgre ttl 9 || return 1
	same "$(ours p0)" "$(jq -cS '.ttl = 9' <<<"$before")" || return 1
	same "$(gre_json "$HOST" p0 .mtu)" 1300 || return 1
	iproute link set p0 type sgre nokey && same "$(gre_json "$HOST" p0 .okey)" null &&
		iproute link del p0
}

refused()	# sentence words...
{
	local want=$1 said rc
	shift
	said=$(iproute link add p0 type sgre "$@" 2>&1)
	rc=$?
	[ "$rc" != 0 ] || { echo "it was not"; iproute link del p0; return 1; }
	same "$(wc -l <<<"$said")" 1 && matches "$said" "^Error: .*$want"
}

# The kernel's sentence and ours come out the same way.
errors()
{
	refused 'too large; 1 to 255' local 192.0.2.1 remote 192.0.2.2 ttl 256 &&
		refused 'of two families' local 192.0.2.1 remote 2001:db8::2 &&
		refused "in front of 'type sgre'" local 192.0.2.1 remote 192.0.2.2 mtu 1300 &&
		refused 'unknown' frobnicate && refused 'no address of this host' \
			local 192.0.2.77 remote 192.0.2.2
}

helps()
{
	iproute link help sgre 2>&1 | grep -q 'Usage: ... sgre local ADDR remote ADDR'
}

# With -s also what was counted.
counts_shown()
{
	iproute link add p0 type sgre local 192.0.2.1 remote 192.0.2.2 || return 1
	iproute link set p0 up
	ns_set "$HOST" net.ipv6.conf.p0.disable_ipv6=1
	into p0 "$("$W" gre src="$PEER4" dst="$HOST4" ver=1 '')" -- -n 0 -t "$QUIET"
	iproute -s -d link show p0 | grep -q ' rx_version 1 ' || return 1
	! iproute -d link show p0 | grep -q rx_version || return 1
	same "$(iproute -j -d link show p0 | jq '.[0].linkinfo.info_data.counters.rx_version')" 1
	local rc=$?
	iproute link del p0
	return "$rc"
}

several()
{
	local i
	for i in 1 2 3; do
		echo "link add p$i type sgre local 192.0.2.1 remote 192.0.2.2 key $i"
	done | iproute -batch - || return 1
	same "$(iproute -j link show type sgre | jq length)" 3 || return 1
	for i in 1 2 3; do echo "link del p$i"; done | iproute -batch -
}

with()		# command
{
	IP=$1
	local name
	name=$("$IP" -V | sed 's/.*\(iproute2-[^ ,]*\).*/\1/')
	run_rows "$name"
	tap_test "$name: changes what is named" changes
	tap_test "$name: what is wrong, in one line" errors
	tap_test "$name: help" helps
	tap_test "$name: counters" counts_shown
	tap_test "$name: -batch, link show type sgre" several
}

need_module
[ -e "$PLUGIN" ] || tap_skip_all "the plugin is not built: $PLUGIN"
tap_start
setup_peer_topology || exit 1
with ip
if [ -x "$IP_NEW" ]; then
	with "$IP_NEW"
else
	tap_skip "the newest iproute2" "$IP_NEW is not there"
fi
tap_finish
