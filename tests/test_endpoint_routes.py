"""What the endpoint answers beside beacons, and what its login may do."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import psycopg
import pytest

from metrics.ports import PortTaken, listen
from tests.endpoint_server import EndpointServer, serve_endpoint

START = "/api/analytics/session"
BEAT = "/api/analytics/session/heartbeat"
END = "/api/analytics/session/end"


@pytest.fixture
def endpoint(url: str) -> Iterator[EndpointServer]:
    with serve_endpoint(url) as server:
        yield server


@pytest.fixture
def client(endpoint: EndpointServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=endpoint.address) as client:
        yield client


def test_while_the_database_is_away_beacons_are_kept() -> None:
    with serve_endpoint("postgresql://nobody@127.0.0.1:1/none") as endpoint:
        answers = [httpx2.post(endpoint.address + path, json={"session_id": "a"}) for path in (START, BEAT, END)]
        assert [answer.status_code for answer in answers] == [201, 200, 200]
        assert answers[0].json()["data"]["session_id"] == "a"
        assert answers[0].json()["data"]["started_at"] is not None
        ready = httpx2.get(endpoint.address + "/readyz")
        assert (ready.status_code, ready.json()["spool"]) == (503, 3)
        assert httpx2.get(endpoint.address + "/healthz").json() == {"status": "up"}
        assert "metrics_spool_beacons 3.0" in httpx2.get(endpoint.address + "/metrics").text


def test_without_a_place_to_keep_them_beacons_are_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").touch()
    with serve_endpoint("postgresql://nobody@127.0.0.1:1/none", home=tmp_path) as endpoint:
        for path in (START, BEAT, END):
            answer = httpx2.post(endpoint.address + path, json={"session_id": "a"})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert answer.json() == {"error": "The database does not answer: send it again"}
        assert httpx2.get(endpoint.address + "/readyz").json()["spool"] is None


def test_a_full_spool_says_when_to_come_again(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    with serve_endpoint(url, home=tmp_path, spool_megabytes=1) as endpoint, httpx2.Client() as client:
        kept = 0
        while (answer := client.post(endpoint.address + START, json={"landing_page": "/" + "x" * 2_000})).is_success:
            kept += 1
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["error"] == "The database does not answer, and nothing more can be kept: send it again"
        assert 100 < kept < 1_000
        assert client.get(endpoint.address + "/readyz").json()["spool"] == kept


def test_ready_says_whether_beacons_can_be_written(client: httpx2.Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "spool": 0, "waiting": 0}


def test_a_schema_that_is_not_current_is_not_ready(empty_url: str) -> None:
    with serve_endpoint(empty_url) as endpoint:
        ready = httpx2.get(endpoint.address + "/readyz")
        assert (ready.status_code, ready.json()["error"]) == (
            503,
            "The schema is not current: run python -m metrics migrate",
        )
        assert httpx2.post(endpoint.address + START, json={"session_id": "a"}).status_code == 201


def test_the_tracker_is_cached_by_its_hash(client: httpx2.Client) -> None:
    answer = client.get("/tracker.js")
    tag = answer.headers["etag"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    assert client.get("/tracker.js", headers={"if-none-match": tag}).status_code == 304
    pinned = client.get("/tracker.js", params={"v": tag.strip('"')})
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = client.get("/tracker.js", headers={"accept-encoding": "identity"})
    assert plain.text == answer.text == Path("metrics/tracker.min.js").read_text()


def test_counters_are_for_this_machine_only(client: httpx2.Client) -> None:
    client.post(START, json={"session_id": "a"})
    assert 'metrics_beacons_total{kind="start",status="201"}' in client.get("/metrics").text
    assert client.get("/metrics", headers={"x-forwarded-for": "8.8.8.8"}).status_code == 404


def test_what_is_not_there_and_what_is_not_meant(client: httpx2.Client) -> None:
    assert (client.get("/nothing").status_code, client.get("/nothing").json()) == (404, {"error": "Nothing is here"})
    for path in (START, BEAT, END):
        assert client.get(path).status_code == 405
        assert client.put(path).status_code == 405


def test_absurd_headers_are_refused(client: httpx2.Client) -> None:
    # It may hang up before we are done.
    with suppress(httpx2.WriteError, httpx2.ReadError):
        assert client.get("/healthz", headers={"x": "y" * 100_000}).status_code == 400
    assert client.get("/healthz").status_code == 200


def test_the_role_may_call_four_functions_and_read_nothing(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET ROLE metrics_beacon")
        for table in ("user_sessions", "user_activity_summary", "users", "orders", "metrics_sessions"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT 1 FROM {table}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT metrics_sweep_sessions('30 min', '1 day', 1)")
        for name in ("start", "heartbeat", "end"):
            connection.execute(f"SELECT * FROM metrics_{name}_sessions('[]', '30 min', '1 day')")
        connection.execute("SELECT metrics_take_step(gen_random_uuid(), 1)")


def test_a_login_that_may_do_nothing_else_records_beacons(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE endpoint_login LOGIN IN ROLE metrics_beacon")
    try:
        with serve_endpoint(url.replace("postgres:@", "endpoint_login@")) as endpoint:
            assert httpx2.get(endpoint.address + "/readyz").json()["status"] == "ready"
            assert httpx2.post(endpoint.address + START, json={"session_id": "a"}).status_code == 201
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP ROLE endpoint_login")


def test_a_taken_port_is_one_sentence() -> None:
    with listen("127.0.0.1", 0, "") as taken, pytest.raises(PortTaken, match=r"cannot be used \(.*\): .*or ask"):
        listen("127.0.0.1", taken.getsockname()[1], "ask")
