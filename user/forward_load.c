// SPDX-License-Identifier: GPL-2.0
/* forward_load.c - the program and its maps, in the kernel but not yet anywhere in effect. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>

#include "forward.h"
#include "forward.skel.h"
#include "out.h"

/* A next hop for each two flows, within bounds. */
static __u32 posts_for(__u32 flows)
{
	__u32 posts = flows / 2 / FORWARD_WAYS;

	if (posts < FORWARD_MIN_POSTS)
		return FORWARD_MIN_POSTS;
	return posts < FORWARD_MAX_POSTS ? posts : FORWARD_MAX_POSTS;
}

static int set_sizes(struct forward_bpf *skel, __u32 flows)
{
	struct forward_geometry geo = {
		.buckets = (flows + FORWARD_WAYS - 1) / FORWARD_WAYS,
		.posts = posts_for(flows),
	};
	int err;

	if (getrandom(geo.seed, sizeof(geo.seed), 0) != sizeof(geo.seed))
		return -EAGAIN;
	memcpy((void *)&skel->rodata->geo, &geo, sizeof(geo));
	err = bpf_map__set_max_entries(skel->maps.buckets, geo.buckets);
	return err ?: bpf_map__set_max_entries(skel->maps.posts, geo.posts);
}

static void refuse(int err, __u32 flows)
{
	if ((err == -ENOMEM || err == -E2BIG) && out_libbpf_said("failed to create"))
		p_err("the kernel refuses the memory for %u flows; ask for fewer with 'flows N'",
		      flows);
	else if (err == -EPERM)
		p_err("the kernel refuses BPF (capabilities, or lockdown); 'vestige doctor' "
		      "says more");
	else
		p_err("the kernel does not take the program: %s; 'vestige -d forward attach' "
		      "shows all that the verifier said", strerror(-err));
	out_libbpf_forget();
}

struct forward_bpf *forward_load(const struct forward_load *opts)
{
	struct forward_bpf *skel = forward_bpf__open();
	int err = -errno;

	if (skel) {
		*(__u64 *)&skel->rodata->netns_cookie = opts->netns_cookie;
		*(__u64 *)&skel->rodata->age_ns = opts->age_ms * 1000000ull;
		*(__u32 *)&skel->rodata->bypass = opts->bypass;
		bpf_program__set_autoload(skel->progs.rtcache_flushed, opts->module);
		bpf_program__set_autoload(skel->progs.forward_device, opts->module);
		err = set_sizes(skel, opts->flows);
		err = err ?: forward_bpf__load(skel);
	}
	if (!err)
		return skel;
	refuse(err, opts->flows);
	forward_bpf__destroy(skel);
	return NULL;
}
