"""What a document cannot say: who is asking, and rules between members."""

import json
import os

import requests
import schemathesis

BASE = os.environ["MARQUEE_BASE"]
OPERATORS = os.environ["MARQUEE_OPERATORS"].split()
PASSWORD = os.environ["MARQUEE_PASSWORD"]


@schemathesis.auth(refresh_interval=None)
class Operators:
    """An operator's session: among the calls are those that end sessions, delete users and change their roles."""

    bearer = None

    def get(self, case, context):
        while not self.is_good():
            if not OPERATORS:
                raise RuntimeError("all operators are gone: begin with more of them")
            credentials = {"email": OPERATORS[0], "password": PASSWORD}
            answer = requests.post(f"{BASE}/api/sessions", json=credentials, timeout=10)
            self.bearer = {"Authorization": f"Bearer {answer.cookies.get('session', '')}"}
            if not self.is_good():
                OPERATORS.pop(0)
        return self.bearer

    def is_good(self):
        """To an operator, there is no user of this name; anybody else is not told."""
        nobody = f"{BASE}/api/users/nobody"
        return self.bearer and requests.delete(nobody, headers=self.bearer, timeout=10).status_code == 404

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), **data}


@schemathesis.hook
def before_call(context, case, kwargs):
    """A video closes after it opens, a ticket admits to a video of its seller, who has none, and a whole number is
    written as one: JSON Schema takes 12.0 for 12."""
    body = case.body
    if not isinstance(body, dict):
        return
    if isinstance(body.get("closesAt"), str) and "opensAt" in body:
        body = {name: value for name, value in body.items() if name != "closesAt"}
    if isinstance(body.get("videoId"), str):
        body = {name: value for name, value in body.items() if name != "videoId"}
    for name in ("capacity", "quantity", "value", "expiresIn", "position"):
        if isinstance(body.get(name), float) and body[name].is_integer():
            body = {**body, name: int(body[name])}
    case.body = body


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """The text as it is; what was to be no text is a line of JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf8", "replace")


@schemathesis.serializer("application/offset+octet-stream")
def part(context, value):
    """Bytes as they are; what was to be none is made some."""
    return value if isinstance(value, bytes) else json.dumps(value).encode("utf8", "replace")
