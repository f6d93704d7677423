# Every target is one command without options. `make demo` and `make test` set up what they need.
BIN := .venv/bin
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: demo run cluster cluster-down cluster-tools test verify update cover bench bench-capture setup lock clean

demo: setup            ## the main job by itself: a capture from `kubectl create` to decoded packets
	@$(BIN)/python -m tests.demo

run: setup             ## API server and node agent in the foreground, on this machine
	@$(BIN)/python -m apiserver.standalone

test: setup cluster-tools verify ## everything: unit, contract, protocol, node, system, fault and cluster levels
	$(BIN)/python -m pytest

verify: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

update: .venv/installed ## fix what can be fixed by itself, and write the pages that the last run of the tests has found
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.reference
	$(BIN)/python -m tests.conformance
	$(BIN)/python -m tests.conformance.sidebyside

cover: setup           ## the tests with branch coverage, also of child processes (minutes)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -q
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

bench: setup cluster-tools ## side by side with tcpdump and kube-apiserver, as ratios
	$(BIN)/python -m tests.bench

bench-capture: setup   ## of these, what capturing costs beside tcpdump (7 minutes)
	$(BIN)/python -m tests.bench.capture

setup: .venv/installed .tools/installed
	@tests/tools/packages

.venv/installed: requirements/build.txt requirements/dev.txt
	@tests/tools/venv

cluster: setup cluster-tools ## a Kubernetes cluster with the product and two workloads, in the background
	@$(BIN)/python -m tests.cluster up

cluster-down: setup    ## end it
	@$(BIN)/python -m tests.cluster down

cluster-tools: | .venv/installed
	@tests/tools/cluster
	@tests/tools/clients

.tools/installed: tests/tools/kubernetes/go.mod | .venv/installed
	@tests/tools/kubectl
	@touch $@

lock:                  ## pin the dependencies anew, with hashes and without addresses
	@tests/tools/lock

clean:
	@[ ! -e .cluster ] || $(MAKE) cluster-down
	rm -rf .venv .tools .run .cluster
