"""Labels of IQA data sets in the layouts of their downloads; :mod:`mmqpt.datasets.readers.table` lists them."""
