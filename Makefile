# poold: one Makefile, everything it makes goes below build/.
#
#   make demo     set the machine up, build, and show the whole thing at work
#   make check    the whole fast suite
#   make help     every other target

VERSION := 0.1.0
.DEFAULT_GOAL := all

# --- what the builder may choose ------------------------------------------------------------------------------------
PREFIX      ?= /usr/local
SBINDIR     ?= $(PREFIX)/sbin
BINDIR      ?= $(PREFIX)/bin
LIBDIR      ?= $(PREFIX)/lib
INCLUDEDIR  ?= $(PREFIX)/include
SYSCONFDIR  ?= /etc
UNITDIR     ?= /usr/lib/systemd/system
SYSUSERSDIR ?= /usr/lib/sysusers.d
TMPFILESDIR ?= /usr/lib/tmpfiles.d
CATALOGDIR  ?= /usr/lib/systemd/catalog
# Debian's interpreter looks for what its own packages install without the version, for all else with it.
PYTHONDIR   ?= $(PREFIX)/lib/python$(if $(filter /usr,$(PREFIX)),3,$(PYTHON_VERSION))/dist-packages
OBJCOPY     ?= objcopy
WERROR      ?= 1
# V=1 shows every command
V           ?= 0
# SAN: none, asan (address and undefined behaviour), tsan (threads), fuzz (clang's libFuzzer with asan's), cov (coverage)
SAN         ?= none
O           ?= build/$(SAN)
# LTO=1: what is installed is optimised as a whole
# PGO=1: and by what it runs most, which needs gcc and what the tests need
PGO         ?= 0
LTO         ?= $(if $(filter none,$(SAN)),$(if $(shell $(CC) --version 2>/dev/null | grep clang),0,1),0)
# The first interpreter that can import msgpack: the one on PATH need not be the distribution's.
PYTHON      := $(or $(POOLD_PYTHON),$(shell for p in python3 /usr/bin/python3; do \
                 $$p -c 'import msgpack' 2>/dev/null && command -v $$p && break; done),python3)

Q           := $(if $(filter 1,$(V)),,@)
say          = @$(if $(filter 1,$(V)),true,printf '  %-5s %s\n' $(1) $(2))

# --- compiler -------------------------------------------------------------------------------------------------------
ifeq ($(SAN),fuzz)
CC          := clang
endif
PACKAGES    := libevent_core libsystemd
MSGPACK     := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
pkg_cflags   = $(shell pkg-config --cflags $(1) 2>/dev/null)
PKG_CFLAGS  := $(call pkg_cflags,$(PACKAGES) $(MSGPACK) jansson)
pkg_libs     = $(shell pkg-config --libs $(1) 2>/dev/null)

WARNINGS    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
               -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
               -Wdouble-promotion -Wimplicit-fallthrough -Wredundant-decls $(if $(filter 1,$(WERROR)),-Werror)
HARDENING   := -fstack-protector-strong -fstack-clash-protection -fcf-protection
CPPFLAGS    += -I. -Iclient/lib -D_GNU_SOURCE -DPOOLD_VERSION='"$(VERSION)"'
CFLAGS      ?= -O2 -g
# A structure is cleared by a few wide stores.  By itself gcc takes `rep stos`, which costs a twentieth of the engine's time.
CLEARING    := -mmemset-strategy=vector_loop:512:noalign,libcall:-1:noalign
CLEARING    := $(shell $(CC) $(CLEARING) -S -x c /dev/null -o /dev/null 2>/dev/null && echo $(CLEARING))
ALL_CFLAGS   = -std=c17 $(WARNINGS) $(CFLAGS) $(CLEARING) $(HARDENING) -fPIC -fno-common -fvisibility=hidden $(SAN_FLAGS)
ALL_LDFLAGS  = $(LDFLAGS) -Wl,-z,relro,-z,now,-z,noexecstack $(SAN_FLAGS)
link         = $(CC) $(ALL_LDFLAGS) -pie
# What is built does not say in which folder: asserts and debug information name files from the top of the tree.
ifeq ($(SAN),none)
CPPFLAGS    += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
PREFIX_MAP  := -ffile-prefix-map=$(CURDIR)=.
ALL_CFLAGS  += $(PREFIX_MAP)
endif
ifeq ($(SAN),asan)
SAN_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDENING   :=
endif
ifeq ($(SAN),tsan)
SAN_FLAGS   := -fsanitize=thread -fno-omit-frame-pointer
HARDENING   :=
endif
ifeq ($(SAN),fuzz)
SAN_FLAGS   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDENING   :=
endif
# Without -O0 some lines would have become part of others.
ifeq ($(SAN),cov)
SAN_FLAGS   := --coverage -O0
endif

