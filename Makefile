# What people and CI call. `make help` lists it.

CARGO ?= cargo
DATA ?= ./data

.PHONY: help run build check deny test test-long test-cluster bench needs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Build, and serve at http://localhost:4454 with the examples loaded
	./scripts/target flow8 serve --demo --data-dir $(DATA) --set egress.allow=127.0.0.0/8

build: ## Build the release binary
	$(CARGO) build --release -p flow8

check: deny ## Formatting, lints, and what our dependencies may be
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

deny: ## Hold our dependencies against deny.toml: licences, versions, sources, advisories
	./scripts/deny

test: needs check ## Every test but the long suites
	$(CARGO) test --workspace

test-long: needs ## The long suites: more seeds of the simulation, the power cut and the crash test, hostile input
	./scripts/test-long

test-cluster: needs ## Three replicas on three database servers, and whatever may fail of them; FLOW8_SEEDS=n for more
	FLOW8_SEEDS=$${FLOW8_SEEDS:-50} $(CARGO) test -p flow8 --test cluster -- --nocapture

bench: ## The benchmark table, each row beside a reference of the same run
	$(CARGO) build --release -p flow8 -p flow8-bench
	./scripts/target flow8-bench --flow8 "$$(./scripts/target --path flow8)"

needs: ## Install what the tests need
	@./scripts/needs

clean: ## Remove what was built
	$(CARGO) clean
