/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rtcache_trace.h - vestige:vestige_rtcache_flush, _event, _device, for BPF, perf and ftrace.
 *
 * raw_tp programs are run inside, before the change returns; what they get is in
 * include/uapi/linux/vestige_rtcache.h. TRACE_EVENT, as DECLARE_TRACE gives the event
 * another name on newer kernels.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vestige

#if !defined(_RTCACHE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _RTCACHE_TRACE_H

#include <linux/tracepoint.h>
#include <linux/vestige_rtcache.h>

#ifndef _RTCACHE_TRACE_REASONS
#define _RTCACHE_TRACE_REASONS
#define RTCACHE_TRACE_REASON(name, text)	{ RTCACHE_R_##name, #name },
#define rtcache_trace_reason(reason)	\
	__print_symbolic(reason, RTCACHE_REASONS(RTCACHE_TRACE_REASON) { -1, NULL })
/* The watch runs while somebody is attached to it. */
int rtcache_trace_reg(void);
void rtcache_trace_unreg(void);
#endif

TRACE_EVENT_FN(vestige_rtcache_flush,
	TP_PROTO(u64 cookie, int family, u64 gen, u32 reason, u32 obstacles),
	TP_ARGS(cookie, family, gen, reason, obstacles),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(u64, gen)
		__field(int, family)
		__field(u32, reason)
		__field(u32, obstacles)
	),
	TP_fast_assign(
		__entry->cookie = cookie;
		__entry->gen = gen;
		__entry->family = family;
		__entry->reason = reason;
		__entry->obstacles = obstacles;
	),
	TP_printk("cookie=%llu family=%s gen=%llu reason=%s obstacles=%#x", __entry->cookie,
		  __entry->family ? "inet6" : "inet", __entry->gen,
		  rtcache_trace_reason(__entry->reason), __entry->obstacles),
	rtcache_trace_reg, rtcache_trace_unreg
);

TRACE_EVENT(vestige_rtcache_event,
	TP_PROTO(u64 cookie, int family, u32 reason, const void *prefix, u8 plen, int ifindex),
	TP_ARGS(cookie, family, reason, prefix, plen, ifindex),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(int, family)
		__field(u32, reason)
		__array(u8, prefix, 16)
		__field(u8, plen)
		__field(bool, has_prefix)
		__field(int, ifindex)
	),
	TP_fast_assign(
		__entry->cookie = cookie;
		__entry->family = family;
		__entry->reason = reason;
		__entry->has_prefix = prefix;
		if (prefix)
			memcpy(__entry->prefix, prefix, sizeof(__entry->prefix));
		else
			memset(__entry->prefix, 0, sizeof(__entry->prefix));
		__entry->plen = plen;
		__entry->ifindex = ifindex;
	),
	TP_printk("cookie=%llu family=%s reason=%s prefix=%*phN/%d has_prefix=%d ifindex=%d",
		  __entry->cookie, __entry->family ? "inet6" : "inet",
		  rtcache_trace_reason(__entry->reason), __entry->family ? 16 : 4,
		  __entry->prefix, __entry->plen, __entry->has_prefix, __entry->ifindex)
);

TRACE_EVENT_FN(vestige_rtcache_device,
	TP_PROTO(u64 cookie, int ifindex, int lower, u16 vid, u64 facts),
	TP_ARGS(cookie, ifindex, lower, vid, facts),
	TP_STRUCT__entry(
		__field(u64, cookie)
		__field(int, ifindex)
		__field(int, lower)
		__field(u16, vid)
		__array(u8, facts, 8)
	),
	TP_fast_assign(
		__entry->cookie = cookie;
		__entry->ifindex = ifindex;
		__entry->lower = lower;
		__entry->vid = vid;
		memcpy(__entry->facts, &facts, sizeof(__entry->facts));
	),
	TP_printk("cookie=%llu ifindex=%d lower=%d vid=%u mac=%pM rp_filter=%u state=%#x",
		  __entry->cookie, __entry->ifindex, __entry->lower, __entry->vid,
		  __entry->facts, __entry->facts[6], __entry->facts[7]),
	rtcache_trace_reg, rtcache_trace_unreg
);

#endif /* _RTCACHE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rtcache_trace
#include <trace/define_trace.h>
