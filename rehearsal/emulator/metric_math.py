"""Arithmetic over metrics, as alarms use it: `invocations - errors`.

Four operations, brackets, numbers, the ids of metrics, and of CloudWatch's functions `FILL` with a
number, which stands for a metric without data.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping

_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


_FILL = "FILL"


class _MissingError(Exception):
    """A metric without data that nothing stands in for."""


class ExpressionError(ValueError):
    """An expression that cannot be understood here."""


def names(expression: str) -> set[str]:
    """Ids in an expression.

    Raises:
        ExpressionError: it is not arithmetic.
    """
    found = {node.id for node in ast.walk(_parse(expression)) if isinstance(node, ast.Name)}
    return found - {_FILL}


def evaluate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """Value of an expression; None without data, and for a division by zero, which is left out.

    Raises:
        ExpressionError: it is not arithmetic, or names what has no value.
    """
    try:
        return _value(_parse(expression), values)
    except (ZeroDivisionError, _MissingError):
        return None


def _parse(expression: str) -> ast.expr:
    try:
        body = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"not an expression: {expression}") from error
    for node in ast.walk(body):
        known = isinstance(
            node,
            (ast.BinOp, ast.Name, ast.Load, ast.UnaryOp, ast.USub, *_OPERATIONS),
        ) or (isinstance(node, ast.Constant) and isinstance(node.value, (int, float)))
        known = known or (isinstance(node, ast.Call) and _fills(node))
        if not known:
            raise ExpressionError(
                f"the rehearsal does not know {type(node).__name__} in the expression {expression}"
            )
    return body


def _fills(node: ast.Call) -> bool:
    """Whether a call is FILL of a metric with a number."""
    return (
        isinstance(node.func, ast.Name)
        and node.func.id == _FILL
        and not node.keywords
        and [type(argument) for argument in node.args] == [ast.Name, ast.Constant]
    )


def _value(node: ast.expr, values: Mapping[str, float | None]) -> float:
    match node:
        case ast.Call(args=[metric, number]):
            try:
                return _value(metric, values)
            except _MissingError:
                return _value(number, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(operand=operand):
            return -_value(operand, values)
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            value = values[name]
            if value is None:
                raise _MissingError
            return value
        case ast.Name(id=name):
            raise ExpressionError(f"the expression names {name}, which is no metric of the alarm")
        case _:
            raise ExpressionError(f"not an expression: {ast.unparse(node)}")
