/* SPDX-License-Identifier: GPL-2.0 */
/*
 * quantile.h - a distribution in fixed memory: p50, p99 and so on of numbers that are
 * told one by one, each at most 1/16 too large.
 */
#ifndef VESTIGE_QUANTILE_H
#define VESTIGE_QUANTILE_H

#include <linux/types.h>

#define QUANTILE_SHIFT	4
#define QUANTILE_STEPS	(1 << QUANTILE_SHIFT)		/* for each power of two */
#define QUANTILE_BUCKETS ((64 - QUANTILE_SHIFT + 1) * QUANTILE_STEPS)

struct quantile {
	__u64 n, max;
	__u64 bucket[QUANTILE_BUCKETS];
};

static inline __u32 quantile_bucket(__u64 value)
{
	int shift;

	if (value < QUANTILE_STEPS)
		return value;
	shift = 63 - __builtin_clzll(value) - QUANTILE_SHIFT;
	return (shift + 1) * QUANTILE_STEPS + ((value >> shift) & (QUANTILE_STEPS - 1));
}

/* The largest value that belongs there. */
static inline __u64 quantile_top(__u32 bucket)
{
	int shift = (int)(bucket / QUANTILE_STEPS) - 1;

	if (shift < 0)
		return bucket;
	return ((QUANTILE_STEPS + bucket % QUANTILE_STEPS + 1ull) << shift) - 1;
}

static inline void quantile_add(struct quantile *q, __u64 value)
{
	q->n++;
	if (value > q->max)
		q->max = value;
	q->bucket[quantile_bucket(value)]++;
}

/* Not more than `permille` of 1000 values are larger. 0 if there is none. */
static inline __u64 quantile_of(const struct quantile *q, __u32 permille)
{
	__u64 left = (q->n * permille + 999) / 1000;
	__u32 i;

	for (i = 0; i < QUANTILE_BUCKETS; i++) {
		if (q->bucket[i] && left <= q->bucket[i])
			break;
		left -= q->bucket[i];
	}
	if (i == QUANTILE_BUCKETS || quantile_top(i) > q->max)
		return q->max;
	return quantile_top(i);
}

#endif /* VESTIGE_QUANTILE_H */
