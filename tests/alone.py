"""A program in an interpreter of its own, for what is decided while Python starts: with or without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def printed(program: str, *arguments: str, **environment: str) -> str:
    """What ``program`` prints when it is run from the project's root; a warning or an error of it raises."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()
