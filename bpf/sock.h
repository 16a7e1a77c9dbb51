/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sock.h - a socket closes: is it TIME_WAIT, whose, how near, and what remains.
 */
#ifndef VESTIGE_BPF_SOCK_H
#define VESTIGE_BPF_SOCK_H

#include "path.h"
#include <vestige/mslt.h>

#define AF_INET		2
#define AF_INET6	10
#define IFF_LOOPBACK	0x8
#define IFF_POINTOPOINT	0x10
#define RTF_GATEWAY	0x2
#define DST_OBSOLETE_FORCE_CHK	(-1)

#define VTW_TIMEWAIT_LEN_MS	60000	/* TCP_TIMEWAIT_LEN */

/* Socket flags are numbered by an enum of the kernel's own. */
#define SOCK_FLAG(tp, flag) \
	((tp)->inet_conn.icsk_inet.sk.__sk_common.skc_flags >> \
	 bpf_core_enum_value(enum sock_flags, flag) & 1)

static __always_inline __u32 vtw_jiffies_ms(__u32 jiffies)
{
	return (__u64)jiffies * 1000 / (hz ? hz : 250);
}

static __always_inline int vtw_mapped(const struct in6_addr *a)
{
	return !a->in6_u.u6_addr32[0] && !a->in6_u.u6_addr32[1] &&
	       a->in6_u.u6_addr32[2] == bpf_htonl(0xffff);
}

/*
 * The device that the socket is bound to, as the segments see it: a member of a
 * VRF where the socket is bound to the VRF, since the hooks come first. That is
 * the member behind which the route leads; a master is the first of its upper
 * devices (netdev_master_upper_dev_get_rcu()).
 */
static __always_inline __u32 vtw_bound_to(struct tcp_sock *tp)
{
	__u32 bound = tp->inet_conn.icsk_inet.sk.__sk_common.skc_bound_dev_if;
	struct dst_entry *dst = tp->inet_conn.icsk_inet.sk.sk_dst_cache;
	struct net_device *dev, *master = 0;
	struct netdev_adjacent *adjacent;
	struct list_head *upper;
	int ifindex = 0;

	if (!bound || !dst)
		return bound;
	dev = dst->dev;
	if (!dev || dev->ifindex == bound)
		return bound;
	upper = dev->adj_list.upper.next;
	if (upper == &dev->adj_list.upper)
		return bound;
	adjacent = (void *)upper - bpf_core_field_offset(struct netdev_adjacent, list);
	if (bpf_core_read(&master, sizeof(master), &adjacent->dev) ||
	    bpf_core_read(&ifindex, sizeof(ifindex), &master->ifindex))
		return bound;
	return ifindex == bound ? dev->ifindex : bound;
}

/*
 * Fill in the tuple. Returns 1 for IPv6, 0 for IPv4: also of an IPv6 socket
 * with v4-mapped addresses, whose segments are IPv4 on the wire.
 */
static __always_inline int vtw_sock_key(struct tcp_sock *tp, struct vtw_key *k)
{
	struct sock_common *sc = &tp->inet_conn.icsk_inet.sk.__sk_common;

	k->lport = tp->inet_conn.icsk_inet.inet_sport;
	k->rport = sc->skc_dport;
	k->ifindex = vtw_bound_to(tp);
	if (sc->skc_family == AF_INET6 && !vtw_mapped(&sc->skc_v6_daddr)) {
		for (int i = 0; i < 4; i++) {
			k->laddr[i] = sc->skc_v6_rcv_saddr.in6_u.u6_addr32[i];
			k->raddr[i] = sc->skc_v6_daddr.in6_u.u6_addr32[i];
		}
		return 1;
	}
	k->laddr[0] = sc->skc_rcv_saddr;
	k->raddr[0] = sc->skc_daddr;
	return 0;
}

