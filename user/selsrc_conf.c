// SPDX-License-Identifier: GPL-2.0
/* selsrc_conf.c - /etc/vestige/selsrc.conf. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "out.h"
#include "selsrc_conf.h"

#define MAX_WORDS	8
#define MAX_WISHES	4096

/* The words of a line, up to a comment. More than max: max + 1. */
static int split(char *line, char **words, int max)
{
	static const char blanks[] = " \t\r\n\v\f";
	char *word, *rest = line;
	int n = 0;

	line[strcspn(line, "#")] = '\0';
	while ((word = strtok_r(n ? NULL : line, blanks, &rest))) {
		if (n == max)
			return max + 1;
		words[n++] = word;
	}
	return n;
}

/* The name of the command may stand before the words that it has on the command line. */
static int skip_command(char **words, int n)
{
	return n && (!strcmp(words[0], "selsrc") || !strcmp(words[0], "addr"));
}

static bool take_words(char **words, int n, struct selsrc_wish *wish, char *wrong)
{
	if (n == 4 && !strcmp(words[0], "policy") && !strcmp(words[1], "set"))
		return words_policy(words[2], words[3], wish, wrong);
	if (n == 6 && !strcmp(words[0], "pref") && !strcmp(words[1], "set") &&
	    !strcmp(words[3], "dev"))
		return words_pref(words[2], words[4], words[5], wish, wrong);
	snprintf(wrong, WORDS_WRONG, "a line is 'policy set default|DEV FUNC[,FUNC...]' or "
		 "'pref set ADDR dev DEV N'");
	return false;
}

static struct selsrc_wish *one_more(struct selsrc_conf *conf)
{
	struct selsrc_wish *grown;

	grown = realloc(conf->wishes, (conf->nr_wishes + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	conf->wishes = grown;
	return &grown[conf->nr_wishes++];
}

static int take_line(char *line, const struct krn *krn, struct selsrc_conf *conf, char *wrong)
{
	char *words[MAX_WORDS];
	int n = split(line, words, MAX_WORDS), skip = skip_command(words, n);
	struct selsrc_wish *wish;

	if (!n)
		return EXIT_OK;
	if (conf->nr_wishes == MAX_WISHES) {
		snprintf(wrong, WORDS_WRONG, "more than %d lines", MAX_WISHES);
		return EXIT_USAGE;
	}
	wish = one_more(conf);
	if (!wish) {
		snprintf(wrong, WORDS_WRONG, "%s", strerror(errno));
		return EXIT_REFUSED;
	}
	if (!take_words(words + skip, n - skip, wish, wrong))
		return EXIT_USAGE;
	return words_find(krn, wish, wrong) ? EXIT_OK : EXIT_REFUSED;
}

static int read_lines(FILE *file, const char *path, const struct krn *krn,
		      struct selsrc_conf *conf)
{
	char wrong[WORDS_WRONG], *line = NULL;
	size_t size = 0;
	int number = 0, ret = EXIT_OK;

	errno = 0;
	while (!ret && getline(&line, &size, file) >= 0) {
		number++;
		ret = take_line(line, krn, conf, wrong);
	}
	if (ret) {
		p_err("%s:%d: %s", path, number, wrong);
	} else if (ferror(file)) {
		p_err("%s cannot be read: %s", path, strerror(errno));
		ret = EXIT_REFUSED;
	}
	free(line);
	return ret;
}

int conf_read(const char *path, const struct krn *krn, struct selsrc_conf *conf)
{
	FILE *file = fopen(path ? path : SELSRC_CONF, "re");
	int ret;

	memset(conf, 0, sizeof(*conf));
	if (!file && !path && (errno == ENOENT || errno == ENOTDIR))
		return EXIT_OK;
	if (!file) {
		p_err("%s cannot be read: %s", path ? path : SELSRC_CONF, strerror(errno));
		return EXIT_REFUSED;
	}
	ret = read_lines(file, path ? path : SELSRC_CONF, krn, conf);
	fclose(file);
	return ret;
}

void conf_free(struct selsrc_conf *conf)
{
	free(conf->wishes);
	memset(conf, 0, sizeof(*conf));
}
