// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - bring-up and tear-down of the module.
 */
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

#include "rtcache.h"
#include "sgre.h"

/* Tunnels hold routes: in a namespace that goes, they go before its generations. */
static int __init vestige_init(void)
{
	int err;

	err = rtcache_init();
	if (err)
		return err;
	err = sgre_outside_init();
	if (err)
		goto rtcache;
	err = rtnl_link_register(&sgre_link_ops);
	if (!err)
		return 0;
	sgre_outside_exit();
rtcache:
	rtcache_exit();
	return err;
}

/*
 * Neither a device nor an adopted socket is left: each holds a reference to the
 * module. RCU callbacks may be, and their code goes.
 */
static void __exit vestige_exit(void)
{
	rtnl_link_unregister(&sgre_link_ops);
	sgre_outside_exit();
	rtcache_exit();
	rcu_barrier();
}

module_init(vestige_init);
module_exit(vestige_exit);

MODULE_DESCRIPTION("GRE devices on sockets; route caches that know when they are stale");
MODULE_LICENSE("GPL");
MODULE_VERSION(VESTIGE_VERSION);
MODULE_ALIAS_RTNL_LINK(SGRE_KIND);
MODULE_ALIAS_GENL_FAMILY(VESTIGE_RTCACHE_NAME);
