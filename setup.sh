#!/bin/sh
# Make .venv with everything torch2hw needs, compile an example and check it in simulation.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3.11}
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
    echo "setup.sh: needs Python 3.11 ($python is not it); name yours with PYTHON=/path/to/python3.11" >&2
    exit 2
fi
if ! command -v g++ >/dev/null; then
    echo "setup.sh: needs a C++ compiler for simulation: apt install g++" >&2
    exit 2
fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "setup.sh: installs packages into .venv: some 7 GB, minutes"
.venv/bin/pip install --quiet --upgrade pip==26.3
.venv/bin/pip install --quiet --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
.venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null || true # on all cores; some packages hold templates of Python
.venv/bin/torch2hw examples/ffnn.py -o ffnn.sv
.venv/bin/torch2hw simulate examples/ffnn.py
