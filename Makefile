# SPDX-License-Identifier: BSD-3-Clause
# The front door: everything is done elsewhere.

.DEFAULT_GOAL := all
.PHONY: all demo check check-pythons check-vm wheels check-wheels
.PHONY: fuzz fuzz-poll fuzz-kernel lint
.PHONY: docs bench bench-vm install uninstall clean help

# For targets that build on the way to something else.
QUIET_MAKE = $(MAKE) --no-print-directory -s -j$$(nproc)
LIBRARY = echo "building libfusd" && $(QUIET_MAKE) -C libfusd

all: ## build libfusd (build/lib) and pyfusd (build/venv)
	@tools/setup demo
	@$(MAKE) --no-print-directory -C libfusd

demo: ## set up, then show a Python driver answering cat
	@tools/setup demo
	@tools/demo

check: ## set up, then run all tests, also in a booted kernel
	@tools/setup check
	@$(LIBRARY)
	@$(LIBRARY) SANITIZE=1
	@tools/check

check-vm: ## all tests in a booted kernel (KERNEL=6.1, 6.12, debug ...)
	@tools/setup check
	@$(LIBRARY) SANITIZE=1
	@tests/vm/check $(if $(KERNEL),--kernel $(KERNEL)) --thorough

check-pythons: ## build and test pyfusd on each CPython of this machine
	@tools/setup check
	@tools/check-pythons

wheels: ## wheels for each CPython of this machine, with libfuse3, in build/wheels
	@tools/setup wheels
	@tools/wheels

check-wheels: ## try what "make wheels" made in minimal systems (as root)
	@tools/setup wheels
	@tools/check-wheels

fuzz: ## random calls and answers against a model (MINUTES=10)
	@tools/setup check
	@build/venv/bin/python -m pytest -q tests/fuzz/test_sequences.py \
		--fuzz-minutes=$(or $(MINUTES),10)

fuzz-poll: ## random pollers against a model of the driver's state (MINUTES=10)
	@tools/setup check
	@build/venv/bin/python -m pytest -q tests/fuzz/test_pollers.py \
		--fuzz-minutes=$(or $(MINUTES),10)

fuzz-kernel: ## hostile drivers in a booted kernel (MINUTES=10 KERNEL=debug SEED=)
	@tools/setup vm
	@tests/kernel/fuzz/run $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(KERNEL),--kernel $(KERNEL)) $(if $(SEED),--seed $(SEED))

lint: ## formatting, types, and rules of style
	@tools/setup check
	@tools/lint

docs: ## the manual, a web site in build/docs/html; its sessions are tested
	@tools/setup docs
	@$(LIBRARY)
	@tools/docs

bench: ## time drivers on fuse, beside others' (ARGS="--quick" ...)
	@tools/setup bench
	@$(LIBRARY)
	@$(QUIET_MAKE) -C benchmarks bench

bench-vm: ## count drivers' instructions in a booted kernel (ARGS="--quick" ...)
	@tools/setup vm
	@tools/setup bench
	@$(LIBRARY)
	@$(QUIET_MAKE) -C benchmarks bench-vm

install: ## install library, headers, manual, completion, unit, udev rule, DKMS
	@$(MAKE) --no-print-directory -C libfusd install
	@$(MAKE) --no-print-directory -C packaging install
	@$(MAKE) --no-print-directory -C kernel dkms

uninstall: ## remove what install put there
	@$(MAKE) --no-print-directory -C libfusd uninstall
	@$(MAKE) --no-print-directory -C packaging uninstall
	@$(MAKE) --no-print-directory -C kernel uninstall-dkms

clean: ## remove everything that was built
	rm -rf build
	rm -f pyfusd/*.so
	rm -rf *.egg-info

help: ## this list
	@sed -n 's/^\([a-z-]*\): ## /  make \1	/p' Makefile | expand -t 24
