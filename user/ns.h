/* SPDX-License-Identifier: GPL-2.0 */
/* ns.h - the network namespace that the command works on. */
#ifndef VESTIGE_NS_H
#define VESTIGE_NS_H

#include <stddef.h>
#include <linux/types.h>

#define NETNS_DIR "/run/netns"

struct ns {
	char name[256];		/* under NETNS_DIR; empty if it has none there */
	__u64 cookie;
	__u64 inode;
};

/*
 * Enter the namespace called name (NULL: stay in the current one) and describe
 * it. From here on sockets, netlink, links and /proc/sys/net are its own.
 * EXIT_OK, EXIT_USAGE or EXIT_REFUSED; it has been said. The one exception is
 * a name that does not exist: -ENOENT in silence, since only the caller
 * knows whether remains of it are still about; ns_unknown() says it.
 */
int ns_enter(const char *name, struct ns *ns);
int ns_unknown(const char *name);

/* "NAME", or "net:[INODE]" for a namespace without a name. */
const char *ns_label(const struct ns *ns, char *buf, size_t size);

/* The same by a file of the namespace; name: what it is to be called. */
int ns_enter_fd(int fd, const char *name, struct ns *ns);

/*
 * Look for this namespace, by inode and cookie, among what processes and mounts that can
 * be seen from here hold. fd to enter it by; -ENOENT: none; another -errno: cannot be told.
 */
int ns_find(const struct ns *ns);

#endif
