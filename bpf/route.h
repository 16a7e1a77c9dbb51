/* SPDX-License-Identifier: GPL-2.0 */
/*
 * route.h - what the routing table says of a flow, asked as the stack would ask it.
 */
#ifndef VESTIGE_BPF_ROUTE_H
#define VESTIGE_BPF_ROUTE_H

#include "flow.h"

#define AF_INET		2
#define AF_INET6	10

/* The device that the stack would take the packet for received by. 0: none. */
static __always_inline __u32 route_device(const struct forward_key *k)
{
	struct forward_vlan vlan = { .ifindex = k->iif, .vid = k->vid };
	__u32 *ifindex;

	if (!k->vid)
		return k->iif;
	ifindex = bpf_map_lookup_elem(&vlans, &vlan);
	return ifindex ? *ifindex : 0;
}

/*
 * Who keeps the map without the module replaces elements, and the memory of an old one is
 * another one's at once, also for who looks at it just now. It is written from its beginning:
 * what is read is believed if the first word, read last, still says whose it is.
 */
static __always_inline int route_read(__u32 ifindex, struct forward_device *to)
{
	const struct forward_device *dev = bpf_map_lookup_elem(&devices, &ifindex);

	if (!dev)
		return 0;
	to->facts.word = *(const volatile __u64 *)&dev->facts.word;
	to->who = *(const volatile __u64 *)&dev->who;
	return to->ifindex == ifindex;
}

/* back: the way that an answer would take. */
static __always_inline long route_lookup(struct xdp_md *ctx, int v6, const struct forward_key *k,
					 __u32 iif, int back, struct bpf_fib_lookup *fib)
{
	fib->family = v6 ? AF_INET6 : AF_INET;
	fib->l4_protocol = k->proto;
	fib->sport = back ? k->dport : k->sport;
	fib->dport = back ? k->sport : k->dport;
	fib->ifindex = iif;
	if (v6) {
		fib->flowinfo = k->info;
		for (int i = 0; i < 4; i++) {
			fib->ipv6_src[i] = k->addr[back ? 4 + i : i];
			fib->ipv6_dst[i] = k->addr[back ? i : 4 + i];
		}
	} else {
		fib->tos = k->info;
		fib->ipv4_src = back ? k->addr[1] : k->addr[0];
		fib->ipv4_dst = back ? k->addr[0] : k->addr[1];
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

static __always_inline int route_refused(long answer)
{
	switch (answer) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		return FORWARD_GO;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
		return FORWARD_pass_blackhole;
	case BPF_FIB_LKUP_RET_UNREACHABLE:
		return FORWARD_pass_unreachable;
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return FORWARD_pass_prohibit;
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return FORWARD_pass_disabled;
	case BPF_FIB_LKUP_RET_UNSUPP_LWT:
		return FORWARD_pass_encap;
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return FORWARD_pass_no_neigh;
	case BPF_FIB_LKUP_RET_FRAG_NEEDED:
		return FORWARD_pass_mtu;
	}
	return FORWARD_pass_local;
}

/*
 * fib_validate_source(): the stack drops what claims to come from us, and with rp_filter
 * what comes from where no answer would go. As there the way back is that of an answer
 * which comes by the egress device, oif. In doubt the stack is asked.
 *
 * Not `sure`: nobody keeps the facts. Then the way back has to lead by the very device,
 * whatever its rp_filter was: so that is up, and no part of a bridge that took its
 * addresses over; and what the kernel would send by it says what MAC it has.
 */
static __always_inline int route_source(struct xdp_md *ctx, int v6, const struct forward_key *k,
					__u32 iif, __u32 oif, int sure, union forward_facts *facts)
{
	struct bpf_fib_lookup fib = {};
	long answer = route_lookup(ctx, v6, k, oif, 1, &fib);

	if (answer != BPF_FIB_LKUP_RET_SUCCESS && answer != BPF_FIB_LKUP_RET_NO_NEIGH)
		return 0;
	if (!sure && answer == BPF_FIB_LKUP_RET_SUCCESS)
		__builtin_memcpy(facts->mac, fib.smac, sizeof(facts->mac));
	return fib.ifindex == iif || (sure && facts->rp_filter != 1);
}

/*
 * As long as only we forward, the kernel never sends to the neighbour and never asks
 * whether it is still there. So it gets a packet for each next hop now and then.
 */
static __always_inline int route_confirms(int v6, const struct bpf_fib_lookup *fib, __u64 now)
{
	__u64 hash = flow_mix(geo.seed[0], (__u64)fib->ifindex << 32 | fib->ipv6_dst[0]);
	__u64 *stamp;
	__u32 i;

	if (v6) {
		hash = flow_mix(hash, (__u64)fib->ipv6_dst[1] << 32 | fib->ipv6_dst[2]);
		hash = flow_mix(hash, fib->ipv6_dst[3]);
	}
	i = (hash >> 32) & (FORWARD_STAMPS - 1);
	stamp = bpf_map_lookup_elem(&stamps, &i);
	if (!stamp || !forward_due(*stamp, now, age_ns))
		return 0;
	*stamp = now;
	return 1;
}

static __always_inline void route_keep(const struct bpf_fib_lookup *fib,
				       const struct forward_device *in,
				       const struct forward_device *out, struct forward_hop *hop)
{
	__builtin_memcpy(hop->mac, fib->dmac, 6);
	__builtin_memcpy(hop->mac + 6, fib->smac, 6);
	__builtin_memcpy(hop->in_mac, in->facts.mac, 6);
	hop->oif = fib->ifindex;
	hop->slot = out->slot;
	hop->mtu = fib->mtu_result ? fib->mtu_result : 0xffff;
	hop->vid = out->vid;
	hop->soft = in->soft;
}

/* FORWARD_GO and the hop, or who does not go this way. sure: somebody keeps the facts. */
static __always_inline int route_ask(struct xdp_md *ctx, int v6, const struct forward_key *k,
				     int sure, __u64 now, struct forward_hop *hop)
{
	struct bpf_fib_lookup fib = {};
	struct forward_device in, out;
	__u32 iif = route_device(k);
	int why;

	/* A number may be another device's by now: what has no tag is of no VLAN device. */
	if (!route_read(iif, &in) || in.vid != k->vid)
		return k->vid ? FORWARD_pass_vlan : FORWARD_pass_no_hook;
	/*
	 * One that was moved to another namespace has left the devmap, and there nothing that
	 * we know holds.
	 */
	if (bpf_redirect_map(&slots, in.slot, XDP_PASS) != XDP_REDIRECT)
		return FORWARD_pass_no_hook;
	if (sure && !forward_serves(in.facts))
		return FORWARD_pass_device;
	why = route_refused(route_lookup(ctx, v6, k, iif, 0, &fib));
	if (why != FORWARD_GO)
		return why;
	if (!route_read(fib.ifindex, &out))
		return FORWARD_pass_no_hook;
	if (fib.ifindex == iif)
		return FORWARD_pass_same_device;
	if ((!v6 || !sure) && !route_source(ctx, v6, k, iif, fib.ifindex, sure, &in.facts))
		return FORWARD_pass_source;
	route_keep(&fib, &in, &out, hop);
	return route_confirms(v6, &fib, now) ? FORWARD_pass_confirm : FORWARD_GO;
}

#endif /* VESTIGE_BPF_ROUTE_H */
