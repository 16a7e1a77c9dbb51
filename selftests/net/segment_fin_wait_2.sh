#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 5, data after close on an orphan; and behaviour 3 for the substate
# FIN_WAIT_2: late and wrong segments before the peer's FIN has come.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

# Without the pause what follows may be in one batch with the ACK, see 2/batch-*.
ORPHAN='
do close
expect FA
send A
pause 10'
CLIENT_ORPHAN="$TS$CLIENT$ORPHAN"
CLIENT_ORPHAN_NOTS="$CLIENT$ORPHAN"
SERVER_ORPHAN="$TS$SERVER$ORPHAN"

# The peer's FIN is taken as ever, and TIME_WAIT follows.
STANDS='
send FA
expect A win=last
probe FA seq=snd-1
expect A win=last'

# name | segment | answer | afterwards. The window is at least 63 << 10.
table()
{
	cat <<'EOT'
bare-ack		A				SILENCE	STANDS
bare-ack-again		A ack=rcv-1			SILENCE	STANDS
no-flags		-				SILENCE	STANDS
data			PA len=10			RESET	GONE
data-with-fin		FPA len=10			RESET	GONE
data-partly-old		PA seq=snd-5 len=10		RESET	GONE
data-ahead		PA seq=snd+100 len=10		RESET	GONE
data-at-window-end	PA seq=snd+63000 len=1400	RESET	GONE
fin-ahead		FA seq=snd+100			RESET	GONE
old-data		PA seq=snd-11 len=10		ANSWER	STANDS
old-ack			A seq=snd-1			ANSWER	STANDS
old-fin			FA seq=snd-2			ANSWER	STANDS
data-past-window	PA seq=snd+70000 len=10		ANSWER	STANDS
data-far-ahead		PA seq=snd+1000000000 len=10	ANSWER	STANDS
data-without-ack	P len=10			SILENCE	STANDS
fin-without-ack		F				SILENCE	STANDS
rst			R				SILENCE	GONE
rst-with-ack		RA				SILENCE	GONE
rst-in-window		R seq=snd+1000			SILENCE	GONE
rst-old			R seq=snd-1			ANSWER	STANDS
rst-past-window		R seq=snd+70000			ANSWER	STANDS
syn-old			S seq=isn			ANSWER	STANDS
syn-ack-old		SA seq=isn			ANSWER	STANDS
syn-past-window		S seq=snd+70000			ANSWER	STANDS
EOT
}

run_table()	# prefix prelude
{
	local name segment answer after
	while IFS=$'\t' read -r name segment answer after; do
		scenario "5/$1$name" "$2" "
probe $segment
${!answer}" "${!after}"
	done < <(table | sed 's/\t\t*/\t/g')
}

run_table "" "$CLIENT_ORPHAN"
run_table no-ts- "$CLIENT_ORPHAN_NOTS"

# A SYN without ACK is answered with a RST that acknowledges it.
scenario 5/syn "$CLIENT_ORPHAN" '
probe S
expect RA seq=0 ack=snd+1
state none'
scenario 5/syn-in-window-no-timestamps "$CLIENT_ORPHAN_NOTS" '
probe S seq=snd+100
expect RA seq=0 ack=snd+101
state none'
scenario 5/syn-ack-in-window "$CLIENT_ORPHAN" '
probe SA
expect R seq=rcv
state none'
scenario 5/syn-listener "$SERVER_ORPHAN" '
probe S seq=snd+100
expect RA seq=0 ack=snd+101
state none'
scenario 5/data-listener "$SERVER_ORPHAN" '
probe PA len=10
expect R seq=rcv
state none'

# Data before our FIN is acknowledged: the socket is still there.
scenario 5/data-in-fin-wait-1 "$TS" "$CLIENT" '
do close
expect FA
probe PA len=10 ack=rcv-1
expect R seq=rcv-1
state none'

# The ACK of our FIN comes together with data.
scenario 5/data-with-the-ack-of-our-fin "$TS" "$CLIENT" '
do close
expect FA
probe PA len=10
vestige: expect none
vestige: probe PA len=10
expect R seq=rcv
state none'

