"""Pages for people: the list of projects, and each project's scores, learning curves, versions and galleries.

The server renders them from the registry's rows and the stored report; a page needs no JavaScript.
"""
