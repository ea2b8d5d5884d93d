# phusa - an append-only, columnar time-series store on LMDB
#
#   make            release build: phusad, phusa, libphusa.a, libphusa.so, phusa.pc in build/release/
#   make demo       build, start a scratch server, load simulated rivers and figures, ask five questions
#   make test       build and run every test (under 5 minutes on 2 cores)
#   make test-unit  the Criterion tests only;  M=codec  runs those of one folder
#   make test-crash kill -9 and power cuts, with their negative controls
#   make asan       the tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make tsan       the race tests (tests/stress) under ThreadSanitizer
#   make fuzz       each fuzz target for FUZZ_SECONDS (60) with libFuzzer
#   make bench      speed, size and memory against limits and peers, for docs/BENCHMARKS.md
#   make lint       layers, format, cppcheck, gcc and clang at no warnings
#   make format     clang-format over the tree
#   make install    PREFIX=/usr/local DESTDIR=
#   make clean      remove build/
#   make deps       install what is missing (Debian packages), saying what and why; the others do it too
#
# Output goes to build/VARIANT only. V=1 shows the commands.

PREFIX ?= /usr/local
VARIANT ?= release
B := build/$(VARIANT)
Q := $(if $(V),,@)
VERSION := 0.1.0
GIT_COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)

# Folders of the engine, left to right: a folder includes only folders to its left (style.md).
LAYERS := base calendar codec chunk wal store index head rollup query text indicator

