# Each target installs what it needs. The only requirement is Python 3.11 or newer.
PYTHON ?= python3
PORT ?= 8080
BACKEND_PORT ?= 9090
DATA_DIR ?= .demo
IMAGES ?=

VENV := .venv
STUDIO := .venv-label-studio
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --disable-pip-version-check

.PHONY: demo up test test-units test-e2e-loop test-e2e-others test-fast test-fast-backend test-fast-others lint bench docs setup clean

demo: $(VENV)/.product $(STUDIO)/.ready
	@$(BIN)/galaxyloop demo $(if $(IMAGES),--images "$(IMAGES)") --data-dir "$(DATA_DIR)" --port $(PORT) --backend-port $(BACKEND_PORT)

# Run Label Studio and galaxyloop as services in containers (docs/deploy.md).
up:
	@sh deploy/secrets.sh
	docker compose up --build --detach --wait

# Three processes with one computing thread each, because the tests with a real Label Studio mostly wait for it. The output of
# two of them is printed at their end. PYTEST="tests/sync -k sky" runs pytest with these arguments, in one process.
test: $(VENV)/.developer $(STUDIO)/.ready .venv-label-studio-ml/.ready
ifdef PYTEST
	$(BIN)/python -m pytest $(PYTEST)
else
	@$(MAKE) --no-print-directory --jobs=3 test-units test-e2e-loop test-e2e-others
endif

test-units:
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --ignore=tests/e2e

test-e2e-loop:
	$(call end_to_end,tests/e2e/loop)

test-e2e-others:
	$(call end_to_end,tests/e2e --ignore=tests/e2e/loop)

# The quick part of the tests in two processes of about the same time: no PostgreSQL, Redis, Ray, S3, browser or Label Studio, no
# test that computes for long, and 15 examples per property instead of 100.
FAST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q --hypothesis-profile=fast \
	-m "not (slow or services)"
MODELS := $(addprefix tests/backend/,lvm measurement scenes)

test-fast: $(VENV)/.developer
	@$(MAKE) --no-print-directory --jobs=2 test-fast-backend test-fast-others

test-fast-backend:
	@$(FAST) tests/backend $(addprefix --ignore=,$(MODELS))

test-fast-others:
	@mkdir -p .cache
	@$(FAST) $(filter-out tests/backend/ tests/e2e/ tests/data/ tests/__pycache__/,$(wildcard tests/*/ tests/test_*.py)) $(MODELS) \
		-o cache_dir=.cache/pytest-fast > .cache/tests-fast.log 2>&1; status=$$?; cat .cache/tests-fast.log; exit $$status

# Build the documentation into site/; a broken link is an error.
docs: $(VENV)/.developer
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --site-dir site

lint: $(VENV)/.developer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry galaxyloop backend sync labeling_configs
	$(BIN)/deptry tests benchmarks --exclude '^$$' --ignore DEP002,DEP004

bench: $(VENV)/.developer $(STUDIO)/.ready
	$(BIN)/python -m benchmarks.loop.run

setup: $(VENV)/.developer $(STUDIO)/.ready .venv-label-studio-ml/.ready

clean:
	rm -rf $(VENV) $(STUDIO) .venv-label-studio-ml .demo .cache

define end_to_end
	@mkdir -p .cache
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest $(1) -o cache_dir=.cache/pytest-$@ \
		> .cache/$@.log 2>&1; status=$$?; cat .cache/$@.log; exit $$status
endef

define new_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "galaxyloop needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); try: make PYTHON=python3.11" >&2; exit 1; }
	@test -x $(1)/bin/python || $(PYTHON) -m venv $(1) || { echo "$(PYTHON) cannot create a virtual environment: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
endef

no_network = { echo "pip could not install $(1): see its message above; it needs network access and a few GB of disk space" >&2; exit 1; }

$(VENV)/.product: pyproject.toml constraints.txt
	$(call new_venv,$(VENV))
	@echo "installing galaxyloop into $(VENV): 7 GB of disk, a few minutes the first time"
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[export,import]' || $(call no_network,galaxyloop)
	@touch $@

$(VENV)/.developer: $(VENV)/.product
	@echo "installing the developer tools into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) -c constraints.txt -e '.[dev]' || $(call no_network,the developer tools)
	@touch $@

$(STUDIO)/.ready: constraints-label-studio.txt
	$(call new_venv,$(STUDIO))
	@echo "installing Label Studio into $(STUDIO): 1 GB of disk, a few minutes the first time"
	@$(STUDIO)/bin/python $(PIP_INSTALL) -c constraints-label-studio.txt label-studio || $(call no_network,Label Studio)
	@touch $@

# label-studio-ml 1.0.9 pins a Flask of 2021, so it has an environment of its own. A .pth file adds the product's packages to it,
# after its own.
.venv-label-studio-ml/.ready: constraints-label-studio-ml.txt $(VENV)/.product
	$(call new_venv,.venv-label-studio-ml)
	@echo "installing label-studio-ml into .venv-label-studio-ml"
	@.venv-label-studio-ml/bin/python $(PIP_INSTALL) -r constraints-label-studio-ml.txt || $(call no_network,label-studio-ml)
	@$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' > $$(.venv-label-studio-ml/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/product.pth
	@touch $@
