"""The report page: everything that `web/report/` gathers, written as one file. Nothing is trained."""

import functools

from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import load_vectors
from rdfia_keras.result import Result
from rdfia_keras.runs.files import make_folder, write_atomic
from rdfia_keras.sections.get_or_train import query_of
from rdfia_keras.sections.playground import course_folder, show
from rdfia_keras.system.terminal import note
from rdfia_keras.web.report.report_page import report_page
from rdfia_keras.web.report.sources import Sources

PAGE = "report.html"


def run(options: RunOptions, open_page: bool = False) -> Result:
    """Write the page, and show it in the browser if asked.

    Raises:
        RdfiaError: When the points of the playground cannot be read, or the page cannot be written.
    """
    path = make_folder(options.out) / PAGE
    data = load_vectors(MlpConfig().dataset, options.data_dir)
    query = functools.partial(query_of, seed=0, epochs=None, precision=None, quick=False)
    sources = Sources(options.out, query)
    text = report_page(sources, data, course_folder(options, data)).encode()
    write_atomic(path, text)
    for name, why in sources.troubles.items():
        note(f"{name}: {why}")
    if open_page:
        show(path)
    return Result(data={"page": str(path), "bytes": len(text), "damaged": sources.troubles}, paths=[path])