ENGINE_SRC := $(sort $(foreach l,$(LAYERS),$(wildcard engine/$(l)/*.c)) $(wildcard engine/*.c))
SERVER_SRC := $(sort $(wildcard server/*.c server/*/*.c))
CLIENT_LIB_SRC := $(sort $(wildcard client/lib/*.c))
CLIENT_SRC := $(sort $(wildcard client/*.c))
BENCH_SRC := $(sort $(wildcard bench/*.c))

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
        -Wno-unused-parameter -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2
CSTD := -std=gnu11 -D_GNU_SOURCE -fPIC -pthread -g
OPT_release := -O3 $(HARDEN)
OPT_debug := -O1 -DPHUSA_DEBUG
OPT_asan := -O1 -DPHUSA_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPT_tsan := -O1 -DPHUSA_DEBUG -fsanitize=thread
OPT_clang := -O2 $(HARDEN)
OPT_fuzz := -O1 -DPHUSA_DEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# The negative controls of tests/crash: a build whose syncs do nothing must lose acknowledged points.
OPT_nosync := -O1 -DPHUSA_DEBUG -DPHUSA_TEST_NO_SYNC
ifneq ($(filter clang fuzz,$(VARIANT)),)
CC := clang
else
CC := gcc
endif
CFLAGS := $(CSTD) $(WARN) $(OPT_$(VARIANT)) $(EXTRA_CFLAGS) \
          -DPHUSA_VERSION='"$(VERSION)"' -DPHUSA_COMMIT='"$(GIT_COMMIT)"'
LDFLAGS := -pthread $(filter -fsanitize=%,$(OPT_$(VARIANT)))
ENGINE_LIBS := -llmdb -lzstd -lroaring -lpcre2-8 -lm
SERVER_LIBS := -luv -lhttp_parser -lz -lcyaml
CLIENT_LIBS := -lhttp_parser -lz -ledit

# Engine code sees the engine; server, client and bench see the public header and themselves only.
INC_engine := -Iengine -Iengine/include
INC_server := -Iserver -Iengine/include
INC_client := -Iclient
INC_bench := -Ibench -Iclient -Iengine/include
INC_tests := -Itests/support -Iengine -Iengine/include -Iserver -Iclient

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
ENGINE_OBJ := $(call obj,$(ENGINE_SRC))
SERVER_OBJ := $(call obj,$(SERVER_SRC))
CLIENT_LIB_OBJ := $(call obj,$(CLIENT_LIB_SRC))
CLIENT_OBJ := $(call obj,$(CLIENT_SRC))

.DEFAULT_GOAL := all
.PHONY: all lib
lib: $(B)/libphusa.a
all: $(B)/libphusa.a $(B)/libphusa.so $(B)/phusa.pc \
     $(if $(SERVER_SRC),$(B)/phusad) $(if $(CLIENT_SRC),$(B)/phusa $(B)/libphusa-client.a)

# What is missing is installed before the first file is compiled. The stamps go with make clean.
build/deps.%: tests/support/deps.sh
	@mkdir -p build
	@sh tests/support/deps.sh $*
	@touch $@
.PHONY: deps
deps: build/deps.build build/deps.check
DEPS := build/deps.build $(if $(filter clang fuzz,$(VARIANT)),build/deps.check)

define compile_rule
$(B)/obj/$(1)/%.o: $(1)/%.c | $(DEPS)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(INC_$(1)) -MMD -MP -c $$< -o $$@
endef
$(foreach d,engine server client bench tests,$(eval $(call compile_rule,$(d))))

$(B)/libphusa.a: $(ENGINE_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/libphusa.so: $(ENGINE_OBJ)
	$(Q)$(CC) -shared -Wl,-soname,libphusa.so.0 $(LDFLAGS) $^ $(ENGINE_LIBS) -o $@
$(B)/libphusa-client.a: $(CLIENT_LIB_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^
$(B)/phusad: $(SERVER_OBJ) $(B)/libphusa.a
	$(Q)$(CC) $(LDFLAGS) $^ $(SERVER_LIBS) $(ENGINE_LIBS) -o $@
$(B)/phusa: $(CLIENT_OBJ) $(B)/libphusa-client.a
	$(Q)$(CC) $(LDFLAGS) $^ $(CLIENT_LIBS) -o $@
$(B)/phusa.pc: Makefile
	@mkdir -p $(@D)
	@printf 'prefix=%s\nName: phusa\nDescription: embeddable time-series store\nVersion: %s\nLibs: -L$${prefix}/lib -lphusa\nLibs.private: %s -pthread\nCflags: -I$${prefix}/include\n' \
	    '$(PREFIX)' '$(VERSION)' '$(ENGINE_LIBS)' > $@

# ---- tests: one Criterion program per folder of tests/, mirroring the tree ----
TEST_SUPPORT_SRC := $(sort $(wildcard tests/support/*.c))
TEST_DIRS := $(sort $(patsubst tests/%/,%,$(dir $(wildcard tests/*/test_*.c))))
TEST_BINS := $(foreach d,$(TEST_DIRS),$(B)/tests/$(d).test)
# The client's tests are linked without the engine: that it needs none is a part of what they show.
define test_rule
$(B)/tests/$(1).test: $(call obj,$(wildcard tests/$(1)/*.c)) \
    $(if $(filter client,$(1)),,$(call obj,$(TEST_SUPPORT_SRC))) \
    $(filter-out $(B)/obj/server/main.o,$(if $(filter server,$(1)),$(SERVER_OBJ))) \
    $(if $(filter client,$(1)),$(CLIENT_LIB_OBJ) $(filter-out $(B)/obj/client/main.o,$(CLIENT_OBJ))) \
    $(if $(filter client,$(1)),,$(B)/libphusa.a)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) $$^ $(if $(filter server,$(1)),$(SERVER_LIBS)) \
	    $(if $(filter client,$(1)),$(CLIENT_LIBS),$(ENGINE_LIBS)) -lcriterion -o $$@
endef
$(foreach d,$(TEST_DIRS),$(eval $(call test_rule,$(d))))
$(B)/tests/phusad.test: | $(B)/phusad
$(B)/tests/client.test: | $(B)/phusa

# ---- everything: unit tests, crash tests, scripts (tests/NAME/run.sh), the example, fuzz corpora ----
.PHONY: test asan run-all run-asan
test: build/deps.build
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(MAKE) --no-print-directory -j$$(nproc) VARIANT=debug run-all
asan: build/deps.build
	@$(MAKE) --no-print-directory -j$$(nproc) VARIANT=asan run-asan
CORPUS_BINS := $(patsubst tests/fuzz/%.c,$(B)/corpus/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
TEST_SCRIPTS := $(sort $(wildcard tests/*/run.sh))
run-all: test-bins $(B)/embed $(CORPUS_BINS)
	@B=$(B) sh tests/support/run_tests.sh $(B)/logs 0 $(TEST_BINS) $(TEST_SCRIPTS)
