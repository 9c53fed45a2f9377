# One command for everything that a change has to pass.
.PHONY: check format lint types test slow build notebooks docs release
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
	pytest -n auto --dist worksteal

slow:
	pytest -m slow

build:
	python -m build

# examples/*.ipynb with outputs from their sources; the data sets lie in the folder PNP_DATA
notebooks:
	python examples/build.py

docs:
	python -m sphinx -q -W docs docs/_build

# wheel and sdist in clean environments, outside the tree: an hour and 20 GB, see docs/releasing.md
release:
	python -m benchmarks.release --python python3.11 python3.12 python3.13
	python -m benchmarks.release --python python3.11 --lowest
	python -m benchmarks.release --python python3.12 --artefact sdist
