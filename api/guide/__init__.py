"""The guide: what a merchant's developer needs to know, on one page without signing in."""
