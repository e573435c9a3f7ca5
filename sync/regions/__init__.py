"""Existing annotations in: regions that other programs wrote, as predictions or annotations of tasks that exist.

One module a file format, each with `read(file, ...)`, which gives the marked images of a file; `formats` lists them.
`tasks` finds the task of an image, `fitting` makes regions of Label Studio of what was read, `storing` stores them, and `run`
does all of it.
"""
