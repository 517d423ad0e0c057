# Everything a change needs. Tools come through the Go module proxy at the
# versions named here; nothing else is installed.
GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
H2SPEC      ?= github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
FUZZTIME    ?= 10s
RACE        ?= -race
BIN         := bin/weir

.DEFAULT_GOAL := help
.PHONY: docs bench-flags e2e-flags bench-swap bench-scrape e2e-grafana bench-scale help build run demo-once test race check fuzz-short corpus e2e e2e-judge e2e-fleet e2e-dashboard e2e-examples bench bench-rollback bench-drain bench-upgrade bench-hostile bench-healthy bench-judge bench-peers h2spec clean need-go need-cc need-chromium need-prometheus

help: ## say what each target does
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z0-9-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

need-go:
	@command -v $(GO) >/dev/null || { echo "weir needs Go 1.26 or newer: https://go.dev/dl"; exit 1; }

need-cc:
	@command -v $${CC:-cc} >/dev/null || command -v gcc >/dev/null || { echo "the race detector needs a C compiler: apt-get install gcc, or run the target with RACE="; exit 1; }

build: need-go ## build the binary into bin/weir
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/weir

.PHONY: dist dist-check image
dist: need-go ## archives for linux and darwin, amd64 and arm64, with checksums and bills of materials, into dist/
	$(GO) run ./cmd/dist $(DIST)

dist-check: need-go ## dist, then once more from a fresh clone without any cache: the bytes must be equal, the checksums right, the binary must run
	DIST="$(DIST)" CACHE=$(CACHE) ./cmd/dist/check.sh

image: ## the Dockerfile's image, where an engine runs
	docker build -t weir .

run: build ## watch a canary turn bad and be put back (Ctrl-C ends it)
	$(BIN) demo

demo-once: build ## the same story once; fails if it did not go as told
	$(BIN) demo --once

test: need-go ## all tests but the long proofs; under five minutes on two cores
	$(GO) test -shuffle=on ./...

race: need-go need-cc ## the same with the race detector
	$(GO) test $(RACE) -shuffle=on ./...

check: need-go ## formatting, vet, linter, tidy modules
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt wants: $$out"; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags e2e,chromium ./bench/...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) -checks 'all,-ST1000,-ST1003,-ST1005' ./...
	@configs/systemd/check.sh
	@if command -v shellcheck >/dev/null; then shellcheck $$(git ls-files '*.sh') .ci/run; else echo "no shellcheck: apt-get install shellcheck"; fi

docs: need-go ## write the reference of documents anew from the comments of configs
	$(GO) run ./configs/reference/gen

fuzz-short: need-go ## each fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
	  done; done

corpus: need-go ## hostile requests and answers, the small ones split at each byte
	WEIR_CORPUS=full $(GO) test -count=1 -run Corpus -v ./proxy

e2e: build ## the real binary with real upstream processes, traffic and etcd
	WEIR_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -v -tags e2e -timeout 20m ./bench/e2e/...

bench: need-go ## micro-benchmarks beside their bars
	$(GO) test -run '^$$' -bench . -benchmem ./analysis/... ./proxy/...
	$(GO) test -count=1 -run AllocatesNothing -v ./analysis/... ./proxy/... | grep -v 'no tests to run'

bench-upgrade: build ## SIGUSR2 to a new binary under 64 busy clients, 20 runs
	$(GO) run ./bench/drain -weir $(BIN) -upgrade

bench-hostile: build ## honest clients beside 5 000 slow ones and floods of HTTP/2 frames
	$(GO) run ./bench/hostile -weir $(BIN)

bench-judge: need-go ## simulate the judge's bars in full (up to 10 minutes)
	$(GO) run ./bench/judge

bench-rollback: build ## fault to last candidate request, 20 runs, with the distribution
	$(GO) run ./bench/rollback -weir $(BIN)

