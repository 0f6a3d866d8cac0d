"""Labels of IQA data sets in the layouts of their downloads; :mod:`mmqpt.datasets.rated.readers.table` lists them."""
