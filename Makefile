# The commands of a developer. `make test` is what CI runs.

SHELL := /bin/bash
.DEFAULT_GOAL := build
.PHONY: setup build demo test fmt-check vet lint unit fuzz bench torture load large clean

GO ?= go

# Debian packages (as root) and the pinned linter, where missing.
setup:
	scripts/setup

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/lotse ./cmd/lotse

# At a terminal, portal and archive keep running to try things; a script gets its prompt back.
demo: build
	bin/lotse demo $$([ -t 0 ] || echo --once)

# Everything, in this order; FUZZTIME (10s) is for each fuzz target.
test:
	$(MAKE) setup
	$(MAKE) fmt-check
	$(MAKE) vet
	$(MAKE) lint
	$(MAKE) unit
	scripts/fuzz $(or $(FUZZTIME),10s)

fmt-check:
	scripts/fmt-check

vet:
	$(GO) vet ./...

lint: setup
	bin/golangci-lint run ./...

# The race detector is the only thing that needs cgo.
unit:
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...

# Every fuzz target for FUZZTIME (30s) each.
fuzz:
	scripts/fuzz $(or $(FUZZTIME),30s)

bench: build
	scripts/bench

# The gateway killed over and over; KILLS (200) times on each kind of storage.
torture: build
	scripts/torture -kills $(or $(KILLS),200)

# Fifty imports at once against one after the other.
load: build
	$(GO) run ./test/load

# One exam of SIZE (30) GB through tus; needs as much room in the temporary folder.
large: build
	$(GO) run ./test/large -lotse bin/lotse -size $(or $(SIZE),30)

clean:
	rm -rf bin
