#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 2: a FIN sent again is answered, and 2MSL begins again, boundedly.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

FIN_AGAIN='
probe FA seq=snd-1
expect A win=last'

scenario 2/fin-again "$CLIENT_TW" "$FIN_AGAIN"
scenario 2/fin-again-server "$SERVER_TW" "$FIN_AGAIN"
scenario 2/fin-again-no-timestamps "$CLIENT_TW_NOTS" "$FIN_AGAIN"
scenario 2/fin-again-three-times "$CLIENT_TW" "$FIN_AGAIN" "$FIN_AGAIN" "$FIN_AGAIN"

# The last segment again, data and FIN.
scenario 2/fin-again-with-data "$TS" "$CLIENT" '
send PA len=10
expect A
do recv
' "$CLOSE" '
probe FPA seq=snd-11 len=10
expect A win=last'

# The window is what the session had last, scaled as it had agreed.
scenario 2/fin-again-no-window-scaling 'set wscale off' "$CLIENT_TW" "$FIN_AGAIN"
scenario 2/fin-again-odd-window "$TS" 'do rcvbuf 9999' "$CLIENT" '
send PA len=1000
expect A
do recv
' "$CLOSE" "$FIN_AGAIN"

# Once it was half closed, the receive window went down by what is unread.
scenario 2/fin-again-after-data-in-fin-wait-2 "$TS" "$CLIENT" '
do shutdown wr
expect FA
send A
send PA len=1400
expect A
do recv
send FA
expect A
do close' "$FIN_AGAIN"

# Nothing of how the late segment was marked goes into the answer.
scenario 2/fin-again-in-marked-packet "$CLIENT_TW" 'set tos 187' "$FIN_AGAIN"
scenario 2/fin-again-of-marked-socket "$TS" 'do tos 184' "$CLIENT" "$CLOSE" "$FIN_AGAIN"

# The TSval goes on by the same clock, and the echo is the last TSval that was
# in order: a FIN sent again is not.
scenario 2/timestamps-go-on "$CLIENT_TW" '
pause 200
probe FA seq=snd-1
expect A win=last ts=ms ecr=ts-1
probe A
expect none
probe FA seq=snd-1
expect A win=last ts=ms ecr=ts-1'

# The session has timestamps, the late segment has none: not a PAWS failure.
scenario 2/fin-again-without-its-timestamp "$CLIENT_TW" '
probe FA seq=snd-1 ts=off
expect A win=last ecr=ts'

scenario 2/fin-again-with-unasked-timestamp "$CLIENT_TW_NOTS" '
probe FA seq=snd-1 ts=77 ecr=88
expect A win=last ts=none'

scenario 2/peer-timestamps-are-microseconds 'set tsstep 100000' "$CLIENT_TW" "$FIN_AGAIN"
scenario 2/peer-timestamps-wrap 'set ts 0-3' "$CLIENT" "$CLOSE" '
pause 20' "$FIN_AGAIN"

# ts_recent 0 is "no timestamp yet" to Linux, and its ACK has no option then.
scenario 2/peer-timestamps-are-0 'set tsstep 0' 'set ts 0' "$CLIENT" '
do close
expect FA
send A
send FA
expect A ts=none
probe FA seq=snd-1
expect A win=last ts=none'

# 2MSL begins again with what Linux takes for it: stock has 60 s, an on-link
# peer has 10 s with vestige. What is left is looked at within a second.
AGED='
pause 1500
stock: state TIME-WAIT left<59000
vestige: state TIME-WAIT left<8600'
YOUNG='
stock: state TIME-WAIT left>58999
vestige: state TIME-WAIT left>8800'

scenario 2/fin-restarts-2msl "$CLIENT_TW" "$AGED" "$FIN_AGAIN" "$YOUNG"
scenario 2/ack-restarts-2msl "$CLIENT_TW" "$AGED" '
probe A
expect none' "$YOUNG"
scenario 2/paws-old-syn-restarts-2msl "$CLIENT_TW" "$AGED" '
probe S seq=snd-100 ts=ts-100
expect A' '
stock: state TIME-WAIT left>58999
vestige: state TIME-WAIT left>8800'
scenario 2/old-syn-without-timestamp-does-not-restart-2msl "$CLIENT_TW" "$AGED" '
probe S seq=snd-100 ts=off
expect A' '
stock: state TIME-WAIT left<59000
vestige: state TIME-WAIT left<8600'
scenario 2/old-rst-does-not-restart-2msl "$CLIENT_TW" "$AGED" '
probe R seq=snd-100
expect none
stock: state TIME-WAIT left<59000
vestige: state TIME-WAIT left<8600'

# Linux lets any duplicate prolong TIME_WAIT for ever; vestige so many times.
with two_restarts
scenario 2/restarts-are-bounded "$CLIENT_TW" '
pause 1500' "$FIN_AGAIN" "$YOUNG" '
pause 1500' "$FIN_AGAIN" "$YOUNG" '
pause 1500' "$FIN_AGAIN" '
vestige: state TIME-WAIT left<8600
stock: state TIME-WAIT
pause 1500' "$FIN_AGAIN" '
vestige: state TIME-WAIT left<7100
stock: state TIME-WAIT left>58999'

# The peer's ACK of our FIN and its own FIN come in one batch: a hook sees both
# before the stack has seen one.
with one_batch
scenario 2/batch-ack-and-fin "$CLIENT_TW" "$FIN_AGAIN" '
state TIME-WAIT'
scenario 2/batch-ack-and-fin-server-no-timestamps "$SERVER_TW_NOTS" "$FIN_AGAIN" '
state TIME-WAIT'
scenario 2/batch-fin-fin "$TS" "$CLIENT" '
do close
expect FA
send FA
probe FA seq=snd-1
expect A
stock: expect A win=last
vestige: expect none' "$FIN_AGAIN" '
state TIME-WAIT'
scenario 2/batch-ack-and-data-after-close "$TS" "$CLIENT" '
do close
expect FA
send A
probe PA len=10
vestige: expect none
vestige: probe PA len=10
expect R seq=rcv
state none'

with net.ipv4.tcp_timestamps=0
scenario 2/timestamps-off "$CLIENT_TW" "$FIN_AGAIN"
scenario 2/timestamps-off-server "$SERVER_TW" "$FIN_AGAIN"

# Microsecond timestamps are a feature of the route (Linux 6.7 and later).
with usec_route
scenario 2/timestamps-in-microseconds 'set host-usec on' "$TS" "$CLIENT" '
pause 200
do close
expect FA
send A
send FA
expect A
pause 300
probe FA seq=snd-1
expect A win=last ts=usec ecr=ts-1'

run_scenarios
