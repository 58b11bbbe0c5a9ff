"""The dashboard as it is served, in Chromium."""
