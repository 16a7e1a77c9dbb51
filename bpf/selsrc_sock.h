/* SPDX-License-Identifier: GPL-2.0 */
/*
 * selsrc_sock.h - what the application has asked of its socket, as far as that leaves us out.
 *
 * A program of this type is shown little of the socket. Newer kernels let it cast what it is
 * shown to what they themselves have, which costs nothing. 6.1 does not: there the pointers
 * are read back as numbers, and what is behind them with bpf_probe_read_kernel(), which
 * cannot fault either.
 */
#ifndef VESTIGE_BPF_SELSRC_SOCK_H
#define VESTIGE_BPF_SELSRC_SOCK_H

#include "selsrc_cache.h"
#include <bpf/bpf_core_read.h>

#define AF_INET		2
#define AF_INET6	10

#define SELSRC_UDPLITE	136	/* IPPROTO_UDPLITE */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_sock_addr_kern___selsrc {
	struct sock *sk;
	struct sockaddr *uaddr;
	void *t_ctx;
};

struct sock_common___selsrc {
	unsigned char skc_ipv6only:1;
};

struct inode___selsrc {
	unsigned long i_ino;
};

struct socket_alloc___selsrc {
	struct inode___selsrc vfs_inode;
};

struct sock___selsrc {
	struct socket_alloc___selsrc *sk_socket;	/* there struct socket comes first */
};

struct netns_ipv4___selsrc {
	__u8 sysctl_ip_nonlocal_bind;
};

struct netns_sysctl_ipv6___selsrc {
	__u8 ip_nonlocal_bind;
};

struct netns_ipv6___selsrc {
	struct netns_sysctl_ipv6___selsrc sysctl;
};

struct net___selsrc {
	struct netns_ipv4___selsrc ipv4;
	struct netns_ipv6___selsrc ipv6;
};

struct in6_pktinfo___selsrc {
	int ipi6_ifindex;
};

struct ipv6_pinfo___selsrc {
	int ucast_oif;
	__u8 srcprefs:3;
	struct in6_pktinfo___selsrc sticky_pktinfo;
};

struct inet_sock___selsrc {
	struct ipv6_pinfo___selsrc *pinet6;
	void *inet_opt;
	int uc_index;
};

/* Until 6.5. */
struct inet_sock___bits {
	__u8 freebind:1;
	__u8 transparent:1;
	__u8 bind_address_no_port:1;
};

/* Since 6.6. The numbers are those of an enum without a name, which CO-RE cannot find. */
struct inet_sock___flags {
	unsigned long inet_flags;
};

#define SELSRC_FREEBIND		(1ul << 11)
#define SELSRC_TRANSPARENT	(1ul << 15)
#define SELSRC_NO_PORT		(1ul << 18)

struct ipcm_cookie___selsrc {
	__be32 addr;
	int oif;
};

struct flowi_common___selsrc {
	int flowic_oif;
};

struct flowi6___selsrc {
	struct flowi_common___selsrc __fl_common;
	struct in6_addr saddr;
};

struct possible_net___selsrc {
	struct net___selsrc *net;
};

struct sock_common___selsrc_net {
	struct possible_net___selsrc skc_net;
};

struct sock___selsrc_net {
	struct sock_common___selsrc_net __sk_common;
};

#pragma clang attribute pop

/* 6.2, but there is no sign of it in the BTF of 6.2; of 6.6 there is. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

static __always_inline int selsrc_casts(void)
{
	return bpf_core_field_exists(struct inet_sock___flags, inet_flags);
}

#define SELSRC_CAST(type, obj) \
	((struct type *)bpf_rdonly_cast(obj, bpf_core_type_id_kernel(struct type)))

/* Addresses of what the context stands for. */
struct selsrc_inside {
	struct inet_sock___selsrc *sk;
	struct bpf_sock_addr_kern___selsrc *ctx;
};

