"""scripts/ is no package; tests of the scripts, and what they share with them, import from it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))
