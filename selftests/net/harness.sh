#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A test that cannot fail is a defect: each kind of assertion of peer(1) is
# broken here once, and must say so. Nor may one fail by chance: peer(1) and the
# host's programs keep their order. Runs on stock Linux only.
set -u
BACKEND=stock
FAMILIES=4
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

complaints=()

# must_fail NAME COMPLAINT SCRIPT...: a part of what it must complain about.
must_fail()
{
	local name=$1
	complaints+=("$2")
	shift 2
	scenario "harness/$name" "$@"
}

AGAIN='
probe FA seq=snd-1'

must_fail ack 'ack is' "$CLIENT_TW" "$AGAIN" 'expect A ack=snd+1'
must_fail default-ack 'ack is' "$CLIENT_TW" 'mark n snd' "$AGAIN" 'set isn snd+1' 'expect A'
must_fail seq 'seq is' "$CLIENT_TW" "$AGAIN" 'expect A seq=rcv-1'
must_fail window 'win is' "$CLIENT_TW" "$AGAIN" 'expect A win=12'
must_fail flags 'another segment' "$CLIENT_TW" "$AGAIN" 'expect FA'
must_fail echo 'ecr is' "$CLIENT_TW" "$AGAIN" 'expect A ecr=ts'
must_fail no-timestamp 'ts is ms' "$CLIENT_TW" "$AGAIN" 'expect A ts=none'
must_fail timestamp 'ts is none' "$CLIENT_TW_NOTS" "$AGAIN" 'expect A ts=ms'
must_fail clock 'ts is ms' "$CLIENT_TW" 'pause 200' "$AGAIN" 'expect A ts=usec'
must_fail length 'len is' "$CLIENT_TW" "$AGAIN" 'expect A len=1'
must_fail nothing 'expected nothing' "$CLIENT_TW" "$AGAIN" 'expect none'
must_fail something 'nothing came' "$CLIENT_TW" 'probe A' 'expect A within 100'
must_fail state 'state is TIME-WAIT' "$CLIENT_TW" 'state none'
must_fail left 'ms are left' "$CLIENT_TW" 'state TIME-WAIT left<1000'
must_fail sock 'err close' "$CLIENT_TW" 'do close'
must_fail run 'failed: false' "$CLIENT_TW" 'run false'
must_fail check 'ahead of' "$CLIENT_TW" 'check snd+1 < snd'
must_fail handshake 'no SYN came' 'open passive'
must_fail word 'not a number' "$CLIENT_TW" 'probe A seq=nobody'
must_fail command 'no such command' 'foo'

# A frame with a wrong checksum comes from the host's side.
wrong_csum="run echo probe A badcsum | nsenter --net=/run/netns/\$HOST
	$TOOLS/peer -i a0 -m $HOST_MAC -M $PEER_MAC -a @host -A @peer -p @hport -P @pport"
must_fail checksum 'wrong TCP checksum' "$TS" "$CLIENT" "${wrong_csum//$'\n'/ }" 'expect A'

# What was sent is dealt with before a program of the host goes on, also where a
# kernel thread that the peer keeps waiting polls the device.
with one_batch
complaints+=("")
scenario harness/in-order "$TS" "$CLIENT" '
do send 20
expect PA len=20
send A
do close
expect FA ecr=ts'

tap_start
export HOST
run_backend stock >"$TMP/backend.log" 2>&1
tap_result $? "stock" "$(cat "$TMP/backend.log")"
for i in "${!names[@]}"; do
	log=$TMP/stock.$i.4
	if [ -z "${complaints[i]}" ]; then
		[ "$(cat "$log.rc")" = 0 ]
		tap_result $? "${names[i]}" "$(cat "$log")"
		continue
	fi
	[ "$(cat "$log.rc")" = 1 ] && grep -q "^! .*${complaints[i]}" "$log"
	tap_result $? "${names[i]} complains" "$(cat "$log")"
done

# The comparison of two back ends: what differs must be listed, and the reverse.
verdict()	# "stock lines" "vestige lines" name
{
	names=("$3")
	echo "$1" >"$TMP/stock.0.4"
	echo "$2" >"$TMP/xdp.0.4"
	compare xdp 0 4 "$3" | head -n 1
}

read_differences
same=$(verdict "< A seq=1" "< A seq=1" harness/unlisted)
[[ $same == ok* ]]
tap_result $? "harness/same-passes" "$same"
other=$(verdict "< A seq=1" "< A seq=2" harness/unlisted)
[[ $other == "not ok"* ]]
tap_result $? "harness/difference-fails" "$other"
listed=$(awk -F '\t+' '/^[0-9]/ { print $1; exit }' "$NET_DIR/differences")
other=$(verdict "< A seq=1" "< A seq=2" "$listed")
[[ $other == ok* ]]
tap_result $? "harness/listed-difference-passes" "$other"
same=$(verdict "< A seq=1" "< A seq=1" "$listed")
[[ $same == "not ok"* ]]
tap_result $? "harness/listed-but-the-same-fails" "$same"

tap_finish
