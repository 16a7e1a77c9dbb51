#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# state.sh BACKEND NS LOCAL LPORT PEER RPORT [state|record] - prints what is
# remembered of a session that has no full socket any more: TIME-WAIT,
# FIN-WAIT-2, REOPENING or none; and for how many ms more, if it is known. Where
# nothing is remembered, the state of a full socket of the tuple. "record" looks
# for the record only.
set -u
backend=$1 ns=$2 local=$3 lport=$4 peer=$5 rport=$6 what=${7:-state}

bracket()	# address port
{
	case $1 in
	*:*) echo "[$1]:$2" ;;
	*) echo "$1:$2" ;;
	esac
}

# ss prints v4-mapped sockets with their IPv6 spelling; match both.
socket_state()
{
	nsenter --net="/run/netns/$ns" ss -Htano \
		"sport = :$lport and dport = :$rport" |
		awk -v host="$peer" '
		index($5, host) {
			ms = 0
			match($0, /timer:\([a-z]*,[^,]*/)
			t = substr($0, RSTART, RLENGTH)
			if (match(t, /[0-9]+min/)) ms += substr(t, RSTART) * 60000
			if (match(t, /[0-9]+(sec|\.)/)) ms += int(substr(t, RSTART)) * 1000
			if (match(t, /[0-9]+ms/)) ms += substr(t, RSTART)
			print $1, ms
			exit
		}'
}

# "none" is only what the command itself says; that it failed is something else.
record_state()
{
	nsenter --net="/run/netns/$ns" "${VESTIGE:?}" -j vtw find \
		"$(bracket "$local" "$lport")" "$(bracket "$peer" "$rport")" 2>&1 |
		jq -rR 'fromjson? // { error: . } | if type == "array" then .[0] else . end |
			if .state then "\(.state) \(.expires_ms)"
			elif .error | startswith("no session is remembered") then empty
			else "error: \(.error)" end'
}

state=
[ "$backend" = stock ] || state=$(record_state)
[ -n "$state" ] || [ "$what" = record ] || state=$(socket_state)
echo "${state:-none}"
