"""The questions of the README, put to DuckDB, polars and DataFusion over one published run; and what it tells
BI tools of the tables: the script that loads them, and each relation of many rows to one.

    python questions.py OUTPUT
Each engine has to return rows, and all three the same ones, in the same order.
"""

import datetime
import json
import re
import sys
from pathlib import Path

import datafusion
import duckdb
import polars

README = Path(__file__).parents[2] / "README.md"
HEADING = "## Which table answers which question"
FOR_BI = "## In BI tools"


def questions():
    """Question and SQL of every block under the heading."""
    section = README.read_text(encoding="utf-8").split(HEADING, 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```sql\n-- (.*?)\n(.*?)```", section, re.S)
    assert len(blocks) >= 12, f"only {len(blocks)} questions"
    return blocks


def engines(run):
    """By name: SQL in, rows as lists out."""
    tables = sorted(path.parent.name for path in run.glob("*/part-00000.parquet"))
    assert len(tables) >= 12, tables
    duck, frames, fusion = duckdb.connect(), polars.SQLContext(), datafusion.SessionContext()
    for table in tables:
        files = str(run / table / "*.parquet")
        duck.execute(f"create view {table} as select * from read_parquet('{files}')")
        frames.register(table, polars.scan_parquet(files))
        fusion.register_parquet(table, str(run / table))

    def in_datafusion(sql):
        columns = [batch.to_pydict() for batch in fusion.sql(sql).collect()]
        return [list(row) for batch in columns for row in zip(*batch.values())]

    return {
        "DuckDB": lambda sql: [list(row) for row in duck.execute(sql).fetchall()],
        "polars": lambda sql: [list(row) for row in frames.execute(sql, eager=True).rows()],
        "DataFusion": in_datafusion,
    }


def plain(value):
    """What engines return differently and mean alike; sums of floats agree to nine digits."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value


def loaded(output):
    """A DuckDB session in which the README's script has been run."""
    section = README.read_text(encoding="utf-8").split(FOR_BI, 1)[1].split("\n## ", 1)[0]
    script = re.search(r"```sql\n(.*?)```", section, re.S)[1]
    duck = duckdb.connect()
    duck.execute(script.replace("data/out", str(output)))
    relations = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \| `(\w+)` \|$", section, re.M)
    assert len(relations) >= 6, relations
    return duck, relations


def astray(duck, relation):
    """What keeps a relation from being one of many rows to one; none where it is."""
    table, column, to, key = relation
    ask = lambda sql: duck.execute(sql).fetchone()[0]
    found = []
    if ask(f"select count({column}) from {table}") == 0:
        found.append("no row has a value")
    if twice := ask(f"select count(*) - count(distinct {key}) from {to}"):
        found.append(f"{twice} values come again in `{to}`")
    if lost := ask(f"select count(*) from {table} where {column} is not null and {column} not in (select {key} from {to})"):
        found.append(f"{lost} rows have no partner")
    return found


def related(output):
    duck, relations = loaded(output)
    for relation in relations:
        found = astray(duck, relation)
        assert not found, f"{' '.join(relation)}: {found}"
    # Each way of going wrong is seen.
    for wrong, seen in [
        (("fct_exposures", "response_id", "fct_attributions", "response_id"), "come again"),
        (("fct_attributions", "touchpoint", "fct_exposures", "response_id"), "no partner"),
        (("(select null as nothing)", "nothing", "touchpoints", "touchpoint"), "no row"),
    ]:
        assert any(seen in words for words in astray(duck, wrong)), wrong
    print(f"{len(relations)} relations are of many rows to one")


def main():
    output = Path(sys.argv[1])
    run = output / json.loads((output / "latest.json").read_text())["path"]
    ask = engines(run)
    empty = 0
    for question, sql in questions():
        found = {}
        for name, engine in ask.items():
            try:
                found[name] = [[plain(value) for value in row] for row in engine(sql)]
            except Exception as error:
                raise SystemExit(f"{question}\n{name}: {error}")
        first = found["DuckDB"]
        for name, rows in found.items():
            assert len(rows) == len(first), f"{question}\n{name} returns {len(rows)} rows, DuckDB {len(first)}"
            for one, other in zip(rows, first):
                assert one == other, f"{question}\n{name}: {one}\nDuckDB: {other}"
        empty += not first
        print(f"{len(first):6} rows  {question}")
    related(output)
    assert empty <= int(sys.argv[2]) if len(sys.argv) > 2 else empty == 0, f"{empty} questions have no answer"


if __name__ == "__main__":
    main()
