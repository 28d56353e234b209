"""The questions of the README, put to DuckDB, polars and DataFusion over one published run.

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
    assert empty <= int(sys.argv[2]) if len(sys.argv) > 2 else empty == 0, f"{empty} questions have no answer"


if __name__ == "__main__":
    main()
