#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 3 and 5 by comparison: random late segments, several for a session,
# at TIME_WAIT and FIN_WAIT_2. Nothing is expected but that stock Linux and
# vestige say the same.
#
#   COUNT=N	sessions per family
#   SEED=N	the first of them; a failing test names its own
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

COUNT=${COUNT:-72}
SEED=${SEED:-1}

ORPHAN='
do close
expect FA
send A
pause 10'

# A TSval of 0 is newer then, and 0 is special once it is remembered.
NEAR_0='set ts 0-6'

# Numbers next to every border of the rules, and one of them is far away. There
# is no listener: where a SYN goes is what segment_reopen.sh is about.
random_segments()	# seed
{
	awk -v seed="$1" '
	function pick(list,	n, parts) {
		n = split(list, parts, " ")
		return parts[1 + int(rand() * n)]
	}
	BEGIN {
		srand(seed)
		flags = "A A A A FA FA PA PA R RA S SA FPA F - SR SF FRA SFA AU"
		seqs = "0 0 0 -1 -1 -11 +1 +10 +1000 -70000" \
			" +64511 +64512 +64513 +65535 +65536 +65537" \
			" +1000000000 +2147483647 +2147483648 -2147483647"
		stamps = "next next next next off ts ts-1 ts-1000 ts+100000" \
			" ts+2147483647 ts+2147483648 0"
		for (i = 0; i < 7; i++) {
			seq = pick(seqs)
			line = "probe " pick(flags)
			line = line " seq=snd" (seq == "0" ? "" : seq)
			line = line " len=" pick("0 0 0 1 10 10 100")
			stamp = pick(stamps)
			line = line (stamp == "next" ? "" : " ts=" stamp)
			line = line (rand() < 0.1 ? " badcsum" : "")
			line = line (rand() < 0.1 ? " ack=rcv" pick("-1 +1 +70000") : "")
			print line "\ncollect 25"
		}
	}'
}

for ((seed = SEED; seed < SEED + COUNT; seed++)); do
	case $((seed % 6)) in
	0) prelude=$CLIENT_TW_NOTS ;;
	1) prelude=$CLIENT_TW ;;
	2) prelude=$CLIENT$ORPHAN ;;
	3) prelude=$TS$CLIENT$ORPHAN ;;
	4) prelude=$NEAR_0$CLIENT$CLOSE ;;
	5) prelude=$NEAR_0$CLIENT$ORPHAN ;;
	esac
	scenario "random/$seed" "$prelude" "$(random_segments "$seed")"
done

run_scenarios
