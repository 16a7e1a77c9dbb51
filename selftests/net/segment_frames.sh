#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Behaviour 10, seen from the peer: late segments in unusual frames. Each row is
# how the frame is dressed, what the segment is and what comes back.
set -u
# shellcheck source-path=SCRIPTDIR source=scenario.sh
. "$(dirname "$0")/scenario.sh"

STANDS='
set ipopt off
set ext off
set frag 0
set pad 0
set vlan off
set dmac 02:00:00:00:00:01
probe FA seq=snd-1
expect A win=last'

# name | dress
table()
{
	cat <<'EOT'
padded			set pad 6
much-padding		set pad 200
ip-options		set ipopt on
hop-by-hop		set ext hop
destination-options	set ext dst
routing-header		set ext rt
all-extensions		set ext hop,dst,rt,dst
priority-tag		set vlan 0
EOT
}

while IFS=$'\t' read -r name dress; do
	scenario "10/fin-$name" "$CLIENT_TW" "$dress" '
probe FA seq=snd-1
expect A win=last' "$STANDS"
	scenario "10/fin-in-fin-wait-2-$name" "$TS" "$CLIENT" '
do close
expect FA
send A' "$dress" '
send FA
expect A win=last'
	scenario "10/old-data-$name" "$CLIENT_TW_NOTS" "$dress" '
probe PA seq=snd-101 len=100
expect A win=last' "$STANDS"
	scenario "10/bare-ack-$name" "$CLIENT_TW" "$dress" '
probe A
expect none' "$STANDS"
	scenario "10/rst-$name" "$CLIENT_TW" "$dress" '
probe R
expect none
state none'
	scenario "10/reopened-$name" "$SERVER_TW" "$dress" '
set isn snd+1000
open active
do use 0
do accept 2
state ESTAB'
	scenario "10/bad-checksum-$name" "$SERVER_TW" "$dress" '
probe R badcsum
expect none
state TIME-WAIT'
done < <(table | sed 's/\t\t*/\t/g')

# Frames of a VLAN that the host is not in are not for it.
scenario 10/foreign-vlan "$CLIENT_TW" '
set vlan 77
probe FA seq=snd-1
expect none
probe R
expect none' "$STANDS" '
state TIME-WAIT'
scenario 10/foreign-vlan-stack "$CLIENT_TW" '
set vlan 77,78
probe R
expect none' "$STANDS" '
state TIME-WAIT'

# Nor are frames for another station, which a hub or a promiscuous device lets in.
for mac in 02:00:00:00:00:77 ff:ff:ff:ff:ff:ff 01:00:5e:00:00:01; do
	scenario "10/foreign-mac-$mac" "$CLIENT_TW" "
set dmac $mac" '
probe FA seq=snd-1
expect none
probe R
expect none' "$STANDS" '
state TIME-WAIT'
done

# A fragment has no ports, or only a part of the TCP header, to go by.
scenario 10/fragmented-old-data "$CLIENT_TW" '
set frag 40
probe PA seq=snd-101 len=100
stock: expect A
vestige: expect none' "$STANDS"
scenario 10/fragmented-header "$CLIENT_TW" '
set frag 24
probe PA seq=snd-101 len=100
stock: expect A
vestige: expect none' "$STANDS"

run_scenarios