need-chromium:
	@command -v $${CHROMIUM:-chromium} >/dev/null || command -v google-chrome >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q && apt-get install -y -q --no-install-recommends chromium; } \
	  || { echo "this needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it"; exit 1; }

e2e-grafana: build need-prometheus ## every query of the dashboards and rules on a real Prometheus beside a node under load
	$(GO) run ./bench/grafana -weir $(BIN)

need-prometheus:
	@command -v prometheus >/dev/null || { echo "prometheus is missing; installing it"; apt-get update -q && apt-get install -y -q --no-install-recommends prometheus; } || { echo "install Debian's package prometheus, then try again"; exit 1; }

e2e-dashboard: build need-chromium ## the dashboard in a real Chromium: a rollout goes bad on it; pictures in bin/dashboard
	WEIR_BIN=$(CURDIR)/$(BIN) WEIR_ARTEFACTS=$(CURDIR)/bin/dashboard $(GO) test -count=1 -v -tags e2e,chromium -timeout 10m -run Dashboard ./bench/e2e

e2e-judge: build ## three nodes and an external etcd: fault to last candidate request anywhere, 20 runs
	$(GO) run ./bench/rollback -weir $(BIN) -nodes 3

e2e-fleet: build ## fleets of three nodes and an etcd of three: leaders killed in every phase, etcd slow, gone, wiped and restored; history checked; about three minutes
	$(GO) run ./bench/fleet -weir $(BIN)

bench-healthy: build ## 20 good rollouts through shared outages, swings and a storming client: none put back
	$(GO) run ./bench/healthy -weir $(BIN)

bench-drain: build ## SIGTERM under 64 busy clients, 20 runs
	$(GO) run ./bench/drain -weir $(BIN)

bench-peers: build ## weir beside nginx, HAProxy, Caddy and two floors, about ten minutes
	$(GO) run ./bench/peers -weir $(BIN) $(PEERS)

e2e-examples: build ## what lies in configs/ for operators, really started and asked
	WEIR_BIN=$(CURDIR)/$(BIN) $(GO) test -count=1 -tags e2e -timeout 10m ./bench/examples/...

bench-swap: build ## a person's decision to traffic: weights on three nodes, aborts with etcd and without
	$(GO) run ./bench/swap -weir $(BIN)

bench-scrape: build ## a page of metrics with 1 000 services of three versions: time, size, what users notice
	$(GO) run ./bench/scrape -weir $(BIN)

bench-scale: build ## 1 000 services and 100 rollouts: compiling, processor time, and whether clients feel swaps (six minutes)
	$(GO) run ./bench/scale -weir $(BIN)

bench-flags: build ## asking for feature flags beside plain answers, and a kill to its effect
	$(GO) run ./bench/flags -weir $(BIN)

e2e-flags: build ## OpenFeature's SDKs for JavaScript, as they are, ask for flags; needs node and npm
	@command -v npm >/dev/null || { echo "npm is missing: apt-get install nodejs npm"; exit 1; }
	$(GO) run ./bench/flags -weir $(BIN) -sdk

.PHONY: e2e-story
e2e-story: build ## one release from its commits on, with staging, a flag, a rollback, and those who are told; under three minutes
	$(GO) run ./bench/story -weir $(BIN) $(STORY)

.PHONY: e2e-migrate need-postgres
e2e-migrate: build need-postgres ## a column is renamed under a site in use: expand, release, fill, contract on a real PostgreSQL, killed in every step; about 70 seconds
	$(GO) run ./bench/migrate -weir $(BIN) $(MIGRATE)

need-postgres:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { echo "PostgreSQL is missing: apt-get install postgresql, then try again"; exit 1; }

h2spec: need-go ## HTTP/2 conformance: no failure but those of net/http itself
	GOBIN=$(CURDIR)/bin $(GO) install $(H2SPEC)
	$(GO) run ./bench/h2spec -h2spec bin/h2spec

clean: ## remove what was built
	rm -rf bin dist
