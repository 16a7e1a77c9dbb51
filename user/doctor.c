// SPDX-License-Identifier: GPL-2.0
/*
 * doctor.c - `vestige doctor`: can this host do it, and what is in the way.
 *
 * Looks and tries, changes nothing: what it loads is gone when it ends, and the
 * tc filter is tried in a network namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "cmd.h"
#include "doctor.h"
#include "host.h"
#include "load.h"
#include "out.h"
#include "pins.h"
#include "sysctl.h"
#include "vtw.skel.h"

static struct json_object *checks;
static enum verdict worst;

void say(enum verdict v, const char *name, const char *found, const char *advice)
{
	static const char *const words[] = { "ok", "warn", "fail" };
	struct json_object *obj = json_object_new_object();

	out_str(obj, "check", name);
	out_str(obj, "result", words[v]);
	out_str(obj, "found", found);
	if (advice)
		out_str(obj, "advice", advice);
	json_object_array_add(checks, obj);
	if (v > worst)
		worst = v;
	p_text("%-4s  %-12s %s%s%s\n", words[v], name, found, advice ? "; " : "",
	       advice ? advice : "");
}

static void check_root(void)
{
	if (geteuid())
		say(FAIL, "root", "not root", "run it with sudo");
	else
		say(OK, "root", "yes", NULL);
}

static void check_kernel(void)
{
	struct utsname uts;

	if (uname(&uts))
		return;
	if (kernel_too_old(uts.release))
		say(FAIL, "kernel", uts.release, "boot Linux 6.1 or later");
	else
		say(OK, "kernel", uts.release, NULL);
}

static void check_btf(void)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		say(FAIL, "btf", "no /sys/kernel/btf/vmlinux",
		    "use a kernel with CONFIG_DEBUG_INFO_BTF=y");
	else
		say(OK, "btf", "/sys/kernel/btf/vmlinux", NULL);
}

/* Is the filesystem behind path mounted in the namespace of process 1, too? */
static bool is_mounted_in_init(const char *path)
{
	unsigned int major_nr, minor_nr;
	FILE *file = fopen("/proc/1/mountinfo", "r");
	bool found = false;
	char line[4096];
	struct stat st;

	if (!file)
		return true;
	while (!found && !stat(path, &st) && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*d %*d %u:%u", &major_nr, &minor_nr) == 2 &&
			makedev(major_nr, minor_nr) == st.st_dev;
	fclose(file);
	return found;
}

static int take_first(const char *where, void *arg)
{
	snprintf(arg, PATH_MAX, "%s", where);
	return 1;
}

static void check_bpffs(void)
{
	char path[PATH_MAX];

	if (!host_mounts("bpf", take_first, path))
		say(FAIL, "bpffs", "not mounted", "mount -t bpf bpf /sys/fs/bpf");
	else if (!is_mounted_in_init(path))
		say(WARN, "bpffs", path, "it belongs to this mount namespace only: what is "
		    "attached goes with the namespace's last process; mount it on the host");
	else
		say(OK, "bpffs", path, NULL);
}

static void check_cgroup(void)
{
	char path[PATH_MAX];

	if (host_mount("cgroup2", path, sizeof(path)))
		say(FAIL, "cgroup2", "not mounted",
		    "mount -t cgroup2 none /sys/fs/cgroup/unified");
	else
		say(OK, "cgroup2", path, NULL);
}

static void check_jit(void)
{
	FILE *file = fopen("/proc/sys/net/core/bpf_jit_enable", "r");
	int on = 1;

	/* No file: the JIT is always on, or this is not the initial namespace. */
	if (file) {
		if (fscanf(file, "%d", &on) != 1)
			on = 1;
		fclose(file);
	}
	if (on)
		say(OK, "jit", "on", NULL);
	else
		say(WARN, "jit", "off: programs are interpreted",
		    "sysctl net.core.bpf_jit_enable=1");
}

/* In a child: a namespace, its loopback, a clsact qdisc, a filter. */
static int try_tc(int prog)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog);
	int err;

	if (unshare(CLONE_NEWNET))
		return errno;
	err = bpf_tc_hook_create(&hook);
	if (!err)
		err = bpf_tc_attach(&hook, &opts);
	return -err;
}

static void check_tc(int prog)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(try_tc(prog));
	if (child < 0 || waitpid(child, &status, 0) != child)
		return;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		say(OK, "clsact", "a filter can be attached", NULL);
	else
		say(FAIL, "clsact", strerror(WIFEXITED(status) ? WEXITSTATUS(status) : EIO),
		    "modprobe -a sch_ingress cls_bpf");
}

