// SPDX-License-Identifier: GPL-2.0
/* pindir.c - a folder <bpffs>/<part>/<netns cookie>. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cmd.h"
#include "host.h"
#include "out.h"
#include "pindir.h"
#include "step.h"

#define BPFFS "/sys/fs/bpf"

#define LOCK_TRIES	10
#define LOCK_PAUSE_US	10000

static bool find_bpffs(char *buf, size_t size)
{
	struct statfs fs;

	snprintf(buf, size, BPFFS);
	if (!statfs(buf, &fs) && fs.f_type == BPF_FS_MAGIC)
		return true;
	return !host_mount("bpf", buf, size);
}

int pindir_bpffs(char *buf, size_t size)
{
	if (find_bpffs(buf, size))
		return EXIT_OK;
	/* ip netns exec hides /sys behind a new one, and bpffs with it. */
	p_err("no bpffs is mounted here; mount it: mount -t bpf bpf " BPFFS
	      " (not inside 'ip netns exec': use 'vestige -n NAME' from outside instead)");
	return EXIT_REFUSED;
}

int pindir_locate(const char *part, const struct ns *ns, char *dir, size_t size)
{
	char bpffs[PATH_MAX / 2];

	if (pindir_bpffs(bpffs, sizeof(bpffs)))
		return EXIT_REFUSED;
	snprintf(dir, size, "%s/%s/%llu", bpffs, part, (unsigned long long)ns->cookie);
	return EXIT_OK;
}

bool pindir_parent(const char *part, char *buf, size_t size)
{
	char bpffs[PATH_MAX / 2];

	if (!find_bpffs(bpffs, sizeof(bpffs)))
		return false;
	return snprintf(buf, size, "%s/%s", bpffs, part) < (int)size;
}

const char *pindir_path(const char *dir, const char *name, char *buf, size_t size)
{
	if (snprintf(buf, size, "%s/%s", dir, name) >= (int)size)
		buf[0] = '\0';
	return buf;
}

int pindir_get(const char *dir, const char *name)
{
	char path[PATH_MAX];

	return bpf_obj_get(pindir_path(dir, name, path, sizeof(path)));
}

int pindir_read(const char *dir, const char *name, void *to, size_t size)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), zero = 0;
	int fd = pindir_get(dir, name), err;
	void *value;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &len);
	value = calloc(1, info.value_size + size);
	if (!value)
		err = -ENOMEM;
	if (!err)
		err = bpf_map_lookup_elem(fd, &zero, value);
	if (!err)
		memcpy(to, value, size);
	free(value);
	close(fd);
	return err;
}

int pindir_pin(const char *dir, int fd, const char *name)
{
	char path[PATH_MAX];
	int err = step("pin %s", name);

	if (!err)
		err = bpf_obj_pin(fd, pindir_path(dir, name, path, sizeof(path)));
	if (err)
		p_err("%s cannot be pinned in %s: %s", name, dir, strerror(-err));
	return err;
}

int pindir_unpin(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	err = step("unpin %s", name);
	if (!err && unlink(path) && errno != ENOENT)
		err = -errno;
	if (err)
		p_err("%s cannot be removed: %s", path, strerror(-err));
	return err;
}

int pindir_remove_link(const char *dir, const char *name)
{
	int fd = pindir_get(dir, name), err;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return pindir_unpin(dir, name);
	err = step("detach %s", name);
	if (!err) {
		bpf_link_detach(fd);
		err = pindir_unpin(dir, name);
	}
	close(fd);
	return err;
}

int pindir_remove(const char *dir)
{
	char parent[PATH_MAX];
	int err = step("remove %s", dir);

	if (!err && rmdir(dir) && errno != ENOENT)
		err = -errno;
	if (err) {
		p_err("%s cannot be removed: %s", dir, strerror(-err));
		return err;
	}
	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	rmdir(parent);		/* other namespaces may have folders in it */
	return 0;
}

/*
 * bpffs may be open to everybody, as /tmp is. What lies in a folder that somebody
 * else made could be moved about by him at any time.
 */
static int make_own(const char *path)
{
	struct stat st;

	if (!mkdir(path, 0700))
		return 0;
	if (errno != EEXIST || lstat(path, &st))
		return -errno;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022) ?
	       0 : -EPERM;
}

static int make_folder(const char *dir)
{
	char parent[PATH_MAX];
	int err;

	snprintf(parent, sizeof(parent), "%s", dir);
	*strrchr(parent, '/') = '\0';
	err = make_own(parent);
	return err ? err : make_own(dir);
}

int pindir_trylock(const char *dir)
{
	struct stat by_fd, by_path;
	int fd, err;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = -errno;
	} else {
		/* Its owner may have removed it between our open and flock. */
		err = -EAGAIN;
		if (!fstat(fd, &by_fd) && !stat(dir, &by_path) &&
		    by_fd.st_ino == by_path.st_ino)
			return fd;
	}
	close(fd);
	return err;
}

int pindir_lock(const char *dir, bool create)
{
	int ret = -EAGAIN, tries;

	/*
	 * EWOULDBLOCK is EAGAIN: a lock that is held is tried for again, too. Who only
	 * looks, or changes a setting, has it for a moment.
	 */
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (tries)
			usleep(LOCK_PAUSE_US);
		if (create) {
			ret = make_folder(dir);
			/* A detach next to us may remove the parent: again. */
			if (ret == -ENOENT)
				continue;
			if (ret)
				return ret;
		}
		ret = pindir_trylock(dir);
		if (ret >= 0 || (ret == -ENOENT && !create))
			return ret;
		if (ret != -ENOENT && ret != -EAGAIN)
			return ret;
	}
	return ret;
}

int pindir_each(const char *dir, int (*fn)(const char *dir, const char *name, void *arg),
		void *arg)
{
	struct dirent **names;
	int n, i, ret = 0;

	/* A copy of the list, since fn may remove what it is shown. */
	n = scandir(dir, &names, NULL, alphasort);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (i = 0; i < n; i++) {
		if (!ret && names[i]->d_name[0] != '.')
			ret = fn(dir, names[i]->d_name, arg);
		free(names[i]);
	}
	free(names);
	return ret;
}
