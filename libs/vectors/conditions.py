"""A filter of ids and times as SQL over a payload column. Pure."""

from collections.abc import Sequence

from libs.vectors.filters import After, Filter, Until, time_text


def conditions(where: Filter, first: int, column: str = "payload") -> tuple[str, list[object]]:
    """AND-ed conditions and their values, which are parameters from `first` on: key and accepted
    values in turn. `column` is jsonb."""
    sql = ""
    values: list[object] = []
    for place, (key, accepted) in enumerate(where.items()):
        name = first + 2 * place
        sql += _condition(accepted).format(column=column, key=name, value=name + 1)
        values += [key, _value(accepted)]
    return sql, values


def _condition(accepted: Sequence[str] | Until | After) -> str:
    match accepted:
        case Until():
            return """ AND coalesce({column} ->> ${key}, '') COLLATE "C" <= ${value}::text"""
        case After():
            return """ AND coalesce({column} ->> ${key}, '~') COLLATE "C" > ${value}::text"""
    return " AND coalesce({column} ->> ${key}, '') = ANY(${value}::text[])"


def _value(accepted: Sequence[str] | Until | After) -> object:
    return time_text(accepted.at) if isinstance(accepted, Until | After) else list(accepted)
