# Every target is one command that can also be typed by hand; CI runs `make ci`.

GO ?= go
# The path of the core module; `make rename MODULE=...` writes another one everywhere, also here.
MODULE := sessl
# Modules are tested as their users build them, each with the versions of its own go.mod. go.work
# gives all modules the highest versions: it is for editors, and for vet.
export GOWORK := off
CC ?= gcc
CLANG_FORMAT ?= clang-format
PKGS := ./...
# The tests of package ssl: in ssl those that need unexported names, in internal/tests all others.
TESTS := ./ssl ./internal/tests/...
# The packages with C in them. Checks of text need no checker of memory.
CPKGS := $(TESTS) ./httpssl ./internal/faultmem ./internal/leakcheck ./internal/monkey ./examples/...
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 30s
# How long the monkey runs, and the seed of a failed run.
MONKEY ?= 5m
SEED ?= 0
ROUNDS ?= 10
SOAK ?= -handshakes 200000 -for 10m
# Ten thousand connections or tickets show nothing new to a checker that slows them down.
LONG := MemoryStaysFlat|TicketKeysIVs
# Tests that start a process for each case.
CHILDREN := AttackPolicy|PolicyOfNoUse|PolicyFromPipe
# These, and a flood of removals.
MANY := $(CHILDREN)|RemovedFlood
# Tests that take seconds on any OpenSSL, and ask the same of each.
HEAVY := SessionGotWhileItChanges|WrongPasswords|DamagedKeys|BulkBothWays|ReplacedUnderLoad|TestCopy
# Tests that take seconds and leave no state for another test.
SLOW := $(LONG)|$(MANY)|$(HEAVY)|AttackDemands|Hostile|Expires|UnblocksSocket|Stuck|TimeoutThen
# Tests that repeat in full with -long.
REPEAT := MemoryStaysFlat|SessionGotWhileItChanges|HostileEnd|HostileFlip|HostileGarbage|HostileStall
# A suite that the mirror does not have is reported as not run, never as passed.
MATRIX ?= bullseye bookworm trixie sid experimental

.PHONY: matrix-ci arm64 deps deps-arm64 deps-lint deps-ci deps-interop deps-fleet deps-proof deps-prom demo test long race asan valgrind stress matrix bench bench-compare bench-test fuzz monkey lint vet cover mutants interop cli grpc ftps drivers deps-drivers prom browser deps-browser fleet fleet-valkey fleet-proof soak man rename release release-try ci weekly

deps: ## installs what building and testing need
	@scripts/deps libssl-dev pkg-config gcc libc6-dev openssl

deps-ci: deps ## installs what the memory checkers need
	@scripts/deps valgrind binutils

demo: deps ## session reuse on real connections; fails if any of it fails
	$(GO) run ./examples/reuse

# Four packages at a time, because most tests wait more than they compute.
test: deps deps-fleet ## all tests
	$(GO) test -p 4 $(PKGS)

long: deps ## the tests that repeat something, in full
	$(GO) test -run '$(REPEAT)' $(TESTS) -long

# Allocations fail for one goroutine alone, and a child of its own makes two connections.
race: deps ## all tests with goroutines under the race detector
	$(GO) test -race -skip '$(CHILDREN)' $(filter-out ./internal/faultmem,$(CPKGS))

# One build has all checks that a build can have: each further build of package ssl takes minutes. -race and
# -asan turn on the compiler's own checkptr.
asan: deps ## AddressSanitizer and LeakSanitizer: double free, leaks, overflows in our C; Go pointers in C memory; ssldebug
	GOEXPERIMENT=cgocheck2 CGO_CFLAGS="-g -O1 -fno-omit-frame-pointer" \
		$(GO) test -asan -tags ssldebug -vet=all -skip '$(LONG)|$(MANY)' $(filter-out $(NOASAN),$(CPKGS))

valgrind: deps-ci ## use after free and double free inside libssl, which ASan does not see
	SKIP='$(SLOW)|Changed|Flood' scripts/valgrind

stress: deps ## ROUNDS rounds in random order; the runtime looks for cleanups that keep their object alive
	$(GO) test -exec 'env GODEBUG=checkfinalizers=1' -count=$(ROUNDS) -shuffle=on -timeout 25m -skip '$(SLOW)' \
		$(TESTS) ./internal/leakcheck ./examples/...

matrix: deps ## all tests against OpenSSL 1.1.1, 3.0, 3.5, 3.6 and 4.0, without root
	scripts/matrix/run $(MATRIX)

deps-arm64: deps ## installs a compiler and an emulator for arm64
	@scripts/deps qemu-user qemu-user-binfmt binfmt-support gcc-aarch64-linux-gnu libc6-dev-arm64-cross

# An emulated processor takes ten times as long. Tests that start their own binary again need the kernel to
# run it, which qemu-user-binfmt tells it to.
arm64: deps-arm64 ## the tests of the core on arm64, which qemu-user emulates, with Debian 12's OpenSSL for it
	SESSL_MATRIX_ARCH=arm64 SESSL_MATRIX_REQUIRED=bookworm SESSL_MATRIX_TIMEOUT=7200 SESSL_MATRIX_PKGS="$(TESTS)" \
		SESSL_MATRIX_FLAGS="-timeout 1h -skip $(SLOW)" scripts/matrix/run bookworm

