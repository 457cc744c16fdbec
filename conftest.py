"""Doctests of modules that need PyTorch are left out where it is not installed."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent
_IMPORT = re.compile(r"^(import|from) (torch\b|nas\.networks\b)", re.MULTILINE)

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore = [
        str(path.relative_to(ROOT))
        for folder in ("nas", "l2o")
        for path in (ROOT / folder).rglob("*.py")
        if "networks" in path.parts[-2:-1] or _IMPORT.search(path.read_text(encoding="utf-8"))
    ]
