# Two commands are enough: `make demo` and `make test`. Needs Python >= 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# OpenDP, DuckDB and NumPy each start as many threads as there are processors; the tests share them.
TEST := $(BIN)/python -m pytest --nbmake --nbmake-timeout=900 -n 2 --dist loadfile

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
	@echo "== September as k-anonymous classes"
	$(BIN)/anonkit release data/recipes/kontaktplus.yml --out build/demo/kontaktplus-2026-09
	$(BIN)/anonkit verify build/demo/kontaktplus-2026-09
	@echo "== October with noise: first what it costs, then the release"
	$(BIN)/anonkit simulate --operator kontaktplus --trips 60000 --persons 6000 --days 31 --start 2026-10-01 \
		--seed 20261001 --out build/demo/rides-2026-10.csv
	$(BIN)/anonkit dp plan data/recipes/kontaktplus_noisy.yml
	$(BIN)/anonkit release data/recipes/kontaktplus_noisy.yml --out build/demo/kontaktplus-noisy-2026-10
	@echo "== September with noise as well: refused, one guarantee for one month (exit code 3 is meant)"
	@sed -e 's#../../build/demo/rides-2026-10.csv#../../data/samples/kontaktplus/rides.csv#' -e 's#../areas#../../data/areas#' \
		-e 's/2026-10-01/2026-09-01/; s/2026-10-31/2026-09-30/; s/noisy-2026-10/noisy-2026-09/' \
		data/recipes/kontaktplus_noisy.yml > build/demo/same_month.yml
	@$(BIN)/anonkit release build/demo/same_month.yml --out build/demo/same-month --quiet; test $$? -eq 3
	@echo "== Scooters and ride-hail pooled; people on the lists, minors and missing consents kept out (a register of its own)"
	$(BIN)/anonkit release data/recipes/baku_pooled.yml --out build/demo/baku-pooled-2026-09 \
		--registry build/demo/pooled.registry --as-of 2026-10-15
	@echo "== BakiKart for sale: refused, with the clause (exit code 2 is meant)"
	@sed -e 's#\.\./#../../data/#g' -e 's/^use: .*/use: sell/; s/kind: internal/kind: contract/' data/recipes/bakikart.yml \
		> build/demo/bakikart_for_sale.yml
	@$(BIN)/anonkit release build/demo/bakikart_for_sale.yml --out build/demo/bakikart-for-sale --quiet; test $$? -eq 2
	@echo
	@echo "bundles to hand over: build/demo/kontaktplus-2026-09, build/demo/kontaktplus-noisy-2026-10, build/demo/baku-pooled-2026-09"
	@echo "report, stays inside: build/demo/kontaktplus-2026-09.inside/report.html"

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
