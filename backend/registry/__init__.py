"""The registry: projects, their versions with evidence and files, in a database and a folder."""
