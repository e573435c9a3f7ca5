"""The HTTP server: Label Studio's ML protocol, authentication and metrics."""
