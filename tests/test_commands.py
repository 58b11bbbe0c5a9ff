"""The commands as a person types them: one clear sentence, the right exit code, never a stack."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest

from metrics.settings import PROJECT
from metrics.statements import SQL_FOLDER
from tests.server import free_port, wait_until_up


def run(*words: str, timeout: float = 60, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "metrics", *words],
        cwd=PROJECT,
        env=clean_environ() | environ,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def clean_environ() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("METRICS_", "DATABASE_", "STREAMLIT_"))
    }
    return kept | {"METRICS_ENDPOINT_PORT": str(free_port())}


def assert_one_sentence(result: subprocess.CompletedProcess[str], wanted: str) -> None:
    assert result.returncode == 1, result
    assert wanted in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_migrate_says_what_it_did(url: str) -> None:
    result = run("migrate", DATABASE_URL=url)
    assert (result.returncode, result.stdout.strip()) == (0, "the schema is current")


def test_migrate_names_what_the_shop_lacks(empty_url: str) -> None:
    assert_one_sentence(run("migrate", DATABASE_URL=empty_url), "The shop's table users is missing")


def test_demo_refuses_a_shop_with_customers(url: str, alice: object) -> None:
    assert_one_sentence(run("demo", DATABASE_URL=url), "The database holds customers")


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"DATABASE_URL": "mysql://root@localhost/shop"}, "use postgresql://user:password@host:5432/database"),
        ({"DATABASE_URL": "postgresql://shop:secret-word@127.0.0.1:1/shop"}, "The database does not answer"),
        ({"METRICS_RETENTION_DAYS": "ninety"}, "METRICS_RETENTION_DAYS is 'ninety': use a whole number of days"),
        ({"METRICS_ENDPOINT_PORT": "x"}, "METRICS_ENDPOINT_PORT is 'x': use a port"),
        ({"METRICS_HOME": "/proc/nowhere"}, "METRICS_HOME is '/proc/nowhere', which cannot be written"),
    ],
)
@pytest.mark.parametrize("command", ["migrate", "run"])
def test_what_cannot_be_used_is_one_sentence(command: str, environ: dict[str, str], wanted: str) -> None:
    port = ["--port", str(free_port())] if command == "run" else []
    result = run(command, *port, **environ)
    assert_one_sentence(result, wanted)
    assert "secret-word" not in result.stderr


def test_run_says_that_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_sentence(run("run", "--port", str(port)), f"Port {port} of 127.0.0.1 cannot be used")
        taken_too = run("run", "--port", str(free_port()), METRICS_ENDPOINT_PORT=str(port))
        assert_one_sentence(taken_too, "choose another with METRICS_ENDPOINT_PORT=8512")


def test_words_that_are_none_are_refused() -> None:
    assert run("dance").returncode == 2
    assert run("run", "--port", "99999").returncode == 2


def test_a_user_without_rights_is_told_in_one_sentence(empty_url: str) -> None:
    with psycopg.connect(empty_url) as connection:
        connection.execute((SQL_FOLDER / "demo_shop.sql").read_bytes())
        connection.execute("CREATE ROLE stranger LOGIN")
    try:
        result = run("migrate", DATABASE_URL=empty_url.replace("postgres:@", "stranger@"))
        assert_one_sentence(result, "permission denied for schema public")
    finally:
        with psycopg.connect(empty_url) as connection:
            connection.execute("DROP ROLE stranger")


def test_run_names_what_the_shop_lacks(empty_url: str) -> None:
    result = run("run", "--port", str(free_port()), DATABASE_URL=empty_url)
    assert_one_sentence(result, "The shop's table users is missing")


def test_run_stops_everything_when_a_part_of_it_dies(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "metrics", "run", "--port", str(port)],
        cwd=PROJECT,
        env=clean_environ() | {"METRICS_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until_up(port)
    (endpoint,) = [
        part for part in psutil.Process(child.pid).children() if part.cmdline()[1:] == ["-m", "metrics", "endpoint"]
    ]
    endpoint.kill()
    _, errors = child.communicate(timeout=30)
    assert child.returncode != 0
    assert "The endpoint stopped by itself (exit code -9): stopping the rest" in errors
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_run_fills_serves_stops_and_keeps_the_data(tmp_path: Path, ending: signal.Signals) -> None:
    environ = clean_environ() | {"METRICS_HOME": str(tmp_path)}
    # The embedded server runs as another user when this one is root.
    tmp_path.chmod(0o755)
    filled = []
    for _ in range(2):
        port = free_port()
        command = [sys.executable, "-m", "metrics", "run", "--port", str(port)]
        # As a script starts it in the background: with SIGINT ignored.
        words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
        child = subprocess.Popen(words, cwd=PROJECT, env=environ, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_up(port)
            endpoint = f"http://127.0.0.1:{environ['METRICS_ENDPOINT_PORT']}"
            wait_until_up(int(environ["METRICS_ENDPOINT_PORT"]))
            started = httpx2.post(f"{endpoint}/api/analytics/session", json={})
            assert started.status_code == 201
            customers = httpx2.get(f"http://127.0.0.1:{port}/export/customers.csv").text
            filled.append(sorted(row.split(",")[0] for row in customers.splitlines()))
        finally:
            child.send_signal(ending)
            # As a process group does it, once from the terminal and once from make.
            child.send_signal(signal.SIGTERM)
            output, _ = child.communicate(timeout=30)
        assert child.returncode == 0
        assert f"http://127.0.0.1:{port}" in output
        assert f"{endpoint}/demo" in output
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(f"{endpoint}/healthz")
        assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    assert len(filled[0]) == 2_001
    assert filled[0] == filled[1]
