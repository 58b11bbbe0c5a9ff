"""The parts that screens are made of: they own their state and hold no SQL."""
