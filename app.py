"""What `streamlit run app.py` serves: the pages, the private routes beside them, and the gate in front of both."""

import gc
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import altair  # noqa: F401 - with pandas, a second of work that the first visitor need not wait for
import anyio.to_thread
import pandas as pd  # noqa: F401
import streamlit as st
from starlette.middleware import Middleware

from metrics.address import is_loopback
from metrics.api import list_routes
from metrics.bundles import Bundles
from metrics.database import DatabaseError, check_url
from metrics.embedded import EmbeddedError
from metrics.gate import Gate
from metrics.install import close_installation, get_installation
from metrics.settings import SettingError, load_settings
from pages.widgets.signin import SignInError, make_sign_in, wants_sign_in

HERE = Path(__file__).resolve().parent
STATIC = Path(st.__file__).parent / "static"


def refuse_to_start(sentence: str) -> None:
    """Ends the process with one sentence and exit code 1."""
    print(sentence, file=sys.stderr, flush=True)
    raise SystemExit(1)


@asynccontextmanager
async def open_and_close(app: st.App) -> AsyncIterator[dict[str, object]]:
    """Opens the database before the first visitor comes; one that is away does not keep the dashboard from starting."""
    try:
        await anyio.to_thread.run_sync(get_installation)
    except EmbeddedError as error:
        # Only a person can mend this. uvicorn would print a stack for whatever is raised here.
        print(error, file=sys.stderr, flush=True)
        os._exit(1)
    except DatabaseError as error:
        print(error, file=sys.stderr, flush=True)
    # What is loaded by now stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    try:
        yield {}
    finally:
        await anyio.to_thread.run_sync(close_installation)


try:
    settings = load_settings()
    for name, url in (("DATABASE_URL", settings.database_url), ("DATABASE_READ_URL", settings.database_read_url)):
        if url:
            check_url(name, url)
except (SettingError, DatabaseError) as error:
    refuse_to_start(str(error))
# Unset, it would be every address of this machine.
address = st.get_option("server.address") or ""
sign_in = None
if wants_sign_in():
    try:
        sign_in = make_sign_in(settings)
    except SignInError as error:
        refuse_to_start(str(error))
elif not is_loopback(address):
    refuse_to_start(f"server.address is {address!r}: without sign-in the dashboard serves 127.0.0.1 only")

app = st.App(
    HERE / "pages" / "_frame.py",
    routes=list_routes(get_installation),
    middleware=[
        Middleware(Gate, sign_in=sign_in, index=STATIC / "index.html"),
        Middleware(Bundles, folder=STATIC),
    ],
    lifespan=open_and_close,
)