run-asan: test-bins $(B)/embed $(CORPUS_BINS)
	@ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
	    sh tests/support/run_tests.sh $(B)/logs 1 $(TEST_BINS)

# The example that embeds libphusa.
$(B)/embed: $(B)/obj/client/examples/embed.o $(B)/libphusa.a
	$(Q)$(CC) $(LDFLAGS) $^ $(ENGINE_LIBS) -o $@
$(B)/obj/client/examples/%.o: INC_client := -Iengine/include

.PHONY: test-bins test-unit
test-bins: $(if $(M),$(B)/tests/$(M).test,$(TEST_BINS))
test-unit:
	@$(MAKE) --no-print-directory VARIANT=$(if $(filter release,$(VARIANT)),debug,$(VARIANT)) run-unit
.PHONY: run-unit
run-unit: test-bins
	@set -e; for t in $(if $(M),$(B)/tests/$(M).test,$(TEST_BINS)); do echo "== $$t"; $$t $(ARGS); done

# ---- race tests: tests/stress/*.c, a plain program each (Criterion cannot start under TSan) ----
STRESS_SRC := $(sort $(wildcard tests/stress/*.c))
STRESS_BINS := $(patsubst tests/stress/%.c,$(B)/stress/%,$(STRESS_SRC))
$(B)/stress/%: $(B)/obj/tests/stress/%.o $(B)/libphusa.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ $(ENGINE_LIBS) -o $@
.SECONDARY: $(call obj,$(STRESS_SRC))
.PHONY: tsan run-stress
tsan:
	@$(MAKE) --no-print-directory VARIANT=tsan run-stress
run-stress: $(STRESS_BINS)
	@set -e; for t in $(STRESS_BINS); do echo "== $$t"; TSAN_OPTIONS=halt_on_error=1 $$t; done

# ---- crash tests: kill -9 and power cuts (tests/crash), each with a build that must fail it ----
# The recorder is preloaded into the workload. The controls are the same programs with the engine's
# own sources compiled so that syncs do nothing, or that a write is acknowledged before it is made.
CRASH_BINS := $(addprefix $(B)/crash/,powerloss powerloss-nosync kill kill-ackearly)
CRASH_COMMON := $(call obj,$(filter-out tests/crash/powerloss.c tests/crash/kill.c,\
    $(sort $(wildcard tests/crash/*.c))))
CONTROL_nosync := engine/wal/wal.c
CONTROL_ackearly := $(sort $(wildcard engine/*.c))
MACRO_nosync := -DPHUSA_TEST_NO_SYNC
MACRO_ackearly := -DPHUSA_TEST_ACK_EARLY
define control_rule
$(B)/obj/control/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $(MACRO_$(1)) $$(INC_engine) -MMD -MP -c $$< -o $$@
endef
$(foreach c,nosync ackearly,$(eval $(call control_rule,$(c))))
control_obj = $(patsubst %.c,$(B)/obj/control/$(1)/%.o,$(CONTROL_$(1)))
.SECONDARY: $(call control_obj,nosync) $(call control_obj,ackearly)
$(B)/crash/powerloss-record.so: tests/support/powerloss/record.c tests/support/powerloss/trace.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(WARN) -O1 -shared $< -o $@
$(B)/crash/powerloss: $(B)/obj/tests/crash/powerloss.o
$(B)/crash/powerloss-nosync: $(B)/obj/tests/crash/powerloss.o $(call control_obj,nosync)
$(B)/crash/kill: $(B)/obj/tests/crash/kill.o
$(B)/crash/kill-ackearly: $(B)/obj/tests/crash/kill.o $(call control_obj,ackearly)
$(CRASH_BINS): $(CRASH_COMMON) $(B)/libphusa.a | $(B)/crash/powerloss-record.so
	$(Q)$(CC) $(LDFLAGS) $(filter %.o,$^) $(B)/libphusa.a $(ENGINE_LIBS) -o $@
.PHONY: test-crash run-crash
test-crash:
	@$(MAKE) --no-print-directory VARIANT=$(if $(filter release,$(VARIANT)),debug,$(VARIANT)) run-crash
run-crash: $(CRASH_BINS)
	@B=$(B) sh tests/crash/run.sh
run-all: $(CRASH_BINS)

# ---- fuzz targets: with libFuzzer (make fuzz), and with a driver that replays the corpora (make test) ----
FUZZ_SECONDS ?= 60
FUZZ_NAMES := $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_BINS := $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(filter-out $(B)/obj/server/main.o,$(SERVER_OBJ)) $(B)/libphusa.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $(if $(filter fuzz,$(VARIANT)),-fsanitize=fuzzer) $^ \
	    $(SERVER_LIBS) $(ENGINE_LIBS) -o $@
$(B)/corpus/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/replay.o \
    $(filter-out $(B)/obj/server/main.o,$(SERVER_OBJ)) $(B)/libphusa.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ $(SERVER_LIBS) $(ENGINE_LIBS) -o $@
.SECONDARY: $(call obj,$(wildcard tests/fuzz/*.c))
.PHONY: fuzz run-fuzz
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz run-fuzz
run-fuzz: $(FUZZ_BINS)
	@set -e; for t in $(FUZZ_NAMES); do mkdir -p $(B)/found/$$t tests/fuzz/corpus/$$t; \
	    echo "== $$t, $(FUZZ_SECONDS) s"; \
	    $(B)/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	        -artifact_prefix=$(B)/found/$$t- $(B)/found/$$t tests/fuzz/corpus/$$t 2>&1 | \
	        grep -E '^(stat::number|==|SUMMARY|Test unit)' ; done

# ---- demo: the two programs, and a generator of simulated data ----
$(B)/demo/simulate: $(B)/obj/client/demo/simulate.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ -lm -o $@
.PHONY: demo
demo: $(B)/phusad $(B)/phusa $(B)/demo/simulate
	@B=$(B) sh client/demo/run.sh

# ---- bench: BENCH_HOURS BENCH_HOSTS BENCH_RUNS BENCH_PEER, see bench/main.c ----
$(B)/bench/bench: $(call obj,$(BENCH_SRC))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ -lm -o $@
.PHONY: bench
bench: $(B)/phusad $(B)/bench/bench
	@$(B)/bench/bench $(B) $(GIT_COMMIT)

# ---- bench/micro/*.c, a program each, which may open one module ----
MICRO_BINS := $(patsubst bench/micro/%.c,$(B)/bench/micro/%,$(sort $(wildcard bench/micro/*.c)))
$(B)/obj/bench/micro/%.o: INC_bench += -Iengine
.SECONDARY: $(call obj,$(wildcard bench/micro/*.c))
$(B)/bench/micro/%: $(B)/obj/bench/micro/%.o $(B)/libphusa.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) $^ $(ENGINE_LIBS) -o $@
.PHONY: micro
micro: $(MICRO_BINS)

# ---- checks that need no running program, installing, the rest ----
.PHONY: lint
lint: build/deps.build build/deps.check
	@sh tests/lint/lint.sh

.PHONY: install uninstall
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include
	install -m 755 $(B)/phusad $(B)/phusa $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/libphusa.a $(B)/libphusa-client.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/libphusa.so $(DESTDIR)$(PREFIX)/lib/libphusa.so.0
	ln -sf libphusa.so.0 $(DESTDIR)$(PREFIX)/lib/libphusa.so
	install -m 644 engine/include/phusa.h client/lib/phusa_client.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(B)/phusa.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
uninstall:
	cd $(DESTDIR)$(PREFIX) && rm -f bin/phusad bin/phusa lib/libphusa.a lib/libphusa.so \
	    lib/libphusa.so.0 lib/libphusa-client.a include/phusa.h include/phusa_client.h \
	    lib/pkgconfig/phusa.pc

.PHONY: help format clean
help:
	@sed -n '3,19s/^# \{0,1\}//p' Makefile
format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i
clean:
	rm -rf build

-include $(shell find build/$(VARIANT) -name '*.d' 2>/dev/null)
