/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pindir.h - a folder <bpffs>/<part>/<netns cookie>: what one part of vestige has pinned
 * for one network namespace.
 *
 * The folder is also the lock: who attaches or detaches holds flock() on it, which goes
 * with the process, however it ends. All functions take the path of the folder; those
 * that say what is wrong are marked.
 */
#ifndef VESTIGE_PINDIR_H
#define VESTIGE_PINDIR_H

#include <stdbool.h>
#include <stddef.h>

#include "ns.h"

/* Find bpffs. EXIT_OK, or EXIT_REFUSED and it has been said. */
int pindir_bpffs(char *buf, size_t size);

/* Path of the folder of part ("vestige", ...) in namespace ns. As pindir_bpffs(). */
int pindir_locate(const char *part, const struct ns *ns, char *dir, size_t size);

/* <bpffs>/<part>, in silence. */
bool pindir_parent(const char *part, char *buf, size_t size);

/* <dir>/<name>; empty if it does not fit. Returns buf. */
const char *pindir_path(const char *dir, const char *name, char *buf, size_t size);

/* fd of the map or link pinned as name, or negative errno, in silence. */
int pindir_get(const char *dir, const char *name);

/*
 * Copy the only value of the array called name. Another version's may have another size: what
 * is missing is 0, what is more is left out. 0, or negative errno in silence.
 */
int pindir_read(const char *dir, const char *name, void *to, size_t size);

/* Pin fd as name. 0, or negative errno, said. A step() of its own. */
int pindir_pin(const char *dir, int fd, const char *name);

/* Take name away again; one that is not there is fine. As pindir_pin(). */
int pindir_unpin(const char *dir, const char *name);

/*
 * Detach and unpin a link. Those of devices and cgroups end here and now, a tracepoint's with
 * its pin. As pindir_pin(); two steps.
 */
int pindir_remove_link(const char *dir, const char *name);

/*
 * Remove the empty folder, and <bpffs>/<part> if it was the last one in it; never before
 * all of it is unpinned. As pindir_pin().
 */
int pindir_remove(const char *dir);

/*
 * Lock. fd, or negative in silence: -EWOULDBLOCK (another one is at work), -ENOENT,
 * -EPERM (the folder is not ours alone) ...
 */
int pindir_lock(const char *dir, bool create);
int pindir_trylock(const char *dir);	/* once, without waiting */

/* Call fn for each entry of the folder; stops at the first that returns non-zero. */
int pindir_each(const char *dir, int (*fn)(const char *dir, const char *name, void *arg),
		void *arg);

#endif
