"""Pages that stand alone: one file, no network, and nothing in them runs but our own script."""

from __future__ import annotations

import base64
import functools
import hashlib
from pathlib import Path
from typing import Any, Final

from automl_zero.evolution.runs import write_atomically

_TEMPLATES: Final = Path(__file__).parent / "templates"


def rendered(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """A template with its values; every text among them is escaped.

    The page's policy lets browsers run only the script whose digest it names, and load nothing.

    Args:
        template: Name of the file.
        folder: Where it lies, if not among the templates here, which it may extend.
        **values: By name.

    Raises:
        ImportError: Without Jinja.
    """
    style, script = (
        (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    markup = _markup()
    return str(
        _environment(folder)
        .get_template(template)
        .render(**values, style=markup(style), script=markup(script), script_digest=digest)
    )


def markup(text: str) -> Any:
    """Text that is HTML of our own, not to be escaped."""
    return _markup()(text)


def write_page(path: str | Path, text: str) -> Path:
    """Write a page as a whole or not at all.

    Raises:
        RunWriteError: If it cannot be written.
    """
    # Half a surrogate pair, from a file name that is no UTF-8, cannot be written.
    write_atomically(path, text.encode("utf-8", "replace"), durable=False)
    return Path(path)


@functools.cache
def _environment(folder: Path | None) -> Any:
    jinja2 = _jinja()
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([_TEMPLATES, *([folder] if folder else [])]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _jinja() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            "reports need Jinja, the extra 'report': pip install 'automl-zero[report]'"
        ) from error
    return jinja2


def _markup() -> Any:
    _jinja()
    from markupsafe import Markup

    return Markup
