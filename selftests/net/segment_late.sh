#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 3: late and wrong segments that meet TIME_WAIT. Each row is one
# segment and what comes back; the table runs with timestamps and without, and
# after each row the session must still stand, or have gone, as the row says.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

# Still TIME_WAIT: a FIN sent again is answered as ever.
STANDS='
probe FA seq=snd-1
expect A win=last'

# name | segment | answer | afterwards
table()
{
	cat <<'EOT'
old-data		PA seq=snd-11 len=10			ANSWER	STANDS
old-data-partly-new	PA seq=snd-5 len=10			ANSWER	STANDS
data-in-order		PA len=10				ANSWER	STANDS
data-in-order-with-fin	FPA len=10				ANSWER	STANDS
future-data		PA seq=snd+1000 len=10			ANSWER	STANDS
data-far-ahead		PA seq=snd+1000000000 len=10		ANSWER	STANDS
data-half-space-ahead	PA seq=snd+2147483647 len=10		ANSWER	STANDS
big-data		PA seq=snd-1401 len=1200		ANSWER	STANDS
data-without-ack	P seq=snd-11 len=10			ANSWER	STANDS
bare-ack		A					SILENCE	STANDS
bare-ack-wrong-ack	A ack=rcv+1000				SILENCE	STANDS
bare-ack-old-ack	A ack=rcv-1				SILENCE	STANDS
bare-ack-urgent		AU					SILENCE	STANDS
bare-ack-ece-cwr	AEC					SILENCE	STANDS
old-ack			A seq=snd-100				ANSWER	STANDS
keepalive		A seq=snd-1				ANSWER	STANDS
future-ack		A seq=snd+1				ANSWER	STANDS
window-probe		A seq=snd-1 win=0			ANSWER	STANDS
no-flags		- seq=snd				SILENCE	STANDS
no-flags-old		- seq=snd-1				ANSWER	STANDS
future-fin		FA seq=snd+1				ANSWER	STANDS
fin-in-order		FA					ANSWER	STANDS
fin-without-ack		F seq=snd-1				ANSWER	STANDS
rst			R					SILENCE	GONE
rst-with-ack		RA					SILENCE	GONE
rst-with-wrong-ack	RA ack=rcv+77				SILENCE	GONE
rst-with-data		R len=5					SILENCE	GONE
rst-with-fin		FRA					SILENCE	GONE
old-rst			R seq=snd-1				SILENCE	STANDS
future-rst		R seq=snd+1				SILENCE	STANDS
syn-with-rst		SR					SILENCE	GONE
syn-with-rst-new	SR seq=snd+1000				SILENCE	STANDS
syn-ack-in-order	SA					ANSWER	STANDS
syn-ack-old		SA seq=isn				ANSWER	STANDS
syn-ack-new		SA seq=snd+1000				ANSWER	STANDS
syn-old			S seq=isn				ANSWER	STANDS
syn-equal		S					ANSWER	STANDS
syn-new-no-listener	S seq=snd+1000				ANSWER	STANDS
syn-fin-no-listener	SF seq=snd+1000				ANSWER	STANDS
EOT
}

run_table()	# prefix prelude
{
	local name segment answer after
	while IFS=$'\t' read -r name segment answer after; do
		scenario "3/$1$name" "$2" "
probe $segment
${!answer}" "${!after}"
	done < <(table | sed 's/\t\t*/\t/g')
}

run_table "" "$CLIENT_TW"
run_table no-ts- "$CLIENT_TW_NOTS"

# --- checksums -------------------------------------------------------------

