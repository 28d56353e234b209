"""aftersale, every night: a DAG of Airflow (2.8 or newer). Put it into the folder of DAGs.

Credentials come from the worker's own environment (AWS_* and others).
"""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG(
    dag_id="aftersale",
    description="Which touchpoints after the sale turn customers into detractors",
    schedule="15 4 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    tags=["aftersale"],
) as dag:
    check = BashOperator(
        task_id="check",
        bash_command="aftersale check --config CONFIG --log-format json",
        execution_timeout=timedelta(hours=1),
    )
    run = BashOperator(
        task_id="run",
        bash_command="aftersale run --config CONFIG --max-minutes 180 --log-format json",
        # Another run is at work there: nothing is wrong.
        skip_on_exit_code=75,
        retries=2,
        retry_delay=timedelta(minutes=10),
        execution_timeout=timedelta(hours=4),
    )
    check >> run
