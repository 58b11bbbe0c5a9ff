"""A click on a sort until its list is painted, in Chromium: one admin alone, then twenty at once on one machine."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from metrics.choices import INTERVALS, SORTS
from metrics.database import Database
from metrics.settings import PROJECT

PORT = 18_501
ADMINS = 20
CLICKS = 12
# Between the clicks of one of many: they read what they see.
READING_SECONDS = 4.0
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
CHOICES = [(sort.label, interval.label) for interval in INTERVALS.values() for sort in SORTS.values()]


def measure_clicks(database: Database) -> None:
    """Prints a table: one admin, then twenty, and the dashboard's memory."""
    print("\n| what | times | p50 ms | p95 ms | dashboard's processor time of each, ms | its memory, MB |")
    print("|---|---:|---:|---:|---:|---:|")
    with _serve(database) as process:
        for admins in (1, ADMINS):
            begin = sum(process.cpu_times()[:2])
            took, first = asyncio.run(_click(admins))
            spent = (sum(process.cpu_times()[:2]) - begin) * 1000 / (len(took) + len(first))
            megabytes = process.memory_info().rss / 1e6
            _say(f"first page, {admins} at once", first, spent, megabytes)
            _say(f"sort or interval clicked until painted, {admins} at once", took, spent, megabytes)


async def _click(admins: int) -> tuple[list[float], list[float]]:
    # Of the tests' packages, which measuring the rest does not want.
    from playwright.async_api import async_playwright

    took: list[float] = []
    first: list[float] = []
    path = next((path for path in CHROMIUM if os.path.exists(path)), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])

        async def visit(number: int) -> None:
            page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
            begin = time.perf_counter()
            await page.goto(f"http://127.0.0.1:{PORT}/")
            await page.get_by_text("Showing 1–20 of").wait_for(timeout=60_000)
            first.append((time.perf_counter() - begin) * 1000)
            shown = ("Most Active (Sessions)", "All Time")
            for click in range(CLICKS):
                if admins > 1:
                    await asyncio.sleep(READING_SECONDS)
                wanted = CHOICES[(number + click * 7 + 1) % len(CHOICES)]
                for label, before, after in zip(("Sort by", "Time interval"), shown, wanted, strict=True):
                    if before == after:
                        continue
                    await page.get_by_role("combobox", name=label).click()
                    option = page.get_by_role("option", name=after, exact=True)
                    await option.wait_for()
                    begin = time.perf_counter()
                    await option.click()
                    shown = (after, shown[1]) if label == "Sort by" else (shown[0], after)
                    await page.get_by_text(f" · {shown[0]} · {shown[1]}").wait_for(timeout=60_000)
                    await page.locator("[data-stale=true]").first.wait_for(state="detached", timeout=60_000)
                    took.append((time.perf_counter() - begin) * 1000)

        await asyncio.gather(*(visit(number) for number in range(admins)))
        await browser.close()
    return took, first


@contextmanager
def _serve(database: Database) -> Iterator[psutil.Process]:
    environment = os.environ | {"DATABASE_URL": database.url}
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={PORT}", "--server.headless=true"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                urlopen(f"http://127.0.0.1:{PORT}/healthz").close()
                break
            except URLError:
                time.sleep(0.2)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _say(label: str, took: list[float], spent: float, megabytes: float) -> None:
    worst = quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    print(
        f"| {label} | {len(took)} | {median(took):,.0f} | {worst:,.0f} | {spent:,.0f} | {megabytes:,.0f} |", flush=True
    )
