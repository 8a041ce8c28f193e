"""MOTS' names: what files of lines are called, and how they begin."""

FOLDER = "instances_txt"
NAME = rf"^([^/]+|{FOLDER}/[^/]+|[^/]+/gt/gt)\.txt$"
LINE = rb"\A\d+ \d+ (?:10|[1-9]) \d{2,6} \d{2,6} [0-o]+\r?(?:\n|\Z)"
# In a folder of that name also of images so small that the numbers might be anything, and videos of nothing.
IN_FOLDER, ANY_LINE = rf"(^|/){FOLDER}/[^/]+\.txt$", rb"\A(?:\d+ \d+ \d+ \d+ \d+ [0-o]+\r?(?:\n|\Z)|\Z)"
