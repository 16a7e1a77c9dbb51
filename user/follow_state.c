// SPDX-License-Identifier: GPL-2.0
/* follow_state.c - how `vestige rtcache follow` of a network namespace is doing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <sys/mman.h>

#include "cmd.h"
#include "follow.h"
#include "follow_state.h"
#include "out.h"
#include "pindir.h"
#include "rtcache_event.h"

#define PART	"vestige_rtcache"
#define NAME	"follow"

/* ---- ours --------------------------------------------------------------------------- */

static int make_map(struct follow_state *s)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rtcache_follow", sizeof(__u32),
				sizeof(*s->now), 1, &opts);
	void *mem = MAP_FAILED;
	int err = EXIT_OK;

	if (fd >= 0)
		mem = mmap(NULL, sizeof(*s->now), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED) {
		p_err("follow: no map for the state: %s", strerror(errno));
		err = EXIT_REFUSED;
	} else {
		s->now = mem;
		s->now->pid = getpid();
		if (pindir_unpin(s->dir, NAME) || pindir_pin(s->dir, fd, NAME))
			err = EXIT_REFUSED;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int follow_state_open(struct follow_state *s, const struct ns *ns)
{
	char label[300];
	int err;

	memset(s, 0, sizeof(*s));
	err = pindir_locate(PART, ns, s->dir, sizeof(s->dir));
	if (err)
		return err;
	s->lock = pindir_lock(s->dir, true);
	if (s->lock == -EWOULDBLOCK) {
		p_err("follow: another one runs in namespace %s; there can be one",
		      ns_label(ns, label, sizeof(label)));
		return EXIT_REFUSED;
	}
	if (s->lock < 0) {
		p_err("follow: cannot lock %s: %s", s->dir, strerror(-s->lock));
		return EXIT_REFUSED;
	}
	err = make_map(s);
	if (err)
		follow_state_close(s);
	return err;
}

void follow_state_close(struct follow_state *s)
{
	if (s->now) {
		s->now->lease_ns = 0;
		munmap(s->now, sizeof(*s->now));
	}
	s->now = NULL;
	if (!pindir_unpin(s->dir, NAME))
		pindir_remove(s->dir);
	close(s->lock);
}

/* ---- another one's ------------------------------------------------------------------ */

static int read_map(int fd, struct follow_numbers *now)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info), zero = 0;
	int err = bpf_obj_get_info_by_fd(fd, &info, &len);

	if (!err && info.value_size != sizeof(*now))
		err = -EPROTO;
	return err ? err : bpf_map_lookup_elem(fd, &zero, now);
}

bool follow_state_read(const struct ns *ns, struct follow_numbers *now)
{
	char parent[PATH_MAX / 2], dir[PATH_MAX];
	int fd, err;

	if (!pindir_parent(PART, parent, sizeof(parent)))
		return false;
	snprintf(dir, sizeof(dir), "%s/%llu", parent, (unsigned long long)ns->cookie);
	fd = pindir_get(dir, NAME);
	if (fd < 0)
		return false;
	err = read_map(fd, now);
	close(fd);
	return !err && follow_now_ns() < now->lease_ns;
}

/* ---- numbers -------------------------------------------------------------------------- */

void follow_numbers_print(const struct follow_numbers *now)
{
	int f;

	for (f = 0; f < RTCACHE_FAMILIES; f++)
		p_text("%-5s generation %llu, %llu changes in %llu flushes\n",
		       rtcache_family_name(f), (unsigned long long)now->gen[f],
		       (unsigned long long)now->changes[f],
		       (unsigned long long)now->flushes[f]);
	p_text("overruns %llu\n", (unsigned long long)now->overruns);
	p_text("window p50 %.1f us, p99 %.1f us, max %.1f us of %llu probes: "
	       "from a change until it is known\n",
	       now->p50_ns / 1e3, now->p99_ns / 1e3, now->max_ns / 1e3,
	       (unsigned long long)now->probes);
}

static struct json_object *family_json(const struct follow_numbers *now, int family)
{
	struct json_object *obj = json_object_new_object();

	out_num(obj, "generation", now->gen[family]);
	out_num(obj, "changes", now->changes[family]);
	out_num(obj, "flushes", now->flushes[family]);
	return obj;
}

struct json_object *follow_numbers_json(const struct follow_numbers *now)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *window = json_object_new_object();
	int f;

	out_num(obj, "pid", now->pid);
	for (f = 0; f < RTCACHE_FAMILIES; f++)
		json_object_object_add(obj, rtcache_family_name(f), family_json(now, f));
	out_num(obj, "overruns", now->overruns);
	out_num(window, "probes", now->probes);
	out_num(window, "p50_ns", now->p50_ns);
	out_num(window, "p99_ns", now->p99_ns);
	out_num(window, "max_ns", now->max_ns);
	json_object_object_add(obj, "window", window);
	return obj;
}
