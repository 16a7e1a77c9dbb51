// SPDX-License-Identifier: GPL-2.0
/* stats.c - the counters, summed over CPUs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include "args.h"
#include "cmd.h"
#include "out.h"
#include "stats.h"

#define COUNTERS	(sizeof(struct vtw_stats) / sizeof(__u64))

static const struct counter {
	const char *name;
	const char *help;
} counters[COUNTERS] = {
#define COUNTER(name, help) { #name, help },
	VTW_STATS(COUNTER)
#undef COUNTER
};

/* One element for each possible CPU, zero. NULL, and it has been said. */
static __u64 *percpu(int *cpus)
{
	__u64 *values;

	*cpus = libbpf_num_possible_cpus();
	values = *cpus > 0 ? calloc(*cpus, sizeof(struct vtw_stats)) : NULL;
	if (!values)
		p_err("no memory for the counters");
	return values;
}

int stats_read(const struct pins *p, struct vtw_stats *sum)
{
	int fd, cpus, cpu, err = EXIT_REFUSED;
	__u64 *values, *total = (__u64 *)sum;
	__u32 key = 0;
	size_t i;

	memset(sum, 0, sizeof(*sum));
	fd = pins_map(p, "stats");
	if (fd < 0)
		return EXIT_REFUSED;
	values = percpu(&cpus);
	if (!values)
		goto out;
	if (bpf_map_lookup_elem(fd, &key, values)) {
		p_err("cannot read the counters: %s", strerror(errno));
		goto out;
	}
	for (cpu = 0; cpu < cpus; cpu++)
		for (i = 0; i < COUNTERS; i++)
			total[i] += values[cpu * COUNTERS + i];
	err = EXIT_OK;
out:
	free(values);
	close(fd);
	return err;
}

/*
 * A CPU that adds to a counter in this moment may write back the old value
 * plus one: BPF adds without a lock. Reset again, or take differences, when
 * that matters.
 */
static int stats_reset(const struct pins *p)
{
	int fd, cpus, err = EXIT_REFUSED;
	__u64 *values;
	__u32 key = 0;

	fd = pins_map(p, "stats");
	if (fd < 0)
		return EXIT_REFUSED;
	values = percpu(&cpus);
	if (values && !bpf_map_update_elem(fd, &key, values, BPF_EXIST))
		err = EXIT_OK;
	else if (values)
		p_err("cannot reset the counters: %s", strerror(errno));
	free(values);
	close(fd);
	return err;
}

/* JSON has every counter; text leaves out what never happened. */
static void print_stats(const struct vtw_stats *sum, bool all)
{
	struct json_object *obj = json_object_new_object();
	const __u64 *value = (const __u64 *)sum;
	size_t i, shown = 0;

	for (i = 0; i < COUNTERS; i++) {
		out_num(obj, counters[i].name, value[i]);
		if (!all && !value[i])
			continue;
		p_text("%12llu  %-19s %s\n", (unsigned long long)value[i],
		       counters[i].name, counters[i].help);
		shown++;
	}
	if (!shown)
		p_text("nothing has happened yet; 'vestige vtw stats all' names the counters\n");
	out_json(obj);
}

int vtw_stats(int argc, char **argv)
{
	static const char *const words[] = { "all", "reset", NULL };
	struct vtw_stats sum;
	struct pins p;
	int word = -1, err;

	if (argc > 1) {
		p_err("stats: '%s' is one word too many", argv[1]);
		return EXIT_USAGE;
	}
	if (argc) {
		word = arg_keyword("stats", argv[0], words);
		if (word < 0)
			return EXIT_USAGE;
	}
	err = pins_open(&p, NULL);
	if (!err)
		err = word == 1 ? stats_reset(&p) : stats_read(&p, &sum);
	if (!err && word != 1)
		print_stats(&sum, word == 0);
	return err;
}
