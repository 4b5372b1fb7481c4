"""What Schemathesis does not look at by itself: the lines and events of what streams, and that strangers are refused."""

import json

import jsonschema_rs
import schemathesis

# What each line or event is, of what streams.
STREAMED = {
    "application/x-ndjson": "Progress",
    "application/jsonl": "Message",
    "text/event-stream": "ShownEvent",
}


def kind_of(response):
    return response.headers.get("content-type", [""])[0].split(";")[0]


def told(response, kind):
    """The JSON of each line, or of each event that is one."""
    text = response.content.decode()
    if kind != "text/event-stream":
        return [json.loads(line) for line in text.splitlines()]
    events = [dict(line.split(": ", 1) for line in event.splitlines() if ": " in line) for event in text.split("\n\n")]
    return [json.loads(event["data"]) for event in events if event.get("event") == "event"]


@schemathesis.check
def each_line_is_as_described(ctx, response, case):
    kind = kind_of(response)
    if response.status_code != 200 or kind not in STREAMED:
        return
    components = case.operation.schema.raw_schema["components"]
    schema = {"$ref": f"#/components/schemas/{STREAMED[kind]}", "components": components}
    for line in told(response, kind):
        wrong = [error.message for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(line)]
        assert not wrong, f"{line} is no {STREAMED[kind]}: {wrong}"


@schemathesis.check
def strangers_are_refused(ctx, response, case):
    assert response.status_code == 401, "who shows no token is told 401"
    assert kind_of(response) == "application/problem+json", "a refusal is a problem document"
    assert response.json()["status"] == 401
    assert response.headers["www-authenticate"] == ['Bearer realm="tropomq"']
