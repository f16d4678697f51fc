"""The site and the README: what they say is true, and every link leads somewhere."""
