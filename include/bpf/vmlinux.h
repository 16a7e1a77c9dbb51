/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmlinux.h - the kernel types that our programs look into, and of these only
 * the fields they read. CO-RE finds where the running kernel has them, so
 * building needs no BTF. Fields that not every supported kernel has are asked
 * for with bpf_core_field_exists() and carry the release that brought them.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/in6.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum sock_flags {
	SOCK_DEAD,
	SOCK_DONE,
};

typedef struct {
	int counter;
} atomic_t;

struct netns_ipv4 {
	__u8 sysctl_tcp_timestamps;
	__u8 sysctl_tcp_rfc1337;
	int sysctl_tcp_invalid_ratelimit;	/* jiffies */
	int sysctl_tcp_fin_timeout;		/* jiffies */
	atomic_t rt_genid;
};

struct netns_ipv6 {
	atomic_t fib6_sernum;
};

struct net {
	__u64 net_cookie;
	struct netns_ipv4 ipv4;
	struct netns_ipv6 ipv6;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	int skc_bound_dev_if;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct list_head {
	struct list_head *next;
};

struct net_device {
	unsigned int flags;
	int ifindex;
	struct {
		struct list_head upper;
	} adj_list;
};

struct netdev_adjacent {
	struct net_device *dev;
	struct list_head list;
};

struct xfrm_state;
struct lwtunnel_state;

struct dst_entry {
	struct net_device *dev;
	struct xfrm_state *xfrm;
	struct lwtunnel_state *lwtstate;
	short obsolete;
};

struct rtable {
	int rt_genid;
	__u8 rt_uses_gateway;
};

struct fib6_node {
	int fn_sernum;
};

struct fib6_info {
	struct fib6_node *fib6_node;
};

struct rt6_info {
	struct fib6_info *from;
	int sernum;
	__u32 rt6i_flags;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	__u32 sk_mark;
	__u16 sk_protocol;
	struct dst_entry *sk_dst_cache;
};

struct ipv6_pinfo {
	__u32 dst_cookie;
};

struct inet_sock {
	struct sock sk;
	struct ipv6_pinfo *pinet6;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u32 icsk_rto;				/* jiffies */
};

struct tcp_options_received {
	int ts_recent_stamp;
	__u32 ts_recent;
	__u8 rcv_wscale:4;
};

struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_nxt;
	__u32 rcv_wup;
	__u32 rcv_wnd;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 write_seq;
	__u32 tsoffset;
	__u32 srtt_us;				/* eighths */
	struct minmax rtt_min;
	struct tcp_options_received rx_opt;
	int linger2;				/* jiffies */
	__u8 repair:1;
	__u8 tcp_usec_ts:1;			/* 6.7 */
	void *md5sig_info;			/* CONFIG_TCP_MD5SIG */
	void *ao_info;				/* 6.7, CONFIG_TCP_AO */
};

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
