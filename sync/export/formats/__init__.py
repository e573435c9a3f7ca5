"""The formats of data sets, one module each with the verb `write`."""
