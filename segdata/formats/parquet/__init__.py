"""Label maps inside Parquet tables, as Hugging Face stores them."""
