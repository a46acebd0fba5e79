# `make lab` and `make test` set up all they need in .venv; only Python 3.10 or later and make are assumed, and for the
# tests Firefox and PulseAudio (Debian's firefox-esr and pulseaudio).
PYTHON ?= python3
BIN := .venv/bin
NODE := node_modules/.installed

# What numpy and the runtimes of networks can break.
NUMERIC := $(addprefix tests/,test_spectral.py test_asymmetric.py test_masks.py test_mixer.py test_model.py \
	test_separator.py networks live pictures research/test_metrics.py research/test_evaluation.py)

.PHONY: lab test test-browser test-rest test-numpy2 test-numpy2-numeric check soak bench forge forge-smoke clean

lab: .venv/lab
	$(BIN)/stemlab lab notebooks

# Two suites at once: what needs a browser waits for sound most of the time. The other's output comes when it is done.
test: .venv/dev $(NODE)
	$(BIN)/python -m tests.browser.chromium
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-browser test-rest

test-browser test-rest: .venv/dev $(NODE)
test-browser:
	@$(BIN)/python -m pytest tests/browser --durations=10
test-rest:
	@mkdir -p .cache
	@$(BIN)/python -m pytest --ignore=tests/browser --durations=10 >.cache/test-rest.log 2>&1; \
	code=$$?; cat .cache/test-rest.log; exit $$code

# The tests outside the browser on numpy 2 and without tflite-runtime, as Python 3.12 and later have it. CI runs the
# second: what the other environment has shown already is not shown again, and TensorFlow is not installed twice.
test-numpy2: .venv-numpy2/dev
	.venv-numpy2/bin/python -m pytest --ignore=tests/browser --durations=10

test-numpy2-numeric: .venv-numpy2/numeric
	.venv-numpy2/bin/python -m pytest $(NUMERIC) -m 'not soak and not forge' --durations=10

check: .venv/dev $(NODE)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	npm run --silent check

# Hours: memory over two hours of sound, ten minutes of playing, seven half hours live. Wants an idle machine.
# STEMLAB_SOAK_MINUTES=2 makes the half hours shorter.
soak: .venv/dev
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest -m soak -o timeout=3600 -s

# Speed beside Spleeter's own graph; faders, first sounds and live in a browser. Wants an idle machine.
bench: .venv/dev
	$(BIN)/python tests/benchmarks/speed.py
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python tests/benchmarks/player.py
	$(BIN)/python tests/benchmarks/sliders.py
	$(BIN)/python tests/benchmarks/stretch.py
	$(BIN)/python tests/benchmarks/latency.py

# Music, training and export of the four-stem models: hours, and tens of gigabytes.
# DATA is the folder of recordings that models/README.md tells of.
forge: .venv/dev
	@test -d "$(DATA)" || { echo 'make forge DATA=FOLDER; models/README.md tells what is in it'; false; }
	$(BIN)/python models/forge/music/gather.py --data "$(DATA)" .cache/pool .cache/validation
	$(BIN)/python models/forge/four_stems/spleeter_encoders.py .cache/encoders.npz
	$(BIN)/python models/forge/four_stems/train.py .cache/pool .cache/run --encoders .cache/encoders.npz
	$(BIN)/python models/forge/stemlab_4.py "$$(ls .cache/run/weights-*.npz | tail -1)" "$(DATA)" .cache/pool .cache/validation
	$(BIN)/python models/forge/four_stems/train.py .cache/pool .cache/live-100 --live stemlab-4-live-100
	$(BIN)/python models/forge/stemlab_4_live.py stemlab-4-live-100 "$$(ls .cache/live-100/weights-*.npz | tail -1)" .cache/validation
	$(BIN)/python models/forge/four_stems/shrink.py stemlab-4-live-100 stemlab-4-live .cache/pool "$$(ls .cache/live-100/weights-*.npz | tail -1)" .cache/shrunk.npz
	$(BIN)/python models/forge/four_stems/train.py .cache/pool .cache/live --start .cache/shrunk.npz --teacher "$$(ls .cache/live-100/weights-*.npz | tail -1)"
	$(BIN)/python models/forge/stemlab_4_live.py stemlab-4-live "$$(ls .cache/live/weights-*.npz | tail -1)" .cache/validation

# A minute of training on the demo song, and the export.
forge-smoke: .venv/dev
	$(BIN)/python -m pytest tests/forge/test_four_stems.py

.venv/lab: pyproject.toml
	$(call install,lab,research)

.venv/dev: pyproject.toml
	$(call install,lab,forge,cluster,dev)

.venv-numpy2/dev: pyproject.toml
	$(call install-numpy2,lab$(comma)forge$(comma)cluster$(comma)dev)

.venv-numpy2/numeric: pyproject.toml
	$(call install-numpy2,lab$(comma)dev)

# One virtual environment; each set of extras leaves a mark that it is there.
define install
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "stemlab needs Python 3.10 or later; say make PYTHON=python3.11")'
@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
$(BIN)/python -m pip install --quiet --editable '.[$(1)$(if $(2),$(comma)$(2))$(if $(3),$(comma)$(3))$(if $(4),$(comma)$(4))]'
@touch $@
endef
define install-numpy2
@.venv-numpy2/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv-numpy2
.venv-numpy2/bin/python -m pip install --quiet --editable '.[$(1)]'
.venv-numpy2/bin/python -m pip uninstall --quiet --yes tflite-runtime
.venv-numpy2/bin/python -m pip install --quiet --upgrade 'numpy>=2' 'pyarrow>=26'
@touch $@
endef
comma := ,

$(NODE): package.json package-lock.json
	npm ci --silent --no-audit --no-fund
	@touch $@

clean:
	rm -rf .venv .venv-numpy2 node_modules .cache
