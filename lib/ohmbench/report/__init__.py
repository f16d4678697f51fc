"""Output for people: tables and figures."""
