# The ways in. Everything that a verb needs, it sets up by itself; a second call is quick.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3 || echo python3)
BOOTSTRAP = @$(PYTHON) -m supportdesk.bootstrap
ARGS ?=

.PHONY: help run setup test test-postgresql test-llama soak lint bench figures lock widget messages clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: ## set up what is missing and start the desk (HOST=, PORT=, SUPPORTDESK_MODEL=)
	$(BOOTSTRAP) run $(ARGS)

setup: ## set up what is missing, start nothing
	$(BOOTSTRAP) setup $(ARGS)

test: ## set up what is missing and run every test (ARGS="-k name")
	$(BOOTSTRAP) test $(ARGS)

test-postgresql: ## the tests of conversations and knowledge on a real PostgreSQL (ARGS="-k name")
	$(BOOTSTRAP) test-postgresql $(ARGS)

test-llama: ## the pool of engines over llama.cpp's server and llama-cpp-python's, built first (minutes)
	$(BOOTSTRAP) test-llama $(ARGS)

soak: ## the long tests: flat memory over 10,000 requests, faults with real waits (SOAK_MINUTES=60)
	$(BOOTSTRAP) soak $(ARGS)

lint: ## ruff, mypy, import contracts, templates, migrations, widget
	$(BOOTSTRAP) lint

bench: ## time the desk; ARGS=--rivals gets llama-server and torch to compare with; JSON in benchmarks/out/
	$(BOOTSTRAP) bench $(ARGS)

figures: ## write the last benchmark's tables and picture into the READMEs
	$(BOOTSTRAP) figures $(ARGS)

lock: ## resolve pyproject.toml anew into requirements/
	$(BOOTSTRAP) python -c "pass"
	.venv/bin/uv pip compile -q pyproject.toml --python-version 3.11 --universal --generate-hashes --no-annotate --no-header -o requirements/run.txt
	.venv/bin/uv pip compile -q pyproject.toml --group test --python-version 3.11 --universal --generate-hashes --no-annotate --no-header -o requirements/test.txt

widget: ## build the chat widget from its sources (needs Node)
	cd widget && npm ci && npm run build

messages: ## collect the strings to translate and compile the catalogues (needs gettext)
	.venv/bin/python manage.py makemessages -l zh_Hans --no-location --no-obsolete -i .venv -i node_modules -i var
	.venv/bin/python manage.py compilemessages --ignore '.venv/*'

clean: ## remove the virtual environment (data in var/ and weights stay)
	rm -rf .venv
