# `make quote` and `make test` are all the set-up there is. Both create .venv with the locked versions first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.synced
DEFAULT := not recovery and not scheduler and not packaging and not shared_store and not documentation and not benchmark_suite and not faults and not accuracy and not browser and not peers and not frameworks and not deep
PLAN ?= llama-3-8b-lora
WORKERS ?= auto

# certificates as the machine trusts them, so that it works behind a company's proxy as well
export UV_SYSTEM_CERTS = 1
export DO_NOT_TRACK = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false
# compiled modules go below .venv: workers, and the programs that tests start, would compile all they load each time
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/bytecode
export PYTHONDONTWRITEBYTECODE :=

.PHONY: replaying page-vendor fetch-release release-prices quote refresh test deep recovery scheduler packaging newest faults-sample generated dist sbom site lint types contracts check accuracy calibrate bench polling faults simulate peers browser frameworks shared-store documentation audit docs golden wheel clean

quote: $(STAMP)  ## refresh what can be reached, then quote an example plan; works with no network at all
	@GPULEDGER_FETCH_ATTEMPTS=$${GPULEDGER_FETCH_ATTEMPTS:-1} GPULEDGER_FETCH_TIMEOUT_SECONDS=$${GPULEDGER_FETCH_TIMEOUT_SECONDS:-10} \
		$(BIN)/gpuledger refresh --format csv > $(VENV)/refresh.csv 2> $(VENV)/refresh.log \
		|| awk -F, 'NR > 1 { all += 1 } $$3 == "failed" { failed += 1 } END { printf \
			"%d of %d sources could not be reached ($(VENV)/refresh.csv says why); quoting from what is there\n", \
			failed, all }' $(VENV)/refresh.csv
	@$(BIN)/gpuledger quote $(PLAN) --limit 10 --format table

ADDRESS ?= https://gpuledger.github.io/gpuledger
FOLDER ?= build/release

fetch-release: $(STAMP)  ## what is published at ADDRESS into FOLDER, each file checked; nothing where nothing is
	$(BIN)/python -m gpuledger.release.fetch "$(ADDRESS)" "$(FOLDER)"

page-vendor: $(STAMP)  ## what the page of a release loads, from the npm registry, into build/vendor
	PATH="$(abspath $(BIN)):$$PATH" tools/page/build.sh "$(abspath build/vendor)"

release-prices: $(STAMP) page-vendor  ## go on with the release in FOLDER, and prove it
	$(BIN)/gpuledger release "$(FOLDER)" --address "$(ADDRESS)" --vendor build/vendor
	$(BIN)/gpuledger verify "$(FOLDER)"

refresh: $(STAMP)
	$(BIN)/gpuledger refresh

test: $(STAMP)  ## the default suite
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "$(DEFAULT)"

deep: $(STAMP)  ## what the default suite holds one of each kind of, or tries with fewer examples: here all of it
	GPULEDGER_EXAMPLES=all GPULEDGER_SCHEMA_EXAMPLES=4 $(BIN)/pytest -n $(WORKERS) --dist worksteal \
		-m "(deep or hypothesis) and not recovery and not faults and not shared_store and not benchmark_suite and not accuracy"

recovery: $(STAMP)  ## wrong answers, broken disks, kills, clocks, replay: what the default suite holds one of each kind of
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "recovery and not faults and not shared_store"

shared-store: $(STAMP)  ## the store's tests on DuckLake with a real PostgreSQL
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "shared_store and not faults and not benchmark_suite"

scheduler: $(STAMP)  ## a real Prefect server, and scheduled runs on it
	$(BIN)/pytest -q -m "scheduler and not faults" tests/pipeline

packaging: $(STAMP)  ## wheels of the checkout and of the sdist, in empty environments of every Python that this machine has
	$(BIN)/pytest -q -m packaging tests/contract

newest: $(STAMP)  ## the tests of core, store and adapters on the newest versions that the ranges allow; needs the network
	.ci/newest-versions

documentation: $(STAMP)  ## every command that a page shows, and the notebook
	$(BIN)/pytest -n $(WORKERS) -m documentation tests/docs

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/pyright

contracts: $(STAMP)
	$(BIN)/lint-imports

check: lint types contracts test deep recovery scheduler packaging shared-store documentation

