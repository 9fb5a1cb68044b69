# yore: what one does with a checkout. `make help` lists it.
#
# Everything needs Go and make; demo, test and bench also need gdb and a C
# compiler, which scripts/setup installs where it can.

GO      ?= go
SHELL   := /bin/bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GOBUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

# Time per fuzz target, and runs per row of the bench.
FUZZTIME ?= 10s
RUNS     ?= 5

.DEFAULT_GOAL := build
.PHONY: build demo test check bench conformance fuzz testprogs man help clean

build: ## bin/yore, one static binary (the default)
	@mkdir -p bin
	$(GOBUILD) -o bin/yore ./cmd/yore

demo: build ## a list grows past its limit; reverse-watch names the statement
	@scripts/setup
	@scripts/demo

test: ## all tests, in less than ten minutes on two cores
	@scripts/setup
	@scripts/test

check: ## gofmt, vet, the import rule, the modules' checksums, the scripts' syntax
	@unformatted="$$(gofmt -l .)"; \
	  test -z "$$unformatted" || { echo "gofmt would change:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) test -count=1 -run '^TestImportRule' ./cmd/yore
	$(GO) mod verify
	@for s in scripts/setup scripts/test scripts/demo scripts/fuzz scripts/names .ci/run; do bash -n $$s || exit 1; done

bench: build ## the speed table: what was asked, what was measured (RUNS=5, ROWS=regexp)
	@scripts/setup
	$(GO) run ./scripts/bench -yore bin/yore -runs $(RUNS) $(if $(ROWS),-rows '$(ROWS)')

conformance: build ## record, verify and wander through real programs (RUN=regexp)
	@scripts/setup conformance
	$(GO) run ./scripts/conformance -yore bin/yore $(if $(RUN),-run '$(RUN)')
	$(if $(RUN),,$(GO) test -count=1 -timeout 20m -run 'TestFlippedBytes' ./engine -args -flips 350)

fuzz: ## every fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(FUZZTIME)

testprogs: ## build the sample programs of testprogs/
	@scripts/setup
	$(GO) run ./testprogs/mk

man: build ## the manual pages, into bin/man
	@mkdir -p bin/man
	bin/yore help --man bin/man

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

clean: ## remove what was built
	rm -rf bin testprogs/build
