"""What a request names is replaced before it is sent, by the tables that main.rs has made.

What the run needs itself (its own administrator, its key, its company) is not taken away by it: whatever names one
of them in a path, to end it, to demote it, to give it a new password, names another of the same kind, so that the
route is asked all the same.

And where an id was made up, every other time it becomes the id of something that is there: else nearly all of
them would be told 404, and answers about what is there be seen by few. Chains of operations have ids of their own,
and what is to be refused stays as it is.
"""

import json
import os
import zlib

import schemathesis
from schemathesis.core.parameters import ParameterLocation

STAND_INS = json.loads(os.environ["FLOW8_STAND_INS"])
KNOWN = json.loads(os.environ["FLOW8_KNOWN"])


def named(case, name, value):
    if value in STAND_INS:
        return STAND_INS[value]
    # /api/flows/{id}/run: flows.
    known = KNOWN.get(case.operation.path.split("/")[2]) if name == "id" else None
    is_made_up = case.meta is not None and case.meta.phase.name.value == "fuzzing"
    if known is None or not is_made_up or case.meta.is_negative_at(ParameterLocation.PATH):
        return value
    return known if zlib.crc32(value.encode("utf-8", "replace")) % 2 else value


@schemathesis.hook
def before_call(context, case, kwargs):
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, str):
            case.path_parameters[name] = named(case, name, value)
