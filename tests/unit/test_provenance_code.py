"""The code digest: each rule on a package of a few lines, changed in one place."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from orrery.config.errors import OrreryError
from orrery.provenance.code import CodeIndex, difference

ENTRY = "pack.analysis:analyse"

PACKAGE = {
    "pack/__init__.py": "",
    "pack/numerics/__init__.py": "",
    "pack/numerics/gram.py": """
        SCALE = 2.0
        UNUSED = 7

        def gram(block):
            return SCALE * block

        def unused(block):
            return UNUSED
        """,
    "pack/base.py": """
        class Base:
            rank = 3

            def size(self):
                return self.rank
        """,
    "pack/style.py": """
        COLOUR = "red"
        """,
    "pack/analysis.py": '''
        """Docstring of the module."""
        from pack.base import Base
        from pack.numerics.gram import gram
        from pack import style

        RANKS = (1, 2)

        class Settings(Base):
            """Docstring of the class."""
            field: int = 3

            def width(self):
                """Docstring of the method."""
                return 1

        def analyse(source, settings=RANKS):
            """Docstring of the function."""
            # A comment.
            number = Settings()
            return gram(source) + number.width()

        def plot(source):
            return style.COLOUR
        ''',
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def writer(files: dict[str, str]) -> Path:
        for name, content in files.items():
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        return tmp_path / "src"

    return writer


Write = Callable[[dict[str, str]], Path]


def closure_of(root: Path, *entries: str | Path, **roots: Path):  # type: ignore[no-untyped-def]
    return CodeIndex({"pack": root / "pack", **roots}).closure(entries or (ENTRY,))


def changed(write: Write, name: str, old: str, new: str, *entries: str | Path) -> bool:
    """Whether replacing a piece of text of one file of the package changes the digest of the entries."""
    root = write(PACKAGE)
    before = closure_of(root, *entries)
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    after = closure_of(root, *entries)
    assert (before.digest == after.digest) == (before.definitions == after.definitions)
    return before.digest != after.digest


def differs(write: Write, before: dict[str, str], after: dict[str, str], *entries: str | Path) -> bool:
    """Whether two small packages differ for the entries."""
    root = write(before)
    old = closure_of(root, *entries)
    root = write(after)
    return old.digest != closure_of(root, *entries).digest


ANALYSIS = "pack/analysis.py"
GRAM = "pack/numerics/gram.py"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param(ANALYSIS, "# A comment.", "# Another.", id="comment"),
        pytest.param(ANALYSIS, "Docstring of the module", "Other", id="docstring of the module"),
        pytest.param(ANALYSIS, "Docstring of the class", "Other", id="docstring of the class"),
        pytest.param(ANALYSIS, "Docstring of the method", "Other", id="docstring of the method"),
        pytest.param(ANALYSIS, '"""Docstring of the function."""', "", id="docstring removed"),
        pytest.param(ANALYSIS, "number = Settings()", "number = (\n\n    Settings()  )", id="formatting"),
        pytest.param(ANALYSIS, "number = Settings()", "pass\n    number = Settings()", id="pass"),
        pytest.param(ANALYSIS, "def plot", "def other():\n    return 5\n\ndef plot", id="a function added"),
        pytest.param(ANALYSIS, "return style.COLOUR", "return style.COLOUR, 2", id="an unused function"),
        pytest.param(ANALYSIS, "def analyse(source,", "def analyse(source: float,", id="annotation"),
        pytest.param(ANALYSIS, "settings=RANKS):", "settings=RANKS) -> float:", id="return annotation"),
        pytest.param(ANALYSIS, "RANKS = (1, 2)", "RANKS: tuple[int, ...] = (1, 2)", id="annotated constant"),
        pytest.param(ANALYSIS, "RANKS = (", "import os\nRANKS = (", id="an unused import"),
        pytest.param(GRAM, "return UNUSED", "return 8", id="an unused function of a helper"),
        pytest.param(GRAM, "UNUSED = 7", "UNUSED = 8", id="an unused constant"),
        pytest.param("pack/style.py", "red", "blue", id="a colour in plot"),
    ],
)
def test_what_cannot_change_a_result_does_not_count(write: Write, name: str, old: str, new: str) -> None:
    assert not changed(write, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        pytest.param(GRAM, "SCALE * block", "block * SCALE", id="a numeric helper"),
        pytest.param(GRAM, "SCALE = 2.0", "SCALE = 2.5", id="a constant of a helper"),
        pytest.param(GRAM, "SCALE = 2.0", "SCALE = 2", id="an integer for a float"),
        pytest.param(GRAM, "SCALE = 2.0", "SCALE = True", id="a boolean for a number"),
        pytest.param(ANALYSIS, "return gram(source)", "return gram(settings)", id="the function itself"),
        pytest.param(ANALYSIS, "(1, 2)", "(1, 3)", id="a default argument's constant"),
        pytest.param(ANALYSIS, "settings=RANKS", "settings=None", id="a default argument"),
        pytest.param(ANALYSIS, "return 1", "return 2", id="a method"),
        pytest.param(ANALYSIS, "field: int = 3", "field: float = 3", id="the annotation of a field"),
        pytest.param(ANALYSIS, "field: int = 3", "field: int = 4", id="the default of a field"),
        pytest.param("pack/base.py", "return self.rank", "return -self.rank", id="a base class"),
        pytest.param("pack/base.py", "rank = 3", "rank = 4", id="an attribute of a base class"),
        pytest.param(GRAM, "def gram(block):", "def gram(block, /):", id="the kind of an argument"),
        pytest.param(GRAM, "def gram(block):", "def gram(*, block):", id="a keyword-only argument"),
    ],
)
def test_what_is_reached_counts(write: Write, name: str, old: str, new: str) -> None:
    assert changed(write, name, old, new)


def test_two_entries_of_one_file_have_their_own_closures(write: Write) -> None:
    assert changed(write, "pack/style.py", "red", "blue", "pack.analysis:plot")
    assert not changed(write, GRAM, "2.0", "3.0", "pack.analysis:plot")
    assert changed(write, GRAM, "return UNUSED", "return 9", "pack.numerics.gram")


def test_definitions_are_named(write: Write) -> None:
    closure = closure_of(write(PACKAGE))
    assert set(closure.definitions) == {
        "pack.analysis:Base",
        "pack.analysis:RANKS",
        "pack.analysis:Settings",
        "pack.analysis:analyse",
        "pack.analysis:gram",
        "pack.base:Base",
        "pack.numerics.gram:SCALE",
        "pack.numerics.gram:gram",
    }
    assert closure.modules == {
        "pack",
        "pack.analysis",
        "pack.base",
        "pack.numerics",
        "pack.numerics.gram",
        "pack.style",
    }
    assert closure.definitions["pack.analysis:analyse"].startswith("function:")


@pytest.mark.parametrize(
    "use",
    [
        "from pack.helper import f\ndef analyse():\n    return f()",
        "from pack.helper import f as g\ndef analyse():\n    return g()",
        "import pack.helper\ndef analyse():\n    return pack.helper.f()",
        "import pack.helper as m\ndef analyse():\n    return m.f()",
        "from pack import helper\ndef analyse():\n    return helper.f()",
        "from . import helper\ndef analyse():\n    return helper.f()",
        "from .helper import f\ndef analyse():\n    return f()",
        "import pack\ndef analyse():\n    return pack.helper.f()",
        "def analyse():\n    from pack.helper import f\n    return f()",
        "def analyse():\n    import pack.helper as m\n    return m.f()",
        "def analyse():\n    import pack.helper\n    return pack.helper.f()",
        "def analyse():\n    from pack import helper\n    def inner():\n        return helper.f()\n    return inner()",
        "from pack.helper import f\ndef analyse():\n    return sorted([1], key=f)",
        "from pack.helper import f\nanalyse = lambda: f()",
        "from pack.helper import f\nTABLE = {'f': f}\ndef analyse():\n    return TABLE['f']()",
        "from pack.helper import f\n@f\ndef analyse():\n    return 1",
        "from pack.helper import f\ndef analyse(g=f):\n    return g()",
        "from pack.helper import f\ndef analyse():\n    return [f() for f in [f]]",
        "from pack.helper import f\ndef analyse():\n    return (lambda x=f: x())()",
        "from pack.helper import f\ndef analyse():\n    class Local:\n        g = f\n    return Local.g()",
        "from pack.helper import f\nclass Local:\n    def f(self):\n        return f()\n"
        "def analyse():\n    return Local()",
        "from pack.helper import f\ndef make():\n    return f\nanalyse = make()",
        "from pack import helper\ndef analyse():\n    return getattr(helper, 'f')()",
        "from pack import helper\ndef analyse(name):\n    return getattr(helper, name)()",
        "from pack import helper\ndef analyse(name):\n    return vars(helper)[name]()",
        "from pack import helper\ndef analyse(name):\n    return other(helper)",
        "import importlib\ndef analyse():\n    return importlib.import_module('pack.helper').f()",
        "from importlib import import_module\ndef analyse():\n    return import_module('.helper', 'pack').f()",
        "from importlib import import_module\nNAMES = ('pack.helper', 'x.y')\n"
        "def analyse(n):\n    return import_module(NAMES[n]).f()",
        "from pack.helper import f\ndef analyse(name):\n    return globals()[name]()",
        "from pack.helper import f\ndef analyse(name):\n    return eval('f()')",
        "from pack.helper import *\ndef analyse():\n    return f()",
        "from pack.reexport import f\ndef analyse():\n    return f()",
        "from pack.reexport import again\ndef analyse():\n    return again()",
        "from pack.everything import f\ndef analyse():\n    return f()",
        "from pack.lazy import f\ndef analyse():\n    return f()",
        "from pack import helper\ndef analyse():\n    helper.g = 1\n    return helper.h()",
        "def analyse():\n    global f\n    from pack.helper import f\n    return inner()\ndef inner():\n    return f()",
        "try:\n    from pack.helper import f\nexcept ImportError:\n    f = None\ndef analyse():\n    return f()",
        "if 1 < 2:\n    from pack.helper import f\nelse:\n    f = None\ndef analyse():\n    return f()",
        "from pack.helper import f\nclass A:\n    x = f()\ndef analyse():\n    return A.x",
        "from pack.helper import f\nVALUES = [f() for _ in range(2)]\ndef analyse():\n    return VALUES",
        "from pack.helper import f\ndef analyse(x):\n    match x:\n        case 1:\n            return f()",
        "from pack.helper import f\nasync def analyse():\n    return f()",
        "from pack.helper import f\ndef analyse():\n    with f() as g:\n        return g",
        "from pack.helper import f\ndef analyse():\n    return f'{f()}'",
        "from pack.helper import f\na, (b, *c) = f, (1, 2)\ndef analyse():\n    return c",
    ],
)
def test_every_way_of_reaching_a_function(write: Write, use: str) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/reexport.py": "from pack.helper import f\nfrom pack.helper import f as again\n",
        "pack/everything.py": "from pack.helper import *\n",
        "pack/lazy.py": "def __getattr__(name):\n    import pack.helper\n    return getattr(pack.helper, name)\n",
        "pack/analysis.py": use,
    }
    one = {"pack/helper.py": "def f():\n    return 1\n"}
    two = {"pack/helper.py": "def f():\n    return 2\n"}
    assert differs(write, package | one, two)


@pytest.mark.parametrize(
    "use",
    [
        "from pack.helper import f\ndef analyse():\n    return 1",
        "from pack import helper\ndef analyse():\n    return helper.g()",
        "from pack import helper\ndef analyse():\n    return getattr(helper, 'g')()",
        "from pack.helper import f\ndef analyse(f):\n    return f()",
        "from pack.helper import f\ndef analyse():\n    f = 1\n    return f",
        "from pack.helper import f\ndef analyse():\n    return [f for f in range(3)]",
        "from pack.helper import f\ndef analyse():\n    return lambda f: f",
        "from pack.helper import f\ndef analyse():\n    for f in range(3):\n        g = [f for _ in range(f)]\n"
        "    return g",
        "from pack.helper import f\ndef analyse():\n    try:\n        pass\n    except OSError as f:\n        return f",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.helper import f\n"
        "def analyse(x: f) -> f:\n    return 1",
        "import typing\nif typing.TYPE_CHECKING:\n    from pack.helper import f\n"
        "def analyse(x: f) -> f:\n    y: f = 1\n    return y",
        "from pack.helper import f\ndef analyse():\n    return 1\nif __name__ == '__main__':\n    f()",
        "from pack.helper import f\ndef analyse(x):\n    return x.f()",
        "from pack.helper import f\nclass A:\n    def f(self):\n        return 1\ndef analyse(x):\n    return A().f()",
        "from __future__ import annotations\nfrom functools import lru_cache\nfrom pack.helper import f\n"
        "@lru_cache\ndef analyse(x: f) -> f:\n    return 1",
        "def analyse():\n    from pack.helper import g as f\n    return f()",
    ],
)
def test_what_only_looks_like_reach(write: Write, use: str) -> None:
    package = {"pack/__init__.py": "", "pack/analysis.py": use}
    one = {"pack/helper.py": "def f():\n    return 1\ndef g():\n    return 3\n"}
    two = {"pack/helper.py": "def f():\n    return 2\ndef g():\n    return 3\n"}
    assert not differs(write, package | one, two)


@pytest.mark.parametrize(
    "effect",
    [
        "print(VALUE)",
        "TABLE['x'] = VALUE",
        "other.attribute = VALUE",
        "TABLE += [VALUE]",
        "if VALUE:\n    x = 1",
        "for x in range(VALUE):\n    pass",
        "try:\n    x = VALUE\nexcept OSError:\n    pass",
        "with open('x') as f:\n    x = VALUE",
        "assert VALUE",
        "del VALUE",
        "x = register(VALUE)",
        "x = [register(i) for i in (VALUE,)]",
        "x = other.register(VALUE)",
        "x = Builder(VALUE)",
        "x = Registry().add(VALUE)",
        "def f(x=register(VALUE)):\n    return 1",
        "@register\ndef f():\n    return VALUE",
        "@register('name')\ndef f():\n    return VALUE",
        "@other.register('name')\ndef f():\n    return VALUE",
        "@register\nclass C:\n    x = VALUE",
        "class C:\n    x = register(VALUE)",
        "class C:\n    print(VALUE)",
        "class C(Hooked):\n    x = VALUE",
        "class C(Inherits):\n    x = VALUE",
        "class C(metaclass=Meta):\n    x = VALUE",
    ],
)
def test_a_side_effect_at_import_counts_though_nothing_of_the_file_is_used(write: Write, effect: str) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/other.py": """
            TABLE = {}
            def register(x):
                return x
            """,
        "pack/helper.py": """
            from pack import other
            from pack.other import TABLE, register
            class Builder:
                def __init__(self, x):
                    TABLE[x] = self
            class Registry:
                pass
            class Meta(type):
                def __new__(cls, *a):
                    return super().__new__(cls, *a)
            class Hooked:
                def __init_subclass__(cls):
                    TABLE[cls] = 1
            class Inherits(Hooked):
                pass
            """,
        "pack/between.py": "import pack.side\n",
        "pack/analysis.py": "import pack.between\ndef analyse():\n    return 1\n",
    }
    side = "from pack.helper import *\nfrom pack.helper import Builder, Registry, Meta, Hooked, Inherits, other\n"
    side += "from pack.other import TABLE, register\nVALUE = {}\n" + effect + "\n"
    one, two = ({"pack/side.py": side.replace("VALUE = {}", f"VALUE = {n}")} for n in (1, 2))
    assert differs(write, package | one, two)


@pytest.mark.parametrize(
    "harmless",
    [
        "x = VALUE",
        "x = dict(a=VALUE)",
        "x = frozenset(str(VALUE).split())",
        "x = {1: VALUE}.get(1)",
        "import re\nx = re.compile(str(VALUE))",
        "from pathlib import Path\nx = Path(__file__).parent / str(VALUE)",
        "from pathlib import Path\nx = Path(__file__).resolve().with_name(str(VALUE))",
        "from dataclasses import dataclass, field\n@dataclass(frozen=True)\nclass C:\n"
        "    x: int = field(default=VALUE)",
        "from functools import cache\n@cache\ndef f():\n    return VALUE",
        "import numpy as np\nx = np.array([VALUE])",
        "class C:\n    @property\n    def x(self):\n        return VALUE\n"
        "    @x.setter\n    def x(self, y):\n        pass",
        "class C:\n    pass\nclass D(C):\n    y = VALUE\nx = D()",
        "from enum import Enum\nclass E(Enum):\n    A = VALUE",
        "from pydantic import BaseModel, Field\nclass S(BaseModel):\n    x: int = Field(VALUE)",
        "def f(x=VALUE):\n    return x",
        "x: int\ny: int = VALUE",
        "class C:\n    print\n    x = VALUE",
    ],
)
def test_what_only_binds_a_name_does_not_count_until_used(write: Write, harmless: str) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/analysis.py": "import pack.side\ndef analyse():\n    return 1\n",
    }
    one, two = ({"pack/side.py": f"VALUE = {n}\n{harmless}\n"} for n in (1, 2))
    assert not differs(write, package | one, two)


def test_a_registry_counts_with_all_that_registered(write: Write) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/registry.py": """
            METHODS = {}
            def register(name):
                def keep(function):
                    METHODS[name] = function
                    return function
                return keep
            """,
        "pack/method.py": """
            from pack.registry import register
            from pack.numbers import VALUE
            @register("a")
            def method():
                return VALUE
            """,
        "pack/analysis.py": """
            import pack.method
            from pack.registry import METHODS
            def analyse(name):
                return METHODS[name]()
            """,
    }
    assert differs(write, package | {"pack/numbers.py": "VALUE = 1"}, {"pack/numbers.py": "VALUE = 2"})


def test_imports_that_swap_their_names_count(write: Write) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/helper.py": "def f():\n    return 1\ndef g():\n    return 2\n",
        "pack/analysis.py": "from pack.helper import f as a, g as b\ndef analyse():\n    return a() - b()\n",
    }
    assert differs(
        write,
        package,
        {"pack/analysis.py": package["pack/analysis.py"].replace("f as a, g as b", "g as a, f as b")},
    )


def test_another_external_function_under_the_same_name_counts(write: Write) -> None:
    body = "\ndef analyse():\n    return f(1)\n"
    package = {"pack/__init__.py": "", "pack/analysis.py": "from math import sin as f" + body}
    assert differs(write, package, {"pack/analysis.py": "from math import cos as f" + body})
    assert differs(write, package, {"pack/analysis.py": "from cmath import sin as f" + body})
    body = "\ndef analyse():\n    return json.dumps(1)\n"
    package = {"pack/__init__.py": "", "pack/analysis.py": "import json" + body}
    assert differs(write, package, {"pack/analysis.py": "import simplejson as json" + body})


def test_a_name_that_becomes_shadowed_counts(write: Write) -> None:
    package = {"pack/__init__.py": "", "pack/analysis.py": "def analyse():\n    return sum([1])\n"}
    assert differs(
        write, package, {"pack/analysis.py": package["pack/analysis.py"] + "def sum(x):\n    return 0\n"}
    )


def test_all_statements_that_bind_a_name_count(write: Write) -> None:
    text = "X = {}\nX = 2\ndef analyse():\n    return X\n"
    package = {"pack/__init__.py": "", "pack/analysis.py": text.format(1)}
    assert differs(write, package, {"pack/analysis.py": text.format(3)})


def test_circular_imports_end(write: Write) -> None:
    package = {
        "pack/__init__.py": "from pack import one",
        "pack/one.py": "import pack.two\ndef f():\n    return pack.two.g()\n",
        "pack/two.py": "from pack.one import f\nimport pack.one\ndef g():\n    return f() + 1\n",
        "pack/analysis.py": "from pack.one import f\ndef analyse():\n    return f()\n",
    }
    closure = closure_of(write(package))
    assert {"pack.one:f", "pack.two:g"} <= set(closure.definitions)
    assert differs(write, package, {"pack/two.py": package["pack/two.py"].replace("+ 1", "+ 2")})


def test_a_module_with_names_made_at_run_time_counts_whole(write: Write) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/lazy.py": """
            import importlib
            WHERE = {"f": "pack.hidden.helper:f"}
            def __getattr__(name):
                module, _, attribute = WHERE[name].partition(":")
                return getattr(importlib.import_module(module), attribute)
            """,
        "pack/hidden/__init__.py": "",
        "pack/hidden/helper.py": "def f():\n    return 1\n",
        "pack/analysis.py": "import pack.lazy\ndef analyse():\n    return pack.lazy.f()\n",
    }
    assert differs(write, package, {"pack/hidden/helper.py": "def f():\n    return 2\n"})


def test_quoted_annotations_of_fields_are_followed(write: Write) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/inner.py": "class Inner:\n    x: int = 1\n",
        "pack/analysis.py": """
            from pack.inner import Inner
            class Settings:
                inner: "list[Inner]"
            def analyse():
                return Settings
            """,
    }
    assert differs(write, package, {"pack/inner.py": "class Inner:\n    x: int = 2\n"})


def test_annotations_count_for_decorators_that_may_read_them(write: Write) -> None:
    text = "from typer import command\n@command\ndef analyse(x: {}):\n    return 1\n"
    package = {"pack/__init__.py": "", "pack/analysis.py": text.format("int")}
    assert differs(write, package, {"pack/analysis.py": text.format("float")})


@pytest.mark.parametrize(
    ("reader", "old", "new"),
    [
        ("f.__doc__", '"""One."""', '"""Two."""'),
        ("inspect.getdoc(f)", '"""One."""', '"""Two."""'),
        ("f.__annotations__", "x: int", "x: float"),
        ("typing.get_type_hints(f)", "x: int", "x: float"),
    ],
)
def test_docstrings_and_annotations_count_where_code_reads_them(
    write: Write, reader: str, old: str, new: str
) -> None:
    text = 'def f(x: int):\n    """One."""\n'
    package = {
        "pack/__init__.py": "",
        "pack/helper.py": text,
        "pack/analysis.py": f"import inspect, typing\nfrom pack.helper import f\ndef analyse():\n    return {reader}\n",
    }
    assert differs(write, package, {"pack/helper.py": text.replace(old, new)})


def test_a_docstring_of_a_module_counts_where_code_reads_it(write: Write) -> None:
    package = {
        "pack/__init__.py": "",
        "pack/helper.py": '"""One."""\n',
        "pack/analysis.py": "import pack.helper\ndef analyse():\n    return pack.helper.__doc__, __doc__\n",
    }
    assert differs(write, package, {"pack/helper.py": '"""Two."""\n'})


def test_modules_of_a_user_outside_the_package(write: Write, tmp_path: Path) -> None:
    root = write(PACKAGE)
    mine = tmp_path / "mine"
    (mine / "deep").mkdir(parents=True)
    (mine / "notes").mkdir()
    (mine / "method.py").write_text(
        "from pack.numerics.gram import gram\nfrom deep.inner import f\nimport notes\n"
        "def analyse(x):\n    return gram(f(x)), notes.x\n"
    )
    (mine / "deep" / "inner.py").write_text("def f(x):\n    return x\n")
    roots = {"pack": root / "pack", "": mine}
    before = CodeIndex(roots).closure(["method:analyse"])
    assert {"method:analyse", "deep.inner:f", "pack.numerics.gram:SCALE"} <= set(before.definitions)
    assert before.external == {"notes"}
    (mine / "deep" / "inner.py").write_text("def f(x):\n    return x + 1\n")
    after = CodeIndex(roots).closure(["method:analyse"])
    assert difference(before.definitions, after.definitions) == ["deep.inner changed (function f)"]


def test_a_folder_without_init_is_a_package_of_a_user(write: Write, tmp_path: Path) -> None:
    root = write(PACKAGE)
    inner = tmp_path / "mine/lab/methods"
    inner.mkdir(parents=True)
    (tmp_path / "mine/method.py").write_text(
        "import lab.methods.f\ndef analyse():\n    return lab.methods.f.g()\n"
    )
    (inner / "f.py").write_text("def g():\n    return 1\n")
    roots = {"pack": root / "pack", "": tmp_path / "mine"}
    before = CodeIndex(roots).closure(["method:analyse"])
    (inner / "f.py").write_text("def g():\n    return 2\n")
    assert CodeIndex(roots).closure(["method:analyse"]).digest != before.digest
    assert before.modules == {"method", "lab", "lab.methods", "lab.methods.f"}


def test_scripts_count_with_their_main_block(write: Write, tmp_path: Path) -> None:
    root = write(PACKAGE)
    script = tmp_path / "analyse.py"
    text = (
        "from pack.numerics.gram import gram\n"
        "def main():\n    return gram(1)\n"
        "def unused():\n    return 0\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    script.write_text(text)
    before = closure_of(root, script)
    assert {"analyse.py:main", "analyse.py:(import)", "pack.numerics.gram:gram"} <= set(before.definitions)
    script.write_text(text.replace("return 0", "return 2") + "# a comment\n")
    assert closure_of(root, script).digest == before.digest
    script.write_text(text.replace("    main()", "    main(); main()"))
    assert closure_of(root, script).digest != before.digest


def test_plain_files_count_by_their_bytes(write: Write, tmp_path: Path) -> None:
    root = write({**PACKAGE, "pack/report/page.html": "<p>", "pack/report/style.css": "p {}"})
    page = root / "pack/report/page.html"
    before = closure_of(root, ENTRY, page)
    assert "pack/report/page.html" in before.definitions
    os.utime(page, (1, 1))
    assert closure_of(root, ENTRY, page).digest == before.digest
    folder = closure_of(root, root / "pack/report")
    assert set(folder.definitions) == {"pack/report/page.html", "pack/report/style.css"}
    page.write_text("<b>")
    after = closure_of(root, ENTRY, page)
    assert difference(before.definitions, after.definitions) == ["pack/report/page.html changed"]


def test_the_digest_is_the_same_wherever_the_code_lies(write: Write, tmp_path: Path) -> None:
    before = closure_of(write(PACKAGE)).digest
    (tmp_path / "src").rename(tmp_path / "elsewhere")
    assert closure_of(tmp_path / "elsewhere").digest == before


def test_order_of_entries_does_not_matter_and_none_is_lost(write: Write) -> None:
    root = write(PACKAGE)
    one, two = closure_of(root, ENTRY, "pack.analysis:plot"), closure_of(root, "pack.analysis:plot", ENTRY)
    assert one == two
    assert {
        **closure_of(root).definitions,
        **closure_of(root, "pack.analysis:plot").definitions,
    } == one.definitions


def test_external_packages_are_listed(write: Write) -> None:
    root = write(
        {
            "pack/__init__.py": "",
            ANALYSIS: "import numpy as np, json, torch\ndef analyse():\n    return np.sin(json)\n",
        }
    )
    assert closure_of(root).external == {"numpy"}


def test_an_entry_that_does_not_exist_is_one_sentence(write: Write, tmp_path: Path) -> None:
    root = write(PACKAGE)
    with pytest.raises(OrreryError, match="defines no 'analyze'; did you mean 'analyse'"):
        closure_of(root, "pack.analysis:analyze")
    with pytest.raises(OrreryError, match=r"no module pack\.nothing"):
        closure_of(root, "pack.nothing:f")
    with pytest.raises(OrreryError, match="cannot be read"):
        closure_of(root, tmp_path / "absent.html")


def test_a_file_that_is_no_python_is_named_with_its_line(write: Write) -> None:
    root = write({**PACKAGE, GRAM: "x = 1\ndef (:\n"})
    with pytest.raises(OrreryError, match=r"gram\.py:2 is not valid Python"):
        closure_of(root)


def test_the_cache_gives_the_same_and_follows_an_edit_of_equal_size_and_time(
    write: Write, tmp_path: Path
) -> None:
    root, cache = write(PACKAGE), tmp_path / "cache/code.json"

    def look() -> str:
        return CodeIndex({"pack": root / "pack"}, cache=cache).closure([ENTRY]).digest

    fresh = closure_of(root).digest
    assert look() == look() == fresh
    assert json.loads(cache.read_text())["entries"]
    path = root / GRAM
    stamp = path.stat()
    path.write_text(path.read_text().replace("2.0", "3.0"))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert look() == closure_of(root).digest != fresh


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": "x", "entries": {}}'])
def test_a_broken_cache_is_none(write: Write, tmp_path: Path, content: bytes) -> None:
    root, cache = write(PACKAGE), tmp_path / "code.json"
    cache.write_bytes(content)
    index = CodeIndex({"pack": root / "pack"}, cache=cache)
    assert index.closure([ENTRY]).digest == closure_of(root).digest


def test_difference_in_words(write: Write) -> None:
    root = write({**PACKAGE, "pack/extra.py": "def more(x):\n    return x\n"})
    before = closure_of(root).definitions
    text = (root / ANALYSIS).read_text()
    (root / ANALYSIS).write_text(
        text.replace("(1, 2)", "(1, 4)")
        .replace("return 1", "return 5")
        .replace("gram(source)", "more(source)")
        .replace("from pack import style", "from pack.extra import more\nprint(1)")
    )
    assert difference(before, closure_of(root).definitions) == [
        "pack.analysis changed (statements at import is new, value RANKS, class Settings, function analyse, "
        "import gram is no longer used, import more is new)",
        "pack.extra is new",
        "pack.numerics.gram is no longer used",
    ]
    assert difference(before, before) == []
