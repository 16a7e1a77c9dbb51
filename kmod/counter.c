// SPDX-License-Identifier: GPL-2.0
/*
 * counter.c - what happened to packets, per CPU and by its reason.
 */
#include "sgre.h"

/* Called with BH off. */
void sgre_count(struct sgre *sgre, enum sgre_counter counter)
{
	struct sgre_stats *stats = this_cpu_ptr(sgre->stats);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->counter[counter]);
	u64_stats_update_end(&stats->syncp);
}

u64 sgre_counter_read(const struct sgre *sgre, enum sgre_counter counter)
{
	u64 sum = 0, one;
	int cpu;

	for_each_possible_cpu(cpu) {
		const struct sgre_stats *stats = per_cpu_ptr(sgre->stats, cpu);
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&stats->syncp);
			one = u64_stats_read(&stats->counter[counter]);
		} while (u64_stats_fetch_retry(&stats->syncp, start));
		sum += one;
	}
	return sum;
}

static void sgre_counter_rx_errors(const struct sgre *sgre, struct rtnl_link_stats64 *s)
{
	u64 csum = sgre_counter_read(sgre, SGRE_C_rx_csum) +
		   sgre_counter_read(sgre, SGRE_C_rx_no_csum);
	u64 seq = sgre_counter_read(sgre, SGRE_C_rx_seq);
	u64 length = sgre_counter_read(sgre, SGRE_C_rx_short);
	u64 frame = sgre_counter_read(sgre, SGRE_C_rx_version) +
		    sgre_counter_read(sgre, SGRE_C_rx_reserved) +
		    sgre_counter_read(sgre, SGRE_C_rx_ecn);

	s->rx_crc_errors += csum;
	s->rx_fifo_errors += seq;
	s->rx_length_errors += length;
	s->rx_frame_errors += frame;
	s->rx_errors += csum + seq + length + frame;
	s->rx_dropped += sgre_counter_read(sgre, SGRE_C_rx_proto) +
			 sgre_counter_read(sgre, SGRE_C_rx_policy) +
			 sgre_counter_read(sgre, SGRE_C_rx_nomem);
}

static void sgre_counter_tx_errors(const struct sgre *sgre, struct rtnl_link_stats64 *s)
{
	u64 carrier = sgre_counter_read(sgre, SGRE_C_tx_no_socket) +
		      sgre_counter_read(sgre, SGRE_C_tx_no_route);
	u64 collisions = sgre_counter_read(sgre, SGRE_C_tx_loop) +
			 sgre_counter_read(sgre, SGRE_C_tx_nesting);

	s->tx_carrier_errors += carrier;
	s->collisions += collisions;
	s->tx_errors += carrier + collisions + sgre_counter_read(sgre, SGRE_C_tx_too_big) +
			sgre_counter_read(sgre, SGRE_C_tx_proto);
	s->tx_dropped += sgre_counter_read(sgre, SGRE_C_tx_nomem) +
			 sgre_counter_read(sgre, SGRE_C_tx_below);
}

void sgre_counter_stats64(const struct sgre *sgre, struct rtnl_link_stats64 *stats)
{
	sgre_counter_rx_errors(sgre, stats);
	sgre_counter_tx_errors(sgre, stats);
}
