#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# case.sh SITUATION WAY COUNT SECONDS - one workload, one way, one line of JSON
#
# SITUATION  loopback	127.0.0.1, client closes first
#	     own	an address of the host that is not in 127/8
#	     bind	bind() to 127.0.0.6 before connect(), as some proxies do
#	     bindfull	the same after a minute that took most of the ports
#	     notime	tcp_timestamps off
#	     notimefull	the same after a minute that took most of the ports
#	     overflow	room for 5,000 TIME_WAIT sockets, or for as many bytes
#	     overcount	room for 5,000, whatever their size
#	     server	the server closes first
# WAY	     stock	Linux as it comes
#	     knob	the sysctls that help most
#	     ssk	every second, ss -K gives up all of TIME_WAIT
#	     vestige	vestige attach
#
# Everything happens in network, mount and PID namespaces that vanish with the
# process, however it ends; so do the pins, and sysctls are set in there only.
set -u

here=$(cd "$(dirname "$0")" && pwd)
O=${O:-$here/../../build}
readonly LOAD=$O/selftests/bench/load
readonly VESTIGE=${VESTIGE:-$O/vestige}
readonly BUCKETS=5000
readonly SYS=/proc/sys/net/ipv4

die() {
	echo "case: $*" >&2
	exit 1
}

if [ "${VESTIGE_CASE:-}" != inside ]; then
	[ $# -eq 4 ] || die "usage: $0 SITUATION WAY COUNT SECONDS"
	VESTIGE_CASE=inside exec unshare --net --mount --pid --fork \
		--kill-child --mount-proc "$0" "$@"
fi

situation=$1 way=$2 count=$3 seconds=$4

set_sysctl() {
	[ ! -e "$SYS/$1" ] || echo "$2" >"$SYS/$1" || die "cannot set $1"
}

# Bytes of an object with what the allocator adds.
slab_slot() {
	cat "/sys/kernel/slab/$1/slab_size" 2>/dev/null ||
		awk -v n="$1" '$1 == n { print $4 }' /proc/slabinfo
}

slab_objects() {
	local dir=/sys/kernel/slab/$1 n rest

	[ -r "$dir/objects" ] || { echo 0; return; }
	read -r n rest <"$dir/objects"
	echo "$n"
}

# Caches that were merged are one; it is counted once.
slab_bytes() {
	local cache sum=0 seen=

	for cache in tw_sock_TCP tcp_bind_bucket tcp_bind2_bucket; do
		cache=$(readlink -f "/sys/kernel/slab/$cache")
		case $seen in
		*" $cache "*)	continue ;;
		esac
		seen="$seen $cache "
		cache=${cache##*/}
		sum=$((sum + $(slab_objects "$cache") * $(slab_slot "$cache")))
	done
	echo "$sum"
}

# TcpExt counter of this namespace.
ext() {
	awk -v name="$1" '/^TcpExt:/ {
		if (!split_names) { split_names = split($0, names); next }
		for (i = 2; i <= NF; i++)
			if (names[i] == name)
				print $i
	}' /proc/net/netstat
}

tw_now() {
	awk '$1 == "TCP:" { for (i = 2; i < NF; i++) if ($i == "tw") print $(i + 1) }' \
		/proc/net/sockstat
}

# Busy time of all CPUs in ticks: softirqs and kernel threads are in there.
busy_ticks() {
	awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

prepare() {
	ip link set lo up
	ip address add 10.9.9.9/32 dev lo
	case $situation in
	notime*)	set_sysctl tcp_timestamps 0 ;;
	esac
	case $way in
	stock)	case $situation in
		over*)	set_sysctl tcp_max_tw_buckets "$BUCKETS" ;;
		esac ;;
	knob)	set_sysctl tcp_tw_reuse 1
		set_sysctl tcp_tw_reuse_delay 1 ;;
	ssk)	while sleep 1; do
			ss -K state time-wait >/dev/null 2>&1
		done & ;;
	vestige) attach ;;
	*)	die "unknown way $way" ;;
	esac
}

# Bytes of a TIME_WAIT socket: whoever called connect() has a bind bucket for
# the port and one for port and address; the listener's are shared.
session_bytes() {
	local sum

	sum=$(slab_slot tw_sock_TCP)
	[ "$situation" = server ] ||
		sum=$((sum + $(slab_slot tcp_bind_bucket) +
			$(slab_slot tcp_bind2_bucket)))
	echo "$sum"
}

# overflow: the bytes of 5,000 sockets, spent on records of 42.
attach() {
	local entries=()

	case $situation in
	overflow) entries=(entries $((BUCKETS * $(session_bytes) / 42))) ;;
	overcount) entries=(entries "$BUCKETS") ;;
	esac
	mount -t bpf bpf /sys/fs/bpf || die "cannot mount a bpffs"
	"$VESTIGE" attach "${entries[@]}" >&2 || die "vestige attach failed"
}

load() {
	local args=(-c "$count" -t "$seconds")

	case $situation in
	loopback | over*) ;;
	own)	args+=(-a 10.9.9.9) ;;
	bind*)	args+=(-b 127.0.0.6) ;;
	notime*) ;;
	server)	args+=(-s) ;;
	*)	die "unknown situation $situation" ;;
	esac
	case $situation in
	*full)	args+=(-w 28100) ;;
	esac
	"$LOAD" "${args[@]}"
}

# Sessions that TIME_WAIT protected until it ran out or a newer connection could
# safely have the tuple. Namespaces are younger than a minute here, so nothing ran
# out; after ss -K, what is neither alive nor recycled was killed. What the slabs
# grew by is right only while no other namespace with such sockets is torn down.
facts_of_stock() {
	jq -nc --arg way "$way" --argjson live "$(tw_now)" --argjson slab "$1" \
		--argjson bytes "$(session_bytes)" --argjson closed "$2" \
		--argjson recycled "$(ext TWRecycled)" \
		--argjson overflow "$(ext TCPTimeWaitOverflow)" \
		'{live: $live, $recycled, $overflow,
		  protected: (if $way == "ssk" then $live + $recycled
			else $closed - $overflow end), $bytes,
		  bytes_measured: ($slab / ([$live, 1] | max))}'
}

facts_of_vestige() {
	jq -nc --argjson status "$("$VESTIGE" -j status)" \
		--argjson stats "$("$VESTIGE" -j vtw stats)" \
		'{live: $status.pool.v4.live, capacity: $status.pool.v4.capacity,
		  protected: ($stats.entered_callback + $stats.entered_net
			- $stats.evicted),
		  bytes: ($status.pool.v4.bytes / $status.pool.v4.capacity),
		  stats: ($stats | with_entries(select(.value != 0)))}'
}

prepare
slab=$(slab_bytes) ticks=$(busy_ticks)
result=$(load) || die "the load failed"
ticks=$(($(busy_ticks) - ticks)) slab=$(($(slab_bytes) - slab))
case $way in
vestige) facts=$(facts_of_vestige) ;;
*)	facts=$(facts_of_stock "$slab" "$(jq .closed <<<"$result")") ;;
esac
jq -nc --argjson r "$result" --argjson f "$facts" --arg situation "$situation" \
	--arg way "$way" --argjson ticks "$ticks" --argjson hz "$(getconf CLK_TCK)" \
	'{$situation, $way} + $r + $f +
	 {host_cpu_ns: ($ticks / $hz * 1e9 / ([$r.made, 1] | max) | round)}'