bench: deps ## figures of this machine
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./ssl

# SHORT=1 takes two minutes; without it, SUITES are further versions of OpenSSL.
SUITES ?= $(if $(SHORT),,trixie experimental)

bench-compare: deps-ci ## what connections cost with ssl, libssl in C and crypto/tls: tables, and CSV and SVG in build/
	cd benchmarks && $(GO) run . $(if $(SHORT),-short) -suites '$(SUITES)'

bench-test: deps-ci ## the contenders of bench-compare run, and resume
	cd benchmarks && $(GO) run $(STATICCHECK) ./... && $(GO) test -count=1 ./...

# In sequence, because go test fuzzes one target at a time, with all processors.
FUZZ := $(addprefix internal/tests/,sessions/ParseSession sessions/ParseSessionPEM tickets/ParseTicketKeys \
	hostile/ClientHello hostile/TicketFrame hostile/OfferedDER) ssl/SealedSession ssl/CacheFile ssl/Loaders

fuzz: deps ## parsers, hellos, tickets, sealed sessions, files and loaders, FUZZTIME each
	for f in $(FUZZ); do \
		$(GO) test -run '^$$' -fuzz "^Fuzz$${f##*/}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$${f%/*} || exit 1; \
	done

monkey: deps ## random calls, rough wires and peers that lie, for MONKEY, under -race; SEED repeats a run
	$(GO) test -race -count=1 -v -timeout 2h ./internal/monkey -args -for $(MONKEY) -seed $(SEED)

vet: deps ## go vet over all modules at once
	export GOWORK=$(CURDIR)/go.work && $(GO) vet -race $$($(GO) list -m -f '{{.Dir}}/...')

deps-lint: deps ## and what formats C, and compiles it against musl
	@scripts/deps clang-format musl-tools

lint: deps-lint vet ## gofmt, clang-format, vet, staticcheck, the C compiler, the rules of this tree, and the edits of mutants
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not gofmt-clean:"; echo "$$out"; exit 1; fi
	$(CLANG_FORMAT) --dry-run -Werror internal/*/*.[ch] benchmarks/contender/c/*.[ch]
	$(GO) run $(STATICCHECK) $(PKGS)
	for f in internal/*/*.c benchmarks/contender/c/*.c; do \
		$(CC) -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror $$(pkg-config --cflags libssl) \
			-Iinternal/cshim -c -o /dev/null $$f || exit 1; \
	done
	for f in internal/*/*.c; do \
		musl-gcc -std=gnu11 -Wall -Wextra -Werror -idirafter /usr/include -idirafter /usr/include/$$($(CC) -print-multiarch) \
			-Iinternal/cshim -fsyntax-only $$f || exit 1; \
	done
	$(GO) test ./internal/lint/...
	scripts/mutants -n

cover: deps ## coverage of the package by its tests
	$(GO) test -coverprofile=cover.out -coverpkg=./ssl $(TESTS)
	$(GO) tool cover -func=cover.out | tail -n 1

deps-interop: deps ## installs the programs that interop talks to; none is left running
	@scripts/deps curl gnutls-bin python3 nodejs nginx haproxy vsftpd openjdk-17-jdk-headless

interop: deps-interop ## x/net's tests of a net.Conn; crowds; independent clients and servers
	cd interop && $(GO) vet ./... && $(GO) test -race . && $(GO) test ./load
	mkdir -p build
	cd interop/peers && INTEROP_JSON=$(CURDIR)/build/interop.json $(GO) test -race -count=1

interop-matrix: deps-interop ## the same programs, resuming with us on OpenSSL 3.5 and 4.0
	SESSL_MATRIX_MODULE=$(CURDIR)/interop SESSL_MATRIX_PKGS=./peers SESSL_MATRIX_REQUIRED="trixie experimental" \
		SESSL_MATRIX_FLAGS='-run TestClients|TestServers' scripts/matrix/run trixie experimental

cli: deps deps-fleet ## the command line tool: tests its module and builds bin/sessl
	cd cmd/sessl && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && GORACE=atexit_sleep_ms=10 $(GO) test -race ./...
	cd cmd/sessl && $(GO) build -o ../../bin/sessl .

# All three share one build of gRPC, which takes most of their time.
grpc: deps ## gRPC over ssl: its module, with gRPC's own interoperability tests
	cd grpcssl && $(GO) vet -race ./... && $(GO) run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./... && $(GO) test -race ./...

ftps: deps-interop ## an FTP client whose data connections resume, against vsftpd, which demands it
	cd examples/ftps && $(GO) vet -race ./... && $(GO) run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./... && $(GO) test -race ./...

deps-drivers: deps ## installs the servers that drivers talk to; none is left running
	@scripts/deps postgresql redis-server nats-server mariadb-server exim4-daemon-light

