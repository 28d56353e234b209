-- page_dictionary: every published table and column
-- grain: table, column
-- reads: data_dictionary
select
    "table" as table_name,
    table_meaning,
    grain,
    position,
    "column" as column_name,
    "type" as kind,
    meaning,
    unit,
    is_key,
    example
from data_dictionary
order by table_name, position
