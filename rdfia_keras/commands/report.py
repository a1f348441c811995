"""`rdfia report`: everything in one page. Nothing is trained."""

from rdfia_keras.commands._options import OpenPage, command
from rdfia_keras.commands.playground import course_folder, show_page
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.result import Result

PAGE = "report.html"


@command(options=("out", "data_dir"), examples=("rdfia report", "rdfia report --open"))
def report(options: RunOptions, open_page: OpenPage = False) -> Result:
    """Write every figure, every run and the playground into one page, from your runs and the reference results."""
    from rdfia_keras.data import load_vectors
    from rdfia_keras.runs.files import make_folder, write_atomic
    from rdfia_keras.system.terminal import note
    from rdfia_keras.web.report.report_page import report_page
    from rdfia_keras.web.report.sources import Sources

    path = make_folder(options.out) / PAGE
    data = load_vectors(MlpConfig().dataset, options.data_dir)
    sources = Sources(options.out)
    text = report_page(sources, data, course_folder(options, data)).encode()
    write_atomic(path, text)
    for name, why in {**sources.troubles, **sources.other_data}.items():
        note(f"{name}: {why}")
    if open_page:
        show_page(path)
    return Result(data={"page": str(path), "bytes": len(text), "damaged": sources.troubles}, paths=[path])