/* Why a socket goes to CLOSE. */
enum vtw_closing {
	VTW_CLOSED_OTHERWISE,	/* never was near TIME_WAIT */
	VTW_CLOSED_BADLY,	/* RST, abort, timeout */
	VTW_CLOSED_TIME_WAIT,
	VTW_CLOSED_ORPHAN,	/* FIN_WAIT_2, and nobody holds the socket */
};

/*
 * tcp_time_wait() has no name of its own among state changes; what the socket
 * says of itself tells it from the other ways to CLOSE. An orphan that the
 * kernel resets (data after close that came with the ACK of our FIN, no memory)
 * looks like the last row: see vtw_resets(). Where the RST left before the
 * change of state (keepalive timer), the record stays for its FIN time.
 */
static __always_inline enum vtw_closing vtw_closing(struct tcp_sock *tp, int oldstate)
{
	if (oldstate != BPF_TCP_FIN_WAIT2 && oldstate != BPF_TCP_CLOSING)
		return VTW_CLOSED_OTHERWISE;
	if (tp->inet_conn.icsk_inet.sk.sk_err || BPF_CORE_READ_BITFIELD(tp, repair))
		return VTW_CLOSED_BADLY;
	if (oldstate == BPF_TCP_CLOSING)
		return tp->snd_una == tp->write_seq ? VTW_CLOSED_TIME_WAIT : VTW_CLOSED_BADLY;
	if (SOCK_FLAG(tp, SOCK_DONE))
		return VTW_CLOSED_TIME_WAIT;
	if (SOCK_FLAG(tp, SOCK_DEAD) && tp->linger2 >= 0)
		return VTW_CLOSED_ORPHAN;
	return VTW_CLOSED_BADLY;
}

/*
 * tcp_fin_time(): TCP_LINGER2 or the sysctl, at least 3.5 retransmission times.
 * Of more than a minute the socket itself waits what is over, and comes here
 * for the last one.
 */
static __always_inline __u32 vtw_fin_time(struct tcp_sock *tp, struct net *net)
{
	__u32 rto = tp->inet_conn.icsk_rto, time = tp->linger2;
	__u32 ms;

	if (!time)
		time = net->ipv4.sysctl_tcp_fin_timeout;
	rto = (rto << 2) - (rto >> 1);
	ms = vtw_jiffies_ms(time < rto ? rto : time);
	if (ms > VTW_TIMEWAIT_LEN_MS)
		ms -= VTW_TIMEWAIT_LEN_MS;
	return ms < VTW_MAX_LENGTH_MS ? ms : VTW_MAX_LENGTH_MS;
}

static __always_inline int vtw_own_address(int v6, const struct vtw_key *k)
{
	if (!v6)
		return k->laddr[0] == k->raddr[0] ||
		       (bpf_ntohl(k->laddr[0]) >> 24) == 127 ||
		       (bpf_ntohl(k->raddr[0]) >> 24) == 127;
	return k->laddr[0] == k->raddr[0] && k->laddr[1] == k->raddr[1] &&
	       k->laddr[2] == k->raddr[2] && k->laddr[3] == k->raddr[3];
}

/* What is behind a dst_entry depends on the family that it routes. */
static __always_inline union vtw_path_word vtw_route(struct dst_entry *dst, int v6)
{
	union vtw_path_word path = { .near = VTW_PATH_KNOWN };
	struct net_device *dev = dst->dev;
	__u32 flags = 0;
	__u8 gateway = 0;

	/*
	 * Behind a point-to-point device may be anybody, without a gateway in
	 * the route.
	 */
	if (dev) {
		path.ifindex = dev->ifindex;
		if (dev->flags & IFF_LOOPBACK)
			path.near |= VTW_PATH_LOOPBACK;
		if (dev->flags & IFF_POINTOPOINT)
			path.near |= VTW_PATH_GATEWAY;
	}
	if (v6) {
		bpf_core_read(&flags, sizeof(flags), &((struct rt6_info *)dst)->rt6i_flags);
		gateway = !!(flags & RTF_GATEWAY);
	} else {
		bpf_core_read(&gateway, sizeof(gateway), &((struct rtable *)dst)->rt_uses_gateway);
	}
	if (gateway)
		path.near |= VTW_PATH_GATEWAY;
	return path;
}

