# Short names for what people do here; meson does the building.
# Every target installs the packages that it misses, and only those.
PREFIX ?= /usr/local
LIBDIR ?= lib
DESTDIR ?=
SUITE ?= trixie
BUILD = build
RUN = python3 tools/run-tests
export DESTDIR

.PHONY: all demo test test-unit test-e2e test-restart test-asan test-tsan test-long test-distro prove fuzz lint install clean help
.DEFAULT_GOAL := all

all: ## build the library and the examples into build/
	@tools/install-deps
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) -Dtests=false --prefix=$(PREFIX) --libdir=$(LIBDIR)
	@ninja -C $(BUILD)

demo: all ## start the demo server and say what to try
	@tools/demo $(BUILD)/examples/demo

install: all ## install header, library, pkg-config file and manual (PREFIX, LIBDIR, DESTDIR)
	@meson configure $(BUILD) --prefix=$(PREFIX) --libdir=$(LIBDIR)
	@meson install -C $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

test: ## every test, with gcc, clang and the sanitizers (about 20 minutes)
	@tools/install-deps --test
	@$(RUN)

test-unit: ## unit tests only
	@tools/install-deps --test
	@$(RUN) unit

test-e2e: ## end-to-end tests only
	@tools/install-deps --test
	@$(RUN) e2e

test-restart: ## restart tests only
	@tools/install-deps --test
	@$(RUN) restart

test-asan: ## AddressSanitizer and UBSan: unit, e2e and all restart tests, short (12 minutes)
	@tools/install-deps --test
	@$(RUN) asan

test-tsan: ## ThreadSanitizer: unit and all restart tests, short (15 minutes)
	@tools/install-deps --test
	@$(RUN) tsan

test-long: ## the promises at full size: a million requests, 15,000 connections, browsers (15 minutes)
	@tools/install-deps --long
	@$(RUN) long

test-distro: ## every test on another distribution, SUITE=trixie, sid, noble ...; needs root
	@tools/install-deps --distro
	@tools/test-in-chroot $(SUITE)

prove: all ## molt prove on the demo, nginx, HAProxy, h2o, lighttpd, Caddy; writes doc/proof.md (4 minutes)
	@tools/install-deps --peers
	@tools/prove-peers $(BUILD) doc/proof.md

fuzz: ## short fuzz runs
	@tools/install-deps --test
	@$(RUN) fuzz

bench: bench-programs ## measure against other servers, write doc/performance.md (25 minutes)
	@python3 test/bench/bench.py run
	@python3 test/bench/bench.py report

bench-quick: bench-programs ## the goals of doc/performance.md in under two minutes
	@python3 test/bench/bench.py quick

bench-programs:
	@tools/install-deps --bench
	@test -f build-bench/build.ninja || meson setup build-bench -Dtests=false -Dbench=true
	@ninja -C build-bench

lint: ## style, layers, symbols
	@tools/install-deps --test
	@$(RUN) lint plain

clean: ## remove all build folders
	rm -rf build build-*/

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1 /p' Makefile | \
		while read -r name text; do printf 'make %-13s %s\n' "$$name" "$$text"; done
