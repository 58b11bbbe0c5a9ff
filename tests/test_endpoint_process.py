"""The endpoint as its own process: small, quiet about people, and what it acknowledged is there after it stopped."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import psycopg
import pytest

from metrics.settings import PROJECT
from tests.server import free_port, wait_until, wait_until_up

START = "/api/analytics/session"
MOST_MEGABYTES = 60
PHONE = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36"


@contextmanager
def run_endpoint(log: Path, **environ: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("METRICS_", "DATABASE_"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "metrics", "endpoint"],
            cwd=PROJECT,
            env=kept
            | {
                "METRICS_HOME": str(log.parent / "home"),
                "METRICS_ENDPOINT_PORT": str(port),
                "METRICS_RATE_LIMIT": "1000000",
            }
            | environ,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_up(port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def count_megabytes(process: "subprocess.Popen[bytes]") -> float:
    megabytes: float = psutil.Process(process.pid).memory_info().rss / 2**20
    return megabytes


def test_it_stays_small_whatever_it_is_sent(url: str, tmp_path: Path) -> None:
    with run_endpoint(tmp_path / "log", DATABASE_URL=url) as (address, process), httpx2.Client() as client:
        for number in range(500):
            client.post(
                address + START,
                json={"session_id": f"{number:032x}", "landing_page": "/" + "x" * 2_000},
                headers={"user-agent": PHONE.format(number)},
            )
        usual = count_megabytes(process)
        for body in (b"x" * 30_000_000, b"[" * 2_000, b'{"x":' * 2_000, b"\0" * 8_000, b'{"t":' + b"9" * 8_000 + b"}"):
            for _ in range(10):
                with suppress(httpx2.TransportError):
                    assert client.post(address + START, content=body).status_code in (400, 413)
        assert count_megabytes(process) < usual + 5
        assert usual < MOST_MEGABYTES
    assert process.returncode == 0


def test_its_log_is_json_and_knows_nobody(url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    secret = {"session_id": "a-very-secret-id", "token": "a.secret.token", "landing_page": "/alice@example.com"}
    with run_endpoint(log, DATABASE_URL=url, METRICS_TRUST_CLIENT_USER_ID="true") as (address, _):
        httpx2.post(address + START, json=secret)
        httpx2.post(address + START, json=secret | {"t": "secret"})
        httpx2.post(address + START, json=secret, headers={"origin": "https://evil.example"})
        httpx2.post(address + START, content=b"x" * 10_000)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["event"] for line in lines} >= {"listening", "refused"}
    assert sorted(line["reason"] for line in lines if line["event"] == "refused") == ["message", "origin", "size"]
    assert [line for line in lines if "METRICS_TRUST_CLIENT_USER_ID is true" in line["event"]]
    assert not re.search(r"secret|alice|127\.0\.0\.1\"|evil", log.read_text())


def test_what_it_acknowledged_is_there_after_it_stopped(url: str, tmp_path: Path) -> None:
    acknowledged: list[str] = []

    def send(address: str, sender: int) -> None:
        with httpx2.Client() as client:
            for number in range(10_000):
                session_id = f"{sender}-{number}"
                try:
                    answer = client.post(address + START, json={"session_id": session_id})
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged.append(session_id)

    with run_endpoint(tmp_path / "log", DATABASE_URL=url) as (address, process):
        senders = [threading.Thread(target=send, args=(address, number)) for number in range(8)]
        for sender in senders:
            sender.start()
        wait_until(lambda: len(acknowledged) >= 200, "200 acknowledged beacons", 60)
        process.send_signal(signal.SIGTERM)
        for sender in senders:
            sender.join(timeout=30)
    with psycopg.connect(url) as connection:
        stored = {row[0] for row in connection.execute("SELECT session_id FROM user_sessions")}
    assert len(acknowledged) >= 200
    assert set(acknowledged) <= stored
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"METRICS_ALLOWED_ORIGINS": "shop.example"}, "METRICS_ALLOWED_ORIGINS has 'shop.example': use origins"),
        ({"METRICS_TRUSTED_PROXIES": "nonsense"}, "METRICS_TRUSTED_PROXIES"),
        (
            {"METRICS_ENDPOINT_PORT": "1", "METRICS_ENDPOINT_HOST": "203.0.113.7"},
            "Port 1 of 203.0.113.7 cannot be used",
        ),
    ],
)
def test_what_cannot_be_used_ends_the_start_in_one_sentence(url: str, environ: dict[str, str], sentence: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "metrics", "endpoint"],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": url} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
