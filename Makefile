# Deux commandes suffisent sur une machine neuve : « make demo » et « make test ».
# Il faut make et un Python 3.11 ou plus récent avec pip ; rien n'est installé hors de .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complet
KNOWN_PYTHONS := 3.11 3.12 3.13 3.14 3.15
ARGS ?=
# Tests that start and kill real processes, or race many clients, run alone afterwards.
JOBS ?= 2

VERSION_OF = -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null

# An interpreter asked by name replaces an environment made with another one.
ifneq ($(origin PYTHON),file)
ifneq ($(shell $(PYTHON) $(VERSION_OF)),$(shell $(BIN)/python $(VERSION_OF)))
OTHER_PYTHON := other-python
endif
endif

.DEFAULT_GOAL := help
.PHONY: help install demo serve test test-pythons pytest check format bench bench-audit lock other-python

help: ## Affiche cette aide
	@echo "Utilisation : make CIBLE [PYTHON=python3.12] [ARGS=…]"
	@echo
	@awk -F ' ?## ' '/^[a-z-]+:.*## / { sub(/:.*/, "", $$1); printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Prépare l'environnement .venv, et rien d'autre
	@echo "L'environnement $(VENV) est prêt."

# The stamp is written last: an environment left half made by an interruption is made again.
$(STAMP): requirements-dev.lock pyproject.toml $(OTHER_PYTHON)
	@$(PYTHON) -c '' 2>/dev/null || { echo "L'interpréteur « $(PYTHON) » est introuvable : indiquez-en un autre par « make PYTHON=… »." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Il faut Python 3.11 ou plus récent ; « $(PYTHON) » est un Python $$($(PYTHON) $(VERSION_OF)) : indiquez-en un autre par « make PYTHON=… »." >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || { echo "Le module pip manque à « $(PYTHON) » : installez-le, ou indiquez un autre interpréteur par « make PYTHON=… »." >&2; exit 1; }
	@echo "Préparation de l'environnement $(VENV) (moins d'une minute)…"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --disable-pip-version-check --python $(BIN)/python install --quiet --require-hashes -r requirements-dev.lock
	@$(PYTHON) -m pip --disable-pip-version-check --python $(BIN)/python install --quiet --no-deps --no-build-isolation -e .
	@touch $(STAMP)

other-python:

demo: $(STAMP) ## Joue la démonstration : registre, commandes, refus, échéancier
	@$(BIN)/sons-tracker demo $(ARGS)

serve: $(STAMP) ## Lance le serveur sur http://127.0.0.1:8000
	@$(BIN)/sons-tracker serve $(ARGS)

test: $(STAMP) ## Passe les tests (ARGS="-k mot" en choisit ; JOBS=4 sur quatre processus)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not processes" $(ARGS); together=$$?; \
	$(BIN)/python -m pytest -m processes $(ARGS); alone=$$?; \
	status=0; \
	for code in $$together $$alone; do case $$code in 0|5) ;; *) status=$$code ;; esac; done; \
	if [ $$together = 5 ] && [ $$alone = 5 ]; then status=5; fi; \
	ran=$$($(BIN)/python $(VERSION_OF)); \
	for version in $(KNOWN_PYTHONS); do \
	  if [ "$$version" = "$$ran" ]; then echo "Python $$version : exécuté"; \
	  elif python$$version -c '' 2>/dev/null; then echo "Python $$version : présent, non exécuté (make test-pythons)"; \
	  else echo "Python $$version : absent, non exécuté"; fi; \
	done; exit $$status

pytest: $(STAMP)
	@$(BIN)/python -m pytest $(ARGS)

test-pythons: ## Passe les tests sur chaque Python trouvé, chacun dans son environnement
	@status=0; \
	for version in $(KNOWN_PYTHONS); do \
	  if python$$version -c '' 2>/dev/null; then \
	    echo "Python $$version"; \
	    $(MAKE) --no-print-directory pytest VENV=.venv-$$version PYTHON=python$$version || status=1; \
	  else echo "Python $$version : absent, non exécuté"; fi; \
	done; exit $$status

# Silent when it passes: it warns of each line of a text whose exception stands at its end.
BANDIT = $(BIN)/bandit --quiet --configfile pyproject.toml --recursive sons_tracker migrations
check: $(STAMP) ## Vérifie le style, les types, les frontières entre modules et le droit
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BANDIT) 2>/dev/null || $(BANDIT)
	@$(BIN)/sons-tracker law check

format: $(STAMP) ## Met le code en forme
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: $(STAMP) ## Mesure les dépôts et l'import à côté de PostgreSQL seul
	@for bench in tests/bench/bench_*.py; do \
	  module=$$(echo "$${bench%.py}" | tr / .); $(BIN)/python -m "$$module" $(ARGS) || exit 1; \
	done

bench-audit: $(STAMP) ## Mesure l'audit national, de 10 000 à 1 000 000 d'ESSMS financés
	@$(BIN)/python -m tests.bench.bench_audit $(ARGS)

# No address of an index may stay in a lock: see tests/test_house.py.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
lock: ## Recalcule les versions verrouillées (demande l'outil uv)
	@command -v uv >/dev/null || { echo "L'outil uv manque : voir https://docs.astral.sh/uv/." >&2; exit 1; }
	@$(LOCK) pyproject.toml --output-file requirements.lock
	@$(LOCK) pyproject.toml --group dev --output-file requirements-dev.lock
