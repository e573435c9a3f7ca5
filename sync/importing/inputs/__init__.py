"""Where imported images come from, one file a kind of source; each gives items that are read when their turn comes."""
