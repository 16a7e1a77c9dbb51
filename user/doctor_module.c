// SPDX-License-Identifier: GPL-2.0
/*
 * doctor_module.c - is vestige.ko there, is it of this kernel, would it be let in?
 *
 * Nothing here fails: the module is for `vestige gre` alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>

#include "doctor.h"

#ifndef VESTIGE_VERSION
#define VESTIGE_VERSION "unknown"
#endif

#define MODULE	"/sys/module/vestige"
#define SECURE_BOOT \
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* The beginning of a small file, its newline cut off. Bytes, or -errno. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, buf, size - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	buf[len < 0 ? 0 : len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return len;
}

static bool secure_boot(void)
{
	char value[8];

	/* Four bytes of attributes, then the value. */
	return read_file(SECURE_BOOT, value, sizeof(value)) >= 5 && value[4] == 1;
}

/* Why the kernel would take signed modules only; NULL: it takes any. */
static const char *signed_only(void)
{
	char text[128];

	if (read_file("/sys/kernel/security/lockdown", text, sizeof(text)) > 0 &&
	    !strstr(text, "[none]"))
		return secure_boot() ? "Secure Boot has locked the kernel down" :
				       "the kernel is locked down";
	if (read_file("/sys/module/module/parameters/sig_enforce", text, sizeof(text)) > 0 &&
	    text[0] == 'Y')
		return "module.sig_enforce is on";
	return NULL;
}

/* Is there a vestige.ko for this kernel? Its path goes to buf. */
static bool find_module(const char *release, char *buf, size_t size)
{
	char path[PATH_MAX], line[PATH_MAX], *colon, *base;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
	file = fopen(path, "r");
	while (file && !found && fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		base = strrchr(line, '/');
		base = base ? base + 1 : line;
		found = !strncmp(base, "vestige.ko", strlen("vestige.ko"));
		if (found)
			snprintf(buf, size, "%s", line);
	}
	if (file)
		fclose(file);
	return found;
}

static void loaded(void)
{
	char version[64], found[128];

	if (read_file(MODULE "/version", version, sizeof(version)) <= 0)
		snprintf(version, sizeof(version), "without a version");
	snprintf(found, sizeof(found), "vestige.ko is loaded: %s", version);
	if (strcmp(version, VESTIGE_VERSION))
		say(WARN, "module", found, "this command is " VESTIGE_VERSION
		    ": 'make kmod kmod_install' of the same tree, then 'modprobe -r vestige'");
	else
		say(OK, "module", found, NULL);
}

static void not_loaded(const char *release)
{
	char path[PATH_MAX], found[PATH_MAX + 128];

	if (access("/proc/modules", F_OK))
		say(WARN, "module", "this kernel loads no modules",
		    "'vestige gre' needs one with CONFIG_MODULES=y; the rest works");
	else if (find_module(release, path, sizeof(path))) {
		snprintf(found, sizeof(found), "not loaded; there is %s", path);
		say(OK, "module", found, "'vestige gre add' and 'modprobe vestige' load it");
	} else {
		snprintf(found, sizeof(found), "no vestige.ko for %s", release);
		say(WARN, "module", found, "'make kmod kmod_install', only needed for "
		    "'vestige gre'");
	}
}

static void check_signature(bool is_loaded)
{
	const char *why = signed_only();

	if (!why || is_loaded)
		say(OK, "signature", why ? "vestige.ko was let in" :
		    "the kernel takes modules that are not signed", NULL);
	else
		say(WARN, "signature", why, "it takes signed modules only: sign vestige.ko "
		    "with a key of yours, 'mokutil --import KEY.der', boot, and confirm it; "
		    "dkms does the signing");
}

void doctor_module(void)
{
	bool is_loaded = !access(MODULE, F_OK);
	struct utsname uts;

	if (uname(&uts))
		return;
	if (is_loaded)
		loaded();
	else
		not_loaded(uts.release);
	if (is_loaded || !access("/proc/modules", F_OK))
		check_signature(is_loaded);
}
