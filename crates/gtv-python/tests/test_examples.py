"""Every example runs, at a small size; the docstrings' examples are checked with the types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent


@pytest.mark.parametrize("example", sorted((FOLDER / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run(example, tmp_path):
    environment = {**os.environ, "GTV_SMALL": "1", "GTV_REPOSITORY": str(FOLDER.parents[1])}
    done = subprocess.run([sys.executable, str(example)], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    if "is not installed" in done.stdout:
        pytest.skip(done.stdout.strip())