# --- what is built --------------------------------------------------------------------------------------------------
PROTO_SRC   := $(wildcard protocol/*.c)
CORE_SRC    := $(wildcard daemon/core/*.c)
# The folders of daemon/io from the highest rank to the lowest: each sees only those behind it (docs/ARCHITECTURE.md).
IO_FOLDERS  := service frontend admin observe driver worker config base
IO_SRC      := $(foreach f,$(IO_FOLDERS),$(wildcard daemon/io/$(f)/*.c))
LIB_SRC     := $(wildcard client/lib/*.c)
CTL_SRC     := $(wildcard client/poolctl/*.c)
MCP_SRC     := $(wildcard client/mcp/*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
LOAD_SRC    := $(wildcard tests/sim/load*.c) tests/sim/agenda.c
SIM_SRC     := $(filter-out tests/sim/load%,$(wildcard tests/sim/*.c))
WORKER_SRC  := $(wildcard tests/workers/*.c)
BENCH_SRC   := $(wildcard tests/bench/*.c tests/bench/peers/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
TESTLIB_SRC := $(wildcard tests/lib/*.c)

HOSTILE     := $(O)/hostile_libc.so

obj          = $(patsubst %.c,$(O)/%.o,$(1))
SIM         := $(O)/sim/sim
LOAD        := $(O)/sim/load
UNIT        := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
WORKERS     := $(patsubst tests/workers/%.c,$(O)/workers/%,$(WORKER_SRC))
BENCHES     := $(patsubst tests/bench/%.c,$(O)/bench/%,$(BENCH_SRC))
FUZZERS     := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZ_SRC))
SONAME      := libpoold.so.0

.PHONY: all tools
all: $(O)/poold $(O)/poolctl $(O)/poold-mcp $(O)/libpoold.a $(O)/$(SONAME) $(O)/libpoold.pc \
     $(O)/libpoold-uninstalled.pc $(O)/env
tools: $(WORKERS) $(BENCHES) $(HOSTILE)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
# Make would delete the objects that only a pattern names.
.PRECIOUS: $(O)/%.o

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcsD $@ $^
endef
$(O)/libproto.a: $(call obj,$(PROTO_SRC))
	$(archive)
$(O)/libcore.a: $(call obj,$(CORE_SRC))
	$(archive)
IO_LIBS     := $(patsubst %,$(O)/libio_%.a,$(IO_FOLDERS))
.SECONDEXPANSION:
$(IO_LIBS): $(O)/libio_%.a: $$(call obj,$$(wildcard daemon/io/$$*/*.c))
	$(archive)
# The page of HTTP, as bytes in C.
PAGE_DIR    := daemon/io/frontend/page
$(O)/$(PAGE_DIR)/page.c: $(PAGE_DIR)/embed.sh $(PAGE_DIR)/page.html $(PAGE_DIR)/page.css $(PAGE_DIR)/page.js
	@mkdir -p $(@D)
	$(call say,SH,$@)
	$(Q)sh $(PAGE_DIR)/embed.sh >$@.new && mv $@.new $@
$(O)/$(PAGE_DIR)/page.o: $(O)/$(PAGE_DIR)/page.c daemon/io/frontend/http_page.h
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -c $< -o $@
$(O)/libio_frontend.a: $(O)/$(PAGE_DIR)/page.o
# For the tests, which look inside.
$(O)/libclient.a: $(call obj,$(LIB_SRC) $(PROTO_SRC))
	$(archive)
# One object whose only global names are those of poold.h, so that no name of a program meets one of ours.
$(O)/libpoold.o: $(call obj,$(LIB_SRC) $(PROTO_SRC))
	$(call say,LD,$@)
	$(Q)$(LD) -r -o $@ $^
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='poold_*' $@
$(O)/libpoold.a: $(O)/libpoold.o
	$(archive)

# Of the tests themselves nobody asks what they ran, but for the files of the code that some of them include, or headers of theirs.
ifeq ($(SAN),cov)
$(O)/tests/%.o: SAN_FLAGS :=
$(call obj,$(shell grep -lE '^.include "(.*\.c|tests/unit/.*\.h)"' $(UNIT_SRC))): SAN_FLAGS := --coverage -O0
$(O)/poold $(O)/poolctl $(O)/poold-mcp: LDFLAGS += -Wl,--wrap=_exit,--wrap=raise,--wrap=execvp
$(O)/poold $(O)/poolctl $(O)/poold-mcp: $(O)/tests/coverage/dump.o
$(O)/poolctl: $(O)/tests/coverage/signals.o
endif
$(O)/poold: $(O)/daemon/main.o $(IO_LIBS) $(O)/libcore.a $(O)/libproto.a
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK))
# The daemon that is installed is optimised as a whole, which saves a sixth of the instructions of each request.  That takes half a
# minute, so the one that is made at each change, for the tests, is not.
LTO_OBJ     := $(patsubst %.c,$(O)/lto/%.o,daemon/main.c $(IO_SRC) $(CORE_SRC) $(PROTO_SRC))
SHIPPED     := $(O)/$(if $(filter 1,$(PGO)),trained/)$(if $(filter 1,$(LTO) $(PGO)),lto/)poold
# -O3 takes another twentieth of them, as more calls are inlined.
FASTEST     := $(if $(filter -O2,$(CFLAGS)),-O3)
$(LTO_OBJ): $(O)/lto/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) $(FASTEST) -flto -MMD -MP -c $< -o $@
# What runs for each request stands together, if the linker can do that, as GNU's can.
ORDER       := -ffunction-sections -Wl,-T,daemon/hot.ld
order        = $(shell echo 'int main(void) { return 0; }' | $(link) -fPIC $(ORDER) -x c - -o /dev/null 2>/dev/null && echo $(ORDER))
$(O)/lto/poold: $(LTO_OBJ) $(O)/$(PAGE_DIR)/page.o daemon/hot.ld
	$(call say,LD,$@)
	$(Q)$(link) $(CFLAGS) $(FASTEST) $(CLEARING) $(PREFIX_MAP) $(order) -flto=auto -o $@ $(filter %.o,$^) \
		$(call pkg_libs,$(PACKAGES) $(MSGPACK))
# PGO=1: it is compiled once more, with what a daemon that counts what it runs has counted under some loads.  That takes a minute,
# and no two builds are the same to the byte.  The objects have the same names both times, by which the compiler finds the counts.
TRAINED     := $(abspath $(O))/trained
trained      = $(MAKE) --no-print-directory PGO=0 O=$(TRAINED) CFLAGS='$(CFLAGS) $(1)' $(TRAINED)/lto/poold
$(O)/trained/lto/poold: $(O)/lto/poold $(WORKERS) $(BENCHES)
	@rm -rf $(TRAINED)
	@$(call trained,-fprofile-generate -fprofile-update=atomic -fprofile-dir=$(TRAINED)/counts)
	$(call say,TRAIN,$@)
	$(Q)$(TEST_ENV) $(PYTHON) tests/bench/train.py $(O) $(TRAINED)/lto/poold
	@find $(TRAINED) -name '*.o' -delete && rm $(TRAINED)/lto/poold
	@$(call trained,-fprofile-use=$(TRAINED)/counts -fprofile-correction -fprofile-partial-training)
