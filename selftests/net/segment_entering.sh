#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 1: what enters TIME_WAIT or FIN_WAIT_2, and what must not.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

# FIN_WAIT_2, then the peer's FIN: the socket was not closed in between.
scenario 1/from-fin-wait-2 "$TS" "$CLIENT" '
do shutdown wr
expect FA
send A
send FA
expect A
do recv
do close
state TIME-WAIT
probe FA seq=snd-1
expect A win=last ecr=ts-1
'

scenario 1/from-fin-wait-2-server "$SERVER_TW" '
state TIME-WAIT
probe FA seq=snd-1
expect A win=last
'

scenario 1/from-fin-wait-2-no-timestamps "$CLIENT_TW_NOTS" '
state TIME-WAIT
probe FA seq=snd-1
expect A win=last ts=none
'

# Both FINs cross; the ACK of ours comes last.
scenario 1/simultaneous-close "$TS" "$CLIENT" '
do close
expect FA
send FA ack=rcv-1
expect A
state CLOSING
send A
state TIME-WAIT
probe FA seq=snd-1
expect A win=last
'

# A FIN that acknowledges ours: FIN_WAIT_1 to TIME_WAIT in one step.
scenario 1/fin-and-ack-together "$TS" "$CLIENT" '
do close
expect FA
send FA
expect A
state TIME-WAIT
probe FA seq=snd-1
expect A win=last
'

scenario 1/orphan-fin-wait-2-gets-its-fin "$TS" "$CLIENT" '
do close
expect FA
send A
state FIN-WAIT-2
send FA
expect A win=last
state TIME-WAIT
probe FA seq=snd-1
expect A win=last
'

scenario 1/orphan-fin-wait-2-no-timestamps "$SERVER" '
do close
expect FA
send A
state FIN-WAIT-2
send FA
expect A win=last ts=none
state TIME-WAIT
'

# Data went both ways before, and sequence numbers pass 2^32 on the way.
scenario 1/wrap-around-with-data 'set isn 0-150' "$TS" "$CLIENT" '
do send 100
expect PA len=100
send PA len=200
expect A
do recv
do close
expect FA
send A
send FA
expect A
state TIME-WAIT
probe FA seq=snd-1
expect A win=last
'

# Not TIME_WAIT: what follows is for no connection, and is reset.
scenario 1/none-after-rst "$TS" "$CLIENT" '
send R
' "$GONE"

scenario 1/none-after-rst-in-fin-wait-1 "$TS" "$CLIENT" '
do close
expect FA
send R
' "$GONE"

scenario 1/none-after-rst-in-closing "$TS" "$CLIENT" '
do close
expect FA
send FA ack=rcv-1
expect A
send R
' "$GONE"

scenario 1/none-after-linger-0 "$TS" "$CLIENT" '
do linger 0
do close
expect RA
' "$GONE"

# Unread data at close is an abort too (RFC 2525, 2.17).
scenario 1/none-after-close-with-unread-data "$TS" "$CLIENT" '
send PA len=10
expect A
do close
expect RA
' "$GONE"

scenario 1/none-after-last-ack "$TS" "$CLIENT" '
send FA
expect A
do close
expect FA
send A
' "$GONE"

# Half closed, and then it comes to an end that is none.
HALF="$TS$CLIENT"'
do shutdown wr
expect FA
send A
'

scenario 1/none-after-rst-in-fin-wait-2 "$HALF" '
send R
' "$GONE"

scenario 1/none-after-linger-0-in-fin-wait-2 "$HALF" '
do linger 0
do close
expect RA
' "$GONE"

scenario 1/none-after-unread-data-in-fin-wait-2 "$HALF" '
send PA len=10
expect A
do close
expect RA
' "$GONE"

# FIN_WAIT_1 that gives up: nothing acknowledges the FIN.
scenario 1/none-after-timeout "$TS" "$CLIENT" '
do user-timeout 300
do send 10
expect PA len=10
do close
expect FA
pause 3000
' 'state none
probe A
expect R seq=rcv'

# TCP_LINGER2 below 0: no FIN_WAIT_2 for orphans at all.
scenario 1/none-after-negative-linger2 "$TS" "$CLIENT" '
do linger2 -1
do close
expect FA
send A
expect R
state none
'

# With more than a minute to wait an orphan stays a full socket at first.
with net.ipv4.tcp_fin_timeout=120
scenario 1/none-after-rst-on-a-full-orphan "$TS" "$CLIENT" '
do close
expect FA
send A
state FIN-WAIT-2
send R
' "$GONE"
scenario 1/full-orphan-gets-its-fin "$TS" "$CLIENT" '
do close
expect FA
send A
state FIN-WAIT-2
send FA
expect A win=last
state TIME-WAIT
probe FA seq=snd-1
expect A win=last'

run_scenarios
