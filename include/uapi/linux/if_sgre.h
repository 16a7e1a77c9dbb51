/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * if_sgre.h - the netlink contract of the device kind "sgre": GRE (RFC 2784,
 * RFC 2890, RFC 8086) whose outside is a socket.
 *
 * RTM_NEWLINK with IFLA_INFO_KIND "sgre" and, in IFLA_INFO_DATA, the attributes
 * below. A change (RTM_NEWLINK of a device that exists) may carry those marked
 * C; what is left out stays as it is. RTM_GETLINK returns all that are set.
 * Numbers are in host byte order but for addresses, ports and keys.
 */
#ifndef _UAPI_LINUX_IF_SGRE_H
#define _UAPI_LINUX_IF_SGRE_H

#include <linux/types.h>

#define SGRE_KIND	"sgre"
#define SGRE_UDP_PORT	4754	/* RFC 8086 */

enum {
	IFLA_SGRE_UNSPEC,
	IFLA_SGRE_LOCAL,	/* C in_addr: an address of this host */
	IFLA_SGRE_REMOTE,	/* C in_addr, unicast */
	IFLA_SGRE_LOCAL6,	/* C in6_addr; instead of IFLA_SGRE_LOCAL */
	IFLA_SGRE_REMOTE6,	/* C in6_addr, unicast */
	IFLA_SGRE_TRANSPORT,	/* u8: enum sgre_transport; default raw */
	IFLA_SGRE_FD,		/* s32: a connected socket of the caller is the outside: no
				 * LOCAL, REMOTE, TRANSPORT, SPORT, DPORT, LINK beside it.
				 * Not returned; IFLA_SGRE_ADOPTED is. */
	IFLA_SGRE_ADOPTED,	/* flag: the outside is a socket of a user; returned only */
	IFLA_SGRE_SPORT,	/* C be16: UDP source port; 0: from the inner flow */
	IFLA_SGRE_DPORT,	/* C be16: UDP destination port; default 4754. The socket
				 * receives on SPORT, or, when that is 0, on DPORT. */
	IFLA_SGRE_IKEY,		/* C be32: expected key; needs SGRE_IKEY in FLAGS */
	IFLA_SGRE_OKEY,		/* C be32: sent key; needs SGRE_OKEY in FLAGS */
	IFLA_SGRE_FLAGS,	/* C nla_bitfield32 of SGRE_* below */
	IFLA_SGRE_TTL,		/* C u8: 0 inherits; default 64 */
	IFLA_SGRE_TOS,		/* C u8: DSCP and ECN bits; bit 0 set (1) inherits, as in
				 * ip_gre; default 0 */
	IFLA_SGRE_LINK,		/* C u32: ifindex of the underlying device; 0: any */
	IFLA_SGRE_MODE,		/* u8: enum sgre_mode; default ip */
	IFLA_SGRE_KEEPALIVE,	/* C struct sgre_keepalive */
	IFLA_SGRE_COUNTERS,	/* u64[]: enum sgre_counter; returned only. May grow at the end */
	__IFLA_SGRE_MAX
};
#define IFLA_SGRE_MAX	(__IFLA_SGRE_MAX - 1)

enum sgre_transport {
	SGRE_RAW,		/* IP protocol 47 */
	SGRE_UDP,		/* RFC 8086 */
};

enum sgre_mode {
	SGRE_MODE_IP,		/* IPv4, IPv6, MPLS */
	SGRE_MODE_ETHER,	/* transparent Ethernet bridging, 0x6558 */
};

/* IFLA_SGRE_FLAGS */
enum {
	SGRE_CSUM	= 1 << 0,	/* sent; and demanded of what is received */
	SGRE_SEQ	= 1 << 1,
	SGRE_IKEY	= 1 << 2,
	SGRE_OKEY	= 1 << 3,
	SGRE_PMTUDISC	= 1 << 4,	/* outer DF and path MTU; default on */
};
#define SGRE_FLAGS	(SGRE_CSUM | SGRE_SEQ | SGRE_IKEY | SGRE_OKEY | SGRE_PMTUDISC)

/* Cisco's: after count unanswered, one each interval, there is no carrier. */
struct sgre_keepalive {
	__u16 interval;		/* seconds; 0: off */
	__u16 count;		/* 1 to 255 */
};

/* name, what happened; ethtool -S and IFLA_SGRE_COUNTERS have them in this order */
#define SGRE_COUNTERS(X)						\
	X(rx_short,	"received: shorter than its GRE header")	\
	X(rx_version,	"received: GRE version is not 0")		\
	X(rx_reserved,	"received: routing or reserved bits are set")	\
	X(rx_csum,	"received: GRE checksum wrong")			\
	X(rx_no_csum,	"received: without the checksum that this device demands")	\
	X(rx_seq,	"received: sequence number missing or old")	\
	X(rx_proto,	"received: payload of a kind not handled here")	\
	X(rx_ecn,	"received: ECN marks that exclude each other, RFC 6040")	\
	X(rx_policy,	"received: IPsec policy or socket filter forbids it")	\
	X(rx_nomem,	"received: no memory")				\
	X(rx_queued,	"received: by the queue of the socket, not by the shortcut")	\
	X(tx_no_socket,	"not sent: the socket is closed")		\
	X(tx_no_route,	"not sent: no route to the remote address")	\
	X(tx_loop,	"not sent: the route leads back into this device")	\
	X(tx_nesting,	"not sent: tunnels in tunnels, too deep")	\
	X(tx_too_big,	"not sent: larger than the path allows; the sender was told")	\
	X(tx_proto,	"not sent: payload of a kind not handled here")	\
	X(tx_nomem,	"not sent: no memory")				\
	X(tx_below,	"not sent: refused below by netfilter, IPsec or a full queue")	\
	X(ka_sent,	"keepalives sent")				\
	X(ka_returned,	"keepalives that came back")			\
	X(ka_answered,	"keepalives of the peer answered")

enum sgre_counter {
#define X(name, text) SGRE_C_##name,
	SGRE_COUNTERS(X)
#undef X
	SGRE_COUNTER_MAX
};

#endif /* _UAPI_LINUX_IF_SGRE_H */
