# Vivarium. `make` alone prints the targets; variables are given after them: make sim SEED=7

GO        ?= go
SIM       := $(GO) run -tags checked ./cmd/vivarium-sim
# Packages in which goroutines meet; `make race` runs their short tests.
RACE      ?= ./server/... ./replication/store/... ./client/...
FUZZTIME  ?= 20s

.DEFAULT_GOAL := help
.PHONY: help run test sim mutants determinism race kill power lint compat fuzz oracle oracle-mutants build

help: # print the targets
	@awk -F ':[^#]*# ' '/^[a-z-]+:.*# /{printf "make %-12s %s\n", $$1, $$2}' Makefile

run: # serve on 127.0.0.1:2181 with data under ./data; ARGS='--config zoo.cfg'
	$(GO) run ./cmd/vivarium serve $(ARGS)

test: # run all tests; ARGS='-run Name', PKG=./core/...
	$(GO) test -tags checked $(ARGS) $(or $(PKG),./...)

sim: # simulate: SEED=7 replays one world, SEEDS=200 sweeps; ARGS for more flags
	$(SIM) run $(if $(SEED),-seed $(SEED)) $(if $(SEEDS),-seeds $(SEEDS)) $(ARGS)

mutants: # sweep worlds for each known bug; ARGS='--sweeps 1 --sample 12 --turn 3' a part
	$(GO) run -tags 'mutants checked' ./cmd/vivarium-sim mutants $(ARGS)
	$(GO) test -count=1 -tags mutants -run TestMutant ./replication ./replication/store

.PHONY: sim-picture
sim-picture: # draw a failure's PAGE (vivarium-failures/.../index.html) into FILE (failure.png)
	$(SIM) picture $(ARGS) $(PAGE) $(or $(FILE),failure.png)

.PHONY: sim-coverage
sim-coverage: # measure which statements of core and replication SEEDS (400) worlds reach
	$(SIM) coverage -seeds $(or $(SEEDS),400) $(ARGS)

.PHONY: corpus corpus-grow
corpus: # run the standing corpus of worlds; ARGS='-coverage' counts the blocks that it reaches
	$(SIM) corpus $(ARGS)

corpus-grow: # look at TRIES (1000) worlds, from SEED (1) on, and make the standing corpus anew
	$(SIM) corpus -grow $(or $(TRIES),1000) -from $(or $(SEED),1) $(ARGS)

determinism: # compare the traces of SEEDS ensembles between processes, settings and, with ARGS=-race, a -race build
	$(SIM) determinism -ensembles -seeds $(or $(SEEDS),20) $(ARGS)

race: # run short tests with the race detector where there are goroutines; RACE=./server/...
	$(GO) test -race -short $(ARGS) $(RACE)
	$(GO) test -race -run TestRealStore $(ARGS) ./sim

kill: # kill the server KILLS times under load, and look for all that was acknowledged
	$(GO) test -count=1 -v -run TestKill ./server -kills $(or $(KILLS),50)

power: # let the power fail FAILURES (1000) times; FORCESYNC=no or MUTANT=name must fail; SEED=7
	$(GO) test -count=1 -v -timeout 60m -tags mutants ./server \
		-run 'TestPower$$$(if $(FORCESYNC)$(MUTANT),,|TestDamage|TestDisk|TestSecondTry)' \
		-failures $(or $(FAILURES),1000) -positions 60 -powerseed $(or $(SEED),0) \
		-forcesync $(or $(FORCESYNC),yes) -mutant '$(MUTANT)'

lint: # check format, vet, staticcheck and the house rules of internal/tidy
	$(GO) vet ./...
	$(GO) test -count=1 ./internal/tidy
	$(GO) tool -modfile=internal/tools.mod staticcheck ./...

compat: # run kazoo's and go-zookeeper's tests, zkCli and Curator here and on ZooKeeper; ARGS='-suite kazoo'
	$(GO) run ./compat/suites $(ARGS)

bench: # measure beside ZooKeeper and write docs/BENCHMARKS.md; ARGS='-rounds 5 -only read'
	$(GO) run ./compat/bench $(ARGS)

fuzz: # run every fuzz target for FUZZTIME (20s); PKG=./wire, ARGS='-list', '-until 30m': a ledger
	$(GO) run ./fuzz -time $(FUZZTIME) $(ARGS) $(PKG)

oracle: # compare REQUESTS (20000) requests with a real ZooKeeper 3.9.4; SEED=7 repeats, ARGS='-case 3'
	$(GO) run ./fuzz/oracle -requests $(or $(REQUESTS),20000) $(if $(SEED),-seed $(SEED)) $(ARGS)

oracle-mutants: # find each difference planted for the oracle; SEED=7, ARGS for more flags
	$(GO) run -tags mutants ./fuzz/oracle -mutants $(if $(SEED),-seed $(SEED)) $(ARGS)

.PHONY: tla
tla: # check the specification and all its broken variants with TLC; QUICK=yes a part; ARGS='-run Log -v'
	$(GO) run ./tla $(if $(QUICK),-quick) $(if $(TURN),-turn $(TURN)) $(ARGS)

.PHONY: tla-traces
tla-traces: # hold TRACES (200) traces of worlds against each specification; BASE=7 their first seed
	$(GO) run ./tla traces $(if $(TRACES),-traces $(TRACES)) $(if $(BASE),-base $(BASE)) $(ARGS)

.PHONY: migration
migration: # move a killed ZooKeeper's data here and back, compare by kazoo; ARGS='-packs gz,snappy'
	$(GO) run ./compat/migration $(ARGS)

.PHONY: image
image: # build the container image TAG (vivarium:latest) with docker, podman or buildah; ARGS='-arch arm64'
	$(GO) run ./deploy/container $(if $(TAG),-tag $(TAG)) $(ARGS)

build: # build static binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -o bin/ ./cmd/vivarium ./cmd/vivarium-sim