# What poolctl explain says: made from the documents and from the tables of the code.
EXPLAINED   := docs/RUNBOOK.md docs/ERRORS.md - systemd/poold.catalog daemon/core/stats.h daemon/io/driver/stats.h \
               daemon/core/request.h daemon/core/worker.h daemon/core/breaker.h daemon/core/alert_rule.def $(wildcard daemon/io/observe/metrics.def)
EVENT_TABLE := tests/lint/event_table.awk daemon/io/driver/event.def
$(O)/client/poolctl/explain_table.c: client/poolctl/explain.awk $(EVENT_TABLE) $(filter-out -,$(EXPLAINED))
	@mkdir -p $(@D)
	$(call say,AWK,$@)
	$(Q)awk -f $(EVENT_TABLE) | awk -f client/poolctl/explain.awk $(EXPLAINED) >$@.new && mv $@.new $@
$(O)/client/poolctl/explain_table.o: $(O)/client/poolctl/explain_table.c client/poolctl/explain.h
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -c $< -o $@
$(O)/libpoolctl.a: $(call obj,$(CTL_SRC)) $(O)/client/poolctl/explain_table.o
	$(archive)
$(O)/poolctl: $(O)/libpoolctl.a $(O)/libpoold.a $(O)/libproto.a
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,$(MSGPACK) jansson ncursesw)
$(O)/client/poolctl/top_screen.o: PKG_CFLAGS += $(call pkg_cflags,ncursesw)
$(O)/libpoold_mcp.a: $(call obj,$(MCP_SRC))
	$(archive)
$(O)/poold-mcp: $(O)/libpoold_mcp.a $(O)/libpoolctl.a $(O)/libpoold.a $(O)/libproto.a
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,$(MSGPACK) jansson)
$(O)/$(SONAME): $(call obj,$(LIB_SRC) $(PROTO_SRC)) client/lib/libpoold.map
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/lib/libpoold.map \
	  -o $@ $(filter %.o,$^) $(call pkg_libs,$(MSGPACK))
	$(Q)ln -sf $(SONAME) $(O)/libpoold.so

# The paths that a build holds.  The file changes only when one of them does, and what holds them is made anew then:
# `make install` may name others than the `make` before it.
PATHS        = prefix=$(PREFIX) libdir=$(LIBDIR) includedir=$(INCLUDEDIR) sysconfdir=$(SYSCONFDIR)
.PHONY: FORCE
$(O)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(PATHS)' | cmp -s - $@ || echo '$(PATHS)' >$@
CONFIG_LOAD := $(addsuffix daemon/io/config/config_load.o,$(O)/ $(O)/lto/)
$(CONFIG_LOAD): $(O)/paths
$(CONFIG_LOAD): CPPFLAGS += -DPOOLD_SYSCONFDIR='"$(SYSCONFDIR)"'
$(O)/libpoold.pc: client/lib/libpoold.pc.in Makefile $(O)/paths
	$(Q)sed -e 's|@prefix@|$(PREFIX)|;s|@libdir@|$(LIBDIR)|;s|@includedir@|$(INCLUDEDIR)|;s|@version@|$(VERSION)|;s|@msgpack@|$(MSGPACK)|' $< >$@

# For a shell that is to use the build as if it were installed:  . build/none/env
# pkg-config prefers the file whose name ends with -uninstalled.
define env_text
PATH=$(abspath $(O)):$$PATH
PYTHONPATH=$(CURDIR)/client/python$${PYTHONPATH:+:$$PYTHONPATH}
PKG_CONFIG_PATH=$(abspath $(O))$${PKG_CONFIG_PATH:+:$$PKG_CONFIG_PATH}
export PATH PYTHONPATH PKG_CONFIG_PATH
endef
export env_text
$(O)/env: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$$env_text" | cmp -s - $@ || printf '%s\n' "$$env_text" >$@
$(O)/libpoold-uninstalled.pc: client/lib/libpoold.pc.in Makefile
	$(Q)sed -e 's|@prefix@|$(CURDIR)|;s|@libdir@|$(abspath $(O))|;s|@includedir@|$(CURDIR)/client/lib|;s|@version@|$(VERSION)|' \
	  -e 's|^Libs:.*|& -Wl,-rpath,$${libdir}|' $< >$@

# Most of a unit test is assertions, each of which runs once: to optimise them costs more than it saves.  Not so those that include
# a file of the code; and a build with a sanitizer shows what gcc's optimiser warns of.
ifeq ($(SAN),none)
$(call obj,$(shell grep -LE '^.include ".*\.c"' $(UNIT_SRC))): CFLAGS += -O0 -U_FORTIFY_SOURCE
endif
$(O)/libtest.a: $(call obj,$(TESTLIB_SRC))
	$(archive)
# A unit test that includes only the core, the protocol and the tests' library links nothing else: what it needs beyond is a
# fault of the design.  (The tests of the protocol compare it with msgpack-c.)
BEYOND_CORE := ^\#include ["<](daemon/io|client|tests/unit|poold\.h)
CORE_UNIT   := $(patsubst tests/unit/%.c,$(O)/unit/%,$(shell grep -LE '$(BEYOND_CORE)' $(UNIT_SRC)))
$(CORE_UNIT): $(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,check $(MSGPACK))
$(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(IO_LIBS) $(O)/libclient.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,check $(PACKAGES) $(MSGPACK) jansson)
# Their allocations can be made to fail: tests/lib/shortage.h.
SHORTAGE_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(addprefix $(O)/unit/test_,json_memory client_memory chunk): LDFLAGS += $(SHORTAGE_LDFLAGS)
$(O)/unit/test_driver: | $(O)/workers/echo
$(O)/sim/sim: $(call obj,$(SIM_SRC)) $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^
$(O)/sim/load: $(call obj,$(LOAD_SRC)) $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ -lm
$(O)/workers/%: $(O)/tests/workers/%.o $(O)/libpoold.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,$(MSGPACK))
# A C library that fails, to be preloaded.  Checks that the compiler puts into calls would get around it.
$(HOSTILE): tests/hostile/hostile_libc.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) -U_FORTIFY_SOURCE $(filter-out $(SAN_FLAGS),$(ALL_CFLAGS)) -shared -o $@ $<
$(O)/bench/%: $(O)/tests/bench/%.o $(O)/libtest.a $(O)/libcore.a $(O)/libclient.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -o $@ $^ $(call pkg_libs,$(MSGPACK)) -lm
$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/libtest.a $(IO_LIBS) $(O)/libclient.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(link) -fsanitize=fuzzer -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK) jansson)

