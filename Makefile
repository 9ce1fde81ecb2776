# `make help` lists the targets. Each is a script of its own in tests/checks; nothing here needs more than Python 3.11+,
# git and make (root or sudo only where Docker or a package of the distribution has to be installed).
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A clean environment: shims of version managers break ansible-test, a C locale breaks Ansible, and settings of
# somebody's shell must not decide what the gate sees.
export PATH := $(CURDIR)/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL := C.UTF-8
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONDONTWRITEBYTECODE := 1
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV ANSIBLE_COLLECTIONS_PATH ANSIBLE_INVENTORY MAKEFLAGS

# What `make test` runs: what needs no Docker, beside what does.
STATIC := lint docs units sanity importer
DOCKER := lab meta integration molecule matrix system
PARTS := $(STATIC) $(DOCKER)

CHECKS := tests/checks
TIMED = @NO_COLOR=1 COLUMNS=160 $(CHECKS)/timed $@

.PHONY: help venv demo test prove clean $(PARTS)

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## the tools in .venv, and the checkout as a collection in .ansible/collections
	@$(CHECKS)/link
	@$(CHECKS)/venv .venv tests/requirements.txt 3.11 3.12 3.13 3.14

demo: venv ## a real service on this machine, and the story of its releases
	@.venv/bin/python examples/demo.py

test: venv ## everything that CI runs, with a table of the times
	@$(CHECKS)/gate "$(STATIC)" "$(DOCKER)"

lint: venv ## ruff, mypy, yamllint, ansible-lint, changelog and documentation
	$(TIMED) $(CHECKS)/lint

docs: venv ## the documentation site, in .ansible/docs/build/html
	$(TIMED) $(CHECKS)/docs

units: venv ## unit tests, by ansible-test
	$(TIMED) $(CHECKS)/ansible_test units units --local

sanity: venv ## ansible-test sanity, without an ignore file
	$(TIMED) $(CHECKS)/ansible_test sanity sanity --local

importer: venv ## the collection as Galaxy would import it
	$(TIMED) $(CHECKS)/importer

lab: venv ## Docker if there is none, a registry on 127.0.0.1:5000 and base images in it
	$(TIMED) $(CHECKS)/lab

meta: venv ## what the tree promises: documentation, coverage, layers, runs without a warning
	$(TIMED) pytest --quiet tests/meta

integration: venv ## modules and roles on this machine, by ansible-test
	$(TIMED) $(CHECKS)/ansible_test integration integration --local

molecule: venv ## roles on hosts of their own
	$(TIMED) $(CHECKS)/molecule

system: venv ## runbooks on real Docker, under traffic, with a sample of kills and faults
	$(TIMED) $(CHECKS)/system

prove: venv ## the same with every kill and every fault; takes hours
	$(TIMED) env STEADY_PAIRS=all STEADY_HISTORIES=1000 pytest --quiet --numprocesses 2 tests/unit/simulation
	$(TIMED) env STEADY_PROVE=1 $(CHECKS)/system

matrix: venv ## the runbooks on ansible-core 2.16, 2.19 and the newest
	$(TIMED) $(CHECKS)/matrix

clean: ## takes away what the other targets made
	@$(CHECKS)/clean
