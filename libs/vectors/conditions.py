"""A filter of ids, times and rows as SQL over a payload column. Pure."""

from libs.aip.filtering import to_sql
from libs.vectors.filters import After, Condition, Filter, Rows, Until, time_text

# Behind the fence of OFFSET the planner asks it of one entity after the other, and goes on walking
# the index in its order.
_ROWS = """ AND EXISTS (
    SELECT FROM {table} AS r WHERE r.tenant_id = $1 AND r.id = {entity}{comparisons} OFFSET 0
)"""


def conditions(
    where: Filter, first: int, column: str = "payload", entity: str = "entity_id"
) -> tuple[str, list[object]]:
    """AND-ed conditions and their values, which are parameters from `first` on.

    `column` is jsonb, `entity` the id of the row that it belongs to, $1 the tenant.
    """
    sql = ""
    values: list[object] = []
    for key, accepted in where.items():
        name = first + len(values)
        if isinstance(accepted, Rows):
            comparisons, given = to_sql(accepted.comparisons, name)
            sql += _ROWS.format(table=accepted.table, entity=entity, comparisons=comparisons)
            values += given
        else:
            sql += _condition(accepted).format(column=column, key=name, value=name + 1)
            values += [key, _value(accepted)]
    return sql, values


def _condition(accepted: Condition) -> str:
    match accepted:
        case Until():
            return """ AND coalesce({column} ->> ${key}, '') COLLATE "C" <= ${value}::text"""
        case After():
            return """ AND coalesce({column} ->> ${key}, '~') COLLATE "C" > ${value}::text"""
    return " AND coalesce({column} ->> ${key}, '') = ANY(${value}::text[])"


def _value(accepted: Condition) -> object:
    match accepted:
        case Until(at) | After(at):
            return time_text(at)
        case Rows():
            raise ValueError("rows have no single value")
    return list(accepted)
