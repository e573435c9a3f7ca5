"""The registry: projects in a database, and their versions with evidence in the database and files in a folder."""
