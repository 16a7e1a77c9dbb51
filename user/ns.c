// SPDX-License-Identifier: GPL-2.0
/* ns.c - the network namespace that the command works on. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cmd.h"
#include "host.h"
#include "ns.h"
#include "out.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define SELF "/proc/self/ns/net"

static int bad_name(const char *name)
{
	if (*name && strlen(name) < sizeof(((struct ns *)0)->name) &&
	    !strchr(name, '/') && strcmp(name, ".") && strcmp(name, ".."))
		return 0;
	p_err("'%s' is no name of a namespace; 'ip netns list' shows them", name);
	return 1;
}

int ns_unknown(const char *name)
{
	p_err("namespace '%s' does not exist in " NETNS_DIR "; 'ip netns list' shows them", name);
	return EXIT_REFUSED;
}

static int enter_fd(int fd, const char *name)
{
	struct statfs fs;

	/* The file of a namespace that was deleted halfway is an ordinary one. */
	if (fstatfs(fd, &fs) || fs.f_type != NSFS_MAGIC || setns(fd, CLONE_NEWNET)) {
		p_err("namespace '%s' cannot be entered: %s", name,
		      errno == EPERM ? "needs root" : "its file is no network namespace");
		return EXIT_REFUSED;
	}
	return EXIT_OK;
}

static int enter(const char *name)
{
	char path[PATH_MAX];
	int fd, ret;

	if (bad_name(name))
		return EXIT_USAGE;
	snprintf(path, sizeof(path), NETNS_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		p_err("namespace '%s': %s", name, strerror(errno));
		return EXIT_REFUSED;
	}
	ret = enter_fd(fd, name);
	close(fd);
	return ret;
}

/* The name that `ip netns` knows a namespace by, if it has one. */
static void find_name(struct ns *ns)
{
	DIR *dir = opendir(NETNS_DIR);
	struct dirent *entry;
	struct stat st;

	if (!dir)
		return;
	while (!ns->name[0] && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    !fstatat(dirfd(dir), entry->d_name, &st, 0) && st.st_ino == ns->inode)
			snprintf(ns->name, sizeof(ns->name), "%s", entry->d_name);
	closedir(dir);
}

/* Cookie of the namespace that we are in. 0 or -errno. */
static int read_cookie(__u64 *cookie)
{
	int sk = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	socklen_t len = sizeof(*cookie);

	if (sk < 0)
		return -errno;
	if (getsockopt(sk, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len))
		err = -errno;
	close(sk);
	return err;
}

static int describe(struct ns *ns)
{
	int err = read_cookie(&ns->cookie);
	struct stat st;

	if (!err && stat(SELF, &st))
		err = -errno;
	if (err) {
		p_err("the namespace cannot be told from others: %s; is /proc mounted?",
		      strerror(-err));
		return EXIT_REFUSED;
	}
	ns->inode = st.st_ino;
	return EXIT_OK;
}

int ns_enter(const char *name, struct ns *ns)
{
	int ret;

	memset(ns, 0, sizeof(*ns));
	ret = name ? enter(name) : EXIT_OK;
	if (ret)
		return ret;
	ret = describe(ns);
	if (ret)
		return ret;
	if (name)
		snprintf(ns->name, sizeof(ns->name), "%s", name);
	else
		find_name(ns);
	return EXIT_OK;
}

int ns_enter_fd(int fd, const char *name, struct ns *ns)
{
	int ret = enter_fd(fd, name);

	memset(ns, 0, sizeof(*ns));
	if (!ret)
		ret = describe(ns);
	if (!ret)
		snprintf(ns->name, sizeof(ns->name), "%s", name);
	return ret;
}

const char *ns_label(const struct ns *ns, char *buf, size_t size)
{
	if (ns->name[0])
		snprintf(buf, size, "%s", ns->name);
	else
		snprintf(buf, size, "net:[%llu]", (unsigned long long)ns->inode);
	return buf;
}

/*
 * The number of the inode goes to the next namespace as soon as one is gone, the
 * cookie to no other ever. To be asked for it, a namespace has to be entered.
 * What cannot be entered may well be the one.
 */
static bool has_cookie(int fd, __u64 cookie)
{
	int home = open(SELF, O_RDONLY | O_CLOEXEC);
	__u64 found = cookie;

	if (home < 0)
		return true;
	if (!setns(fd, CLONE_NEWNET)) {
		read_cookie(&found);
		/* Nothing good can be done in a namespace that nobody meant. */
		if (setns(home, CLONE_NEWNET))
			abort();
	} else if (errno == EINVAL) {
		found = 0;	/* a namespace of another kind */
	}
	close(home);
	return found == cookie;
}

static int open_if_same(const char *path, const struct ns *ns)
{
	struct stat st;
	int fd;

	if (stat(path, &st) || st.st_ino != ns->inode)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && has_cookie(fd, ns->cookie))
		return fd;
	if (fd >= 0)
		close(fd);
	return -ENOENT;
}

static int find_in_proc(const struct ns *ns)
{
	DIR *proc = opendir("/proc");
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENOENT;

	if (!proc)
		return -errno;
	while (fd == -ENOENT && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/ns/net", entry->d_name);
		fd = open_if_same(path, ns);
	}
	closedir(proc);
	return fd;
}

struct mount_search {
	const struct ns *ns;
	int fd;
};

static int look_at_mount(const char *where, void *arg)
{
	struct mount_search *search = arg;

	search->fd = open_if_same(where, search->ns);
	return search->fd >= 0;
}

int ns_find(const struct ns *ns)
{
	struct mount_search search = { ns, -ENOENT };
	int fd = find_in_proc(ns);

	if (fd != -ENOENT)
		return fd;
	host_mounts("nsfs", look_at_mount, &search);
	return search.fd;
}
