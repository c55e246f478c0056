# Two commands are enough: `make demo` and `make test`. Needs Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# OpenDP, DuckDB and NumPy each start as many threads as there are processors; the tests share them.
TEST := $(BIN)/python -m pytest --nbmake --nbmake-timeout=300 -n 2 --dist loadfile

.PHONY: venv demo test test-all lint format lock lab benchmarks clean

venv: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $@

demo: venv
	@rm -rf build/demo && mkdir -p build/demo
	$(BIN)/anonkit release data/recipes/kontaktplus.yml --out build/demo/kontaktplus-2026-09
	$(BIN)/anonkit verify build/demo/kontaktplus-2026-09
	@echo
	@echo "bundle to hand over:  build/demo/kontaktplus-2026-09"
	@echo "report, stays inside: build/demo/kontaktplus-2026-09.inside"

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(TEST) -m "not slow"

test-all: lint
	$(TEST)

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: venv
	$(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --extra release --extra notebooks \
		--extra dev --no-header --no-annotate --no-emit-index-url --upgrade -o requirements.lock

lab: venv
	$(BIN)/jupyter lab notebooks

benchmarks: venv
	for table in benchmarks/*.py; do $(BIN)/python $$table; done

clean:
	rm -rf build .venv
