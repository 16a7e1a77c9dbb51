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

#define TRACEPOINT	"vestige_rtcache_flush"

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
 * The first generation comes with a flush; nothing is cached before. Who asks makes the
 * module look at what the kernel tells nobody, as long as there is a listener.
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

int forward_listen(const struct forward_pins *p, const struct forward_bpf *skel)
{
	int fd, err = step("link_rtcache");

	fd = err ?: bpf_raw_tracepoint_open(TRACEPOINT,
					    bpf_program__fd(skel->progs.rtcache_flushed));
	if (fd < 0) {
		p_err("the module's tracepoint cannot be listened to: %s", strerror(-fd));
		return fd;
	}
	err = pindir_pin(p->dir, fd, "link_rtcache");
	close(fd);
	return err ? err : prime();
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