for segment in "FA seq=snd-1" "R" "RA" "A seq=snd-100" "PA len=10" "S seq=snd+1000"; do
	name=${segment//[^A-Za-z0-9]/}
	scenario "3/bad-checksum-$name" "$SERVER_TW" "
probe $segment badcsum
expect none
state TIME-WAIT" "$STANDS"
done

scenario 3/bad-ip-checksum "$SERVER_TW" '
set badipcsum on
probe R
expect none
set badipcsum off'

# --- PAWS ------------------------------------------------------------------

scenario 3/paws-bare-ack "$CLIENT_TW" '
probe A ts=ts-1
expect A win=last ecr=ts' "$STANDS"

scenario 3/paws-fin "$CLIENT_TW" '
probe FA seq=snd-1 ts=ts-1000
expect A win=last ecr=ts' "$STANDS"

scenario 3/paws-data "$CLIENT_TW" '
probe PA len=10 ts=ts-1
expect A win=last ecr=ts' "$STANDS"

scenario 3/paws-rst "$CLIENT_TW" '
probe R ts=ts-1
expect none' "$STANDS"

scenario 3/paws-new-syn "$SERVER_TW" '
probe S seq=snd+1000 ts=ts-1
expect A win=last ecr=ts' "$STANDS"

scenario 3/paws-syn-ack "$CLIENT_TW" '
probe SA seq=snd+1000 ts=ts-1
expect A win=last ecr=ts' "$STANDS"

scenario 3/same-timestamp-is-no-paws-failure "$CLIENT_TW" '
probe A ts=ts
expect none' "$STANDS"

# 2^31 away counts as newer, one less as older.
scenario 3/paws-just-under-half-the-space "$CLIENT_TW" '
probe A ts=ts-2147483647
expect A win=last ecr=ts' "$STANDS"

scenario 3/timestamp-half-the-space-away "$CLIENT_TW" '
mark half ts+2147483648
probe A ts=half
expect none
probe A ts=half seq=snd-1
expect A win=last ecr=half'

# A bare ACK in order moves ts_recent on; what is out of order does not.
scenario 3/ack-is-learnt-from "$CLIENT_TW" '
mark new ts+500
probe A ts=new
expect none
probe A ts=new-1
expect A win=last ecr=new'

scenario 3/future-ack-is-not-learnt-from "$CLIENT_TW" '
mark old ts
probe A seq=snd+1 ts=old+500
expect A win=last ecr=old
probe A ts=old
expect none'

scenario 3/wrapped-timestamps 'set ts 0-4' "$CLIENT" "$CLOSE" '
probe A ts=100
expect none
probe A ts=0-1
expect A win=last ecr=100'

# 0 once remembered is no reference: anything is newer, and answers carry none.
scenario 3/remembered-timestamp-0 'set ts 0-5' "$CLIENT" "$CLOSE" '
probe A ts=0
expect none
probe A seq=snd-1 ts=off
expect A win=last ts=none
probe A ts=0-1000
expect none
probe A seq=snd-1 ts=off
expect A win=last ecr=0-1000'

scenario 3/malformed-option "$CLIENT_TW" '
probe FA seq=snd-1 badopt
expect A win=last'
scenario 3/malformed-option-rst "$CLIENT_TW" '
probe R badopt
expect none' "$GONE"

# --- SYN, where somebody listens -------------------------------------------

scenario 3/syn-old-listener "$SERVER_TW" '
probe S seq=snd-1000 ts=ts
expect A win=last' "$STANDS"
scenario 3/syn-equal-listener "$SERVER_TW" '
probe S ts=ts
expect A win=last' "$STANDS"
scenario 3/syn-old-listener-without-timestamp "$SERVER_TW" '
probe S seq=snd-1000 ts=off
expect A win=last' "$STANDS"
scenario 3/syn-equal-listener-no-timestamps "$SERVER_TW_NOTS" '
probe S
expect A win=last' "$STANDS"
scenario 3/syn-over-half-the-space-ahead "$SERVER_TW_NOTS" '
probe S seq=snd+2147483649
expect A win=last' "$STANDS"
scenario 3/syn-ack-listener "$SERVER_TW" '
probe SA seq=snd+1000
expect A win=last' "$STANDS"

# --- RFC 1337 --------------------------------------------------------------

with net.ipv4.tcp_rfc1337=1
scenario 3/rfc1337-rst "$CLIENT_TW" '
probe R
expect none
state TIME-WAIT' "$STANDS"
scenario 3/rfc1337-rst-ack "$CLIENT_TW" '
probe RA
expect none' "$STANDS"
scenario 3/rfc1337-old-rst "$CLIENT_TW" '
probe R seq=snd-1
expect none' "$STANDS"
scenario 3/rfc1337-rst-no-timestamps "$CLIENT_TW_NOTS" '
probe R
expect none' "$STANDS"
# The RST is not obeyed, but its timestamp is learnt.
scenario 3/rfc1337-rst-is-learnt-from "$CLIENT_TW" '
mark new ts+500
probe R ts=new
expect none
probe A ts=new-1
expect A win=last ecr=new'

# --- rate limit ------------------------------------------------------------

with net.ipv4.tcp_invalid_ratelimit=2000
scenario 3/limit-old-acks "$CLIENT_TW" '
probe A seq=snd-100
expect A win=last
probe A seq=snd-100
expect none
probe A seq=snd-99
expect none
probe S seq=isn ts=off
expect none
pause 2100
probe A seq=snd-100
expect A win=last'
# Data and FIN are no part of an ACK loop.
scenario 3/limit-not-for-data "$CLIENT_TW" '
probe A seq=snd-100
expect A win=last
probe PA seq=snd-11 len=10
expect A win=last
probe PA seq=snd-11 len=10
expect A win=last' "$STANDS" "$STANDS"
scenario 3/limit-is-per-session-a "$CLIENT_TW" '
probe A seq=snd-100
expect A win=last'
scenario 3/limit-is-per-session-b "$CLIENT_TW" '
probe A seq=snd-100
expect A win=last'

run_scenarios