static __always_inline int selsrc_inside(struct bpf_sock_addr *ctx, struct selsrc_inside *in)
{
	volatile struct {
		void *sk, *ctx;
	} seen;

	if (selsrc_casts()) {
		in->sk = SELSRC_CAST(inet_sock___selsrc, ctx->sk);
		in->ctx = bpf_cast_to_kern_ctx(ctx);
		return 0;
	}
	seen.sk = ctx->sk;
	seen.ctx = ctx;
	return bpf_probe_read_kernel(in, sizeof(*in), (const void *)&seen);
}

/* A member of an object that `at` points to. */
#define SELSRC_PEEK(to, at, member) ({						\
	typeof(at) at_ = (at);							\
	int err_ = 0;								\
										\
	if (selsrc_casts())							\
		*(to) = at_->member;						\
	else									\
		err_ = bpf_core_read(to, sizeof(*(to)), &at_->member);		\
	err_;									\
})

#define SELSRC_BITS(at, member) (selsrc_casts() ?				\
	BPF_CORE_READ_BITFIELD(at, member) : BPF_CORE_READ_BITFIELD_PROBED(at, member))

/* One load where the kernel lets us. */
static __always_inline __u64 selsrc_netns(struct bpf_sock_addr *ctx)
{
	if (selsrc_casts())
		return SELSRC_CAST(sock, ctx->sk)->__sk_common.skc_net.net->net_cookie;
	return bpf_get_netns_cookie(ctx);
}

/*
 * A number that is this socket's alone: that of its inode, 32 bits that count up. To have a
 * cookie made takes twice as long; without casts it is the quickest. 0: it has none.
 */
static __always_inline __u64 selsrc_identity(struct bpf_sock_addr *ctx)
{
	struct socket_alloc___selsrc *socket;

	if (!selsrc_casts())
		return bpf_get_socket_cookie(ctx);
	socket = SELSRC_CAST(sock___selsrc, ctx->sk)->sk_socket;
	return SELSRC_CAST(socket_alloc___selsrc, socket)->vfs_inode.i_ino;
}

/* IP_FREEBIND, IPV6_FREEBIND, IP_TRANSPARENT, IPV6_TRANSPARENT. */
static __always_inline int selsrc_freebind(const struct selsrc_inside *in)
{
	struct inet_sock___bits *sk = (void *)in->sk;

	if (selsrc_casts())
		return !!(SELSRC_CAST(inet_sock___flags, in->sk)->inet_flags &
			  (SELSRC_FREEBIND | SELSRC_TRANSPARENT));
	return BPF_CORE_READ_BITFIELD_PROBED(sk, freebind) ||
	       BPF_CORE_READ_BITFIELD_PROBED(sk, transparent);
}

/* IP_BIND_ADDRESS_NO_PORT: an address without a port is the application's. */
static __always_inline int selsrc_no_port(const struct selsrc_inside *in)
{
	struct inet_sock___bits *sk = (void *)in->sk;

	if (selsrc_casts())
		return !!(SELSRC_CAST(inet_sock___flags, in->sk)->inet_flags & SELSRC_NO_PORT);
	return BPF_CORE_READ_BITFIELD_PROBED(sk, bind_address_no_port);
}

/* Options that only IPv4 looks at. */
static __always_inline __u32 selsrc_options4(const struct selsrc_inside *in)
{
	void *options = 0;
	int index = 0;

	if (SELSRC_PEEK(&options, in->sk, inet_opt) || SELSRC_PEEK(&index, in->sk, uc_index))
		return SELSRC_unreadable;
	return options || index ? SELSRC_unicast_if : SELSRC_bound;
}

