// SPDX-License-Identifier: GPL-2.0
/* host.c - what the command needs from the host as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/magic.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "cmd.h"
#include "host.h"
#include "out.h"

bool kernel_too_old(const char *release)
{
	unsigned int major, minor = 0;

	/* What does not look like a version is left to the checks that load. */
	if (sscanf(release, "%u.%u", &major, &minor) < 1)
		return false;
	if (major != KERNEL_MAJOR)
		return major < KERNEL_MAJOR;
	return minor < KERNEL_MINOR;
}

int host_root(void)
{
	if (!geteuid())
		return EXIT_OK;
	p_err("needs root; try again with sudo");
	return EXIT_REFUSED;
}

int host_check(void)
{
	struct utsname uts;

	if (host_root())
		return EXIT_REFUSED;
	if (!uname(&uts) && kernel_too_old(uts.release)) {
		p_err("kernel %s is too old; boot Linux %d.%d or later", uts.release,
		      KERNEL_MAJOR, KERNEL_MINOR);
		return EXIT_REFUSED;
	}
	return EXIT_OK;
}

int host_mounts(const char *type, int (*fn)(const char *where, void *arg), void *arg)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;
	int ret = 0;

	if (!mounts)
		return 0;
	while (!ret && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, type))
			ret = fn(entry->mnt_dir, arg);
	endmntent(mounts);
	return ret;
}

struct path_buf {
	char *path;
	size_t size;
};

static int take_path(const char *where, void *arg)
{
	struct path_buf *buf = arg;

	snprintf(buf->path, buf->size, "%s", where);
	return 1;
}

int host_mount(const char *type, char *buf, size_t size)
{
	struct path_buf arg = { buf, size };

	return host_mounts(type, take_path, &arg) ? 0 : -ENOENT;
}

static bool is_cgroup2(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int host_cgroup(const char *path, char *buf, size_t size)
{
	int fd;

	if (path) {
		snprintf(buf, size, "%s", path);
	} else if (host_mount("cgroup2", buf, size)) {
		p_err("no cgroup2 is mounted; mount one: mount -t cgroup2 none "
		      "/sys/fs/cgroup/unified, or name one with 'cgroup PATH'");
		return -EXIT_REFUSED;
	}
	fd = open(buf, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		p_err("cgroup '%s': %s; name a directory of cgroup2", buf, strerror(errno));
		return -EXIT_REFUSED;
	}
	if (!is_cgroup2(fd)) {
		p_err("cgroup '%s' is not on a cgroup2 filesystem; name a directory of cgroup2",
		      buf);
		close(fd);
		return -EXIT_REFUSED;
	}
	return fd;
}
