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


def guide():
    """Of the column by column guide: table, columns, what to do with them."""
    section = README.read_text(encoding="utf-8").split(FOR_BI, 1)[1].split("\n## ", 1)[0].split("### Column by column", 1)[1]
    lines = re.findall(r"^\| (all|`\w+`) \| (`.*?`) \| (.+) \|$", section, re.M)
    return [(table.strip("`"), re.findall(r"`([^`]+)`", names), words) for table, names, words in lines]


def unguided(lines, columns):
    """Columns of the guide's tables without a line, and names of the guide without a column."""
    tables = {table for table, *_ in lines} - {"all"}
    names = [(table, name) for table, of, _ in lines for name in of]
    fits = lambda name, column: re.fullmatch(re.escape(name).replace("…", ".*"), column)
    left, spare = [], set(names)
    for table, column in columns:
        if table not in tables:
            continue
        hit = next((line for line in names if line[0] in (table, "all") and fits(line[1], column)), None)
        if hit is None:
            left.append(f"{table}.{column}")
        spare.discard(hit)
    return left, sorted(spare)


def guided(run):
    columns = duckdb.sql(f"select \"table\", \"column\" from read_parquet('{run}/data_dictionary/*.parquet')").fetchall()
    lines = guide()
    left, spare = unguided(lines, columns)
    assert not left, f"the guide has no line for {left}"
    assert not spare, f"the guide tells of columns that are not there: {spare}"
    tables = {table for table, *_ in lines} - {"all"}
    assert len(tables) >= 15, tables
    # Each way of going wrong is seen.
    assert unguided(lines, columns + [("rpt_nps", "new")])[0] == ["rpt_nps.new"]
    assert unguided(lines + [("rpt_nps", ["gone"], "")], columns)[1] == [("rpt_nps", "gone")]
    print(f"{sum(table in tables for table, _ in columns)} columns of {len(tables)} tables have their line in the guide")


def in_folders(output, run):
    """`bi_layout`: every table once more, by day, with the same rows."""
    tables = sorted(path.parent.name for path in run.glob("*/part-00000.parquet"))
    day = json.loads((output / "latest.json").read_text())["as_of"]
    for table in tables:
        count = lambda files: duckdb.sql(f"select count(*), count(distinct as_of) from read_parquet('{files}', hive_partitioning = false)").fetchall()[0]
        folder = output / "tables" / table / f"as_of={day}"
        if table != "data_dictionary":
            assert count(f"{output}/tables/{table}/*/*.parquet") == count(f"{run}/{table}/*.parquet"), table
        assert [p.read_bytes() for p in sorted(folder.iterdir())] == [p.read_bytes() for p in sorted((run / table).iterdir())], table
    print(f"{len(tables)} tables in folders by day")


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
    guided(run)
    in_folders(output, run)
    assert empty <= int(sys.argv[2]) if len(sys.argv) > 2 else empty == 0, f"{empty} questions have no answer"


if __name__ == "__main__":
    main()