# --- what a person types --------------------------------------------------------------------------------------------
.PHONY: deps demo check check-run check-asan check-tsan check-clang check-valgrind fuzz chaos bench performance overload load soak lint format format-check docs clean help

deps:
	@.ci/deps check

demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory all
	@POOLD_BUILD=$(O) PYTHON=$(PYTHON_NOW) sh client/python/examples/demo.sh

# The packages may only just have been installed: what pkg-config says is read anew.
PYTHON_NOW   = $$(for p in python3 /usr/bin/python3; do $$p -c 'import msgpack' 2>/dev/null && command -v $$p && break; done)
# Programs are built side by side, unless make was told how.
PARALLEL     = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
check:
	@.ci/deps check
	@$(MAKE) --no-print-directory $(PARALLEL) test-programs
	@$(MAKE) --no-print-directory check-run

# The tests find the build, the Python package and each other by these.
TEST_ENV     = PYTHONDONTWRITEBYTECODE=1 POOLD_BUILD=$(O) POOLD_PYTHON=$(PYTHON) PYTHONPATH=client/python:tests/e2e$(if $(COVERAGE_ENV),:$(COVERAGE_PY)) $(COVERAGE_ENV)
RUN          = $(TEST_ENV) $(PYTHON) tests/run.py

# SLOWEST="--slowest 40": the programs that take longest
SLOWEST     ?=

# Each step of make check as tests/run.py takes it: its name, how many programs run side by side, and the programs.
SEEDS       ?= 10000
E2E_JOBS    ?= 4
# These take longest, and so are begun first; of the others the larger files.
LONGEST     := $(patsubst %,tests/e2e/test_%.py,client_examples memory http http_stream page dialect_packet4 late_runs \
               rude_workers troubles prometheus socket_pool kept_errors python_worker alert_delivery prefork readme session \
               backpressure dialect_jsonrpc alerts bad_starts stdio load_orphans deadlines replacement worker_examples \
               hostile_server alert_kinds) tests/bench/test_peers.py tests/python/test_hostile.py tests/python/test_worker_life.py
