#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# reject.sh - what is refused, with which words, for add and for set; and that nothing has
# changed after it.
#
#   $HOST  a0 192.0.2.1, 2001:db8::1; raw and udp are there when something is to change
#
# shellcheck source=selftests/gre/lib.sh disable=SC2015,SC2317
. "$(dirname "$0")/lib.sh"

# exit | a part of what is said | words. LR: a local and a remote address that would do.
adding='
1 | write the NAME					|
1 | is no name of a device				| a/b LR
1 | is no name of a device				| abcdefghijklmnop LR
1 | is no name of a device				| EMPTY LR
1 | is no name of a device				| .. LR
1 | unknown						| x LR frobnicate
1 | ambiguous						| x LR t 3
1 | wants a value behind it				| x LR ttl
1 | wants a value behind it				| x local
1 | no address of IPv4 or IPv6				| x local 192.0.2 remote 192.0.2.2
1 | no address of IPv4 or IPv6				| x local 192.0.2.1/24 remote 192.0.2.2
1 | no address of IPv4 or IPv6				| x local a0 remote 192.0.2.2
1 | no address of IPv4 or IPv6				| x local any remote 192.0.2.2
1 | an IPv4 address in disguise				| x local ::ffff:192.0.2.1 remote 192.0.2.2
1 | said already					| x LR local 192.0.2.1
1 | said already					| x LR ttl 3 ttl 3
1 | said already					| x LR key 3 ikey 4
1 | said already					| x LR csum nocsum
1 | unknown; there are: raw, udp			| x LR transport tcp
1 | unknown; there are: ip, ether			| x LR mode bridge
1 | too small; 1 to 65535				| x LR transport udp sport 0
1 | too large; 1 to 65535				| x LR transport udp sport 65536
1 | whole number					| x LR transport udp sport any
1 | too small; 1 to 65535				| x LR transport udp dport 0
1 | too large; 1 to 65535				| x LR transport udp dport 65536
1 | whole number					| x LR transport udp dport auto
1 | too large; 0 to 4294967295				| x LR key 4294967296
1 | not a whole number; 0 to 4294967295			| x LR key -1
1 | not a whole number; 0 to 4294967295			| x LR key secret
1 | not a whole number; 0 to 4294967295			| x LR key 0x
1 | too large; 0 to 4294967295				| x LR ikey 0x100000000
1 | is no key						| x LR okey 1.2.3
1 | is no key						| x LR okey 1.2.3.256
1 | too small; 1 to 255					| x LR ttl 0
1 | too large; 1 to 255					| x LR ttl 256
1 | whole number					| x LR ttl -1
1 | stands for inherit					| x LR tos 1
1 | too large; 0 to 254					| x LR tos 256
1 | not a whole number; 0 to 254			| x LR tos high
1 | neither on nor off					| x LR pmtudisc maybe
1 | SECONDS and COUNT					| x LR keepalive 10
1 | too small; 1 to 32767				| x LR keepalive 0 3
1 | too large; 1 to 32767				| x LR keepalive 32768 3
1 | too small; 1 to 255					| x LR keepalive 10 0
1 | too large; 1 to 255					| x LR keepalive 10 256
1 | too small; 68 to 65535				| x LR mtu 67
1 | too large; 68 to 65535				| x LR mtu 65536
1 | whole number					| x fd stdin
1 | too large						| x fd 2147483648
2 | does not exist here					| x LR dev nosuchdev
2 | local is missing					| x
2 | local is missing					| x ttl 3
2 | remote is missing					| x local 192.0.2.1
2 | local is missing					| x remote 192.0.2.2
2 | of two families					| x local 192.0.2.1 remote 2001:db8::2
2 | of two families					| x local 2001:db8::1 remote 192.0.2.2
2 | no address of this host			| x local 192.0.2.77 remote 192.0.2.2
2 | no address of this host			| x local 2001:db8::77 remote 2001:db8::2
2 | no address of this host			| x local 192.0.2.77 remote 192.0.2.2 transport udp
2 | local is no unicast address				| x local 224.0.0.1 remote 192.0.2.2
2 | local is no unicast address				| x local 0.0.0.0 remote 192.0.2.2
2 | local is no unicast address				| x local :: remote 2001:db8::2
2 | remote is no unicast address			| x local 192.0.2.1 remote 224.0.0.5
2 | remote is no unicast address			| x local 192.0.2.1 remote 255.255.255.255
2 | remote is no unicast address			| x local 192.0.2.1 remote 0.0.0.0
2 | remote is no unicast address			| x local 2001:db8::1 remote ff02::1
2 | remote is no unicast address			| x local 2001:db8::1 remote ::
2 | the same as local					| x local 192.0.2.1 remote 192.0.2.1
2 | give dev as well					| x local 2001:db8::1 remote fe80::2
2 | raw transport has no ports				| x LR dport 4754
2 | raw transport has no ports				| x LR transport raw sport auto
2 | let loops go on					| x LR pmtudisc off ttl 64
2 | keepalives are IP packets				| x LR mode ether keepalive 10 3
2 | leave this out, or fd				| x fd 0 LR
2 | no socket						| x fd 0
2 | no socket						| x fd 99
2 | another device has this local, remote and ikey	| x LR
2 | another device has this local, remote and ikey	| x LR key 3 transport udp
2 | another device has this local, remote and ikey	| x LR ikey 3 okey 99 transport udp
2 | exists already					| a0 LR key 77
2 | exists already					| raw LR key 77
2 | mtu							| x LR key 77 mtu 65535
'

