"""Places: a trusted edge's word, a database of the shop's own, or nothing, and never an error."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from metrics.address import Client, read_address
from metrics.place import LONGEST_NAME, Places, name_country

DAR = {"country": {"names": {"en": "Tanzania"}}, "city": {"names": {"en": "Dar es Salaam"}}}
HERE = Client(read_address("196.249.97.5"))
BEHIND_EDGE = Client(read_address("196.249.97.5"), is_behind_trusted_proxy=True)


@pytest.fixture(scope="module")
def geoip_db(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("places") / "places.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Places")
    writer.insert_network(IPSet(["196.249.0.0/16"]), DAR)
    writer.insert_network(IPSet(["41.0.0.0/16"]), {"country": {"names": {"en": "Kenya"}}})
    writer.insert_network(IPSet(["42.0.0.0/16"]), {"country": "no table", "city": {"names": ["no", "table"]}})
    writer.to_db_file(str(path))
    return str(path)


def read(places: Places, address: str) -> tuple[str | None, str | None]:
    return places.read_place(Client(read_address(address)), {})


def test_it_works(geoip_db: str) -> None:
    places = Places(geoip_db)
    assert read(places, "196.249.97.5") == ("Tanzania", "Dar es Salaam")
    assert read(places, "41.0.7.7") == ("Kenya", None)
    assert read(places, "42.0.7.7") == (None, None)
    assert read(places, "8.8.8.8") == (None, None)
    assert read(places, "2001:db8::1") == (None, None)
    assert read(places, "") == (None, None)


def test_without_a_database_nothing_is_known() -> None:
    assert Places("").read_place(HERE, {}) == (None, None)


@pytest.mark.parametrize("content", [None, b"", b"no database", b"\xab\xcd\xefMaxMind.com" * 3])
def test_a_broken_database_is_said_once_and_then_nothing_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes | None
) -> None:
    path = tmp_path / "broken.mmdb"
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        places = Places(str(path))
    assert [record.message.partition(" (")[0] for record in caplog.records] == ["METRICS_GEOIP_DB cannot be read"]
    assert places.read_place(HERE, {}) == (None, None)


def test_a_file_that_brings_the_c_library_down_is_only_unknown_places(geoip_db: str, tmp_path: Path) -> None:
    broken = Path(__file__).parent / "data" / "broken.mmdb"
    assert read(Places(str(broken)), "41.7.1.1") == (None, None)
    misspelt = tmp_path / "misspelt.mmdb"
    misspelt.write_bytes(Path(geoip_db).read_bytes().replace(b"binary_format_minor", b"bianry_format_minor"))
    assert read(Places(str(misspelt)), "196.249.97.5") == (None, None)
    # Overwritten while it is read, and cut short.
    copy = tmp_path / "copy.mmdb"
    copy.write_bytes(Path(geoip_db).read_bytes())
    places = Places(str(copy))
    assert read(places, "196.249.97.5") == ("Tanzania", "Dar es Salaam")
    copy.write_bytes(b"short")
    assert read(places, "196.249.97.6") == (None, None)


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({"x-vercel-ip-country": "TZ", "x-vercel-ip-city": "Dar%20es%20Salaam"}, ("Tanzania", "Dar es Salaam")),
        ({"cf-ipcountry": "CI", "cf-ipcity": "Bouaké".encode().decode("latin-1")}, ("Côte d’Ivoire", "Bouaké")),
        ({"cloudfront-viewer-country": "KE", "cloudfront-viewer-city": "Nairobi"}, ("Kenya", "Nairobi")),
        ({"cf-ipcountry": "T1"}, (None, None)),
        ({"cf-ipcountry": "XX"}, (None, None)),
        ({"cf-ipcountry": "<b>", "cf-ipcity": "x" * 500}, (None, "x" * LONGEST_NAME)),
    ],
)
def test_an_edges_word_comes_first_where_it_is_trusted(
    geoip_db: str, headers: Mapping[str, str], place: tuple[str | None, str | None]
) -> None:
    assert Places(geoip_db).read_place(BEHIND_EDGE, headers) == place
    assert Places(geoip_db).read_place(HERE, headers) == ("Tanzania", "Dar es Salaam")


def test_countries_have_english_names() -> None:
    assert [name_country(code) for code in ("TZ", "tz", "GB", "ZZ1", "", "é1")] == [
        "Tanzania",
        "Tanzania",
        "United Kingdom",
        None,
        None,
        None,
    ]


@given(country=st.text(max_size=20), city=st.text(max_size=300))
def test_no_header_raises(country: str, city: str) -> None:
    for country_header, city_header in (("cf-ipcountry", "cf-ipcity"), ("x-vercel-ip-country", "x-vercel-ip-city")):
        place = Places("").read_place(BEHIND_EDGE, {country_header: country, city_header: city})
        assert all(name is None or (0 < len(name) <= LONGEST_NAME and "\0" not in name) for name in place)
