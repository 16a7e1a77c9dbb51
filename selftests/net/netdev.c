// SPDX-License-Identifier: GPL-2.0
/*
 * netdev.c - what the tests need of a device and Debian 12's iproute2 cannot do.
 *
 *	netdev offload DEV tx|tso|gro on|off
 *	netdev usec-route PREFIX/LEN DEV	a route with RTAX_FEATURE_TCP_USEC_TS
 *	netdev xdp-pass DEV			a native XDP program that passes all
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef RTAX_FEATURE_TCP_USEC_TS
#define RTAX_FEATURE_TCP_USEC_TS	(1 << 4)
#endif

struct route_request {
	struct nlmsghdr nlh;
	struct rtmsg rtm;
	char attrs[256];
};

struct link_request {
	struct nlmsghdr nlh;
	struct ifinfomsg ifi;
	char attrs[256];
};

static int offload(const char *dev, const char *what, const char *onoff)
{
	struct ethtool_value value = { .data = !strcmp(onoff, "on") };
	struct ifreq ifr = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int rc;

	value.cmd = !strcmp(what, "gro") ? ETHTOOL_SGRO :
		    !strcmp(what, "tso") ? ETHTOOL_STSO : ETHTOOL_STXCSUM;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	rc = ioctl(fd, SIOCETHTOOL, &ifr);
	if (rc)
		perror(dev);
	close(fd);
	return rc ? 1 : 0;
}

static struct rtattr *add_attr(struct nlmsghdr *nlh, int type, const void *data, int len)
{
	struct rtattr *rta = (void *)nlh + NLMSG_ALIGN(nlh->nlmsg_len);

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(rta), data, len);
	nlh->nlmsg_len = NLMSG_ALIGN(nlh->nlmsg_len) + RTA_ALIGN(rta->rta_len);
	return rta;
}

static int fill_route(struct route_request *req, char *prefix, const char *dev)
{
	__u32 features = RTAX_FEATURE_TCP_USEC_TS;
	char *slash = strchr(prefix, '/');
	unsigned int oif = if_nametoindex(dev);
	struct rtattr *metrics;
	unsigned char addr[16];

	if (!slash || !oif)
		return -1;
	*slash = 0;
	req->rtm.rtm_family = strchr(prefix, ':') ? AF_INET6 : AF_INET;
	req->rtm.rtm_dst_len = atoi(slash + 1);
	if (inet_pton(req->rtm.rtm_family, prefix, addr) != 1)
		return -1;
	add_attr(&req->nlh, RTA_DST, addr, req->rtm.rtm_family == AF_INET ? 4 : 16);
	add_attr(&req->nlh, RTA_OIF, &oif, sizeof(oif));
	metrics = add_attr(&req->nlh, RTA_METRICS, NULL, 0);
	add_attr(&req->nlh, RTAX_FEATURES, &features, sizeof(features));
	metrics->rta_len = (char *)&req->nlh + req->nlh.nlmsg_len - (char *)metrics;
	return 0;
}

/* Sends a request and waits for its acknowledgement. */
static int talk(const char *what, struct nlmsghdr *nlh)
{
	struct { struct nlmsghdr nlh; struct nlmsgerr err; char rest[256]; } ack = {};
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	if (send(fd, nlh, nlh->nlmsg_len, 0) < 0 || recv(fd, &ack, sizeof(ack), 0) < 0)
		ack.err.error = -errno;
	close(fd);
	if (ack.err.error)
		fprintf(stderr, "netdev: %s: %s\n", what, strerror(-ack.err.error));
	return ack.err.error ? 1 : 0;
}

static int usec_route(char *prefix, const char *dev)
{
	struct route_request req = {
		.nlh = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
			.nlmsg_type = RTM_NEWROUTE,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
		},
		.rtm = {
			.rtm_table = RT_TABLE_MAIN,
			.rtm_protocol = RTPROT_STATIC,
			.rtm_scope = RT_SCOPE_LINK,
			.rtm_type = RTN_UNICAST,
		},
	};

	if (fill_route(&req, prefix, dev)) {
		fprintf(stderr, "netdev: bad prefix or device\n");
		return 1;
	}
	return talk("route", &req.nlh);
}

static int load_xdp_pass(void)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (unsigned long)pass,
		.insn_cnt = sizeof(pass) / sizeof(pass[0]),
		.license = (unsigned long)"GPL",
	};

	return syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int xdp_pass(const char *dev)
{
	struct link_request req = {
		.nlh = {
			.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			.nlmsg_type = RTM_SETLINK,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.ifi.ifi_index = if_nametoindex(dev),
	};
	__u32 flags = XDP_FLAGS_DRV_MODE;
	struct rtattr *xdp;
	int fd = load_xdp_pass();

	if (fd < 0) {
		perror("netdev: XDP program");
		return 1;
	}
	xdp = add_attr(&req.nlh, IFLA_XDP | NLA_F_NESTED, NULL, 0);
	add_attr(&req.nlh, IFLA_XDP_FD, &fd, sizeof(fd));
	add_attr(&req.nlh, IFLA_XDP_FLAGS, &flags, sizeof(flags));
	xdp->rta_len = (char *)&req.nlh + req.nlh.nlmsg_len - (char *)xdp;
	return talk("XDP", &req.nlh);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "offload"))
		return offload(argv[2], argv[3], argv[4]);
	if (argc == 4 && !strcmp(argv[1], "usec-route"))
		return usec_route(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "xdp-pass"))
		return xdp_pass(argv[2]);
	fprintf(stderr, "usage: netdev offload DEV tx|tso|gro on|off\n"
			"       netdev usec-route PREFIX/LEN DEV\n"
			"       netdev xdp-pass DEV\n");
	return 1;
}
