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
# Debian's interpreter looks for what its own packages install without the version, for all else with it.
PYTHONDIR   ?= $(PREFIX)/lib/python$(if $(filter /usr,$(PREFIX)),3,$(PYTHON_VERSION))/dist-packages
WERROR      ?= 1
# V=1 shows every command
V           ?= 0
# SAN: none, asan (address and undefined behaviour), fuzz (clang's libFuzzer with both), cov (coverage)
SAN         ?= none
O           ?= build/$(SAN)
# The first interpreter that can import msgpack: the one on PATH need not be the distribution's.
PYTHON      := $(or $(POOLD_PYTHON),$(shell for p in python3 /usr/bin/python3; do \
                 $$p -c 'import msgpack' 2>/dev/null && command -v $$p && break; done),python3)

Q           := $(if $(filter 1,$(V)),,@)
say          = @$(if $(filter 1,$(V)),true,printf '  %-5s %s\n' $(1) $(2))

# --- compiler -------------------------------------------------------------------------------------------------------
ifeq ($(SAN),fuzz)
CC          := clang
endif
PACKAGES    := libevent_core libsystemd inih jansson
MSGPACK     := $(shell pkg-config --exists msgpack-c 2>/dev/null && echo msgpack-c || echo msgpack)
pkg_cflags   = $(shell pkg-config --cflags $(1) 2>/dev/null)
PKG_CFLAGS  := $(call pkg_cflags,$(PACKAGES) $(MSGPACK))
pkg_libs     = $(shell pkg-config --libs $(1) 2>/dev/null)

WARNINGS    := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
               -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
               -Wdouble-promotion -Wimplicit-fallthrough -Wredundant-decls $(if $(filter 1,$(WERROR)),-Werror)
HARDENING   := -fstack-protector-strong -fstack-clash-protection -fcf-protection
CPPFLAGS    += -I. -Iclient/lib -D_GNU_SOURCE -DPOOLD_VERSION='"$(VERSION)"'
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
# The folders of daemon/io from the highest rank to the lowest: each sees only those behind it (docs/ARCHITECTURE.md).
IO_FOLDERS  := service frontend admin observe driver worker config base
IO_SRC      := $(foreach f,$(IO_FOLDERS),$(wildcard daemon/io/$(f)/*.c))
LIB_SRC     := $(wildcard client/lib/*.c)
CTL_SRC     := $(wildcard client/poolctl/*.c)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
SIM_SRC     := $(wildcard tests/sim/*.c)
WORKER_SRC  := $(wildcard tests/workers/*.c)
BENCH_SRC   := $(wildcard tests/bench/*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
TESTLIB_SRC := $(wildcard tests/lib/*.c)

obj          = $(patsubst %.c,$(O)/%.o,$(1))
SIM         := $(O)/sim/sim
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
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

define archive
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)$(AR) rcs $@ $^
endef
$(O)/libproto.a: $(call obj,$(PROTO_SRC))
	$(archive)
$(O)/libcore.a: $(call obj,$(CORE_SRC))
	$(archive)
IO_LIBS     := $(patsubst %,$(O)/libio_%.a,$(IO_FOLDERS))
.SECONDEXPANSION:
$(IO_LIBS): $(O)/libio_%.a: $$(call obj,$$(wildcard daemon/io/$$*/*.c))
	$(archive)
$(O)/libpoold.a: $(call obj,$(LIB_SRC) $(PROTO_SRC))
	$(archive)

$(O)/poold: $(O)/daemon/main.o $(IO_LIBS) $(O)/libcore.a $(O)/libproto.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK))
$(O)/poolctl: $(call obj,$(CTL_SRC)) $(O)/libpoold.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK) jansson)
$(O)/$(SONAME): $(call obj,$(LIB_SRC) $(PROTO_SRC)) client/lib/libpoold.map
	$(call say,LD,$@)
	$(Q)$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=client/lib/libpoold.map \
	  -o $@ $(filter %.o,$^) $(call pkg_libs,$(MSGPACK))
	$(Q)ln -sf $(SONAME) $(O)/libpoold.so
