"""Import of existing annotations: regions of other programs become predictions or annotations of existing tasks.

Each file format has one module with `read(file, ...)`, which returns the marked images of a file; `formats` lists them. `tasks`
finds the task of an image, `fitting` converts marks and answers to regions of Label Studio, `storing` stores them, and `run`
runs the whole import.
"""
