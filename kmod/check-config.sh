#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check-config.sh [KDIR|CONFIG-FILE] - names what the kernel's configuration lacks
#
# Without an argument: that of the running kernel. What is needed fails; what is
# only good to have is named.
set -u

die() { echo "check-config: $*" >&2; exit 1; }

find_config()
{
	for config in "$1" "$1/.config" "/boot/config-$(uname -r)" /proc/config.gz; do
		[ ! -f "$config" ] || { echo "$config"; return; }
	done
}

# Symbol, and what is not there without it.
NEEDED='MODULES		any module
NET		networks
INET		IPv4
NET_UDP_TUNNEL	GRE in UDP
DST_CACHE	the route of the outer packet, kept
GRO_CELLS	merged packets on the inner device
NETFILTER	raw packets taken before they are copied'
GOOD='IPV6		IPv6 outside and inside
MPLS_ROUTING	MPLS inside
XFRM		IPsec around a tunnel
NET_SCHED	rate limits of a circuit'

lacking()
{
	echo "$1" | while read -r symbol what; do
		echo "$text" | grep -qE "^CONFIG_$symbol=[ym]" || echo "CONFIG_$symbol: $what"
	done
}

config=$(find_config "${1:-/lib/modules/$(uname -r)/build}")
[ -n "$config" ] || die "the kernel's configuration is nowhere to be found"
case $config in
*.gz)	text=$(zcat "$config") ;;
*)	text=$(cat "$config") ;;
esac
needed=$(lacking "$NEEDED")
good=$(lacking "$GOOD")
[ -z "$good" ] || echo "$good" | sed "s,^,$config is without ,"
[ -z "$needed" ] || {
	echo "$needed" | sed "s,^,$config lacks ," >&2
	exit 1
}
