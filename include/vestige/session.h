/* SPDX-License-Identifier: GPL-2.0 */
/*
 * session.h - one remembered session: its word, its times, its hash.
 *
 * Pure functions; BPF, the command, the unit tests and the fuzzer share them.
 * `now` is CLOCK_MONOTONIC in milliseconds, 64 bits, everywhere.
 */
#ifndef VESTIGE_SESSION_H
#define VESTIGE_SESSION_H

#include "vtw.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define VTW_EXPIRES_MASK	((1u << VTW_EXPIRES_BITS) - 1)

/* How long an acceptable SYN has until its connection must be established. */
#define VTW_REOPEN_MS		3000u

/*
 * ms from now to a 24-bit stamp; 0: it has passed. No stamp is more than 10 min
 * ahead, so all the rest of the 279 min is the past.
 */
static __always_inline __u32 vtw_ms_left(__u32 expires, __u64 now)
{
	__u32 left = (expires - (__u32)now) & VTW_EXPIRES_MASK;

	return left <= VTW_MAX_LENGTH_MS ? left : 0;
}

static __always_inline __u64 vtw_until(__u64 link)
{
	return link >> VTW_NEXT_BITS;
}

static __always_inline __u32 vtw_next(__u64 link)
{
	return link & VTW_NO_CHUNK;
}

static __always_inline int vtw_in_use(union vtw_word word)
{
	return word.state != VTW_FREE && word.state != VTW_CLAIMED;
}

/*
 * The word as it is now: a reopening whose time is over is TIME_WAIT again, for
 * one length unless its chunk ends before, which is never before the end that
 * the record had; what has expired is FREE. `until` is that of its chunk:
 * behind it nothing lives, so 24 bits of expiry cannot come round again.
 */
static __always_inline union vtw_word vtw_settle(union vtw_word word, __u64 until,
						 __u32 length_ms, __u64 now)
{
	if (!vtw_in_use(word))
		return word;
	if (word.state == VTW_REOPENING && !vtw_ms_left(word.expires, now)) {
		word.expires = (__u32)word.expires + length_ms;
		word.state = VTW_TIME_WAIT;
	}
	if (until <= now || !vtw_ms_left(word.expires, now))
		word.state = VTW_FREE;
	return word;
}

/*
 * Before settling: is there a session in it? A reopening that came to nothing
 * is one.
 */
static __always_inline int vtw_lives(union vtw_word word, __u64 until, __u64 now)
{
	return vtw_in_use(word) && until > now &&
	       (word.state == VTW_REOPENING || vtw_ms_left(word.expires, now));
}

/* Device tag of a record; 0 means not bound to a device. */
static __always_inline __u32 vtw_dev_tag(__u32 ifindex)
{
	return ifindex ? 1 + ifindex % 255 : 0;
}

/* In the mode where everything lasts 60 s (`mslt off`) and with it on. */
static __always_inline __u32 vtw_length(const struct vtw_config *cfg, __u32 class)
{
	return cfg->mslt_on ? cfg->length_ms[class & (VTW_RINGS - 1)] : 60000;
}

/* Ring of a record: the substate FIN_WAIT_2 lives by another clock. */
static __always_inline __u32 vtw_ring_of(__u32 state, __u32 class)
{
	return (state == VTW_FIN_WAIT2 ? VTW_RING_FIN : class) & (VTW_RINGS - 1);
}

/*
 * Keyed hash of a tuple. Not cryptographic: like the kernel's own jhash of a
 * 4-tuple it makes collisions unpredictable to who cannot see the seed. The
 * multiplications carry differences upwards, the shifts back down.
 */
static __always_inline __u64 vtw_mix(__u64 h, __u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ (h >> 32);
}

static __always_inline __u64 vtw_hash(int v6, const struct vtw_key *k, const __u64 *seed)
{
	__u64 ports = (__u64)k->lport << 16 | k->rport;
	__u64 h = seed[0];

	h = vtw_mix(h, (__u64)k->laddr[0] << 32 | k->raddr[0]);
	if (v6) {
		h = vtw_mix(h, (__u64)k->laddr[1] << 32 | k->raddr[1]);
		h = vtw_mix(h, (__u64)k->laddr[2] << 32 | k->raddr[2]);
		h = vtw_mix(h, (__u64)k->laddr[3] << 32 | k->raddr[3]);
	}
	h = vtw_mix(h, ports ^ seed[1]);
	return vtw_mix(h, seed[1] >> 32);
}

#endif /* VESTIGE_SESSION_H */
