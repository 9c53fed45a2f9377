# One command for everything that a change has to pass.
.PHONY: check format lint types test slow build notebooks docs
check: lint types test

format:
	ruff format .
	ruff check --fix .

lint:
	ruff format --check .
	ruff check .

types:
	pyright

test:
	pytest

slow:
	pytest -m slow

build:
	python -m pip wheel --no-deps -w dist .

# examples/*.ipynb with outputs from their sources; the data sets lie in the folder PNP_DATA
notebooks:
	python examples/build.py

docs:
	python -m sphinx -q -W docs docs/_build
