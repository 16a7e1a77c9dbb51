#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# probe.sh KDIR DIR - what the interfaces of that kernel look like: compiles a few
# lines for each question in DIR/probe, and writes DIR/compat-probe.h, with a
# COMPAT_NAME for each that compiled. LLVM=1 and the like go to make.
#
set -u
kdir=$1
dir=$2/probe
shift 2

die() { echo "probe: $*" >&2; exit 1; }

rm -rf "$dir"
mkdir -p "$dir" || exit 1
objects=

# probe NAME HEADER... - the lines to compile come on stdin
probe()
{
	name=$1
	shift
	{
		for header; do
			echo "#include <$header>"
		done
		cat
		echo 'MODULE_LICENSE("GPL");'
	} >"$dir/$name.c"
	objects="$objects $name.o"
}

# A question whose answer is known: the kernel's headers or the compiler are broken
# if this one does not compile, and not different.
probe WORKS linux/module.h linux/netdevice.h net/udp_tunnel.h net/rtnetlink.h <<'EOF'
static int f(struct net_device *dev) { return dev->mtu; }
EOF

# 6.15
probe NEWLINK_PARAMS linux/module.h net/rtnetlink.h <<'EOF'
static struct net *f(struct rtnl_newlink_params *p) { return rtnl_newlink_link_net(p); }
EOF

# 6.16; brought to no older one
probe PERNET_EXIT_RTNL linux/module.h net/net_namespace.h <<'EOF'
void g(struct net *net, struct list_head *kill);
struct pernet_operations f = { .exit_rtnl = g };
EOF

# 6.7, and late 6.1
probe PERNET_EXIT_BATCH_RTNL linux/module.h net/net_namespace.h <<'EOF'
void g(struct list_head *nets, struct list_head *kill);
struct pernet_operations f = { .exit_batch_rtnl = g };
EOF

# 6.12
probe DEV_LLTX linux/module.h linux/netdevice.h <<'EOF'
static void f(struct net_device *dev) { dev->lltx = true; }
EOF

# 6.7
probe DEV_PCPU_STAT_TYPE linux/module.h linux/netdevice.h <<'EOF'
static void f(struct net_device *dev) { dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS; }
EOF

# 6.17
probe TUNNEL_XMIT_FLAGS linux/module.h net/ip_tunnels.h <<'EOF'
static void f(struct rtable *rt, struct sk_buff *skb)
{
	iptunnel_xmit(NULL, rt, skb, 0, 0, 0, 0, 0, 0, false, 0);
}
EOF

# 7.1
probe UDP_TUNNEL_SK linux/module.h net/udp_tunnel.h <<'EOF'
static void f(struct sock *sk) { udp_tunnel_sock_release(sk); }
EOF

# 6.19
probe SOCKADDR_UNSIZED linux/module.h linux/net.h <<'EOF'
static int f(struct socket *sock, struct sockaddr_unsized *addr)
{
	return kernel_bind(sock, addr, sizeof(addr->sa_family));
}
EOF

# gone in 7.1
probe RECVMSG_ADDR_LEN linux/module.h net/sock.h <<'EOF'
int g(struct sock *sk, struct msghdr *msg, size_t len, int flags, int *addr_len);
struct proto f = { .recvmsg = g };
EOF

# 6.18
probe FLOWI4_DSCP linux/module.h net/flow.h net/inet_dscp.h <<'EOF'
static void f(struct flowi4 *fl4) { fl4->flowi4_dscp = inet_dsfield_to_dscp(4); }
EOF

# 6.16
probe DST_DEV linux/module.h net/dst.h <<'EOF'
static struct net_device *f(const struct dst_entry *dst) { return dst_dev(dst); }
EOF

# 6.18
probe SK_DROPS_INC linux/module.h net/sock.h <<'EOF'
static void f(struct sock *sk) { sk_drops_inc(sk); }
EOF

# 6.18
probe SK_DROPS_READ linux/module.h net/sock.h <<'EOF'
static int f(const struct sock *sk) { return sk_drops_read(sk); }
EOF

# 6.8
probe ETHTOOL_PUTS linux/module.h linux/ethtool.h <<'EOF'
static void f(u8 **data) { ethtool_puts(data, ""); }
EOF

# 6.5
probe GSO_H linux/module.h linux/skbuff.h net/gso.h </dev/null

# 6.17
probe PERCPU_WQ linux/module.h linux/workqueue.h <<'EOF'
static bool f(struct work_struct *work) { return queue_work(system_percpu_wq, work); }
EOF

# 6.2
probe TIMER_DELETE linux/module.h linux/timer.h <<'EOF'
static int f(struct timer_list *timer) { return timer_delete_sync(timer); }
EOF

# 6.6
probe TCX linux/module.h net/tcx.h </dev/null

# 6.17
probe FORCE_FORWARDING linux/module.h linux/ipv6.h net/if_inet6.h <<'EOF'
int f(const struct inet6_dev *idev);
int f(const struct inet6_dev *idev) { return idev->cnf.force_forwarding; }
EOF

cat >"$dir/Kbuild" <<EOF
obj-m := $objects
ccflags-y := -Werror -Wno-unused
EOF
# shellcheck disable=SC2086	# a list of names
${MAKE:-make} -C "$kdir" M="$dir" -k -j"$(nproc)" "$@" W= C= KCFLAGS= $objects >"$dir/log" 2>&1
[ -e "$dir/WORKS.o" ] || {
	tail -n 20 "$dir/log" >&2
	die "nothing compiles with $kdir"
}
{
	echo '/* SPDX-License-Identifier: GPL-2.0 */'
	echo '/* Made by probe.sh. */'
	for object in $objects; do
		[ ! -e "$dir/$object" ] || echo "#define COMPAT_${object%.o}"
	done
} >"$dir/new"
mv "$dir/new" "$dir/../compat-probe.h"
