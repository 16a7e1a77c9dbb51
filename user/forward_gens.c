// SPDX-License-Identifier: GPL-2.0
/*
 * forward_gens.c - who says when a cached route is stale: the module, `vestige rtcache
 * follow`, or nobody, and then every packet asks the routing table.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "forward.h"
#include "forward.skel.h"
#include "out.h"
#include "rtcache_nl.h"
#include "step.h"

/* Nobody writes the map before the tracepoint's program is there. */
int forward_vouch(const struct forward_bpf *skel)
{
	struct rtcache_gens gens = { .lease_ns = RTCACHE_FOREVER };
	__u32 zero = 0;
	int err = bpf_map_update_elem(bpf_map__fd(skel->maps.gens), &zero, &gens, BPF_ANY);

	if (err)
		p_err("map 'gens' cannot be written: %s", strerror(-err));
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
static int prime(void)
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

static int listen_to(const struct forward_pins *p, const char *tracepoint,
		     const struct bpf_program *prog, const char *pin)
{
	int fd, err = step("%s", pin);

	fd = err ?: bpf_raw_tracepoint_open(tracepoint, bpf_program__fd(prog));
	if (fd == -ENOENT)
		p_err("the module has no tracepoint %s: it is older than this command; 'make kmod "
		      "kmod_install' of the same tree, then 'modprobe -r vestige'", tracepoint);
	else if (fd < 0)
		p_err("the module's tracepoint %s cannot be listened to: %s", tracepoint,
		      strerror(-fd));
	if (fd < 0)
		return fd;
	err = pindir_pin(p->dir, fd, pin);
	close(fd);
	return err;
}

int forward_listen(const struct forward_pins *p, const struct forward_bpf *skel)
{
	int err = listen_to(p, "vestige_rtcache_device", skel->progs.forward_device,
			    "link_device");

	err = err ?: listen_to(p, "vestige_rtcache_flush", skel->progs.rtcache_flushed,
			       "link_rtcache");
	return err ?: prime();
}

int forward_gens(const struct forward_pins *p, struct rtcache_gens *gens)
{
	int fd = forward_map(p, "gens"), err;
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &zero, gens);
	if (err)
		p_err("map 'gens' cannot be read: %s", strerror(-err));
	close(fd);
	return err;
}
