// SPDX-License-Identifier: GPL-2.0
/* forward_stats.c - `vestige forward stats`: the counters, summed over CPUs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "args.h"
#include "cmd.h"
#include "forward.h"
#include "out.h"

static const struct counter {
	const char *name;
	const char *help;
} counters[FORWARD_COUNTS] = {
#define COUNTER(name, help) { #name, help },
	FORWARD_COUNTERS(COUNTER)
#undef COUNTER
};

static int read_counters(const struct forward_pins *p, __u64 sum[FORWARD_COUNTS])
{
	int fd = forward_map(p, "stats"), cpus = libbpf_num_possible_cpus(), i, err = -ENOMEM;
	struct forward_cpu *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;
	__u32 zero = 0;

	if (fd < 0) {
		free(values);
		return EXIT_REFUSED;
	}
	if (values)
		err = bpf_map_lookup_elem(fd, &zero, values);
	if (err)
		p_err("the counters cannot be read: %s", strerror(-err));
	for (i = 0; !err && i < cpus * FORWARD_COUNTS; i++)
		sum[i % FORWARD_COUNTS] += values[i / FORWARD_COUNTS].counter[i % FORWARD_COUNTS];
	free(values);
	close(fd);
	return err ? EXIT_REFUSED : EXIT_OK;
}

/* JSON has every counter; text leaves out what never happened. */
static void print(const __u64 sum[FORWARD_COUNTS], bool all)
{
	struct json_object *obj = json_object_new_object();
	int i, shown = 0;

	for (i = 0; i < FORWARD_COUNTS; i++) {
		out_num(obj, counters[i].name, sum[i]);
		if (!all && !sum[i])
			continue;
		p_text("%12llu  %-17s %s\n", (unsigned long long)sum[i], counters[i].name,
		       counters[i].help);
		shown++;
	}
	if (!shown)
		p_text("nothing has come yet; 'vestige forward stats all' names the counters\n");
	out_json(obj);
}

int forward_stats(int argc, char **argv)
{
	static const char *const words[] = { "all", NULL };
	__u64 sum[FORWARD_COUNTS] = {};
	struct forward_pins p;
	int ret;

	if (argc > 1) {
		p_err("stats: '%s' is one word too many", argv[1]);
		return EXIT_USAGE;
	}
	if (argc && arg_keyword("stats", argv[0], words) < 0)
		return EXIT_USAGE;
	ret = forward_open(&p, NULL);
	if (!ret)
		ret = read_counters(&p, sum);
	if (!ret)
		print(sum, argc == 1);
	return ret;
}
