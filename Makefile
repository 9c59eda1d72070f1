# One command to hold everything: `make check`. CI runs the same steps (.ci/run).
.PHONY: check style types test coverage worlds days trading-days soak-sim kill-loop live reference

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

# Kept days: 24 virtual hours of one instrument each, with store, repair, restarts and crashes. CI runs as many.
days:
	uv run python -m tapeline.sim.kept.soak --days 2000

# Trading days: 25 virtual minutes of orders each, against a paper exchange, with faults, crashes and an end. CI runs as many.
trading-days:
	uv run python -m tapeline.sim.trading.soak --days 2000

# 100,000 kept days, for a night or two: goes on where it was stopped. Another range: make soak-sim SEEDS="--first 5 --last 9"
SEEDS ?= --days 100000
soak-sim:
	uv run python -m tapeline.sim.kept.soak $(SEEDS) --progress soak-sim.progress

# A real process on a real store, killed two hundred times at each venue; half an hour.
kill-loop:
	TAPELINE_KILLS=200 uv run pytest -q tests/sockets/test_kill_loop.py

# Real venues, read-only, a minute each; needs the internet.
live:
	uv run pytest -q -m live

# The generated pages of docs/reference.
reference:
	uv run python -m tapeline.surfaces.reference
