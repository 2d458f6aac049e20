"""A Jinja2 environment in which every template ends soon and reaches nothing but its data.

Jinja2's sandbox keeps templates away from Python's inside, but not from the processor: nested
loops, recursive macros, ``'a' * 10**9``, ``center(10**9)`` and ``'%99999999d'`` all pass it. So the
language is cut down to what prompts need, and the rest is counted:

- only the node types, filters and tests listed here; no methods, imports, blocks or recursive loops;
- each loop and macro is charged for the size of its body before it runs (``_Counting``);
- operators and filters that make values are charged for, and bounded before they make them;
- only texts and numbers can be printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from inference.errors import PromptError, gettext_noop
from inference.prompts import filters
from inference.prompts.meter import (
    is_template_value,
    meter_current,
    text_admit,
)

_NODES: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign,
    nodes.AssignBlock, nodes.With, nodes.Macro, nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple,
    nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.CondExpr, nodes.Filter, nodes.Test,
    nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Call, nodes.Concat, nodes.Compare,
    nodes.Operand, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow,
    nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos,
)  # fmt: skip
_TESTS: Final = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt",
    "greaterthan", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne",
    "none", "number", "odd", "sequence", "string", "true", "undefined", "upper",
    "==", "!=", "<", "<=", ">", ">=",
)  # fmt: skip
_LOOP: Final = frozenset(
    ["index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"]
)
# Names of the filters that _Counting puts in; no identifier contains a blank.
_ITERATE, _ENTER, _JOIN, _HOLD = "count loop", "count macro", "count join", "count list"
_BITS_MOST = 256
# Jinja2's compiler takes more than linear time in the depth, before anything is counted.
_BLOCKS = (nodes.For, nodes.If, nodes.Macro, nodes.With, nodes.AssignBlock)
_DEPTH_MOST = 20


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """The environment of every template that an administrator writes."""

    intercepted_binops = frozenset(["+", "*", "**", "%", "/", "//", "-"])

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            optimized=False,  # the optimiser would run expressions while compiling
            finalize=_printable,
            trim_blocks=False,
            keep_trailing_newline=False,
            autoescape=False,  # the result is a prompt or a message, never HTML
        )
        self.globals = {"range": _range, "namespace": Namespace}
        self.tests = {name: self.tests[name] for name in _TESTS}
        self.filters = {
            **filters.bounded(self.filters),
            _ITERATE: _iterate,
            _ENTER: _enter,
            _JOIN: _concatenate,
            _HOLD: _hold,
        }

    def template_nodes(self, source: str) -> nodes.Template:
        """Parse a template and check that it stays within the language.

        Raises:
            TemplateSyntaxError: as Jinja2 puts it.
            PromptError: it uses what prompts must not.
        """
        tree = self.parse(source)
        _check(tree)
        return tree

    def counted(self, tree: nodes.Template) -> nodes.Template:
        """The tree with its loops, macros and literals charged for."""
        counted: nodes.Template = _Counting().visit(tree)
        return counted.set_environment(self)  # type: ignore[return-value]

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._member(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, (str, list, tuple, range)) and isinstance(argument, (int, slice)):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(obj=obj, name=str(argument))
        return self._member(obj, argument)

    def _member(self, obj: Any, name: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj[str(name)]  # raises UndefinedError with the variable's name
        if isinstance(obj, Mapping):
            if isinstance(name, (str, int)) and name in obj:
                return obj[name]
        elif (isinstance(obj, LoopContext) and name in _LOOP) or (
            isinstance(obj, Namespace) and isinstance(name, str) and not name.startswith("_")
        ):
            try:
                return getattr(obj, name)
            except AttributeError:
                return self.undefined(obj=obj, name=name)
        return self.undefined(
            f"{type(obj).__name__!r} has no {name!r}; texts and lists have filters, no methods"
        )

    def call(self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if __obj is not _range and __obj is not Namespace and not isinstance(__obj, Macro):
            raise PromptError(
                gettext_noop("Templates can call only range, namespace and their own macros.")
            )
        meter_current().charge(1)
        for value in (*args, *kwargs.values()):
            meter_current().admit(value)
        return super().call(__context, __obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _operands_check(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        meter_current().admit(result)
        return result


def _operands_check(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large to make."""
    sized = (str, list, tuple)
    if operator == "%" and isinstance(left, str):
        raise PromptError(
            gettext_noop("Templates join texts with ~; the percent sign is for numbers only.")
        )
    if operator == "+" and isinstance(left, sized) and isinstance(right, sized):
        text_admit(len(left) + len(right))
    elif operator == "*":
        for value, times in ((left, right), (right, left)):
            if isinstance(value, sized) and isinstance(times, int):
                text_admit(len(value) * max(times, 0))
        if isinstance(left, int) and isinstance(right, int):
            _bits_check(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        _bits_check(left.bit_length() * max(right, 0))


def _bits_check(bits: int) -> None:
    if bits > _BITS_MOST:
        raise PromptError(gettext_noop("The template makes a number that is too large."))


@pass_context
def _printable(context: Context, value: Any) -> Any:
    if isinstance(value, Undefined):
        return str(value)  # raises UndefinedError
    if value is None:
        return ""
    if not isinstance(value, (str, int, float)):
        raise PromptError(
            gettext_noop("A template can print texts and numbers; join or loop over lists.")
        )
    text = str(value)
    meter_current().charge(1 + len(text) // 64)
    meter_current().output(len(text))
    return text


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    text_admit(len(numbers))
    return numbers


class _Counted:
    """A loop's elements; looks at the clock before each."""

    def __init__(self, items: tuple[object, ...]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[object]:
        for item in self._items:
            meter_current().charge(1)
            yield item


def _iterate(value: Any, weight: int) -> _Counted:
    if isinstance(value, Undefined):
        iter(value)  # raises UndefinedError
    if not isinstance(value, (str, list, tuple, dict, range)):
        raise PromptError(
            gettext_noop("A template can loop over lists, mappings, texts and range only.")
        )
    meter_current().charge(len(value) * max(weight, 1))
    return _Counted(tuple(value))


def _enter(weight: int) -> None:
    meter_current().charge(weight)


def _concatenate(parts: Iterable[Any]) -> str:
    texts = ["" if part is None else _printed(part) for part in parts]
    text_admit(sum(map(len, texts)))
    meter_current().charge(1 + sum(map(len, texts)) // 64)
    return "".join(texts)


def _printed(value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)  # raises UndefinedError
    if not isinstance(value, (str, int, float)):
        raise PromptError(gettext_noop("A template can join texts and numbers only."))
    return str(value)


def _hold(value: Any) -> Any:
    parts = (*value.keys(), *value.values()) if isinstance(value, dict) else value
    if not all(is_template_value(part) for part in parts):
        raise PromptError(gettext_noop("A template's lists hold texts, numbers and lists only."))
    meter_current().admit(value)
    return value


def _check(tree: nodes.Template) -> None:
    for node in _within_depth(tree):
        if not isinstance(node, _NODES):
            raise PromptError(
                gettext_noop("Line %(line)d: templates cannot use %(what)s here."),
                line=node.lineno,
                what=type(node).__name__.lower(),
            )
        if isinstance(node, nodes.For) and node.recursive:
            raise PromptError(
                gettext_noop("Line %(line)d: a loop cannot be recursive."), line=node.lineno
            )
        if isinstance(node, nodes.Filter) and node.name not in filters.NAMES:
            raise PromptError(
                gettext_noop("Line %(line)d: there is no filter named “%(name)s”."),
                line=node.lineno,
                name=node.name,
            )
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise PromptError(
                gettext_noop("Line %(line)d: there is no test named “%(name)s”."),
                line=node.lineno,
                name=node.name,
            )


def _within_depth(tree: nodes.Template) -> Iterator[nodes.Node]:
    """Every node, each before what it holds, while blocks are not nested too deeply."""
    pending: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        depth += isinstance(node, _BLOCKS)
        if depth > _DEPTH_MOST:
            raise PromptError(
                gettext_noop("Line %(line)d: more than %(most)d blocks inside one another."),
                line=node.lineno,
                most=_DEPTH_MOST,
            )
        yield node
        pending += [(child, depth) for child in node.iter_child_nodes()]


class _Counting(NodeTransformer):
    """Charges loops and macros for their bodies, and bounds ``~`` and literals."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        weight = _weight([*node.body, *([node.test] if node.test else [])])
        self.generic_visit(node)
        node.iter = _filter(node.iter, _ITERATE, nodes.Const(weight))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:
        weight = _weight(node.body)
        self.generic_visit(node)
        charge = nodes.ExprStmt(_filter(nodes.Const(weight, lineno=node.lineno), _ENTER))
        node.body.insert(0, charge.set_lineno(node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), _JOIN)

    def _literal(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(node, nodes.Tuple) and node.ctx != "load":
            return node
        return _filter(node, _HOLD)

    visit_List = visit_Dict = visit_Tuple = _literal


def _weight(body: list[nodes.Node]) -> int:
    """Steps that one run of a body costs; bodies of inner loops are counted by those loops too."""
    weight = 1
    for root in body:
        for node in (root, *root.find_all(nodes.Node)):
            weight += 1
            if isinstance(node, nodes.TemplateData):
                weight += len(node.data) // 16
    return weight


def _filter(value: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    made = nodes.Filter(value, name, list(arguments), [], None, None)
    # Jinja2 maps the lines of its generated code back to these for its error messages.
    return made.set_lineno(value.lineno or 1, override=False)  # type: ignore[return-value]