/* TCP knows neither IPV6_UNICAST_IF nor IPV6_PKTINFO of the socket. */
static __always_inline __u32 selsrc_options6(const struct selsrc_inside *in, int tcp)
{
	struct ipv6_pinfo___selsrc *np = 0;
	int index = 0;

	if (SELSRC_PEEK(&np, in->sk, pinet6) || !np)
		return SELSRC_unreadable;
	if (SELSRC_BITS(np, srcprefs))
		return SELSRC_preferences;
	if (tcp)
		return SELSRC_bound;
	if (SELSRC_PEEK(&index, np, ucast_oif))
		return SELSRC_unreadable;
	if (!index && SELSRC_PEEK(&index, np, sticky_pktinfo.ipi6_ifindex))
		return SELSRC_unreadable;
	return index ? SELSRC_unicast_if : SELSRC_bound;
}

static __always_inline __u32 selsrc_options(const struct selsrc_inside *in, __u32 family, int tcp)
{
	if (selsrc_freebind(in))
		return SELSRC_freebind;
	return family == SELSRC_INET ? selsrc_options4(in) : selsrc_options6(in, tcp);
}

/* Does bind() take an address that is not there? In doubt it does. */
static __always_inline int selsrc_nonlocal(struct bpf_sock_addr *ctx, __u32 family)
{
	struct sock___selsrc_net *sk;
	struct net___selsrc *net = 0;
	struct selsrc_inside in;
	__u8 is = 0;

	if (selsrc_inside(ctx, &in))
		return 1;
	sk = (void *)in.sk;
	if (selsrc_casts())
		sk = SELSRC_CAST(sock___selsrc_net, in.sk);
	if (SELSRC_PEEK(&net, sk, __sk_common.skc_net.net))
		return 1;
	if (family == SELSRC_INET ? SELSRC_PEEK(&is, net, ipv4.sysctl_ip_nonlocal_bind) :
				    SELSRC_PEEK(&is, net, ipv6.sysctl.ip_nonlocal_bind))
		return 1;
	return is;
}

/* Would binding it to an IPv6 address take IPv4 away from it? */
static __always_inline int selsrc_dual_stack(const struct selsrc_inside *in)
{
	struct sock_common___selsrc *sk = (void *)in->sk;

	if (selsrc_casts())
		sk = SELSRC_CAST(sock_common___selsrc, in->sk);
	return !SELSRC_BITS(sk, skc_ipv6only);
}

/*
 * The device that a message is limited to, by its packet info, its scope or its socket:
 * the address that we may write lies in what the kernel is going to route by.
 */
static __always_inline int selsrc_oif4(const struct selsrc_inside *in, __u32 *oif)
{
	struct ipcm_cookie___selsrc *ipc;
	void *addr = 0;

	if (SELSRC_PEEK(&addr, in->ctx, t_ctx) || !addr)
		return -1;
	ipc = addr - bpf_core_field_offset(struct ipcm_cookie___selsrc, addr);
	if (selsrc_casts())
		ipc = SELSRC_CAST(ipcm_cookie___selsrc, ipc);
	return SELSRC_PEEK(oif, ipc, oif);
}

static __always_inline int selsrc_oif6(const struct selsrc_inside *in, __u32 *oif)
{
	struct flowi6___selsrc *flow;
	void *addr = 0;

	if (SELSRC_PEEK(&addr, in->ctx, t_ctx) || !addr)
		return -1;
	flow = addr - bpf_core_field_offset(struct flowi6___selsrc, saddr);
	if (selsrc_casts())
		flow = SELSRC_CAST(flowi6___selsrc, flow);
	return SELSRC_PEEK(oif, flow, __fl_common.flowic_oif);
}

/* connect() to a link-local address: which link? */
static __always_inline int selsrc_scope_id(const struct selsrc_inside *in, __u32 *oif)
{
	void *addr = 0;

	if (SELSRC_PEEK(&addr, in->ctx, uaddr) || !addr)
		return -1;
	return bpf_probe_read_kernel(oif, sizeof(*oif),
				     addr + __builtin_offsetof(struct sockaddr_in6, sin6_scope_id));
}

#endif /* VESTIGE_BPF_SELSRC_SOCK_H */
