"""The screens: one file a page, and the script around them."""
