// SPDX-License-Identifier: GPL-2.0
/*
 * test_verifier.c - how much of the verifier's patience each program needs
 *
 * verifier.budget says what each took on the kernel that it names, and more than
 * 10 % above that fails: a program that needs a million instructions cannot be
 * attached, and one that comes near depends on the verifier's mood. Verifiers
 * differ, so on another kernel half a million is the bound. The program of the module's
 * tracepoint is left out: without the module it cannot be loaded. `test_verifier print`
 * prints a new budget.
 */
#include <sys/utsname.h>

#include "run.h"

#define BUDGET	"selftests/prog_run/verifier.budget"
#define ANYWHERE	500000

static __u32 verified(const struct bpf_program *prog)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
		ksft_bail("%s: %s", bpf_program__name(prog), strerror(errno));
	return info.verified_insns;
}

/* 6.18 of 6.18.44-something */
static void kernel(char *release, size_t size)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	snprintf(release, size, "%u.%u", major, minor);
}

/* What the budget says of a program: 0 is nothing. `same`: it was made on this kernel. */
static __u32 budget_of(const char *name, int *same)
{
	char line[128], word[64], here[40];
	FILE *f = fopen(BUDGET, "r");
	unsigned int n, found = 0;

	if (!f)
		ksft_bail("%s: %s", BUDGET, strerror(errno));
	kernel(here, sizeof(here));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "kernel %63s", word) == 1)
			*same = !strcmp(word, here);
		else if (sscanf(line, "%63s %u", word, &n) == 2 && !strcmp(word, name))
			found = n;
	}
	fclose(f);
	return found;
}

static void print(void)
{
	struct bpf_program *prog;
	char here[40];

	kernel(here, sizeof(here));
	printf("kernel %s\n", here);
	bpf_object__for_each_program(prog, skel->obj)
		if (bpf_program__autoload(prog))
			printf("%s %u\n", bpf_program__name(prog), verified(prog));
}

static void test(const struct bpf_program *prog)
{
	__u32 took = verified(prog), budget, limit;
	int same = 0;

	budget = budget_of(bpf_program__name(prog), &same);
	limit = same ? budget + budget / 10 : ANYWHERE;
	ksft_ok(budget && took && took <= limit, "%s: %u instructions verified, of %u",
		bpf_program__name(prog), took, limit);
}

int main(int argc, char **argv)
{
	struct bpf_program *prog;
	unsigned int count = 0;

	run_begin();
	if (argc > 1 && !strcmp(argv[1], "print")) {
		print();
		return 0;
	}
	bpf_object__for_each_program(prog, skel->obj)
		count += bpf_program__autoload(prog);
	ksft_plan(count);
	bpf_object__for_each_program(prog, skel->obj)
		if (bpf_program__autoload(prog))
			test(prog);
	return ksft_end();
}
