#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# devices_follow.sh - devices.sh by `vestige rtcache follow`, on a kernel that has VLANs and
# the module: without the module devices.sh does so itself.
KEEPER=follow exec "$(dirname "$0")/devices.sh"
