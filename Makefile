# Both targets set up what is missing and do their job on a fresh Debian or Ubuntu machine with Swift.
# `make NO_MPI=1 …` leaves out Open MPI and OpenBLAS: everything but training still works.

PACKAGES := libopenmpi-dev openmpi-bin libopenblas-dev pkg-config
TRAITS := $(if $(NO_MPI),--disable-default-traits,)
SWIFT_BUILD := swift build -c release $(TRAITS)
SLUICE := .build/release/sluice

.PHONY: demo test build setup lint clean

# What one step of DeepSeek-V3 costs, a trace and a picture of it, and a real run of a small model.
demo: build
	@mkdir -p demo
	@echo; echo "1. sluice simulate: one training step of DeepSeek-V3 on 2,048 H800s, published plan"; echo
	@$(SLUICE) simulate --trace demo/deepseek-v3-step.json
	@$(SLUICE) schedule dualpipe --ranks 8 --microbatches 20 --format svg -o demo/dualpipe.svg
	@echo; echo "   open demo/deepseek-v3-step.json in https://ui.perfetto.dev, demo/dualpipe.svg in a browser"
ifndef NO_MPI
	@echo; echo "2. sluice train: the same engine trains a small model of V3's shape on 4 ranks"; echo
	@$(SLUICE) train examples/tiny-deepseek-v3.yaml --ranks 4 --overwrite
endif

# Every line of code is as the formatter writes it; the walls of the house are tests.
test: setup lint
	$(SWIFT_BUILD) --build-tests
	swift test -c release --skip-build $(TRAITS)

build: setup
	$(SWIFT_BUILD) --product sluice

setup:
	@command -v swift >/dev/null || { echo "sluice needs Swift 6.2 or later: https://www.swift.org/install"; exit 1; }
ifndef NO_MPI
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'install ok installed' || missing="$$missing $$package"; \
	done; \
	if [ -n "$$missing" ]; then \
	  command="apt-get install -y --no-install-recommends$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && $$command; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo $$command; \
	  else echo "These packages are missing; install them and try again, or use 'make NO_MPI=1':"; echo "  sudo $$command"; exit 1; fi; \
	fi
endif

lint: setup
	swift format lint --strict --recursive Sources Tests benchmarks Package.swift

clean:
	rm -rf .build