long_first   = $(filter $(1),$(LONGEST)) $(filter-out $(LONGEST),$(1))
PY_TESTS     = $(call long_first,$(shell ls -S tests/e2e/test_*.py tests/python/test_*.py tests/bench/test_*.py))
E2E_ALONE    = $(shell grep -l '^ALONE = True' $(PY_TESTS))
E2E_LOAD     = $(wildcard tests/e2e/test_load_*.py)
# These need what .ci/npm installs, and are skipped without it.
NPM_TESTS    = $(wildcard tests/npm/test_*.py)
LINTS        = $(sort $(wildcard tests/lint/*.sh tests/lint/*.py))
lint_kind    = $(if $(filter %_test.py,$(1)),unittest,exit)
lint_run     = '$(lint_kind):O=$(O) $(if $(filter %.py,$(1)),$(PYTHON),sh) $(1)'
UNIT_STEP    = 'step:unit tests:3' $(foreach u,$(sort $(UNIT)),check:$(u))
SIM_RUN      = 'lines:$(SIM) --seeds $$(($(SEEDS) / 2))' \
               'lines:$(SIM) --from $$(($(SEEDS) / 2)) --seeds $$(($(SEEDS) - $(SEEDS) / 2))' \
               'exit:SIM=$(SIM) sh tests/sim/sabotage.sh' 'lines:$(LOAD)'
SIM_STEP     = 'step:simulator:2' $(SIM_RUN)
# The tests mostly wait, for time limits and for workers to start: the simulator and the lints have the processors meanwhile,
# as far as no test wants them, and most of all while a test runs alone.
BESIDE_STEP  = 'beside:simulator, lints:2' $(SIM_RUN) $(foreach l,$(LINTS),$(call lint_run,$(l)))
PY_STEP      = 'step:Python and end to end:$(CHECK_JOBS)' $(addprefix file:,$(filter-out $(E2E_ALONE),$(PY_TESTS)))
CHECK_JOBS  ?= 10
# The first of these waits for half a minute, and has a processor for one second of it: the others do not notice it.
E2E_TWO      = $(patsubst %,tests/e2e/test_load_%.py,overload outage crowd)
ALONE_STEP   = 'step:two alone:2' $(addprefix file:,$(E2E_TWO)) \
               'step:alone:1' $(addprefix file:,$(filter-out $(E2E_TWO),$(E2E_ALONE)))

# Tests again and again, whose processes stand still for moments: see tests/noise.py.
.PHONY: noise
noise: all tools
	@$(TEST_ENV) $(PYTHON) tests/noise.py $(NOISE)

.PHONY: test-programs
test-programs: all tools $(UNIT) $(SIM) $(LOAD)
check-run: test-programs
	@$(RUN) $(SLOWEST) $(UNIT_STEP) $(BESIDE_STEP) $(ALONE_STEP) $(PY_STEP)

.PHONY: unit
unit: $(UNIT) $(SIM) $(LOAD)
	@$(RUN) $(UNIT_STEP) 'step:simulator:1' 'lines:$(SIM) --seeds 500' 'lines:$(LOAD)'

# One test of any kind, by its name; a name may hold spaces and quotes.
.PHONY: t
t: export T := $(value T)
t:
	@needs=$$($(PYTHON) tests/t.py --needs "$$T") || exit; \
	  [ -z "$$needs" ] || $(MAKE) --no-print-directory --silent $$needs || exit; \
	  $(TEST_ENV) $(PYTHON) tests/t.py "$$T"

# Everything again that runs our C, with address and undefined-behaviour sanitizers: without the lints, the tests of the
# Python package, and those that measure what the machine can do.  The simulator has fewer seeds, as it is slower there.
ASAN_STEP    = $(UNIT_STEP) 'step:simulator:2' 'lines:$(SIM) --seeds $(SEEDS)' 'lines:$(LOAD)' \
               'step:end to end:$(E2E_JOBS)' $(addprefix file:,$(filter-out \
               $(addprefix tests/e2e/test_,load_overload.py load_outage.py load_crowd.py page.py client_examples.py \
               readme.py prometheus.py harness.py),$(filter tests/e2e/%,$(PY_TESTS))))
.PHONY: check-asan-run
check-asan-run: test-programs
	@$(RUN) $(ASAN_STEP)
check-asan:
	@.ci/deps check
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=asan test-programs
	@ASAN_OPTIONS=detect_leaks=1 $(MAKE) --no-print-directory SAN=asan SEEDS=1000 check-asan-run

# What is skipped where these programs are not installed (.ci/deps ci).
.PHONY: check-tools
check-tools: all tools
	@$(RUN) 'step:Prometheus, a browser, a terminal:1' $(addprefix file:tests/e2e/test_,prometheus.py page.py top.py)

# Clients and workers of an earlier commit with today's daemon, and the other way round.
.PHONY: check-earlier
check-earlier: all tools $(O)/unit/test_vectors
	@$(RUN) 'step:an earlier tree:1' file:tests/earlier/test_earlier.py

# libpoold in programs with threads, beside a server that misbehaves, with the thread sanitizer.
TSAN_STEP    = 'step:libpoold in threads:1' 'unittest:$(PYTHON) tests/e2e/test_hostile_server.py Libpoold'
.PHONY: check-tsan-run
check-tsan:
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=tsan check-tsan-run
check-tsan-run: $(O)/workers/caller
	@$(RUN) $(TSAN_STEP)

# What of the code the tests run.  The counts add up in the build's folder, so one more test can be added by
# `make SAN=cov t T=NAME`, and `make coverage-report` says what there is by now.  Left out are tests that measure what the machine
# can do, and those that link a program of their own to libpoold.a.
COVERAGE     = O=$(O) $(PYTHON) tests/coverage/report.py
COVERAGE_PY  = $(abspath $(O))/python
COVERAGE_ENV = $(if $(filter cov,$(SAN)),POOLD_MEASURED=$(COVERAGE_PY) GCOV_ERROR_FILE=/dev/null)
COVERAGE_E2E = 'step:Python and end to end:$(E2E_JOBS)' $(addprefix file:,$(filter-out \
               $(addprefix tests/e2e/test_,load_overload.py load_outage.py load_crowd.py client_examples.py \
               readme.py prometheus.py harness.py),$(PY_TESTS)))
# The same faults in each run.  Allocations beyond these are those with which gcc's counters are written.
COVERAGE_HOSTILE = 'step:hostile libc:1' '$(HOSTILE_RUN) --kinds alloc --range 1-900 --sample 500' \
               '$(HOSTILE_RUN) --kinds $(HOSTILE_CALLS),read,write,mmap --range 1-300 --sample 400' \
               '$(HOSTILE_RUN) --guard --range 1-60 --sample 20'
# Lints that ask the programs for their tables.
COVERAGE_LINTS = $(foreach l,errors metrics options,$(call lint_run,tests/lint/$(l).sh))
.PHONY: coverage coverage-begin coverage-unit coverage-e2e coverage-hostile coverage-report
coverage:
	@.ci/deps check
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=cov test-programs
	@$(MAKE) --no-print-directory SAN=cov coverage-begin
	@$(MAKE) --no-print-directory -k SAN=cov SEEDS=1000 coverage-unit coverage-e2e coverage-hostile; tests=$$?; \
	  $(MAKE) --no-print-directory SAN=cov coverage-report && exit $$tests
# Other users' processes count too, so everybody may write; each program runs once, so that its files are there.
coverage-begin:
	@find $(O) -name '*.gcda' -delete
	@sh tests/coverage/begin.sh $(COVERAGE_PY) $(PYTHON)
	@for p in poold poolctl poold-mcp; do $(O)/$$p --version >/dev/null 2>&1; done; true
	@find $(O) '(' -type d -o -name '*.gcda' ')' -exec chmod a+rwX {} +
coverage-unit:
	@$(RUN) $(UNIT_STEP) $(SIM_STEP) 'step:lints:2' $(COVERAGE_LINTS)
coverage-e2e:
	@$(RUN) $(COVERAGE_E2E)
coverage-hostile:
	@POOLD_SEED=1 $(RUN) $(COVERAGE_HOSTILE)
coverage-report:
	@$(COVERAGE) $(COVERAGE_ARGS)

# What was asked for, the tests that show it, and what they gave: docs/VALIDATION.md.
.PHONY: validate validate-run
validate:
	@.ci/deps check
	@$(MAKE) --no-print-directory $(PARALLEL) test-programs
	@$(MAKE) --no-print-directory validate-run
validate-run: test-programs
	@$(TEST_ENV) $(PYTHON) tests/validation/validate.py $(VALIDATE_ARGS)

# Builds what PGO=1 installs, and lets it serve the loads by which it was made.
.PHONY: check-trained
check-trained: $(O)/trained/lto/poold
	@$(TEST_ENV) $(PYTHON) tests/bench/train.py $(O) $(O)/trained/lto/poold

check-clang:
	@$(MAKE) --no-print-directory $(PARALLEL) CC=clang O=build/clang all tools unit

# Not those that go the same ways thousands of times.
check-valgrind: $(UNIT)
	@CK_FORK=no POOLD_ROUNDS=2 $(RUN) 'step:valgrind:2' $(foreach u,$(filter-out %_random %_strategy %_worker_input,$(sort $(CORE_UNIT))),\
	  'check:valgrind -q --leak-check=full --error-exitcode=9 $(u)')

FUZZ_SECONDS ?= 60
fuzz:
	@$(MAKE) --no-print-directory $(PARALLEL) SAN=fuzz fuzz-run
.PHONY: fuzz-run
fuzz-run: $(FUZZERS) $(O)/poold $(O)/workers/unruly
	@POOLD_RUN_SECONDS=$$(($(FUZZ_SECONDS) + 600)) $(RUN) 'step:fuzz, $(FUZZ_SECONDS) s each:2' $(foreach f,$(FUZZERS),'exit:sh tests/fuzz/run.sh $(f) $(O) $(FUZZ_SECONDS)') \
	  'lines:$(PYTHON) tests/fuzz/conversation.py --seconds $(FUZZ_SECONDS)'

# A libc whose calls fail, one in each case: some of all cases, drawn by a seed, and all of them.  A sanitizer has a libc of
# its own.
HOSTILE_RUN  = lines:$(PYTHON) tests/hostile/hostile.py
HOSTILE_STEP = $(if $(filter none,$(SAN)),'step:hostile libc:1' '$(HOSTILE_RUN) --sample 94' \
               '$(HOSTILE_RUN) --guard --range 1-60 --sample 6' \
               '$(WORLDS_RUN) --seeds 1-200' 'exit:PYTHON=$(PYTHON) sh tests/hostile/sabotage.sh')
# Short lives by seed, in which everybody misbehaves.
WORLDS_RUN   = lines:$(PYTHON) tests/hostile/worlds.py
HOSTILE_CALLS := open,socket,pipe,accept,connect,bind,poller,watch,poll,fork,clone,pidfd,signal,wait,fcntl,random,wall,mono
HOSTILE_SOAK = 'step:hostile libc, every call:1' '$(HOSTILE_RUN) --kinds $(HOSTILE_CALLS)' \
               '$(HOSTILE_RUN) --kinds read' '$(HOSTILE_RUN) --kinds write,mmap' \
               '$(HOSTILE_RUN) --kinds alloc --crowd 130 --range 1-700' \
               '$(HOSTILE_RUN) --kinds alloc --crowd 130 --range 701-1300' \
               '$(HOSTILE_RUN) --kinds alloc --crowd 130 --range 1301-2000' \
               '$(HOSTILE_RUN) --seeds 300' '$(HOSTILE_RUN) --guard --range 1-100' \
               '$(WORLDS_RUN) --seeds 1-5000'

# Faults under load, after which three ledgers must agree: each scenario for so many seconds, or one alone, by its name.
CHAOS_RUN    = $(TEST_ENV) $(PYTHON) tests/chaos/chaos.py
CHAOS_NAMES  = $(shell $(CHAOS_RUN) --list | cut -d ' ' -f 1)
CHAOS_PROGRAMS = $(foreach n,$(CHAOS_NAMES),'exit:$(PYTHON) tests/chaos/chaos.py --seconds $(1) $(n)')
CHAOS_STEP   = 'step:faults under load:2' $(call CHAOS_PROGRAMS,$(1))
# How many times as much as in make check.
CHAOS       ?= 10
SCENARIO    ?=
ifneq ($(SCENARIO),)
chaos: all tools
	@$(CHAOS_RUN) --seconds $$((2 * $(CHAOS))) $(SCENARIO)
else
chaos: all tools
	@POOLD_CHAOS=$(CHAOS) $(RUN) $(call CHAOS_STEP,$$((2 * $(CHAOS)))) 'step:load with kills:1' \
	  $(addprefix file:,$(E2E_LOAD) tests/e2e/test_unfriendly.py $(NPM_TESTS)) \
	  'step:load with failures:1' 'exit:$(PYTHON) tests/bench/load_with_failures.py --in-all $$((5 * $(CHAOS)))' $(HOSTILE_STEP)
endif

# The daemon as it is installed.
bench: all tools $(SHIPPED)
	@$(TEST_ENV) $(PYTHON) tests/bench/run.py --poold $(SHIPPED) $(BENCH_ARGS)

# docs/PERFORMANCE.md, its plots, and the JSON that all its figures are from; about 35 minutes, or
# PERFORMANCE_ARGS="--minutes 12".  Other programs are measured where they are installed (.ci/deps peers).
performance: all tools $(SHIPPED) $(O)/trained/lto/poold
	@mkdir -p docs/performance
	@$(TEST_ENV) $(PYTHON) tests/bench/run.py --poold $(SHIPPED) --peers --json docs/performance/results.json $(PERFORMANCE_ARGS); status=$$?; \
	  $(TEST_ENV) $(PYTHON) tests/bench/performance.py && exit $$status

# The shows of overload and faults, each held against its limits; about 25 minutes.
overload: all tools
	@$(TEST_ENV) $(PYTHON) tests/bench/overload.py $(OVERLOAD_ARGS)

# Load while something fails, held against service levels, with plots in $(O)/load; about six minutes.
load: all tools
	@$(TEST_ENV) $(PYTHON) tests/bench/load_with_failures.py $(LOAD_ARGS)

# The seconds of mixed load and faults, under which nothing may grow, and of each scenario of faults under load.
SOAK_SECONDS ?= 3600
SOAK_EACH    ?= 300
soak: all tools $(SIM) $(LOAD)
	@POOLD_RUN_SECONDS=$$(($(SOAK_SECONDS) + 1200)) $(RUN) 'step:load and faults for long:3' \
	  'exit:$(PYTHON) tests/chaos/soak.py --seconds $(SOAK_SECONDS)' $(call CHAOS_PROGRAMS,$(SOAK_EACH))
	@POOLD_TEST_SECONDS=1200 POOLD_TORN=1000000 $(MAKE) --no-print-directory chaos
	@$(RUN) $(HOSTILE_SOAK)
	@POOLD_TEST_SECONDS=1200 POOLD_TORN=1000000 $(RUN) 'step:a million values:1' file:tests/python/test_wire.py
	@$(O)/sim/sim --seeds 100000
	@$(O)/sim/load --seeds 100 --quiet

C_FILES      = $(shell git ls-files '*.c' '*.h' '*.def' 2>/dev/null | grep -v '\.def$$')
format:
	clang-format -i $(C_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES)

TIDY_SRC     = $(PROTO_SRC) $(CORE_SRC) $(IO_SRC) daemon/main.c $(LIB_SRC) $(CTL_SRC) $(MCP_SRC)
TIDY_FLAGS   = -std=c17 -I. -Iclient/lib -D_GNU_SOURCE -DPOOLD_VERSION='"'"'"0"'"'"' $(PKG_CFLAGS)
# How far clang's analyzer follows the ways through a function, in steps; 225000 is its own default.
TIDY_STEPS  ?= 225000
lint: format-check
	@echo "  clang-tidy"
	@printf '%s\n' $(TIDY_SRC) | xargs -P 2 -n 2 sh -c 'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) \
	  -Xclang -analyzer-config -Xclang max-nodes=$(TIDY_STEPS) 2>/dev/null' tidy
	@echo "  cppcheck"
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem --suppressions-list=.cppcheck -j 2 -I. -Iclient/lib -D_GNU_SOURCE $(TIDY_SRC)
	@echo "  shell and manual pages"
	@if command -v shellcheck >/dev/null; then shellcheck -s sh .ci/deps .ci/npm .ci/reproducible $(wildcard tests/*/*.sh client/python/examples/*.sh); fi
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning $(wildcard docs/man/*.[1-8]); fi
	@echo "  mypy"
	@if command -v mypy >/dev/null; then cd client/python && mypy --no-error-summary --cache-dir=$(abspath $(O))/mypy; fi
	@if command -v mypy >/dev/null; then cd client/python && mypy --no-error-summary --cache-dir=$(abspath $(O))/mypy \
	  ../../tests/types/sample.py; fi

# The parts of the documents that the code says.
docs: $(O)/poold $(O)/poolctl
	@O=$(O) sh tests/lint/errors.sh --write
	@sh tests/lint/events.sh --write
	@O=$(O) sh tests/lint/metrics.sh --write
	@$(O)/poolctl completion >client/poolctl/poolctl.bash-completion

clean:
	rm -rf build

help:
	@echo 'make            build poold, poolctl, poold-mcp and libpoold below build/none'
	@echo 'make demo       set up, build, and show the daemon at work'
	@echo 'make t T=NAME   one test of any kind, by its name in the source'
	@echo 'make noise      some tests while processes stand still for moments (NOISE="-n 20 tests/e2e/test_call.py")'
	@echo 'make unit       the unit tests, and a part of the simulator'
	@echo 'make check      unit tests, simulator, lints, Python and end-to-end tests'
	@echo 'make check-asan the same under address and undefined-behaviour sanitizers'
	@echo 'make check-tools what needs Prometheus, Chromium or tmux'
	@echo 'make check-tsan libpoold in several threads under the thread sanitizer'
	@echo 'make check-earlier clients, workers and daemon of an earlier commit with those of today'
	@echo 'make coverage   what of the code the tests run, against its levels'
	@echo 'make validate   the tests of each thing that was asked for, and docs/VALIDATION.md'
	@echo 'make fuzz       every parser, and whole conversations with a daemon, FUZZ_SECONDS each (60)'
	@echo 'make chaos      faults under load, judged by three ledgers (SCENARIO=herd: one alone); kills; a hostile libc, and worlds with one'
	@echo 'make bench      ratios against the bare forwarder'
	@echo 'make performance measure everything, other programs too, and write docs/PERFORMANCE.md (--minutes 12)'
	@echo 'make overload   overload and faults, judged (OVERLOAD_ARGS="capacity --seconds 6")'
	@echo 'make load       load with failures, judged, with plots (LOAD_ARGS="failover --seconds 10")'
	@echo 'make soak       the long runs'
	@echo 'make mutate     faults made by hand: each must be caught (mutate-core, mutate-io, MUTATE_ARGS="--only accept")'
	@echo 'make lint       clang-format, clang-tidy, cppcheck, shellcheck, mandoc, mypy'
	@echo 'make docs       write the tables in docs/ that come from the code'
	@echo 'make install    into PREFIX (/usr/local), below DESTDIR'
	@echo 'make deps       install the Debian packages that are missing'

# --- install --------------------------------------------------------------------------------------------------------
MANDIR         ?= $(PREFIX)/share/man
DATADIR        ?= $(PREFIX)/share/poold
COMPLETIONDIR  ?= $(PREFIX)/share/bash-completion/completions
# Asked for once, and only where it is used.
PYTHON_VERSION  = $(eval PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'))$(PYTHON_VERSION)
MAN_PAGES      := $(wildcard docs/man/*.[1-8])
PY_FILES       := $(patsubst client/python/%,%,$(wildcard client/python/poold/*.py client/python/poold/py.typed client/python/poold/*.pyi client/python/poold/*/*.py))
EXAMPLE_FILES  := $(patsubst client/python/%,%,$(wildcard client/python/examples/*.py))
D              := $(DESTDIR)
# Files of client/python, to the same folders below another one.
python_to       = $(foreach d,$(sort $(dir $(1))),install -Dm644 -t $(2)/$(d) \
                  $(foreach f,$(1),$(if $(filter $(d),$(dir $(f))),client/python/$(f))) &&) true
man_dir         = $(D)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))/
render          = sed -e 's|@sbindir@|$(SBINDIR)|g;s|@sysconfdir@|$(SYSCONFDIR)|g;s|@datadir@|$(DATADIR)|g' $(1) | install -Dm644 /dev/stdin $(2)

# A manual has the date of its last commit, in a tree without git that of SOURCE_DATE_EPOCH, without either its own.
define dated
epoch=$$(git -c safe.directory='*' log -1 --no-merges --format=%at -- $(1) 2>/dev/null); epoch=$${epoch:-$$SOURCE_DATE_EPOCH}; \
  sed "$${epoch:+s/^\.Dd .*/.Dd $$(LC_ALL=C date -u -d "@$$epoch" '+%B %-d, %Y')/}" $(1)
endef

# One manual as it is installed, for tests/lint/manuals.sh.
.PHONY: man-page
man-page:
	@$(call dated,$(PAGE))

# The loader finds the library through its cache, which root rebuilds: where that is not possible here, it is named.
LDCONFIG       ?= $(or $(shell command -v ldconfig),/sbin/ldconfig)
define refresh_loader
if [ -n '$(D)' ] || [ "$$(id -u)" != 0 ]; then \
  echo 'Run this as root, on the machine where $(LIBDIR)/$(SONAME) will be used: ldconfig'; \
else \
  for known in $$($(LDCONFIG) -N -v 2>/dev/null | sed -n 's|^\(/[^:]*\):.*|\1|p'); do \
    if [ "$$known" -ef '$(LIBDIR)' ]; then echo '$(LDCONFIG)'; exec $(LDCONFIG); fi; \
  done; \
  echo 'The loader does not search $(LIBDIR): name it in a file below /etc/ld.so.conf.d, then run: ldconfig'; \
fi
endef

.PHONY: install uninstall check-systemd
install: all $(SHIPPED)
	install -Dm755 $(SHIPPED) $(D)$(SBINDIR)/poold
	install -Dm755 $(O)/poolctl $(D)$(BINDIR)/poolctl
	install -Dm755 $(O)/poold-mcp $(D)$(BINDIR)/poold-mcp
	@# An ordinary user, who has no sbin on PATH, runs it too: poold run.
	[ $(D)$(SBINDIR) -ef $(D)$(BINDIR) ] || ln -sf $(SBINDIR)/poold $(D)$(BINDIR)/poold
	install -Dm755 $(O)/$(SONAME) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libpoold.so
	install -Dm644 $(O)/libpoold.a $(D)$(LIBDIR)/libpoold.a
	install -Dm644 $(O)/libpoold.pc $(D)$(LIBDIR)/pkgconfig/libpoold.pc
	install -Dm644 client/lib/poold.h $(D)$(INCLUDEDIR)/poold.h
	install -Dm644 client/poolctl/poolctl.bash-completion $(D)$(COMPLETIONDIR)/poolctl
	install -Dm644 daemon/poold.bash-completion $(D)$(COMPLETIONDIR)/poold
	$(call python_to,$(PY_FILES),$(D)$(PYTHONDIR))
	$(call python_to,$(EXAMPLE_FILES),$(D)$(DATADIR))
	$(foreach f,$(MAN_PAGES),{ $(call dated,$(f)) | install -Dm644 /dev/stdin $(call man_dir,$(f))$(notdir $(f)); } &&) true
	$(call render,systemd/poold.service.in,$(D)$(UNITDIR)/poold.service)
	install -Dm644 systemd/poold.socket $(D)$(UNITDIR)/poold.socket
	install -Dm644 systemd/poold.sysusers $(D)$(SYSUSERSDIR)/poold.conf
	install -Dm644 systemd/poold.tmpfiles $(D)$(TMPFILESDIR)/poold.conf
	install -Dm644 systemd/poold.catalog $(D)$(CATALOGDIR)/poold.catalog
	install -d $(D)$(SYSCONFDIR)/poold/poold.conf.d
	test -e $(D)$(SYSCONFDIR)/poold/poold.conf || $(call render,systemd/poold.conf.in,$(D)$(SYSCONFDIR)/poold/poold.conf)
	@$(refresh_loader)

# What somebody has configured stays.
uninstall:
	rm -f $(D)$(SBINDIR)/poold $(D)$(BINDIR)/poold $(D)$(BINDIR)/poolctl $(D)$(BINDIR)/poold-mcp
	rm -f $(D)$(INCLUDEDIR)/poold.h $(D)$(LIBDIR)/pkgconfig/libpoold.pc
	rm -f $(addprefix $(D)$(LIBDIR)/,$(SONAME) libpoold.so libpoold.a)
	rm -f $(D)$(COMPLETIONDIR)/poolctl $(D)$(COMPLETIONDIR)/poold
	rm -f $(D)$(UNITDIR)/poold.service $(D)$(UNITDIR)/poold.socket
	rm -f $(D)$(SYSUSERSDIR)/poold.conf $(D)$(TMPFILESDIR)/poold.conf $(D)$(CATALOGDIR)/poold.catalog
	rm -f $(foreach f,$(MAN_PAGES),$(call man_dir,$(f))$(notdir $(f)))
	rm -rf $(D)$(PYTHONDIR)/poold $(D)$(DATADIR)

# The units, judged by systemd and then under a real one; the second needs root.
check-systemd: all
	@$(RUN) 'step:systemd:1' 'exit:O=$(O) sh tests/systemd/verify.sh' 'exit:O=$(O) sh tests/systemd/boot.sh'

# --- faults made by hand in a copy of the tree: each must be caught ---
.PHONY: mutate mutate-core mutate-io
mutate: mutate-core mutate-io
mutate-core mutate-io: mutate-%:
	@$(PYTHON) tests/mutate/mutate.py $* $(MUTATE_ARGS)