setting='
1 | write the NAME					|
1 | say what is to change				| raw
1 | unknown						| raw frobnicate 3
1 | too large; 1 to 255					| raw ttl 256
1 | too large; 0 to 4294967295				| udp key 4294967296
1 | too small; 1 to 65535				| udp sport 0
1 | said already					| raw seq noseq
2 | does not exist					| nosuch ttl 3
2 | of kind veth					| a0 ttl 3
2 | of no kind						| lo ttl 3
2 | of two families					| raw remote 2001:db8::2
2 | family cannot change			| raw local 2001:db8::1 remote 2001:db8::2
2 | no address of this host				| raw local 192.0.2.77
2 | no address of this host				| udp local 192.0.2.77
2 | remote is no unicast address			| raw remote 224.0.0.1
2 | the same as local					| raw remote 192.0.2.1
2 | the transport cannot change				| raw transport udp
2 | the transport cannot change				| udp transport raw
2 | the mode cannot change				| raw mode ether
2 | the socket cannot change				| raw fd 0
2 | raw transport has no ports				| raw sport 9
2 | let loops go on					| raw pmtudisc off ttl 9
2 | another device has this local, remote and ikey	| udp key 5
2 | another socket has this UDP port			| udp dport 7777
2 | mtu							| raw mtu 65535
2 | does not exist here					| raw dev nosuchdev
2 | dev is this device itself				| raw dev raw
'

deleting='
1 | write the NAME		|
1 | too many			| raw udp
2 | does not exist		| nosuch
2 | of kind veth		| a0
2 | of no kind			| lo
'

