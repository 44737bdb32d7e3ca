# CloudFolio. Everything is built below build/; SANITIZE=1, which also counts lines, builds into a folder of its own.
#
#   make demo     the whole chain on this machine: installs what it needs, builds, runs
#   make test     every test under the sanitizers, the unit tests also as users build them: installs what it needs first

SHELL = /bin/bash
.DEFAULT_GOAL = all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# V=1 shows the commands
Q = $(if $(V),,@echo "  $(@:build/%=%)";)

CC = gcc
PREFIX = /usr/local
DESTDIR =

# --- what is built where ---------------------------------------------------------------------------

ifeq ($(SANITIZE),1)
B = build/sanitize
MODE = -O1 -g --coverage -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
B = build
MODE = -O2 -g
endif

BUILD_ID := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
PACKAGES = libcurl jansson libzstd nettle expat lapacke libjwt-gnutls libutf8proc
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(WERROR)
CFLAGS = $(MODE) $(WARNINGS)
ALL_CFLAGS = -std=c17 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. $(CFLAGS) \
	$(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS = -Wl,--as-needed $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -ldnnl -lgomp -lm

JOBS = sync orchestrate train
PROGRAMS = $(JOBS:%=$(B)/cloudfolio-%) $(B)/cloudfolio
LIBRARY = $(B)/libcloudfolio.a

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
COMMON := $(wildcard common/*/*.c)
UNIT := $(wildcard tests/unit/*.c)
SUITES := $(shell grep -l '_suite(void)' $(UNIT) /dev/null 2>/dev/null)
C_FILES := $(COMMON) $(wildcard jobs/*/*.c) $(UNIT) $(wildcard tests/store/*.c tests/bench/*/*.c)
H_FILES := $(wildcard common/*/*.h jobs/*/*.h tests/*/*.h)

# --- targets ---------------------------------------------------------------------------------------


.PHONY: help all deps deps-demo test test-cloud tests check demo conformance fuzz bench lint fmt install clean coverage images

# help: this list
help:
	@sed -n 's/^# \([a-z-]*\): \(.*\)/\1	\2/p' Makefile | expand -t 12

# all: the four programs
all: $(PROGRAMS)

# deps: installs the packages of Debian or Ubuntu that are missing (make -n deps: says which)
DEB_DEMO = build-essential pkg-config git ca-certificates libcurl4-gnutls-dev libjansson-dev libzstd-dev \
	nettle-dev libexpat1-dev liblapacke-dev libjwt-gnutls-dev libutf8proc-dev libdnnl-dev curl jq \
	$(if $(shell command -v node),,nodejs) $(if $(shell command -v npm),,npm)
DEB = $(DEB_DEMO) check zstd openssl python3-jsonschema spin libs3-dev clang libclang-rt-dev \
	ceph-mon ceph-osd radosgw ceph-common
DEB_LINT = clang clang-format clang-tidy cppcheck
missing = $(strip $(foreach p,$(1),$(if $(shell dpkg-query -W -f='$${db:Status-Abbrev}' $(p) 2>/dev/null \
	| grep '^ii'),,$(p))))
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
APT = $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get
apt_install = $(if $(1),$(APT) -qq update && $(APT) -qq install -y --no-install-recommends $(1) >/dev/null,:)
deps:
	$(call apt_install,$(call missing,$(DEB)))
	@$(MAKE) -s tests/github/node_modules/.package-lock.json
deps-demo:
	$(call apt_install,$(call missing,$(DEB_DEMO)))
	@$(MAKE) -s tests/github/node_modules/.package-lock.json

tests/github/node_modules/.package-lock.json: tests/github/package-lock.json
	npm --prefix tests/github ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# test: every test under ASan and UBSan, with line coverage; the unit tests also as users build them
test: deps
	@$(MAKE) -s --no-print-directory all
	@tests/run.sh

# check: the tests once, with the build that SANITIZE chooses
TESTS = $(B)/unit $(B)/hammer $(B)/interleave $(B)/store_copy $(B)/fault_large $(B)/secret_get $(PROGRAMS:$(B)/%=$(B)/crash/%)
tests: all $(TESTS)
check: tests
	@BUILD=$(B) tests/suite.sh

# test-cloud: Terraform, an emulated AWS and the images, with what is there of terraform, moto and podman
test-cloud: deps
	@$(MAKE) -s --no-print-directory tests
	@failed=0; for t in tests/cloud/*_test.sh; do echo "# $$t"; BUILD=$(B) $$t || failed=1; done; exit $$failed

# coverage: line coverage of the .c files of common/ and jobs/ by what ran under SANITIZE=1
coverage:
	@find build/sanitize/obj/common build/sanitize/obj/jobs -name '*.gcno' | xargs gcov -n 2>/dev/null | awk -F "'" ' \
		/^File/ { ours = $$2 ~ /^(common|jobs)\/.*\.c$$/ } \
		/^Lines executed/ && ours { split($$0, part, /[:% ]+/); hit += part[3] * part[5] / 100; all += part[5] } \
		END { printf "lines: %.1f%% (%.0f of %d)\n", all ? 100 * hit / all : 0, hit, all }'

# demo: sync, orchestrate, train and search for one tenant against the stand-in for GitHub
demo: deps-demo
	@$(MAKE) -s --no-print-directory all
	@BUILD=$(B) tests/e2e/demo.sh

# conformance: what every store must do, tried on STORE=s3://bucket/prefix, with AWS's own variables for the rest
conformance: deps
	@$(MAKE) -s --no-print-directory tests
	@BUILD=$(B) tests/store/conformance.sh $(STORE)

# fuzz: every fuzzer for SECONDS (60) each
fuzz: deps
	@tests/fuzz/run.sh $(or $(SECONDS),60)

# bench: every benchmark; each prints a table
bench: deps
	@$(MAKE) -s --no-print-directory all
	@for b in tests/bench/*/run.sh; do "$$b" || exit 1; done

# lint: gcc and clang with -Werror, clang-tidy, cppcheck, format
lint: deps
	$(call apt_install,$(call missing,$(DEB_LINT)))
	@$(MAKE) -s B=build/lint-gcc CC=gcc WERROR=-Werror all build/lint-gcc/unit
	@$(MAKE) -s B=build/lint-clang CC=clang WERROR=-Werror all build/lint-clang/unit
	clang-format --dry-run --Werror $(C_FILES) $(H_FILES)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
		--suppress=missingIncludeSystem -I. $(COMMON) jobs
	@printf '%s\n' $(COMMON) $(wildcard jobs/*/*.c) | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet \
		--warnings-as-errors="*" "$$@" -- -std=c17 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -I. 2>/dev/null' tidy

# fmt: formats every C file in place
fmt:
	clang-format -i $(C_FILES) $(H_FILES)

# images: the container images of COMMIT (HEAD), by buildah or docker, with their sizes, digests and lists
images:
	@containers/build.sh $(COMMIT)

# install: the programs into $(DESTDIR)$(PREFIX)/bin
install: all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin

# clean: removes build/
clean:
	rm -rf build

# --- rules -----------------------------------------------------------------------------------------

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The build's revision goes into one object, made anew only when it changes.
$(B)/obj/common/base/build.o: ALL_CFLAGS += -DCF_BUILD='"$(BUILD_ID)"'
$(B)/obj/common/base/build.o: $(B)/build-id
$(B)/build-id: force
	@mkdir -p $(@D)
	@echo '$(BUILD_ID)' | cmp -s - $@ || echo '$(BUILD_ID)' > $@
.PHONY: force

$(LIBRARY): $(call objects,$(COMMON))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define program
$(B)/$(2): $$(call objects,$$(wildcard jobs/$(1)/*.c)) $$(LIBRARY)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$^ -o $$@ $$(LIBS)
endef
$(foreach job,$(JOBS),$(eval $(call program,$(job),cloudfolio-$(job))))
$(eval $(call program,cloudfolio,cloudfolio))

# The unit tests are one program; its list of suites is the list of files that define one.
$(B)/suites.h: force
	@mkdir -p $(@D)
	@for s in $(basename $(notdir $(SUITES))); do echo "SUITE($${s}_suite)"; done > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(B)/obj/tests/unit/main.o: $(B)/suites.h
$(B)/obj/tests/unit/main.o: ALL_CFLAGS += -DSUITES='"$(B)/suites.h"'
TESTABLE = $(filter-out %/main.c,$(wildcard jobs/*/*.c))
$(B)/unit: $(call objects,$(UNIT) $(TESTABLE)) $(LIBRARY)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS) $(shell pkg-config --libs check 2>/dev/null)

