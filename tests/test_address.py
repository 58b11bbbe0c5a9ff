"""Addresses: whom a proxy speaks for, what is believed of it, and how much is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.address import Addresses, Client, is_loopback, read_address
from metrics.settings import SettingError

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::1")


def read(peer: str | None, forwarded: str | None = None, proxies: tuple[str, ...] = PROXIES) -> Client:
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return Addresses(proxies, "full").read_client(peer, headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("196.249.97.5", None, "196.249.97.5"),
        ("196.249.97.5", "8.8.8.8", "196.249.97.5"),
        ("10.1.2.3", "196.249.97.5", "196.249.97.5"),
        ("10.1.2.3", "8.8.8.8, 196.249.97.5", "196.249.97.5"),
        ("10.1.2.3", "8.8.8.8, 196.249.97.5, 10.9.9.9", "196.249.97.5"),
        ("10.1.2.3", "196.249.97.5:4711", "196.249.97.5"),
        ("10.1.2.3", "[2001:db8::7]:4711", "2001:db8::7"),
        ("10.1.2.3", "::ffff:196.249.97.5", "196.249.97.5"),
        ("10.1.2.3", "8.8.8.8, <script>", "10.1.2.3"),
        ("10.1.2.3", "8.8.8.8, junk, 10.9.9.9", "10.9.9.9"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "10.4.4.4, 10.5.5.5", "10.4.4.4"),
        ("2001:db8:ffff::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:10.1.2.3", "196.249.97.5", "196.249.97.5"),
    ],
)
def test_it_works(peer: str, forwarded: str | None, address: str) -> None:
    assert str(read(peer, forwarded).address) == address


def test_only_a_trusted_proxys_word_counts() -> None:
    assert read("10.1.2.3", "196.249.97.5").is_behind_trusted_proxy
    assert not read("196.249.97.5", "8.8.8.8").is_behind_trusted_proxy
    assert not read("10.1.2.3", "196.249.97.5", proxies=()).is_behind_trusted_proxy


def test_nobody_has_no_address() -> None:
    for peer in (None, "", "unix:", "x" * 1_000):
        client = read(peer, "8.8.8.8")
        assert (client.address, client.rate_key) == (None, "unknown")


def test_a_household_is_counted_as_one() -> None:
    assert read("2001:db8:1:2:3:4:5:6").rate_key == read("2001:db8:1:2:ffff::1").rate_key == "2001:db8:1:2::"
    assert read("196.249.97.5").rate_key == "196.249.97.5"
    assert read("fe80::1%eth0").rate_key == "fe80::"


@pytest.mark.parametrize(
    ("storage", "address", "kept"),
    [
        ("truncated", "196.249.97.5", "196.249.97.0"),
        ("truncated", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("full", "196.249.97.5", "196.249.97.5"),
        ("none", "196.249.97.5", None),
    ],
)
def test_as_much_is_kept_as_the_settings_say(storage: str, address: str, kept: str | None) -> None:
    assert Addresses((), storage).stored(read_address(address)) == kept


@pytest.mark.parametrize("proxy", ["*", "proxy.example", "10.0.0.0/99", "300.1.1.1"])
def test_a_proxy_that_is_none_is_one_sentence(proxy: str) -> None:
    with pytest.raises(SettingError, match=r"METRICS_TRUSTED_PROXIES has .*: use addresses or networks"):
        Addresses((proxy,), "full")


@given(peer=st.none() | st.text(max_size=100), forwarded=st.text(max_size=300))
def test_no_text_raises(peer: str | None, forwarded: str) -> None:
    for proxies in ((), PROXIES, ("0.0.0.0/0", "::/0")):
        client = read(peer, forwarded, proxies)
        assert client.rate_key
    read("10.1.2.3", forwarded)


def test_this_machine_is_known_by_its_names() -> None:
    assert all(is_loopback(name) for name in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(is_loopback(name) for name in ("", "0.0.0.0", "10.0.0.1", "localhost.evil", "::"))
