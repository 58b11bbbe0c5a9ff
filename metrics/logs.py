"""The endpoint's log: one JSON object a line, with what happened and never with whom."""

import json
import logging
import sys
from datetime import UTC, datetime

# Whatever else a record carries stays out: a request may hold an address, a name, a token.
FIELDS = ("reason", "network", "times", "url")


class JsonLines(logging.Formatter):
    """A record as one line: at, level, event, and the few fields that are allowed."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if getattr(record, name, None) is not None}
        if record.exc_info and record.exc_info[0]:
            # Where it failed, without the values it failed with.
            trace = record.exc_info[2]
            while trace and trace.tb_next:
                trace = trace.tb_next
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
            line |= {"error": record.exc_info[0].__name__, "place": place}
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr() -> None:
    """Everything of ours from INFO on, everything of others from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("metrics").setLevel(logging.INFO)
