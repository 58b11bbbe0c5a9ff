"""The sentence behind every number: what the tooltips say, one definition a word."""

from metrics.settings import CAP, ONLINE
from pages.widgets.database import get_settings


def define(word: str) -> str:
    """The definition of a number, with the settings it depends on."""
    settings = get_settings()
    return _DEFINITIONS[word].format(
        timeout=settings.timeout_minutes,
        online=int(ONLINE.total_seconds() // 60),
        cap=int(CAP.total_seconds() // 3600),
        days=settings.retention_days,
        currency=settings.currency,
    )


_DEFINITIONS = {
    "customers": "Everybody who is registered in the shop, whatever the interval.",
    "unique": "Distinct signed-in customers with a session that began in the interval. Guests are counted apart.",
    "session": "One visit of one customer or guest in one browser. It ends after {timeout} minutes of silence, when "
    "the person signs out or leaves, or after {cap} hours. It belongs to the interval in which it began.",
    "duration": "From start to end, the mean over sessions that have ended, very short ones included. Half of the "
    "sessions are shorter than the median; nine of ten are shorter than p90.",
    "end_rate": "Ended sessions of all sessions in the interval. Reported: ended by signing out, switching user or "
    "leaving the page; the others fell silent.",
    "order": "Orders placed in the interval, cancelled, failed and refunded ones left out. Pending ones count.",
    "booking": "Bookings made in the interval, cancelled ones left out.",
    "revenue": "The sum of paid orders placed in the interval, in {currency}; cancelled and refunded ones left out.",
    "spent": "The sum of all paid orders, in {currency}; cancelled and refunded ones left out.",
    "online": "Distinct customers, and guests apart, with an open session and a sign of life in the last {online} "
    "minutes. Independent of the interval.",
    "bots": "Sessions of crawlers and other programs. They are stored, and left out of every number unless this is on.",
    "counts": "Sessions, orders and bookings of the chosen interval. With All Time they are lifetime counts. "
    "Active: an open session with a sign of life in the last {timeout} minutes. Last seen: the start of the latest "
    "signed-in session.",
    "lifetime_sessions": "Every session of this customer, without bots. It does not shrink when old session detail is "
    "removed after {days} days.",
    "lifetime_orders": "Every order that is not cancelled, failed or refunded. Pending ones count.",
    "lifetime_bookings": "Every booking that is not cancelled.",
    "lifetime_reviews": "Every review that the customer wrote.",
    "last_order": "The latest order that is not cancelled, failed or refunded, and its amount.",
    "last_booking": "The latest booking that is not cancelled, and its service by its present name.",
    "primary": "The most frequent device, browser and operating system of all the customer's sessions; the most recent "
    "of two that tie.",
    "sessions_of": "Times and addresses of single sessions are kept for {days} days. Duration is from start to end in "
    "whole minutes; addresses are shortened.",
    "share": "The share of sessions that began in the interval, customers and guests, without bots.",
    "series": "Hours, days and months are those of the time zone in the side bar. The interval is rolling, so the "
    "first and the last point may hold only a part.",
    "rhythm": "How many sessions of the interval began in each hour of each weekday, in the time zone of the side bar. "
    "24 hours hold each hour once; longer intervals add up their weeks.",
    "share_series": "Each line is the share of one family of the sessions that began in that hour, day or month; all "
    "lines of a moment make 100 %. The five most common have a line each, the rest are Other. Only sessions whose "
    "detail is kept.",
    "places": "Where sessions of the interval came from, as far as the address tells. Unknown: it tells no place. All "
    "rows together are the sessions of the interval.",
    "session_list": "Sessions that began in the interval, customers and guests, the latest first. Active: no end and a "
    "sign of life in the last {timeout} minutes. Duration is from start to end in whole minutes; addresses are "
    "shortened.",
    "end_reasons": "Why sessions ended, of all that began in the interval and have ended, whatever the filters of the "
    "list, as far as their detail is kept. Fell silent: no sign of life for {timeout} minutes. Longest time reached: "
    "{cap} hours.",
    "beacon_rate": "Sessions that began in the last hour, bots among them, whatever the interval. Seen: an open "
    "session with a sign of life in the last minute.",
    "background": "The endpoint does this by itself. While it is late no number is wrong: readers derive the same.",
    "check": "Counts 500 customers and the last 24 hours anew and compares, and looks at triggers, background and "
    "rights. `python -m metrics check --full` counts everybody and every interval.",
    "traces": "Rows of ours that name this customer. Orders, bookings and reviews are the shop's, and are not touched.",
    "retention": "Times, pages and addresses of single sessions leave after {days} days; the endpoint looks every "
    "hour. What is counted of all time, by customer and in total, stays.",
    "audit": "Who did what with personal data, when, and with how many rows. It is only added to.",
    "audience": "Who may be worth a message. The same customer may be in several lists.",
    "segment": "By when the last paid order was, how many there were, and what they came to. Cancelled, failed and "
    "refunded orders are left out.",
    "value_at_stake": "What these customers paid in their lifetime, in {currency}: paid orders, cancelled and refunded "
    "ones left out.",
    "bookers": "Distinct customers with a booking in the interval that was not cancelled.",
    "booked_value": "The sum of the amounts of bookings that were not cancelled, in {currency}, paid or not.",
    "cancelled_share": "Cancelled bookings of all that were made in the interval.",
    "service": "Bookings made in the interval by the service's present name. Share: of all bookings that were not "
    "cancelled. Value: their amounts. Cancelled: of all that were made.",
    "service_series": "Bookings that were not cancelled, in hours, days and months of the time zone in the side bar. "
    "The first and the last may hold only a part.",
    "members": "Orders and bookings of all time; cancelled, failed and refunded ones left out. Spent: the paid "
    "orders, in {currency}. Last order: the latest that counts. Last seen: the start of the latest signed-in session.",
    "who_books": "Customers with a booking in the interval that was not cancelled. Bookings and value are of those "
    "alone; the value is in {currency}, paid or not. Last booked: the latest of them.",
}
