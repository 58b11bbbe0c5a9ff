"""Admission: whom a request is from, by the signed cookie of a sign-in, and how a stranger comes to sign in."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders

from metrics.signins import LIFE
from metrics.viewer import Role, Viewer

# What the gate tells pages and routes; whatever a browser sends under that name is taken away first.
HEADER = "x-metrics-viewer"
RETURN_COOKIE = "metrics_return_to"
RETURN_SECONDS = 600
LONGEST_RETURN = 2_000
LOGIN_PATH, LOGOUT_PATH, CALLBACK_PATH = "/auth/login", "/auth/logout", "/oauth2callback"
SIGN_IN_PATHS = (LOGIN_PATH, LOGOUT_PATH, CALLBACK_PATH)
# What does something as soon as it is opened: a link of another site must not sign anybody out, nor leave a file of
# customers on their disk and their name in the audit log. The provider's way back is such a link.
DOING_PATHS = ("/api", "/export", LOGOUT_PATH)

Claims = Mapping[str, object]
ReadCookie = Callable[[Mapping[str, str]], tuple[Claims, datetime] | None]


class Refused(PermissionError):
    """Somebody signed in and may not come in; the message is for that person."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody that the gate let in; whoever sits at this machine signed in never."""

    email: str
    role: Role
    signed_in_at: datetime | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether the sign-in is of this working day."""
        return self.signed_in_at is None or now - self.signed_in_at < LIFE

    def write(self) -> str:
        """For the header: ASCII alone, whatever the e-mail is made of."""
        signed_in_at = None if self.signed_in_at is None else self.signed_in_at.isoformat()
        return json.dumps([self.email, self.role, signed_in_at])

    def view(self) -> Viewer:
        """The viewer that a route asks for data with."""
        return Viewer(self.email, self.role)


LOCAL = Admission("local", "admin")


def read_admission(headers: Mapping[str, str]) -> Admission | None:
    """What the gate said of the request; None where no gate stood before it."""
    text = headers.get(HEADER)
    if not text:
        return None
    email, role, signed_in_at = json.loads(text)
    return Admission(email, role, None if signed_in_at is None else datetime.fromisoformat(signed_in_at))


@dataclass(frozen=True, slots=True)
class SignIn:
    """How people sign in here: where the provider sends them back to, and whom the shop named.

    `is_signed_out` asks the database; `make_login_path` gives a path that starts a sign-in.
    """

    redirect_uri: str
    read_cookie: ReadCookie
    find_role: Callable[[str], Role | None]
    is_signed_out: Callable[[str, datetime], bool]
    make_login_path: Callable[[], str]

    @property
    def host(self) -> str:
        """The name that the dashboard goes by."""
        return urlsplit(self.redirect_uri).hostname or ""

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by HTTPS."""
        return self.redirect_uri.startswith("https://")

    def admit(self, headers: Headers) -> Admission | None:
        """Who the cookie says it is; None for a stranger. Refused for a person who may not come in."""
        found = self.read_cookie(read_cookies(headers))
        if found is None:
            return None
        claims, signed_in_at = found
        email = str(claims.get("email") or "").strip()
        if not claims.get("is_logged_in") or not email:
            return None
        if datetime.now(UTC) - signed_in_at >= LIFE or self.is_signed_out(email, signed_in_at):
            return None
        # A provider that says nothing of it vouches for its own people; one that says no does not.
        if claims.get("email_verified", True) is not True:
            raise Refused(f"{email} is not verified by its provider: verify it there, then sign out here and in again")
        role = self.find_role(email)
        if role is None:
            raise Refused(f"{email} is neither an admin nor an analyst here: ask the shop's admin, then sign in again")
        return Admission(email.casefold(), role, signed_in_at)

    def send_to_login(self, path: str, query: str) -> list[tuple[bytes, bytes]]:
        """The headers that send a person to the provider, and remember where they wanted to go."""
        wanted = f"{path}?{query}" if query else path
        # Cut, an address would lead somewhere else: the page without its query is near enough.
        wanted = wanted if len(wanted) <= LONGEST_RETURN else path[:LONGEST_RETURN]
        return [
            (b"location", self.make_login_path().encode()),
            (b"set-cookie", self._make_cookie(wanted, RETURN_SECONDS).encode()),
        ]

    def come_back(self, asked: Headers, answer: MutableHeaders) -> None:
        """Makes of the provider's way back: the page that was wanted first, and cookies that last a working day."""
        cookies = answer.getlist("set-cookie")
        if not any(cookie.startswith("_streamlit_user=") for cookie in cookies):
            return
        del answer["set-cookie"]
        for cookie in cookies:
            answer.append("set-cookie", self._harden(cookie))
        answer.append("set-cookie", self._make_cookie("", 0))
        answer["location"] = read_return(read_cookies(asked).get(RETURN_COOKIE, ""))

    def _harden(self, cookie: str) -> str:
        if not cookie.startswith("_streamlit_user"):
            return cookie
        parts = [part for part in cookie.split("; ") if not part.lower().startswith("max-age=")]
        deletes = "max-age=0" in cookie.lower()
        parts.append(f"Max-Age={0 if deletes else int(LIFE.total_seconds())}")
        return "; ".join(parts + (["Secure"] if self.is_secure else []))

    def _make_cookie(self, value: str, seconds: int) -> str:
        secure = "; Secure" if self.is_secure else ""
        return f"{RETURN_COOKIE}={quote(value)}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"


def read_cookies(headers: Headers) -> dict[str, str]:
    """The cookies of a request; none where they cannot be read."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load("; ".join(headers.getlist("cookie")))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def read_return(cookie: str) -> str:
    """A path of ours from the cookie; the first page for anything that leads elsewhere or round in circles."""
    path = unquote(cookie)
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\", *SIGN_IN_PATHS, *DOING_PATHS))
    if not is_ours or any(ord(letter) < 32 or letter == "\\" for letter in path):
        return "/"
    return quote(path, safe="/?=&%:+,;@!$'()*~-._")
