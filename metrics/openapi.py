"""The endpoint's routes in OpenAPI 3.1, made from the message that is really read."""

from typing import Any

import msgspec

from metrics.messages import LONGEST_ID, REASONS, Message

ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
STARTED = {
    "type": "object",
    "required": ["success", "data"],
    "properties": {
        "success": {"const": True},
        "data": {
            "type": "object",
            "required": ["session_id"],
            "properties": {"session_id": {"type": "string"}, "started_at": {"type": ["string", "null"]}},
        },
        "next": {"enum": ["new"]},
    },
}
TAKEN = {
    "type": "object",
    "required": ["success"],
    "properties": {"success": {"const": True}, "next": {"enum": ["start", "new"]}},
}
REFUSALS = {
    "400": "The body cannot be used.",
    "403": "The origin may not send.",
    "408": "The body did not arrive.",
    "413": "The body is too large.",
    "429": "Too many beacons; Retry-After says for how long.",
    "503": "Nothing can be stored now; Retry-After says when to try again.",
}


def describe() -> dict[str, Any]:
    """The document."""
    (_,), schemas = msgspec.json.schema_components([Message], ref_template="#/components/schemas/{name}")
    start, other = schemas["Message"], {**schemas["Message"], "required": ["session_id"]}
    for schema in (start, other):
        schema["properties"] = properties = dict(schema["properties"])
        properties["reason"] = {"anyOf": [{"enum": list(REASONS)}, {"type": "null"}]}
        properties["session_id"] = {"anyOf": [{"type": "string", "maxLength": LONGEST_ID}, {"type": "null"}]}
    other["properties"]["session_id"] = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
    schemas["Previous"]["properties"]["session_id"]["maxLength"] = LONGEST_ID
    schemas |= {"Start": start, "Beacon": other, "Error": ERROR, "Started": STARTED, "Taken": TAKEN}
    del schemas["Message"]
    began = {"200": _answer("It was known.", "Started"), "201": _answer("It is stored.", "Started")}
    taken = {"200": _answer("It is stored.", "Taken")}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Customer Metrics: beacons", "version": "1"},
        "paths": {
            "/api/analytics/session": {
                "post": _beacon("A session starts.", "Start", began),
                "patch": _beacon("A session goes on.", "Beacon", taken),
            },
            "/api/analytics/session/heartbeat": {"post": _beacon("A session goes on.", "Beacon", taken)},
            "/api/analytics/session/end": {"post": _beacon("A session ends.", "Beacon", taken)},
            "/tracker.js": {"get": _read("The tracker.", "text/javascript")},
            "/healthz": {"get": _read("The process is up.", "application/json")},
            "/readyz": {"get": _read("Beacons can be written.", "application/json", not_ready="Not now.")},
            "/openapi.json": {"get": _read("This description.", "application/json")},
        },
        "components": {"schemas": schemas},
    }


def _beacon(sentence: str, schema: str, answers: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    body = {
        "description": "JSON whatever the content type says: sendBeacon sends a string as text/plain.",
        "required": True,
        "content": {"application/json": content},
    }
    refusals = {status: _answer(reason, "Error") for status, reason in REFUSALS.items()}
    return {"summary": sentence, "requestBody": body, "responses": answers | refusals}


def _answer(sentence: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": sentence, "content": content}


def _read(sentence: str, media_type: str, *, not_ready: str | None = None) -> dict[str, Any]:
    answers = {"200": {"description": sentence, "content": {media_type: {}}}, "304": {"description": "It is known."}}
    if not_ready:
        answers["503"] = {"description": not_ready, "content": {media_type: {}}}
    return {"summary": sentence, "responses": answers}
