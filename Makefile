# SPDX-License-Identifier: GPL-2.0
#
# Everything is built into $(O). See `make help`.

VERSION	:= 0.1

O	?= build
PREFIX	?= /usr/local
MKBPF	?= yes
MKKMOD	?= yes
MKMAN	?= yes
MKPLUGIN ?= yes

ifneq ($(filter-out yes no,$(MKBPF) $(MKKMOD) $(MKMAN) $(MKPLUGIN)),)
$(error MKBPF, MKKMOD, MKMAN and MKPLUGIN are yes or no)
endif

PATH	:= $(PATH):/usr/local/sbin:/usr/sbin:/sbin
export PATH O MKKMOD

# The headers of the kernel that the module is for.
KDIR	?= /lib/modules/$(shell uname -r)/build
KREL	= $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)
KMOD	= $(MAKE) -C kmod KDIR=$(abspath $(KDIR)) OUT=$(abspath $(O))/kmod/$(KREL) \
	VERSION=$(VERSION)

CC	:= $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG	?= clang
BPFTOOL	?= bpftool

# The kernel's uapi headers in Debian live in a folder that only the compiler
# of the host knows; clang -target bpf has to be told.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_SYSINC := $(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))

CFLAGS	?= -O2 -g
ALL_CPPFLAGS = -Iinclude -Iuser -I$(O) -D_GNU_SOURCE \
	-DVESTIGE_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=gnu11 -Wall -Wextra $(CFLAGS)
BPF_ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_CFLAGS = -target bpf -mcpu=v3 -O2 -g -Wall -D__TARGET_ARCH_$(BPF_ARCH) -Iinclude \
	-Iinclude/bpf -Ibpf $(BPF_SYSINC)
DEPFLAGS = -MMD -MP -MT $@ -MF $@.d
BPF_LIBS := -lbpf -lelf -lz

# Flags of a folder of tests; the unit tests need nothing but a C compiler.
LIBS_unit	:= -pthread
LIBS_prog_run	:= $(BPF_LIBS) -pthread
LIBS_bench	:= $(BPF_LIBS) -pthread
LIBS_net	:= -pthread
LIBS_forward	:= -pthread
LIBS_selsrc	:= -pthread

