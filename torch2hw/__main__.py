"""`python -m torch2hw`."""

import sys

from torch2hw.cli import main

sys.exit(main())
