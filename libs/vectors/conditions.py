"""A filter of ids as SQL over a payload column. Pure."""

from libs.vectors import Filter


def conditions(where: Filter, first: int, column: str = "payload") -> tuple[str, list[object]]:
    """AND-ed conditions and their values, which are parameters from `first` on: key and accepted
    values in turn. `column` is jsonb."""
    sql = ""
    values: list[object] = []
    for place, (key, accepted) in enumerate(where.items()):
        name = first + 2 * place
        sql += f" AND coalesce({column} ->> ${name}, '') = ANY(${name + 1}::text[])"
        values += [key, list(accepted)]
    return sql, values