$(O)/libpoold.pc: client/lib/libpoold.pc.in Makefile
	@mkdir -p $(@D)
	$(Q)sed -e 's|@prefix@|$(PREFIX)|;s|@libdir@|$(LIBDIR)|;s|@includedir@|$(INCLUDEDIR)|;s|@version@|$(VERSION)|;s|@msgpack@|$(MSGPACK)|' $< >$@

$(O)/libtest.a: $(call obj,$(TESTLIB_SRC))
	$(archive)
# Unit tests of the core link core and protocol alone: what they need beyond is a fault of the design.
CORE_UNIT   := $(patsubst daemon/core/%.c,$(O)/unit/test_%,$(CORE_SRC)) $(addprefix $(O)/unit/test_,breaker_probes breaker_random circuit engine_budget engine_effects shrink)
$(filter $(CORE_UNIT),$(UNIT)): $(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,check)
$(O)/unit/%: $(O)/tests/unit/%.o $(O)/libtest.a $(IO_LIBS) $(O)/libpoold.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,check $(PACKAGES) $(MSGPACK))
$(O)/sim/sim: $(call obj,$(SIM_SRC)) $(O)/libtest.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^
$(O)/workers/%: $(O)/tests/workers/%.o $(O)/libpoold.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK))
$(O)/bench/%: $(O)/tests/bench/%.o $(O)/libtest.a $(O)/libcore.a $(O)/libpoold.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(call pkg_libs,$(MSGPACK)) -lm
$(O)/fuzz/%: $(O)/tests/fuzz/%.o $(O)/libtest.a $(IO_LIBS) $(O)/libpoold.a $(O)/libcore.a $(O)/libproto.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(call pkg_libs,$(PACKAGES) $(MSGPACK))

# --- what a person types --------------------------------------------------------------------------------------------
.PHONY: deps demo check check-run check-asan check-clang check-valgrind fuzz chaos bench soak lint format format-check docs clean help

deps:
	@.ci/deps check

demo:
	@.ci/deps build
	@$(MAKE) --no-print-directory all
	@POOLD_BUILD=$(O) PYTHON=$(PYTHON_NOW) sh client/python/examples/demo.sh

# The packages may only just have been installed: what pkg-config says is read anew.
PYTHON_NOW   = $$(for p in python3 /usr/bin/python3; do $$p -c 'import msgpack' 2>/dev/null && command -v $$p && break; done)
check:
	@.ci/deps check
	@$(MAKE) --no-print-directory check-run

