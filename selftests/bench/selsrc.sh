#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# selsrc.sh [ROUNDS] - what source selection adds to connect() and sendto(), in ns
#
# Rounds with the programs, with empty ones and without, in turns, on one processor (31 of
# each); the differences of medians are told beside their bound. `make bench-selsrc`.
set -u

cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
[ "$(id -u)" = 0 ] || { echo 'bench: needs root' >&2; exit 1; }
readonly BENCH=$O/selftests/bench/selsrc
[ -x "$BENCH" ] || { echo "bench: not built: $BENCH" >&2; exit 1; }
echo "$(uname -r), $(nproc) CPU, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)," \
	"load $(cut -d' ' -f1 /proc/loadavg)"
exec taskset -c "${CPU:-0}" "$BENCH" "${1:-31}"
