#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fin.sh stock|tc|xdp SESSIONS COUNT - answers to retransmitted FINs, one line of JSON
#
# The host under test and its peer are two namespaces and a veth pair; all of it
# vanishes with the process. Sender and host share a CPU, so the rate includes
# the price of sending.
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-$here/../../build}
readonly VESTIGE=${VESTIGE:-$O/vestige}

die() {
	echo "fin: $*" >&2
	exit 1
}

if [ "${VESTIGE_CASE:-}" != inside ]; then
	[ $# -eq 3 ] || die "usage: $0 stock|tc|xdp SESSIONS COUNT"
	VESTIGE_CASE=inside exec unshare --net --mount --pid --fork \
		--kill-child --mount-proc "$0" "$@"
fi

way=$1 sessions=$2 count=$3
cpu=$(taskset -pc $$ | sed 's/.*[ ,-]//')

unshare --net sleep 600 &
peer=$!
until [ "$(readlink "/proc/$peer/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do
	sleep 0.01
done
in_peer() {
	nsenter --net="/proc/$peer/ns/net" "$@"
}

ip link set lo up
ip link add h0 type veth peer name p0 netns "$peer" || die "no veth"
ip address add 10.1.0.1/24 dev h0
ip link set h0 up
in_peer ip address add 10.1.0.2/24 dev p0
in_peer ip link set p0 up
# What XDP_TX sends back out of a veth wakes the other end only if that has a
# program, too.
in_peer "$O/selftests/net/netdev" xdp-pass p0 || die "no XDP on the peer"
if [ "$way" != stock ]; then
	mount -t bpf bpf /sys/fs/bpf || die "cannot mount a bpffs"
	"$VESTIGE" attach hook "$way" >&2 || die "vestige attach failed"
fi
"$O/selftests/bench/load" -a 10.1.0.2 -n "/proc/$peer/ns/net" -w "$sessions" \
	-c 1 >/dev/null || die "the sessions could not be made"
mac=$(ip -j link show h0 | jq -r '.[0].address')
result=$(in_peer taskset -c "$cpu" "$O/selftests/bench/flood" p0 "$mac" \
	10.1.0.2 10.1.0.1 "$sessions" "$count") || die "flood failed"
kill "$peer"
jq -nc --argjson r "$result" --arg way "$way" '{$way} + $r'