# The race detector shares its build of valkey-go, the largest of them, with cli.
drivers: deps-drivers ## drivers of databases, NATS, mail and WebSockets over ssl, against real servers: docs/recipes.md
	cd examples/drivers && $(GO) vet -race ./... && $(GO) run -exec 'env GOFLAGS=-race' $(STATICCHECK) ./... && $(GO) test -race ./...

deps-prom: deps ## installs promtool, which checks rules; Prometheus is not left running
	@scripts/deps prometheus

prom: deps-prom ## the Prometheus collector's module, its dashboard and its alerts
	cd promssl && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && $(GO) test ./...

deps-browser: deps ## installs a browser, 100 MB
	@scripts/deps chromium

# SHOTS is a directory for screenshots.
browser: deps-browser ## the page of httpssl.DebugHandler in headless Chromium: windows of all widths, light and dark
	cd interop && $(GO) vet ./browser && $(GO) test -count=1 ./browser $(if $(SHOTS),-args -shots $(abspath $(SHOTS)))

deps-fleet: deps ## installs the servers that tests of fleets talk to; none is left running
	@scripts/deps redis-server nginx haproxy

# Tests that stop a database, or break it, and wait for what follows.
OUTAGES := Outage|Faults|Stopped|Full|WithoutDatabase|RunsOut|AfterFailover|AfterAnotherRun|CutOff|DownWithout|Cluster
# ci leaves these to be run by hand.
FLEETSKIP ?= ^$$

fleet: deps-fleet ## servers that share ticket keys through a database: the module's tests, with real servers
	cd valkeystore && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./... && $(GO) test -race -skip '$(FLEETSKIP)' ./...

# What a mirror does not serve is not run: the script then says so and fails.
fleet-valkey: deps-fleet ## the tests of fleet with Debian's Valkey in the place of Redis, without root
	cd valkeystore && SESSL_DATABASE=$$(../scripts/matrix/valkey ../build) && export SESSL_DATABASE && \
		$(GO) test -count=1 ./...

deps-proof: deps-fleet
	@scripts/deps redis-sentinel curl gnutls-bin nodejs python3

# PROOF chooses what runs, such as PROOF='-run TestRotation' or PROOF='-args -short-proof'.
PROOF ?=

fleet-proof: deps-proof ## a fleet of real servers behind HAProxy whose databases break, under load: tables in build/fleet-proof.md, in three quarters of an hour
	mkdir -p build
	cd cmd/sessl && $(GO) test -c -o ../../build/sessl.test .
	cd interop && $(GO) vet ./fleet && $(GO) run $(STATICCHECK) ./fleet && \
		SESSL_PROOF=$(CURDIR)/build $(GO) test -count=1 -timeout 2h -v ./fleet $(PROOF)

soak: deps ## resumption in all forms while caches, keys and stores are flushed, rotated and broken
	cd interop && $(GO) vet ./soak && $(GO) test -race -timeout 30m ./soak -args $(SOAK)

man: deps ## the manual pages of the command line tool, in build/man
	cd cmd/sessl && $(GO) run . man ../../build/man

mutants: deps ## deliberate bugs that the tests must notice
	scripts/mutants

rename: ## MODULE as the module's path, everywhere
	scripts/rename-module $(MODULE)

release: ## VERSION=v1.2.3: commit and tag a release in this clone; publishes nothing
	scripts/release $(VERSION)

release-try: deps ## release a copy of the tree, and build a module outside of it against the result
	@scripts/deps git
	scripts/release-try

# The oldest and the newest; the system has 3.0. The oldest runs with a newer Go, which the go command
# fetches: net/http treats connections differently there. The tests in ssl see what is not exported, and
# need a second build of it.
matrix-ci: export SESSL_MATRIX_PKGS = $(filter-out ./ssl,$(TESTS)) ./httpssl
matrix-ci: export SESSL_MATRIX_FLAGS = -skip $(LONG)|$(HEAVY)
matrix-ci: deps
	GOTOOLCHAIN=go1.27.0 SESSL_MATRIX_REQUIRED=bullseye scripts/matrix/run bullseye
	SESSL_MATRIX_REQUIRED=experimental scripts/matrix/run experimental

# Two targets at a time, because most tests wait more than they compute. The longest start first.
ci: MONKEY = 20s
ci: SOAK = -for 30s
ci: FLEETSKIP = $(OUTAGES)
ci: NOASAN = ./internal/faultmem
ci: deps deps-interop deps-fleet deps-drivers deps-prom deps-lint ## what a change must pass; the matrix on OpenSSL 1.1.1 and 4.0, fleet without outages
	$(MAKE) -j2 --output-sync=target MONKEY=$(MONKEY) SOAK='$(SOAK)' FLEETSKIP='$(FLEETSKIP)' NOASAN=$(NOASAN) asan race matrix-ci test long lint interop cli fleet grpc drivers soak monkey ftps prom demo man

# One target after the other.
weekly: deps-ci deps-interop ## what takes longer: memory checkers, ten rounds, fuzzing, other versions of OpenSSL, arm64, a release
	$(MAKE) asan valgrind stress fuzz monkey soak matrix interop-matrix fleet bench-test release-try arm64
