"""What all tests share: where scripts are found, and how Hypothesis chooses its examples.

The suite has the same examples each time, so that a change is judged by what it changes.
``pytest --hypothesis-profile explore`` draws new ones, ten times as many.
"""

import sys
from pathlib import Path

from hypothesis import settings

# scripts/ is no package; tests of the scripts, and what they share with them, import from it.
sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

settings.register_profile("suite", derandomize=True)
settings.register_profile("explore", max_examples=1000)
settings.load_profile("suite")
