"""What one Python file defines, and which names each of its definitions uses, read from its syntax tree alone.

The summary of a file knows nothing of other files; ``orrery.provenance.code`` follows the names from file to file. It
is plain JSON data, so that it can be kept from one start to the next.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from orrery.provenance.purity import ANNOTATION_BLIND

IMPORT_TIME = "(import)"
"""Name under which the statements that a file executes when it is imported count."""

_STATEMENTS = frozenset({"body", "orelse", "finalbody"})
_SKIPPED = frozenset({"ctx", "type_comment", "kind", "type_ignores", "lineno"})
_FIELDS = {
    kind: tuple(name for name in kind._fields if name not in _SKIPPED)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
_WHOLE_MODULE = frozenset({"globals", "eval", "exec", "locals"})
_IMPORTERS = frozenset({"import_module", "__import__"})
_TYPE_CHECKING = frozenset({"TYPE_CHECKING", "typing.TYPE_CHECKING"})
_READS_ANNOTATIONS = frozenset({"__annotations__", "get_type_hints", "get_annotations"})
_READS_DOCSTRINGS = frozenset({"__doc__", "getdoc"})


@dataclass
class Definition:
    """One statement at the top level of a file.

    Attributes:
        kind: ``function``, ``class``, ``value`` or ``statement``.
        sha: digest of the statement without comments, docstrings, annotations of functions and formatting.
        loads: names of the file's own top level that it uses, with the attributes read from them (``m.sub.f``).
        absolute: the same for names imported inside the statement: full dotted names.
        imports: modules that it imports when it runs: ``module`` or ``module:name``.
        calls: what is called when the statement is executed at import, dotted; ``?`` where that is not a name.
        strings: string constants that look like dotted names.
        bases: base classes, of a class.
        hooks: for a class, ``subclass`` where defining a subclass runs its code, ``create`` where creating one does.
        flags: ``whole`` (reads the names of its own file), ``dynamic`` (imports by a computed name),
            ``annotations``, ``docstrings`` (reads them).
    """

    kind: str
    sha: str = ""
    loads: list[str] = field(default_factory=list)
    absolute: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    bases: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


@dataclass
class Summary:
    """What a file defines.

    Attributes:
        definitions: its top-level statements, imports apart, in order.
        names: which statements (by position) bind a name.
        bindings: name → full dotted names that import statements bind it to.
        imports: modules imported when the file is: ``module``, ``module:name`` or ``module:*``.
    """

    definitions: list[Definition] = field(default_factory=list)
    names: dict[str, list[int]] = field(default_factory=dict)
    bindings: dict[str, list[str]] = field(default_factory=dict)
    imports: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; empty lists are left out of the definitions."""
        data = asdict(self)
        data["definitions"] = [
            {key: value for key, value in each.items() if value} for each in data["definitions"]
        ]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Summary:
        """Read what ``to_json`` wrote."""
        definitions = [Definition(**each) for each in data["definitions"]]
        return cls(definitions, data["names"], data["bindings"], data["imports"])


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        module: its full dotted name.
        package: whether it is the ``__init__`` of a package.
        script: whether it is run as ``__main__``.
        docstrings: whether docstrings count.
        annotations: whether annotations of functions count.
    """

    module: str
    package: bool = False
    script: bool = False
    docstrings: bool = False
    annotations: bool = False


def summarise(source: bytes, reading: Reading) -> Summary:
    """Read a file.

    Raises:
        SyntaxError: it is no Python.
    """
    return _Reader(reading).read(ast.parse(source))


class _Scope:
    """The names of a module, a class or a function while it is read."""

    __slots__ = ("bindings", "globals", "kind", "loads", "parent", "stores")

    def __init__(self, kind: str, parent: _Scope | None) -> None:
        self.kind = kind
        self.parent = parent
        self.stores: set[str] = set()
        self.globals: set[str] = set()
        self.bindings: dict[str, list[str]] = {}
        self.loads: set[str] = set()


class _Reader:
    """Walks a tree once: writes down its shape and collects the names it uses."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.summary = Summary()
        self.text: list[str] = []
        self.depth = 0  # of function bodies; at 0 the code runs at import
        self.at = Definition("statement")
        self.scope = self.module_scope = _Scope("module", None)
        self.flags: set[str] = set()
        self.handlers = {
            ast.Name: self.name,
            ast.Attribute: self.attribute,
            ast.Call: self.call,
            ast.Constant: self.constant,
            ast.FunctionDef: self.function,
            ast.AsyncFunctionDef: self.function,
            ast.Lambda: self.lambda_,
            ast.ClassDef: self.class_,
            ast.ListComp: self.comprehension,
            ast.SetComp: self.comprehension,
            ast.DictComp: self.comprehension,
            ast.GeneratorExp: self.comprehension,
            ast.Import: self.import_,
            ast.ImportFrom: self.import_from,
            ast.Assign: self.assign,
            ast.AnnAssign: self.annotated,
            ast.NamedExpr: self.walrus,
            ast.Global: self.global_,
            ast.Nonlocal: self.global_,
            ast.ExceptHandler: self.named,
            ast.MatchAs: self.named,
            ast.MatchStar: self.named,
            ast.MatchMapping: self.named,
        }

    # The file.

    def read(self, tree: ast.Module) -> Summary:
        summary = self.summary
        for statement in self.effective(tree.body, docstrings_of="module"):
            self.scope = self.module_scope = _Scope("module", None)
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.at = Definition("import")
                self.visit(statement)
                self.keep_imports()
                self.text.clear()
                continue
            self.at = Definition(_kind(statement))
            self.text, self.flags = [], set()
            self.visit(statement)
            self.keep_imports()
            position = len(summary.definitions)
            names = self.scope.stores | ({"__doc__"} if self.at.kind == "docstring" else set())
            for name in sorted(names):
                summary.names.setdefault(name, []).append(position)
            self.finish()
            summary.definitions.append(self.at)
        return summary

    def keep_imports(self) -> None:
        for name, targets in self.scope.bindings.items():
            self.summary.bindings.setdefault(name, []).extend(targets)
        if self.at.kind in ("import", "statement"):
            self.summary.imports += self.at.imports

    def finish(self) -> None:
        at = self.at
        # One statement holds many names and few characters: the separator keeps neighbours apart.
        at.sha = hashlib.sha256("\x1f".join(self.text).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        at.loads = sorted(self.scope.loads)
        at.absolute = sorted(set(at.absolute))
        at.imports = sorted(set(at.imports))
        at.calls = sorted(set(at.calls))
        at.strings = sorted(set(at.strings))
        at.flags = sorted(self.flags)

    # Statements and expressions.

    def effective(self, statements: list[ast.stmt], docstrings_of: str = "") -> list[ast.stmt]:
        """Leave out what does nothing when it runs: docstrings, ``pass``, blocks for type checkers."""
        kept: list[ast.stmt] = []
        for position, statement in enumerate(statements):
            if isinstance(statement, ast.Pass):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                is_text = isinstance(statement.value.value, str)
                leads = position == 0 or docstrings_of == "class"
                if not (self.reading.docstrings and docstrings_of and is_text and leads):
                    continue
            if isinstance(statement, ast.If) and self.never_runs(statement.test):
                kept += self.effective(statement.orelse)
                continue
            kept.append(statement)
        return kept

    def never_runs(self, test: ast.expr) -> bool:
        return _chain(test) in _TYPE_CHECKING or (self.is_main(test) and not self.reading.script)

    def is_main(self, test: ast.expr) -> bool:
        return (
            self.depth == 0
            and isinstance(test, ast.Compare)
            and isinstance(test.left, ast.Name)
            and test.left.id == "__name__"
            and len(test.comparators) == 1
            and isinstance(test.comparators[0], ast.Constant)
            and test.comparators[0].value == "__main__"
            and isinstance(test.ops[0], ast.Eq)
        )

    def visit(self, node: ast.AST) -> None:
        kind = node.__class__
        handler = self.handlers.get(kind)
        if handler is not None:
            handler(node)
            return
        text = self.text
        text.append(kind.__name__)
        for name in _FIELDS[kind]:
            value = getattr(node, name, None)
            if value.__class__ is list:
                self.many(self.effective(value) if name in _STATEMENTS else value)
            elif isinstance(value, ast.AST):
                self.visit(value)
            else:
                text.append(repr(value))

    def many(self, nodes: list[Any]) -> None:
        self.text.append("[")
        for node in nodes:
            if isinstance(node, ast.AST):
                self.visit(node)
            else:
                self.text.append(repr(node))
        self.text.append("]")

    def name(self, node: Any) -> None:
        self.text.append(node.id)
        if node.ctx.__class__ is not ast.Store:
            self.scope.loads.add(node.id)
            self.watch(node.id)
        if node.ctx.__class__ is not ast.Load:
            self.scope.stores.add(node.id)

    def attribute(self, node: Any) -> None:
        chain = _chain(node)
        if chain is not None:
            self.text.append(chain)
            self.scope.loads.add(chain)
            for part in chain.split(".")[1:]:
                self.watch(part)
            if chain == "sys.modules":
                self.flags.add("whole")
            return
        self.watch(node.attr)
        self.text += ("Attribute", node.attr)
        self.visit(node.value)

    def watch(self, name: str) -> None:
        if name in _READS_ANNOTATIONS:
            self.flags.add("annotations")
        elif name in _READS_DOCSTRINGS:
            self.flags.add("docstrings")

    def constant(self, node: Any) -> None:
        value = node.value
        self.text.append(repr(value))
        if value.__class__ is str and ("." in value or ":" in value) and _DOTTED.fullmatch(value):
            self.at.strings.append(value)

    def call(self, node: Any) -> None:
        function = node.func
        called = _chain(function)
        if self.depth == 0:
            self.at.calls.append(called or _called(function))
        last = called.rpartition(".")[2] if called else ""
        first = node.args[0] if node.args else None
        if called in _WHOLE_MODULE or (called == "vars" and first is None):
            self.flags.add("whole")
        elif last in _IMPORTERS:
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value
                level = len(name) - len(name.lstrip("."))
                self.at.absolute.append(self.resolve(name.lstrip("."), level))
                self.at.imports.append(self.at.absolute[-1])
            else:
                self.flags.add("dynamic")
        elif called == "getattr" and len(node.args) > 1:
            target, attribute = _chain(first), node.args[1]
            if target and isinstance(attribute, ast.Constant) and isinstance(attribute.value, str):
                # getattr(m, "f") is m.f: without this the bare load of m would be the whole of it.
                self.text += ("getattr", target, repr(attribute.value))
                self.scope.loads.update(("getattr", f"{target}.{attribute.value}"))
                self.watch(attribute.value)
                self.many(node.args[2:])
                return
        self.text.append("Call")
        self.visit(function)
        self.many(node.args)
        self.many(node.keywords)

    def assign(self, node: Any) -> None:
        self.text.append("Assign")
        self.many(node.targets)
        self.visit(node.value)

    def annotated(self, node: Any) -> None:
        in_class = self.scope.kind == "class"
        if in_class or self.reading.annotations:
            self.text.append("annotation")
            self.annotation(node.annotation)
        elif node.value is None:
            if isinstance(node.target, ast.Name):
                self.scope.stores.add(node.target.id)
            return
        self.text.append("Assign")
        self.many([node.target])
        if node.value is not None:
            self.visit(node.value)

    def annotation(self, node: ast.expr) -> None:
        """Visit an annotation; names inside quoted ones are followed too."""
        self.visit(node)
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                try:
                    quoted = ast.parse(inner.value, mode="eval").body
                except SyntaxError:
                    continue
                for name in ast.walk(quoted):
                    chain = _chain(name) if isinstance(name, (ast.Name, ast.Attribute)) else None
                    if chain:
                        self.scope.loads.add(chain)

    def walrus(self, node: Any) -> None:
        self.text += ("NamedExpr", node.target.id)
        self.visit(node.value)
        scope = self.scope
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        scope.stores.add(node.target.id)

    def global_(self, node: Any) -> None:
        self.text += (node.__class__.__name__, "[", *node.names, "]")
        self.scope.globals.update(node.names)
        if isinstance(node, ast.Global):
            self.module_scope.loads.update(node.names)

    def named(self, node: Any) -> None:
        """Nodes that bind a name given as a plain string."""
        name = getattr(node, "name", None) or getattr(node, "rest", None)
        if name:
            self.scope.stores.add(name)
        self.text.append(node.__class__.__name__)
        for part in _FIELDS[node.__class__]:
            value = getattr(node, part, None)
            if isinstance(value, list):
                self.many(self.effective(value) if part in _STATEMENTS else value)
            elif isinstance(value, ast.AST):
                self.visit(value)
            else:
                self.text.append(repr(value))

    # Scopes.

    def push(self, kind: str) -> None:
        self.scope = _Scope(kind, self.scope)

    def pop(self) -> None:
        scope = self.scope
        parent = scope.parent
        assert parent is not None
        self.scope = parent
        outside = scope.globals
        for chain in scope.loads:
            root, _, rest = chain.partition(".")
            targets = scope.bindings.get(root)
            if targets:
                self.at.absolute += [f"{target}.{rest}" if rest else target for target in targets]
            elif scope.kind == "class" or root not in scope.stores or root in outside:
                parent.loads.add(chain)
        parent.loads |= outside

    def function(self, node: Any) -> None:
        self.decorators(node.decorator_list)
        self.scope.stores.add(node.name)
        self.text += (node.__class__.__name__, node.name)
        seen = {_last(decorator) for decorator in node.decorator_list}
        annotations = self.reading.annotations or not seen <= ANNOTATION_BLIND
        self.arguments(node.args, annotations)
        if annotations and node.returns is not None:
            self.annotation(node.returns)
        self.push("function")
        self.depth += 1
        self.parameters(node.args)
        self.many(self.effective(node.body, docstrings_of="function"))
        self.depth -= 1
        self.pop()

    def lambda_(self, node: Any) -> None:
        self.text.append("Lambda")
        self.arguments(node.args, annotations=False)
        self.push("function")
        self.depth += 1
        self.parameters(node.args)
        self.visit(node.body)
        self.depth -= 1
        self.pop()

    def arguments(self, node: ast.arguments, annotations: bool) -> None:
        """What of the arguments is evaluated outside the function: defaults, and annotations where they count."""
        text = self.text
        for mark, arguments in (("(", node.posonlyargs), ("/", node.args), ("*", node.kwonlyargs)):
            text.append(mark)
            text += [argument.arg for argument in arguments]
        text += [f"{argument.arg if argument else None}" for argument in (node.vararg, node.kwarg)]
        self.many(node.defaults)
        self.many(node.kw_defaults)
        if annotations:
            for argument in _all_arguments(node):
                if argument.annotation is not None:
                    text.append(argument.arg)
                    self.annotation(argument.annotation)

    def parameters(self, node: ast.arguments) -> None:
        self.scope.stores.update(argument.arg for argument in _all_arguments(node))

    def comprehension(self, node: Any) -> None:
        generators = node.generators
        self.text += (node.__class__.__name__, str(len(generators)))
        # The first iterable is evaluated outside, where its names may mean something else.
        self.visit(generators[0].iter)
        self.push("comprehension")
        for position, generator in enumerate(generators):
            self.visit(generator.target)
            if position:
                self.visit(generator.iter)
            self.many(generator.ifs)
            self.text.append(str(generator.is_async))
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self.pop()

    def class_(self, node: Any) -> None:
        self.decorators(node.decorator_list)
        self.scope.stores.add(node.name)
        self.text += ("ClassDef", node.name)
        self.many(node.bases)
        self.many(node.keywords)
        if self.scope.kind == "module":
            self.at.bases = [
                _chain(base) or _chain(getattr(base, "value", base)) or "?" for base in node.bases
            ]
            methods = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
            metaclass = [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]
            self.at.calls += [_chain(value) or "?" for value in metaclass]
            if metaclass or "__init_subclass__" in methods:
                self.at.hooks.append("subclass")
            if metaclass or methods & {"__init__", "__new__", "__post_init__", "model_post_init"}:
                self.at.hooks.append("create")
        self.push("class")
        self.many(self.effective(node.body, docstrings_of="class"))
        self.pop()

    def decorators(self, nodes: list[ast.expr]) -> None:
        for node in nodes:
            if self.depth == 0 and not isinstance(node, ast.Call):
                self.at.calls.append(_chain(node) or "?")
        self.many(nodes)

    # Imports.

    def resolve(self, module: str | None, level: int) -> str:
        """Return the full name of a module given relative to this one."""
        if level == 0:
            return module or ""
        parts = self.reading.module.split(".")
        parts = parts[: len(parts) - level + (1 if self.reading.package else 0)]
        return ".".join([*parts, module] if module else parts)

    def import_(self, node: Any) -> None:
        for alias in node.names:
            self.at.imports.append(alias.name)
            name = alias.asname or alias.name.partition(".")[0]
            self.bind(name, alias.name if alias.asname else name)
            # `import a.b` and `import a.c` both bind a, and each makes its own submodule appear.
            self.text += ("import", alias.name, name)

    def import_from(self, node: Any) -> None:
        module = self.resolve(node.module, node.level)
        if module == "__future__":
            return
        for alias in node.names:
            self.at.imports.append(f"{module}:{alias.name}")
            if alias.name != "*":
                self.bind(alias.asname or alias.name, f"{module}.{alias.name}")
            self.text += ("import", f"{module}.{alias.name}", alias.asname or alias.name)

    def bind(self, name: str, target: str) -> None:
        if name in self.scope.globals:
            self.at.absolute.append(target)
        targets = self.scope.bindings.setdefault(name, [])
        if target not in targets:
            targets.append(target)


def _kind(statement: ast.stmt) -> str:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return "function"
    if isinstance(statement, ast.ClassDef):
        return "class"
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    if targets and all(_only_names(target) for target in targets):
        return "value"
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return "docstring"
    return "statement"


def _only_names(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(_only_names(inner) for inner in target.elts)
    if isinstance(target, ast.Starred):
        return _only_names(target.value)
    return isinstance(target, ast.Name)


def _chain(node: ast.AST | None) -> str | None:
    """Return ``a.b.c`` for names and attributes of names, else ``None``."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(node.id)
    return ".".join(reversed(parts))


def _called(node: ast.AST) -> str:
    """Name what is called where that is not a name: a method of a literal, ``f().method``, or ``?``."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            # A method of the result of a call: judged by that call, and by its own name.
            chain = _chain(node.func)
            if chain is not None:
                return f"{chain}().{parts[0]}" if parts else "?"
            node = node.func
        elif (
            isinstance(node, (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set)) and parts
        ):
            return "str." + parts[-1]
        else:
            return "?"


def _last(node: ast.expr) -> str:
    """Return the last part of the name of a decorator."""
    chain = _chain(node.func if isinstance(node, ast.Call) else node)
    return chain.rpartition(".")[2] if chain else "?"


def _all_arguments(node: ast.arguments) -> list[ast.arg]:
    every = [*node.posonlyargs, *node.args, *node.kwonlyargs]
    return every + [argument for argument in (node.vararg, node.kwarg) if argument is not None]
