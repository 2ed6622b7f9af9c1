"""Arithmetic over metrics, as alarms use it: `invocations - errors`.

Four operations, brackets, numbers and the ids of metrics; no function of CloudWatch's.
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


class ExpressionError(ValueError):
    """An expression that cannot be understood here."""


def names(expression: str) -> set[str]:
    """Ids in an expression.

    Raises:
        ExpressionError: it is not arithmetic.
    """
    return {node.id for node in ast.walk(_parse(expression)) if isinstance(node, ast.Name)}


def evaluate(expression: str, values: Mapping[str, float]) -> float | None:
    """Value of an expression; None for a division by zero, which CloudWatch leaves out.

    Raises:
        ExpressionError: it is not arithmetic, or names what has no value.
    """
    try:
        return _value(_parse(expression), values)
    except ZeroDivisionError:
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
        if not known:
            raise ExpressionError(
                f"the rehearsal does not know {type(node).__name__} in the expression {expression}"
            )
    return body


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATIONS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(operand=operand):
            return -_value(operand, values)
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id=name):
            raise ExpressionError(f"the expression names {name}, which is no metric of the alarm")
        case _:
            raise ExpressionError(f"not an expression: {ast.unparse(node)}")
