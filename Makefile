# One command to hold everything: `make check`. CI runs the same steps (.ci/run).
.PHONY: check style types test coverage worlds live reference

check: style types coverage

style:
	uv run ruff check .
	uv run ruff format --check .

types:
	uv run mypy

test:
	uv run pytest -q

# Branch coverage of the whole, and of each module by its own test file.
coverage:
	uv run coverage erase
	uv run coverage run -m pytest -q -m "not worlds"
	uv run coverage combine -q
	uv run coverage report
	uv run python tests/own_coverage.py

worlds:
	uv run pytest -q -m worlds

# Real venues, read-only, a minute each; needs the internet.
live:
	uv run pytest -q -m live

# The generated pages of docs/reference.
reference:
	uv run python -m tapeline.surfaces.reference