COMMAND		:= $(O)/vestige
COMMAND_OBJS	:= $(patsubst %.c,$(O)/%.o,$(filter-out user/link_sgre.c,$(wildcard user/*.c)))
# What `ip link ... type sgre` loads; words and keys are those of the command.
PLUGIN		:= $(O)/link_sgre.so
PLUGIN_SRCS	:= $(patsubst %,user/%.c,link_sgre gre_words gre_attr gre_format args)
# Each bpf/X.bpf.c becomes a skeleton X.skel.h with struct X_bpf.
BPF_SRCS	:= $(wildcard bpf/*.bpf.c)
SKELS		:= $(BPF_SRCS:bpf/%.bpf.c=$(O)/%.skel.h)
TEST_BPF_SRCS	:= $(wildcard selftests/*/*.bpf.c)
TEST_SRCS	:= $(filter-out $(TEST_BPF_SRCS),$(wildcard selftests/*/*.c))

# Emulated machines with other kernels; KERNELS=none does without.
VM_DEPS := $(if $(or $(filter no,$(MKBPF)),$(filter none,$(KERNELS))),,vm \
	$(if $(filter yes,$(MKKMOD)),vmkmod))

# MKBPF=no leaves what runs without the BPF programs: the unit tests.
ifeq ($(MKBPF),yes)
DEPS	:= cc build
PARTS	:= $(COMMAND) $(if $(filter yes,$(MKPLUGIN)),$(PLUGIN)) selftests
else
DEPS	:= cc
PARTS	:= selftests
TEST_BPF_SRCS :=
TEST_SRCS := $(filter selftests/unit/%,$(TEST_SRCS))
endif

# Without headers the rest is of use, too.
ifeq ($(MKKMOD),yes)
PARTS	+= $(if $(wildcard $(KDIR)/include/generated/utsrelease.h),kmod,no_kmod)
endif

TEST_OBJS := $(TEST_BPF_SRCS:%.c=$(O)/%.o)
TESTS	:= $(TEST_SRCS:%.c=$(O)/%)

define newline


endef

ifeq ($(V),1)
Q	:=
msg	=
else
Q	:= @
msg	= @printf '  %-7s %s\n' '$(1)' '$(2)';
MAKEFLAGS += --no-print-directory
endif

.PHONY: all selftests kmod no_kmod demo test bench bench-gre bench-rtcache bench-selsrc lint install \
	kmod_install dkms_install clean help
.DELETE_ON_ERROR:
all: $(PARTS)

selftests: $(TESTS) $(TEST_OBJS)

# Names all missing packages at once, before the first compiler error.
$(O)/.deps: selftests/deps.sh
	$(Q)selftests/deps.sh check $(DEPS)
	$(Q)mkdir -p $(O) && touch $@

$(O)/%.bpf.o: bpf/%.bpf.c | $(O)/.deps
	$(call msg,BPF,$@)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPFLAGS) -c $< -o $(O)/$*.tmp.o
	$(Q)$(BPFTOOL) gen object $@ $(O)/$*.tmp.o
	$(Q)rm -f $(O)/$*.tmp.o

$(SKELS): $(O)/%.skel.h: $(O)/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf >$@

$(O)/user/%.o: user/%.c | $(O)/.deps $(SKELS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(DEPFLAGS) -c $< -o $@

$(COMMAND): $(COMMAND_OBJS)
	$(call msg,LD,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ -o $@ $(BPF_LIBS) -ljson-c -lmnl $(LIBS)

$(PLUGIN): $(PLUGIN_SRCS) $(wildcard user/*.h include/uapi/linux/*.h) | $(O)/.deps
	$(call msg,LD,$@)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -shared $(LDFLAGS) \
		$(PLUGIN_SRCS) -o $@ -lmnl

$(O)/selftests/%.bpf.o: selftests/%.bpf.c | $(O)/.deps
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(DEPFLAGS) -c $< -o $@

$(O)/selftests/%.skel.h: $(O)/selftests/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf >$@

$(O)/selftests/%: selftests/%.c | $(O)/.deps
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(DEPFLAGS) $< -o $@ \
		$(LDFLAGS) $(LIBS_$(notdir $(@D)))

kmod:
	$(Q)$(KMOD)

no_kmod:
	@echo '  note    vestige.ko is not built: no kernel headers in $(KDIR)' \
		'(KDIR=DIR, or MKKMOD=no)'

# A test that has BPF programs of its own embeds them.
$(foreach t,$(TEST_BPF_SRCS:%.bpf.c=$(O)/%),$(eval $(t): | $(t).skel.h))
$(O)/selftests/bench/selsrc: | $(O)/selftests/bench/selsrc_idle.skel.h
$(addprefix $(O)/selftests/bench/,segment selsrc forward) $(filter $(O)/selftests/prog_run/%,$(TESTS)): | $(SKELS)

# One job after the other, so that no test is timed while a compiler runs.
demo:
	@selftests/deps.sh install $(DEPS) test
	@$(MAKE) all
	@selftests/demo/demo.sh

test:
	@selftests/deps.sh install $(DEPS) test $(VM_DEPS)
	@$(MAKE) all
	@selftests/run.sh $(T)

bench:
	@selftests/deps.sh install $(DEPS) test
	@$(MAKE) all
	@selftests/bench/bench.sh $(B)

bench-gre:
	@selftests/deps.sh install $(DEPS) test vm vmkmod
	@$(MAKE) all
	@selftests/vm/bench.sh gre

# Forwarding on this host; the module in an emulated machine.
bench-rtcache:
	@selftests/deps.sh install $(DEPS) test vm vmkmod
	@$(MAKE) all
	@selftests/bench/forward.sh
	@selftests/vm/bench.sh rtcache_kmod

bench-selsrc:
	@selftests/deps.sh install $(DEPS) test
	@$(MAKE) all
	@selftests/bench/selsrc.sh

lint:
	@selftests/lint.sh

DEST = $(DESTDIR)$(PREFIX)
# Where Debian's ip looks for plugins, whatever PREFIX is.
PLUGINDIR ?= /usr/lib/$(MULTIARCH)/ip
install: $(COMMAND) $(if $(filter yes,$(MKPLUGIN)),$(PLUGIN))
	install -D -m 755 $(COMMAND) $(DEST)/sbin/vestige
	install -D -m 644 user/completion \
		$(DEST)/share/bash-completion/completions/vestige
ifeq ($(MKMAN),yes)
	install -D -m 644 user/vestige.8 $(DEST)/share/man/man8/vestige.8
endif
ifeq ($(MKPLUGIN),yes)
	install -D -m 644 $(PLUGIN) $(DESTDIR)$(PLUGINDIR)/link_sgre.so
endif

# In updates/ it goes before a module of that name that the kernel may come with.
KMOD_DEST = $(DESTDIR)/lib/modules/$(KREL)/updates
kmod_install: kmod
	install -D -m 644 $(O)/kmod/$(KREL)/vestige.ko $(KMOD_DEST)/vestige.ko
	$(if $(DESTDIR),,depmod $(KREL))

# What the module is built from, and nothing else, to where dkms looks for it.
DKMS_DEST = $(DESTDIR)/usr/src/vestige-$(VERSION)
DKMS_FILES := $(wildcard kmod/*.[ch] kmod/*.sh) kmod/Kbuild kmod/Makefile \
	include/vestige/gre.h $(wildcard include/uapi/linux/*.h)
dkms_install:
	install -d $(addprefix $(DKMS_DEST)/,$(sort $(dir $(DKMS_FILES))))
	$(foreach f,$(DKMS_FILES),install -m $(if $(filter %.sh,$f),755,644) $f $(DKMS_DEST)/$f$(newline))
	sed 's/@VERSION@/$(VERSION)/' kmod/dkms.conf >$(DKMS_DEST)/dkms.conf

clean:
	$(Q)rm -rf $(O)

help:
	@echo 'make            the command, its tests and the kernel module, into $(O)/'
	@echo 'make kmod       vestige.ko alone, into $(O)/kmod/'
	@echo '                KDIR=$(KDIR)'
	@echo '                W=1, C=2 and V=1 as in the kernel'
	@echo 'make demo       as root: stock, best knob and vestige on real'
	@echo '                traffic in throwaway namespaces; under 2 minutes'
	@echo 'make test       as root: all tests; T=net/bind runs those that match'
	@echo '                KERNELS="6.1 6.12 unstable" or none: those it boots'
	@echo 'make bench      as root: what it costs, 10 minutes; B=b runs one part of a to f'
	@echo 'make bench-gre  sgre beside gre and fou, in an emulated machine; KERNELS=6.12'
	@echo 'make bench-rtcache, bench-selsrc'
	@echo '                cached routes and forwarding; source selection'
	@echo 'make lint       style and static checks'
	@echo 'make install    DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)'
	@echo 'make kmod_install, dkms_install'
	@echo '                DESTDIR=$(DESTDIR): the module, or its sources for dkms'
	@echo 'make clean      removes $(O)/'
	@echo
	@echo 'demo, test and bench install the Debian packages that they lack.'
	@echo 'V=1 shows the commands. O=DIR builds there. Switches, yes or no:'
	@echo 'MKBPF=$(MKBPF) (no: unit tests only) MKKMOD=$(MKKMOD) MKMAN=$(MKMAN)'
	@echo 'MKPLUGIN=$(MKPLUGIN) (ip link ... type sgre)'

-include $(COMMAND_OBJS:=.d) $(BPF_SRCS:bpf/%.c=$(O)/%.o.d) $(TESTS:=.d) $(TEST_OBJS:=.d)