FRAMEWORKS := .venv-frameworks
frameworks: $(STAMP)  ## real training runs under the meter, in an environment with torch; needs the network once
	test -x $(FRAMEWORKS)/bin/pytest || $(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/meter/frameworks.txt -e .
	$(FRAMEWORKS)/bin/pytest -q -m frameworks tests/meter

accuracy: $(STAMP)  ## estimates against published runs; needs GPULEDGER_TRUTH
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -m accuracy tests/accuracy

calibrate: $(STAMP)  ## fit the table of constants again; needs GPULEDGER_TRUTH
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tools.calibration.calibrate --folds

bench: $(STAMP)  ## ratios measured in one run
	$(BIN)/pytest -m benchmark_suite tests/benchmarks -s

MINUTES ?= 60
polling: $(STAMP)  ## 200 sources at one minute for MINUTES: how late, at what share of two cores
	GPULEDGER_POLLING_MINUTES=$(MINUTES) $(BIN)/pytest -q -s -m benchmark_suite tests/benchmarks/test_polling.py

RUNS ?= 62800
replaying: $(STAMP)  ## an archive of RUNS runs replayed while refreshes go on: how long it takes, how long these wait
	GPULEDGER_REPLAY_RUNS=$(RUNS) $(BIN)/pytest -q -s -m benchmark_suite tests/benchmarks/test_replay_beside_refreshes.py

faults: $(STAMP)  ## fault injection, some 25 minutes; writes docs/reliability.md
	GPULEDGER_WRITE_RELIABILITY=1 $(BIN)/pytest -q tests/faults
	GPULEDGER_WRITE_RELIABILITY=1 $(BIN)/pytest -q tests/evidence/test_poisonings.py
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m faults --ignore tests/faults --ignore tests/evidence

SEEDS ?= 10000
SEED ?=
simulate: $(STAMP)  ## seeds that drive clock, answers, disk faults, kills and the order of processes; SEED=N repeats one
	$(BIN)/python -m tests.simulation.run $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

# all of them but the longest: kills by the hundred, simulated days, thousands of mutations, cuts at every byte
LONGEST := test_kills or test_day or minute or any_byte or any_leaf or many_lists or many_mutations
faults-sample: $(STAMP)
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal -m faults -k "not ($(LONGEST))" tests

peers: $(STAMP)  ## our exports in the readers of gpuhunt and SkyPilot, and gpuhunt's queries beside ours
	$(BIN)/pytest -q -m peers tests/history

browser: $(STAMP)  ## the pages in a real Chromium, as Debian packages it
	$(BIN)/pytest -m browser tests/interface/server tests/history -s

audit: $(STAMP)  ## known advisories against the locked versions; needs the network
	$(UV) audit --frozen --preview-features audit-command

generated: $(STAMP)  ## write the pages and files again that are made from the program
	$(BIN)/python -m tools.history.days
	$(BIN)/python -m tools.docs.source_page > docs/sources.md
	$(BIN)/python -m tools.docs.data_page > docs/data.md
	$(BIN)/python -m tools.docs.command_page > docs/commands.md
	$(BIN)/python -m tools.docs.library_page > docs/library.md
	$(BIN)/python -m tools.docs.network_page > docs/networks.md
	$(BIN)/python -m tools.docs.findings_page > docs/findings.md
	$(BIN)/python -m tools.docs.prefect_file > prefect.yaml

docs: generated  ## the generated pages, and what the others show; read the diff before you keep it
	GPULEDGER_WRITE_DOCS=1 $(BIN)/pytest -q tests/docs

site: $(STAMP)  ## the documentation as a site in build/site; a broken link ends it
	$(BIN)/properdocs build --quiet --config-file docs/.site/properdocs.yml

golden: $(STAMP)  ## write the golden files again; read the diff before you keep it
	GPULEDGER_WRITE_GOLDEN=1 $(BIN)/pytest -q tests/sources/test_adapters.py

wheel: $(STAMP)
	rm -rf dist
	$(UV) build --wheel -q

dist: $(STAMP)  ## sdist and wheel, as they are published
	rm -rf dist
	$(UV) build -q

sbom: $(STAMP)  ## the locked packages of an installation with all extras, in CycloneDX
	mkdir -p build
	$(UV) export --quiet --frozen --no-dev --all-extras --format cyclonedx1.5 --preview-features sbom-export \
		> build/gpuledger.cdx.json

$(STAMP): pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9,<1"
	@$(UV) sync --quiet --frozen --all-extras
	@touch $@

clean:
	rm -rf $(VENV) dist .pytest_cache .ruff_cache
