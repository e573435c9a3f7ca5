"""Where imported images are kept so that Label Studio shows them, one file a kind of storage."""
