"""The endpoint's OpenAPI: true of every answer, for whatever is generated from it and against it."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from metrics.endpoint import make_app
from metrics.openapi import describe
from metrics.settings import load_settings
from tests.conftest import Server
from tests.endpoint_server import serve_endpoint

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    positive_data_acceptance,
    negative_data_rejection,
]
OPERATIONS = [
    (path, method) for path, methods in describe()["paths"].items() for method in methods if method in ("post", "patch")
]


@pytest.fixture(scope="module")
def address(embedded_server: Server) -> Iterator[str]:
    url = embedded_server.create_database()
    with serve_endpoint(url) as endpoint:
        yield endpoint.address
    embedded_server.drop_database(url)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_described(address: str, path: str, method: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(describe())
    schema.config.update(base_url=address)
    operation = schema[path][method.upper()]

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(checks=CHECKS)

    ask()


def test_it_describes_every_route() -> None:
    routes = make_app(
        load_settings({"METRICS_ENDPOINT_HOST": "0.0.0.0"}), "postgresql://nobody@127.0.0.1:1/none"
    ).routes
    described = set(describe()["paths"])
    assert {route.path for route in routes} - described == {"/metrics"}
    assert described <= {route.path for route in routes}