/* ipv4_dst_check() */
static __always_inline int vtw_stands4(struct net *ns, struct dst_entry *dst)
{
	int genid = 0;

	return !bpf_core_read(&genid, sizeof(genid), &((struct rtable *)dst)->rt_genid) &&
	       genid == ns->ipv4.rt_genid.counter;
}

/* ip6_dst_check(), but for routes whose lifetime is over: to the cache they are a change. */
static __always_inline int vtw_stands6(struct tcp_sock *tp, struct net *ns,
				       struct dst_entry *dst)
{
	struct ipv6_pinfo *np = tp->inet_conn.icsk_inet.pinet6;
	struct rt6_info *rt = (struct rt6_info *)dst;
	struct fib6_info *from = 0;
	struct fib6_node *node = 0;
	int sernum = 0;

	if (bpf_core_read(&sernum, sizeof(sernum), &rt->sernum))
		return 0;
	if (sernum)
		return sernum == ns->ipv6.fib6_sernum.counter;
	if (!np || bpf_core_read(&from, sizeof(from), &rt->from) || !from ||
	    bpf_core_read(&node, sizeof(node), &from->fib6_node) || !node ||
	    bpf_core_read(&sernum, sizeof(sernum), &node->fn_sernum))
		return 0;
	return (__u32)sernum == np->dst_cookie;
}

/*
 * Would the socket itself still use its route, so that it is what the routing table says
 * now? The generation was read before: all that changed up to it has left its mark on the
 * kernel's own caches since, and what changes later raises it. Neither IPsec nor a tunnel of
 * the route would see what we send.
 */
static __always_inline int vtw_stands(struct tcp_sock *tp, struct net *ns, int v6,
				      struct dst_entry *dst)
{
	if (dst->obsolete != DST_OBSOLETE_FORCE_CHK)
		return 0;
	return v6 ? vtw_stands6(tp, ns, dst) : vtw_stands4(ns, dst);
}

static __always_inline int vtw_wrapped(struct dst_entry *dst)
{
	return (bpf_core_field_exists(dst->xfrm) && dst->xfrm) ||
	       (bpf_core_field_exists(dst->lwtstate) && dst->lwtstate);
}

/*
 * How the peer is reached: by the route of the socket. Others learn it from us; if it is
 * stale or gone, dropped after timeouts, we learn it from them. A socket bound to a device
 * has a way of its own.
 */
static __always_inline union vtw_path_word vtw_path(struct tcp_sock *tp, struct net *ns, int v6,
						    const struct vtw_key *k, int tracing)
{
	__u64 gen = k->ifindex ? 0 : vtw_path_gen(v6, tracing);
	struct dst_entry *dst = tp->inet_conn.icsk_inet.sk.sk_dst_cache;
	union vtw_path_word path = {}, known;

	if (dst)
		path = vtw_route(dst, v6);
	if (!gen || (dst && vtw_wrapped(dst)))
		return path;
	if (dst && vtw_stands(tp, ns, v6, dst)) {
		known = path;
		/*
		 * The neighbour layer routes by the mark of the frame, which has none: by this
		 * device it would take the peer for a neighbour. So this pair's answers go back.
		 */
		if (tp->inet_conn.icsk_inet.sk.sk_mark)
			known.ifindex = 0;
		CALL(v6, path_learn, k, gen, known.all);
		return path;
	}
	known.all = CALL(v6, path_find, k, gen);
	if (!known.ifindex)
		return path;
	STAT(path_borrowed);
	return known;
}

