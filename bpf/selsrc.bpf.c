// SPDX-License-Identifier: GPL-2.0
/*
 * selsrc.bpf.c - the programs: the source of a connect(), and of what is sent without one.
 *
 * connect: bpf_bind() to an address and port 0, which takes no port: that is still chosen
 * when both ends are known. sendmsg: the source is written where IP_PKTINFO would have put
 * it. They always return 1; what they leave to the kernel is counted by its reason.
 *
 * A socket that was bound keeps its address when it is disconnected (connect() to
 * AF_UNSPEC, or a connect() that failed), as if the application had bound it. So what we
 * have bound is remembered with the socket: its next connect() chooses anew, or gives the
 * address back. A UDP socket that connects again without disconnecting has a port; it keeps
 * its first source, as it does without us.
 */
#include "selsrc_choose.h"
#include "selsrc_sock.h"
#include <linux/in.h>

char LICENSE[] SEC("license") = "GPL";

static __always_inline int selsrc_mapped(const __be32 *addr)
{
	return !addr[0] && !addr[1] && addr[2] == bpf_htonl(0xffff);
}

/* Multicast, class E with broadcast, loopback and 0/8 are the kernel's. */
static __always_inline __u32 selsrc_dest4(__be32 addr)
{
	__u32 top = bpf_ntohl(addr) >> 24;

	if (top == 127)
		return SELSRC_loopback;
	return top == 0 || top >= 224 ? SELSRC_multicast : SELSRC_bound;
}

static __always_inline __u32 selsrc_dest6(const __be32 *addr)
{
	if (IN_CLASS_IS(addr[0], 0xff000000u, 0xff000000u))
		return SELSRC_multicast;
	if (addr[0] || addr[1] || addr[2] || bpf_ntohl(addr[3]) > 1)
		return SELSRC_bound;
	return addr[3] ? SELSRC_loopback : SELSRC_multicast;
}

/* Fill in the destination, as of the family that it has on the wire. */
static __always_inline __u32 selsrc_call4(struct selsrc_call *c, __be32 dst)
{
	c->family = SELSRC_INET;
	c->dst[0] = dst;
	return selsrc_dest4(dst);
}

static __always_inline __u32 selsrc_call6(struct selsrc_call *c, const struct bpf_sock_addr *ctx)
{
	c->family = SELSRC_INET6;
	c->dst[0] = ctx->user_ip6[0];
	c->dst[1] = ctx->user_ip6[1];
	c->dst[2] = ctx->user_ip6[2];
	c->dst[3] = ctx->user_ip6[3];
	if (!selsrc_mapped(c->dst))
		return selsrc_dest6(c->dst);
	c->dst[2] = 0;
	c->dst[3] = 0;
	return selsrc_call4(c, ctx->user_ip6[3]);
}

/* --- connect ------------------------------------------------------------------------------ */

struct selsrc_addr {
	__be32 word[4];
};

/* The socket as it comes. An IPv6 socket has IPv4 addresses mapped. */
struct selsrc_bindable {
	struct selsrc_addr addr;
	int v6;				/* an IPv6 socket */
	int owned;			/* its address is of our making */
};

static __always_inline int selsrc_same_addr(const __be32 *a, const __be32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

static __always_inline __u64 *selsrc_mark(__u64 identity)
{
	__u32 slot = identity % SELSRC_OWNED;

	return bpf_map_lookup_elem(&owned, &slot);
}

static __always_inline int selsrc_is_owned(struct bpf_sock_addr *ctx,
					   const struct selsrc_bindable *b)
{
	__u64 identity = selsrc_identity(ctx), *mark = selsrc_mark(identity), is, ours;
	struct selsrc_inside in;

	if (!mark || !identity || selsrc_inside(ctx, &in) || selsrc_no_port(&in))
		return 0;
	is = SELSRC_READ(*mark);
	ours = selsrc_owned(identity, b->addr.word);
	/* Of what was released any address is the kernel's. */
	return is == ours || (is & 1 && is >> 16 == ours >> 16 && !((is ^ ours) & 0x1e));
}

static __always_inline void selsrc_own(struct bpf_sock_addr *ctx, const struct selsrc_addr *addr,
				       int released)
{
	__u64 identity = selsrc_identity(ctx), *mark = selsrc_mark(identity);

	if (mark)
		SELSRC_READ(*mark) = selsrc_owned(identity, addr->word) | released;
}

static __always_inline __u32 selsrc_bindable(struct bpf_sock_addr *ctx, struct selsrc_bindable *b)
{
	struct bpf_sock *sk = ctx->sk;
	int has;

	if (b->v6) {
		b->addr.word[0] = sk->src_ip6[0];
		b->addr.word[1] = sk->src_ip6[1];
		b->addr.word[2] = sk->src_ip6[2];
		b->addr.word[3] = sk->src_ip6[3];
	} else {
		b->addr.word[0] = sk->src_ip4;
	}
	has = b->addr.word[0] || b->addr.word[1] || b->addr.word[2] || b->addr.word[3];
	if (sk->src_port)
		return has ? SELSRC_has_source : SELSRC_has_port;
	if (!has)
		return SELSRC_bound;
	b->owned = selsrc_is_owned(ctx, b);
	return b->owned ? SELSRC_bound : SELSRC_has_source;
}

static __always_inline int selsrc_bind4(struct bpf_sock_addr *ctx, __be32 addr)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = addr };

	return bpf_bind(ctx, (struct sockaddr *)&sa, sizeof(sa));
}