# Data after close does no harm once it was in TIME_WAIT: it is only answered.
scenario 5/data-in-time-wait "$CLIENT_TW" '
probe PA len=10
expect A win=last
state TIME-WAIT'

# --- the FIN of the peer ---------------------------------------------------

scenario 5/fin-listener "$SERVER_ORPHAN" '
state FIN-WAIT-2' "$STANDS" '
state TIME-WAIT'
scenario 5/fin-moves-ts-recent "$CLIENT_ORPHAN" '
mark new ts+700
send FA ts=new
expect A win=last ecr=new
probe FA seq=snd-1
expect A win=last ecr=new'
scenario 5/fin-without-its-timestamp "$CLIENT_ORPHAN" '
mark old ts
send FA ts=off
expect A win=last ecr=old'
scenario 5/timestamps-go-on "$CLIENT_ORPHAN" '
pause 200
send FA
expect A win=last ts=ms'
scenario 5/sequence-wraps-with-the-fin 'set isn 0-2' "$CLIENT_ORPHAN" "$STANDS"
scenario 5/window-wraps 'set isn 0-1000' "$CLIENT_ORPHAN" '
probe A seq=snd+2000
expect none
probe R seq=snd+2000
expect none
state none'

# --- checksums -------------------------------------------------------------

for segment in "FA" "R" "PA len=10" "S" "A seq=snd-100"; do
	name=${segment//[^A-Za-z0-9]/}
	scenario "5/bad-checksum-$name" "$SERVER_ORPHAN" "
probe $segment badcsum
expect none
state FIN-WAIT-2" "$STANDS"
done

# --- PAWS ------------------------------------------------------------------

scenario 5/paws-ack "$CLIENT_ORPHAN" '
probe A ts=ts-1
expect A win=last ecr=ts' "$STANDS"
scenario 5/paws-fin "$CLIENT_ORPHAN" '
probe FA ts=ts-1
expect A win=last ecr=ts
state FIN-WAIT-2' "$STANDS"
scenario 5/paws-data "$CLIENT_ORPHAN" '
probe PA len=10 ts=ts-1
expect A win=last ecr=ts' "$STANDS"
scenario 5/paws-rst "$CLIENT_ORPHAN" '
probe R ts=ts-1
expect A win=last ecr=ts' "$STANDS"
scenario 5/paws-syn "$CLIENT_ORPHAN" '
probe S ts=ts-1
expect A win=last ecr=ts' "$STANDS"

scenario 5/malformed-option-data "$CLIENT_ORPHAN" '
probe PA len=10 badopt
pause 60
state none'
scenario 5/malformed-option-fin "$CLIENT_ORPHAN" '
send FA badopt
expect A win=last'

# --- sysctls ---------------------------------------------------------------

with net.ipv4.tcp_rfc1337=1
scenario 5/rfc1337-has-no-say-in-fin-wait-2 "$CLIENT_ORPHAN" '
probe R
expect none
state none'

with net.ipv4.tcp_timestamps=0
scenario 5/timestamps-off "$CLIENT_ORPHAN" "$STANDS"

with net.ipv4.tcp_invalid_ratelimit=2000
scenario 5/limit-old-acks "$CLIENT_ORPHAN" '
probe A seq=snd-100
expect A win=last
probe A seq=snd-100
expect none
probe S seq=isn ts=off
expect none
probe PA seq=snd-11 len=10
expect A win=last' "$STANDS"

# Longer than TIME_WAIT: stock keeps the full socket for the difference.
with net.ipv4.tcp_fin_timeout=120
scenario 5/long-fin-timeout "$CLIENT_ORPHAN" '
state FIN-WAIT-2' "$STANDS" '
state TIME-WAIT'

with net.ipv4.tcp_fin_timeout=2
scenario 5/short-fin-timeout "$CLIENT_ORPHAN" '
state FIN-WAIT-2
pause 2600
state none
probe FA
expect R seq=rcv'
scenario 5/fin-just-before-the-timeout "$CLIENT_ORPHAN" '
pause 1200' "$STANDS" '
pause 1300
state TIME-WAIT'

run_scenarios
