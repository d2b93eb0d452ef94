# SPDX-License-Identifier: BSD-3-Clause
"""How Sphinx makes the manual: "make docs"."""

import __future__

import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(TOP)]


def load_stub(name: str, path: Path) -> None:
    """Imports a stub file: what the extension's types do is documented there."""
    module = types.ModuleType(name)
    module.__file__ = str(path)
    code = compile(
        path.read_text(encoding="utf-8"),
        str(path),
        "exec",
        flags=__future__.annotations.compiler_flag,
    )
    exec(code, module.__dict__)
    for constant in module.__annotations__:
        setattr(module, constant, None)
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == name:
            value.__module__ = name.partition(".")[0]
    sys.modules[name] = module


load_stub("pyfusd._core", TOP / "pyfusd" / "_core.pyi")

project = "FUSD"
author = "the FUSD authors"
copyright = "the FUSD authors"
release = next(
    line.split('"')[1]
    for line in (TOP / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    if line.startswith("version = ")
)
version = release

extensions = [
    "contents",
    "hawkmoth",
    "header_comments",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
]
# README.md is the start page where the repository is read, index.md that of the site.
exclude_patterns = ["_build", "man", "README.md"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# A prompt is not copied, nor is what a command prints.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

# In the C reference: comments become reST in _ext/header_comments.py.
hawkmoth_root = str(TOP / "include")
hawkmoth_compiler = "cc"
hawkmoth_clang = [f"-I{TOP / 'include'}", "-D_GNU_SOURCE"]
hawkmoth_transform_default = "header"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"

# Types of libc, of Python's library, and of the protocol, which have no entry here.
nitpick_ignore_regex = [
    ("c:identifier", r"__u32|u?int\d+_t|s?size_t|loff_t|mode_t|[pgu]id_t|fd_set"),
    ("c:identifier", r"fusd_msg_t"),
    ("py:class", r"(?!pyfusd).*|pyfusd\.\w+\.(Self|Method)"),
]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["manual.css"]
html_title = f"FUSD {release}"
# The theme's own has underlined names, which look like links.
pygments_dark_style = "a11y-dark"
# The package's modules are on one page.
html_domain_indices = False
html_show_sphinx = False