# The interleavings run under a scheduler of their own, which decides about time and randomness.
$(B)/interleave: $(call objects,$(wildcard tests/store/interleave_*.c))
$(B)/interleave: LDFLAGS += -Wl,--wrap=cf_clock_sleep_ms,--wrap=cf_clock_now_ms,--wrap=cf_random_hex -pthread

# The programs once more, over a store that kills them at a chosen operation.
CRASH = -Wl,--wrap=cf_store_open,--wrap=fsync,--wrap=link,--wrap=rename,--wrap=unlink,--wrap=rmdir
$(B)/crash/%: $(B)/% $(B)/obj/tests/store/crash_points.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(CRASH) $(call objects,$(wildcard jobs/$(*:cloudfolio-%=%)/*.c)) \
		$(B)/obj/tests/store/crash_points.o $(LIBRARY) -o $@ $(LIBS)

# tests/store and tests/bench hold one program a file.
$(B)/%: $(B)/obj/tests/store/%.o $(LIBRARY)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)
$(B)/bench/%: $(B)/obj/tests/bench/%/bench.o $(LIBRARY)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# the module for s3v2:// stores: "make s3v2" and "make install-s3v2" (packages: libs3-dev; to run, libs3-2). It takes
# the cf_* functions from the program that loads it, which therefore exports them.
SIGV2 := $(wildcard common/store/sigv2/*.c)
C_FILES += $(SIGV2)
H_FILES += $(wildcard common/store/sigv2/*.h)
LIBS += -Wl,--export-dynamic-symbol='cf_*'
$(B)/cloudfolio-s3v2.so: $(SIGV2) $(wildcard common/*/*.h common/store/sigv2/*.h) Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(LDFLAGS) -fPIC -shared -Wl,-z,now $(SIGV2) -o $@ -ls3 -lnettle
tests: $(if $(wildcard /usr/include/libs3.h),$(B)/cloudfolio-s3v2.so)
.PHONY: s3v2 install-s3v2
s3v2: $(B)/cloudfolio-s3v2.so
install-s3v2: s3v2
	install -d $(DESTDIR)$(PREFIX)/lib/cloudfolio
	install -m 644 $(B)/cloudfolio-s3v2.so $(DESTDIR)$(PREFIX)/lib/cloudfolio

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
