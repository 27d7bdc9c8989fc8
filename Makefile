# Both targets set up what is missing and do their job on a fresh Debian or Ubuntu machine with Swift.
# `make NO_MPI=1 …` leaves out Open MPI and OpenBLAS: everything but training still works.

PACKAGES := libopenmpi-dev openmpi-bin libopenblas-dev pkg-config
# What looks at reports: a browser without a window, and Python's way to talk to it.
REPORT_PACKAGES := chromium python3-websocket fonts-liberation
COMMA := ,
TRAITS := $(if $(NO_MPI),--disable-default-traits,)
SWIFT_BUILD := swift build -c release $(TRAITS)
SLUICE := .build/release/sluice

# Installs those of some Debian packages that are missing; behind it stands what to say where that cannot be.
define install
	@missing=""; for package in $(1); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  command="apt-get install -y --no-install-recommends$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && $$command; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo $$command; \
	  else echo "These packages are missing; install them and try again$(2):"; echo "  sudo $$command"; exit 1; fi; \
	fi
endef

.PHONY: demo demo-rl test test-report build setup lint clean

# What one step of DeepSeek-V3 costs, a trace and a picture of it, the best of a million plans, and a real run
# of a small model.
demo: build
	@mkdir -p demo
	@echo; echo "1. sluice simulate: one training step of DeepSeek-V3 on 2,048 H800s, published plan"; echo
	@$(SLUICE) simulate --trace demo/deepseek-v3-step.json --report demo/deepseek-v3.html
	@$(SLUICE) schedule dualpipe --ranks 8 --microbatches 20 --format svg -o demo/dualpipe.svg
	@echo; echo "   open demo/deepseek-v3-step.json in https://ui.perfetto.dev, demo/dualpipe.svg in a browser"
	@echo; echo "2. sluice search: which plan is best for Llama 3.1 70B on 512 H100s"; echo
	@$(SLUICE) search --model llama-3.1-70b --cluster h100-2048 --gpus 512 --global-batch 1024 --sequence 8192 \
	  --report demo/search.html
ifndef NO_MPI
	@echo; echo "3. sluice train: the same engine trains a small model of V3's shape on 4 ranks"; echo
	@$(SLUICE) train examples/tiny-deepseek-v3.yaml --ranks 4 --overwrite --report demo/tiny-deepseek-v3.html
endif
	@echo; echo "Reports to look at: open demo/deepseek-v3.html, demo/search.html$(if $(NO_MPI),, and demo/tiny-deepseek-v3.html) in a browser"

# Cold start and reinforcement learning by rules: a small model learns to write its sums down before it answers, and
# another one three tasks, of which its first weights, its cold start and its end are compared.
THREE_TASKS := --task sort-digits --task table-cell --task json-list
demo-rl: build
	@rm -rf demo/digit-sum demo/digit-sum-run demo/three-tasks demo/three-tasks-run && mkdir -p demo
	@echo; echo "1. sluice train: a model learns to write sums down before it answers"; echo
	@$(SLUICE) data --task digit-sum --seed 1 -o demo/digit-sum
	@$(SLUICE) train examples/digit-sum.yaml --ranks 2 --overwrite
	@echo; echo "2. sluice train: reasoning, tables and structured data by one model"; echo
	@$(SLUICE) data $(THREE_TASKS) --seed 1 -o demo/three-tasks
	@$(SLUICE) train examples/three-tasks.yaml --ranks 2 --overwrite --set 'phases[0].name=base' --stop-after 0
	@$(SLUICE) train examples/three-tasks.yaml --ranks 2 --overwrite
	@echo; echo "3. sluice evaluate: its first weights, the cold start and reinforcement learning side by side"; echo
	@$(SLUICE) evaluate --suite rules $(THREE_TASKS) --tier 1 --questions 64 --max-tokens 24 \
	  --checkpoint demo/three-tasks-run/base --checkpoint demo/three-tasks-run/cold-start \
	  --checkpoint demo/three-tasks-run/rl

# Every line of code is as the formatter writes it; the walls of the house are tests.
test: setup lint
	$(SWIFT_BUILD) --build-tests
	swift test -c release --skip-build $(TRAITS)

# Reports as a reader uses them: opened, zoomed, sorted and printed in a headless Chromium.
test-report: build
	$(call install,$(REPORT_PACKAGES))
	/usr/bin/python3 Tests/report-checks/checks.py $(SLUICE)

build: setup
	$(SWIFT_BUILD) --product sluice

setup:
	@command -v swift >/dev/null || { echo "sluice needs Swift 6.2 or later: https://www.swift.org/install"; exit 1; }
ifndef NO_MPI
	$(call install,$(PACKAGES),$(COMMA) or use 'make NO_MPI=1')
endif

lint: setup
	swift format lint --strict --recursive Sources Plugins Tests benchmarks Package.swift

clean:
	rm -rf .build
