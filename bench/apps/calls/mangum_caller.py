"""Invocations of hello world under Mangum: what Lambda's own Python runtime would call."""

import json
import os
import sys

import orders
import timing
from mangum import Mangum

sys.path.insert(0, os.path.join("..", "raw"))
from main import app

handler = Mangum(app, lifespan="off")
# The events that amphis is given.
events = json.loads(os.environ["BENCH_EVENTS"])


class Context:
    aws_request_id = "id"


def measure(order):
    event = events[order["what"]]

    def invoke(_):
        answer = handler(event, Context())
        return 1 if answer["statusCode"] == 200 and answer["body"] == "Hello, World!" else answer

    return timing.blocking(invoke, order["milliseconds"])


orders.obey({"measure": measure})
