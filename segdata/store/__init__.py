"""The canonical dataset on disk: Parquet tables, revisions, one commit point."""
