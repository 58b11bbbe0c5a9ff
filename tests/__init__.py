"""Tests go through the front door, with a real PostgreSQL."""
