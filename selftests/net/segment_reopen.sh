#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 4: an acceptable SYN reaches the listener and becomes a connection;
# one that turns out to be an old duplicate leaves TIME_WAIT standing.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

# The new connection is a whole one: data both ways, and an orderly end. Our
# ISN must be beyond all that the old connection sent (RFC 1122, 4.2.2.13).
REOPEN='
mark last rcv
open active
check last < irs
do use 0
do accept 2
state ESTAB
send PA len=10
expect A
do recv
do send 20
expect PA len=20
send A'

# A second life ends as the first one did, and is remembered as the first was.
AND_AGAIN='
do close
expect FA
send A
send FA
expect A
state TIME-WAIT
probe FA seq=snd-1
expect A win=last'

scenario 4/reopened "$SERVER_TW" '
set isn snd+1000' "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-no-timestamps "$SERVER_TW_NOTS" '
set isn snd+1000' "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-next-number "$SERVER_TW_NOTS" '
set isn snd+1' "$REOPEN"
scenario 4/reopened-half-the-space-ahead "$SERVER_TW_NOTS" '
set isn snd+2147483647' "$REOPEN"

# Exactly half the space ahead counts as ahead.
scenario 4/reopened-exactly-half-the-space-ahead "$SERVER_TW_NOTS" '
set isn snd+2147483648' "$REOPEN"

# With timestamps the sequence number may be anything (RFC 6191).
scenario 4/reopened-equal-number-newer-timestamp "$SERVER_TW" '
set isn snd' "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-old-number-newer-timestamp "$SERVER_TW" '
set isn snd-100000' "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-same-isn-newer-timestamp "$SERVER_TW" "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-new-number-same-timestamp "$SERVER_TW" '
set isn snd+1000
set ts ts' "$REOPEN"

# The new connection need not agree on the same options.
scenario 4/reopened-without-timestamps "$SERVER_TW" '
set ts off
set isn snd+1000' "$REOPEN" "$AND_AGAIN"
scenario 4/reopened-with-timestamps "$SERVER_TW_NOTS" '
set ts 100
set isn snd+1000' "$REOPEN" "$AND_AGAIN"

scenario 4/reopened-twice "$SERVER_TW" '
set isn snd+1000' "$REOPEN" "$AND_AGAIN" '
set isn snd+1000' "$REOPEN" "$AND_AGAIN"

# Once the first connection was the host's own, and a listener came later.
scenario 4/reopened-after-client "$TS" 'do reuse 1' "$CLIENT" "$CLOSE" '
do reuse 1
do bind @any @hport
do listen
set isn snd+1000' '
open active
do accept 2
state ESTAB'

# The SYN is sent again before our SYN-ACK has arrived.
scenario 4/syn-sent-twice "$SERVER_TW" '
set isn snd+1000
syn
probe S seq=isn
expect none 20
send A
do use 0
do accept 2
state ESTAB'

# The peer aborts the new connection. Nothing remains of either.
scenario 4/reopened-then-reset "$SERVER_TW" '
set isn snd+1000' "$REOPEN" '
send R
state none
probe A
expect R seq=rcv'

# The peer ends the new connection first: the host has nothing to remember.
scenario 4/reopened-peer-closes-first "$SERVER_TW" '
set isn snd+1000' "$REOPEN" '
send FA
expect A
do close
expect FA
send A
state none'

# Old segments of the first connection meet the second.
scenario 4/old-data-meets-new-connection "$SERVER_TW" '
mark old snd
set isn snd+100000' "$REOPEN" '
probe PA seq=old-10 len=10
expect A
state ESTAB'

# --- old duplicates --------------------------------------------------------
#
# The peer knows nothing of the SYN and resets our SYN-ACK. Stock Linux has
# given TIME_WAIT up by then and has nothing left; vestige goes back to it.

BACK='
stock: state none
stock: probe A seq=old ack=hold
stock: expect R seq=hold
vestige: pause 3300
vestige: state TIME-WAIT
vestige: probe FA seq=old-1 ack=hold
vestige: expect A seq=hold ack=old'

MARK='
mark old snd
mark hold rcv'

scenario 4/old-duplicate-is-reset "$SERVER_TW" "$MARK" '
set isn snd+1000
syn
vestige: record REOPENING
probe R' "$BACK"
scenario 4/old-duplicate-is-reset-no-timestamps "$SERVER_TW_NOTS" "$MARK" '
set isn snd+1000
syn
vestige: record REOPENING
probe R' "$BACK"

# Nothing at all follows our SYN-ACK.
scenario 4/old-duplicate-and-silence "$SERVER_TW" "$MARK" '
set isn snd+1000
syn
vestige: record REOPENING
stock: state SYN-RECV
vestige: pause 3300
vestige: record TIME-WAIT'

# --- not acceptable, or nobody there ---------------------------------------

scenario 4/no-listener-any-more "$SERVER_TW" '
do use 0
do close
probe S seq=snd+1000
expect A win=last
state TIME-WAIT'
scenario 4/syn-with-data "$SERVER_TW" '
mark last rcv
set isn snd+1000
mark first isn
probe S seq=isn len=10
expect SA seq=any ack=isn+1
vestige: record REOPENING'
scenario 4/syn-with-fin "$SERVER_TW" '
probe SF seq=snd+1000
expect none
stock: state none
vestige: record REOPENING'
scenario 4/syn-with-ecn "$SERVER_TW" '
set isn snd+1000
probe SEC seq=isn
expect SAE seq=any ack=isn+1'

# Switched off, a SYN costs the session its TIME_WAIT as with stock Linux.
with reopen_off
scenario 4/reopen-off "$SERVER_TW" '
set isn snd+1000' "$REOPEN" "$AND_AGAIN"
scenario 4/reopen-off-old-duplicate "$SERVER_TW" "$MARK" '
set isn snd+1000
syn
probe R
state none'

run_scenarios
