# `make demo` and `make test` are all that a newcomer needs; each target sets up its own .venv on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MLFLOW := tests/streamgauge/mlflow_export
MLFLOW_STAMP := $(MLFLOW)/.venv/.installed
OPS := tests/ops
# OPS_VENV=FOLDER takes an environment that is there already.
OPS_VENV ?= $(OPS)/.venv
PAGE := tests/page
CLIENTS := tests/docs/clients

.DEFAULT_GOAL := help
.PHONY: help demo test test-mlflow check check-ops check-page check-guides pictures k8s-generated dashboards reference bench bench-drift bench-train bench-page chaos lock clean

help:
	@echo "make demo   the whole story on this machine: score, drift, alert, retrain, promote"
	@echo "make test   the test suite, against a real server"
	@echo "make test-mlflow  what MLflow itself reads in an export, in an environment of its own"
	@echo "make check  ruff, strict mypy, import-linter"
	@echo "make check-ops  the files for operators: containers, Kubernetes, Prometheus, Alertmanager, Grafana; minutes"
	@echo "make check-page  the live page in a real browser, with the rules of accessibility; minutes"
	@echo "make check-guides  the guides' and the tutorial's commands and programs, those in Node.js and Go too; minutes"
	@echo "make pictures  the pictures of the page in docs/pictures, taken of a running drift; six minutes"
	@echo "make bench  speed beside the limit and beside peers, with targets; ten minutes"
	@echo "make bench-drift  false alarms and delays of the drift engine beside peers; 40 minutes"
	@echo "make bench-train  the solver for many rows beside scikit-learn's, at equal tolerance; minutes"
	@echo "make bench-page  the live page's first paint and what it costs, at 100,000 records a second; two minutes"
	@echo "make chaos  attack a running pipeline and prove by id that nothing was lost or doubled; minutes"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamgauge needs Python 3.11 or newer; run make PYTHON=python3.x with one")'
	@[ ! -L $(VENV) ] || { echo "$(VENV) is a link: the environment behind it may be another's, and would be emptied; remove the link, and run make again" >&2; exit 1; }
	@echo "Setting up $(VENV): the locked packages, checked by hash (once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	@$(BIN)/streamgauge demo $(ARGS)

# A worker for each processor, four at most, takes file after file in the order of their names: bench and chaos, which
# take long, first. ARGS="-n 0" is one process. The processes that tests start keep compiled modules, many as they are.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# MLflow is no dependency of ours: its python is asked, and ours runs the tests.
$(MLFLOW_STAMP): $(MLFLOW)/requirements.txt
	@echo "Setting up $(MLFLOW)/.venv (once)"
	@$(PYTHON) -m venv --clear $(MLFLOW)/.venv
	@$(MLFLOW)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

test-mlflow: $(STAMP) $(MLFLOW_STAMP)
	MLFLOW_PYTHON=$(CURDIR)/$(MLFLOW)/.venv/bin/python $(BIN)/python -m pytest $(MLFLOW) $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tools are no dependencies of ours: they stand in an environment of their own, and ours runs the tests.
$(OPS)/.venv/.installed: $(OPS)/requirements.txt | $(STAMP)
	@echo "Setting up $(OPS)/.venv (once)"
	@$(BIN)/python -m venv --clear $(OPS)/.venv
	@$(OPS)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

$(OPS)/node_modules/.installed: $(OPS)/package.json
	@$(OPS)/install_programs.sh
	@echo "Setting up $(OPS)/node_modules (once)"
	@npm install --prefix $(OPS) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

check-ops: $(STAMP) $(if $(filter $(OPS)/.venv,$(OPS_VENV)),$(OPS)/.venv/.installed) $(OPS)/node_modules/.installed
	@$(OPS)/install_programs.sh
	OPS_VENV=$(OPS_VENV) $(BIN)/python -m pytest $(OPS) $(ARGS)

# Playwright stands in an environment of its own, and ours runs the tests; the browser is the distribution's.
$(PAGE)/.venv/.installed: $(PAGE)/requirements.txt | $(STAMP)
	@echo "Setting up $(PAGE)/.venv (once)"
	@$(BIN)/python -m venv --clear $(PAGE)/.venv
	@$(PAGE)/.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

$(PAGE)/node_modules/.installed: $(PAGE)/package.json
	@$(PAGE)/install_programs.sh
	@echo "Setting up $(PAGE)/node_modules (once)"
	@npm install --prefix $(PAGE) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

check-page: $(STAMP) $(PAGE)/.venv/.installed $(PAGE)/node_modules/.installed
	@$(PAGE)/install_programs.sh
	$(BIN)/python -m pytest $(PAGE) $(ARGS)

$(CLIENTS)/node_modules/.installed: $(CLIENTS)/package.json
	@$(CLIENTS)/install_programs.sh
	@echo "Setting up $(CLIENTS)/node_modules (once)"
	@npm install --prefix $(CLIENTS) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

check-guides: $(STAMP) $(CLIENTS)/node_modules/.installed
	@$(CLIENTS)/install_programs.sh go
	GUIDE_CLIENTS=required $(BIN)/python -m pytest tests/docs/test_guides.py tests/docs/test_guides_tutorial.py $(ARGS)

pictures: $(STAMP) $(PAGE)/.venv/.installed  ## after a change of the page that its readers should see
	@$(PAGE)/install_programs.sh
	@$(BIN)/python -m tests.page.pictures $(ARGS)

k8s-generated: $(STAMP)  ## after a change of the rule file of Prometheus or of the users of the ACL file
	@$(BIN)/python -m tests.ops.k8s.generated

dashboards: $(STAMP)  ## after a change of observability/grafana/source
	@$(BIN)/python -m observability.grafana.source

reference: $(STAMP)  ## after a change of a command, a setting, a metric or what is on the wire
	@$(BIN)/python -m docs.source

bench: $(STAMP)
	@$(BIN)/python -m bench $(ARGS)

bench-drift: $(STAMP)
	@$(BIN)/python -m bench.drift $(ARGS)

bench-train: $(STAMP)
	@$(BIN)/python -m bench.train $(ARGS)

bench-page: $(STAMP) $(PAGE)/.venv/.installed
	@$(PAGE)/install_programs.sh
	@$(BIN)/python -m bench.live_page $(ARGS)

chaos: $(STAMP)
	@$(BIN)/python -m bench.chaos $(ARGS)

lock:  ## needs uv on the PATH; names no index
	uv pip compile pyproject.toml --extra local --extra report --extra tracing --extra test --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements.lock
	uv pip compile pyproject.toml --constraint requirements.lock --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet -o requirements-runtime.lock

clean:
	rm -rf $(VENV) $(MLFLOW)/.venv $(OPS)/.venv $(OPS)/node_modules $(PAGE)/.venv $(PAGE)/node_modules $(PAGE)/out $(CLIENTS)/node_modules bench/peers/.venv .streamgauge bench/out build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
