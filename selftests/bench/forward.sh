#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# shellcheck disable=SC2016	# $ in single quotes belongs to jq
#
# forward.sh - what a forwarded packet costs: the lines of bench/forward as a table, and
# whether they keep their bounds. What misses its bound is said as MISSED.
#
#	ROUTES=N	the large routing table (default: 500000)
#	ROUNDS=N	samples of each (default: 9)
set -u

cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
[ "$(id -u)" -eq 0 ] || { echo "needs root"; exit 4; }
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
"$O/selftests/bench/forward" "${ROUTES:-500000}" "${ROUNDS:-9}" >"$out" || exit 1
jq -rs '
	def line: if .part == "validate" then
			"validate a cached route: \(.ns) ns",
			(select(.ns > 2) | "MISSED: more than 2 ns")
		elif .part == "kernel" then
			"IPv\(.family) through the kernel \(.kernel_ns) ns, " +
			"in XDP \(.hit_ns) ns: \(.ratio) times",
			(select(.ratio < 5) | "MISSED: less than 5 times")
		else
			"IPv\(.family) \(.part), \(.flows) in \(.routes) routes: " +
			"cached \(.hit_ns) ns (\(.hit_share * 100 | floor) % hits), " +
			"looked up \(.lookup_ns) ns, bare bpf_fib_lookup \(.bare_ns) ns: " +
			"\(.lookup_per_hit) and \(.bare_per_hit) times",
			(select(.part == "flood" and .lookup_per_hit < 1) |
			 "MISSED: slower than looking up"),
			(select(.part != "flood" and .flows <= 1000 and
				.lookup_per_hit < (if .routes > 1 then 3 else 2 end)) |
			 "MISSED: less than \(if .routes > 1 then 3 else 2 end) times a lookup"),
			(select(.part != "flood" and .flows <= 1000 and .routes > 1 and
				.bare_per_hit < 3) |
			 "MISSED: less than 3 times a bare bpf_fib_lookup()"),
			(select(.part != "flood" and .flows > 1000 and .routes > 1 and
				.lookup_per_hit < 3) |
			 "MISSED: less than 3 times a lookup")
		end;
	.[] | line' "$out"
