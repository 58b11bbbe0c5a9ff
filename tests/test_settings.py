"""Settings: defaults, what is accepted, and the sentence for what is not."""

from pathlib import Path

import pytest

from metrics.settings import PROJECT, SettingError, load_settings


def test_it_works_with_an_empty_environment() -> None:
    settings = load_settings({})
    assert settings.database_url == ""
    assert settings.home == PROJECT / ".metrics"
    assert (settings.timeout_minutes, settings.retention_days) == (30, 90)
    assert (settings.timezone, settings.currency, settings.ip_storage) == ("Africa/Dar_es_Salaam", "TZS", "truncated")
    assert settings.trust_client_user_id is False


def test_it_reads_words_with_commas_or_blanks() -> None:
    settings = load_settings({"METRICS_API_KEYS": "one, two three", "METRICS_HOME": "/srv/metrics"})
    assert settings.api_keys == ("one", "two", "three")
    assert settings.home == Path("/srv/metrics")


@pytest.mark.parametrize(
    ("name", "seen", "sentence"),
    [
        (
            "METRICS_RETENTION_DAYS",
            "ninety",
            "METRICS_RETENTION_DAYS is 'ninety': use a whole number of days, 1 or more",
        ),
        ("METRICS_TIMEOUT_MINUTES", "0", "METRICS_TIMEOUT_MINUTES is '0': use a whole number, 1 or more"),
        ("METRICS_TRUST_CLIENT_USER_ID", "yes", "METRICS_TRUST_CLIENT_USER_ID is 'yes': use true or false"),
        ("METRICS_ENDPOINT_PORT", "70000", "METRICS_ENDPOINT_PORT is '70000': use a port from 1 to 65535"),
        ("METRICS_IP_STORAGE", "half", "METRICS_IP_STORAGE is 'half': use truncated, full or none"),
        ("METRICS_HOME", "~nobody-of-that-name/x", "METRICS_HOME is '~nobody-of-that-name/x': use a folder"),
        ("METRICS_CURRENCY", "shilling", "METRICS_CURRENCY is 'shilling': use three capital letters, such as TZS"),
    ],
)
def test_it_says_what_was_seen_and_what_is_accepted(name: str, seen: str, sentence: str) -> None:
    with pytest.raises(SettingError) as error:
        load_settings({name: seen})
    assert str(error.value) == sentence


@pytest.mark.parametrize("seen", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd"])
def test_it_refuses_a_time_zone_that_is_none(seen: str) -> None:
    with pytest.raises(SettingError, match="METRICS_TIMEZONE is"):
        load_settings({"METRICS_TIMEZONE": seen})
