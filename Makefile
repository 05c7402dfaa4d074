# Two commands matter: `make book` writes the book, `make test` checks it. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
# TORCH_INDEX: an extra package index for torch, for instance one that serves CPU-only builds.
TORCH_INDEX ?=
PIP_INSTALL_ARGS ?=
# WORKERS: how many notebooks, and how many test processes, run at once.
WORKERS ?= 2
# CHAPTER: one page instead of the book, for instance `make book CHAPTER=decay`.
CHAPTER ?=
# A course: its folder; what was handed in (a folder or a zip file); one student's id; AGAIN=1 marks anew what is unchanged.
COURSE ?= course
SUBMISSIONS ?=
STUDENT ?=
AGAIN ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests wait for browsers and kernels now and then: with one more of them than cores, no core does.
TESTERS := $(shell expr $(WORKERS) + 1)
HTML := _build/html
# One thread a process: these networks are too small to share, and two pools of threads fight each other.
export OMP_NUM_THREADS ?= 1
export WORKERS
# Stacks of runs need the same few large blocks at every step. Left to itself, glibc hands them back to the system each
# time and pays for every page anew; with these it keeps them. Other systems ignore both.
export MALLOC_TRIM_THRESHOLD_ ?= 1000000000
export MALLOC_MMAP_THRESHOLD_ ?= 1000000000

.PHONY: help venv executed book serve lab assignments grade formgrader browser test test-code test-notebooks test-quick nbval bench lint format clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make book    execute the notebooks and build the book (what has not changed is not run again)"
	@echo "             make book CHAPTER=decay builds one page"
	@echo "make executed  execute the notebooks and write nothing"
	@echo "make test    unit tests, doctests, browser tests, every notebook (what the build has executed is compared)"
	@echo "make test-quick  what takes a minute: no browser, no notebooks, nothing slow"
	@echo "make nbval   execute every notebook once more and compare what it prints"
	@echo "make serve   build the book and serve it at port $(PORT)"
	@echo "make lab     open the notebooks in JupyterLab"
	@echo "make assignments  write what students get into course/release (COURSE=DIR for another course)"
	@echo "make grade SUBMISSIONS=DIR  marks, feedback and a summary; STUDENT=id for one student, AGAIN=1 to mark anew"
	@echo "make formgrader  open the course in JupyterLab, to mark by hand"
	@echo "make bench   measure the engines side by side (JAX among them), sweeps against plain training, the labs, and range tests"
	@echo "make lint    formatting, lint, types, stray notebook outputs"
	@echo "make format  put the sources and the notebooks in order"
	@echo "make clean   remove what was built (make distclean: the virtual environment too)"

venv: $(STAMP)

# The pip that old Pythons bring takes twice as long, and would compile all modules one after the other. What a package's
# own tests hold is not needed; a few files are templates and no Python, which is no failure.
$(STAMP): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off $(PIP_INSTALL_ARGS) 'pip>=26' || true
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-compile \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(PIP_INSTALL_ARGS) -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps -e .
	@$(BIN)/python -m compileall -qq -j 0 -x 'site-packages/.*/tests?/' $(VENV)/lib || true
	@touch $@

# The notebooks alone: the book is then written from what they came to.
executed: $(STAMP)
	@$(BIN)/python extensions/execution_cache.py

NOTEBOOKS = find chapters -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*'
PAGE = $(basename $(firstword $(shell find chapters -name '$(CHAPTER).ipynb' -o -name '$(CHAPTER).md')))
ONE := _build/$(CHAPTER)

# After a build that failed or was stopped the parsed pages are dropped: kept, they would let the next one pass in silence.
ifeq ($(CHAPTER),)
book: $(STAMP)
	@test -e _build/.complete || rm -rf _build/.doctrees
	@rm -f _build/.complete
	@$(BIN)/jupyter-book build -W -n --keep-going .
	@touch _build/.complete
	@echo "The book is at file://$(abspath $(HTML))/index.html"
else
book: $(STAMP)
	@test -n "$(PAGE)" || { echo "there is no chapter named $(CHAPTER)"; exit 1; }
	@! grep -qs '{glue' $(PAGE).md || { echo "$(CHAPTER) gathers what other pages computed: make book"; exit 1; }
	@rm -rf $(ONE) && mkdir -p $(ONE)
	@printf 'format: jb-book\nroot: %s\nchapters: [file: chapters/appendix/bibliography]\n' $(PAGE) > $(ONE)/_toc.yml
	@$(BIN)/jupyter-book build -W -n --keep-going --toc $(ONE)/_toc.yml --path-output $(ONE) .
	@echo "The page is at file://$(abspath $(ONE))/_build/html/$(PAGE).html"
endif

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(HTML) $(PORT)

lab: $(STAMP)
	$(BIN)/jupyter lab chapters

assignments: $(STAMP)
	@$(BIN)/python -m lrlib.grading release --course "$(COURSE)"

# 1 says that something needs a look, which is no failure of make.
grade: $(STAMP)
	@$(BIN)/python -m lrlib.grading grade $(if $(SUBMISSIONS),"$(SUBMISSIONS)") --course "$(COURSE)" --workers $(WORKERS) \
		$(if $(STUDENT),--student "$(STUDENT)") $(if $(AGAIN),--again) || test $$? = 1

# From within the course folder, where nbgrader's configuration lies.
formgrader: $(STAMP)
	@test -e "$(COURSE)/nbgrader_config.py" || { echo "there is no course in $(COURSE): make assignments"; exit 1; }
	cd "$(COURSE)" && "$(abspath $(BIN))/jupyter" lab

# The labs are tested in a browser: one that is there, else Playwright's own, else, for root, Debian's package. Without
# a window Chromium takes a third of the time.
browser: $(STAMP)
	@for name in chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable chrome; do \
		if command -v $$name >/dev/null; then exit 0; fi; \
	done; \
	if timeout 300 $(BIN)/python -m playwright install --only-shell chromium >/dev/null 2>&1; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && \
		{ apt-get install -y -qq chromium-headless-shell || apt-get install -y -qq chromium; } >/dev/null; \
	fi || true

# FIRST: what must be there before the code is tested, for instance `make -j2 test FIRST=book`.
test: test-code test-notebooks

# worksteal: a module's tests share what they build, so they stay in one process until the other has nothing left to do.
test-code: $(FIRST) browser
	$(BIN)/python -m pytest -q -n $(TESTERS) --dist worksteal tests lrlib

# Notebooks that the build has executed as they are now are not executed again: their outputs are compared.
test-notebooks: $(STAMP)
	$(BIN)/python -m pytest -q -n auto --dist loadscope -p tests.executed_notebooks --nbval-lax chapters

test-quick: $(STAMP)
	$(BIN)/python -m pytest -q -x -n $(WORKERS) -m "not browser and not slow" tests lrlib

nbval: $(STAMP)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope --nbval-lax chapters

bench: $(STAMP)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmarks

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p lrlib
	@$(NOTEBOOKS) -exec $(BIN)/nbstripout --keep-id --keep-count --verify {} +

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	@$(NOTEBOOKS) -exec $(BIN)/nbstripout --keep-id --keep-count {} +

clean:
	rm -rf _build .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -path ./$(VENV) -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .venv-jax .venv-finders .venv-frameworks
