"""Device cards that come with ohmbench, as YAML files."""