/* A rule's class, or VTW_RINGS when no prefix covers the peer. */
static __always_inline __u32 vtw_rule_class(int v6, const struct vtw_key *k)
{
	struct vtw_rule *rule;

	if (v6) {
		struct vtw6_prefix p = { .prefixlen = 128 };

		for (int i = 0; i < 4; i++)
			p.addr[i] = k->raddr[i];
		rule = bpf_map_lookup_elem(&rules6, &p);
	} else {
		struct vtw4_prefix p = { .prefixlen = 32, .addr = k->raddr[0] };

		rule = bpf_map_lookup_elem(&rules4, &p);
	}
	return rule ? rule->class & (VTW_RINGS - 1) : VTW_RINGS;
}

static __always_inline __u32 vtw_class(struct tcp_sock *tp, struct net *ns, int v6,
				       const struct vtw_key *k, const struct vtw_config *cfg,
				       int tracing)
{
	union vtw_path_word path = vtw_path(tp, ns, v6, k, tracing);
	__u32 class = vtw_rule_class(v6, k);
	struct vtw_nearness n = {};

	if (class < VTW_RINGS && class != VTW_RING_FIN)
		return class;
	n.own_address = vtw_own_address(v6, k);
	n.srtt_us = tp->srtt_us >> 3;
	n.min_rtt_us = tp->rtt_min.s[0].v;
	n.has_route = !!(path.near & VTW_PATH_KNOWN);
	n.loopback_route = !!(path.near & VTW_PATH_LOOPBACK);
	n.gateway = !!(path.near & VTW_PATH_GATEWAY);
	return vtw_classify(&n, cfg->rtt_threshold_us);
}

/* Nothing may be sent for a session that was signed, or that IPsec covers. */
static __always_inline int vtw_is_mute(struct tcp_sock *tp)
{
	struct dst_entry *dst = tp->inet_conn.icsk_inet.sk.sk_dst_cache;

	if (bpf_core_field_exists(tp->md5sig_info) && tp->md5sig_info)
		return 1;
	if (bpf_core_field_exists(tp->ao_info) && tp->ao_info)
		return 1;
	return dst && bpf_core_field_exists(dst->xfrm) && dst->xfrm;
}

static __always_inline __u32 vtw_tsmode(struct tcp_sock *tp)
{
	if (vtw_is_mute(tp)) {
		STAT(mute);
		return VTW_TS_MUTE;
	}
	if (!tp->rx_opt.ts_recent_stamp)
		return VTW_TS_NONE;
	if (bpf_core_field_exists(struct tcp_sock, tcp_usec_ts) &&
	    BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts))
		return VTW_TS_USEC;
	return VTW_TS_MS;
}

/* tcp_receive_window() */
static __always_inline __u32 vtw_receive_window(struct tcp_sock *tp)
{
	__s32 wnd = tp->rcv_wup + tp->rcv_wnd - tp->rcv_nxt;

	return wnd < 0 ? 0 : wnd;
}

/*
 * Hooks on packets cannot ask for sysctls; they get them as the latest closing
 * socket saw them. Stores only when something changed; all writers write the
 * same.
 */
static __always_inline void vtw_note_sysctls(struct net *net)
{
	struct vtw_sysctls *s = vtw_only(&sysctls);
	struct vtw_sysctls is = {
		.timestamps = net->ipv4.sysctl_tcp_timestamps,
		.rfc1337 = net->ipv4.sysctl_tcp_rfc1337,
		.invalid_ratelimit_ms = vtw_jiffies_ms(net->ipv4.sysctl_tcp_invalid_ratelimit),
		.fin_timeout_ms = vtw_jiffies_ms(net->ipv4.sysctl_tcp_fin_timeout),
	};

	if (!s)
		return;
	if (s->timestamps != is.timestamps || s->rfc1337 != is.rfc1337 ||
	    s->invalid_ratelimit_ms != is.invalid_ratelimit_ms ||
	    s->fin_timeout_ms != is.fin_timeout_ms)
		*s = is;
}

