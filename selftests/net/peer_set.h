/* SPDX-License-Identifier: GPL-2.0 */
/*
 * peer_set.h - the `set` command: what segments and frames look like from now
 * on. Included by peer.c only.
 */
#ifndef SELFTESTS_NET_PEER_SET_H
#define SELFTESTS_NET_PEER_SET_H

static int set_exts(char *list)
{
	peer.frame.exts = 0;
	for (char *s = strtok(list, ","); s; s = strtok(NULL, ",")) {
		if (peer.frame.exts == 4 || !strchr("hdr", *s))
			return complain("bad extension header %s", s);
		peer.frame.ext[peer.frame.exts++] = *s == 'h' ? EXT_HOPOPTS :
						   *s == 'd' ? EXT_DSTOPTS : EXT_ROUTING;
	}
	return 0;
}

static int set_vlans(const char *list)
{
	peer.frame.vlans = sscanf(list, "%hu,%hu", &peer.frame.vlan[0], &peer.frame.vlan[1]);
	return peer.frame.vlans < 1 ? complain("bad tag %s", list) : 0;
}

static int set_number(const char *what, uint32_t v)
{
	if (!strcmp(what, "isn"))
		peer.isn = peer.snd = v;
	else if (!strcmp(what, "win"))
		peer.win = v;
	else if (!strcmp(what, "wscale"))
		peer.wscale = v;
	else if (!strcmp(what, "mss"))
		peer.mss = v;
	else if (!strcmp(what, "tsstep"))
		peer.ts_step = v;
	else if (!strcmp(what, "frag"))
		peer.frame.fragment = v;
	else if (!strcmp(what, "pad"))
		peer.frame.pad = v;
	else if (!strcmp(what, "tos"))
		peer.frame.tos = v;
	else
		return complain("unknown setting %s", what);
	return 0;
}

static int do_set(int argc, char **argv)
{
	bool off = argc == 3 && !strcmp(argv[2], "off");
	bool on = argc == 3 && !strcmp(argv[2], "on");
	uint32_t v;

	if (argc != 3)
		return complain("set WHAT VALUE");
	if (!strcmp(argv[1], "ipopt"))
		return peer.frame.ip_options = on, 0;
	if (!strcmp(argv[1], "badcsum"))
		return peer.frame.bad_tcp_csum = on, 0;
	if (!strcmp(argv[1], "badipcsum"))
		return peer.frame.bad_ip_csum = on, 0;
	if (!strcmp(argv[1], "host-usec"))
		return peer.host_usec = on, 0;
	if (!strcmp(argv[1], "dmac"))
		return to_mac(argv[2], peer.frame.dmac);
	if (!strcmp(argv[1], "from"))
		return listen_on(&peer, argv[2]) ? complain("no device %s", argv[2]) : 0;
	if (!strcmp(argv[1], "vlan"))
		return off ? peer.frame.vlans = 0 : set_vlans(argv[2]);
	if (!strcmp(argv[1], "ext"))
		return off ? peer.frame.exts = 0 : set_exts(argv[2]);
	if (!strcmp(argv[1], "ts") && off)
		return peer.ts_on = false, 0;
	if (!strcmp(argv[1], "wscale") && off)
		return peer.wscale = -1, 0;
	if (number(argv[2], &v))
		return -1;
	if (strcmp(argv[1], "ts"))
		return set_number(argv[1], v);
	if (!peer.ts_on)
		peer.ts_first = v;
	peer.ts_on = true;
	peer.tsval = v - peer.ts_step;
	return 0;
}

#endif /* SELFTESTS_NET_PEER_SET_H */
