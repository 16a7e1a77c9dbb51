// SPDX-License-Identifier: GPL-2.0
/* gens_module.c - the module keeps a map `gens`, for as long as a link is pinned. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>

#include "gens_module.h"
#include "out.h"
#include "pindir.h"
#include "rtcache_nl.h"
#include "step.h"

/* Nobody writes the map before the tracepoint's program is there. */
int gens_module_vouch(int map)
{
	struct rtcache_gens gens = { .lease_ns = RTCACHE_FOREVER };
	__u32 zero = 0;
	int err = bpf_map_update_elem(map, &zero, &gens, BPF_ANY);

	if (err)
		p_err("map 'gens' cannot be written: %s", strerror(-err));
	return err;
}

int gens_module_listen(const char *dir, const char *tracepoint, int prog, const char *pin)
{
	int fd, err = step("%s", pin);

	fd = err ?: bpf_raw_tracepoint_open(tracepoint, prog);
	if (fd == -ENOENT)
		p_err("the module has no tracepoint %s: it is older than this command; 'make kmod "
		      "kmod_install' of the same tree, then 'modprobe -r vestige'", tracepoint);
	else if (fd < 0)
		p_err("the module's tracepoint %s cannot be listened to: %s", tracepoint,
		      strerror(-fd));
	if (fd < 0)
		return fd;
	err = pindir_pin(dir, fd, pin);
	close(fd);
	return err;
}

static int ignore(const struct nlmsghdr *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return MNL_CB_OK;
}

/*
 * The first generation comes with a flush; nothing is cached before. With it all devices
 * are told, so that what has changed since they were listed is not lost. Who asks makes
 * the module look at what the kernel tells nobody, as long as there is a listener.
 */
int gens_module_prime(void)
{
	struct rtcache_nl nl;
	int err = step("flush cached routes");

	if (!err)
		err = rtcache_nl_open(&nl);
	if (!err) {
		err = rtcache_nl_flush(&nl, RTCACHE_BOTH);
		err = err ?: rtcache_nl_get(&nl, ignore, NULL);
		rtcache_nl_close(&nl);
	}
	if (err)
		p_err("the module does not say where its generations stand: %s", strerror(-err));
	return err;
}
