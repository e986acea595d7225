"""Conditions on the figures of a backtest, for a build that must stop: ``b.precision < a.precision - 0.02``.

A condition is a small piece of arithmetic and comparison over named figures; nothing else can be said in it.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from streams.compared import FIGURES, SUBJECTS, Comparison

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARING: dict[type[ast.AST], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
MOVES = ("only_a", "only_b", "both")
NAMES = frozenset(
    {f"{side}.{name}" for side in "ab" for name in FIGURES}
    | {f"{move}.{name}" for move in MOVES for name in SUBJECTS}
    | {"differs"}
)
"""Every name that a condition may use."""


class ConditionError(RuntimeError):
    """A condition cannot be understood; the message is one sentence."""


class _Unknown(Exception):
    """A figure has no value."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition that must not hold."""

    text: str
    tree: ast.expr

    def verdict(self, found: Comparison) -> str | None:
        """None if the condition does not hold; else why the build must stop, with the figures.

        A condition over a figure that has no value stops it too: what is not known was not shown to be right.
        """
        values = values_of(found)
        try:
            holds = bool(_value(self.tree, values))
        except _Unknown as error:
            why = f": {found.window.why}" if found.window.why else ""
            return f"{self.text}: {error} is not known{why}"
        except ZeroDivisionError:
            return f"{self.text}: it divides by zero"
        if not holds:
            return None
        used = sorted({name for name in map(_name_of, ast.walk(self.tree)) if name is not None})
        return f"{self.text} ({', '.join(f'{name} is {values[name]:.6g}' for name in used)})"


def condition(text: str) -> Condition:
    """Understand a condition before anything is judged. Raises ``ConditionError``."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConditionError(f"{text!r} is no condition such as 'b.alerts_per_day > 40'") from None
    if not isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp):
        raise ConditionError(f"{text!r} compares nothing; a condition is such as 'b.alerts_per_day > 40'")
    _check(tree, text)
    return Condition(text.strip(), tree)


def values_of(found: Comparison) -> Mapping[str, float | None]:
    """Every name of a condition with its value."""
    values: dict[str, float | None] = {"differs": float(found.differs)}
    for side, one in (("a", found.a), ("b", found.b)):
        values |= {f"{side}.{name}": one.figures[name] for name in FIGURES}
    for name, moved in found.moved.items():
        values[f"only_a.{name}"] = len(moved.only_a)
        values[f"only_b.{name}"] = len(moved.only_b)
        values[f"both.{name}"] = moved.both
    return values


def _name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return "differs" if isinstance(node, ast.Name) and node.id == "differs" else None


def _check(node: ast.expr, text: str) -> None:
    """Refuse whatever is not arithmetic, comparison, and, or, not."""
    if isinstance(node, ast.Constant) and type(node.value) in {int, float}:
        return
    if isinstance(node, ast.Attribute | ast.Name):
        name = _name_of(node)
        if name not in NAMES:
            raise ConditionError(f"{text!r}: there is no figure {ast.unparse(node)!r}; there are a. and b. with "
                            f"{', '.join(FIGURES)}; only_a., only_b. and both. with {', '.join(SUBJECTS)}; and "
                            "differs")  # fmt: skip
        return
    parts: list[ast.expr]
    if isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        parts = [node.operand]
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        parts = [node.left, node.right]
    elif isinstance(node, ast.Compare) and all(type(one) in _COMPARING for one in node.ops):
        parts = [node.left, *node.comparators]
    else:
        raise ConditionError(f"{text!r}: {ast.unparse(node)!r} cannot be used: only figures, numbers, + - * /, "
                        "comparisons, and, or, not")  # fmt: skip
    for part in parts:
        _check(part, text)


def _value(node: ast.expr, values: Mapping[str, float | None]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    name = _name_of(node)
    if name is not None:
        value = values[name]
        if value is None:
            raise _Unknown(name)
        return value
    if isinstance(node, ast.BoolOp):
        # Every part is looked at, so that a figure without a value is never passed over.
        parts = [bool(_value(one, values)) for one in node.values]
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, values)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](_value(node.left, values), _value(node.right, values))
    assert isinstance(node, ast.Compare)
    terms = [_value(one, values) for one in (node.left, *node.comparators)]
    return all(
        _COMPARING[type(op)](one, other) for op, one, other in zip(node.ops, terms, terms[1:], strict=False)
    )