trim()		# text
{
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	echo "${text%"${text##*[![:space:]]}"}"
}

# All that the kernel knows of devices, their sockets and hooks. Nothing is up, so that
# nothing counts.
snapshot()
{
	ip -n "$HOST" -d link show
	gre "$HOST" show
	in_ns "$HOST" cat /proc/net/raw /proc/net/raw6 /proc/net/udp /proc/net/udp6 \
		/sys/module/vestige/refcnt
}

unchanged()
{
	local now
	now=$(snapshot)
	[ "$now" = "$before" ] || diff <(echo "$before") <(echo "$now")
}

# One line, on stderr alone; with -j the same as JSON on stdout alone; nothing changed.
check_row()	# exit pattern command...
{
	local want=$1 pattern=$2 rc said
	shift 2
	gre "$HOST" "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	rc=$?
	said=$(<"$TMP/err")
	echo "$said"
	[ "$rc" = "$want" ] || { echo "exit $rc instead of $want"; return 1; }
	[ ! -s "$TMP/out" ] || { echo "stdout should be empty"; return 1; }
	[[ $said == "vestige: "* && $said != *$'\n'* ]] ||
		{ echo "not one line of ours"; return 1; }
	[[ $said == *"$pattern"* ]] || { echo "does not say '$pattern'"; return 1; }
	in_ns "$HOST" "$VESTIGE" -j gre "$@" >"$TMP/out" 2>"$TMP/err" </dev/null
	rc=$?
	[ "$rc" = "$want" ] && [ ! -s "$TMP/err" ] &&
		[ "$(<"$TMP/out")" = "{\"error\":\"${said#vestige: }\"}" ] ||
		{ echo "with -j: $rc $(<"$TMP/out")"; return 1; }
	unchanged
}

run_table()	# command table
{
	local command=$1 want pattern line words i
	before=$(snapshot)
	while IFS='|' read -r want pattern line; do
		[ -n "$want" ] || continue
		my_turn || continue
		want=$(trim "$want") pattern=$(trim "$pattern") line=$(trim "$line")
		read -ra words <<<"${line//LR/local 192.0.2.1 remote 192.0.2.2}"
		for i in "${!words[@]}"; do
			[ "${words[i]}" != EMPTY ] || words[i]=
		done
		tap_test "$command $line: $pattern" \
			check_row "$want" "$pattern" "$command" "${words[@]}"
	done <<<"$2"
}

# A change of several things of which one is refused changes none of them.
all_or_nothing()
{
	before=$(snapshot)
	! gre "$HOST" set raw ttl 9 tos 0x20 key 9 remote 224.0.0.1 2>/dev/null || return 1
	! gre "$HOST" set udp ttl 9 dport 7777 2>/dev/null || return 1
	unchanged
}

# Only what is named.
one_thing()	# device words jq-path value
{
	local old new want
	old=$(gre_json "$HOST" "$1" 'del(.counters, .stats, .ifindex)')
	# shellcheck disable=SC2086	# words
	gre "$HOST" set $1 $2 || return 1
	new=$(gre_json "$HOST" "$1" 'del(.counters, .stats, .ifindex)')
	want=$(jq "$3" <<<"$old")
	same "$(jq -S . <<<"$new")" "$(jq -S . <<<"$want")"
}

changes='
raw | ttl 32			| .ttl = 32
raw | ttl inherit		| .ttl = "inherit"
raw | tos 0x20			| .tos = 32
raw | tos inherit		| .tos = "inherit"
raw | seq			| .seq = true | .mtu -= 4
raw | noseq			| .seq = false | .mtu += 4
raw | csum			| .csum = true | .mtu -= 4
raw | nocsum			| .csum = false | .mtu += 4
raw | pmtudisc off		| .pmtudisc = false
raw | pmtudisc on ttl 64 	| .pmtudisc = true | .ttl = 64
raw | key 9			| .ikey = 9 | .okey = 9 | .mtu -= 4
raw | okey 1.0.0.0		| .okey = 16777216
raw | noikey			| .ikey = null
raw | nokey			| .okey = null | .mtu += 4
raw | keepalive 3 4		| .keepalive = { "interval": 3, "count": 4 }
raw | keepalive off		| .keepalive = null
raw | remote 192.0.2.3		| .remote = "192.0.2.3"
raw | local 192.0.2.10		| .local = "192.0.2.10"
raw | dev a0			| .dev = "a0"
raw | nodev			| .dev = null
raw | mtu 1300			| .mtu = 1300
udp | sport 9999		| .sport = 9999
udp | sport auto		| .sport = "auto"
udp | dport 4755		| .dport = 4755
'

# The device's MTU follows its headers unless somebody has said what it should be.
run_changes()
{
	local device words expression
	while IFS='|' read -r device words expression; do
		[ -n "$expression" ] || continue
		expression=$(trim "$expression")
		tap_test "set $device$words changes nothing else" \
			one_thing "$(trim "$device")" "$(trim "$words")" "$expression"
	done <<<"$changes"
}

# What was said stays, also when it was so before.
mtu_said()
{
	local mtu
	gre "$HOST" add m0 local "$HOST4" remote 192.0.2.9 || return 1
	mtu=$(gre_json "$HOST" m0 .mtu)
	gre "$HOST" set m0 key 5 && same "$(gre_json "$HOST" m0 .mtu)" $((mtu - 4)) &&
		gre "$HOST" set m0 mtu $((mtu - 4)) && gre "$HOST" set m0 csum &&
		same "$(gre_json "$HOST" m0 .mtu)" $((mtu - 4)) && gre "$HOST" del m0
}

# What is shown can be said again, and makes the same device.
words_come_back()
{
	local first second words
	gre "$HOST" add w0 local 2001:db8::1 remote 2001:db8::9 transport udp sport 7 dport 8 \
		ikey 1 okey 2.3.4.5 csum seq ttl 9 tos 0x40 dev a0 keepalive 5 6 || return 1
	first=$(gre_json "$HOST" w0 'del(.ifindex)')
	words=$(gre "$HOST" show w0 | sed -n 2p)
	gre "$HOST" del w0
	# shellcheck disable=SC2086	# words
	gre "$HOST" add w0 $words || return 1
	second=$(gre_json "$HOST" w0 'del(.ifindex)')
	gre "$HOST" del w0
	same "$second" "$first"
}

keys='["adopted","carrier","counters","csum","dev","dport","ifindex","ikey","keepalive","local",
	"mode","mtu","name","netns","okey","pmtudisc","remote","seq","sport","stats","tos",
	"transport","ttl","up"]'

json_has_its_keys()
{
	"$VESTIGE" -n "$HOST" -j gre show |
		jq -e --argjson k "$keys" 'length == 3 and all(keys == $k)'
}

need_module
tap_start
setup_peer_topology || exit 1
ip -n "$HOST" addr add 192.0.2.10/24 dev a0
gre "$HOST" add raw local "$HOST4" remote "$PEER4" &&
	gre "$HOST" add udp local "$HOST4" remote "$PEER4" transport udp key 3 &&
	gre "$HOST" add udp5 local "$HOST4" remote "$PEER4" transport udp key 5 || exit 1
spawn "$HOST" "$TMP/holder" "$FLOW" -l -u -t 600000 192.0.2.1 7777
busywait "$WAIT" grep -q ready "$TMP/holder" >/dev/null
run_table add "$adding"
run_table set "$setting"
run_table del "$deleting"
tap_test "a change that is refused changes nothing" all_or_nothing
tap_test "JSON has the keys that it should have" json_has_its_keys
run_changes
tap_test "an MTU that was said stays" mtu_said
tap_test "what is shown can be said again" words_come_back
tap_finish
