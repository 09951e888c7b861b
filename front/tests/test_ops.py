"""Health, readiness, metrics, and documents that tell the truth."""

import base64
import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

from front_support import ONE, TOKEN, TWO, Front, running, wait_for

from brokerbus_front.routes import ROUTES


def test_alive(front: Front) -> None:
    """/livez and /health answer 200 to anyone."""
    for path in ("/livez", "/health"):
        answer = front.ask("GET", path, token=None)
        assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_ready(front: Front) -> None:
    """With every worker and broker up /readyz is 200 and lists them."""
    answer = front.ask("GET", "/readyz")
    assert answer.status == 200
    up = {"broker": "stub", "state": "ready", "session": "up"}
    assert answer.json == {"status": "ready", "instances": [{"instance": ONE, **up}, {"instance": TWO, **up}]}


def test_not_ready(home: Path) -> None:
    """A worker that is away and a broker that is away make 503, each with its reason; /livez does not care."""
    with running(home) as front:
        front.start_worker(ONE, session="down")
        answer = front.ask("GET", "/readyz")
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert answer.json["code"] == "unavailable"
        first, second = answer.json["reasons"]
        assert (first["instance"], first["session"], first["message"]) == (ONE, "down", "the gateway is away")
        assert (second["instance"], second["code"]) == (TWO, "unavailable")
        assert front.ask("GET", "/livez").status == 200


def test_a_halt_and_unknown_outcomes_are_shown(home: Path) -> None:
    """An instance whose trading is halted serves; readiness, metrics and /v1 tell of the halt and of open outcomes."""
    with running(home, (ONE, TWO)) as front:
        front.v1("POST", "/halt", {"reason": "lunch"})
        answer = front.ask("GET", "/readyz")
        assert (answer.status, answer.json["instances"][0]["halted"]) == (200, True)
        for gauge, value in (("trading_halted", 1.0), ("orders_unknown", 3.0)):
            line = f'brokerbus_{gauge}{{broker="stub",instance="{ONE}"}} {value}'
            wait_for(lambda line=line: line in front.ask("GET", "/metrics").body.decode(), line, 2)
        shown = front.v1("GET", "").json
        assert (shown["halted"], shown["unknown"]) == ("lunch", 3)


def test_a_hung_worker_is_not_ready(home: Path) -> None:
    """A stopped worker costs /readyz its own deadline, not longer."""
    with running(home, (ONE,)) as front:
        pid = front.workers[ONE].pid
        os.kill(pid, signal.SIGSTOP)
        try:
            started = time.monotonic()
            answer = front.ask("GET", "/readyz")
            assert answer.status == 503
            assert time.monotonic() - started < 2
        finally:
            os.kill(pid, signal.SIGCONT)


def test_metrics(front: Front) -> None:
    """Requests are counted by instance, broker, method and code, and timed in a histogram that adds up."""
    front.get("cash/state")
    front.get("market/quote")
    text = front.ask("GET", "/metrics").body.decode()
    labels = f'broker="stub",{{}}instance="{ONE}",method='
    assert re.search(r"brokerbus_requests_total\{" + labels.format('code="ok",') + r'"cash"\} [1-9]', text)
    assert re.search(r"brokerbus_requests_total\{" + labels.format('code="bad_request",') + r'"quote"\} [1-9]', text)
    total = sum(
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("brokerbus_requests_total{") and f'instance="{ONE}",method="cash"' in line
    )
    assert f'brokerbus_request_seconds_count{{broker="stub",instance="{ONE}",method="cash"}} {total}' in text
    assert "brokerbus_connections " in text
    for gauge, value in (("session_up", 1), ("trading_halted", 0), ("orders_unknown", 0)):
        assert f'brokerbus_{gauge}{{broker="stub",instance="{ONE}"}} {value}.0' in text
    assert "process_resident_memory_bytes" in text


def test_metrics_labels_are_bounded(front: Front) -> None:
    """Requests for made-up instances and paths make no new series."""

    def series() -> set[str]:
        return {line.rsplit(" ", 1)[0] for line in front.ask("GET", "/metrics").body.decode().splitlines()}

    front.get("ping/state")
    before = series()
    for number in range(20):
        front.ask("GET", front.path(f"x{number}/y", f"Z{number:015}"))
    assert series() == before


def query(operation: dict) -> str:
    """The query that an operation gives as its example."""
    parameters = (one for one in operation.get("parameters", ()) if one["in"] == "query" and "example" in one)
    return "?" + "&".join(f"{one['name']}={one['example']}" for one in parameters)


def body(operation: dict) -> bytes | None:
    """The body that an operation gives as its example."""
    if "requestBody" not in operation:
        return None
    return json.dumps(operation["requestBody"]["content"]["application/json"]["example"]).encode()


def shape(value: object) -> set[str]:
    """The member names of an object, or of the first object of a list."""
    inside = value[0] if isinstance(value, list) else value
    assert isinstance(inside, dict)
    return set(inside)


def test_openapi_tells_of_every_route(front: Front) -> None:
    """Every declared route answers as declared, and every hot route is declared."""
    document = front.ask("GET", "/openapi.json", token=None).json
    assert document["openapi"].startswith("3.1")
    hot = {route.full_path("{instanceId}"): route.verb.lower() for route in ROUTES}
    for path, verb in hot.items():
        assert verb in document["paths"][path]
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            asked = path.replace("{instanceId}", ONE).replace("{orderId}", "o1") + query(operation)
            answer = front.ask(verb.upper(), asked, body(operation), {"Authorization": f"Bearer {TOKEN}"})
            assert str(answer.status) in operation["responses"], (path, answer)
            assert answer.status < 300, (path, answer)
            if path.startswith("/v1"):
                (shown,) = (told["content"] for code, told in operation["responses"].items() if code < "300")
                assert shape(answer.json) <= shape(shown["application/json"]["example"]) | {"fee"}, path
            if path in hot:
                shown = operation["responses"]["200"]["content"]["application/json"]["example"]
                assert set(answer.json) == set(shown), path
                assert answer.json["ex"] is None


def test_every_reference_in_the_document_resolves(front: Front) -> None:
    """No $ref of the document points to nowhere."""
    document = front.ask("GET", "/openapi.json").json
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert names
    assert names <= set(document["components"]["schemas"])


def test_docs_need_nothing_from_elsewhere(front: Front) -> None:
    """/docs loads no foreign asset, and its policy allows its own script and style alone."""
    answer = front.ask("GET", "/docs", token=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.body.decode()
    assert "//" not in re.sub(r"<!doctype[^>]*>", "", page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_errors_are_problems(front: Front) -> None:
    """Unknown paths and methods outside httptrading's API are RFC 9457 problems with a code."""
    for verb, path, status, code in (
        ("GET", "/nope", 404, "not_found"),
        ("POST", "/livez", 405, "unknown_method"),
        ("GET", "/livez/", 404, "not_found"),
    ):
        answer = front.ask(verb, path, token=None)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert set(answer.json) >= {"type", "title", "status", "code", "detail"}
        assert answer.json["code"] == code
    assert "server" not in answer.headers