/* For the sake of the stack functions of their own, like selsrc_limits_of(). */
__noinline int selsrc_binds_any(struct bpf_sock_addr *ctx, __u32 family)
{
	return selsrc_nonlocal(ctx, family);
}

__noinline int selsrc_bind6(struct bpf_sock_addr *ctx, const struct selsrc_addr *addr,
			    __u32 scope_id)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_scope_id = scope_id };

	if (!addr)
		return -1;
	for (int i = 0; i < 4; i++)
		sa.sin6_addr.in6_u.u6_addr32[i] = addr->word[i];
	return bpf_bind(ctx, (struct sockaddr *)&sa, sizeof(sa));
}

/* c->src as the socket has it. */
static __always_inline void selsrc_wanted(const struct selsrc_bindable *b,
					  const struct selsrc_call *c, struct selsrc_addr *addr)
{
	int mapped = b->v6 && c->family == SELSRC_INET;

	addr->word[0] = mapped ? 0 : c->src[0];
	addr->word[1] = mapped ? 0 : c->src[1];
	addr->word[2] = mapped ? bpf_htonl(0xffff) : c->src[2];
	addr->word[3] = mapped ? c->src[0] : c->src[3];
}

/* The kernel chooses: an address that we gave the socket is taken back. */
static __always_inline __u32 selsrc_leave(struct bpf_sock_addr *ctx, struct selsrc_bindable *b,
					  __u32 verdict)
{
	if (!b->owned)
		return verdict;
	b->addr = (struct selsrc_addr){};
	selsrc_own(ctx, &b->addr, 1);
	if (b->v6)
		selsrc_bind6(ctx, &b->addr, 0);
	else
		selsrc_bind4(ctx, 0);
	return verdict;
}

/*
 * Take the best one that the kernel takes. Tables that change under way are looked at
 * again: the kernel's own choice may be the one address that must not be taken.
 */
#define SELSRC_TRIES	4

static __always_inline __u32 selsrc_take(struct bpf_sock_addr *ctx, struct selsrc_bindable *b,
					 struct selsrc_call *c)
{
	__u32 verdict;
	int err;

	c->binds = 1;
	for (int i = 0; i < SELSRC_TRIES; i++) {
		/* Here, or the compiler reads it before the loop, unset. */
		struct selsrc_addr addr;

		verdict = selsrc_choose(c, !b->v6);
		/* c->src may name one that nobody has refused; new tables, new luck. */
		if (verdict == SELSRC_moved) {
			c->again = 0;
			continue;
		}
		if (verdict != SELSRC_bound)
			break;
		/* Nobody would look whether it is still there, and connect() would fail. */
		verdict = SELSRC_stale;
		if (c->old && selsrc_binds_any(ctx, c->family))
			break;
		selsrc_wanted(b, c, &addr);
		/* Also the one that it has: it may be gone. */
		err = b->v6 ? selsrc_bind6(ctx, &addr, c->oif) : selsrc_bind4(ctx, addr.word[0]);
		if (!err) {
			if (b->owned && selsrc_same_addr(addr.word, b->addr.word))
				return SELSRC_same;
			selsrc_own(ctx, &addr, 0);
			return b->owned ? SELSRC_rebound : SELSRC_bound;
		}
		selsrc_count(SELSRC_bind_failed);
		verdict = SELSRC_refused;
		c->again = 1;
	}
	return selsrc_leave(ctx, b, verdict);
}

static __always_inline int selsrc_spoken(const struct bpf_sock_addr *ctx)
{
	switch (ctx->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
	case SELSRC_UDPLITE:
		return 1;
	}
	return 0;
}

/* What the socket is limited to, and what it must not be touched for. */
static __always_inline int selsrc_limits(struct bpf_sock_addr *ctx, struct selsrc_call *c)
{
	struct selsrc_state *st = selsrc_only(&state);
	int tcp = ctx->protocol == IPPROTO_TCP;
	struct selsrc_inside in;
	__u32 verdict;

	if (selsrc_inside(ctx, &in))
		return SELSRC_unreadable;
	verdict = selsrc_options(&in, c->family, tcp);
	if (verdict != SELSRC_bound)
		return verdict;
	c->oif = ctx->sk->bound_dev_if;
	if (c->family == SELSRC_INET)
		return SELSRC_bound;
	if (!c->oif && IN6_LINKLOCAL(c->dst) && selsrc_scope_id(&in, &c->oif))
		return SELSRC_unreadable;
	/* Ping sockets never speak IPv4. */
	if (!tcp && ctx->protocol != IPPROTO_ICMPV6 && st &&
	    !(st->flags & SELSRC_BIND_DUAL_STACK) && selsrc_dual_stack(&in))
		return SELSRC_dual_stack;
	return SELSRC_bound;
}