/* The real program, with the smallest tables. */
static void check_program(const char *name, const char *prog)
{
	struct vtw_bpf *skel;
	char found[128];
	int err;

	skel = load_try(prog, &err);
	if (skel) {
		snprintf(found, sizeof(found), "the kernel takes %s", prog);
		say(OK, name, found, NULL);
		if (!strcmp(prog, "vtw_in"))
			check_tc(bpf_program__fd(skel->progs.vtw_in));
		vtw_bpf__destroy(skel);
		return;
	}
	snprintf(found, sizeof(found), "the kernel refuses %s: %s", prog, strerror(-err));
	say(FAIL, name, found, "'vestige -d doctor' shows why; the kernel needs BPF_SYSCALL, "
	    "CGROUP_BPF, BPF_EVENTS, NET_CLS_BPF");
}

static void check_programs(void)
{
	static const char *const programs[][2] = {
		{ "sockops", "vtw_sockops" }, { "tp_btf", "vtw_net" },
		{ "bind", "vtw_bind4" }, { "bind", "vtw_bind6" },
		{ "xdp", "vtw_xdp" }, { "tc", "vtw_in" }, { "tc", "vtw_out" },
		{ "tc", "vtw_in_l3" }, { "tc", "vtw_out_l3" },
	};
	size_t i;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		check_program(programs[i][0], programs[i][1]);
	out_libbpf_forget();
}

static void check_lockdown(void)
{
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	char mode[128] = "";
	ssize_t len = fd < 0 ? 0 : read(fd, mode, sizeof(mode) - 1);

	if (fd >= 0)
		close(fd);
	if (len > 0 && strstr(mode, "[confidentiality]"))
		say(WARN, "lockdown", "confidentiality: BPF may read no kernel memory",
		    "boot with lockdown=integrity");
	else
		say(OK, "lockdown", len > 0 ? "does not forbid BPF" : "off", NULL);
}

static bool is_ours(__u32 id)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours = fd < 0;	/* gone meanwhile: nobody's */

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		ours = !strcmp(info.name, "vtw_sockops");
	if (fd >= 0)
		close(fd);
	return ours;
}

/* Others may set the callback flags of a socket to what they need, without our bit. */
static void check_sockops(void)
{
	__u32 ids[64], count = 64, others = 0, i;
	char path[PATH_MAX], found[128];
	int fd;

	if (host_mount("cgroup2", path, sizeof(path)))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (bpf_prog_query(fd, BPF_CGROUP_SOCK_OPS, 0, NULL, ids, &count))
		count = 0;
	close(fd);
	for (i = 0; i < count; i++)
		others += !is_ours(ids[i]);
	snprintf(found, sizeof(found), "%u other programs on %.64s", others, path);
	if (others)
		say(WARN, "neighbours", found, "if one takes our callback away, the safety net "
		    "records instead ('covered' in status)");
	else
		say(OK, "neighbours", found, NULL);
}

static bool attached_here(void)
{
	struct pins p = {};
	struct ns ns;
	char path[PATH_MAX];

	if (!host_mounts("bpf", take_first, path))
		return false;
	return !ns_enter(NULL, &ns) && !pins_locate(&p, &ns) && !pins_read(&p);
}

static void check_sysctl(void)
{
	char found[64];
	int now;

	if (sysctl_read(MAX_TW_BUCKETS, &now)) {
		say(FAIL, "sysctl", MAX_TW_BUCKETS " cannot be read", "mount /proc");
		return;
	}
	snprintf(found, sizeof(found), MAX_TW_BUCKETS " is %d", now);
	if (!now && !attached_here())
		say(WARN, "sysctl", found, "nothing is attached here, so TIME_WAIT is lost: "
		    "sysctl net.ipv4." MAX_TW_BUCKETS "=131072, or whatever it was");
	else
		say(OK, "sysctl", found, NULL);
}

static void report_stale(struct pins *p, void *arg)
{
	char found[PATH_MAX + 128];

	(void)arg;
	snprintf(found, sizeof(found), "%s: its namespace%s%.64s is gone", p->dir,
		 p->ns.name[0] ? " " : "", p->ns.name);
	say(WARN, "stale", found, "'vestige detach stale' removes it");
}

static void check_stale(void)
{
	char path[PATH_MAX];

	if (host_mounts("bpf", take_first, path) && !pins_each_stale(report_stale, NULL))
		say(OK, "stale", "no folder without its namespace", NULL);
}

int do_doctor(int argc, char **argv)
{
	if (argc) {
		p_err("doctor: '%s' is one word too many", argv[0]);
		return EXIT_USAGE;
	}
	checks = json_object_new_array();
	check_root();
	check_kernel();
	check_btf();
	check_bpffs();
	check_cgroup();
	check_jit();
	check_lockdown();
	check_sysctl();
	doctor_module();
	if (!geteuid()) {
		check_programs();
		check_sockops();
		check_stale();
		doctor_forward();
	}
	out_json(checks);
	return worst == FAIL ? EXIT_REFUSED : EXIT_OK;
}
