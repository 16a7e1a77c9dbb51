#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# readme.sh - the tunnel of README.md, command by command as it stands there.
# shellcheck source=selftests/gre/lib.sh disable=SC2317
. "$(dirname "$0")/lib.sh"

# The indented lines behind the one that names this script.
commands()
{
	awk '/selftests\/gre\/readme.sh/ { on = 1; next }
		on && /^    / { print substr($0, 5); seen = 1; next }
		on && seen { exit }' "$ROOT/README.md"
}

run_command()	# command...; as a program, not as a function of ours
{
	env "$@" >"$TMP/out" 2>&1 || { cat "$TMP/out"; return 1; }
}

# Bytes went through the tunnel, and into its counters.
carried()
{
	local bytes
	bytes=$(ip -n left -j -s link show tunnel | jq '.[0].stats64.tx.bytes')
	echo "$bytes bytes"
	[ "$bytes" -gt 1000000 ]
}

need_module
PATH=$(dirname "$VESTIGE"):$PATH
tap_start
tap_test "README has commands to run" [ "$(commands | wc -l)" -gt 15 ]
defer ip netns del right
defer ip netns del left
while read -r -a words; do
	[ "${words[*]}" != "ip netns del left" ] ||
		tap_test "the tunnel carried what iperf3 sent" carried
	tap_test "${words[*]}" run_command "${words[@]}"
	# The server is there when its port is.
	[[ ${words[*]} != *"iperf3 -s"* ]] || busywait "$WAIT" listens right 5201 >/dev/null
done < <(commands)
tap_finish
