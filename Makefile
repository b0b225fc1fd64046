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
PYTHONDIR   ?= $(PREFIX)/lib/python3/dist-packages
WERROR      ?= 1
# SAN: none, asan (address and undefined behaviour), fuzz (clang's libFuzzer with both), cov (coverage)
SAN         ?= none
O           ?= build/$(SAN)
# The first interpreter that can import msgpack: the one on PATH need not be the distribution's.
PYTHON      := $(or $(POOLD_PYTHON),$(shell for p in python3 /usr/bin/python3; do \
                 $$p -c 'import msgpack' 2>/dev/null && command -v $$p && break; done),python3)

# --- compiler -------------------------------------------------------------------------------------------------------
ifeq ($(SAN),fuzz)
CC          := clang
endif
PACKAGES    := libevent_core libsystemd inih
MSGPACK     := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
pkg_cflags   = $(shell pkg-config --cflags $(1) 2>/dev/null)
pkg_libs     = $(shell pkg-config --libs $(1) 2>/dev/null)

WARNINGS    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
               -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
               -Wdouble-promotion -Wimplicit-fallthrough -Wredundant-decls $(if $(filter 1,$(WERROR)),-Werror)
HARDENING   := -fstack-protector-strong -fstack-clash-protection -fcf-protection
CPPFLAGS    += -I. -Iclient -D_GNU_SOURCE -DPOOLD_VERSION='"$(VERSION)"'
CFLAGS      ?= -O2 -g
ALL_CFLAGS   = -std=c17 $(WARNINGS) $(CFLAGS) $(HARDENING) -fPIC -fno-common -fvisibility=hidden $(SAN_FLAGS)
ALL_LDFLAGS  = $(LDFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack $(SAN_FLAGS)
ifeq ($(SAN),none)
CPPFLAGS    += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifeq ($(SAN),asan)
SAN_FLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDENING   :=
endif
ifeq ($(SAN),fuzz)
SAN_FLAGS   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDENING   :=
endif
ifeq ($(SAN),cov)
SAN_FLAGS   := --coverage -O0
endif

# --- what is built --------------------------------------------------------------------------------------------------
PROTO_SRC   := $(wildcard protocol/*.c)
CORE_SRC    := $(wildcard daemon/core/*.c)
IO_SRC      := $(wildcard daemon/io/*.c)
LIB_SRC     := $(filter-out client/poolctl%.c,$(wildcard client/*.c))
CTL_SRC     := $(wildcard client/poolctl*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
SIM_SRC     := $(wildcard tests/sim/*.c)
WORKER_SRC  := $(wildcard tests/workers/*.c)
BENCH_SRC   := $(wildcard tests/bench/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
TESTLIB_SRC := $(wildcard tests/lib/*.c)

obj          = $(patsubst %.c,$(O)/%.o,$(1))
UNIT        := $(patsubst tests/unit/%.c,$(O)/unit/%,$(UNIT_SRC))
WORKERS     := $(patsubst tests/workers/%.c,$(O)/workers/%,$(WORKER_SRC))
BENCHES     := $(patsubst tests/bench/%.c,$(O)/bench/%,$(BENCH_SRC))
FUZZERS     := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZ_SRC))
SONAME      := libpoold.so.0

.PHONY: all tools
all: $(O)/poold $(O)/poolctl $(O)/libpoold.a $(O)/$(SONAME) $(O)/libpoold.pc
tools: $(WORKERS) $(BENCHES)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
.SECONDARY:

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(call pkg_cflags,$(PACKAGES) $(MSGPACK) jansson) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^
endef
$(O)/libproto.a: $(call obj,$(PROTO_SRC))
	$(archive)
$(O)/libcore.a: $(call obj,$(CORE_SRC))
	$(archive)
$(O)/libio.a: $(call obj,$(IO_SRC))
	$(archive)
$(O)/libpoold.a: $(call obj,$(LIB_SRC) $(PROTO_SRC))
	$(archive)

$(O)/poold: $(O)/daemon/main.o $(O)/libio.a $(O)/libcore.a $(O)/libproto.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK))
$(O)/poolctl: $(call obj,$(CTL_SRC)) $(O)/libpoold.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK) jansson)
$(O)/$(SONAME): $(call obj,$(LIB_SRC) $(PROTO_SRC)) client/libpoold.map
	$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/libpoold.map \
	  -o $@ $(filter %.o,$^) $(call pkg_libs,$(MSGPACK))
	ln -sf $(SONAME) $(O)/libpoold.so
$(O)/libpoold.pc: client/libpoold.pc.in Makefile
	@mkdir -p $(@D)
	sed -e 's|@prefix@|$(PREFIX)|;s|@libdir@|$(LIBDIR)|;s|@includedir@|$(INCLUDEDIR)|;s|@version@|$(VERSION)|;s|@msgpack@|$(MSGPACK)|' $< >$@

$(O)/libtest.a: $(call obj,$(TESTLIB_SRC))
	$(archive)
# Unit tests of the core link core and protocol alone: what they need beyond is a fault of the design.
CORE_UNIT   := $(patsubst daemon/core/%.c,$(O)/unit/test_%,$(CORE_SRC)) $(O)/unit/test_shrink
$(filter $(CORE_UNIT),$(UNIT)): $(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,check)
$(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(O)/libio.a $(O)/libpoold.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,check $(PACKAGES) $(MSGPACK) jansson)
$(O)/sim/%: $(O)/tests/sim/%.o $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK))
$(O)/workers/%: $(O)/tests/workers/%.o $(O)/libpoold.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK))
$(O)/bench/%: $(O)/tests/bench/%.o $(O)/libcore.a $(O)/libpoold.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK)) -lm
$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/libio.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK))