__noinline int selsrc_limits_of(struct bpf_sock_addr *ctx, struct selsrc_call *c)
{
	return c ? selsrc_limits(ctx, c) : SELSRC_unreadable;
}

static __always_inline __u32 selsrc_connects(struct bpf_sock_addr *ctx, struct selsrc_call *c,
					     __u32 dest, int v6)
{
	struct selsrc_bindable b = { .v6 = v6 };
	__u32 verdict = selsrc_bindable(ctx, &b);

	if (verdict != SELSRC_bound)
		return verdict;
	if (dest == SELSRC_bound)
		dest = !v6 && selsrc_casts() ? selsrc_limits(ctx, c) : selsrc_limits_of(ctx, c);
	if (dest != SELSRC_bound)
		return selsrc_leave(ctx, &b, dest);
	return selsrc_take(ctx, &b, c);
}

SEC("cgroup/connect4")
int selsrc_connect4(struct bpf_sock_addr *ctx)
{
	struct selsrc_call c = {};
	__u32 verdict = SELSRC_other_netns;

	/* An IPv6 socket that connects to an address of family AF_INET is told so, too. */
	if (selsrc_netns(ctx) != netns_cookie)
		;
	else if (ctx->family != AF_INET || ctx->user_family != AF_INET || !selsrc_spoken(ctx))
		verdict = SELSRC_family;
	else
		verdict = selsrc_connects(ctx, &c, selsrc_call4(&c, ctx->user_ip4), 0);
	selsrc_count(verdict);
	return 1;
}

SEC("cgroup/connect6")
int selsrc_connect6(struct bpf_sock_addr *ctx)
{
	struct selsrc_call c = {};
	__u32 verdict = SELSRC_other_netns;

	if (selsrc_netns(ctx) != netns_cookie)
		;
	else if (ctx->family != AF_INET6 || ctx->user_family != AF_INET6 || !selsrc_spoken(ctx))
		verdict = SELSRC_family;
	else
		verdict = selsrc_connects(ctx, &c, selsrc_call6(&c, ctx), 1);
	selsrc_count(verdict);
	return 1;
}

/* --- send without connect ----------------------------------------------------------------- */

static __always_inline __u32 selsrc_sends(struct bpf_sock_addr *ctx, struct selsrc_call *c,
					  __u32 dest, int v4)
{
	struct selsrc_inside in;
	__u32 verdict;

	if (selsrc_netns(ctx) != netns_cookie)
		return SELSRC_other_netns;
	if (dest != SELSRC_bound)
		return dest;
	if (selsrc_inside(ctx, &in))
		return SELSRC_unreadable;
	verdict = selsrc_options(&in, c->family, 0);
	if (verdict != SELSRC_bound)
		return verdict;
	if (c->family == SELSRC_INET ? selsrc_oif4(&in, &c->oif) : selsrc_oif6(&in, &c->oif))
		return SELSRC_unreadable;
	verdict = selsrc_choose(c, v4);
	return verdict == SELSRC_bound ? SELSRC_sent : verdict;
}

/* Also what an IPv6 socket sends to a mapped address. */
SEC("cgroup/sendmsg4")
int selsrc_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct selsrc_call c = {};
	__u32 verdict = SELSRC_has_source;

	if (!ctx->msg_src_ip4)
		verdict = selsrc_sends(ctx, &c, selsrc_call4(&c, ctx->user_ip4), 1);
	if (verdict == SELSRC_sent)
		ctx->msg_src_ip4 = c.src[0];
	selsrc_count(verdict);
	return 1;
}

SEC("cgroup/sendmsg6")
int selsrc_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct selsrc_call c = {};
	__u32 verdict = SELSRC_has_source, dest;

	if (!ctx->msg_src_ip6[0] && !ctx->msg_src_ip6[1] && !ctx->msg_src_ip6[2] &&
	    !ctx->msg_src_ip6[3]) {
		dest = selsrc_call6(&c, ctx);
		/* The kernel sends these by sendmsg4. */
		verdict = c.family == SELSRC_INET6 ? selsrc_sends(ctx, &c, dest, 0) : SELSRC_family;
	}
	if (verdict == SELSRC_sent) {
		ctx->msg_src_ip6[0] = c.src[0];
		ctx->msg_src_ip6[1] = c.src[1];
		ctx->msg_src_ip6[2] = c.src[2];
		ctx->msg_src_ip6[3] = c.src[3];
	}
	selsrc_count(verdict);
	return 1;
}
