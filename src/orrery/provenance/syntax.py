"""Reads one Python file: what it defines, and which names each of its definitions uses, from its syntax tree alone.

The summary of a file knows nothing of other files; ``orrery.provenance.walk`` follows the names from file to file.
"""

from __future__ import annotations

import ast
import hashlib
import re
from typing import Any

from orrery.provenance.nodes import all_arguments, called, chain, is_main_test, kind, last
from orrery.provenance.purity import ANNOTATION_BLIND
from orrery.provenance.summary import Definition, Reading, Summary

_STATEMENTS = frozenset({"body", "orelse", "finalbody"})
_SKIPPED = frozenset({"ctx", "type_comment", "kind", "type_ignores", "lineno"})
_FIELDS = {
    sort: tuple(name for name in sort._fields if name not in _SKIPPED)
    for sort in vars(ast).values()
    if isinstance(sort, type) and issubclass(sort, ast.AST)
}
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:[.:][A-Za-z_]\w*)+")
_WHOLE_MODULE = frozenset({"globals", "eval", "exec", "locals"})
_IMPORTERS = frozenset({"import_module", "__import__"})
_TYPE_CHECKING = frozenset({"TYPE_CHECKING", "typing.TYPE_CHECKING"})
_READS_ANNOTATIONS = frozenset({"__annotations__", "get_type_hints", "get_annotations"})
_READS_DOCSTRINGS = frozenset({"__doc__", "getdoc"})


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
            self.at = Definition(kind(statement))
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
        return chain(test) in _TYPE_CHECKING or (
            self.depth == 0 and is_main_test(test) and not self.reading.script
        )

    def visit(self, node: ast.AST) -> None:
        sort = node.__class__
        handler = self.handlers.get(sort)
        if handler is not None:
            handler(node)
            return
        text = self.text
        text.append(sort.__name__)
        for name in _FIELDS[sort]:
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
        name = chain(node)
        if name is not None:
            self.text.append(name)
            self.scope.loads.add(name)
            for part in name.split(".")[1:]:
                self.watch(part)
            if name == "sys.modules":
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
        name = chain(function)
        if self.depth == 0:
            self.at.calls.append(name or called(function))
        ending = name.rpartition(".")[2] if name else ""
        first = node.args[0] if node.args else None
        if name in _WHOLE_MODULE or (name == "vars" and first is None):
            self.flags.add("whole")
        elif ending in _IMPORTERS:
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                module = first.value
                level = len(module) - len(module.lstrip("."))
                self.at.absolute.append(self.resolve(module.lstrip("."), level))
                self.at.imports.append(self.at.absolute[-1])
            else:
                self.flags.add("dynamic")
        elif name == "getattr" and len(node.args) > 1:
            target, attribute = chain(first), node.args[1]
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
                names = (each for each in ast.walk(quoted) if isinstance(each, (ast.Name, ast.Attribute)))
                self.scope.loads.update(filter(None, map(chain, names)))

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
        for name in scope.loads:
            root, _, rest = name.partition(".")
            targets = scope.bindings.get(root)
            if targets:
                self.at.absolute += [f"{target}.{rest}" if rest else target for target in targets]
            elif scope.kind == "class" or root not in scope.stores or root in outside:
                parent.loads.add(name)
        parent.loads |= outside

    def function(self, node: Any) -> None:
        self.decorators(node.decorator_list)
        self.scope.stores.add(node.name)
        self.text += (node.__class__.__name__, node.name)
        seen = {last(decorator) for decorator in node.decorator_list}
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
            for argument in all_arguments(node):
                if argument.annotation is not None:
                    text.append(argument.arg)
                    self.annotation(argument.annotation)

    def parameters(self, node: ast.arguments) -> None:
        self.scope.stores.update(argument.arg for argument in all_arguments(node))

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
            self.at.bases = [chain(base) or chain(getattr(base, "value", base)) or "?" for base in node.bases]
            methods = {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
            metaclass = [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]
            self.at.calls += [chain(value) or "?" for value in metaclass]
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
                self.at.calls.append(chain(node) or "?")
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
