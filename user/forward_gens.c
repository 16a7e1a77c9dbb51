// SPDX-License-Identifier: GPL-2.0
/*
 * forward_gens.c - who says when a cached route is stale: the module, `vestige rtcache
 * follow`, or nobody, and then every packet asks the routing table.
 */
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "forward.h"
#include "forward.skel.h"
#include "gens_module.h"
#include "out.h"

int forward_vouch(const struct forward_bpf *skel)
{
	return gens_module_vouch(bpf_map__fd(skel->maps.gens));
}

int forward_listen(const struct forward_pins *p, const struct forward_bpf *skel)
{
	int err = gens_module_listen(p->dir, "vestige_rtcache_device",
				     bpf_program__fd(skel->progs.forward_device), "link_device");

	err = err ?: gens_module_listen(p->dir, "vestige_rtcache_flush",
					bpf_program__fd(skel->progs.rtcache_flushed),
					"link_rtcache");
	return err ?: gens_module_prime();
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