SEEDS       ?= 10000
PYTHON_ENV   = PYTHONDONTWRITEBYTECODE=1 POOLD_BUILD=$(O) PYTHONPATH=client/python
E2E_ENV      = $(PYTHON_ENV):tests/e2e
UNIT_RUNS    = $(foreach u,$(sort $(UNIT)),check:$(u))
LINT_RUNS    = $(foreach l,$(sort $(wildcard tests/lint/*.sh)),'exit:O=$(O) sh $(l)')
SIM_RUNS     = 'lines:$(O)/sim/sim --seeds $(SEEDS)' 'exit:SIM=$(O)/sim/sim sh tests/sim/sabotage.sh'
PYTHON_RUNS  = 'unittest:$(PYTHON_ENV) $(PYTHON) -m unittest discover -s tests/python'
E2E_RUNS     = 'unittest:$(E2E_ENV) $(PYTHON) -m unittest discover -s tests/e2e'

check-run: all tools $(UNIT) $(SIM)
	@$(PYTHON) tests/run.py $(UNIT_RUNS) $(LINT_RUNS) $(SIM_RUNS) $(PYTHON_RUNS) $(E2E_RUNS)

# Everything again with address and undefined-behaviour sanitizers; the simulator with fewer seeds, as it is slower there.
check-asan:
	@.ci/deps check
	@POOLD_SLACK=4 ASAN_OPTIONS=detect_leaks=1 $(MAKE) --no-print-directory SAN=asan SEEDS=1000 check-run

check-clang:
	@$(MAKE) --no-print-directory CC=clang O=build/clang all tools unit-run

.PHONY: unit-run
unit-run: $(UNIT) $(SIM)
	@$(PYTHON) tests/run.py $(UNIT_RUNS) 'lines:$(O)/sim/sim --seeds 500'

check-valgrind: $(UNIT)
	@CK_FORK=no POOLD_ROUNDS=2 $(PYTHON) tests/run.py --jobs 2 $(foreach u,$(sort $(filter-out %_random,$(filter $(CORE_UNIT),$(UNIT)))),\
	  'check:valgrind -q --leak-check=full --error-exitcode=9 $(u)')

FUZZ_SECONDS ?= 60
fuzz:
	@$(MAKE) --no-print-directory SAN=fuzz fuzz-run
.PHONY: fuzz-run
fuzz-run: $(FUZZERS)
	@for f in $(FUZZERS); do \
	  name=$${f##*/fuzz_}; mkdir -p $(O)/corpus/$$name; \
	  echo "fuzz $$name for $(FUZZ_SECONDS) s"; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -artifact_prefix=$(O)/ $(O)/corpus/$$name \
	    $(wildcard tests/fuzz/corpus)/$$name >$(O)/fuzz-$$name.log 2>&1 || { tail -n 60 $(O)/fuzz-$$name.log; exit 1; }; \
	  tail -n 1 $(O)/fuzz-$$name.log; \
	done

chaos: all tools
	@$(E2E_ENV) POOLD_CHAOS=1 $(PYTHON) tests/run.py 'unittest:$(PYTHON) -m unittest discover -s tests/e2e -p "test_l_*.py"'

bench: all tools
	@$(PYTHON_ENV) $(PYTHON) tests/bench/run.py $(BENCH_ARGS)

soak: all tools $(SIM)
	@$(MAKE) --no-print-directory chaos
	@$(O)/sim/sim --seeds 100000

C_FILES      = $(shell git ls-files '*.c' '*.h' '*.def' 2>/dev/null | grep -v '\.def$$')
format:
	clang-format -i $(C_FILES)
format-check:
	@clang-format --dry-run -Werror $(C_FILES)

TIDY_SRC     = $(PROTO_SRC) $(CORE_SRC) $(IO_SRC) daemon/main.c $(LIB_SRC) $(CTL_SRC)
TIDY_FLAGS   = -std=c17 -I. -Iclient/lib -D_GNU_SOURCE -DPOOLD_VERSION='"'"'"0"'"'"' $(PKG_CFLAGS)
lint: format-check
	@echo "  clang-tidy"
	@printf '%s\n' $(TIDY_SRC) | xargs -P 2 -n 6 sh -c 'clang-tidy --quiet "$$@" -- $(TIDY_FLAGS) 2>/dev/null' tidy
	@echo "  cppcheck"
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
	  --suppress=missingIncludeSystem --suppressions-list=.cppcheck -j 2 -I. -Iclient/lib -D_GNU_SOURCE $(TIDY_SRC)
	@echo "  shell and manual pages"
	@if command -v shellcheck >/dev/null; then shellcheck -s sh .ci/deps $(wildcard tests/*/*.sh client/python/examples/*.sh); fi
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning $(wildcard docs/man/*.[1-8]); fi

# The parts of the documents that the code says.
docs: $(O)/poold
	@O=$(O) sh tests/lint/errors.sh --write

clean:
	rm -rf build

help:
	@echo 'make            build poold, poolctl and libpoold below build/none'
	@echo 'make demo       set up, build, and show the daemon at work'
	@echo 'make check      unit tests, simulator, Python and end-to-end tests'
	@echo 'make check-asan the same under address and undefined-behaviour sanitizers'
	@echo 'make fuzz       every parser, FUZZ_SECONDS each (60)'
	@echo 'make chaos      the load tests with kills, alone'
	@echo 'make bench      ratios against the bare forwarder'
	@echo 'make soak       the long runs'
	@echo 'make mutate     faults made by hand in the core: each must be caught'
	@echo 'make lint       clang-format, clang-tidy, cppcheck, shellcheck, mandoc'
	@echo 'make docs       write the tables in docs/ that come from the code'
	@echo 'make install    into PREFIX (/usr/local), below DESTDIR'
	@echo 'make deps       install the Debian packages that are missing'

# --- install --------------------------------------------------------------------------------------------------------
MANDIR         ?= $(PREFIX)/share/man
DATADIR        ?= $(PREFIX)/share/poold
COMPLETIONDIR  ?= $(PREFIX)/share/bash-completion/completions
PYTHON_VERSION  = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
MAN_PAGES      := $(wildcard docs/man/*.[1-8])
PY_FILES       := $(patsubst client/python/%,%,$(wildcard client/python/poold/*.py client/python/poold/py.typed client/python/poold/*/*.py))
EXAMPLE_FILES  := $(patsubst client/python/%,%,$(wildcard client/python/examples/*.py))
D              := $(DESTDIR)
man_dir         = $(D)$(MANDIR)/man$(patsubst .%,%,$(suffix $(1)))/
render          = sed -e 's|@sbindir@|$(SBINDIR)|g;s|@sysconfdir@|$(SYSCONFDIR)|g;s|@datadir@|$(DATADIR)|g' $(1) | install -Dm644 /dev/stdin $(2)

$(O)/daemon/main.o $(O)/daemon/io/config/config_load.o: CPPFLAGS += -DPOOLD_SYSCONFDIR='"$(SYSCONFDIR)"'

.PHONY: install uninstall check-systemd
install: all
	install -Dm755 $(O)/poold $(D)$(SBINDIR)/poold
	install -Dm755 $(O)/poolctl $(D)$(BINDIR)/poolctl
	install -Dm755 $(O)/$(SONAME) $(D)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(D)$(LIBDIR)/libpoold.so
	install -Dm644 $(O)/libpoold.a $(D)$(LIBDIR)/libpoold.a
	install -Dm644 $(O)/libpoold.pc $(D)$(LIBDIR)/pkgconfig/libpoold.pc
	install -Dm644 client/lib/poold.h $(D)$(INCLUDEDIR)/poold.h
	install -Dm644 client/poolctl/poolctl.bash-completion $(D)$(COMPLETIONDIR)/poolctl
	$(foreach f,$(PY_FILES),install -Dm644 client/python/$(f) $(D)$(PYTHONDIR)/$(f) &&) true
	$(foreach f,$(EXAMPLE_FILES),install -Dm644 client/python/$(f) $(D)$(DATADIR)/$(f) &&) true
	$(foreach f,$(MAN_PAGES),install -Dm644 $(f) $(call man_dir,$(f))$(notdir $(f)) &&) true
	$(call render,systemd/poold.service.in,$(D)$(UNITDIR)/poold.service)
	install -Dm644 systemd/poold.socket $(D)$(UNITDIR)/poold.socket
	install -Dm644 systemd/poold.sysusers $(D)$(SYSUSERSDIR)/poold.conf
	install -Dm644 systemd/poold.tmpfiles $(D)$(TMPFILESDIR)/poold.conf
	install -d $(D)$(SYSCONFDIR)/poold/poold.conf.d
	test -e $(D)$(SYSCONFDIR)/poold/poold.conf || $(call render,systemd/poold.conf.in,$(D)$(SYSCONFDIR)/poold/poold.conf)

# What somebody has configured stays.
uninstall:
	rm -f $(D)$(SBINDIR)/poold $(D)$(BINDIR)/poolctl $(D)$(INCLUDEDIR)/poold.h $(D)$(LIBDIR)/pkgconfig/libpoold.pc
	rm -f $(addprefix $(D)$(LIBDIR)/,$(SONAME) libpoold.so libpoold.a)
	rm -f $(D)$(COMPLETIONDIR)/poolctl
	rm -f $(D)$(UNITDIR)/poold.service $(D)$(UNITDIR)/poold.socket
	rm -f $(D)$(SYSUSERSDIR)/poold.conf $(D)$(TMPFILESDIR)/poold.conf
	rm -f $(foreach f,$(MAN_PAGES),$(call man_dir,$(f))$(notdir $(f)))
	rm -rf $(D)$(PYTHONDIR)/poold $(D)$(DATADIR)

# The units, judged by systemd and then under a real one; the second needs root.
check-systemd: all
	@$(PYTHON) tests/run.py --jobs 1 'exit:O=$(O) sh tests/systemd/verify.sh' 'exit:O=$(O) sh tests/systemd/boot.sh'

# --- simulator ---
# Faults made by hand in a copy of the core: each must be caught by its tests.
.PHONY: mutate
mutate:
	@$(PYTHON) tests/sim/mutate.py
