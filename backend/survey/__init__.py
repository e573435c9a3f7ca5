"""Surveys: embeddings and predictions of millions of images, without Label Studio, in Parquet parts (docs/scale.md)."""
