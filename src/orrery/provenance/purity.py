"""Calls at import of which we know that they leave nothing behind but their result.

A call that is not known here counts as a side effect of its module, so a missing name costs a rebuild that was not
needed, never a stale result.
"""

from __future__ import annotations

BUILTINS = frozenset(
    "abs all any bool bytes callable chr complex dict divmod enumerate filter float frozenset getattr hasattr int "
    "isinstance issubclass len list map max min object ord pow range repr reversed round set slice sorted str sum "
    "super tuple type zip property staticmethod classmethod Exception ValueError TypeError KeyError".split()
)

PREFIXES = (
    "__future__.",
    "abc.",
    "annotated_types.",
    "collections.",
    "contextlib.contextmanager",
    "contextvars.ContextVar",
    "cycler.",
    "dask.delayed",
    "dataclasses.",
    "decimal.",
    "enum.",
    "fractions.",
    "functools.",
    "importlib.resources.",
    "itertools.",
    "jaxtyping.",
    "logging.getLogger",
    "math.",
    "matplotlib.colors.",
    "matplotlib.cycler",
    "numpy.arange",
    "numpy.array",
    "numpy.asarray",
    "numpy.dtype",
    "numpy.finfo",
    "numpy.float",
    "numpy.int",
    "numpy.linspace",
    "numpy.sqrt",
    "numpy.uint",
    "numpy.zeros",
    "operator.",
    "os.environ.get",
    "os.fspath",
    "os.path.",
    "pathlib.",
    "pydantic.",
    "re.compile",
    "string.",
    "struct.",
    "textwrap.",
    "torch.inference_mode",
    "torch.no_grad",
    "torch.tensor",
    "types.",
    "typing.",
    "typing_extensions.",
)

METHODS = frozenset(
    "as_posix capitalize casefold copy encode endswith format get getter index items joinpath keys lower lstrip "
    "partition removeprefix removesuffix replace resolve rstrip setter split splitlines startswith strip title upper "
    "values with_name with_suffix count deleter".split()
)
"""Methods that, on whatever is there at import, only read."""

ANNOTATION_BLIND = frozenset(
    "abstractmethod cache cached_property classmethod contextmanager deleter field_serializer field_validator "
    "getter inference_mode lru_cache model_serializer model_validator no_grad overload override property setter "
    "staticmethod total_ordering wraps".split()
)
"""Decorators that do not look at the annotations of what they decorate; all others are thought to."""


def external_call_is_pure(name: str) -> bool:
    """Whether a call of something from outside, by its full dotted name, leaves nothing but its result."""
    return name in BUILTINS or name.startswith(PREFIXES)