static __always_inline void vtw_draft(struct tcp_sock *tp, struct net *net, int v6, int orphan,
				      const struct vtw_key *k, const struct vtw_config *cfg,
				      int tracing, struct vtw_draft *d)
{
	__u32 wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.rcv_wscale);
	__u32 wnd = vtw_receive_window(tp) >> wscale;

	d->snd_nxt = tp->snd_nxt;
	d->rcv_nxt = tp->rcv_nxt;
	d->ts_recent = tp->rx_opt.ts_recent;
	d->ts_offset = tp->tsoffset;
	d->word.all = 0;
	d->word.wnd = wnd < 65535 ? wnd : 65535;
	d->word.wscale = wscale;
	d->word.state = orphan ? VTW_FIN_WAIT2 : VTW_TIME_WAIT;
	d->word.class = vtw_class(tp, net, v6, k, cfg, tracing);
	d->word.tsmode = vtw_tsmode(tp);
	d->word.dev = vtw_dev_tag(k->ifindex);
	d->length_ms = orphan ? vtw_fin_time(tp, net) : vtw_length(cfg, d->word.class);
}

static __always_inline void vtw_count_entered(int net, int orphan)
{
	if (net)
		STAT(entered_net);
	else
		STAT(entered_callback);
	if (orphan)
		STAT(entered_fin_wait2);
	else
		STAT(entered_time_wait);
}

__noinline int vtw_enter4(struct vtw_key *k, struct vtw_draft *d)
{
	return k && d ? vtw_remember(0, k, d) : -1;
}

__noinline int vtw_enter6(struct vtw_key *k, struct vtw_draft *d)
{
	return k && d ? vtw_remember(1, k, d) : -1;
}

__noinline int vtw_recorded4(struct vtw_key *k, __u32 snd_nxt)
{
	return k && vtw_recorded(0, k, snd_nxt);
}

__noinline int vtw_recorded6(struct vtw_key *k, __u32 snd_nxt)
{
	return k && vtw_recorded(1, k, snd_nxt);
}

/* A TCP socket of our namespace goes from oldstate to CLOSE. */
static __always_inline void vtw_closes(struct tcp_sock *tp, int oldstate, int net)
{
	struct net *ns = tp->inet_conn.icsk_inet.sk.__sk_common.skc_net.net;
	enum vtw_closing how = vtw_closing(tp, oldstate);
	struct vtw_config *cfg = vtw_only(&config);
	struct vtw_key k = {};
	struct vtw_draft d = {};
	int v6, orphan = how == VTW_CLOSED_ORPHAN;

	if (how == VTW_CLOSED_OTHERWISE || how == VTW_CLOSED_BADLY) {
		/* The safety net sees every socket: it counts. */
		if (net && how == VTW_CLOSED_OTHERWISE)
			STAT(not_mine);
		else if (net)
			STAT(not_clean);
		return;
	}
	if (!cfg || !ns)
		return;
	v6 = vtw_sock_key(tp, &k);
	/* The net sees also what the callback has recorded a moment before. */
	if (net && (v6 ? vtw_recorded6(&k, tp->snd_nxt) : vtw_recorded4(&k, tp->snd_nxt))) {
		STAT(already);
		return;
	}
	vtw_note_sysctls(ns);
	vtw_draft(tp, ns, v6, orphan, &k, cfg, net, &d);
	if ((v6 ? vtw_enter6(&k, &d) : vtw_enter4(&k, &d)) > 0)
		vtw_count_entered(net, orphan);
}

__noinline int vtw_forget4(struct vtw_key *k)
{
	if (k)
		vtw_forget(0, k);
	return 0;
}

__noinline int vtw_forget6(struct vtw_key *k)
{
	if (k)
		vtw_forget(1, k);
	return 0;
}

/* A connection is established: whatever its tuple was before is over. */
static __always_inline void vtw_established(struct tcp_sock *tp)
{
	struct vtw_key k = {};

	if (vtw_sock_key(tp, &k))
		vtw_forget6(&k);
	else
		vtw_forget4(&k);
}

#endif /* VESTIGE_BPF_SOCK_H */
